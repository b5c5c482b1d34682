"""What changed between two states of a buffer, packed for another process.

>>> from pagebuf import Delta, PageBuffer
>>> buf = PageBuffer(b"hello world")
>>> base = buf.snapshot()
>>> buf[0:5] = b"HELLO"
>>> packed = bytes(buf.delta(base))
>>> there = PageBuffer(b"hello world")
>>> there.apply(Delta.frombytes(packed))
>>> there.tobytes()
b'HELLO world'
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from pagebuf._core import PAGE_SIZE, PageBuffer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer

__all__ = ["Delta", "DeltaError"]

MAGIC = b"PBDELTA\x02"
_MAGIC_1 = b"PBDELTA\x01"  # the base is hashed byte by byte, zeros included
_HEAD = struct.Struct("<8sQQ32sQ")  # magic, base size, size, base hash, ranges
_ROW = struct.Struct("<QQQ")  # offset, size, number of bytes stored: size, or 0 for zeros
_HASH = 32
_BLOCK = 4096  # what the hash of a base counts as zeros; part of the format, whatever PAGE_SIZE is
_HASHED = 64 * _BLOCK  # read at a time
_MARK = struct.Struct("<QQ")  # in the hash of a base, after a run of blocks: where, how long
_NEAR = _ROW.size  # over a gap up to this size, one row for two ranges is not longer than two
_COPIED = 4 * PAGE_SIZE  # shorter ranges are copied, longer ones viewed


class DeltaError(ValueError):
    """A delta is damaged or cut short, or was made from another base.

    Nothing has changed.
    """


class Range(NamedTuple):
    """Bytes that changed: ``stored`` of them are in the delta, none where they are zeros."""

    offset: int
    size: int
    stored: int


class Delta:
    """The ranges that changed, both sizes, and a hash of the base.

    Made by `PageBuffer.delta`, replayed by `PageBuffer.apply`.  ``bytes(delta)`` is its binary
    form, which `Delta.frombytes` reads; pickled with protocol 5 its large ranges travel out of
    band, without a copy.

    >>> buf = PageBuffer(b"abc")
    >>> delta = buf.delta(PageBuffer(b"abd"))
    >>> delta.ranges
    [Range(offset=2, size=1, stored=1)]
    >>> delta
    <pagebuf.Delta 3 -> 3 bytes, 1 ranges>
    """

    __slots__ = ("_check", "_head", "_parts", "base_hash", "base_size", "ranges", "size")

    base_size: int
    size: int
    base_hash: bytes
    ranges: list[Range]

    def __init__(self, head: Buffer, parts: Iterable[Buffer], check: bytes) -> None:
        """Make a delta from the parts that `__reduce_ex__` returns.  DeltaError if damaged."""
        self._head = bytes(head)
        self._parts = [memoryview(part).cast("B") for part in parts]
        self._check = bytes(check)
        if _digest([self._head, *self._parts]) != self._check:
            raise DeltaError("the delta is damaged: its bytes do not have their hash")
        self.base_size, self.size, self.base_hash, self.ranges = _read_head(self._head)
        stored = sum(row.stored for row in self.ranges)
        if stored != sum(len(part) for part in self._parts):
            raise DeltaError(f"the delta does not hold the {stored} bytes that it lists")

    @classmethod
    def frombytes(cls, data: Buffer) -> Delta:
        """Read the binary form; DeltaError when it is damaged or cut short.  O(len(data)).

        >>> Delta.frombytes(b"PBDELTA")
        Traceback (most recent call last):
        ...
        pagebuf.delta.DeltaError: 7 bytes are too few for a delta
        """
        try:
            given = memoryview(data)
        except TypeError:
            kind = type(data).__name__
            raise TypeError(f"delta must be a Delta or a bytes-like object, not {kind}") from None
        view = given.cast("B")
        if len(view) < _HEAD.size + _HASH:
            raise DeltaError(f"{len(view)} bytes are too few for a delta")
        count = _HEAD.unpack_from(view)[4]
        end = _HEAD.size + count * _ROW.size
        if end > len(view) - _HASH:
            raise DeltaError(f"{len(view)} bytes are too few for a delta of {count} ranges")
        return cls(view[:end], [view[end:-_HASH]], bytes(view[-_HASH:]))

    def __bytes__(self) -> bytes:
        """Return the binary form."""
        return b"".join([self._head, *self._parts, self._check])

    def __buffer__(self, flags: int, /) -> memoryview:
        """A copy, for calls that take bytes-like objects (from Python 3.12 on)."""
        return memoryview(bytes(self))

    @property
    def nbytes(self) -> int:
        """The length of the binary form."""
        return len(self._head) + sum(len(part) for part in self._parts) + _HASH

    def __eq__(self, other: object) -> bool:
        """Compare the binary forms."""
        return isinstance(other, Delta) and self._check == other._check

    def __hash__(self) -> int:
        """The hash of the binary form."""
        return hash(self._check)

    def __repr__(self) -> str:
        """Tell sizes and the number of ranges."""
        return f"<pagebuf.Delta {self.base_size} -> {self.size} bytes, {len(self.ranges)} ranges>"

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        """Return the parts; from protocol 5 on without a copy."""
        if isinstance(protocol, int) and protocol >= 5:
            import pickle

            parts: list[object] = [pickle.PickleBuffer(part) for part in self._parts]
            return (Delta, (self._head, parts, self._check))
        return (Delta.frombytes, (bytes(self),))

    def _base_is(self, base: PageBuffer) -> bool:
        """True if the base has the hash that is noted here."""
        old = self._head.startswith(_MAGIC_1)
        return (_digest(_flat(base)) if old else _hash_of(base)) == self.base_hash

    def _pieces(self) -> Iterator[tuple[Range, list[memoryview]]]:
        """Yield each range and the views of its bytes, which may lie in several parts."""
        parts = iter(self._parts)
        rest = memoryview(b"")
        for row in self.ranges:
            pieces = []
            missing = row.stored
            while missing:
                if not rest:
                    rest = next(parts)
                pieces.append(rest[:missing])
                missing -= len(pieces[-1])
                rest = rest[len(pieces[-1]) :]
            yield row, pieces


def _digest(parts: Iterable[Buffer]) -> bytes:
    import hashlib

    total = hashlib.blake2b(digest_size=_HASH)
    for part in parts:
        total.update(part)
    return total.digest()


def _flat(base: PageBuffer) -> Iterator[Buffer]:
    """All bytes of a base, zeros included: what version 1 hashes."""
    for at in range(0, len(base), _HASHED):
        yield base.read(at, _HASHED)


def _chunks(base: PageBuffer) -> Iterator[tuple[int, bytes]]:
    """The blocks in which pages lie, some at a time, and where they begin."""
    past = 0
    for offset, size in base.extents():
        at = max(past, offset // _BLOCK * _BLOCK)
        past = max(past, -(-(offset + size) // _BLOCK) * _BLOCK)
        for start in range(at, past, _HASHED):
            yield start, base.read(start, min(_HASHED, past - start))


def _data_runs(base: PageBuffer) -> Iterator[tuple[int, bytes]]:
    """The blocks that are not zeros, neighbours of one chunk together."""
    zeros = bytes(_BLOCK)
    for start, chunk in _chunks(base):
        if 0 not in chunk:
            yield start, chunk
            continue
        begin = None
        for at in range(0, len(chunk), _BLOCK):
            block = chunk[at : at + _BLOCK]
            if block != zeros[: len(block)]:
                begin = at if begin is None else begin
            elif begin is not None:
                yield start + begin, chunk[begin:at]
                begin = None
        if begin is not None:
            yield start + begin, chunk[begin:]


def _hash_of(base: PageBuffer) -> bytes:
    """The hash of what is not zeros: each run of blocks, then where it lies and how long it is.

    How pages and holes lie does not count, only what the bytes are.  O(pages + nodes).
    """
    import hashlib

    total = hashlib.blake2b(digest_size=_HASH)
    first = past = 0
    for start, data in _data_runs(base):
        if start != past:
            if past > first:
                total.update(_MARK.pack(first, past - first))
            first = start
        total.update(data)
        past = start + len(data)
    if past > first:
        total.update(_MARK.pack(first, past - first))
    return total.digest()


def _read_head(head: bytes) -> tuple[int, int, bytes, list[Range]]:
    magic, base_size, size, base_hash, count = _HEAD.unpack_from(head)
    if magic not in (MAGIC, _MAGIC_1):
        raise DeltaError(f"not a delta of this version: it begins with {magic!r}")
    ranges = [Range(*row) for row in _ROW.iter_unpack(head[_HEAD.size :])]
    if len(ranges) != count:
        raise DeltaError(f"{count} ranges are announced, {len(ranges)} are there")
    past = 0
    for row in ranges:
        in_place = past <= row.offset and row.size > 0 and row.offset + row.size <= size
        if not in_place or row.stored not in (0, row.size):
            raise DeltaError(f"a range that cannot be: {row}")
        past = row.offset + row.size
    return base_size, size, base_hash, ranges


# ---- making one ----


def _joined(found: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Clip the differences to the new size, and join those that are near to each other."""
    start = past = -1
    for offset, length in found:
        end = min(offset + length, size)
        if past >= 0 and offset - past <= _NEAR:
            past = max(past, end)
        elif offset < size:
            if past >= 0:
                yield start, past - start
            start, past = offset, end
    if past >= 0:
        yield start, past - start


def _split(snap: PageBuffer, found: Iterable[tuple[int, int]]) -> Iterator[Range]:
    """Split the ranges at holes, whose zeros are not stored."""
    extents = snap.extents()
    starts = [offset for offset, _ in extents]
    for offset, size in found:
        end = offset + size
        while offset < end:
            i = bisect_right(starts, offset) - 1
            if i >= 0 and offset < sum(extents[i]):
                step = min(end, sum(extents[i])) - offset
                yield Range(offset, step, step)
            else:
                step = min(end, starts[i + 1] if i + 1 < len(starts) else end) - offset
                yield Range(offset, step, 0)
            offset += step


def _parts(snap: PageBuffer, ranges: Iterable[Range]) -> Iterator[Buffer]:
    """Yield the bytes to store: views of the snapshot for large ranges, copies for small ones."""
    small = bytearray()
    for row in ranges:
        if row.stored and row.size < _COPIED:
            small += snap.read(row.offset, row.size)
        elif row.stored:
            if small:
                yield small
                small = bytearray()
            yield from snap.views(row.offset, row.size)
    if small:
        yield small


def make(buf: PageBuffer, base: PageBuffer) -> Delta:
    """Make the delta for `PageBuffer.delta`."""
    if not isinstance(base, PageBuffer):
        raise TypeError(f"delta() takes a PageBuffer, not {type(base).__name__}")
    now, then = buf.snapshot(), base.snapshot()
    found = _joined(now.diff(then, exact=True), len(now))
    ranges = list(_split(now, found))
    head = _HEAD.pack(MAGIC, len(then), len(now), _hash_of(then), len(ranges))
    head += b"".join(_ROW.pack(*row) for row in ranges)
    parts = list(_parts(now, ranges))
    return Delta(head, parts, _digest([head, *parts]))


# ---- replaying one ----


def replay(buf: PageBuffer, delta: Delta | Buffer) -> None:
    """Do the work of `PageBuffer.apply`: change a clone, which then takes the buffer's place."""
    if not isinstance(delta, Delta):
        delta = Delta.frombytes(delta)
    base = work = buf.snapshot()
    try:
        if len(base) != delta.base_size:
            raise DeltaError(f"made from {delta.base_size} bytes, not from {len(base)}")
        if not delta._base_is(base):
            raise DeltaError("made from another base: its hash differs")
        work = base.clone()
        work.truncate(delta.size)
        for row, pieces in delta._pieces():
            offset = row.offset
            if not row.stored:
                work.punch(offset, row.size)
            for piece in pieces:
                offset += work.write(offset, piece)
        buf.restore(work)
    finally:
        del base, work  # a traceback would keep them, and their pages
