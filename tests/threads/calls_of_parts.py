"""Drops an object in one thread while another thread uses an object that shares memory with it.

A box has an object, a view of it, another object that shares its pages, their pool, and a child of
the pool.  A call drops or uses one of these parts.  The last reference to go frees the pool."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pagebuf
from tests.helpers import PAGE
from tests.support import pattern
from tests.threads.call import Call, Kind, Shape, paged, shared
from tests.threads.calls_of_buffers import BUFFERS

REFUSED = (BufferError, IndexError, ValueError)  # has views; too short; closed, or on another pool


class Box:
    """Parts by name; a part that was dropped is None."""

    def __init__(self, **parts: Any) -> None:
        self.parts = parts

    def check(self) -> None:
        for name in ("object", "pool"):
            part = self.parts.get(name)
            if part is not None and hasattr(part, "check"):
                part.check()


def drop(name: str) -> Call:
    """A call that drops the box's reference to a part."""

    def do(box: Box, given: Any, letter: bytes) -> None:
        box.parts[name] = None

    return Call(f"drop-{name}", do, REFUSED)


def use(name: str, part: str, do: Callable[[Any, bytes], Any]) -> Call:
    """A call that does something with a part, unless another call dropped the part."""

    def use_it(box: Box, given: Any, letter: bytes) -> Any:
        it = box.parts[part]
        return None if it is None else do(it, letter)

    return Call(name, use_it, REFUSED, steps=True)


def collect(box: Box, given: Any, letter: bytes) -> None:
    gc.collect(0)


OF_ALL = [
    *map(drop, ["object", "view", "sharer", "pool", "child"]),
    use("release", "view", lambda view, w: view.release()),
    use("look", "pool", lambda pool, w: (pool.stats(), pool.buffers(), pool.check())),
    use("make", "pool", lambda pool, w: pagebuf.PageBuffer(w * PAGE, pool=pool)),
    use("make-child", "pool", lambda pool, w: pagebuf.PageBuffer(w, pool=pool.child())),
    use("trim", "pool", lambda pool, w: pool.trim()),
    Call("collect", collect),
]

OF_BUFFERS = [
    use("cut", "object", lambda b, w: b.truncate(9)),
    use("clear", "object", lambda b, w: b.clear()),
    use("write", "object", lambda b, w: b.write(5, w * PAGE)),
    use("snapshot", "object", lambda b, w: b.snapshot()),
    use("clone", "object", lambda b, w: b.clone()),
    use("view", "object", lambda b, w: b.view(0, 9)),
    use("views", "object", lambda b, w: b.views()),
    use("gather", "object", lambda b, w: b.gather()),
    use("collapse", "object", lambda b, w: b.collapse(0, PAGE)),
]

OF_FILES = [
    use("cut", "object", lambda f, w: f.truncate(9)),
    use("write", "object", lambda f, w: f.write(w * PAGE)),
    use("read_buffer", "object", lambda f, w: f.read_buffer(PAGE)),
    use("value", "object", lambda f, w: f.read_at(0, 1 << 40)),
    use("close", "object", lambda f, w: f.close()),
]

OF_QUEUES = [
    use("clear", "object", lambda q, w: q.clear()),
    use("put", "object", lambda q, w: q.put(w * PAGE)),
    use("get", "object", lambda q, w: q.get(PAGE)),
    use("views", "object", lambda q, w: q.views()),
    use("reserve", "object", lambda q, w: q.reserve(PAGE)),
    use("commit", "object", lambda q, w: q.commit(5)),
]


def box_of(make: Callable[[Any], dict[str, Any]]) -> Shape:
    def made(_: Any) -> tuple[Any, Any]:
        pool = pagebuf.PagePool(name="of a box")
        child = pool.child()
        buf = pagebuf.PageBuffer(b"c" * PAGE, pool=child)
        return Box(pool=pool, child=[child, buf], **make(pool)), None

    return Shape(make.__name__, made, burst=4)


def live_view(pool: Any) -> dict[str, Any]:
    buf = paged(pool)
    return {"object": buf, "view": buf.view(), "sharer": buf.snapshot()}


def stable_view(pool: Any) -> dict[str, Any]:
    buf = paged(pool)
    return {"object": buf, "view": buf.view(writable=False), "sharer": buf.clone()}


def a_view_of_a_shared_one(pool: Any) -> dict[str, Any]:
    buf = shared(pool)
    snap = buf.snapshot()
    return {"object": buf, "view": buf.view(0, 9), "sharer": [snap, memoryview(snap)]}


def of_a_file(pool: Any) -> dict[str, Any]:
    buf = paged(pool)
    file = buf.open()
    return {"object": file, "view": file.read_buffer(2 * PAGE), "sharer": buf}


def of_bytes_io(pool: Any) -> dict[str, Any]:
    file = pagebuf.BytesIO(pattern(0, 3 * PAGE))
    return {"object": file, "view": file.getbuffer(), "sharer": file.read_buffer(PAGE)}


def of_a_queue(pool: Any) -> dict[str, Any]:
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(pattern(0, 2 * PAGE))
    views = queue.views()
    return {"object": queue, "view": queue.reserve(PAGE), "sharer": views}


def kind_of(type_: type, calls: list[Call], *makers: Callable[[Any], dict[str, Any]]) -> Kind:
    return Kind(
        type_,
        OF_ALL + calls,
        [box_of(make) for make in makers],
        state=lambda box: [name for name, part in box.parts.items() if part is not None],
        contents=lambda box: None,
        check=Box.check,
    )


# ---- two buffers of one pool: each call uses its own buffer ----


class Two:
    def __init__(self, pool: Any, size: int) -> None:
        self.bufs = [pagebuf.PageBuffer(pattern(i, size), pool=pool) for i in (0, 1)]


def on_its_own(call: Call) -> Call:
    def both(two: Two) -> list[Any]:
        return [call.given(buf) for buf in two.bufs]

    def do(two: Two, given: list[Any], letter: bytes) -> Any:
        which = letter == b"b"
        return call(two.bufs[which], given[which], letter)

    return Call(call.name, do, steps=call.steps, beside=both, needs=call.needs)


def two(size: int) -> Callable[[Any], tuple[Two, None]]:
    """A shape of two buffers.  Tiny ones have no page yet, so both make the pool grow."""
    return lambda _: (Two(pagebuf.PagePool(name="one"), size), None)


TWO_BUFFERS = Kind(
    Two,
    [on_its_own(call) for call in BUFFERS.calls],
    [Shape("tiny", two(20), often=3), Shape("paged", two(2 * PAGE + 9))],
    state=lambda two: [(buf.tobytes(), buf.name) for buf in two.bufs],
    contents=lambda two: None,
    check=lambda two: [(buf.check(), buf.pool.check()) for buf in two.bufs],
)

# ---- a file that is not open yet ----


class NewFile:
    """A file between __new__ and __init__, and two buffers that it may stand on."""

    def __init__(self, pool: Any) -> None:
        self.file = pagebuf.PageFile.__new__(pagebuf.PageFile)
        self.bufs = [paged(pool), paged(pool)]

    def state(self) -> Any:
        file = self.file
        which = [file.page_buffer is buf for buf in self.bufs]
        where = None if file.closed else (file.tell(), file.readable(), file.writable())
        return which, file.mode, where, [buf.tobytes() for buf in self.bufs]


def opening(mode: str, of_one: bool = False) -> Call:
    """Open it; each thread on a buffer of its own, or both on one."""

    def do(new: NewFile, given: Any, letter: bytes) -> None:
        new.file.__init__(new.bufs[letter == b"b" and not of_one], mode)  # type: ignore[misc]

    return Call(f"open {mode}{' one' * of_one}", do, (ValueError, FileExistsError))


NEW_FILES = Kind(
    NewFile,
    [
        *[opening(mode, of_one) for mode in ("rb", "r+", "w+b", "ab", "x") for of_one in (0, 1)],
        Call("read", lambda n, g, w: n.file.read(9), (OSError, ValueError)),
        Call("write", lambda n, g, w: n.file.write(w * PAGE), (OSError, ValueError)),
        Call("seek", lambda n, g, w: n.file.seek(5), (ValueError,)),
        Call("tell", lambda n, g, w: n.file.tell(), (ValueError,), looks=True),
        Call("closed", lambda n, g, w: n.file.closed, looks=True),
        Call("mode", lambda n, g, w: n.file.mode, looks=True),
        Call("page_buffer", lambda n, g, w: n.file.page_buffer, looks=True),
        Call("close", lambda n, g, w: n.file.close()),
    ],
    [Shape("new", lambda pool: (NewFile(pool), None), burst=4)],
    state=NewFile.state,
    contents=lambda new: None,
    check=lambda new: [buf.check() for buf in new.bufs],
)


PARTS = [
    NEW_FILES,
    kind_of(pagebuf.PageBuffer, OF_BUFFERS, live_view, stable_view, a_view_of_a_shared_one),
    kind_of(pagebuf.PageFile, OF_FILES, of_a_file),
    kind_of(pagebuf.BytesIO, OF_FILES, of_bytes_io),
    kind_of(pagebuf.ByteQueue, OF_QUEUES, of_a_queue),
]
