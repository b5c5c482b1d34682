"""Views in one piece, made again and again while buffers grow in turn: how many bytes move, and
that they are right.  tests/c/buffer/test_gather.c counts the same in frames."""

import ctypes
import io
import re
import struct

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.support import dense

LEVELS = [0, 1, 2]


def address(view) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


class Moves:
    """Counts the bytes that moved since the last look."""

    def __init__(self):
        self.at = {}
        self.moved = 0

    def look(self, key, view):
        at = address(view)
        if self.at.setdefault(key, at) != at:
            self.moved += len(view)
        self.at[key] = at


@pytest.fixture(params=LEVELS, ids="level {}".format)
def pool(request):
    pool = pagebuf.PagePool(debug=request.param)
    yield pool
    pool.check()


def grown_in_turn(pool, pages):
    one, other = pagebuf.PageBuffer(pool=pool), pagebuf.PageBuffer(pool=pool)
    for number in range(pages):
        one.extend(bytes([number % 251]) * PAGE)
        other.extend(b"." * PAGE)
    return one, other


def test_records_of_buffers_that_grow_in_turn(pool):
    bufs = [pagebuf.PageBuffer(pool=pool) for _ in range(4)]
    record = struct.Struct(f"<I{PAGE // 4}s")
    for number in range(300):
        for buf in bufs:
            at = len(buf)
            buf.extend(record.pack(number, b"r" * (PAGE // 4)))
            assert record.unpack_from(buf, at)[0] == number
            assert struct.unpack_from("<I", buf)[0] == 0
    assert [buf.stats().runs for buf in bufs] == [1] * 4


@pytest.mark.parametrize("buffers", [1, 2, 5])
def test_live_views_after_each_step_move_what_is_new(pool, buffers):
    bufs = [pagebuf.PageBuffer(pool=pool) for _ in range(buffers)]
    moves = Moves()
    for number in range(200):
        for key, buf in enumerate(bufs):
            buf.extend(bytes([number % 251]) * (PAGE + 1))
            with memoryview(buf) as view:
                moves.look(key, view)
                assert (view[0], view[-1]) == (0, number % 251)
    assert moves.moved < 8 * sum(map(len, bufs))


def test_resize_and_read_into_the_end(pool):
    buf, other, moves = pagebuf.PageBuffer(pool=pool), pagebuf.PageBuffer(pool=pool), Moves()
    for number in range(150):
        at = len(buf)
        other.extend(b"." * PAGE)
        buf.resize(at + 2 * PAGE)
        with memoryview(buf) as view:
            moves.look(0, view)
            assert io.BytesIO(bytes([number]) * (2 * PAGE)).readinto(view[at:]) == 2 * PAGE
    assert moves.moved < 8 * len(buf)
    assert buf[:: 2 * PAGE] == bytes(range(150))


def test_getbuffer_after_each_write():
    file, moves = pagebuf.BytesIO(), Moves()
    for number in range(400):
        file.write(bytes([number % 251]) * PAGE)
        with file.getbuffer() as view:
            moves.look(0, view)
            assert view[-1] == number % 251
    assert moves.moved < 8 * 400 * PAGE


def test_a_scanner_over_scattered_pages(pool):
    one, other = pagebuf.PageBuffer(pool=pool), pagebuf.PageBuffer(pool=pool)
    for number in range(40):
        one.extend(b"%07d word " % number * (PAGE // 12))
        other.extend(b"." * PAGE)
    words = re.compile(rb"(\d+) (\w+) ")
    at, seen = 0, 0
    while found := words.match(one, at):
        at, seen = found.end(), seen + (found.group(2) == b"word")
    assert (at, seen) == (len(one), 40 * (PAGE // 12))
    assert one.stats().runs == 1


def test_a_view_after_growth_into_the_next_region(pool):
    """Frame numbers continue in the next region, but addresses do not."""
    buf = pagebuf.PageBuffer(pool=pool)
    for number in range(1300):
        buf.extend(bytes([number % 251]) * PAGE)
        with memoryview(buf) as view:
            assert (
                view[::PAGE][-2:] == bytes([(number - 1) % 251, number % 251])[-len(view) // PAGE :]
            )


def test_no_limit_stands_in_the_way():
    trial = pagebuf.PagePool(debug=0)
    kept = grown_in_turn(trial, 45)
    pool = pagebuf.PagePool(debug=0).child(limit=trial.stats().held * PAGE)
    del kept
    one, other = grown_in_turn(pool, 45)
    high = pool.stats().high_water
    assert struct.unpack_from("<B", one, 7 * PAGE) == (7,)
    assert one.stats().runs == 1
    assert pool.stats().high_water == high
    del one, other
    assert pool.stats().held == 0


@pytest.mark.parametrize("piece", [memoryview, pagebuf.PageBuffer.view, pagebuf.PageBuffer.gather])
def test_pages_that_another_pool_paid_for_stay_on_its_account(pool, piece):
    child = pool.child(limit=16 * PAGE)
    one, _other = grown_in_turn(pool, 45)
    mine = pagebuf.PageBuffer(pool=child)
    mine.extend(one)
    del one
    held, all_held = child.stats().held, pool.stats().held
    shown = piece(mine)
    assert (child.stats().held, pool.stats().held) == (held, all_held)
    assert mine.stats().runs == 1
    assert mine[::PAGE] == bytes(range(45))
    pool.check()
    del shown, mine
    assert child.stats().held == 0


def test_what_somebody_shares_is_copied(pool):
    one, _other = grown_in_turn(pool, 12)
    runs = one.stats().runs
    snapshot = one.snapshot()
    assert struct.unpack_from("<B", one, 7 * PAGE) == (7,)
    assert (one.stats().runs, snapshot.stats().runs) == (runs, runs)
    del snapshot
    one.extend(b"x")


def test_what_was_shared_is_moved_again_when_the_snapshot_is_gone(pool):
    one, _ = grown_in_turn(pool, 40)
    snap = one.snapshot()
    assert struct.unpack_from("<B", one, 39 * PAGE) == (39,)
    assert one.stats().runs > 1
    del snap
    assert struct.unpack_from("<B", one, 39 * PAGE) == (39,)
    assert one.stats().runs == 1


def test_copies_beside_a_snapshot_come_to_an_end(pool):
    """When they have cost as much as pages of its own, the buffer gets those."""
    one, other = grown_in_turn(pool, 40)
    snap, before = one.snapshot(), one.tobytes()
    for number in range(40, 50):
        one.extend(bytes([number]) * PAGE)
        other.extend(b"." * PAGE)
        assert struct.unpack_from("<B", one, number * PAGE) == (number,)
    assert (one.stats().runs, one.stats().shared) == (1, 0)
    assert snap.tobytes() == before
    one.check()


def test_a_limit_leaves_it_at_copies():
    """Pages of its own would be too many."""
    pool = pagebuf.PagePool(limit=(2 * dense(40) + 20) * PAGE)
    one, other = grown_in_turn(pool, 40)
    snap = one.snapshot()
    for _ in range(9):
        assert struct.unpack_from("<B", one, 39 * PAGE) == (39,)
    assert one.stats().runs > 1
    assert snap == one != other
    pool.check()


def test_a_hole_is_no_reason_for_a_page(pool):
    one, _other = grown_in_turn(pool, 12)
    one.punch(3 * PAGE, PAGE)
    held = pool.stats().held
    assert struct.unpack_from("<B", one, 7 * PAGE) == (7,)
    assert pool.stats().held == held


def test_gather_is_what_a_view_does(pool):
    one, _other = grown_in_turn(pool, 12)
    one.gather()
    assert one.stats().runs == 1
    one.gather()
    with memoryview(one) as view:
        assert bytes(view[::PAGE]) == bytes(range(12))
    with pytest.raises(TypeError, match="snapshot"):
        one.snapshot().gather()
    pagebuf.PageBuffer(pool=pool).gather()  # nothing to do


def test_room_that_cannot_be_had_is_done_without(monkeypatch):
    """The system has no more memory, so the piece has no spare room behind it."""
    pool = pagebuf.PagePool(debug=0)
    one, _other = grown_in_turn(pool, 20)

    def refuse(self, size):
        raise MemoryError

    monkeypatch.setattr(pagebuf.PagePool, "_new_region", refuse)
    hog = pagebuf.PageBuffer(pool=pool)
    while pool.stats().free > 24:
        hog.extend(b"." * PAGE)
    with one.view() as view:
        assert bytes(view[::PAGE]) == bytes(range(20))
    assert one.stats().runs == 1
