"""ByteQueue beside a plain model, step by step."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pagebuf import ByteQueue, CapacityError, PagePool
from tests.helpers import PAGE, reach
from tests.support import assert_accounted

EDGES = st.sampled_from(
    [0, 1, 2, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 511, 512, 700, reach(1), reach(1) + 1]
)
"""From 512 bytes on a queue keeps objects."""
SIZES = st.one_of(EDGES.filter(lambda n: n <= 1 << 15), st.integers(0, 200))
DATA = st.builds(
    lambda seed, size: (seed * (size // len(seed) + 1))[:size],
    st.binary(min_size=1, max_size=20),
    SIZES,
)
SEPARATORS = st.sampled_from([b"\n", b"\r\n", b"\x00\x00", b"abca", b"aaaaaaaab"])


class Model:
    """Bytes in a deque, with the counts that a queue must have."""

    def __init__(self, max_bytes, overflow):
        self.bytes: deque[int] = deque()
        self.max_bytes = float("inf") if max_bytes is None else max_bytes
        self.overflow = overflow
        self.total_in = self.total_out = self.dropped = 0

    def room(self):
        """None is left where unget() went beyond the bound."""
        return max(0, self.max_bytes - len(self.bytes))

    def put(self, data):
        if len(data) > self.room() and self.overflow != "drop_oldest":
            if self.overflow == "raise":
                raise CapacityError
            self.dropped += len(data)
            return False
        if data:
            self.commit(data)
        return True

    def commit(self, data):
        self.bytes.extend(data)
        self.total_in += len(data)
        while self.overflow == "drop_oldest" and len(self.bytes) > self.max_bytes:
            self.bytes.popleft()
            self.dropped += 1

    def get(self, n):
        n = min(n, len(self.bytes))
        self.total_out += n
        return bytes(self.bytes.popleft() for _ in range(n))

    def unget(self, data):
        self.bytes.extendleft(reversed(data))
        self.total_out -= len(data)

    def until(self, sep):
        at = bytes(self.bytes).find(sep)
        return None if at < 0 else self.get(at + len(sep))


class QueueMachine(RuleBasedStateMachine):
    @initialize(
        limit=st.one_of(st.none(), st.sampled_from([1, 50, PAGE, 2 * PAGE + 1, reach(1)])),
        overflow=st.sampled_from(["raise", "drop_oldest", "drop_newest"]),
    )
    def start(self, limit, overflow):
        self.pool = PagePool()
        overflow = "grow" if limit is None else overflow
        options = {} if limit is None else {"max_bytes": limit}
        self.queue = ByteQueue(pool=self.pool, overflow=overflow, **options)
        self.model = Model(limit, overflow)
        self.view = None
        self.kept = []

    def both(self, call):
        """Make a call on both.  Assert the same result, or that both refuse."""
        try:
            expected = call(self.model)
        except CapacityError:
            with pytest.raises(CapacityError):
                call(self.queue)
        else:
            assert call(self.queue) == expected

    @rule(data=DATA)
    def put(self, data):
        before = self.model.total_in
        self.both(lambda queue: queue.put(data))
        if self.model.total_in > before:  # a refused put changes nothing
            self.view = None

    @rule(n=SIZES)
    def get(self, n):
        assert self.queue.get(n) == self.model.get(n)

    @rule()
    def get_all(self):
        assert self.queue.get() == self.model.get(len(self.model.bytes))

    @rule(data=DATA)
    def unget(self, data):
        if len(data) > self.model.total_out:
            with pytest.raises(ValueError, match="were taken"):
                self.queue.unget(data)
        else:
            self.queue.unget(data)
            self.model.unget(data)

    @rule(n=SIZES)
    def peek(self, n):
        assert self.queue.peek(n) == bytes(self.model.bytes)[:n]

    @rule(n=SIZES)
    def tail(self, n):
        whole = bytes(self.model.bytes)
        assert self.queue.tail(n) == (whole[-n:] if n else b"")
        assert self.queue.tobytes() == self.queue.tail() == whole

    @rule(sep=SEPARATORS, start=SIZES, length=SIZES)
    def find(self, sep, start, length):
        expected = bytes(self.model.bytes).find(sep, start, start + length)
        assert self.queue.find(sep, start, start + length) == expected

    @rule()
    def lines(self):
        for line in self.queue.lines():
            assert line == self.model.until(b"\n")
        assert self.model.until(b"\n") is None

    @rule(n=SIZES)
    def consume(self, n):
        if n > len(self.model.bytes):
            with pytest.raises(ValueError):
                self.queue.consume(n)
        else:
            self.queue.consume(n)
            self.model.get(n)

    @rule(n=SIZES)
    def readexactly(self, n):
        enough = n <= len(self.model.bytes)
        assert self.queue.readexactly(n) == (self.model.get(n) if enough else None)

    @rule(sep=SEPARATORS)
    def readuntil(self, sep):
        assert self.queue.readuntil(sep) == self.model.until(sep)

    @rule(seps=st.lists(SEPARATORS, min_size=1, max_size=3))
    def readuntil_any(self, seps):
        whole = bytes(self.model.bytes)
        ends = [whole.find(sep) + len(sep) for sep in seps if sep in whole]
        assert self.queue.readuntil(tuple(seps)) == (self.model.get(min(ends)) if ends else None)

    @rule()
    def readline(self):
        assert self.queue.readline() == self.model.until(b"\n")

    @rule()
    def clear(self):
        self.queue.clear()
        self.model.get(len(self.model.bytes))
        self.view = None

    @rule(n=SIZES.filter(bool))
    def reserve(self, n):
        drops = self.model.overflow == "drop_oldest"
        if n > (self.model.max_bytes if drops else self.model.room()):
            with pytest.raises(CapacityError):
                self.queue.reserve(n)
        else:
            self.view = self.queue.reserve(n)
            assert not any(self.view)

    @precondition(lambda self: self.view is not None)
    @rule(data=DATA, part=st.floats(0, 1))
    def commit(self, data, part):
        n = int(part * len(self.view))
        data = (data + bytes(n))[:n]
        self.view[:n] = data
        self.queue.commit(n)
        self.model.commit(data)
        self.view = None

    @precondition(lambda self: self.view is None)
    @rule()
    def commit_nothing(self):
        with pytest.raises(BufferError):
            self.queue.commit(0)

    @rule()
    def views(self):
        views = self.queue.views()
        assert b"".join(views) == bytes(self.model.bytes)
        self.kept = [(views, bytes(self.model.bytes))]

    @rule(data=DATA, n=SIZES)
    def splice(self, data, n):
        source = ByteQueue(pool=self.pool)
        source.put(data)
        moved = data[:n]
        if len(moved) <= self.model.room() or self.model.overflow == "drop_oldest":
            assert self.queue.splice_from(source, n) == len(moved)
            self.model.put(moved)
            assert source.get() == data[n:]
            if moved:
                self.view = None
        elif self.model.overflow == "raise":
            with pytest.raises(CapacityError):
                self.queue.splice_from(source, n)
        else:
            assert self.queue.splice_from(source, n) == 0

    @invariant()
    def agrees(self):
        if not hasattr(self, "queue"):
            return
        self.queue.check()
        assert_accounted(self.pool)
        assert len(self.queue) == len(self.model.bytes)
        assert self.queue.total_in == self.model.total_in
        assert self.queue.total_out == self.model.total_out
        assert self.queue.dropped == self.model.dropped
        for views, expected in self.kept:
            assert b"".join(views) == expected

    def teardown(self):
        if hasattr(self, "queue"):
            self.view = None
            self.kept.clear()
            self.queue.clear()
            self.pool.check()
            assert self.pool.stats().held == 0


TestQueue = QueueMachine.TestCase
