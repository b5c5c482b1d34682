"""Makes Python run out of memory (`_testcapi.set_nomemory`).  Its allocators fail at the n-th
request, or from the n-th request on, for each n until the call succeeds."""

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

# `PageBuffer.__new__` takes the default pool.  To make that pool runs Python that a lack of memory
# can end with a SystemError (os.environ, in CPython), so it is there before.
pagebuf.default_pool()

Call = Callable[[Any], Any]
Counts = Callable[[Any], Any]
"""Returns the counts of a pool that a refused call must not change."""


def attempt(call: Call, thing: Any, first: int, last: int) -> bool:
    """Make the call while the requests for memory from `first` to `last` fail.  True if it
    succeeded."""
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
    """Turn the garbage collector off.  Its requests for memory would count."""
    gc.collect(0)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def sweep(call: Call, make: Callable[[], Any], counts: Counts) -> tuple[list[Any], int]:
    """Let each request fail, alone and with all after it.  Returns the buffers of the calls that
    succeeded, and the number of points at which the call failed."""
    with without_collector():
        buf = make()
        before = buffer_state(buf), counts(buf.pool)
        points = next(
            n for n in range(MOST_POINTS) if fails_cleanly(call, buf, n + 1, 0, counts, before)
        )
        done = [buf]
        for point in range(1, points + 10):  # a call that recovers from a failure may make more
            buf = make()
            before = buffer_state(buf), counts(buf.pool)
            if fails_cleanly(call, buf, point, point + 1, counts, before):
                done.append(buf)
    return done, points


def fails_cleanly(
    call: Call, buf: Any, first: int, last: int, counts: Counts, before: tuple[Any, Any]
) -> bool:
    """True if the call succeeded.  If it failed, assert that nothing has changed."""
    if attempt(call, buf, first, last):
        return True
    assert (buffer_state(buf), counts(buf.pool)) == before, f"requests {first}:{last} failed"
    buf.check()
    buf.pool.check()
    return False


def sweep_beside_twin(
    call: Call, make: Callable[[], Any], counts: Counts
) -> tuple[list[Any], int, Any]:
    """As `sweep`, but also make the call on a twin without failures.  Assert that each call that
    succeeded did the same as the call on the twin.  Returns the twin, too."""
    twin = make()
    call(twin)
    done, points = sweep(call, make, counts)
    for buf in done:
        assert (len(buf), contents(buf)) == (len(twin), contents(twin))
        buf.check()
        buf.pool.check()
    return done, points, twin


def warm_pool() -> pagebuf.PagePool:
    """A pool with enough free frames for any call, so that no call adds a region."""
    pool = pagebuf.PagePool()
    hog = filled(pool, 90 * PAGE)
    hog.clear()
    return pool
