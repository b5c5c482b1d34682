"""The comparison: `python -m benchmarks.compare [--more] [--quick] [--only NAME ...] [--out DIR]`.

It runs the rows that a reader looks for; with `--more`, all others instead.  Tables that are asked
for by name have all of their rows.
"""

import argparse
import gc
import json
import sys
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import machine, plot, report, sections
from benchmarks.cases import ALL, MAIN, MORE
from benchmarks.peers import PageBuf
from benchmarks.results import OK, Report
from benchmarks.runner import run_section, steps
from benchmarks.workloads import FULL, QUICK, make_tar

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    names = [one.name for one in sections.SECTIONS] + [one.name for one in sections.MEASURES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--more", action="store_true", help="the rows that are left out else")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: a test, no figures")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"only these tables, or those whose names begin so; there are {', '.join(names)}",
    )
    parser.add_argument("--out", type=Path, help="where JSON, Markdown and plots go")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, console: Console) -> Report:
    """Run everything that the options ask for, with a progress bar."""
    scale = QUICK if options.quick else FULL
    start = monotonic()
    data = make_tar(scale.tar_limit)
    gc.freeze()
    result = Report(machine.about(scale.name, len(data)))
    part = ALL if options.only else MORE if options.more else MAIN
    chosen, measures = sections.named(options.only)
    races = [section(scale, data) for section in chosen]
    for race in races:
        race.leave(part)
    races = [race for race in races if race.cases]
    tables = [one(scale, data) for one in measures if part == ALL or one.more == (part == MORE)]
    total = sum(map(steps, races)) + sum(len(table.items) for table in tables)
    with _progress(console) as progress:
        task = progress.add_task("", total=total)

        def tick(what: str) -> None:
            progress.update(task, advance=1, description=what)

        for race in races:
            result.sections.append(run_section(race, tick))
        for table in tables:
            result.tables.append(table.run(tick))
        progress.update(task, completed=total, description="done")
    result.seconds = monotonic() - start
    return result


def _progress(console: Console) -> Progress:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    return Progress(*columns, console=console, transient=True, refresh_per_second=4)


def rounded(value: Any) -> Any:
    """Round all floats in nested data to six digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return value


def write(result: Report, options: argparse.Namespace) -> Path:
    """Write JSON, Markdown and plots; return their folder.

    A whole run goes to the results of this machine, and also draws the picture of the README.  A
    partial or quick run goes to the build folder.
    """
    whole = not options.quick and not options.only
    folder = RESULTS if whole else ROOT / "build" / "compare"
    out: Path = options.out or folder / result.about["machine"]
    out.mkdir(parents=True, exist_ok=True)
    stem = result.about["commit"] + ("-more" if options.more else "")
    text = json.dumps(rounded(result.as_json()), indent=1)
    (out / f"{stem}.json").write_text(text + "\n")
    (out / f"{stem}.md").write_text(report.markdown(result))
    plot.sections(result, out, stem)
    plot.overview(result, out if options.out or not whole else RESULTS)
    return out


def failures(result: Report) -> list[str]:
    """The cases in which pagebuf itself has no figure."""
    rows = [(case.id, case.ours) for section in result.sections for case in section.cases]
    return [f"{name}: {row.state}: {row.reason}" for name, row in rows if row and row.state != OK]


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if reason := PageBuf().missing():
        print(f"pagebuf: {reason}; build it first (make build)", file=sys.stderr)
        return 2
    console = Console()
    console = console if console.width >= 120 else Console(width=120)
    result = run(options, console)
    report.show(result, console)
    out = write(result, options)
    console.print(f"written to {out}", highlight=False)
    for failure in failures(result):
        console.print(failure, style="red", markup=False)
    return 1 if failures(result) else 0


if __name__ == "__main__":
    sys.exit(main())
