"""Who uses the memory: a table for each pool, with a row for each buffer."""

from __future__ import annotations

import sys

from pagebuf._checks import size_of
from pagebuf._core import PAGE_SIZE, Pool
from pagebuf._text import name_text, size_text
from pagebuf.pool import live_pools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TextIO

    from pagebuf._core import Usage
    from pagebuf.pool import PagePool

__all__ = ["top"]

NUMBERS = ("SIZE", "RESIDENT", "SHARED", "PRIVATE", "SHARE", "NODES", "HOLES", "PINS")
HEADS = ("NAME", "KIND", *NUMBERS)
WIDTHS = (15, 12, 10, 10, 10, 10, 10, 6, 8, 5)
FURTHER = ("LENT", "MAPPED")  # further columns, where there is anything to show
FURTHER_WIDTH = 10
LONGEST = 40  # characters of a name; longer ones are cut


def top(*pools: PagePool, file: TextIO | None = None, most: int = 20) -> None:
    """Print what each pool holds and who holds it, those that hold most first.

    SHARED are the bytes that others reach as well, PRIVATE those that would come free, but for
    pages under live views; SHARE is the proportional share, whose sum is what the pool has of
    the system.  Two more columns are there where they have anything to show: LENT where queues
    and files keep objects instead of their bytes, MAPPED where pages are memory of others: of a
    file that is mapped, of the objects that a buffer was unpickled from.  The source of a map is a
    snapshot by the name of its file.

    Args:
        pools: the pools to show; all that are alive when there are none.
        file: where to print; standard output by default.
        most: how many holders of each pool are shown.  ValueError when it is negative.

    A name of more than 40 characters is cut, and what cannot be printed is shown as ``repr``
    does.  O(pages).

    >>> from pagebuf import PageBuffer, PagePool, top
    >>> pool = PagePool(debug=0, name="mail")
    >>> inbox = PageBuffer(bytes(3 * PAGE_SIZE), pool=pool, name="inbox")
    >>> before = inbox.snapshot()
    >>> inbox.write(0, b"new")
    3
    >>> top(pool)
    pool 'mail': 16 KiB in 4 of 255 pages, no limit, most ever 16 KiB, 0 bytes free and kept
    NAME           KIND              SIZE  RESIDENT    SHARED   PRIVATE     SHARE NODES   HOLES PINS
    inbox          snapshot        12 KiB    12 KiB     8 KiB     4 KiB     8 KiB     0       0    0
    inbox          PageBuffer      12 KiB    12 KiB     8 KiB     4 KiB     8 KiB     0       0    0
    -              tables               - 136 bytes         - 136 bytes 136 bytes     -       -    -
    """
    for pool in pools:
        if not isinstance(pool, Pool):
            raise TypeError(f"top() takes pools, each a PagePool, not {type(pool).__name__}")
    most = size_of(most, "most")
    out = sys.stdout if file is None else file
    for line in table_lines(pools or live_pools(), most):
        print(line, file=out)


def table_lines(
    pools: Iterable[PagePool], most: int, names: Mapping[int, str] | None = None
) -> Iterator[str]:
    """The lines that `top` prints.  A holder without a name goes by what `names` has for its id."""
    for pool in pools:
        for line in _table(pool, most, names or {}):
            yield line.rstrip()


_OTHERS = {"detached", "elsewhere", "reserved", "quarantined", "guards", "tables"}


def _table(pool: PagePool, most: int, names: Mapping[int, str]) -> Iterator[str]:
    yield _head(pool)
    rows = pool.buffers()
    trees = [row for row in rows if row.kind not in _OTHERS]
    shown = [*trees[:most], *rows[len(trees) :]]
    lines = [HEADS, *(_cells(row, names) for row in shown)]
    for head in FURTHER:
        sizes = [getattr(row, head.lower()) for row in shown]
        if any(sizes):
            cells = [head, *(_size_cell(*pair) for pair in zip(shown, sizes, strict=True))]
            lines = [(*line, cell) for line, cell in zip(lines, cells, strict=True)]
    if rows:
        yield from _aligned(lines)
    if len(trees) > most:
        yield f"... and {len(trees) - most} more"


def _head(pool: PagePool) -> str:
    stats = pool.stats()
    limit = "no limit" if pool.limit is None else f"limit {size_text(pool.limit)}"
    name = "pool" if pool.name is None else f"pool {pool.name!r}"
    lent = f"{size_text(stats.lent)} lent, " if stats.lent else ""
    return (
        f"{name}: {size_text(stats.held * PAGE_SIZE)} in {stats.held} of {stats.total} pages, "
        f"{lent}{limit}, most ever {size_text(stats.high_water * PAGE_SIZE)}, "
        f"{size_text(stats.retained * PAGE_SIZE)} free and kept"
    )


def _size_cell(row: Usage, nbytes: int) -> str:
    return "-" if row.kind in _OTHERS else size_text(nbytes)


def _aligned(lines: list[tuple[str, ...]]) -> Iterator[str]:
    """Pad the columns: to their usual width, or more if a cell and a space need it."""
    usual = (*WIDTHS, *[FURTHER_WIDTH] * len(FURTHER))[: len(lines[0])]
    columns = zip(usual, zip(*lines, strict=True), strict=True)
    widths = [max(width, *(len(cell) + 1 for cell in cells)) for width, cells in columns]
    for line in lines:
        cells = list(zip(line, widths, strict=True))
        left = "".join(f"{cell:<{width}}" for cell, width in cells[:2])
        yield left + "".join(f"{cell:>{width}}" for cell, width in cells[2:])


def _cells(row: Usage, names: Mapping[int, str]) -> tuple[str, ...]:
    sizes = [row.size, row.resident, row.shared, row.private, row.proportional]
    cells = [size_text(nbytes) for nbytes in sizes]
    counts = [str(count) for count in (row.nodes, row.holes, row.pinned)]
    if row.kind in _OTHERS:
        cells = ["-", cells[1], "-", *cells[3:]]
        counts = ["-"] * 3
    name = names.get(id(row.buffer)) if row.name is None else row.name
    return name_text("" if name is None else name, LONGEST) or "-", row.kind, *cells, *counts
