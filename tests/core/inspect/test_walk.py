"""The page walk: entry, frame and address at each level, or where it stops and why."""

from __future__ import annotations

import ctypes
import itertools

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE, reach
from tests.support import (
    ALL_LEVELS,
    DENSE_SIZES,
    INLINE,
    SHAPES,
    filled,
    is_inline,
    pattern,
    refused,
    unchanged,
)

POINTER = 8


def word_at(address):
    return int.from_bytes(ctypes.string_at(address, POINTER), "little")


def index_at(position, level, levels):
    """Which entry of its table the walk takes at this level (1 = the root)."""
    return position // (PAGE * FANOUT ** (levels - level)) % (4 if level == 1 else FANOUT)


def assert_steps(buf, walk):
    """Check what is true of every walk within the buffer."""
    position = buf.stats().bias + walk.offset
    for level, step in enumerate(walk.steps, 1):
        assert step.level == level
        assert step.index == index_at(position, level, buf.levels)
        assert step.frame == (step.entry >> 12) & 0xFFFF_FFFF
        run = step.entry >> 44 << 11 | step.entry >> 1 & 0x7FF
        if run:  # a dense leaf: the next entry is one of a run that begins with this frame
            assert level == buf.levels - 1
            assert step.entry & 1
            page = walk.steps[level]
            assert page.frame - page.index == run
        if level > 1:
            above = walk.steps[level - 2]
            assert word_at(above.address + POINTER * step.index) == step.entry
    for step in walk.steps[:-1]:
        assert step.frame > 0
        assert step.address % PAGE == 0


@pytest.mark.parametrize("size", [size for size in DENSE_SIZES if size > INLINE])
def test_walk_to_a_byte_finds_its_page(pool, size):
    buf = filled(pool, size)
    for at in sorted({0, PAGE - 1, PAGE, size // 2, size - 1}):
        if at >= size:
            continue
        walk = buf.walk(at)
        assert (walk.offset, walk.found, walk.stop) == (at, True, "page")
        assert len(walk.steps) == buf.levels
        assert_steps(buf, walk)
        page = walk.steps[-1]
        assert page.frame > 0
        start = at // PAGE * PAGE
        want = pattern(start, min(PAGE, size - start))
        assert ctypes.string_at(page.address, len(want)) == want


def test_walk_counts_the_bias(pool):
    buf = filled(pool, reach(1) + 3 * PAGE)
    buf.take_bytes(PAGE + 3)
    bias = buf.stats().bias
    for at in (0, PAGE - 4, PAGE - 3, PAGE, len(buf) - 1):
        walk = buf.walk(at)
        assert walk.found
        assert_steps(buf, walk)
        byte = ctypes.string_at(walk.steps[-1].address + (bias + at) % PAGE, 1)
        assert byte == pattern(at + PAGE + 3, 1)


@pytest.mark.parametrize("levels", ALL_LEVELS)
def test_walk_stops_at_a_hole(pool, levels):
    """The only page is at the far end.  A walk to a slot stops earlier the farther away it is."""
    buf = pagebuf.PageBuffer(pool=pool)
    top = reach(levels) - 1
    buf.write(top, b"x")
    assert buf.walk(top).found
    assert_steps(buf, buf.walk(top))
    span = reach(levels) // 4
    for depth in range(1, levels + 1):
        walk = buf.walk(top - span)
        assert (walk.found, walk.stop) == (False, "hole")
        assert len(walk.steps) == depth
        assert (walk.steps[-1].entry, walk.steps[-1].frame) == (0, 0)
        assert_steps(buf, walk)
        span //= FANOUT


@pytest.mark.parametrize("size", [0, 1, PAGE - 1, PAGE, PAGE + 1, reach(1) + 1])
def test_walk_past_the_end(pool, size):
    buf = filled(pool, size)
    for at in (size, size + 1, size + PAGE, reach(1), reach(2) + size, (1 << 63) - 1):
        if at >= size:
            walk = buf.walk(at)
            assert (walk.offset, walk.found, walk.stop) == (at, False, "past the end")


@pytest.mark.parametrize("shape", SHAPES)
def test_walk_changes_nothing_and_agrees_with_extents(pool, shape):
    buf = SHAPES[shape](pool)
    if is_inline(buf):
        return  # see test_walk_within_the_object
    inside = [(start, start + size) for start, size in buf.extents()]
    at = {0, 1, PAGE, reach(1), reach(2) - 1, len(buf) - 1, len(buf) // 2}
    at |= {edge + d for extent in inside for edge in extent for d in (-1, 0, 1)}
    with unchanged(buf):
        for offset in sorted(at):
            if not 0 <= offset < len(buf):
                continue
            walk = buf.walk(offset)
            assert walk.found == any(a <= offset < b for a, b in inside)
            assert walk.stop == ("page" if walk.found else "hole")
            assert_steps(buf, walk)


@pytest.mark.skipif(not INLINE, reason="nothing lies inline on the tiny builds")
def test_walk_within_the_object(pool):
    """Bytes inside the object have no page, and the walk says so."""
    buf = filled(pool, INLINE)
    with unchanged(buf):
        for at in (0, INLINE - 1):
            walk = buf.walk(at)
            assert (walk.found, walk.stop, walk.steps) == (False, "inline", ())
        assert buf.walk(INLINE).stop == "past the end"
    buf.append(1)
    assert buf.walk(0).stop == "page"


def test_frames_of_different_places_differ(pool):
    bufs = [filled(pool, reach(1) + PAGE, salt) for salt in range(3)]
    frames = []
    for buf in bufs:
        walks = [buf.walk(at) for at in range(0, len(buf), PAGE)]
        frames += {step.frame for walk in walks for step in walk.steps}
    assert len(frames) == len(set(frames)) == pool.stats().held
    assert 0 not in frames


def test_adjacent_frames_for_sequential_growth(plain_pool):
    """A fresh pool hands out consecutive frames with consecutive addresses."""
    buf = pagebuf.PageBuffer(pool=plain_pool)
    for page in range(32):
        buf.extend(pattern(page * PAGE, PAGE))
    pages = [buf.walk(page * PAGE).steps[-1] for page in range(32)]
    pairs = itertools.pairwise(pages)
    steps = [(b.frame - a.frame, b.address - a.address) for a, b in pairs]
    assert steps.count((1, PAGE)) >= 28, "data pages of a growing buffer lie side by side"


def test_walk_refuses_bad_offsets(pool):
    buf = filled(pool, PAGE)
    for bad, error in ((-1, ValueError), (1 << 63, OverflowError), ("0", TypeError)):
        with refused(error, buf):
            buf.walk(bad)


def test_walk_prints_and_compares(pool):
    buf = filled(pool, reach(1) + 1)
    assert "page" in repr(buf.walk(0))
    assert "level" in repr(buf.walk(0).steps[0])
