"""A cache for fsspec: remote files by pages.

Importing this module makes ``cache_type="pagebuf"`` known to fsspec: for ``open`` of its file
systems, and for ``fsspec.open`` where the file system itself takes it, as that for HTTP does.
So pandas, pyarrow, h5py, zipfile and others read what they need of a remote file, and read it
once.

>>> import pagebuf.fsspec
>>> from fsspec.spec import AbstractBufferedFile
>>> class Remote(AbstractBufferedFile):
...     def _fetch_range(self, start, end):
...         print("fetch", start, end)
...         return bytes(end - start)
>>> file = Remote(None, "file", size=10**6, cache_type="pagebuf")
>>> _ = file.seek(500_000)
>>> len(file.read(10)), len(file.read(100_000))
fetch 458752 524288
fetch 524288 655360
(10, 100000)
>>> file.cache.buffer.present()
[(458752, 196608)]
>>> file.close()
"""

from __future__ import annotations

import contextlib
import math
import mmap
import operator
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

try:
    from fsspec import register_implementation  # type: ignore[import-untyped]
    from fsspec.caching import BaseCache, register_cache  # type: ignore[import-untyped]
    from fsspec.utils import tokenize  # type: ignore[import-untyped]
except ImportError as _error:
    raise ImportError("pagebuf.fsspec needs fsspec: install pagebuf[fsspec]") from _error

from pagebuf._core import PAGE_SIZE, PageBuffer, PoolLimitError
from pagebuf._store_filesystem import StoreFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable

    from pagebuf.pool import PagePool

    _Fetcher = Callable[[int, int], bytes]

__all__ = ["PageCache", "StoreFileSystem"]

PAGE_IN = 65536
UNIT = max(PAGE_SIZE, mmap.PAGESIZE)


class _Request:
    """Bytes that one call of a fetcher brings: one piece of a file, or several side by side."""

    def __init__(self, start: int, stop: int) -> None:
        self.start = start
        self.stop = stop
        self.done = threading.Event()
        self.data: memoryview | None = None
        """None once it is done: the fetch failed."""


class _Reading:
    """A read of a handle: up to where it may ask, and what it has asked for."""

    def __init__(self, handle: PageCache, fetcher: _Fetcher, stop: int) -> None:
        self.handle = handle
        self.fetcher = fetcher
        self.stop = stop
        self.requests: list[_Request] = []


class _Pages:
    """The pages of a file, for one handle or for several.

    The buffer asks for one piece at a time.  What a read needs beside that piece is fetched along
    with it, and waits in `coming` to be asked for: one request instead of many.
    """

    def __init__(self, size: int, page_in: int, pool: PagePool | None) -> None:
        self.size = size
        self.page_in = page_in
        self.lock = threading.Lock()
        self.coming: dict[int, _Request] = {}
        """By the offset of each piece."""
        self.handles: weakref.WeakSet[PageCache] = weakref.WeakSet()
        self.now = threading.local()
        me = weakref.ref(self)  # the garbage collector does not see what a buffer fetches with

        def fetch(offset: int, size: int) -> memoryview:
            pages = me()
            if pages is None:
                raise ValueError("the file is closed")
            return pages.piece(offset, size)

        made = PageBuffer.remote(size, fetch, page_in=page_in, pool=pool)
        self.buffer = made if made.source is None else made.source
        _living.add(self)

    def border(self, offset: int) -> int:
        """The end of the piece before an offset."""
        return min(self.size, -(-offset // self.page_in) * self.page_in)

    def read(self, handle: PageCache, start: int, stop: int, ahead: int) -> bytes:
        """Read for a handle, and have so many bytes behind that fetched along with it."""
        if handle.fetcher is None:
            raise ValueError("the file is closed")
        border = self.border(stop)
        last = min(self.size, border + ahead // self.page_in * self.page_in)
        reading = _Reading(handle, handle.fetcher, last)
        before = getattr(self.now, "reading", None)
        self.now.reading = reading
        try:
            data = self.buffer.read(start, stop - start)
            with contextlib.suppress(PoolLimitError):
                self._keep_what_is_behind(border, reading)
        finally:
            self.now.reading = before
            for request in reading.requests:
                self._forget(request)
        if reading.requests:
            handle.miss_count += 1
        else:
            handle.hit_count += 1
        return data

    def _keep_what_is_behind(self, border: int, reading: _Reading) -> None:
        for request in reading.requests:
            start = max(border, request.start)
            if start < request.stop:
                self.buffer.prefetch(start, request.stop - start)

    def piece(self, offset: int, size: int) -> memoryview:
        """Return a piece, for the buffer, of a request that is under way or of a new one."""
        while True:
            reading: _Reading | None = getattr(self.now, "reading", None)
            with self.lock:
                request = self.coming.get(offset)
                mine = request is None
                if request is None:
                    request = self._begin(offset, size, reading)
            if mine:
                self._ask(request, reading)
            else:
                request.done.wait()
            if request.data is not None:
                return request.data[offset - request.start :][:size]

    def _begin(self, offset: int, size: int, reading: _Reading | None) -> _Request:
        """Make a request of a piece, and of what the read needs behind it."""
        stop = offset + size
        if reading is not None and stop < reading.stop:
            past = stop
            for at, absent, _, _, here in self.buffer._fetched_runs(stop, reading.stop):
                if here:
                    break
                past = at + absent
            while stop < past and stop not in self.coming:
                stop = min(past, stop + self.page_in)
        request = _Request(offset, stop)
        self.coming.update((at, request) for at in range(offset, stop, self.page_in))
        return request

    def _ask(self, request: _Request, reading: _Reading | None) -> None:
        try:
            handle, fetcher = self._somebody(reading)
            data = memoryview(fetcher(request.start, request.stop)).cast("B")
            if len(data) != request.stop - request.start:
                asked = f"{request.start} to {request.stop}"
                raise ValueError(f"asked for the bytes {asked}, the file system sent {len(data)}")
            handle.total_requested_bytes += len(data)
            request.data = data
        finally:
            if reading is None or request.data is None:
                self._forget(request)
            else:
                reading.requests.append(request)
            request.done.set()

    def _somebody(self, reading: _Reading | None) -> tuple[PageCache, _Fetcher]:
        """Who reads; of a read of the buffer itself, anybody who has the file open."""
        if reading is not None:
            return reading.handle, reading.fetcher
        for handle in list(self.handles):
            fetcher = handle.fetcher
            if fetcher is not None:
                return handle, fetcher
        raise ValueError("the file is closed")

    def _forget(self, request: _Request) -> None:
        with self.lock:
            for at in range(request.start, request.stop, self.page_in):
                if self.coming.get(at) is request:
                    del self.coming[at]


_living: weakref.WeakSet[_Pages] = weakref.WeakSet()
_shared: weakref.WeakValueDictionary[tuple[Any, ...], _Pages] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _after_fork() -> None:
    """Only this thread goes on, so nothing is under way."""
    global _lock
    _lock = threading.Lock()
    for pages in list(_living):
        pages.lock, pages.coming = threading.Lock(), {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _rounded_up(size: int) -> int:
    return max(1, -(-size // UNIT)) * UNIT


def _most_ahead(blocksize: int, pool: PagePool | None) -> int:
    """How much may be read ahead: what came first must still be there when it is read."""
    most = blocksize
    while pool is not None:
        most = most if pool.limit is None else min(most, pool.limit // 4)
        pool = pool._above
    return most


class PageCache(BaseCache):  # type: ignore[misc]
    """What ``cache_type="pagebuf"`` stands for: the pages of a file that were read.

    A read fetches the pieces that are missing, all that are side by side in one request, and
    nothing else.  Who reads in order has as much fetched ahead as he has read so far, up to
    ``blocksize``.  Pieces stay while the file is open; under a limit of the pool those go
    that came first.

    Args:
        blocksize: of the file, ``block_size=`` of ``open``: the most that is read ahead.
        fetcher: ``fetcher(start, end)`` returns these bytes of the file.
        size: of the file.
        page_in: bytes of a piece, 64 KiB by default, or ``blocksize`` if that is less; rounded
            up to pages of the system.
        pool: whose pages these are, and whose limit bounds them; the default pool by default.
        share: handles that are open at the same time share pages if their files are equal to
            fsspec: the same details.  To know these takes some file systems a request.

    The last three are what ``cache_options`` may have:

    >>> from pagebuf import PagePool
    >>> options = {"page_in": 2**18, "pool": PagePool(limit=2**26), "share": True}

    and then ``fs.open(path, cache_type="pagebuf", cache_options=options)``.  A pickle has no pages
    and no pool.
    """

    name: ClassVar[str] = "pagebuf"

    def __init__(
        self,
        blocksize: int,
        fetcher: _Fetcher,
        size: int,
        *,
        page_in: int | None = None,
        pool: PagePool | None = None,
        share: bool = False,
    ) -> None:
        super().__init__(blocksize, fetcher, operator.index(size))
        self.page_in = _rounded_up(min(PAGE_IN, blocksize) if page_in is None else page_in)
        self.nblocks = math.ceil(self.size / self.page_in)
        self.share = share
        self._begin(pool)

    def _begin(self, pool: PagePool | None) -> None:
        self._pool = pool
        self._pages: _Pages | None = None
        self._in_order = 0
        """So many bytes were read without a leap."""
        self._next = 0

    @property
    def buffer(self) -> PageBuffer:
        """The pages, a frozen `PageBuffer`: for ``present()``, ``prefetch()`` and ``forget()``."""
        return self._opened().buffer

    def _key(self) -> tuple[Any, ...] | None:
        file = getattr(self.fetcher, "__self__", None)
        if not self.share or file is None:
            return None
        return type(file), file.fs, tokenize(file.details), self.size, self.page_in, self._pool

    def _opened(self) -> _Pages:
        pages = self._pages
        if pages is not None:
            return pages
        if self.fetcher is None:
            raise ValueError("the file is closed")
        key = self._key()
        with _lock:
            pages = self._pages  # another thread may have been quicker
            if pages is None and key is not None:
                pages = _shared.get(key)
            if pages is None:
                pages = _Pages(self.size, self.page_in, self._pool)
            if key is not None:
                _shared[key] = pages
            pages.handles.add(self)
            self._pages = pages
        return pages

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        start = 0 if start is None else start
        stop = self.size if stop is None else min(stop, self.size)
        if start >= stop:
            return b""
        in_order = self._in_order if start == self._next else 0
        ahead = min(in_order, _most_ahead(self.blocksize, self._pool))
        data = self._opened().read(self, start, stop, ahead)
        self._in_order, self._next = in_order + len(data), stop
        return data

    def close(self) -> None:
        """Let go of the pages."""
        pages, self._pages, self.fetcher = self._pages, None, None
        if pages is not None:
            pages.handles.discard(self)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_pages", "_pool", "_in_order", "_next"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin(None)


register_cache(PageCache, clobber=True)
register_implementation("pagebuf", StoreFileSystem, clobber=True)
