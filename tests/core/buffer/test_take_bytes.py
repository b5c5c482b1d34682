"""Taking bytes off the front: the result, the bias, and the pages that are freed."""

from __future__ import annotations

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE, around, reach
from tests.support import (
    ALL_LEVELS,
    PageMap,
    assert_pool,
    filled,
    levels_for,
    pattern,
    refused,
    slot_span,
    written,
)

SIZES = [0, 1, PAGE - 1, PAGE, PAGE + 1, reach(1), reach(1) + 1, reach(1) + 2 * PAGE + 1]
COUNTS = [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, reach(1) - 1, reach(1), reach(1) + 1]
TAKEN_AT_ONCE = 2 << 20 if PAGE == 4096 else 1 << 14  # the most bytes that one call returns here


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", COUNTS)
def test_take_some(pool, size, count):
    buf, expected = filled(pool, size), written(size)
    if count > size:
        with refused(IndexError, buf):
            buf.take_bytes(count)
        return
    got = buf.take_bytes(count)
    assert type(got) is bytes
    assert got == pattern(0, count)
    assert buf.tobytes() == pattern(count, size - count)
    expected.take(count)
    expected.agree(buf)
    expected.assert_shape(buf)
    assert_pool(pool, [buf])


@pytest.mark.parametrize("size", SIZES)
def test_take_all(pool, size):
    for how in (lambda buf: buf.take_bytes(), lambda buf: buf.take_bytes(None)):
        buf = filled(pool, size)
        assert how(buf) == pattern(0, size)
        assert (len(buf), buf.levels, buf.extents()) == (0, 1, [])
        assert pool.stats().held == 0
        assert buf.take_bytes() == buf.take_bytes(0) == b""


@pytest.mark.parametrize("size", [1, PAGE + 1, reach(1) + 1])
def test_negative_counts_leave_so_many(pool, size):
    for left in (1, 2, PAGE, size):
        if left <= size:
            buf = filled(pool, size)
            assert buf.take_bytes(-left) == pattern(0, size - left)
            assert buf.tobytes() == pattern(size - left, left)


@pytest.mark.parametrize("size", [0, 1, PAGE + 1])
def test_counts_out_of_range(pool, size):
    buf = filled(pool, size)
    for count in (size + 1, -size - 1, 1 << 31, 1 << 32, 1 << 62, 1 << 63, 1 << 70):
        for bad in (count, -count if count != size + 1 else -size - 2):
            with refused(IndexError, buf):
                buf.take_bytes(bad)


@pytest.mark.parametrize("bad", ["1", 1.0, b"1", [1]])
def test_counts_of_a_wrong_type(pool, bad):
    buf = filled(pool, PAGE)
    with refused(TypeError, buf):
        buf.take_bytes(bad)


def test_the_bias_advances_and_no_byte_moves(pool):
    buf = filled(pool, 3 * PAGE)
    frames = [buf.walk(page * PAGE).steps[-1].frame for page in range(3)]
    buf.take_bytes(1)
    assert buf.stats().bias == 1
    buf.take_bytes(PAGE // 2)
    assert buf.stats().bias == 1 + PAGE // 2
    assert [buf.walk(min(page * PAGE, len(buf) - 1)).steps[-1].frame for page in range(3)] == frames
    buf.take_bytes(PAGE)
    assert buf.stats().bias == 1 + PAGE // 2, "one slot of the root was left behind"
    assert buf.walk(0).steps[-1].frame == frames[1]
    assert buf.walk(len(buf) - 1).steps[-1].frame == frames[2]


@pytest.mark.parametrize("taken", [1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 3])
@pytest.mark.parametrize("size", [reach(1), reach(1) + 1, reach(2), reach(2) + 1])
def test_every_call_after_a_bias(pool, taken, size):
    """Offsets start at 0 again, whatever position the first byte has in the tree."""
    buf, model = filled(pool, size), bytearray(pattern(0, size))
    buf.take_bytes(taken)
    del model[:taken]
    for at in (0, PAGE - 1, PAGE, len(model) - 2):
        new = pattern(at, 5, salt=1)
        buf.write(at, new)
        model[at : at + 5] = new
        assert buf.read(at, PAGE) == model[at : at + PAGE]
        assert buf[at] == model[at]
    buf.extend(pattern(0, PAGE + 1, salt=2))
    model += pattern(0, PAGE + 1, salt=2)
    buf.punch(PAGE // 2, 2 * PAGE)
    model[PAGE // 2 : PAGE // 2 + 2 * PAGE] = bytes(2 * PAGE)
    assert buf.tobytes() == model
    buf.truncate(2 * PAGE + 1)
    assert buf.tobytes() == model[: 2 * PAGE + 1]
    buf.truncate(3 * PAGE)
    assert buf.tobytes() == model[: 2 * PAGE + 1] + bytes(PAGE - 1)
    assert_pool(pool, [buf])


@pytest.mark.parametrize("size", [1, PAGE, reach(1) - 1, reach(1), reach(1) + 1, 2 * reach(1)])
@pytest.mark.parametrize("piece", [1, PAGE // 2, PAGE, PAGE + 1, 3 * PAGE])
def test_a_queue_never_runs_away(pool, size, piece):
    """With a steady number of bytes in flight, the bias, the levels and the pages stay bounded."""
    in_flight = max(size, piece)
    buf, at = filled(pool, in_flight), in_flight
    most = -(-(in_flight + 2 * piece) // PAGE) + 1
    for _ in range(30 * FANOUT if FANOUT < 512 else 300):
        buf.extend(pattern(at, piece))
        at += piece
        assert buf.take_bytes(piece) == pattern(at - piece - in_flight, piece)
        st = buf.stats()
        assert st.bias < slot_span(st.levels)
        assert st.levels <= levels_for(in_flight + 2 * piece + PAGE) + 1
        assert st.pages <= most
    assert buf.tobytes() == pattern(at - in_flight, in_flight)
    assert_pool(pool, [buf])


def test_a_queue_that_runs_dry_starts_afresh(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    for turn in range(50):
        size = 1 + turn * PAGE // 3
        buf.extend(pattern(turn, size))
        assert buf.take_bytes(size) == pattern(turn, size)
        assert (len(buf), buf.levels, pool.stats().held) == (0, 1, 0)


def test_a_queue_of_bursts(pool):
    """A burst makes the tree taller; draining it brings everything back down."""
    small = 2 * PAGE + 1
    buf, model = filled(pool, small), bytearray(pattern(0, small))
    for turn in range(6):
        burst = pattern(turn, reach(2) + 5 if PAGE < 4096 else reach(1) * 3)
        buf.extend(burst)
        model += burst
        while len(model) > small:
            count = min(PAGE * 3 - 1, len(model) - small)
            assert buf.take_bytes(count) == model[:count]
            del model[:count]
        assert buf.tobytes() == model
        st = buf.stats()
        assert st.pages <= 4
        assert_pool(pool, [buf])


@pytest.mark.parametrize("levels", [n for n in ALL_LEVELS if slot_span(n) <= TAKEN_AT_ONCE])
def test_taking_up_to_the_edge_of_a_slot(pool, levels):
    """The cut lies at the edge of a root slot, or a byte beside it."""
    span = slot_span(levels)
    for taken in around(span, 2 * span):
        buf, expected = pagebuf.PageBuffer(pool=pool), PageMap()
        for at in sorted({0, max(0, span - 1), 2 * span, max(0, reach(levels) - 5)}):
            buf.write(at, pattern(at, 5))
            expected.write(at, 5)
        before = buf.read(0, -1)
        if not 0 <= taken <= len(buf):
            continue
        assert buf.take_bytes(taken) == before[:taken]
        expected.take(taken)
        expected.agree(buf)
        expected.assert_shape(buf)
        assert buf.tobytes() == before[taken:]


def test_a_hole_taken_reads_as_zeros(pool):
    buf = filled(pool, 3)
    buf.write(5 * PAGE, pattern(0, 2, salt=1))
    assert buf.take_bytes(2 * PAGE) == pattern(0, 3) + bytes(2 * PAGE - 3)
    assert buf.take_bytes(2 * PAGE) == bytes(2 * PAGE)
    assert buf.tobytes() == bytes(PAGE) + pattern(0, 2, salt=1)
    assert buf.extents() == [(PAGE, 2)]
