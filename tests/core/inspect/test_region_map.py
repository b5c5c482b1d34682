"""Memory that callers pass in.  In debug pools a copy takes memory of pages only from views."""

from __future__ import annotations

import ctypes
import gc
import socket

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE
from tests.support import (
    FEW,
    address_of,
    assert_accounted,
    buffer_state,
    filled,
    frame_of,
    pattern,
    pool_counts,
)

CorruptionError = pagebuf.CorruptionError


def foreign(buf, size=FEW, offset=0):
    """Memory of a page as a stray pointer sees it."""
    return (ctypes.c_uint8 * size).from_address(address_of(buf, offset))


ENTRIES = {
    "write": lambda buf, memory: buf.write(3, memory),
    "write large": lambda buf, memory: buf.write(PAGE, memory),
    "extend": lambda buf, memory: buf.extend(memory),
    "+=": lambda buf, memory: buf.__iadd__(memory),
    "slice": lambda buf, memory: buf.__setitem__(slice(1, 4), memory),
    "slice of the same length": lambda buf, memory: buf.__setitem__(slice(0, len(memory)), memory),
    "strided slice": lambda buf, memory: buf.__setitem__(slice(0, 2 * len(memory), 2), memory),
    "readinto": lambda buf, memory: buf.readinto(0, memory),
    "PageBuffer()": lambda buf, memory: pagebuf.PageBuffer(memory, pool=buf.pool),
    "PageBuffer.__init__": lambda buf, memory: buf.__init__(memory),
    "PageFile.write": lambda buf, memory: buf.open("r+b").write(memory),
    "PageFile.writelines": lambda buf, memory: buf.open("r+b").writelines([memory]),
    "PageFile.readinto": lambda buf, memory: buf.open("r+b").readinto(memory),
    "PageFile.readinto1": lambda buf, memory: buf.open("r+b").readinto1(memory),
    "ByteQueue.put": lambda buf, memory: pagebuf.ByteQueue(pool=buf.pool).put(memory),
}


@pytest.fixture(params=[1, 2])
def pair(request):
    """Two buffers: the first changes, and memory of the second is passed in."""
    pool = pagebuf.PagePool(debug=request.param)
    pages = 2 * FANOUT if PAGE < 4096 else 8
    yield filled(pool, pages * PAGE, name="target"), filled(pool, pages * PAGE, 1, name="source")
    assert_accounted(pool)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("of", ["itself", "a sibling", "another pool"])
def test_stray_memory_is_refused(pair, entry, of):
    target, source = pair
    other = filled(pagebuf.PagePool(debug=1), 8 * PAGE, 2)
    owner = {"itself": target, "a sibling": source, "another pool": other}[of]
    memory = foreign(owner, min(PAGE, 24), 1)
    state = [(buffer_state(buf), pool_counts(buf.pool)) for buf in (target, source, other)]
    with pytest.raises(CorruptionError, match="memory handed in lies among pages") as info:
        ENTRIES[entry](target, memory)
    error = info.value
    assert error.frame == frame_of(owner)
    assert error.owner is owner
    assert error.offset == ctypes.addressof(memory) - address_of(owner)
    assert f"taken by PageBuffer '{owner.name}'" in str(error) or owner is other
    assert str(error).endswith(f"in {owner.pool!r})")
    del info, error
    gc.collect()
    assert state == [(buffer_state(buf), pool_counts(buf.pool)) for buf in (target, source, other)]
    target.pool.check()
    target.write(0, b"and on it goes")


def test_files_of_the_default_pool():
    """BytesIO keeps its bytes in the default pool, so it checks at that pool's level."""
    pool = pagebuf.default_pool()
    source = filled(pagebuf.PagePool(debug=1), 3 * PAGE)
    file = pagebuf.BytesIO(pattern(0, 3 * PAGE))
    calls = [
        lambda memory: file.write(memory),
        lambda memory: file.writelines([memory]),
        lambda memory: file.readinto(memory),
        lambda memory: pagebuf.BytesIO(memory),
        lambda memory: pagebuf.BytesIO().write(memory),
    ]
    if pool.debug in {1, 2}:
        for call in calls:
            with pytest.raises(CorruptionError, match="memory handed in"):
                call(foreign(source))
            assert file.getvalue() == pattern(0, 3 * PAGE)
    else:
        for call in calls:
            call(foreign(source))
    source.pool.check()


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    "kind", ["view", "part", "cast", "stable", "copy", "numpy", "protocol", "queue"]
)
def test_memory_that_was_handed_out_is_fine(pair, entry, kind):
    target, source = pair
    numpy = pytest.importorskip("numpy")
    size = min(PAGE, 24)
    queue = pagebuf.ByteQueue(pool=target.pool)
    queue.put(pattern(0, 2 * PAGE))
    memory = {
        "view": lambda: source.view(0, size),
        "part": lambda: source.view(0, 2 * PAGE)[3 : 3 + size],
        "cast": lambda: source.view(0, 8).cast("I").cast("B"),
        "stable": lambda: source.view(0, PAGE, writable=False)[:size],
        "copy": lambda: (ctypes.c_uint8 * size)(*range(size)),
        "numpy": lambda: numpy.asarray(source.view(0, size))[1:-1],
        "protocol": lambda: memoryview(source)[:size],
        "queue": lambda: queue.get_buffer(size)[:size],
    }[kind]()
    if memory.__class__ is memoryview and memory.readonly and "readinto" in entry:
        memory.release()
        return
    ENTRIES[entry](target, memory)
    del memory
    gc.collect()
    target.check()


def test_more_than_one_view_is_not_enough(pair):
    """Memory across two views, or past the end of one, is refused."""
    target, source = pair
    start = address_of(source)
    whole = source.view(0, 2 * PAGE)
    if address_of(source, PAGE) != start + PAGE:
        start = pagebuf.region_of(ctypes.addressof(ctypes.c_uint8.from_buffer(whole))).address
    whole.release()
    views = [source.view(0, 8), source.view(8, 8)]
    base = ctypes.addressof(ctypes.c_uint8.from_buffer(views[0]))
    for at, size, fine in ((0, 8, True), (8, 8, True), (4, 8, False), (2, 4, True), (9, 8, False)):
        memory = (ctypes.c_uint8 * size).from_address(base + at)
        if fine:
            target.write(0, memory)
            assert target[:size] == source[at : at + size]
        else:
            with pytest.raises(CorruptionError):
                target.write(0, memory)
    gc.collect()
    del views
    gc.collect()
    with pytest.raises(CorruptionError):  # the view is gone
        target.write(0, (ctypes.c_uint8 * 8).from_address(base))


def test_memory_around_a_region_is_refused(checked):
    """Memory outside all regions is accepted, but not frame 0, which is never handed out."""
    buf = filled(checked, PAGE)
    memory = bytearray(16)
    place = ctypes.addressof((ctypes.c_uint8 * 16).from_buffer(memory))
    assert pagebuf.region_of(place) is None
    buf.write(0, memory)
    frame = pagebuf.region_of(address_of(buf)).frame
    start = address_of(buf) - frame * PAGE  # of frame 0
    if pagebuf.is_valid(start - 1):
        pytest.skip("another region lies right before it")
    with pytest.raises(CorruptionError):
        buf.write(0, (ctypes.c_uint8 * 8).from_address(start + 8))


def test_sockets_receive_into_views(pair):
    target, _ = pair
    one, two = socket.socketpair()
    with one, two:
        one.sendall(pattern(0, 48))
        view = target.view(0, 16)
        assert two.recv_into(view) == 16
        assert two.recvmsg_into(target.views(16, 32, writable=True))[0] == 32
        assert target[:48] == pattern(0, 48)
        queue = pagebuf.ByteQueue(pool=target.pool)
        one.sendall(pattern(0, 48))
        assert two.recv_into(queue.get_buffer(48)) == 48
        queue.buffer_updated(48)
        assert queue.get() == pattern(0, 48)
        del view
    gc.collect()
    target.check()


def test_copies_from_buffer_to_buffer_need_no_view(pair):
    target, source = pair
    target.copy_range(3, source, 5, PAGE)
    target.extend(source)
    target[3:9] = source
    target.write(0, source)
    source.readinto(0, target.view(0, PAGE))
    assert target == target.copy()
    target.pool.check()


def test_level_0_asks_nobody():
    pool = pagebuf.PagePool(debug=0)
    buf = filled(pool, 3 * PAGE)
    other = pagebuf.PageBuffer(pool=pool)
    other.write(0, foreign(buf))
    assert other.tobytes() == pattern(0, FEW)[:FEW] or PAGE < FEW
