"""Writes figures of the kept run into the documents: `python -m benchmarks.figures [--check]`.

A document says where with a pair of comments.  What stands between them is made here, from the
newest run in `benchmarks/results` (`blobs` from a file of its own there), and from nothing else:

    <!-- figures: table -->
    <!-- figures end -->

The names are those in `BLOCKS`.  The README's picture of the comparison is drawn from the same run,
that of a tree from its own first example.
"""

import argparse
import doctest
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.participants import OURS, RING
from benchmarks.report import floors_grid, grid_lines, show_bytes, show_rate, show_time
from benchmarks.results import CaseResult, Report, Row, SectionResult, from_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BLOBS = RESULTS / "blobs.json"
"""What `python -m benchmarks.blobs` has written."""
TREE = ROOT / "docs" / "assets" / "tree.png"
"""The tree of the README's first example."""
BLOCK = re.compile(r"(<!-- figures: (.+?) -->\n).*?(<!-- figures end -->)", re.DOTALL)

BESIDE = ("pagebuf", "bytearray", "io.BytesIO", "mmap, resized", RING)
"""The columns of the table in the README; the last one is the best ring or queue."""

TIMES = (
    ("append 64 B", "growth/64 B"),
    ("append 64 KiB", "growth/64 KiB"),
    ("read 64 B anywhere in 256 MiB", "read/64 B"),
    ("write 64 B anywhere in 256 MiB", "write/64 B"),
    ("put and take 64 B, first in, first out", "queue/64 B"),
    ("put and take 64 KiB", "queue/64 KiB"),
)
COPIES = "bytes(bytearray)"
RESERVED = "mmap, 4 GiB reserved"
SHOWN_SIZES = (64, 4 << 10, 64 << 10)
"""Of a case for each size, the sizes that `beside` shows."""


# ---- the run ----


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def kept_run() -> Report:
    """The newest whole run that is kept."""
    paths = [path for path in RESULTS.glob("*/*.json") if not path.stem.endswith("-more")]
    reports = [from_json(json.loads(path.read_text("utf-8"))) for path in paths]
    return max(reports, key=lambda report: str(report.about["date"]))


def _case(report: Report, name: str) -> CaseResult | None:
    cases = [case for section in report.sections for case in section.cases]
    return next((case for case in cases if case.id == name), None)


def _row(case: CaseResult, name: str) -> Row | None:
    """The row of a participant, of pagebuf, or of the fastest ring or queue."""
    if name == OURS or name == "pagebuf":
        return case.ours
    if name != RING:
        return case.row(name)
    rings = [row for row in case.rows if row.family == RING and row.timed]
    return min(rings, key=lambda row: row.median, default=None)


def _time(case: CaseResult, row: Row) -> str:
    return show_time(row.median * case.bytes_per_call)


def _held(report: Report, table: str, column: str) -> dict[str, float]:
    """A column of a table of memory, by participant."""
    for found in report.tables:
        if found.name == table:
            at = found.columns.index(column)
            cells = [(name, row[at]) for name, row in found.rows]
            return {name: cell for name, cell in cells if isinstance(cell, float | int)}
    return {}


def _after_burst(report: Report) -> dict[str, float]:
    """What each participant holds after a burst; under RING, the least of the rings."""
    case = _case(report, "burst/64 KiB")
    rows = [row for row in case.rows if row.timed] if case else []
    held = {row.name: median(row.memory["after"]) for row in rows}
    rings = [held[row.name] for row in rows if row.family == RING]
    return {**held, **({RING: min(rings)} if rings else {})}


# ---- blocks ----


def _cells(values: Iterable[tuple[float, str] | None]) -> list[str]:
    """The texts of values, the least of them bold, and a dash where there is none."""
    shown = list(values)
    least = min((value[0] for value in shown if value), default=0.0)
    return [
        "-" if value is None else f"**{value[1]}**" if value[0] == least else value[1]
        for value in shown
    ]


def _time_cells(case: CaseResult) -> list[str]:
    values: list[tuple[float, str] | None] = []
    for name in BESIDE:
        row = _row(case, name)
        text = _time(case, row) if row and row.timed else ""
        text += f" ({row.name})" if row and name == RING else ""
        values.append((row.median, text) if row and row.timed else None)
    return _cells(values)


def _memory_cells(held: dict[str, float]) -> list[str]:
    return _cells(_memory_of(held, name) for name in BESIDE)


def _memory_of(held: dict[str, float], name: str) -> tuple[float, str] | None:
    if name in held:
        return held[name], _short_bytes(held[name])
    if name.startswith("mmap") and RESERVED in held:
        return held[RESERVED], f"{_short_bytes(held[RESERVED])} (reserved)"
    return None


def _short_bytes(size: float) -> str:
    """In three digits."""
    number, unit = show_bytes(size).split()
    return f"{float(number):.3g} {unit}"


def _copy_cells(case: CaseResult) -> list[str]:
    copied = case.row(COPIES)
    rows = [case.ours, copied]
    values = [(row.median, _time(case, row)) if row and row.timed else None for row in rows]
    return [*_cells(values), "-", "-", "-"]


def table(report: Report) -> Iterator[str]:
    """What people use, side by side."""
    yield "| | pagebuf | `bytearray` | `io.BytesIO` | `mmap` | the best ring or queue |"
    yield "|---|---:|---:|---:|---:|---:|"
    for title, name in TIMES:
        if case := _case(report, name):
            yield _line([title, *_time_cells(case)])
    if case := _case(report, "snapshot/dense"):
        yield _line(["keep an earlier state of 1 GiB", *_copy_cells(case)])
    memory = (
        ("memory after a burst of 256 MiB", _after_burst(report)),
        ("memory of one byte at 1 GiB", _held(report, "hole", "held")),
        (
            "process after 4000 buffers grew, 98 % dropped",
            _held(report, "interleaved", "resident after"),
        ),
    )
    for title, held in memory:
        if held:
            yield _line([title, *_memory_cells(held)])
    yield ""
    yield f"{_about(report)}. The least of a row is bold; a dash: not measured, or no such thing."


def _about(report: Report) -> str:
    about = report.about
    return f"{about['cpu']}, CPython {about['python']}, {about['date']}, `make compare`"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def headline(report: Report) -> Iterator[str]:
    """One number for each of three promises."""
    burst, far = _after_burst(report), _held(report, "hole", "held")
    state = _case(report, "snapshot/dense")
    ours, copied = (state.ours, state.row(COPIES)) if state else (None, None)
    if burst:
        kept, ring = _short_bytes(burst["pagebuf"]), _short_bytes(burst[RING])
        yield f"- After a burst of 256 MiB it holds **{kept}**; a ring buffer holds {ring}."
    if state and ours and copied:
        took, copy = _time(state, ours), _time(state, copied)
        yield f"- A snapshot of 1 GiB takes **{took}**; a copy takes {copy}."
    if far:
        kept, whole = _short_bytes(far["pagebuf"]), _short_bytes(far["io.BytesIO"])
        yield f"- One byte at 1 GiB takes **{kept}** of memory; in `io.BytesIO` it takes {whole}."


def beside(report: Report, *names: str) -> Iterator[str]:
    """pagebuf beside one peer, or beside several that take turns, in each case that they share."""
    yield "| | pagebuf | | time of the other / pagebuf |"
    yield "|---|---:|---:|---:|"
    for section in report.sections:
        for case in _shown(section):
            ours = case.ours
            rows = [case.row(name) for name in names]
            for row in rows:
                if ours and row and ours.timed and row.timed:
                    texts = [_speed(section, case, one) for one in (ours, row)]
                    ratio = f"{row.median / ours.median:.2f}"
                    other = f"{texts[1]} (`{row.name}`)"
                    yield _line([f"{section.name}, {case.label}", texts[0], other, ratio])
    yield ""
    yield f"{_about(report)}; above 1 pagebuf is faster. [What the cases are](benchmarks.md#cases)."


def _shown(section: SectionResult) -> list[CaseResult]:
    return [case for case in section.cases if not _is_ladder(section) or case.size in SHOWN_SIZES]


def _is_ladder(section: SectionResult) -> bool:
    return len(section.cases) > 4 and any(case.size for case in section.cases)


def _speed(section: SectionResult, case: CaseResult, row: Row) -> str:
    return _time(case, row) if section.cell == "time" else show_rate(row.median)


def goals(report: Report) -> Iterator[str]:
    """Every goal, and whether it was met."""
    yield from grid_lines(floors_grid(report))


def blobs(_: Report) -> Iterator[str]:
    """pagebuf beside h5py and SQLite, which `python -m benchmarks.blobs` measures."""
    run = json.loads(BLOBS.read_text("utf-8"))
    about = run["about"]
    yield "| | pagebuf | h5py | `sqlite3` |"
    yield "|---|---:|---:|---:|"
    for title, row in run["rows"].items():
        values = [row.get(name) for name in ("Ours", "Hdf5", "Blob")]
        yield _line([title, *_cells([took and (took, show_time(took)) for took in values])])
    yield ""
    yield (
        f"{about['cpu']}, CPython {about['python']}, h5py {about['h5py']}, SQLite "
        f"{about['sqlite']}, {about['date']}, `python -m benchmarks.blobs`: processor "
        "time but where it says elapsed, the least of seven rounds. "
        "The least of a row is bold; a dash: no such thing."
    )


BLOCKS: dict[str, Callable[..., Iterator[str]]] = {
    "beside": beside,
    "blobs": blobs,
    "goals": goals,
    "headline": headline,
    "table": table,
}


# ---- documents ----


def filled(text: str, report: Report, folder: str = "") -> str:
    """A document with its blocks made anew.  `folder` leads from it to `docs`."""

    def made(found: re.Match[str]) -> str:
        name, *arguments = [part.strip() for part in found[2].split("|")]
        lines = "\n".join(BLOCKS[name](report, *arguments))
        lines = lines.replace("(benchmarks.md", f"({folder}benchmarks.md")
        return f"{found[1]}\n{lines}\n\n{found[3]}"

    return BLOCK.sub(made, text)


def _folder(path: Path) -> str:
    """The way from a document to the folder `docs`."""
    docs = ROOT / "docs"
    if path.is_relative_to(docs):
        return "../" * (len(path.relative_to(docs).parts) - 1)
    return "docs/"


def stale(report: Report) -> dict[Path, str]:
    """The documents that do not show this run, and what they should be."""
    found = {}
    for path in documents():
        text = path.read_text("utf-8")
        if (new := filled(text, report, _folder(path))) != text:
            found[path] = new
    return found


def first_example() -> dict[str, Any]:
    """The names that the first example of the README has made."""
    text = (ROOT / "README.md").read_text("utf-8")
    lines = text.partition("```python\n")[2].partition("```")[0]
    example = doctest.DocTestParser().get_doctest(lines, {}, "README.md", None, 0)
    doctest.DocTestRunner().run(example, clear_globs=False)
    return example.globs


def draw_tree() -> None:
    """Draw `buf` of that example, whose snapshot shares what has not changed since."""
    from pagebuf import picture

    names = first_example()
    picture.save(picture.tree_figure(names["buf"], "buf"), TREE)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if anything would")
    options = parser.parse_args(arguments)
    report = kept_run()
    found = stale(report)
    for path in found:
        print(f"{path.relative_to(ROOT)}: figures of {report.about['commit']}")
    if options.check:
        return bool(found)
    for path, text in found.items():
        path.write_text(text, "utf-8")
    from benchmarks import plot  # only the pictures need matplotlib

    plot.overview(report, RESULTS)
    draw_tree()
    return 0


if __name__ == "__main__":
    sys.exit(main())
