"""Scenarios that must not leak.  test_leaks.py runs each one in its own process.

A scenario is a function that does the same work in each call.  Some rounds warm up the caches.
After them, more rounds must not add references, blocks of memory, or frames in use."""

from __future__ import annotations

import contextlib
import gc
import sys
import tempfile
import weakref
from pathlib import Path

import pagebuf
from tests.helpers import PAGE, reach
from tests.support import SHAPES, filled, pattern

POOL = pagebuf.PagePool()
DATA = pattern(0, 3 * PAGE + 5)


def calls():
    """Make every call once, on each shape."""
    for make in SHAPES.values():
        buf = make(POOL)
        buf.write(1, DATA)
        buf.read(0, PAGE)
        buf.readinto(3, bytearray(PAGE))
        buf[1], buf[1:PAGE], buf[PAGE:1:-3]
        buf.stats(), buf.extents(), buf.walk(0), buf.check(), repr(buf)
        (buf.levels, buf.capacity, buf.pool, buf.nbytes, buf.frozen, len(buf))
        POOL.stats(), POOL.buffers(), POOL.check(), repr(POOL)
        buf.punch(0, PAGE)
        buf.take_bytes(PAGE + 1)
        buf.truncate(PAGE + 1)
        buf.extend(DATA)
        buf.append(1)
        buf += DATA
        buf.tobytes(), bytes(buf), buf.take_bytes(), buf.clear()


def births():
    for data in (b"", b"x", DATA, bytearray(DATA), memoryview(DATA)):
        pagebuf.PageBuffer(data, pool=POOL)
        pagebuf.PageBuffer(data, pool=POOL, max_levels=3)
        pagebuf.PageBuffer(data)
    buf = pagebuf.PageBuffer(DATA, pool=POOL)
    buf.__init__(DATA[:PAGE], pool=POOL)
    buf.__init__()
    pagebuf.PageBuffer.__new__(pagebuf.PageBuffer)


def pools():
    pool = pagebuf.PagePool(limit=40 * PAGE, name="leak")
    bufs = [filled(pool, 3 * PAGE, n) for n in range(5)]
    pool.trim()
    del pool
    bufs[0].extend(DATA)


def errors():
    buf = filled(POOL, PAGE + 1, max_levels=2)
    small = filled(pagebuf.PagePool(limit=PAGE), PAGE)
    view = memoryview(bytearray(DATA))
    bad = [
        (buf.write, (-1, b"x")),
        (buf.write, (1 << 63, b"x")),
        (buf.write, (reach(2), b"x")),
        (buf.write, (0, "text")),
        (buf.write, (0, view[::2])),
        (buf.extend, (5,)),
        (buf.append, (256,)),
        (buf.append, ("x",)),
        (buf.read, ("x",)),
        (buf.readinto, (0, b"read only")),
        (buf.readinto, (0, view[::2])),
        (buf.truncate, (-1,)),
        (buf.truncate, (reach(2) + 1,)),
        (buf.punch, (-1, 1)),
        (buf.take_bytes, (1 << 40,)),
        (buf.take_bytes, ("x",)),
        (buf.walk, (-1,)),
        (buf.__getitem__, (1 << 40,)),
        (buf.__getitem__, ("x",)),
        (buf.__getitem__, (slice(0, 1, 0),)),
        (small.extend, (DATA,)),
        (small.write, (PAGE, DATA)),
        (pagebuf.PageBuffer, (5,)),
        (pagebuf.PageBuffer, (DATA, 5)),
    ]
    for call, args in bad:
        with contextlib.suppress(Exception):
            call(*args)
            raise AssertionError(f"{call} took {args}")
    for options in ({"pool": 5}, {"max_levels": 0}, {"max_levels": "x"}, {"colour": 1}):
        with contextlib.suppress(Exception):
            pagebuf.PageBuffer(DATA, **options)
    with contextlib.suppress(MemoryError):
        pagebuf.PageBuffer(DATA, pool=small.pool)


class Sly:
    def __init__(self, act):
        self.act = act

    def __index__(self):
        self.act()
        return 1


def callbacks():
    buf = filled(POOL, 5 * PAGE)
    for act in (buf.clear, lambda: buf.extend(DATA), lambda: 1 / 0):
        for call in (buf.read, buf.truncate, buf.take_bytes, buf.append, buf.walk):
            with contextlib.suppress(Exception):
                call(Sly(act))


class Empty(pagebuf.PagePool):
    def _new_region(self, *args, **kwargs):
        raise MemoryError("none")


def refusals():
    buf = pagebuf.PageBuffer(pool=Empty())
    for _ in range(3):
        with contextlib.suppress(MemoryError):
            buf.extend(DATA)


class Named(pagebuf.PageBuffer):
    pass


def cycles():
    pool = pagebuf.PagePool()
    for n in range(3):
        buf = Named(pattern(0, 2 * PAGE, n), pool=pool)
        buf.me = buf
        buf.ref = weakref.ref(buf)
    pool.buf = buf
    cls = type("Brief", (pagebuf.PageBuffer,), {})
    cls(DATA, pool=POOL)


def queue():
    buf = pagebuf.PageBuffer(pool=POOL)
    for turn in range(100):
        buf.extend(DATA)
        if turn > 3:
            buf.take_bytes(len(DATA))
    buf.truncate(reach(3))
    buf.write(reach(3) + 5, DATA)


# One for all rounds: 3.12 keeps something of each new one.
FOLDER = tempfile.TemporaryDirectory()


def stores():
    path = Path(FOLDER.name, "some.store")
    with pagebuf.PageStore(path, pool=POOL, durability="off") as store:
        store["a"], store["b"] = DATA, b"few"
        store.commit()
        with pagebuf.PageStore(path, "r", pool=POOL) as reader:
            store["a"].extend(DATA)
            store.commit()
            reader["a"], reader.refresh(), reader["a"], len(reader)
            with contextlib.suppress(OSError):
                reader["a"] = b""
        with contextlib.suppress(pagebuf.LockedError):
            pagebuf.PageStore(path, pool=POOL)
        with contextlib.suppress(ZeroDivisionError), store.transaction():
            store["c"] = DATA
            del store["b"]
            store["a"].clear()
            raise ZeroDivisionError
        store["c"] = DATA
        del store["a"]
        store._file.write, write = refuse, store._file.write
        with contextlib.suppress(MemoryError):
            store.commit()
        store._file.write = write
        store.commit(), store.verify(), store.stats()
    with contextlib.suppress(FileExistsError):
        pagebuf.PageStore(path, "x", pool=POOL)
    for left in path.parent.iterdir():
        left.unlink()


def refuse(*args):
    raise MemoryError


SCENARIOS = {
    work.__name__: work
    for work in (calls, births, pools, errors, callbacks, refusals, cycles, queue)
}
if PAGE >= 64:  # smaller pages are none of a store
    SCENARIOS["stores"] = stores


def counts():
    gc.collect()
    gc.collect()
    total = getattr(sys, "gettotalrefcount", lambda: 0)()
    held = POOL.stats().held + pagebuf.default_pool().stats().held
    return held, sys.getallocatedblocks(), total, len(gc.get_objects())


def grown(work, rounds=12, warm=6):
    """How much each count grows in the rounds after the warm-up."""
    for _ in range(warm):
        work()
        first = counts()
    for _ in range(rounds):
        work()
        last = counts()
    return [after - before for before, after in zip(first, last, strict=True)]
