"""The page size and sizes that follow from it, so that each test runs with pages of 4096, 64 and 16
bytes.  Also functions for the scripts that tests start."""

import pathlib
from typing import Any

import pagebuf

PAGE: int = pagebuf.PAGE_SIZE
FANOUT: int = pagebuf.FANOUT
MAX_LEVELS: int = pagebuf.MAX_LEVELS
ROLLUP = pathlib.Path("/proc/self/smaps_rollup")


def reach(levels: int) -> int:
    """The bytes that a tree of this many levels holds."""
    return 4 * FANOUT ** (levels - 1) * PAGE


def around(*sizes: int) -> list[int]:
    """Each size with its two neighbours, sorted, without negative ones."""
    return sorted({n for size in sizes for n in (size - 1, size, size + 1) if n >= 0})


def drawing(pool: pagebuf.PagePool) -> list[Any]:
    """The objects that have pages of the pool, the largest first."""
    return [row.buffer for row in pool.buffers() if row.buffer is not None]


def resident() -> int:
    """The resident bytes of anonymous memory of this process, on Linux.  The count of all resident
    memory would include pages of program files, which the system maps and drops at any time."""
    with ROLLUP.open("rb") as file:
        rows = (line.split() for line in file)
        return next(int(row[1]) << 10 for row in rows if row[0] == b"Anonymous:")
