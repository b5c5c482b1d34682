"""Objects that refer to each other are dropped in every order, at run time and at exit."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import textwrap
import weakref

import pytest

import pagebuf
from tests.helpers import PAGE, drawing
from tests.support import pattern

PARTS = ("pool", "buffer", "file", "queue", "view", "cast", "iterator")
SIZE = 3 * PAGE + 8


def made(pool):
    """Seven objects that keep each other alive, each with bytes that can be used."""
    buf = pagebuf.PageBuffer(pattern(0, SIZE), pool=pool)
    file, queue = buf.open(), pagebuf.ByteQueue(pool=pool)
    file.seek(PAGE)
    queue.put(pattern(1, SIZE))
    view, iterator = buf.view(PAGE, PAGE), iter(buf)
    next(iterator)
    return dict(zip(PARTS, (pool, buf, file, queue, view, view.cast("I"), iterator), strict=True))


USE = {
    "pool": lambda pool: pool.check(),
    "buffer": lambda buf: buf.check(),
    "file": lambda file: file.read(1) == pattern(PAGE, 1),
    "queue": lambda queue: queue.peek(9) == pattern(1, 9),
    "view": lambda view: view == pattern(PAGE, PAGE),
    "cast": lambda cast: cast.tobytes() == pattern(PAGE, PAGE),
    "iterator": lambda it: next(it) == pattern(1, 1)[0],
}


def drop(parts, order):
    """Drop the parts one after the other, and use the last one when the others are gone."""
    for name in order[:-1]:
        del parts[name]
    assert USE[order[-1]](parts[order[-1]]) is not False
    parts.clear()


@pytest.mark.parametrize("first", PARTS)
def test_every_order_leaves_no_frame(pool, first):
    """The pool is empty after each of the 7 x 720 orders."""
    for rest in itertools.permutations([name for name in PARTS if name != first]):
        drop(made(pool), (first, *rest))
        assert pool.stats().held == 0, (first, *rest)
        assert drawing(pool) == []
    gc.collect()
    pool.check()


@pytest.mark.parametrize("first", PARTS)
def test_every_order_lets_the_pool_go(first):
    """Only the parts refer to the pool.  It goes with the last of them."""
    gone = []
    for rest in itertools.permutations([name for name in PARTS if name != first]):
        pool = pagebuf.PagePool()
        ref, parts = weakref.ref(pool), made(pool)
        del pool
        drop(parts, (first, *rest))
        gone.append(ref)
    gc.collect()
    assert [ref() for ref in gone] == [None] * len(gone)


@pytest.mark.parametrize("closed", ["close", "release"])
def test_closed_before_dropped(pool, closed):
    """The file is closed, and the views may be released, before the parts are dropped."""
    for order in itertools.permutations(PARTS[1:]):
        parts = made(pool)
        parts["file"].close()
        if closed == "release":
            parts["cast"].release()
            parts["view"].release()
        for name in order:
            del parts[name]
        parts.clear()
        assert pool.stats().held == 0
    gc.collect()
    pool.check()


def test_a_cycle_through_every_part(pool):
    """A subclass may refer to views, files and iterators of its own buffer."""

    class Holder(pagebuf.PageBuffer):
        pass

    buf = Holder(pattern(0, SIZE), pool=pool)
    buf.parts = (buf.open(), buf.view(), iter(buf), buf.snapshot(), buf)
    gone = weakref.ref(buf)
    del buf
    gc.collect()
    assert gone() is None
    assert pool.stats().held == 0


EXIT = """
    import sys
    import pagebuf

    names = sys.argv[1].split(",")
    pool = pagebuf.PagePool()
    buffer = pagebuf.PageBuffer(b"b" * 5 * pagebuf.PAGE_SIZE, pool=pool)
    file = buffer.open()
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(b"q" * 5 * pagebuf.PAGE_SIZE)
    view = buffer.view()
    cast = view.cast("I")
    iterator = iter(buffer)
    next(iterator)
    default = pagebuf.PageBuffer(b"d" * 5 * pagebuf.PAGE_SIZE)
    kept = [default.view(), default.view(writable=False), memoryview(default)]
    if sys.argv[2] == "module":
        setattr(sys, "parts", [globals()[name] for name in names])
    elif sys.argv[2] == "cycle":
        ring = [globals()[name] for name in names]
        ring.append(ring)
    for name in names[: int(sys.argv[3])]:
        del globals()[name]
"""


@pytest.mark.parametrize("where", ["globals", "module", "cycle"])
@pytest.mark.parametrize("turn", range(0, len(PARTS), 2))
def test_at_exit(where, turn):
    """The script drops some parts.  The interpreter drops the rest at exit, and prints nothing."""
    order = PARTS[turn:] + PARTS[:turn]
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EXIT), ",".join(order), where, str(turn)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
