"""A queue keeps bytes objects of 512 bytes and more instead of copying them, in every method."""

from __future__ import annotations

import io
import random
import socket
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import pagebuf
from pagebuf import ByteQueue, CapacityError, PagePool, PoolLimitError
from tests.oom import attempt, needs_testcapi, warm_pool, without_collector
from tests.support import pattern

KEPT = 512
KEEPS = pytest.mark.skipif(
    bool(pagebuf.default_pool().debug), reason="debug pools watch over copies, so they copy"
)


def some(random: random.Random, n: int) -> bytes:
    return bytes(random.choices(b"ab\n", k=n))


# ---- the object itself ----


@KEEPS
@pytest.mark.parametrize("size", [KEPT, KEPT + 1, 5000, 300_000])
def test_the_object_comes_out_again(size: int) -> None:
    data = pattern(0, size)
    before = sys.getrefcount(data)
    queue = ByteQueue()
    queue.put(data)
    assert sys.getrefcount(data) == before + 1
    assert queue.peek() is data
    assert queue.peek(size) is data
    assert queue.tobytes() is data
    (view,) = queue.views()
    assert view.obj is data
    del view
    assert queue.get(size) is data
    for take in (queue.get, lambda: queue.readexactly(size)):
        queue.write(data)
        assert take() is data
    assert sys.getrefcount(data) == before


@KEEPS
def test_what_is_too_short_or_changes_is_copied() -> None:
    class Derived(bytes):
        pass

    for data in (bytes(KEPT - 1), bytearray(KEPT), memoryview(bytes(KEPT)), Derived(KEPT)):
        queue = ByteQueue()
        queue.put(data)
        assert queue.stats().lent == 0
        assert queue.get() == data


def test_debug_pools_copy() -> None:
    queue = ByteQueue(pool=PagePool(debug=1))
    data = pattern(0, 5000)
    queue.put(data)
    assert queue.stats().lent == 0
    assert queue.get() is not data


ENDS: dict[str, Callable[[Any], Any]] = {
    "get": lambda q: q.get(),
    "get more": lambda q: q.get(10**6),
    "by pieces": lambda q: [q.get(700) for _ in range(60)],
    "consume": lambda q: q.consume(len(q)),
    "clear": lambda q: q.clear(),
    "init": lambda q: q.__init__(),
    "splice": lambda q: ByteQueue().splice_from(q),
    "two splices": lambda q: [ByteQueue().splice_from(q, 7000) for _ in range(5)],
    "send": lambda q: send_all(q),
}


def send_all(queue: ByteQueue) -> bytes:
    got = b""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        while len(queue):
            got += theirs.recv(queue.send_to(ours, 3000), socket.MSG_WAITALL)
    return got


@KEEPS
@pytest.mark.parametrize("end", ENDS)
def test_objects_are_let_go(end: str) -> None:
    data = pattern(0, 5000)
    before = sys.getrefcount(data)
    pool = PagePool()
    queue = ByteQueue(pool=pool)
    for n in range(4):
        queue.put(data)
        queue.put(b"x" * n)
    assert (queue.stats().lent, pool.stats().lent) == (20000, 20000)
    row = pool.buffers()[0]
    assert (row.buffer, row.size, row.lent) == (queue, 20006, 20000)
    del row
    queue.get(100)
    assert (len(queue), queue.stats().lent) == (19906, 20000)
    ENDS[end](queue)
    assert (len(queue), pool.stats().lent) == (0, 0)
    assert sys.getrefcount(data) == before
    pool.check()


# ---- limits ----


@KEEPS
def test_a_limit_counts_them() -> None:
    pool = PagePool(limit=64 * 1024)
    queue = ByteQueue(pool=pool)
    queue.put(bytes(40_000))
    for refused in (bytes(40_000), bytearray(40_000)):
        with pytest.raises(PoolLimitError):
            queue.put(refused)
        assert (len(queue), pool.stats().lent) == (40_000, 40_000)
        queue.check()
    queue.get(39_999)
    with pytest.raises(PoolLimitError):  # it is all still there
        queue.put(bytes(40_000))
    queue.get(1)
    assert queue.put(bytes(40_000))


@KEEPS
def test_who_keeps_most_comes_first_and_says_so() -> None:
    pool = PagePool(debug=0, name="net")
    small = pagebuf.PageBuffer(bytes(3), pool=pool)
    copied = ByteQueue(pool=pool, name="copied")
    copied.put(bytearray(5 * pagebuf.PAGE_SIZE))
    kept = ByteQueue(pool=pool, name="kept")
    before, after = io.StringIO(), io.StringIO()
    pagebuf.top(pool, file=before)
    assert "lent" not in before.getvalue().lower()
    kept.put(bytes(50 * pagebuf.PAGE_SIZE + KEPT))
    first = pool.buffers()[0]
    assert (first.name, first.lent, first.resident) == ("kept", len(kept), 0)
    pagebuf.top(pool, file=after)
    head, names, line = after.getvalue().splitlines()[:3]
    assert " lent, no limit" in head
    assert names.endswith("LENT")
    assert line.startswith("kept")
    assert line.split()[-2] != "0"
    assert small == bytes(3)


@KEEPS
def test_a_splice_in_one_pool_is_not_charged_twice() -> None:
    pool = PagePool(limit=64 * 1024)
    source, sink = ByteQueue(pool=pool), ByteQueue(pool=pool)
    source.put(bytes(60_000))
    assert sink.splice_from(source) == 60_000
    assert pool.stats().lent == 60_000
    other = ByteQueue(pool=PagePool(limit=16 * 1024))
    with pytest.raises(PoolLimitError):
        other.splice_from(sink)
    assert (len(other), len(sink)) == (0, 60_000)


# ---- in every method ----


class Pair:
    """A queue and the bytes that must be in it."""

    def __init__(self, pool: PagePool, most: int | None, overflow: str | None) -> None:
        self.queue = ByteQueue(pool=pool, max_bytes=most, overflow=overflow)
        self.model = bytearray()
        self.most, self.overflow = most, overflow

    def admits(self, n: int) -> bool:
        bound = self.most is not None and self.overflow != "drop_oldest"
        return not (bound and n and len(self.model) + n > self.most)

    def came(self, data: bytes) -> None:
        self.model += data
        if data and self.overflow == "drop_oldest" and len(self.model) > self.most:
            del self.model[: len(self.model) - self.most]

    def put(self, data: bytes) -> None:
        try:
            done = self.queue.put(data)
        except CapacityError:
            done = False
        assert done == self.admits(len(data))
        if done:
            self.came(data)

    def take(self, n: int, got: bytes | None) -> None:
        assert got == bytes(self.model[:n])
        del self.model[:n]


def until(pair: Pair, r: random.Random) -> None:
    seps = [some(r, r.choice([1, 2, 3, 8])) for _ in range(r.choice([1, 1, 3]))]
    got = pair.queue.readuntil(tuple(seps) if len(seps) > 1 else seps[0])
    ends = [pair.model.find(sep) + len(sep) for sep in seps if sep in pair.model]
    assert (got is None) == (not ends)
    if ends:
        pair.take(min(ends), got)


def look(pair: Pair, r: random.Random) -> None:
    queue, model = pair.queue, pair.model
    n = r.choice([1, 600, 6000])
    assert (queue.peek(n), queue.tail(n)) == (model[:n], model[-n:])
    views = queue.views(most=r.randrange(1, 5))
    assert model.startswith(b"".join(views))
    start = r.randrange(len(model) + 1)
    for sub in (some(r, r.choice([0, 1, 2, 5])), bytes(model[start : start + 550])):
        first, last = sorted((r.randrange(len(model) + 2), r.randrange(len(model) + 2)))
        assert queue.find(sub, first, last) == model.find(sub, first, last)
        assert queue.find(sub) == model.find(sub)


def put_back(pair: Pair, r: random.Random) -> None:
    data = some(r, r.choice([1, 10, 600]))
    if pair.queue.total_out >= len(data):
        pair.queue.unget(data)
        pair.model[:0] = data


def reserve(pair: Pair, r: random.Random) -> None:
    if pair.most is None:
        view = pair.queue.reserve(50)
        view[:] = b"z" * 50
        del view
        pair.queue.commit(30)
        pair.model += b"z" * 30


def send(pair: Pair, r: random.Random) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        n = pair.queue.send_to(ours, r.choice([10, 600, 5000, 20000]))
        pair.take(n, theirs.recv(n, socket.MSG_WAITALL) if n else b"")


def splice(pair: Pair, other: Pair, n: int) -> None:
    moved = bytes(other.model[:n])
    try:
        count = pair.queue.splice_from(other.queue, n)
    except CapacityError:
        count = 0
    assert count == (len(moved) if pair.admits(len(moved)) else 0)
    if pair.admits(len(moved)):
        del other.model[: len(moved)]
        pair.came(moved)


def step(pair: Pair, other: Pair, r: random.Random) -> None:
    n = r.choice([0, 1, 100, KEPT - 1, KEPT, 600, 5000, 12000])
    what = r.randrange(14)
    if what < 4:
        pair.put(some(r, n))
    elif what == 4:
        pair.take(n, pair.queue.get(n))
    elif what == 5 and len(pair.model) >= n:
        pair.take(n, pair.queue.readexactly(n))
    elif what == 6:
        n = min(n, len(pair.model))
        pair.queue.consume(n)
        del pair.model[:n]
    elif what == 7:
        splice(pair, other, 3 * n)
    elif what == 8 and r.random() < 0.2:
        pair.queue.clear()
        pair.model.clear()
    else:
        [until, until, look, put_back, reserve, send][what - 8](pair, r)


@pytest.mark.parametrize("overflow", [None, "raise", "drop_oldest", "drop_newest"])
@pytest.mark.parametrize("seed", range(25))
def test_beside_a_model(overflow: str | None, seed: int) -> None:
    r = random.Random(f"{overflow} {seed}")
    pool = PagePool()
    most = None if overflow is None else r.choice([100, 3000, 20000])
    pairs = [Pair(pool, most, overflow), Pair(r.choice([pool, PagePool()]), None, None)]
    kept = []
    for _ in range(80):
        r.shuffle(pairs)
        step(*pairs, r)
        kept.append((pairs[0].queue.views(), bytes(pairs[0].model)))
        for pair in pairs:
            pair.queue.check()
            assert len(pair.queue) == len(pair.model)
            assert pair.queue.tobytes() == pair.model
        mine = [pair.queue for pair in pairs if pair.queue.pool is pool]
        assert pool.stats().lent == sum(queue.stats().lent for queue in mine)
    for views, data in kept:
        assert b"".join(views) == data
    pool.check()


def test_lines_and_files() -> None:
    text = b"".join(b"%d " % n * (n % 400) + b"\n" for n in range(300))
    queue = ByteQueue()
    for at in range(0, len(text), 700):
        queue.put(text[at : at + 700])
    queue.close()
    assert list(queue.lines()) == io.BytesIO(text).readlines()


@pytest.mark.parametrize("take", ["get", "consume", "clear"])
def test_memory_for_records_goes_when_the_pieces_have_gone(take: str) -> None:
    queue, piece = ByteQueue(pool=PagePool(debug=0)), bytes(1000)
    tracemalloc.start()
    try:
        for _ in range(30_000):
            queue.put(piece)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1 if take == "clear" else 30_000):
            queue.clear() if take == "clear" else getattr(queue, take)(1000)
        assert before > 30_000 * 32
        assert tracemalloc.get_traced_memory()[0] < before / 100
    finally:
        tracemalloc.stop()
    assert len(queue) == 0


# ---- memory runs out ----

PIECE = pattern(3, 700)
OUT_OF_MEMORY: dict[str, Callable[[Any], Any]] = {
    "put": lambda q: q.put(PIECE),
    "get": lambda q: q.get(1000),
    "get all": lambda q: q.get(),
    "peek": lambda q: q.peek(1000),
    "views": lambda q: q.views(),
    "readuntil": lambda q: q.readuntil(PIECE[-9:] + b"c"),
    "consume": lambda q: q.consume(1000),
    "splice": lambda q: ByteQueue(pool=q.pool).splice_from(q, 200),
}


@needs_testcapi
@pytest.mark.parametrize("name", OUT_OF_MEMORY)
def test_memory_runs_out(name: str) -> None:
    """A call that fails has changed nothing; without memory for a record, bytes are copied."""
    with without_collector():
        for first in range(1, 25):
            for last in (first + 1, 0):
                queue = ByteQueue(pool=warm_pool())
                for _ in range(8):  # as many as there are records at first
                    queue.put(PIECE)
                    queue.put(b"c")
                before = queue.tobytes()
                if not attempt(OUT_OF_MEMORY[name], queue, first, last):
                    assert queue.tobytes() == before
                assert queue.stats().lent <= 9 * len(PIECE)
                queue.check()
                queue.pool.check()
