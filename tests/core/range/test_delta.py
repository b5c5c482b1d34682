"""Deltas: making, sending and applying them.  Damaged deltas and wrong bases are refused."""

from __future__ import annotations

import hashlib
import pickle
import struct

import pytest

import pagebuf
from pagebuf import Delta, DeltaError
from tests.helpers import MAX_LEVELS, PAGE, reach
from tests.support import SHAPES, filled, pattern, refused

BLOCK = 4096  # of the format, independent of PAGE


def told(data):
    """The hash of a base as docs/delta.md defines it."""
    runs = []
    for at in range(0, len(data), BLOCK):
        block = data[at : at + BLOCK]
        if block.count(0) == len(block):
            continue
        if not runs or runs[-1][0] + len(runs[-1][1]) != at:
            runs.append((at, bytearray()))
        runs[-1][1].extend(block)
    total = hashlib.blake2b(digest_size=32)
    for at, run in runs:
        total.update(run + struct.pack("<QQ", at, len(run)))
    return total.digest()


def changed(pool):
    """A base, and a clone of it with other bytes, a hole and another size."""
    base = filled(pool, 6 * PAGE + 3)
    buf = base.clone()
    buf.write(PAGE + 1, b"\xff" * 5)
    buf.write(3 * PAGE - 2, bytes(range(1, 9)))
    buf.punch(4 * PAGE, PAGE)
    buf.extend(b"end")
    return base, buf


def test_a_delta_turns_the_base_into_the_buffer(pool):
    base, buf = changed(pool)
    delta = buf.delta(base)
    assert (delta.base_size, delta.size) == (len(base), len(buf))
    assert delta.base_hash == told(base.tobytes())
    other = pagebuf.PageBuffer(base.tobytes(), pool=pagebuf.PagePool())
    other.apply(delta)
    assert other.tobytes() == buf.tobytes()
    assert other.stats().pages == buf.stats().pages
    other.check()
    other.pool.check()


@pytest.mark.parametrize("into", SHAPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_becomes_every_shape(pool, shape, into):
    base, buf = SHAPES[shape](pool), SHAPES[into](pool)
    packed = bytes(buf.delta(base))
    if (shape, into) == ("biased", "tall"):  # only here a bias reduces the capacity
        with refused(pagebuf.CapacityError, base):
            base.apply(packed)
        return
    base.apply(packed)
    assert base == buf
    base.check()


@pytest.mark.skipif(reach(MAX_LEVELS) < 80 * BLOCK, reason="a buffer does not hold so many blocks")
def test_the_hash_tells_the_bytes_not_how_they_lie(pool):
    """Holes and written zeros have the same hash, anywhere in a page and in runs of any length."""
    size = 70 * BLOCK + 5
    for at, data in [
        (0, b""),
        (3 * BLOCK - 1, b"ab"),
        (5 * BLOCK, bytes(range(1, 200)) * (BLOCK // 3)),
        (63 * BLOCK, b"\1" * (3 * BLOCK)),
        (size - 2, b"ab"),
    ]:
        holes = pagebuf.PageBuffer(pool=pool)
        holes.truncate(size)
        holes.write(at, data)
        dense = pagebuf.PageBuffer(holes.tobytes(), pool=pool)
        shifted = pagebuf.PageBuffer(b"123" + holes.tobytes(), pool=pool)
        shifted.take_bytes(3)
        expected = told(dense.tobytes())
        for base in (holes, dense, shifted):
            assert base.delta(base).base_hash == expected
        moved = holes.clone()
        moved.insert_hole(0, BLOCK)
        moved.truncate(size)
        assert not data or moved.delta(moved).base_hash != expected


def test_the_first_version_is_still_read(pool):
    base = filled(pool, 2 * PAGE + 10)
    base.punch(PAGE, PAGE)
    size = len(base)
    whole = hashlib.blake2b(base.tobytes(), digest_size=32).digest()
    packed = b"PBDELTA\x01" + struct.pack("<QQ", size, size) + whole
    packed += struct.pack("<QQQQ", 1, 2, 3, 3) + b"abc"
    packed += hashlib.blake2b(packed, digest_size=32).digest()
    other = base.clone()
    other[0] ^= 1
    with refused(DeltaError, other):
        other.apply(packed)
    assert bytes(Delta.frombytes(packed)) == packed
    base.apply(packed)
    assert base.read(2, 3) == b"abc"


def test_it_holds_what_changed_and_no_more(pool):
    base, buf = changed(pool)
    delta = buf.delta(base)
    assert delta.nbytes == len(bytes(delta))
    assert sum(row.stored for row in delta.ranges) <= 5 + 8 + 3 + 4 * 24
    assert any(row.stored == 0 and row.size >= PAGE // 2 for row in delta.ranges)
    assert base.delta(base).ranges == []


def test_the_binary_form_is_as_documented(pool):
    base, buf = filled(pool, 9), filled(pool, 9)
    buf.write(2, b"\0\0\0")
    packed = b"PBDELTA\x02" + struct.pack("<QQ", 9, 9) + told(base.tobytes())
    packed += struct.pack("<QQQQ", 1, 2, 3, 3) + b"\0\0\0"
    packed += hashlib.blake2b(packed, digest_size=32).digest()
    assert bytes(buf.delta(base)) == packed
    assert Delta.frombytes(packed) == buf.delta(base)
    assert hash(Delta.frombytes(packed)) == hash(buf.delta(base))
    assert Delta.frombytes(packed) != base.delta(base)


def test_another_base_is_refused(pool):
    base, buf = changed(pool)
    delta = buf.delta(base)
    other = base.clone()
    other.write(5 * PAGE, b"\xfe")
    with refused(DeltaError, other):
        other.apply(delta)
    other = filled(pool, len(base) - 1)
    with refused(DeltaError, other):
        other.apply(delta)
    base.apply(delta)
    with refused(DeltaError, base):
        base.apply(delta)  # a delta applies only once


def test_every_truncation_is_refused(pool):
    base, buf = filled(pool, PAGE + 3), filled(pool, PAGE + 9)
    buf.write(3, b"\0\0")
    packed = bytes(buf.delta(base))
    with refused(DeltaError, base):
        for end in range(len(packed)):
            with pytest.raises(DeltaError):
                base.apply(packed[:end])
        base.apply(packed + b"\0")


def test_every_flipped_byte_is_refused(pool):
    base, buf = filled(pool, PAGE + 3), filled(pool, PAGE + 9)
    buf.write(3, b"\0\0")
    packed = bytearray(buf.delta(base).__bytes__())
    for i in range(len(packed)):
        for flip in (0x01, 0x80, 0xFF):
            packed[i] ^= flip
            with pytest.raises(DeltaError):
                base.apply(packed)
            packed[i] ^= flip
    assert base.tobytes() == pattern(0, PAGE + 3)
    base.apply(packed)
    assert base.tobytes() == buf.tobytes()


def signed(base, size, rows, payload, magic=b"PBDELTA\x02", count=None):
    """A delta whose hashes are right, even if other parts are wrong."""
    packed = magic + struct.pack("<QQ", len(base), size) + told(base.tobytes())
    packed += struct.pack("<Q", len(rows) if count is None else count)
    packed += b"".join(struct.pack("<QQQ", *row) for row in rows) + payload
    return packed + hashlib.blake2b(packed, digest_size=32).digest()


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": [(0, 0, 0)]},
        {"rows": [(8, 3, 3)], "payload": b"abc"},
        {"rows": [(10, 1, 1)], "payload": b"a"},
        {"rows": [(2, 3, 3), (4, 1, 1)], "payload": b"abcd"},
        {"rows": [(4, 1, 1), (2, 1, 1)], "payload": b"ab"},
        {"rows": [(2, 3, 2)], "payload": b"ab"},
        {"rows": [(2, 3, 3)], "payload": b"ab"},
        {"rows": [(2, 3, 3)], "payload": b"abcd"},
        {"rows": [(2**64 - 1, 2, 0)]},
        {"rows": [(1, 2**64 - 1, 0)]},
        {"rows": [], "count": 2**64 - 1},
        {"rows": [], "magic": b"PBDELTA\x03"},
    ],
)
def test_what_cannot_be_is_refused(pool, wrong):
    base = filled(pool, 10)
    with refused(DeltaError, base):
        base.apply(signed(base, 10, wrong.pop("rows"), wrong.pop("payload", b""), **wrong))
    base.apply(signed(base, 10, [(2, 3, 3)], b"abc"))
    assert base.read(2, 3) == b"abc"


def test_sizes_out_of_reach_change_nothing(pool):
    base = filled(pool, 10, max_levels=1)
    for size in (2**60, 2**63, 2**64 - 1):
        with refused(OverflowError, base):
            base.apply(signed(base, size, [], b""))


def test_pickles(pool):
    """Protocol 5 passes large ranges out of band, without a copy."""
    base, buf = filled(pool, PAGE), filled(pool, 40 * PAGE, salt=1)
    delta = buf.delta(base)
    for protocol in range(2, 6):
        assert pickle.loads(pickle.dumps(delta, protocol=protocol)) == delta
    buffers = []
    message = pickle.dumps(delta, protocol=5, buffer_callback=buffers.append)
    assert sum(len(b.raw()) for b in buffers) >= 39 * PAGE
    buf.write(0, bytes(40 * PAGE))  # the delta keeps the old bytes
    copy = pickle.loads(message, buffers=buffers)
    base.apply(copy)
    assert base.tobytes() == pattern(0, 40 * PAGE, 1)
    damaged = [bytes(b.raw()) for b in buffers]
    damaged[-1] = damaged[-1][:-1]
    with pytest.raises(DeltaError):
        pickle.loads(message, buffers=damaged)


def test_live_views_and_snapshots_forbid(pool):
    base, buf = changed(pool)
    delta = buf.delta(base)
    snap = base.snapshot()
    with refused(TypeError, snap):
        snap.apply(delta)
    view = base.view(0, 1)
    with refused(BufferError, base):
        base.apply(delta)
    del view
    base.apply(delta)
    assert snap.tobytes() == pattern(0, 6 * PAGE + 3)


def test_no_memory_changes_nothing():
    pool = pagebuf.PagePool(limit=24 * PAGE)
    base = filled(pool, 6 * PAGE)
    delta = pagebuf.PageBuffer(pattern(0, 30 * PAGE, 1)).delta(
        pagebuf.PageBuffer(pattern(0, 6 * PAGE))
    )
    with refused(pagebuf.PoolLimitError, base):
        base.apply(delta)
    pool.check()


def test_what_they_take(pool):
    buf = filled(pool, 3)
    for bad in (b"abc", None):
        with pytest.raises(TypeError):
            buf.delta(bad)
    for bad in ("text", None, 3):
        with pytest.raises(TypeError):
            buf.apply(bad)
    assert issubclass(DeltaError, ValueError)
    assert repr(buf.delta(buf)) == "<pagebuf.Delta 3 -> 3 bytes, 0 ranges>"
