"""I6: code of the caller (`__index__`, `__iter__`, `__next__`, `__buffer__`) runs in the middle of
a container's call and changes the same buffer.  The call then acts on the new state, as if the
caller's code had run first."""

from __future__ import annotations

import sys

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.sly import Sly, WrongError, wrong
from tests.support import filled, pattern, unchanged

SIZE = reach(1) + PAGE + 3
ACTIONS = {
    "clear": lambda buf: buf.clear(),
    "truncate": lambda buf: buf.truncate(3),
    "grow": lambda buf: buf.extend(pattern(0, 3 * PAGE, salt=1)),
    "stretch": lambda buf: buf.truncate(reach(1) + 9 * PAGE),
    "write": lambda buf: buf.write(PAGE - 1, pattern(0, PAGE, salt=1)),
    "take": lambda buf: buf.take_bytes(PAGE + 1),
    "delete": lambda buf: buf.__delitem__(slice(PAGE, None)),
    "insert": lambda buf: buf.insert(1, 200),
    "copy": lambda buf: buf.copy().clear(),
    "init": lambda buf: buf.__init__(pattern(0, 5, salt=2), pool=buf.pool),
}


class SlyIterable(Sly):
    """Calls its function before it gives the first int."""

    __index__ = None

    def __iter__(self):
        self.act()
        return iter(self.value)


class SlyIterator(Sly):
    """Calls its function in the middle of the ints."""

    __index__ = None

    def __iter__(self):
        yield from self.value[:2]
        self.act()
        yield from self.value[2:]


class SlyItems(Sly):
    """The conversion of its last int calls the function."""

    __index__ = None

    def __iter__(self):
        yield from self.value[:-1]
        yield Sly(self.value[-1], self.act)


class SlyBuffer(Sly):
    __index__ = None

    def __buffer__(self, flags):
        self.act()
        return memoryview(self.value)


NUMBERS = {
    "set item": lambda buf, n: buf.__setitem__(n(PAGE), 7),
    "set item back": lambda buf, n: buf.__setitem__(n(-1), 7),
    "set value": lambda buf, n: buf.__setitem__(PAGE, n(7)),
    "delete item": lambda buf, n: buf.__delitem__(n(2)),
    "delete slice": lambda buf, n: buf.__delitem__(slice(n(1), n(2 * PAGE))),
    "delete step": lambda buf, n: buf.__delitem__(slice(n(-1), n(1), n(-3))),
    "set slice": lambda buf, n: buf.__setitem__(slice(n(1), n(2 * PAGE)), b"abc"),
    "set step": lambda buf, n: buf.__setitem__(slice(0, 6, n(2)), b"abc"),
    "append": lambda buf, n: buf.append(n(7)),
    "insert": lambda buf, n: buf.insert(n(PAGE), 7),
    "insert value": lambda buf, n: buf.insert(-1, n(7)),
    "pop": lambda buf, n: buf.pop(n(1)),
    "pop back": lambda buf, n: buf.pop(n(-2)),
    "remove": lambda buf, n: buf.remove(n(pattern(1, 1)[0])),
    "resize": lambda buf, n: buf.resize(n(PAGE + 2)),
    "find": lambda buf, n: buf.find(n(pattern(PAGE, 1)[0]), n(1), n(-1)),
    "rfind": lambda buf, n: buf.rfind(pattern(PAGE, 2), n(1), n(-1)),
    "count": lambda buf, n: buf.count(n(7), n(0), n(PAGE)),
    "index": lambda buf, n: buf.index(pattern(PAGE, 1), n(-SIZE)),
    "startswith": lambda buf, n: buf.startswith(pattern(PAGE, 3), n(PAGE), n(-1)),
    "endswith": lambda buf, n: buf.endswith(pattern(0, 2), n(0), n(2)),
    "in": lambda buf, n: n(pattern(PAGE, 1)[0]) in buf,
}
BYTES = bytes(range(10, 16))
TAKES_BYTES = {
    "set slice": lambda buf, data: buf.__setitem__(slice(1, PAGE + 1), data),
    "set slice back": lambda buf, data: buf.__setitem__(slice(-3, None), data),
    "set step": lambda buf, data: buf.__setitem__(slice(0, 12, 2), data),
    "extend": lambda buf, data: buf.extend(data),
    "init": lambda buf, data: buf.__init__(data, pool=buf.pool),
}
TAKES_BUFFERS = TAKES_BYTES | {
    "+=": lambda buf, data: buf.__iadd__(data) is buf,
    "find": lambda buf, data: buf.find(data),
    "count": lambda buf, data: buf.count(data, 1, -1),
    "startswith": lambda buf, data: buf.startswith((b"x", data)),
    "in": lambda buf, data: data in buf,
    "==": lambda buf, data: buf == data,
    "<": lambda buf, data: buf < data,
}
ITERABLES = [SlyIterable, SlyIterator, SlyItems]


def outcome(call, *args):
    try:
        return call(*args)
    except (IndexError, ValueError) as error:
        return type(error)


def once(act):
    done = []

    def acting():
        if not done:
            done.append(True)
            act()

    return acting, done


def check(pool, call, plain, make, action):
    """Give `call` an argument that acts.  The result must be that of the action and then `call`
    with a plain argument."""
    model, buf = filled(pool, SIZE), filled(pool, SIZE)
    ACTIONS[action](model)
    wanted = outcome(call, model, plain)
    act, done = once(lambda: ACTIONS[action](buf))
    assert outcome(call, buf, make(act)) == wanted
    assert done
    assert buf.tobytes() == model.tobytes()
    buf.check()
    pool.check()


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("call", NUMBERS)
def test_numbers_that_change_the_buffer(pool, call, action):
    check(pool, NUMBERS[call], lambda n: n, lambda act: lambda value: Sly(value, act), action)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("call", TAKES_BYTES)
@pytest.mark.parametrize("kind", ITERABLES)
def test_iterables_that_change_the_buffer(pool, call, kind, action):
    check(pool, TAKES_BYTES[call], BYTES, lambda act: kind(BYTES, act), action)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ came with 3.12 (PEP 688)")
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("call", TAKES_BUFFERS)
def test_buffers_that_change_the_buffer(pool, call, action):
    check(pool, TAKES_BUFFERS[call], BYTES, lambda act: SlyBuffer(BYTES, act), action)


@pytest.mark.parametrize("call", NUMBERS)
def test_numbers_that_raise(pool, call):
    buf = filled(pool, SIZE)
    with unchanged(buf), pytest.raises(WrongError):
        NUMBERS[call](buf, lambda value: Sly(value, wrong))


@pytest.mark.parametrize("call", TAKES_BYTES)
@pytest.mark.parametrize("kind", ITERABLES)
def test_iterables_that_raise(pool, call, kind):
    buf = filled(pool, SIZE)
    with unchanged(buf), pytest.raises(WrongError):
        TAKES_BYTES[call](buf, kind(BYTES, wrong))


def test_the_last_reference_is_dropped_meanwhile(pool):
    """A call keeps its buffer alive."""
    for call in NUMBERS.values():
        box = [filled(pool, SIZE)]
        outcome(call, box[0], lambda value, box=box: Sly(value, box.clear))
    kinds = [*ITERABLES, SlyBuffer] if sys.version_info >= (3, 12) else ITERABLES
    for kind in kinds:
        for call in TAKES_BYTES.values():
            box = [filled(pool, SIZE)]
            outcome(lambda box=box, call=call, kind=kind: call(box[0], kind(BYTES, box.clear)))
    pool.check()


def test_iterating_over_oneself_while_growing_ends(pool):
    """The call changes the buffer only after its iterator has ended."""
    buf = filled(pool, PAGE + 1)
    buf.extend(byte for byte in buf)
    assert buf.tobytes() == pattern(0, PAGE + 1) * 2
    buf[1:3] = reversed(buf)
    assert len(buf) == 2 * (2 * PAGE + 2) - 2


class GrowingPool(pagebuf.PagePool):
    """Calls `act` once while it grows, in the middle of a call."""

    act = None

    def _new_region(self, *args, **kwargs):
        if self.act:
            act, self.act = self.act, None
            act()
        return super()._new_region(*args, **kwargs)


GROWING = {
    "set slice": lambda buf: buf.__setitem__(slice(-2, None), bytes(300 * PAGE)),
    "insert": lambda buf: buf.__setitem__(slice(1, 1), bytes(300 * PAGE)),
    "extend": lambda buf: buf.extend(list(bytes(300 * PAGE))),
}


@pytest.mark.parametrize("call", GROWING)
@pytest.mark.parametrize("size", [3, PAGE + 1, reach(1) + 1])
@pytest.mark.parametrize("action", ["clear", "truncate", "write", "take", "insert"])
def test_the_pool_grows_in_the_middle(call, size, action):
    """Indexes from the end count from the length at the moment of the change."""
    pool = GrowingPool()
    size = max(size, PAGE + 1) if action == "take" else size
    buf, model = filled(pool, size), filled(pagebuf.PagePool(), size)
    ACTIONS[action](model)
    GROWING[call](model)
    pool.act = lambda: ACTIONS[action](buf)
    GROWING[call](buf)
    assert pool.act is None
    assert buf.tobytes() == model.tobytes()
    buf.check()
    pool.check()
