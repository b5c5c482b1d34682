"""Unpickling keeps the buffers that it is given, and `detach` lets go of them."""

from __future__ import annotations

import gc
import itertools
import pickle
import weakref

import pytest

import pagebuf
from pagebuf import PageBuffer
from pagebuf._extras import rebuild
from tests.helpers import FANOUT, PAGE
from tests.support import pattern

LEAST = 16 * PAGE  # of less the bytes are copied


class Kept(bytearray):
    """A buffer that somebody received."""


def packed(buf):
    """A pickle, and its buffers as somebody receives them."""
    parts: list[pickle.PickleBuffer] = []
    data = pickle.dumps(buf, 5, buffer_callback=parts.append)
    return data, [Kept(part.raw()) for part in parts]


def check(*buffers):
    for buf in buffers:
        buf.check()
        buf.pool.check()


@pytest.fixture
def large():
    buf = PageBuffer(pattern(0, 2 * FANOUT * PAGE + LEAST + 5), pool=pagebuf.PagePool())
    buf.resize(len(buf) + 5 * FANOUT * PAGE)
    buf.extend(pattern(1, LEAST + 3 * PAGE + 1))
    return buf


@pytest.mark.parametrize("front", [0, 1, PAGE - 1, PAGE, 3 * PAGE + 2])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_comes_back(large, front, protocol):
    large.take_bytes(front)
    there = pickle.loads(pickle.dumps(large, protocol))
    assert there == large
    assert there.extents() == large.extents()
    assert there.stats().bias == front % PAGE
    check(there)
    data, parts = packed(large.snapshot())
    frozen = pickle.loads(data, buffers=parts)
    assert frozen == large
    assert frozen.frozen
    check(frozen)


def test_nothing_is_copied(large):
    pool = pagebuf.default_pool()
    data, parts = packed(large)
    held, lent = pool.stats().held, pool.stats().lent
    there = pickle.loads(data, buffers=parts)
    stats = there.stats()
    assert stats.mapped >= len(pattern(0, 2 * FANOUT * PAGE)) // PAGE
    assert pool.stats().held - held <= len(parts) * 2 * (there.levels + 1) + 4 * len(parts) * 16
    assert pool.stats().lent - lent <= sum(map(len, parts))
    before = [bytes(part) for part in parts]
    there.write(PAGE, b"mine")
    there.reverse()
    assert [bytes(part) for part in parts] == before
    assert there[len(there) - 1 - PAGE] == ord("m")
    check(there)


def test_it_lets_go(large):
    pool = pagebuf.default_pool()
    gc.collect()
    held, lent = pool.stats().held, pool.stats().lent
    data, parts = packed(large)
    kept = [weakref.ref(part) for part in parts]
    there = pickle.loads(data, buffers=parts)
    snap = there.snapshot()
    with pytest.raises(BufferError):
        parts[0].clear()
    del parts
    assert any(ref() is not None for ref in kept)
    there.detach()
    assert there.stats().mapped == 0
    assert there == snap == large
    check(there, snap)
    assert any(ref() is not None for ref in kept)
    del snap
    gc.collect()
    assert [ref() for ref in kept] == [None] * len(kept)
    assert pool.stats().lent == lent
    del there
    assert pool.stats().held == held


def test_a_snapshot_is_not_detached(large):
    data, parts = packed(large.snapshot())
    frozen = pickle.loads(data, buffers=parts)
    with pytest.raises(TypeError, match="never changes"):
        frozen.detach()
    other = frozen.clone()
    other.detach()
    assert other == frozen
    assert other.stats().mapped == 0 < frozen.stats().mapped


def test_detach_of_what_is_its_own(large):
    for buf in (PageBuffer(), PageBuffer(b"tiny"), large, large.clone()):
        stats = buf.stats()
        buf.detach()
        assert buf.stats().pages == stats.pages
        assert buf.source is None


def test_detach_of_a_map():
    source = Kept(pattern(0, 3 * FANOUT * PAGE + 7))
    buf = PageBuffer.map(source, pool=pagebuf.PagePool())
    buf.write(2 * PAGE, b"mine")
    buf.collapse(5 * PAGE, PAGE)
    want = buf.tobytes()
    buf.detach()
    assert buf.source is None
    source.clear()
    assert buf == want
    check(buf)


def test_a_limit_has_no_room_to_detach():
    pool = pagebuf.PagePool()
    pages = max(4 * FANOUT, 64)
    buf = PageBuffer.map(pattern(0, pages * PAGE), pool=pool)
    pool.limit = pages // 2 * PAGE
    stats = buf.stats()
    with pytest.raises(pagebuf.PoolLimitError):
        buf.detach()
    assert buf.stats() == stats
    assert buf.source is not None
    check(buf)


# ---- neighbours are one ----


def test_runs_go_on_from_leaf_to_leaf():
    data = pattern(0, 5 * FANOUT * PAGE + LEAST)
    buf = PageBuffer(data, pool=pagebuf.PagePool())
    _, parts = packed(buf)
    assert len(parts) == buf.stats().runs
    if not buf.pool.debug:  # guards cut runs
        assert [len(part) for part in parts] == [len(data)]


def beside(parts):
    """The buffers as an engine lays them, one behind the other in memory."""
    whole, ends = Kept(b"".join(parts)), [0]
    for part in parts:
        ends.append(ends[-1] + len(part))
    return whole, [memoryview(whole)[i:j] for i, j in itertools.pairwise(ends)]


def scattered(size, step):
    """A buffer of many runs, without a hole."""
    pool = pagebuf.PagePool()
    buf, other = PageBuffer(pool=pool), PageBuffer(pool=pool)
    while len(buf) < size:
        buf.extend(pattern(len(buf), step))
        other.extend(bytes(PAGE))
    return buf


@pytest.mark.parametrize("front", [0, 5])
def test_buffers_that_lie_side_by_side(front):
    buf = scattered(3 * FANOUT * PAGE + LEAST, 5 * PAGE)
    buf.take_bytes(front)
    data, parts = packed(buf)
    assert len(parts) > 1
    whole, views = beside(parts)
    there = pickle.loads(data, buffers=views)
    assert there == buf
    assert there.stats().runs <= 3  # the pages at either end may be copies
    assert there.stats().mapped >= len(buf) // PAGE - 2
    check(there)
    del views
    there.write(2 * PAGE, b"mine")
    assert whole == buf
    there.detach()
    whole.clear()


def test_neighbours_in_memory_alone_or_in_the_buffer_alone():
    whole = Kept(pattern(0, 4 * LEAST))
    one, two, three, four = (memoryview(whole)[i * LEAST : (i + 1) * LEAST] for i in range(4))
    rows = [(0, one), (LEAST, two), (3 * LEAST, three), (4 * LEAST, one), (5 * LEAST, two)]
    joined = PageBuffer._neighbours((*rows, (6 * LEAST, four), (7 * LEAST, four[:0])))
    assert [(at, len(view)) for at, view in joined] == [
        (0, 2 * LEAST),
        (3 * LEAST, LEAST),
        (4 * LEAST, 2 * LEAST),
        (6 * LEAST, LEAST),
        (7 * LEAST, 0),
    ]
    assert joined[0][1] == whole[: 2 * LEAST]
    assert joined[0][1].readonly
    del one, two, three, four, rows
    with pytest.raises(BufferError):
        whole.clear()
    del joined
    whole.clear()


@pytest.mark.parametrize("rows", [[], (1,), ((1,),), ((0, b"x"),)])
def test_rows_that_are_none(rows):
    with pytest.raises(TypeError):
        PageBuffer._neighbours(rows)


def test_rows_with_gaps():
    with pytest.raises(BufferError):
        PageBuffer._neighbours(((0, memoryview(bytes(9))[::2]),))


# ---- what is refused ----


def test_buffers_of_another_size(large):
    data, parts = packed(large)
    with pytest.raises(ValueError, match="in the place of"):
        pickle.loads(data, buffers=[part[:-1] for part in parts])
    with pytest.raises(ValueError, match="in the place of"):
        pickle.loads(data, buffers=[part + b"x" for part in parts])
    with pytest.raises((ValueError, pickle.UnpicklingError)):
        pickle.loads(data, buffers=parts[:-1])
    if len(parts[0]) != len(parts[-1]):
        with pytest.raises(ValueError, match="in the place of"):
            pickle.loads(data, buffers=parts[::-1])


@pytest.mark.parametrize("run", [(-1, 1, b"x"), (10, 1, b"x"), (9, 2, b"xy"), (0, 2, b"x")])
def test_damaged_streams(run):
    with pytest.raises(ValueError, match="bytes"):
        rebuild(PageBuffer, 10, 3, False, [run])


def test_pickles_without_sizes():
    """As they were before."""
    data = pattern(0, LEAST + 1)
    buf = rebuild(PageBuffer, len(data), 6, False, [(0, data)])  # type: ignore[list-item]
    assert buf == data


def test_items_of_several_bytes():
    np = pytest.importorskip("numpy")
    array = np.arange(LEAST, dtype="<u4")
    buf = rebuild(PageBuffer, array.nbytes, 6, False, [(0, array.nbytes, array)])
    assert buf == array.tobytes()


def test_a_full_buffer_with_a_bias():
    """Where there is no room for the same bias, pages lie otherwise."""
    buf = PageBuffer(pattern(0, 4 * PAGE), max_levels=1)
    assert buf.take_bytes(3)
    buf.extend(b"xyz")
    there = pickle.loads(pickle.dumps(buf, 5))
    assert there == buf
    assert there.capacity == buf.capacity
