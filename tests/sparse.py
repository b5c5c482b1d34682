"""Terabytes of hole around three written bytes, and what they may cost."""

from __future__ import annotations

import importlib
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pagebuf

TIB = 1 << 40
HUGE = 1 << 55
LIMIT = 1 << 20  # bytes of pages
NEAR, FAR = 5, 9  # from the front and from the end


def places(size: int) -> list[int]:
    """Where the three bytes are."""
    return [NEAR, size // 2 + 7, size - FAR]


def hollow(pool: pagebuf.PagePool, size: int) -> pagebuf.PageBuffer:
    """A buffer of this size, three bytes of which were written."""
    buf = pagebuf.PageBuffer(pool=pool)
    buf.resize(size)
    for at in places(size):
        buf.write(at, b"x")
    return buf


@contextmanager
def costs_at_most(nbytes: int) -> Iterator[None]:
    """At no moment there are more bytes of new objects and pages, apart from modules."""
    ours = ("_extras", "_map", "_save_changes", "delta")
    for module in ("numpy", "tempfile", *(f"pagebuf.{name}" for name in ours)):
        importlib.import_module(module)
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] <= nbytes
    finally:
        tracemalloc.stop()
