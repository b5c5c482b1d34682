"""Sizes that tests scale by, so that each of them runs on 4096-, 64- and 16-byte pages."""

from collections.abc import Iterable

import pagebuf

PAGE: int = pagebuf.PAGE_SIZE
FANOUT: int = pagebuf.FANOUT
MAX_LEVELS: int = pagebuf.MAX_LEVELS


def reach(levels: int) -> int:
    """The bytes that a tree of this many levels holds."""
    return 4 * FANOUT ** (levels - 1) * PAGE


def around(*sizes: int) -> list[int]:
    """Each size with its two neighbours, sorted, without negative ones."""
    return sorted({n for size in sizes for n in (size - 1, size, size + 1) if n >= 0})


def edges(limit: int) -> list[int]:
    """The sizes up to `limit` at which a page, a node or a level begins or ends."""
    levels: Iterable[int] = range(1, MAX_LEVELS + 1)
    nodes = (FANOUT**level * PAGE for level in levels)
    roots = map(reach, levels)
    return [n for n in around(0, PAGE, 2 * PAGE, *nodes, *roots) if n <= limit]
