"""Named byte buffers in one file, changed by commits that a crash cannot halve.

Not public yet: names and promises may change.  docs/store-format.md says what the file is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
import uuid
import warnings
from collections.abc import Iterator, MutableMapping
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
)
from pagebuf.pool import PagePool

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed import ReadableBuffer, StrPath

    from pagebuf._core import PageFile

    _Mode = Literal["r", "r+", "c", "x"]

__all__ = ["CorruptStoreError", "ForkError", "LockedError", "PageStore", "StoreError", "StoreStats"]

MOST_NAME = 255
MODES = {"r", "r+", "c", "x"}


class StoreStats(NamedTuple):
    """Figures of the last commit, in pages of the file."""

    commit: int
    names: int
    pages: int
    held: int
    waiting: int
    sealed: bool
    checksums: bool
    fell_back: bool
    broken: bool


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


def _encoded(name: object) -> bytes:
    if not isinstance(name, str):
        raise TypeError(f"a name must be a str, not {type(name).__name__}")
    encoded = name.encode()
    if not 0 < len(encoded) <= MOST_NAME:
        raise ValueError(f"a name has 1 to {MOST_NAME} bytes of UTF-8, not {len(encoded)}")
    return encoded


def _file_at(path: str, mode: _Mode) -> tuple[StoreFile, bool]:
    """The open file, with its writer's lock taken, and whether a store has to be made in it."""
    if mode == "r":
        return StoreFile(path, os.O_RDONLY, Locks(path, writer=False)), False
    if mode == "r+":
        Path(path).stat()  # no lock file for what is not there
    locks = Locks(path, writer=True)
    try:
        locks.become_writer()
        flags = {"r+": os.O_RDWR, "c": os.O_RDWR | os.O_CREAT}
        file = StoreFile(path, flags.get(mode, os.O_RDWR | os.O_CREAT | os.O_EXCL), locks)
    except BaseException:
        locks.close()
        raise
    return file, mode != "r+" and file.is_blank()


class PageStore(MutableMapping[str, PageBuffer]):
    """Named buffers in a file.

    What is read of a name is read whole, and each of its pages is compared with its checksum.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from pagebuf._store import PageStore
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name, "some.store")
    >>> with PageStore(path) as store:
    ...     store["log"] = b"one"
    ...     store["log"].extend(b" more")
    >>> with PageStore(path, "r") as store:
    ...     store["log"].tobytes()
    b'one more'
    >>> folder.cleanup()
    """

    def __init__(
        self,
        path: StrPath,
        mode: _Mode = "c",
        *,
        durability: Literal["full", "lazy"] = "full",
        checksums: bool = True,
        pool: PagePool | None = None,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode must be 'r', 'r+', 'c' or 'x', not {mode!r}")
        if durability not in {"full", "lazy"}:
            raise ValueError(f"durability must be 'full' or 'lazy', not {durability!r}")
        self._mutex = threading.RLock()
        self._pool = PagePool(name="store") if pool is None else pool
        self._path = str(Path(os.fsdecode(path)).resolve())
        self._writable = mode != "r"
        self._durable = durability == "full"
        self._in_transaction = False
        self._entries: dict[str, _Entry] = {}
        self._gone: dict[str, bytes] = {}
        self._base: dict[str, _Entry] = {}
        """The entries as of the last commit."""
        self._closed = True
        self._file, blank = _file_at(self._path, mode)
        try:
            self._core = self._open(blank, checksums)
        except BaseException:
            self._file.close()
            raise
        self._closed = False

    def _open(self, blank: bool, checksums: bool) -> _Store:
        core = _Store(self._file, self._pool)
        if blank:
            self._file.sync_directory()
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
        return self._path

    @property
    def closed(self) -> bool:
        return self._closed

    def _check(self, *, writes: bool = False) -> None:
        if self._closed:
            raise ValueError(f"the store {self._path!r} is closed")
        if self._file.fd < 0:
            raise ForkError(
                errno.EBADF, "the store belongs to the parent of this process", self._path
            )
        if writes and not self._writable:
            raise StoreError(errno.EROFS, "the store is open for reading", self._path)

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
        with self._mutex:
            self._check()
            return isinstance(name, str) and self._root_of(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        """All names, in the order of their bytes."""
        with self._mutex:
            self._check()
            names = {name.encode() for name in self._entries}
            at = self._core.next(b"")
            while at is not None:
                if at.decode() not in self._gone:
                    names.add(at)
                at = self._core.next(at)
            return [name.decode() for name in sorted(names)]

    def create(self, name: str, data: ReadableBuffer = b"") -> PageBuffer:
        """A new name; ValueError where there is one already."""
        with self._mutex:
            if name in self:
                raise ValueError(f"the store has a buffer called {name!r}")
            self[name] = data
            return self[name]

    def open(self, name: str, mode: str = "r+b") -> PageFile:
        """A file over the buffer of a name."""
        return self[name].open(mode)

    def rename(self, old: str, new: str) -> None:
        """Give a buffer another name, which nobody has."""
        with self._mutex:
            self._check(writes=True)
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

        Without changes nothing is written.  An OSError of a write leaves the last commit and the
        changes: call again.  After one of a barrier the store can only be read.
        """
        with self._mutex:
            self._check(writes=True)
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
            if changes:
                roots = self._core.commit(changes, self._durable, _now())
                for entry, snapshot, root in zip(
                    changed.values(), snapshots, roots[first:], strict=True
                ):
                    entry.shift = entry.shift if root else 0
                    entry.kept, entry.root, entry.unwritten = snapshot, root, False
                self._gone.clear()
                self._base = dict(self._entries)
            number: int = self._core.info()["commit"]
            return number

    def rollback(self) -> None:
        """Go back to the last commit.

        BufferError, with nothing changed, while a buffer that would change has live views.
        Buffers that the last commit does not have stay what they are, and belong to nobody.
        """
        with self._mutex:
            self._check(writes=True)
            back = {name: entry for name, entry in self._base.items() if self._differs(entry)}
            for entry in back.values():
                if entry.buf.stats().pinned:
                    raise BufferError("live views pin a buffer that would change: release them")
            for entry in back.values():
                assert entry.kept is not None
                entry.buf.restore(entry.kept)
            self._entries = dict(self._base)
            self._gone.clear()

    @staticmethod
    def _differs(entry: _Entry) -> bool:
        kept = entry.kept
        return kept is not None and (len(kept) != len(entry.buf) or bool(entry.buf.diff(kept)))

    def is_changed(self) -> bool:
        """Say whether there is anything to commit."""
        with self._mutex:
            self._check()
            gone = any(name not in self._entries for name in self._gone)
            return gone or any(entry.is_changed() for entry in self._entries.values())

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Self]:
        """Commit what happens in the block, or none of it if the block raises."""
        with self._mutex:
            self._check(writes=True)
            if self._in_transaction:
                raise RuntimeError("transactions of a store do not nest")
            self._in_transaction = True
            try:
                yield self
                self.commit()
            except BaseException:
                self.rollback()
                raise
            finally:
                self._in_transaction = False

    def refresh(self) -> int:
        """In a reader: go to the newest commit, and return its number.

        Buffers that were read before go on showing the commit they are of.
        """
        with self._mutex:
            self._check()
            if self._writable:
                raise ValueError("a writer sees its own commits: refresh() is for readers")
            self._core = self._open(False, True)
            self._entries.clear()
            self._base.clear()
            number: int = self._core.info()["commit"]
            return number

    # ---- whole ----

    def verify(self) -> None:
        """Read all that the last commit has.

        CorruptStoreError where a checksum does not fit, and in a writer where a page is lost or
        counted wrongly.
        """
        with self._mutex:
            self._check()
            self._core.verify()

    def stats(self) -> StoreStats:
        """Figures of the last commit."""
        with self._mutex:
            self._check()
            info = self._core.info()
            return StoreStats(
                commit=info["commit"],
                names=info["names"],
                pages=info["frames"],
                held=info["held"],
                waiting=info["waiting"],
                sealed=info["sealed"],
                checksums=info["checksums"],
                fell_back=info["fell_back"],
                broken=info["broken"],
            )

    def close(self) -> None:
        """Close the file.  What was not committed is lost, with a ResourceWarning."""
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
                self._core.seal(_now())
        finally:
            self._closed = True
            self._file.close()
            self._entries = {}
            self._base = {}

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

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open for writing" if self._writable else "open"
        return f"<PageStore {self._path!r}, {state}>"
