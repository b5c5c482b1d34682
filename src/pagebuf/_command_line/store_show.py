"""Tables, JSON and bars of ``python -m pagebuf store``."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING

from pagebuf._text import name_text, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    _Cell = str | int | bool
    _Told = Callable[[int], object]

MOST_NAME = 1000
"""Characters of a name in a table: all of those that a store can have."""


def as_json(out: TextIO, found: object) -> None:
    """Print what was found as one line of JSON."""
    print(json.dumps(found), file=out)


def table(out: TextIO, columns: Sequence[str], rows: Sequence[Sequence[_Cell]]) -> None:
    """Print rows: as a table on a terminal where rich is installed, else as text in columns."""
    texts = [[_text(cell) for cell in row] for row in rows]
    numbers = [all(type(row[i]) is int for row in rows) for i in range(len(columns))]
    if not (out.isatty() and _draw(out, columns, texts, numbers)):
        for line in _lines([list(columns), *texts], numbers):
            print(line, file=out)


def facts(out: TextIO, found: Mapping[str, _Cell]) -> None:
    """Print a name and a value a line."""
    table(out, ("WHAT", "VALUE"), [(name, _text(value)) for name, value in found.items()])


def time_text(seconds: float) -> str:
    """A moment, in the time of this place."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _text(cell: _Cell) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return number_text(cell) if isinstance(cell, int) else name_text(cell, MOST_NAME)


def _lines(rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(numbers))]
    for row in rows:
        cells = zip(row, widths, numbers, strict=True)
        yield "  ".join(f"{c:>{w}}" if n else f"{c:<{w}}" for c, w, n in cells).rstrip()


def _draw(
    out: TextIO, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]
) -> bool:
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for column, number in zip(columns, numbers, strict=True):
        drawn.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))  # no markup in names
    Console(file=out).print(drawn)
    return True


@contextlib.contextmanager
def progress(what: str, total: int | None) -> Iterator[_Told]:
    """A bar on the standard error, if that is a terminal and rich is installed.

    Gives what is to be called with each number of bytes that was done.
    """
    bar = _bar(total) if sys.stderr.isatty() else None
    if bar is None:
        yield lambda _: None
        return
    task = bar.add_task(what, total=total)
    with bar:
        yield lambda n: bar.advance(task, n)


def _bar(total: int | None):  # type: ignore[no-untyped-def]  # rich is optional
    try:
        from rich import progress as bars
        from rich.console import Console
    except ImportError:
        return None
    shown = [bars.TextColumn("{task.description}"), bars.BarColumn(), bars.DownloadColumn()]
    shown += [bars.TransferSpeedColumn()] + ([bars.TimeRemainingColumn()] if total else [])
    return bars.Progress(*shown, console=Console(file=sys.stderr), transient=True)
