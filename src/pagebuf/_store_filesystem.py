"""``pagebuf://``: a store as a file system of fsspec, which `pagebuf.fsspec` shows."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar

from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]
from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]
from fsspec.transaction import Transaction  # type: ignore[import-untyped]
from fsspec.utils import tokenize  # type: ignore[import-untyped]

from pagebuf._core import PageBuffer, PageFile
from pagebuf._store import MOST_NAME, PageStore
from pagebuf._store_place import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

KEEP = 512 << 20
MODES = "r", "r+", "c"
CREATING = {"overwrite": "wb", "create": "xb"}


def _error(number: int, path: object) -> OSError:
    """The error of the system with this number: its class, message and file name."""
    return OSError(number, os.strerror(number), path)


class StoreFile(PageFile):
    """A file that is written: the store has it when it is closed."""

    def __init__(
        self, fs: StoreFileSystem, name: str, mode: str, buf: PageBuffer, autocommit: bool
    ) -> None:
        super().__init__(buf, mode.replace("x", "w"))
        self.fs = fs
        self.path = name
        self._new = "x" in mode
        self._made: PageBuffer | None = buf
        self._waits = not autocommit

    def close(self) -> None:
        """Close the file.  Outside a transaction this commits it."""
        if not self.closed:
            super().close()
            if not self._waits:
                self.commit()

    def commit(self) -> None:
        """Put what was written into the store; fsspec calls it for files with autocommit=False."""
        made, self._made = self._made, None
        if made is not None:
            self.fs._put(self.path, made, self._new)

    def discard(self) -> None:
        """Close the file, and forget what was written to it."""
        self._made = None
        super().close()


class StoreTransaction(Transaction):  # type: ignore[misc]
    """What ``with fs.transaction:`` makes: all changes in the block are one commit, or none."""

    fs: Any

    def start(self) -> None:
        """Begin: nothing is committed until the end."""
        fs: StoreFileSystem = self.fs
        fs._place.begin(self)
        fs._begun = self
        super().start()

    def complete(self, commit: bool = True) -> None:
        """End: commit, or roll back.  Files that are still open are closed, or discarded."""
        fs: StoreFileSystem = self.fs
        done = False
        try:
            while commit and self.files:
                self.files[0].close()
                self.files.popleft()
            done = commit
        finally:
            while self.files:
                self.files.popleft().discard()
            fs._begun, fs._transaction, self.fs = None, None, None
            fs._intrans = False
            fs._place.end(done)


class StoreFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """What ``pagebuf://`` stands for: a `PageStore` as a file system of fsspec.

    A file is a name of the store, with ``/`` between its parts.  When a file that was written is
    closed, that is a commit; so is each ``rm``, ``mv``, ``copy``, ``pipe`` and ``mkdir``, of one
    path or many.  In ``with fs.transaction:`` all of them together are one commit, and nothing if
    the block raises.  An open file shows what it showed when it was opened.

    A directory is there as long as a file is in it.  ``mkdir`` keeps an empty one, as a name with
    ``/`` at its end.  Names with an empty part in another place are not shown.

    Args:
        fo: the file of the store, or a `PageStore`, whose owner commits and closes.  In a URL it
            stands behind ``::``, as in ``pagebuf://a/b.csv::/data/some.store``.
        mode: ``"r"``: nothing is written.  ``"r+"``: the file has to be there.  ``"c"``: the first
            write makes it.
        durability: of commits, as in `PageStore`.
        limit: the most bytes of pages in memory, as in `PageStore`.
        keep: so many bytes of files that were used stay in memory, and the last one always.

    Raises:
        ValueError: there is no `fo`, or it is not a local file; another mode.

    The store is opened when it is needed: to read, where many may be; and by the first write as the
    writer, which `PageStore` lets be one, else `LockedError`.  All of a process that name the same
    file with the same options share it.  It is closed with the last of them, or by ``close()``.
    Who reads sees the newest commit with each call.

    A file is in memory as a whole while it is used, as are all of a store (docs/store.md).
    ``info`` and ``ls`` read no file.  ``ls`` is O(entries * log names).

    >>> import fsspec, tempfile, pagebuf.fsspec
    >>> folder = tempfile.TemporaryDirectory()
    >>> fs = fsspec.filesystem("pagebuf", fo=folder.name + "/some.store")
    >>> with fs.open("logs/today", "w") as file:
    ...     _ = file.write("one line")
    >>> with fs.transaction:
    ...     fs.mv("logs/today", "logs/yesterday")
    ...     fs.pipe("logs/today", b"")
    >>> fs.ls("logs", detail=False), fs.cat_file("logs/yesterday", -4)
    (['logs/today', 'logs/yesterday'], b'line')
    >>> fs.close()
    >>> folder.cleanup()
    """

    protocol: ClassVar[str] = "pagebuf"
    root_marker: ClassVar[str] = ""
    cachable: ClassVar[bool] = False
    transaction_type = StoreTransaction

    def __init__(
        self,
        fo: str | os.PathLike[str] | PageStore = "",
        target_protocol: str | None = None,
        target_options: dict[str, Any] | None = None,  # noqa: ARG002  # of a local file: none
        *,
        mode: str = "c",
        durability: str = "full",
        limit: int | None = None,
        keep: int = KEEP,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mode not in MODES:
            raise ValueError(f"mode must be 'r', 'r+' or 'c', not {mode!r}")
        if target_protocol not in {None, "file", "local"}:
            raise ValueError(f"a store is a local file, not one of {target_protocol!r}")
        self._begun: StoreTransaction | None = None
        if isinstance(fo, PageStore):
            self._place = Place(fo.path, mode, store=fo)
            return
        path: str = LocalFileSystem._strip_protocol(fo) if fo else ""
        if not path:
            raise ValueError(
                "which store?  fo= names its file, or a URL as in pagebuf://name::/data/some.store"
            )
        self._place = place_of(path, mode, durability, limit, keep)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        return stripped if isinstance(stripped, list) else stripped.lstrip("/")

    def close(self) -> None:
        """Close the store, unless it was given as one.  The next call opens it again."""
        with self._place.lock:
            self._place.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._place.path!r}>"  # fsspec knows wrapped ones by it

    # ---- what is there ----

    def _kind(self, store: PageStore, name: str) -> tuple[str, int] | None:
        """Say whether it is a "file" or a "directory", and its size; None: it is not there."""
        if not name:
            return "directory", 0
        if len(name.encode()) > MOST_NAME:
            return None
        size = store._size_of(name)
        if size is not None:
            return "file", size
        below = next(store._below(name + "/"), None)
        return None if below is None else ("directory", 0)

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:  # noqa: ARG002  # as all others
        """Name, size and type of a file or directory, without reading it."""
        name = self._strip_protocol(path)
        with self._place.lock:
            kind = self._kind(self._place.reading(), name)
        if kind is None:
            raise _error(errno.ENOENT, path)
        return {"name": name, "size": kind[1], "type": kind[0]}

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """What is in a directory, in order: names, or what `info` says of them."""
        name = self._strip_protocol(path)
        info = self.info(path, **kwargs)
        found = [info] if info["type"] == "file" else self._entries(name)
        return found if detail else [entry["name"] for entry in found]

    def _entries(self, directory: str) -> list[dict[str, Any]]:
        prefix = directory + "/" if directory else ""
        found: dict[str, dict[str, Any]] = {}
        with self._place.lock:
            store = self._place.reading()
            for name in store._below(prefix, flat=True):
                part, slash, _ = name[len(prefix) :].partition("/")
                if part and slash:
                    child = {"name": prefix + part, "size": 0, "type": "directory"}
                    found.setdefault(prefix + part, child)
                elif part:
                    found[name] = {"name": name, "size": store._size_of(name), "type": "file"}
        return list(found.values())

    def ukey(self, path: str) -> str:
        """Another string after any commit."""
        info = self.info(path)
        with self._place.lock:
            store = self._place.reading()
            key: str = tokenize(self._place.path, info, store.stats().commit, store.is_changed())
        return key

    # ---- bytes ----

    def _look(self, path: str) -> PageBuffer:
        name = self._strip_protocol(path)
        with self._place.lock:
            buf = self._place.look(name) if 0 < len(name.encode()) <= MOST_NAME else None
            if buf is not None:
                return buf
            there = self._kind(self._place.reading(), name)
        raise _error(errno.EISDIR if there else errno.ENOENT, path)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        """Bytes of a file; `start` and `end` as in a slice."""
        del kwargs  # of open(), which none of these has a use for
        return _part(self._look(path), start, end)

    def cat_ranges(
        self,
        paths: list[str],
        starts: int | list[int | None] | None,
        ends: int | list[int | None] | None,
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Bytes of ranges of files, as `cat_file`.  Ranges of one file are of one moment."""
        del max_gap, kwargs  # nothing is read but what is asked for
        if not isinstance(paths, list):
            raise TypeError(f"paths must be a list, not {type(paths).__name__}")
        firsts = starts if isinstance(starts, list) else [starts] * len(paths)
        lasts = ends if isinstance(ends, list) else [ends] * len(paths)
        looked: dict[str, PageBuffer | OSError] = {}
        found: list[Any] = []
        for path, first, last in zip(paths, firsts, lasts, strict=True):
            buf = looked.get(path)
            if buf is None:
                buf = looked[path] = self._look_or_error(path)
            if isinstance(buf, OSError):
                if on_error != "return":
                    raise buf
                found.append(buf)
            else:
                found.append(_part(buf, first, last))
        return found

    def _look_or_error(self, path: str) -> PageBuffer | OSError:
        try:
            return self._look(path)
        except OSError as error:
            return error

    def pipe_file(self, path: str, value: Any, mode: str = "overwrite", **kwargs: Any) -> None:
        """Make these the bytes of a file; ``mode="create"``: of one that is not there."""
        del kwargs
        with self._place.changing(self._begun) as store:
            name = self._writable_name(store, path, CREATING[mode])
            self._put(name, value, new=mode == "create")

    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> None:
        """`pipe_file`, or that of each item of a dict, in one commit."""
        with self._place.changing(self._begun):
            super().pipe(path, value, **kwargs)

    def _put(self, name: str, data: Any, new: bool) -> None:
        with self._place.changing(self._begun) as store:
            if new and name in store:
                raise _error(errno.EEXIST, name)
            store[name] = data
            self._place.used(name, store[name])

    def _writable_name(self, store: PageStore, path: str, mode: str) -> str:
        """The name of a file that is to be written, if there may be one."""
        name: str = self._strip_protocol(path)
        if "" in name.split("/"):
            raise ValueError(f"a path has no empty part, as {path!r} has")
        there = self._kind(store, name)
        if "x" in mode and there:
            raise _error(errno.EEXIST, path)
        if there and there[0] == "directory":
            raise _error(errno.EISDIR, path)
        self._check_parents(store, name)
        return name

    def _check_parents(self, store: PageStore, name: str) -> None:
        parent = self._parent(name)
        while parent:
            if store._size_of(parent) is not None:
                raise _error(errno.ENOTDIR, parent)
            parent = self._parent(parent)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,  # noqa: ARG002  # nothing is read ahead
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> PageFile:
        if mode == "rb":
            return self._look(path).open("rb")
        with self._place.lock:
            store = self._place.writing()
            name = self._writable_name(store, path, mode)
            before = None if mode[0] in "wx" else self._place.look(name)
            if before is None and mode[0] == "r":
                raise _error(errno.ENOENT, path)
            buf = PageBuffer(pool=store._pool) if before is None else before.clone()
        return StoreFile(self, name, mode, buf, autocommit or self._intrans)

    # ---- names ----

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Copy a file; the copy of a directory is an empty one."""
        with self._place.changing(self._begun):
            if self.isdir(path1):
                self.makedirs(path2, exist_ok=True)
            else:
                self.pipe_file(path2, self._look(path1), **kwargs)

    def copy(self, path1: Any, path2: Any, *args: Any, **kwargs: Any) -> None:
        """Copy files, in one commit, by the rules of fsspec."""
        with self._place.changing(self._begun):
            super().copy(path1, path2, *args, **kwargs)

    def mv(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Move files, in one commit.  One file gets its new name: no byte of it is written."""
        with self._place.changing(self._begun) as store:
            one = isinstance(path1, str) and isinstance(path2, str) and self.isfile(path1)
            if not one:
                super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **kwargs)
                return
            old = self._strip_protocol(path1)
            into = path2.endswith("/") or self.isdir(path2)
            new = f"{self._strip_protocol(path2)}/{old.rpartition('/')[2]}" if into else path2
            new = self._writable_name(store, new, "wb")
            if old != new:
                store.pop(new, None)
                store.rename(old, new)

    def put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
        """Copy a local file into the store, in one commit."""
        with self._place.changing(self._begun):
            super().put_file(lpath, rpath, *args, **kwargs)

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        with self._place.changing(self._begun) as store:
            name = self._strip_protocol(path)
            there = self._kind(store, name)
            if there is None:
                raise _error(errno.ENOENT, path)
            if there[0] == "directory":
                raise _error(errno.EISDIR, path)
            del store[name]

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete files, and directories if they are empty or `recursive`, in one commit."""
        with self._place.changing(self._begun) as store:
            for name in reversed(self.expand_path(path, recursive=recursive, maxdepth=maxdepth)):
                there = self._kind(store, name)
                if there and there[0] == "file":
                    del store[name]
                elif there:
                    self._rm_directory(store, name, recursive)

    def _rm_directory(self, store: PageStore, name: str, leaves: bool) -> None:
        """Delete an empty directory; one that is not may be left."""
        mark = name + "/"
        if any(below != mark for below in _first(store._below(mark), 2)):
            if not leaves:
                raise _error(errno.ENOTEMPTY, name)
        elif name:
            del store[mark]

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        """Make a directory that stays when nothing is in it."""
        del kwargs
        with self._place.changing(self._begun) as store:
            name = self._writable_name(store, path, "xb")
            parent = self._parent(name)
            if self._kind(store, parent) is None:
                if not create_parents:
                    raise _error(errno.ENOENT, parent)
                self.mkdir(parent)
            store[name + "/"] = b""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a directory, and those that it is in."""
        with self._place.changing(self._begun):
            if not (exist_ok and self.isdir(path)):
                self.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Delete a directory that is empty."""
        with self._place.changing(self._begun) as store:
            name = self._strip_protocol(path)
            there = self._kind(store, name)
            if there is None or there[0] == "file":
                raise _error(errno.ENOTDIR if there else errno.ENOENT, path)
            self._rm_directory(store, name, leaves=False)


def _first(names: Iterable[str], count: int) -> list[str]:
    return [name for name, _ in zip(names, range(count), strict=False)]


def _part(buf: PageBuffer, start: int | None, end: int | None) -> bytes:
    first, last, _ = slice(start, end).indices(len(buf))
    return buf.read(first, max(0, last - first))
