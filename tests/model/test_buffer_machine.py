"""Buffers of one pool against plain models, step by step (Hypothesis).

`Dense`: a few pages.  After each step every byte is compared with a `bytearray`.
`Limited`: the same with a small limit.  The pool must refuse exactly when too few frames are left,
and a refused call must change nothing.
`Sparse`: offsets around the reach of every level, up to the capacity.

A model of the pages (`PageMap`) says exactly which pages and nodes each buffer must have."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

import pagebuf
from tests.helpers import FANOUT, PAGE, around, reach
from tests.plain import plain_punch, plain_truncate, plain_write
from tests.support import (
    ALL_LEVELS,
    INLINE,
    PageMap,
    assert_pool,
    levels_for,
    nodes_for,
    pattern,
    room_in_front,
    slot_span,
)

MOST = 24  # pages that a dense buffer may have
CAPACITY = reach(pagebuf.MAX_LEVELS)

near_edges = around(0, INLINE, PAGE, 2 * PAGE, 3 * PAGE, reach(1), FANOUT * PAGE, reach(2))
near_edges = [size for size in near_edges if size <= MOST * PAGE // 2]
few = st.integers(0, 2 * INLINE + 16)
offsets = st.one_of(st.sampled_from(near_edges), few, st.integers(0, MOST * PAGE // 2))
sizes = st.one_of(
    st.sampled_from([size for size in near_edges if size <= 6 * PAGE]),
    few,
    st.integers(0, 6 * PAGE),
)
salts = st.integers(0, 255)


class Model:
    """What a buffer must be: its bytes and its pages."""

    def __init__(self):
        self.data = bytearray()
        self.map = PageMap()

    def write(self, at, new):
        plain_write(self.data, at, new)
        self.map.write(at, len(new))

    def truncate(self, size):
        plain_truncate(self.data, size)
        self.map.truncate(size)

    def punch(self, at, size):
        plain_punch(self.data, at, size)
        if size:
            self.map.punch(at, size)

    def prepend(self, new):
        self.data[:0] = new
        self.map.prepend(len(new))

    def take(self, count):
        taken = bytes(self.data[:count])
        del self.data[:count]
        self.map.take(count)
        return taken


class Dense(RuleBasedStateMachine):
    buffers = Bundle("buffers")
    limit = None

    def __init__(self):
        super().__init__()
        self.pool = pagebuf.PagePool(limit=self.limit)
        self.pairs = {}
        self.number = 0

    # ---- making and dropping buffers ----

    @rule(target=buffers, size=sizes, salt=salts)
    def create(self, size, salt):
        if len(self.pairs) == 4:
            self.pairs.pop(next(iter(self.pairs)))
        key, self.number = self.number, self.number + 1
        model = Model()
        model.write(0, pattern(0, size, salt))
        made = self.attempt(
            None, model, lambda: pagebuf.PageBuffer(pattern(0, size, salt), pool=self.pool)
        )
        self.pairs[key] = made or (pagebuf.PageBuffer(pool=self.pool), Model())
        return key

    @rule(key=buffers)
    def drop(self, key):
        self.pairs.pop(key, None)

    def attempt(self, old, new, call):
        """Make the call, which no limit can refuse.  Returns its result and the new model."""
        del old
        return call(), new

    def change(self, key, act, call):
        """Make the same change to a buffer and to its model."""
        if key not in self.pairs:
            return None
        buf, old = self.pairs[key]
        new = Model()
        new.data, new.map = bytearray(old.data), old.map.copy()
        wanted = act(new)
        done = self.attempt(buf, new, lambda: call(buf))
        if done is None:
            return None
        got, self.pairs[key] = done[0], (buf, new)
        assert got == wanted
        new.map.agree(buf)
        return got

    # ---- writing ----

    @rule(key=buffers, at=offsets, size=sizes, salt=salts)
    def write(self, key, at, size, salt):
        new = pattern(at, size, salt)
        self.change(key, lambda m: (m.write(at, new), size)[1], lambda b: b.write(at, new))

    @rule(key=buffers, size=sizes, salt=salts)
    def extend(self, key, size, salt):
        if key in self.pairs and len(self.pairs[key][0]) + size <= MOST * PAGE:
            new = pattern(len(self.pairs[key][0]), size, salt)
            self.change(key, lambda m: m.write(len(m.data), new), lambda b: b.extend(new))

    @rule(key=buffers, size=sizes, salt=salts)
    def prepend(self, key, size, salt):
        if key in self.pairs and len(self.pairs[key][0]) + size <= MOST * PAGE:
            new = pattern(0, size, salt)
            self.change(key, lambda m: m.prepend(new), lambda b: b.prepend(new))

    @rule(key=buffers, byte=st.integers(0, 255), times=st.integers(1, 4))
    def append(self, key, byte, times):
        new = bytes([byte])
        for _ in range(times):
            self.change(key, lambda m: m.write(len(m.data), new), lambda b: b.append(byte))

    @rule(key=buffers, at=offsets, byte=st.integers(0, 255))
    def write_one(self, key, at, byte):
        new = bytes([byte])
        self.change(key, lambda m: (m.write(at, new), 1)[1], lambda b: b.write(at, new))

    # ---- removing ----

    @rule(key=buffers, size=offsets)
    def truncate(self, key, size):
        self.change(key, lambda m: (m.truncate(size), size)[1], lambda b: b.truncate(size))

    @rule(key=buffers, back=sizes)
    def cut(self, key, back):
        if key in self.pairs:
            size = max(0, len(self.pairs[key][0]) - back)
            self.change(key, lambda m: (m.truncate(size), size)[1], lambda b: b.truncate(size))

    @rule(key=buffers, at=offsets, size=offsets)
    def punch(self, key, at, size):
        self.change(key, lambda m: m.punch(at, size), lambda b: b.punch(at, size))

    @rule(key=buffers, count=offsets)
    def take(self, key, count):
        if key in self.pairs:
            count = min(count, len(self.pairs[key][0]))
            self.change(key, lambda m: m.take(count), lambda b: b.take_bytes(count))

    @rule(key=buffers, left=sizes)
    def take_all_but(self, key, left):
        if key in self.pairs and left:
            count = max(0, len(self.pairs[key][0]) - left)
            left = len(self.pairs[key][0]) - count
            if left:
                self.change(key, lambda m: m.take(count), lambda b: b.take_bytes(-left))

    @rule(key=buffers, how=st.sampled_from(["clear", "take", "init"]))
    def empty(self, key, how):
        calls = {
            "clear": lambda b: b.clear(),
            "take": lambda b: b.take_bytes(),
            "init": lambda b: b.__init__(pool=self.pool),
        }
        act = {
            "clear": lambda m: m.truncate(0),
            "take": lambda m: m.take(len(m.data)),
            "init": lambda m: m.truncate(0),
        }
        self.change(key, act[how], calls[how])

    @rule()
    def trim(self):
        assert self.pool.trim() >= 0

    # ---- reading ----

    @rule(key=buffers, at=offsets, size=st.one_of(st.just(-1), st.none(), offsets))
    def read(self, key, at, size):
        if key in self.pairs:
            buf, model = self.pairs[key]
            stop = None if size is None or size < 0 else at + size
            want = bytes(model.data[at:stop])
            assert buf.read(at, size) == want
            target = bytearray(b"\xee" * (MOST * PAGE if stop is None else size))
            assert buf.readinto(at, target) == len(want)
            assert target == want + b"\xee" * (len(target) - len(want))

    @rule(key=buffers, part=st.slices(3 * PAGE), step=st.sampled_from([1, 1, 2, 3, -1, -PAGE]))
    def cut_out(self, key, part, step):
        if key in self.pairs:
            buf, model = self.pairs[key]
            part = slice(part.start, part.stop, step)
            assert buf[part] == model.data[part]

    @rule(key=buffers, at=offsets)
    def look(self, key, at):
        if key in self.pairs:
            buf, model = self.pairs[key]
            walk = buf.walk(at)
            if at >= len(model.data):
                assert walk.stop == "past the end"
            elif model.map.inline:
                assert walk.stop == "inline"
            else:
                page = (model.map.base + at) // PAGE
                assert walk.found == (page in model.map.pages)
                assert buf[at] == buf[at - len(buf)] == model.data[at]

    # ---- invariants ----

    @invariant()
    def contents_and_shapes_agree(self):
        for buf, model in self.pairs.values():
            assert buf.tobytes() == model.data
            model.map.assert_shape(buf)
            buf.check()

    @invariant()
    def pool_agrees(self):
        assert_pool(self.pool, [buf for buf, _ in self.pairs.values()])


class Limited(Dense):
    limit = 14 * PAGE + PAGE // 2

    def attempt(self, old, new, call):
        """Assert that the pool refuses the call exactly if it needs more frames than are left."""
        held = self.pool.stats().held
        need = self.frames(new, old) - (self.frames_held(old) if old is not None else 0)
        fits = held + need <= self.limit // PAGE
        try:
            got = call()
        except pagebuf.PoolLimitError:
            assert not fits, f"{held} frames held, {need} more needed: refused too early"
            assert self.pool.stats().held == held
            return None
        assert fits or need <= 0, f"{held} frames held, {need} more needed: not refused"
        return got, new

    @staticmethod
    def frames_held(buf):
        st = buf.stats()
        return st.pages + st.nodes

    @staticmethod
    def frames(model, buf):
        """How many frames the new state needs.  A call that adds pages keeps the bias, if it adds
        none in front, and never lowers the tree.  A call that removes bytes needs no frame."""
        if model.map.inline:
            return 0
        size, bias, levels = model.map.size, 0, 1
        if buf is not None:
            st = buf.stats()
            if size < st.size:
                return 0
            bias, levels = st.bias, st.levels
            if model.map.prepended:
                bias, levels = room_in_front(bias, st.size, levels, model.map.prepended)
        levels = max(levels, levels_for(bias + size))
        skipped = (model.map.base - bias) // PAGE
        pages = [page - skipped for page in model.map.pages]
        return len(pages) + nodes_for(pages, levels)


far_edges = [at for n in ALL_LEVELS for at in around(reach(n), slot_span(n))]
far_edges += [at + PAGE for at in far_edges]
far = st.sampled_from([at for at in sorted(set(far_edges)) if at < CAPACITY - 20 * PAGE])
short = st.integers(0, 2 * PAGE + 1)


class Sparse(RuleBasedStateMachine):
    """One buffer with few bytes, far apart.  The model has only the pages that must exist."""

    def __init__(self):
        super().__init__()
        self.pool = pagebuf.PagePool()
        self.buf = pagebuf.PageBuffer(pool=self.pool)
        self.map = PageMap()
        self.pages = {}  # by number, as in the map

    def pieces(self, at, size):
        """Divide a range at page borders.  Yields page, place in the page, place in the range."""
        position, done = self.map.base + at, 0
        while done < size:
            page, start = divmod(position + done, PAGE)
            length = min(PAGE - start, size - done)
            yield page, slice(start, start + length), slice(done, done + length)
            done += length

    def put(self, at, new):
        self.map.write(at, len(new))
        for page, there, here in self.pieces(at, len(new)):
            self.pages.setdefault(page, bytearray(PAGE))[there] = new[here]

    def get(self, at, size):
        out = bytearray(size)
        for page, there, here in self.pieces(at, size):
            out[here] = self.pages.get(page, bytes(PAGE))[there]
        return bytes(out)

    def wipe(self, at, size):
        """Put zeros into the model.  Its pages stay: `map` says which of them must exist."""
        first, stop = self.map.base + at, self.map.base + at + size
        for page, data in self.pages.items():
            start, end = max(first, page * PAGE), min(stop, (page + 1) * PAGE)
            if start < end:
                data[start - page * PAGE : end - page * PAGE] = bytes(end - start)

    @rule(at=far, size=short, salt=salts)
    def write(self, at, size, salt):
        new = pattern(at, size, salt)
        assert self.buf.write(at, new) == size
        self.put(at, new)

    @rule(size=short, salt=salts)
    def extend(self, size, salt):
        if self.map.size + size <= CAPACITY - 3 * PAGE:
            new = pattern(self.map.size, size, salt)
            self.buf.extend(new)
            self.put(self.map.size, new)

    @rule(size=far)
    def truncate(self, size):
        assert self.buf.truncate(size) == size
        self.wipe(size, max(0, self.map.size - size))
        self.map.truncate(size)

    @rule(at=far, size=st.one_of(short, far))
    def punch(self, at, size):
        self.buf.punch(at, size)
        self.wipe(at, size)
        if size:
            self.map.punch(at, size)
            self.map.agree(self.buf)

    @rule(count=st.integers(0, 6 * PAGE))
    def take(self, count):
        count = min(count, self.map.size)
        want = self.get(0, count)
        assert self.buf.take_bytes(count) == want
        left = self.get(count, min(self.map.size - count, 2 * PAGE))
        inline = self.map.inline
        self.wipe(0, count)
        self.map.take(count)
        if inline or not self.map.size:  # the bytes move, or none are left
            self.pages.clear()
            self.pages[0] = bytearray(left.ljust(PAGE, b"\0"))[:PAGE]

    @precondition(lambda self: self.map.size)
    @rule()
    def clear(self):
        self.buf.clear()
        self.map.truncate(0)
        self.pages.clear()

    @rule(at=far, size=short)
    def read(self, at, size):
        assert self.buf.read(at, size) == self.get(at, max(0, min(size, self.map.size - at)))

    @invariant()
    def shape_agrees(self):
        self.map.assert_shape(self.buf)
        self.buf.check()
        assert_pool(self.pool, [self.buf])

    @invariant()
    def bytes_agree(self):
        for start, size in self.buf.extents():
            assert self.buf.read(start, size) == self.get(start, size)

    @rule()
    def data_views(self):
        shown = self.buf.data_views()
        for start, view in shown:
            assert view == self.get(start, len(view))
        assert sum(len(view) for _, view in shown) == sum(size for _, size in self.buf.extents())


more = settings(max_examples=2 * settings.default.max_examples)
TestDense, TestLimited, TestSparse = Dense.TestCase, Limited.TestCase, Sparse.TestCase
TestDense.settings = TestLimited.settings = TestSparse.settings = more
