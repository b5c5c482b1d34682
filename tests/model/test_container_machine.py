"""A PageBuffer and a bytearray give the same results as containers: items, slices with steps,
search and order.  After each step the pool must pass its checks (I10)."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import pagebuf
from tests.helpers import PAGE, around, reach
from tests.support import assert_accounted

MOST = reach(1) + 6 * PAGE
EDGES = around(0, PAGE, 2 * PAGE, reach(1), reach(1) + PAGE)

places = st.one_of(st.sampled_from(EDGES), st.integers(0, MOST))
indexes = st.one_of(places, places.map(lambda n: -n))
ends = st.one_of(st.none(), indexes)
steps = st.sampled_from([None, 1, 1, 1, 2, 3, -1, -2, PAGE, -PAGE, PAGE + 1, PAGE - 1])
counts = st.sampled_from([0, 1, 2, 3, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
seeds = st.binary(min_size=1, max_size=5)
kinds = st.sampled_from([bytes, bytearray, memoryview, list, iter])


def repeated(seed, count):
    return (seed * (count // len(seed) + 1))[:count]


def outcome(call, *args):
    try:
        return call(*args)
    except (IndexError, ValueError, TypeError) as error:
        return type(error)


class ContainerMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.pool = pagebuf.PagePool()
        self.buf = pagebuf.PageBuffer(pool=self.pool)
        self.model = bytearray()
        self.kept = []

    def both(self, call):
        assert outcome(call, self.buf) == outcome(call, self.model)

    @initialize(seed=seeds, size=places, lead=counts)
    def begin(self, seed, size, lead):
        data = repeated(seed, lead + size)
        self.buf.extend(data)
        self.buf.take_bytes(lead)
        self.model += data[lead:]

    @rule(
        start=ends, stop=ends, step=steps, seed=seeds, count=counts, kind=kinds, fit=st.booleans()
    )
    def set_slice(self, start, stop, step, seed, count, kind, fit):
        where = slice(start, stop, step)
        if fit and step not in (None, 1):
            count = len(self.model[where])
        data = repeated(seed, count)
        if len(self.model) + count > 2 * MOST:
            return
        both = [data, data] if kind is memoryview else [kind(data), kind(data)]
        got = outcome(self.buf.__setitem__, where, both[0])
        assert got == outcome(self.model.__setitem__, where, both[1])

    @rule(start=ends, stop=ends, step=steps)
    def delete_slice(self, start, stop, step):
        self.both(lambda obj: obj.__delitem__(slice(start, stop, step)))

    @rule(start=ends, stop=ends, step=steps)
    def get_slice(self, start, stop, step):
        assert self.buf[start:stop:step] == self.model[start:stop:step]

    @rule(i=indexes, byte=st.integers(-1, 256))
    def set_item(self, i, byte):
        self.both(lambda obj: obj.__setitem__(i, byte))

    @rule(i=indexes)
    def delete_item(self, i):
        self.both(lambda obj: obj.__delitem__(i))

    @rule(i=indexes, byte=st.integers(0, 255))
    def insert(self, i, byte):
        self.both(lambda obj: obj.insert(i, byte))

    @rule(i=indexes)
    def pop(self, i):
        self.both(lambda obj: obj.pop(i))

    @rule(byte=st.integers(0, 255))
    def remove(self, byte):
        self.both(lambda obj: obj.remove(byte))

    @rule()
    def reverse(self):
        self.both(lambda obj: obj.reverse())

    @precondition(lambda self: len(self.model) < MOST)
    @rule(start=ends, stop=ends)
    def itself(self, start, stop):
        self.both(lambda obj: obj.__setitem__(slice(start, stop), obj))

    @rule(count=st.integers(0, 2 * PAGE))
    def take_front(self, count):
        count = min(count, len(self.model))
        assert self.buf.take_bytes(count) == self.model[:count]
        del self.model[:count]

    @rule(seed=seeds, count=counts)
    def prepend(self, seed, count):
        if len(self.model) <= MOST:
            self.buf.prepend(repeated(seed, count))
            self.model[:0] = repeated(seed, count)

    @rule(offset=places, count=counts)
    def punch(self, offset, count):
        self.buf.punch(offset, count)
        past = max(offset, min(len(self.model), offset + count))
        if offset < len(self.model):
            self.model[offset:past] = bytes(past - offset)

    @rule(size=places)
    def resize(self, size):
        self.buf.resize(size)
        self.model[size:] = bytes(max(0, size - len(self.model)))

    @precondition(lambda self: len(self.kept) < 3)
    @rule()
    def keep_a_copy(self):
        """Keep a copy, so that pages are shared from now on."""
        self.kept.append((self.buf.copy(), bytes(self.model)))

    @precondition(lambda self: self.kept)
    @rule()
    def leave_a_copy(self):
        copied, bytes_then = self.kept.pop(0)
        assert copied == bytes_then

    @rule(start=ends, stop=ends, seed=seeds, count=counts)
    def search(self, start, stop, seed, count):
        for needle in (seed, repeated(seed, count)):
            for name in ("find", "rfind", "count", "startswith", "endswith"):
                got = getattr(self.buf, name)(needle, start, stop)
                assert got == getattr(self.model, name)(needle, start, stop), name
            assert (needle in self.buf) == (needle in self.model)

    @rule(at=places, step=st.sampled_from([-1, 0, 1]))
    def compare(self, at, step):
        other = bytearray(self.model)
        if at < len(other):
            other[at] = (other[at] + step) % 256
        twin = pagebuf.PageBuffer(other, pool=self.pool)
        for operand in (other, twin):
            assert (self.buf == operand) == (self.model == other)
            assert (self.buf < operand) == (self.model < other)
            assert (self.buf >= operand) == (self.model >= other)

    @invariant()
    def same(self):
        assert self.buf.tobytes() == self.model
        assert bytes(iter(self.buf)) == self.model
        self.buf.check()
        assert_accounted(self.pool)

    def teardown(self):
        for copied, bytes_then in self.kept:
            assert copied.tobytes() == bytes_then
        self.kept.clear()
        self.buf.clear()
        self.pool.check()


TestContainer = ContainerMachine.TestCase
