"""Out of memory in Python: its allocators fail at the n-th request (`_testcapi.set_nomemory`),
once or from there on, until the call succeeds."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.support import buffer_state, contents, filled

try:
    import _testcapi
except ImportError:
    _testcapi = None

needs_testcapi = pytest.mark.skipif(
    _testcapi is None, reason="this interpreter came without _testcapi (set_nomemory)"
)
MOST_POINTS = 300  # far more than any call has

Call = Callable[[Any], Any]
Counts = Callable[[Any], Any]
"""What of a pool a refused call may not change."""


def attempt(call: Call, thing: Any, first: int, last: int) -> bool:
    """The call, with the requests for memory from the first to the last one failing.
    True when it came through."""
    try:
        _testcapi.set_nomemory(first, last)
        call(thing)
    except MemoryError:
        return False
    finally:
        _testcapi.remove_mem_hooks()
    return True


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """The garbage collector asks for no memory meanwhile."""
    gc.collect(0)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def sweep(call: Call, make: Callable[[], Any], counts: Counts) -> tuple[list[Any], int]:
    """Let every request fail, from each on and each alone: the buffers of the calls that came
    through, and how many points there were."""
    with without_collector():
        buf = make()
        before = buffer_state(buf), counts(buf.pool)
        points = next(
            n for n in range(MOST_POINTS) if fails_cleanly(call, buf, n + 1, 0, counts, before)
        )
        done = [buf]
        for point in range(1, points + 10):  # a way around the failed request may ask for more
            buf = make()
            before = buffer_state(buf), counts(buf.pool)
            if fails_cleanly(call, buf, point, point + 1, counts, before):
                done.append(buf)
    return done, points


def fails_cleanly(
    call: Call, buf: Any, first: int, last: int, counts: Counts, before: tuple[Any, Any]
) -> bool:
    """True when the call came through; when it did not, nothing has changed."""
    if attempt(call, buf, first, last):
        return True
    assert (buffer_state(buf), counts(buf.pool)) == before, f"requests {first}:{last} failed"
    buf.check()
    buf.pool.check()
    return False


def sweep_beside_twin(
    call: Call, make: Callable[[], Any], counts: Counts
) -> tuple[list[Any], int, Any]:
    """As `sweep`, and then the twin, made alike, for which the call never failed: where it came
    through, it did the same."""
    twin = make()
    call(twin)
    done, points = sweep(call, make, counts)
    for buf in done:
        assert (len(buf), contents(buf)) == (len(twin), contents(twin))
        buf.check()
        buf.pool.check()
    return done, points, twin


def warm_pool() -> pagebuf.PagePool:
    """Enough free frames for any call: no region comes in."""
    pool = pagebuf.PagePool()
    hog = filled(pool, 90 * PAGE)
    hog.clear()
    return pool
