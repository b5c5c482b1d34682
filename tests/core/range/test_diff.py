"""diff: what it returns, and that its cost follows what changed."""

from __future__ import annotations

import itertools
import operator
import time

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE, around, reach
from tests.support import SHAPES, filled, pattern


def grid(buf, offset):
    """Does a page of the tree begin at this offset?"""
    return (buf.stats().bias + offset) % PAGE == 0


def agree(one, two):
    """Check the result of diff in both modes, to the byte and to the page."""
    a, b = one.tobytes(), two.tobytes()
    size, shorter = max(len(a), len(b)), min(len(a), len(b))
    wide_a, wide_b = a.ljust(size, b"\0"), bytearray(b.ljust(size, b"\0"))
    for exact in (True, False):
        told, past = one.diff(two, exact=exact), -1
        patched = bytearray(wide_b)
        for offset, length in told:
            assert past < offset < offset + length <= size
            past = offset + length
            patched[offset:past] = wide_a[offset:past]
            end = min(past, shorter)
            if exact:
                assert not any(map(operator.eq, wide_a[offset:end], wide_b[offset:end]))
            else:
                assert offset == 0 or grid(one, offset)
                assert past == size or grid(one, past)
        assert patched == wide_a
        assert shorter == size or past == size


@pytest.mark.parametrize("pair", list(itertools.product(SHAPES, repeat=2)))
def test_every_shape_beside_every_shape(pool, pair):
    if "tall" not in pair:
        agree(*(SHAPES[shape](pool) for shape in pair))


@pytest.mark.parametrize("offset", around(0, PAGE, 3 * PAGE, FANOUT * PAGE))
@pytest.mark.parametrize("size", [1, 2, 9, PAGE, PAGE + 1])
def test_one_change(pool, offset, size):
    if offset > 20 * PAGE:
        offset %= 20 * PAGE
    buf = filled(pool, 24 * PAGE + 3)
    snap = buf.snapshot()
    assert buf.diff(snap) == buf.diff(snap, exact=True) == []
    buf.write(offset, bytes(size))
    assert buf.diff(snap, exact=True) == [(offset, size)]
    first, past = offset // PAGE * PAGE, -(-(offset + size) // PAGE) * PAGE
    assert buf.diff(snap) == snap.diff(buf) == [(first, min(past, len(buf)) - first)]
    agree(buf, snap)


def test_what_was_written_back_is_the_same_to_the_byte(pool):
    buf = filled(pool, 6 * PAGE)
    snap = buf.snapshot()
    buf.write(PAGE, pattern(PAGE, 9))
    assert buf.diff(snap) == [(PAGE, PAGE)]
    assert buf.diff(snap, exact=True) == []


def test_a_hole_equals_zeros_to_the_byte(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    buf.truncate(5 * PAGE)
    snap = buf.snapshot()
    buf.write(PAGE, bytes(2 * PAGE))
    assert buf.diff(snap, exact=True) == []
    assert buf.diff(snap) == [(PAGE, 2 * PAGE)]


@pytest.mark.parametrize("longer", [1, PAGE - 3, PAGE, 3 * PAGE + 1])
def test_sizes_differ(pool, longer):
    buf = filled(pool, 3 * PAGE + 3)
    snap = buf.snapshot()
    buf.truncate(len(buf) + longer)
    size = len(buf)
    assert buf.diff(snap, exact=True) == [(3 * PAGE + 3, longer)]
    assert buf.diff(snap) == snap.diff(buf) == [(3 * PAGE, size - 3 * PAGE)]
    empty = pagebuf.PageBuffer(pool=pool)
    assert buf.diff(empty) == empty.diff(buf, exact=True) == [(0, size)]
    agree(buf, snap)


@pytest.mark.parametrize("taken", [1, PAGE - 1, PAGE, 4 * PAGE, FANOUT * PAGE])
def test_after_bytes_went_off_the_front(pool, taken):
    """Offsets and positions differ, by whole pages or by bytes."""
    buf = filled(pool, (FANOUT + 9) * PAGE if PAGE < 4096 else 12 * PAGE)
    taken %= len(buf)
    snap = buf.snapshot()
    buf.take_bytes(taken)
    agree(buf, snap)
    agree(snap, buf)
    other = buf.clone()
    other.write(2 * PAGE, b"\0")
    agree(other, buf)
    assert other.diff(buf, exact=True) == [(2 * PAGE, 1)]


def test_pages_that_moved_together_are_known(pool):
    """diff knows a shared page although its two positions differ by whole pages."""
    source = filled(pool, 9 * PAGE)
    source.take_bytes(3 * PAGE)
    to = filled(pool, PAGE, salt=1)
    to.extend(source)
    to.collapse(0, PAGE)
    assert to.diff(source) == []


def test_other_pools_compare_bytes(pool):
    other = pagebuf.PagePool()
    one, two = filled(pool, 5 * PAGE + 3), filled(other, 5 * PAGE + 3)
    assert one.diff(two) == one.diff(two, exact=True) == []
    two.write(PAGE + 1, b"\0\0")
    assert one.diff(two) == [(PAGE, PAGE)]
    assert one.diff(two, exact=True) == [(PAGE + 1, 2)]
    agree(one, two)


def test_live_pages_differ_by_the_page(pool):
    """A page under a live view is not shared (I11), so it counts as changed."""
    buf = filled(pool, 4 * PAGE)
    view = buf.view(PAGE, 1)
    snap = buf.snapshot()
    assert buf.diff(snap) == [(PAGE, PAGE)]
    assert buf.diff(snap, exact=True) == []
    view[0] = 0
    assert buf.diff(snap, exact=True) == [(PAGE, 1)]


def test_with_itself_and_with_others(pool):
    buf = filled(pool, 2 * PAGE)
    assert buf.diff(buf) == buf.diff(buf, exact=True) == []
    for bad in (b"", None, bytearray(2)):
        with pytest.raises(TypeError):
            buf.diff(bad)
    with pytest.raises(TypeError):
        buf.diff(buf, True)


def test_equal_subtrees_are_skipped(pool):
    """The tree is as tall as possible, and one byte differs.  It is too large to be read.  The
    limit is one second of this thread's own time, because other processes need the CPU, too."""
    buf = pagebuf.PageBuffer(pool=pool)
    size = reach(pagebuf.MAX_LEVELS)
    buf.write(0, b"\1")
    buf.write(size - 1, b"\1")
    snap = buf.snapshot()
    buf.write(size // 2, b"\1")
    start = time.thread_time()
    assert buf.diff(snap, exact=True) == [(size // 2, 1)]
    assert buf.diff(snap) == [(size // 2, PAGE)]
    assert time.thread_time() - start < 1
