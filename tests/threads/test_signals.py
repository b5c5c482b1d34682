"""The handler of a signal raises in a large copy or a wait.  All objects stay whole."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pagebuf import ByteQueue, PageBuffer, PagePool
from tests.threads.crew import BIG, Crew

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="there are no timers that send signals here"
)


class Interrupt(BaseException):
    pass


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    def handler(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def repeat(work: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        work()


def interrupted(work: Callable[[], object], after: float) -> bool:
    """Call `work` again and again until a signal comes.  False if none comes in ten seconds.

    The loop is a function of its own: a jump back at the end of a `while` is outside of the `try`
    around it on CPython 3.13, and an exception of a signal that comes there would get past the
    `except`.
    """
    try:
        signal.setitimer(signal.ITIMER_REAL, after)
        repeat(work, 10)
    except Interrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return False


def test_interrupted_writes_are_whole_or_not_at_all(pool: PagePool) -> None:
    buf = PageBuffer(bytes(BIG), pool=pool)
    stamps = [bytes([i]) * BIG for i in (1, 2, 3)]
    for i in range(30):
        assert interrupted(lambda: [buf.write(0, s) for s in stamps], 0.001 + i / 1e4)
        data = buf.tobytes()
        assert data.count(data[:1]) == BIG
        buf.check()
        pool.check()


def test_interrupted_appends_and_reads(pool: PagePool) -> None:
    buf = PageBuffer(pool=pool)
    queue = ByteQueue(pool=pool)

    def work() -> None:
        buf.extend(b"e" * BIG)
        queue.put(buf.read(0, BIG))
        queue.get(BIG)
        buf.take_bytes(BIG)

    for i in range(30):
        assert interrupted(work, 0.001 + i / 1e4)
        assert len(buf) % BIG == len(queue) % BIG == 0
        assert buf.tobytes().strip(b"e") == b""
        pool.check()
        buf.clear()
        queue.clear()


def test_interrupted_while_others_copy(pool: PagePool) -> None:
    """Other threads copy, so the signal often comes while the main thread waits for the lock."""
    buf = PageBuffer(b"\1" * BIG, pool=pool)

    def write() -> None:
        while not crew.stop.is_set():
            buf.write(0, b"\2" * BIG)

    crew = Crew(write, write)
    with crew:
        for _ in range(5):
            assert interrupted(lambda: buf.write(0, b"\3" * BIG), 0.005)
            buf.check()
        crew.stop.set()
    data = buf.tobytes()
    assert data.count(data[:1]) == BIG


def test_interrupted_while_waiting_for_a_peer(pool: PagePool) -> None:
    queue = ByteQueue(pool=pool)
    queue.put(b"kept")
    ours, theirs = socket.socketpair()
    assert interrupted(lambda: queue.recv_from(ours), 0.02)
    theirs.sendall(b" and new")
    assert queue.recv_from(ours) == 8
    assert queue.get() == b"kept and new"
    ours.close()
    theirs.close()
    queue.check()
    assert pool.stats().reserved == 0


def test_a_signal_that_does_not_raise_ends_no_wait(pool: PagePool) -> None:
    queue = ByteQueue(pool=pool)
    ours, theirs = socket.socketpair()
    seen = []
    signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    main = threading.get_ident()

    def poke() -> None:
        for _ in range(5):
            time.sleep(0.01)
            signal.pthread_kill(main, signal.SIGALRM)
        theirs.sendall(b"x")

    with Crew(poke):
        assert queue.recv_from(ours) == 1
    assert seen
    ours.close()
    theirs.close()
