"""Container calls out of memory (I3).  Python's allocators fail at every request, and the pool's
limit refuses at every count of frames.  The bytes, the length and the counts stay as they were."""

from __future__ import annotations

import operator

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.oom import needs_testcapi, sweep_beside_twin, warm_pool
from tests.support import (
    FEW,
    SHAPES,
    buffer_state,
    contents,
    filled,
    pattern,
    pool_counts,
    pool_state,
)

pytestmark = pytest.mark.alone

LONG, NUMBERS = pattern(0, 3 * PAGE + 1, salt=2), list(pattern(0, 2 * PAGE, salt=3))


def replace(start, stop, data, step=None):
    return lambda buf: operator.setitem(buf, slice(start, stop, step), data)


def delete(start, stop, step=None):
    return lambda buf: operator.delitem(buf, slice(start, stop, step))


def needs_a_byte(call):
    return lambda buf: call(buf) if len(buf) else None


LOOKING = {
    "find": lambda buf: buf.find(LONG),
    "rfind": lambda buf: buf.rfind(b"\0\1", 1, -1),
    "count": lambda buf: buf.count(b"\0\1\2"),
    "index": lambda buf: buf.index(b""),
    "startswith": lambda buf: buf.startswith((b"x", LONG), 1),
    "endswith": lambda buf: buf.endswith(LONG),
    "in": lambda buf: LONG in buf,
    "==": lambda buf: buf == buf.copy(),
    "== bytes": lambda buf: buf == LONG,
    "<": lambda buf: buf < LONG,
    "iter": lambda buf: next(iter(buf), None),
    "copy": lambda buf: len(buf.copy()),
}
CHANGING = {
    "set item": needs_a_byte(lambda buf: operator.setitem(buf, -1, 7)),
    "delete item": needs_a_byte(lambda buf: operator.delitem(buf, len(buf) // 2)),
    "insert": lambda buf: buf.insert(PAGE, 7),
    "insert first": lambda buf: buf.insert(0, 7),
    "pop": needs_a_byte(lambda buf: buf.pop()),
    "pop first": needs_a_byte(lambda buf: buf.pop(0)),
    "pop middle": needs_a_byte(lambda buf: buf.pop(len(buf) // 3)),
    "remove": needs_a_byte(lambda buf: buf.remove(buf[len(buf) // 2])),
    "same": needs_a_byte(replace(0, 1, b"x")),
    "longer": replace(1, 2, LONG),
    "shorter": replace(PAGE, 3 * PAGE, b"xyz"),
    "shorter in front": replace(0, PAGE + 1, b"xyz"),
    "iterable": replace(1, 5, NUMBERS),
    "itself": lambda buf: operator.setitem(buf, slice(1, 2), buf),
    "set step": lambda buf: operator.setitem(buf, slice(0, 5, 2), buf[:5:2][::-1]),
    "delete": delete(1, PAGE + 3),
    "delete from the front": delete(None, PAGE + 1),
    "delete to the end": delete(1, None),
    "delete step": delete(None, None, 3),
    "delete step back": delete(None, None, -PAGE),
    "extend with numbers": lambda buf: buf.extend(NUMBERS),
    "extend with itself": lambda buf: buf.extend(buf),
    "reverse": lambda buf: buf.reverse(),
    "resize": lambda buf: buf.resize(PAGE + 1),
    "resize up": lambda buf: buf.resize(reach(2) + 1),
}
# Moving turns holes into pages.  With large pages these shapes would need too many.
TOO_LONG = {"tall", "holes", "hole only"} if PAGE > 64 else {"tall"}
CASES = [
    (shape, call) for shape in SHAPES if shape not in TOO_LONG for call in [*LOOKING, *CHANGING]
]


@needs_testcapi
@pytest.mark.parametrize(("shape", "call"), CASES)
def test_no_memory_for_python(shape, call):
    """The pool has frames, but Python has no memory for its objects."""
    change = {**LOOKING, **CHANGING}[call]
    sweep_beside_twin(change, lambda: SHAPES[shape](warm_pool()), pool_state)


def shared_shape(shape, pool):
    """A shape that shares all pages with a snapshot: every change needs frames, even a cut."""
    buf = SHAPES[shape](pool)
    return buf, buf.snapshot()


def room_needed(make, call):
    """Frames held before the call, the high-water mark before it, and the most frames it takes."""
    pool = pagebuf.PagePool()
    kept = make(pool)
    before = pool.stats().held
    hog = filled(pool, FEW)
    peak = pool.stats().high_water
    call(kept[0])
    assert hog.tobytes() == pattern(0, FEW)
    return before, peak, pool.stats().high_water - before


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize(("shape", "call"), [case for case in CASES if case[1] in CHANGING])
def test_the_limit_refuses_at_every_count(shape, call, shared):
    """The limit leaves 0, 1, 2, ... spare frames.  The pool refuses and nothing changes, or the
    call succeeds."""

    def make(pool):
        return shared_shape(shape, pool) if shared else (SHAPES[shape](pool),)

    change = CHANGING[call]
    twin = make(pagebuf.PagePool())[0]
    change(twin)
    held, peak, room = room_needed(make, change)
    done = False
    for more in range(2 * room + 9):  # a call may reserve more than it takes
        pool = pagebuf.PagePool(limit=(max(peak, held) + more) * PAGE)
        kept = make(pool)
        hogs = [filled(pool, FEW, n) for n in range(max(peak, held) - pool.stats().held)]
        before = [buffer_state(buf) for buf in (*kept, *hogs)], pool_counts(pool)
        try:
            change(kept[0])
        except pagebuf.PoolLimitError:
            assert not done, "with fewer frames it was done"
            assert ([buffer_state(buf) for buf in (*kept, *hogs)], pool_counts(pool)) == before
        else:
            done = True
            assert (len(kept[0]), contents(kept[0])) == (len(twin), contents(twin))
        kept[0].check()
        pool.check()
    assert done
