"""A store against a dict of bytearrays (Hypothesis): commits, rollbacks, and opening it again.

A reader beside the writer shows one commit, and a second reader of the format looks at the file.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import pagebuf
from pagebuf import PageStore
from tests.helpers import PAGE
from tests.plain import plain_punch, plain_truncate, plain_write
from tests.support import pattern
from tools import store_check

MOST = 30 * PAGE

names = st.sampled_from(["a", "b", "c" * 200, "d" * 250])
places = st.one_of(st.integers(0, 30).map(lambda n: n * PAGE), st.integers(0, MOST))
lengths = st.one_of(st.integers(0, 130), st.integers(0, 9 * PAGE))


class Stores(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "a.store"
        self.now = {}
        self.committed = {}
        self.shown = {}  # by the reader
        self.snapshots = {}
        self.number = 0

    @initialize(lazy=st.booleans(), checksums=st.booleans())
    def begin(self, lazy, checksums):
        self.settings = {"durability": "lazy" if lazy else "full"}
        self.pool = pagebuf.PagePool()
        self.store = PageStore(self.path, pool=self.pool, checksums=checksums, **self.settings)
        self.reader = PageStore(self.path, "r", pool=self.pool)

    def data(self, n):
        self.number += 1
        return pattern(self.number, n, self.number)

    def pick(self, name):
        return (self.store[name], self.now[name]) if name in self.now else (None, None)

    # ---- changes ----

    @rule(name=names, n=lengths)
    def assign(self, name, n):
        data = self.data(n)
        self.store[name] = data
        self.now[name] = bytearray(data)

    @rule(name=names, at=places, n=lengths)
    def write(self, name, at, n):
        buf, plain = self.pick(name)
        if buf is not None:
            data = self.data(n)
            buf.write(at, data)
            plain_write(plain, at, data)

    @rule(name=names, size=places)
    def truncate(self, name, size):
        buf, plain = self.pick(name)
        if buf is not None:
            buf.truncate(size)
            plain_truncate(plain, size)

    @rule(name=names, at=places, n=lengths)
    def punch(self, name, at, n):
        buf, plain = self.pick(name)
        if buf is not None:
            buf.punch(at, n)
            plain_punch(plain, at, n)

    @rule(name=names, at=places, n=lengths)
    def insert(self, name, at, n):
        buf, plain = self.pick(name)
        if buf is not None:
            data = self.data(n)
            buf[at:at] = data
            plain[at:at] = data

    @rule(name=names, n=lengths)
    def prepend(self, name, n):
        buf, plain = self.pick(name)
        if buf is not None:
            data = self.data(n)
            buf.prepend(data)
            plain[:0] = data

    @rule(name=names, at=places, n=lengths)
    def cut(self, name, at, n):
        buf, plain = self.pick(name)
        if buf is not None:
            del buf[at : at + n]
            del plain[at : at + n]

    @rule(name=names, n=lengths)
    def take(self, name, n):
        buf, plain = self.pick(name)
        if buf is not None:
            del buf[:n]
            del plain[:n]

    @rule(name=names, other=names)
    def copy(self, name, other):
        if name in self.now:
            self.store[other] = self.store[name]
            self.now[other] = bytearray(self.now[name])

    @rule(name=names)
    def delete(self, name):
        if name in self.now:
            del self.store[name], self.now[name]

    @rule(name=names, other=names)
    def rename(self, name, other):
        if name in self.now and other not in self.now:
            self.store.rename(name, other)
            self.now[other] = self.now.pop(name)

    # ---- commits ----

    @rule()
    def commit(self):
        self.store.commit()
        self.committed = {name: bytes(data) for name, data in self.now.items()}

    @rule(name=names)
    def snapshot(self, name):
        if name in self.snapshots:
            self.store.drop_snapshot(name)
            del self.snapshots[name]
        else:
            self.store.snapshot(name)
            self.committed = {name: bytes(data) for name, data in self.now.items()}
            self.snapshots[name] = self.committed

    @rule(name=names)
    def look_at_a_snapshot(self, name):
        if name in self.snapshots:
            with self.store.at(name) as then:
                assert {n: then[n].tobytes() for n in then} == self.snapshots[name]

    @rule()
    def rollback(self):
        self.store.rollback()
        self.now = {name: bytearray(data) for name, data in self.committed.items()}

    @rule()
    def reopen(self):
        self.rollback()
        self.store.close()
        self.store = PageStore(self.path, "r+", pool=self.pool, **self.settings)

    @rule()
    def refresh(self):
        self.reader.refresh()
        self.shown = self.committed

    # ---- what has to be ----

    @invariant()
    def the_writer_has_the_bytes(self):
        if hasattr(self, "store"):
            assert set(self.store) == self.now.keys()
            for name, data in self.now.items():
                assert self.store[name].tobytes() == data

    @rule()
    def the_reader_has_its_commit(self):
        assert {name: self.reader[name].tobytes() for name in self.reader} == self.shown

    @rule()
    def the_file_is_whole(self):
        self.store.verify()
        self.reader.verify()
        assert store_check.check(self.path).faults == []
        assert store_check.named(self.path) == self.committed
        assert store_check.snapshots(self.path) == self.snapshots

    def teardown(self):
        if hasattr(self, "store"):
            self.store.rollback()
            self.store.close()
            self.reader.close()
            del self.store, self.reader
            self.pool.check()
        shutil.rmtree(self.folder)


TestStores = pytest.mark.skipif(PAGE < 64, reason="stores have pages of 64 bytes at least")(
    Stores.TestCase
)
