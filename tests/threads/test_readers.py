"""Small reads of one buffer by several threads, without a GIL: they part when they meet at the
lock, and whoever changes the buffer ends that (lock/readers.h)."""

from __future__ import annotations

import itertools
import os
import threading
import time
from functools import partial

import pytest

from pagebuf import PageBuffer, PagePool
from pagebuf._core import _reads_apart
from tests.threads.crew import BIG, DEADLINE, Crew, in_child
from tests.threads.race import GIL

pytestmark = pytest.mark.skipif(GIL, reason="with a GIL readers never meet at a lock")

TOGETHER = 64  # READS_TOGETHER
SMALL = 4096
HUGE = 64 * BIG  # a write of so much holds the lock for long


def part(buf: PageBuffer) -> None:
    """Have a read meet the lock of a large write, until readers are apart."""
    data, end = buf.tobytes(), time.monotonic() + DEADLINE
    reads(buf, TOGETHER)
    while not _reads_apart(buf):
        assert time.monotonic() < end, "readers never part"
        read_beside(buf, data)


def read_beside(buf: PageBuffer, data: bytes) -> None:
    """Read as long as another thread writes."""
    written = threading.Event()

    def write() -> None:
        buf.write(0, data)
        written.set()

    def read() -> None:
        while not written.is_set() and not _reads_apart(buf):
            buf.read(0, 8)

    with Crew(write, read):
        pass


def reads(buf: PageBuffer, times: int) -> None:
    for _ in range(times):
        buf.read(0, 8)


def test_readers_part_where_they_meet(pool: PagePool) -> None:
    buf = PageBuffer(os.urandom(HUGE), pool=pool)
    reads(buf, 2 * TOGETHER)
    assert not _reads_apart(buf)  # one thread never does
    part(buf)
    whole = buf.snapshot().tobytes()
    assert not _reads_apart(buf)  # a snapshot counts references: it takes the lock for itself
    part(buf)
    into = bytearray(SMALL)
    assert buf.read(3, SMALL) == whole[3 : SMALL + 3]
    assert buf.read(HUGE - 3, SMALL) == whole[-3:]  # shorter: with the lock
    part(buf)
    assert (buf.readinto(HUGE - 3, into), bytes(into[:3])) == (3, whole[-3:])
    assert _reads_apart(buf)


@pytest.mark.parametrize("change", ["write", "extend", "truncate", "snapshot", "__init__"])
def test_a_change_gathers_them_for_some_reads(pool: PagePool, change: str) -> None:
    buf = PageBuffer(bytes(HUGE), pool=pool)
    part(buf)
    arguments = {"write": (0, b"x"), "extend": (b"x",), "truncate": (HUGE - 1,)}.get(change, ())
    getattr(buf, change)(*arguments)
    assert not _reads_apart(buf)
    reads(buf, 2 * TOGETHER)
    assert not _reads_apart(buf)


def test_a_live_view_keeps_them_together(pool: PagePool) -> None:
    buf = PageBuffer(bytes(HUGE), pool=pool)
    data = bytes(HUGE)
    with buf.view(0, 8):
        for _ in range(5):
            read_beside(buf, data)
            assert not _reads_apart(buf)


def test_reads_apart_do_not_tear(pool: PagePool) -> None:
    buf = PageBuffer(bytes([1]) * HUGE, pool=pool)
    part(buf)
    stamps = itertools.cycle(bytes([i]) * SMALL * 2 for i in range(1, 250))
    apart = 0

    def read() -> None:
        nonlocal apart
        into = bytearray(SMALL)
        while go_on():
            for _ in range(200):
                data = buf.read(SMALL // 2, SMALL)
                assert len(data) in (0, SMALL)
                assert not data.strip(data[:1])
            buf.readinto(100, into)
            apart += _reads_apart(buf)

    def change() -> None:
        while go_on() and not apart:
            time.sleep(1e-3)
        while go_on():
            buf.write(0, next(stamps))
            time.sleep(1e-4)
            buf.truncate(0)
            buf.extend(next(stamps))
            buf.snapshot()

    def go_on() -> bool:
        return in_time() or (not apart and at_all())  # readers meet late on a busy machine

    crew = Crew(read, read, change)
    in_time, at_all = crew.until(1.0), crew.until(DEADLINE / 2)
    with crew:
        pass
    assert apart, "no reads went apart"
    buf.check()
    pool.check()


def test_a_buffer_that_goes_while_they_are_apart(pool: PagePool) -> None:
    for _ in range(5):
        buf = PageBuffer(bytes(HUGE), pool=pool)
        part(buf)
        crew = Crew(partial(read_and_drop, [buf]), partial(read_and_drop, [buf]))
        del buf
        with crew:  # the last of them drops it
            pass
        pool.check()
        assert pool.stats().held == 0
        assert not _reads_apart(PageBuffer(bytes(HUGE), pool=pool))  # at the same place


def read_and_drop(only: list[PageBuffer]) -> None:
    reads(only[0], 200)
    only.clear()


def test_the_pool_is_looked_at_beside_them(pool: PagePool) -> None:
    buf = PageBuffer(os.urandom(HUGE), pool=pool)
    part(buf)

    def look() -> None:
        for _ in range(100):
            pool.check()
            pool.stats()

    crew = Crew(lambda: reads(buf, 20_000), lambda: reads(buf, 20_000), look)
    with crew:
        pass


def test_fork_beside_reads_apart(pool: PagePool) -> None:
    buf = PageBuffer(bytes(HUGE), pool=pool)
    part(buf)

    def change() -> None:  # would wait for ever for a reader that is not there
        buf.write(0, b"child")
        assert buf.read(0, 5) == b"child"
        pool.check()

    def read() -> None:
        while go_on():
            buf.read(0, SMALL)

    crew = Crew(read, read)
    go_on = crew.until(10.0)
    with crew:
        for _ in range(5):
            in_child(change)
        crew.stop.set()
