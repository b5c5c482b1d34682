"""First in, first out: with a constant amount in the queue, and with a burst."""

from typing import ClassVar

from benchmarks.cases import Case, Run, Section
from benchmarks.fresh import run_child
from benchmarks.loops import results, run, timed
from benchmarks.participants import RING, Participant
from benchmarks.rings import queues
from benchmarks.workloads import (
    KIB,
    MIB,
    MIXTURE,
    Scale,
    cut,
    digest,
    digest_of_prefix,
    prefix,
)

FIFO_SIZES = (16, 64, 256, KIB, 4 * KIB, 64 * KIB, MIXTURE)
# The most calls: enough for many rounds of a ring.  A real producer has just made each piece, so it
# is in the cache; with more pieces they would all come from main memory.
MOST_CALLS = 256 * KIB
MOST_BYTES = 16 * MIB
HEAD = "piece, size"

Work = list[tuple[bytes, int]]


class FifoCase(Case):
    """Puts each piece, then takes as many bytes, so the amount in flight stays the same.

    The amount includes the piece just put, so a ring of exactly this size is large enough.
    """

    before: Work
    work: Work

    @property
    def bytes_per_call(self) -> float:
        return sum(size for _, size in self.work) / len(self.work)

    def open(self) -> None:
        limit = min(self.size * MOST_CALLS or MOST_BYTES, MOST_BYTES)
        pieces = cut(self.section.data[:limit], self.size)
        if self.size and len(pieces[-1]) != self.size:
            pieces.pop()
        self.before, self.work = self._split(pieces)

    def _split(self, pieces: list[bytes]) -> tuple[Work, Work]:
        """The pieces that fill the queue beforehand, and the rest."""
        room = self.scale.in_flight - max(map(len, pieces))
        count = held = 0
        while held + len(pieces[count]) <= room:
            held += len(pieces[count])
            count += 1
        work = [(piece, len(piece)) for piece in pieces]
        return work[:count], work[count:]

    def close(self) -> None:
        self.before = []
        self.work = []

    def run(self, who: Participant, shift: int, *, check: bool) -> Run:
        work = prefix(self.work, shift)
        op = who.queue(self.scale.in_flight, self.size)
        run(HEAD, op.only_before(), self.before)
        ns = timed(HEAD, op, work)
        taken = sum(size for _, size in work)
        return Run(ns, taken, not check or self._good(who, work, taken))

    def _good(self, who: Participant, work: Work, taken: int) -> bool:
        op = who.queue(self.scale.in_flight, self.size)
        run(HEAD, op.only_before(), self.before)
        seen = digest(results(HEAD, op, work))
        return seen == digest_of_prefix(self.section.data, taken)


class Fifo(Section):
    """A steady amount in flight."""

    name = "fifo"
    title = "FIFO with {in_flight} in flight: time to put and take one piece"
    family = RING
    near_one = True
    named = "picoring"

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        self.participants = queues()
        self.cases = [FifoCase(self, size) for size in FIFO_SIZES]
        for case in self.cases:
            case.more = case.size in (256, MIXTURE)


class BurstCase(Case):
    """A constant amount in flight; then puts many times that amount at once, and takes it again.

    Runs in a fresh process, which has no memory to reuse.
    """

    timed_by_child = True

    def __init__(self, section: Section, size: int, keep: int | None = None) -> None:
        super().__init__(section, size)
        self._keep = keep
        self.more = keep is not None

    @property
    def id(self) -> str:
        return f"{self.section.name}/{self.label}"

    @property
    def label(self) -> str:
        return super().label if self._keep is None else f"{super().label}, keep="

    @property
    def rounds(self) -> int:
        return super().rounds if self.more else self.scale.long_rounds

    @property
    def bytes_per_call(self) -> float:
        return self.size

    def run(self, who: Participant, shift: int, *, check: bool) -> Run:  # noqa: ARG002
        answer = run_child(
            "burst",
            self.section.data,
            who=who.name,
            size=self.size,
            in_flight=self.scale.in_flight,
            times=self.scale.burst // 8 if check else self.scale.burst,
            keep=self._keep,
            check=check,
        )
        return Run(answer["ns"], answer["nbytes"], answer["good"], answer["memory"])


class Burst(Section):
    """The time that a burst takes, and the memory that the process holds after it."""

    name = "burst"
    title = "FIFO, a burst of {burst} times {in_flight}: rate, and memory held"
    note = "a ring has to be made for the burst; keep=: pagebuf's pool keeps what the burst took"
    named = "by hand, memoryview"
    cell = "rate"
    family = RING
    probe = None
    memory: ClassVar[dict[str, str]] = {
        "steady": "before",
        "peak": "peak",
        "after": "after it",
        "trimmed": "after trim()",
        "empty": "empty",
    }

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        self.participants = [who for who in queues() if who.name != "picoring queue"]
        self.cases = [BurstCase(self, 64 * KIB), BurstCase(self, 64 * KIB, keep=1 << 40)]


SECTIONS = (Fifo, Burst)
