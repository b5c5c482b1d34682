"""A family of buffers on one pool that share pages: buffers, snapshots, clones, views, queues.

Each has its own model.  After each step every buffer must have the bytes of its model, every tree
must be whole, and the pool counts every reference again from all trees (I1, I2, I11).
"""

from __future__ import annotations

import contextlib
import gc
import operator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import pagebuf
from tests.helpers import PAGE
from tests.model.strategies import around_pages
from tests.plain import plain_punch, plain_truncate, plain_write
from tests.support import assert_accounted, pattern

MOST = 24 * PAGE
FAMILY = 7

offsets = around_pages(23, by=2, most=MOST)
sizes = around_pages(9, by=1, most=5 * PAGE)


@dataclass
class Member:
    """A buffer and the bytes that it must hold."""

    buf: Any
    model: bytearray
    live: list[tuple[memoryview, int]] = field(default_factory=list)  # a view and its offset


class Family(RuleBasedStateMachine):
    """Buffers are changed, shared and dropped in any order."""

    members: Bundle[Member] = Bundle("members")

    def __init__(self) -> None:
        super().__init__()
        self.pool = pagebuf.PagePool()
        self.family: list[Member] = []
        self.stable: list[tuple[memoryview, bytes]] = []
        self.queue = pagebuf.ByteQueue(pool=self.pool)
        self.queued = bytearray()

    def join(self, buf: Any, model: bytes) -> Member:
        member = Member(buf, bytearray(model))
        self.family.append(member)
        if len(self.family) > FAMILY:
            old = self.family.pop(0)
            self.leave(old)
        return member

    def leave(self, member: Member) -> None:
        """Drop the buffer of a member.  A bundle keeps the member, so it gets an empty snapshot."""
        member.live.clear()
        member.buf = pagebuf.PageBuffer(pool=self.pool).snapshot()
        member.model = bytearray()

    def fits(self, member: Member, more: int) -> bool:
        return not member.buf.frozen and len(member.model) + more <= 2 * MOST

    # ---- members ----

    @rule(target=members, size=sizes, salt=st.integers(0, 99))
    def make(self, size: int, salt: int) -> Member:
        data = pattern(0, size, salt)
        return self.join(pagebuf.PageBuffer(data, pool=self.pool), data)

    @rule(target=members, of=members)
    def snapshot(self, of: Member) -> Member:
        return self.join(of.buf.snapshot(), bytes(of.model))

    @rule(target=members, of=members)
    def clone(self, of: Member) -> Member:
        return self.join(of.buf.clone(), bytes(of.model))

    @rule(member=members)
    def drop(self, member: Member) -> None:
        self.leave(member)

    @rule(member=members, to=members)
    def restore(self, member: Member, to: Member) -> None:
        if member.buf.frozen:
            return
        member.live.clear()
        member.buf.restore(to.buf)
        member.model[:] = to.model

    # ---- changes ----

    @rule(member=members, offset=offsets, size=sizes, salt=st.integers(0, 99))
    def write(self, member: Member, offset: int, size: int, salt: int) -> None:
        if self.fits(member, 0):
            data = pattern(0, size, salt)
            member.buf.write(offset, data)
            plain_write(member.model, offset, data)

    @rule(member=members, offset=offsets, size=sizes)
    def punch(self, member: Member, offset: int, size: int) -> None:
        if self.fits(member, 0):
            member.buf.punch(offset, size)
            plain_punch(member.model, offset, size)

    @rule(member=members, size=offsets)
    def truncate(self, member: Member, size: int) -> None:
        if self.fits(member, 0):
            member.buf.truncate(size)
            plain_truncate(member.model, size)

    @rule(member=members, size=sizes)
    def take(self, member: Member, size: int) -> None:
        if self.fits(member, 0):
            size = min(size, len(member.model))
            assert member.buf.take_bytes(size) == member.model[:size]
            del member.model[:size]
            member.live.clear()

    # ---- ranges ----

    @rule(
        to=members, source=members, at=offsets, start=offsets, size=sizes, congruent=st.booleans()
    )
    def copy_range(
        self, to: Member, source: Member, at: int, start: int, size: int, congruent: bool
    ) -> None:
        if not self.fits(to, 0):
            return
        if congruent:
            apart = source.buf.stats().bias + start - to.buf.stats().bias - at
            at += apart % PAGE
        data = bytes(source.model[start : start + size])
        assert to.buf.copy_range(at, source.buf, start, size) == len(data)
        plain_write(to.model, at, data)

    @rule(member=members, offset=offsets, size=sizes)
    def collapse(self, member: Member, offset: int, size: int) -> None:
        if self.fits(member, 0):
            member.live.clear()
            member.buf.collapse(offset, size)
            del member.model[offset : offset + size]

    @rule(member=members, offset=offsets, size=sizes)
    def insert_hole(self, member: Member, offset: int, size: int) -> None:
        if self.fits(member, size):
            member.live.clear()
            member.buf.insert_hole(offset, size)
            member.model[offset:offset] = bytes(size)

    @rule(to=members, source=members)
    def extend(self, to: Member, source: Member) -> None:
        if self.fits(to, len(source.model)):
            to.buf.extend(source.buf)
            to.model.extend(bytes(source.model))

    @rule(to=members, source=members, start=offsets, stop=offsets)
    def assign_slice(self, to: Member, source: Member, start: int, stop: int) -> None:
        if self.fits(to, len(source.model)):
            to.live.clear()
            to.buf[start:stop] = source.buf
            to.model[start:stop] = bytes(source.model)

    @rule(one=members, two=members, exact=st.booleans())
    def diff(self, one: Member, two: Member, exact: bool) -> None:
        told = one.buf.diff(two.buf, exact=exact)
        size = max(len(one.model), len(two.model))
        shorter = min(len(one.model), len(two.model))
        a, b = one.model.ljust(size, b"\0"), two.model.ljust(size, b"\0")
        past = -1
        for offset, length in told:
            assert past < offset < offset + length <= size
            past = offset + length
            end = min(past, shorter)
            assert not (exact and any(map(operator.eq, a[offset:end], b[offset:end])))
            b[offset:past] = a[offset:past]
        assert a == b
        assert shorter == size or past == size

    @rule(one=members, base=members)
    def delta(self, one: Member, base: Member) -> None:
        target = base.buf.clone()
        target.apply(bytes(one.buf.delta(base.buf)))
        assert target.tobytes() == one.model

    # ---- one run ----

    @rule(member=members, more=sizes, salt=st.integers(0, 99))
    def export_grow_export(self, member: Member, more: int, salt: int) -> None:
        """An export may move pages into one run.  The bytes stay the same."""
        assert b"".join([member.buf]) == member.model
        if self.fits(member, more):
            data = pattern(0, more, salt)
            member.buf.extend(data)
            member.model += data
            assert b"".join([member.buf]) == member.model

    @rule(member=members)
    def gather(self, member: Member) -> None:
        with contextlib.suppress(BufferError, TypeError):  # has views; frozen
            member.buf.gather()
            assert member.buf.stats().runs <= 1

    # ---- views ----

    @rule(member=members, offset=offsets, size=sizes)
    def view_live(self, member: Member, offset: int, size: int) -> None:
        size = min(size, len(member.model) - offset)
        if size > 0 and not member.buf.frozen and len(member.live) < 3:
            try:
                member.live.append((member.buf.view(offset, size), offset))
            except BufferError:  # another view pins pages that must move
                assert member.live

    @rule(member=members, salt=st.integers(0, 99))
    def write_through(self, member: Member, salt: int) -> None:
        """A live view writes into its buffer, and into no other."""
        for view, offset in member.live:
            size = min(len(view), len(member.model) - offset)
            if size > 0:
                data = pattern(0, size, salt)
                view[:size] = data
                member.model[offset : offset + size] = data

    @rule(member=members)
    def release(self, member: Member) -> None:
        member.live.clear()

    @rule(member=members, offset=offsets, size=sizes)
    def view_stable(self, member: Member, offset: int, size: int) -> None:
        size = min(size, len(member.model) - offset)
        if size > 0:
            view = member.buf.view(offset, size, writable=False)
            self.stable.append((view, bytes(member.model[offset : offset + size])))
            del self.stable[:-5]

    @rule(member=members, offset=offsets, step=st.integers(1, 4))
    def views_of_runs(self, member: Member, offset: int, step: int) -> None:
        """Some of the views of a list stay; the others give up what they showed."""
        if offset < len(member.model):
            views = member.buf.data_views(offset)[::step]
            for at, view in views[-5:]:
                self.stable.append((view, bytes(member.model[at : at + len(view)])))
            del self.stable[:-5]

    # ---- the queue ----

    @rule(size=sizes, salt=st.integers(0, 99))
    def put(self, size: int, salt: int) -> None:
        data = pattern(0, size, salt)
        self.queue.put(data)
        self.queued += data

    @rule(size=sizes, taken=sizes)
    def splice(self, size: int, taken: int) -> None:
        """Bytes move to another queue and come back behind the bytes that stayed."""
        other = pagebuf.ByteQueue(pool=self.pool)
        moved = other.splice_from(self.queue, size)
        assert moved == min(size, len(self.queued))
        head, self.queued = self.queued[:moved], self.queued[moved:]
        gone = min(taken, moved)
        assert other.get(gone) == head[:gone]
        assert self.queue.splice_from(other) == moved - gone
        self.queued += head[gone:]
        other.check()

    # ---- invariants ----

    @invariant()
    def every_count_is_right(self) -> None:
        assert_accounted(self.pool)
        self.queue.check()
        assert self.queue.peek(len(self.queued)) == self.queued
        for member in self.family:
            member.buf.check()
            assert member.buf.tobytes() == member.model
        for view, data in self.stable:
            assert view == data

    def teardown(self) -> None:
        """No frame is lost."""
        pool = self.pool
        while self.family:
            self.leave(self.family.pop())
        self.stable.clear()
        self.queue = self.queued = None  # type: ignore[assignment]
        gc.collect()
        pool.check()
        assert pool.stats().held == 0


TestFamily = Family.TestCase
TestFamily.settings = settings(max_examples=max(10, settings().max_examples // 4))
