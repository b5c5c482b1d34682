"""I8: offsets around 2^31, 2^32, 2^41, 2^44, 2^59 and 2^63 for every call; nothing wraps.

There are bytes at each mark, and where the mark would land without its high bits.  They depend on
their offset, so lost bits show.
"""

from __future__ import annotations

import contextlib

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.support import (
    PageMap,
    assert_pool,
    contents,
    filled,
    levels_for,
    pattern,
    refused,
    unchanged,
)

CAPACITY = 1 << 59
MAX = (1 << 63) - 1
POWERS = [31, 32, 33, 41, 44, 58]
NEAR = [-PAGE - 1, -PAGE, -PAGE + 1, -1, 0, 1, PAGE - 1, PAGE, PAGE + 1]
MARKS = [(1 << power) + d for power in POWERS for d in NEAR]
MARKS += [CAPACITY - 3 * PAGE + d for d in NEAR]
PAST = [CAPACITY - 2, CAPACITY - 1, CAPACITY, CAPACITY + 1, CAPACITY + PAGE]
PAST += [1 << 60, 1 << 62, (1 << 62) + 1, MAX - PAGE, MAX - 1, MAX]
HUGE = [MAX + 1, MAX + 2, 1 << 64, (1 << 64) + 1, 1 << 100]
NEGATIVE = [-1, -2, -PAGE, -(1 << 31), -(1 << 32), -(1 << 62), -(1 << 63)]
BELOW = [-(1 << 63) - 1, -(1 << 64), -(1 << 100)]


@pytest.fixture
def near(pool):
    """Bytes at the low offsets, where an offset that lost its high bits would land."""
    return filled(pool, 3 * PAGE)


@pytest.mark.parametrize("at", MARKS)
def test_write_and_read_far_out(pool, near, at):
    new, expected = pattern(at, 3, salt=1), PageMap()
    expected.write(0, 3 * PAGE)
    assert near.write(at, new) == 3
    expected.write(at, 3)
    expected.assert_shape(near)
    assert near.read(at, 9) == near.read(at, -1) == near[at:] == new
    assert near.read(at - 1, 2) == b"\0" + new[:1]
    assert (near[at], near[at + 2], near[-1]) == (new[0], new[2], new[2])
    assert near.read(at + 2, MAX) == near.read(at + 2, at) == new[2:]
    assert near.read(0, 3 * PAGE) == pattern(0, 3 * PAGE)
    assert near.read(at + 3, -1) == near.read(at + 4, 5) == b""
    target = bytearray(5)
    assert near.readinto(at + 1, target) == 2
    assert target == new[1:] + bytes(3)
    assert_pool(pool, [near])


@pytest.mark.parametrize("at", MARKS)
def test_extend_and_append_far_out(pool, near, at):
    near.truncate(at)
    near.extend(pattern(at, PAGE + 1, salt=1)[:2])
    near.append(7)
    assert len(near) == at + 3
    assert near.read(at - 1, -1) == b"\0" + pattern(at, 2, salt=1) + b"\x07"
    assert near.read(0, 3 * PAGE + 1) == pattern(0, 3 * PAGE) + b"\0"
    assert_pool(pool, [near])


@pytest.mark.parametrize("at", MARKS)
def test_truncate_far_out(pool, near, at):
    assert near.truncate(at) == at == len(near) == near.nbytes
    assert near.levels == levels_for(at)
    near.write(at - 1, pattern(at, 1))
    assert near.truncate(at + 1) == at + 1
    assert near.read(at - 1, -1) == pattern(at, 1) + b"\0"
    assert near.truncate(at - 1) == at - 1
    assert near.truncate(at) == at
    assert near.read(at - 1, -1) == b"\0"
    assert near.truncate(3 * PAGE) == 3 * PAGE
    assert near.tobytes() == pattern(0, 3 * PAGE)
    assert_pool(pool, [near])


@pytest.mark.parametrize("at", MARKS)
def test_punch_far_out(pool, near, at):
    expected = PageMap()
    expected.write(0, 3 * PAGE)
    for where in (at - 2 * PAGE, at):
        near.write(where, pattern(where, PAGE, salt=1))
        expected.write(where, PAGE)
    near.truncate(at + PAGE + 1)
    expected.truncate(at + PAGE + 1)
    near.punch(at - PAGE, PAGE + 1)
    expected.punch(at - PAGE, PAGE + 1)
    expected.assert_shape(near)
    assert near.read(at - 2 * PAGE, PAGE) == pattern(at - 2 * PAGE, PAGE, salt=1)
    assert near.read(at - 1, -1) == bytes(2) + pattern(at + 1, PAGE - 1, salt=1) + b"\0"
    near.punch(3 * PAGE, MAX)
    assert near.extents() == [(0, 3 * PAGE)]
    near.punch(0, at)
    assert (near.extents(), pool.stats().held) == ([], 0)


@pytest.mark.parametrize("at", MARKS)
def test_slices_walk_and_extents_far_out(near, at):
    new = pattern(at, 5, salt=1)[:3]
    near.write(at, new)
    assert near[at : at + 3] == near[at:MAX] == near[at : 1 << 70] == new
    assert near[at + 2 : at - 1 : -1] == new[::-1]
    assert near[0 : at + 1 : at] == pattern(0, 1) + new[:1]
    assert near[-3] == new[0]
    page = at // PAGE * PAGE
    assert near.walk(at).found
    assert near.walk(at).offset == at
    assert near.walk(page - 1).stop == "hole"
    assert near.walk(at + 3).stop == "past the end"
    assert contents(near)[-1][0] == page
    with refused(IndexError, near):
        near[at + 3]
    with refused(IndexError, near):
        near[-at - 4]


@pytest.mark.parametrize("at", MARKS)
def test_take_bytes_in_front_of_something_far_out(pool, near, at):
    near.write(at, pattern(at, 3, salt=1))
    assert near.take_bytes(PAGE + 1) == pattern(0, PAGE + 1)
    left = at - PAGE - 1
    assert len(near) == left + 3
    assert near.read(left, -1) == pattern(at, 3, salt=1)
    assert near.read(left - 1, 2) == b"\0" + pattern(at, 1, salt=1)
    assert near.take_bytes(-(left + 3 - PAGE)) == pattern(PAGE + 1, PAGE)
    assert near.read(0, PAGE) == pattern(2 * PAGE + 1, PAGE - 1) + b"\0"
    assert near.read(left - PAGE, -1) == pattern(at, 3, salt=1)
    assert_pool(pool, [near])


@pytest.mark.parametrize("at", PAST)
def test_past_the_capacity(near, at):
    for data in (b"xyz", bytes(PAGE)):
        if at + len(data) > CAPACITY:
            with refused(pagebuf.CapacityError, near):
                near.write(at, data)
    with unchanged(near):
        assert near.read(at, -1) == near.read(at, 1) == near.read(at, MAX) == b""
        assert near.readinto(at, bytearray(3)) == 0
        assert near.write(at, b"") == 0
        near.punch(at, 1)
        near.punch(at, MAX)
        near.punch(at, 0)
        assert near.walk(at).stop == "past the end"
        assert near[at:] == near[at : at + 3] == b""
    with refused(IndexError, near):
        near[at]
    with refused(IndexError, near):
        near.take_bytes(at)
    if at > CAPACITY:
        with refused(pagebuf.CapacityError, near):
            near.truncate(at)
    else:
        assert near.truncate(at) == at
        assert near.levels == pagebuf.MAX_LEVELS


@pytest.mark.parametrize("at", HUGE)
def test_past_63_bits(near, at):
    for call in (
        lambda: near.read(at, -1),
        lambda: near.read(at, 1),
        lambda: near.readinto(at, bytearray(1)),
        lambda: near.write(at, b"x"),
        lambda: near.write(at, b""),
        lambda: near.truncate(at),
        lambda: near.punch(at, 1),
        lambda: near.walk(at),
    ):
        with refused(OverflowError, near):
            call()
    with refused(IndexError, near):
        near[at]
    with refused(IndexError, near):
        near.take_bytes(at)
    with refused(ValueError, near):
        near.append(at)
    assert near[at:] == b""
    assert near[:at] == near[:at:1] == pattern(0, 3 * PAGE)


@pytest.mark.parametrize("size", HUGE)
def test_sizes_past_63_bits(near, size):
    """A size this large is an error, or ends at the end of the buffer.  It does not wrap."""
    for call in (lambda: near.read(1, size), lambda: near.read(3 * PAGE, size)):
        with unchanged(near), contextlib.suppress(OverflowError):
            assert call() in (pattern(1, 3 * PAGE - 1), b"")
    with unchanged(near), contextlib.suppress(OverflowError):
        near.punch(3 * PAGE, size)


@pytest.mark.parametrize("at", [*NEGATIVE, *BELOW])
def test_negative_offsets(near, at):
    error = ValueError if at in NEGATIVE else (ValueError, OverflowError)
    for call in (
        lambda: near.read(at, -1),
        lambda: near.read(at, 1),
        lambda: near.read(at, 0),
        lambda: near.readinto(at, bytearray(1)),
        lambda: near.readinto(at, bytearray()),
        lambda: near.write(at, b"x"),
        lambda: near.write(at, b""),
        lambda: near.truncate(at),
        lambda: near.punch(at, 1),
        lambda: near.punch(at, 0),
        lambda: near.punch(0, at),
        lambda: near.walk(at),
        lambda: near.append(at),
    ):
        with refused(error, near):
            call()


def test_minus_one_is_all_that_is_left(near):
    assert near.read(PAGE, -1) == pattern(PAGE, 2 * PAGE)


@pytest.mark.parametrize("size", [*NEGATIVE[1:], *BELOW])
def test_other_negative_sizes_are_refused(near, size):
    with refused((ValueError, OverflowError), near):
        near.read(PAGE, size)


def test_the_last_byte_of_all(pool, near):
    near.write(CAPACITY - 1, b"\x07")
    assert (len(near), near[-1], near[CAPACITY - 1]) == (CAPACITY, 7, 7)
    assert near.read(CAPACITY - 2, -1) == b"\0\x07"
    assert near.read(CAPACITY - 1, MAX) == b"\x07"
    assert near[-CAPACITY] == near[0]
    for call in (
        lambda: near.append(1),
        lambda: near.extend(b"x"),
        lambda: near.write(CAPACITY - 1, b"xy"),
        lambda: near.write(CAPACITY, b"x"),
        lambda: near.truncate(CAPACITY + 1),
    ):
        with refused(pagebuf.CapacityError, near):
            call()
    near.punch(0, MAX)
    assert pool.stats().held == 0


def test_a_read_that_no_memory_can_hold(near):
    """Reading all of a sparse buffer at once raises MemoryError and changes nothing."""
    near.truncate(CAPACITY)
    for call in (
        lambda: near.read(0, -1),
        lambda: near.tobytes(),
        lambda: bytes(near),
        lambda: near[1:],
        lambda: near[::2],
        lambda: near.take_bytes(),
        lambda: near.take_bytes(CAPACITY - 1),
        lambda: near.read(1, CAPACITY),
    ):
        with refused(MemoryError, near):
            call()
