"""The file of a store: what ext/core/store asks of it, its locks, and the errors of stores."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import struct
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

if TYPE_CHECKING:
    from collections.abc import Callable

with contextlib.suppress(ImportError):  # Windows has none, and stores need it first when one opens
    import fcntl

BLOCK = 4096
"""What is read past the cache has to be aligned to."""

BLANK_MOST = 1 << 21
"""More bytes than a new store has."""

WRITER = 1 << 62
"""The byte of the lock file that the writer locks; readers lock that at their sequence number."""

DIRECT = getattr(os, "O_DIRECT", 0)
FLOCK = "hhqqi4x"
"""`struct flock` of Linux."""


class StoreError(OSError):
    """A store refuses a call.

    `errno` says why, `filename` which file.  That the disk refuses a page or is full is an
    `OSError` of the system instead: nothing has changed, and the same call may succeed later.
    """


class LockedError(StoreError):
    """Another writer has the store.  The message has its process number where it is known."""


class ForkError(StoreError):
    """The store belongs to the parent of this process; the child may open it anew."""


class CorruptStoreError(StoreError):
    """A file breaks a rule of docs/store-format.md, or is no store at all.

    Nothing of a damaged name is shown; other names can still be read.
    """

    rule: str = ""
    """The rule that is broken, in words."""
    page: int = 0
    """The page of the file where it is, by number; 0 where it is about no single page."""


for _public in (StoreError, LockedError, ForkError, CorruptStoreError):
    _public.__module__ = "pagebuf"  # what a traceback shows, and where users import it from


# ---- locks ----


class Locks:
    """Locks of open file descriptions: they end with the process, and with the descriptor."""

    def __init__(self, path: str, writer: bool) -> None:
        if not (sys.platform == "linux" and hasattr(sys.modules.get("fcntl"), "F_OFD_SETLK")):
            raise StoreError(errno.ENOTSUP, "stores need locks of open files, as Linux has", path)
        self.of = path
        self.path = path + ".lock"
        self.fd = self._open(writer)
        self.reads: int | None = None

    def _open(self, writer: bool) -> int:
        with contextlib.suppress(OSError):
            return os.open(self.path, os.O_CLOEXEC | os.O_RDWR | os.O_CREAT, 0o666)
        try:
            return os.open(self.path, os.O_CLOEXEC | (os.O_RDWR if writer else os.O_RDONLY))
        except OSError:
            if writer:
                raise
            return -1  # on a medium that nobody writes to

    def _set(self, kind: int, at: int) -> bool:
        asked = struct.pack(FLOCK, kind, os.SEEK_SET, at, 1, 0)
        try:
            fcntl.fcntl(self.fd, fcntl.F_OFD_SETLK, asked)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def become_writer(self) -> None:
        if not self._set(fcntl.F_WRLCK, WRITER):
            pid = os.pread(self.fd, 20, 0).decode("ascii", "replace").strip("\0 \n")
            raise LockedError(errno.EAGAIN, f"process {pid or '?'} writes to the store", self.of)
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)

    def read_at(self, sequence: int | None) -> None:
        """Lock a sequence number against reuse of its pages, instead of the one before."""
        if self.fd < 0 or sequence == self.reads:
            return
        if sequence is not None and not self._set(fcntl.F_RDLCK, sequence):
            raise StoreError(errno.EAGAIN, "a reader's lock is refused", self.of)
        if self.reads is not None:
            self._set(fcntl.F_UNLCK, self.reads)
        self.reads = sequence

    def oldest_reader(self) -> int:
        """The lowest number that a reader has locked."""
        found, most = (1 << 64) - 1, WRITER
        while True:
            asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, most, 0)
            answer = fcntl.fcntl(self.fd, fcntl.F_OFD_GETLK, asked)
            kind, _, start, _, _ = struct.unpack(FLOCK, answer)
            if kind == fcntl.F_UNLCK:
                return found
            found = most = start
            if most == 0:
                return 0

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


# ---- the file ----


def sync_directory(path: str) -> None:
    """Have the name of a file on the disk."""
    fd = os.open(Path(path).parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class StoreFile:
    """An open file, with the calls that `_core._Store` makes of it."""

    def __init__(self, path: str, flags: int, locks: Locks) -> None:
        self.path = path
        self.locks = locks
        self.mutex: Any = threading.RLock()
        """For who uses the file; free in the child of a fork."""
        self.waits = True
        """Whether a barrier waits for the disk (durability="off")."""
        self.fd = os.open(path, flags | os.O_CLOEXEC, 0o666)
        self.direct = -1
        self.told: Callable[[int], object] | None = None
        """Called with the number of bytes of each read and write: who draws a bar asks for it."""
        _open_files.add(self)

    def read(self, at: int, memory: memoryview) -> None:
        if self.told:
            self.told(len(memory))
        done = 0
        while done < len(memory):
            n = os.preadv(self.fd, [memory[done:]], at + done)
            if n == 0:
                memory[done:] = bytes(len(memory) - done)
                return
            done += n

    def read_disk(self, at: int, memory: memoryview) -> None:
        """Read past the cache; where the system cannot, empty the cache and read."""
        if not self._read_direct(at, memory):
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)
            self.read(at, memory)

    def _read_direct(self, at: int, memory: memoryview) -> bool:
        first = at // BLOCK * BLOCK
        size = -(-(at + len(memory) - first) // BLOCK) * BLOCK
        try:
            if self.direct < 0:
                self.direct = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | DIRECT)
            with mmap.mmap(-1, size) as aligned:
                got = os.preadv(self.direct, [aligned], first) if DIRECT else 0
                part = aligned[at - first : min(at - first + len(memory), got)]
        except OSError:
            return False
        if not DIRECT:
            return False
        memory[: len(part)] = part
        memory[len(part) :] = bytes(len(memory) - len(part))
        return True

    def write(self, at: int, memory: memoryview) -> None:
        if self.told:
            self.told(len(memory))
        done = 0
        while done < len(memory):
            done += os.pwrite(self.fd, memory[done:], at + done)

    def sync(self) -> None:
        if self.waits:
            os.fsync(self.fd)

    def resize(self, size: int) -> None:
        before = self.size()
        if size > before and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self.fd, before, size - before)
            except OSError as error:
                if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
                    os.ftruncate(self.fd, before)
                    raise
        os.ftruncate(self.fd, size)

    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def oldest_reader(self) -> int:
        return self.locks.oldest_reader()

    def refused(self, status: int, rule: str | None, frame: int, code: int) -> Never:
        """Raise what a status of the core means (store.h)."""
        if status in {4, 6}:
            raise self.corrupt(rule or "no superblock: it is no store", frame)
        if status == 5:
            why = os.strerror(code) if code else "a write or a barrier has failed before"
            raise StoreError(code or errno.EIO, f"no more commits: {why}", self.path)
        if status == 7:
            why = "a store of another version or page size, or not made of names"
            raise StoreError(errno.EPROTONOSUPPORT, why, self.path)
        raise StoreError(code or errno.EIO, os.strerror(code or errno.EIO), self.path)

    def corrupt(self, rule: str, frame: int) -> CorruptStoreError:
        what = f"{rule} (page {frame})" if frame else rule
        error = CorruptStoreError(errno.EUCLEAN, what, self.path)
        error.rule, error.page = rule, frame
        return error

    def is_blank(self) -> bool:
        """Say whether it was never anything.  What a crash leaves of a new store is zeros."""
        size = self.size()
        return size <= BLANK_MOST and not any(os.pread(self.fd, size, 0))

    def __del__(self) -> None:
        if hasattr(self, "direct"):
            self.close()

    def close(self) -> None:
        fds, self.fd, self.direct = (self.fd, self.direct), -1, -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)
        self.locks.close()


def reader_file(path: str, sequence: int) -> StoreFile:
    """The file, for a reader of a commit that a lock keeps already."""
    locks = Locks(path, False)
    try:
        locks.read_at(sequence)
        return StoreFile(path, os.O_RDONLY, locks)
    except BaseException:
        locks.close()
        raise


_open_files: weakref.WeakSet[StoreFile] = weakref.WeakSet()


def _after_in_child() -> None:
    """The child has none of it: locks belong to the open file, which closing does not release.

    A thread that the child does not have may have held the mutex.
    """
    for file in list(_open_files):
        with contextlib.suppress(OSError):
            file.close()
        if not file.mutex._is_owned():
            file.mutex._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
