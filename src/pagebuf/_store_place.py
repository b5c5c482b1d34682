"""A store as the file systems of `pagebuf.fsspec` share it: when it is opened, and what commits."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pagebuf._store import PageStore, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pagebuf._core import PageBuffer

SUPERBLOCKS = 8192
"""The bytes of a store's file that each commit changes (docs/store-format.md)."""

_places: weakref.WeakValueDictionary[tuple[Any, ...], Place] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _after_fork() -> None:
    """The child has file systems of its own; those that it inherits open their store anew."""
    global _lock
    _lock = threading.Lock()
    for place in list(_places.values()):
        if not place.given:
            place.lock = threading.RLock()
    _places.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def place_of(path: str, mode: str, durability: str, limit: int | None, keep: int) -> Place:
    """The place that all of this process share who name the same file and ask for the same."""
    path = str(Path(path).resolve())
    key = path, mode, durability, limit, keep
    with _lock:
        place = _places.get(key)
        if place is None:
            place = _places[key] = Place(path, mode, durability, limit, keep)
        return place


def _close_all(stores: list[PageStore]) -> None:
    while stores:
        stores.pop().close()


class Place:
    """A store that is opened when it is needed: to read it until somebody writes.

    Its methods are called with `lock` held.
    """

    def __init__(
        self,
        path: str,
        mode: str,
        durability: str = "full",
        limit: int | None = None,
        keep: int = 0,
        store: PageStore | None = None,
    ) -> None:
        self.path = path
        self.mode = mode
        self.keep = keep
        self.given = store is not None
        self.lock: Any = threading.RLock() if store is None else store._mutex
        self.who: object = None
        """Who is in a transaction."""
        self._options: dict[str, Any] = {"durability": durability, "limit": limit}
        self._open: list[PageStore] = [] if store is None else [store]
        self._changing = False
        self._seen = b""
        """The superblocks as of when a reader last looked."""
        self._used: dict[str, int] = {}
        """Names that are in memory, with their sizes; the least recently used comes first."""
        if store is None:
            weakref.finalize(self, _close_all, self._open)

    def _here(self) -> PageStore | None:
        """The open store.  One that belongs to the parent of this process is not used."""
        if not self.given and self._open and self._open[0]._file.fd < 0:
            self.close()
        return self._open[0] if self._open else None

    def close(self) -> None:
        """Close the store, if it was opened here.  Who needs it opens it again."""
        if not self.given:
            self._used.clear()
            _close_all(self._open)

    def reading(self) -> PageStore:
        """The store, a reader at its newest commit."""
        store = self._here()
        if store is None:
            with Path(self.path).open("rb", buffering=0) as file:
                self._seen = file.read(SUPERBLOCKS)
            store = PageStore(self.path, "r", limit=self._options["limit"])
            self._open.append(store)
        elif not (self.given or store._writable):
            seen = os.pread(store._file.fd, SUPERBLOCKS, 0)
            if seen != self._seen:
                store.refresh()
                self._used.clear()
                self._seen = seen
        return store

    def writing(self) -> PageStore:
        """The store, open for writing."""
        store = self._here()
        if not self.given and (store is None or not store._writable):
            if self.mode == "r":
                raise StoreError(errno.EROFS, "the file system is for reading", self.path)
            mode: Any = self.mode
            writer = PageStore(self.path, mode, **self._options)
            self.close()
            self._open.append(writer)
            return writer
        assert store is not None
        store._check(writes=True)
        return store

    # ---- what commits ----

    def _check_who(self, who: object) -> None:
        if self.who is not None and self.who is not who:
            why = "another file system over this store is in a transaction"
            raise StoreError(errno.EBUSY, why, self.path)

    @contextlib.contextmanager
    def changing(self, who: object) -> Iterator[PageStore]:
        """Commit what happens in the block, unless that is part of something that commits."""
        with self.lock:
            store = self.writing()
            self._check_who(who)
            if self._changing or self.who is not None or store._in_transaction:
                yield store
                return
            alone = not self.given or not store.is_changed()
            self._changing = True
            try:
                yield store
                store.commit()
            except BaseException:
                if alone:
                    self._give_up(store)
                raise
            finally:
                self._changing = False
            self._let_go(store)

    def begin(self, who: object) -> None:
        """Begin a transaction."""
        with self.lock:
            store = self.writing()
            self._check_who(who)
            if self.who is not None or store._in_transaction:
                raise RuntimeError("transactions of a store do not nest")
            self.who = who

    def end(self, commits: bool) -> None:
        """End the transaction: all of it lasts, or nothing."""
        with self.lock:
            store = self.writing()
            try:
                if commits:
                    store.commit()
                else:
                    store.rollback()
            except BaseException:
                self._give_up(store)
                raise
            finally:
                self.who = None
            self._let_go(store)

    def _give_up(self, store: PageStore) -> None:
        """Go back to the last commit; one that was interrupted is seen by opening the file anew."""
        store._give_up()
        if store._was_interrupted():
            self.close()

    # ---- what stays in memory ----

    def used(self, name: str, buf: PageBuffer) -> None:
        """Note that a buffer is in memory, the newest of all."""
        self._used.pop(name, None)
        self._used[name] = len(buf)

    def look(self, name: str) -> PageBuffer | None:
        """The bytes of a name as of now."""
        store = self.reading()
        size = self._used.get(name)
        buf = store.get(name)
        if buf is not None:
            self.used(name, buf)
            if size != len(buf):
                self._let_go(store)
            buf = buf.snapshot()
        return buf

    def _let_go(self, store: PageStore) -> None:
        """Let go of what was used longest ago, but not of the last one."""
        if self.given:
            self._used.clear()
            return
        nbytes = sum(self._used.values())
        for name in list(self._used)[:-1]:
            if nbytes <= self.keep:
                break
            nbytes -= self._used.pop(name)
            store._let_go(name)
