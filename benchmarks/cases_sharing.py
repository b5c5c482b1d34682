"""Uses of shared pages: snapshots, first writes, rounds of snapshots, diffs, reads in threads."""

import random
from collections.abc import Callable
from threading import Thread
from typing import Any

import numpy as np

from benchmarks.cases import Cache, Case
from benchmarks.participants import GROWABLE, REFERENCE
from benchmarks.races import Entry, Race, RaceSection, Work, ours
from benchmarks.workloads import MIB, SEED, Scale, repeated
from pagebuf import PAGE_SIZE, PageBuffer, PagePool

STAMP = bytes(range(64))
SNAPSHOTS = 1_000
WRITES = 4_000
FURTHER = 4
ELSEWHERE = 64 * MIB
"""As many bytes are touched before places count as cold."""


class Shared(RaceSection):
    """A section whose cases share large buffers, made on first use."""

    def __init__(self, scale: Scale, data: bytes) -> None:
        self._cache = Cache()
        self.large = 1024 * MIB if scale.name == "full" else 16 * MIB
        self.middle = scale.store
        super().__init__(scale, data)

    def dense(self, size: int, key: str = "dense") -> PageBuffer:
        """A buffer of `size` bytes in its own pool; one for each key."""
        return self._cache.get((key, size), lambda: self._fill(PageBuffer(pool=PagePool()), size))

    def flat(self, size: int) -> bytearray:
        return self._cache.get(("flat", size), lambda: self._fill(bytearray(), size))

    def array(self, size: int) -> Any:
        return self._cache.get(("array", size), lambda: np.frombuffer(self.flat(size), "u1").copy())

    def _fill(self, store: Any, size: int) -> Any:
        for piece in repeated(self.data, MIB, size):
            store += piece
        return store

    def close(self) -> None:
        self._cache.clear()
        super().close()


def places(size: int, count: int) -> list[int]:
    """Offsets in `count` different pages, one in each."""
    rng = random.Random(SEED)
    pages = rng.sample(range(size // PAGE_SIZE), count)
    stamps = PAGE_SIZE // len(STAMP)
    return [page * PAGE_SIZE + rng.randrange(stamps) * len(STAMP) for page in pages]


class Snapshots(Shared):
    """The time to make a copy that later changes do not affect."""

    name = "snapshot"
    title = "A copy that stays as it is: time of one"

    def races(self) -> list[Case]:
        def snapshots(size: int) -> Work:
            buffer = self.dense(size)

            def work() -> int:
                for _ in range(SNAPSHOTS):
                    snap = buffer.snapshot()
                return len(snap)

            return work

        def copy() -> Work:
            flat = self.flat(self.large)
            return lambda: len(bytes(flat))

        entries = [
            Entry("bytes(bytearray)", copy, calls=1),
            ours(lambda: snapshots(self.large)),
            Entry("a snapshot of 1 MiB", lambda: snapshots(MIB), outcome=lambda _: self.large),
        ]
        return [Race(self, "dense", SNAPSHOTS, entries, long=True)]


class FirstWrites(Shared):
    """The cost of copy-on-write."""

    name = "first-write"
    title = "A write of 64 B at random: time of one"
    note = (
        "first: of its page, after a snapshot; again: to a page written since; plain: no snapshot; "
        "cold: nobody touched the places since 64 MiB of other memory were written"
    )
    named = "plain, in cache"

    def races(self) -> list[Case]:
        return [
            race
            for name, size in (("middle", self.middle), ("large", self.large))
            for race in self._pair(name, size)
        ]

    def _pair(self, name: str, size: int) -> list[Case]:
        where = places(size, min(WRITES, size // PAGE_SIZE // 2))
        # further writes to the same pages, at other offsets
        further = [at ^ (64 * i) for at in where for i in range(1, 1 + FURTHER)]

        def writes(buffer: PageBuffer, places: list[int]) -> int:
            write = buffer.write
            for at in places:
                write(at, STAMP)
            return len(buffer)

        def plain(places: list[int], *, touched: bool) -> Work:
            return self._ready(self.dense(size, "plain"), where, places, touched, writes)

        def shared(places: list[int], *, touched: bool) -> Work:
            return self._ready(self.dense(size).clone(), where, places, touched, writes)

        first = [
            Entry("plain, at cold places", lambda: plain(where, touched=False)),
            ours(lambda: shared(where, touched=False)),
            Entry("plain, in cache", lambda: plain(where, touched=True), REFERENCE),
        ]
        again = [
            Entry("plain, in cache", lambda: plain(further, touched=True)),
            ours(lambda: shared(further, touched=True)),
        ]
        return [
            Race(self, f"{name}, first", len(where), first),
            Race(self, f"{name}, again", len(further), again),
        ]

    def _ready(
        self,
        buffer: PageBuffer,
        where: list[int],
        places: list[int],
        touched: bool,
        writes: Callable[[PageBuffer, list[int]], int],
    ) -> Work:
        """The writes, after the pages were written to, or other memory was."""
        if touched:
            writes(buffer, where)
        else:
            elsewhere = self._cache.get("elsewhere", lambda: np.zeros(ELSEWHERE, "u1"))
            np.add(elsewhere, 1, out=elsewhere)
        return lambda: writes(buffer, places)


class Rounds(Shared):
    """Keep the last two states of a buffer that changes a little."""

    name = "rounds"
    more = True
    title = (
        "A round of writes to 1 % of the pages of {store}, then a copy; two are kept: time of one"
    )

    times = 4

    def races(self) -> list[Case]:
        self.where = places(self.middle, self.middle // PAGE_SIZE // 100)
        entries = [
            Entry("bytes(bytearray)", self._flat),
            ours(self._paged),
            Entry("copy into touched memory", self._touched),
        ]
        return [Race(self, "1 %", self.times, entries, long=True)]

    def _rounds(self, store: Any, write: Any, copy: Any) -> Work:
        def work() -> bytes:
            kept: list[Any] = []
            for _ in range(self.times):
                for at in self.where:
                    write(store, at)
                kept = [*kept[-1:], copy(store)]
            return bytes(kept[-1][self.where[0] : self.where[0] + 64])

        return work

    def _paged(self) -> Work:
        buffer = self.dense(self.middle).clone()
        return self._rounds(buffer, lambda b, at: b.write(at, STAMP), lambda b: b.snapshot())

    def _flat(self) -> Work:
        def write(store: bytearray, at: int) -> None:
            store[at : at + 64] = STAMP

        return self._rounds(bytearray(self.flat(self.middle)), write, bytes)

    def _touched(self) -> Work:
        stamp = np.frombuffer(STAMP, "u1")
        array = self.array(self.middle)
        spare = [np.ones_like(array), np.ones_like(array)]

        def write(array: Any, at: int) -> None:
            array[at : at + 64] = stamp

        def copy(array: Any) -> Any:
            spare.append(spare.pop(0))
            np.copyto(spare[-1], array)
            return spare[-1]

        return self._rounds(array, write, copy)


class Diffs(Shared):
    """Which bytes differ?"""

    name = "diff"
    more = True
    title = "What differs between two large buffers, 1 % of the pages changed: time of one answer"

    def races(self) -> list[Case]:
        where = places(self.large, self.large // PAGE_SIZE // 100)

        def pair() -> tuple[PageBuffer, PageBuffer]:
            old = self.dense(self.large)
            new = old.clone()
            for at in where:
                new.write(at, b"\xff" + bytes([old[at + 1] ^ 1]))
            return old, new

        def arrays() -> Work:
            old = self.array(self.large)
            new = self._cache.get("changed", old.copy)
            new[where] = 255
            for at in where:
                new[at + 1] = old[at + 1] ^ 1
            return lambda: set((np.flatnonzero(old != new) // PAGE_SIZE).tolist())

        def paged(*, exact: bool) -> Work:
            old, new = self._cache.get("pair", pair)
            return lambda: new.diff(old, exact=exact)

        def pages(ranges: list[tuple[int, int]]) -> set[int]:
            return {
                page
                for at, size in ranges
                for page in range(at // PAGE_SIZE, (at + size - 1) // PAGE_SIZE + 1)
            }

        return [
            Race(
                self,
                label,
                1,
                [
                    Entry("numpy.flatnonzero", arrays),
                    ours(lambda exact=exact: paged(exact=exact), outcome=pages),  # type: ignore[misc]
                ],
                long=True,
            )
            for label, exact in (("page-exact", False), ("byte-exact", True))
        ]


class Threads(Shared):
    """Reads of 1 MiB from one buffer, in one thread and in two."""

    name = "threads"
    more = True
    title = "Reads of 1 MiB blocks of one buffer of {store}: time of one read, all threads together"

    def races(self) -> list[Case]:
        self.blocks = self.middle // MIB
        self.reads = 4 * self.blocks
        entries = [
            Entry("one thread", lambda: self._paged(1), GROWABLE),
            ours(lambda: self._paged(2)),
            Entry("numpy.copyto, two threads", lambda: self._copies(2), GROWABLE),
            Entry("numpy.copyto, one thread", lambda: self._copies(1), REFERENCE),
        ]
        return [Race(self, "two threads", self.reads, entries)]

    def _order(self, seed: int, count: int) -> list[int]:
        rng = random.Random(seed)
        return [rng.randrange(self.blocks) * MIB for _ in range(count)]

    def _in_threads(self, count: int, read: Any) -> Work:
        shares = [(self._order(seed, self.reads // count), bytearray(MIB)) for seed in range(count)]

        def loop(share: Any) -> None:
            into = share[1]
            for at in share[0]:
                read(at, into)

        def work() -> int:
            threads = [Thread(target=loop, args=(share,)) for share in shares]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return self.reads

        return work

    def _paged(self, count: int) -> Work:
        return self._in_threads(count, self.dense(self.middle).readinto)

    def _copies(self, count: int) -> Work:
        array = self.array(self.middle)

        def read(at: int, into: bytearray) -> None:
            np.copyto(np.frombuffer(into, "u1"), array[at : at + MIB])

        return self._in_threads(count, read)


SECTIONS = (Snapshots, FirstWrites, Rounds, Diffs, Threads)
