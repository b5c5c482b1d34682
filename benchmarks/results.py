"""The results of a comparison as plain data.  JSON is made from them and from nothing else."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from statistics import median, quantiles
from typing import Any

from benchmarks.floors import FLOORS, Floor
from benchmarks.participants import OURS

Tick = Callable[[str], None]
"""A function that gets a text about the next step."""

OK = "ok"
WRONG = "WRONG"
CANNOT = "cannot"
MISSING = "missing"
FAILED = "failed"


@dataclass(slots=True)
class Row:
    """The result of one participant in one case."""

    name: str
    family: str
    state: str = OK
    reason: str = ""
    shift: int = 0
    """The participant used only the first 1/2**shift of the input."""
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
    """The ratio of the best of some peers to pagebuf, and the goal, if there is one."""

    best: str
    ratio: float
    """The ratio of the medians."""
    by_round: list[float]
    """The ratio within each round."""
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
    """The results of one case: a row for each participant."""

    id: str
    label: str
    size: int
    """The size of a piece; 0 for pieces of many sizes."""
    bytes_per_call: float
    rounds: int
    rows: list[Row]

    def row(self, name: str) -> Row | None:
        return next((row for row in self.rows if row.name == name), None)

    @property
    def ours(self) -> Row | None:
        return next((row for row in self.rows if row.family == OURS), None)

    def compare(self, floor: Floor) -> Verdict | None:
        """Compare pagebuf with the best of the peers that count for `floor`."""
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
        """A verdict for each floor of this case; without one, a verdict against `family`."""
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
    """The family of the peers that count, if no floor names others."""
    memory: dict[str, str]
    cases: list[CaseResult]
    seconds: float = 0.0
    named: str = ""
    axis: str = ""


@dataclass(slots=True)
class Table:
    """A table of figures other than times: rows of cells, `None` for an empty one."""

    name: str
    title: str
    note: str
    columns: list[str]
    rows: list[tuple[str, list[float | str | None]]]
    unit: str = "bytes"
    """How to show numbers: "bytes", "percent", or "plain"."""
    figure: float | None = None
    """The figure that a ceiling in `floors.py` limits."""
    most: float | None = None
    seconds: float = 0.0

    @property
    def met(self) -> bool | None:
        return None if self.most is None or self.figure is None else self.figure <= self.most


@dataclass(slots=True)
class Report:
    """All results of one run."""

    about: dict[str, Any]
    sections: list[SectionResult] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """As data for JSON, with medians and verdicts in addition to the raw rounds."""
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


def _known(kind: type, data: dict[str, Any]) -> dict[str, Any]:
    """The entries of `data` that are fields.  Older files have less, and all have verdicts, too."""
    return {one.name: data[one.name] for one in fields(kind) if one.name in data}


def from_json(data: dict[str, Any]) -> Report:
    """Read back what `as_json` wrote."""
    sections = []
    for section in data["sections"]:
        cases = []
        for case in section["cases"]:
            rows = [Row(**_known(Row, row)) for row in case["rows"]]
            cases.append(CaseResult(**{**_known(CaseResult, case), "rows": rows}))
        sections.append(SectionResult(**{**_known(SectionResult, section), "cases": cases}))
    tables = []
    for table in data["tables"]:
        rows = [(name, cells) for name, cells in table["rows"]]
        tables.append(Table(**{**_known(Table, table), "rows": rows}))
    return Report(**{**_known(Report, data), "sections": sections, "tables": tables})
