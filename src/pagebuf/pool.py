"""Pools and the regions they are made of: memory comes from here, through ``mmap``."""

from __future__ import annotations

import mmap
import sys
from typing import TYPE_CHECKING

from pagebuf._core import PAGE_SIZE, Pool, _table_bytes

if TYPE_CHECKING:
    from pagebuf._core import ByteQueue, BytesIO, PageBuffer

__all__ = ["PagePool"]


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
    >>> buf = PageBuffer(bytes(1000), pool=pool)
    >>> pool.stats().held
    1
    """

    # What a new region promises of its bytes: whether they are zeros before they are touched, and
    # after they were given back to the system.  Anonymous memory keeps the second on Linux only.
    _fresh_zero = True
    _discard_zeroes = sys.platform.startswith("linux")

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

    def buffers(self) -> list[PageBuffer | BytesIO | ByteQueue]:
        """What draws pages from this pool, the one that holds most memory first.

        Buffers, snapshots, queues and `BytesIO` objects; not those that hold no page because
        they are empty or tiny.

        >>> from pagebuf import PageBuffer
        >>> pool = PagePool()
        >>> small, large = PageBuffer(bytes(500), pool=pool), PageBuffer(bytes(10**5), pool=pool)
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
                self._add_region(payload, table, frames, self._fresh_zero, self._discard_zeroes)
                return

    def _refusal(self, needed: int) -> str:
        stats = self.stats()
        return (
            f"the system has no memory for {needed} more pages; "
            f"the pool holds {stats.held} and has {stats.free} free"
        )
