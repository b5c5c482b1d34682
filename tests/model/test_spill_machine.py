"""Buffers of a pool that spills, against plain bytes (Hypothesis).

`SentOut`: everything that may leave memory does so before each call.  The rules are those of maps,
over buffers with pages of their own.
`Tiny`: a limit of a few pages, which calls reach in every order.  A call that needs more at once
than there may be is refused, and then nothing has changed."""

from __future__ import annotations

import gc

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import pagebuf
from tests.helpers import PAGE
from tests.model.test_map_machine import Maps, places
from tests.plain import plain_punch, plain_truncate, plain_write
from tests.support import pattern


def send_out(pool):
    pool._spill.out(pool, 1 << 40)
    pool._spill.drop(pool, 1 << 40)


class SentOut(Maps):
    buffers = Bundle("buffers")

    def __init__(self):
        super().__init__()
        self.pool = pagebuf.PagePool(limit=1 << 40, spill=True)
        self.calls = 0

    def add(self, buf, data):
        own = pagebuf.PageBuffer(pool=self.pool)
        own.extend(bytes(data))
        send_out(self.pool)
        return super().add(own, data)

    @rule(size=places, salt=st.integers(0, 5))
    def zeros_and_others(self, size, salt):
        for buf, data in self.pairs.values():
            new = bytes(size // 2) + pattern(0, size // 2, salt)
            buf.write(size, new)
            plain_write(data, size, new)
            break

    @invariant()
    def all_agree(self):
        super().all_agree()
        send_out(self.pool)
        self.pool.check()
        assert self.pool.stats().lent == 0

    def teardown(self):
        spill = self.pool._spill
        super().teardown()
        gc.collect(0)
        assert not spill.zones
        assert not spill.order


TestSentOut = SentOut.TestCase

MOST = 40 * PAGE
offsets = st.one_of(st.integers(0, 40).map(lambda n: n * PAGE), st.integers(0, MOST))
sizes = st.one_of(st.integers(0, 3 * PAGE), st.integers(0, 6).map(lambda n: n * PAGE))


class Tiny(RuleBasedStateMachine):
    limit = 24

    def __init__(self):
        super().__init__()
        self.pool = pagebuf.PagePool(limit=self.limit * PAGE, spill=True)
        self.pairs = [(pagebuf.PageBuffer(pool=self.pool), bytearray()) for _ in range(3)]
        self.kept = []

    def change(self, which, call, plain):
        buf, data = self.pairs[which]
        try:
            call(buf)
        except pagebuf.PoolLimitError:
            assert len(buf) == len(data)
        else:
            plain(data)

    @rule(which=st.integers(0, 2), at=offsets, size=sizes, salt=st.integers(0, 9))
    def write(self, which, at, size, salt):
        new = pattern(at, size, salt)
        self.change(which, lambda b: b.write(at, new), lambda d: plain_write(d, at, new))

    @rule(which=st.integers(0, 2), size=sizes, salt=st.integers(0, 9))
    def extend(self, which, size, salt):
        new = pattern(0, size, salt)
        if len(self.pairs[which][1]) < MOST:
            self.change(which, lambda b: b.extend(new), lambda d: d.extend(new))

    @rule(which=st.integers(0, 2), size=offsets)
    def truncate(self, which, size):
        self.change(which, lambda b: b.truncate(size), lambda d: plain_truncate(d, size))

    @rule(which=st.integers(0, 2), at=offsets, size=sizes)
    def punch(self, which, at, size):
        self.change(which, lambda b: b.punch(at, size), lambda d: plain_punch(d, at, size))

    @rule(which=st.integers(0, 2), at=offsets, size=sizes)
    def collapse(self, which, at, size):
        def plain(data):
            del data[at : at + size]

        self.change(which, lambda b: b.collapse(at, size), plain)

    @rule(which=st.integers(0, 2))
    def reverse(self, which):
        self.change(which, lambda b: b.reverse(), lambda d: d.reverse())

    @rule(which=st.integers(0, 2), other=st.integers(0, 2), at=offsets, start=offsets, size=sizes)
    def copy_range(self, which, other, at, start, size):
        buf, data = self.pairs[other]
        new = bytes(data[start : start + size])
        if start <= len(data):
            self.change(
                which,
                lambda b: b.copy_range(at, buf, start, len(new)),
                lambda d: plain_write(d, at, new),
            )

    @rule(which=st.integers(0, 2), at=offsets, size=st.integers(1, 9))
    def find(self, which, at, size):
        buf, data = self.pairs[which]
        needle = bytes(data[at : at + size])
        try:
            found = buf.find(needle, at, at + PAGE)
        except pagebuf.PoolLimitError:
            return
        assert found == data.find(needle, at, at + PAGE)

    @rule(which=st.integers(0, 2))
    def snapshot(self, which):
        buf, data = self.pairs[which]
        self.kept = [*self.kept[-1:], (buf.snapshot(), bytes(data))]

    @rule()
    def forget(self):
        self.kept.clear()

    @rule(pages=st.integers(1, 40))
    def set_limit(self, pages):
        self.pool.limit = pages * PAGE

    @invariant()
    def all_agree(self):
        for buf, data in [*self.pairs, *self.kept]:
            assert buf.tobytes() == data
            buf.check()
        self.pool.check()

    def teardown(self):
        self.pairs.clear()
        self.kept.clear()
        gc.collect(0)
        stats = self.pool.stats()
        assert (stats.held, stats.lent, stats.spilled) == (0, 0, 0)
        assert not self.pool._spill.zones


TestTiny = Tiny.TestCase
