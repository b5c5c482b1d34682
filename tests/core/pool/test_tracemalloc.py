"""tracemalloc traces pages in a domain of their own, at the lines that wrote them."""

from __future__ import annotations

import gc
import sys
import tracemalloc

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.support import FEW, SHAPES, assert_accounted, filled, pattern

DOMAIN = 0x70616765  # "page"


@pytest.fixture
def traced():
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    yield
    tracemalloc.stop()


def pages_seen():
    """The number of traced bytes in pages, and the snapshot that shows their lines."""
    snapshot = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.DomainFilter(inclusive=True, domain=DOMAIN)]
    )
    return sum(trace.size for trace in snapshot.traces), snapshot


@pytest.mark.parametrize("level", [0, 1, 2, "sample:2"])
@pytest.mark.parametrize("shape", SHAPES)
def test_pages_appear_and_vanish(traced, level, shape):
    pool = pagebuf.PagePool(debug=level)
    assert pages_seen()[0] == 0
    buf = SHAPES[shape](pool)
    assert pages_seen()[0] == pool.stats().held * PAGE
    copies = [buf.snapshot(), buf.clone()]
    copies[1].write(len(buf) // 2, b"!")
    assert pages_seen()[0] == pool.stats().held * PAGE
    assert_accounted(pool)
    buf.clear()
    assert pages_seen()[0] == pool.stats().held * PAGE
    del copies, buf
    gc.collect()
    assert pages_seen()[0] == pool.stats().held * PAGE == 0


@pytest.mark.parametrize("level", [0, 1])
def test_the_line_that_wrote_is_named(traced, level):
    pool = pagebuf.PagePool(debug=level)
    buf = pagebuf.PageBuffer(pool=pool)
    line = sys._getframe().f_lineno + 1
    buf.write(0, pattern(0, 3 * PAGE))
    total, snapshot = pages_seen()
    assert total == 3 * PAGE
    [found] = snapshot.statistics("lineno")
    assert (found.size, found.count) == (3 * PAGE, 3)
    frame = found.traceback[0]
    assert (frame.filename, frame.lineno) == (__file__, line)


def test_views_and_detached_pages_stay_until_they_go(traced):
    pool = pagebuf.PagePool(debug=0)
    buf = filled(pool, 3 * PAGE)
    view = buf.view(0, PAGE)
    buf.truncate(0)
    assert pages_seen()[0] == PAGE
    view.release()
    gc.collect()
    assert pages_seen()[0] == 0


def test_queues_and_files(traced):
    pool = pagebuf.PagePool()
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(pattern(0, 5 * PAGE))
    assert pages_seen()[0] == pool.stats().held * PAGE
    queue.get(3 * PAGE)
    assert pages_seen()[0] == pool.stats().held * PAGE
    queue.clear()
    before = pages_seen()[0]
    file = pagebuf.BytesIO(bytearray(pattern(0, 5 * PAGE)))
    assert pages_seen()[0] >= before + 5 * PAGE
    del file, queue
    gc.collect()


def test_trim_and_give_back_change_nothing(traced):
    pool = pagebuf.PagePool(keep=0, debug=0)
    keep = filled(pool, 20 * PAGE)
    gone = filled(pool, 200 * PAGE)
    gone.clear()
    pool.trim()
    assert pages_seen()[0] == pool.stats().held * PAGE
    again = filled(pool, 100 * PAGE)
    assert pages_seen()[0] == pool.stats().held * PAGE
    del keep, again


def test_pages_below_are_charged_once(traced):
    pool = pagebuf.PagePool()
    child = pool.child()
    buf = filled(child, 3 * PAGE)
    assert pages_seen()[0] == 3 * PAGE
    del buf


def test_starting_in_the_middle():
    """Frames taken before the start are not traced.  Freeing them is no error."""
    pool = pagebuf.PagePool(debug=0)
    before = filled(pool, 5 * PAGE)
    tracemalloc.start()
    try:
        assert pages_seen()[0] == 0
        after = filled(pool, 3 * PAGE)
        assert pages_seen()[0] == 3 * PAGE
        before.clear()
        assert pages_seen()[0] == 3 * PAGE
        again = filled(pool, 5 * PAGE)
        assert pages_seen()[0] == pool.stats().held * PAGE
    finally:
        tracemalloc.stop()
    assert after.tobytes() == pattern(0, 3 * PAGE)
    del after, again


def test_stopping_and_starting_again():
    pool = pagebuf.PagePool(debug=0)
    tracemalloc.start()
    buf = filled(pool, 4 * PAGE)
    tracemalloc.stop()
    buf.clear()
    other = filled(pool, 2 * PAGE)
    tracemalloc.start()
    try:
        assert pages_seen()[0] == 0
        buf.extend(pattern(0, PAGE + 1))
        assert pages_seen()[0] == 2 * PAGE
    finally:
        tracemalloc.stop()
    assert other.tobytes() == pattern(0, 2 * PAGE)
    pool.check()


def test_stopping_and_starting_with_nothing_taken_between():
    pool = pagebuf.PagePool(debug=0)
    tracemalloc.start()
    buf = filled(pool, 4 * PAGE)
    tracemalloc.stop()
    tracemalloc.start()
    try:
        buf.clear()
        assert pages_seen()[0] == 0
        again = filled(pool, 3 * PAGE)
        assert pages_seen()[0] == pool.stats().held * PAGE > 0
        again.clear()
        assert pages_seen()[0] == pool.stats().held * PAGE == 0
    finally:
        tracemalloc.stop()
    pool.check()


def test_a_comparison_of_snapshots_finds_the_leak(traced):
    pool = pagebuf.PagePool(debug=0)
    _, before = pages_seen()
    leak = []
    for n in range(7):
        leak.append(filled(pool, FEW, n))
        line = filled.__code__.co_firstlineno
    _, after = pages_seen()
    [found] = after.compare_to(before, "lineno")
    assert found.size_diff == 7 * PAGE
    assert found.traceback[0].filename == filled.__code__.co_filename
    assert found.traceback[0].lineno > line


def test_many_frames_at_once(traced):
    pool = pagebuf.PagePool(debug=0)
    buf = filled(pool, reach(2) if PAGE < 4096 else 2000 * PAGE)
    assert pages_seen()[0] == pool.stats().held * PAGE
    buf.truncate(len(buf) // 2)
    assert pages_seen()[0] == pool.stats().held * PAGE
    del buf
    assert pages_seen()[0] == 0


def test_deep_tracebacks():
    tracemalloc.start(10)
    try:
        pool = pagebuf.PagePool(debug=0)
        buf = filled(pool, FEW)
        _, snapshot = pages_seen()
        [trace] = snapshot.traces
        names = [frame.filename for frame in trace.traceback]
        assert names[-1] == filled.__code__.co_filename
        assert __file__ in names
        assert buf is not None
    finally:
        tracemalloc.stop()
