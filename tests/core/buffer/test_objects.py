"""Buffers and pools as Python objects: subclasses, weak references, garbage, construction."""

from __future__ import annotations

import contextlib
import copy
import gc
import pickle
import sys
import weakref

import pytest

import pagebuf
from tests.helpers import PAGE, drawing, reach
from tests.support import SHAPES, assert_pool, filled, pattern, refused


class Named(pagebuf.PageBuffer):
    """A subclass with attributes and a constructor of its own."""

    def __init__(self, name, data=b"", **options):
        super().__init__(data, **options)
        self.name = name


class Slotted(pagebuf.PageBuffer):
    __slots__ = ("name",)


def test_repr(pool):
    buf = filled(pool, reach(1) + 1)
    assert repr(buf) == f"<pagebuf.PageBuffer size={reach(1) + 1} levels=2 at {hex(id(buf))}>"
    assert "Named" in repr(Named("x", pool=pool))
    assert " snapshot size=" in repr(buf.snapshot())


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ((1 << 20) - 1, "1048575 "),
        (1 << 20, "1048576 (1 MiB) "),
        ((1 << 40) + (1 << 39), "1649267441664 (1.5 TiB) "),
        ((1 << 50) - 1, "1125899906842623 (1023.9 TiB) "),
        (1 << 59, "576460752303423488 (512 PiB) "),
    ],
)
def test_a_size_can_be_read_in_a_repr(pool, size, text):
    buf = pagebuf.PageBuffer(pool=pool, name="disk")
    buf.truncate(size)
    assert f"'disk' size={text}levels=" in repr(buf)


def test_attributes(pool):
    buf = filled(pool, PAGE + 1)
    assert buf.pool is pool
    assert buf.frozen is False
    assert buf.nbytes == PAGE + 1
    st = buf.stats()
    assert all(type(count) is int for count in st)
    names = ["size", "pages", "nodes", "holes", "shared", "levels", "bias", "resident"]
    names += ["private", "proportional", "pinned", "runs", "lent", "mapped"]
    assert [getattr(st, name) for name in names] == list(st)


def test_truth_and_iteration_of_length(pool):
    assert not filled(pool, 0)
    assert filled(pool, 1)
    assert len(filled(pool, PAGE)) == PAGE


@pytest.mark.parametrize("make", [lambda pool: Named("x", b"abc", pool=pool)], ids=["named"])
def test_subclass_with_a_dict(pool, make):
    buf = make(pool)
    buf.colour = "red"
    buf.extend(pattern(3, PAGE))
    assert (buf.name, buf.colour, buf.tobytes()) == ("x", "red", b"abc" + pattern(3, PAGE))
    same = buf
    buf += b"!"
    assert buf is same
    assert drawing(pool) == [buf]
    assert_pool(pool, [buf])


def test_subclass_with_slots(pool):
    buf = Slotted(b"abc", pool=pool)
    buf.name = "x"
    assert (buf.name, buf[:]) == ("x", b"abc")


def test_overridden_methods_are_called(pool):
    class Shouting(pagebuf.PageBuffer):
        def extend(self, data):
            super().extend(bytes(data).upper())

    buf = Shouting(b"abc", pool=pool)
    buf.extend(b"def")
    assert buf.tobytes() == b"abcDEF"


def test_subclass_of_the_pool():
    class Labelled(pagebuf.PagePool):
        def __init__(self, label):
            super().__init__(limit=3 * PAGE)
            self.label = label

    pool = Labelled("mine")
    buf = filled(pool, 3 * PAGE)
    assert buf.pool.label == "mine"
    with refused(pagebuf.PoolLimitError, buf):
        buf.append(1)
    assert_pool(pool, [buf])


def test_weak_references(pool):
    gone = []
    buf = filled(pool, PAGE)
    ref = weakref.ref(buf, gone.append)
    proxy = weakref.proxy(buf)
    assert ref() is buf
    assert proxy.read(0, -1) == pattern(0, PAGE)
    del buf
    assert (ref(), gone, pool.stats().held) == (None, [ref], 0)
    other = pagebuf.PagePool()
    ref = weakref.ref(other)
    del other
    assert ref() is None


@pytest.mark.parametrize("shape", SHAPES)
def test_the_last_reference_gives_the_frames_back(pool, shape):
    buf = SHAPES[shape](pool)
    assert pool.stats().held == buf.stats().pages + buf.stats().nodes
    del buf
    assert (pool.stats().held, pool.stats().nodes, drawing(pool)) == (0, 0, [])
    pool.check()


def test_a_buffer_in_a_garbage_cycle(pool):
    buf = Named("loop", pattern(0, 3 * PAGE), pool=pool)
    buf.me = buf
    ref = weakref.ref(buf)
    del buf
    assert pool.stats().held == 3
    gc.collect()
    assert ref() is None
    assert pool.stats().held == 0


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_pool_and_buffers_in_one_garbage_cycle(order):
    """The collector may clear them in any order.  The regions go last."""

    class Pool(pagebuf.PagePool):
        pass

    pool = Pool()
    bufs = [Named(str(n), pattern(0, reach(1) + PAGE, n), pool=pool) for n in range(3)]
    refs = [weakref.ref(thing) for thing in (pool, *bufs)]
    pool.bufs = bufs
    for buf in bufs:
        buf.all = [pool, *bufs]
        if order & 1:
            buf.all.reverse()
    if order & 2:
        gc.collect(0)
        gc.collect(1)
    del pool, bufs, buf
    gc.collect()
    assert [ref() for ref in refs] == [None] * 4


def test_an_error_kept_with_its_traceback():
    """The traceback refers to the frame, and the frame to pool and buffer: one large cycle."""

    def fail():
        pool = pagebuf.PagePool(limit=2 * PAGE)
        buf = filled(pool, 2 * PAGE)
        try:
            buf.append(1)
        except MemoryError as error:
            kept = error
        return weakref.ref(buf), kept is not None

    ref, failed = fail()
    assert failed
    gc.collect()
    assert ref() is None


def test_the_collector_sees_the_pool_of_a_buffer():
    """A pool and a buffer that refer to each other are garbage when nothing else refers to them."""

    class Pool(pagebuf.PagePool):
        pass

    pool = Pool()
    pool.buf = pagebuf.PageBuffer(pattern(0, PAGE), pool=pool)
    ref = weakref.ref(pool)
    del pool
    gc.collect()
    assert ref() is None


VIEWS = {
    "live": lambda buf: buf.view(0, 1),
    "live runs": lambda buf: buf.views(0, PAGE + 1),
    "stable": lambda buf: buf.view(0, PAGE, writable=False),
    "stable runs": lambda buf: buf.views(0, PAGE + 1, writable=False),
    "a queue's": lambda buf: pagebuf.ByteQueue(pool=buf.pool).reserve(PAGE),
    "exported": memoryview,
    "two exported": lambda buf: (memoryview(buf), memoryview(buf)),
    "exported by a snapshot": lambda buf: memoryview(buf.snapshot()),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_collector_sees_the_pool_of_a_view(name):
    """The collector sees a cycle through a pressure callback and a view of the pool's own
    buffer."""

    class Cache:
        def __init__(self):
            self.pool = pagebuf.PagePool(limit=64 * PAGE)
            self.buf = filled(self.pool, 8 * PAGE)
            self.view = VIEWS[name](self.buf)
            self.pool.on_pressure(0.5, self.evict)

        def evict(self):
            self.buf.clear()

    cache = Cache()
    refs = [weakref.ref(cache), weakref.ref(cache.pool)]
    gc.collect()
    assert cache.buf[0] == cache.buf.read(0, 1)[0]
    del cache
    gc.collect()
    assert [ref() for ref in refs] == [None] * 2


@pytest.mark.parametrize("anew", [False, True], ids=["its pool", "another pool"])
def test_a_view_keeps_its_pool_from_the_collector(anew):
    """The view keeps its pool even if `__init__` has given the buffer another one."""

    class Pool(pagebuf.PagePool):
        pass

    pool = Pool()
    pool.me = pool
    ref = weakref.ref(pool)
    buf = filled(pool, 2 * PAGE)
    before = bytes(buf)
    view = memoryview(buf)
    if anew:
        buf.__init__(b"new", pool=pagebuf.PagePool())
    del pool
    gc.collect()
    assert ref().me is ref()
    assert view == before
    del view, buf
    gc.collect()
    assert ref() is None


def test_a_finaliser_that_uses_the_buffer(pool):
    said = []

    class Last(pagebuf.PageBuffer):
        def __del__(self):
            self.extend(b"!")
            said.append(self.tobytes())

    buf = Last(pattern(0, PAGE), pool=pool)
    del buf
    assert said == [pattern(0, PAGE) + b"!"]
    assert pool.stats().held == 0
    buf = Last(b"loop", pool=pool)
    buf.me = buf
    del buf
    gc.collect()
    assert said[1:] == [b"loop!"]
    assert pool.stats().held == 0


def test_a_finaliser_that_brings_the_buffer_back(pool):
    saved = []

    class Undead(pagebuf.PageBuffer):
        def __del__(self):
            saved.append(self)

    buf = Undead(pattern(0, 3 * PAGE), pool=pool)
    del buf
    assert saved[0].tobytes() == pattern(0, 3 * PAGE)
    assert drawing(pool) == saved
    saved[0].extend(b"more")
    assert_pool(pool, saved)
    saved.clear()
    assert pool.stats().held == 0


def test_a_buffer_that_was_never_initialised(pool):
    """`__new__` alone makes an empty buffer on the default pool, not a crash."""
    del pool
    for cls in (pagebuf.PageBuffer, Named, Slotted):
        buf = cls.__new__(cls)
        assert (len(buf), buf.tobytes(), buf.extents(), buf.levels) == (0, b"", [], 1)
        assert buf.pool is pagebuf.default_pool()
        buf.check()
        buf.extend(pattern(0, PAGE + 1))
        buf.write(3 * PAGE, b"x")
        assert buf.take_bytes(PAGE) == pattern(0, PAGE)
        assert "size" in repr(buf)
        buf.clear()


def test_a_pool_that_was_never_initialised():
    pool = pagebuf.PagePool.__new__(pagebuf.PagePool)
    try:
        st = pool.stats()
    except (AttributeError, ValueError, RuntimeError):
        return
    assert st.held == 0
    pool.check()
    buf = pagebuf.PageBuffer(pattern(0, 3 * PAGE), pool=pool)
    assert buf.tobytes() == pattern(0, 3 * PAGE)


def test_a_constructor_that_skips_its_base(pool):
    class Lazy(pagebuf.PageBuffer):
        def __init__(self, *args, **kwargs):
            pass

    buf = Lazy(b"ignored", pool=pool)
    assert len(buf) == 0
    buf.extend(b"abc")
    assert buf.tobytes() == b"abc"


def test_init_again_begins_anew(pool):
    buf = filled(pool, reach(1) + PAGE)
    buf.__init__(b"abc", pool=pool)
    assert buf.tobytes() == b"abc"
    assert_pool(pool, [buf])
    other = pagebuf.PagePool()
    buf.__init__(pattern(0, 3 * PAGE), pool=other, max_levels=1)
    assert (buf.pool is other, buf.capacity, pool.stats().held) == (True, reach(1), 0)
    assert_pool(pool, [])
    assert_pool(other, [buf])
    buf.__init__()
    assert len(buf) == 0
    assert other.stats().held == 0


def test_init_again_with_bad_input_changes_nothing(pool):
    buf = filled(pool, PAGE + 1)
    for call in (
        lambda: buf.__init__("text", pool=pool),
        lambda: buf.__init__(5),
        lambda: buf.__init__(b"x", pool=5),
        lambda: buf.__init__(b"x", max_levels="1"),
    ):
        with refused(TypeError, buf):
            call()
    with refused(ValueError, buf):
        buf.__init__(b"x", max_levels=0)
    with refused(pagebuf.CapacityError, buf):
        buf.__init__(bytes(reach(1) + 1), max_levels=1)


def test_the_limit_of_a_pool_in_use_stays(pool):
    """Calling the constructor of a pool again does not lose its buffers."""
    buf = filled(pool, 3 * PAGE)
    with contextlib.suppress(TypeError, RuntimeError, ValueError):
        pool.__init__()
    assert buf.tobytes() == pattern(0, 3 * PAGE)
    assert_pool(pool, [buf])


def test_no_copy_that_lost_its_bytes(pool):
    for buf in (filled(pool, PAGE + 1), Named("x", pattern(0, PAGE + 1), pool=pool)):
        for make in (copy.copy, copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))):
            assert make(buf).tobytes() == buf.tobytes()
            assert type(make(buf)) is type(buf)
            assert make(buf).__dict__ == buf.__dict__ if isinstance(buf, Named) else True


def test_getsizeof_is_what_is_resident(pool):
    empty = sys.getsizeof(pagebuf.PageBuffer(pool=pool))
    buf = filled(pool, 3 * pagebuf.FANOUT * PAGE + 5)
    buf.resize(9 * pagebuf.FANOUT * PAGE)
    whole = sys.getsizeof(buf)
    assert whole == empty + buf.stats().resident > empty + 3 * pagebuf.FANOUT * PAGE
    buf.punch(0, pagebuf.FANOUT * PAGE)
    assert sys.getsizeof(buf) == empty + buf.stats().resident <= whole - pagebuf.FANOUT * PAGE
    assert sys.getsizeof(buf.snapshot()) == sys.getsizeof(buf)
    source = bytes(9 * pagebuf.FANOUT * PAGE)
    mapped = pagebuf.PageBuffer.map(source, pool=pool)
    assert sys.getsizeof(mapped) == empty + mapped.stats().resident < len(source)
    mapped.write(0, b"1")
    assert sys.getsizeof(mapped) == empty + mapped.stats().resident
    del mapped


def test_an_empty_buffer_is_small(pool):
    assert sys.getsizeof(pagebuf.PageBuffer(pool=pool)) <= 512


def test_comparison_is_identity_or_bytes(pool):
    """A buffer equals itself.  It differs from buffers and bytes with other contents."""
    buf, other = filled(pool, 3), filled(pool, 4)
    assert buf == buf
    assert buf != other
    assert buf != b"abcd"


def test_subscript_of_dead_subclass_module(pool):
    """A subclass goes when its last instance goes."""
    cls = type("Brief", (pagebuf.PageBuffer,), {})
    ref = weakref.ref(cls)
    buf = cls(pattern(0, PAGE), pool=pool)
    del cls
    gc.collect()
    assert type(buf).__name__ == "Brief"
    del buf
    gc.collect()
    assert ref() is None


def test_a_name_goes_with_its_buffer():
    """The next buffer, usually at the same address, has no name."""
    pool = pagebuf.PagePool()
    for n in range(50):
        buf = pagebuf.PageBuffer(pool=pool, name=f"number {n}")
        assert buf.name == f"number {n}"
        del buf
        buf = pagebuf.PageBuffer(pool=pool)
        assert buf.name is None
        del buf


def test_beginning_anew_takes_the_new_name(pool):
    buf = pagebuf.PageBuffer(pool=pool, name="old")
    copy = buf.snapshot()
    buf.__init__(b"x", name="new")
    assert (buf.name, copy.name) == ("new", "old")
    with pytest.raises(TypeError):
        buf.__init__(5, name="neither")
    assert buf.name == "new"
    buf.__init__(b"y")
    assert buf.name is None


@pytest.mark.parametrize("call", ["snapshot", "clone"])
def test_a_copy_by_a_name_of_its_own(pool, call):
    buf = pagebuf.PageBuffer(pattern(0, 3 * PAGE), pool=pool, name="log")
    copy = getattr(buf, call)
    assert copy().name == copy(name=None).name == "log"
    assert (copy(name="yesterday").name, buf.name) == ("yesterday", "log")
    assert copy(name="yesterday") == buf
    with pytest.raises(TypeError, match="name must be a str or None, not int"):
        copy(name=5)
    with pytest.raises(TypeError, match=f"{call}.. got an unexpected keyword argument 'names'"):
        copy(names="x")
    with pytest.raises(TypeError, match=f"{call}.. takes exactly 0 arguments"):
        copy("x")
