"""Index and slice reads follow bytearray."""

from __future__ import annotations

import itertools

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.support import filled, pattern, refused

SIZES = [0, 1, PAGE, PAGE + 1, reach(1) + PAGE // 2]


@pytest.mark.parametrize("size", SIZES)
def test_indexes(pool, size):
    buf, data = filled(pool, size), pattern(0, size)
    wanted = {0, 1, PAGE - 1, PAGE, size // 2, size - 1}
    for at in (i for i in wanted if 0 <= i < size):
        assert buf[at] == data[at]
        assert buf[at - size] == data[at]
        assert type(buf[at]) is int
    for at in (size, size + 1, -size - 1, 1 << 62, 1 << 63, 1 << 70, -(1 << 63), -(1 << 70)):
        with refused(IndexError, buf):
            buf[at]


@pytest.mark.parametrize("bad", ["0", 0.0, None, (0, 1), b"0"])
def test_index_of_a_wrong_type(pool, bad):
    buf = filled(pool, PAGE)
    with refused(TypeError, buf):
        buf[bad]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [None, 1, 2, 3, -1, -2, PAGE - 1, PAGE, PAGE + 1, -PAGE])
def test_slices_as_bytearray_has_them(pool, size, step):
    buf, data = filled(pool, size), pattern(0, size)
    ends = [None, 0, 1, PAGE - 1, PAGE + 1, size - 1, size, size + 9, -1, -PAGE, -size - 5, 1 << 70]
    for start, stop in itertools.product(ends, repeat=2):
        got = buf[start:stop:step]
        assert type(got) is bytes
        assert got == data[start:stop:step], (start, stop, step)


def test_step_of_zero(pool):
    buf = filled(pool, PAGE)
    with refused(ValueError, buf):
        buf[::0]


def test_slice_with_a_wrong_type(pool):
    buf = filled(pool, PAGE)
    for bad in (slice("a"), slice(0, 1.5), slice(0, 1, b"")):
        with refused(TypeError, buf):
            buf[bad]


def test_slices_over_holes_are_zeros(pool):
    buf = filled(pool, 3)
    buf.write(4 * PAGE, pattern(0, 3, salt=1))
    model = pattern(0, 3) + bytes(4 * PAGE - 3) + pattern(0, 3, salt=1)
    for step in (1, 2, 7, -1, -3):
        assert buf[::step] == model[::step]
    assert buf[PAGE] == buf[-4] == 0


def test_long_steps_over_a_tall_tree_are_quick(pool):
    size = reach(pagebuf.MAX_LEVELS)
    buf = filled(pool, 5)
    buf.write(size - 2, pattern(0, 2, salt=1))
    assert buf[:: size // 4] == pattern(0, 1) + bytes(3)
    assert buf[:: -(size // 4)] == pattern(1, 1, salt=1) + bytes(3)
    assert buf[-1 : size - 3 : -1] == pattern(0, 2, salt=1)[::-1]
    assert buf[size - 1 :: 1 << 62] == pattern(1, 1, salt=1)
    assert buf[size // 2 : size // 2 + 2 * PAGE] == bytes(2 * PAGE)


def test_index_objects_are_asked(pool):
    class Two:
        def __index__(self):
            return 2

    buf, data = filled(pool, PAGE + 3), pattern(0, PAGE + 3)
    assert buf[Two()] == data[2]
    assert buf[Two() : PAGE : Two()] == data[2:PAGE:2]


def test_a_buffer_cannot_be_hashed_yet_is_true_when_it_has_bytes(pool):
    buf = filled(pool, 0)
    with pytest.raises(TypeError):
        hash(buf)
    assert not buf
    buf.append(0)
    assert buf
