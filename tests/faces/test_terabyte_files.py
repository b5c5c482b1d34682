"""Every method of a file once, on a terabyte of hole around three written bytes.

See tests/core/buffer/test_terabyte.py.  Where a result is as long as the hole, the call is refused
before anything is copied.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import shutil
import socket

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.sparse import FAR, HUGE, LIMIT, NEAR, TIB, costs_at_most, hollow, places

pytestmark = pytest.mark.timeout(60)

MIDDLE = b"\0\0x\0\0"
END = b"x" + bytes(FAR - 1)


class Case:
    """A file, its size, and where the bytes are."""

    def __init__(self, kind, size):
        self.size, self.at = size, places(size)
        self.pool = pagebuf.PagePool(LIMIT)
        buf = hollow(self.pool, size)
        self.f = buf.open()
        if kind == "BytesIO":
            self.f = pagebuf.BytesIO()
            for at in (*self.at, size - 1):
                self.f.seek(at)
                self.f.write(b"x" if at < size - 1 else b"\0")
            self.f.seek(0)

    def pages(self):
        file = self.f if hasattr(self.f, "stats") else self.f.page_buffer
        return file.stats().pages

    def here(self, at, call):
        self.f.seek(at)
        return call(self.f)

    def middle(self, call):
        return self.here(self.at[1] - 2, call)


def refused(c, call, at=0):
    """A result as long as the hole: MemoryError, and the position stays."""
    c.f.seek(at)
    with pytest.raises((MemoryError, pagebuf.CapacityError)):
        call(c.f)
    return c.f.tell() == at


def filled(read, n):
    into = bytearray(b"?" * n)
    return read(into), bytes(into)


def sought(c):
    """Data and holes in turn, as a copy that leaves holes out asks for them."""
    f, found = c.f, []
    f.seek(0)
    while len(found) < 3:
        start = f.seek(f.tell(), pagebuf.SEEK_DATA)
        found.append((start, f.seek(start, pagebuf.SEEK_HOLE) - start))
    return found == [(at // PAGE * PAGE, PAGE) for at in c.at]


def written(c, call, n):
    pages = c.pages()
    c.here(c.size // 4, call)
    return c.f.tell() - c.size // 4 == n and c.pages() == pages + 1


def cut(c):
    sizes = [c.f.truncate(n) for n in (c.size + TIB, c.size // 2, 3, c.size)]
    return sizes == [c.size + TIB, c.size // 2, 3, c.size] and c.pages() == 1


CALLS = {
    "check": lambda c: c.f.check() is None,
    "close": lambda c: c.f.close() is None,
    "closed": lambda c: c.f.closed is False,
    "detach": lambda c: raises(io.UnsupportedOperation, c.f.detach),
    "fileno": lambda c: raises(io.UnsupportedOperation, c.f.fileno),
    "flush": lambda c: c.f.flush() is None,
    "getbuffer": lambda c: c.size == TIB or refused(c, lambda f: f.getbuffer()),
    "getvalue": lambda c: c.size == TIB or refused(c, lambda f: f.getvalue()),
    "isatty": lambda c: c.f.isatty() is False,
    "mode": lambda c: c.f.mode in ("r+b", "rb+"),
    "page_buffer": lambda c: len(c.f.page_buffer) == c.size,
    "peek": lambda c: c.middle(lambda f: f.peek(5))[:5] == MIDDLE,
    "read": lambda c: (
        c.middle(lambda f: f.read(5)) == MIDDLE
        and (c.size == TIB or refused(c, lambda f: f.read(), 1))
    ),
    "read1": lambda c: c.here(c.at[1], lambda f: f.read1(1)) == b"x",
    "read_at": lambda c: c.f.read_at(c.at[1] - 2, 5) == MIDDLE,
    "read_buffer": lambda c: bytes(c.middle(lambda f: f.read_buffer(5))) == MIDDLE,
    "readable": lambda c: c.f.readable(),
    "readinto": lambda c: c.middle(lambda f: filled(f.readinto, 5)) == (5, MIDDLE),
    "readinto1": lambda c: c.here(c.at[1], lambda f: filled(f.readinto1, 1)) == (1, b"x"),
    "readline": lambda c: (
        c.f.readline(NEAR + 2) == bytes(NEAR) + b"x\0"
        and c.middle(lambda f: f.readline(5)) == MIDDLE
        and (c.size == TIB or refused(c, lambda f: f.readline(), 1))
    ),
    "readlines": lambda c: (
        c.here(c.at[2], lambda f: f.readlines()) == [END]
        and (c.size == TIB or refused(c, lambda f: f.readlines(), 1))
    ),
    "seek": sought,
    "seekable": lambda c: c.f.seekable(),
    "stats": lambda c: c.f.stats().holes == c.size // PAGE - 3,
    "tell": lambda c: c.f.tell() == 0,
    "truncate": cut,
    "writable": lambda c: c.f.writable(),
    "write": lambda c: written(c, lambda f: f.write(b"abc"), 3),
    "writelines": lambda c: written(c, lambda f: f.writelines([b"ab", b"", b"c"]), 3),
    "__enter__": lambda c: c.f.__enter__() is c.f,
    "__exit__": lambda c: c.f.__exit__(None, None, None) is None,
    "__iter__": lambda c: iter(c.f) is c.f,
    "__next__": lambda c: c.here(c.at[2], next) == END and (c.size == TIB or refused(c, next, 1)),
    "__getstate__": lambda c: c.size == TIB or refused(c, pickle.dumps),
    "__repr__": lambda c: len(repr(c.f)) < 200,
}

# `__setstate__` takes the bytes that `__getstate__` gives.
LEFT_OUT = {"__setstate__"}


def raises(error, call):
    with pytest.raises(error):
        call()
    return True


@pytest.mark.parametrize("kind", ["PageFile", "BytesIO"])
def test_the_table_is_complete(kind):
    cls = getattr(pagebuf, kind)
    own = {name for name in vars(cls) if name in CALLS or name in LEFT_OUT}
    names = {name for name in dir(cls) if not name.startswith("_")}
    assert names | own <= set(CALLS) | LEFT_OUT


@pytest.mark.parametrize("size", [TIB, HUGE], ids=["TiB", "2^55"])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["PageFile", "BytesIO"])
def test_a_hole_in_a_file_costs_nothing(kind, name, size):
    if not hasattr(getattr(pagebuf, kind), name) or (name, kind) == ("__getstate__", "PageFile"):
        return
    with costs_at_most(LIMIT):
        c = Case(kind, size)
        assert CALLS[name](c)
    assert c.pool.stats().high_water * PAGE <= LIMIT // 2


@pytest.mark.parametrize("kind", ["PageFile", "BytesIO"])
def test_a_line_ends_behind_a_hole(kind):
    """Holes are passed over when the newline is looked for, also by iterations."""
    c = Case(kind, HUGE)
    c.f.seek(c.at[1] + PAGE)
    c.f.write(b"\n")
    start = c.at[1] - 3 * PAGE
    for call in (lambda f: f.readline(), next, lambda f: f.readlines(1)[0]):
        assert len(c.here(start, call)) == 4 * PAGE + 1


# ---- streams ----

STREAM = 1 << 26  # a stream takes every byte; the tests are about the memory that it needs


class Counted:
    """The target of a copy: it keeps the offsets of bytes that are not zero."""

    def __init__(self):
        self.size, self.kept, self.most = 0, [], 0

    def write(self, data):
        self.most = max(self.most, len(data))
        if data.count(b"x"):
            self.kept.append(self.size + bytes(data).index(b"x"))
        self.size += len(data)
        return len(data)


@pytest.mark.parametrize("kind", ["PageFile", "BytesIO"])
def test_a_copy_of_a_file_holds_one_piece_at_a_time(kind):
    with costs_at_most(2 * LIMIT):
        c, to = Case(kind, STREAM), Counted()
        shutil.copyfileobj(c.f, to)
    assert (to.size, to.kept) == (STREAM, places(STREAM))
    assert to.most <= 1 << 20
    assert c.pages() == 3


@pytest.mark.parametrize("kind", ["PageFile", "BytesIO"])
def test_a_copy_of_the_data_leaves_the_holes_out(kind):
    c = Case(kind, HUGE)
    to = pagebuf.PageBuffer(pool=c.pool).open()
    at = 0
    for _ in places(HUGE):
        at = c.f.seek(at, pagebuf.SEEK_DATA)
        past = c.f.seek(at, pagebuf.SEEK_HOLE)
        c.f.seek(at)
        to.seek(at)
        to.write(c.f.read(past - at))
        at = past
    to.truncate(HUGE)
    assert to.page_buffer == hollow(c.pool, HUGE)
    assert to.page_buffer.stats().pages == 3


@pytest.mark.parametrize("kind", ["PageFile", "BytesIO"])
def test_a_hash_of_a_file_holds_one_piece_at_a_time(kind):
    want = hashlib.sha256(bytes(STREAM)).digest()
    with costs_at_most(2 * LIMIT):
        c = Case(kind, STREAM)
        for at in c.at:
            c.here(at, lambda f: f.write(b"\0"))
        c.f.seek(0)
        digest = hashlib.sha256()
        while piece := c.f.read_buffer(1 << 18):
            digest.update(piece)
    assert digest.digest() == want
    assert c.pages() == 3


# ---- a queue ----


def test_no_hole_gets_into_a_queue():
    """What is put or reserved is pages, and refused where the pool has too few of them."""
    queue = pagebuf.ByteQueue(pool=pagebuf.PagePool(LIMIT))
    source = hollow(queue.pool, HUGE)
    for call in (lambda: queue.put(source), lambda: queue.reserve(HUGE)):
        with pytest.raises((MemoryError, pagebuf.CapacityError)):
            call()
    assert len(queue) == 0
    queue.reserve(3 * PAGE).release()
    queue.commit(2 * PAGE)
    assert queue.stats().holes == 0
    read, write = os.pipe()
    try:
        assert queue.send_to(write) == 2 * PAGE
        assert os.read(read, 3 * PAGE) == bytes(2 * PAGE)
    finally:
        os.close(read)
        os.close(write)


def queue_of(pool):
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(b"abc\ndef")
    return queue


def too_long(call):
    return raises((MemoryError, pagebuf.CapacityError), call)


def received(q):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.send(b"ghi")
        return q.recv_from(ours, HUGE) == 3 and q.get() == b"abc\ndefghi"


def sent(q):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        return q.send_to(ours, HUGE) == 7 and theirs.recv(9) == b"abc\ndef"


# Each method of a queue of seven bytes, with a number of 2^55 or a hole of so many bytes.
OF_A_QUEUE = {
    "buffer_updated": lambda q, hole: raises(BufferError, lambda: q.buffer_updated(HUGE)),
    "check": lambda q, hole: q.check() is None,
    "clear": lambda q, hole: q.clear() is None,
    "close": lambda q, hole: q.close() is None,
    "closed": lambda q, hole: q.closed is False,
    "commit": lambda q, hole: raises(BufferError, lambda: q.commit(HUGE)),
    "consume": lambda q, hole: raises(ValueError, lambda: q.consume(HUGE)),
    "dropped": lambda q, hole: q.dropped == 0,
    "find": lambda q, hole: q.find(b"d", 0, HUGE) == 4 and too_long(lambda: q.find(hole)),
    "flush": lambda q, hole: q.flush() is None,
    "get": lambda q, hole: q.get(HUGE) == b"abc\ndef",
    "get_buffer": lambda q, hole: raises(pagebuf.PoolLimitError, lambda: q.get_buffer(HUGE)),
    "lines": lambda q, hole: list(q.lines()) == [b"abc\n"],
    "max_bytes": lambda q, hole: q.max_bytes is None,
    "name": lambda q, hole: q.name is None,
    "open": lambda q, hole: too_long(lambda: q.open("wb").write(hole)),
    "overflow": lambda q, hole: q.overflow == "grow",
    "peek": lambda q, hole: q.peek(HUGE) == b"abc\ndef",
    "pool": lambda q, hole: q.pool is hole.pool,
    "put": lambda q, hole: too_long(lambda: q.put(hole)),
    "readexactly": lambda q, hole: q.readexactly(HUGE) is None,
    "readline": lambda q, hole: q.readline() == b"abc\n",
    "readuntil": lambda q, hole: too_long(lambda: q.readuntil(hole)),
    "recv_from": lambda q, hole: received(q),
    "reserve": lambda q, hole: too_long(lambda: q.reserve(HUGE)),
    "send_to": lambda q, hole: sent(q),
    "splice_from": lambda q, hole: q.splice_from(queue_of(q.pool), HUGE) == 7,
    "stats": lambda q, hole: q.stats().holes == 0,
    "tail": lambda q, hole: q.tail(HUGE) == b"abc\ndef",
    "tobytes": lambda q, hole: q.tobytes() == b"abc\ndef",
    "total_in": lambda q, hole: q.total_in == 7,
    "total_out": lambda q, hole: q.total_out == 0,
    "unget": lambda q, hole: q.get(1) == b"a" and too_long(lambda: q.unget(hole)),
    "views": lambda q, hole: b"".join(q.views(most=HUGE)) == b"abc\ndef",
    "write": lambda q, hole: too_long(lambda: q.write(hole)),
}


def test_the_table_of_the_queue_is_complete():
    names = {name for name in dir(pagebuf.ByteQueue) if not name.startswith("_")}
    assert names == set(OF_A_QUEUE)


@pytest.mark.parametrize("name", OF_A_QUEUE)
def test_a_hole_or_a_large_number_costs_a_queue_nothing(name):
    pool = pagebuf.PagePool(LIMIT)
    OF_A_QUEUE[name](queue_of(pool), hollow(pool, HUGE))  # what is imported only once
    # recv_from() takes 0.6 MiB whatever is asked for, at debug levels 1.4 MiB.
    with costs_at_most(2 * LIMIT if pool.debug and name == "recv_from" else LIMIT):
        pool = pagebuf.PagePool(LIMIT)
        queue, hole = queue_of(pool), hollow(pool, HUGE)
        assert OF_A_QUEUE[name](queue, hole)
        queue.check()
