"""Pages of a pool that go to a file when memory is short, and come back.

The file is cut into places for zones, and a zone into places for pages.  A page that goes is
written to a free place, and its buffer names that place from then on (ext/binding/zone/spill.c).
It is absent then, and comes back like a page of a source (`pagebuf._remote`), but for plain reads,
which read through to the file.  What came back is clean: it goes again without being written.

All that is kept here is changed under the lock of `pagebuf._remote`.
"""

from __future__ import annotations

import errno
import heapq
import mmap
import os
import pathlib
import stat
import tempfile
import weakref
from itertools import islice
from typing import TYPE_CHECKING

from pagebuf import _remote
from pagebuf._core import (
    PAGE_SIZE,
    _spill_begin,
    _spill_close,
    _spill_given_up,
    _spill_open,
    _spill_out,
    _spill_punch,
)

if TYPE_CHECKING:
    from typing import Final

    from pagebuf.pool import PagePool

ZONE_PAGES: Final = (1 << 14) - 1
"""Pages of a zone: all numbers of a chunk but the one that stays free (zone/zone.h)."""

BATCH: Final = 256
"""So many pages go at once, where the limit is not small."""

READ_AT_ONCE: Final = 16
"""So many pages come at once."""

ROUNDS: Final = 16
"""After a search for pages that may go has found too few, clean ones go first so many times."""


def _no_fetch(offset: int, size: int) -> bytes:
    """Refuse: the pages come by `Spilled.bring`."""
    raise AssertionError(f"{size} bytes asked at offset {offset}")


class Spilled(_remote.Pages):
    """A zone of a file: pages of one pool, of which some are in memory, all of them clean."""

    def __init__(self, spill: Spill, pool: PagePool, index: int) -> None:
        super().__init__(ZONE_PAGES * PAGE_SIZE, _no_fetch, PAGE_SIZE)
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            self.memory.madvise(mmap.MADV_NOHUGEPAGE)  # or one page would bring 512
        self.spill = spill
        self.index = index
        self.at = index * self.size
        self.room = True
        self.pool = pool
        memory = memoryview(self.memory)[: self.size]
        self.frame = _spill_open(pool, memory, self, spill.fd, self.at)

    # ---- in ----

    def bring(self, runs: _remote.Runs) -> None:
        """Have these pages in memory, and hold them until the call of this thread ends."""
        self.spill.check_process()
        try:
            for page, count in runs:
                while not self._bring_run(page, page + count):
                    _remote._wait_for_the_first()
        except BaseException:
            _remote.call_ends()
            raise

    def _bring_run(self, page: int, past: int) -> bool:
        with _remote._shared.changed:
            while page < past:
                end = min(past, page + self.spill.at_once(self.pool, READ_AT_ONCE))
                end = next((p for p in range(page, end) if p in self.here), end)
                if end > page and not self._bring_absent(page, end):
                    return False
                while end < past and end in self.here:
                    _remote._hold((self, end))
                    end += 1
                page = end
        return True

    def _bring_absent(self, page: int, end: int) -> bool:
        if not self._charge_frames(end - page):
            return False
        try:
            self._read(page * PAGE_SIZE, end * PAGE_SIZE)
        except BaseException:
            self._uncharge(end - page)
            raise
        for piece in range(page, end):
            self.here[piece] = None
            self.spill.order[self.index, piece] = None
            _remote._hold((self, piece))
        self.pool._zone_here(self.frame, page, end - page, True, self)
        return True

    def _read(self, start: int, end: int) -> None:
        while start < end:
            data = os.pread(self.spill.fd, end - start, self.at + start)
            if not data:
                why = f"the spill file was cut short: it ends at offset {self.at + start}"
                raise OSError(errno.EIO, why)
            self.memory[start : start + len(data)] = data
            start += len(data)

    # ---- out ----

    def drop(self, piece: int) -> bool:
        """Let go of a page, unless a call holds it."""
        dropped = super().drop(piece)
        if dropped:
            self.spill.order.pop((self.index, piece), None)
        return dropped

    def _discard(self, offset: int, size: int) -> None:
        if PAGE_SIZE % mmap.PAGESIZE == 0:
            super()._discard(offset, size)
        else:
            self.memory[offset : offset + size] = b"\xee" * size  # nobody is to take it for zeros

    def given_up(self) -> None:
        """Let go of pages that no buffer names any more."""
        with _remote._shared.changed:
            here, holes, many = _spill_given_up(self.pool, self.frame, self)
            for page, count in here:
                for piece in range(page, page + count):
                    self.drop(piece)
            self.room = self.room or many
            if self.spill.is_mine():
                for page, count in holes:
                    _spill_punch(self.spill.fd, self.at + page * PAGE_SIZE, count * PAGE_SIZE)


class Spill:
    """The file of a pool and its children, and what is where in it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.process = os.getpid()
        self.pools: weakref.WeakSet[PagePool] = weakref.WeakSet()
        self.zones: dict[int, weakref.ref[Spilled]] = {}
        self.free: list[int] = []
        """Places for zones that are free, a heap."""
        self.past = 0
        """The places from here on were never used, or are behind the end of the file."""
        self.order: dict[tuple[int, int], None] = {}
        """Which pages of which zone are in memory, in the order in which they came."""
        self.hands: weakref.WeakKeyDictionary[PagePool, tuple[int, int]] = (
            weakref.WeakKeyDictionary()
        )
        self.rounds = 0
        self.written = 0
        """How many pages were written."""
        weakref.finalize(self, os.close, fd)

    def is_mine(self) -> bool:
        """Say whether this process may change the file: a child of fork may not."""
        return os.getpid() == self.process

    def check_process(self) -> None:
        """Raise ForkError in a child of fork: its parent writes where it would read."""
        if not self.is_mine():
            from pagebuf._store_file import ForkError

            raise ForkError("the page is in the spill file of the parent of this process")

    def at_once(self, pool: PagePool, most: int) -> int:
        """So many pages that they are a small part of the limit."""
        limit = pool._limit
        return most if limit is None else max(1, min(most, limit // PAGE_SIZE // 8))

    # ---- room ----

    def make_room(self, over: PagePool, frames: int) -> bool:
        """Have pages that count against the limit of a pool leave memory.  False: none can."""
        limit = (over._limit or 0) // PAGE_SIZE
        if not self.is_mine() or frames > limit:
            return False
        want = max(frames, self.at_once(over, BATCH))
        with _remote._shared.changed:
            made, found = 0, want
            if self.rounds or 2 * len(self.order) > limit:
                self.rounds = max(0, self.rounds - 1)
                made = self.drop(over, want)
            if made == 0:
                found = made = self._out_or_drop(over, want)
            if found < want:
                self.rounds = ROUNDS
            return made > 0

    def _out_or_drop(self, over: PagePool, want: int) -> int:
        try:
            made = self.out(over, want)
        except OSError:  # clean pages need no room in the file
            made = self.drop(over, want)
            if made == 0:
                raise
        return made or self.drop(over, want)

    def drop(self, over: PagePool, want: int) -> int:
        """Let go of clean pages, of those first that came first.  Return how many went."""
        made = 0
        for some in (4 * want, len(self.order)):
            for key in list(islice(self.order, some)):
                if made >= want:
                    return made
                made += self._drop(key, over)
        return made

    def _drop(self, key: tuple[int, int], over: PagePool) -> bool:
        ref = self.zones.get(key[0])
        zone = ref() if ref else None
        if zone is None or key[1] not in zone.here:
            del self.order[key]
            return False
        return _remote._pays(zone.pool, over) and zone.drop(key[1])

    def out(self, over: PagePool, want: int) -> int:
        """Have pages written to the file.  Return how many went."""
        made = 0
        for pool in list(self.pools):
            if made < want and _remote._pays(pool, over):
                made += self._out_of(pool, want - made)
        return made

    def _out_of(self, pool: PagePool, want: int) -> int:
        made = 0
        while made < want:
            zone = self._zone_with_room(pool)
            tree, page = self.hands.get(pool, (0, 0))
            try:
                moved, written, zone.room, tree, page = _spill_out(
                    pool, zone.frame, zone, want - made, tree, page
                )
            finally:
                _spill_close(pool, zone.frame, zone)  # if nothing went there
            self.hands[pool] = tree, page
            self.written += written
            made += moved
            if moved == 0 and zone.room:
                break
        return made

    # ---- places ----

    def _zone_with_room(self, pool: PagePool) -> Spilled:
        for ref in list(self.zones.values()):
            zone = ref()
            if zone is not None and zone.pool is pool and zone.room:
                return zone
        if self.free:
            index = heapq.heappop(self.free)
        else:
            index, self.past = self.past, self.past + 1
        try:
            zone = Spilled(self, pool, index)
        except BaseException:
            heapq.heappush(self.free, index)
            raise
        self.zones[index] = weakref.ref(zone)
        weakref.finalize(zone, _zone_ends, weakref.ref(self), index, zone.here).atexit = False
        return zone

    def zone_ends(self, index: int, here: dict[int, None]) -> None:
        """Give a place back: the file ends with the last place that is used."""
        with _remote._shared.changed:
            for piece in here:
                self.order.pop((index, piece), None)
            del self.zones[index]
            heapq.heappush(self.free, index)
            size = ZONE_PAGES * PAGE_SIZE
            if not self.is_mine():
                return
            if index + 1 < self.past:
                _spill_punch(self.fd, index * size, size)
                return
            used = set(self.zones)
            while self.past and self.past - 1 not in used:
                self.past -= 1
            self.free = [place for place in self.free if place < self.past]
            heapq.heapify(self.free)
            os.ftruncate(self.fd, min(os.fstat(self.fd).st_size, self.past * size))


def _zone_ends(spill: weakref.ref[Spill], index: int, here: dict[int, None]) -> None:
    found = spill()
    if found is not None:
        found.zone_ends(index, here)


# ---- the file ----


def _opened(where: object) -> int:
    """Open a file of our own, or the caller's anew."""
    if where is True or isinstance(where, (str, bytes, os.PathLike)):
        folder = None if where is True else os.fsdecode(where)
        if folder is not None and not pathlib.Path(folder).is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "spill is not a folder", folder)
        with tempfile.TemporaryFile(buffering=0, dir=folder) as made:
            return os.dup(made.fileno())
    if isinstance(where, int):
        return os.dup(where)
    if not hasattr(where, "fileno"):
        what = "True, the path of a folder, an open file or its descriptor"
        raise TypeError(f"spill must be {what}, not {type(where).__name__}")
    return os.dup(where.fileno())


def _checked(fd: int) -> int:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise ValueError("spill must be a regular file, or a folder")
    import fcntl

    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDWR:
        raise ValueError("the file for spill must be open for reading and writing")
    os.ftruncate(fd, 0)
    return fd


def begin(pool: PagePool, where: object) -> Spill:
    """Have pages of a pool go to a file."""
    if not hasattr(os, "pread"):
        raise NotImplementedError("this system has no file that many threads can read from")
    fd = _opened(where)
    try:
        _checked(fd)
    except BaseException:
        os.close(fd)
        raise
    spill = Spill(fd)
    spill.pools.add(pool)
    _spill_begin(pool)
    return spill
