"""The calls of a PagePool, and calls of its buffers that run at the same time."""

from __future__ import annotations

from typing import Any

import pagebuf
from tests.helpers import PAGE
from tests.support import pattern
from tests.threads.call import Call, Kind, Shape

FULL = (pagebuf.PoolLimitError,)


def fresh(pool: Any) -> Any:
    return pagebuf.PageBuffer(pool=pool)


def held(pool: Any) -> list[Any]:
    """A buffer, another one that shares its pages, and a view, in a list that a call empties."""
    buf = pagebuf.PageBuffer(pattern(0, 2 * PAGE), pool=pool)
    return [buf.snapshot(), buf.view(0, 9), buf]


def grow(buf: Any, size: int) -> Any:
    buf.extend(pattern(0, size))
    return buf


def named(pool: Any, given: Any, who: bytes) -> Any:
    return pagebuf.PageBuffer(pattern(0, PAGE + 9), pool=pool, name=who.decode())


def queued(pool: Any, given: Any, who: bytes) -> Any:
    queue = pagebuf.ByteQueue(pool=pool, name=who.decode())
    queue.put(pattern(0, PAGE + 9))
    return queue


def shelf(pool: Any) -> list[Any]:
    """A child pool with a buffer, which a call drops."""
    child = pool.child(limit=9 * PAGE)
    return [pagebuf.PageBuffer(pattern(0, PAGE + 1), pool=child), child]


def child_used(pool: Any, given: Any, who: bytes) -> Any:
    child = pool.child(limit=9 * PAGE, name=who.decode())
    return pagebuf.PageBuffer(pattern(0, PAGE + 1), pool=child)


def watch(pool: Any, given: Any, who: bytes) -> None:
    pool.on_pressure(0.5 + who[0] % 2 / 4, bool)


def begin_anew(pool: Any, given: Any, who: bytes) -> None:
    pool.__init__(limit=pool.limit, name=pool.name)


def rows(pool: Any, given: Any, who: bytes) -> int:
    """Get the rows of the pool.  They must show one moment."""
    found = pool.buffers()
    return sum(row.proportional for row in found if row.kind != "tables") >= 0


CALLS = [
    Call("__init__", begin_anew, steps=True),
    Call("__repr__", lambda p, g, w: len(repr(p)) > 9, steps=True),
    Call("buffers", lambda p, g, w: p.buffers(), steps=True),
    Call("buffers sum", rows, looks=True),
    Call("check", lambda p, g, w: p.check(), looks=True),
    Call("child", lambda p, g, w: p.child(limit=9 * PAGE, name="child")),
    Call("child used", child_used, FULL),
    Call("child dropped", lambda p, shelf, w: shelf.clear(), FULL, before=shelf),
    Call("debug", lambda p, g, w: p.debug, looks=True),
    Call("limit", lambda p, g, w: p.limit, looks=True),
    Call("name", lambda p, g, w: p.name, looks=True),
    Call("on_pressure", watch, (ValueError,)),
    Call("stats", lambda p, g, w: p.stats(), steps=True),
    Call("trim", lambda p, g, w: p.trim() >= 0),
    # ---- buffers of the pool ----
    Call("grown by pages", lambda p, b, w: grow(b, 2 * PAGE + 9), FULL, beside=fresh),
    Call("grown by regions", lambda p, b, w: grow(b, 300 * PAGE), FULL, beside=fresh),
    Call("buffer made", named, FULL),
    Call("queue made", queued, FULL),
    Call("dropped", lambda p, held, w: held.clear(), before=held),
    Call("view dropped", lambda p, held, w: held[1].release(), FULL, before=held),
    Call("page owned", lambda p, held, w: held[2].write(0, w), FULL, before=held),
    Call("snapshot", lambda p, held, w: held[2].snapshot(), FULL, before=held),
    Call("large read", lambda p, held, w: held[2].read(0, -1), FULL, before=held),
]


def empty(limit: int | None = None, **options: Any) -> Any:
    return lambda pool: (pagebuf.PagePool(limit, name="one", **options), None)


def used(pool: pagebuf.PagePool) -> tuple[Any, Any]:
    """A pool with a child, a buffer in each, and free frames."""
    made = pagebuf.PagePool(2000 * PAGE, name="one")
    child = made.child(name="used")
    keeps = [pagebuf.PageBuffer(pattern(0, 3 * PAGE), pool=each) for each in (made, child)]
    pagebuf.PageBuffer(pattern(0, 20 * PAGE), pool=made)
    return made, keeps


SHAPES = [
    Shape("empty", empty(2000 * PAGE), often=6, burst=4),
    Shape("used", used, often=6, burst=4),
    Shape("limited", empty(8 * PAGE), often=3, burst=4),
    Shape("debug 1", empty(2000 * PAGE, debug=1), burst=4),
]


def state(pool: Any) -> Any:
    pool.check()
    return (pool.stats(), len(pool._watchers), pool.limit, pool.name)


POOLS = Kind(
    pagebuf.PagePool,
    CALLS,
    SHAPES,
    state=state,
    contents=lambda p: None,
    check=lambda p: p.check(),
)
