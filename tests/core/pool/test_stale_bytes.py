"""I4: old bytes never come back, whichever way bytes enter the buffer again."""

from __future__ import annotations

import ctypes

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.support import INLINE, filled, pattern

CUTS = [0, 1, PAGE // 2, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 3]
JUMPS = [0, 1, PAGE // 2, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE]


@pytest.fixture
def dirty():
    """A pool whose free frames are full of old bytes."""
    pool = pagebuf.PagePool()
    olds = [filled(pool, 40 * PAGE, salt) for salt in (1, 2)]
    olds.clear()
    assert pool.stats().held == 0
    return pool


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("more", [1, PAGE // 2, PAGE, 3 * PAGE])
def test_truncate_and_stretch(dirty, cut, more):
    buf = filled(dirty, 5 * PAGE)
    buf.truncate(cut)
    buf.truncate(cut + more)
    assert buf.tobytes() == pattern(0, cut) + bytes(more)
    buf.check()


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("jump", JUMPS)
def test_truncate_and_write_past_the_end(dirty, cut, jump):
    buf = filled(dirty, 5 * PAGE)
    buf.truncate(cut)
    buf.write(cut + jump, pattern(0, 3, salt=4))
    assert buf.tobytes() == pattern(0, cut) + bytes(jump) + pattern(0, 3, salt=4)
    buf.check()


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("size", [1, PAGE // 2, PAGE - 1, PAGE, PAGE + 1])
def test_truncate_extend_stretch(dirty, cut, size):
    """The bytes behind a short extend are zeros, too."""
    buf = filled(dirty, 5 * PAGE)
    buf.truncate(cut)
    buf.extend(pattern(0, size, salt=4))
    buf.truncate(cut + size + 2 * PAGE)
    assert buf.tobytes() == pattern(0, cut) + pattern(0, size, salt=4) + bytes(2 * PAGE)


@pytest.mark.parametrize("at", JUMPS)
@pytest.mark.parametrize("size", [1, 3, PAGE - 1, PAGE, PAGE + 1])
def test_partly_written_pages_of_reused_frames(dirty, at, size):
    buf = pagebuf.PageBuffer(pool=dirty)
    buf.write(at, pattern(at, size))
    buf.truncate(at + size + PAGE)
    assert buf.tobytes() == bytes(at) + pattern(at, size) + bytes(PAGE)


@pytest.mark.parametrize("at", JUMPS)
@pytest.mark.parametrize("size", [1, PAGE - 1, PAGE, 2 * PAGE + 1])
def test_punch_and_write_beside(dirty, at, size):
    buf, model = filled(dirty, 5 * PAGE), bytearray(pattern(0, 5 * PAGE))
    buf.punch(at, size)
    model[at : at + size] = bytes(size)
    for where in (at, at + size - 1):
        buf.write(where, b"\x07")
        model[where : where + 1] = b"\x07"
    assert buf.tobytes() == model


def test_punch_of_the_tail_and_stretch(dirty):
    buf = filled(dirty, 2 * PAGE + 7)
    buf.punch(2 * PAGE - 1, 1 << 40)
    buf.truncate(4 * PAGE)
    assert buf.tobytes() == pattern(0, 2 * PAGE - 1) + bytes(2 * PAGE + 1)


@pytest.mark.parametrize("cut", CUTS)
def test_clear_and_start_again(dirty, cut):
    buf = filled(dirty, 5 * PAGE)
    buf.clear()
    buf.write(cut, b"\x01")
    buf.truncate(cut + 2 * PAGE)
    assert buf.tobytes() == bytes(cut) + b"\x01" + bytes(2 * PAGE - 1)


@pytest.mark.parametrize("taken", [1, PAGE - 1, PAGE, PAGE + 1, 4 * PAGE])
@pytest.mark.parametrize("cut", [0, 1, PAGE // 2])
def test_bytes_taken_do_not_come_back(dirty, taken, cut):
    """Bytes taken off the front still lie in the page.  They do not show after a cut and growth."""
    buf = filled(dirty, 5 * PAGE)
    buf.take_bytes(taken)
    buf.truncate(cut)
    buf.truncate(4 * PAGE)
    assert buf.tobytes() == pattern(taken, cut) + bytes(4 * PAGE - cut)
    buf.punch(0, 4 * PAGE)
    buf.extend(b"\x01")
    assert buf.tobytes() == bytes(4 * PAGE) + b"\x01"


def test_take_all_and_start_again(dirty):
    buf = filled(dirty, 2 * PAGE + PAGE // 2)
    buf.take_bytes()
    for size in (PAGE // 4, PAGE, 3 * PAGE):
        buf.truncate(size)
        assert buf.tobytes() == bytes(size)
    buf.write(PAGE + 1, b"\x01")
    assert buf.tobytes() == bytes(PAGE + 1) + b"\x01" + bytes(2 * PAGE - 2)


def test_nodes_of_reused_frames_are_empty(dirty):
    """A node full of old bytes would name pages that are not its own."""
    for at in (reach(1), reach(2), reach(3) + PAGE):
        buf = pagebuf.PageBuffer(pool=dirty)
        buf.write(at, b"\x01")
        assert buf.extents() == [(at // PAGE * PAGE, at % PAGE + 1)]
        buf.truncate(2 * at)
        assert buf.read(0, 4 * PAGE) == bytes(4 * PAGE)
        assert buf.read(at - PAGE, 3 * PAGE) == bytes(PAGE) + b"\x01" + bytes(2 * PAGE - 1)
        buf.check()


def test_pages_that_were_nodes_are_empty(dirty):
    tall = filled(dirty, 1)
    tall.truncate(reach(pagebuf.MAX_LEVELS))
    assert dirty.stats().nodes == pagebuf.MAX_LEVELS - 1
    tall.clear()
    for _ in range(pagebuf.MAX_LEVELS + 3):
        tall.write(len(tall) + PAGE // 2, b"\x01")
        tall.truncate(-(-len(tall) // PAGE) * PAGE)
    one = bytes(PAGE // 2) + b"\x01" + bytes(PAGE // 2 - 1)
    assert tall.tobytes() == one * (pagebuf.MAX_LEVELS + 3)


def test_a_foreign_buffers_bytes_do_not_show(dirty):
    """Frames go back and forth between two buffers."""
    first, second = (pagebuf.PageBuffer(pool=dirty) for _ in range(2))
    for turn in range(20):
        first.write(0, pattern(turn, 4 * PAGE, salt=1))
        first.clear()
        second.write(turn % PAGE, b"\x02")
        second.truncate(3 * PAGE)
        model = bytearray(3 * PAGE)
        model[turn % PAGE] = 2
        assert second.tobytes() == model
        second.clear()


def test_slack_behind_the_end_is_clean_in_the_frame(dirty):
    """The bytes of the last page past the end: zeros, or the poison of debug level 1."""
    buf = filled(dirty, 3 * PAGE)
    for size in (2 * PAGE + 5, PAGE + 1, 1):
        buf.truncate(size)
        page = ctypes.string_at(buf.walk(size - 1).steps[-1].address, PAGE)
        assert set(page[size % PAGE :]) <= {0, 0x5A}


@pytest.mark.parametrize("lead", [0, 1, 7, 50])
def test_partly_written_pages_after_trim(lead):
    """trim() works on pages of the system, so tiny frames at their edges keep old bytes."""
    pages = 40 if PAGE == 4096 else 2 * 4096 // PAGE + 90
    pool = pagebuf.PagePool()
    keep = [filled(pool, INLINE + 1, n) for n in range(lead)]
    old = [filled(pool, pages * PAGE, 200), filled(pool, pages * PAGE, 201)]
    old.clear()
    pool.trim()
    buf, model = pagebuf.PageBuffer(pool=pool), bytearray(2 * pages * PAGE)
    for page in range(2 * pages):
        buf.write(page * PAGE + page % PAGE, b"\x01")
        model[page * PAGE + page % PAGE] = 1
    buf.truncate(len(model))
    assert buf.tobytes() == model
    assert [few.tobytes() for few in keep] == [pattern(0, INLINE + 1, n) for n in range(lead)]
    buf.check()
    pool.check()


TINY = INLINE or 12  # few enough to lie in the object, where objects hold bytes


@pytest.mark.parametrize("cut", [0, 1, TINY // 2, TINY - 1])
@pytest.mark.parametrize("more", [1, TINY // 2, TINY, TINY + 1, PAGE])
def test_tiny_buffers_forget_too(dirty, cut, more):
    """Old bytes show neither inside the object, nor when bytes move from it to a page."""
    for shorten, front in (
        (lambda buf: buf.truncate(cut), 0),
        (lambda buf: buf.take_bytes(TINY - cut), TINY - cut),
    ):
        for grow in (
            lambda buf: buf.truncate(cut + more),
            lambda buf: buf.write(cut + more - 1, b"\0"),
            lambda buf: (buf.write(cut + more, b"x"), buf.truncate(cut + more)),
        ):
            buf = filled(dirty, TINY)
            shorten(buf)
            grow(buf)
            assert buf.tobytes() == pattern(front, cut) + bytes(more)
            buf.truncate(cut + more + TINY)
            assert buf.tobytes() == pattern(front, cut) + bytes(more + TINY)
            buf.check()


@pytest.mark.parametrize("at", [0, 1, TINY - 2])
@pytest.mark.parametrize("size", [1, 2, TINY, PAGE])
def test_tiny_buffers_punched(dirty, at, size):
    buf = filled(dirty, TINY)
    buf.punch(at, size)
    model = bytearray(pattern(0, TINY))
    model[at : at + size] = bytes(len(model[at : at + size]))
    assert buf.tobytes() == model
    buf.truncate(2 * TINY)
    assert buf.tobytes() == model + bytes(TINY)


def test_tiny_buffers_cleared(dirty):
    buf = filled(dirty, TINY)
    for empty in (buf.clear, buf.take_bytes, lambda: buf.truncate(0), buf.__init__):
        buf.write(0, pattern(0, TINY))
        empty()
        buf.truncate(TINY)
        assert buf.tobytes() == bytes(TINY)
        empty()
        buf.truncate(2 * TINY)
        assert buf.tobytes() == bytes(2 * TINY)
        buf.clear()
