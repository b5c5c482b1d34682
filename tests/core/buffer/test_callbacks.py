"""I6: code of the caller (`__index__`, `__buffer__`, `__release_buffer__`) runs in the middle of a
call and changes the same buffer.  The call then acts on the new state, or raises.  It never uses
what it read before."""

from __future__ import annotations

import sys
import weakref

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.sly import Sly, WrongError, wrong
from tests.support import FREE_THREADED, assert_pool, filled, pattern, unchanged, written

SIZE = reach(1) + PAGE + 3
ACTIONS = {
    "clear": lambda buf: buf.clear(),
    "truncate": lambda buf: buf.truncate(3),
    "stretch": lambda buf: buf.truncate(reach(2) + 1),
    "extend": lambda buf: buf.extend(pattern(0, 3 * PAGE, salt=1)),
    "write": lambda buf: buf.write(PAGE - 1, pattern(0, PAGE, salt=1)),
    "write far": lambda buf: buf.write(reach(2), pattern(0, 3, salt=1)),
    "punch": lambda buf: buf.punch(0, 3 * PAGE),
    "take": lambda buf: buf.take_bytes(PAGE + 1),
    "take all": lambda buf: buf.take_bytes(),
    "init": lambda buf: buf.__init__(pattern(0, 5, salt=2), pool=buf.pool),
    "trim": lambda buf: buf.pool.trim(),
}
NUMBERS = {
    "read": lambda buf, n: buf.read(n(PAGE - 1), PAGE),
    "read size": lambda buf, n: buf.read(PAGE - 1, n(PAGE)),
    "readinto": lambda buf, n: _readinto(buf, n(PAGE - 1)),
    "write": lambda buf, n: buf.write(n(PAGE - 1), pattern(7, PAGE, salt=3)),
    "append": lambda buf, n: buf.append(n(7)),
    "truncate": lambda buf, n: buf.truncate(n(PAGE + 2)),
    "truncate up": lambda buf, n: buf.truncate(n(reach(2))),
    "punch": lambda buf, n: buf.punch(n(PAGE - 1), PAGE),
    "punch size": lambda buf, n: buf.punch(1, n(2 * PAGE)),
    "take_bytes": lambda buf, n: buf.take_bytes(n(2)),
    "take_bytes back": lambda buf, n: buf.take_bytes(n(-2)),
    "index": lambda buf, n: buf[n(1)],
    "index back": lambda buf, n: buf[n(-1)],
    "slice": lambda buf, n: buf[n(1) : n(2 * PAGE)],
    "slice step": lambda buf, n: buf[1 : 2 * PAGE : n(3)],
    "slice back": lambda buf, n: buf[n(-1) : n(-PAGE) : n(-1)],
    "walk": lambda buf, n: buf.walk(n(PAGE))[:3],
    "max_levels": lambda buf, n: len(pagebuf.PageBuffer(b"x", pool=buf.pool, max_levels=n(2))),
}


def _readinto(buf, at):
    target = bytearray(PAGE)
    return buf.readinto(at, target), bytes(target)


def outcome(call):
    try:
        return call()
    except (IndexError, ValueError, OverflowError) as error:
        return type(error)


def assert_alike(buf, model):
    assert (len(buf), buf.extents()) == (len(model), model.extents())
    assert buf[: reach(1) + 6 * PAGE] == model[: reach(1) + 6 * PAGE]
    buf.check()
    buf.pool.check()


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("call", NUMBERS)
def test_numbers_that_change_the_buffer(pool, call, action):
    """The result is the same as if the action came first, and then the call with plain numbers."""
    model, buf = filled(pool, SIZE), filled(pool, SIZE)
    ACTIONS[action](model)
    wanted = outcome(lambda: NUMBERS[call](model, lambda value: value))
    acted = []

    def act():
        if not acted:
            acted.append(True)
            ACTIONS[action](buf)

    assert outcome(lambda: NUMBERS[call](buf, lambda value: Sly(value, act))) == wanted
    assert acted
    assert_alike(buf, model)


@pytest.mark.parametrize("call", NUMBERS)
def test_numbers_that_raise(pool, call):
    buf = filled(pool, SIZE)
    with unchanged(buf), pytest.raises(WrongError) as info:
        NUMBERS[call](buf, lambda value: Sly(value, wrong))
    del info


@pytest.mark.parametrize("call", NUMBERS)
@pytest.mark.parametrize("bad", ["1", 1.0, None])
def test_numbers_that_are_none_after_all(pool, call, bad):
    buf = filled(pool, SIZE)
    with unchanged(buf), pytest.raises(TypeError):
        NUMBERS[call](buf, lambda value: Sly(bad, lambda: None))


def test_numbers_that_drop_the_last_reference(pool):
    """A call keeps its buffer alive."""
    for call in NUMBERS.values():
        box = [filled(pool, SIZE)]
        outcome(lambda box=box, call=call: call(box[0], lambda value: Sly(value, box.clear)))
    pool.check()


# ---- sources and targets with a `__buffer__` in Python ----

needs_buffer = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="__buffer__ in Python came with 3.12 (PEP 688)"
)
SOURCE = pattern(0, 2 * PAGE + 1, salt=4)
SOURCES = {
    "write": lambda buf, data: buf.write(PAGE - 1, data),
    "write far": lambda buf, data: buf.write(reach(2) + 1, data),
    "extend": lambda buf, data: buf.extend(data),
    "+=": lambda buf, data: len(buf.__iadd__(data)),
}


class SlySource:
    """An exporter that calls functions when its bytes are requested and released."""

    def __init__(self, data, on_get=None, on_release=None):
        self.data, self.on_get, self.on_release = data, on_get, on_release
        self.gets = self.releases = 0

    def __buffer__(self, flags):
        self.gets += 1
        if self.on_get:
            self.on_get()
        return memoryview(self.data)

    def __release_buffer__(self, view):
        self.releases += 1
        if self.on_release:
            self.on_release()
        view.release()


@needs_buffer
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("call", SOURCES)
def test_sources_that_change_the_buffer(pool, call, action):
    model, buf = filled(pool, SIZE), filled(pool, SIZE)
    ACTIONS[action](model)
    wanted = outcome(lambda: SOURCES[call](model, SOURCE))
    source = SlySource(SOURCE, on_get=lambda: ACTIONS[action](buf))
    assert outcome(lambda: SOURCES[call](buf, source)) == wanted
    assert (source.gets, source.releases) == (1, 1), "asked for once, given back once"
    assert_alike(buf, model)


@needs_buffer
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("call", SOURCES)
def test_sources_that_change_the_buffer_when_given_back(pool, call, action):
    model, buf = filled(pool, SIZE), filled(pool, SIZE)
    wanted = outcome(lambda: SOURCES[call](model, SOURCE))
    ACTIONS[action](model)
    source = SlySource(SOURCE, on_release=lambda: ACTIONS[action](buf))
    got = outcome(lambda: SOURCES[call](buf, source))
    if call != "+=":  # returns the length, which the action has changed
        assert got == wanted
    assert source.releases == 1
    assert_alike(buf, model)


@needs_buffer
@pytest.mark.parametrize("action", ACTIONS)
def test_targets_that_change_the_buffer(pool, action):
    model, buf = filled(pool, SIZE), filled(pool, SIZE)
    ACTIONS[action](model)
    want, got = bytearray(2 * PAGE), bytearray(2 * PAGE)
    size = model.readinto(1, want)
    target = SlySource(got, on_get=lambda: ACTIONS[action](buf))
    assert buf.readinto(1, target) == size
    assert got == want
    assert (target.gets, target.releases) == (1, 1)
    buf.check()


@needs_buffer
@pytest.mark.parametrize("call", SOURCES)
def test_sources_that_raise(pool, call):
    buf = filled(pool, SIZE)
    with unchanged(buf), pytest.raises(WrongError) as info:
        SOURCES[call](buf, SlySource(b"x" * PAGE, on_get=wrong))
    del info


@needs_buffer
def test_a_source_given_back_after_a_refusal():
    buf = filled(pagebuf.PagePool(limit=2 * PAGE), PAGE)
    for call in SOURCES.values():
        source = SlySource(pattern(0, 4 * PAGE))
        with unchanged(buf), pytest.raises(pagebuf.PoolLimitError):
            call(buf, source)
        assert (source.gets, source.releases) == (1, 1)


@needs_buffer
def test_a_source_that_constructs_and_fills_other_buffers(pool):
    others = []
    source = SlySource(
        pattern(0, 3 * PAGE), on_get=lambda: others.append(filled(pool, 5 * PAGE, salt=5))
    )
    buf = pagebuf.PageBuffer(source, pool=pool)
    buf.extend(source)
    assert buf.tobytes() == pattern(0, 3 * PAGE) * 2
    assert [other.tobytes() for other in others] == [pattern(0, 5 * PAGE, salt=5)] * 2
    assert_pool(pool, [buf, *others])


# ---- the pool asks Python for a region in the middle of a call ----


class BusyPool(pagebuf.PagePool):
    """Calls `act` each time before it makes a region."""

    act = staticmethod(lambda: None)

    def _new_region(self, *args, **kwargs):
        type(self).act()
        return super()._new_region(*args, **kwargs)


def _outgrow(buf):
    """Data that needs more pages than the pool has free."""
    return pattern(0, (buf.pool.stats().free + 3) * PAGE + len(buf), salt=6)


GROWING = {
    "write": lambda buf, data: buf.write(PAGE - 1, data),
    "write far": lambda buf, data: buf.write(reach(2) + 1, data),
    "extend": lambda buf, data: buf.extend(data),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("call", GROWING)
def test_a_region_that_changes_the_buffer(call, action):
    pool = BusyPool()
    model, buf = filled(pagebuf.PagePool(), SIZE), filled(pool, SIZE)
    data, acted = _outgrow(buf), []

    def act():
        if not acted:
            acted.append(True)
            ACTIONS[action](buf)

    BusyPool.act = staticmethod(act)
    try:
        GROWING[call](buf, data)
    finally:
        BusyPool.act = staticmethod(lambda: None)
    ACTIONS[action](model)
    GROWING[call](model, data)
    assert acted
    assert (len(buf), buf.extents()) == (len(model), model.extents())
    if len(buf) < 1 << 26:
        assert buf.tobytes() == model.tobytes()
    assert_pool(pool, [buf])


def test_a_region_that_costs_the_pool_its_last_reference():
    """The buffer moves to another pool while the old one makes a region for it.  A mistake here
    shows under the sanitizers (`make sanitize`)."""
    pool, other = BusyPool(), pagebuf.PagePool()
    buf = filled(pool, SIZE)
    data, gone = _outgrow(buf), weakref.ref(pool)
    del pool

    def act():
        BusyPool.act = staticmethod(lambda: None)
        buf.__init__(b"", pool=other)

    BusyPool.act = staticmethod(act)
    buf.extend(data)
    assert buf.pool is other
    assert buf.tobytes() == data
    assert (gone() is not None) == FREE_THREADED  # there a buffer keeps the pools that it leaves
    assert_pool(other, [buf])


def test_a_region_taken_by_somebody_else():
    """Another buffer takes the new region's frames before the call that needed them can."""
    pool = BusyPool()
    buf, hog, turns = filled(pool, 3), pagebuf.PageBuffer(pool=pool), []

    def act():
        turns.append(True)
        if len(turns) in (1, 3):
            hog.extend(_outgrow(hog))

    data = _outgrow(buf)
    BusyPool.act = staticmethod(act)
    try:
        buf.extend(data)
    finally:
        BusyPool.act = staticmethod(lambda: None)
    assert buf.tobytes() == pattern(0, 3) + data
    assert_pool(pool, [buf, hog])
    written(3 + len(data)).assert_shape(buf)
