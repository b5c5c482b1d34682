"""`PageStore`: named buffers in one file, changed by commits that a crash cannot halve.

docs/store.md says how it is used and what it promises, docs/store-format.md what the file is.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from pagebuf._core import PageBuffer, _Store
from pagebuf._store_file import (
    CorruptStoreError,
    ForkError,
    LockedError,
    Locks,
    StoreError,
    StoreFile,
    sync_directory,
)
from pagebuf._store_snapshot import SnapshotStats, StoreSnapshot, encoded_names
from pagebuf.pool import PagePool

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed import ReadableBuffer, StrOrBytesPath

    from pagebuf._core import PageFile

    _Mode = Literal["r", "r+", "c", "x"]
    _Durability = Literal["full", "lazy", "off"]

__all__ = [
    "CorruptStoreError",
    "ForkError",
    "LockedError",
    "PageStore",
    "SnapshotStats",
    "StoreError",
    "StoreSnapshot",
    "StoreStats",
]

MOST_NAME = 255
MODES = {"r", "r+", "c", "x"}
DURABILITIES = "full", "lazy", "off"

COPIED = 64 << 20
"""Bytes that `compact` has in memory before they are committed to the copy."""

COPIED_NAMES = 10_000
"""The same in names."""


class StoreStats(NamedTuple):
    """Figures of the last commit.  What is counted in pages has `pagebuf.PAGE_SIZE` bytes each."""

    commit: int
    names: int
    snapshots: int
    pages: int
    held: int
    waiting: int
    sealed: bool
    checksums: bool
    fell_back: bool
    broken: bool


for _field, _says in {
    "commit": "The number of the commit; 0 is the empty store.",
    "names": "How many names it has.",
    "snapshots": "How many snapshots there are.",
    "pages": "Pages of the file.",
    "held": "Pages that the commit and snapshots need.  The others are free, or wait.",
    "waiting": "Pages that were freed and may still be needed, by a reader or after a crash.",
    "sealed": "Whether the last writer has closed the store, so that nothing was unfinished.",
    "checksums": "Whether pages carry checksums.",
    "fell_back": "Whether the newest commit was not whole at open, and the one before was taken.",
    "broken": "Whether the disk failed while a commit was made to last: no more commits.",
}.items():
    getattr(StoreStats, _field).__doc__ = _says


@dataclass
class _Entry:
    """A name: its buffer, and what the last commit wrote of it."""

    buf: PageBuffer
    kept: PageBuffer | None = None
    root: bytes = b""
    shift: int = 0
    unwritten: bool = False
    """The directory does not have the name yet."""

    def is_changed(self) -> bool:
        kept = self.kept
        if self.unwritten or kept is None or len(kept) != len(self.buf):
            return True
        return bool(self.buf.diff(kept))


def _now() -> int:
    return time.time_ns() // 1000


def _checked_mode(mode: object) -> None:
    if not isinstance(mode, str):
        raise TypeError(f"mode must be a str, not {type(mode).__name__}")
    if mode not in MODES:
        raise ValueError(f"mode must be 'r', 'r+', 'c' or 'x', not {mode!r}")


def _checked_path(path: object) -> str:
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"path must be a str, bytes or os.PathLike, not {type(path).__name__}")
    return str(Path(os.fsdecode(path)).resolve())


def _checked_pool(pool: object, limit: int | None) -> PagePool:
    """The pool of a store: the one that is given, or a new one."""
    if pool is None:
        return PagePool(limit=limit, name="store")
    if not isinstance(pool, PagePool):
        raise TypeError(f"pool must be a PagePool or None, not {type(pool).__name__}")
    if limit is not None:
        raise ValueError("limit is that of the store's own pool: set pool.limit of the given one")
    return pool


def _encoded(name: object) -> bytes:
    if not isinstance(name, str):
        raise TypeError(f"a name must be a str, not {type(name).__name__}")
    encoded = name.encode()
    if not 0 < len(encoded) <= MOST_NAME:
        raise ValueError(f"a name has 1 to {MOST_NAME} bytes of UTF-8, not {len(encoded)}")
    return encoded


def _check_there(path: Path, makes: bool) -> None:
    """Refuse what cannot be before there is a lock file for it."""
    (path.parent if makes else path).stat()
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))


def _check_free(path: str) -> None:
    if Path(path).exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def _file_at(path: str, mode: _Mode) -> tuple[StoreFile, bool]:
    """The open file, with its writer's lock taken, and whether a store has to be made in it."""
    writer, makes = mode != "r", mode in {"c", "x"}
    _check_there(Path(path), makes)
    locks = Locks(path, writer)
    flags = os.O_RDWR if writer else os.O_RDONLY
    flags |= os.O_CREAT if makes else 0
    flags |= os.O_EXCL if mode == "x" else 0
    try:
        if writer:
            locks.become_writer()
        file = StoreFile(path, flags, locks)
    except BaseException:
        locks.close()
        raise
    return file, makes and file.is_blank()


class PageStore(MutableMapping[str, PageBuffer]):
    """Named buffers in one file: a mapping of `str` to `PageBuffer`.

    ``store[name]`` is a buffer like any other.  What is done to it stays in memory until
    `commit()`, which makes all changes of all buffers last at one moment.  A crash at any instant
    leaves the last commit.  There is one writer, and any number of readers, in one process or in
    several; each reader sees the commit that it opened.

    Args:
        path: the file.  Beside it is a lock file, `path` with ``.lock`` behind it.
        mode: ``"r"`` reads, ``"r+"`` writes to a store that is there, ``"c"`` makes one where there
            is none, ``"x"`` makes one where there must be none.
        durability: ``"full"``: a commit is on the disk when `commit()` returns.  ``"lazy"``: it
            will be soon, and at `close()`.  A process that is killed loses no commit; a system that
            loses power may lose the newest lazy ones, whole commits, and nothing else.  ``"off"``:
            nothing waits for the disk before `close()`.  A process that is killed loses no commit;
            a system that loses power may leave a damaged file.
        checksums: of a store that is made: pages carry checksums, which are compared when they are
            read.  It costs no page.
        limit: the most bytes of pages that the store's buffers have in memory, as in `PagePool`.
        pool: the pool of the buffers.  None: a pool of the store's own, which has the `limit`.

    Raises:
        TypeError: an argument is of another type.
        ValueError: another mode or durability; a `limit` beside a `pool`.
        FileNotFoundError: there is no file, and the mode makes none.
        FileExistsError: there is one, and the mode is ``"x"``.
        LockedError: another writer has the store, in this process or in another one.
        CorruptStoreError: the file is damaged, or no store.
        StoreError: pages of another size, a later version, or a system without locks of open files
            (only Linux has them).

    To open reads the names: O(names), and for a writer O(pages of the file / 1000).  A buffer is
    read whole, and compared with its checksums, when its name is first asked for: O(bytes).

    A name is a `str` of 1 to 255 bytes of UTF-8.  All calls may be made by several threads.
    Leaving ``with PageStore(...)`` commits; by an exception it does not.

    >>> import pagebuf, tempfile
    >>> from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name, "some.store")
    >>> with pagebuf.PageStore(path) as store:
    ...     store["log"] = b"one"
    ...     store["log"].extend(b" more")
    >>> with pagebuf.PageStore(path, "r") as store:
    ...     store["log"].tobytes()
    b'one more'
    >>> folder.cleanup()
    """

    def __init__(
        self,
        path: StrOrBytesPath,
        mode: _Mode = "c",
        *,
        durability: _Durability = "full",
        checksums: bool = True,
        limit: int | None = None,
        pool: PagePool | None = None,
    ) -> None:
        _checked_mode(mode)
        if durability not in DURABILITIES:
            raise ValueError(f"durability must be 'full', 'lazy' or 'off', not {durability!r}")
        self._pool = _checked_pool(pool, limit)
        self._path = _checked_path(path)
        self._writable = mode != "r"
        self._durable = durability != "lazy"
        self._in_transaction = False
        self._half_back = False
        """A rollback has begun, and did not come to its end."""
        self._entries: dict[str, _Entry] = {}
        self._gone: dict[str, bytes] = {}
        self._base: dict[str, _Entry] = {}
        """The entries as of the last commit."""
        self._closed = True
        self._file, blank = _file_at(self._path, mode)
        self._mutex = self._file.mutex
        try:
            self._core = self._open(blank, checksums)
        except BaseException:
            self._file.close()
            raise
        self._file.waits = durability != "off"
        self._settled = self._number()
        """The commit that the entries know of."""
        self._closed = False

    def _open(self, blank: bool, checksums: bool) -> _Store:
        core = _Store(self._file, self._pool)
        if blank:
            sync_directory(self._path)
            core.create(uuid.uuid4().bytes, _now(), checksums)
        core.open(self._writable)
        while not self._writable:
            self._file.locks.read_at(core.info()["sequence"])
            again = _Store(self._file, self._pool)
            again.open(False)
            if again.info()["sequence"] == core.info()["sequence"]:
                return again
            core = again
        return core

    # ---- names ----

    @property
    def path(self) -> str:
        """The absolute path of the file, links followed."""
        return self._path

    @property
    def closed(self) -> bool:
        """Whether the store is closed."""
        return self._closed

    def _number(self) -> int:
        number: int = self._core.info()["commit"]
        return number

    def _check(self, *, writes: bool = False) -> None:
        if self._closed:
            raise ValueError(f"the store {self._path!r} is closed")
        if self._file.fd < 0:
            raise ForkError(
                errno.EBADF, "the store belongs to the parent of this process", self._path
            )
        if writes and not self._writable:
            raise StoreError(errno.EROFS, "the store is open for reading", self._path)

    def _was_interrupted(self) -> bool:
        """Say whether the file has a commit that the entries do not know of."""
        info = self._core.info()
        return not info["broken"] and info["commit"] != self._settled

    def _check_commits(self) -> None:
        """Refuse a commit or a rollback that must not begin."""
        self._check(writes=True)
        if self._in_transaction:
            raise RuntimeError("a transaction commits or rolls back at its end")
        if self._was_interrupted():
            why = "a commit was interrupted after it was done: open the store again"
            raise StoreError(errno.EINTR, why, self._path)

    def _entry(self, name: str) -> _Entry | None:
        """The entry of a name, read from the file where nobody has asked before."""
        encoded = _encoded(name)
        entry = self._entries.get(name)
        if entry is None and name not in self._gone:
            found = self._core.find(encoded)
            if found is not None:
                entry = self._entries[name] = self._base[name] = self._load(*found)
        return entry

    def _load(self, few: bytes | None, root: bytes | None) -> _Entry:
        shift = 0
        if root:
            buf, shift = self._core.load(root)
        else:
            buf = PageBuffer(few or b"", pool=self._pool)
        kept = buf.snapshot()
        return _Entry(buf if self._writable else kept, kept, root or b"", shift)

    def _root_of(self, name: str) -> bytes | None:
        """What the file has of a name, without reading it; None: it has no such name."""
        if name in self._entries:
            return self._entries[name].root
        found = None if name in self._gone else self._core.find(_encoded(name))
        return None if found is None else found[1] or b""

    def __getitem__(self, name: str) -> PageBuffer:
        with self._mutex:
            self._check()
            entry = self._entry(name)
            if entry is None:
                raise KeyError(name)
            return entry.buf

    def __setitem__(self, name: str, data: ReadableBuffer) -> None:
        with self._mutex:
            self._check(writes=True)
            _encoded(name)
            entry = self._entries.get(name)
            if entry is not None and entry.buf is data:  # store[name] += ...
                return
            made = self._made_of(data)
            if entry is not None:
                entry.buf.restore(made)
                return
            root = self._root_of(name)
            if root is None:
                root = self._gone.pop(name, b"")
            self._entries[name] = _Entry(made, None, root, unwritten=True)

    def _made_of(self, data: ReadableBuffer) -> PageBuffer:
        if isinstance(data, PageBuffer) and data.pool is self._pool:
            return data.clone()
        made = PageBuffer(pool=self._pool)
        made.extend(data)
        return made

    def __delitem__(self, name: str) -> None:
        with self._mutex:
            self._check(writes=True)
            _encoded(name)
            root = self._root_of(name)
            if root is None:
                raise KeyError(name)
            self._entries.pop(name, None)
            self._gone[name] = root

    def __contains__(self, name: object) -> bool:
        """Whether the store has a name.  Nothing is read.  O(log names)."""
        with self._mutex:
            self._check()
            try:
                return self._root_of(name) is not None  # type: ignore[arg-type]
            except (TypeError, ValueError):  # none that could be
                return False

    def __iter__(self) -> Iterator[str]:
        """The names of this moment, in the order of their UTF-8.  O(names)."""
        return iter(self._names())

    def __len__(self) -> int:
        """How many names there are.  O(names)."""
        return len(self._names())

    def _written(self) -> Iterator[str]:
        """The names of the last commit."""
        yield from encoded_names(self._core.next, self._file)

    def _names(self) -> list[str]:
        """All names, in the order of their bytes."""
        with self._mutex:
            self._check()
            names = {*self._entries, *(name for name in self._written() if name not in self._gone)}
            return sorted(names, key=str.encode)

    def _sizes(self) -> Iterator[tuple[str, int]]:
        """The names of the last commit, and how many bytes each has.  Reads no buffer."""
        with self._mutex:
            self._check()
            for name in self._written():
                yield name, self._written_size(name.encode()) or 0

    def _written_size(self, name: bytes) -> int | None:
        """The bytes that the last commit has of a name; None: it has no such name."""
        found = self._core.find(name)
        if found is None:
            return None
        few, root = found
        return int.from_bytes(root[:8], "little") if root else len(few or b"")

    # ---- for the file system ----

    def _size_of(self, name: str) -> int | None:
        """The bytes of a buffer, which is not read; None: there is no such name.  O(log names)."""
        entry = self._entries.get(name)
        if entry is not None:
            return len(entry.buf)
        return None if name in self._gone else self._written_size(_encoded(name))

    def _below(self, prefix: str, *, flat: bool = False) -> Iterator[str]:
        """The names that begin so, in order.  Flat: of those with one more "/", one for each part.

        O(names that come * log names + buffers that were used).
        """
        begin = prefix.encode()
        new = (name for name, entry in self._entries.items() if entry.unwritten)
        waiting = sorted(name.encode() for name in new if name.startswith(prefix))
        at, itself = begin, True
        while len(at) <= MOST_NAME:
            found = self._next_written(at, itself)
            first = (bisect.bisect_left if itself else bisect.bisect_right)(waiting, at)
            if first < len(waiting) and (found is None or waiting[first] < found):
                found = waiting[first]
            if found is None or not found.startswith(begin):
                return
            yield found.decode()
            slash = found.find(b"/", len(begin)) if flat else -1
            itself = slash >= 0
            at = found[:slash] + b"0" if itself else found  # "0" comes after "/"

    def _next_written(self, at: bytes, itself: bool) -> bytes | None:
        """The first name of the last commit after one, or at it, that has not gone meanwhile."""
        found: bytes | None = at
        if not (itself and at and self._core.find(at) is not None):
            found = self._core.next(at)
        while found is not None and found.decode() in self._gone:
            found = self._core.next(found)
        return found

    def _let_go(self, name: str) -> None:
        """Forget a buffer that has nothing to commit: who asks for the name reads it again."""
        entry = self._entries.get(name)
        if entry is not None and not entry.is_changed():
            del self._entries[name]
            self._base.pop(name, None)

    def create(self, name: str, data: ReadableBuffer = b"") -> PageBuffer:
        """Make a buffer with a new name, and return it.  O(len(data)).

        Args:
            name: 1 to 255 bytes of UTF-8.
            data: its bytes.  Pages of a buffer of the store's pool are shared, all else is copied.

        Raises:
            ValueError: the store has that name, or none can be so.
            StoreError: the store is open for reading.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store.create("log", b"one").extend(b" more")
        ...     store["log"].tobytes()
        b'one more'
        """
        with self._mutex:
            self._check(writes=True)
            if name in self:
                raise ValueError(f"the store has a buffer called {name!r}")
            self[name] = data
            return self[name]

    def setdefault(self, name: str, default: ReadableBuffer = b"") -> PageBuffer:
        """The buffer of a name, which is made of `default` where there is none.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store.setdefault("log").extend(b"one")
        ...     store.setdefault("log", b"two").tobytes()
        b'one'
        """
        with self._mutex:
            if name not in self:
                self[name] = default
            return self[name]

    def open(self, name: str, mode: str | None = None) -> PageFile:
        """Open a file over the buffer of a name.

        Args:
            name: one that the store has, else `KeyError`.
            mode: as in `PageBuffer.open`.  None: ``"r+b"``, and ``"rb"`` in a reader.

        What is written to the file is in the buffer at once, and in the store with the next commit.

        >>> import zipfile
        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     _ = store.create("archive")
        ...     with store.open("archive") as file, zipfile.ZipFile(file, "w") as archive:
        ...         archive.writestr("a.txt", b"hello")
        ...     zipfile.ZipFile(store.open("archive", "rb")).namelist()
        ['a.txt']
        """
        return self[name].open(mode)

    def rename(self, old: str, new: str) -> None:
        """Give a buffer another name, which nobody has.  No page of it is written again.

        Raises:
            KeyError: the store has no `old`.
            ValueError: it has `new` already, or no name can be so.
            StoreError: the store is open for reading.

        The buffer stays the same object.  O(bytes) where it has not been read yet.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store["draft"] = b"text"
        ...     store.rename("draft", "final")
        ...     list(store)
        ['final']
        """
        with self._mutex:
            self._check(writes=True)
            _encoded(new)
            if new in self:
                raise ValueError(f"the store has a buffer called {new!r}")
            entry = self._entry(old)
            if entry is None:
                raise KeyError(old)
            del self._entries[old]
            self._gone[old] = b""
            root = self._gone.pop(new, b"")
            if root:  # what was there goes, and what is renamed is written anew
                self._gone[old] = entry.root
                self._entries[new] = _Entry(entry.buf, None, root, unwritten=True)
                return
            kept, shift = entry.kept, entry.shift
            self._entries[new] = _Entry(entry.buf, kept, entry.root, shift, unwritten=True)

    # ---- commits ----

    def commit(self) -> int:
        """Make all changes of all buffers last, at one moment; return the number of the commit.

        Without changes nothing is written.  Commits count from 1; 0 is the empty store.

        Raises:
            OSError: the disk is full or refuses a page.  The last commit and the changes are what
                they were: call again, or roll back.
            StoreError: the store is open for reading; or the disk failed where a commit begins to
                count, at the superblock or at a barrier.  Then this store commits no more: what is
                in memory can be read and saved elsewhere.  The file has the last commit.
            RuntimeError: within `transaction()`, which commits at its end.

        O(buffers that were used + what has changed): a change of one page writes that page, the
        nodes above it, a page or two for its name, and 4096 bytes.  A thread that changes several
        buffers which belong together does so in `transaction()`; otherwise a commit of another
        thread may come between.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store["log"] = b"one"
        ...     store.commit(), store.commit()
        ...     store["log"].extend(b" more")
        ...     store.commit()
        (1, 1)
        2
        """
        with self._mutex:
            self._check_commits()
            return self._commit()

    def _commit(self, named: bytes | None = None) -> int:
        if self._half_back:
            why = "a rollback did not come to its end: release the views, and call rollback()"
            raise StoreError(errno.EBUSY, why, self._path)
        changed = {n: e for n, e in self._entries.items() if e.is_changed()}
        snapshots = [entry.buf.snapshot() for entry in changed.values()]
        changes: list[tuple[bytes, PageBuffer | None, PageBuffer | None, bytes, int]] = [
            (name.encode(), None, None, root, 0)
            for name, root in self._gone.items()
            if name not in self._entries
        ]
        first = len(changes)
        for (name, entry), snapshot in zip(changed.items(), snapshots, strict=True):
            changes.append((name.encode(), snapshot, entry.kept, entry.root, entry.shift))
        if changes or named:
            roots = self._core.commit(changes, self._durable, _now(), named, False)
            for entry, snapshot, root in zip(
                changed.values(), snapshots, roots[first:], strict=True
            ):
                entry.shift = entry.shift if root else 0
                entry.kept, entry.root, entry.unwritten = snapshot, root, False
            self._gone.clear()
            self._base = dict(self._entries)
            self._settled = self._number()
        return self._settled

    def rollback(self) -> None:
        """Go back to the last commit.  Buffers stay the same objects, and show it.

        Buffers that the last commit does not have keep their bytes, and belong to nobody.

        Raises:
            BufferError: live views pin a buffer that would change, and nothing has changed.  If
                another thread takes such a view while the rollback is made, some buffers may have
                gone back: then `commit()` is refused until a `rollback()` has come to its end.
            StoreError: the store is open for reading.
            RuntimeError: within `transaction()`, which an exception rolls back.

        O(buffers that were used).

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     log = store.create("log", b"one")
        ...     _ = store.commit()
        ...     log.extend(b" more")
        ...     store.rollback()
        ...     log.tobytes()
        b'one'
        """
        with self._mutex:
            self._check_commits()
            self._rollback()

    def _rollback(self) -> None:
        back = [entry for entry in self._base.values() if self._differs(entry)]
        if any(entry.buf.stats().pinned for entry in back):
            raise BufferError("live views pin a buffer that would change: release them")
        self._half_back = True
        for entry in back:
            assert entry.kept is not None
            entry.buf.restore(entry.kept)
        self._entries = dict(self._base)
        self._gone.clear()
        self._half_back = False

    @staticmethod
    def _differs(entry: _Entry) -> bool:
        kept = entry.kept
        return kept is not None and (len(kept) != len(entry.buf) or bool(entry.buf.diff(kept)))

    def is_changed(self) -> bool:
        """Say whether there is anything to commit.

        O(buffers that were used + what has changed).

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store["log"] = b"one"
        ...     store.is_changed(), store.commit(), store.is_changed()
        (True, 1, False)
        """
        with self._mutex:
            self._check()
            gone = any(name not in self._entries for name in self._gone)
            return gone or any(entry.is_changed() for entry in self._entries.values())

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Self]:
        """Commit what happens in the block, or roll back if the block raises.

        Changes from before the block are committed, or rolled back, with it.  Other threads that
        commit, roll back or look up a name wait until its end.

        Raises:
            RuntimeError: transactions do not nest.
            BufferError: the block raised, and live views keep it from being rolled back.  Then
                `commit()` is refused until `rollback()` was called.
            OSError, StoreError: as `commit()`; everything was rolled back.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     with store.transaction():
        ...         store["a"] = b"1"
        ...     try:
        ...         with store.transaction():
        ...             store["a"] = b"2"
        ...             store["b"] = 1 / 0
        ...     except ZeroDivisionError:
        ...         {name: buf.tobytes() for name, buf in store.items()}
        {'a': b'1'}
        """
        with self._mutex:
            self._check(writes=True)
            if self._in_transaction:
                raise RuntimeError("transactions of a store do not nest")
            self._check_commits()
            self._in_transaction = True
            try:
                yield self
                self._check(writes=True)
                self._commit()
            except BaseException:
                self._give_up()
                raise
            finally:
                self._in_transaction = False

    def _give_up(self) -> None:
        """Roll back; if that cannot be, let nobody commit what is left of it."""
        if not (self._closed or self._was_interrupted()):
            self._half_back = True
            self._rollback()

    def refresh(self) -> int:
        """In a reader: go to the newest commit, and return its number.  O(names).

        Buffers that were read before go on showing the commit they are of.  ValueError in a writer,
        which sees its own commits.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store["a"] = b"1"
        ...     with PageStore(store.path, "r") as reader:
        ...         number = store.commit()
        ...         "a" in reader, reader.refresh(), "a" in reader
        (False, 1, True)
        """
        with self._mutex:
            self._check()
            if self._writable:
                raise ValueError("a writer sees its own commits: refresh() is for readers")
            self._core = self._open(False, True)
            self._forget()
            return self._number()

    # ---- snapshots ----

    def snapshot(self, name: str) -> int:
        """Commit, and give the commit a name: `at` shows it for as long as the name is there.

        Args:
            name: 1 to 255 bytes of UTF-8.  Snapshots have names of their own.

        Returns the number of the commit, which comes also if nothing has changed.  The snapshot
        lasts when its commit does: with ``durability="lazy"``, later.  O(1) in the size of the
        store: what the snapshot shows it shares with the store, and what changes later is written
        anew as always.  A page of the directory that the next commits write for the first time
        since then takes a record for each page that its names have at their roots.

        Raises:
            ValueError: the store has a snapshot of that name, or none can be so.
            OSError, StoreError, RuntimeError: as `commit()`.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store["log"] = b"one"
        ...     store.snapshot("monday")
        ...     del store["log"]
        ...     _ = store.commit()
        ...     list(store), list(store.at("monday"))
        1
        ([], ['log'])
        """
        with self._mutex:
            self._check_commits()
            if self._core.snapshot(_encoded(name)) is not None:
                raise ValueError(f"the store has a snapshot called {name!r}")
            return self._commit(_encoded(name))

    def snapshots(self, *, pages: bool = False) -> dict[str, SnapshotStats]:
        """The snapshots by name, in the order of their UTF-8, with their figures.

        Args:
            pages: count how many pages `drop_snapshot` would free.  What several snapshots share
                is not counted for any of them.  O(pages of the file) for each.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PAGE_SIZE, PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store["a"] = b"1" * 100 * PAGE_SIZE
        ...     _ = store.snapshot("monday")
        ...     store["a"] = b"few"
        ...     _ = store.commit()
        ...     monday = store.snapshots(pages=True)["monday"]
        ...     monday.commit, monday.names, monday.pages >= 100
        (1, 1, True)
        """
        with self._mutex:
            self._check()
            found = {}
            for name in encoded_names(self._core.next_snapshot, self._file):
                commit, when, names = self._core.snapshot(name.encode()) or (0, 0, 0)
                kept = self._core.kept_by(name.encode()) if pages else None
                found[name] = SnapshotStats(commit, when / 1e6, names, kept)
            return found

    def at(self, name: str) -> StoreSnapshot:
        """What the store was at a snapshot: a mapping that does not change.  `KeyError` without.

        Its buffers are frozen; to go back to one, assign it: ``store[name] = then[name]``.  Until
        the mapping is closed, or gone, pages that it shows are not used for anything else, also if
        the snapshot is dropped.  O(names); a buffer is read when it is asked for.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store["log"] = b"one"
        ...     _ = store.snapshot("monday")
        ...     store["log"].extend(b" more")
        ...     with store.at("monday") as then:
        ...         store["log"] = then["log"]
        ...     store["log"].tobytes()
        b'one'
        """
        with self._mutex:
            self._check()
            if self._core.snapshot(_encoded(name)) is None:
                raise KeyError(name)
            return StoreSnapshot(self._core, self._path, self._pool, name)

    def drop_snapshot(self, name: str) -> None:
        """Let a snapshot go, in a commit of its own.  `KeyError` if there is none.

        What was not committed stays so.  Pages that only the snapshot had are used again by later
        commits, as other pages that were freed.  O(pages that only the snapshot had).

        Raises OSError, StoreError and RuntimeError as `commit()`.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store["log"] = b"one"
        ...     _ = store.snapshot("monday")
        ...     store.drop_snapshot("monday")
        ...     store.snapshots()
        {}
        """
        with self._mutex:
            self._check_commits()
            if self._core.snapshot(_encoded(name)) is None:
                raise KeyError(name)
            self._core.commit([], self._durable, _now(), name.encode(), True)
            self._settled = self._number()

    # ---- whole ----

    def verify(self) -> None:
        """Read all that the last commit and snapshots have, and compare it with its checksums.

        `CorruptStoreError` says file, page and rule where something is wrong, also where a page is
        lost or counted wrongly.  O(pages); it takes 4 bytes of memory a page of the file, in a
        reader 13.
        """
        with self._mutex:
            self._check()
            self._core.verify()
            for _ in self._written():
                pass

    def stats(self) -> StoreStats:
        """Figures of the last commit.  O(1).

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PAGE_SIZE, PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store["a"] = bytes(10 * PAGE_SIZE)
        ...     _ = store.commit()
        ...     stats = store.stats()
        ...     stats.commit, stats.names, stats.held < stats.pages
        (1, 1, True)
        """
        with self._mutex:
            self._check()
            info = self._core.info()
            return StoreStats(
                commit=info["commit"],
                names=info["names"],
                snapshots=info["snapshots"],
                pages=info["frames"],
                held=info["held"],
                waiting=info["waiting"],
                sealed=info["sealed"],
                checksums=info["checksums"],
                fell_back=info["fell_back"],
                broken=info["broken"],
            )

    def compact(self, path: StrOrBytesPath) -> None:
        """Write the newest commit to a new file, without free pages.

        Args:
            path: where no file is, else `FileExistsError`.  It is there when all of it is on disk;
                until then it has another name beside it, which ends in ``.part``.

        What was not committed is not in it, and neither are snapshots.  Holes stay holes, the
        commits of the copy are counted anew, and pages that names have shared are written for each.
        O(bytes), of which 64 MiB and the largest buffer are in memory at a time.

        >>> from tempfile import TemporaryDirectory
        >>> from pagebuf import PageStore
        >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
        ...     store["log"] = b"one"
        ...     _ = store.commit()
        ...     store.compact(folder + "/copy.store")
        ...     PageStore(folder + "/copy.store", "r")["log"].tobytes()
        b'one'
        """
        self._compact(path, None)

    def _compact(self, path: StrOrBytesPath, told: Callable[[int], object] | None) -> None:
        """The same; `told` hears of each number of bytes that was read or written."""
        where = _checked_path(path)
        checksums = self.stats().checksums
        _check_free(where)
        part, pool = f"{where}.{uuid.uuid4().hex[:8]}.part", PagePool(name="compact")
        try:
            with (
                PageStore(self._path, "r", pool=pool) as source,
                PageStore(part, "x", durability="off", checksums=checksums, pool=pool) as target,
            ):
                source._file.told = target._file.told = told
                target._copy(source)
            _check_free(where)
            Path(part).rename(where)
        finally:
            for left in (part, part + ".lock"):
                Path(left).unlink(missing_ok=True)
        sync_directory(where)

    def _copy(self, source: PageStore) -> None:
        """Take over all names, and commit them, a part at a time."""
        nbytes = 0
        for name in source:
            self[name] = source[name]
            nbytes += self[name].stats().resident
            source._forget()
            if nbytes > COPIED or len(self._entries) >= COPIED_NAMES:
                self.commit()
                self._forget()
                nbytes = 0

    def _forget(self) -> None:
        """Let go of the buffers: who asks for one reads it again.  Nothing is uncommitted."""
        self._entries.clear()
        self._base.clear()

    def close(self) -> None:
        """Close the file.  What was not committed is not in it, and a `ResourceWarning` says so.

        Buffers of the store keep their bytes, and belong to nobody from then on.  The second call
        does nothing.
        """
        with self._mutex:
            if self._closed:
                return
            if self._file.fd < 0:  # in the child of a fork
                self._closed = True
                return
            if self._writable and self.is_changed():
                warnings.warn(
                    f"{self._path}: closed with changes that were not committed",
                    ResourceWarning,
                    stacklevel=2,
                )
            self._end()

    def _end(self) -> None:
        try:
            if self._writable and not self._core.info()["broken"]:
                self._seal()
        finally:
            self._closed = True
            self._file.close()
            self._entries = {}
            self._base = {}

    def _seal(self) -> None:
        if not self._file.waits:
            self._file.waits = True
            self._file.sync()  # what the seal says to be there
        self._core.seal(_now())

    def __enter__(self) -> Self:
        self._check()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._mutex:
            if self._closed:
                return
            if self._writable and kind is None:
                try:
                    self.commit()
                except BaseException:
                    self._end()
                    raise
            self._end()

    def __del__(self) -> None:
        if getattr(self, "_closed", True) or not self._writable or self._file.fd < 0:
            return
        if self.is_changed():
            warnings.warn(
                f"{self._path}: never closed, with changes that were not committed",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open for writing" if self._writable else "open"
        return f"<PageStore {self._path!r}, {state}>"
