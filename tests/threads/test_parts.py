"""One thread drops a view, a sharer, a child or a pool while another uses what it belongs to.
Also: two threads on two buffers of one pool, and threads that make one pool grow."""

from __future__ import annotations

import gc
import io
import random
import sys
import threading
import time
import weakref

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.support import assert_accounted, pattern
from tests.threads.call import Kind
from tests.threads.calls_of_parts import PARTS, TWO_BUFFERS
from tests.threads.crew import repeat, together
from tests.threads.pairs import methods, pairs_of
from tests.threads.race import GIL, Race

SHORT = 0.001 if GIL else 0.004
SOME = 20 if GIL else 100

by_name = {"ids": lambda each: each.name}

# Without a GIL the collector may find a file and its view before the thread that made them has
# counted that nobody uses them.  Then it finalizes the file first, and close() refuses.  So it is
# with io.BytesIO (test_a_file_and_its_view_are_collected_as_those_of_io).
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored while finalizing file:pytest.PytestUnraisableExceptionWarning"
)


@pytest.mark.parametrize("kind", PARTS, **by_name)
def test_parts_go_in_two_threads(kind: Kind) -> None:
    for pair in pairs_of(kind):
        Race(pair).run(SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PARTS, **by_name)
def test_parts_go_in_two_threads_for_long(kind: Kind) -> None:
    for pair in pairs_of(kind):
        Race(pair).run(0.2)


def test_two_buffers_of_one_pool() -> None:
    for pair in random.Random(1).sample(list(pairs_of(TWO_BUFFERS)), SOME):
        Race(pair).run(SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("name", [calls[0].method for calls in methods(TWO_BUFFERS)])
def test_two_buffers_of_one_pool_for_long(name: str) -> None:
    for pair in pairs_of(TWO_BUFFERS):
        if pair.ones[0].method == name:
            Race(pair).run(0.05)


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_make_one_pool_grow(threads: int) -> None:
    """The pool adds region after region, and no two overlap."""
    for turn in range(20):
        pool = pagebuf.PagePool()
        bufs = [pagebuf.PageBuffer(pool=pool) for _ in range(threads)]

        def fill(which: int, bufs: list[pagebuf.PageBuffer] = bufs, turn: int = turn) -> None:
            for at in range(0, 300 * PAGE, 30 * PAGE):
                bufs[which].extend(pattern(at, 30 * PAGE, which + turn))

        together(*[lambda n=n: fill(n) for n in range(threads)])  # type: ignore[misc]
        for which, buf in enumerate(bufs):
            assert buf.tobytes() == pattern(0, 300 * PAGE, which + turn)
        assert_accounted(pool)


def test_children_are_made_and_dropped() -> None:
    """Each child has its own account, and its charges end with it."""
    pool = pagebuf.PagePool(limit=400 * PAGE)

    def work(turn: int) -> None:
        child = pool.child(limit=20 * PAGE)
        below = child.child()
        bufs = [pagebuf.PageBuffer(pattern(turn, 3 * PAGE), pool=each) for each in (child, below)]
        frames = bufs[1].stats().pages + bufs[1].stats().nodes
        assert below.stats().held == frames
        assert child.stats().held == 2 * frames

    together(*[repeat(100, work)] * 4)
    assert_accounted(pool)
    assert pool.stats().held == 0


def test_the_pool_is_dropped_last() -> None:
    """The buffers of two threads keep a pool alive.  The last buffer to go frees the pool."""
    pools: list[pagebuf.PagePool | None] = [pagebuf.PagePool() for _ in range(100)]
    barrier = threading.Barrier(2)

    def work(turn: int) -> None:
        buf = pagebuf.PageBuffer(pattern(turn, 2 * PAGE), pool=pools[turn])
        view = buf.view(0, 9)
        barrier.wait(30)
        pools[turn] = None
        buf.extend(b"x" * PAGE)
        del buf
        assert bytes(view) == pattern(turn, 9)

    together(*[repeat(100, work)] * 2)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="files told nobody before 3.13")
def test_a_file_and_its_view_are_collected_as_those_of_io(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a cycle, close() comes before the view goes, and says so."""
    told: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda hint: told.append(hint.exc_type))
    seen = []
    for make in (io.BytesIO, pagebuf.BytesIO, pagebuf.BytesIO):
        file = make(bytes(3 * PAGE))
        box: list[object] = [file, file.getbuffer()]
        box.append(box)
        del file, box
        deadline = time.monotonic() + 10
        while not told and time.monotonic() < deadline:
            gc.collect()  # it does nothing while another thread, such as the runner's, collects
        seen.append([*told])
        told.clear()
    assert seen == [[BufferError]] * 3


def test_the_memory_of_a_file_that_was_collected_makes_a_new_one() -> None:
    """The next file there is finalized again: memory that says "finalized" never would be."""
    pool = pagebuf.PagePool()
    box: list[object] = [pagebuf.BytesIO(pool=pool)]
    box.append(box)
    gone = weakref.ref(box[0])
    del box
    deadline = time.monotonic() + 10
    while gone() is not None and time.monotonic() < deadline:
        gc.collect()
    files = [pagebuf.BytesIO(pool=pool) for _ in range(20)]
    assert [gc.is_finalized(file) for file in files] == [False] * 20
