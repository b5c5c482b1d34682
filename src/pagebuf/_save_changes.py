"""Saving what differs from the mapped file to that file, in place.

A tree that shows a page of the file shows what the file holds.  So before a page is overwritten, it
is copied if any tree names it: the mapping is private, and a store to it gives the page memory of
its own, at the same address.  So views and reads that are under way keep their bytes, too.  What
lies behind the new end of a file that gets shorter would be gone all the same, and is replaced as
a whole.

    1. the source shows what the buffer holds: from now on no tree comes to name what is not named
    2. find out what is named, and copy it
    3. make the tree that shows the file as it will be: pages of the file where they follow it
    4. write, and cut
    5. source and buffer show that tree; or, if anything failed, the source what it showed before
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import mmap
import os
import sys
from typing import TYPE_CHECKING

from pagebuf._core import PAGE_SIZE
from pagebuf._map import PIECE, Range, Source, _data, _duplicate, _identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pagebuf._core import PageBuffer
    from pagebuf._map import Mapping

POPULATE_WRITE = 23
"""MADV_POPULATE_WRITE of Linux 5.14: what a store to each page would do, but an error is one."""


# ---- lists of ranges ----


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """Return them in order, and apart."""
    out: list[Range] = []
    for offset, size in sorted(ranges):
        if out and offset <= sum(out[-1]):
            start = out[-1][0]
            out[-1] = start, max(sum(out[-1]), offset + size) - start
        elif size:
            out.append((offset, size))
    return out


def _rounded(ranges: Iterable[Range], unit: int) -> list[Range]:
    """Return the units that they touch."""
    return _joined(
        (first, _up(offset + size, unit) - first)
        for offset, size in ranges
        if size
        for first in [offset // unit * unit]
    )


def _up(offset: int, unit: int = mmap.PAGESIZE) -> int:
    return -(-offset // unit) * unit


def _within(ranges: Iterable[Range], start: int, end: int) -> list[Range]:
    """Return the parts that lie between."""
    cut = ((max(start, offset), min(end, offset + size)) for offset, size in ranges)
    return [(first, past - first) for first, past in cut if first < past]


def _without(ranges: list[Range], others: list[Range]) -> list[Range]:
    """Return what lies in none of the others; both lists are in order, and apart."""
    out, i = [], 0
    for offset, size in ranges:
        at, end = offset, offset + size
        while i < len(others) and sum(others[i]) <= at:
            i += 1
        j = i
        while j < len(others) and others[j][0] < end:
            if at < others[j][0]:
                out.append((at, others[j][0] - at))
            at = max(at, sum(others[j]))
            j += 1
        if at < end:
            out.append((at, end - at))
    return out


def _size(ranges: Iterable[Range]) -> int:
    return sum(size for _, size in ranges)


# ---- the file ----


@dataclasses.dataclass
class Plan:
    """What a call is about to do."""

    changed: list[Range]
    resize: bool
    gone: list[Range] = dataclasses.field(default_factory=list)
    """Of the mapping, what is to be kept although it is cut off the file."""


def _same_file(source: Source, fd: int, *, force: bool) -> None:
    identity, before = _identity(os.fstat(fd)), source.identity
    name = None if source.path is None else str(source.path)
    if before is None or identity[:2] != before[:2]:
        raise OSError(errno.ESTALE, "another file has the name of the mapped one: save() it", name)
    if identity != before and not force:
        why = "the file has changed since it was mapped or saved to: force=True overwrites that"
        raise OSError(errno.ESTALE, why, name)


@contextlib.contextmanager
def _reopened(source: Source) -> Iterator[int]:
    if source.path is None:
        if source.fd is None:
            why = "the file was mapped by a descriptor that cannot write anywhere in it"
            raise OSError(errno.EBADF, why)
        with _duplicate(source.fd) as fd:
            yield fd
        return
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(source.path, os.O_RDWR | flags)
    try:
        yield fd
    finally:
        os.close(fd)


def _write_at(fd: int, offset: int, data: memoryview) -> None:
    while data:
        if hasattr(os, "pwrite"):
            done = os.pwrite(fd, data[:PIECE], offset)
        else:
            os.lseek(fd, offset, os.SEEK_SET)
            done = os.write(fd, data[:PIECE])
        offset, data = offset + done, data[done:]


def _write_zeros(fd: int, offset: int, size: int) -> None:
    """Holes of the file stay holes."""
    zeros = memoryview(bytes(min(size, 1 << 16)))
    for start, length in _data(fd, offset, size):
        for at in range(start, start + length, len(zeros)):
            _write_at(fd, at, zeros[: start + length - at])


def _overwrite(frozen: PageBuffer, fd: int, first: int, offset: int, size: int) -> None:
    """Write a range of the buffer to its place in the file, where the source begins at `first`."""
    at = offset
    for start, view in [*frozen.data_views(offset, size), (offset + size, memoryview(b""))]:
        if at < start:
            _write_zeros(fd, first + at, start - at)
        _write_at(fd, first + start, view)
        at = start + len(view)


def _patch(frozen: PageBuffer, source: Source, fd: int, plan: Plan) -> None:
    first, size = source.offset, len(frozen)
    there = os.fstat(fd).st_size
    if plan.resize and there < first + size:
        os.ftruncate(fd, first + size)
    for offset, length in _within(plan.changed, 0, size):
        _overwrite(frozen, fd, first, offset, length)
    if plan.resize and there > first + size:
        if source.mapping and plan.gone:
            _keep_cut(source, source.mapping, size, plan.gone)
        os.ftruncate(fd, first + size)
    os.fsync(fd)


# ---- what is kept ----


def _cut_at(mapping: Mapping, size: int) -> int:
    """Where in a mapping pages are gone when the source gets `size` bytes."""
    return min(_up(mapping.before + size), mapping.end)


def _keep(source: Source, mapping: Mapping, named: list[Range], cut: int) -> list[Range]:
    """Copy pages that trees name, in place, before the file changes and ends at `cut`.

    Return what is to be kept when it is cut.
    """
    if not mapping.private:
        why = "the system has no memory to keep what snapshots and views show of the file"
        raise OSError(errno.ENOMEM, f"{why}: save() it")
    shifted = ((mapping.before + offset, length) for offset, length in named)
    wanted = _rounded(shifted, mmap.PAGESIZE)
    stay = _without(_within(wanted, 0, cut), mapping.kept)
    gone = _within(wanted, cut, mapping.end)
    if gone and not sys.platform.startswith("linux"):
        why = (
            "a snapshot or view shows what is to be cut off the file, which this system cannot keep"
        )
        raise OSError(errno.EOPNOTSUPP, f"{why}: save() it")
    source.pool._zone_keeps(mapping.frame, _size(stay) + _size(gone), source)
    for offset, length in stay:
        _copy_in_place(mapping.memory, offset, length)
        mapping.kept = _joined([*mapping.kept, (offset, length)])
    return gone


def _copy_in_place(memory: mmap.mmap, offset: int, size: int) -> None:
    with contextlib.suppress(AttributeError):
        try:
            memory.madvise(POPULATE_WRITE, offset, min(size, len(memory) - offset))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        else:
            return
    for at in range(offset, min(offset + size, len(memory)), mmap.PAGESIZE):
        memory[at] = memory[at]


def _keep_cut(source: Source, mapping: Mapping, size: int, gone: list[Range]) -> None:
    cut = _cut_at(mapping, size)
    part = cut, _up(mapping.end) - cut
    source._keep_cut(mapping.memory, *part, gone)
    mapping.end = cut
    mapping.kept = _joined([*mapping.kept, part])


def _make_room(source: Source, old: PageBuffer, frozen: PageBuffer, plan: Plan) -> PageBuffer:
    """Have the file free to change.  Return the tree that shows it afterwards."""
    mapping, size = source.mapping, len(frozen)
    own = changed = plan.changed
    if mapping is not None:
        cut = _cut_at(mapping, size)  # all from there on is gone, also what an earlier save left
        going = [*changed, (cut - mapping.before, mapping.end - cut)]
        touched = _within(_rounded(going, PAGE_SIZE), 0, mapping.size)
        pages = [(offset // PAGE_SIZE, -(-length // PAGE_SIZE)) for offset, length in touched]
        found = source.pool._zone_named(mapping.frame, pages, old) if pages else []
        named = [(page * PAGE_SIZE, count * PAGE_SIZE) for page, count in found]
        if named:
            plan.gone = _keep(source, mapping, _within(named, 0, mapping.size), cut)
        kept = ((offset - mapping.before, length) for offset, length in mapping.kept)
        lost = _rounded(_within(kept, 0, mapping.size), PAGE_SIZE)
        mapping.follows = min(mapping.follows, size // PAGE_SIZE * PAGE_SIZE)
        follow = _without([(0, mapping.follows)], lost)
        own = _without(_rounded(changed, PAGE_SIZE), follow)
    fresh = old.clone()
    fresh.resize(size)
    for offset, length in _within(own, 0, size):
        fresh.copy_range(offset, frozen, offset, length)
    return fresh


# ---- the call ----


def save_changes(buf: PageBuffer, *, force: bool = False) -> None:
    """Write to the mapped file what differs from it."""
    source = buf.source
    if not isinstance(source, Source) or source.identity is None:
        why = "a buffer that maps no file has none to save its changes to"
        raise ValueError(f"{why}: save(path) writes all of it")
    if source.by_read:
        why = "a file that is mapped by io='read' cannot be changed in place"
        raise ValueError(f"{why}: save(path) writes all of it")
    with source.lock, _reopened(source) as fd:
        _same_file(source, fd, force=force)
        _save_to(buf, source, fd)


def _plan(frozen: PageBuffer, source: Source) -> Plan | None:
    """What it takes to have the file hold what the buffer holds.  None: it does."""
    changed = _joined([*frozen.diff(source), *source.unsure])
    if not changed:
        return None
    resize = len(frozen) != len(source)
    if resize and not source.whole:
        why = "the length has changed, and the map does not go to the end of its file"
        raise ValueError(f"{why}: save(path) writes all of it")
    return Plan(changed, source.whole and (resize or bool(source.unsure)))


def _save_to(buf: PageBuffer, source: Source, fd: int) -> None:
    frozen, old = buf.snapshot(), source.snapshot()
    plan = _plan(frozen, source)
    if plan is None:
        return
    past = source.offset + len(source)
    if source.whole and os.fstat(fd).st_size < past:  # others have cut it: force
        os.ftruncate(fd, past)
    end = source.mapping.end if source.mapping else 0
    source._show_again(frozen, None)
    try:
        fresh = _make_room(source, old, frozen, plan)
        _write(frozen, source, fd, plan)
    except BaseException:
        if source.mapping is None or source.mapping.end == end:
            source._show_again(old, None)
        raise
    source.unsure = []
    source._show_again(fresh, None)
    if not buf.frozen:
        buf._show_again(source, frozen)


def _write(frozen: PageBuffer, source: Source, fd: int, plan: Plan) -> None:
    """Change the file.  Until all of it has succeeded, nobody knows what it holds there."""
    source.unsure = plan.changed
    try:
        _patch(frozen, source, fd, plan)
    finally:
        source.identity = _identity(os.fstat(fd))
