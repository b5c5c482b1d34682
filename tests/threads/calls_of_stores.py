"""The calls of a PageStore, a writer."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
import weakref
from typing import Any

import pagebuf
from tests.helpers import PAGE
from tests.support import pattern
from tests.threads.call import RECORD, Call, Kind, Shape

CLOSED = (ValueError,)
GONE = (ValueError, KeyError)


def transaction(store: Any, given: Any, who: bytes) -> None:
    with store.transaction():
        store["a"].extend(who * RECORD)
        store[who.decode()] = who * PAGE


def given_up(store: Any, given: Any, who: bytes) -> None:
    try:
        with store.transaction():
            store["a"].write(0, who * PAGE)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass


def compact(store: Any, given: Any, who: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store.compact(pathlib.Path(folder, "copy"))


def leave(store: Any, given: Any, who: bytes) -> None:
    with store:
        pass


def look_back(store: Any, given: Any, who: bytes) -> int:
    with store.at("then") as then:
        return len(then["a"]) and then.commit


def read(store: Any, given: Any, who: bytes) -> int:
    with pagebuf.PageStore(store.path, "r") as reader:
        return reader.refresh() >= 0 and len(reader) >= 0


CALLS = [
    Call("__contains__", lambda s, g, w: "a" in s, CLOSED, looks=True),
    Call("__delitem__", lambda s, g, w: s.__delitem__("a"), GONE),
    Call("__enter__", leave, CLOSED, steps=True),
    Call("__getitem__", lambda s, g, w: s["a"], GONE, looks=True),
    Call("__getitem__ asked first", lambda s, g, w: s["unread"], GONE, looks=True),
    Call("__iter__", lambda s, g, w: list(s), CLOSED, looks=True),
    Call("__len__", lambda s, g, w: len(s), CLOSED, looks=True),
    Call("__repr__", lambda s, g, w: len(repr(s)) > 9, steps=True),
    Call("__setitem__", lambda s, g, w: s.__setitem__("a", w * RECORD), CLOSED),
    Call("__setitem__ new", lambda s, g, w: s.__setitem__("new", w * PAGE), CLOSED),
    Call("at", look_back, GONE, looks=True),
    Call("clear", lambda s, g, w: s.clear(), GONE, steps=True),
    Call("close", lambda s, g, w: s.close()),
    Call("closed", lambda s, g, w: s.closed, looks=True),
    Call("commit", lambda s, g, w: s.commit(), CLOSED),
    Call("compact", compact, CLOSED, steps=True),
    Call("create", lambda s, g, w: s.create("new", w * RECORD), CLOSED),
    Call("drop_snapshot", lambda s, g, w: s.drop_snapshot("then"), GONE),
    Call("get", lambda s, g, w: s.get("a"), CLOSED, looks=True),
    Call("is_changed", lambda s, g, w: s.is_changed(), CLOSED, looks=True),
    Call("items", lambda s, g, w: [n for n, _ in s.items()], GONE, steps=True),
    Call("open", lambda s, g, w: s.open("a").write(w * RECORD), GONE),
    Call("path", lambda s, g, w: bool(s.path), looks=True),
    Call("pop", lambda s, g, w: s.pop("a"), GONE, steps=True),
    Call("refresh", lambda s, g, w: s.refresh(), CLOSED, refuses=True),
    Call("rename", lambda s, g, w: s.rename("a", "z"), GONE),
    Call("rollback", lambda s, g, w: s.rollback(), CLOSED),
    Call("setdefault", lambda s, g, w: s.setdefault("new", w), CLOSED),
    Call("snapshot", lambda s, g, w: s.snapshot("now"), CLOSED),
    Call("snapshots", lambda s, g, w: list(s.snapshots(pages=True)), CLOSED, looks=True),
    Call("stats", lambda s, g, w: s.stats(), CLOSED, looks=True),
    Call("transaction", transaction, GONE),
    Call("transaction given up", given_up, GONE),
    Call("update", lambda s, g, w: s.update(a=w, b=w * PAGE), CLOSED, steps=True),
    Call("verify", lambda s, g, w: s.verify(), CLOSED, looks=True),
    # ---- beside the writer ----
    Call("reader", read, (OSError,), steps=True),
    Call(
        "buffer written",
        lambda s, b, w: b and b.write(PAGE, w * PAGE),
        CLOSED,
        before=lambda s: s.get("a"),
    ),
]


class Folder:
    """A temporary folder that goes with the object, without a warning."""

    def __init__(self) -> None:
        self.path = pathlib.Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def opened(pool: Any, names: dict[str, bytes]) -> tuple[Any, Any]:
    """A store that has some names, and a change that is not committed."""
    folder = Folder()
    path = folder.path / "some.store"
    with pagebuf.PageStore(path, durability="off") as store:
        store.update(names)
        store.snapshot("then")
    store = pagebuf.PageStore(path, durability="off", pool=pool)
    store["a"].extend(b"more")
    return store, folder


NAMES = {"a": pattern(0, 3 * PAGE), "b": b"short", "unread": pattern(5, PAGE + 9)}


def state(store: Any) -> Any:
    if store.closed:
        return None
    names = {name: buf.tobytes() for name, buf in store.items()}
    return store.stats().commit, names, list(store.snapshots())


STORES = Kind(
    pagebuf.PageStore,
    CALLS,
    [Shape("a few", lambda pool: opened(pool, NAMES), burst=4)],
    state=state,
    contents=lambda store: None,
    check=lambda store: store.closed or store.verify(),
)
