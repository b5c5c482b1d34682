"""PageBuffer as a container.  A bytearray gets each call, too: results, errors and contents must
agree.  Sizes and places lie at the edges of pages and levels."""

from __future__ import annotations

import collections.abc
import copy
import gc
import itertools
import operator
import pickle
import sys
import weakref

import pytest

import pagebuf
from tests.helpers import PAGE, around, reach
from tests.support import (
    FEW,
    SHAPES,
    assert_pool,
    filled,
    pattern,
    refused,
    unchanged,
)

SIZES = [
    0,
    1,
    2,
    PAGE - 1,
    PAGE,
    PAGE + 1,
    2 * PAGE,
    reach(1),
    reach(1) + 1,
    reach(1) + 2 * PAGE + 1,
]
MANY = reach(1) + 3 * PAGE + 1


def outcome(call, obj):
    """The result of the call, or the type and the message of its error."""
    try:
        return call(obj)
    except Exception as error:
        return type(error), str(error).replace("bytearray", "PageBuffer")


class Pair:
    """A bytearray and a PageBuffer that get the same calls."""

    def __init__(self, pool, size, lead=0):
        data = pattern(0, lead + size)
        self.model = bytearray(data[lead:])
        self.buf = filled(pool, lead + size)
        if lead:
            self.buf.take_bytes(lead)

    def do(self, call):
        got, want = outcome(call, self.buf), outcome(call, self.model)
        assert got == want
        self.agree()
        return got

    def agree(self):
        assert self.buf.tobytes() == self.model
        assert len(self.buf) == len(self.model)
        self.buf.check()


def holed(pool):
    """A few pages with holes between them, behind a bias."""
    pair = Pair(pool, 0)
    pair.buf.truncate(reach(1) + 4 * PAGE)
    for at in (PAGE + 1, 2 * PAGE + 3, reach(1) + PAGE - 1):
        pair.buf.write(at, pattern(at, PAGE))
    pair.buf.take_bytes(PAGE // 2 + 1)
    pair.model[:] = pair.buf.tobytes()
    return pair


def places(size):
    """Indexes at the edges of pages and of the buffer, from both ends, and past them."""
    inside = {n for n in around(0, PAGE, 2 * PAGE, reach(1), size // 2, size) if n <= size + 1}
    return sorted(inside | {-n for n in inside} | {1 << 62, -(1 << 62)})


LEADS = [0, 1, PAGE - 1, PAGE + PAGE // 2]

# ---- items ----


@pytest.mark.parametrize("size", SIZES)
def test_set_item(pool, size):
    pair = Pair(pool, size, lead=1)
    for i in places(size):
        pair.do(lambda obj, i=i: obj.__setitem__(i, i % 251))
        pair.do(lambda obj, i=i: operator.setitem(obj, i, 0))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lead", LEADS)
def test_delete_item(pool, size, lead):
    for i in places(size):
        Pair(pool, size, lead).do(lambda obj, i=i: obj.__delitem__(i))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lead", LEADS)
def test_insert(pool, size, lead):
    for i in places(size):
        Pair(pool, size, lead).do(lambda obj, i=i: obj.insert(i, 7))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lead", LEADS)
def test_pop(pool, size, lead):
    Pair(pool, size, lead).do(lambda obj: obj.pop())
    for i in places(size):
        Pair(pool, size, lead).do(lambda obj, i=i: obj.pop(i))


@pytest.mark.parametrize("size", [0, 1, PAGE + 1, MANY])
def test_pop_until_nothing_is_left(pool, size):
    for index in (-1, 0):
        pair = Pair(pool, size)
        for _ in range(size):
            assert pair.buf.pop(index) == pair.model.pop(index)
        pair.do(lambda obj, index=index: obj.pop(index))
        assert pair.buf.stats().pages == 0


@pytest.mark.parametrize("size", SIZES)
def test_remove(pool, size):
    for i in places(size):
        pair = Pair(pool, size, lead=3)
        if 0 <= i < size:
            pair.buf[i] = pair.model[i] = 0
        pair.do(lambda obj: obj.remove(0))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lead", LEADS)
def test_reverse(pool, size, lead):
    pair = Pair(pool, size, lead)
    pair.do(lambda obj: obj.reverse())
    pair.do(lambda obj: obj.extend(b"tail"))
    pair.do(lambda obj: obj.reverse())


def test_append_and_clear(pool):
    pair = Pair(pool, 0)
    for byte in itertools.islice(itertools.cycle(range(256)), 3 * PAGE):
        pair.buf.append(byte)
        pair.model.append(byte)
    pair.agree()
    pair.do(lambda obj: obj.clear())


@pytest.mark.parametrize("size", SIZES)
def test_resize(pool, size):
    for to in SIZES:
        pair = Pair(pool, size)
        assert pair.buf.resize(to) is None
        pair.model[to:] = bytes(max(0, to - size))
        pair.agree()
    with refused(ValueError, pair.buf):
        pair.buf.resize(-1)


BAD_BYTES = [-1, 256, 1 << 80, -(1 << 80), "a", b"a", 1.0, None]


@pytest.mark.parametrize("bad", BAD_BYTES, ids=repr)
def test_bytes_that_are_none(pool, bad):
    pair = Pair(pool, PAGE + 1)
    calls = [
        lambda obj: obj.append(bad),
        lambda obj: obj.insert(0, bad),
        lambda obj: obj.remove(bad),
        lambda obj: operator.setitem(obj, 0, bad),
        lambda obj: operator.setitem(obj, 1 << 62, bad),
        lambda obj: obj.extend([1, bad]),
        lambda obj: operator.setitem(obj, slice(0, 2), [1, bad]),
    ]
    for call in calls:
        with unchanged(pair.buf):
            assert outcome(call, pair.buf)[0] is outcome(call, pair.model)[0]


BAD_INDEXES = ["1", 1.0, None, b"1", (1,), 1 << 80, -(1 << 80)]


@pytest.mark.parametrize("bad", BAD_INDEXES, ids=repr)
def test_indexes_that_are_none(pool, bad):
    pair = Pair(pool, PAGE + 1)
    calls = [
        lambda obj: operator.setitem(obj, bad, 1),
        lambda obj: operator.delitem(obj, bad),
        lambda obj: obj.insert(bad, 1),
        lambda obj: obj.pop(bad),
    ]
    for call in calls:
        with unchanged(pair.buf):
            assert outcome(call, pair.buf)[0] is outcome(call, pair.model)[0]


# ---- slices ----

SOURCES = [0, 1, 3, PAGE, 2 * PAGE + 1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lead", [0, PAGE - 1])
def test_set_and_delete_slices(pool, size, lead):
    """A slice with both ends at every place is replaced by fewer and by more bytes, and deleted.
    The bytes behind it move."""
    ends = [None, *(n for n in places(size) if n >= 0), -1]
    for start, stop in itertools.product(ends, ends):
        where = slice(start, stop)
        for count in SOURCES:
            new = pattern(count, count, salt=5)
            Pair(pool, size, lead).do(
                lambda obj, where=where, new=new: operator.setitem(obj, where, new)
            )
        Pair(pool, size, lead).do(lambda obj, where=where: operator.delitem(obj, where))


STEPS = [-PAGE - 1, -PAGE, -3, -2, -1, 1, 2, 3, 7, PAGE - 1, PAGE, PAGE + 1, 1 << 62, -(1 << 62)]


@pytest.mark.parametrize("size", [0, 1, 5, PAGE + 1, 3 * PAGE, MANY])
@pytest.mark.parametrize("step", STEPS)
def test_slices_with_a_step(pool, size, step):
    for start, stop in itertools.product([None, 0, 2, PAGE - 1, -1, -PAGE], repeat=2):
        where = slice(start, stop, step)
        count = len(range(*where.indices(size)))
        for given in {0, 1, max(0, count - 1), count, count + 1}:
            new = pattern(given, given, salt=6)
            Pair(pool, size, 1).do(
                lambda obj, where=where, new=new: operator.setitem(obj, where, new)
            )
        Pair(pool, size, 1).do(lambda obj, where=where: operator.delitem(obj, where))
        pair = Pair(pool, size, 1)
        assert pair.buf[where] == pair.model[where]


def test_a_step_of_zero(pool):
    pair = Pair(pool, 5)
    pair.do(lambda obj: operator.setitem(obj, slice(None, None, 0), b"x"))
    pair.do(lambda obj: operator.delitem(obj, slice(None, None, 0)))


@pytest.mark.parametrize("lead", LEADS)
def test_deleting_from_the_front_moves_the_bias(pool, lead):
    """The cost follows the deleted bytes: no other byte moves, and the pages in front are freed."""
    for cut in (1, PAGE - 1, PAGE, 2 * PAGE + 1):
        for how in (
            lambda obj, cut=cut: operator.delitem(obj, slice(None, cut)),
            lambda obj, cut=cut: operator.setitem(obj, slice(None, cut), b""),
        ):
            pair = Pair(pool, 6 * PAGE, lead)
            before = pair.buf.walk(4 * PAGE).steps[-1].address
            offset = (pair.buf.stats().bias + 4 * PAGE) % PAGE
            pair.do(how)
            at = 4 * PAGE - cut
            assert (pair.buf.stats().bias + at) % PAGE == offset
            assert pair.buf.walk(at).steps[-1].address == before
            assert (
                pair.buf.stats().pages
                == -(-(lead % PAGE + 6 * PAGE) // PAGE) - ((lead % PAGE + cut) // PAGE)
                or pair.buf.stats().pages <= 7
            )


def test_deleting_near_the_front_moves_the_front(pool):
    """The shorter side moves: here the bytes in front.  Those behind stay where they are."""
    buf = filled(pool, 40 * PAGE)
    far = buf.walk(20 * PAGE).steps[-1].address
    del buf[PAGE : 2 * PAGE]
    assert buf.walk(19 * PAGE).steps[-1].address == far
    assert buf.tobytes() == pattern(0, PAGE) + pattern(2 * PAGE, 38 * PAGE)
    assert buf.stats().pages == 39


BAD_SOURCES = ["text", 5, 0, True, 1.5, None, ..., [256], [-1], ["a"], [1, None]]


@pytest.mark.parametrize("bad", BAD_SOURCES, ids=repr)
@pytest.mark.parametrize("where", [slice(0, 2), slice(None, None, 2), slice(3, 3)], ids=repr)
def test_sources_that_are_none(pool, bad, where):
    pair = Pair(pool, PAGE + 1)
    calls = [lambda obj: operator.setitem(obj, where, bad), lambda obj: obj.extend(bad)]
    for call in calls:
        with unchanged(pair.buf):
            assert outcome(call, pair.buf)[0] is outcome(call, pair.model)[0]


def kinds(data, pool):
    """The same bytes in every form that the calls accept."""
    twin = pagebuf.PageBuffer(data, pool=pool)
    return [
        data,
        bytearray(data),
        memoryview(data),
        twin,
        twin.view(),
        twin.view(writable=False),
        list(data),
        tuple(data),
        iter(data),
        (byte for byte in data),
        map(int, data),
    ]


@pytest.mark.parametrize("size", [0, 1, FEW, 2 * PAGE + 1])
def test_kinds_of_sources(pool, size):
    data = pattern(0, size, salt=7)
    for data_in in kinds(data, pool):
        assert pagebuf.PageBuffer(data_in, pool=pool).tobytes() == data
    for data_in in kinds(data, pool):
        buf = filled(pool, PAGE)
        buf.extend(data_in)
        assert buf.tobytes() == pattern(0, PAGE) + data
    for data_in in kinds(data, pool):
        buf = filled(pool, PAGE)
        buf[1:3] = data_in
        assert buf.tobytes() == pattern(0, 1) + data + pattern(3, PAGE - 3)


def test_in_place_concatenation_takes_bytes_only(pool):
    pair = Pair(pool, 3)
    same = pair.buf
    same += memoryview(b"abc")
    same += pagebuf.PageBuffer(b"def", pool=pool)
    assert same is pair.buf
    assert pair.buf[3:] == b"abcdef"
    for bad in ([1, 2], 5, "a", None):
        with refused(TypeError, pair.buf):
            same += bad


# ---- a buffer as its own source ----


@pytest.mark.skipif(PAGE > 16, reason="exhaustive on pages of 16 bytes only")
@pytest.mark.parametrize("size", [3, 2 * PAGE + 1])
def test_self_overlap_exhaustively(pool, size):
    """`b[i:j] = b` and `b[i:j] = b.view(k, n)` act as if the source were copied first."""
    data = pattern(0, size)
    ends = range(size + 1)
    for i, j in itertools.combinations_with_replacement(ends, 2):
        buf, model = filled(pool, size), bytearray(data)
        buf[i:j] = buf
        model[i:j] = model
        assert buf.tobytes() == model
    for i, k in itertools.product(ends, ends):
        buf, model = filled(pool, size), bytearray(data)
        n = size - max(i, k)
        buf[i : i + n] = buf.view(k, n)
        model[i : i + n] = data[k : k + n]
        assert buf.tobytes() == model
        buf[i : i + n] = buf.view(k, n, writable=False)
        model[i : i + n] = model[k : k + n]
        assert buf.tobytes() == model


@pytest.mark.parametrize("step", [-2, -1, 2, 3, PAGE])
def test_self_overlap_with_a_step(pool, step):
    for size in (4, PAGE + 2, 2 * PAGE + 1):
        pair = Pair(pool, size)
        pair.do(lambda obj: operator.setitem(obj, slice(None, None, step), obj))
        pair.do(lambda obj: operator.setitem(obj, slice(None, None, step), obj[::step]))


@pytest.mark.parametrize("size", [0, 1, FEW, PAGE + 1, MANY])
def test_itself_at_the_end(pool, size):
    pair = Pair(pool, size, 2)
    pair.do(lambda obj: obj.extend(obj))
    same, model = pair.buf, pair.model
    same += same
    model += bytes(model)
    assert same is pair.buf
    pair.agree()
    pair.do(lambda obj: obj.extend(list(obj)))


# ---- iteration ----


@pytest.mark.parametrize("size", SIZES)
def test_iteration(pool, size):
    buf = filled(pool, size)
    assert list(buf) == list(pattern(0, size))
    assert bytes(reversed(buf)) == pattern(0, size)[::-1]


def test_holes_iterate_as_zeros(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    buf.write(2 * PAGE, b"x")
    assert bytes(iter(buf)) == bytes(2 * PAGE) + b"x"
    assert buf.stats().pages == 1


def test_the_iterator_goes_by_index(pool):
    """As with bytearray, the buffer may change while an iterator is in use."""
    pair = Pair(pool, 4)
    its = iter(pair.buf), iter(pair.model)
    assert len({next(it) for it in its}) == 1
    assert [operator.length_hint(it) for it in its] == [3, 3]
    pair.do(lambda obj: obj.insert(0, 9))
    assert len({next(it) for it in its}) == 1
    pair.do(lambda obj: obj.clear())
    assert [operator.length_hint(it) for it in its] == [0, 0]
    assert [list(it) for it in its] == [[], []]
    pair.do(lambda obj: obj.extend(b"more"))
    assert [list(it) for it in its] == [[], []], "once exhausted, always exhausted"


def test_the_iterator_as_an_object(pool):
    buf = filled(pool, 5)
    it = iter(buf)
    assert iter(it) is it
    next(it)
    again = copy.copy(it)
    assert list(again) == list(it) == list(pattern(1, 4))
    assert list(copy.copy(it)) == []
    state = pickle.loads(pickle.dumps(iter(filled(pool, 5))))
    assert list(state) == list(pattern(0, 5))
    it = iter(buf)
    it.__setstate__(3)
    assert operator.length_hint(it) == 2
    it.__setstate__(-3)
    assert operator.length_hint(it) == 5
    with pytest.raises(TypeError):
        type(it)()


def test_the_iterator_holds_its_buffer_until_it_is_done(pool):
    class Sub(pagebuf.PageBuffer):
        pass

    buf = Sub(b"abc", pool=pool)
    seen = weakref.ref(buf)
    it = iter(buf)
    del buf
    assert seen() is not None
    assert list(it) == [97, 98, 99]
    gc.collect()
    assert seen() is None
    buf = Sub(b"abc", pool=pool)
    buf.loop = iter(buf)
    seen = weakref.ref(buf)
    del buf
    gc.collect()
    assert seen() is None


# ---- as other Python code uses it ----


def test_abstract_classes(pool):
    buf = filled(pool, 3)
    assert isinstance(buf, collections.abc.MutableSequence)
    assert isinstance(buf, collections.abc.Reversible)
    if sys.version_info >= (3, 12):
        assert isinstance(buf, collections.abc.Buffer)
    missing = {
        name
        for name in collections.abc.MutableSequence.__dict__
        if not name.startswith("_") and not hasattr(buf, name)
    }
    assert missing == set()


def test_bytearray_as_a_container():
    """PageBuffer has every attribute of bytearray except those for text and for arithmetic."""
    text = set(dir(bytes)) & set(dir(str)) - set(dir(list)) - {"__getnewargs__", "startswith"}
    text |= {"decode", "fromhex", "hex"}
    text -= {"endswith", "find", "rfind", "rindex"}
    arithmetic = {"__add__", "__mul__", "__rmul__", "__imul__", "__alloc__"}
    assert set(dir(bytearray)) - text - arithmetic <= set(dir(pagebuf.PageBuffer))


def test_structural_matching(pool):
    match filled(pool, 3):
        case [first, *rest]:
            assert [first, *rest] == list(pattern(0, 3))
        case _:
            pytest.fail("a buffer is a sequence")


def test_copy_is_independent(pool):
    for shape in SHAPES:
        buf = SHAPES[shape](pool)
        other = buf.copy()
        assert type(other) is pagebuf.PageBuffer
        assert other == buf
        assert not other.frozen
        assert other.pool is pool
        assert other.capacity == buf.capacity
        if shape != "tall":
            other.append(1)
            assert other != buf
            if len(buf):
                buf[0] ^= 255
                assert other[0] != buf[0]


MOVES = {
    "insert": lambda obj: obj.insert(1, 7),
    "delete far": lambda obj: operator.delitem(obj, slice(3 * PAGE + 1, 4 * PAGE)),
    "delete near": lambda obj: operator.delitem(obj, slice(3, 5)),
    "delete step": lambda obj: operator.delitem(obj, slice(None, None, 3)),
    "delete step back": lambda obj: operator.delitem(obj, slice(None, None, -PAGE)),
    "set step": lambda obj: operator.setitem(obj, slice(None, 4 * PAGE, PAGE), b"abcd"),
    "longer": lambda obj: operator.setitem(obj, slice(PAGE, PAGE + 2), pattern(0, 2 * PAGE)),
    "shorter": lambda obj: operator.setitem(obj, slice(3 * PAGE, 4 * PAGE), b"xyz"),
    "shorter in front": lambda obj: operator.setitem(obj, slice(0, 2 * PAGE), b"xyz"),
    "same": lambda obj: operator.setitem(obj, slice(1, 2 * PAGE), pattern(0, 2 * PAGE - 1, 8)),
    "reverse": lambda obj: obj.reverse(),
    "pop": lambda obj: obj.pop(),
    "pop first": lambda obj: obj.pop(0),
    "pop middle": lambda obj: obj.pop(3 * PAGE),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("make", [holed, lambda pool: Pair(pool, MANY, 3)], ids=["holes", "pages"])
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_moving_over_holes_and_shared_pages(pool, move, make, shared):
    """The free frames are full of old bytes, so a page that is not zeroed shows."""
    hog = filled(pool, 40 * PAGE)
    hog.clear()
    pair = make(pool)
    kept = pair.buf.snapshot() if shared else None
    before = bytes(pair.model)
    pair.do(MOVES[move])
    pair.do(MOVES["reverse"])
    if shared:
        assert kept.tobytes() == before
        kept.check()
    pool.check()


EDITS = {
    "set item": lambda obj: operator.setitem(obj, 0, 1),
    "delete item": lambda obj: operator.delitem(obj, 0),
    "set slice": lambda obj: operator.setitem(obj, slice(1, 2), b"xyz"),
    "set step": lambda obj: operator.setitem(obj, slice(0, 4, 2), b"xy"),
    "delete step": lambda obj: operator.delitem(obj, slice(None, None, 2)),
    "append": lambda obj: obj.append(1),
    "extend": lambda obj: obj.extend([1, 2]),
    "insert": lambda obj: obj.insert(0, 1),
    "pop": lambda obj: obj.pop(),
    "remove": lambda obj: obj.remove(obj[0]),
    "reverse": lambda obj: obj.reverse(),
    "resize": lambda obj: obj.resize(2),
    "resize up": lambda obj: obj.resize(99),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("size", [5, PAGE + 1])
def test_a_snapshot_never_changes(pool, edit, size):
    frozen = filled(pool, size).snapshot()
    with refused(TypeError, frozen):
        EDITS[edit](frozen)


# ---- under live views (I7) ----

SHIFTS = {
    "insert": lambda obj: obj.insert(PAGE, 7),
    "delete": lambda obj: operator.delitem(obj, PAGE),
    "delete slice": lambda obj: operator.delitem(obj, slice(PAGE, PAGE + 3)),
    "longer": lambda obj: operator.setitem(obj, slice(PAGE, PAGE + 1), b"xyz"),
    "shorter": lambda obj: operator.setitem(obj, slice(PAGE, PAGE + 3), b"x"),
    "pop": lambda obj: obj.pop(PAGE),
    "delete step": lambda obj: operator.delitem(obj, slice(PAGE, None, 3)),
}


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("at", [PAGE, PAGE + 1, 3 * PAGE])
def test_no_shift_under_a_live_view(pool, shift, at):
    buf = filled(pool, 5 * PAGE)
    with buf.view(at, PAGE) as view:
        with refused(BufferError, buf):
            SHIFTS[shift](buf)
        assert view == pattern(at, PAGE)
    SHIFTS[shift](buf)


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_live_view_in_front_stays_where_it_is(pool, shift):
    pair = Pair(pool, 5 * PAGE)
    with pair.buf.view(0, PAGE) as view:
        pair.do(SHIFTS[shift])
        assert view == pair.model[:PAGE]
        pair.do(lambda obj: operator.setitem(obj, 3, 200))
        assert view[3] == 200


def test_what_shifts_nothing_goes_on_under_live_views(pool):
    pair = Pair(pool, 5 * PAGE)
    with pair.buf.view(PAGE, PAGE) as view:
        pair.do(lambda obj: operator.setitem(obj, slice(PAGE + 1, PAGE + 4), b"abc"))
        assert view[1:4] == b"abc"
        pair.do(lambda obj: operator.setitem(obj, slice(None, None, PAGE), b"vwxyz"))
        assert view[0] == ord("w")
        pair.do(lambda obj: operator.setitem(obj, slice(3 * PAGE, None), b"short"))
        pair.do(lambda obj: operator.setitem(obj, slice(3 * PAGE, None), bytes(4 * PAGE)))
        pair.do(lambda obj: operator.delitem(obj, slice(3 * PAGE, None)))
        pair.do(lambda obj: obj.pop())
        pair.do(lambda obj: operator.delitem(obj, slice(None, PAGE // 2)))
        assert view == pair.model[PAGE - PAGE // 2 :][:PAGE]
        pair.do(lambda obj: obj.reverse())
        pair.do(lambda obj: obj.reverse())
    assert_pool(pool, [pair.buf])
