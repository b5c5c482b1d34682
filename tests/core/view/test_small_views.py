"""Small stable views hold little: a few bytes are a copy, others keep their own pages, however
large the buffer was."""

from __future__ import annotations

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE
from tests.support import dense, filled, pattern

SMALL = PAGE // 8  # up to here a stable view of a part is a copy
PAGES = 25_600  # 100 MiB, where a page has 4096 bytes
PLACES = [0, 1, PAGE - 1, PAGE, 5 * PAGE - SMALL, 5 * PAGE - SMALL // 2]


def of_view(buf, at, n):
    return buf.view(at, n, writable=False)


def of_file(buf, at, n):
    file = buf.open()
    file.seek(at)
    return file.read_buffer(n)


ways = pytest.mark.parametrize("way", [of_view, of_file])


LARGE = PAGES * PAGE
AT_RANDOM = [number * 7919 * PAGE // 3 % (LARGE - PAGE) for number in range(100)]


def of_range(buf, at, n):
    return buf.views(at, n)[0]


def of_data(buf, at, n):
    return buf.data_views(at, n)[0][1]


def of_list(buf, at, n):
    """A view of a list whose other views go: the last one that begins before `at`."""
    shown = [(off, view) for off, view in buf.data_views(at - at % PAGE, PAGE) if off <= at]
    return shown[-1][1][at % PAGE :][:n]


@pytest.mark.parametrize("way", [of_view, of_file, of_range, of_data, of_list])
def test_a_hundred_small_views_of_a_large_buffer_keep_little(pool, way):
    n = min(10, SMALL)
    buf = pagebuf.PageBuffer(pattern(0, LARGE), pool=pool)
    views = [way(buf, at, n) for at in AT_RANDOM]
    del buf
    for at, view in zip(AT_RANDOM, views, strict=True):
        assert view[:n] == pattern(at, n)[: len(view)]
    assert pool.stats().held <= (0 if way in (of_view, of_file) else 100)
    pool.check()
    del view, views
    assert pool.stats().held == 0


@ways
@pytest.mark.parametrize("pages", [1, 3, 4, 5, 600, 3000])
def test_a_view_keeps_its_pages(pool, way, pages):
    buf = pagebuf.PageBuffer(pattern(0, LARGE), pool=pool)
    view = way(buf, 1234 * PAGE, pages * PAGE)
    del buf
    assert view == pattern(1234 * PAGE, pages * PAGE)
    nodes = pool.stats().nodes
    assert pool.stats().held - nodes == pages
    assert nodes == 0 if pages <= 4 else nodes <= 2 * pages / FANOUT + 2 * pagebuf.MAX_LEVELS
    row = next(row for row in pool.buffers() if row.kind == "view")
    assert row.resident == pool.stats().held * PAGE == row.private
    pool.check()


def runs_of(pool, pages):
    """A buffer of many runs."""
    buf, other = pagebuf.PageBuffer(pool=pool), pagebuf.PageBuffer(pool=pool)
    for page in range(pages):
        buf.extend(pattern(page * PAGE, PAGE))
        if page % 3 == 0:
            other.extend(bytes(PAGE))
    return buf


@pytest.mark.parametrize("keep", [slice(0, 1), slice(7, 8), slice(-1, None), slice(None, None, 40)])
@pytest.mark.parametrize("first", ["the buffer", "the views"])
def test_the_views_that_are_left_of_a_list_keep_their_pages(pool, keep, first):
    buf = runs_of(pool, 2000)
    views = buf.data_views()
    if first == "the buffer":
        del buf
        views = views[keep]
    else:
        views = views[keep]
        del buf
    pages = sum(len(view) for _, view in views) // PAGE
    assert all(view == pattern(off, len(view)) for off, view in views)
    stats = pool.stats()
    assert stats.held - stats.nodes <= 2 * pages
    assert stats.nodes <= len(views) * 2 * pagebuf.MAX_LEVELS
    pool.check()
    views.clear()
    assert pool.stats().held == 0


def test_views_of_a_queue_keep_their_pages(pool):
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(pattern(0, 3 * FANOUT * PAGE))
    first, *rest = queue.views()
    queue.get(3 * FANOUT * PAGE)
    rest.clear()
    assert first == pattern(0, len(first))
    stats = pool.stats()
    assert stats.held - stats.nodes <= 2 * len(first) // PAGE
    pool.check()


def test_the_first_views_keep_no_more_than_they_show(pool):
    buf = runs_of(pool, 2000)
    views = buf.views(most=5)
    del buf
    assert b"".join(views) == pattern(0, sum(map(len, views)))
    stats = pool.stats()
    assert stats.held - stats.nodes == sum(map(len, views)) // PAGE


def test_a_view_of_a_part_needs_no_frame_that_nobody_has():
    """At the limit there is no frame for nodes of its own: it shares the whole tree."""
    pool, pages = pagebuf.PagePool(), 4 * FANOUT + 44
    child = pool.child(limit=dense(pages) * PAGE)
    buf = pagebuf.PageBuffer(pattern(0, pages * PAGE), pool=child)
    view = buf.view(PAGE, 20 * PAGE, writable=False)
    views = buf.views(PAGE, 20 * PAGE)
    del buf
    assert view == b"".join(views) == pattern(PAGE, 20 * PAGE)
    pool.check()
    child.check()


def test_only_the_pages_of_the_view_are_copied_beside_live_ones(pool):
    buf = filled(pool, 40 * PAGE)
    live = buf.view(4 * PAGE, 30 * PAGE)
    before = pool.stats().held
    near, far = buf.views(3 * PAGE, 2 * PAGE), buf.views(38 * PAGE, 2 * PAGE)
    assert pool.stats().held == before + 1
    live[0] ^= 0xFF
    assert b"".join(near) == pattern(3 * PAGE, 2 * PAGE)
    assert b"".join(far) == pattern(38 * PAGE, 2 * PAGE)
    buf.check()
    pool.check()


@ways
def test_a_small_view_leaves_the_tree_alone(pool, way):
    buf = filled(pool, 6 * PAGE)
    before = pool.stats().held
    view = way(buf, 0, SMALL)
    buf.write(0, b"\xff")  # a shared page would be copied now
    assert pool.stats().held == before
    assert view == pattern(0, SMALL)


@ways
@pytest.mark.parametrize("at", PLACES)
def test_small_views_are_stable(pool, way, at):
    buf = filled(pool, 6 * PAGE)
    view = way(buf, at, SMALL)
    buf.write(0, b"\xff" * len(buf))
    buf.truncate(1)
    assert view.readonly
    assert view == pattern(at, SMALL)
    buf.check()


@ways
def test_a_small_view_shows_a_hole_as_zeros(pool, way):
    buf = filled(pool, PAGE)
    buf.truncate(4 * PAGE)
    assert way(buf, PAGE - 1, SMALL) == pattern(PAGE - 1, 1) + bytes(SMALL - 1)


@ways
def test_a_small_view_beside_a_live_one(pool, way):
    buf = filled(pool, 6 * PAGE)
    live = buf.view()
    before = pool.stats().held
    view = way(buf, PAGE, SMALL)
    live[PAGE] = 0xFF ^ live[PAGE]
    assert pool.stats().held == before
    assert view == pattern(PAGE, SMALL)


@ways
def test_a_small_view_of_a_snapshot(pool, way):
    snap = filled(pool, 6 * PAGE).snapshot()
    view = way(snap, 1, SMALL)
    del snap
    assert pool.stats().held == 0
    assert view == pattern(1, SMALL)


def test_a_file_goes_on_behind_a_small_view(pool):
    file = filled(pool, 2 * SMALL + 1).open()
    assert file.read_buffer(SMALL) == pattern(0, SMALL)
    assert file.tell() == SMALL
    assert file.read_buffer(SMALL) == pattern(SMALL, SMALL)
