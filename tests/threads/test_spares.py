"""Memory of objects that are gone serves new objects, without a GIL: of the same thread only."""

from __future__ import annotations

import gc
import threading

import pytest

from pagebuf import BytesIO, PageBuffer, PagePool
from tests.helpers import PAGE


@pytest.mark.parametrize("kind", [PageBuffer, BytesIO], ids=lambda kind: kind.__name__)
def test_what_a_thread_drops_goes_at_once(kind: type) -> None:
    """Objects of one thread go in another one, which makes new ones, lets the collector run, and
    drops them.  They must not wait until the first thread has time to count their references."""
    pool = PagePool()
    made = [kind() for _ in range(20)]
    meet, held = threading.Barrier(2), []

    def work() -> None:
        mine = list(made)
        meet.wait()
        meet.wait()
        mine.clear()
        fresh = [kind(pool=pool) for _ in range(20)]
        for each in fresh:
            each.write(*([0] if kind is PageBuffer else []), bytes(PAGE))
        each = None
        gc.collect()
        fresh.clear()
        held.append(pool.stats().held)

    thread = threading.Thread(target=work)
    thread.start()
    meet.wait()
    made.clear()
    meet.wait()
    thread.join()
    assert held == [0]
