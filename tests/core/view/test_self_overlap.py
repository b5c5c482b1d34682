"""Writing a view of a buffer to that buffer acts as if the source were copied first."""

from __future__ import annotations

import itertools

import pytest

import pagebuf
from tests.helpers import PAGE

SPAN = 40

pytestmark = pytest.mark.skipif(
    PAGE != 16,
    reason="every offset within three pages: pages of 16 bytes make that some ten thousand cases",
)

DATA = bytes(range(1, 2 * SPAN + 1))


def made(pool, shared):
    """A buffer in one run, or with one page elsewhere: it was written beside a snapshot."""
    buf = pagebuf.PageBuffer(DATA, pool=pool)
    if shared:
        snap = buf.snapshot()
        buf.write(PAGE, DATA[PAGE : PAGE + 1])
        del snap
    return buf


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("n", range(SPAN + 1))
def test_write_of_a_view_of_itself(pool, n, shared, writable):
    buf = made(pool, shared)
    for i, j in itertools.product(range(SPAN + 1), repeat=2):
        with buf.view(j, n, writable=writable) as view:
            buf.write(i, view)
        plain = bytearray(DATA)
        plain[i : i + n] = DATA[j : j + n]
        assert buf.tobytes() == plain, (i, j, n)
        buf.write(0, DATA)
    buf.check()


@pytest.mark.parametrize("n", range(1, SPAN + 1))
def test_write_of_a_view_whose_first_bytes_were_taken_off(pool, n):
    """A view follows its frames, so its first bytes no longer belong to the buffer."""
    for taken, i in itertools.product(range(1, SPAN + 1), range(0, SPAN + 1, 3)):
        buf = pagebuf.PageBuffer(DATA, pool=pool)
        with buf.view(0, n) as view:
            buf.take_bytes(taken)
            plain = bytearray(DATA[taken:])
            plain[i : i + n] = bytes(view)
            buf.write(i, view)
        assert buf.tobytes() == plain, (taken, i, n)
    buf.check()


def slices(pool, i):
    """Each slice from `i` on, a buffer, and a `bytearray` that must agree with it afterwards."""
    for j in range(SPAN + 1):
        buf = pagebuf.PageBuffer(DATA[:SPAN], pool=pool)
        plain = bytearray(DATA[:SPAN])
        yield slice(i, j), buf, plain
        assert buf.tobytes() == plain, (i, j)
    buf.check()


@pytest.mark.parametrize("i", range(SPAN + 1))
def test_a_slice_set_from_the_buffer_itself(pool, i):
    for where, buf, plain in slices(pool, i):
        buf[where] = buf
        plain[where] = plain


@pytest.mark.parametrize("i", range(SPAN + 1))
def test_a_slice_set_from_a_stable_view_of_itself(pool, i):
    """A stable view is not live, so offsets may shift."""
    for where, buf, plain in slices(pool, i):
        with buf.view(3, 20, writable=False) as view:
            buf[where] = view
        plain[where] = DATA[3:23]
