"""ByteQueue between threads: waits for bytes and for room, timeouts, the end of the stream."""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pagebuf import ByteQueue, CapacityError, PagePool
from tests.helpers import PAGE
from tests.support import pattern
from tests.threads.crew import DEADLINE, Crew, in_child

SOON = 0.02


def queue_of(pool: PagePool, data: bytes = b"", **options: Any) -> ByteQueue:
    queue = ByteQueue(pool=pool, **options)
    if data:
        assert queue.put(data)
    return queue


class Waiter:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.result: Any = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        time.sleep(SOON)
        assert self.thread.is_alive(), self.result

    def run(self) -> None:
        try:
            self.result = self.call()
        except Exception as error:
            self.result = error

    def ends(self) -> Any:
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()
        return self.result

    def goes_on(self) -> bool:
        time.sleep(SOON)
        return self.thread.is_alive()


TAKES: dict[str, Callable[..., Any]] = {
    "get": lambda q, **w: q.get(4, **w),
    "get all": lambda q, **w: q.get(**w),
    "peek": lambda q, **w: q.peek(**w),
    "readexactly": lambda q, **w: q.readexactly(4, **w),
    "readuntil": lambda q, **w: q.readuntil(b";", **w),
    "readuntil any": lambda q, **w: q.readuntil((b"--", b";"), **w),
    "readline": lambda q, **w: q.readline(**w),
}
WHOLE = b"ab;\n"  # each of these calls finds something to take


# ---- waiting for bytes ----


@pytest.mark.parametrize("name", TAKES)
@pytest.mark.parametrize("timeout", [None, DEADLINE])
def test_it_waits_for_what_it_takes(pool, name, timeout):
    queue = queue_of(pool)
    waiter = Waiter(lambda: TAKES[name](queue, timeout=timeout))
    queue.put(WHOLE)
    assert waiter.ends() == (WHOLE[:3] if "until" in name else WHOLE)
    queue.check()


@pytest.mark.parametrize("name", ["readexactly", "readuntil", "readuntil any", "readline"])
def test_it_waits_for_all_of_it(pool, name):
    queue = queue_of(pool)
    waiter = Waiter(lambda: TAKES[name](queue, timeout=None))
    for at in range(2):
        queue.put(WHOLE[at : at + 1])
        assert waiter.goes_on()
    queue.put(WHOLE[2:])
    assert waiter.ends() == (WHOLE[:3] if "until" in name else WHOLE)


@pytest.mark.parametrize("name", TAKES)
def test_bytes_put_back_wake_it(pool, name):
    """Even though as many have come in as before."""
    queue = queue_of(pool, WHOLE)
    head = queue.get()
    waiter = Waiter(lambda: TAKES[name](queue, timeout=None))
    queue.unget(head)
    assert waiter.ends() == (WHOLE[:3] if "until" in name else WHOLE)


@pytest.mark.parametrize("name", TAKES)
def test_without_a_timeout_nothing_waits(pool, name):
    queue = queue_of(pool)
    for options in ({}, {"timeout": 0}, {"timeout": 0.0}):
        assert TAKES[name](queue, **options) in (None, b"")


@pytest.mark.parametrize("name", TAKES)
def test_a_timeout_takes_nothing(pool, name):
    queue = queue_of(pool, b"" if name in ("get", "get all", "peek") else b"ab")
    before = queue.peek()
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=f"holds {len(before)} bytes"):
        TAKES[name](queue, timeout=SOON)
    assert time.monotonic() - start >= SOON
    assert (queue.peek(), queue.total_out) == (before, 0)
    queue.put(b"later")
    queue.check()


@pytest.mark.parametrize("name", [*TAKES, "put"])
def test_wrong_timeouts(pool, name):
    queue = queue_of(pool, max_bytes=9, overflow="block")
    call = TAKES.get(name, lambda q, **w: q.put(b"x", **w))
    for bad in (-1, -0.1, math.nan):
        with pytest.raises(ValueError, match="timeout"):
            call(queue, timeout=bad)
    for bad in ("1", b"1", []):
        with pytest.raises(TypeError):
            call(queue, timeout=bad)
    with pytest.raises(TypeError, match="wait"):
        call(queue, wait=1)
    assert len(queue) == 0


def test_a_timeout_of_years(pool):
    queue = queue_of(pool)
    for years in (1e9, 1e300, math.inf):
        waiter = Waiter(lambda years=years: queue.get(timeout=years))
        queue.put(b"x")
        assert waiter.ends() == b"x"


def test_get_of_nothing_does_not_wait(pool):
    assert queue_of(pool).get(0, timeout=None) == b""
    assert queue_of(pool).readexactly(0, timeout=None) == b""


def ways_in(queue: ByteQueue) -> list[Callable[[], Any]]:
    def commit() -> None:
        with queue.reserve(4) as view:
            view[:] = b"abcd"
        queue.commit(4)

    def receive() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.send(b"abcd")
            queue.recv_from(ours)

    def splice() -> None:
        other = ByteQueue(pool=queue.pool)
        other.put(b"abcd")
        queue.splice_from(other)

    return [
        lambda: queue.put(bytearray(b"abcd")),
        lambda: queue.write(b"abcd"),
        commit,
        receive,
        splice,
    ]


@pytest.mark.parametrize("way", range(5))
def test_whatever_comes_in_wakes(pool, way):
    queue = queue_of(pool)
    waiter = Waiter(lambda: queue.get(timeout=None))
    ways_in(queue)[way]()
    assert waiter.ends() == b"abcd"


def test_many_waiters_get_every_byte_once(pool):
    queue, got = queue_of(pool), []
    lock = threading.Lock()

    def take() -> None:
        while data := queue.get(3, timeout=None):
            with lock:
                got.append(data)

    def put() -> None:
        for i in range(2000):
            queue.put(bytes([i % 251]))
        if queue.total_in == 4000:
            queue.close()

    with Crew(take, take, take, put, put):
        pass
    assert sorted(b"".join(got)) == sorted(2 * [i % 251 for i in range(2000)])


def test_one_that_wants_less_is_not_held_up_by_one_that_wants_more(pool):
    queue = queue_of(pool)
    more = Waiter(lambda: queue.readexactly(10, timeout=None))
    less = Waiter(lambda: queue.readexactly(2, timeout=None))
    queue.put(b"ab")
    assert less.ends() == b"ab"
    queue.put(b"0123456789")
    assert more.ends() == b"0123456789"


# ---- waiting for room ----


@pytest.mark.parametrize("limit", [10, PAGE, 2 * PAGE + 1])
def test_block_waits_for_room(pool, limit):
    queue = queue_of(pool, pattern(0, limit), max_bytes=limit, overflow="block")
    assert queue.overflow == "block"
    waiter = Waiter(lambda: queue.put(b"abc"))
    queue.consume(2)
    assert waiter.goes_on()
    assert queue.get(1) == pattern(2, 1)
    assert waiter.ends() is True
    assert queue.get() == pattern(3, limit - 3) + b"abc"
    assert queue.dropped == 0
    queue.check()


def ways_out(queue: ByteQueue) -> list[Callable[[], Any]]:
    def send() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            queue.send_to(ours)

    return [
        lambda: queue.get(5),
        lambda: queue.get(),
        lambda: queue.readexactly(5),
        lambda: queue.readuntil(b"9"),
        lambda: queue.readline(),
        lambda: next(queue.lines()),
        lambda: queue.consume(5),
        lambda: queue.clear(),
        lambda: ByteQueue(pool=queue.pool).splice_from(queue),
        lambda: queue.__init__(pool=queue.pool),
        send,
    ]


@pytest.mark.parametrize("way", range(11))
@pytest.mark.parametrize("size", [10, 2 * PAGE])
def test_whatever_goes_out_makes_room(pool, way, size):
    data = (b"0123456789" * size)[: size - 6] + b"56789\n"
    queue = queue_of(pool, data, max_bytes=size, overflow="block")
    waiter = Waiter(lambda: queue.put(b"abcde"))
    ways_out(queue)[way]()
    assert waiter.ends() is True
    assert queue.tail(5) == b"abcde"


def test_a_put_that_never_fits_is_refused(pool):
    queue = queue_of(pool, b"abc", max_bytes=4, overflow="block")
    with pytest.raises(ValueError, match="5 bytes never fit into a queue that may hold 4"):
        queue.put(b"12345")
    assert queue.get() == b"abc"


def test_a_put_that_is_tried_again_is_not_dropped(pool):
    queue = queue_of(pool, b"abcd", max_bytes=4, overflow="block")
    for timeout in (0, SOON, 0):
        with pytest.raises(TimeoutError):
            queue.put(b"xy", timeout=timeout)
    assert (queue.peek(), queue.dropped, queue.total_in) == (b"abcd", 0, 4)
    queue.get()
    assert queue.put(b"xy", timeout=0) is True
    assert (queue.dropped, queue.total_in) == (0, 6)


class Plain:
    """An object with send() and recv_into() of its own."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def send(self, data: bytes) -> int:
        raise NotImplementedError

    def recv_into(self, space: bytearray) -> int:
        n = min(len(space), len(self.data))
        space[:n], self.data = self.data[:n], self.data[n:]
        return n


def reserved(queue: ByteQueue, **w: Any) -> int:
    with queue.reserve(3, **w) as view:
        view[:] = b"xyz"
        queue.commit(3)
    return 3


def received(queue: ByteQueue, **w: Any) -> int:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"xyz")
        return queue.recv_from(ours, **w)


def read_from_a_pipe(queue: ByteQueue, **w: Any) -> int:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb", buffering=0) as end:
        end.write(b"xyz")
        return queue.recv_from(reading, **w)


INTO: dict[str, Callable[..., int]] = {
    "put": lambda q, **w: 3 * q.put(b"xyz", **w),
    "write": lambda q, **w: q.write(b"xyz", **w),
    "reserve": reserved,
    "recv_from": received,
    "recv_from pipe": read_from_a_pipe,
    "recv_from object": lambda q, **w: q.recv_from(Plain(b"xyz"), **w),
    "splice_from": lambda q, **w: q.splice_from(queue_of(q.pool, b"xyz"), **w),
}


@pytest.mark.parametrize("name", INTO)
def test_all_that_put_wait_for_room(pool, name):
    queue = queue_of(pool, b"abcd", max_bytes=4, overflow="block")
    waiter = Waiter(lambda: INTO[name](queue))
    assert queue.get() == b"abcd"
    assert waiter.ends() == 3
    assert (queue.get(timeout=DEADLINE), queue.total_in, queue.dropped) == (b"xyz", 7, 0)
    queue.check()


@pytest.mark.parametrize("timeout", [0, SOON])
@pytest.mark.parametrize("name", INTO)
def test_who_waits_for_room_has_its_time(pool, name, timeout):
    queue = queue_of(pool, b"abcd", max_bytes=4, overflow="block")
    with pytest.raises(TimeoutError):
        INTO[name](queue, timeout=timeout)
    assert (queue.peek(), queue.dropped, queue.total_in) == (b"abcd", 0, 4)
    queue.clear()
    assert INTO[name](queue, timeout=timeout) == 3


@pytest.mark.parametrize("name", INTO)
def test_the_end_of_the_stream_wakes_all_that_put(pool, name):
    queue = queue_of(pool, b"abcd", max_bytes=4, overflow="block")
    waiter = Waiter(lambda: INTO[name](queue))
    queue.close()
    assert type(waiter.ends()) is ValueError
    assert queue.get() == b"abcd"


@pytest.mark.parametrize("name", ["put", "reserve", "splice_from"])
def test_what_never_fits_is_refused_at_once(pool, name):
    queue = queue_of(pool, max_bytes=2, overflow="block")
    with pytest.raises(ValueError, match="3 bytes never fit into a queue that may hold 2"):
        INTO[name](queue)
    assert (len(queue), queue.total_in) == (0, 0)


@pytest.mark.parametrize("name", INTO)
def test_nothing_waits_for_the_room_of_no_bytes(pool, name):
    queue = queue_of(pool, max_bytes=0, overflow="block")
    with pytest.raises(ValueError, match="never fit into a queue that may hold 0"):
        INTO[name](queue)


def test_a_splice_that_waits_leaves_the_bytes_where_they_are(pool):
    source, queue = queue_of(pool, b"one"), queue_of(pool, b"abc", max_bytes=5, overflow="block")
    waiter = Waiter(lambda: queue.splice_from(source))
    assert source.put(b"two")  # what there is when there is room
    assert len(source) == 6
    queue.clear()
    assert type(waiter.ends()) is ValueError
    assert source.get() == b"onetwo"


def test_others_do_not_wait_for_room(pool):
    queue = queue_of(pool, b"abcd", max_bytes=4, overflow="block")
    with pytest.raises(CapacityError):
        queue.get_buffer()
    for overflow in ("raise", "drop_newest", "drop_oldest"):
        other = queue_of(pool, b"abcd", max_bytes=4, overflow=overflow)
        if overflow == "raise":
            with pytest.raises(CapacityError):
                other.put(b"x", timeout=None)
        else:
            assert other.put(b"x", timeout=None) is (overflow == "drop_oldest")


def test_a_stream_through_a_small_queue(pool):
    queue, total = queue_of(pool, max_bytes=2 * PAGE + 5, overflow="block"), 60 * PAGE
    got = bytearray()

    def put() -> None:
        at = 0
        for size in [1, PAGE, 3, PAGE + 7, 2 * PAGE] * 100:
            if at < total:
                queue.put(pattern(at, size))
                at += size
        queue.close()

    def take() -> None:
        while data := queue.get(PAGE // 2 + 3, timeout=None):
            got.extend(data)

    with Crew(put, take):
        pass
    assert len(got) >= total
    assert got == pattern(0, len(got))
    queue.check()


def test_write_goes_in_by_pieces(pool):
    queue = queue_of(pool, b"x", max_bytes=PAGE, overflow="block")
    waiter = Waiter(lambda: queue.write(pattern(0, 5 * PAGE)))
    got = b""
    while len(got) < 5 * PAGE + 1:
        got += queue.get(timeout=DEADLINE)
    assert waiter.ends() == 5 * PAGE
    assert got == b"x" + pattern(0, 5 * PAGE)


# ---- the end of the stream ----


def test_close_ends_the_stream(pool):
    queue = queue_of(pool, b"one\ntwo", max_bytes=100, overflow="raise")
    assert queue.closed is False
    view = queue.reserve(5)
    queue.close()
    queue.close()
    assert queue.closed is True
    other = queue_of(pool, b"x")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        for put in (
            lambda: queue.put(b"x"),
            lambda: queue.put(b""),
            lambda: queue.put(bytearray(b"x")),
            lambda: queue.write(b"x"),
            lambda: queue.reserve(5),
            lambda: queue.get_buffer(),
            lambda: queue.splice_from(other),
            lambda: queue.recv_from(ours),
        ):
            with pytest.raises(ValueError, match="closed"):
                put()
        assert ours.recv(9) == b"x"
    with pytest.raises(BufferError, match="close"):
        queue.commit(5)
    view.release()
    queue.flush()
    assert other.get() == b"x"
    for timeout in (0, None):
        assert queue.readuntil(b";", timeout=timeout) is None
        with pytest.raises(EOFError, match=r"readexactly\(8\) of a closed queue that holds 7"):
            queue.readexactly(8, timeout=timeout)
    assert queue.readline(timeout=None) == b"one\n"
    assert queue.readline(timeout=None) is None
    assert queue.peek(timeout=None) == b"two"
    assert queue.get(timeout=None) == b"two"
    assert queue.get(timeout=None) == queue.get() == queue.peek(timeout=None) == b""
    assert queue.readexactly(0) == b""
    queue.check()


def test_close_counts_what_was_put(pool):
    queue = queue_of(pool, b"abc", max_bytes=4, overflow="drop_newest")
    queue.close()
    with pytest.raises(ValueError):
        queue.put(b"long enough")
    assert (queue.total_in, queue.dropped) == (3, 0)
    queue.clear()
    with pytest.raises(ValueError):
        queue.put(b"x")


def test_the_last_line_needs_no_newline(pool):
    queue = queue_of(pool, b"one\ntwo")
    assert list(queue.lines()) == [b"one\n"]
    queue.close()
    assert list(queue.lines()) == [b"two"]
    assert list(queue.lines()) == []


def test_init_opens_it_again(pool):
    queue = queue_of(pool, b"abc")
    queue.close()
    queue.__init__(pool=pool)
    assert queue.closed is False
    assert queue.put(b"x")
    queue.check()


ENDS: dict[str, Any] = {"get": b"", "get all": b"", "peek": b"", "readexactly": EOFError}


@pytest.mark.parametrize("name", TAKES)
def test_close_wakes_who_waits_for_bytes(pool, name):
    queue = queue_of(pool)
    waiters = [Waiter(lambda: TAKES[name](queue, timeout=None)) for _ in range(3)]
    queue.close()
    for waiter in waiters:
        result, expected = waiter.ends(), ENDS.get(name)
        assert type(result) is expected if expected is EOFError else result == expected


def test_close_wakes_who_waits_for_room(pool):
    queue = queue_of(pool, b"abcd", max_bytes=4, overflow="block")
    waiters = [Waiter(lambda: queue.put(b"x")), Waiter(lambda: queue.write(b"12345"))]
    queue.close()
    for waiter in waiters:
        assert type(waiter.ends()) is ValueError
    assert queue.get() == b"abcd"


def test_bytes_put_before_the_end_are_not_taken_for_none(pool):
    """A thread may look before the last put, and then learn of the end.  It must look once more."""
    for _ in range(300):
        queue, got = queue_of(pool), []

        def put(queue: ByteQueue = queue) -> None:
            queue.put(b"last")
            queue.close()

        def take(queue: ByteQueue = queue, got: list[bytes] = got) -> None:
            while data := queue.get(timeout=None):
                got.append(data)

        with Crew(put, take):
            pass
        assert got == [b"last"]


# ---- signals, forks ----


@pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="there are no timers that send signals"
)
@pytest.mark.parametrize("waits", ["bytes", "room"])
def test_a_signal_ends_a_wait(pool, waits):
    class InterruptError(Exception):
        pass

    def handler(*_: object) -> None:
        raise InterruptError

    queue = queue_of(pool, b"abcd", max_bytes=4, overflow="block")
    call = (lambda: queue.put(b"x")) if waits == "room" else (lambda: queue.readline(timeout=None))
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, SOON)
        with pytest.raises(InterruptError):
            call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert queue.get() == b"abcd"
    assert queue.put(b"x")
    queue.check()


@pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="there are no timers that send signals"
)
def test_a_signal_whose_handler_returns_does_not_shorten_a_wait(pool):
    queue, calls = queue_of(pool), []
    before = signal.signal(signal.SIGALRM, lambda *_: calls.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, SOON / 4, SOON / 4)
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            queue.get(timeout=4 * SOON)
        assert time.monotonic() - start >= 4 * SOON
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert calls


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_child_of_a_fork_has_nobody_who_waits(pool):
    queue = queue_of(pool)
    waiters = [Waiter(lambda: queue.readexactly(3, timeout=None)) for _ in range(3)]

    def child() -> None:
        assert queue.put(b"abc")
        assert queue.get(timeout=None) == b"abc"
        again = Waiter(lambda: queue.get(timeout=None))
        queue.put(b"x")
        assert again.ends() == b"x"
        queue.check()

    in_child(child)
    for _ in waiters:
        queue.put(b"abc")
    assert [waiter.ends() for waiter in waiters] == [b"abc"] * 3
