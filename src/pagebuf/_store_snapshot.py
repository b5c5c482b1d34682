"""What a snapshot of a store shows: a mapping that does not change."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Self

from pagebuf._core import PageBuffer, _Store
from pagebuf._store_file import ForkError, StoreFile, reader_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pagebuf._core import PageFile
    from pagebuf.pool import PagePool


class SnapshotStats(NamedTuple):
    """Figures of a snapshot of a store."""

    commit: int
    time: float
    names: int
    pages: int | None


for _field, _says in {
    "commit": "The number of the commit that it shows.",
    "time": "When that was, in seconds since 1970, by the clock of who made it.",
    "names": "How many names it has.",
    "pages": "Pages that `drop_snapshot` would free; None where nobody asked.",
}.items():
    getattr(SnapshotStats, _field).__doc__ = _says


def encoded_names(after: Callable[[bytes], bytes | None], file: StoreFile) -> Iterator[str]:
    """The names of a tree, in the order of their bytes."""
    at = after(b"")
    while at is not None:
        try:
            yield at.decode()
        except UnicodeDecodeError:
            raise file.corrupt(f"the name {at!r} is not UTF-8", 0) from None
        at = after(at)


class StoreSnapshot(Mapping[str, PageBuffer]):
    """The names of a `PageStore` as they were when a snapshot was made: `PageStore.at`.

    A mapping of `str` to frozen buffers, each of which is read when it is asked for: O(bytes).  It
    shows the same for as long as it lives, whatever becomes of the store or of the snapshot: the
    store does not use the pages for anything else before `close()`.

    >>> from tempfile import TemporaryDirectory
    >>> from pagebuf import PageStore
    >>> with TemporaryDirectory() as folder, PageStore(folder + "/some.store") as store:
    ...     store["log"] = b"one"
    ...     _ = store.snapshot("monday")
    ...     store["log"].extend(b" more")
    ...     with store.at("monday") as then:
    ...         then["log"].tobytes(), then.commit
    (b'one', 1)
    """

    def __init__(self, store: _Store, path: str, pool: PagePool, name: str) -> None:
        self._name = name
        self._pool = pool
        self._closed = True
        self._buffers: dict[str, PageBuffer] = {}
        self._file = reader_file(path, store.info()["sequence"])
        try:
            self._core = _Store(self._file, pool)
            self._core.open_at(store, name.encode())
        except BaseException:
            self._file.close()
            raise
        self._closed = False

    @property
    def name(self) -> str:
        """The name of the snapshot."""
        return self._name

    @property
    def commit(self) -> int:
        """The number of the commit that it shows."""
        number: int = self._core.info()["commit"]
        return number

    def _check(self) -> None:
        if self._closed:
            raise ValueError(f"the snapshot {self._name!r} is closed")
        if self._file.fd < 0:
            raise ForkError(
                errno.EBADF, "the snapshot belongs to the parent of this process", self._file.path
            )

    def __getitem__(self, name: str) -> PageBuffer:
        with self._file.mutex:
            self._check()
            if name not in self._buffers:
                found = self._core.find(name.encode()) if name in self else None
                if found is None:
                    raise KeyError(name)
                few, root = found
                buf = self._core.load(root)[0] if root else PageBuffer(few or b"", pool=self._pool)
                self._buffers[name] = buf.snapshot()
            return self._buffers[name]

    def __contains__(self, name: object) -> bool:
        """Whether it has a name.  Nothing is read.  O(log names)."""
        with self._file.mutex:
            self._check()
            known = isinstance(name, str) and 0 < len(name.encode()) <= 255
            return known and self._core.find(name.encode()) is not None  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[str]:
        """The names, in the order of their UTF-8.  O(names)."""
        with self._file.mutex:
            self._check()
            return iter(list(encoded_names(self._core.next, self._file)))

    def __len__(self) -> int:
        """How many names there are."""
        with self._file.mutex:
            self._check()
            names: int = self._core.info()["names"]
            return names

    def open(self, name: str) -> PageFile:
        """Open a file that reads the buffer of a name."""
        return self[name].open("rb")

    def close(self) -> None:
        """Let the store have the pages.  Buffers that were read keep their bytes."""
        with self._file.mutex:
            self._closed = True
            self._file.close()
            self._buffers = {}

    def __enter__(self) -> Self:
        self._check()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<StoreSnapshot {self._name!r} of {self._file.path!r}, {state}>"
