"""The calls of a PageBuffer."""

from __future__ import annotations

import copy
import itertools
import mmap
import pathlib
import pickle
import tempfile
from typing import Any

import pagebuf
from tests.helpers import PAGE
from tests.support import pattern
from tests.threads.call import (
    RECORD,
    Call,
    Kind,
    Shape,
    another_pool,
    large,
    other,
    paged,
    shared,
    short,
    store,
)

AT = PAGE // 2  # a place in the first page
GONE = (IndexError,)
VIEWED = (BufferError,)
SCATTERED = (*GONE, *VIEWED)  # too short by now; or another view pins pages that must move


def as_array(buf: Any, given: Any, who: bytes) -> Any:
    return memoryview(buf.as_array("u1", 1, 9))


def begin_anew(buf: Any, pool: Any, who: bytes) -> None:
    buf.__init__(who * RECORD, pool=pool)


def assign(buf: Any, key: Any, who: bytes) -> None:
    buf[key] = who * RECORD


def delete(buf: Any, key: Any) -> None:
    del buf[key]


def read_into(buf: Any, given: Any, who: bytes) -> bytearray:
    space = bytearray(2 * PAGE)
    del space[buf.readinto(9, space) :]
    return space


def rename(buf: Any, given: Any, who: bytes) -> None:
    buf.name = who.decode()


def first(buf: Any) -> memoryview:
    return buf.view(0, 9)


def store_and_drop(buf: Any, given: Any, who: bytes) -> None:
    with first(buf) as view:
        store(view, who * 9)


def deltas(buf: Any) -> Any:
    """A delta from the contents to those of another buffer."""
    to = other(buf)
    return to.delta(buf)


def data_of(buf: Any, given: Any, who: bytes) -> list[tuple[int, bytes]]:
    """The data, with neighbouring runs joined: twins may divide the same data differently."""
    found: list[tuple[int, bytes]] = []
    for at, view in buf.data_views():
        if found and sum((found[-1][0], len(found[-1][1]))) == at:
            at, before = found.pop()
            found.append((at, before + bytes(view)))
        else:
            found.append((at, bytes(view)))
    return found


def item_of(buf: Any) -> Any:
    items = iter(buf)
    next(items, None)
    return items


def fetched(b: Any, g: Any, w: Any) -> bytes:
    data = pattern(0, 17 * PAGE)
    return b.remote(len(data), lambda at, n: data[at : at + n], pool=b.pool).tobytes()


def saved(buf: Any, given: Any, who: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "saved")
        buf.save(path)
        return path.read_bytes()


def map_that_shows(buf: Any, path: pathlib.Path) -> Any:
    """A map of a file that holds what the buffer holds at one moment."""
    while True:
        there = pagebuf.PageBuffer.map(path, pool=buf.pool)
        try:
            there.restore(buf)
        except ValueError:  # __init__ has changed the pool
            continue
        return there


def saved_changes(buf: Any, given: Any, who: bytes) -> bytes:
    """To a file of a map that shows the same."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "saved")
        path.write_bytes(pattern(0, 20 * PAGE))
        map_that_shows(buf, path).save_changes()
        return path.read_bytes()


def mapped(buf: Any) -> Any:
    return pagebuf.PageBuffer.map(pattern(0, 33 * PAGE), pool=buf.pool)


def kept(buf: Any) -> list[Any]:
    return [buf.snapshot(), buf.views(), buf.clone()]


CALLS = [
    # ---- looking ----
    Call("__bytes__", lambda b, g, w: bytes(b), looks=True),
    Call("__contains__", lambda b, g, w: pattern(3, 30) in b, looks=True),
    Call("__copy__", lambda b, g, w: copy.copy(b), looks=True),
    Call("__deepcopy__", lambda b, g, w: copy.deepcopy(b), looks=True),
    Call("__eq__", lambda b, o, w: b == o, looks=True, beside=other),
    Call("__ne__", lambda b, o, w: o != b, looks=True, beside=other),
    Call("__lt__", lambda b, o, w: b < o, looks=True, beside=other),
    Call("__le__", lambda b, o, w: o <= b, looks=True, beside=other),
    Call("__gt__", lambda b, g, w: b > pattern(0, PAGE), looks=True),
    Call("__ge__", lambda b, g, w: b >= pattern(0, 90), looks=True),
    Call("__getitem__", lambda b, g, w: b[5], GONE, looks=True),
    Call("__getitem__ slice", lambda b, g, w: b[3:-3], looks=True),
    Call("__getitem__ stride", lambda b, g, w: b[::-7], looks=True),
    Call("__iter__", lambda b, g, w: bool(iter(b)), steps=True),
    Call(
        "__iter__ next",
        lambda b, items, w: list(itertools.islice(items, 9)),
        steps=True,
        before=item_of,
    ),
    Call("__len__", lambda b, g, w: len(b), looks=True),
    Call("__repr__", lambda b, g, w: len(repr(b)) > 9, steps=True),
    Call("__reduce_ex__", lambda b, g, w: pickle.loads(pickle.dumps(b, 4)).tobytes(), looks=True),
    Call("__reduce_ex__ 5", lambda b, g, w: pickle.loads(pickle.dumps(b, 5)).tobytes(), looks=True),
    Call("__sizeof__", lambda b, g, w: b.__sizeof__() > 0, looks=True),
    Call("_tree_runs", lambda b, g, w: bool(b._tree_runs()) >= 0, looks=True),
    Call("capacity", lambda b, g, w: b.capacity, looks=True),
    Call("check", lambda b, g, w: b.check(), looks=True),
    Call("clone", lambda b, g, w: b.clone(), looks=True),
    Call("copy", lambda b, g, w: b.copy(), looks=True),
    Call("count", lambda b, g, w: b.count(pattern(9, 2)), looks=True),
    Call("delta", lambda b, o, w: b.delta(o), looks=True, beside=other),
    Call("diff", lambda b, o, w: b.diff(o, exact=True), looks=True, beside=other),
    Call("diff pages", lambda b, o, w: bool(o.diff(b)), looks=True, beside=other),
    Call("endswith", lambda b, g, w: b.endswith(w), looks=True),
    Call("extents", lambda b, g, w: b.extents(), steps=True),  # depends on pages: twins may differ
    Call("detach", lambda b, g, w: b.detach()),
    Call("gather", lambda b, g, w: b.gather(), VIEWED),
    Call("find", lambda b, g, w: b.find(pattern(PAGE + 9, 9)), looks=True),
    Call("frozen", lambda b, g, w: b.frozen, looks=True),
    Call("index", lambda b, g, w: b.index(pattern(2, 3)), (ValueError,), looks=True),
    Call("levels", lambda b, g, w: b.levels, looks=True),
    Call("map", lambda b, g, w: b.map(pattern(0, 17 * PAGE), pool=b.pool).tobytes(), looks=True),
    Call("name", lambda b, g, w: b.name, looks=True),
    Call("nbytes", lambda b, g, w: b.nbytes, looks=True),
    Call("open", lambda b, g, w: b.open(), looks=True),
    Call("pool", lambda b, g, w: b.pool, looks=True),
    Call("read", lambda b, g, w: b.read(0, -1), looks=True),
    Call("read small", lambda b, g, w: b.read(7, 64), looks=True),
    Call("readinto", read_into, looks=True),
    Call("rfind", lambda b, g, w: b.rfind(pattern(3, 2)), looks=True),
    Call("rindex", lambda b, g, w: b.rindex(pattern(3, 2)), (ValueError,), looks=True),
    Call("remote", fetched, looks=True),
    Call("prefetch", lambda b, g, w: b.prefetch(), looks=True),
    Call("present", lambda b, g, w: b.present(), looks=True, steps=True),  # reads fetch in steps
    Call("forget", lambda b, g, w: b.forget(), looks=True),
    Call("save", saved, looks=True),
    Call("save_changes", saved_changes, looks=True),
    Call("source", lambda b, g, w: b.source, looks=True),
    Call("snapshot", lambda b, g, w: b.snapshot(), looks=True),
    Call("startswith", lambda b, g, w: b.startswith(pattern(0, 30)), looks=True),
    Call("stats", lambda b, g, w: b.stats(), looks=True),
    Call("tobytes", lambda b, g, w: b.tobytes(), looks=True),
    Call("views", lambda b, g, w: b"".join(b.views()), looks=True),
    Call("data_views", data_of, looks=True),
    Call("views some", lambda b, g, w: b.views(9, 5), GONE, looks=True),
    Call("walk", lambda b, g, w: b.walk(5), looks=True, steps=True),  # as present
    # ---- live views, which show the contents ----
    Call("view", lambda b, g, w: b.view(), SCATTERED, steps=True),
    Call("view stable", lambda b, g, w: b.view(0, 9, writable=False), GONE, looks=True),
    Call("view stored to", store_and_drop, SCATTERED, steps=True),
    Call("view dropped", lambda b, v, w: v.release(), SCATTERED, before=first),
    Call("view written", lambda b, v, w: store(v, w * 9), SCATTERED, before=first, steps=True),
    Call("views live", lambda b, g, w: b.views(writable=True), VIEWED, steps=True),
    Call("__buffer__", lambda b, g, w: memoryview(b), VIEWED, steps=True),
    Call("__release_buffer__", lambda b, v, w: v.release(), SCATTERED, before=memoryview),
    Call("as_array", as_array, SCATTERED, steps=True, needs="numpy"),
    # ---- changing ----
    Call("__init__", lambda b, g, w: b.__init__(w * RECORD), VIEWED),
    Call("__init__ pool", begin_anew, VIEWED, beside=another_pool),
    Call("__iadd__", lambda b, g, w: b.__iadd__(w * RECORD), adds=True),
    Call("__setitem__", lambda b, g, w: b.__setitem__(5, w[0]), GONE),
    Call("__setitem__ slice", lambda b, g, w: assign(b, slice(9, 30), w), VIEWED),
    Call("__setitem__ end", lambda b, g, w: assign(b, slice(1 << 60, None), w), VIEWED, adds=True),
    Call("__delitem__", lambda b, g, w: delete(b, 5), (*GONE, *VIEWED)),
    Call("__delitem__ slice", lambda b, g, w: delete(b, slice(9, PAGE)), VIEWED),
    Call("append", lambda b, g, w: b.append(w[0])),
    Call(
        "apply",
        lambda b, d, w: b.apply(d),
        (pagebuf.DeltaError, *VIEWED, ValueError),
        before=deltas,
        steps=True,
    ),
    Call("clear", lambda b, g, w: b.clear()),
    Call("collapse", lambda b, g, w: b.collapse(9, 20), VIEWED),
    Call("collapse pages", lambda b, g, w: b.collapse(0, PAGE), VIEWED),
    Call("copy_range", lambda b, o, w: b.copy_range(0, o), beside=other),
    Call("copy_range from", lambda b, o, w: o.copy_range(PAGE, b, 0, PAGE) and o, beside=other),
    Call("copy_range self", lambda b, g, w: b.copy_range(AT, b, 0, AT)),
    Call("extend", lambda b, g, w: b.extend(w * RECORD), adds=True),
    Call("extend other", lambda b, o, w: b.extend(o), beside=other),
    Call("extend ints", lambda b, g, w: b.extend([w[0]] * RECORD), adds=True),
    Call("insert", lambda b, g, w: b.insert(9, w[0]), VIEWED),
    Call("insert first", lambda b, g, w: b.insert(0, w[0])),
    Call("prepend", lambda b, g, w: b.prepend(w * 30)),
    Call("insert_hole", lambda b, g, w: b.insert_hole(9, 20), VIEWED),
    Call("insert_hole pages", lambda b, g, w: b.insert_hole(0, PAGE), VIEWED),
    Call("name set", rename),
    Call("open empty", lambda b, g, w: b.open("w")),
    Call("pop", lambda b, g, w: b.pop(), (*GONE, *VIEWED)),
    Call("pop first", lambda b, g, w: b.pop(0), (*GONE, *VIEWED)),
    Call("punch", lambda b, g, w: b.punch(3, PAGE)),
    Call("remove", lambda b, g, w: b.remove(pattern(9, 1)[0]), (ValueError, *VIEWED)),
    Call("resize", lambda b, g, w: b.resize(PAGE + 3)),
    Call("restore", lambda b, o, w: b.restore(o), (*VIEWED, ValueError), beside=other),
    Call("restore mapped", lambda b, m, w: b.restore(m), (*VIEWED, ValueError), before=mapped),
    Call("copy_range mapped", lambda b, m, w: b.copy_range(0, m), before=mapped),
    Call("restore from", lambda b, o, w: o.restore(b) or o, (ValueError,), beside=other),
    Call("reverse", lambda b, g, w: b.reverse()),
    Call("take_bytes", lambda b, g, w: b.take_bytes(30), (*GONE, *VIEWED), takes=True),
    Call("take_bytes all", lambda b, g, w: b.take_bytes(), VIEWED, takes=True),
    Call("truncate", lambda b, g, w: b.truncate(AT)),
    Call("write", lambda b, g, w: b.write(9, w * RECORD)),
    Call("write many", lambda b, g, w: b.write(AT, w * (2 * PAGE))),
    Call("sharers dropped", lambda b, kept, w: kept.clear(), before=kept),
]


def with_snapshot(make: Any) -> Any:
    def made(pool: pagebuf.PagePool) -> tuple[Any, Any]:
        buf = make(pool)
        return buf, buf.snapshot()

    return made


def of_a_map(pool: pagebuf.PagePool) -> tuple[Any, Any]:
    """Pages of a bytes object, one that was written, and a hole."""
    buf = pagebuf.PageBuffer.map(pattern(0, 17 * PAGE + 9), pool=pool).clone()
    buf.write(PAGE + 5, b"w" * 20)
    buf.punch(5 * PAGE, 2 * PAGE)
    return buf, None


def of_a_remote(pool: pagebuf.PagePool) -> tuple[Any, Any]:
    """Pages that are fetched when they are touched, one that was written, and a hole."""
    unit = max(PAGE, mmap.PAGESIZE)
    data = pattern(0, 4 * unit + 9)
    there = pagebuf.PageBuffer.remote(
        len(data), lambda at, size: data[at : at + size], page_in=unit, pool=pool
    )
    buf = there.clone()
    buf.write(PAGE + 5, b"w" * 20)
    buf.punch(2 * unit, PAGE)
    return buf, there


def alone(make: Any) -> Any:
    return lambda pool: (make(pool), None)


SHAPES = [
    Shape("paged", alone(paged), often=6),
    Shape("shared", with_snapshot(shared), often=5),
    Shape("short", alone(short), often=4),
    Shape("of a map", of_a_map, often=3, burst=6),
    Shape("of a remote", of_a_remote, often=3, burst=6),
    Shape("large", alone(large), burst=3),
]

BUFFERS = Kind(
    pagebuf.PageBuffer,
    CALLS,
    SHAPES,
    state=lambda b: (b.tobytes(), b.name, b.pool.name),
    contents=lambda b: b.tobytes(),
    check=lambda b: b.check(),
    left_out=["_repr_svg_"],  # draws with matplotlib, from one snapshot
)


# ---- iterators ----


def iterator(make: Any, at: int) -> Any:
    def made(pool: pagebuf.PagePool) -> tuple[Any, Any]:
        items = iter(make(pool))
        items.__setstate__(at)
        return items, None

    return made


ITERATORS = Kind(
    type(iter(pagebuf.PageBuffer())),
    [
        Call("__next__", lambda it, g, w: next(it), (StopIteration,)),
        Call("__next__ some", lambda it, g, w: list(itertools.islice(it, 20)), steps=True),
        Call("__iter__", lambda it, g, w: iter(it) is it, looks=True),
        Call("__length_hint__", lambda it, g, w: it.__length_hint__(), looks=True),
        Call("__reduce__", lambda it, g, w: it.__reduce__()[1:], looks=True),
        Call("__setstate__", lambda it, g, w: it.__setstate__(7)),
    ],
    [
        Shape("at the start", iterator(short, 0)),
        Shape("at the last byte", iterator(short, 39), often=3),
        Shape("at the end", iterator(short, 40)),
        Shape("paged", iterator(paged, 2 * PAGE)),
    ],
    state=lambda it: it.__reduce__()[1:],
    contents=lambda it: None,
    check=lambda it: None,
)
