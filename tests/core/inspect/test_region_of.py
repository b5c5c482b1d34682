"""`region_of` and `is_valid`: who owns an address, and whether it may be read or written."""

from __future__ import annotations

import ctypes
import gc
import mmap
import sys

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE, reach
from tests.support import (
    address_of,
    filled,
    frame_of,
)

closes = PAGE % mmap.PAGESIZE == 0 and sys.platform != "win32"
opened = pytest.mark.skipif(not closes, reason="mprotect protects pages of the system's size")


@pytest.mark.parametrize("level", [0, 1, 2])
def test_pages(level):
    pool = pagebuf.PagePool(debug=level)
    buf = filled(pool, 3 * PAGE, name="here")
    there = pagebuf.region_of(address_of(buf, PAGE + 5))
    assert (there.pool, there.state, there.owner) == (pool, "page", buf)
    assert (there.offset, there.frame) == (PAGE + 5, frame_of(buf, PAGE))
    assert (there.readable, there.writable, there.in_view) == (True, True, False)
    assert pagebuf.is_valid(there.address)
    assert pagebuf.is_valid(address_of(buf, PAGE), PAGE)
    buf.take_bytes(PAGE // 2 + 1)
    for offset in (0, 1, PAGE // 2 - 2, PAGE // 2 - 1, PAGE, len(buf) - 1):
        there = pagebuf.region_of(address_of(buf, offset))
        assert (there.owner, there.offset) == (buf, offset)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_shared_pages_are_not_to_be_written(level):
    pool = pagebuf.PagePool(debug=level)
    buf = filled(pool, 3 * PAGE)
    snap = buf.snapshot()
    there = pagebuf.region_of(address_of(buf))
    assert there.owner in (buf, snap)
    assert (there.readable, there.writable) == (True, False)
    assert pagebuf.is_valid(there.address)
    del snap, there
    buf.write(0, b"!")
    assert pagebuf.region_of(address_of(buf)).writable


@pytest.mark.parametrize("level", [0, 1, 2, "sample:1"])
def test_a_page_below_a_shared_node_is_not_to_be_written(level):
    """Its own count is 1, but the node above it has two users."""
    buf = filled(pagebuf.PagePool(debug=level), reach(1) + 3 * PAGE)
    snap = buf.snapshot()
    page = len(buf) // PAGE - 1
    assert not pagebuf.region_of(address_of(buf, page * PAGE)).writable
    buf.write(page * PAGE, b"own")
    assert pagebuf.region_of(address_of(buf, page * PAGE)).writable
    assert not pagebuf.region_of(address_of(snap, page * PAGE)).writable  # it is frozen
    del snap
    buf.write(0, b"own")
    assert pagebuf.region_of(address_of(buf, 0)).writable


def test_nodes():
    buf = filled(pagebuf.PagePool(debug=0), reach(1) + FANOUT * PAGE)
    step, node = buf.walk(0).steps[:2]
    assert step.level == 1
    there = pagebuf.region_of(step.address)
    assert (there.state, there.owner, there.writable) == ("node", buf, False)
    assert there.readable
    assert there.offset == 0
    assert node.frame
    past = pagebuf.region_of(there.address + 8)
    assert (past.owner, past.offset) == (buf, 0)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_states_of_what_nobody_holds(level):
    pool = pagebuf.PagePool(debug=level)
    buf = filled(pool, 2 * PAGE)
    address = address_of(buf)
    view = buf.view(0, PAGE)
    buf.truncate(0)
    there = pagebuf.region_of(address)
    assert (there.state, there.owner, there.offset) == ("detached", None, None)
    assert there.readable
    assert there.in_view or level == 0
    assert pagebuf.is_valid(address, PAGE)
    view.release()
    gc.collect()
    there = pagebuf.region_of(address)
    assert there.state == ("quarantined" if level else "free")
    assert (there.owner, there.readable, there.writable) == (None, False, False)
    assert not pagebuf.is_valid(address)
    unused = pagebuf.region_of(address + 100 * PAGE)
    assert (unused.state, unused.readable, unused.owner) == ("unused", False, None)
    assert not pagebuf.is_valid(unused.address)


@opened
def test_guards():
    pool = pagebuf.PagePool(debug=2)
    buf = filled(pool, 2 * PAGE)
    there = pagebuf.region_of(address_of(buf, PAGE) + PAGE)
    assert (there.state, there.readable, there.owner) == ("guard", False, None)
    assert not pagebuf.is_valid(there.address)
    assert not pagebuf.is_valid(address_of(buf, PAGE), PAGE + 1)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_views_are_known_in_debug_pools(level):
    buf = filled(pagebuf.PagePool(debug=level), 3 * PAGE)
    view = buf.view(5, 3)
    base = ctypes.addressof(ctypes.c_uint8.from_buffer(view))
    inside = [pagebuf.region_of(base + n).in_view for n in (-1, 0, 2, 3)]
    if level:
        assert inside == [False, True, True, False]
    gc.collect()
    del view


def test_addresses_of_no_pool():
    for address in (0, 1, id(object), 1 << 47, (1 << 64) - 1):
        assert pagebuf.region_of(address) is None
        assert not pagebuf.is_valid(address)
        assert not pagebuf.is_valid(address, 1 << 40)


def test_bad_addresses():
    for bad in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            pagebuf.region_of(bad)
        with pytest.raises(OverflowError):
            pagebuf.is_valid(bad)
    for bad in ("1", 1.0, None):
        with pytest.raises(TypeError):
            pagebuf.region_of(bad)
    with pytest.raises((TypeError, ValueError)):
        pagebuf.is_valid(1, -1)


def test_ranges():
    buf = filled(pagebuf.PagePool(debug=0), 3 * PAGE)
    base = address_of(buf)
    assert pagebuf.is_valid(base, 3 * PAGE)
    assert pagebuf.is_valid(base + 1, 3 * PAGE - 1)
    assert not pagebuf.is_valid(base, 4 * PAGE)
    assert not pagebuf.is_valid(base - PAGE - 1 if frame_of(buf) > 1 else base - 1, PAGE)
    assert not pagebuf.is_valid(base, 0)
    buf.punch(PAGE, PAGE)
    assert not pagebuf.is_valid(base, 3 * PAGE)
    assert pagebuf.is_valid(base, PAGE)
    assert pagebuf.is_valid(base + 2 * PAGE, PAGE)


def test_a_pool_that_is_gone_has_no_addresses():
    pool = pagebuf.PagePool()
    buf = filled(pool, PAGE)
    address = address_of(buf)
    del buf, pool
    gc.collect()
    assert pagebuf.region_of(address) is None
    assert not pagebuf.is_valid(address)
