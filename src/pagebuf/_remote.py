"""Pages that are fetched when they are touched.

The core notes what a call met absent, and the call is made again once `Pages.bring` has brought
that (ext/binding/transfer/fetch.c).  All of this runs without any lock of a buffer.

What a call has had brought is held until the call ends, or two calls could take each other's
pieces for ever.  A fetch may make calls of its own: each thread has a stack of what its calls hold.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
import weakref
from typing import TYPE_CHECKING, TypeVar

from pagebuf._checks import offset_of, size_of, size_or_all
from pagebuf._core import _MAP_NORESERVE, PAGE_SIZE, PageBuffer, PoolLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import ReadableBuffer

    from pagebuf.pool import PagePool

    _Fetch = Callable[[int, int], ReadableBuffer]

Runs = list[tuple[int, int]]
"""First page and number of pages."""

Key = tuple["Pages", int]
"""A piece of somebody's pages."""


class _Calls(threading.local):
    """Of a thread: what its calls hold, the innermost one last."""

    def __init__(self) -> None:
        self.held: list[set[Key]] = [set()]


class _Shared:
    """What all threads share; a child of fork gets another one."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.holders: dict[Key, int] = {}
        """How many calls hold a piece."""
        self.charged: dict[Key, int] = {}
        """Which thread a pool is charged for, whose piece is not there yet."""
        self.first: int | None = None
        """The thread that keeps its pieces while the limit of a pool keeps several waiting."""
        self.depth = 0
        """Which of its calls that is for: the end of that one ends it."""


PATIENCE = 30
"""So many seconds a call waits for others of which none ends."""

_shared = _Shared()
_calls = _Calls()
_living: weakref.WeakSet[Pages] = weakref.WeakSet()


def _after_fork() -> None:
    """Only this thread goes on."""
    global _shared
    _shared = _Shared()
    for held in _calls.held:
        for key in held:
            _shared.holders[key] = _shared.holders.get(key, 0) + 1
    here = threading.get_ident()
    for pages in list(_living):
        pages.coming = {piece: by for piece, by in pages.coming.items() if by == here}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _hold(key: Key) -> None:
    if key not in _calls.held[-1]:
        _calls.held[-1].add(key)
        _shared.holders[key] = _shared.holders.get(key, 0) + 1


def _let_go(held: set[Key]) -> None:
    with _shared.changed:
        for key in held:
            left = _shared.holders.pop(key, 1) - 1
            if left:
                _shared.holders[key] = left
        held.clear()
        _shared.changed.notify_all()


def _let_go_of_all() -> None:
    """The calls of this thread find absent what they held, and ask for it again."""
    for held in _calls.held:
        if held:
            _let_go(held)


def call_ends() -> bool:
    """Let go of what the call of this thread held.  Return whether no thread holds anything."""
    if _calls.held[-1]:
        _let_go(_calls.held[-1])
    if _shared.first == threading.get_ident() and len(_calls.held) <= _shared.depth:
        with _shared.changed:
            _shared.first, _shared.depth = None, 0
            _shared.changed.notify_all()
    return not _shared.holders and _shared.first is None


class Pages:
    """The pages of one source: which are in memory, and how the others get there."""

    def __init__(self, size: int, fetch: _Fetch, page_in: int) -> None:
        self.size = size
        self.fetch = fetch
        self.page_in = page_in
        length = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        if _MAP_NORESERVE:
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
            self.memory = mmap.mmap(-1, length, flags=flags)
        else:
            self.memory = mmap.mmap(-1, length)
        self.pool: PagePool
        self.frame: int
        """The number of the first page."""
        self.here: dict[int, None] = {}
        """The pieces in memory, in the order in which they came."""
        self.coming: dict[int, int] = {}
        """Which thread is fetching a piece."""

    # ---- places ----

    def _extent(self, piece: int) -> tuple[int, int]:
        offset = piece * self.page_in
        return offset, min(self.page_in, self.size - offset)

    def _pages(self, piece: int) -> tuple[int, int]:
        offset, size = self._extent(piece)
        return offset // PAGE_SIZE, -(-size // PAGE_SIZE)

    # ---- in ----

    def bring(self, runs: Runs) -> None:
        """Have these pages in memory, and hold them until the call of this thread ends.

        If the call had to let go of what it held, some are absent again, and it asks once more.
        """
        try:
            for page, count in runs:
                last = min((page + count) * PAGE_SIZE, self.size) - 1
                for piece in range(page * PAGE_SIZE // self.page_in, last // self.page_in + 1):
                    while not self._bring(piece):
                        _wait_for_the_first()
        except BaseException:
            call_ends()
            raise

    def _bring(self, piece: int) -> bool:
        """Bring a piece.  Return False if another thread was to go first: try again."""
        if not self._claim(piece):
            return True
        charged = False
        try:
            charged = self._charge(piece)
            if charged:
                self._place(piece, self._fetched(piece))
        finally:
            with _shared.changed:
                del self.coming[piece]
                _shared.charged.pop((self, piece), None)
                if charged and piece not in self.here:
                    self._uncharge(self._pages(piece)[1])
                _shared.changed.notify_all()
        return charged

    def _claim(self, piece: int) -> bool:
        """Say whether this thread is to fetch the piece.  Else it is there."""
        me = threading.get_ident()
        with _shared.changed:
            while piece not in self.here:
                by = self.coming.get(piece)
                if by is None:
                    self.coming[piece] = me
                    return True
                if by == me:
                    offset, size = self._extent(piece)
                    what = f"fetch() asks for bytes at offset {offset}"
                    raise RuntimeError(f"{what}, which it is to bring itself ({size} bytes)")
                if _shared.first not in {None, me}:
                    _let_go_of_all()
                _shared.changed.wait()
            _hold((self, piece))
            return False

    def _fetched(self, piece: int) -> memoryview:
        offset, size = self._extent(piece)
        _calls.held.append(set())
        try:
            data = memoryview(self.fetch(offset, size))
        finally:
            _let_go(_calls.held.pop())
        if data.nbytes != size:
            raise ValueError(f"fetch({offset}, {size}) returned {data.nbytes} bytes")
        return data.cast("B")

    def _place(self, piece: int, data: memoryview) -> None:
        page, count = self._pages(piece)
        offset = page * PAGE_SIZE
        with _shared.changed:
            self.memory[offset : offset + len(data)] = data
            self.here[piece] = None
            _hold((self, piece))
            self.pool._zone_here(self.frame, page, count, True, self)

    def _charge(self, piece: int) -> bool:
        """Charge the pool for a piece.  False: try again."""
        with _shared.changed:
            if not self._charge_frames(self._pages(piece)[1]):
                return False
            _shared.charged[self, piece] = threading.get_ident()
        return True

    def _charge_frames(self, frames: int) -> bool:
        """Charge the pool.  For that others go, but not what calls hold.  False: try again."""
        size = frames * PAGE_SIZE
        while (over := self.pool._zone_charge(self.frame, size, self)) is not None:
            if _drop_oldest(over, frames):
                continue
            if not _others_use(over):
                why = f"{size} bytes more in memory asked than {over!r} may have"
                raise PoolLimitError(f"{why}: all that one call needs at once must fit")
            if not _is_first():
                return False
            _wait()
        return True

    def _uncharge(self, frames: int) -> None:
        self.pool._zone_charge(self.frame, -frames * PAGE_SIZE, self)

    # ---- out ----

    def drop(self, piece: int) -> bool:
        """Let go of a piece, unless a call holds it."""
        with _shared.changed:
            if piece not in self.here or (self, piece) in _shared.holders:
                return False
            page, count = self._pages(piece)
            del self.here[piece]
            self.pool._zone_here(self.frame, page, count, False, self)
            self._discard(page * PAGE_SIZE, count * PAGE_SIZE)
            self._uncharge(count)
            return True

    def _discard(self, offset: int, size: int) -> None:
        end = min(-(-(offset + size) // mmap.PAGESIZE) * mmap.PAGESIZE, len(self.memory))
        if hasattr(mmap, "MADV_DONTNEED"):
            self.memory.madvise(mmap.MADV_DONTNEED, offset, end - offset)

    def drop_oldest(self, frames: int) -> int:
        """Let go of pieces that make up so many frames, if there are.  Return how many went."""
        gone = 0
        with _shared.changed:
            for piece in list(self.here):
                if gone >= frames:
                    break
                gone += self._pages(piece)[1] if self.drop(piece) else 0
        return gone

    def forget(self, runs: Iterable[tuple[int, int]]) -> None:
        """Let go of the pieces all of whose bytes lie in one of these ranges of the source."""
        for offset, end in runs:
            past = min(end, self.size)
            for piece in range(-(-max(0, offset) // self.page_in), -(-past // self.page_in)):
                start, size = self._extent(piece)
                if start + size <= past:
                    self.drop(piece)


def _pays(pool: PagePool | None, over: PagePool) -> bool:
    """Say whether what this pool has counts against the limit of that one."""
    while pool is not None and pool is not over:
        pool = pool._above
    return pool is not None


def _drop_oldest(over: PagePool, frames: int) -> bool:
    """Let go of pages that can be fetched again, or put into a file.  Return whether any went."""
    gone = 0
    for pages in list(_living):
        if gone < frames and _pays(pages.pool, over):
            gone += pages.drop_oldest(frames - gone)
    spill = over._spill if gone == 0 else None
    return gone > 0 or (spill is not None and spill.make_room(over, frames))


def make_room(over: PagePool, frames: int) -> bool:
    """Do what there is to do instead of refusing frames to a call.  False: nothing, refuse."""
    with _shared.changed:
        if _drop_oldest(over, frames):
            return True
        if not _others_use(over):
            return False
        if _is_first():
            _wait()
        else:
            _wait_for_the_first()
        return True


# ---- calls of several threads that do not fit together ----


def _others_use(over: PagePool) -> bool:
    """Say whether other threads' calls have pieces in memory, or charged for, in a pool."""
    me = threading.get_ident()
    charged = any(by != me and _pays(key[0].pool, over) for key, by in _shared.charged.items())
    return charged or any(
        count > sum(key in held for held in _calls.held) and _pays(key[0].pool, over)
        for key, count in _shared.holders.items()
    )


def _is_first() -> bool:
    """Say whether this thread may keep what it has, and wait for the calls of others to end.

    The others let go of theirs, also of what they were about to fetch; they begin again once the
    call of the first has ended.
    """
    me = threading.get_ident()
    if _shared.first in {None, me}:
        _shared.first = me
        _shared.depth = min(_shared.depth or len(_calls.held), len(_calls.held))
        _shared.changed.notify_all()
        return True
    _let_go_of_all()
    return False


def _wait_for_the_first() -> None:
    with _shared.changed:
        while _shared.first not in {None, threading.get_ident()}:
            _wait()


def _wait() -> None:
    """Wait until something has changed.

    Threads that wait for each other in ways of their own, as a fetch can have them do, do not wait
    without end.
    """
    if not _shared.changed.wait(PATIENCE):
        why = "more is asked than may be in memory together with what calls of other threads need"
        raise PoolLimitError(f"{why}, of which none has ended in {PATIENCE} s")


# ---- buffers ----


_Made = TypeVar("_Made", bound=PageBuffer)


def map_absent(
    cls: type[_Made], size: int, fetch: _Fetch, page_in: int, pool: PagePool | None
) -> _Made:
    """Make a frozen buffer of pages that `fetch` brings."""
    pages = Pages(size, fetch, page_in)
    length = -(-size // PAGE_SIZE) * PAGE_SIZE
    made = cls._map_absent(memoryview(pages.memory)[:length], pool, size, pages)
    pages.pool = made.pool
    pages.frame = made.walk(0).steps[-1].frame
    with _shared.changed:  # others may be going through the set
        _living.add(pages)
    return made


def _read_at(fd: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, size, offset)
    with _shared.changed:  # the position is one for all threads
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)


class _Reader:
    """Reads from a file that it keeps open."""

    def __init__(self, fd: int, first: int) -> None:
        self.fd = os.dup(fd)
        self.first = first
        weakref.finalize(self, os.close, self.fd)

    def __call__(self, offset: int, size: int) -> bytes:
        pieces, at, end = [], self.first + offset, self.first + offset + size
        while at < end:
            piece = _read_at(self.fd, end - at, at)
            if not piece:
                raise OSError(errno.EIO, f"the file was cut short: it ends at offset {at}")
            pieces.append(piece)
            at += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def reader(fd: int, first: int) -> _Fetch:
    """Return a fetch of the bytes of a file from an offset on."""
    return _Reader(fd, first)


def remote(
    cls: type[_Made],
    size: int,
    fetch: _Fetch,
    *,
    page_in: int = 65536,
    pool: PagePool | None = None,
) -> _Made:
    """Make what `PageBuffer.remote` returns."""
    size = offset_of(size, "size")
    page_in = size_of(page_in, "page_in")
    unit = max(PAGE_SIZE, mmap.PAGESIZE)
    if page_in == 0 or page_in % unit:
        raise ValueError(f"page_in must be a multiple of {unit}, not {page_in}")
    if not callable(fetch):
        raise TypeError(f"fetch must be callable, not {type(fetch).__name__}")
    if size == 0:
        return cls(pool=pool)
    made = map_absent(PageBuffer, size, fetch, page_in, pool)
    buf = cls.__new__(cls)
    PageBuffer.__init__(buf, pool=made.pool)
    buf._show_source(made)
    return buf


def _range_of(buf: PageBuffer, offset: object, size: object) -> tuple[int, int]:
    start, wanted = offset_of(offset, "offset"), size_or_all(size, "size")
    return start, len(buf) if wanted is None else min(len(buf), start + wanted)


def _runs(
    buf: PageBuffer, offset: object, size: object
) -> Iterator[tuple[int, int, Pages | None, int, bool]]:
    start, end = _range_of(buf, offset, size)
    yield from buf._fetched_runs(start, end) if start < end else ()


def prefetch(buf: PageBuffer, offset: object = 0, size: object = None) -> None:
    """Fetch what is absent of a range."""
    for _, length, pages, start, here in _runs(buf, offset, size):
        if pages is None or here:
            continue
        step = pages.page_in
        at, end = start, start + length
        while at < end:
            past = min(end, at // step * step + step)
            first = at // PAGE_SIZE
            pages.bring([(first, -(-past // PAGE_SIZE) - first)])
            call_ends()
            at = past


def present(buf: PageBuffer) -> list[tuple[int, int]]:
    """Return the ranges that can be read without a fetch."""
    out: list[tuple[int, int]] = []
    for offset, size, _, _, here in _runs(buf, 0, None):
        if here and out and sum(out[-1]) == offset:
            out[-1] = out[-1][0], out[-1][1] + size
        elif here:
            out.append((offset, size))
    return out


def forget(buf: PageBuffer, offset: object = 0, size: object = None) -> None:
    """Let go of what was fetched of a range.

    Pages of the buffer's own lie over parts of pieces, which go nevertheless.  So it is the range
    as a whole that is looked up in the source: where it would lie for each run of fetched pages.
    """
    start, end = _range_of(buf, offset, size)
    last = len(buf)
    ranges: dict[Pages, set[tuple[int, int]]] = {}
    for at, _, pages, there, here in _runs(buf, offset, size):
        if pages is not None and here:
            first = there - at + start if start else 0
            past = there - at + end if end < last else pages.size
            ranges.setdefault(pages, set()).add((first, past))
    for pages, found in ranges.items():
        pages.forget(found)
