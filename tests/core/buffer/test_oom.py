"""Out of memory at every point of every call.  The bytes, the length, the levels and the pool's
counts stay as they were (I3), nothing leaks, and the object can still be used.

Memory runs out in two ways.  Python's allocators fail at the n-th request, n = 1, 2, ... until the
call succeeds (`_testcapi.set_nomemory`).  They fail once, or from there on.  The other way is the
pool's limit: it leaves no spare frame, then one more each time, up to what the call needs.
"""

from __future__ import annotations

import pytest

import pagebuf
from tests.helpers import PAGE, drawing, reach
from tests.oom import (
    MOST_POINTS,
    attempt,
    needs_testcapi,
    sweep,
    sweep_beside_twin,
    warm_pool,
    without_collector,
)
from tests.plain import plain_write
from tests.support import (
    FEW,
    SHAPES,
    assert_pool,
    buffer_state,
    contents,
    filled,
    pattern,
    pool_counts,
    pool_state,
    refused,
)

pytestmark = [pytest.mark.alone, pytest.mark.filterwarnings("error")]

# `pool.buffers()` is left out: it is Python, and CPython 3.11 to 3.13 itself leaks or crashes when
# memory runs out in the middle of `sorted` with a key.
FAR = reach(2) + 2 * PAGE + 1
SHORT, LONG = pattern(0, FEW, salt=1), pattern(0, 3 * PAGE + 1, salt=2)
TARGET = bytearray(2 * PAGE + 1)

LOOKING = {
    "read": lambda buf: buf.read(1, 2 * PAGE),
    "read far": lambda buf: buf.read(FAR, 5),
    "readinto": lambda buf: buf.readinto(1, TARGET),
    "index": lambda buf: buf[len(buf) >> 1] if len(buf) else None,
    "slice": lambda buf: buf[1 : 2 * PAGE],
    "slice step": lambda buf: buf[1 : 2 * PAGE : 3],
    "slice back": lambda buf: buf[2 * PAGE : 1 : -1],
    "len": len,
    "levels": lambda buf: (buf.levels, buf.capacity, buf.nbytes, buf.pool, buf.frozen),
    "extents": lambda buf: buf.extents(),
    "stats": lambda buf: buf.stats(),
    "walk": lambda buf: buf.walk(1),
    "walk far": lambda buf: buf.walk(reach(2) - 1),
    "check": lambda buf: buf.check(),
    "repr": repr,
    "tree runs": lambda buf: buf._tree_runs(),
    "frame states": lambda buf: buf.pool._frame_states(),
    "pool stats": lambda buf: buf.pool.stats(),
    "pool check": lambda buf: buf.pool.check(),
    "pool trim": lambda buf: buf.pool.trim() is None,
}
CHANGING = {
    "write": lambda buf: buf.write(PAGE - 1, SHORT),
    "write long": lambda buf: buf.write(PAGE - 1, LONG),
    "write past": lambda buf: buf.write(reach(1) + PAGE + 5, LONG),
    "write far": lambda buf: buf.write(FAR, LONG),
    "write farther": lambda buf: buf.write(reach(pagebuf.MAX_LEVELS) - 9 * PAGE, SHORT),
    "extend": lambda buf: buf.extend(SHORT),
    "extend long": lambda buf: buf.extend(LONG),
    "+=": lambda buf: buf.__iadd__(LONG) is None,
    "append": lambda buf: buf.append(7),
    "truncate": lambda buf: buf.truncate(PAGE + 1),
    "truncate up": lambda buf: buf.truncate(FAR),
    "truncate farther": lambda buf: buf.truncate(reach(pagebuf.MAX_LEVELS) - 9 * PAGE),
    "truncate to 0": lambda buf: buf.truncate(0),
    "clear": lambda buf: buf.clear(),
    "punch": lambda buf: buf.punch(1, 2 * PAGE),
    "punch far": lambda buf: buf.punch(reach(1) - PAGE, reach(2)),
    "take": lambda buf: buf.take_bytes(min(len(buf), PAGE + 1)),
    "take 0": lambda buf: buf.take_bytes(0),
    "init": lambda buf: buf.__init__(LONG, pool=buf.pool),
}
FULL_ONLY = {"tall"}  # these shapes cannot grow by more bytes


def fitting(shape, call):
    return not (shape in FULL_ONLY and (call in {"+=", "append"} or call.startswith("extend")))


CASES = [
    (shape, call) for shape in SHAPES for call in [*LOOKING, *CHANGING] if fitting(shape, call)
]


def check_sweep(shape, call, new_pool, counts):
    """Fail the call at every point, and return the number of points."""
    done, points, twin = sweep_beside_twin(call, lambda: SHAPES[shape](new_pool()), counts)
    for buf in done:
        assert tuple(buf.stats()) == tuple(twin.stats())
        assert_pool(buf.pool, [buf])
    pools = [buf.pool for buf in done]
    del buf, done
    assert {pool.stats().held for pool in pools} == {0}
    return points


@needs_testcapi
@pytest.mark.parametrize(("shape", "call"), CASES)
def test_no_memory_for_python(shape, call):
    """The pool has frames, but Python has no memory for its objects."""
    points = check_sweep(shape, {**LOOKING, **CHANGING}[call], warm_pool, pool_state)
    if call == "clear":
        assert points == 0, "clear cannot fail (I3)"


GROWING = [name for name in CHANGING if name.startswith(("write", "extend", "+=", "init"))]


@needs_testcapi
@pytest.mark.parametrize("call", GROWING)
@pytest.mark.parametrize("shape", ["empty", "hole only"])
def test_no_memory_for_the_first_region(shape, call):
    """The pool is fresh, so the call itself makes the first region."""
    assert check_sweep(shape, CHANGING[call], pagebuf.PagePool, pool_counts) > 2


def nearly_full_pool(hogs):
    """A pool with few free frames."""
    pool = pagebuf.PagePool()
    hog = filled(pool, FEW)
    while pool.stats().free > 40:
        hog.extend(bytes(PAGE))
    hogs.append(hog)
    return pool


@needs_testcapi
@pytest.mark.parametrize("at", [0, PAGE + 1, PAGE + 3, reach(2)])
def test_no_memory_for_a_further_region(at):
    data, hogs = pattern(0, 50 * PAGE, salt=4), []
    model = bytearray(pattern(0, PAGE + 3))
    plain_write(model, at, data)
    done, points = sweep(
        lambda buf: buf.write(at, data),
        lambda: filled(nearly_full_pool(hogs), PAGE + 3),
        pool_counts,
    )
    assert points > 2
    for buf in done:
        assert buf.tobytes() == model
        assert_pool(buf.pool, [buf, *(hog for hog in hogs if hog.pool is buf.pool)])


@needs_testcapi
@pytest.mark.parametrize("size", [0, 1, PAGE, reach(1) + 1])
@pytest.mark.parametrize("options", [{}, {"max_levels": 3}], ids=["plain", "keywords"])
@pytest.mark.parametrize("persistent", [False, True], ids=["once", "from there on"])
def test_no_memory_for_a_new_buffer(size, options, persistent):
    pool, data = warm_pool(), pattern(0, size)
    before, made = pool_state(pool), []
    with without_collector():
        for point in range(1, MOST_POINTS):
            last = 0 if persistent else point + 1
            make = lambda _: made.append(pagebuf.PageBuffer(data, pool=pool, **options))  # noqa: E731
            if attempt(make, None, point, last):
                break
            assert pool_state(pool) == before
            assert drawing(pool) == made == []
            pool.check()
    assert point > 1
    assert made[0].tobytes() == data
    assert_pool(pool, made)


@needs_testcapi
@pytest.mark.parametrize("shape", SHAPES)
def test_a_buffer_goes_without_memory(shape):
    """Dropping the last reference needs no memory (I3)."""
    pool = warm_pool()
    box = [SHAPES[shape](pool)]
    assert attempt(list.clear, box, 1, 0)
    assert (pool.stats().held, drawing(pool)) == (0, [])
    pool.check()


@needs_testcapi
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in FULL_ONLY])
def test_a_long_story_without_memory(shape):
    """One buffer gets all calls one after the other.  Each call first fails at every point."""
    pool = warm_pool()
    buf, twin = SHAPES[shape](pool), SHAPES[shape](pagebuf.PagePool())
    story = ["extend long", "take", "write past", "punch", "append", "truncate", "extend"]
    with without_collector():
        for name in story:
            before = buffer_state(buf), pool_state(pool)
            for point in range(1, MOST_POINTS):
                if attempt(CHANGING[name], buf, point, point + 1):
                    break
                assert (buffer_state(buf), pool_state(pool)) == before
            CHANGING[name](twin)
            assert contents(buf) == contents(twin)
            assert_pool(pool, [buf])


# ---- the pool's limit ----


def frames_of(shape, call):
    """Frames that the shape holds, the most it held while it was made, and what the call adds.
    The most is at least 1, since no pool has a limit of none."""
    pool = pagebuf.PagePool()
    buf = SHAPES[shape](pool)
    st = pool.stats()
    call(buf)
    return st.held, max(st.high_water, 1), pool.stats().held - st.held


def limited(shape, held, peak, more):
    """The shape in a pool with `more` frames left.  Small buffers hold the other frames."""
    pool = pagebuf.PagePool(limit=(peak + more) * PAGE)
    buf = SHAPES[shape](pool)
    return buf, [filled(pool, FEW, n) for n in range(peak - held)]


@pytest.mark.parametrize(
    ("shape", "call"), [case for case in CASES if case[1] in CHANGING and case[1] != "init"]
)
def test_the_limit_refuses_at_every_count(shape, call):
    """The pool refuses with too few spare frames, and never with enough.  Refused frames do not
    raise the high-water mark, and no callback is called."""
    change = CHANGING[call]
    held, peak, need = frames_of(shape, change)
    for more in range(max(0, need) + 1):
        buf, others = limited(shape, held, peak, more)
        if more < need:
            called = []
            buf.pool.on_pressure((peak + 1) / (peak + more) if more else 1.0, called.append)
            with refused(pagebuf.PoolLimitError, buf, *others):
                change(buf)
            assert (buf.pool.stats().high_water, called) == (peak, [])
        else:
            change(buf)
            assert buf.pool.stats().held == peak + need
        assert_pool(buf.pool, [buf, *others])


@pytest.mark.parametrize("shape", SHAPES)
def test_what_gives_up_frames_is_never_refused(shape):
    held, peak, _ = frames_of(shape, lambda buf: None)
    for name in ("truncate to 0", "clear", "punch", "punch far", "take 0", "take"):
        buf, others = limited(shape, held, peak, 0)
        CHANGING[name](buf)
        assert_pool(buf.pool, [buf, *others])
