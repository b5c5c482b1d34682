"""One piece, asked for again and again while stores grow; and calls on long holes."""

import io
import re
import struct
from collections.abc import Callable
from typing import Any

from benchmarks.cases import Case
from benchmarks.participants import REFERENCE
from benchmarks.races import Entry, Race, RaceSection, Work, ours
from benchmarks.workloads import MIB
from pagebuf import PAGE_SIZE, BytesIO, PageBuffer, PagePool

RECORD = struct.pack("<I", 7) + bytes(1020)
WARM = 256 * MIB  # more than a race frees
WORD = re.compile(rb"(\w+) ")


def grown_in_turn(make: Callable[[], Any], size: int) -> Any:
    """One of two stores that grew in turn: of ours, the pages of the two interleave."""
    one, other = make(), make()
    while len(one) < size:
        one += b"ab cd ef " * 100
        other += bytes(900)
    return one


class Exports(RaceSection):
    """One piece of what grows."""

    name = "exports"
    title = "One piece of bytes that grow, or grew beside others: time of one request"
    note = (
        "by turns: after each record of 1 KiB in each of several stores, in a fresh pool; warm: in "
        "one that keeps what was freed before; resize, fill: in a warm pool; fresh: in a new one; "
        "first, scattered: of 128 MiB, beside one copy of as much"
    )

    def races(self) -> list[Case]:
        small = self.scale.name != "full"
        records, words, total = (250, 64 << 10, MIB) if small else (4000, MIB, 32 * MIB)
        return [
            self._by_turns(4, records),
            self._by_turns(64, records // 16),
            self._scan("finditer", words, lambda text: sum(1 for _ in self._groups(text))),
            self._scan("match at", words, self._lexed),
            self._resized(total),
            self._written(600 if small else 12_000),
            self._first(MIB if small else 128 * MIB),
        ]

    def _by_turns(self, stores: int, records: int) -> Case:
        def setup(make: Callable[[], Any]) -> Work:
            several = [make() for _ in range(stores)]

            def work() -> int:
                seen = 0
                for _ in range(records):
                    for store in several:
                        at = len(store)
                        store += RECORD
                        seen += struct.unpack_from("<I", store, at)[0]
                return seen

            return work

        def warm() -> Work:
            pool = PagePool(keep=WARM)
            setup(lambda: PageBuffer(pool=pool))()
            return setup(lambda: PageBuffer(pool=pool))

        entries = [
            Entry("bytearray", lambda: setup(bytearray)),
            ours(lambda: setup(self._maker())),
            Entry("warm", warm, REFERENCE),
        ]
        return Race(self, f"{stores} by turns", stores * records, entries)

    def _maker(self) -> Callable[[], PageBuffer]:
        pool = PagePool()
        return lambda: PageBuffer(pool=pool)

    def _groups(self, text: Any) -> Any:
        return (found.group(1) for found in WORD.finditer(text))

    def _lexed(self, text: Any) -> int:
        at = count = 0
        while found := WORD.match(text, at):
            at, count = found.end(), count + 1
        return count

    def _scan(self, label: str, size: int, scan: Callable[[Any], int]) -> Case:
        def setup(make: Callable[[], Any]) -> Work:
            text = grown_in_turn(make, size)
            return lambda: scan(text)

        entries = [Entry("bytearray", lambda: setup(bytearray)), ours(lambda: setup(self._maker()))]
        return Race(self, label, size // 3, entries, long=True)

    def _resized(self, total: int) -> Case:
        """The end of a store is made longer, and filled through a memoryview."""
        step = 2 * PAGE_SIZE

        def setup(store: Any, longer: Callable[[Any, int], None]) -> Work:
            source = io.BytesIO(bytes(step))

            def work() -> int:
                for at in range(0, total, step):
                    longer(store, at + step)
                    with memoryview(store) as view:
                        source.seek(0)
                        source.readinto(view[at:])
                return len(store)

            return work

        def warm() -> Work:
            pool = PagePool(keep=WARM)
            setup(PageBuffer(pool=pool), PageBuffer.resize)()
            return setup(PageBuffer(pool=pool), PageBuffer.resize)

        def longer(store: bytearray, size: int) -> None:
            store += bytes(size - len(store))

        entries = [
            Entry("bytearray", lambda: setup(bytearray(), longer)),
            ours(warm),
            Entry(
                "fresh", lambda: setup(PageBuffer(pool=PagePool()), PageBuffer.resize), REFERENCE
            ),
        ]
        return Race(self, "resize, fill", total // step, entries, long=True)

    def _written(self, times: int) -> Case:
        def setup(file: Any) -> Work:
            page = bytes(PAGE_SIZE)

            def work() -> int:
                for _ in range(times):
                    file.write(page)
                    with file.getbuffer() as view:
                        size = len(view)
                return size

            return work

        entries = [
            Entry("io.BytesIO", lambda: setup(io.BytesIO())),
            ours(lambda: setup(BytesIO())),
        ]
        return Race(self, "write, getbuffer", times, entries, long=True)

    def _first(self, size: int) -> Case:
        """The first piece of pages that alternate with those of another buffer."""
        page = bytes(range(256)) * (PAGE_SIZE // 256)

        def scattered() -> Work:
            one, other = (PageBuffer(pool=pool) for pool in [PagePool()] * 2)
            for _ in range(size // PAGE_SIZE):
                one.extend(page)
                other.extend(page)
            return lambda: (memoryview(one).nbytes, other.pool)[0]

        def copied() -> Work:
            source = bytearray(page * (size // PAGE_SIZE))
            return lambda: len(bytes(source))

        entries = [Entry("bytes(bytearray)", copied), ours(scattered)]
        return Race(self, "first, scattered", 1, entries, long=True)


class Holes(RaceSection):
    """Calls on a long hole with three bytes in it, beside the same on a page."""

    name = "holes"
    more = True
    title = "Three bytes in a terabyte of hole: time of one call"
    note = "the peer is the same call of pagebuf on three pages without a hole"

    def races(self) -> list[Case]:
        calls: dict[str, Callable[[PageBuffer], Any]] = {
            "find": lambda buf: buf.find(b"z") == -1,
            "count": lambda buf: buf.count(b"x"),
            "==": lambda buf: buf == buf.clone(),
            "diff": lambda buf: len(buf.diff(buf.clone())),
            "data_views": lambda buf: sum(len(view) > 0 for _, view in buf.data_views()) > 0,
            "extents": lambda buf: len(buf.extents()) > 0,
            "delta": lambda buf: buf.delta(PageBuffer(pool=buf.pool)).size == len(buf),
        }
        return [self._race(label, call) for label, call in calls.items()]

    def _race(self, label: str, call: Callable[[PageBuffer], Any]) -> Case:
        times = 20

        def setup(size: int) -> Work:
            buf = PageBuffer(pool=PagePool())
            buf.resize(size)
            for at in (5, size // 2 + 7, size - 9):
                buf.write(at, b"x")

            def work() -> Any:
                for _ in range(times):
                    result = call(buf)
                return result

            return work

        entries = [
            Entry("three pages", lambda: setup(3 * PAGE_SIZE)),
            ours(lambda: setup(1 << 40)),
        ]
        return Race(self, label, times, entries)


SECTIONS = (Exports, Holes)
