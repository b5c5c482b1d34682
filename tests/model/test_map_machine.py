"""Buffers over memory of others, against plain bytes (Hypothesis).

Two sources, buffers over ranges of them, snapshots and stable views of what those held.  Nothing
ever changes a source, a snapshot or a stable view.  When all are gone, the sources are let go."""

from __future__ import annotations

import gc
import weakref

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import pagebuf
from tests.helpers import FANOUT, PAGE
from tests.plain import plain_punch, plain_truncate, plain_write
from tests.support import pattern

WIDE = min(FANOUT, 64)
SIZES = [16 * PAGE, 17 * PAGE + 5, 4 * WIDE * PAGE, 5 * WIDE * PAGE + 1]
MOST = 6 * WIDE * PAGE

pages = st.integers(0, 5 * WIDE).map(lambda n: n * PAGE)
places = st.one_of(pages, st.integers(0, MOST))
lengths = st.one_of(st.integers(0, 40), pages.map(lambda n: n // 4), st.integers(0, 3 * PAGE))


class Source(bytearray):
    """Memory of somebody else."""


class Maps(RuleBasedStateMachine):
    buffers = Bundle("buffers")

    def __init__(self):
        super().__init__()
        self.pool = pagebuf.PagePool()
        self.sources = [Source(pattern(0, size, size)) for size in SIZES[1:3]]
        self.before = [bytes(source) for source in self.sources]
        self.pairs = {}
        self.kept = []  # what never changes, and its bytes
        self.number = 0

    def add(self, buf, data):
        if len(self.pairs) == 4:
            self.pairs.pop(next(iter(self.pairs)))
        key, self.number = self.number, self.number + 1
        self.pairs[key] = buf, data
        return key

    def keep(self, shown, data):
        self.kept = [*self.kept[-5:], (shown, data)]

    @rule(target=buffers, which=st.integers(0, 1), offset=lengths, size=st.none() | places)
    def map(self, which, offset, size):
        whole = self.before[which]
        offset = min(offset, len(whole))
        size = None if size is None else min(size, len(whole) - offset)
        buf = pagebuf.PageBuffer.map(self.sources[which], offset, size, pool=self.pool)
        stop = None if size is None else offset + size
        self.keep(buf.source, whole[offset:stop])
        return self.add(buf, bytearray(whole[offset:stop]))

    @rule(target=buffers, key=buffers)
    def clone(self, key):
        if key not in self.pairs:
            return key
        buf, data = self.pairs[key]
        return self.add(buf.clone(), bytearray(data))

    @rule(key=buffers)
    def drop(self, key):
        self.pairs.pop(key, None)

    @rule()
    def forget(self):
        self.kept.clear()

    # ---- changes ----

    @rule(key=buffers, at=places, size=lengths, salt=st.integers(0, 9))
    def write(self, key, at, size, salt):
        if key in self.pairs:
            buf, data = self.pairs[key]
            new = pattern(at, size, salt)
            buf.write(at, new)
            plain_write(data, at, new)

    @rule(key=buffers, size=places)
    def truncate(self, key, size):
        if key in self.pairs:
            buf, data = self.pairs[key]
            buf.truncate(size)
            plain_truncate(data, size)

    @rule(key=buffers, at=places, size=lengths)
    def punch(self, key, at, size):
        if key in self.pairs:
            buf, data = self.pairs[key]
            buf.punch(at, size)
            plain_punch(data, at, size)

    @rule(key=buffers, size=lengths, front=st.booleans())
    def grow(self, key, size, front):
        if key in self.pairs:
            buf, data = self.pairs[key]
            new = pattern(3, size)
            (buf.prepend if front else buf.extend)(new)
            at = 0 if front else len(data)
            data[at:at] = new

    @rule(key=buffers, size=places)
    def take(self, key, size):
        if key in self.pairs:
            buf, data = self.pairs[key]
            size = min(size, len(data))
            assert buf.take_bytes(size) == data[:size]
            del data[:size]

    @rule(key=buffers, at=places, size=lengths)
    def insert_hole(self, key, at, size):
        if key in self.pairs and len(self.pairs[key][1]) < MOST:
            buf, data = self.pairs[key]
            at = min(at, len(data))
            buf.insert_hole(at, size)
            data[at:at] = bytes(size)

    @rule(key=buffers, at=places, size=lengths)
    def collapse(self, key, at, size):
        if key in self.pairs:
            buf, data = self.pairs[key]
            buf.collapse(at, size)
            del data[at : at + size]

    @rule(key=buffers, part=st.tuples(places, lengths), size=lengths)
    def assign(self, key, part, size):
        if key in self.pairs:
            buf, data = self.pairs[key]
            at, old = part
            new = pattern(7, size)
            buf[at : at + old] = new
            data[at : at + old] = new

    @rule(key=buffers, other=buffers, at=places, start=places, size=places, put=st.booleans())
    def copy_range(self, key, other, at, start, size, put):
        if key in self.pairs and other in self.pairs:
            (buf, data), (source, there) = self.pairs[key], self.pairs[other]
            new = bytes(there[start : start + size])
            if put and key != other and len(data) + len(new) <= MOST:
                buf[at:at] = source[start : start + size]
                data[at:at] = new
            elif start <= len(there):
                buf.copy_range(at, source, start, len(new))
                plain_write(data, at, new)

    @rule(key=buffers)
    def reverse(self, key):
        if key in self.pairs:
            buf, data = self.pairs[key]
            buf.reverse()
            data.reverse()

    @rule(key=buffers)
    def detach(self, key):
        if key in self.pairs:
            self.pairs[key][0].detach()
            assert self.pairs[key][0].stats().mapped == 0

    @rule(key=buffers)
    def store_through_a_view(self, key):
        if key in self.pairs and self.pairs[key][1]:
            buf, data = self.pairs[key]
            at = len(data) // 2
            with buf.view(at) as view:
                view[0] ^= 255
            data[at] ^= 255

    # ---- what stays ----

    @rule(key=buffers)
    def snapshot(self, key):
        if key in self.pairs:
            buf, data = self.pairs[key]
            self.keep(buf.snapshot(), bytes(data))

    @rule(key=buffers, at=places, size=places)
    def view(self, key, at, size):
        if key in self.pairs:
            buf, data = self.pairs[key]
            at = min(at, len(data))
            size = min(size, len(data) - at)
            self.keep(buf.view(at, size, writable=False), bytes(data[at : at + size]))
            self.keep(b"".join(buf.views(at, size)), bytes(data[at : at + size]))

    @rule(key=buffers)
    def restore(self, key):
        if key in self.pairs:
            for shown, before in self.kept:
                if isinstance(shown, pagebuf.PageBuffer):
                    self.pairs[key][0].restore(shown)
                    self.pairs[key][1][:] = before
                    break

    # ---- looking ----

    @rule(key=buffers, other=buffers)
    def compare(self, key, other):
        if key in self.pairs and other in self.pairs:
            (buf, data), (there, bytes_there) = self.pairs[key], self.pairs[other]
            assert (buf == there) == (data == bytes_there)
            assert (buf < there) == (data < bytes_there)
            for start, size in buf.diff(there, exact=True):
                stop = min(start + size, len(data), len(bytes_there))
                assert all(data[i] != bytes_there[i] for i in range(start, stop))

    @rule(key=buffers, at=places, size=st.integers(1, 9))
    def find(self, key, at, size):
        if key in self.pairs:
            buf, data = self.pairs[key]
            needle = bytes(data[at : at + size])
            assert buf.find(needle, at) == data.find(needle, at)
            assert buf.rfind(needle) == data.rfind(needle)

    @invariant()
    def all_agree(self):
        for buf, data in self.pairs.values():
            assert buf.tobytes() == data
            buf.check()
            stats = buf.stats()
            spanned = -(-(stats.bias % PAGE + len(data)) // PAGE) if data else 0
            assert stats.levels == buf.levels
            if stats.pages or stats.mapped or stats.holes:
                assert stats.pages + stats.mapped + stats.holes == spanned
        for shown, before in self.kept:
            assert (shown.tobytes() if hasattr(shown, "tobytes") else shown) == before
        self.pool.check()

    @invariant()
    def sources_stay(self):
        assert list(map(bytes, self.sources)) == self.before

    def teardown(self):
        weak = [weakref.ref(source) for source in self.sources]
        self.pairs.clear()
        self.kept.clear()
        self.sources.clear()
        gc.collect(0)
        assert [ref() for ref in weak] == [None, None]
        assert self.pool.stats().held == 0
        self.pool.check()


TestMaps = Maps.TestCase
