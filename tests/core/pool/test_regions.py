"""Regions: how the pool makes them in Python, and what happens when it cannot."""

from __future__ import annotations

import mmap
import os

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.support import FEW, SHAPES, assert_pool, filled, pattern, refused, run_script


class Exhausted(pagebuf.PagePool):
    """Makes regions until `error` is set, as if the system had no more memory."""

    error: BaseException | None = None
    asked = 0

    def _new_region(self, *args, **kwargs):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return super()._new_region(*args, **kwargs)


def too_much(pool):
    return pattern(0, (pool.stats().free + 8) * PAGE, salt=3)


CALLS = {
    "write": lambda buf, data: buf.write(PAGE // 2, data + bytes(len(buf))),
    "write far": lambda buf, data: buf.write(reach(2) + PAGE, data),
    "extend": lambda buf, data: buf.extend(data),
    "+=": lambda buf, data: buf.__iadd__(data),
}


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "tall"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", [MemoryError, OSError], ids=lambda error: error.__name__)
def test_no_more_regions(shape, call, error):
    pool = Exhausted()
    other = filled(pool, FEW, salt=9)
    buf = SHAPES[shape](pool)
    data = too_much(pool)
    pool.error = error("no more")
    asked = pool.asked
    with refused(MemoryError, buf, other):
        CALLS[call](buf, data)
    assert pool.asked > asked
    pool.error = None
    twin = SHAPES[shape](pagebuf.PagePool())
    for each in (buf, twin):
        CALLS[call](each, data)
    assert buf.extents() == twin.extents()
    assert buf.tobytes() == twin.tobytes()
    assert other.tobytes() == pattern(0, FEW, salt=9)
    assert_pool(pool, [buf, other])


def test_no_region_at_all():
    pool = Exhausted()
    pool.error = MemoryError("none")
    buf = pagebuf.PageBuffer(pool=pool)
    for call in (
        lambda: buf.extend(pattern(0, FEW)),
        lambda: buf.write(0, pattern(0, FEW)),
        lambda: buf.write(reach(2), b"x"),
    ):
        with refused(MemoryError, buf):
            call()
    with pytest.raises(MemoryError) as info:
        pagebuf.PageBuffer(pattern(0, FEW), pool=pool)
    del info
    buf.truncate(reach(pagebuf.MAX_LEVELS))
    buf.punch(0, reach(2))
    assert buf.read(1 << 40, 5) == bytes(5)
    assert buf.extents() == []
    buf.clear()
    assert_pool(pool, [buf])
    pool.error = None
    buf.extend(b"x")
    assert buf.tobytes() == b"x"


def test_calls_that_need_no_region_work_without_one():
    pool = Exhausted()
    buf = filled(pool, reach(1) + 3 * PAGE)
    pool.error = MemoryError("no more")
    asked = pool.asked
    buf.write(1, pattern(9, reach(1)))
    buf.punch(PAGE, 3 * PAGE + 1)
    buf.take_bytes(PAGE // 2)
    buf.truncate(reach(1) - PAGE)
    buf.extend(pattern(0, PAGE))
    buf.clear()
    assert pool.asked == asked
    pool.trim()
    buf.extend(pattern(0, PAGE))
    assert buf.tobytes() == pattern(0, PAGE)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, RecursionError])
def test_any_error_of_the_region_maker_comes_through(error):
    pool = Exhausted()
    buf = filled(pool, reach(1) + 1)
    data = too_much(pool)
    pool.error = error("from _new_region")
    with refused(error, buf):
        buf.extend(data)
    pool.error = None
    buf.extend(data)
    assert buf.tobytes() == pattern(0, reach(1) + 1) + data


@pytest.mark.parametrize(
    "make",
    [
        lambda size: None,
        lambda size: 5,
        lambda size: b"read only" * size,
        lambda size: bytearray(1),
        lambda size: mmap.mmap(-1, 1),
        lambda size: "text",
    ],
    ids=["None", "int", "read-only", "short", "short map", "str"],
)
def test_a_region_maker_that_returns_nonsense(make):
    class Mad(pagebuf.PagePool):
        def _new_region(self, *args, **kwargs):
            return make(max(args, default=1))

    buf = pagebuf.PageBuffer(pool=Mad())
    for call in (lambda: buf.extend(pattern(0, FEW)), lambda: buf.write(reach(2), b"x")):
        with refused((TypeError, ValueError, BufferError, MemoryError), buf):
            call()


def test_a_patched_pool(monkeypatch):
    """A plain PagePool looks up `_new_region` at each call, so a patch works."""

    def none(self, *args, **kwargs):
        raise MemoryError("patched")

    pool = pagebuf.PagePool()
    buf = filled(pool, PAGE)
    data = too_much(pool)
    with monkeypatch.context() as patch:
        patch.setattr(pagebuf.PagePool, "_new_region", none)
        with refused(MemoryError, buf):
            buf.extend(data)
    buf.extend(data)
    assert buf.tobytes() == pattern(0, PAGE) + data


def test_a_smaller_region_when_a_large_one_is_refused():
    """The pool needs only single pages.  When a large region is refused, it makes a smaller one."""

    class Tight(pagebuf.PagePool):
        most = None

        def _new_region(self, size, *args, **kwargs):
            if self.most is not None and size > self.most:
                raise MemoryError("too large")
            return super()._new_region(size, *args, **kwargs)

    pool = Tight()
    buf = filled(pool, PAGE)
    total = pool.stats().total
    pool.most = total * PAGE // 2
    while pool.stats().total == total:
        buf.extend(pattern(len(buf), PAGE))
    assert buf.tobytes() == pattern(0, len(buf))
    assert pool.stats().total < 2 * total
    assert_pool(pool, [buf])


def test_many_regions(pool):
    """All bytes come back from many regions, so the addresses in each of them are right."""
    buf = pagebuf.PageBuffer(pool=pool)
    at = 0
    while pool.stats().regions < (4 if PAGE == 4096 else 6):
        buf.extend(pattern(at, 100 * PAGE))
        at += 100 * PAGE
    assert buf.tobytes() == pattern(0, at)
    st = pool.stats()
    assert st.total >= st.held
    assert_pool(pool, [buf])


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_pages_on_both_sides_of_a_regions_end(pool, left):
    """Frame numbers continue from one region to the next, but addresses do not, so a run ends
    there."""
    keep = [filled(pool, FEW)]
    while pool.stats().free > left:
        keep.append(filled(pool, FEW, len(keep)))
    buf = filled(pool, 4 * PAGE, salt=77)  # no node, which would lie between the pages
    assert pool.stats().regions == 2
    assert buf.tobytes() == pattern(0, 4 * PAGE, salt=77)
    buf.write(1, pattern(1, 4 * PAGE - 2, salt=78))
    model = pattern(0, 1, 77) + pattern(1, 4 * PAGE - 2, 78) + pattern(4 * PAGE - 1, 1, 77)
    assert buf.tobytes() == buf.read(0, 4 * PAGE) == buf[::1] == model
    assert [small.tobytes() for small in keep] == [pattern(0, FEW, n) for n in range(len(keep))]
    assert_pool(pool, [*keep, buf])


def test_neighbours_by_number_only(pool):
    """In a buffer, the first frame of one region follows the last frame of another."""
    keep = []

    def use_up():
        while pool.stats().free > 2:
            keep.append(filled(pool, FEW, len(keep)))

    one = filled(pool, FEW)
    use_up()
    first = filled(pool, 4 * PAGE)  # the first frames of the second region
    use_up()
    buf = filled(pool, 2 * PAGE, salt=77)  # the last ones of the first region
    first.clear()
    buf.extend(pattern(2 * PAGE, 2 * PAGE, salt=77))
    assert buf.tobytes() == pattern(0, 4 * PAGE, salt=77)
    buf.write(1, pattern(1, 4 * PAGE - 2, salt=78))
    assert buf[1:-1] == pattern(1, 4 * PAGE - 2, salt=78)
    assert [small.tobytes() for small in keep] == [pattern(0, FEW, n) for n in range(len(keep))]
    assert_pool(pool, [*keep, one, first, buf])


def test_regions_are_private_and_anonymous(pool):
    region = pool._new_region(mmap.PAGESIZE)
    assert isinstance(region, mmap.mmap)
    assert region[:] == bytes(len(region))


FORK = """
    import os, sys
    import pagebuf
    from tests.support import filled, pattern, assert_pool
    from tests.helpers import PAGE

    pool = pagebuf.PagePool()
    buf, other = filled(pool, 9 * PAGE + 1), filled(pool, 5 * PAGE, salt=1)
    buf.punch(2 * PAGE, PAGE)
    before = buf.tobytes()
    to_child, from_parent = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.read(to_child, 1)          # the parent has written by now
            assert buf.tobytes() == before, "the child saw what the parent wrote"
            buf.write(0, pattern(0, 12 * PAGE, salt=5))
            other.clear()
            filled(pool, 40 * PAGE, salt=6)
            assert buf.tobytes() == pattern(0, 12 * PAGE, salt=5)
            assert_pool(pool, [buf, other])
            pool.trim()
            code = 0
        finally:
            os._exit(code)
    buf.write(5, pattern(0, PAGE, salt=7))
    more = filled(pool, 30 * PAGE, salt=8)
    os.write(from_parent, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert buf.tobytes() == before[:5] + pattern(0, PAGE, salt=7) + before[5 + PAGE:]
    assert other.tobytes() == pattern(0, 5 * PAGE, salt=1)
    assert more.tobytes() == pattern(0, 30 * PAGE, salt=8)
    assert_pool(pool, [buf, other, more])
    print("both are right")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_memory_of_its_own():
    assert run_script(FORK) == "both are right\n"


def test_trim_then_no_more_regions():
    pool = Exhausted()
    buf = filled(pool, 200 * PAGE)
    keep = filled(pool, 3 * PAGE, salt=1)
    buf.clear()
    pool.trim()
    pool.error = MemoryError("no more")
    buf.extend(pattern(0, 150 * PAGE))
    assert buf.tobytes() == pattern(0, 150 * PAGE)
    assert keep.tobytes() == pattern(0, 3 * PAGE, salt=1)
    assert_pool(pool, [buf, keep])
