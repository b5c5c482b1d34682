"""Every public method once, on a terabyte of hole around three written bytes.

Costs follow pages, entries and extents, never the length of a hole.  Nothing is timed.  The pool
has a limit, so a hole cannot become pages.  Where the result is short, the same call also runs on a
hole of 2^55 bytes.  A walk over its pages would take days, and pytest-timeout would end it.
"""

from __future__ import annotations

import copy
import errno
import os
import pathlib
import pickle
import re
import tempfile
from types import SimpleNamespace

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.sparse import FAR, HUGE, LIMIT, NEAR, TIB, costs_at_most, hollow, places

pytestmark = pytest.mark.timeout(60)


class Case(SimpleNamespace):
    """A buffer, its size, its three offsets, and an equal buffer that shares nothing with it."""

    def __init__(self, size, make_pool=lambda: pagebuf.PagePool(LIMIT)):
        pool = make_pool()
        super().__init__(size=size, at=places(size), pool=pool)
        self.buf, self.twin = hollow(pool, size), hollow(pool, size)

    def buf_at(self):
        """Where the three bytes are now."""
        found = [self.buf.find(b"x")]
        while found[-1] >= 0:
            found.append(self.buf.find(b"x", found[-1] + 1))
        return found[:-1]

    def data(self):
        """The extents that must exist: the pages of the three bytes."""
        return [(at // PAGE * PAGE, PAGE) for at in self.at]


def assign(c, key, value):
    c.buf[key] = value
    return len(c.buf) - c.size


def remove_at(buf, at, n, step):
    del buf[at : at + n : step]


def moved(c, call, by):
    """The two bytes behind the place have moved, and holes have not become pages."""
    first, *behind = c.buf_at()
    pages, n = c.buf.stats().pages, len(c.buf)
    call(c.buf)
    return (
        len(c.buf) - n == by
        and c.buf_at() == [first, *(at + by for at in behind)]
        and c.buf.stats().pages <= pages + 3
    )


def thinned(c):
    """Every second byte of the twin has gone, also of the holes, which have not become pages."""
    del c.twin[::2]
    found = [at for at in (at // 2 for at in c.at) if c.twin[at] == ord("x")]
    return len(found) == c.twin.count(b"x") == 3 and c.twin.stats().pages <= 6


def turned(c):
    c.buf.reverse()
    there = c.buf_at() == [c.size - 1 - at for at in reversed(c.at)]
    pages = c.buf.stats().pages
    c.buf.reverse()
    return pages, there, c.buf == c.twin


def joined(c):
    buf = c.buf
    buf += c.twin
    return len(buf) // c.size


def then(result, *_):
    return result


def other_end(c):
    """Make a delta, and apply it to an equal buffer."""
    packed = bytes(c.buf.delta(c.twin))
    c.buf.write(c.size // 4, b"new")
    c.twin.apply(c.buf.delta(c.twin))
    return len(packed) < 300, c.twin == c.buf


def through_pickle(c, protocol):
    stored = pickle.dumps(c.buf, protocol)
    return len(stored) < 4 * PAGE + 400, pickle.loads(stored).extents() == c.data()


def restored(c):
    kept = c.buf.snapshot()
    c.buf.clear()
    c.buf.restore(kept)
    return c.buf == c.twin


def near_middle(c):
    return c.buf.view(c.at[1] - 2, 5)


def saved(c):
    """The data of the file that it was saved to; file systems may refuse a file of that size."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "saved")
        try:
            c.buf.save(path)
        except OSError as error:
            return error.errno in {errno.EFBIG, errno.EINVAL} and not any(path.parent.iterdir())
        return path.stat().st_size == c.size and path.stat().st_blocks << 9 < 1 << 20


def saved_changes(c):
    """The same into a file that was mapped when it was small."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "saved")
        path.write_bytes(b"small")
        buf = pagebuf.PageBuffer.map(path, pool=c.pool)
        buf.restore(c.buf)
        try:
            buf.save_changes()
        except OSError as error:
            return error.errno in {errno.EFBIG, errno.EINVAL} and buf == c.twin
        there = path.stat()
        return there.st_size == c.size and there.st_blocks << 9 < 1 << 20 and buf == c.twin


MIDDLE = b"\0\0x\0\0"

# Each method with a call and its result, which may be a function of the case.
CALLS = {
    "__bytes__": None,
    "__contains__": (
        lambda c: (b"x\0" in c.buf, b"y" in c.buf, ord("x") in c.buf),
        (True, False, True),
    ),
    "__copy__": (lambda c: copy.copy(c.buf).extents(), Case.data),
    "__deepcopy__": (lambda c: copy.deepcopy(c.buf).extents(), Case.data),
    "__delitem__": (
        lambda c: (
            [
                moved(c, lambda b, n=n, k=k: remove_at(b, c.size // 4, n, k), -(n // k))
                for n, k in ((2, 1), (PAGE, 1), (9 * PAGE - 1, 1), (10, 2))
            ]
            + [thinned(c)]
        ),
        [True] * 5,
    ),
    "__eq__": (
        lambda c: (c.buf == c.twin, c.buf == c.buf.clone(), c.buf == b"x"),
        (True, True, False),
    ),
    "__ge__": (lambda c: c.buf >= c.twin, True),
    "__getitem__": (lambda c: (c.buf[c.at[1]], c.buf[c.at[1] - 2 : c.at[1] + 3]), (120, MIDDLE)),
    "__gt__": (lambda c: c.buf > c.twin, False),
    "__iadd__": (joined, 2),
    "__iter__": (lambda c: next(iter(c.buf)), 0),
    "__le__": (lambda c: c.buf <= c.twin, True),
    "__len__": (lambda c: len(c.buf), lambda c: c.size),
    "__lt__": (lambda c: c.buf < c.twin, False),
    "__ne__": (lambda c: c.buf != c.twin, False),
    "__reduce_ex__": (lambda c: [through_pickle(c, n) for n in (2, 5)], [(True, True)] * 2),
    "__sizeof__": (lambda c: c.buf.__sizeof__() < c.buf.stats().resident + PAGE + 512, True),
    "__repr__": (lambda c: str(c.size) in repr(c.buf), True),
    "__setitem__": (
        lambda c: (
            assign(c, slice(c.at[1], c.at[1] + 4), b"abcd"),
            assign(c, slice(c.at[1], c.at[1] + 4), b"x"),
            assign(c, slice(9, 10), b"abcd" * PAGE),
            assign(c, slice(8, 9 * PAGE, PAGE), b"stride789"),
            assign(c, slice(c.size // 4, None, -(c.size // 16)), b"5 far"),
            c.buf[c.size // 4 :: -(c.size // 16)],
        ),
        (0, -3, 4 * PAGE - 4, 4 * PAGE - 4, 4 * PAGE - 4, b"5 far"),
    ),
    "append": (lambda c: then(len(c.buf) - c.size, c.buf.append(1)), 0),
    "apply": (other_end, (True, True)),
    "as_array": (lambda c: c.buf.as_array("u1", c.at[1] - 2, 5).tobytes(), MIDDLE),
    "capacity": (lambda c: c.buf.capacity >= c.size, True),
    "check": (lambda c: c.buf.check(), None),
    "clear": (lambda c: then(None, c.buf.clear()), None),
    "clone": (lambda c: c.buf.clone().extents(), Case.data),
    "collapse": (
        lambda c: [
            moved(c, lambda b, n=n: b.collapse(c.size // 4, n), -n)
            for n in (PAGE, 3, c.size // 16, c.size // 16 + 1)
        ],
        [True] * 4,
    ),
    "copy": (lambda c: c.buf.copy().extents(), Case.data),
    "copy_range": (
        lambda c: (c.buf.copy_range(0, c.twin), c.buf.copy_range(1, c.twin)),
        lambda c: (c.size,) * 2,
    ),
    "count": (
        lambda c: (c.buf.count(b"x"), c.buf.count(b"\0"), c.buf.count(b"\0x")),
        lambda c: (3, c.size - 3, 3),
    ),
    "data_views": (lambda c: [(at, len(view)) for at, view in c.buf.data_views()], Case.data),
    "delta": (lambda c: c.buf.delta(c.twin).ranges, []),
    "detach": (lambda c: c.buf.detach(), None),
    "diff": (
        lambda c: (c.buf.diff(c.twin), c.buf.diff(c.twin, exact=True)),
        lambda c: (c.data(), []),
    ),
    "endswith": (lambda c: c.buf.endswith(b"x" + bytes(FAR - 1)), True),
    "extend": (lambda c: then(None, c.buf.extend(c.twin), c.buf.extend(b"end")), None),
    "extents": (lambda c: c.buf.extents(), Case.data),
    "find": (lambda c: (c.buf.find(b"x", NEAR + 1), c.buf.find(b"y")), lambda c: (c.at[1], -1)),
    "frozen": (lambda c: c.buf.frozen, False),
    "gather": None,
    "index": (lambda c: c.buf.index(b"\0x", NEAR + 1), lambda c: c.at[1] - 1),
    "forget": (lambda c: c.buf.forget(), None),
    "insert": (lambda c: moved(c, lambda b: b.insert(c.size // 4, 1), 1), True),
    "insert_hole": (
        lambda c: [
            moved(c, lambda b, n=n: b.insert_hole(c.size // 4, n), n)
            for n in (PAGE, 3, TIB, TIB + 1)
        ],
        [True] * 4,
    ),
    "levels": (lambda c: c.buf.levels <= pagebuf.MAX_LEVELS, True),
    "map": (lambda c: pagebuf.PageBuffer.map(near_middle(c)).tobytes(), MIDDLE),
    "name": (lambda c: c.buf.name, None),
    "nbytes": (lambda c: c.buf.nbytes, lambda c: c.size),
    "open": (lambda c: c.buf.open().seek(0, os.SEEK_END), lambda c: c.size),
    "pool": (lambda c: c.buf.pool is c.pool, True),
    "pop": (
        lambda c: (c.buf.pop(), c.buf.pop(0), moved(c, lambda b: b.pop(c.size // 4), -1)),
        (0, 0, True),
    ),
    "present": (lambda c: c.buf.present(), lambda c: [(0, c.size)]),
    "prefetch": (lambda c: c.buf.prefetch(), None),
    "prepend": (lambda c: then(None, c.buf.prepend(b"new")), None),
    "punch": (lambda c: then(None, c.buf.punch(1, c.size - 2)), None),
    "read": (lambda c: c.buf.read(c.at[1] - 2, 5), MIDDLE),
    "readinto": (lambda c: c.buf.readinto(c.at[1] - 2, bytearray(5)), 5),
    "remove": (lambda c: then(None, c.buf.remove(ord("x"))), None),
    "resize": (lambda c: then(None, c.buf.resize(c.size + TIB), c.buf.resize(TIB // 2)), None),
    "restore": (restored, True),
    "reverse": (turned, (3, True, True)),
    "rfind": (
        lambda c: (c.buf.rfind(b"x", 0, c.size - FAR), c.buf.rfind(b"y")),
        lambda c: (c.at[1], -1),
    ),
    "rindex": (lambda c: c.buf.rindex(b"x", 0, c.at[1]), NEAR),
    "save": (saved, True),
    "save_changes": (saved_changes, True),
    "snapshot": (lambda c: c.buf.snapshot().extents(), Case.data),
    "source": (lambda c: c.buf.source, None),
    "startswith": (lambda c: c.buf.startswith(bytes(NEAR) + b"x"), True),
    "stats": (
        lambda c: (c.buf.stats().pages, c.buf.stats().holes),
        lambda c: (3, c.size // PAGE - 3),
    ),
    "take_bytes": (lambda c: c.buf.take_bytes(NEAR + 1), bytes(NEAR) + b"x"),
    "tobytes": None,
    "truncate": (lambda c: c.buf.truncate(c.size // 2), lambda c: c.size // 2),
    "view": (lambda c: bytes(near_middle(c)), MIDDLE),
    "views": (lambda c: [len(view) for view in c.buf.views(most=2)], [PAGE, pagebuf.pool.ZEROS]),
    "walk": (lambda c: (c.buf.walk(0).stop, c.buf.walk(c.size // 4).stop), ("page", "hole")),
    "write": (lambda c: c.buf.write(c.size // 4, b"abc"), 3),
}

# As the guide says, the result of these, or what they have to move, is as long as the range.
AS_LONG_AS_THE_RANGE = {
    "__bytes__": lambda c: bytes(c.buf),
    "gather": lambda c: c.buf.gather(),
    "tobytes": lambda c: c.buf.tobytes(),
}

# These do not depend on the contents, or every object has them.
LEFT_OUT = {
    "remote",
    "__buffer__",
    "__release_buffer__",
    "__class_getitem__",
    "__new__",
    "__init__",
    "__hash__",
    "__str__",
}


def methods(cls):
    found = {name for name in dir(cls) if not name.startswith("_")}
    own = {name for kind in cls.__mro__[:-1] for name in vars(kind) if name.startswith("__")}
    plain = {"__module__", "__doc__", "__dict__", "__weakref__", "__getattribute__"}
    return (found | own) - plain - LEFT_OUT


def test_the_tables_are_complete():
    assert methods(pagebuf.PageBuffer) == set(CALLS)
    assert {name for name, row in CALLS.items() if row is None} == set(AS_LONG_AS_THE_RANGE)


def test_a_reverse_under_a_live_view():
    """The view goes on showing what is at its offsets, and holes stay holes."""
    c = Case(HUGE)
    with c.buf.view(c.at[1], 2) as view:
        c.buf.reverse()
        assert c.buf_at() == [c.size - 1 - at for at in reversed(c.at)]
        assert c.buf.stats().pages <= 4
        assert bytes(view) == bytes(2)
        view[0] = ord("y")
        assert c.buf.find(b"y") == c.at[1]
        view[0] = 0
        c.buf.reverse()
        assert bytes(view) == b"x\0"
    assert c.buf == c.twin
    assert c.buf.stats().pages <= 4
    c.pool.check()


@pytest.mark.parametrize("ask", [pagebuf.PageBuffer.gather, pagebuf.PageBuffer.view, memoryview])
def test_one_piece_of_holes_is_refused_by_their_number(ask):
    """The limit refuses before anything walks over the pages."""
    c = Case(TIB)
    too_many = TIB // PAGE > 1 << 31  # for the pages that a pool can have
    with pytest.raises(pagebuf.CapacityError if too_many else pagebuf.PoolLimitError) as refused:
        ask(c.buf)
    missing = re.search(r"\((\d+) pages\)", str(refused.value))
    assert too_many or int(missing[1]) >= TIB // PAGE - 3
    assert c.buf.extents() == c.data()


@pytest.mark.parametrize("name", ["__bytes__", "tobytes"])
def test_what_gives_every_byte_is_refused_at_once(name):
    """No machine has as much memory, even if the system promises it."""
    with pytest.raises((MemoryError, OverflowError)):
        AS_LONG_AS_THE_RANGE[name](Case(HUGE))


POOLS = {
    "plain": lambda: pagebuf.PagePool(LIMIT),
    "child": lambda: pagebuf.PagePool().child(LIMIT),
    "poisoned": lambda: pagebuf.PagePool(LIMIT, debug=1),
    "guarded": lambda: pagebuf.PagePool(LIMIT, debug=2),
}
PLACES_OF_HOLES = [(TIB, "plain"), *((HUGE, kind) for kind in POOLS)]


@pytest.mark.parametrize(("size", "kind"), PLACES_OF_HOLES)
@pytest.mark.parametrize("name", [name for name, row in CALLS.items() if row])
def test_a_hole_costs_nothing(name, size, kind):
    call, expected = CALLS[name]
    plain = kind == "plain" and not pagebuf.PagePool().debug  # PAGEBUF_DEBUG
    most = LIMIT if plain else 4 * LIMIT  # debug pools keep free pages for a while
    with costs_at_most(most):
        c = Case(size, POOLS[kind])
        assert call(c) == (expected(c) if callable(expected) else expected)
        c.buf.check()
        c.pool.check()
    assert c.pool.stats().high_water * PAGE <= LIMIT // 2


@pytest.mark.timeout(20)
def test_a_long_needle_meets_a_hole_once():
    """The tree shows a hole as some thousand runs, most of them of 2 MiB.  To compare byte by byte
    at their borders, or in all that are narrow for the needle, takes 40 s; this, half a second."""
    zeros = bytes(4 << 20)
    c = Case(TIB)
    assert c.buf.find(zeros + b"y") == -1
    assert c.buf.rfind(b"y" + zeros) == -1
    assert c.buf.find(zeros + b"x") == c.at[1] - len(zeros)
    assert c.buf.rfind(b"x" + zeros) == c.at[1]
    assert c.buf.count(zeros + b"x") == 2


def test_a_terabyte_is_some_thousand_pieces():
    c = Case(TIB)
    views = c.buf.views()
    assert len(views) <= TIB // pagebuf.pool.ZEROS + 8
    assert sum(len(view) for view in views) == TIB
    assert c.pool.stats().held * PAGE <= LIMIT // 4


def test_the_pieces_of_a_terabyte_reach_a_pipe():
    """The pieces go in batches of IOV_MAX, as in the guide.  This test writes only the last
    batch."""
    c = Case(TIB)
    end = c.at[2]
    views = c.buf.views(end - 100, most=os.sysconf("SC_IOV_MAX"))
    read, write = os.pipe()
    try:
        assert os.writev(write, views) == 100 + FAR
        assert os.read(read, 200) == bytes(100) + b"x" + bytes(FAR - 1)
    finally:
        os.close(read)
        os.close(write)
