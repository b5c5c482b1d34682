"""Bytes before the first one: none of those that are there moves, whatever shares or shows them."""

import itertools

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE, reach
from tests.support import PageMap, filled, frame_of, pattern, pool_counts, refused

LEVELS = [0, 1, 2]


@pytest.fixture(params=LEVELS, ids="level {}".format)
def pool(request):
    pool = pagebuf.PagePool(debug=request.param)
    yield pool
    pool.check()


def frames(buf, first, size):
    """The frames of a range that begins with a page."""
    return [frame_of(buf, at) for at in range(first, first + size, PAGE)]


@pytest.mark.parametrize("size", [0, 1, PAGE, 3 * PAGE + 1, reach(1), reach(1) + 1, reach(2) - 1])
@pytest.mark.parametrize("count", [0, 1, 28, PAGE - 1, PAGE, 2 * PAGE + 1, reach(1) + 1])
def test_bytes_and_shape(pool, size, count):
    if size > 1 << 16:
        pytest.skip("pages of 4096 bytes make that 8 MiB for each case; reach(1) has the same code")
    buf, shape = filled(pool, size), PageMap()
    shape.write(0, size)
    for salt in range(3):
        buf.prepend(pattern(0, count, salt))
        shape.prepend(count)
    expected = b"".join(pattern(0, count, salt) for salt in (2, 1, 0)) + pattern(0, size)
    assert buf == expected
    shape.assert_shape(buf)
    buf.check()


@pytest.mark.parametrize("size", [2 * PAGE, reach(1), reach(1) + 3 * PAGE])
def test_no_page_moves(pool, size):
    """Growing at the front page by page raises the tree and shifts its root."""
    buf = filled(pool, size)
    at = frames(buf, 0, size)
    for number in range(1, 2 * FANOUT if FANOUT <= 8 else FANOUT // 2 + 9):
        buf.prepend(bytes([number % 251]) * PAGE)
        if number % 16 == 1:
            assert frames(buf, number * PAGE, size) == at
    assert frames(buf, number * PAGE, size) == at
    assert buf.read(number * PAGE, size) == pattern(0, size)
    assert buf.stats().pages == number + size // PAGE
    buf.check()


def test_many_small_ones_take_the_pages_that_their_bytes_fill(pool):
    buf = filled(pool, 3 * PAGE)
    for number in range(3 * PAGE):
        buf.prepend(bytes([number % 251]))
    assert buf.stats().pages == 6
    assert buf == bytes(n % 251 for n in reversed(range(3 * PAGE))) + pattern(0, 3 * PAGE)


def test_the_place_of_what_was_taken(pool):
    """A header put back takes no frame."""
    buf = filled(pool, 5 * PAGE)
    buf.take_bytes(PAGE // 2)
    held = pool.stats().held
    for insert in (buf.prepend, lambda data: buf.__setitem__(slice(0, 0), data)):
        insert(b"x" * (PAGE // 4))
        assert pool.stats().held == held
    assert buf == b"x" * (PAGE // 4 * 2) + pattern(PAGE // 2, 5 * PAGE - PAGE // 2)


@pytest.mark.parametrize("size", [5 * PAGE, reach(1) + PAGE])
def test_a_snapshot_keeps_its_pages_and_costs_one(pool, size):
    buf = filled(pool, size)
    snap = buf.snapshot()
    held = pool.stats().held
    buf.prepend(b"header")
    assert pool.stats().held - held <= 2 + pagebuf.PageBuffer.stats(buf).levels
    assert frames(buf, 6 + PAGE, size - PAGE) == frames(snap, PAGE, size - PAGE)
    assert snap == pattern(0, size)
    assert buf == b"header" + pattern(0, size)
    snap.check()
    buf.check()


@pytest.mark.parametrize("first", [0, 1, 3])
def test_live_views_stay_over_their_bytes(pool, first):
    buf = filled(pool, 5 * PAGE)
    buf.take_bytes(7)
    with buf.view(first * PAGE, PAGE) as view:
        for _ in range(3):
            buf.prepend(b"<" * (PAGE + 5))
        at = 3 * (PAGE + 5) + first * PAGE
        assert view == pattern(first * PAGE + 7, PAGE)
        view[0] = 200
        assert buf[at] == 200
        buf[at + 1] = 201
        assert view[1] == 201
        buf.check()


def test_a_stable_view_keeps_its_moment(pool):
    buf = filled(pool, 3 * PAGE)
    with buf.view(writable=False) as view:
        buf.prepend(b"x")
        assert view == pattern(0, 3 * PAGE)


def test_its_own_bytes(pool):
    buf = filled(pool, 2 * PAGE + 3)
    data = buf.tobytes()
    buf.prepend(buf)
    assert buf == data * 2
    with buf.view(1, PAGE) as view:
        buf.prepend(view)
    assert buf == data[1 : PAGE + 1] + data * 2


@pytest.mark.parametrize(
    "data", [b"ab", bytearray(b"ab"), memoryview(b"ab"), [97, 98], iter([97, 98])]
)
def test_what_it_takes(data):
    buf = pagebuf.PageBuffer(b"c")
    assert buf.prepend(data) is None
    assert buf == b"abc"


@pytest.mark.parametrize(
    ("data", "error"), [("ab", TypeError), (3, TypeError), (None, TypeError), ([256], ValueError)]
)
def test_what_it_refuses(pool, data, error):
    buf = filled(pool, PAGE + 1)
    with refused(error, buf):
        buf.prepend(data)


def test_frozen():
    snap = pagebuf.PageBuffer(b"abc").snapshot()
    with pytest.raises(TypeError):
        snap.prepend(b"x")
    assert snap == b"abc"


@pytest.mark.parametrize("size", [1, PAGE, reach(1) - 1])
def test_capacity(pool, size):
    buf = filled(pool, size, max_levels=1)
    with refused(pagebuf.CapacityError, buf):
        buf.prepend(bytes(reach(1) - size + 1))
    buf.prepend(bytes(reach(1) - size))
    assert len(buf) == buf.capacity == reach(1)
    buf.check()


@pytest.mark.parametrize("size", [3, PAGE, reach(1), reach(1) + PAGE])
@pytest.mark.parametrize("spare", range(6))
def test_a_limit_refuses_and_changes_nothing(size, spare):
    """The tree may have to grow taller first: then the pages or the node are refused."""
    pool = pagebuf.PagePool()
    limit = filled(pool, size).stats().resident + spare * PAGE
    limited = pool.child(limit=max(limit, PAGE))
    other = filled(limited, size)
    before = pool_counts(limited)
    try:
        other.prepend(pattern(0, 4 * PAGE, 1))
    except pagebuf.PoolLimitError:
        assert pool_counts(limited) == before
        assert other == pattern(0, size)
    else:
        assert spare >= 4
        assert other == pattern(0, 4 * PAGE, 1) + pattern(0, size)
    other.check()


def test_a_terabyte_of_hole_behind():
    buf = pagebuf.PageBuffer()
    size = min(1 << 40, reach(pagebuf.MAX_LEVELS) // 2)
    buf.truncate(size)
    buf.prepend(b"front")
    buf[2:3] = b"oooo"
    assert buf.read(0, 9) == b"froooont\0"
    assert len(buf) == size + 8
    assert buf.stats().pages <= 2
    buf.check()


def test_the_highest_tree_has_no_room_in_front(pool):
    """An insertion then moves what lies behind; under a live view it is refused."""
    buf = pagebuf.PageBuffer(b"ab", pool=pool)
    buf.truncate(reach(pagebuf.MAX_LEVELS) - 2 * PAGE)
    buf[0:0] = b"xy"
    assert buf.read(0, 5) == b"xyab\0"
    with buf.view(0, 1), refused(pagebuf.CapacityError, buf):
        buf.prepend(b"xy")
    buf.check()


@pytest.mark.parametrize("at", [1, PAGE + 1])
def test_a_hole_in_front_stays_one(pool, at):
    buf = pagebuf.PageBuffer(pool=pool)
    buf.write(PAGE * 40, pattern(0, 80 * PAGE))
    pages = buf.stats().pages
    buf[at:at] = b"new"
    assert buf.stats().pages <= pages + 3
    assert buf.read(at, 3) == b"new"
    assert buf.read(40 * PAGE + 3, 80 * PAGE) == pattern(0, 80 * PAGE)
    buf.check()


@pytest.mark.parametrize("at", [0, 1, PAGE, 2 * PAGE + 1])
def test_an_insertion_moves_the_shorter_side(pool, at):
    """Frames behind the place stay, so what a snapshot shares behind it stays shared."""
    size = 12 * PAGE
    buf = filled(pool, size)
    behind = frames(buf, 4 * PAGE, 8 * PAGE)
    buf[at:at] = b"x" * 5
    buf.insert(at, 7)
    assert frames(buf, 4 * PAGE + 6, 8 * PAGE) == behind
    data = pattern(0, size)
    assert buf == data[:at] + b"\7xxxxx" + data[at:]
    buf.check()


def test_ends_in_turn(pool):
    """Longer at both ends, then shorter at both."""
    buf, model = filled(pool, 10), bytearray(pattern(0, 10))
    for number, size in zip(range(200), itertools.cycle([1, PAGE // 3, PAGE, 28])):
        data = pattern(number, size)
        if number % 2:
            buf.extend(data)
            model += data
        else:
            buf.prepend(data)
            model[:0] = data
    assert buf == model
    while len(buf) > 50:
        assert buf.take_bytes(min(PAGE - 1, len(buf))) == model[: PAGE - 1]
        del model[: PAGE - 1]
        buf.truncate(len(buf) * 3 // 4)
        del model[len(buf) :]
        assert buf == model
    buf.check()
