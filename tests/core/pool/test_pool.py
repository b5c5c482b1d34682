"""A pool counts its frames exactly, whatever its buffers do.  Also trim and limit."""

from __future__ import annotations

import random
import sys

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE, drawing, reach
from tests.plain import change_both
from tests.support import (
    FEW,
    SHAPES,
    assert_pool,
    dense,
    filled,
    nodes_for,
    pattern,
    pool_counts,
    refused,
)


def test_a_new_pool_holds_nothing():
    pool = pagebuf.PagePool()
    st = pool.stats()
    assert (st.page_size, st.held, st.nodes, st.high_water) == (PAGE, 0, 0, 0)
    assert (st.pinned, st.shared, st.reserved, st.limit) == (0, 0, 0, -1)
    assert st.total == st.free
    assert (pool.limit, pool.name, pool.buffers()) == (None, None, [])
    assert all(type(count) is int for count in st)
    pool.check()


def test_names_and_options():
    pool = pagebuf.PagePool(name="inbox", limit=10 * PAGE + PAGE - 1)
    assert pool.name == "inbox"
    assert pool.stats().limit == 10
    assert pagebuf.PagePool(10 * PAGE).stats().limit == 10
    with pytest.raises(TypeError):
        pagebuf.PagePool(1, 2)
    with pytest.raises(ValueError):
        pagebuf.PagePool(limit=-1)
    with pytest.raises(TypeError):
        pagebuf.PagePool(colour="red")


class Pages:
    """A number that is not an int."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number * PAGE


@pytest.mark.parametrize("bad", ["1", b"1", 1.0, [1], object()])
@pytest.mark.parametrize("what", ["limit", "keep"])
def test_what_is_no_number_of_bytes_is_named(what, bad):
    says = f"^{what} must be an int or None, not {type(bad).__name__}$"
    with pytest.raises(TypeError, match=says):
        pagebuf.PagePool(**{what: bad})
    if what == "limit":
        with pytest.raises(TypeError, match=says):
            pagebuf.PagePool().child(limit=bad)
    with pytest.raises(ValueError, match=f"^{what} must not be negative, not -1$"):
        pagebuf.PagePool(**{what: -1})


def test_numbers_of_bytes_that_are_no_int():
    pool = pagebuf.PagePool(limit=Pages(3), keep=Pages(2))
    assert (pool.limit, pool.stats().limit) == (3 * PAGE, 3)
    assert pool.child(limit=Pages(1)).limit == PAGE


@pytest.mark.parametrize("bad", [5, b"inbox", ["inbox"], object(), str])
def test_a_wrong_name_is_refused(bad):
    says = f"^name must be a str or None, not {type(bad).__name__}$"
    with pytest.raises(TypeError, match=says):
        pagebuf.PagePool(name=bad)
    with pytest.raises(TypeError, match=says):
        pagebuf.PagePool().child(name=bad)


@pytest.mark.parametrize("much", [sys.maxsize, 1 << 63, 1 << 64, 10**30])
def test_a_limit_that_nothing_reaches(much):
    """A limit too large to be reached acts like none.  The same is true of keep."""
    pool = pagebuf.PagePool(limit=much, keep=much)
    child = pool.child(limit=much)
    assert (pool.limit, child.limit) == (much, much)
    assert pool.stats().limit == child.stats().limit == min(much // PAGE, 1 << 62)
    buf = filled(child, reach(1) + PAGE)
    held = child.stats().held
    buf.clear()
    assert child.stats().high_water == held
    if not pool.debug:
        assert pool.stats().retained >= held
    assert_pool(child, [buf])


def test_the_default_pool_is_one():
    pool = pagebuf.default_pool()
    assert pool is pagebuf.default_pool()
    assert pagebuf.PageBuffer().pool is pool
    assert isinstance(pool, pagebuf.PagePool)
    held = pool.stats().held
    buf = pagebuf.PageBuffer(pattern(0, PAGE + 1))
    assert pool.stats().held == held + 2
    del buf
    assert pool.stats().held == held
    pool.check()


def test_bad_pools_are_refused():
    for bad in (5, "pool", object(), pagebuf.PagePool):
        with pytest.raises(TypeError):
            pagebuf.PageBuffer(pool=bad)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_accounted_for(pool, shape):
    other = filled(pool, FEW)
    buf = SHAPES[shape](pool)
    assert_pool(pool, [buf, other])
    del buf
    assert_pool(pool, [other])
    assert pool.stats().held == 1


def test_counts_of_a_dense_buffer(pool):
    for size in (0, FEW, PAGE, reach(1), reach(1) + 1, reach(2), reach(2) + 1):
        buf = filled(pool, size)
        pages = -(-size // PAGE)
        st = pool.stats()
        assert st.nodes == nodes_for(range(pages), buf.levels)
        assert st.held == pages + st.nodes
        del buf
        assert (pool.stats().held, pool.stats().nodes) == (0, 0)


def test_high_water_is_the_most_ever_held(pool):
    buf = filled(pool, 9 * PAGE)
    top = pool.stats().held
    assert pool.stats().high_water == top
    buf.clear()
    buf.extend(pattern(0, FEW))
    assert (pool.stats().high_water, pool.stats().held) == (top, 1)
    again = filled(pool, 20 * PAGE)
    assert pool.stats().high_water == pool.stats().held
    del again


def test_freed_frames_are_used_again(pool):
    buf = filled(pool, reach(1) + PAGE)
    total = pool.stats().total
    for turn in range(50):
        buf.clear()
        buf.extend(pattern(turn, reach(1) + PAGE))
    assert pool.stats().total == total
    assert buf.tobytes() == pattern(49, reach(1) + PAGE)


def test_the_last_frame_freed_is_the_first_reused(plain_pool):
    keep, buf = filled(plain_pool, 2 * PAGE), filled(plain_pool, PAGE)
    frame = buf.walk(0).steps[-1].frame
    buf.clear()
    buf.write(0, pattern(0, PAGE, salt=1))
    assert buf.walk(0).steps[-1].frame == frame
    assert keep.tobytes() == pattern(0, 2 * PAGE)


def test_frames_come_back_in_the_order_of_their_warmth(plain_pool):
    """The frame freed last is reused first, even where frames next to each other are free."""
    bufs = [filled(plain_pool, FEW, n) for n in range(6)]
    frames = [buf.walk(0).steps[-1].frame for buf in bufs]
    for n in (1, 4, 3, 2):
        bufs[n].clear()
    for n in (2, 3, 4, 1):
        bufs[n].extend(pattern(n, FEW))
        assert bufs[n].walk(0).steps[-1].frame == frames[n]
    assert_pool(plain_pool, bufs)


def test_buffers_are_listed_largest_first(pool):
    sizes = [3 * PAGE, 6 * PAGE, 2 * PAGE, reach(1) + 1, PAGE]
    bufs = [filled(pool, size) for size in sizes]
    listed = drawing(pool)
    assert [len(buf) for buf in listed] == sorted(sizes, reverse=True)
    assert {id(buf) for buf in listed} == {id(buf) for buf in bufs}
    bufs[2].extend(pattern(0, reach(1) + 30 * PAGE))
    assert drawing(pool)[0] is bufs[2]
    del bufs[2], listed
    assert len(drawing(pool)) == 4


def test_tiny_buffers_cost_no_frame(pool):
    """Up to `INLINE_SIZE` bytes lie in the object itself.  With one byte more they move to a
    page."""
    bufs = [filled(pool, pagebuf.INLINE_SIZE, salt) for salt in range(3)]
    assert pool.stats().held == 0
    bufs[1].append(7)
    assert pool.stats().held == 1
    assert bufs[1].tobytes() == pattern(0, pagebuf.INLINE_SIZE, 1) + b"\x07"
    assert [bufs[n].tobytes() for n in (0, 2)] == [
        pattern(0, pagebuf.INLINE_SIZE, n) for n in (0, 2)
    ]
    assert_pool(pool, bufs)


def test_a_list_of_buffers_keeps_them_alive(pool):
    buf = filled(pool, PAGE)
    listed = drawing(pool)
    del buf
    assert listed[0].tobytes() == pattern(0, PAGE)
    del listed
    assert drawing(pool) == []


def test_the_pool_outlives_its_name():
    buf = pagebuf.PageBuffer(pattern(0, 3 * PAGE), pool=pagebuf.PagePool())
    for turn in range(5):
        pagebuf.PageBuffer(pattern(turn, 9 * PAGE), pool=pagebuf.PagePool())
    assert buf.tobytes() == pattern(0, 3 * PAGE)
    buf.extend(pattern(3 * PAGE, reach(1)))
    assert buf.tobytes() == pattern(0, 3 * PAGE + reach(1))
    buf.pool.check()


def test_trim_of_a_pool_without_free_frames_is_harmless(pool):
    assert pool.trim() >= 0
    assert pool.trim() == 0
    pool.check()


def test_trim_gives_back_what_is_free_and_keeps_what_is_held():
    pool = pagebuf.PagePool(keep=1 << 30, debug=0)
    buf = filled(pool, 300 * PAGE)
    gone = filled(pool, 300 * PAGE, salt=1)
    more = filled(pool, 100 * PAGE, salt=2)
    del gone
    given = pool.trim()
    assert type(given) is int
    assert given >= 0
    if PAGE == 4096:
        assert given >= 290 * PAGE
    assert_pool(pool, [buf, more])
    assert buf.tobytes() == pattern(0, 300 * PAGE)
    assert more.tobytes() == pattern(0, 100 * PAGE, salt=2)
    again = filled(pool, 300 * PAGE, salt=3)
    assert again.tobytes() == pattern(0, 300 * PAGE, salt=3)
    assert buf.tobytes() == pattern(0, 300 * PAGE)
    assert_pool(pool, [buf, more, again])


def test_trim_between_all_kinds_of_work(pool):
    """Frames given back and taken again never carry old bytes."""
    rng = random.Random(11)
    pairs = [(pagebuf.PageBuffer(pool=pool), bytearray()) for _ in range(3)]
    for turn in range(200):
        buf, model = rng.choice(pairs)
        if rng.randrange(4):
            change_both(rng, buf, model, 15, turn)
        else:
            pool.trim()
        assert buf.tobytes() == model
    assert_pool(pool, [buf for buf, _ in pairs])


# ---- limit ----


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 9, 20])
def test_a_limit_is_exact(frames):
    """A buffer grows page by page until the pool refuses.  Nodes count, and no frame is wasted."""
    pool = pagebuf.PagePool(limit=frames * PAGE + PAGE - 1)
    buf = pagebuf.PageBuffer(pool=pool)
    pages = 0
    while dense(pages + 1) <= frames:
        buf.extend(pattern(pages * PAGE, PAGE))
        pages += 1
    with refused(pagebuf.PoolLimitError, buf):
        buf.extend(pattern(0, FEW))
    assert buf.tobytes() == pattern(0, pages * PAGE)
    assert pool.stats().high_water <= frames
    assert_pool(pool, [buf])


@pytest.mark.parametrize("size", [PAGE + 1, 3 * PAGE, reach(1) + 1])
def test_a_refusal_by_the_limit_changes_nothing(size):
    pool = pagebuf.PagePool(limit=2 * PAGE)
    buf, other = filled(pool, PAGE - 1), filled(pool, FEW)
    for call in (
        lambda: buf.extend(pattern(0, size)),
        lambda: buf.write(0, pattern(0, size + PAGE, salt=1)),
        lambda: buf.write(PAGE // 2, pattern(0, size, salt=1)),
        lambda: buf.write(reach(2), b"x"),
        lambda: buf.truncate(reach(1) + 1),
        lambda: buf.__iadd__(pattern(0, size)),
    ):
        with refused(pagebuf.PoolLimitError, buf, other):
            call()
    buf.extend(pattern(PAGE - 1, 1))
    with refused(pagebuf.PoolLimitError, buf, other):
        buf.append(1)
    assert buf.tobytes() == pattern(0, PAGE)
    assert_pool(pool, [buf, other])


def test_the_limit_error_says_what_was_asked_and_what_the_limit_is():
    pool = pagebuf.PagePool(limit=2 * PAGE)
    buf = pagebuf.PageBuffer(pool=pool)
    assert issubclass(pagebuf.PoolLimitError, MemoryError)
    with refused(MemoryError, buf) as info:
        buf.extend(pattern(0, 3 * PAGE))
    assert str(2 * PAGE) in str(info.value)


def test_what_is_freed_may_be_used_again_under_a_limit():
    pool = pagebuf.PagePool(limit=4 * PAGE)
    bufs = [pagebuf.PageBuffer(pool=pool) for _ in range(2)]
    for turn in range(30):
        giving, taking = bufs[turn % 2], bufs[1 - turn % 2]
        giving.clear()
        taking.write(0, pattern(turn, 4 * PAGE))
        with refused(pagebuf.PoolLimitError, giving, taking):
            giving.extend(pattern(0, FEW))
        assert taking.tobytes() == pattern(turn, 4 * PAGE)
        if turn % 3 == 0:
            taking.punch(PAGE, PAGE)
            giving.extend(pattern(turn, FEW))
            assert pool.stats().held == 4
    assert_pool(pool, bufs)


def test_calls_that_give_up_frames_succeed_at_the_limit():
    pool = pagebuf.PagePool(limit=(8 + nodes_for(range(8), 3)) * PAGE)
    buf = filled(pool, 8 * PAGE)
    rest = pool.stats().limit - pool.stats().held
    hog = filled(pool, rest * PAGE) if rest else pagebuf.PageBuffer(pool=pool)
    assert pool.stats().held >= pool.stats().limit - 1 - FANOUT
    buf.punch(2 * PAGE + 1, PAGE)
    buf.punch(PAGE, 2 * PAGE)
    assert buf.take_bytes(3) == pattern(0, 3)
    buf.truncate(7 * PAGE)
    assert buf.take_bytes(PAGE) == pattern(3, PAGE - 3) + bytes(3)
    buf.write(0, b"")
    buf.clear()
    assert_pool(pool, [buf, hog])


def test_overwriting_needs_no_frame_at_the_limit():
    pool = pagebuf.PagePool(limit=2 * PAGE)
    buf = filled(pool, 2 * PAGE)
    buf.write(3, pattern(9, 2 * PAGE - 3))
    assert buf.tobytes() == pattern(0, 3) + pattern(9, 2 * PAGE - 3)
    with refused(pagebuf.PoolLimitError, buf):
        buf.write(PAGE, pattern(0, PAGE + 1))


def test_a_constructor_refused_leaves_no_buffer():
    pool = pagebuf.PagePool(limit=2 * PAGE)
    before = pool_counts(pool)
    with pytest.raises(pagebuf.PoolLimitError) as info:
        pagebuf.PageBuffer(pattern(0, 3 * PAGE), pool=pool)
    del info
    assert pool_counts(pool) == before
    assert drawing(pool) == []
    assert_pool(pool, [])


# ---- a limit that is set later ----


def test_a_limit_can_be_set_and_lifted():
    pool = pagebuf.PagePool(name="uploads")
    buf = filled(pool, 4 * PAGE)
    held = pool.stats().held
    pool.limit = held * PAGE
    assert (pool.limit, pool.stats().limit) == (held * PAGE, held)
    with pytest.raises(pagebuf.PoolLimitError, match="'uploads'"):
        buf.write(9 * PAGE, b"x")
    pool.limit = None
    assert (pool.limit, pool.stats().limit) == (None, -1)
    assert buf.write(9 * PAGE, b"x") == 1
    pool.check()


def test_a_limit_below_what_is_held_refuses_nothing_that_takes_no_page():
    pool = pagebuf.PagePool()
    buf, queue = pagebuf.PageBuffer(pool=pool), pagebuf.ByteQueue(pool=pool)
    buf.extend(bytes(100 * PAGE))
    queue.put(bytes(3000))
    queue.put(b"x" * 400)
    pool.limit = PAGE
    buf.write(PAGE - 1, b"abc")
    buf.punch(PAGE, 9 * PAGE)
    buf.truncate(50 * PAGE)
    assert buf.take_bytes(3 * PAGE)[-2 * PAGE - 1] == ord("a")
    assert queue.get(3001) == bytes(3000) + b"x"
    buf.clear()
    queue.clear()
    assert pool.stats().held == 0


@pytest.mark.parametrize("child", [False, True])
def test_a_limit_below_what_is_held_refuses_what_is_taken_from_then_on(child):
    root = pagebuf.PagePool()
    pool = root.child() if child else root
    buf = filled(pool, 9 * PAGE)
    pool.limit = 3 * PAGE
    root.check()
    assert buf.tobytes() == pattern(0, 9 * PAGE)  # nothing is taken away
    buf.write(0, b"over pages that are there")
    with pytest.raises(pagebuf.PoolLimitError):
        buf.extend(bytes(2 * PAGE))
    buf.clear()
    buf.write(0, bytes(2 * PAGE))
    with pytest.raises(pagebuf.PoolLimitError):
        buf.write(0, bytes(FEW + 9 * PAGE))
    root.check()


def test_the_limit_of_the_default_pool():
    pool = pagebuf.default_pool()
    assert pool.limit is None
    try:
        pool.limit = pool.stats().held * PAGE + PAGE
        with pytest.raises(pagebuf.PoolLimitError, match="'default'"):
            pagebuf.PageBuffer(bytes(FEW + 50 * PAGE))
    finally:
        pool.limit = None
    assert len(pagebuf.PageBuffer(bytes(FEW + 50 * PAGE))) == FEW + 50 * PAGE


@pytest.mark.parametrize("small", [0, 1, PAGE - 1])
def test_a_limit_under_which_nothing_fits_is_refused(small):
    says = f"limit={small} bytes is less than a page.* at least {PAGE} bytes"
    pool = pagebuf.PagePool(limit=PAGE)
    with pytest.raises(ValueError, match=says):
        pagebuf.PagePool(small)
    with pytest.raises(ValueError, match=says):
        pool.child(small)
    with pytest.raises(ValueError, match=says):
        pool.limit = small
    with pytest.raises(TypeError, match="limit must be an int or None, not str"):
        pool.limit = "1"
    assert (pool.limit, pool.stats().limit) == (PAGE, 1)


def test_marks_follow_the_limit():
    pool = pagebuf.PagePool(limit=100 * PAGE)
    called = []
    pool.on_pressure(0.5, lambda pool: called.append(pool.stats().held))
    pool.limit = None
    buf = filled(pool, 60 * PAGE)
    assert called == []
    held = pool.stats().held
    pool.limit = 8 * held * PAGE
    buf.write(60 * PAGE, pattern(0, held // 2 * PAGE))
    assert called == []
    buf.write(60 * PAGE, pattern(0, 13 * held // 4 * PAGE))
    assert len(called) == 1
    assert called[0] >= 2 * held


def test_a_derived_pool_that_skips_init_can_have_a_limit():
    class Lazy(pagebuf.PagePool):
        def __init__(self):
            pass

    pool = Lazy()
    pool.limit = 2 * PAGE
    pool.on_pressure(1, print)
    with pytest.raises(pagebuf.PoolLimitError):
        filled(pool, FEW + 9 * PAGE)
