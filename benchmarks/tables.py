"""The base class of measures: tables of figures other than times."""

from abc import ABC, abstractmethod
from time import monotonic
from typing import Any, ClassVar

from benchmarks.errors import Cannot, ChildError
from benchmarks.floors import CEILINGS
from benchmarks.fresh import run_child
from benchmarks.participants import Participant
from benchmarks.results import Table, Tick
from benchmarks.workloads import Scale

Cell = float | str | None


class Measure(ABC):
    """One table, with a row for each participant or for each size."""

    name: ClassVar[str]
    title: ClassVar[str]
    note: ClassVar[str] = ""
    columns: ClassVar[list[str]]
    unit: ClassVar[str] = "bytes"
    more: ClassVar[bool] = True
    """Whether only `make compare-more` runs it."""

    def __init__(self, scale: Scale, data: bytes) -> None:
        self.scale = scale
        self.data = data

    @property
    @abstractmethod
    def items(self) -> list[Any]:
        """The items that have a row: participants or sizes."""

    @abstractmethod
    def row(self, item: Any) -> tuple[str, list[Cell]]:
        """The name of an item's row, and its cells."""

    def figure(self, rows: list[tuple[str, list[Cell]]]) -> float | None:  # noqa: ARG002
        """The figure that a ceiling limits, if there is one."""
        return None

    def run(self, tick: Tick) -> Table:
        start = monotonic()
        rows = []
        for item in self.items:
            tick(self.name)
            rows.append(self.row(item))
        return Table(
            self.name,
            self.scale.fill(self.title),
            self.note,
            self.columns,
            rows,
            self.unit,
            self.figure(rows),
            next((one.most for one in CEILINGS if one.figure == self.name), None),
            monotonic() - start,
        )

    def child_row(self, who: Participant, job: str, **arguments: Any) -> tuple[str, list[Cell]]:
        """A row whose cells are the values of a job's answer, in their order."""
        if reason := who.missing():
            return who.name, [reason]
        try:
            answer = run_child(job, self.data, who=who.name, **arguments)
        except (ChildError, Cannot) as error:
            return who.name, [str(error)]
        return who.name, list(answer.values())
