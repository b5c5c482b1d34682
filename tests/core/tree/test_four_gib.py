"""A three-level tree with all of its 4 GiB: the bytes come back, and one byte more is refused."""

from __future__ import annotations

import pathlib

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.support import pattern

GIB = 1 << 30
PIECE = 8 << 20
NEEDED = 4 * GIB + 512 * (1 << 20)


def available() -> int:
    """Bytes available without swapping.  0 if the system does not say."""
    try:
        rows = pathlib.Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    figures = (row.split() for row in rows)
    return next((int(row[1]) << 10 for row in figures if row[0] == "MemAvailable:"), 0)


@pytest.mark.slow
@pytest.mark.skipif(PAGE != 4096, reason="three levels hold 4 GiB on the shipped page size only")
@pytest.mark.timeout(600)
def test_four_gib_filled_and_read_back(pool):
    if available() < NEEDED:
        pytest.skip(f"needs {NEEDED >> 20} MiB of free memory, has {available() >> 20}")
    buf = pagebuf.PageBuffer(pool=pool, max_levels=3)
    assert buf.capacity == 4 * GIB == reach(3)
    for at in range(0, 4 * GIB, PIECE):
        buf.extend(pattern(at, PIECE))
    assert (len(buf), buf.levels, buf.extents()) == (4 * GIB, 3, [(0, 4 * GIB)])
    st = pool.stats()
    assert (st.held, st.nodes) == ((4 * GIB >> 12) + 4 + 4 * 512, 4 + 4 * 512)
    for call in (
        lambda: buf.append(1),
        lambda: buf.extend(b"x"),
        lambda: buf.write(4 * GIB, b"x"),
        lambda: buf.write(4 * GIB - 1, b"xy"),
        lambda: buf.truncate(4 * GIB + 1),
    ):
        before = (len(buf), buf.levels, pool.stats())
        with pytest.raises(pagebuf.CapacityError):
            call()
        assert (len(buf), buf.levels, pool.stats()) == before
    for at in range(0, 4 * GIB, PIECE):
        assert buf.read(at, PIECE) == pattern(at, PIECE), f"wrong bytes from {at}"
    edges = (1 << 31, GIB, 3 * GIB, 2 << 20, 4 * GIB - PAGE)
    for edge in edges:
        assert buf.read(edge - 3, 6) == pattern(edge - 3, min(6, 4 * GIB - edge + 3))
    assert buf[-1] == pattern(4 * GIB - 1, 1)[0]
    buf.check()
    assert buf.take_bytes(GIB + 3) == b"".join(
        pattern(at, min(PIECE, GIB + 3 - at)) for at in range(0, GIB + 3, PIECE)
    )
    assert buf.read(0, PIECE) == pattern(GIB + 3, PIECE)
    assert buf.read(len(buf) - PIECE, -1) == pattern(4 * GIB - PIECE, PIECE)
    buf.clear()
    assert pool.stats().held == 0
    assert pool.trim() >= 4 * GIB


@pytest.mark.slow
@pytest.mark.skipif(PAGE != 4096, reason="a small limit is enough on tiny pages: see test_pool")
@pytest.mark.timeout(600)
def test_two_gib_in_one_call(pool):
    """Sizes past 2^31 in a single write, read and take."""
    if available() < NEEDED + 3 * GIB:
        pytest.skip(f"needs {(NEEDED >> 30) + 3} GiB of free memory")
    size = (2 * GIB) + PAGE + 7
    data = pattern(0, size)
    buf = pagebuf.PageBuffer(pool=pool)
    assert buf.write(1, data) == size
    assert buf.read(1, -1) == data
    assert buf[1 : size + 1] == data
    target = bytearray(size)
    assert buf.readinto(1, target) == size
    assert target == data
    del target
    assert buf.take_bytes() == b"\0" + data
    assert pool.stats().held == 0
