"""Pools, and the regions of memory that they map with ``mmap``."""

from __future__ import annotations

import mmap
import os
import sys
import weakref

from pagebuf._checks import size_of
from pagebuf._core import _BUILD_FLAGS, PAGE_SIZE, SAMPLE_FRAMES, Pool, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, Protocol

    from pagebuf._spill import Spill

    class _HasFileno(Protocol):
        """An open file."""

        def fileno(self) -> int: ...


__all__ = ["PagePool", "live_pools"]

KEEP: Final = 1 << 20
"""With ``keep=None``, the bytes of free pages that a pool keeps at first."""

KEEP_MOST: Final = 64 << 20
"""With ``keep=None``, the most that it keeps, after pages that it gave back were needed again."""

MOST_FRAMES: Final = 1 << 62
"""The largest limit passed to the core, which counts in 64 bits.  No pool gets so large."""

SAMPLE: Final = 5000
"""``debug="sample"`` guards one frame in this many."""

SAMPLE_MOST: Final = 1_000_000_000
"""The largest N of ``debug="sample:N"``: the core counts in 32 bits."""

MARKS: Final = 8
"""The most fractions of its limit that a pool watches: PB_MARKS of the core."""

ZEROS: Final = 1 << 30
"""The address space for the zeros that stand for holes in ``views()``."""

ZEROS_LEAST: Final = 1 << 16
"""As many are held in memory where the system maps none."""

_POOLS: weakref.WeakSet[PagePool] = weakref.WeakSet()


def live_pools() -> list[PagePool]:
    """Every pool that is alive, sorted by what it holds, the largest first.  O(frames)."""
    return sorted(_POOLS, key=lambda pool: pool.stats().held, reverse=True)


def zeros() -> memoryview:
    """Zeros that cannot be written to.  The system backs all of them with one page of its own."""
    try:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        return memoryview(mmap.mmap(-1, ZEROS, flags=flags, prot=mmap.PROT_READ))
    except (AttributeError, OSError, OverflowError, MemoryError):
        return memoryview(bytes(ZEROS_LEAST))


def _nbytes(given: object, what: str) -> int | None:
    """Check a number of bytes; None stays None."""
    return None if given is None else size_of(given, what, "an int or None")


def _checked_limit(given: object) -> int | None:
    """Check a limit, in bytes."""
    most = _nbytes(given, "limit")
    if most is not None and most < PAGE_SIZE:
        raise ValueError(
            f"limit={most} bytes is less than a page, so the pool could hold nothing: "
            f"at least {PAGE_SIZE} bytes, or None for no limit"
        )
    return most


def _frames(nbytes: int | None) -> int:
    """The number of whole pages in `nbytes`; -1 for None, which is no limit."""
    return -1 if nbytes is None else min(nbytes // PAGE_SIZE, MOST_FRAMES)


def _kept(limit: int | None, spills: bool) -> tuple[int, int]:
    """How many bytes of free pages stay, at first and at most.

    Where pages leave memory to keep within a limit, free ones may hardly exceed it.
    """
    if not spills:
        return KEEP, KEEP_MOST
    kept = KEEP if limit is None else min(KEEP, limit // 64)
    return kept, kept


def _mark(fraction: float, limit: int) -> int:
    """The number of pages in use that reaches a fraction of a limit."""
    exactly = round(fraction * _frames(limit), 6)  # as a float, 0.55 * 100 is above 55
    return max(1, -int(-exactly // 1))


def _checked_name(name: object) -> str | None:
    if name is None or isinstance(name, str):
        return name
    raise TypeError(f"name must be a str or None, not {type(name).__name__}")


def _level(debug: int | str | None) -> tuple[int, int]:
    """The debug level, and the N of ``sample:N``, else 0."""
    what, given = "debug", debug
    if given is None:
        what, given = "PAGEBUF_DEBUG", os.environ.get("PAGEBUF_DEBUG") or 0
    word = str(given)
    if word in {"0", "1", "2"}:
        return int(word), 0
    if word == "sample":
        return 0, SAMPLE
    every = word.removeprefix("sample:")
    if every != word and every.isdecimal() and 1 <= int(every) <= SAMPLE_MOST:
        return 0, int(every)
    allowed = f"0, 1, 2, 'sample' or 'sample:N' with N from 1 to {SAMPLE_MOST}"
    raise ValueError(f"{what} must be {allowed}, not {given!r}")


class PagePool(Pool):
    """Where buffers take their pages from, and give them back to.

    Many buffers share a pool.  It grows by regions, each as large as all before it, which the
    system commits only as they are touched.

    Args:
        limit: the most bytes of pages that may be in use, those of trees included; rounded down
            to whole pages.  A call that would need more raises `PoolLimitError` and changes
            nothing.
        keep: bytes of free pages that stay with the pool; what is more goes back to the system by
            itself.  None: 1 MiB at first, and as much more as is taken again after it was given
            back, up to 64 MiB.
        debug: 0, 1 or 2 (docs/debugging.md), or ``"sample"`` / ``"sample:N"`` to guard one frame in
            N.  None: what the environment variable ``PAGEBUF_DEBUG`` says, else 0.
        name: shown in reports.
        spill: where pages of buffers go when a call needs more than ``limit``, instead of a
            `PoolLimitError`.  True: an unnamed temporary file in the folder that `tempfile` uses.
            The path of a folder: such a file there.  An open file or a descriptor, for reading
            and writing: that one, whose contents are lost.  Pages come back when they are needed.

    Raises:
        TypeError: an argument is of another type.
        ValueError: limit is less than a page, keep is negative, or debug is none of these; or
            spill is no file that can be read and written anywhere.  A limit that no memory can
            reach is none.
        OSError: the file cannot be made.

    ``pool.limit`` may be set later, that of `default_pool()` too.

    >>> from pagebuf import PageBuffer, PagePool, PAGE_SIZE
    >>> pool = PagePool(limit=8 * PAGE_SIZE, name="parser")
    >>> buf = PageBuffer(bytes(1000), pool=pool)
    >>> pool.stats().held
    1
    >>> pool = PagePool(limit=64 * PAGE_SIZE, spill=True)
    >>> buf = PageBuffer(pool=pool)
    >>> for i in range(1000):
    ...     buf.extend(bytes([i % 251]) * PAGE_SIZE)
    >>> pool.stats().held <= 64, pool.stats().spilled > 900, buf[500 * PAGE_SIZE]
    (True, True, 249)
    """

    # What the core may assume about a new region.  _fresh_zero: its bytes and its table are zeros
    # before they are touched.  _discard_zeroes: its bytes are zeros again after the pool has given
    # them back to the system.  Anonymous memory does so on Linux only.
    _fresh_zero = True
    _discard_zeroes = sys.platform.startswith("linux") and not _BUILD_FLAGS["portable"]

    # Defaults for a derived class that does not call __init__.
    _limit: int | None = None
    _name: str | None = None
    _debug: int | str = 0
    _above: PagePool | None = None
    _spill: Spill | None = None

    def __init__(
        self,
        limit: int | None = None,
        *,
        keep: int | None = None,
        debug: int | str | None = None,
        name: str | None = None,
        spill: bool | int | str | os.PathLike[str] | _HasFileno | None = None,
    ) -> None:
        level, sample = _level(debug)
        most, kept = _checked_limit(limit), _nbytes(keep, "keep")
        called = _checked_name(name)
        spills = spill is not None and spill is not False
        first, last = _kept(most, spills) if kept is None else (kept, kept)
        self._set_limit(_frames(most))
        self._configure(_frames(first), _frames(last), level)
        self._describe(most, called)
        self._debug = f"sample:{sample}" if sample else level
        if sample:
            self._begin_sample(sample)
        if spills:
            from pagebuf._spill import begin

            self._spill = begin(self, spill)
        _POOLS.add(self)  # from now on others see it

    def _describe(self, limit: int | None, name: str | None) -> None:
        self._limit = limit
        self._name = name
        self._watchers: list[tuple[float, Callable[[PagePool], object]]] = []

    @property
    def limit(self) -> int | None:
        """The most bytes that may be in use, None for no limit.

        It may be set at any time.  Nothing is taken away: where more is in use already, what is
        taken from then on is refused.

        >>> pool = PagePool()
        >>> pool.limit = 8 * PAGE_SIZE
        >>> pool.stats().limit
        8
        """
        return self._limit

    @limit.setter
    def limit(self, limit: int | None) -> None:
        most = _checked_limit(limit)
        self._limit = most
        self._set_limit(_frames(most))
        if "_watchers" not in self.__dict__:
            self._watchers = []
        self._set_all_marks(anew=True)

    @property
    def name(self) -> str | None:
        """What the pool is called in reports."""
        return self._name

    @property
    def debug(self) -> int | str:
        """The debug level: 0, 1, 2 or ``"sample:N"``."""
        return self._debug

    def __repr__(self) -> str:
        name = "" if self._name is None else f" {self._name!r}"
        stats = self.stats()
        return f"<pagebuf.PagePool{name} held={stats.held} free={stats.free} pages>"

    # ---- children ----

    def child(self, limit: int | None = None, *, name: str | None = None) -> PagePool:
        """A pool that draws from this one's memory under a limit of its own.

        What it takes counts here as well, and here the limit holds as well.  Buffers of both may
        share pages; a shared page stays charged to the pool that took it, and when that pool
        is gone, to the pool above it.  O(children).

        Raises:
            TypeError: an argument is of another type.
            ValueError: the limit is less than a page, or the family has 8191 children.

        >>> pool = PagePool(limit=64 * PAGE_SIZE)
        >>> tenant = pool.child(limit=2 * PAGE_SIZE, name="tenant")
        >>> from pagebuf import PageBuffer
        >>> buf = PageBuffer(bytes(PAGE_SIZE), pool=tenant)
        >>> tenant.stats().held, pool.stats().held
        (1, 1)
        """
        most, called = _checked_limit(limit), _checked_name(name)
        child = PagePool.__new__(PagePool)
        child._set_limit(_frames(most))
        child._debug = self._debug
        child._describe(most, called)
        child._above = self
        child._join(self)  # from now on others see it
        child._spill = self._spill
        if child._spill is not None:
            child._spill.pools.add(child)
        _POOLS.add(child)
        return child

    # ---- pressure ----

    def on_pressure(self, fraction: float, callback: Callable[[PagePool], object]) -> None:
        """Have ``callback(pool)`` called whenever ``fraction`` of the limit comes into use.

        It is called after the call that crossed it, with no lock held, in the same thread, and
        again when it is crossed again; never within itself.  Where as much is in use already, it
        is first called when less was in use meanwhile and the mark is crossed again.  Its errors
        go to `sys.unraisablehook`.  A pool has up to eight different fractions, which follow its
        limit when that is set anew.  O(callbacks).

        Raises:
            TypeError: the fraction is no number, or the callback cannot be called.
            ValueError: the pool has no limit, the fraction is not above 0 and at most 1, or it is
                the ninth.

        >>> pool = PagePool(limit=10 * PAGE_SIZE)
        >>> pool.on_pressure(0.8, lambda pool: print("in use:", pool.stats().held))
        >>> from pagebuf import PageBuffer
        >>> buf = PageBuffer(bytes(7 * PAGE_SIZE), pool=pool)
        in use: 8
        """
        if not (hasattr(type(fraction), "__float__") or hasattr(type(fraction), "__index__")):
            raise TypeError(f"fraction must be a number, not {type(fraction).__name__}")
        if not callable(callback):
            raise TypeError(f"callback must be callable, not {type(callback).__name__}")
        if self._limit is None:
            raise ValueError("a pool without a limit knows no pressure")
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction must be above 0 and at most 1, not {fraction}")
        watcher = (float(fraction), callback)
        if len({watcher[0], *(other for other, _ in self._watchers)}) > MARKS:
            raise ValueError(f"a pool has at most {MARKS} different fractions")
        self._watchers.append(watcher)
        try:
            self._set_all_marks()
        except ValueError:  # another thread was quicker
            self._watchers.remove(watcher)
            raise

    def _set_all_marks(self, *, anew: bool = False) -> None:
        """Set the marks of all watchers, also of those that another thread adds meanwhile."""
        watchers: list[tuple[float, Callable[[PagePool], object]]] = []
        while anew or watchers != self._watchers:
            anew, watchers = False, list(self._watchers)
            self._set_marks(self._marks(watchers))

    def _marks(self, watchers: list[tuple[float, Callable[[PagePool], object]]]) -> tuple[int, ...]:
        limit = self._limit
        if limit is None:
            return ()
        return tuple(sorted({_mark(fraction, limit) for fraction, _ in watchers}))

    def _pressed(self, crossed: int) -> None:
        """Call the callbacks of the marks that were crossed: bit i of ``crossed`` is for mark i."""
        limit, watchers = self._limit, list(self._watchers)
        if limit is None:
            return
        marks = sorted({_mark(fraction, limit) for fraction, _ in watchers})
        reached = {mark for i, mark in enumerate(marks) if crossed >> i & 1}
        for fraction, callback in watchers:
            if _mark(fraction, limit) in reached:
                self._call_unraisable(callback)

    # ---- who holds what ----

    def buffers(self) -> list[Usage]:
        """Who holds what of this pool, the one that holds most first.

        A `Usage` for each buffer, snapshot, queue, `BytesIO` and view that has pages or keeps
        objects (of a `BytesIO`, 64 KiB that it was handed at least), those of child pools included;
        then one for what no buffer names: pages that only views still have, pages promised to
        calls, pages in quarantine, guards, the frame tables, and what buffers of other pools share
        of this one's.  The ``proportional`` bytes of all of them add up to
        what the pool holds, its tables included.  O(pages of all trees).

        In the rows of a child pool ``resident``, ``shared`` and ``private`` are what a buffer
        reaches, pages that were charged to other pools included; ``proportional`` is of what is
        charged to this pool and those below it.  ``private`` pages come free with the buffer, but
        for those under live views.  A stable view of scattered pages, or of a few bytes, is a copy
        in ordinary memory and has no row.

        >>> from pagebuf import PageBuffer
        >>> pool = PagePool()
        >>> small = PageBuffer(bytes(500), pool=pool, name="small")
        >>> large = PageBuffer(bytes(10**5), pool=pool, name="large")
        >>> [(row.name, row.resident // PAGE_SIZE) for row in pool.buffers() if row.buffer]
        [('large', 26), ('small', 1)]
        """
        trees, elsewhere, stats = self._usage()
        rows = [Usage(tree) for tree in trees]
        rows.sort(key=lambda row: row.resident + row.lent, reverse=True)
        others = {
            "detached": stats.detached * PAGE_SIZE,
            "elsewhere": elsewhere,
            "reserved": stats.reserved * PAGE_SIZE,
            "quarantined": stats.quarantined * PAGE_SIZE if self._is_root() else 0,
            "guards": stats.guards * PAGE_SIZE if self._is_root() else 0,
            "tables": stats.table_bytes if self._is_root() else 0,
        }
        rows += [
            Usage((kind, None, None, 0, nbytes, 0, nbytes, nbytes, 0, 0, 0, 0, 0))
            for kind, nbytes in others.items()
            if nbytes
        ]
        return rows

    # ---- regions ----

    def _new_region(self, nbytes: int) -> mmap.mmap:
        """Map ``nbytes`` of memory.  After a fork, parent and child each have their own copy."""
        if sys.platform == "win32":
            return mmap.mmap(-1, nbytes)
        return mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def _begin_sample(self, every: int) -> None:
        payload = self._new_region(SAMPLE_FRAMES * PAGE_SIZE)
        self._add_sample(payload, self._new_region(self._companion_bytes(0)), every)

    def _grow(self, needed: int) -> None:
        """Add a region of at least ``needed`` frames; the core proposes its size (_next_region).

        If the system refuses it, try smaller ones.
        """
        frames = max(needed + 1, self._next_region())  # frame 0 of the first is never used
        while True:
            try:
                payload = self._new_region(frames * PAGE_SIZE)
                table = self._new_region(self._companion_bytes(frames))
            except (MemoryError, OSError, OverflowError) as error:
                if frames <= needed + 1:
                    raise MemoryError(self._refusal(needed)) from error
                frames = max(needed + 1, frames // 2)
            else:
                self._add_region(payload, table, frames, self._fresh_zero, self._discard_zeroes)
                return

    def _refusal(self, needed: int) -> str:
        stats = self.stats()
        in_one_run = self._short_of_run()
        pages = f"{needed} page" if needed == 1 else f"{needed} pages"
        run = " in one run" if in_one_run else ""
        what = f"{needed * PAGE_SIZE} more bytes{run} ({pages})"
        name = "the pool" if self._name is None else f"the pool {self._name!r}"
        return (
            f"the system has no memory for {what}; {name} holds {stats.held} pages and has "
            f"{stats.free} free ({stats.total} in {stats.regions} regions)"
        )
