"""Height follows the size; capacity is the reach of the highest level allowed."""

from __future__ import annotations

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE, reach
from tests.support import (
    ALL_LEVELS,
    DENSE_LEVELS,
    PageMap,
    assert_pool,
    contents,
    cut_down,
    filled,
    pattern,
    refused,
    unchanged,
    written,
)

TOP = pagebuf.MAX_LEVELS


def test_the_shape_of_the_build():
    assert FANOUT == PAGE // 8 == pagebuf.FANOUT
    assert PAGE == pagebuf.PAGE_SIZE
    assert reach(1) == 4 * PAGE
    assert reach(TOP) == 1 << 59
    assert {4096: 6, 64: 18, 16: 54}[PAGE] == TOP
    assert 0 <= pagebuf.INLINE_SIZE <= PAGE // 16 or (PAGE < 4096 and pagebuf.INLINE_SIZE == 0)


@pytest.mark.skipif(PAGE != 4096, reason="the figures of the shipped page size")
def test_three_levels_hold_four_gib():
    assert (reach(1), reach(2), reach(3)) == (16 << 10, 8 << 20, 4_294_967_296)
    assert (reach(4), reach(5), reach(6)) == (2 << 40, 1 << 50, 512 << 50)


@pytest.mark.parametrize("levels", ALL_LEVELS)
def test_a_level_more_only_past_the_reach(pool, levels):
    buf = pagebuf.PageBuffer(pool=pool)
    for size in (reach(levels) - 1, reach(levels)):
        buf.truncate(size)
        assert buf.levels == levels
    if levels < TOP:
        buf.truncate(reach(levels) + 1)
        assert buf.levels == levels + 1
    buf.truncate(reach(levels))
    assert buf.levels == levels
    if levels > 1:
        buf.truncate(reach(levels - 1))
        assert buf.levels == levels - 1
    buf.truncate(0)
    assert buf.levels == 1
    assert pool.stats().held == 0


@pytest.mark.parametrize("levels", ALL_LEVELS)
def test_one_byte_at_the_last_place_takes_a_frame_a_level(pool, levels):
    buf = pagebuf.PageBuffer(pool=pool)
    at = reach(levels) - 1
    buf.write(at, pattern(7, 1))
    st = buf.stats()
    assert (buf.levels, st.pages, st.nodes, pool.stats().held) == (levels, 1, levels - 1, levels)
    assert buf[at] == buf[-1] == pattern(7, 1)[0]
    assert buf.read(at - 2, -1) == bytes(2) + pattern(7, 1)
    assert buf.extents() == [(at + 1 - PAGE, PAGE)]
    assert_pool(pool, [buf])


@pytest.mark.parametrize("levels", ALL_LEVELS)
def test_old_bytes_stay_when_the_tree_grows_and_shrinks(pool, levels):
    """A tree with all four root slots in use gets more levels, and loses them again."""
    marks = [slot * (reach(levels) // 4) + PAGE // 2 for slot in range(4)]
    buf, expected = pagebuf.PageBuffer(pool=pool), PageMap()
    for at in marks:
        buf.write(at, pattern(at, 3))
        expected.write(at, 3)
    kept = contents(buf)
    size = len(buf)
    for more in range(levels, TOP + 1):
        buf.truncate(reach(more))
        expected.truncate(reach(more))
        expected.assert_shape(buf)
    for fewer in reversed(range(levels, TOP + 1)):
        buf.truncate(max(size, reach(fewer) - 1))
        expected.truncate(max(size, reach(fewer) - 1))
        expected.assert_shape(buf)
    buf.truncate(size)
    expected.truncate(size)
    expected.assert_shape(buf)
    assert contents(buf) == kept
    assert_pool(pool, [buf])


@pytest.mark.parametrize("levels", DENSE_LEVELS)
def test_full_levels_cut_from_above(pool, levels):
    size = reach(levels)
    buf, expected = filled(pool, size + 1), written(size + 1)
    expected.assert_shape(buf)
    cuts = {size, size - 1, size - PAGE, size // 4 + 1, size // 4, size // FANOUT}
    cut_down(buf, expected, sorted(cuts, reverse=True))
    assert_pool(pool, [buf])


def test_no_node_up_to_four_pages(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    for size in range(0, 4 * PAGE + 1, PAGE // 4):
        buf.truncate(0)
        buf.extend(pattern(0, size))
        st = buf.stats()
        assert (st.nodes, st.pages, buf.levels) == (0, -(-size // PAGE), 1)
        assert pool.stats().nodes == 0
    buf.append(1)
    assert (buf.stats().nodes, buf.levels) == ({2: 3}.get(FANOUT, 1), 2)


def test_capacity_of_any_height(pool):
    assert pagebuf.PageBuffer(pool=pool).capacity == 1 << 59
    for levels in ALL_LEVELS:
        buf = pagebuf.PageBuffer(pool=pool, max_levels=levels)
        assert buf.capacity == reach(levels)
        assert buf.levels == 1


@pytest.mark.parametrize("levels", ALL_LEVELS)
def test_the_first_byte_past_the_capacity_is_refused(pool, levels):
    buf = pagebuf.PageBuffer(pattern(0, 3), pool=pool, max_levels=levels)
    top = reach(levels)
    for call in (
        lambda: buf.write(top, b"x"),
        lambda: buf.write(top - 1, b"xy"),
        lambda: buf.write(top + 1, b"x"),
        lambda: buf.write((1 << 63) - 1, b"x"),
        lambda: buf.truncate(top + 1),
        lambda: buf.truncate((1 << 63) - 1),
    ):
        with refused(pagebuf.CapacityError, buf) as info:
            call()
        assert str(top) in str(info.value), "the message says what the limit is"
    buf.write(top - 1, pattern(5, 1))
    assert (len(buf), buf.levels) == (top, levels)
    for call in (
        lambda: buf.append(1),
        lambda: buf.extend(b"x"),
        lambda: buf.extend(b"xy" * PAGE),
        lambda: buf.__iadd__(b"x"),
        lambda: buf.write(top, b"x"),
        lambda: buf.truncate(top + 1),
    ):
        with refused(pagebuf.CapacityError, buf):
            call()
    with unchanged(buf):
        buf.extend(b"")
        assert buf.write(top, b"") == 0
        assert buf.truncate(top) == top


def test_a_write_partly_past_the_capacity_writes_nothing(pool):
    buf = filled(pool, 2 * PAGE, max_levels=1)
    with refused(pagebuf.CapacityError, buf):
        buf.write(PAGE, pattern(0, reach(1), salt=1))
    with refused(pagebuf.CapacityError, buf):
        buf.extend(pattern(0, 2 * PAGE + 1, salt=1))
    buf.extend(pattern(2 * PAGE, 2 * PAGE))
    assert buf.tobytes() == pattern(0, reach(1))


def test_capacity_error_is_an_overflow_error():
    assert issubclass(pagebuf.CapacityError, OverflowError)
    with pytest.raises(OverflowError):
        pagebuf.PageBuffer(bytes(reach(1) + 1), max_levels=1)


@pytest.mark.parametrize("bad", [0, -1, TOP + 1, 1 << 70, -(1 << 70)])
def test_heights_out_of_range(bad):
    with pytest.raises((ValueError, OverflowError)):
        pagebuf.PageBuffer(max_levels=bad)


@pytest.mark.parametrize("bad", ["3", 3.0, b"3"])
def test_heights_of_a_wrong_type(bad):
    with pytest.raises(TypeError):
        pagebuf.PageBuffer(max_levels=bad)


@pytest.mark.parametrize("levels", ALL_LEVELS[:-1])
@pytest.mark.parametrize("taken", [1, PAGE - 1, PAGE, PAGE + 1])
def test_the_capacity_stays_when_bytes_were_taken(pool, levels, taken):
    """Bytes taken off the front do not reduce the capacity.  One more level makes room for the
    bias."""
    size = min(reach(levels), 2 * PAGE + taken + 1)
    buf = filled(pool, size, max_levels=levels)
    buf.take_bytes(taken)
    kept = buf.tobytes()
    assert buf.truncate(buf.capacity) == reach(levels)
    with refused(pagebuf.CapacityError, buf):
        buf.append(1)
    with refused(pagebuf.CapacityError, buf):
        buf.truncate(reach(levels) + 1)
    assert buf.write(reach(levels) - 1, b"x") == 1
    assert buf.read(0, len(kept)) == kept
    assert buf.levels <= levels + 1
    assert_pool(pool, [buf])


@pytest.mark.parametrize("levels", DENSE_LEVELS)
@pytest.mark.parametrize("taken", [1, PAGE - 1, PAGE + 3])
def test_the_last_page_reaches_past_the_capacity(pool, levels, taken):
    """Because of the bias, the last page has room for bytes past the capacity."""
    buf = filled(pool, PAGE + taken + 1, max_levels=levels)
    buf.take_bytes(taken)
    buf.extend(pattern(0, reach(levels) - len(buf) - 2, salt=1))
    for byte in (1, 2):
        buf.append(byte)
    assert len(buf) == reach(levels)
    for call in (lambda: buf.append(3), lambda: buf.extend(b"x"), lambda: buf.extend(b"xy")):
        with refused(pagebuf.CapacityError, buf):
            call()
    assert buf.read(0, PAGE) == pattern(taken, PAGE)
    assert buf[-2:] == b"\x01\x02"


@pytest.mark.parametrize("taken", [1, PAGE, PAGE + 1])
def test_the_highest_tree_keeps_its_bias_within_its_reach(pool, taken):
    """There is no further level, so the bias reduces the capacity, and nothing wraps."""
    buf = filled(pool, 3 * PAGE)
    buf.write(reach(TOP) - 1, pattern(5, 1))
    assert buf.take_bytes(taken) == pattern(0, taken)
    bias = buf.stats().bias
    assert bias == taken
    assert len(buf) == reach(TOP) - taken
    for call in (
        lambda: buf.append(1),
        lambda: buf.truncate(reach(TOP) - bias + 1),
        lambda: buf.write(reach(TOP) - bias, b"x"),
        lambda: buf.write(reach(TOP) - 1, b"x"),
    ):
        with refused(pagebuf.CapacityError, buf):
            call()
    assert buf[-1] == pattern(5, 1)[0]
    assert buf.read(0, PAGE) == pattern(taken, PAGE)
    assert_pool(pool, [buf])
