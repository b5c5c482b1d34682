"""Snapshots and clones: what they cost and keep, and that a snapshot never changes."""

from __future__ import annotations

import copy
import io
import itertools
import random

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE, reach
from tests.support import SHAPES, assert_pool, filled, pattern, refused

LEVELS = range(1, min(6, pagebuf.MAX_LEVELS) + 1)


def held(pool):
    return pool.stats().held


def of_height(pool, levels):
    """A tree of this height with a page at both ends."""
    buf = filled(pool, PAGE)
    buf.write(reach(levels) - PAGE if levels > 1 else 0, pattern(0, PAGE, 1))
    assert buf.levels == levels
    return buf


@pytest.mark.parametrize("shape", SHAPES)
def test_a_snapshot_takes_no_frame(pool, shape):
    """Pages are shared.  Bytes inside the object are copied into the snapshot's own object."""
    buf = SHAPES[shape](pool)
    before = held(pool)
    snap, clone = buf.snapshot(), buf.clone()
    assert held(pool) == before
    assert (len(snap), len(clone)) == (len(buf), len(buf))
    assert (snap.frozen, clone.frozen) == (True, False)


@pytest.mark.parametrize("levels", LEVELS)
def test_the_first_write_copies_one_node_a_level_and_the_page(pool, levels):
    buf = of_height(pool, levels)
    snap = buf.snapshot()
    before = held(pool)
    end = len(buf)
    buf.write(end - 5, b"12345")
    assert held(pool) == before + levels  # levels - 1 nodes, and the page
    buf.write(end - PAGE, b"67890")
    assert held(pool) == before + levels
    assert snap.read(end - 5, -1) == pattern(0, PAGE, 1)[-5:]
    second = buf.snapshot()
    buf.write(end - 1, b"x")
    assert held(pool) == before + 2 * levels
    del second
    assert held(pool) == before + levels
    del snap
    assert held(pool) == before
    assert_pool(pool, [buf])


@pytest.mark.parametrize("levels", [n for n in LEVELS if n > 1])
def test_neighbours_of_the_first_write_cost_their_page_only(pool, levels):
    buf = of_height(pool, levels)
    end = len(buf)
    buf.write(end - 2 * PAGE, pattern(0, PAGE, 2))
    snap = buf.snapshot()
    before = held(pool)
    buf.write(end - 1, b"x")
    buf.write(end - 2 * PAGE, b"x")
    assert held(pool) == before + levels + 1
    assert snap[end - 2 * PAGE] == pattern(0, 1, 2)[0]


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_a_chain_dropped_in_any_order(pool, order):
    """Each snapshot keeps its state, whichever is dropped first."""
    buf, kept = filled(pool, 9 * PAGE), []
    for i in range(4):
        buf.write(2 * i * PAGE, b"%d" % i * 9)
        kept.append((buf.snapshot(), buf.tobytes()))
    buf.write(8 * PAGE, b"last")
    kept.append((buf, buf.tobytes()))
    del buf
    for gone in order:
        kept[gone] = None
        pool.check()
        for entry in kept:
            assert entry is None or entry[0].tobytes() == entry[1]
    assert held(pool) == 0


def test_a_tree_of_clones_dropped_in_any_order(pool):
    """Clones of clones and of snapshots, each changed after it was made."""
    chance = random.Random(4)
    for _ in range(10):
        family = [(filled(pool, 12 * PAGE + 3), pattern(0, 12 * PAGE + 3))]
        for i in range(12):
            parent, _ = chance.choice(family)
            child = parent.clone() if i % 3 else parent.snapshot().clone()
            child.write(chance.randrange(12 * PAGE), b"\0" * chance.randrange(1, 2 * PAGE))
            family.append((child, child.tobytes()))
            if i % 4 == 0:
                family.append((child.snapshot(), child.tobytes()))
        chance.shuffle(family)
        del parent, child
        while family:
            family.pop()
            pool.check()
            assert all(buf.tobytes() == data for buf, data in family)
        assert held(pool) == 0


def test_what_is_not_shared_any_more_is_written_in_place(pool):
    buf = filled(pool, 6 * PAGE)
    del_me = buf.snapshot()
    buf.write(0, b"x")
    del del_me
    before = held(pool)
    for page in range(6):
        buf.write(page * PAGE, b"y")
    assert held(pool) == before
    assert pool.stats().shared == 0


MUTATORS = {
    "write": lambda b, o: b.write(0, b"x"),
    "write past the end": lambda b, o: b.write(10 * PAGE, b"x"),
    "append": lambda b, o: b.append(1),
    "extend": lambda b, o: b.extend(b"x"),
    "extend by a buffer": lambda b, o: b.extend(o),
    "extend by ints": lambda b, o: b.extend([1, 2]),
    "+=": lambda b, o: b.__iadd__(b"x"),
    "+= a buffer": lambda b, o: b.__iadd__(o),
    "truncate": lambda b, o: b.truncate(1),
    "truncate, longer": lambda b, o: b.truncate(9 * PAGE),
    "resize": lambda b, o: b.resize(1),
    "punch": lambda b, o: b.punch(0, PAGE),
    "clear": lambda b, o: b.clear(),
    "take_bytes": lambda b, o: b.take_bytes(1),
    "take_bytes, all": lambda b, o: b.take_bytes(),
    "insert": lambda b, o: b.insert(0, 1),
    "pop": lambda b, o: b.pop(),
    "pop first": lambda b, o: b.pop(0),
    "remove": lambda b, o: b.remove(b[0]),
    "reverse": lambda b, o: b.reverse(),
    "item": lambda b, o: b.__setitem__(0, 1),
    "slice": lambda b, o: b.__setitem__(slice(0, 2), b"xy"),
    "slice, longer": lambda b, o: b.__setitem__(slice(0, 2), b"xyz"),
    "slice from a buffer": lambda b, o: b.__setitem__(slice(0, 2), o),
    "stride": lambda b, o: b.__setitem__(slice(0, 4, 2), b"xy"),
    "del item": lambda b, o: b.__delitem__(0),
    "del slice": lambda b, o: b.__delitem__(slice(0, 2)),
    "del stride": lambda b, o: b.__delitem__(slice(0, 4, 2)),
    "copy_range": lambda b, o: b.copy_range(0, o),
    "copy_range of itself": lambda b, o: b.copy_range(1, b),
    "collapse": lambda b, o: b.collapse(0, 1),
    "collapse pages": lambda b, o: b.collapse(PAGE, PAGE),
    "insert_hole": lambda b, o: b.insert_hole(1, PAGE),
    "restore": lambda b, o: b.restore(o),
    "apply": lambda b, o: b.apply(o.delta(b)),
}


@pytest.mark.parametrize("size", [5, 5 * PAGE + 3])
@pytest.mark.parametrize("call", MUTATORS)
def test_a_snapshot_refuses_every_change(pool, call, size):
    snap, other = filled(pool, size).snapshot(), filled(pool, 3 * PAGE, salt=1)
    with refused((TypeError, io.UnsupportedOperation), snap):
        MUTATORS[call](snap, other)
    assert snap.tobytes() == pattern(0, size)


def test_views_of_a_snapshot_are_read_only(pool):
    snap = filled(pool, 3 * PAGE).snapshot()
    assert snap.view().readonly
    assert memoryview(snap).readonly
    assert all(view.readonly for view in snap.views(writable=True))
    with pytest.raises((BufferError, TypeError)):
        b"".join([]) or memoryview(snap).__setitem__(0, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_restore(pool, shape):
    buf = SHAPES[shape](pool)
    snap = buf.snapshot()
    walk = (len(buf), buf.extents(), buf.read(0, 4 * PAGE))
    buf.write(3, b"changed")
    buf.truncate(2 * PAGE + 1)
    buf.restore(snap)
    assert (len(buf), buf.extents(), buf.read(0, 4 * PAGE)) == walk
    buf.write(0, b"again")
    assert snap.read(0, 4 * PAGE) == walk[2]
    buf.check()
    pool.check()


def test_snapshots_of_snapshots_and_copies(pool):
    snap = filled(pool, 3 * PAGE + 1).snapshot()
    again, copied = snap.snapshot(), copy.copy(snap)
    assert (again.frozen, copied.frozen, copy.deepcopy(snap).frozen) == (True, False, False)
    copied.write(0, b"x")
    assert again.tobytes() == snap.tobytes() == pattern(0, 3 * PAGE + 1)


def test_many_shares_of_a_whole_node(pool):
    """Every clone adds one to the count of what it shares.  The last one frees it."""
    buf = filled(pool, (FANOUT + 5) * PAGE if PAGE < 4096 else 9 * PAGE)
    before = held(pool)
    clones = [buf.clone() for _ in range(300)]
    assert held(pool) == before
    for clone in clones[::2]:
        clone.write(PAGE, b"x")
    del clone, clones
    assert held(pool) == before
    pool.check()
    assert pool.stats().shared == 0


@pytest.mark.parametrize("levels", LEVELS)
def test_a_write_that_cannot_copy_changes_neither(levels):
    """The write is refused with every number of frames too small for the path and the page."""
    for spare in range(levels):
        probe = of_height(pagebuf.PagePool(), levels)
        frames = held(probe.pool)
        limit = pagebuf.PagePool(limit=(frames + spare) * PAGE)
        buf = of_height(limit, levels)
        snap = buf.snapshot()
        with refused(pagebuf.PoolLimitError, buf, snap):
            buf.write(len(buf) - 1, b"x")
    limit = pagebuf.PagePool(limit=(frames + levels) * PAGE)
    buf = of_height(limit, levels)
    snap = buf.snapshot()
    buf.write(len(buf) - 1, b"x")
    assert snap[len(snap) - 1] == pattern(0, PAGE, 1)[-1]
