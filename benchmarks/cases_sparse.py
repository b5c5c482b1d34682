"""Sparse writes: small pieces scattered over 4 GiB of a fresh buffer."""

from collections.abc import Sequence
from time import perf_counter_ns

from benchmarks.cases import Cache, Case, Run, Section, read_digest
from benchmarks.loops import quiet, run
from benchmarks.participants import Participant, Store
from benchmarks.peers import ByteArray, BytesIOPeer, MemFd, MmapReserved, PageBuf
from benchmarks.workloads import KIB, Scale, digest, offsets, prefix, repeated

SPARSE_SIZES = (64, 4 * KIB)
HEAD = "offset, piece"


def sparse_work(data: bytes, size: int, count: int, reach: int) -> list[tuple[int, bytes]]:
    """Offsets and pieces.  The offsets are random multiples of the size; one may occur twice."""
    places = offsets(count, size, reach, align=size)
    return list(zip(places, repeated(data, size, count * size), strict=True))


def scatter(who: Participant, reach: int, work: Sequence[tuple[int, bytes]]) -> tuple[int, Store]:
    """Make a store and do the writes; return the nanoseconds and the store."""
    with quiet():
        start = perf_counter_ns()
        store = who.sparse(reach)
        run(HEAD, who.writing(store), work)
        return perf_counter_ns() - start, store


class SparseCase(Case):
    """Writes of one size, spread over the reach."""

    work: list[tuple[int, bytes]]

    def __init__(self, section: Section, size: int) -> None:
        super().__init__(section, size)
        self._expected = Cache()

    @property
    def bytes_per_call(self) -> float:
        return self.size

    def open(self) -> None:
        scale = self.scale
        self.work = sparse_work(
            self.section.data, self.size, scale.sparse_writes, scale.sparse_reach
        )

    def close(self) -> None:
        self.work = []
        self._expected.clear()

    def run(self, who: Participant, shift: int, *, check: bool) -> Run:
        work = prefix(self.work, shift)
        ns, store = scatter(who, self.scale.sparse_reach, work)
        good = True
        if check:
            model = dict(work)
            seen = read_digest(who, store, list(model), self.size)
            good = seen == self._expected.get(shift, lambda: digest(model.values()))
        return Run(ns, len(work) * self.size, good)


def sparse_participants() -> list[Participant]:
    """The participants that can do it, and two that show why they cannot."""
    return [PageBuf(), BytesIOPeer(), ByteArray(), MmapReserved(), MemFd()]


class Sparse(Section):
    """Writes scattered over a fresh buffer."""

    name = "sparse"
    title = "Sparse writes over {sparse_reach}: time of one write into a fresh buffer"
    note = "places drawn evenly; what they cost in memory is in a table of its own"

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        self.participants = sparse_participants()
        self.cases = [SparseCase(self, size) for size in SPARSE_SIZES]


SECTIONS = (Sparse,)
