"""copy_range, collapse, insert_hole, extend and slices from a PageBuffer, compared with
bytearray."""

from __future__ import annotations

import contextlib
import itertools

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE, around, reach
from tests.support import SHAPES, buffer_state, filled, pattern, refused

SMALL = PAGE == 16  # with larger pages all cases would take too long
EDGES = around(0, PAGE, 2 * PAGE, 5 * PAGE)


def over(model: bytearray, at: int, data: bytes) -> None:
    if data:
        model.extend(bytes(max(0, at - len(model))))
        model[at : at + len(data)] = data


def agree(buf, model):
    buf.check()
    buf.pool.check()
    assert buf.tobytes() == model


# ---- copy_range ----


@pytest.mark.parametrize("apart", [0, 1, PAGE - 1, PAGE, FANOUT * PAGE])
@pytest.mark.parametrize("start", EDGES)
def test_copy_range_over_and_past_the_end(pool, start, apart):
    size = 6 * PAGE + 3
    for length in EDGES:
        source, to = filled(pool, size), filled(pool, 4 * PAGE + 1, salt=1)
        model = bytearray(to.tobytes())
        data = source.read(start, length)
        assert to.copy_range(start + apart, source, start, length) == len(data)
        over(model, start + apart, data)
        agree(to, model)
        agree(source, pattern(0, size))
        source.write(0, b"\0" * size)  # neither sees what the other writes
        agree(to, model)
        to.write(0, b"\1" * len(to))
        agree(source, bytes(size))


@pytest.mark.skipif(not SMALL, reason="every overlap is seconds on 16-byte pages, hours on others")
def test_overlap_is_as_if_copied_first(pool):
    """Sources and targets at the edges of pages, in a buffer of a little more than three pages."""
    size = 3 * PAGE + 5
    places = [n for n in range(size) if n % PAGE in (0, 1, 7, PAGE - 1)]
    original = filled(pool, size)
    for start, at in itertools.product(places, places):
        for length in (1, 6, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, size):
            buf, model = original.clone(), bytearray(pattern(0, size))
            data = bytes(model[start : start + length])
            buf.copy_range(at, buf, start, length)
            over(model, at, data)
            agree(buf, model)
    agree(original, pattern(0, size))


@pytest.mark.parametrize("by", [PAGE, -PAGE, 2 * PAGE, FANOUT * PAGE])
def test_overlap_of_shared_pages(pool, by):
    size = (FANOUT + 6) * PAGE if SMALL else 12 * PAGE
    buf, model = filled(pool, size), bytearray(pattern(0, size))
    start, at = (0, by) if by > 0 else (-by, 0)
    for _ in range(3):  # after this, entries of one tree name the same page
        data = bytes(model[start : start + 4 * PAGE])
        buf.copy_range(at, buf, start, 4 * PAGE)
        over(model, at, data)
        agree(buf, model)
    for place in range(0, len(buf), PAGE // 2):
        buf.write(place, b"\xff" * 3)
        over(model, place, b"\xff" * 3)
        agree(buf, model)


def test_whole_pages_are_shared(pool):
    size = 4 * FANOUT * PAGE if PAGE < 4096 else 40 * PAGE
    source = filled(pool, size)
    before = pool.stats().held
    to = pagebuf.PageBuffer(pool=pool)
    assert to.copy_range(0, source) == size
    assert pool.stats().held <= before + 1  # a leaf that is not full is the target's own
    agree(to, pattern(0, size))
    to.write(PAGE + 1, b"\0")
    assert source.tobytes() == pattern(0, size)


def test_subtrees_cost_no_more_than_pages(pool):
    """A GiB is copied as one entry.  With tiny pages it is as much as three levels reach."""
    size = reach(3) if PAGE < 4096 else 1 << 30
    source = pagebuf.PageBuffer(pool=pool)
    source.write(size - 1, b"\1")  # a path of nodes and a page
    source.write(0, b"\2")
    to = pagebuf.PageBuffer(pool=pool)
    to.extend(source)
    assert pool.stats().held - source.stats().pages - source.stats().nodes <= 1
    assert (len(to), to[0], to[size - 1]) == (size, 2, 1)
    pool.check()


def test_an_empty_buffer_begins_where_the_source_does(pool):
    """An empty buffer takes the alignment of the source, so pages are shared at any offset."""
    source = filled(pool, 9 * PAGE)
    for start in (1, PAGE // 2, PAGE + 1):
        to = pagebuf.PageBuffer(pool=pool)
        to.copy_range(0, source, start)
        assert to.stats().shared >= 1
        assert to.stats().bias % PAGE == start % PAGE
        agree(to, pattern(start, 9 * PAGE - start))


@pytest.mark.skipif(pagebuf.INLINE_SIZE == 0, reason="nothing lies inline on the tiny builds")
def test_a_header_in_the_object_makes_room_for_shared_pages(pool):
    source = filled(pool, 9 * PAGE)
    to = pagebuf.PageBuffer(b"header", pool=pool)
    to.extend(source)
    assert to.stats().shared == 8 + 1 or to.stats().shared == 8
    agree(to, b"header" + pattern(0, 9 * PAGE))


def test_holes_stay_holes(pool):
    source = pagebuf.PageBuffer(pool=pool)
    source.write(20 * PAGE, b"x")
    for apart in (0, 1):
        to = filled(pool, 22 * PAGE, salt=3)
        model = bytearray(to.tobytes())
        to.copy_range(apart, source)
        over(model, apart, source.tobytes())
        assert to.stats().pages <= 4
        agree(to, model)


def test_pools_do_not_share(pool):
    other = pagebuf.PagePool()
    source = filled(other, 5 * PAGE + 3)
    to = filled(pool, PAGE, salt=1)
    to.copy_range(0, source)
    assert other.stats().shared == pool.stats().shared == 0
    agree(to, pattern(0, 5 * PAGE + 3))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_into_every_shape(pool, shape):
    for into in SHAPES:
        if "tall" in (shape, into):
            continue  # too long to compare as bytes
        source, to = SHAPES[shape](pool), SHAPES[into](pool)
        was, model = source.tobytes(), bytearray(to.tobytes())
        at = len(model) // 2
        to.copy_range(at, source)
        over(model, at, was)
        agree(to, model)
        to.extend(source)
        agree(to, model + was)
        to[1:at] = source
        model += was
        model[1:at] = was
        agree(to, model)
        agree(source, was)


def test_what_copy_range_takes(pool):
    buf = filled(pool, 3 * PAGE)
    snap = buf.snapshot()
    assert buf.copy_range(0, snap, 5 * PAGE) == 0
    assert buf.copy_range(10 * PAGE, snap, 0, 0) == 0
    assert buf.copy_range(offset=1, source=snap, source_offset=2, size=-1) == 3 * PAGE - 2
    for bad, error in [
        ((0, b"bytes"), TypeError),
        ((0, None), TypeError),
        ((-1, snap), ValueError),
        ((0, snap, -1), ValueError),
        ((2**63, snap), OverflowError),
        ((2**62, snap), pagebuf.CapacityError),
        ((0,), TypeError),
    ]:
        with refused(error, buf):
            buf.copy_range(*bad)
    with refused(TypeError, snap):
        snap.copy_range(0, buf)


# ---- live views ----


def test_live_pages_of_the_source_are_copied(pool):
    source, to = filled(pool, 6 * PAGE), pagebuf.PageBuffer(pool=pool)
    view = source.view(PAGE, 2 * PAGE)
    to.copy_range(0, source)
    view[:] = bytes(2 * PAGE)
    agree(to, pattern(0, 6 * PAGE))
    assert source.read(PAGE, 2 * PAGE) == bytes(2 * PAGE)
    buf = source
    buf.copy_range(4 * PAGE, buf, PAGE, 2 * PAGE)
    view[0] = 9
    assert (buf[PAGE], buf[4 * PAGE]) == (9, 0)
    pool.check()


def test_live_pages_of_the_target_are_written_in_place(pool):
    source, to = filled(pool, 6 * PAGE), filled(pool, 6 * PAGE, salt=1)
    view = to.view(PAGE, 3 * PAGE)
    to.copy_range(0, source)
    assert view == pattern(PAGE, 3 * PAGE)
    source.punch(0, 6 * PAGE)
    to.copy_range(0, source)
    assert view == bytes(3 * PAGE)
    agree(to, bytes(6 * PAGE))


def test_nothing_shifts_under_a_live_view(pool):
    buf = filled(pool, 8 * PAGE)
    view = buf.view(5 * PAGE, 1)
    for change in (
        lambda: buf.collapse(PAGE, PAGE),
        lambda: buf.insert_hole(PAGE, PAGE),
        lambda: buf.insert_hole(0, 1),
        lambda: buf.__setitem__(slice(2, 3), filled(pool, 2 * PAGE)),
    ):
        with pytest.raises(BufferError):
            change()
        agree(buf, pattern(0, 8 * PAGE))
    model = bytearray(pattern(0, 8 * PAGE))
    buf.collapse(6 * PAGE, PAGE)  # behind the view
    del model[6 * PAGE : 7 * PAGE]
    buf.insert_hole(6 * PAGE, 2 * PAGE)
    model[6 * PAGE : 6 * PAGE] = bytes(2 * PAGE)
    view[0] = model[5 * PAGE] = 7
    agree(buf, model)
    buf.collapse(0, 2 * PAGE)  # off the front: the view follows its frame
    del model[: 2 * PAGE]
    view[0] = model[3 * PAGE] = 8
    agree(buf, model)


# ---- collapse, insert_hole ----


@pytest.mark.parametrize("offset", EDGES)
def test_collapse(pool, offset):
    for size, taken in itertools.product([*EDGES, 7 * PAGE], (0, 3, PAGE)):
        buf = filled(pool, 7 * PAGE + 5)
        buf.take_bytes(taken)
        model = bytearray(buf.tobytes())
        snap = buf.snapshot()
        buf.collapse(offset, size)
        agree(snap, model)
        del model[offset : offset + size]
        agree(buf, model)


@pytest.mark.parametrize("offset", [*EDGES, 9 * PAGE])
def test_insert_hole(pool, offset):
    for size, taken in itertools.product(EDGES, (0, 3, PAGE)):
        buf = filled(pool, 7 * PAGE + 5)
        buf.take_bytes(taken)
        model = bytearray(buf.tobytes())
        buf.insert_hole(offset, size)
        model[offset:offset] = bytes(size)
        agree(buf, model)
        buf.collapse(min(offset, 7 * PAGE + 5 - taken), size)
        agree(buf, pattern(taken, 7 * PAGE + 5 - taken))


@pytest.mark.skipif(not SMALL, reason="every range is seconds on 16-byte pages, hours on others")
def test_every_collapse_and_every_hole(pool):
    size = 4 * PAGE + 3
    original = filled(pool, size)
    for offset, length in itertools.product(range(size + 1), range(0, size + 2, 3)):
        buf, model = original.clone(), bytearray(pattern(0, size))
        buf.insert_hole(offset, length)
        model[offset:offset] = bytes(length)
        agree(buf, model)
        buf.collapse(length, offset)
        del model[length : length + offset]
        agree(buf, model)


def test_pages_move_by_whole_nodes(pool):
    """collapse and insert_hole move whole nodes: they take no frame, even for a long range."""
    size = reach(2)
    buf = pagebuf.PageBuffer(pool=pool)
    for offset in range(0, size, size // 8):
        buf.write(offset, pattern(offset, 9))
    before = pool.stats()
    buf.collapse(FANOUT * PAGE, FANOUT * PAGE)
    buf.insert_hole(FANOUT * PAGE, FANOUT * PAGE)
    assert pool.stats().held <= before.held
    assert pool.stats().shared == 0
    assert buf.read(0, 9) == pattern(0, 9)
    assert buf.read(size * 7 // 8, 9) == pattern(size * 7 // 8, 9)


# ---- slices and extend ----


@pytest.mark.parametrize("part", [(0, 0), (0, 7), (5, 5), (3, PAGE), (PAGE, 3 * PAGE), (9, 10**6)])
def test_slices_from_a_buffer(pool, part):
    for size in [*EDGES, 6 * PAGE + 1]:
        source, to = filled(pool, size), filled(pool, 4 * PAGE + 3, salt=2)
        model = bytearray(to.tobytes())
        to[slice(*part)] = source
        model[slice(*part)] = pattern(0, size)
        agree(to, model)
        to[slice(*part)] = to
        model[slice(*part)] = bytes(model)
        agree(to, model)


def test_extend_by_itself(pool):
    buf, model = filled(pool, 2 * PAGE + 3), bytearray(pattern(0, 2 * PAGE + 3))
    for _ in range(3):
        buf += buf
        model += bytes(model)
        agree(buf, model)


# ---- out of memory ----

CALLS = {
    "copy_range": lambda buf, source: buf.copy_range(PAGE + 1, source, 1),
    "copy_range shared": lambda buf, source: buf.copy_range(PAGE, source),
    "copy_range of itself": lambda buf, _: buf.copy_range(3, buf, PAGE),
    "extend": lambda buf, source: buf.extend(source),
    "slice": lambda buf, source: buf.__setitem__(slice(3, 2 * PAGE), source),
    "collapse": lambda buf, _: buf.collapse(2, PAGE),
    "collapse bytes": lambda buf, _: buf.collapse(2, 3),
    "insert_hole": lambda buf, _: buf.insert_hole(PAGE + 1, 2 * PAGE),
    "insert_hole of bytes": lambda buf, _: buf.insert_hole(1, PAGE + 1),
}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_a_pool_at_its_limit(call, shared):
    """The call gets 0, 1, 2, ... spare frames until it succeeds.  Calls that fail change
    nothing."""
    refusals = 0
    for spare in itertools.count():
        probe = pagebuf.PagePool()
        sizes = (7 * PAGE + 3, 6 * PAGE + 1)
        for size in sizes:
            filled(probe, size)
        bufs = [filled(probe, size, salt) for salt, size in enumerate(sizes)]
        limit = probe.stats().held + spare
        del bufs
        pool = pagebuf.PagePool(limit=limit * PAGE)
        buf, source = (filled(pool, size, salt) for salt, size in enumerate(sizes))
        snaps = [buf.snapshot(), source.snapshot()] if shared else []
        model = buf.tobytes()
        states = [buffer_state(b) for b in (buf, source, *snaps)]
        try:
            CALLS[call](buf, source)
        except pagebuf.PoolLimitError:
            refusals += 1
            assert [buffer_state(b) for b in (buf, source, *snaps)] == states
            pool.check()
            continue
        break
    pool.check()
    assert spare <= 60
    assert refusals or not shared
    if snaps:
        assert snaps[0].tobytes() == model


class Stubborn(pagebuf.PagePool):
    """Refuses as many regions as `refuse` says."""

    refuse = 0

    def _new_region(self, nbytes):
        if self.refuse:
            self.refuse -= 1
            raise MemoryError
        return super()._new_region(nbytes)


@pytest.mark.parametrize("call", CALLS)
def test_no_memory_for_a_region(call):
    pool = Stubborn()
    buf, source = filled(pool, 7 * PAGE + 3), filled(pool, 6 * PAGE + 1, salt=1)
    snap = buf.snapshot()
    pool.refuse = 10**6
    rooms = []
    with contextlib.suppress(MemoryError):
        while True:
            rooms.append(pagebuf.PageBuffer(pattern(0, PAGE), pool=pool))
    assert pool.stats().free == 0
    states = [buffer_state(b) for b in (buf, source, snap)]
    with pytest.raises(MemoryError):
        CALLS[call](buf, source)
    assert [buffer_state(b) for b in (buf, source, snap)] == states
    pool.check()
    assert snap.tobytes() == pattern(0, 7 * PAGE + 3)
