"""Child pools: limits, which pool a page is charged to, and what stays when a child goes."""

from __future__ import annotations

import gc
import weakref

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.support import FEW, SHAPES, assert_accounted, dense, filled, pattern, refused


def held(*pools):
    return [pool.stats().held for pool in pools]


def assert_all(*pools):
    for pool in pools:
        assert_accounted(pool)


@pytest.fixture
def family(pool):
    """A root, two children and a grandchild.  Their accounts must be right after the test."""
    one, two = pool.child(name="one"), pool.child(name="two")
    pools = [pool, one, two, one.child(name="below one")]
    yield pools
    assert_all(*pools)


# ---- what a child is ----


def test_a_child_is_a_pool(pool):
    child = pool.child(limit=7 * PAGE + PAGE - 1, name="child")
    assert type(child) is pagebuf.PagePool
    assert (child.name, child.limit, child.stats().limit) == ("child", 7 * PAGE + PAGE - 1, 7)
    assert child.debug == pool.debug
    assert "child" in repr(child)
    assert child.buffers() == []
    assert child.child().limit is None
    buf = filled(child, FEW)
    assert buf.pool is child
    assert held(child, pool) == [1, 1]
    assert_all(pool, child)


def test_bad_children(pool):
    with pytest.raises(ValueError, match="limit"):
        pool.child(limit=-1)
    with pytest.raises(TypeError):
        pool.child(limit="1")
    with pytest.raises(TypeError):
        pool.child(1, "name")
    with pytest.raises(TypeError):
        pool.child(keep=0)
    assert held(pool) == [0]


def test_a_child_draws_from_its_parents_regions(pool):
    child = pool.child()
    buf = filled(child, 300 * PAGE)
    regions = pool.stats().regions
    other = filled(pool, 900 * PAGE, salt=1)
    assert child.stats().regions == pool.stats().regions > regions
    assert pool.stats().total == child.stats().total
    assert buf.tobytes() == pattern(0, 300 * PAGE)
    late = pool.child()
    again = filled(late, 20 * PAGE, salt=2)
    assert (other.tobytes(), again.tobytes()) == (
        pattern(0, 900 * PAGE, 1),
        pattern(0, 20 * PAGE, 2),
    )
    assert_all(pool, child, late)


def test_a_subclass_grows_for_its_children():
    grown = []

    class Mine(pagebuf.PagePool):
        def _new_region(self, nbytes):
            grown.append((self.name, nbytes))
            return super()._new_region(nbytes)

    pool = Mine(name="root")
    buf = filled(pool.child(name="child").child(), 3 * PAGE)
    assert {name for name, _ in grown} == {"root"}
    assert buf.tobytes() == pattern(0, 3 * PAGE)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_charged_all_the_way_up(family, shape):
    _root, _one, _two, below = family
    buf = SHAPES[shape](below)
    frames = buf.stats().pages + buf.stats().nodes
    nodes = buf.stats().nodes
    assert held(*family) == [frames, frames, 0, frames]
    assert [pool.stats().nodes for pool in family] == [nodes, nodes, 0, nodes]
    assert_all(*family)
    copies = [buf.snapshot(), buf.clone()]
    assert [copy.pool for copy in copies] == [below, below]
    assert held(*family) == [frames, frames, 0, frames]
    copies[1].write(len(buf) // 2, b"!")
    assert_all(*family)
    del buf, copies
    assert held(*family) == [0, 0, 0, 0]


def test_high_water_is_a_pools_own(family):
    _root, _one, two, below = family
    buf = filled(below, 3 * PAGE)
    buf.clear()
    buf = filled(two, 2 * PAGE)
    assert [pool.stats().high_water for pool in family] == [3, 3, 2, 3]
    del buf


# ---- quotas ----


@pytest.mark.parametrize("frames", [1, 2, 5, 20])
def test_a_childs_limit_is_exact(pool, frames):
    child = pool.child(limit=frames * PAGE)
    buf, pages = pagebuf.PageBuffer(pool=child), 0
    while dense(pages + 1) <= frames:
        buf.extend(pattern(pages * PAGE, PAGE))
        pages += 1
        assert_all(pool, child)
    with refused(pagebuf.PoolLimitError, buf):
        buf.extend(pattern(0, FEW))
    assert buf.tobytes() == pattern(0, pages * PAGE)
    assert child.stats().high_water <= frames
    other = filled(pool, 9 * PAGE)  # the child's limit does not bind its parent
    assert_all(pool, child)
    del other


@pytest.mark.parametrize("tight", range(4))
def test_the_limit_that_is_reached_is_named(tight):
    """The error names the pool of the chain that refused.  No pool of the chain has changed."""
    limits = [64 * PAGE] * 4
    limits[tight] = 3 * PAGE
    pool = pagebuf.PagePool(limit=limits[0], name="p0")
    chain = [pool]
    for n in range(1, 4):
        chain.append(chain[-1].child(limit=limits[n], name=f"p{n}"))
    buf = filled(chain[-1], 2 * PAGE)
    before = [tuple(each.stats()) for each in chain]
    with refused(pagebuf.PoolLimitError, buf) as info:
        buf.write(0, pattern(0, 4 * PAGE, salt=1))
    assert f"'p{tight}'" in str(info.value)
    assert f"holds {2 * PAGE} and may hold {3 * PAGE} (limit)" in str(info.value)
    assert [tuple(each.stats()) for each in chain] == before
    assert_all(*chain)


def test_a_limit_without_a_name(pool):
    child = pool.child(limit=PAGE)
    with pytest.raises(pagebuf.PoolLimitError, match=f"a pool holds 0 and may hold {PAGE} "):
        filled(child, max(FEW, 2 * PAGE))


def test_children_share_what_their_parent_may_have():
    pool = pagebuf.PagePool(limit=10 * PAGE, name="all")
    kids = [pool.child(limit=4 * PAGE, name=f"kid {n}") for n in range(3)]
    bufs = [filled(kid, 4 * PAGE, n) for n, kid in enumerate(kids[:2])]
    last = pagebuf.PageBuffer(pool=kids[2])
    last.extend(pattern(0, 2 * PAGE))
    with refused(pagebuf.PoolLimitError, last, *bufs) as info:
        last.extend(pattern(0, FEW))
    assert "'all'" in str(info.value)
    bufs[0].truncate(3 * PAGE)
    with refused(pagebuf.PoolLimitError, bufs[1]) as info:
        bufs[1].extend(pattern(0, FEW))
    assert "'kid 1'" in str(info.value)
    last.extend(pattern(2 * PAGE, PAGE))
    assert last.tobytes() == pattern(0, 3 * PAGE)
    assert_all(pool, *kids)


def test_copies_on_write_are_charged_to_the_writer(pool):
    child = pool.child(limit=2 * PAGE)
    buf = filled(child, 2 * PAGE)
    snap = buf.snapshot()
    with refused(pagebuf.PoolLimitError, buf, snap):
        buf.write(0, b"!")
    del snap
    gc.collect()
    buf.write(0, b"!")
    assert held(pool, child) == [2, 2]


def test_constructors_refused_leave_nothing(pool):
    child = pool.child(limit=2 * PAGE)
    with pytest.raises(pagebuf.PoolLimitError) as info:
        pagebuf.PageBuffer(pattern(0, 3 * PAGE), pool=child)
    del info
    assert held(pool, child) == [0, 0]
    queue = pagebuf.ByteQueue(pool=child)
    with pytest.raises(pagebuf.PoolLimitError):
        queue.put(pattern(0, 3 * PAGE))
    assert len(queue) == 0
    assert_all(pool, child)


# ---- sharing across pools of a family ----


def test_a_parent_shares_a_childs_pages(pool):
    child = pool.child(limit=4 * PAGE)
    buf = filled(child, 4 * PAGE)
    above = pagebuf.PageBuffer(pool=pool)
    above.copy_range(0, buf)
    assert held(pool, child) == [4, 4]
    assert above.stats().shared == 4
    assert_all(pool, child)
    above.write(0, b"!")  # a copy, charged to the parent
    assert held(pool, child) == [5, 4]
    del buf
    assert held(pool, child) == [4, 3]
    assert above.tobytes() == b"!" + pattern(1, 4 * PAGE - 1)
    with pytest.raises(pagebuf.PoolLimitError):
        filled(child, 2 * PAGE)  # three of its four frames are in use, no matter by which buffer
    assert_all(pool, child)


def test_a_child_shares_its_parents_pages_for_nothing(pool):
    buf = filled(pool, 4 * PAGE)
    child = pool.child(limit=PAGE)
    below = pagebuf.PageBuffer(pool=child)
    below.copy_range(0, buf)
    assert held(pool, child) == [4, 0]
    below.write(0, b"!")
    assert held(pool, child) == [5, 1]
    with refused(pagebuf.PoolLimitError, below, buf):
        below.write(PAGE, b"!")
    assert_all(pool, child)
    del buf
    gc.collect()
    assert held(pool, child) == [4, 1]
    below.write(PAGE, b"!")  # nobody shares it any more
    assert held(pool, child) == [4, 1]
    assert_all(pool, child)


def test_siblings_share(family):
    _root, one, two, below = family
    buf = filled(one, 3 * PAGE)
    other = pagebuf.PageBuffer(pool=two)
    other.copy_range(0, buf, 0, 3 * PAGE)
    third = pagebuf.PageBuffer(pool=below)
    third.copy_range(0, other)
    assert held(*family) == [3, 3, 0, 0]
    assert_all(*family)
    third.write(0, b"!")
    assert held(*family) == [4, 4, 0, 1]
    buf.clear()
    other.clear()
    assert third.tobytes() == b"!" + pattern(1, 3 * PAGE - 1)
    assert held(*family) == [3, 3, 0, 1]
    assert_all(*family)


def test_splice_moves_pages_between_the_pools_of_a_family(family):
    _root, _one, two, below = family
    source, target = pagebuf.ByteQueue(pool=below), pagebuf.ByteQueue(pool=two)
    source.put(pattern(0, 4 * PAGE))
    assert target.splice_from(source, 3 * PAGE) == 3 * PAGE
    assert_all(*family)
    assert target.get() == pattern(0, 3 * PAGE)
    assert source.get() == pattern(3 * PAGE, PAGE)
    assert held(*family) == [0, 0, 0, 0]


def test_restore_from_another_pool_of_the_family(family):
    root, _one, _two, below = family
    snap = filled(root, 3 * PAGE).snapshot()
    buf = filled(below, 5 * PAGE, salt=1)
    buf.restore(snap)
    assert buf.tobytes() == snap.tobytes()
    assert buf.pool is below
    assert held(*family) == [3, 0, 0, 0]
    assert_all(*family)
    buf.write(PAGE, b"!")
    assert held(*family) == [4, 1, 0, 1]
    assert snap.tobytes() == pattern(0, 3 * PAGE)


def test_pools_of_other_families_share_nothing(pool):
    other = pagebuf.PagePool()
    buf, stranger = filled(pool.child(), 3 * PAGE), pagebuf.PageBuffer(pool=other.child())
    stranger.copy_range(0, buf)
    assert (held(pool, other), stranger.stats().shared) == ([3, 3], 0)
    assert_all(pool, other)


def test_a_view_keeps_charging_the_child(pool):
    child = pool.child(limit=3 * PAGE)
    buf = filled(child, 3 * PAGE)
    view = buf.view(0, PAGE)
    buf.truncate(0)
    assert [each.stats().detached for each in (pool, child)] == [1, 1]
    assert held(pool, child) == [1, 1]
    assert_all(pool, child)
    del buf, view
    assert held(pool, child) == [0, 0]
    assert [each.stats().detached for each in (pool, child)] == [0, 0]


# ---- when a child goes ----


def test_a_child_lives_as_long_as_its_buffers(pool):
    child = pool.child(name="gone")
    buf = filled(child, 2 * PAGE)
    watch = weakref.ref(child)
    del child
    gc.collect()
    assert watch() is buf.pool
    del buf
    gc.collect()
    assert watch() is None
    assert held(pool) == [0]


def test_what_a_child_leaves_is_charged_to_its_parent(pool):
    middle = pool.child(limit=7 * PAGE, name="middle")
    child = middle.child(name="child")
    buf = filled(child, 4 * PAGE)
    keeper = pagebuf.PageBuffer(pool=pool)
    keeper.copy_range(0, buf, 0, 3 * PAGE)
    watch = weakref.ref(child)
    del buf, child
    gc.collect()
    assert watch() is None
    assert held(pool, middle) == [3, 3]
    assert_all(pool, middle)
    other = filled(middle, 4 * PAGE)
    with pytest.raises(pagebuf.PoolLimitError, match="middle"):
        other.extend(pattern(0, FEW))
    del middle, other
    gc.collect()
    assert held(pool) == [3]
    assert keeper.tobytes() == pattern(0, 3 * PAGE)
    assert_all(pool)
    keeper.clear()
    assert held(pool) == [0]


def test_a_number_that_is_used_again_charges_the_new_child_only(pool):
    child = pool.child()
    buf = filled(child, 3 * PAGE)
    keeper = pagebuf.PageBuffer(pool=pool)
    keeper.copy_range(0, buf)
    del buf, child
    gc.collect()
    fresh = pool.child(limit=PAGE)
    assert held(pool, fresh) == [3, 0]
    mine = filled(fresh, PAGE)
    keeper.clear()
    assert held(pool, fresh) == [1, 1]
    assert_all(pool, fresh)
    del mine


def test_a_detached_frame_outlives_the_child(pool):
    child = pool.child()
    buf = filled(child, 2 * PAGE)
    view = buf.view(0, PAGE)
    buf.truncate(0)
    del buf, child
    gc.collect()
    assert view == pattern(0, PAGE)
    assert pool.stats().detached == 1
    assert_all(pool)
    del view
    assert held(pool) == [0]


def test_the_parent_lives_as_long_as_a_child():
    pool = pagebuf.PagePool()
    watch = weakref.ref(pool)
    buf = filled(pool.child().child(), 2 * PAGE)
    del pool
    gc.collect()
    assert watch() is not None
    assert buf.tobytes() == pattern(0, 2 * PAGE)
    assert watch().stats().held == 2
    del buf
    gc.collect()
    assert watch() is None


def test_children_in_cycles_are_collected(pool):
    watches = []
    for turn in range(5):
        child = pool.child(name=f"turn {turn}")
        buf = filled(child, 3 * PAGE, turn)
        below = child.child(limit=9 * PAGE)
        deep = filled(below, FEW)
        child.me = [child, buf, below, deep]
        below.on_pressure(1.0, lambda pool, child=child: child)
        watches += [weakref.ref(child), weakref.ref(below)]
        assert_all(pool, child, below)
    del child, buf, below, deep
    gc.collect()
    assert [watch() for watch in watches] == [None] * 10
    assert held(pool) == [0]
    assert_all(pool)


def test_a_whole_family_in_a_cycle_is_collected():
    pool = pagebuf.PagePool()
    pool.kids = [pool.child() for _ in range(3)]
    pool.bufs = [filled(kid, 3 * PAGE) for kid in pool.kids]
    pool.bufs[0].copy_range(0, pool.bufs[1])
    view = pool.bufs[2].view(0, PAGE)
    watches = [weakref.ref(pool), *map(weakref.ref, pool.kids)]
    del pool
    gc.collect()
    assert view == pattern(0, PAGE)
    del view
    gc.collect()
    assert [watch() for watch in watches] == [None] * 4


# ---- many children, deep families ----


def test_thousands_of_children():
    pool = pagebuf.PagePool(debug=0)
    kids = [pool.child(limit=PAGE) for _ in range(4000)]
    bufs = [filled(kid, FEW, n % 99) for n, kid in enumerate(kids)]
    assert held(pool) == [4000]
    assert_accounted(pool)
    assert_accounted(kids[2000])
    for kid, buf in list(zip(kids, bufs, strict=True))[::400]:
        assert held(kid) == [1]
        with refused(pagebuf.PoolLimitError, buf):
            buf.write(0, pattern(0, PAGE + 1))
    assert all(buf.tobytes() == pattern(0, FEW, n % 99) for n, buf in enumerate(bufs))
    del kids[::2], bufs[::2]
    del buf, kid
    gc.collect()
    assert held(pool) == [2000]
    more = [pool.child() for _ in range(3000)]
    assert held(*more[:3]) == [0, 0, 0]
    pool.check()
    del bufs, kids, more
    assert held(pool) == [0]


def test_there_is_a_most_of_children():
    pool = pagebuf.PagePool(debug=0)
    kids = [pool.child() for _ in range(8191)]
    with pytest.raises(ValueError, match="at most 8191"):
        pool.child()
    last = filled(kids[-1], FEW)
    assert held(pool, kids[-1], kids[0]) == [1, 1, 0]
    pool.check()
    with pytest.raises(ValueError, match="at most 8191"):
        kids[0].child()
    del kids[5]
    assert pool.child().stats().held == 0
    del last


def test_deep_families():
    pool = chain = pagebuf.PagePool(debug=0)
    pools = [pool]
    for depth in range(200):
        chain = chain.child(limit=(300 - depth) * PAGE)
        pools.append(chain)
    buf = filled(chain, 30 * PAGE)
    assert set(held(*pools)) == {dense(30)}
    with refused(pagebuf.PoolLimitError, buf):
        buf.write(0, pattern(0, 101 * PAGE))
    pool.check()
    del pools, chain
    gc.collect()
    assert buf.tobytes() == pattern(0, 30 * PAGE)


@pytest.mark.parametrize("level", [0, 1, 2, "sample:2"])
def test_children_of_debug_pools(level):
    pool = pagebuf.PagePool(debug=level)
    child = pool.child(limit=8 * PAGE, name="kid")
    assert child.debug == pool.debug
    for turn in range(40):
        buf = filled(child, 4 * PAGE, turn)
        snap = buf.snapshot()
        buf.write(0, b"!")
        assert buf.tobytes() == b"!" + pattern(1, 4 * PAGE - 1, turn)
        assert_all(pool, child)
        del buf, snap
        assert held(pool, child) == [0, 0]
    stats = child.stats()
    assert stats.high_water <= 8
    del child
    gc.collect()
    assert_accounted(pool)
