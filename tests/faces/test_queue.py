"""ByteQueue: putting and taking bytes, overflow policies, searches, reservations."""

from __future__ import annotations

import contextlib
import copy
import gc
import pickle
import random
import sys
import time
import weakref
from array import array

import pytest

import pagebuf
from pagebuf import ByteQueue, CapacityError, PagePool, PoolLimitError
from tests.helpers import PAGE, around, drawing, reach
from tests.sly import Sly
from tests.support import pattern

SIZES = [n for n in around(0, 16, PAGE, 2 * PAGE, reach(1), reach(1) + PAGE) if n <= 1 << 17]


def queue_of(pool, data=b"", **options):
    queue = ByteQueue(pool=pool, **options)
    if data:
        assert queue.put(data)
    return queue


def assert_sums(queue, pushed=0):
    queue.check()
    assert queue.total_in == queue.total_out + pushed + len(queue)


# ---- putting and taking ----


@pytest.mark.parametrize("size", SIZES)
def test_put_and_get_all(pool, size):
    queue = queue_of(pool)
    assert queue.put(pattern(0, size)) is True
    assert (len(queue), bool(queue), queue.total_in) == (size, size > 0, size)
    queue.check()
    for how in (queue.peek, lambda: queue.peek(-1), lambda: queue.peek(None), queue.get):
        assert how() == pattern(0, size)
    assert (len(queue), bool(queue), queue.total_out) == (0, False, size)
    assert queue.get() == queue.get(5) == queue.peek() == b""
    assert_sums(queue)
    assert pool.stats().held == 0


@pytest.mark.parametrize("piece", [1, 3, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 5])
@pytest.mark.parametrize("take", [1, 7, PAGE, 2 * PAGE + 3])
def test_any_amount_in_any_amount_out(pool, piece, take):
    total = min(40 * max(piece, take), 1 << 16)
    queue, put, got = queue_of(pool), 0, b""
    while put < total:
        queue.put(pattern(put, piece))
        put += piece
        while len(queue) >= take:
            got += queue.get(take)
    assert_sums(queue)
    assert got + queue.get() == pattern(0, put)


def test_sources_of_any_kind(pool):
    queue = queue_of(pool)
    items = array("I", range(1000))
    for data in (b"bytes", bytearray(b"array"), memoryview(b"xviewx")[1:5], items):
        assert queue.put(data)
    assert queue.get() == b"bytesarrayview" + items.tobytes()


@pytest.mark.parametrize("bad", ["text", 5, None, [1, 2], object()])
def test_what_is_no_bytes(pool, bad):
    queue = queue_of(pool, b"kept")
    with pytest.raises(TypeError):
        queue.put(bad)
    with pytest.raises(TypeError):
        queue.readuntil(bad)
    assert queue.get() == b"kept"


def test_strided_and_released_views(pool):
    queue = queue_of(pool)
    with pytest.raises(BufferError):
        queue.put(memoryview(b"abcdef")[::2])
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(ValueError):
        queue.put(view)
    assert (len(queue), queue.total_in) == (0, 0)


@pytest.mark.parametrize("method", ["get", "peek", "consume", "readexactly", "reserve", "commit"])
def test_counts_that_are_none(pool, method):
    queue = queue_of(pool, b"kept")
    for bad in ("1", 1.5, b"1"):
        with pytest.raises(TypeError):
            getattr(queue, method)(bad)
    with pytest.raises(OverflowError):
        getattr(queue, method)(1 << 70)
    assert queue.peek() == b"kept"


def test_consume(pool):
    queue = queue_of(pool, pattern(0, 3 * PAGE))
    queue.consume(0)
    queue.consume(PAGE + 1)
    assert queue.peek(4) == pattern(PAGE + 1, 4)
    with pytest.raises(ValueError, match="holds"):
        queue.consume(2 * PAGE)
    with pytest.raises(ValueError):
        queue.consume(-1)
    assert len(queue) == 2 * PAGE - 1
    queue.consume(2 * PAGE - 1)
    assert (len(queue), pool.stats().held) == (0, 0)
    assert_sums(queue)


def test_clear_counts_as_taken(pool):
    queue = queue_of(pool, pattern(0, 3 * PAGE))
    queue.clear()
    assert (len(queue), queue.total_out, pool.stats().held) == (0, 3 * PAGE, 0)
    queue.put(b"again")
    assert queue.get() == b"again"
    assert_sums(queue)


def test_old_bytes_never_come_back(pool):
    secret = queue_of(pool, b"\xff" * (8 * PAGE))
    secret.clear()
    queue = queue_of(pool, b"x")
    view = queue.reserve(4 * PAGE)
    assert not any(view)
    queue.commit(4 * PAGE)
    assert queue.get() == b"x" + bytes(4 * PAGE)


# ---- back in front ----


@pytest.mark.parametrize("size", SIZES)
def test_unget(pool, size):
    queue = queue_of(pool, pattern(0, size + 5))
    head = queue.get(size)
    assert queue.unget(head) is None
    assert (len(queue), queue.total_out, queue.total_in) == (size + 5, 0, size + 5)
    assert queue.get(2) == pattern(0, 2)
    queue.unget(b"ab"[: min(2, queue.total_out)])
    assert queue.get() == b"ab" + pattern(2, size + 3)
    assert_sums(queue)


def test_no_more_is_put_back_than_was_taken(pool):
    queue = queue_of(pool, b"abcdef")
    assert queue.get(2) == b"ab"
    with pytest.raises(ValueError, match=r"unget\(\) of 3 bytes: only 2 were taken"):
        queue.unget(b"xyz")
    queue.unget(b"yz")
    with pytest.raises(TypeError):
        queue.unget("y")
    assert queue.get() == b"yzcdef"
    assert_sums(queue)


def test_many_headers_put_back_take_no_memory(pool):
    queue = queue_of(pool, pattern(0, 8 * PAGE))
    held = pool.stats().held
    for _ in range(1000):
        queue.unget(queue.get(7))
    assert pool.stats().held <= held + 1  # the bytes may come out of an object
    assert queue.get() == pattern(0, 8 * PAGE)


def test_unget_goes_beyond_the_bound(pool):
    queue = queue_of(pool, b"abcd", max_bytes=4, overflow="raise")
    head = queue.get()
    queue.put(b"efgh")
    queue.unget(head)
    assert len(queue) == 8
    with pytest.raises(CapacityError):
        queue.put(b"i")
    assert queue.get(5) == b"abcde"
    queue.put(b"i")
    assert queue.get() == b"fghi"
    assert_sums(queue)


def test_the_next_put_drops_what_unget_put_beyond_the_bound(pool):
    queue = queue_of(pool, b"abcd", max_bytes=4, overflow="drop_oldest")
    head = queue.get()
    queue.put(b"efgh")
    queue.unget(head)
    assert queue.peek() == b"abcdefgh"
    queue.put(b"i")
    assert (queue.get(), queue.dropped) == (b"fghi", 5)
    assert_sums(queue, 5)


@pytest.mark.parametrize("together", [False, True], ids=["in turn", "together"])
def test_separators_look_at_what_was_put_back(pool, together):
    """Inside of it, and across its end; what lies behind is not looked at again."""
    queue = queue_of(pool, b"a" + b"." * 5000 + b"b")
    seps = [b"a.", b"\n"]

    def ask():
        return [queue.readuntil(tuple(seps))] if together else [queue.readuntil(s) for s in seps]

    assert queue.get(1) == b"a"
    assert ask() in ([None], [None, None])
    looked = queue._looked
    queue.unget(b"a")
    assert ask()[0] == b"a."
    queue.unget(b"\n ")
    assert ask()[-1] == b"\n"
    assert queue.readuntil(b"\n") is None
    assert queue._looked - looked < 30000 if together else 20000
    assert queue.get() == b" " + b"." * 4999 + b"b"


def test_a_reservation_stays_behind(pool):
    queue = queue_of(pool, pattern(0, PAGE + 3))
    head = queue.get(PAGE)
    view = queue.reserve(2 * PAGE)
    queue.unget(head)
    view[:] = pattern(PAGE + 3, 2 * PAGE)
    queue.commit(2 * PAGE)
    del view
    assert queue.get() == pattern(0, 3 * PAGE + 3)
    assert_sums(queue)


def test_unget_after_the_end(pool):
    queue = queue_of(pool, b"abc")
    queue.close()
    queue.unget(queue.get(2))
    assert (queue.get(), queue.get()) == (b"abc", b"")


def test_an_unget_without_memory_changes_nothing():
    pool = PagePool(limit=40 * PAGE)
    queue = queue_of(pool, pattern(0, 12 * PAGE))
    head = queue.get(12 * PAGE - 1)
    other = queue_of(pool, b"x")
    with contextlib.suppress(PoolLimitError):
        while True:
            other.put(bytes(PAGE))
    before = (len(queue), queue.total_out, queue.peek())
    with pytest.raises(PoolLimitError):
        queue.unget(head)
    assert (len(queue), queue.total_out, queue.peek()) == before
    other.clear()
    queue.unget(head)
    assert queue.get() == pattern(0, 12 * PAGE)
    assert_sums(queue)


@pytest.mark.parametrize("call", [ByteQueue.reserve, ByteQueue.get_buffer])
def test_a_refused_reservation_says_what_it_lacks(call):
    """Giving up the hole asked the pool for 0 frames, and the error told that."""
    queue = queue_of(PagePool(limit=4 * PAGE), b"abc")
    size = 1 << 20
    with pytest.raises(PoolLimitError, match=r"needs [1-9]\d* more bytes \([1-9]"):
        call(queue, size)
    assert queue.get() == b"abc"


# ---- looking, and lines ----


@pytest.mark.parametrize("size", SIZES)
def test_tail(pool, size):
    queue = queue_of(pool, pattern(0, size + 3))
    queue.consume(3)
    for n in (0, 1, PAGE, size - 1, size, size + 1):
        if n >= 0:
            got = min(n, size)
            assert queue.tail(n) == pattern(3 + size - got, got)
    assert queue.tail() == queue.tail(None) == queue.tail(-1) == queue.tobytes()
    assert queue.get() == pattern(3, size)
    with pytest.raises(TypeError):
        queue.tail("1")


def test_what_is_reserved_is_no_tail(pool):
    queue = queue_of(pool, b"abc")
    view = queue.reserve(5)
    view[:] = b"-----"
    assert (queue.tail(2), queue.find(b"-"), queue.tobytes()) == (b"bc", -1, b"abc")


def test_find(pool):
    data = pattern(0, 3 * PAGE)
    queue = queue_of(pool, b"x" + data)
    queue.consume(1)
    assert queue.readuntil(data[-3:-1]) == data[:-1]  # find() ignores what this remembers
    queue.clear()
    queue.put(data)
    for at in around(0, PAGE, 2 * PAGE):
        assert queue.find(data[at : at + 9]) == data.find(data[at : at + 9])
        assert queue.find(data[at], at) == at
        assert queue.find(bytearray(data[at : at + 9]), at + 1) == data.find(
            data[at : at + 9], at + 1
        )
    assert queue.find(b"", 5, 4) == -1
    assert queue.find(b"", -1) == len(data) - 1
    assert queue.find(data[-5:], -5, None) == len(data) - 5
    for bad in ("x", None, 1.5):
        with pytest.raises(TypeError):
            queue.find(bad)
    for bad in (-1, 256):
        with pytest.raises(ValueError):
            queue.find(bad)
    assert queue.get() == data


def test_iteration_takes_lines(pool):
    queue = queue_of(pool, b"one\n\ntwo\nthr")
    with pytest.raises(TypeError, match="not iterable"):
        iter(queue)  # http.client and requests would send the lines, and leave the rest
    assert list(queue.lines()) == [b"one\n", b"\n", b"two\n"]
    assert list(queue.lines()) == []
    queue.put(b"ee\n" + pattern(0, 2 * PAGE).replace(b"\n", b"-") + b"\n")
    lines = queue.lines()
    assert next(lines) == b"three\n"
    assert len(next(lines)) == 2 * PAGE + 1
    with pytest.raises(StopIteration):
        next(lines)


# ---- memory in use ----


def test_memory_follows_what_is_in_flight(pool):
    queue = queue_of(pool, pattern(0, 64 * PAGE))
    for left in (32, 4, 1):
        queue.consume(len(queue) - left * PAGE)
        st = queue.stats()
        assert st.pages <= left + 1
        assert pool.stats().held == st.pages + st.nodes
    queue.check()


def test_runs_for_ever(pool):
    """Many times the reach of a one-level tree passes through a queue of a few pages."""
    in_flight = 2 * PAGE + PAGE // 2
    step = PAGE // 2 + 1
    queue = queue_of(pool, pattern(0, in_flight))
    put, taken = in_flight, 0
    rounds = 2000 * reach(1) // step if PAGE < 4096 else 40 * reach(1) // step
    for i in range(rounds):
        queue.put(pattern(put % 1000, step))
        assert queue.get(step) is not None
        put += step
        taken += step
        if i % 997 == 0:
            queue.check()
            assert queue.stats().pages <= in_flight // PAGE + 3
    assert_sums(queue)
    assert (queue.total_in, queue.total_out) == (put, taken)
    assert queue.stats().levels <= 2


@pytest.mark.parametrize("levels", [1, 2])
def test_window_across_every_root_slot(pool, levels):
    """The bytes in the queue straddle each boundary between root slots in turn."""
    span = reach(levels) // 4
    if span > 1 << 16 and levels > 1:
        pytest.skip("on large pages this is gigabytes; the tiny builds do it")
    in_flight = span + 2
    queue, put, taken = queue_of(pool, pattern(0, in_flight)), in_flight, 0
    step = max(1, span // 5)
    while taken < 3 * reach(levels):
        queue.put(pattern(put, step))
        put += step
        assert queue.get(step) == pattern(taken, step)
        taken += step
        assert queue.stats().bias < reach(queue.stats().levels) // 4
        queue.check()
    assert queue.get() == pattern(taken, put - taken)


# ---- exactly, until, line ----


def test_readexactly(pool):
    queue = queue_of(pool, pattern(0, 2 * PAGE))
    assert queue.readexactly(2 * PAGE + 1) is None
    assert queue.readexactly(PAGE + 3) == pattern(0, PAGE + 3)
    assert queue.readexactly(0) == b""
    assert queue.readexactly(PAGE - 3) == pattern(PAGE + 3, PAGE - 3)
    assert queue.readexactly(1) is None
    with pytest.raises(ValueError):
        queue.readexactly(-1)


@pytest.mark.parametrize("sep", [b"\n", b"\r\n", b"ab", b"aab", b"abcab", b"-" * 9])
@pytest.mark.parametrize("cut", [1, 2, 3, 64, PAGE, 3 * PAGE])
def test_readuntil_however_the_input_is_cut(pool, sep, cut):
    draw = random.Random(len(sep) * 31 + cut)
    text = bytes(draw.choices(b"ab\r\nc-", k=4 * PAGE + 100))
    queue, found = queue_of(pool), []
    for at in range(0, len(text), cut):
        queue.put(text[at : at + cut])
        while (piece := queue.readuntil(sep)) is not None:
            found.append(piece)
    queue.check()
    assert found == [piece + sep for piece in text.split(sep)[:-1]]
    assert queue.get() == text.split(sep)[-1]


def test_separator_across_pages_and_puts(pool):
    for at in around(0, PAGE, 2 * PAGE):
        queue = queue_of(pool, b"x" * at + b"\r")
        assert queue.readuntil(b"\r\n") is None
        queue.put(b"\nrest")
        assert queue.readuntil(b"\r\n") == b"x" * at + b"\r\n"
        assert queue.get() == b"rest"


def test_another_separator_searches_anew(pool):
    queue = queue_of(pool, b"one;two\n")
    assert queue.readuntil(b"\r\n") is None
    assert queue.readuntil(b"\n\n") is None
    assert queue.readuntil(bytearray(b";")) == b"one;"
    assert queue.readline() == b"two\n"
    assert queue.readline() is None
    with pytest.raises(ValueError):
        queue.readuntil(b"")


def test_search_after_the_front_moved(pool):
    queue = queue_of(pool, b"abc")
    assert queue.readuntil(b"\n") is None
    queue.clear()
    queue.put(b"x\ny\n")
    assert queue.readuntil(b"\n") == b"x\n"
    assert queue.get(1) == b"y"
    assert queue.readuntil(b"\n") == b"\n"


def test_search_is_linear(pool):
    """All searches together look at each byte once, even with a search after every few bytes.  So a
    long line takes no more time per byte than a short one.  Quadratic work would take 100 times as
    much.  The clock of the thread leaves out what other threads do."""

    def per_byte(size):
        queue, best = ByteQueue(pool=pool), float("inf")
        for _ in range(3):
            start = time.thread_time()
            for _ in range(size // 16):
                queue.put(b"x" * 16)
                assert queue.readuntil(b"\r\n") is None
            best = min(best, (time.thread_time() - start) / size)
            queue.clear()
        return best

    short, long = 1 << 12, 1 << 19
    assert per_byte(long) < 10 * per_byte(short)


# ---- several separators ----


@pytest.mark.parametrize("cut", [1, 3, 64, PAGE])
def test_any_of_several_separators(pool, cut):
    """The separator that ends first counts, whether it begins before or after another."""
    seps = (b"\r\n", b"\n", b"abcabc", bytearray(b"bc"), b"-" * 9)
    draw = random.Random(cut)
    text = bytes(draw.choices(b"abc\r\n-", k=4 * PAGE + 100))
    queue, rest = queue_of(pool), text
    for at in range(0, len(text), cut):
        queue.put(text[at : at + cut])
        while (piece := queue.readuntil(seps)) is not None:
            end = min(rest.find(sep) + len(sep) for sep in seps if sep in rest)
            assert piece == rest[:end]
            rest = rest[end:]
    assert queue.get() == rest
    assert not any(sep in rest for sep in seps)


def test_wrong_separators(pool):
    queue = queue_of(pool, b"kept")
    for bad in ((), (b"a", b""), (b"",)):
        with pytest.raises(ValueError):
            queue.readuntil(bad)
    for bad in (("a",), (b"a", 5), [b"a"], ((b"a",),)):
        with pytest.raises(TypeError):
            queue.readuntil(bad)
    assert queue.get() == b"kept"


def looked_at(pool, seps, total, together):
    """How many bytes searches look at for each byte put.  No put has a separator."""
    queue = queue_of(pool)
    for _ in range(total // 100):
        queue.put(b"x" * 100)
        for sep in [tuple(seps)] if together else seps:
            assert queue.readuntil(sep) is None
    queue.check()
    return queue._looked / total


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("count", [1, 2, 4, 16, 40])
def test_each_separator_remembers_how_far_it_has_looked(pool, together, count):
    """Two separators in turn once made each search start anew.  This quadratic work was 100 times
    the work for one separator."""
    seps = [b"%02d\n" % i for i in range(count)]
    if count > 16 and not together:
        return  # a queue does not remember 40 separators
    for total in (1000, 100 * min(1000, PAGE)):
        assert looked_at(pool, seps, total, together) < 1.05 * count


def test_separators_that_are_found_are_not_looked_for_again(pool):
    """One separator is in each line, one is rare.  The search for that looks at each byte once."""
    queue, lines = queue_of(pool), 1000
    queue.put(b"0123456789\n" * lines)
    for together in (False, True):
        before = queue._looked
        for _ in range(lines // 2):
            if together:
                assert queue.readuntil((b"rare", b"\n")) == b"0123456789\n"
            else:
                assert queue.readuntil(b"rare") is None
                assert queue.readline() == b"0123456789\n"
        assert queue._looked - before < 3 * 11 * lines
    assert len(queue) == 0


def test_what_is_remembered_is_of_these_bytes(pool):
    queue = queue_of(pool, b"x" * 50)
    assert queue.readuntil(b";") is queue.readuntil(b",") is None
    queue.__init__(pool=pool)
    queue.put(b"a;b,c")
    assert queue.readuntil((b",", b";")) == b"a;"
    assert queue.readuntil(b",") == b"b,"


def test_separators_together_first_and_then_in_turn(pool):
    queue = queue_of(pool, b"x" * 50)
    for _ in range(3):
        assert queue.readuntil((b"\r\n", bytearray(b"--"))) is None
        assert queue.readuntil(bytes(bytearray(b"--"))) is None
        assert queue.readuntil(bytes(bytearray(b"\r\n"))) is None
    assert queue._looked < 120  # twice 50, and possible beginnings of a separator
    queue.put(b"--")
    assert queue.readuntil(b"--") == b"x" * 50 + b"--"


def test_more_separators_than_are_remembered(pool):
    queue, seps = queue_of(pool), [b"<%d>" % i for i in range(50)]
    for sep in seps * 2:
        queue.put(b"x" + sep)
        for other in seps:
            if other != sep:
                assert queue.readuntil(other) is None
        assert queue.readuntil(sep) == b"x" + sep


# ---- policies ----


@pytest.mark.parametrize(
    "options",
    [
        {"overflow": "raise"},
        {"max_bytes": 10, "overflow": "grow"},
        {"max_bytes": 10, "overflow": "wrap"},
        {"max_bytes": -1, "overflow": "raise"},
    ],
)
def test_options_that_make_no_sense(pool, options):
    with pytest.raises(ValueError):
        ByteQueue(pool=pool, **options)


def test_a_bound_alone_raises(pool):
    for options in ({}, {"overflow": None}, {"overflow": "raise"}):
        queue = queue_of(pool, b"abc", max_bytes=4, **options)
        assert queue.overflow == "raise"
        with pytest.raises(CapacityError):
            queue.put(b"de")
        assert queue.get() == b"abc"
    assert queue_of(pool, overflow=None).overflow == "grow"


@pytest.mark.parametrize("policy", ["raise", "block", "drop_oldest", "drop_newest"])
def test_a_policy_without_a_bound_is_named(pool, policy):
    with pytest.raises(ValueError, match=f"overflow='{policy}' needs max_bytes"):
        ByteQueue(pool=pool, overflow=policy)


def test_options_are_shown(pool):
    queue = queue_of(pool)
    assert (queue.max_bytes, queue.overflow, queue.dropped) == (None, "grow", 0)
    assert queue.pool is pool
    queue = queue_of(pool, max_bytes=7, overflow="drop_oldest")
    assert (queue.max_bytes, queue.overflow) == (7, "drop_oldest")
    assert ByteQueue().pool is pagebuf.default_pool()
    with pytest.raises(TypeError):
        ByteQueue(pool)
    with pytest.raises(TypeError):
        ByteQueue(pool="pool")


@pytest.mark.parametrize("limit", [1, 10, PAGE, 2 * PAGE + 1])
def test_raise_is_all_or_nothing(pool, limit):
    queue = queue_of(pool, pattern(0, limit), max_bytes=limit, overflow="raise")
    for size in (1, PAGE, 5 * PAGE):
        with pytest.raises(CapacityError, match=f"may hold {limit}"):
            queue.put(bytes(size))
    assert queue.put(b"")
    queue.consume(1)
    with pytest.raises(CapacityError):
        queue.put(b"ab")
    assert queue.put(b"a")
    assert queue.get() == pattern(1, limit - 1) + b"a"
    assert queue.dropped == 0
    assert_sums(queue)


@pytest.mark.parametrize("limit", [1, 10, PAGE, 2 * PAGE + 1])
def test_drop_newest(pool, limit):
    queue = queue_of(pool, pattern(0, limit - 1), max_bytes=limit, overflow="drop_newest")
    assert queue.put(b"ab") is False
    assert queue.put(b"a") is True
    assert queue.put(bytes(PAGE)) is False
    assert queue.dropped == 2 + PAGE
    assert queue.get() == pattern(0, limit - 1) + b"a"
    assert_sums(queue)


@pytest.mark.parametrize("limit", [1, 10, PAGE, 2 * PAGE + 1])
def test_drop_oldest(pool, limit):
    queue = queue_of(pool, max_bytes=limit, overflow="drop_oldest")
    put = 0
    for size in (1, limit // 2, limit, 1, limit - 1, limit, 3):
        assert queue.put(pattern(put, size)) is True
        put += size
        kept = min(put, limit)
        assert queue.peek() == pattern(put - kept, kept)
        assert queue.dropped == put - kept
    assert queue.total_in == put
    queue.check()


@pytest.mark.parametrize("limit", [0, 1, 10, PAGE, 2 * PAGE + 1, 1 << 18])
@pytest.mark.parametrize("before", [0, 5, PAGE])
@pytest.mark.parametrize("more", [1, PAGE, 1 << 19])
def test_drop_oldest_keeps_the_end_of_what_is_longer(pool, limit, before, more):
    """The queue keeps the newest max_bytes, as a log ring does.  The rest takes no memory."""
    if PAGE < 4096 and more > PAGE:
        pytest.skip("hundred thousands of pages; copies without the GIL are tried on large ones")
    queue = queue_of(pool, pattern(0, before), max_bytes=limit, overflow="drop_oldest")
    data = pattern(before, limit + more)
    assert queue.put(data) is True
    assert queue.peek() == data[more:]
    assert (queue.total_in, queue.dropped) == (before + limit + more, before + more)
    assert pool.stats().high_water <= 2 * (limit // PAGE + 2) + 8
    assert_sums(queue, pushed=before + more)


@pytest.mark.parametrize("limit", [0, 1, 10, PAGE, 2 * PAGE + 1])
@pytest.mark.parametrize("shared", [False, True])
def test_splice_keeps_the_end_of_what_is_longer(pool, limit, shared):
    sink = queue_of(pool, b"before", max_bytes=limit, overflow="drop_oldest")
    source = queue_of(pool, pattern(0, limit + 3 * PAGE))
    views = source.views() if shared else []
    assert sink.splice_from(source, limit + 2 * PAGE) == limit + 2 * PAGE
    assert sink.peek() == pattern(2 * PAGE, limit)
    assert source.get() == pattern(limit + 2 * PAGE, PAGE)
    assert sink.dropped == 6 + 2 * PAGE
    assert_sums(sink, pushed=6 + 2 * PAGE)
    assert_sums(source)
    del views


def test_drop_oldest_under_views(pool):
    """The queue pushes pages out while views show them.  The views keep their bytes."""
    queue = queue_of(pool, pattern(0, 4 * PAGE), max_bytes=4 * PAGE, overflow="drop_oldest")
    views = queue.views()
    assert queue.put(pattern(4 * PAGE, 3 * PAGE))
    assert b"".join(views) == pattern(0, 4 * PAGE)
    assert queue.get() == pattern(3 * PAGE, 4 * PAGE)
    del views
    queue.check()


# ---- reservations ----


@pytest.mark.parametrize("before", [0, 1, PAGE - 1, PAGE, PAGE + 1])
@pytest.mark.parametrize("size", [1, PAGE, 3 * PAGE + 2])
def test_reserve_and_commit(pool, before, size):
    for used in {0, 1, size // 2, size}:
        queue = queue_of(pool, pattern(0, before))
        view = queue.reserve(size)
        assert (len(view), view.readonly, view.contiguous) == (size, False, True)
        assert (len(queue), queue.peek()) == (before, pattern(0, before))
        view[:used] = pattern(before, used)
        queue.commit(used)
        assert queue.peek() == pattern(0, before + used)
        assert_sums(queue)
        del view
        queue.check()
        queue.put(b"!")
        assert queue.get() == pattern(0, before + used) + b"!"


def test_a_put_cancels_a_reservation(pool):
    cancels = [
        lambda queue: queue.put(b"x"),
        lambda queue: queue.put(b"xy"),
        lambda queue: queue.clear(),
        lambda queue: queue.splice_from(queue_of(pool, b"x")),
    ]
    for cancel in cancels:
        queue = queue_of(pool, b"before")
        view = queue.reserve(2 * PAGE)
        cancel(queue)
        with pytest.raises(BufferError, match="gave it up"):
            queue.commit(1)
        with pytest.raises(BufferError):
            queue.buffer_updated(1)
        view[PAGE:] = b"\xff" * PAGE  # the view keeps this memory, but no queue uses it
        queue.check()
        assert b"\xff" not in queue.get()


def test_gets_leave_a_reservation(pool):
    queue = queue_of(pool, pattern(0, 3 * PAGE))
    view = queue.reserve(PAGE)
    view[:] = pattern(3 * PAGE, PAGE)
    assert queue.get(PAGE + 1) == pattern(0, PAGE + 1)
    assert queue.get() == pattern(PAGE + 1, 2 * PAGE - 1)
    assert queue.get() == b""
    assert queue.put(b"") is True
    queue.commit(PAGE)
    assert queue.get() == pattern(3 * PAGE, PAGE)
    assert_sums(queue)


@pytest.mark.parametrize("used", [0, 1, PAGE, 3 * PAGE])
def test_reserve_beside_an_older_view(pool, used):
    """The queue can grow although an older view pins its last page."""
    queue = queue_of(pool, pattern(0, PAGE + 1))
    old = queue.reserve(3)
    old[:] = b"old"
    queue.commit(3)
    view = queue.reserve(3 * PAGE)
    assert not any(view)
    view[:used] = pattern(0, used)
    assert old == b"old"
    queue.commit(used)
    queue.check()
    assert queue.get() == pattern(0, PAGE + 1) + b"old" + pattern(0, used)
    view = queue.reserve(3 * PAGE)
    queue.put(b"x")
    with pytest.raises(BufferError):
        queue.commit(1)
    assert queue.get() == b"x"


def test_commit_too_much(pool):
    queue = queue_of(pool)
    with pytest.raises(BufferError):
        queue.commit(0)
    with pytest.raises(ValueError):
        queue.reserve(0)
    queue.reserve(10)
    with pytest.raises(ValueError, match="10 are reserved"):
        queue.commit(11)
    queue.commit(10)
    assert queue.get() == bytes(10)


def test_reservation_dropped_with_the_queue(pool):
    queue = queue_of(pool, b"x")
    view = queue.reserve(3 * PAGE)
    del queue
    view[:] = b"y" * len(view)
    assert bytes(view[-3:]) == b"yyy"


def test_reserve_within_max_bytes(pool):
    queue = queue_of(pool, b"abc", max_bytes=8, overflow="raise")
    assert len(queue.get_buffer(-1)) == 5
    with pytest.raises(CapacityError):
        queue.reserve(6)
    queue.reserve(5)
    queue.commit(5)
    with pytest.raises(CapacityError):
        queue.get_buffer(-1)
    assert len(queue) == 8


def test_commit_pushes_out_the_oldest(pool):
    queue = queue_of(pool, b"abcdef", max_bytes=8, overflow="drop_oldest")
    view = queue.reserve(8)
    view[:4] = b"1234"
    queue.commit(4)
    assert (queue.get(), queue.dropped) == (b"cdef1234", 2)
    assert_sums(queue, pushed=2)


def test_buffered_protocol(pool):
    queue, sizes = queue_of(pool), []
    for _ in range(8):
        view = queue.get_buffer(-1)
        sizes.append(len(view))
        view[:] = b"z" * len(view)
        queue.buffer_updated(len(view))
    assert sizes[0] >= 16384
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0], "it offers more while what comes fills it"
    assert queue.get() == b"z" * sum(sizes)
    del view
    for _ in range(8):
        last = len(queue.get_buffer(-1))
        queue.buffer_updated(1)
    assert last == 16384
    assert len(queue.get_buffer(100_000)) >= 100_000


def test_get_buffer_costs_memory_only_while_it_lasts(pool):
    queue = queue_of(pool, b"x" * 200)
    held = pool.stats().held
    view = queue.get_buffer(-1)
    queue.buffer_updated(0)
    del view
    assert pool.stats().held <= held + 1


# ---- views ----


@pytest.mark.parametrize("size", [0, 1, PAGE, 3 * PAGE + 1])
def test_views_are_stable(pool, size):
    queue = queue_of(pool, pattern(0, size))
    views = queue.views()
    assert all(view.readonly and view.contiguous for view in views)
    queue.put(b"more")
    assert queue.get(size // 2) == pattern(0, size // 2)
    queue.clear()
    queue.put(b"\xff" * size)
    assert b"".join(views) == pattern(0, size)
    del views
    assert queue.get() == b"\xff" * size
    queue.check()


def test_views_leave_a_reservation_out(pool):
    queue = queue_of(pool, b"abc")
    view = queue.reserve(PAGE)
    assert b"".join(queue.views()) == b"abc"
    view[:1] = b"d"
    queue.commit(1)
    assert b"".join(queue.views()) == b"abcd"


# ---- splice ----


@pytest.mark.parametrize("size", SIZES)
def test_splice(pool, size):
    source, sink = queue_of(pool, pattern(0, size)), queue_of(pool, b"head")
    first = size // 3
    assert sink.splice_from(source, first) == first
    assert sink.splice_from(source) == size - first
    assert sink.splice_from(source) == 0
    assert sink.get() == b"head" + pattern(0, size)
    assert (len(source), source.total_out) == (0, size)
    assert_sums(source)
    assert_sums(sink)


def test_splice_between_pools(pool):
    other = PagePool(limit=2 * PAGE)
    source, sink = queue_of(pool, pattern(0, 8 * PAGE)), queue_of(other)
    with pytest.raises(PoolLimitError):
        sink.splice_from(source)
    assert (len(source), len(sink)) == (8 * PAGE, 0)
    assert sink.splice_from(source, PAGE) == PAGE
    assert source.splice_from(sink) == PAGE
    assert source.get() == pattern(PAGE, 7 * PAGE) + pattern(0, PAGE)


def test_splice_keeps_what_does_not_fit(pool):
    for overflow in ("raise", "drop_newest"):
        source = queue_of(pool, b"abcdef")
        sink = queue_of(pool, b"1234", max_bytes=8, overflow=overflow)
        if overflow == "raise":
            with pytest.raises(CapacityError):
                sink.splice_from(source)
        else:
            assert sink.splice_from(source) == 0
        assert (source.peek(), sink.peek(), sink.dropped) == (b"abcdef", b"1234", 0)
        assert sink.splice_from(source, 4) == 4
    sink = queue_of(pool, b"1234", max_bytes=5, overflow="drop_oldest")
    assert sink.splice_from(queue_of(pool, b"ab")) == 2
    assert (sink.get(), sink.dropped) == (b"234ab", 1)


def test_splice_of_itself_and_of_others(pool):
    queue = queue_of(pool, b"abc")
    with pytest.raises(ValueError):
        queue.splice_from(queue)
    for bad in (b"bytes", pagebuf.PageBuffer(pool=pool), None):
        with pytest.raises(TypeError):
            queue.splice_from(bad)


# ---- the object ----


def test_object(pool):
    class Mine(ByteQueue):
        pass

    queue = Mine(pool=pool)
    queue.note = "a subclass has a __dict__"
    queue.put(b"abc")
    assert "size=3 at" in repr(queue)
    queue.put(bytes(3 << 20))
    assert "size=3145731 (3 MiB) at" in repr(queue)
    assert repr(ByteQueue(pool=pool)).startswith("<pagebuf.ByteQueue size=0 at 0x")
    ref = weakref.ref(queue)
    assert ref() is queue
    queue.me = queue
    del queue
    gc.collect()
    assert ref() is None


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_and_no_copy(pool, protocol):
    queue = queue_of(pool, b"abc")
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(queue, protocol)
    for refuse in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            refuse(queue)


def test_init_again_begins_anew(pool):
    queue = queue_of(pool, b"abc", max_bytes=10, overflow="raise")
    view = queue.reserve(5)
    queue.__init__(pool=PagePool())
    assert (len(queue), queue.max_bytes, queue.total_in, queue.dropped) == (0, None, 0, 0)
    with pytest.raises(BufferError):
        queue.commit(1)
    view[:] = b"12345"
    assert queue.put(b"x" * 100)
    queue.check()


def test_init_again_forgets_a_reservation_beside_an_older_view(pool):
    queue = queue_of(pool, b"x")
    old = queue.reserve(3)
    queue.commit(3)
    queue.reserve(3 * PAGE)[:3] = b"old"  # apart from the tree: `old` pins the page
    queue.__init__(pool=pool)
    for used in (1, 2, 3):
        view = queue.reserve(3)
        view[:] = b"new"
        queue.commit(used)
        assert queue.get() == b"new"[:used]
    assert len(old) == 3


def test_pool_lists_queues(pool):
    queue = queue_of(pool, bytes(PAGE))
    assert drawing(pool) == [queue]
    assert queue.stats().pages == (queue.stats().lent == 0)  # long objects are kept


# ---- memory runs out ----

CALLS = {
    "put": lambda q: q.put(bytes(3 * PAGE)),
    "reserve": lambda q: q.reserve(3 * PAGE),
    "get_buffer": lambda q: q.get_buffer(PAGE * 3),
    "get": lambda q: q.get(PAGE + 1),
    "views": lambda q: q.views(),
    "consume": lambda q: q.consume(PAGE + 1),
    "readuntil": lambda q: q.readuntil(pattern(PAGE + 1, 3)),
    "splice_from": lambda q: q.splice_from(_other(q)),
}


def _other(queue):
    other = ByteQueue(pool=PagePool())
    other.put(bytes(2 * PAGE))
    return other


def _told(queue):
    return (queue.peek(), queue.total_in, queue.total_out, queue.dropped)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_out_of_memory_changes_nothing(name, shared):
    """The pool refuses a frame at every point of each call (I3)."""
    for spare in range(1 << 16):
        pool = PagePool()
        queue = ByteQueue(pool=pool)
        queue.put(pattern(0, reach(1) + PAGE + 1))
        queue.get(3)
        views = queue.views() if shared else []
        pool._set_limit(pool.stats().held + spare)
        before = _told(queue)
        try:
            CALLS[name](queue)
        except PoolLimitError:
            assert _told(queue) == before
        else:
            break
        queue.check()
        pool.check()
        assert not shared or b"".join(views) == before[0]
    queue.check()
    assert not shared or b"".join(views) == before[0]


# ---- Python code that runs in the middle of a call ----


ACTIONS = {
    "clear": lambda q: q.clear(),
    "put": lambda q: q.put(bytes(3 * PAGE)),
    "get": lambda q: q.get(PAGE),
    "reserve": lambda q: q.reserve(PAGE),
    "init": lambda q: q.__init__(),
    "raise": lambda q: 1 / 0,
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "method", ["get", "peek", "consume", "readexactly", "reserve", "commit", "get_buffer"]
)
def test_reentrant_index(pool, method, action):
    queue = queue_of(pool, pattern(0, 2 * PAGE))
    queue.reserve(10)
    with contextlib.suppress(ValueError, BufferError, ZeroDivisionError):
        getattr(queue, method)(Sly(PAGE, lambda: ACTIONS[action](queue)))
    queue.check()
    queue.put(b"!")
    assert queue.get().endswith(b"!")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is called since 3.12")
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("method", ["put", "readuntil"])
def test_reentrant_buffer(pool, method, action):
    class Source:
        def __buffer__(self, flags):
            ACTIONS[action](queue)
            return memoryview(b"source")

    queue = queue_of(pool, pattern(0, 2 * PAGE))
    if action == "raise":
        with pytest.raises(ZeroDivisionError):
            getattr(queue, method)(Source())
    else:
        getattr(queue, method)(Source())
    queue.check()
    if method == "put" and action != "raise":
        assert queue.get().endswith(b"source")


def test_put_of_its_own_views(pool):
    queue = queue_of(pool, pattern(0, 2 * PAGE + 3))
    for view in queue.views():
        queue.put(view)
    assert queue.get() == pattern(0, 2 * PAGE + 3) * 2
    queue.check()
