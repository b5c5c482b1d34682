"""A range ends where the buffer ends when the view is made, not when the call begins.

The pool grows in between.  It gives up the lock and runs Python code, which here cuts the buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.support import pattern

SIZE = 8 * PAGE


class Cutting(pagebuf.PagePool):
    """Calls `act`, once, when it has to grow."""

    act: Callable[[], Any] | None = None

    def _new_region(self, *args: Any, **kwargs: Any) -> Any:
        act, self.act = self.act, None
        if act:
            act()
        return super()._new_region(*args, **kwargs)


def use_up(pool: pagebuf.PagePool) -> list[pagebuf.PageBuffer]:
    """Take all free frames for buffers of one page.  They need no node, so the pool does not
    grow."""
    rest = []
    while pool.stats().free:
        rest.append(pagebuf.PageBuffer(bytes([1]) * PAGE, pool=pool))
    return rest


SHARING = {
    "views": lambda buf: b"".join(buf.views()),
    "views from": lambda buf: b"".join(buf.views(0, None)),
    "view": lambda buf: bytes(buf.view(writable=False)),
    "read_buffer": lambda buf: bytes(buf.open().read_buffer()),
    "snapshot": lambda buf: buf.snapshot().tobytes(),
}


@pytest.mark.parametrize("call", SHARING)
def test_sharing(call):
    """Sharing copies the pages under a live view, but no frame is free."""
    pool = Cutting()
    buf = pagebuf.PageBuffer(pattern(0, SIZE), pool=pool)
    live, rest = buf.view(), use_up(pool)
    pool.act = lambda: buf.truncate(PAGE + 3)
    assert SHARING[call](buf) == pattern(0, PAGE + 3)
    assert pool.act is None
    del live, rest
    pool.check()


PINNING = {
    "view": lambda buf: buf.view(),
    "memoryview": memoryview,
}


@pytest.mark.parametrize("call", PINNING)
def test_pinning(call):
    """Pinning turns holes into pages, but no frame is free."""
    pool = Cutting()
    buf = pagebuf.PageBuffer(pattern(0, PAGE), pool=pool)
    buf.truncate(SIZE)
    rest = use_up(pool)
    pool.act = lambda: buf.truncate(2 * PAGE)
    with PINNING[call](buf) as view:
        assert bytes(view) == pattern(0, PAGE) + bytes(PAGE)
    assert pool.act is None
    del rest
    pool.check()


def test_a_range_that_is_gone():
    pool = Cutting()
    buf = pagebuf.PageBuffer(pattern(0, SIZE), pool=pool)
    live, rest = buf.view(), use_up(pool)
    pool.act = lambda: buf.truncate(PAGE + 3)
    with pytest.raises(IndexError, match=f"a view of {PAGE} bytes at offset {PAGE} of {PAGE + 3}$"):
        buf.view(PAGE, PAGE, writable=False)
    del live, rest


def test_views_of_a_queue():
    pool = Cutting()
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(bytearray(pattern(0, SIZE)))
    live = queue.reserve(PAGE)
    rest = use_up(pool)
    pool.act = lambda: queue.consume(SIZE - 5)
    assert b"".join(queue.views()) == pattern(SIZE - 5, 5)
    del live, rest
    queue.check()
