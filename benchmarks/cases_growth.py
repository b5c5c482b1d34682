"""Growth: makes a buffer, and fills it piece by piece."""

from collections.abc import Iterable
from time import perf_counter_ns
from typing import Any

from benchmarks.cases import Cache, Case, Run, Section
from benchmarks.fresh import run_child
from benchmarks.loops import quiet, run
from benchmarks.participants import Participant, Store
from benchmarks.peers import (
    ByteArray,
    Memcpy,
    MemcpyOnce,
    MemFd,
    MmapHuge,
    MmapKept,
    MmapReserved,
    PageBuf,
    Spooled,
    growable,
)
from benchmarks.workloads import (
    KIB,
    MIB,
    PIECE_SIZES,
    Scale,
    cut,
    digest,
    digest_of_prefix,
    prefix,
    repeated,
)


def grow(who: Participant, work: Iterable[Any]) -> tuple[int, Store]:
    """Make a store and put all of `work` into it; return the nanoseconds and the store."""
    with quiet():
        start = perf_counter_ns()
        store, op = who.growing()
        run("piece", op, work)
        return perf_counter_ns() - start, store


class GrowthCase(Case):
    """The whole input in pieces of one size."""

    pieces: list[bytes]

    def __init__(self, section: Section, size: int) -> None:
        super().__init__(section, size)
        self._prepared = Cache()
        self._expected = Cache()

    @property
    def bytes_per_call(self) -> float:
        return sum(map(len, self.pieces)) / len(self.pieces)

    def open(self) -> None:
        self.pieces = cut(self.section.data, self.size)

    def close(self) -> None:
        self.pieces = []
        self._prepared.clear()
        self._expected.clear()

    def expected(self, pieces: list[bytes]) -> str:
        return digest_of_prefix(self.section.data, sum(map(len, pieces)))

    def run(self, who: Participant, shift: int, *, check: bool) -> Run:
        pieces = prefix(self.pieces, shift)
        work = self._prepared.get((who.name, shift), lambda: who.prepared(pieces))
        ns, store = grow(who, work)
        good = True
        if check:
            expected = self._expected.get(shift, lambda: self.expected(pieces))
            good = digest(who.contents(store)) == expected
        who.discard(store)
        return Run(ns, sum(map(len, pieces)), good)


class Growth(Section):
    """The tar, at every piece size."""

    name = "growth"
    title = "Growth: time of one piece appended, warm"
    note = "a fresh buffer each time; an earlier one of the same size was dropped before it"
    named = "bytearray"

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        self.participants = growable()
        self.cases = [GrowthCase(self, size) for size in PIECE_SIZES]


class LongGrowthCase(GrowthCase):
    """The input again and again, up to the size of the long growth."""

    @property
    def rounds(self) -> int:
        return super().rounds if self.more else self.scale.long_rounds

    def open(self) -> None:
        self.pieces = repeated(self.section.data, self.size, self.scale.big)

    def expected(self, pieces: list[bytes]) -> str:
        return digest(pieces)


class LongGrowth(Section):
    """Half a gibibyte into a warm pool."""

    name = "growth-big"
    title = "Growth to {big}, warm"
    note = "memcpy = numpy.copyto of the same pieces into memory touched before"
    named = "memcpy by piece"
    cell = "rate"
    probe = None

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        peers = [who for who in growable() if not isinstance(who, Spooled)]
        self.participants = [*peers, MmapKept(), Memcpy(), MemcpyOnce()]
        self.cases = [LongGrowthCase(self, size) for size in (64 * KIB, MIB)]
        self.cases[1].more = True


class ColdGrowthCase(LongGrowthCase):
    """The same, with each run in a fresh process."""

    timed_by_child = True

    def run(self, who: Participant, shift: int, *, check: bool) -> Run:
        answer = run_child(
            "cold_growth",
            self.section.data,
            who=who.name,
            size=self.size,
            total=self.scale.big >> shift,
            check=check,
        )
        good = True
        if check:
            pieces = prefix(self.pieces, shift)
            expected = self._expected.get(shift, lambda: self.expected(pieces))
            good = answer["digest"] == expected
        return Run(answer["ns"], answer["nbytes"], good)


class ColdGrowth(Section):
    """Half a gibibyte in a fresh process, which has no memory to reuse."""

    name = "growth-cold"
    title = "Growth to {big}, cold: the first thing a fresh process does"
    named = "mmap, reserved + huge pages"
    cell = "rate"
    probe = 3

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        self.participants = cold_participants()
        self.cases = [ColdGrowthCase(self, size) for size in (64 * KIB, MIB)]
        self.cases[1].more = True

    @property
    def budget(self) -> int:
        return self.scale.long_budget


def cold_participants() -> list[Participant]:
    """The participants that the child process knows, too."""
    return [*(who for who in growable() if not isinstance(who, Spooled)), MmapHuge()]


def cold_growth(data: bytes, who: str, size: int, total: int, *, check: bool) -> dict[str, Any]:
    """Run a cold growth; called in the child process."""
    participant = next(one for one in cold_participants() if one.name == who)
    participant.missing()  # imports the modules before the clock starts
    pieces = repeated(data, size, total)
    ns, store = grow(participant, pieces)
    answer: dict[str, Any] = {"ns": ns, "nbytes": size * len(pieces)}
    if check:
        answer["digest"] = digest(participant.contents(store))
    return answer


class SizeCase(LongGrowthCase):
    """Growth in pieces of 64 KiB to a size that is the case's."""

    @property
    def rounds(self) -> int:
        return self.scale.long_rounds

    @property
    def bytes_per_call(self) -> float:
        return self.size

    def open(self) -> None:
        self.pieces = repeated(self.section.data, 64 * KIB, self.size)


class Sizes(Section):
    """The cost of growth, and the size that is reached."""

    name = "sizes"
    title = "Growth in pieces of 64 KiB, warm: time to reach a size"
    named = "bytearray"
    axis = "size that is reached"
    probe = None
    more = True

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        self.participants = [PageBuf(), ByteArray(), MmapReserved(), MemFd()]
        most = 4096 if scale.name == "full" else 16
        sizes = (size for size in (1, 4, 16, 64, 256, 1024, 4096) if size <= most)
        self.cases = [SizeCase(self, size * MIB) for size in sizes]


SECTIONS = (Growth, LongGrowth, ColdGrowth, Sizes)
