"""Pieces that the loop makes itself: a queue whose pieces are cut as a producer cuts them, and also
taken in other sizes; growth that is read back at once."""

from collections.abc import Callable
from io import BytesIO
from textwrap import indent
from typing import Any

from benchmarks.cases import Case, Run, Section
from benchmarks.cases_fifo import MOST_BYTES, MOST_CALLS
from benchmarks.cases_queue import BytesQueueBuffer, Queue
from benchmarks.loops import Op, run, timed
from benchmarks.participants import RING, Participant
from benchmarks.races import Entry, Race, RaceSection, Work, ours
from benchmarks.rings import HandMemoryview, PicoQueue, PicoRing
from benchmarks.workloads import KIB, MIB, Scale, digest, digest_of_prefix, repeated, size_name
from pagebuf import PageBuffer, PagePool

SIZES = [(size, size) for size in (KIB, 4 * KIB, 64 * KIB, MIB)]
UNEQUAL = [(64 * KIB, 4 * KIB), (4 * KIB, 64 * KIB), (1500, 4096)]

# ---- a queue -------------------------------------------------------------------------------------

HEAD = "start, gets"


def cutting(op: Op, data: bytes, step: int, size: int, keep: Any = None) -> Op:
    """The body of `for start, gets in work`: cuts a piece, puts it, and takes `size` bytes as often
    as `gets` says."""
    result = op.result if keep is None else f"keep({op.result})"
    take = "\n".join(text for text in (result, op.after) if text)
    text = f"piece = data[start:start + step]\n{op.before}\nfor _ in gets:\n{indent(take, '    ')}"
    names = {**op.names, "data": data, "step": step, "size": size}
    return Op(names if keep is None else {**names, "keep": keep}, before=text)


class MadeCase(Case):
    """Cuts a piece of one size, puts it, and takes what is too much in pieces of another size."""

    def __init__(self, section: Section, put: int, get: int) -> None:
        super().__init__(section, put)
        self._get = get

    @property
    def label(self) -> str:
        unequal = self._get != self.size
        return super().label + (f" to {size_name(self._get)}" if unequal else "")

    @property
    def id(self) -> str:
        return f"{self.section.name}/{self.label}"

    @property
    def bytes_per_call(self) -> float:
        return self.size

    def open(self) -> None:
        most = min(self.size * MOST_CALLS, MOST_BYTES, len(self.section.data))
        room = self.scale.in_flight - self.size
        starts = range(0, most - most % self.size, self.size)
        filled = room // self.size
        held = filled * self.size
        self.before = [(start, range(0)) for start in starts[:filled]]
        self.work = []
        for start in starts[filled:]:
            held += self.size
            gets = max(0, held - room) // self._get
            held -= gets * self._get
            self.work.append((start, range(gets)))

    def close(self) -> None:
        self.before = []
        self.work = []

    def _full(self, who: Participant, keep: Any = None) -> Op:
        """The body of the loop, for a queue that holds what it holds before."""
        queue = who.queue(self.scale.in_flight + self.size + self._get, 0)
        op = cutting(queue, self.section.data, self.size, self._get, keep)
        run(HEAD, op, self.before)
        return op

    def run(self, who: Participant, shift: int, *, check: bool) -> Run:
        work = self.work[: max(1, len(self.work) >> shift)]
        ns = timed(HEAD, self._full(who), work)
        return Run(ns, len(work) * self.size, not check or self._good(who, work))

    def _good(self, who: Participant, work: list[tuple[int, range]]) -> bool:
        kept: list[Any] = []
        run(HEAD, self._full(who, kept.append), work)
        return digest(kept) == digest_of_prefix(self.section.data, sum(map(len, kept)))


class Made(Section):
    """Pieces cut in the loop."""

    name = "queue-made"
    title = "ByteQueue with {in_flight} in flight, pieces cut in the loop: time of one of them"
    note = "a to b: pieces of a are put, and b bytes taken at a time"
    family = RING
    near_one = True
    named = "urllib3's BytesQueueBuffer"

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        others = [PicoRing(), PicoQueue(), HandMemoryview(), BytesQueueBuffer()]
        self.participants = [Queue(), *others]
        pairs = [pair for pair in (*SIZES, *UNEQUAL) if max(pair) <= scale.in_flight]
        self.cases = [MadeCase(self, put, get) for put, get in pairs]


# ---- growth that is read back --------------------------------------------------------------------


class ReadBack(RaceSection):
    """Growth, and then all of it read: what was appended last may be in the cache still."""

    name = "growth-read"
    title = "Growth in pieces of 64 KiB, then all of it read in such pieces: time of one piece"
    note = "warm, as growth is"
    near_one = True
    named = "bytearray"

    def races(self) -> list[Case]:
        small = self.scale.name != "full"
        self._pool = PagePool(keep=1 << 40)
        return [self._race(size * MIB) for size in ((1, 2) if small else (8, 16, 64))]

    def _race(self, total: int) -> Case:
        pieces = repeated(self.data, 64 * KIB, total) if self.data else []

        def setup(
            make: Callable[[], Any], append: Callable[[Any, bytes], Any], read: Callable[..., bytes]
        ) -> Work:
            def work() -> int:
                store = make()
                for piece in pieces:
                    append(store, piece)
                seen = 0
                for at in range(0, total, 64 * KIB):
                    seen += read(store, at, 64 * KIB)[at & 1023]
                return seen

            return work

        def sliced(store: bytearray, at: int, size: int) -> bytes:
            return store[at : at + size]

        def sought(store: BytesIO, at: int, size: int) -> bytes:
            store.seek(at)
            return store.read(size)

        def paged() -> Work:
            return setup(lambda: PageBuffer(pool=self._pool), PageBuffer.extend, PageBuffer.read)

        entries = [
            Entry("bytearray", lambda: setup(bytearray, bytearray.extend, sliced)),
            Entry("io.BytesIO", lambda: setup(BytesIO, BytesIO.write, sought)),
            ours(paged),
        ]
        return Race(self, size_name(total), total // (64 * KIB), entries)


SECTIONS = (Made, ReadBack)
