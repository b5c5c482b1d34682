"""Eight threads write until the pool refuses.  It never exceeds its limit, and no byte is lost."""

from __future__ import annotations

import random
import threading

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.support import assert_accounted, pattern
from tests.threads.crew import LARGE, together

THREADS = 8
LIMIT = (64 << 20 if PAGE == 4096 else 4096 * PAGE) // PAGE * PAGE


class Writer:
    """Appends pieces of several sizes to its own buffers, until the pool has refused 30 times."""

    def __init__(self, pool, number):
        self.pool, self.rng = pool, random.Random(number)
        self.bufs, self.models = [], []
        self.refusals = 0
        self.highest = 0

    def piece(self, turn):
        sizes = [PAGE // 2 + 1, 3 * PAGE, 40 * PAGE + 3, LARGE + 1 if PAGE == 4096 else 9 * PAGE]
        return pattern(turn, self.rng.choice(sizes), self.rng.randrange(99))

    def __call__(self):
        turn = 0
        while self.refusals < 30:
            turn += 1
            if not self.bufs or self.rng.random() < 0.02:
                self.bufs.append(pagebuf.PageBuffer(pool=self.pool))
                self.models.append([])
            which = self.rng.randrange(len(self.bufs))
            self.add(self.bufs[which], self.models[which], self.piece(turn))
            st = self.pool.stats()
            self.highest = max(self.highest, st.held)

    def add(self, buf, model, data):
        size = len(buf)
        try:
            buf.extend(data)
        except pagebuf.PoolLimitError:
            self.refusals += 1
            assert len(buf) == size
            if self.refusals % 3 == 0:  # room for the others
                which = self.rng.randrange(len(self.bufs))
                self.bufs[which].clear()
                self.models[which].clear()
        else:
            model.append(data)

    def verify(self):
        for buf, model in zip(self.bufs, self.models, strict=True):
            assert buf.tobytes() == b"".join(model)
            buf.check()


@pytest.mark.parametrize("level", [0, 1, "sample:7"])
def test_writers_under_one_limit(level):
    pool = pagebuf.PagePool(limit=LIMIT, debug=level)
    writers = [Writer(pool, n) for n in range(THREADS)]
    together(*writers)
    st = pool.stats()
    assert st.high_water <= LIMIT // PAGE
    assert max(writer.highest for writer in writers) <= LIMIT // PAGE
    assert st.high_water >= LIMIT // PAGE // 2
    assert (st.reserved, st.limit) == (0, LIMIT // PAGE)
    for writer in writers:
        assert writer.refusals == 30
        writer.verify()
    assert_accounted(pool)
    writers.clear()
    del writer
    assert pool.stats().held == 0


@pytest.mark.parametrize("level", [0, 1])
def test_writers_under_limits_of_their_own(level):
    """The quotas add up to more than the limit of the pool.  No pool exceeds its own limit."""
    pool = pagebuf.PagePool(limit=LIMIT, debug=level, name="all")
    quota = LIMIT // 5 // PAGE * PAGE
    pools = [pool.child(limit=quota, name=f"child {n}") for n in range(THREADS)]
    writers = [Writer(child, n) for n, child in enumerate(pools)]
    together(*writers)
    for writer, child in zip(writers, pools, strict=True):
        assert child.stats().high_water <= quota // PAGE
        assert child.stats().reserved == 0
        writer.verify()
        assert_accounted(child)
    assert pool.stats().high_water <= LIMIT // PAGE
    assert pool.stats().held == sum(child.stats().held for child in pools)
    assert_accounted(pool)
    writers.clear()
    del writer
    assert [each.stats().held for each in (pool, *pools)] == [0] * (THREADS + 1)


def test_a_quota_shared_by_threads():
    pool = pagebuf.PagePool(debug=0)
    child = pool.child(limit=LIMIT // 4 // PAGE * PAGE)
    writers = [Writer(child, n) for n in range(THREADS)]
    together(*writers)
    assert child.stats().high_water <= LIMIT // 4 // PAGE
    assert pool.stats().held == child.stats().held
    for writer in writers:
        writer.verify()
    assert_accounted(pool)


def test_one_buffer_under_a_limit():
    """All threads append to one buffer.  It holds every accepted piece, and each piece is whole."""
    pool = pagebuf.PagePool(limit=LIMIT // 8 // PAGE * PAGE)
    buf = pagebuf.PageBuffer(pool=pool)
    size = 3 * PAGE + 1
    counts = [0] * THREADS

    def work(n):
        def loop():
            data = bytes([n + 1]) * size
            while True:
                try:
                    buf.extend(data)
                except pagebuf.PoolLimitError:
                    return
                counts[n] += 1

        return loop

    together(*(work(n) for n in range(THREADS)))
    assert len(buf) == sum(counts) * size
    data = buf.tobytes()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert all(piece == piece[:1] * size for piece in pieces)
    assert [pieces.count(bytes([n + 1]) * size) for n in range(THREADS)] == counts
    assert pool.stats().high_water <= LIMIT // 8 // PAGE
    assert_accounted(pool)


def test_children_that_come_and_go():
    """Eight threads make and drop children.  Their numbers are used again, and no charge stays
    behind."""
    pool = pagebuf.PagePool(limit=LIMIT, debug=0)
    keeper = pagebuf.PageBuffer(pool=pool)
    lock = threading.Lock()

    def work(n):
        def loop():
            for turn in range(60):
                child = pool.child(limit=40 * PAGE)
                buf = pagebuf.PageBuffer(pattern(0, 8 * PAGE, n), pool=child)
                below = pagebuf.PageBuffer(pool=child.child(limit=9 * PAGE))
                below.extend(pattern(turn, 2 * PAGE))
                with lock:
                    keeper.copy_range(n * 16 * PAGE, buf, 0, 8 * PAGE)
                assert child.stats().held >= below.pool.stats().held
                assert buf.tobytes() == pattern(0, 8 * PAGE, n)

        return loop

    together(*(work(n) for n in range(THREADS)))
    for n in range(THREADS):
        assert keeper.read(n * 16 * PAGE, 8 * PAGE) == pattern(0, 8 * PAGE, n)
    assert_accounted(pool)
    keeper.clear()
    assert pool.stats().held == 0


def test_looking_while_others_write():
    """stats(), buffers() and region_of() are right while other threads write."""
    pool = pagebuf.PagePool(limit=LIMIT // 4 // PAGE * PAGE, debug=1)
    writers = [Writer(pool, n) for n in range(4)]
    done = threading.Event()

    def look():
        while not done.is_set():
            st = pool.stats()
            assert st.held <= st.limit
            rows = pool.buffers()
            assert all(row.proportional <= row.resident for row in rows)
            for row in rows[:3]:
                if row.buffer is not None and len(row.buffer):
                    steps = row.buffer.walk(0).steps
                    if steps and steps[-1].address:
                        pagebuf.region_of(steps[-1].address)

    def write():
        try:
            together(*writers)
        finally:
            done.set()

    together(look, look, write)
    for writer in writers:
        writer.verify()
    assert_accounted(pool)
