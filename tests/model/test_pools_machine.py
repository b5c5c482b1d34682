"""A family of pools and the buffers that take pages from them, beside a plain model.

The model of a pool is its parent and its limit.  The model of a buffer is its bytes.  After each
step the rows of each pool add up to what it has, and no pool is above its limit.  A refused call
changes nothing.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import pagebuf
from tests.helpers import PAGE
from tests.model.strategies import around_pages
from tests.plain import plain_punch, plain_truncate, plain_write
from tests.support import assert_accounted, pattern, pool_counts

MOST = 16 * PAGE
POOLS = 6
BUFFERS = 8

offsets = around_pages(15, by=2, most=MOST)
sizes = around_pages(7, by=1, most=4 * PAGE)
limits = st.one_of(st.none(), st.integers(1, 40))
tight = st.one_of(st.none(), st.integers(4, 40))  # may be less than its children may hold together
picks = st.integers(0, 1000)


@dataclass
class Branch:
    """A pool, its limit and its parent."""

    pool: Any
    limit: int | None  # pages
    parent: Branch | None

    def chain(self) -> list[Branch]:
        above = self.parent.chain() if self.parent else []
        return [self, *above]


@dataclass
class Member:
    """A buffer and the bytes that it must hold."""

    buf: Any
    model: bytearray
    branch: Branch
    views: list[tuple[memoryview, int]] = field(default_factory=list)


class Pools(RuleBasedStateMachine):
    """Pools and buffers are made, changed, shared and dropped in any order."""

    @initialize(
        limit=tight,
        below=st.lists(limits, min_size=2, max_size=2),
        keep=st.sampled_from([None, 0, 8 * PAGE]),
        level=st.sampled_from([0, 0, 1, 2, "sample:3"]),
    )
    def begin(
        self, limit: int | None, below: list[int | None], keep: int | None, level: Any
    ) -> None:
        """Make a pool, a child, a child of the child, and a buffer in each."""
        nbytes = None if limit is None else limit * PAGE
        root = pagebuf.PagePool(nbytes, keep=keep, debug=level, name="root")
        self.branches = [Branch(root, limit, None)]
        self.members: list[Member] = []
        self.stable: list[tuple[memoryview, bytes]] = []
        self.born = 0
        for number, quota in enumerate(below):
            self.add_child(self.branches[-1], quota, number)
        for number in range(len(self.branches)):
            self.make_in(self.branches[number], 4 * PAGE, number)

    def branch(self, pick: int) -> Branch:
        return self.branches[pick % len(self.branches)]

    def member(self, pick: int) -> Member | None:
        return self.members[pick % len(self.members)] if self.members else None

    def try_to(
        self, branch: Branch, call: Any, *args: Any, source: Branch | None = None
    ) -> tuple[bool, Any]:
        """Make a call.  Returns whether it succeeded, and its result.  If a limit refuses it,
        assert that the error names a pool of the chain, and that nothing has changed.  A call with
        a `source` may also need frames of the source's pool, for pages under live views."""
        before = [pool_counts(b.pool) for b in self.branches]
        states = [(len(m.buf), m.buf.stats()) for m in self.members]
        try:
            return True, call(*args)
        except pagebuf.PoolLimitError as error:
            text = str(error)
        asked = {b.pool.name: b for b in branch.chain() + (source.chain() if source else [])}
        named = [b for name, b in asked.items() if repr(name) in text]
        assert len(named) == 1
        assert f"may hold {named[0].limit * PAGE} " in text
        gc.collect()
        assert [pool_counts(b.pool) for b in self.branches] == before
        assert [(len(m.buf), m.buf.stats()) for m in self.members] == states
        return False, None

    def share_with(self, branch: Branch, of: Member) -> None:
        copy = pagebuf.PageBuffer(pool=branch.pool)
        if self.try_to(branch, copy.copy_range, 0, of.buf, source=of.branch)[0]:
            self.join(copy, bytes(of.model), branch)

    def join(self, buf: Any, model: bytes, branch: Branch) -> None:
        self.members.append(Member(buf, bytearray(model), branch))
        del self.members[:-BUFFERS]

    # ---- pools ----

    @precondition(lambda self: len(self.branches) < POOLS)
    @rule(of=picks, limit=limits, number=picks)
    def child(self, of: int, limit: int | None, number: int) -> None:
        self.add_child(self.branch(of), limit, number)

    def add_child(self, parent: Branch, limit: int | None, number: int) -> None:
        nbytes = None if limit is None else limit * PAGE + number % PAGE
        self.born += 1
        name = f"child {self.born}"
        pool = parent.pool.child(nbytes, name=name)
        self.branches.append(Branch(pool, limit, parent))

    @precondition(lambda self: len(self.branches) > 1)
    @rule(pick=picks, heir=picks)
    def drop_pool(self, pick: int, heir: int) -> None:
        """Drop a pool.  Its parent is now charged for the pages that other pools still hold."""
        gone = self.branches[1 + pick % (len(self.branches) - 1)]
        if any(b.parent is gone for b in self.branches):
            return
        self.branches.remove(gone)
        theirs = [m for m in self.members if m.branch is gone]
        self.members = [m for m in self.members if m.branch is not gone]
        while theirs:
            self.share_with(self.branch(heir), theirs.pop())
        del gone
        gc.collect()

    # ---- buffers ----

    @rule(on=picks, size=sizes, salt=st.integers(0, 99))
    def make(self, on: int, size: int, salt: int) -> None:
        self.make_in(self.branch(on), size, salt)

    def make_in(self, branch: Branch, size: int, salt: int) -> None:
        data = pattern(0, size, salt)
        done, buf = self.try_to(
            branch, lambda: pagebuf.PageBuffer(data, pool=branch.pool, name=f"salt {salt}")
        )
        if done:
            self.join(buf, data, branch)

    @rule(pick=picks, frozen=st.booleans())
    def copy(self, pick: int, frozen: bool) -> None:
        of = self.member(pick)
        if of is None:
            return
        call = of.buf.snapshot if frozen else of.buf.clone
        done, copy = self.try_to(of.branch, call)
        if done:
            self.join(copy, bytes(of.model), of.branch)

    @rule(pick=picks, to=picks)
    def share(self, pick: int, to: int) -> None:
        """Share the pages of a buffer with a buffer of another pool."""
        of = self.member(pick)
        if of is not None:
            self.share_with(self.branch(to), of)

    @rule(pick=picks)
    def drop(self, pick: int) -> None:
        if self.members:
            del self.members[pick % len(self.members)]

    def changeable(self, pick: int) -> Member | None:
        member = self.member(pick)
        return None if member is None or member.buf.frozen else member

    @rule(pick=picks, offset=offsets, size=sizes, salt=st.integers(0, 99))
    def write(self, pick: int, offset: int, size: int, salt: int) -> None:
        member, data = self.changeable(pick), pattern(0, size, salt)
        if member and self.try_to(member.branch, member.buf.write, offset, data)[0]:
            plain_write(member.model, offset, data)

    @rule(pick=picks, size=offsets)
    def truncate(self, pick: int, size: int) -> None:
        member = self.changeable(pick)
        if member and self.try_to(member.branch, member.buf.truncate, size)[0]:
            plain_truncate(member.model, size)

    @rule(pick=picks, offset=offsets, size=sizes)
    def punch(self, pick: int, offset: int, size: int) -> None:
        member = self.changeable(pick)
        if member and self.try_to(member.branch, member.buf.punch, offset, size)[0]:
            plain_punch(member.model, offset, size)

    @rule(pick=picks)
    def clear(self, pick: int) -> None:
        member = self.changeable(pick)
        if member:
            member.buf.clear()
            member.model.clear()
            member.views.clear()

    @rule(to=picks, source=picks, start=offsets, size=sizes)
    def copy_range(self, to: int, source: int, start: int, size: int) -> None:
        """Copy a range between pools, at congruent offsets, so that pages are shared."""
        member, other = self.changeable(to), self.member(source)
        if member is None or other is None:
            return
        at = start
        if len(member.model):
            at += (other.buf.stats().bias - member.buf.stats().bias) % PAGE
        data = bytes(other.model[start : start + size])
        done, _ = self.try_to(
            member.branch, member.buf.copy_range, at, other.buf, start, size, source=other.branch
        )
        if done:
            plain_write(member.model, at, data)

    @rule(pick=picks, to=picks)
    def restore(self, pick: int, to: int) -> None:
        member, other = self.changeable(pick), self.member(to)
        if member is None or other is None or member.views:
            return
        if self.try_to(member.branch, member.buf.restore, other.buf, source=other.branch)[0]:
            member.model[:] = other.model

    @rule(source=picks, to=picks, size=sizes, salt=st.integers(0, 99))
    def splice(self, source: int, to: int, size: int, salt: int) -> None:
        """Move bytes from a queue of one pool to a queue of another pool."""
        here, there = self.branch(source), self.branch(to)
        one = pagebuf.ByteQueue(pool=here.pool)
        two = pagebuf.ByteQueue(pool=there.pool)
        data = pattern(0, size, salt)
        if not self.try_to(here, one.put, data)[0]:
            assert len(one) == 0
            return
        self.try_to(there, two.splice_from, one)
        assert two.get() + one.get() == data
        for branch in self.branches:
            assert_accounted(branch.pool)

    # ---- views ----

    @rule(pick=picks, offset=offsets, size=sizes)
    def view(self, pick: int, offset: int, size: int) -> None:
        member = self.changeable(pick)
        if member is None or offset + size > len(member.model) or not size or member.views:
            return
        done, view = self.try_to(member.branch, member.buf.view, offset, size)
        if done:
            member.views.append((view, offset))

    @rule(pick=picks)
    def release(self, pick: int) -> None:
        member = self.member(pick)
        if member:
            member.views.clear()

    @rule(pick=picks, offset=offsets, size=sizes)
    def stable_view(self, pick: int, offset: int, size: int) -> None:
        member = self.member(pick)
        if member is None or offset + size > len(member.model) or not size:
            return
        done, view = self.try_to(
            member.branch, lambda: member.buf.view(offset, size, writable=False)
        )
        if done:
            self.stable.append((view, bytes(member.model[offset : offset + size])))
            del self.stable[:-3]

    @rule()
    def trim(self) -> None:
        self.branches[0].pool.trim()

    # ---- invariants ----

    @invariant()
    def everything_adds_up(self) -> None:
        if not hasattr(self, "branches"):
            return
        for member in self.members:
            assert member.buf.tobytes() == member.model
            assert member.buf.pool is member.branch.pool
        for view, data in self.stable:
            assert view == data
        for branch in self.branches:
            stats = branch.pool.stats()
            assert stats.limit == (-1 if branch.limit is None else branch.limit)
            assert branch.limit is None or stats.high_water <= branch.limit
            assert stats.held <= stats.high_water
            assert_accounted(branch.pool)
            if branch.parent:
                assert stats.held <= branch.parent.pool.stats().held

    def teardown(self) -> None:
        """No frame is lost, and no charge."""
        if not hasattr(self, "branches"):
            return
        root = self.branches[0].pool
        self.stable.clear()
        self.members.clear()
        gc.collect()
        for branch in self.branches:
            assert branch.pool.stats().held == 0
        self.branches.clear()
        gc.collect()
        assert_accounted(root)
        assert root.stats().held == 0


TestPools = Pools.TestCase
TestPools.settings = settings(max_examples=max(10, settings().max_examples // 4))
