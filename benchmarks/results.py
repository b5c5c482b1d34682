"""What a run of the comparison found, as plain data; JSON is made from it and from nothing else."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any

from benchmarks.floors import FLOORS, Floor
from benchmarks.participants import OURS

Tick = Callable[[str], None]
"""Called with what is about to be done."""

OK = "ok"
WRONG = "WRONG"
CANNOT = "cannot"
MISSING = "missing"
FAILED = "failed"


@dataclass(slots=True)
class Row:
    """One participant in one case."""

    name: str
    family: str
    state: str = OK
    reason: str = ""
    shift: int = 0
    """Only the first 1/2**shift of the input was used."""
    ns_per_byte: list[float] = field(default_factory=list)
    memory: dict[str, list[int]] = field(default_factory=dict)

    @property
    def timed(self) -> bool:
        return self.state == OK and bool(self.ns_per_byte)

    @property
    def median(self) -> float:
        return median(self.ns_per_byte)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Our ratio to the best of some peers, and the goal, if there is one."""

    best: str
    ratio: float
    """Of medians."""
    by_round: list[float]
    """The same within each round."""
    least: float | None = None
    line: float | None = None
    against: str = ""

    @property
    def met(self) -> bool | None:
        return None if self.line is None else self.ratio >= self.line

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of the ratio over the rounds."""
        if len(self.by_round) < 2:
            return self.ratio, self.ratio
        low, _, high = quantiles(self.by_round, n=4, method="inclusive")
        return low, high


@dataclass(slots=True)
class CaseResult:
    """One case: a row per participant."""

    id: str
    label: str
    size: int
    """Of a piece, as it was asked for; 0 for pieces of many sizes."""
    bytes_per_call: float
    rounds: int
    rows: list[Row]

    def row(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    @property
    def ours(self) -> Row | None:
        return next((row for row in self.rows if row.family == OURS), None)

    def compare(self, floor: Floor) -> Verdict | None:
        """Us against the best of the peers that count for `floor`."""
        ours = self.ours
        peers = [row for row in self.rows if row.timed and floor.counts(row.name, row.family)]
        if ours is None or not ours.timed or not peers:
            return None
        best = min(peers, key=lambda row: row.median)
        pairs = zip(best.ns_per_byte, ours.ns_per_byte, strict=True)
        return Verdict(
            best.name,
            best.median / ours.median,
            [theirs / mine for theirs, mine in pairs],
            floor.least or None,
            floor.line or None,
            ", ".join(floor.against) or floor.family,
        )

    def verdicts(self, family: str) -> list[Verdict]:
        """One per floor of this case; where there is none, the ratio to the best of `family`."""
        floors = [floor for floor in FLOORS if floor.case == self.id]
        floors = floors or [Floor(self.id, 0.0, family=family)]
        found = [self.compare(floor) for floor in floors]
        return [verdict for verdict in found if verdict is not None]


@dataclass(slots=True)
class SectionResult:
    """A table of cases."""

    name: str
    title: str
    notes: list[str]
    cell: str
    family: str
    """Of the peers that count where no floor says otherwise."""
    memory: dict[str, str]
    cases: list[CaseResult]
    seconds: float = 0.0


@dataclass(slots=True)
class Table:
    """Figures that are no times: rows of cells, `None` where there is nothing to tell."""

    name: str
    title: str
    note: str
    columns: list[str]
    rows: list[tuple[str, list[float | str | None]]]
    unit: str = "bytes"
    """How numbers are shown: "bytes", "percent", or "plain"."""
    figure: float | None = None
    """The one that a ceiling of `floors.py` holds against."""
    most: float | None = None
    seconds: float = 0.0

    @property
    def met(self) -> bool | None:
        return None if self.most is None or self.figure is None else self.figure <= self.most


@dataclass(slots=True)
class Report:
    """Everything one run found."""

    about: dict[str, Any]
    sections: list[SectionResult] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """With medians and verdicts beside the raw rounds."""
        plain = asdict(self)
        for section, shown in zip(self.sections, plain["sections"], strict=True):
            for case, case_shown in zip(section.cases, shown["cases"], strict=True):
                for row, row_shown in zip(case.rows, case_shown["rows"], strict=True):
                    row_shown["median_ns_per_byte"] = row.median if row.timed else None
                case_shown["verdicts"] = [
                    {**asdict(verdict), "spread": verdict.spread, "met": verdict.met}
                    for verdict in case.verdicts(section.family)
                ]
        for table, table_shown in zip(self.tables, plain["tables"], strict=True):
            table_shown["met"] = table.met
        return plain
