"""Shrinking, growing, emptying and punching holes: truncate, clear, punch, extents."""

from __future__ import annotations

import itertools

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.support import (
    DENSE_SIZES,
    assert_pool,
    contents,
    cut_down,
    filled,
    pattern,
    unchanged,
    written,
)

SIZES = [0, 1, PAGE - 1, PAGE, PAGE + 1, reach(1) - 1, reach(1), reach(1) + 1, reach(1) + 3 * PAGE]
CUTS = [0, 1, PAGE // 2, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE]


@pytest.mark.parametrize("old", SIZES)
@pytest.mark.parametrize("new", SIZES)
def test_truncate_cuts_or_stretches(pool, old, new):
    buf, expected = filled(pool, old), written(old)
    assert buf.truncate(new) == new
    assert buf.tobytes() == pattern(0, min(old, new)) + bytes(max(0, new - old))
    expected.truncate(new)
    expected.assert_shape(buf)
    assert_pool(pool, [buf])


@pytest.mark.parametrize("size", DENSE_SIZES)
def test_truncate_to_nothing_gives_all_back(pool, size):
    buf = filled(pool, size)
    assert buf.truncate(0) == 0
    assert (buf.levels, pool.stats().held, len(buf)) == (1, 0, 0)
    buf.check()
    pool.check()


@pytest.mark.parametrize("size", SIZES)
def test_clear(pool, size):
    other, buf = filled(pool, PAGE + 1, salt=1), filled(pool, size)
    assert buf.clear() is None
    assert (len(buf), buf.levels, buf.extents(), buf.tobytes()) == (0, 1, [], b"")
    assert other.tobytes() == pattern(0, PAGE + 1, salt=1)
    assert_pool(pool, [other, buf])
    buf.extend(pattern(0, size + 1, salt=2))
    assert buf.tobytes() == pattern(0, size + 1, salt=2)
    assert_pool(pool, [other, buf])


def test_clear_twice(pool):
    buf = filled(pool, PAGE)
    buf.clear()
    with unchanged(buf):
        buf.clear()
        assert buf.truncate(0) == 0


def test_truncate_walks_down_a_byte_at_a_time(pool):
    size = reach(1) + PAGE + 3
    buf, expected = filled(pool, size), written(size)
    steps = [size - 1, size - 2, reach(1) + 1, reach(1), reach(1) - 1, 3 * PAGE + 1, 3 * PAGE]
    cut_down(buf, expected, [*steps, 3 * PAGE - 1, PAGE + 1, PAGE, PAGE - 1, 1, 0])
    assert_pool(pool, [buf])


def test_a_truncated_stretch_costs_nothing(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    buf.truncate(reach(pagebuf.MAX_LEVELS))
    assert (buf.extents(), pool.stats().held) == ([], 0)
    buf.truncate(1)
    assert (buf.levels, pool.stats().held) == (1, 0)


@pytest.mark.parametrize("at", [0, 1, PAGE - 1, PAGE, PAGE + 1, reach(1) - 1, reach(1)])
@pytest.mark.parametrize("size", [*CUTS, 5 * PAGE + 1, 1 << 62])
def test_punch_makes_zeros_and_gives_whole_pages_back(pool, at, size):
    total = reach(1) + 3 * PAGE + 2
    buf, model, expected = filled(pool, total), bytearray(pattern(0, total)), written(total)
    assert buf.punch(at, size) is None
    stop = min(total, at + size)
    model[at:stop] = bytes(max(0, stop - at))
    expected.punch(at, size)
    expected.agree(buf)
    assert buf.tobytes() == model
    expected.assert_shape(buf)
    assert_pool(pool, [buf])


def test_punch_past_the_end_is_clipped(pool):
    buf = filled(pool, PAGE + 1)
    with unchanged(buf):
        for at in (PAGE + 1, PAGE + 2, 9 * PAGE, 1 << 62, (1 << 63) - 1):
            assert buf.punch(at, 1) is None
            assert buf.punch(at, (1 << 63) - 1) is None


def test_punch_of_nothing(pool):
    buf = filled(pool, 3 * PAGE)
    with unchanged(buf):
        for at in (0, 1, PAGE, 3 * PAGE - 1):
            buf.punch(at, 0)


def test_punch_of_a_hole_stays_a_hole(pool):
    buf = filled(pool, 1)
    buf.truncate(9 * PAGE)
    with unchanged(buf):
        buf.punch(PAGE, 8 * PAGE)
        buf.punch(PAGE + 1, 3)
        buf.punch(2 * PAGE - 1, 2)


def test_punch_all_keeps_the_length_and_no_frame(pool):
    for total in (PAGE, reach(1), reach(1) + PAGE, reach(2)):
        buf = filled(pool, total)
        buf.punch(0, total)
        assert len(buf) == total
        assert (buf.extents(), pool.stats().held) == ([], 0)
        assert buf.read(0, 3 * PAGE) == bytes(min(total, 3 * PAGE))


def test_pages_come_back_when_a_hole_is_written(pool):
    total = reach(1) + 2 * PAGE
    buf, model, expected = filled(pool, total), bytearray(pattern(0, total)), written(total)
    buf.punch(PAGE, 3 * PAGE)
    expected.punch(PAGE, 3 * PAGE)
    model[PAGE : 4 * PAGE] = bytes(3 * PAGE)
    for at, size in ((2 * PAGE + 1, 2), (PAGE - 1, 2), (4 * PAGE - 1, 1)):
        new = pattern(at, size, salt=5)
        buf.write(at, new)
        expected.write(at, size)
        model[at : at + size] = new
        assert buf.tobytes() == model
        expected.assert_shape(buf)


def test_a_chequered_buffer(pool):
    """Every other page is a hole.  extents() lists each page by itself, in order."""
    pages = 4 * pagebuf.FANOUT if pagebuf.FANOUT < 64 else 64
    buf, expected = filled(pool, pages * PAGE), written(pages * PAGE)
    for page in range(0, pages, 2):
        buf.punch(page * PAGE, PAGE)
        expected.punch(page * PAGE, PAGE)
    assert buf.extents() == [(page * PAGE, PAGE) for page in range(1, pages, 2)]
    expected.assert_shape(buf)
    for page in range(0, pages, 2):
        assert buf.read(page * PAGE, 2 * PAGE) == bytes(PAGE) + pattern((page + 1) * PAGE, PAGE)


def test_extents_are_maximal_and_clipped(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    assert buf.extents() == []
    buf.write(PAGE + 1, b"x")
    assert buf.extents() == [(PAGE, 2)]
    buf.write(3 * PAGE - 1, b"y")
    assert buf.extents() == [(PAGE, 2 * PAGE)]
    far = reach(1) + 3 * PAGE
    buf.truncate(far + 9 * PAGE)
    assert buf.extents() == [(PAGE, 2 * PAGE)]
    buf.write(far - 1, b"zz")
    assert buf.extents() == [(PAGE, 2 * PAGE), (far - PAGE, 2 * PAGE)]
    buf.truncate(far + 1)
    assert buf.extents() == [(PAGE, 2 * PAGE), (far - PAGE, PAGE + 1)]
    buf.take_bytes(PAGE + 1)
    assert buf.extents() == [(0, 2 * PAGE - 1), (far - 2 * PAGE - 1, PAGE + 1)]


def test_extents_answer_quickly_over_a_tall_tree(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    marks = sorted({reach(levels) - 1 for levels in range(1, pagebuf.MAX_LEVELS + 1)})
    for at in marks:
        buf.write(at, pattern(at % 1000, 1))
    assert contents(buf) == [
        (at + 1 - PAGE, bytes(PAGE - 1) + pattern(at % 1000, 1)) for at in marks
    ]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(CUTS, repeat=2)))
def test_two_punches(pool, first, second):
    total = 5 * PAGE
    buf, model, expected = filled(pool, total), bytearray(pattern(0, total)), written(total)
    for at, size in ((PAGE + 1, first), (3, second)):
        buf.punch(at, size)
        expected.punch(at, size)
        expected.agree(buf)
        model[at : at + size] = bytes(size)
    assert buf.tobytes() == model
    expected.assert_shape(buf)
