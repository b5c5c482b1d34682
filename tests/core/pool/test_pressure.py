"""on_pressure: which callbacks are called when, and what they may do."""

from __future__ import annotations

import gc
import operator
import sys
import threading
import time
import weakref
from decimal import Decimal
from fractions import Fraction
from functools import partial

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.support import FEW, INLINE, assert_accounted, filled, pattern
from tests.threads.crew import together


def grow(pool, pages):
    """Buffers of one page each, which need no node."""
    return [filled(pool, PAGE, n) for n in range(pages)]


# ---- when a callback is called ----


@pytest.mark.parametrize("limit", [1, 2, 7, 10, 100])
@pytest.mark.parametrize("percent", [1, 10, 33, 50, 55, 99, 100])
def test_the_mark_is_exact(limit, percent):
    """The page that reaches the fraction calls the callback, and no page before it does."""
    pool = pagebuf.PagePool(limit=limit * PAGE)
    calls = []
    pool.on_pressure(Fraction(percent, 100), lambda pool: calls.append(pool.stats().held))
    bufs = []
    for _ in range(limit):
        bufs += grow(pool, 1)
        due = [n for n in range(1, limit + 1) if n * 100 >= percent * limit][:1]
        assert calls == [n for n in due if n <= len(bufs)]
    assert_accounted(pool)


@pytest.mark.parametrize("percent", range(1, 101))
def test_fractions_that_floats_round_are_exact_too(percent):
    """0.55 of 100 pages are 55, though 0.55 * 100 is a little more."""
    pool = pagebuf.PagePool(limit=100 * PAGE)
    calls = []
    pool.on_pressure(percent / 100, lambda pool: calls.append(pool.stats().held))
    bufs = grow(pool, 100)
    assert calls == [percent]
    del bufs


@pytest.mark.parametrize("kind", [float, Fraction, Decimal])
def test_a_fraction_may_be_any_number(kind):
    pool = pagebuf.PagePool(limit=9 * PAGE)
    calls = []
    pool.on_pressure(kind("0.5"), lambda pool: calls.append(pool.stats().held))
    bufs = grow(pool, 9)
    assert calls == [5]
    del bufs


def test_a_limit_that_nothing_reaches_has_marks():
    for limit in (1 << 63, 10**30):
        pool = pagebuf.PagePool(limit=limit)
        calls = []
        pool.on_pressure(1, calls.append)
        pool.on_pressure(1e-300, calls.append)
        bufs = grow(pool, 3)
        assert calls == [pool]
        del bufs


def test_it_is_called_after_the_call():
    pool = pagebuf.PagePool(limit=20 * PAGE)
    seen = []
    pool.on_pressure(0.3, lambda pool: seen.append((buf.tobytes(), pool.stats().held)))
    buf = pagebuf.PageBuffer(pool=pool)
    buf.write(0, pattern(0, 4 * PAGE))
    assert seen == []
    buf.write(PAGE, pattern(1, 6 * PAGE))
    whole = pattern(0, PAGE) + pattern(1, 6 * PAGE)
    assert [data for data, _ in seen] == [whole]


def test_again_after_it_has_fallen():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    calls = []
    pool.on_pressure(0.5, calls.append)
    bufs = grow(pool, 4)
    for turn in range(1, 5):
        bufs += grow(pool, 1)
        assert len(calls) == turn
        bufs += grow(pool, 2)  # use was already above the mark
        assert len(calls) == turn
        del bufs[5:]
        bufs += grow(pool, 3)  # use did not fall below the mark
        assert len(calls) == turn
        del bufs[4:]
    assert all(pool_ is pool for pool_ in calls)


def test_several_fractions():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    calls = []
    for percent in (90, 30, 60):
        pool.on_pressure(percent / 100, lambda _, percent=percent: calls.append(percent))
    bufs = grow(pool, 10)
    assert calls == [30, 60, 90]
    del bufs[5:]
    bufs += grow(pool, 5)
    assert calls == [30, 60, 90, 60, 90]
    bufs.clear()
    buf = filled(pool, 4 * PAGE)
    assert calls[5:] == [30]
    buf.write(0, b"!")
    view = buf.clone()
    buf.write(0, pattern(1, 4 * PAGE))  # copies four pages: eight are in use
    assert calls[5:] == [30, 60]
    del view
    del buf


def test_several_callbacks_for_one_fraction():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    calls = []
    for n in range(20):
        pool.on_pressure(0.5, lambda _, n=n: calls.append(n))
    bufs = grow(pool, 5)
    assert calls == list(range(20))
    del bufs


def test_at_most_eight_fractions():
    pool = pagebuf.PagePool(limit=100 * PAGE)
    calls = []
    for n in range(1, 9):
        pool.on_pressure(n / 10, lambda _, n=n: calls.append(n))
    with pytest.raises(ValueError, match="at most 8"):
        pool.on_pressure(0.9, lambda _: calls.append(9))
    bufs = grow(pool, 100)
    assert calls == list(range(1, 9))
    del bufs


def test_what_is_there_already_is_no_news():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    bufs = grow(pool, 6)
    calls = []
    pool.on_pressure(0.5, calls.append)
    bufs += grow(pool, 1)
    assert calls == []
    del bufs[4:]
    bufs += grow(pool, 1)
    assert len(calls) == 1


def test_bad_fractions(pool):
    with pytest.raises(ValueError, match="without a limit"):
        pool.on_pressure(0.5, print)
    limited = pagebuf.PagePool(limit=10 * PAGE)
    for bad in (0, -1, 1.001, 2, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="fraction must be"):
            limited.on_pressure(bad, print)
    for bad in ("0.5", None, b"1", 0.5j, [0.5]):
        with pytest.raises(TypeError, match=f"fraction must be a number, not {type(bad).__name__}"):
            limited.on_pressure(bad, print)
    pagebuf.PagePool(limit=PAGE).on_pressure(1, print)


def test_calls_that_are_refused_do_not_press():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    calls = []
    pool.on_pressure(0.5, calls.append)
    buf = filled(pool, PAGE)
    with pytest.raises(pagebuf.PoolLimitError):
        buf.write(0, pattern(0, 11 * PAGE))
    assert calls == []


CROSSINGS = {
    "write": lambda pool, buf: buf.write(0, pattern(0, 3 * PAGE)),
    "extend": lambda pool, buf: buf.extend(pattern(0, 3 * PAGE)),
    "append": lambda pool, buf: [buf.append(1) for _ in range(2 * PAGE + 1)],
    "+=": lambda pool, buf: buf.__iadd__(pattern(0, 3 * PAGE)),
    "slice": lambda pool, buf: buf.__setitem__(slice(0, 0), pattern(0, 3 * PAGE)),
    "insert": lambda pool, buf: (buf.extend(pattern(0, 2 * PAGE)), buf.insert(0, 1)),
    "constructor": lambda pool, buf: pagebuf.PageBuffer(pattern(0, 3 * PAGE), pool=pool),
    "file": lambda pool, buf: buf.open("r+b").write(pattern(0, 3 * PAGE)),
    "view": lambda pool, buf: (buf.truncate(3 * PAGE), buf.view(0, 3 * PAGE)),
    "views": lambda pool, buf: (buf.truncate(3 * PAGE), buf.views(writable=True)),
    "put": lambda pool, buf: pagebuf.ByteQueue(pool=pool).put(pattern(0, 3 * PAGE)),
    "reserve": lambda pool, buf: pagebuf.ByteQueue(pool=pool).reserve(3 * PAGE),
    "copy on write": lambda pool, buf: (
        buf.write(0, pattern(0, 2 * PAGE)),
        buf.snapshot(),  # the tuple keeps the snapshot
        buf.write(0, pattern(1, 2 * PAGE)),
    ),
    "copy_range": lambda pool, buf: buf.copy_range(
        0, pagebuf.PageBuffer(pattern(0, 3 * PAGE), pool=pagebuf.PagePool())
    ),
}


@pytest.mark.parametrize("how", CROSSINGS)
def test_whatever_crosses_it(how):
    pool = pagebuf.PagePool(limit=16 * PAGE)
    calls = []
    pool.on_pressure(
        3 / 16, lambda pool: calls.append(pool.stats().held * PAGE + pool.stats().lent)
    )
    buf = pagebuf.PageBuffer(pool=pool)
    made = CROSSINGS[how](pool, buf)
    assert len(calls) == 1, how
    assert calls[0] >= 3 * PAGE
    del made


# ---- what a callback may do ----


def test_a_callback_may_use_the_same_buffer():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    buf = pagebuf.PageBuffer(pool=pool)
    done = []

    def callback(pool):
        buf.extend(b"from the callback")
        buf.write(0, b"!")
        assert buf.tobytes().endswith(b"from the callback")
        buf.snapshot().tobytes()
        pool.check()
        done.append(len(buf))

    pool.on_pressure(0.3, callback)
    buf.write(0, pattern(0, 3 * PAGE))
    assert done == [3 * PAGE + 17]
    assert buf.tobytes() == b"!" + pattern(1, 3 * PAGE - 1) + b"from the callback"
    assert_accounted(pool)


def test_a_callback_may_free_memory():
    """The callback empties a cache, so the pool never reaches its limit."""
    pool = pagebuf.PagePool(limit=10 * PAGE)
    cache = []
    pool.on_pressure(0.8, lambda pool: cache.clear())
    for turn in range(100):
        cache.append(filled(pool, PAGE, turn))
        assert len(cache) < 8
    assert pool.stats().high_water == 8
    assert_accounted(pool)


def test_a_callback_may_drop_what_it_was_called_for():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    holder = [pagebuf.PageBuffer(pool=pool)]
    pool.on_pressure(0.3, lambda pool: (holder.clear(), gc.collect()))
    holder[0].write(0, pattern(0, 3 * PAGE))
    assert holder == []
    assert pool.stats().held == 0
    assert_accounted(pool)


def test_a_callback_may_drop_the_pool():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    pool.on_pressure(0.3, lambda _: box.clear())
    box = [pagebuf.PageBuffer(pool=pool), pool]
    watch = weakref.ref(pool)
    del pool
    box[0].write(0, pattern(0, 3 * PAGE))
    gc.collect()
    assert box == []
    assert watch() is None


def test_never_within_itself_and_what_came_up_is_told_then():
    pool = pagebuf.PagePool(limit=20 * PAGE)
    depth, calls, bufs = [0], [], []

    def callback(pool, percent):
        assert depth[0] == 0
        depth[0] += 1
        calls.append(percent)
        bufs.extend(grow(pool, 5))  # crosses the next mark
        depth[0] -= 1

    for percent in (25, 50, 75):
        pool.on_pressure(percent / 100, lambda pool, percent=percent: callback(pool, percent))
    bufs += grow(pool, 5)
    assert calls == [25, 50, 75]
    assert pool.stats().held == 20
    bufs.clear()


def test_more_watchers_from_within():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    calls = []

    def callback(pool):
        calls.append("first")
        if len(calls) == 1:
            pool.on_pressure(0.9, lambda _: calls.append("second"))

    pool.on_pressure(0.5, callback)
    bufs = grow(pool, 10)
    assert calls == ["first", "second"]
    del bufs


# ---- errors ----


def test_errors_are_unraisable_and_the_others_are_called(unraisable):
    pool = pagebuf.PagePool(limit=10 * PAGE)
    calls = []

    def bad(pool):
        raise LookupError("in a callback")

    pool.on_pressure(0.5, bad)
    pool.on_pressure(0.5, calls.append)
    pool.on_pressure(0.6, bad)
    buf = pagebuf.PageBuffer(pool=pool)
    assert buf.write(0, pattern(0, 5 * PAGE)) == 5 * PAGE
    assert {str(error) for error in unraisable} == {"in a callback"}
    assert calls == [pool]
    assert buf.tobytes() == pattern(0, 5 * PAGE)
    unraisable.clear()
    pool._call_unraisable = None  # type: ignore[method-assign]


@pytest.mark.parametrize("bad", [None, "not callable", 5])
def test_what_is_no_callback_is_refused_at_once(bad, unraisable):
    pool = pagebuf.PagePool(limit=10 * PAGE)
    what = f"callback must be callable, not {type(bad).__name__}"
    with pytest.raises(TypeError, match=what):
        pool.on_pressure(0.5, bad)
    with pytest.raises(TypeError, match=what):
        pagebuf.PagePool().on_pressure(0.5, bad)
    bufs = grow(pool, 5)
    assert unraisable == []
    del bufs


def test_interrupts_in_a_callback_are_unraisable(unraisable):
    def bad(pool):
        raise KeyboardInterrupt

    pool = pagebuf.PagePool(limit=10 * PAGE)
    pool.on_pressure(0.5, bad)
    bufs = grow(pool, 5)
    assert [type(error) for error in unraisable] == [KeyboardInterrupt]
    del bufs


# ---- families ----


def test_parents_hear_of_what_their_children_take():
    pool = pagebuf.PagePool(limit=20 * PAGE, name="root")
    child = pool.child(limit=10 * PAGE, name="child")
    below = child.child(limit=10 * PAGE, name="below")
    calls = []
    for each in (pool, child, below):
        each.on_pressure(0.5, lambda pool: calls.append((pool.name, pool.stats().held)))
    bufs = grow(below, 4)
    assert calls == []
    bufs += grow(below, 1)
    assert calls == [("below", 5), ("child", 5)]
    bufs += grow(below, 5)
    assert calls[2:] == [("root", 10)]
    bufs.clear()
    bufs += grow(child, 5)
    assert calls[3:] == [("child", 5)]
    bufs += grow(pool, 5)
    assert calls[4:] == [("root", 10)]


def test_siblings_hear_nothing():
    pool = pagebuf.PagePool(limit=20 * PAGE)
    one, two = pool.child(limit=10 * PAGE), pool.child(limit=10 * PAGE)
    calls = []
    two.on_pressure(0.1, calls.append)
    bufs = grow(one, 10)
    assert calls == []
    del bufs


def test_one_that_crossed_is_told_also_after_a_siblings_call():
    """A child crosses its mark during its sibling's callback.  Its own callback is called, too."""
    pool = pagebuf.PagePool(limit=40 * PAGE)
    one, two = pool.child(limit=10 * PAGE), pool.child(limit=10 * PAGE)
    told, bufs = [], []
    two.on_pressure(0.5, lambda pool: told.append("two"))

    def callback(pool):
        told.append("one")
        bufs.extend(grow(two, 5))

    one.on_pressure(0.5, callback)
    bufs += grow(one, 5)
    assert told == ["one", "two"]
    bufs.clear()


def test_a_child_may_go_in_a_callback():
    pool = pagebuf.PagePool(limit=40 * PAGE)
    box = [pool.child(limit=10 * PAGE)]
    calls = []
    pool.on_pressure(0.1, lambda _: (box.clear(), calls.append("root")))
    box[0].on_pressure(0.4, lambda _: (box.clear(), calls.append("child")))
    bufs = grow(box[0], 4)
    assert calls == ["child", "root"]
    bufs.clear()
    gc.collect()
    assert_accounted(pool)


def test_callbacks_are_collected_with_their_pool():
    class Callback:
        def __call__(self, pool):
            pass

    callback = Callback()
    pool = pagebuf.PagePool(limit=PAGE)
    callback.pool = pool
    pool.on_pressure(1, callback)
    watch = weakref.ref(callback)
    del pool, callback
    gc.collect()
    assert watch() is None


# ---- threads ----


def test_it_is_called_in_the_thread_that_crossed():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    where, crossing, bufs = [], [], []
    pool.on_pressure(0.5, lambda _: where.append(threading.get_ident()))
    bufs += grow(pool, 4)

    def cross():
        crossing.append(threading.get_ident())
        bufs.extend(grow(pool, 1))

    together(cross)
    assert where == crossing != [threading.get_ident()]


def test_a_callback_that_always_presses_is_not_called_for_ever():
    pool = pagebuf.PagePool(limit=10 * PAGE)
    calls, bufs = [], []

    def callback(pool):
        calls.append(len(bufs))
        bufs.clear()
        bufs.extend(grow(pool, 6))

    pool.on_pressure(0.5, callback)
    bufs += grow(pool, 4)
    bufs += grow(pool, 1)
    assert 1 < len(calls) < 100
    pool._watchers.clear()
    bufs.clear()


def test_large_writes_in_threads_lose_no_crossing():
    """One thread copies without the GIL.  Another thread's crossing is reported meanwhile."""
    size = 1 << 19
    frames = size // PAGE + 100_000 * (PAGE < 4096) + 100
    pool = pagebuf.PagePool(limit=100 * frames * PAGE)
    pools = [pool.child(limit=frames * PAGE) for _ in range(3)]
    calls = [[] for _ in pools]
    for each, told in zip(pools, calls, strict=True):
        each.on_pressure(2 / frames, told.append)
    data = pattern(0, size)

    def work(n):
        for _ in range(40):
            buf = pagebuf.PageBuffer(pool=pools[n])
            buf.write(0, data if n else data[: 3 * PAGE])
            del buf

    together(*(partial(work, n) for n in range(3)))
    assert [len(told) for told in calls] == [40] * 3


def test_a_call_that_ends_during_a_callback_tells_of_its_own_mark():
    """A write that crossed its mark copies without the GIL; another pool's callback begins."""
    pool = pagebuf.PagePool(limit=1 << 30)
    ours, theirs = pool.child(limit=1 << 30), pool.child(limit=1 << 30)
    data = bytes(16384 * PAGE)
    kept, told, told_at_the_end = [pagebuf.PageBuffer(pool=theirs)], [], []

    def write():
        kept[0].write(0, data)
        told_at_the_end.append(len(told))

    other = threading.Thread(target=write)
    theirs.on_pressure(1e-9, told.append)
    ours.on_pressure(1e-9, lambda pool: other.join())
    other.start()
    while not theirs.stats().held:
        time.sleep(0)
    kept.append(filled(ours, 3 * PAGE))
    assert told_at_the_end == [1]


@pytest.mark.parametrize("shared", [True, False])
def test_no_crossing_is_lost_among_threads(shared):
    """Each thread fills and empties its pool across the mark.  No crossing goes unreported."""
    pool = pagebuf.PagePool(limit=400 * PAGE)
    pools = [pool.child(limit=10 * PAGE) for _ in range(4)]
    calls = [[] for _ in pools]
    for each, told in zip(pools, calls, strict=True):
        each.on_pressure(0.5, told.append)
    hog = [filled(pool, FEW) for _ in range(4)] if shared else []

    def work(n):
        for turn in range(300):
            bufs = grow(pools[n], 6)
            if hog:
                hog[n].write(0, pattern(0, FEW + turn))
            bufs.clear()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        together(*(partial(work, n) for n in range(4)))
    finally:
        sys.setswitchinterval(before)
    assert [len(told) for told in calls] == [300] * 4
    assert_accounted(pool)


TINY = b"aa"[:INLINE]
REFUSED = {
    "reserve": lambda pool: tiny_queue(pool).reserve(60 * PAGE),
    "get_buffer": lambda pool: tiny_queue(pool).get_buffer(60 * PAGE),
    "put": lambda pool: tiny_queue(pool).put(pattern(0, 60 * PAGE)),
    "constructor": lambda pool: pagebuf.PageBuffer(bytes(60 * PAGE), pool=pool),
    "extend": lambda pool: pagebuf.PageBuffer(TINY, pool=pool).extend(bytes(60 * PAGE)),
    "insert": lambda pool: operator.setitem(
        pagebuf.PageBuffer(TINY, pool=pool), slice(0, 0), bytes(60 * PAGE)
    ),
    "copy_range": lambda pool: pagebuf.PageBuffer(TINY, pool=pool).copy_range(
        1, filled(pagebuf.PagePool(), 60 * PAGE)
    ),
}


def tiny_queue(pool):
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(TINY)
    return queue


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_refused_presses_nobody(call):
    """A refused call calls no callback, even after it moved tiny contents or added levels."""
    pool = pagebuf.PagePool(limit=2 * PAGE)
    called = []
    pool.on_pressure(0.5, called.append)
    with pytest.raises(pagebuf.PoolLimitError, match=f"holds 0 and may hold {2 * PAGE} "):
        REFUSED[call](pool)
    assert (called, pool.stats().high_water, pool.stats().held) == ([], 0, 0)


@pytest.mark.parametrize("call", ["reserve", "get_buffer"])
def test_a_tiny_queue_stays_tiny_when_a_reservation_is_refused(call):
    pool = pagebuf.PagePool(limit=2 * PAGE)
    queue = tiny_queue(pool)
    before = queue.stats()
    with pytest.raises(pagebuf.PoolLimitError):
        getattr(queue, call)(60 * PAGE)
    assert (queue.stats(), queue.stats().pages, queue.get()) == (before, 0, TINY)


@pytest.mark.skipif(not INLINE, reason="tiny pages: no bytes lie in the object")
def test_a_tiny_buffer_stays_tiny_when_a_view_is_refused():
    pool = pagebuf.PagePool(limit=PAGE)
    taken = pagebuf.PageBuffer(bytes(PAGE), pool=pool)
    buf = pagebuf.PageBuffer(b"aa", pool=pool)
    before = buf.stats()
    for _ in range(2):
        with pytest.raises(pagebuf.PoolLimitError):
            buf.view()
    assert (buf.stats(), buf.tobytes()) == (before, b"aa")
    assert len(taken) == PAGE
