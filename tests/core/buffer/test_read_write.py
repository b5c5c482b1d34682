"""Bytes in and out at any offset: read, readinto, write, tobytes, bytes()."""

from __future__ import annotations

import array

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.support import DENSE_SIZES, filled, pattern, unchanged, written

SPANS = [0, 1, 2, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 5 * PAGE + 3]
STARTS = [0, 1, PAGE - 1, PAGE, PAGE + 1, reach(1) - 1, reach(1), reach(1) + 1]


@pytest.mark.parametrize("size", DENSE_SIZES)
def test_what_was_written_at_once_is_read_back(pool, size):
    data = pattern(0, size)
    buf = pagebuf.PageBuffer(data, pool=pool)
    assert len(buf) == size
    assert buf.read(0, -1) == buf.read(0, size) == buf.read(0, size + 1) == data
    assert buf.tobytes() == bytes(buf) == data
    written(size).assert_shape(buf)


@pytest.mark.parametrize("at", STARTS)
@pytest.mark.parametrize("span", SPANS)
def test_write_over_the_middle(pool, at, span):
    total = reach(1) + 8 * PAGE + 5
    buf, model = filled(pool, total), bytearray(pattern(0, total))
    new = pattern(at, span, salt=1)
    assert buf.write(at, new) == span
    model[at : at + span] = new
    assert buf.tobytes() == model


@pytest.mark.parametrize("at", STARTS)
@pytest.mark.parametrize("span", SPANS)
def test_read_of_the_middle(pool, at, span):
    total = reach(1) + 3 * PAGE + 5
    buf, data = filled(pool, total), pattern(0, total)
    assert buf.read(at, span) == data[at : at + span]
    assert buf.read(at, -1) == buf.read(at, None) == data[at:]
    with pytest.raises(ValueError, match=f"at least 0, or -1 or None for all, not {-PAGE - 1}"):
        buf.read(at, -PAGE - 1)


@pytest.mark.parametrize("at", STARTS)
@pytest.mark.parametrize("span", SPANS)
def test_readinto_touches_only_what_it_fills(pool, at, span):
    total = reach(1) + 3 * PAGE + 5
    buf, data = filled(pool, total), pattern(0, total)
    target = bytearray(b"\xee" * (span + 2))
    with memoryview(target)[1 : span + 1] as window:
        got = buf.readinto(at, window)
    want = data[at : at + span]
    assert got == len(want)
    assert target == b"\xee" + want + b"\xee" * (span + 1 - got)


@pytest.mark.parametrize("at", STARTS)
@pytest.mark.parametrize("old", [0, 1, PAGE, PAGE + 1, reach(1)])
def test_write_past_the_end_leaves_a_hole(pool, at, old):
    buf, model, expected = filled(pool, old), bytearray(pattern(0, old)), written(old)
    new = pattern(at, 3, salt=2)
    assert buf.write(at, new) == 3
    expected.write(at, 3)
    model.extend(bytes(max(0, at + 3 - old)))
    model[at : at + 3] = new
    assert buf.tobytes() == model
    expected.assert_shape(buf)


@pytest.mark.parametrize("at", [0, 1, PAGE, PAGE + 1, 10 * PAGE, 1 << 40])
@pytest.mark.parametrize("size", [0, 1, PAGE])
def test_no_bytes_past_the_end_change_nothing(pool, at, size):
    buf = filled(pool, size)
    with unchanged(buf):
        assert buf.write(at, b"") == 0


@pytest.mark.parametrize("size", [0, 1, PAGE, PAGE + 1, reach(1)])
def test_reads_at_and_past_the_end_are_empty(pool, size):
    buf = filled(pool, size)
    for at in (size, size + 1, size + PAGE, 1 << 33, (1 << 63) - 1):
        assert buf.read(at, -1) == b""
        assert buf.read(at, 10) == b""
        assert buf.readinto(at, bytearray(10)) == 0


def test_read_returns_bytes_that_stay(pool):
    buf = filled(pool, 3 * PAGE)
    got = buf.read(1, 2 * PAGE)
    kept = bytes(bytearray(got))
    buf.write(0, pattern(0, 3 * PAGE, salt=4))
    buf.clear()
    assert type(got) is bytes
    assert got == kept


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_sources_of_bytes(pool, wrap):
    data = pattern(0, 3 * PAGE + 1)
    buf = pagebuf.PageBuffer(wrap(data), pool=pool)
    assert buf.write(1, wrap(data)) == len(data)
    assert buf.tobytes() == data[:1] + data


@pytest.mark.parametrize("code", ["h", "I", "Q", "d"])
def test_items_of_several_bytes_count_bytes(pool, code):
    items = array.array(code, range(1, PAGE // 2))
    raw = items.tobytes()
    buf = pagebuf.PageBuffer(items, pool=pool)
    assert buf.tobytes() == raw
    assert buf.write(3, items) == len(raw)
    assert buf.tobytes() == raw[:3] + raw
    target = array.array(code, bytes(len(raw)))
    assert buf.readinto(3, target) == len(raw)
    assert target == items


def test_memoryview_of_two_dimensions_is_read_in_order(pool):
    data = pattern(0, 6 * PAGE)
    grid = memoryview(data).cast("B", shape=[6, PAGE])
    assert pagebuf.PageBuffer(grid, pool=pool).tobytes() == data


def test_empty_views_of_any_kind_are_nothing(pool):
    buf = filled(pool, PAGE + 1)
    with unchanged(buf):
        assert buf.write(0, memoryview(b"")) == 0
        assert buf.write(PAGE * 9, array.array("d")) == 0
        assert buf.readinto(0, bytearray()) == 0
        assert buf.read(0, 0) == b""


def test_each_byte_alone(pool):
    total = 2 * PAGE + 3 if PAGE < 4096 else 70
    first = PAGE - total // 2 if PAGE >= 4096 else 0
    buf = pagebuf.PageBuffer(pool=pool)
    data = pattern(0, first + total)
    for at in range(first, first + total):
        assert buf.write(at, data[at : at + 1]) == 1
    assert buf.tobytes() == bytes(first) + data[first:]
    assert b"".join(buf.read(at, 1) for at in range(first, first + total)) == data[first:]


def test_writes_from_the_back_to_the_front(pool):
    total = reach(1) + 4 * PAGE + 3
    step = PAGE // 2 + 1
    buf, data = pagebuf.PageBuffer(pool=pool), pattern(0, total)
    for at in reversed(range(0, total, step)):
        buf.write(at, data[at : at + step])
    assert buf.tobytes() == data
    buf.check()


def test_a_buffer_may_be_written_with_its_own_bytes(pool):
    buf = filled(pool, 3 * PAGE + 1)
    model = bytearray(pattern(0, 3 * PAGE + 1))
    buf.write(PAGE - 1, buf.read(0, -1))
    model[PAGE - 1 :] = bytes(model)
    assert buf.tobytes() == model


@pytest.mark.parametrize("span", range(0, 3 * 16 + 1, 5))
def test_every_crossing_of_small_spans(pool, span):
    """Reads and writes of `span` bytes at each offset around two page edges."""
    total = 4 * PAGE
    data = pattern(0, total)
    for edge in (PAGE, 2 * PAGE):
        for at in range(edge - span, edge + 2):
            if at < 0:
                continue
            buf = filled(pool, total)
            new = pattern(at, span, salt=3)
            buf.write(at, new)
            assert buf.tobytes() == data[:at] + new + data[at + span :]
            assert buf.read(at, span) == new


def test_buffers_of_one_pool_do_not_mix(pool):
    bufs = [pagebuf.PageBuffer(pool=pool) for _ in range(5)]
    step = PAGE // 3 + 1
    for turn in range(12):
        for salt, buf in enumerate(bufs):
            buf.extend(pattern(turn * step, step, salt))
    for salt, buf in enumerate(bufs):
        assert buf.tobytes() == pattern(0, 12 * step, salt)
    bufs[2].clear()
    bufs[0].write(PAGE, pattern(PAGE, 2 * PAGE, salt=9))
    assert bufs[4].tobytes() == pattern(0, 12 * step, 4)
    assert bufs[3].tobytes() == pattern(0, 12 * step, 3)
