"""Views: rule I7 sentence by sentence, rule I11, and every call that hands out memory."""

from __future__ import annotations

import copy
import ctypes
import gc
import hashlib
import mmap
import os
import pickle
import weakref

import numpy as np
import pytest

import pagebuf
from pagebuf.pool import ZEROS
from tests.helpers import MAX_LEVELS, PAGE, reach
from tests.support import SHAPES, filled, pattern, pool_counts, refused

SIZES = [1, 5, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 6 * PAGE + 3]
PLAIN_COPY = 4 * PAGE  # up to here a plain request may get a copy


def address(view):
    """Where the bytes of a view lie, writable or not."""
    return np.frombuffer(view, "u1").__array_interface__["data"][0]


def page_address(buf, offset=0):
    return buf.walk(offset).steps[-1].address


def scattered(pool, pages, salt=0):
    """A buffer whose second page lies elsewhere, because it was written beside a snapshot."""
    buf = filled(pool, pages * PAGE, salt)
    snap = buf.snapshot()
    buf.write(PAGE, pattern(PAGE, PAGE, salt))
    del snap
    assert page_address(buf, PAGE) != page_address(buf) + PAGE
    return buf


def put(view, at, data):
    view[at : at + len(data)] = data


# ---- "Views never block growth" ----

GROWTH = {
    "append": lambda b: b.append(7),
    "extend": lambda b: b.extend(pattern(0, 3 * PAGE, 1)),
    "+=": lambda b: b.__iadd__(b"xyz"),
    "write past the end": lambda b: b.write(len(b) + 2 * PAGE + 1, b"far"),
    "write across the end": lambda b: b.write(len(b), pattern(0, PAGE + 1, 2)),
    "truncate": lambda b: b.truncate(len(b) + 5 * PAGE + 1),
    "resize": lambda b: b.resize(len(b) + 1),
    "insert at the end": lambda b: b.insert(len(b), 7),
    "taller by a level": lambda b: b.write(reach(2), b"x"),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("call", GROWTH)
def test_views_never_block_growth(pool, call, size):
    buf, plain = filled(pool, size), filled(pool, size)
    live, stable = buf.view(), buf.view(writable=False)
    where = address(live)
    GROWTH[call](buf)
    GROWTH[call](plain)
    assert buf == plain
    assert page_address(buf) == where
    put(live, size - 1, b"L")
    assert buf[size - 1] == ord("L")
    assert stable == pattern(0, size)
    buf.check()


# ---- "and never dangle" ----

CUTS = {
    "truncate": lambda b: b.truncate(0),
    "truncate to a byte": lambda b: b.truncate(1),
    "truncate in the middle": lambda b: b.truncate(len(b) // 2),
    "resize": lambda b: b.resize(1),
    "clear": lambda b: b.clear(),
    "del all": lambda b: b.__delitem__(slice(None)),
    "del the end": lambda b: b.__delitem__(slice(1, None)),
    "take all": lambda b: b.take_bytes(),
    "take some": lambda b: b.take_bytes(len(b) // 2),
    "empty slice": lambda b: b.__setitem__(slice(None), b""),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("call", CUTS)
def test_views_never_dangle(pool, call, writable, size):
    """No other buffer gets the frames under a view, however much is written meanwhile."""
    buf = filled(pool, size)
    view = buf.view(writable=writable)
    CUTS[call](buf)
    other = filled(pool, 2 * size + 4 * PAGE, salt=5)
    if writable:
        view[:] = pattern(0, size, 6)
    assert view == pattern(0, size, 6 if writable else 0)
    assert other == pattern(0, 2 * size + 4 * PAGE, 5)
    buf.check()
    pool.check()
    del view
    buf.clear()
    other.clear()
    assert pool.stats().held == 0
    assert pool.stats().pinned == 0


@pytest.mark.parametrize("writable", [False, True])
def test_views_outlive_the_buffer(pool, writable):
    buf = filled(pool, 5 * PAGE + 3)
    view, gone = buf.view(writable=writable), weakref.ref(buf)
    del buf
    assert gone() is None
    other = filled(pool, 9 * PAGE, salt=1)
    assert view == pattern(0, 5 * PAGE + 3)
    assert other == pattern(0, 9 * PAGE, 1)
    pool.check()
    view.release()
    pool.check()


def test_views_outlive_the_pool():
    pool = pagebuf.PagePool()
    live = filled(pool, 5 * PAGE).view()
    stable = filled(pool, 5 * PAGE, 1).view(writable=False)
    del pool
    assert (live == pattern(0, 5 * PAGE), stable == pattern(0, 5 * PAGE, 1)) == (True, True)
    put(live, 0, b"x")


# ---- "A read-only view is stable" ----

CHANGES = {
    **GROWTH,
    **CUTS,
    "write": lambda b: b.write(0, b"\xff" * len(b)),
    "punch": lambda b: b.punch(0, len(b)),
    "item": lambda b: b.__setitem__(0, 255),
    "slice": lambda b: b.__setitem__(slice(0, 1), b"longer"),
    "reverse": lambda b: b.reverse(),
    "insert": lambda b: b.insert(0, 1),
    "pop": lambda b: b.pop(0),
    "insert_hole": lambda b: b.insert_hole(0, PAGE),
    "collapse": lambda b: b.collapse(0, 1),
    "copy_range": lambda b: b.copy_range(0, b, len(b) // 2),
    "through a live view": lambda b: put(b.view(), 0, b"\xff" * len(b)),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("call", CHANGES)
def test_a_read_only_view_shows_the_bytes_of_the_moment_it_was_made(pool, call, size):
    buf = filled(pool, size)
    stable, part = buf.view(writable=False), buf.view(size // 2, writable=False)
    assert stable.readonly
    CHANGES[call](buf)
    assert stable == pattern(0, size)
    assert part == pattern(0, size)[size // 2 :]
    with pytest.raises(TypeError):
        stable[0] = 1


@pytest.mark.parametrize("size", [PAGE, PAGE + 1, 3 * PAGE, 9 * PAGE + 3])
def test_a_read_only_view_of_one_run_is_no_copy(pool, size):
    buf = filled(pool, size)
    for offset in (0, 1, size // 2, size - PAGE):  # a view of a few bytes is a copy
        before = pool.stats().held
        view = buf.view(offset, writable=False)
        walked = buf.walk(offset - offset % PAGE).steps[-1].address
        assert address(view) == walked + offset % PAGE
        assert pool.stats().held == before


def test_a_read_only_view_of_scattered_pages_is_a_copy_and_leaves_the_tree(pool):
    buf = scattered(pool, 4)
    before = [page_address(buf, at) for at in range(0, 4 * PAGE, PAGE)]
    view = buf.view(writable=False)
    assert view == pattern(0, 4 * PAGE)
    assert [page_address(buf, at) for at in range(0, 4 * PAGE, PAGE)] == before


# ---- "A writable view is live" ----


@pytest.mark.parametrize("size", SIZES)
def test_buffer_and_view_see_each_others_writes(pool, size):
    buf = filled(pool, size)
    for offset in sorted({0, size // 2, size - 1}):
        view = buf.view(offset)
        assert not view.readonly
        put(view, 0, b"V")
        assert buf[offset] == ord("V")
        assert buf.read(offset, -1) == view
        buf.write(offset, b"B" * (size - offset))
        assert view == b"B" * (size - offset)
        put(view, size - offset - 1, b"E")
        assert buf[size - 1] == ord("E")
        view.release()


REPLACING = {
    "write": lambda b: b.write(1, b"#" * (len(b) - 1)),
    "write of a file": lambda b: b.open().write(b"#" * len(b)),
    "item": lambda b: b.__setitem__(len(b) - 1, 35),
    "slice of the same size": lambda b: b.__setitem__(slice(1, -1), b"#" * (len(b) - 2)),
    "stride": lambda b: b.__setitem__(slice(None, None, 2), b"#" * ((len(b) + 1) // 2)),
    "reverse": lambda b: b.reverse(),
    "copy_range": lambda b: b.copy_range(0, filled(b.pool, len(b), 3)),
    "copy_range of itself": lambda b: b.copy_range(1, b, 0, len(b) - 1),
    "punch": lambda b: b.punch(1, len(b) - 2),
    "punch all": lambda b: b.punch(0, len(b)),
}


@pytest.mark.parametrize("size", [5, PAGE, PAGE + 1, 6 * PAGE + 3])
@pytest.mark.parametrize("call", REPLACING)
def test_calls_that_replace_bytes_write_into_live_frames(pool, call, size):
    buf, plain = filled(pool, size), filled(pool, size)
    view = buf.view()
    where = address(view)
    REPLACING[call](buf)
    REPLACING[call](plain)
    assert view == buf.tobytes() == plain.tobytes()
    assert [page_address(buf, at) for at in range(0, size, PAGE)] == [
        where + at for at in range(0, size, PAGE)
    ]
    buf.check()


def test_punch_zeroes_live_frames(pool):
    buf = filled(pool, 6 * PAGE)
    view = buf.view(2 * PAGE, PAGE)
    buf.punch(0, 6 * PAGE)
    assert view == bytes(PAGE)
    assert buf.extents() == [(2 * PAGE, PAGE)]
    put(view, 3, b"live")
    assert buf.read(2 * PAGE + 3, 4) == b"live"


# ---- "pages wholly past a new end detach and live on with their view" ----


@pytest.mark.parametrize("end", [0, 1, PAGE, 2 * PAGE, 2 * PAGE + 1])
def test_pages_wholly_past_a_new_end_detach(pool, end):
    buf = filled(pool, 5 * PAGE)
    view = buf.view()
    buf.truncate(end)
    kept = -(-end // PAGE) * PAGE
    buf.extend(bytes(5 * PAGE - end))
    view[kept:] = b"D" * (5 * PAGE - kept)
    assert buf.read(end, -1) == bytes(5 * PAGE - end)
    if end:
        put(view, 0, b"A")
        assert buf[0] == ord("A")
    buf.check()
    pool.check()


def test_detached_pages_go_with_the_last_of_their_views(pool):
    buf = filled(pool, 5 * PAGE)
    first, second = buf.view(), buf.view(PAGE, 2 * PAGE)
    buf.clear()
    assert pool.stats().held == 5
    first.release()
    del first
    assert second == pattern(PAGE, 2 * PAGE)
    del second
    assert pool.stats().held == 0


# ---- "taking bytes off the front lets views follow their frames" ----

OFF_THE_FRONT = {
    "take_bytes": lambda b, n: b.take_bytes(n),
    "del": lambda b, n: b.__delitem__(slice(0, n)),
    "empty slice": lambda b, n: b.__setitem__(slice(0, n), b""),
    "collapse": lambda b, n: b.collapse(0, n),
}


@pytest.mark.parametrize("count", [1, PAGE - 1, PAGE, 2 * PAGE + 1, reach(1) + 1])
@pytest.mark.parametrize("call", OFF_THE_FRONT)
def test_taking_bytes_off_the_front_lets_views_follow(pool, call, count):
    size = reach(1) + 3 * PAGE
    buf = filled(pool, size)
    view = buf.view()
    OFF_THE_FRONT[call](buf, count)
    assert len(buf) == size - count
    assert view == pattern(0, size)
    put(view, count, b"front")
    assert buf.read(0, 5) == b"front"
    buf.write(1, b"back")
    assert view[count : count + 5] == b"fback"
    put(view, 0, b"g")  # gone with the front, unless it shares the page
    assert buf.read(0, 5) == (b"fback")
    buf.check()


# ---- "calls that shift offsets behind a point raise BufferError" ----

SHIFTING = {
    "insert": lambda b, at: b.insert(at, 1),
    "del item": lambda b, at: b.__delitem__(at),
    "del in the middle": lambda b, at: b.__delitem__(slice(at, at + 2)),
    "del stride": lambda b, at: b.__delitem__(slice(at, at + 4, 2)),
    "pop": lambda b, at: b.pop(at),
    "collapse": lambda b, at: b.collapse(at, 1),
    "collapse pages": lambda b, at: b.collapse(at, PAGE),
    "insert_hole": lambda b, at: b.insert_hole(at, 1),
    "insert_hole of pages": lambda b, at: b.insert_hole(at, PAGE),
    "shorter slice": lambda b, at: b.__setitem__(slice(at, at + 3), b"x"),
    "longer slice": lambda b, at: b.__setitem__(slice(at, at + 1), b"xyz"),
    "longer slice from a buffer": lambda b, at: b.__setitem__(slice(at, at), b),
}


@pytest.mark.parametrize("viewed", [3, 4, 5])
@pytest.mark.parametrize("call", SHIFTING)
def test_calls_that_shift_offsets_raise_while_a_live_view_is_behind(pool, call, viewed):
    """The change is in the fourth page, and the view there or behind.  It works after the
    release."""
    buf, at = filled(pool, 6 * PAGE), 3 * PAGE + 1
    view = buf.view(viewed * PAGE, PAGE)
    with refused(BufferError, buf):
        SHIFTING[call](buf, at)
    assert view == pattern(viewed * PAGE, PAGE)
    view.release()
    del view
    plain = filled(pool, 6 * PAGE)
    SHIFTING[call](buf, at)
    SHIFTING[call](plain, at)
    assert len(buf) != 6 * PAGE
    assert buf == plain
    buf.check()


@pytest.mark.parametrize("call", SHIFTING)
def test_calls_that_shift_offsets_work_while_live_views_are_in_front(pool, call):
    buf, plain, at = filled(pool, 6 * PAGE), filled(pool, 6 * PAGE), 3 * PAGE + 1
    view = buf.view(0, 3 * PAGE)
    where = address(view)
    SHIFTING[call](buf, at)
    SHIFTING[call](plain, at)
    assert buf == plain
    assert view == pattern(0, 3 * PAGE)
    assert page_address(buf) == where
    put(view, PAGE, b"live")
    assert buf.read(PAGE, 4) == b"live"
    buf.check()


def test_restore_raises_while_a_live_view_lives(pool):
    buf = filled(pool, 3 * PAGE)
    snap = buf.snapshot()
    view = buf.view(2 * PAGE, 1)
    with refused(BufferError, buf, snap):
        buf.restore(snap)
    del view
    buf.restore(snap)


# ---- I4: "growth zeroes from the old end where the tail page is live-pinned" ----


@pytest.mark.parametrize("call", ["truncate", "write", "resize", "insert_hole"])
def test_growth_zeroes_from_the_old_end(pool, call):
    """The view was made while the buffer was longer: it writes past the end."""
    buf = filled(pool, PAGE)
    view = buf.view()
    buf.truncate(PAGE // 2)
    view[PAGE // 2 :] = b"!" * (PAGE - PAGE // 2)
    grow = {
        "truncate": lambda: buf.truncate(2 * PAGE),
        "write": lambda: buf.write(2 * PAGE - 1, b"\0"),
        "resize": lambda: buf.resize(2 * PAGE),
        "insert_hole": lambda: buf.insert_hole(PAGE // 2, 2 * PAGE - PAGE // 2),
    }
    grow[call]()
    assert buf.read(PAGE // 2, -1) == bytes(2 * PAGE - PAGE // 2)
    assert buf.read(0, PAGE // 2) == pattern(0, PAGE // 2)
    buf.check()


def test_growth_after_the_view_went_zeroes_too(pool):
    buf = filled(pool, PAGE)
    view = buf.view()
    buf.truncate(3)
    view[3:] = b"!" * (PAGE - 3)
    view.release()
    del view
    snap = buf.snapshot()
    buf.truncate(PAGE)
    assert buf.tobytes() == pattern(0, 3) + bytes(PAGE - 3)
    assert snap == pattern(0, 3)


# ---- I11: sharing beside a live view ----

SHARING = {
    "snapshot": lambda b: b.snapshot(),
    "clone": lambda b: b.clone(),
    "stable view": lambda b: b.view(writable=False),
    "stable views": lambda b: b.views()[0],
    "restored": lambda b: restored(b),
}


def restored(buf):
    other = pagebuf.PageBuffer(pool=buf.pool)
    other.restore(buf)
    return other


@pytest.mark.parametrize("call", SHARING)
def test_sharing_copies_live_pages_at_once(pool, call):
    buf = filled(pool, 6 * PAGE)
    view = buf.view(0, 2 * PAGE)
    shared = SHARING[call](buf)
    expected = pattern(0, 6 * PAGE)[: len(shared)]
    put(view, 0, b"live")
    assert buf.read(0, 4) == b"live"
    buf.write(5, b"too")
    assert bytes(view[5:8]) == b"too"
    assert bytes(shared) == expected
    buf.check()
    pool.check()


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_a_snapshot_costs_the_pages_under_live_views(pool, pages):
    buf = filled(pool, 4 * PAGE)
    view = buf.view(PAGE, min(pages, 3) * PAGE)
    before = pool.stats().held
    snap = buf.snapshot()
    assert pool.stats().held == before + len(view) // PAGE
    assert snap == buf


def test_a_live_view_unshares_first(pool):
    buf = filled(pool, 6 * PAGE)
    snap = buf.snapshot()
    view = buf.view(PAGE, 2 * PAGE)
    view[:] = b"w" * (2 * PAGE)
    assert snap == pattern(0, 6 * PAGE)
    assert buf.read(PAGE, 2 * PAGE) == view
    pool.check()


def test_a_live_view_that_cannot_be_had_changes_nothing():
    pool = pagebuf.PagePool(limit=8 * PAGE)
    buf = filled(pool, 4 * PAGE)
    snap, other = buf.snapshot(), filled(pool, 2 * PAGE)
    with refused(pagebuf.PoolLimitError, buf, snap, other):
        buf.view()
    del snap
    gc.collect()  # the error's traceback named the snapshot, too
    assert buf.view() == pattern(0, 4 * PAGE)


# ---- gathering ----


def test_pages_are_gathered_once(pool):
    buf = scattered(pool, 4)
    before = pool.stats().held
    first = buf.view()
    assert first == pattern(0, 4 * PAGE)
    assert [page_address(buf, at) - address(first) for at in range(0, 4 * PAGE, PAGE)] == [
        0,
        PAGE,
        2 * PAGE,
        3 * PAGE,
    ]
    second = buf.view()
    assert address(second) == address(first)
    assert pool.stats().held == before
    where = address(first)
    first.release()
    second.release()
    del first, second
    assert address(buf.view()) == where


@pytest.mark.parametrize("grow", ["resize", "extend"])
def test_a_view_after_each_growth_moves_only_what_is_new(grow):
    pool = pagebuf.PagePool()
    buf = filled(pool, 4 * PAGE)
    for _ in range(20):
        if grow == "resize":
            buf.resize(len(buf) + 2 * PAGE)
        else:
            buf.extend(bytes(2 * PAGE))
        with memoryview(buf) as view:
            assert view[-1] == 0
    stats = pool.stats()
    assert stats.high_water == stats.held  # moving a run would hold it twice for a moment


def test_holes_under_a_live_view_become_pages(pool):
    buf = filled(pool, PAGE)
    buf.write(5 * PAGE, b"far")
    view = buf.view()
    assert buf.extents() == [(0, len(buf))]
    assert view == pattern(0, PAGE) + bytes(4 * PAGE) + b"far"


def test_gathering_raises_where_another_live_view_is_in_the_way(pool):
    buf = scattered(pool, 4)
    first, second = buf.view(0, PAGE), buf.view(PAGE, PAGE)
    ways_out = "release them, or take views(), which shows runs as they lie"
    for call, asked in {
        buf.view: f"{4 * PAGE} bytes of this PageBuffer",
        lambda: memoryview(buf): f"{4 * PAGE} bytes of this PageBuffer",
        lambda: buf.view(1, 3 * PAGE): f"{3 * PAGE} bytes at offset 1 of this PageBuffer",
    }.items():
        with refused(BufferError, buf) as info:
            call()
        assert str(info.value) == (
            f"{asked} asked in one run, but other live views keep pages of theirs where they "
            f"are: {ways_out}"
        )
    assert first == pattern(0, PAGE)
    assert second == pattern(PAGE, PAGE)
    assert buf.view(writable=False) == pattern(0, 4 * PAGE)
    first.release()
    del first, second
    assert buf.view() == pattern(0, 4 * PAGE)


# ---- lists of views ----


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "tall"])
def test_views_are_all_bytes_in_order(pool, shape, writable):
    buf = SHAPES[shape](pool)
    size = min(len(buf), 64 * PAGE)
    expected = buf.read(0, size)
    views = buf.views(0, size, writable=writable)
    assert b"".join(views) == expected
    assert all(len(view) and view.readonly is not writable for view in views)


@pytest.mark.parametrize("writable", [False, True])
def test_views_are_at_most_so_many_from_the_front(pool, writable):
    buf = scattered(pool, 4)
    every = [bytes(view) for view in buf.views(writable=writable)]
    for most in (0, 1, 2, 3, 100, None):
        got = [bytes(view) for view in buf.views(writable=writable, most=most)]
        assert got == every[:most]
    with pytest.raises(ValueError, match="most"):
        buf.views(most=-1)
    with pytest.raises(TypeError):
        buf.view(most=1)


def test_pieces_that_a_system_call_takes(pool):
    queue, other = pagebuf.ByteQueue(pool=pool), pagebuf.PageBuffer(pool=pool)
    for number in range(1200):
        queue.put(bytes([number % 251]) * PAGE)
        other.extend(bytes(PAGE))  # so that the queue has no neighbours
    expected, got = queue.peek(), b""
    read, write = os.pipe()
    try:
        os.set_blocking(write, False)
        while len(queue):
            views = queue.views(most=os.sysconf("SC_IOV_MAX"))
            sent = os.writev(write, views)
            got += os.read(read, sent)
            del views
            queue.consume(sent)
    finally:
        os.close(read)
        os.close(write)
    assert got == expected


def test_views_are_one_per_run(pool):
    whole, buf = filled(pool, 3 * PAGE), scattered(pool, 4)
    assert [len(view) for view in whole.views(1)] == [3 * PAGE - 1]
    assert [len(view) for view in buf.views()] == [PAGE, PAGE, 2 * PAGE]
    assert [address(view) for view in buf.views()] == [
        page_address(buf, at) for at in (0, PAGE, 2 * PAGE)
    ]


def test_views_show_holes_as_zeros_and_leave_them(pool):
    buf = filled(pool, PAGE)
    buf.write(40 * PAGE, b"far")
    before = buf.extents()
    views = buf.views()
    assert b"".join(views) == buf.tobytes()
    zeros = [view for view in views[1:-1] if view == bytes(len(view))]
    assert len(zeros) == len(views) - 2
    assert len({address(view) for view in zeros}) == 1
    assert buf.extents() == before


def test_a_long_hole_is_few_pieces_of_one_run_of_zeros(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    size = min(3 << 30, reach(MAX_LEVELS))
    buf.resize(size)
    views = buf.views(1)
    assert [len(view) for view in views] == pieces_of(size - 1)
    assert len({address(view) for view in views}) == 1
    assert all(view.readonly and view[0] == view[-1] == 0 for view in views)
    assert bytes(views[0][-PAGE:]) == bytes(PAGE)
    assert pool.stats().held == 0
    assert buf.data_views() == []


def pieces_of(size):
    whole, rest = divmod(size, ZEROS)
    return [ZEROS] * whole + [rest] * bool(rest)


def test_where_no_zeros_can_be_mapped_some_are_held(monkeypatch):
    def no_mapping(*args, **kwargs):
        raise OSError

    monkeypatch.setattr(mmap, "mmap", no_mapping)
    zeros = pagebuf.pool.zeros()
    assert (zeros.readonly, bytes(zeros)) == (True, bytes(pagebuf.pool.ZEROS_LEAST))


@pytest.mark.parametrize("shape", SHAPES)
def test_data_views_are_the_extents(pool, shape):
    buf = SHAPES[shape](pool)
    shown = buf.data_views()
    assert all(view.readonly and view == buf.read(at, len(view)) for at, view in shown)
    joined = []
    for at, view in shown:
        if joined and sum(joined[-1]) == at:
            joined[-1] = (joined[-1][0], joined[-1][1] + len(view))
        else:
            joined.append((at, len(view)))
    assert joined == buf.extents()
    held = [(at, bytes(view)) for at, view in shown]
    if not buf.frozen:
        buf.punch(0, len(buf))
    assert [(at, bytes(view)) for at, view in shown] == held


def test_data_views_of_a_range(pool):
    buf = filled(pool, PAGE)
    buf.write(40 * PAGE, b"far")
    assert [(at, bytes(view)) for at, view in buf.data_views(PAGE - 2, 39 * PAGE + 4)] == [
        (PAGE - 2, buf.read(PAGE - 2, 2)),
        (40 * PAGE, b"fa"),
    ]
    assert buf.data_views(PAGE, size=39 * PAGE) == buf.data_views(len(buf)) == []
    with pytest.raises(IndexError):
        buf.data_views(len(buf) + 1)
    with pytest.raises(IndexError):
        buf.data_views(1, len(buf))


def test_writable_views_are_live_and_make_holes_pages(pool):
    buf = scattered(pool, 4)
    buf.truncate(6 * PAGE)
    views = buf.views(writable=True)
    assert buf.extents() == [(0, 6 * PAGE)]
    for i, view in enumerate(views):
        view[:] = bytes([i + 1]) * len(view)
    assert b"".join(views) == buf.tobytes()
    assert 0 not in buf


def test_writable_views_of_which_one_is_refused_pin_nothing():
    pool = pagebuf.PagePool(limit=40 * PAGE)
    buf = scattered(pool, 4)
    buf.truncate(60 * PAGE)
    buf.write(60 * PAGE, b"end")
    before = buf.tobytes()
    with pytest.raises(pagebuf.PoolLimitError):
        buf.views(writable=True)
    assert pool.stats().pinned == 0
    assert buf.tobytes() == before
    assert len(buf.views(0, 3 * PAGE, writable=True)) > 1
    pool.check()


def test_the_first_writable_views_only(pool):
    buf = scattered(pool, 4)
    buf.truncate(60 * PAGE)
    assert buf.views(writable=True, most=0) == []
    held = pool.stats().held
    first = buf.views(writable=True, most=2)
    assert [len(view) for view in first] == [PAGE, PAGE]
    assert pool.stats().pinned == 2
    assert pool.stats().held == held  # holes behind them stay


# ---- two kinds of requests ----


def test_a_memoryview_is_live(pool):
    buf = filled(pool, 6 * PAGE)
    with memoryview(buf) as view:
        put(view, PAGE, b"live")
        assert buf.read(PAGE, 4) == b"live"
        buf.write(0, b"back")
        assert view[:4] == b"back"
        buf.extend(b"grows")
        assert len(view) == 6 * PAGE
        assert pool.stats().pinned
    assert pool.stats().pinned == 0


def test_a_writable_request_is_live(pool):
    buf = filled(pool, 6 * PAGE)
    array = (ctypes.c_char * len(buf)).from_buffer(buf)
    array[3] = b"c"
    assert buf[3] == ord("c")
    with pytest.raises(BufferError):
        del buf[1:3]
    del array
    del buf[1:3]


def pages_of(buf):
    return [page_address(buf, at) for at in range(0, len(buf), PAGE)]


@pytest.mark.parametrize("pages", [5, 20])
def test_a_plain_request_gathers_once_what_nobody_shares_any_more(pool, pages):
    buf = scattered(pool, pages)  # the snapshot is gone
    assert hashlib.sha256(buf).digest() == hashlib.sha256(pattern(0, pages * PAGE)).digest()
    places, before = pages_of(buf), pool_counts(pool)
    assert places == list(range(places[0], places[0] + pages * PAGE, PAGE))
    assert b"".join([buf]) == pattern(0, pages * PAGE)
    assert (pages_of(buf), pool_counts(pool)) == (places, before)


IN_RUNS = [(filled, pages * PAGE) for pages in (2, 4, 5, 20)]
SHORT = [(lambda pool, size: scattered(pool, size // PAGE), pages * PAGE) for pages in (2, 4)]


@pytest.mark.parametrize(("make", "size"), IN_RUNS + SHORT)
def test_a_plain_request_leaves_the_tree_alone(pool, make, size):
    """Where it is one run; and where it is so short that the request gets a copy."""
    buf, pages = make(pool, size), size // PAGE
    data = pattern(0, pages * PAGE)
    places = pages_of(buf)
    before = pool_counts(pool)
    assert hashlib.sha256(buf).digest() == hashlib.sha256(data).digest()
    assert b"".join([buf, b"+", buf]) == data + b"+" + data
    assert bytearray(b"x") + buf == b"x" + data
    assert places == pages_of(buf)
    assert pool_counts(pool) == before


@pytest.mark.parametrize("size", [3, PLAIN_COPY, PLAIN_COPY + 1, 9 * PAGE])
def test_a_plain_request_is_stable(pool, size):
    """A short request may get a copy.  A longer one gets a run of the pages themselves."""
    buf = filled(pool, size)
    plain = PlainRequest(buf)
    buf.write(0, b"\xff" * size)
    buf.truncate(1)
    assert plain.bytes() == pattern(0, size)
    buf.clear()
    assert plain.bytes() == pattern(0, size)
    plain.release()
    pool.check()


class PlainRequest:
    """A PyBUF_SIMPLE export that stays, as a socket keeps one while it sends."""

    class _Raw(ctypes.Structure):
        _fields_ = (
            ("buf", ctypes.c_void_p),
            ("obj", ctypes.c_void_p),
            ("len", ctypes.c_ssize_t),
            ("rest", ctypes.c_byte * 96),
        )

    def __init__(self, owner):
        self.raw = self._Raw()
        get = ctypes.pythonapi.PyObject_GetBuffer
        get.argtypes = (ctypes.py_object, ctypes.c_void_p, ctypes.c_int)
        get(owner, ctypes.byref(self.raw), 0)

    def bytes(self):
        return ctypes.string_at(self.raw.buf, self.raw.len)

    def release(self):
        release = ctypes.pythonapi.PyBuffer_Release
        release.argtypes = (ctypes.c_void_p,)
        release.restype = None
        release(ctypes.byref(self.raw))


# ---- frozen, empty, bytes ----


@pytest.mark.parametrize("size", [3, PAGE, 6 * PAGE + 1])
def test_frozen_buffers_give_read_only_views(pool, size):
    snap = filled(pool, size).snapshot()
    whole, runs = (
        [snap.view(), snap.view(writable=True), memoryview(snap)],
        snap.views(writable=True),
    )
    assert all(view.readonly for view in whole + runs)
    assert all(view == pattern(0, size) for view in whole)
    assert b"".join(runs) == pattern(0, size)
    with pytest.raises((BufferError, TypeError)):
        (ctypes.c_char * size).from_buffer(snap)


@pytest.mark.parametrize("size", [0, 3, PAGE])
def test_empty_views(pool, size):
    buf = filled(pool, size)
    for view in (buf.view(size), buf.view(0, 0), buf.view(size, 0, writable=False)):
        assert (len(view), bytes(view)) == (0, b"")
    assert buf.view(size).readonly is False
    assert buf.views(size) == buf.views(size, writable=True) == []
    assert pool.stats().pinned == 0


def test_a_memoryview_of_nothing(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    view = memoryview(buf)
    assert len(view) == 0
    buf.extend(b"grows")
    assert bytes(buf) == b"grows"


@pytest.mark.parametrize("size", [0, *SIZES])
def test_bytes(pool, size):
    buf = filled(pool, size)
    assert bytes(buf) == buf.__bytes__() == bytes(buf.snapshot()) == pattern(0, size)
    assert pool.stats().pinned == 0


# ---- arrays ----


def test_as_array_shares_memory(pool):
    buf = filled(pool, 8 * PAGE)
    array = buf.as_array("<u4", PAGE, 4)
    array[:] = [1, 2, 3, 1 << 31]
    assert buf.read(PAGE, 16) == array.tobytes()
    buf.write(PAGE, b"\7\0\0\0")
    assert array[0] == 7
    assert buf.as_array().shape == (8 * PAGE,)
    assert buf.as_array("u8", 1).shape == (PAGE - 1,)


def test_as_array_of_a_snapshot_is_read_only(pool):
    array = filled(pool, 3 * PAGE).snapshot().as_array("u1")
    assert array.tobytes() == pattern(0, 3 * PAGE)
    assert not array.flags.writeable


def test_an_array_keeps_its_view(pool):
    """NumPy keeps the memoryview for as long as an array shows it."""
    buf = filled(pool, 3 * PAGE)
    array = buf.as_array()
    part = array[5:9]
    del array
    with pytest.raises(BufferError):
        buf.insert(1, 1)
    buf.clear()
    assert part.tobytes() == pattern(5, 4)
    assert pool.stats().held == 3
    del part
    assert pool.stats().held == 0


def test_a_view_released_under_an_array(pool):
    """NumPy has its own memoryview of the same memory."""
    buf = filled(pool, PAGE)
    view = buf.view()
    array = np.frombuffer(view, "u1")
    view.release()
    buf.clear()
    assert array.tobytes() == pattern(0, PAGE)
    assert pool.stats().held == 1
    del array
    assert pool.stats().held == 0


# ---- pickle and copy ----


def sparse(pool):
    """Runs with holes between them, and a hole at the end."""
    buf = scattered(pool, 4)
    buf.write(9 * PAGE, pattern(9, PAGE))
    buf.truncate(12 * PAGE + 1)
    return buf


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("make", [lambda pool: filled(pool, 3), sparse])
def test_pickle(pool, make, protocol):
    buf = make(pool)
    again = pickle.loads(pickle.dumps(buf, protocol))
    assert type(again) is pagebuf.PageBuffer
    assert again == buf
    assert (again.capacity, again.frozen) == (buf.capacity, False)
    assert len(again.extents()) == len(buf.extents())
    again.write(0, b"own")
    assert buf[0] == pattern(0, 1)[0]
    assert pickle.loads(pickle.dumps(buf.snapshot(), protocol)).frozen


def test_pickle_out_of_band_is_one_buffer_per_run(pool):
    buf, parts = sparse(pool), []
    data = pickle.dumps(buf, 5, buffer_callback=parts.append)
    runs = [PAGE, PAGE, 2 * PAGE, PAGE]
    assert [len(part.raw()) for part in parts] == runs
    assert address(parts[0].raw()) == page_address(buf)
    buf.write(0, b"later")
    again = pickle.loads(data, buffers=parts)
    assert again.read(0, 5) == pattern(0, 5)
    assert again.read(5, -1) == buf.read(5, -1)
    for part in parts:
        part.release()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda buf: buf.copy()])
def test_copies_of_a_buffer_with_a_live_view(pool, duplicate):
    buf = sparse(pool)
    view = buf.view(0, 2 * PAGE)
    other = duplicate(buf)
    put(view, 0, b"live")
    assert other.read(0, 4) == pattern(0, 4)
    assert other.read(4, -1) == buf.read(4, -1)
    other.insert(0, 1)  # the view belongs to the other buffer
    pool.check()


# ---- errors ----


@pytest.mark.parametrize("method", ["view", "views"])
@pytest.mark.parametrize("writable", [False, True])
def test_a_range_outside_the_buffer(pool, method, writable):
    buf = filled(pool, 3 * PAGE)
    make = getattr(buf, method)
    for bad in [(3 * PAGE + 1,), (0, 3 * PAGE + 1), (PAGE, 2 * PAGE + 1), (1 << 62, 1)]:
        with refused(IndexError, buf):
            make(*bad, writable=writable)
    with refused((ValueError, IndexError), buf):
        make(-1, writable=writable)
    with refused(OverflowError, buf):
        make(1 << 63, writable=writable)
    with refused(TypeError, buf):
        make("0", writable=writable)


def test_released_views(pool):
    buf = filled(pool, 3 * PAGE)
    view = buf.view()
    view.release()
    for use in (len, bytes, lambda v: v[0], lambda v: buf.write(0, v), lambda v: buf.extend(v)):
        with refused(ValueError, buf):
            use(view)
    assert pool.stats().pinned == 0
