"""Measures of memory: how much participants hold, and what pagebuf adds to the payload."""

from statistics import median
from typing import Any, ClassVar

from benchmarks.cases_sparse import SPARSE_SIZES, sparse_participants
from benchmarks.fresh import run_child
from benchmarks.interleaved import KINDS
from benchmarks.memory import hole_participants, life_participants
from benchmarks.participants import Participant
from benchmarks.peers import PageBuf, growable
from benchmarks.tables import Cell, Measure
from benchmarks.workloads import KIB, MIB, repeated, size_name


class Life(Measure):
    """Memory at each stage of a buffer's life."""

    name = "life"
    title = "Memory held beyond the process itself, buffer of {store}"
    note = "drained: all but 1 MiB taken off the front; a dash: there is no such call"
    columns: ClassVar[list[str]] = [
        "peak",
        "grown",
        "drained",
        "peak then",
        "dropped",
        "after trim()",
    ]

    @property
    def items(self) -> list[Participant]:
        return life_participants()

    def row(self, item: Participant) -> tuple[str, list[Cell]]:
        return self.child_row(item, "life", total=self.scale.store)


class Hole(Measure):
    """Memory after a write of one byte far past the end."""

    name = "hole"
    title = "Memory held after one byte was written at {hole} - 1"
    columns: ClassVar[list[str]] = ["held", "peak"]

    @property
    def items(self) -> list[Participant]:
        return hole_participants()

    def row(self, item: Participant) -> tuple[str, list[Cell]]:
        return self.child_row(item, "hole", at=self.scale.hole - 1)


class SparseMemory(Measure):
    """Memory after many writes, far apart."""

    name = "sparse-memory"
    title = "Memory held after {sparse_writes} writes scattered over {sparse_reach}"
    columns: ClassVar[list[str]] = ["held", "payload"]

    @property
    def items(self) -> list[tuple[Participant, int]]:
        able = sparse_participants()
        return [(who, size) for size in SPARSE_SIZES for who in able if who.can_be_sparse()]

    def row(self, item: tuple[Participant, int]) -> tuple[str, list[Cell]]:
        who, size = item
        name, cells = self.child_row(
            who,
            "sparse_memory",
            size=size,
            count=self.scale.sparse_writes,
            reach=self.scale.sparse_reach,
        )
        return f"{name}, {size_name(size)}", cells


class Interleaved(Measure):
    """Memory after buffers grew in turn and nearly all were dropped."""

    name = "interleaved"
    title = "Memory after {interleaved} buffers grew in turn and 98 % of them were dropped"
    note = "whole processes; no trim() and no collection is asked for"
    columns: ClassVar[list[str]] = ["peak", "live payload", "resident after", "beyond before"]

    @property
    def items(self) -> list[Participant]:
        return [who for who in growable() if who.name in KINDS]

    def row(self, item: Participant) -> tuple[str, list[Cell]]:
        return self.child_row(item, "interleaved", count=self.scale.interleaved)

    def figure(self, rows: list[tuple[str, list[Cell]]]) -> float | None:
        """The resident bytes at the end, with pagebuf."""
        cells = dict(rows)["pagebuf"]
        return next((cell for cell in cells[2:3] if isinstance(cell, int | float)), None)


class Overhead(Measure):
    """Nodes, spare frames and the frame table of a dense buffer in its own pool."""

    name = "overhead"
    more = False
    title = "Frames and table bytes beyond the payload, dense buffer in a pool of its own"
    columns: ClassVar[list[str]] = ["frames beyond", "tables", "share of payload"]

    @property
    def items(self) -> list[int]:
        return sorted({16 * MIB, 64 * MIB, max(16 * MIB, self.scale.big)})

    def row(self, item: int) -> tuple[str, list[Cell]]:
        ours = PageBuf()
        buffer = ours.filled(repeated(self.data, 64 * KIB, item))
        stats = ours.pool.stats()
        if len(buffer) != item:
            raise AssertionError("the buffer is not as long as it should be")
        frames = stats.held * stats.page_size - item
        share = (frames + stats.table_bytes) / item
        return size_name(item), [frames, stats.table_bytes, f"{share:.3%}"]

    def figure(self, rows: list[tuple[str, list[Cell]]]) -> float | None:
        shares = []
        for item, (_, cells) in zip(self.items, rows, strict=True):
            frames, tables = cells[0], cells[1]
            if isinstance(frames, int | float) and isinstance(tables, int | float):
                shares.append((frames + tables) / item)
        return max(shares, default=None)


class FirstBuffer(Measure):
    """The memory of the first small buffer of a program."""

    name = "first-buffer"
    title = "Memory that a first buffer adds to a fresh process after `import pagebuf`"
    note = "median over fresh processes"
    columns: ClassVar[list[str]] = ["resident", "private"]

    @property
    def items(self) -> list[int]:
        return [100, 4 * KIB, 16 * KIB]

    def row(self, item: int) -> tuple[str, list[Cell]]:
        rounds = range(self.scale.long_rounds)
        answers = [run_child("first_buffer", self.data, size=item) for _ in rounds]
        cells: list[Any] = [median(one[key] for one in answers) for key in ("resident", "private")]
        return size_name(item), cells

    def figure(self, rows: list[tuple[str, list[Cell]]]) -> float | None:
        """The figure of the smallest buffer."""
        return max((cell for cell in rows[0][1] if isinstance(cell, int | float)), default=None)


MEASURES = (Life, Hole, SparseMemory, Interleaved, Overhead, FirstBuffer)
