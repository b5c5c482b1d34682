"""fork() while other threads copy: parent and child both go on, each with its own bytes."""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
from collections.abc import Callable

import pytest

import pagebuf
from pagebuf import ByteQueue, PageBuffer, PagePool
from tests.helpers import PAGE, drawing
from tests.threads.call import SANITIZED
from tests.threads.crew import BIG, LARGE, Crew, in_child, together

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),  # it comes from 3.12 on
]

FORKS = 10  # in each test of `fork_beside`: 50 in all


def uniform(data: bytes) -> bool:
    return data.count(data[:1]) == len(data)


def beside(*works: Callable[[], None]) -> None:
    """Call each in its own thread.  ThreadSanitizer still knows the threads of the parent, and ends
    a child with a thread that has the number of one of those."""
    if SANITIZED:
        for work in works:
            work()
    else:
        together(*works)


def use(pool: PagePool, *bufs: PageBuffer) -> None:
    """Do what must work in a child: look, read, write, share, and start threads."""
    pool.check()
    for buf in bufs:
        buf.check()
        size = len(buf)
        snap = buf.snapshot()
        assert buf.read(0, -1) == snap.tobytes()
        buf.write(0, b"c" * BIG)
        assert snap.read(0, size) == snap.tobytes()
        assert buf.read(0, BIG) == b"c" * BIG
    del snap
    other = PageBuffer(pool=pool)
    other.extend(bufs[0])
    beside(*[lambda buf=buf: other.copy_range(0, buf) for buf in bufs])  # type: ignore[misc]
    for buf in bufs:
        buf.check()
    other.check()
    pool.check()


def fork_beside(crew: Crew, child: Callable[[], None]) -> None:
    """Fork children that call `child`, one after the other, while the crew works."""
    with crew:
        for _ in range(FORKS):
            in_child(child)
        crew.stop.set()


def test_fork_while_threads_write(pool: PagePool) -> None:
    """Every write is whole in the child, even a write that the fork interrupted."""
    bufs = [PageBuffer(bytes(BIG), pool=pool) for _ in range(3)]
    stamps = [bytes([i]) * BIG for i in range(1, 5)]

    def write(buf: PageBuffer) -> None:
        i = 0
        while not crew.stop.is_set():
            buf.write(0, stamps[i := (i + 1) % 4])

    def child() -> None:
        for buf in bufs:
            assert uniform(buf.tobytes()), "a torn write"
        use(pool, *bufs)

    crew = Crew(*[lambda buf=buf: write(buf) for buf in bufs])  # type: ignore[misc]
    fork_beside(crew, child)
    for buf in bufs:
        assert uniform(buf.tobytes())
        buf.check()


def test_fork_while_threads_read(pool: PagePool) -> None:
    """The child drops the read snapshots of threads that are gone, so no page stays shared."""
    buf = PageBuffer(b"r" * BIG, pool=pool)

    def child() -> None:
        assert buf.stats().shared == 0, "the hold of a thread that is gone"
        use(pool, buf)

    def read() -> None:
        while not crew.stop.is_set():
            assert uniform(buf.read(0, -1))

    crew = Crew(*[read] * 3)
    fork_beside(crew, child)


def test_fork_while_threads_copy_ranges(pool: PagePool) -> None:
    """Two threads copy bytes between two buffers.  The places are not congruent, so pages cannot
    be shared."""
    bufs = [PageBuffer(bytes([i]) * BIG, pool=pool) for i in (1, 2)]

    def copy(one: PageBuffer, other: PageBuffer) -> None:
        while not crew.stop.is_set():
            one.copy_range(1, other, 0, LARGE)

    crew = Crew(lambda: copy(*bufs), lambda: copy(*reversed(bufs)))
    fork_beside(crew, lambda: use(pool, *bufs))


def test_fork_while_threads_send(pool: PagePool) -> None:
    """A queue keeps its bytes if a thread was sending from it.  Reserved frames become free."""
    queue = ByteQueue(pool=pool)
    ours, theirs = socket.socketpair()

    def send() -> None:
        while not crew.stop.is_set():
            queue.put(b"q" * BIG)
            views = queue.views()  # dropping shared pages takes frames, so a send reserves them
            while len(queue):
                queue.send_to(ours)
            assert uniform(b"".join(views))
        ours.shutdown(socket.SHUT_WR)

    def drain() -> None:
        while theirs.recv(1 << 20):
            pass

    def child() -> None:
        assert pool.stats().reserved == 0
        assert queue.get().strip(b"q") == b""
        queue.put(b"c" * BIG)
        assert queue.get() == b"c" * BIG
        pool.check()

    crew = Crew(send, drain)
    fork_beside(crew, child)
    ours.close()
    theirs.close()


def test_fork_while_threads_fill_queues(pool: PagePool) -> None:
    queue = ByteQueue(pool=pool)

    def fill() -> None:
        while not crew.stop.is_set():
            queue.put(b"q" * BIG)
            queue.get()

    def child() -> None:
        with pytest.raises(BufferError):
            queue.commit(0)  # no caller can commit what a put was filling
        queue.put(b"q" * BIG)
        data = queue.get()
        assert uniform(data)
        assert len(data) % BIG == 0, "a part of a put"
        pool.check()

    crew = Crew(fill, fill)
    fork_beside(crew, child)


class Stopping(PagePool):
    """A pool that calls `before_growth` before it grows."""

    before_growth = staticmethod(lambda: None)

    def _grow(self, needed: int) -> None:
        self.before_growth()
        super()._grow(needed)


def test_the_hold_of_a_thread_that_is_gone_is_dropped(pool: PagePool) -> None:
    """A thread has a read snapshot of its source and waits for memory when the process forks.  The
    child drops the snapshot."""
    source = PageBuffer(b"s" * (8 * PAGE), pool=pool)
    waits, goes_on = threading.Event(), threading.Event()

    def wait() -> None:
        waits.set()
        assert goes_on.wait(30)

    full = Stopping()
    full.before_growth = wait  # type: ignore[method-assign]
    target = PageBuffer(pool=full)

    def child() -> None:
        assert source.stats().shared == 0
        full.before_growth = lambda: None  # type: ignore[method-assign]
        use(pool, source)
        assert drawing(pool) == [source]
        full.check()

    with Crew(lambda: target.extend(source)):
        assert waits.wait(30)
        assert source.stats().shared
        in_child(child)
        goes_on.set()
    assert target == source
    assert source.stats().shared == 0
    full.check()


def test_a_thread_that_forks_in_the_middle_of_a_call_goes_on(pool: PagePool) -> None:
    """A growing pool runs Python code, and this code may fork.  Both processes finish the call."""
    source = PageBuffer(b"s" * (8 * PAGE), pool=pool)
    pids = []
    full = Stopping()
    full.before_growth = lambda: pids.append(os.fork())  # type: ignore[method-assign]
    target = PageBuffer(pool=full)
    target.extend(source)
    good = target == source and source.stats().shared == 0
    if pids == [0]:
        os._exit(0 if good else 1)
    assert good
    assert os.waitpid(pids[0], 0)[1] == 0
    full.check()


def test_parent_and_child_write_apart(pool: PagePool) -> None:
    buf = PageBuffer(b"a" * BIG, pool=pool)
    snap = buf.snapshot()
    view = buf.view(0, PAGE)

    def child() -> None:
        buf.write(0, b"c" * BIG)
        view[:1] = b"v"
        assert snap.tobytes() == b"a" * BIG

    in_child(child)
    assert buf.tobytes() == snap.tobytes() == b"a" * BIG
    view.release()


def test_what_is_registered_does_not_keep_a_module_alive() -> None:
    """A second copy of the module, as a test or a reload makes it, is freed when it is dropped."""
    import importlib.util
    import weakref

    name = "pagebuf._core"
    spec = importlib.util.find_spec(name)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    spec.loader.exec_module(module)
    assert module is not sys.modules[name]
    assert module.PAGE_SIZE == pagebuf.PAGE_SIZE
    gone = weakref.ref(module)
    del module
    gc.collect()
    assert gone() is None
    in_child(lambda: None)
