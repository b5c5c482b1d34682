"""Tables for people: on the terminal with rich, in a file as Markdown."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from benchmarks.floors import Floor
from benchmarks.participants import GROWABLE, OURS, REFERENCE, RING
from benchmarks.results import (
    CANNOT,
    FAILED,
    MISSING,
    OK,
    CaseResult,
    Report,
    Row,
    SectionResult,
    Table,
    Verdict,
)

PREFIX_MARK = "*"
PREFIX_NOTE = "* too slow for the whole input: a prefix, scaled by its bytes"
STATES = {OK: "", MISSING: "not here", CANNOT: "-", FAILED: "failed"}


@dataclass(slots=True)
class Grid:
    """A table of text, for the terminal and for Markdown."""

    title: str
    head: list[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    strong: set[int] = field(default_factory=set)
    """The numbers of the rows of pagebuf and of verdicts."""


def show_time(ns: float) -> str:
    """Nanoseconds in a readable unit."""
    for limit, scale, unit in ((1e3, 1.0, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if ns < limit:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns / 1e9:.3g} s"


def show_bytes(size: float) -> str:
    """Bytes in a readable unit."""
    for limit, scale, unit in ((1024, 1, "B"), (1 << 20, 1024, "KiB"), (1 << 30, 1 << 20, "MiB")):
        if abs(size) < limit:
            return f"{size / scale:.4g} {unit}"
    return f"{size / (1 << 30):.4g} GiB"


def show_rate(ns_per_byte: float) -> str:
    return f"{1 / ns_per_byte:.3g} GB/s"


def show_cell(section: SectionResult, case: CaseResult, row: Row | None) -> str:
    """The cell of one participant in one case."""
    if row is None:
        return ""
    if not row.timed:
        return STATES.get(row.state, row.state)
    value = row.median
    text = show_time(value * case.bytes_per_call) if section.cell == "time" else show_rate(value)
    return text + (PREFIX_MARK if row.shift else "")


def _names(section: SectionResult) -> dict[str, str]:
    """Participants and their families, in order."""
    return {row.name: row.family for case in section.cases for row in case.rows}


def _verdict_cells(section: SectionResult) -> list[str]:
    found = [case.verdicts(section.family) for case in section.cases]
    return [f"{one[0].ratio:.2f}" if one else "" for one in found]


def _any_peer_cells(section: SectionResult) -> list[str]:
    """The ratio to the best peer of any family, without references."""
    cells = []
    for case in section.cases:
        peers = [case.compare(Floor(case.id, 0.0, family=family)) for family in (GROWABLE, RING)]
        ratios = [verdict.ratio for verdict in peers if verdict is not None]
        cells.append(f"{min(ratios):.2f}" if ratios else "")
    return cells


def _named_cells(section: SectionResult) -> list[str]:
    """The ratio to the one peer that the section names, with its quartiles."""
    cells = []
    for case in section.cases:
        found = case.compare(Floor(case.id, 0.0, against=(section.named,)))
        shown = f"{found.ratio:.2f} ({found.spread[0]:.2f}-{found.spread[1]:.2f})" if found else ""
        cells.append(shown)
    return cells


def _reasons(section: SectionResult) -> Iterator[str]:
    """Each reason why a participant has no figure, once."""
    told = set()
    for case in section.cases:
        for row in case.rows:
            if row.reason and (row.name, row.reason) not in told:
                told.add((row.name, row.reason))
                yield f"{row.name}: {row.state}: {row.reason}"


def section_grid(section: SectionResult) -> Grid:
    """A table with a row for each participant, a column for each size, and pagebuf's ratio last."""
    grid = Grid(section.title, ["", *(case.label for case in section.cases)])
    for name, family in _names(section).items():
        if family == OURS:
            grid.strong.add(len(grid.rows))
        shown = f"({name})" if family == REFERENCE else name
        cells = [show_cell(section, case, case.row(name)) for case in section.cases]
        grid.rows.append([shown, *cells])
    verdicts, others = _verdict_cells(section), _any_peer_cells(section)
    grid.strong.add(len(grid.rows))
    grid.rows.append(["ratio: best peer / pagebuf", *verdicts])
    if verdicts != others:
        grid.rows.append(["ratio to any peer at all", *others])
    if section.named:
        grid.rows.append([f"ratio: {section.named} / pagebuf", *_named_cells(section)])
    grid.notes.extend(section.notes)
    if any(row.shift for case in section.cases for row in case.rows if row.timed):
        grid.notes.append(PREFIX_NOTE)
    if REFERENCE in _names(section).values():
        grid.notes.append("(in brackets): for comparison, no peer that counts")
    grid.notes.extend(_reasons(section))
    return grid


def memory_grid(section: SectionResult) -> Grid:
    """A table of the memory that the runs of a section held."""
    grid = Grid(f"{section.title}: memory", ["", *section.memory.values()])
    for case in section.cases:
        for row in case.rows:
            if row.family == OURS:
                grid.strong.add(len(grid.rows))
            held = [row.memory.get(stage) for stage in section.memory]
            if any(held):
                grid.rows.append(
                    [row.name, *(show_bytes(median(one)) if one else "-" for one in held)]
                )
    return grid


def table_grid(table: Table) -> Grid:
    """The table of a measure."""
    grid = Grid(table.title, ["", *table.columns])
    for number, (name, cells) in enumerate(table.rows):
        if name.startswith("pagebuf"):
            grid.strong.add(number)
        shown = [_show_figure(cell, table.unit) for cell in cells]
        grid.rows.append([name, *shown, *[""] * (len(table.columns) - len(shown))])
    if table.note:
        grid.notes.append(table.note)
    return grid


def _show_figure(cell: float | str | None, unit: str) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    return show_bytes(cell) if unit == "bytes" else f"{cell:,}"


def _floor_row(case: CaseResult, verdict: Verdict) -> list[str]:
    low, high = verdict.spread
    met = "" if verdict.met is None else "met" if verdict.met else "NOT MET"
    goal = "" if verdict.least is None else f"{verdict.least:g}"
    ratio = f"{verdict.ratio:.2f}"
    return [case.id, ratio, f"{low:.2f} - {high:.2f}", verdict.best, goal, met]


def floors_grid(report: Report) -> Grid:
    """A table of all goals: the figure, and whether it was met."""
    grid = Grid("Goals", ["case", "ratio", "quartiles", "best peer", "goal", ""])
    for section in report.sections:
        for case in section.cases:
            goals = [one for one in case.verdicts(section.family) if one.least is not None]
            grid.rows.extend(_floor_row(case, one) for one in goals)
    for table in report.tables:
        if table.most is not None and table.figure is not None:
            shown = (
                (show_bytes(table.figure), show_bytes(table.most))
                if table.most > 1
                else (f"{table.figure:.3%}", f"{table.most:.3%}")
            )
            met = "met" if table.met else "NOT MET"
            grid.rows.append([table.name, shown[0], "", "", f"at most {shown[1]}", met])
    grid.strong = {number for number, row in enumerate(grid.rows) if row[-1] == "NOT MET"}
    grid.notes.append("ratio = best peer's time / ours; 0.97 passes where the goal is 1")
    return grid


def head_lines(report: Report) -> list[str]:
    """The first lines of a report: what ran, where and when."""
    about = report.about
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    parts: list[SectionResult | Table] = [*report.sections, *report.tables]
    times = ", ".join(f"{part.name} {part.seconds:.1f}" for part in parts)
    size, memory = show_bytes(about["input_bytes"]), show_bytes(about["memory_bytes"])
    return [
        f"{about['cpu']}, {about['cores']} cores, {memory}; caches: {about['caches']}",
        f"{about['system']}; huge pages: {about['huge_pages']}",
        f"{about['interpreter']}, {about['libc']}",
        versions,
        f"commit {about['commit']}, {about['date']}, scale {about['scale']}, input {size}",
        f"{report.seconds:.0f} s: {times}",
    ]


def grids(report: Report) -> list[Grid]:
    """All tables, goals last."""
    found = []
    for section in report.sections:
        found.append(section_grid(section))
        if section.memory:
            found.append(memory_grid(section))
    found.extend(table_grid(table) for table in report.tables)
    goals = floors_grid(report)
    return [*found, goals] if goals.rows else found


def draw(grid: Grid, console: Console) -> None:
    """Print a table on the terminal."""
    console.print(grid.title, style="bold cyan", markup=False)
    table = RichTable(box=None)
    for number, name in enumerate(grid.head):
        table.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
    for number, row in enumerate(grid.rows):
        style = "bold" if number in grid.strong else ""
        table.add_row(*(_coloured(cell) for cell in row), style=style)
    console.print(table)
    for note in grid.notes:
        console.print(f"  {note}", style="dim", markup=False)
    console.print()


def _coloured(cell: str) -> Text:
    style = {"WRONG": "red", "NOT MET": "red", "met": "green", "failed": "red"}.get(cell, "")
    return Text(cell, style)


def show(report: Report, console: Console) -> None:
    """Print the whole report on the terminal."""
    for grid in grids(report):
        draw(grid, console)
    for line in head_lines(report):
        console.print(line, markup=False, highlight=False)


def markdown(report: Report) -> str:
    """The whole report as Markdown."""
    parts = ["\n".join(f"- {line}" for line in head_lines(report))]
    for grid in grids(report):
        lines = [f"### {grid.title}", "", *grid_lines(grid)]
        lines.extend(f"\n{note}" for note in grid.notes)
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def grid_lines(grid: Grid) -> Iterator[str]:
    """The rows of a table as Markdown, without its title and notes."""
    yield "| " + " | ".join(grid.head) + " |"
    yield "|" + "---|" + "---:|" * (len(grid.head) - 1)
    for number, row in enumerate(grid.rows):
        mark = "**" if number in grid.strong else ""
        cells = (f"{mark}{cell}{mark}" if cell else "" for cell in row)
        yield "| " + " | ".join(cells) + " |"
