"""The calls of a ByteQueue."""

from __future__ import annotations

import os
from typing import Any

import pagebuf
from tests.helpers import PAGE
from tests.support import pattern
from tests.threads.call import LARGE, RECORD, Call, Kind, Shape, another_pool, store

FULL = (pagebuf.CapacityError, ValueError)  # full; closed
GIVEN_UP = (BufferError, ValueError)


def queue_of(pool: pagebuf.PagePool, size: int, **options: Any) -> Any:
    queue = pagebuf.ByteQueue(pool=pool, **options)
    queue.put(pattern(0, size))
    return queue


KEPT = 600
"""A bytes object of this size is kept instead of its bytes (PB_QUEUE_KEEP_FROM in
ext/core/queue/queue.h)."""

MORE = min(KEPT, 2 * PAGE) + 50
"""A whole object and some bytes; on tiny pages no more than the first shape has."""


def source(queue: Any, letter: bytes = b"s") -> Any:
    """Another queue on the same pool."""
    made = pagebuf.ByteQueue(pool=queue.pool)
    made.put(letter * RECORD)
    return made


def splice(queue: Any, given: Any, who: bytes) -> int:
    return queue.splice_from(source(queue, who))


def source_of_objects(queue: Any) -> Any:
    made = source(queue)
    for letter in (b"t", b"u", b"v"):
        made.put(letter * KEPT)
    return made


def reserve(queue: Any, given: Any, who: bytes) -> None:
    with queue.reserve(RECORD) as view:
        store(view, who * RECORD)


def reserved(queue: Any) -> None:
    with queue.reserve(RECORD) as view:
        store(view, b"r" * RECORD)


def offered(queue: Any) -> None:
    with queue.get_buffer() as view:
        store(view, b"r" * RECORD)


def reserve_and_commit(queue: Any, given: Any, who: bytes) -> None:
    """Make two calls.  A put between them cancels the reservation."""
    reserve(queue, given, who)
    queue.commit(RECORD)


def send(queue: Any, given: Any, who: bytes) -> bytes:
    fd = os.memfd_create("sent")
    try:
        return os.pread(fd, queue.send_to(fd, 90), 0)
    finally:
        os.close(fd)


def receive(queue: Any, given: Any, who: bytes) -> int:
    fd = os.memfd_create("to come")
    try:
        os.pwrite(fd, who * RECORD, 0)
        return queue.recv_from(fd, RECORD)
    finally:
        os.close(fd)


def rename(queue: Any, given: Any, who: bytes) -> None:
    queue.name = who.decode()


CALLS = [
    # ---- looking ----
    Call("__len__", lambda q, g, w: len(q), looks=True),
    Call("__repr__", lambda q, g, w: len(repr(q)) > 9, steps=True),
    Call("__reduce__", lambda q, g, w: q.__reduce__(), (TypeError,), looks=True, refuses=True),
    Call("_tree_walk", lambda q, g, w: q._tree_walk(0).steps is not None, looks=True),
    Call("_tree_runs", lambda q, g, w: len(q._tree_runs()) >= 0, looks=True),
    Call("closed", lambda q, g, w: q.closed, looks=True),
    Call("peek now", lambda q, g, w: q.peek(20, timeout=0), looks=True),
    Call("_stream", lambda q, g, w: q._stream is None, looks=True),
    Call("open", lambda q, g, w: q.open("wb").mode, steps=True),
    Call("open rb", lambda q, g, w: q.open().mode, steps=True),
    Call("_looked", lambda q, g, w: q._looked >= 0, looks=True),
    Call("check", lambda q, g, w: q.check(), looks=True),
    Call("dropped", lambda q, g, w: q.dropped, looks=True),
    Call("max_bytes", lambda q, g, w: q.max_bytes, looks=True),
    Call("name", lambda q, g, w: q.name, looks=True),
    Call("overflow", lambda q, g, w: q.overflow, looks=True),
    Call("peek", lambda q, g, w: q.peek(), looks=True),
    Call("peek some", lambda q, g, w: q.peek(20), looks=True),
    Call("find", lambda q, g, w: q.find(b"ab"), looks=True),
    Call("find last", lambda q, g, w: q.find(pattern(7, 3), -100), looks=True),
    Call("pool", lambda q, g, w: q.pool, looks=True),
    Call("stats", lambda q, g, w: q.stats(), looks=True),
    Call("tail", lambda q, g, w: q.tail(30), looks=True),
    Call("tail all", lambda q, g, w: q.tail(), looks=True),
    Call("tobytes", lambda q, g, w: q.tobytes(), looks=True),
    Call("total_in", lambda q, g, w: q.total_in, looks=True),
    Call("total_out", lambda q, g, w: q.total_out, looks=True),
    Call("views", lambda q, g, w: b"".join(q.views()), looks=True),
    # ---- putting ----
    Call("put", lambda q, g, w: q.put(w * RECORD), FULL, adds=True),
    Call("put now", lambda q, g, w: q.put(w * RECORD, timeout=0), (*FULL, TimeoutError), adds=True),
    Call("write", lambda q, g, w: q.write(w * RECORD), FULL, adds=True),
    Call("unget", lambda q, g, w: q.unget(q.get(30)), (ValueError,), steps=True),
    Call("flush", lambda q, g, w: q.flush(), looks=True),
    Call("put many", lambda q, g, w: q.put(w * (PAGE + RECORD)), FULL),
    Call("put object", lambda q, g, w: q.put(w * KEPT), FULL),
    Call("unget object", lambda q, g, w: q.unget(q.get(KEPT)), (ValueError,), steps=True),
    Call("reserve", reserve, FULL),
    Call("reserve and commit", reserve_and_commit, (*FULL, *GIVEN_UP), steps=True),
    Call("commit", lambda q, g, w: q.commit(RECORD), GIVEN_UP, before=reserved),
    Call("commit less", lambda q, g, w: q.commit(9), GIVEN_UP, before=reserved),
    Call("get_buffer", lambda q, g, w: len(q.get_buffer()) > 0, FULL, steps=True),
    Call("buffer_updated", lambda q, g, w: q.buffer_updated(RECORD), GIVEN_UP, before=offered),
    Call("recv_from", receive, FULL, adds=True),
    Call("splice_from", splice, FULL, adds=True),
    Call("splice_from to", lambda q, to, w: (to.splice_from(q, 30), to), beside=source),
    Call("splice_from to all", lambda q, to, w: (to.splice_from(q), to), beside=source),
    Call(
        "splice_from objects",
        lambda q, given, w: (q.splice_from(given, 2 * KEPT), given),
        FULL,
        beside=source_of_objects,
    ),
    # ---- taking ----
    Call("get", lambda q, g, w: q.get(30), takes=True),
    Call("get all", lambda q, g, w: q.get(), takes=True),
    Call("get object", lambda q, g, w: q.get(KEPT), takes=True),
    Call("readexactly", lambda q, g, w: q.readexactly(30) or b"", (EOFError,), takes=True),
    Call("get later", lambda q, g, w: q.get(30, timeout=0.001), (TimeoutError,), takes=True),
    Call("lines", lambda q, g, w: b"".join(q.lines()), steps=True),
    Call("lines next", lambda q, g, w: next(q.lines(), b""), takes=True),
    Call("readline", lambda q, g, w: q.readline() or b"", takes=True),
    Call("readuntil", lambda q, g, w: q.readuntil(pattern(30, 2)) or b"", takes=True),
    Call(
        "readuntil any",
        lambda q, g, w: q.readuntil((pattern(30, 2), pattern(40, 3))) or b"",
        takes=True,
    ),
    Call("consume", lambda q, g, w: q.consume(30), (ValueError,)),
    Call("consume more", lambda q, g, w: q.consume(MORE), (ValueError,)),
    Call("send_to", send, takes=True),
    # ---- closing and __init__ ----
    Call("close", lambda q, g, w: q.close()),
    Call("clear", lambda q, g, w: q.clear()),
    Call("__init__", lambda q, g, w: q.__init__()),
    Call("__init__ pool", lambda q, pool, w: q.__init__(pool=pool), beside=another_pool),
    Call("name set", rename),
    Call("views dropped", lambda q, views, w: views.clear(), before=lambda q: q.views()),
]


def plain_queue(size: int) -> Any:
    return lambda pool: (queue_of(pool, size), None)


def copied(pool: pagebuf.PagePool) -> Any:
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(bytearray(pattern(0, 2 * PAGE + 100)))
    return queue, None


def mixed(pool: pagebuf.PagePool) -> Any:
    """Objects that are kept, with copied bytes before, between and behind them."""
    queue, at = pagebuf.ByteQueue(pool=pool), 0
    for size in (40, KEPT, KEPT + 1, 100, LARGE // 64, KEPT, 30):
        queue.put(pattern(at, size))
        at += size
    return queue, None


def viewed(pool: pagebuf.PagePool) -> Any:
    queue = queue_of(pool, 3 * PAGE)
    queue.consume(PAGE // 2 + 1)
    return queue, queue.views()


def bounded(pool: pagebuf.PagePool) -> Any:
    size = PAGE + 50
    return queue_of(pool, size, max_bytes=size + 150, overflow="drop_oldest"), None


def bounded_objects(pool: pagebuf.PagePool) -> Any:
    queue = queue_of(pool, KEPT, max_bytes=3 * KEPT + 150, overflow="drop_oldest")
    queue.put(pattern(1, KEPT))
    return queue, None


SHAPES = [
    Shape("paged", plain_queue(2 * PAGE + 100), often=5),
    Shape("copied", copied, often=3),
    Shape("mixed", mixed, often=5),
    Shape("viewed", viewed, often=4),
    Shape("short", plain_queue(40), often=3),
    Shape("bounded", bounded, often=3, grows=False),
    Shape("bounded objects", bounded_objects, often=2, grows=False),
    Shape("large", plain_queue(LARGE), burst=3),
]


def state(queue: Any) -> Any:
    counts = (queue.total_in, queue.total_out, queue.dropped, queue.closed)
    return (queue.peek(), counts, queue.name, queue.max_bytes, queue.pool.name)


QUEUES = Kind(
    pagebuf.ByteQueue,
    CALLS,
    SHAPES,
    state=state,
    contents=lambda q: q.peek(),
    check=lambda q: q.check(),
)
