"""Pools and the regions they are made of: memory comes from here, through ``mmap``."""

from __future__ import annotations

import mmap
import sys

from pagebuf._core import PAGE_SIZE, PageBuffer, Pool, _table_bytes

__all__ = ["PagePool"]

_LINUX = sys.platform.startswith("linux")


class PagePool(Pool):
    """Where buffers take their pages from, and give them back to.

    Many buffers share a pool.  It grows by regions, each as large as all before it, which the
    system commits only as they are touched.

    Args:
        limit: the most bytes that may be in use, tables included; rounded down to whole pages.
            A call that would need more raises `PoolLimitError` and changes nothing.
        name: shown in reports.

    >>> from pagebuf import PageBuffer, PagePool, PAGE_SIZE
    >>> pool = PagePool(limit=8 * PAGE_SIZE, name="parser")
    >>> buf = PageBuffer(b"abc", pool=pool)
    >>> pool.stats().held
    1
    """

    def __init__(self, limit: int | None = None, *, name: str | None = None) -> None:
        if limit is not None and limit < 0:
            raise ValueError(f"limit must not be negative, not {limit}")
        self._set_limit(-1 if limit is None else limit // PAGE_SIZE)
        self._limit = limit
        self._name = name

    @property
    def limit(self) -> int | None:
        """The most bytes that may be in use, None for no limit."""
        return self._limit

    @property
    def name(self) -> str | None:
        """What the pool is called in reports."""
        return self._name

    def __repr__(self) -> str:
        name = "" if self._name is None else f" {self._name!r}"
        stats = self.stats()
        return f"<pagebuf.PagePool{name} held={stats.held} free={stats.free} pages>"

    def buffers(self) -> list[PageBuffer]:
        """The buffers that draw from this pool, the one that holds most memory first.

        >>> pool = PagePool()
        >>> small, large = PageBuffer(b"x", pool=pool), PageBuffer(bytes(10**5), pool=pool)
        >>> pool.buffers() == [large, small]
        True
        """
        return sorted(self._bufs(), key=lambda buf: buf.stats().resident, reverse=True)

    def _new_region(self, nbytes: int) -> mmap.mmap:
        """Map ``nbytes`` of memory: private to this process, also after a fork."""
        if sys.platform == "win32":
            return mmap.mmap(-1, nbytes)
        return mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def _grow(self, needed: int) -> None:
        """Add a region of at least ``needed`` frames, by default as many as there are.

        Where the system refuses so much, try less: to hold bytes only single pages are needed.
        """
        frames = max(needed + 1, self._next_region())  # frame 0 of the first is never used
        while True:
            try:
                payload = self._new_region(frames * PAGE_SIZE)
                table = self._new_region(_table_bytes(frames))
            except (MemoryError, OSError, OverflowError) as error:
                if frames <= needed + 1:
                    raise MemoryError(self._refusal(needed)) from error
                frames = max(needed + 1, frames // 2)
            else:
                # Discarded anonymous memory reads as zeros on Linux, not everywhere.
                self._add_region(payload, table, frames, True, _LINUX)
                return

    def _refusal(self, needed: int) -> str:
        stats = self.stats()
        return (
            f"the system has no memory for {needed} more pages; "
            f"the pool holds {stats.held} and has {stats.free} free"
        )
