"""Methods of a buffer that maps a terabyte: a sparse file with three written bytes.

A page of the file is no hole, so calls that look at every byte take as long as the file; the others
cost as little as on a hole (test_terabyte.py), and hold what differs from the file.
"""

from __future__ import annotations

import importlib

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.sparse import FAR, LIMIT, NEAR, TIB, costs_at_most, places

pytestmark = pytest.mark.timeout(60)

SIZE = min(TIB, PAGE << 29)  # a pool has 2^30 numbers for maps
TABLE = 1 << 20  # of a pool: which map its numbers belong to; little of it is ever touched
FIRST, MIDDLE, LAST = places(SIZE)
AROUND = b"\0\0x\0\0"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("sparse") / "terabyte"
    with path.open("wb") as file:
        try:
            file.truncate(SIZE)
        except OSError as error:
            pytest.skip(f"no file of that size here: {error}")
        for at in (FIRST, MIDDLE, LAST):
            file.seek(at)
            file.write(b"x")
    yield path
    path.unlink()


def after(call, look):
    """Make the call, and look at the buffer then."""
    return lambda buf: (call(buf), look(buf))[1]


def other(buf):
    return pagebuf.PageBuffer(pool=buf.pool)


CALLS = {
    "__eq__": (lambda b: b == b.clone(), True),
    "__getitem__": (lambda b: (b[MIDDLE], b[MIDDLE - 2 : MIDDLE + 3]), (120, AROUND)),
    "__iter__": (lambda b: next(iter(b)), 0),
    "__le__": (lambda b: b <= b.clone(), True),
    "__repr__": (lambda b: str(SIZE) in repr(b), True),
    "__setitem__": (after(lambda b: b.__setitem__(MIDDLE, 1), lambda b: b[MIDDLE]), 1),
    "append": (after(lambda b: b.append(7), lambda b: (len(b), b[-1])), (SIZE + 1, 7)),
    "check": (lambda b: b.check(), None),
    "clear": (after(lambda b: b.clear(), len), 0),
    "clone": (lambda b: b.clone()[MIDDLE], 120),
    "collapse": (
        after(lambda b: b.collapse(PAGE, SIZE // 4), lambda b: b[MIDDLE - SIZE // 4]),
        120,
    ),
    "copy": (lambda b: b.copy()[MIDDLE], 120),
    "copy_range": (lambda b: b.copy_range(0, other(b), 0), 0),
    "diff": (lambda b: b.diff(b.clone()), []),
    "endswith": (lambda b: b.endswith(b"x" + bytes(FAR - 1)), True),
    "extend": (after(lambda b: b.extend(b.clone()), len), 2 * SIZE),
    "extents": (lambda b: b.extents(), [(0, SIZE)]),
    "find": (lambda b: b.find(b"x"), FIRST),
    "insert_hole": (
        after(lambda b: b.insert_hole(16 * PAGE, SIZE), lambda b: b[SIZE + MIDDLE]),
        120,
    ),
    "open": (lambda b: b.open().seek(MIDDLE), MIDDLE),
    "pop": (lambda b: (b.pop(), b.pop(0)), (0, 0)),
    "prepend": (after(lambda b: b.prepend(b"new"), lambda b: b.read(0, NEAR + 4)[-1]), 120),
    "punch": (
        after(lambda b: b.punch(FIRST + 1, SIZE - FAR), lambda b: (b[FIRST], b[MIDDLE])),
        (120, 0),
    ),
    "read": (lambda b: b.read(MIDDLE - 2, 5), AROUND),
    "readinto": (lambda b: b.readinto(MIDDLE, bytearray(5)), 5),
    "resize": (after(lambda b: b.resize(2 * SIZE), lambda b: b[LAST]), 120),
    "restore": (after(lambda b: b.restore(b.snapshot()), lambda b: b[LAST]), 120),
    "rfind": (lambda b: b.rfind(b"x"), LAST),
    "snapshot": (lambda b: b.snapshot()[LAST], 120),
    "source": (lambda b: len(b.source), SIZE),
    "stats": (lambda b: (b.stats().pages <= 1, b.stats().mapped >= SIZE // PAGE - 1), (True, True)),
    "take_bytes": (lambda b: b.take_bytes(NEAR + 1), bytes(NEAR) + b"x"),
    "truncate": (after(lambda b: b.truncate(SIZE // 2), len), SIZE // 2),
    "view": (lambda b: bytes(b.view(MIDDLE - 2, 5)), AROUND),
    "view, stable": (lambda b: bytes(b.view(MIDDLE - 2, 5, writable=False)), AROUND),
    "views": (lambda b: sum(map(len, b.views())), SIZE),
    "walk": (lambda b: b.walk(MIDDLE).stop, "mapped"),
    "write": (after(lambda b: b.write(MIDDLE, b"abc"), lambda b: b.read(MIDDLE, 3)), b"abc"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_map_of_a_terabyte_costs_nothing(path, name):
    call, expected = CALLS[name]
    pool = pagebuf.PagePool(LIMIT)
    with costs_at_most(TABLE + LIMIT):
        assert call(pagebuf.PageBuffer.map(path, pool=pool)) == expected
        pool.check()
    assert pool.stats().high_water * PAGE <= LIMIT // 2
    assert path.stat().st_blocks << 9 <= LIMIT


def test_changes_are_saved_in_place(path):
    """Of the file only what differs is written; it stays sparse."""
    importlib.import_module("pagebuf._save_changes")
    pool = pagebuf.PagePool(LIMIT)
    with costs_at_most(TABLE + 2 * LIMIT):  # a piece at a time
        buf = pagebuf.PageBuffer.map(path, pool=pool)
        buf.write(SIZE // 4, b"saved")
        buf.save_changes()
    with path.open("rb") as file:
        file.seek(SIZE // 4 - 1)
        assert file.read(7) == b"\0saved\0"
    assert path.stat().st_size == SIZE
    assert path.stat().st_blocks << 9 <= LIMIT
    buf.punch(SIZE // 4, 5)
    buf.save_changes()
    assert buf.read(MIDDLE - 2, 5) == AROUND


@pytest.mark.parametrize("ask", [pagebuf.PageBuffer.gather, memoryview])
def test_one_piece_of_it_is_refused_by_the_limit(path, ask):
    buf = pagebuf.PageBuffer.map(path, pool=pagebuf.PagePool(LIMIT))
    with pytest.raises((MemoryError, pagebuf.CapacityError)):
        ask(buf)
    assert buf[MIDDLE] == 120
