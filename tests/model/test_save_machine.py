"""A mapped file that is saved to in place, against plain bytes (Hypothesis).

Buffers over one file, what was kept of them before, and what the file holds.  Nothing that is kept
ever changes, and after a save the file, its source and the buffer are the same.  Some saves fail
half-way."""

from __future__ import annotations

import contextlib
import errno
import gc
import pathlib
import tempfile
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import pagebuf
from pagebuf import _save_changes
from tests.helpers import PAGE
from tests.plain import plain_punch, plain_truncate, plain_write
from tests.support import pattern

SIZE = max(20 * PAGE, 5 * 4096) + 5
MOST = 2 * SIZE

pages = st.integers(0, SIZE // PAGE).map(lambda n: n * PAGE)
places = st.one_of(pages, st.integers(0, SIZE))
lengths = st.one_of(st.integers(0, 40), st.integers(0, 6).map(lambda n: n * PAGE))
which = st.integers(0, 2)


class Saves(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name, "file")
        self.path.write_bytes(pattern(0, SIZE))
        self.pool = pagebuf.PagePool()
        first = pagebuf.PageBuffer.map(self.path, pool=self.pool)
        self.pairs = [(buf, bytearray(pattern(0, SIZE))) for buf in (first, first.clone())]
        self.pairs.append((first.clone(), bytearray(pattern(0, SIZE))))
        self.kept = []

    def keep(self, shown, data):
        self.kept = [*self.kept[-5:], (shown, bytes(data))]

    @rule(i=which, at=places, size=lengths, salt=st.integers(0, 9))
    def write(self, i, at, size, salt):
        buf, data = self.pairs[i]
        buf.write(at, pattern(at, size, salt))
        plain_write(data, at, pattern(at, size, salt))

    @rule(i=which, size=places)
    def truncate(self, i, size):
        buf, data = self.pairs[i]
        buf.truncate(size)
        plain_truncate(data, size)

    @rule(i=which, at=places, size=lengths)
    def punch(self, i, at, size):
        buf, data = self.pairs[i]
        buf.punch(at, size)
        plain_punch(data, at, size)

    @rule(i=which, at=places, size=lengths)
    def insert_hole(self, i, at, size):
        buf, data = self.pairs[i]
        if len(data) < MOST:
            at = min(at, len(data))
            buf.insert_hole(at, size)
            data[at:at] = bytes(size)

    @rule(i=which, at=places, size=lengths)
    def collapse(self, i, at, size):
        buf, data = self.pairs[i]
        buf.collapse(at, size)
        del data[at : at + size]

    @rule(i=which, size=places)
    def take(self, i, size):
        buf, data = self.pairs[i]
        size = min(size, len(data))
        assert buf.take_bytes(size) == data[:size]
        del data[:size]

    @rule(i=which, j=which, at=places, start=places, size=places)
    def copy_range(self, i, j, at, start, size):
        (buf, data), (other, there) = self.pairs[i], self.pairs[j]
        new = bytes(there[start : start + size])
        if start <= len(there):
            buf.copy_range(at, other, start, len(new))
            plain_write(data, at, new)

    @rule(i=which)
    def store_through_a_view(self, i):
        buf, data = self.pairs[i]
        if data:
            with buf.view(len(data) // 2) as view:
                view[0] ^= 255
            data[len(data) // 2] ^= 255

    @rule(i=which, live=st.booleans())
    def save(self, i, live):
        buf, data = self.pairs[i]
        view = buf.view(0, min(1, len(data))) if live else None
        buf.save_changes()
        del view
        assert self.path.read_bytes() == data == buf.source.tobytes()
        assert buf.diff(buf.source, exact=True) == []
        buf.source.check()

    @rule(i=which, n=st.integers(0, 5))
    def save_fails(self, i, n):
        left, write = n, _save_changes._write_at

        def fail(fd, offset, part):
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(errno.EIO, "planned")
            write(fd, offset, part)

        failing = mock.patch.object(_save_changes, "_write_at", fail)
        with failing, contextlib.suppress(OSError):
            self.pairs[i][0].save_changes()

    @rule(i=which)
    def snapshot(self, i):
        buf, data = self.pairs[i]
        self.keep(buf.snapshot(), data)

    @rule(i=which, at=places, size=places)
    def view(self, i, at, size):
        buf, data = self.pairs[i]
        at = min(at, len(data))
        size = min(size, len(data) - at)
        self.keep(buf.view(at, size, writable=False), data[at : at + size])

    @rule(i=which, n=st.integers(0, 5))
    def restore(self, i, n):
        if n < len(self.kept) and isinstance(self.kept[n][0], pagebuf.PageBuffer):
            self.pairs[i][0].restore(self.kept[n][0])
            self.pairs[i][1][:] = self.kept[n][1]

    @rule()
    def forget(self):
        self.kept.clear()

    @invariant()
    def all_agree(self):
        for buf, data in self.pairs:
            assert buf.tobytes() == data
            buf.check()
        for shown, before in self.kept:
            assert shown.tobytes() == before
        self.pool.check()

    def teardown(self):
        self.pairs.clear()
        self.kept.clear()
        gc.collect(0)
        assert self.pool.stats().held == self.pool.stats().lent == 0
        self.pool.check()
        self.folder.cleanup()


TestSaves = Saves.TestCase
