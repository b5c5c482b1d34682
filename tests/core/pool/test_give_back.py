"""Pools give memory back to the system by themselves, and a full pool copes with fragmentation."""

from __future__ import annotations

import gc
import mmap
import random
import struct
import sys

import pytest

import pagebuf
from tests.helpers import PAGE, ROLLUP
from tests.plain import change_both
from tests.support import (
    FEW,
    FREE_THREADED,
    assert_accounted,
    dense,
    filled,
    pattern,
    run_script,
)

MIB = 1 << 20
whole = pytest.mark.skipif(
    PAGE % mmap.PAGESIZE != 0 or not ROLLUP.exists(),
    reason="single pages go back to the system only where they are of its size",
)


def retained(pool):
    return pool.stats().retained


# ---- how much is kept ----

FREEING = {
    "clear": lambda buf: buf.clear(),
    "truncate": lambda buf: buf.truncate(PAGE),
    "take_bytes": lambda buf: buf.take_bytes(len(buf) - PAGE),
    "punch": lambda buf: buf.punch(PAGE, len(buf)),
    "delete": lambda buf: buf.__delitem__(slice(PAGE, None)),
    "delete in front": lambda buf: buf.__delitem__(slice(0, len(buf) - PAGE)),
    "collapse": lambda buf: buf.collapse(PAGE, len(buf) - 2 * PAGE),
    "restore": lambda buf: buf.restore(pagebuf.PageBuffer(b"x" * FEW, pool=buf.pool).snapshot()),
    "begin anew": lambda buf: buf.__init__(),
    "page by page": lambda buf: [buf.truncate(n) for n in range(len(buf), 0, -PAGE)],
    "in small pieces": lambda buf: [buf.take_bytes(PAGE // 2 + 1) for _ in range(300)],
}


@whole
@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("keep", [0, PAGE, 16 * PAGE, 50 * PAGE + PAGE - 1])
@pytest.mark.parametrize("freeing", FREEING)
def test_no_more_than_keep_is_retained(level, keep, freeing):
    pool = pagebuf.PagePool(keep=keep, debug=level)
    for turn in range(3):
        buf = filled(pool, 200 * PAGE, turn)
        other = filled(pool, 3 * PAGE, turn + 1)
        FREEING[freeing](buf)
        assert retained(pool) <= keep // PAGE
        del buf
        assert retained(pool) <= keep // PAGE
        assert other.tobytes() == pattern(0, 3 * PAGE, turn + 1)
        assert_accounted(pool)
    assert pool.stats().total <= 1024
    del other
    assert retained(pool) <= keep // PAGE


@whole
def test_views_and_snapshots_that_go_give_back():
    pool = pagebuf.PagePool(keep=8 * PAGE, debug=0)
    buf = filled(pool, 100 * PAGE)
    snap = buf.snapshot()
    view = buf.view(0, 100 * PAGE, writable=False)
    buf.clear()
    del snap
    assert (pool.stats().held, retained(pool)) == (dense(100), 0)
    del view
    gc.collect()
    assert pool.stats().held == 0
    assert retained(pool) <= 8
    live = filled(pool, 50 * PAGE)
    view = live.view(0, 50 * PAGE)
    live.truncate(0)
    view.release()
    assert pool.stats().held == 0
    assert retained(pool) <= 8
    assert_accounted(pool)


@whole
@pytest.mark.parametrize("exports", [False, True])
def test_what_gathers_free_is_no_reason_to_keep_more(exports):
    """Growth takes it again, which a pool takes for a sign that it keeps too little."""
    pool = pagebuf.PagePool(debug=0)
    bufs = [pagebuf.PageBuffer(pool=pool) for _ in range(40)]
    for step in range(128):
        for buf in bufs:
            buf.extend(b"x" * PAGE)
            if exports and step % 8 == 7:
                assert struct.unpack_from("<B", buf, len(buf) - 1) == (ord("x"),)
    del bufs[1:], buf
    gc.collect()
    assert pool.stats().held == dense(128)
    assert retained(pool) <= MIB // PAGE


@whole
def test_queues_give_back():
    pool = pagebuf.PagePool(keep=4 * PAGE, debug=0)
    queue = pagebuf.ByteQueue(pool=pool)
    for turn in range(20):
        queue.put(pattern(0, 64 * PAGE, turn))
        while queue:
            queue.get(5 * PAGE + 3)
            assert retained(pool) <= 4
    assert_accounted(pool)


def test_a_large_keep_keeps_all():
    pool = pagebuf.PagePool(keep=1 << 40, debug=0)
    buf = filled(pool, 500 * PAGE)
    held = pool.stats().held
    buf.clear()
    assert retained(pool) == held
    again = filled(pool, 500 * PAGE, 1)
    assert retained(pool) == 0
    assert pool.stats().regions <= 3
    assert again.tobytes() == pattern(0, 500 * PAGE, 1)
    del again
    given = pool.trim()
    if PAGE % mmap.PAGESIZE == 0:
        assert retained(pool) == 0
        assert given >= held * PAGE
    assert_accounted(pool)


def test_bad_keeps():
    with pytest.raises(ValueError, match="keep must not be negative"):
        pagebuf.PagePool(keep=-1)
    for bad in ("1", 1.5, b"1"):
        with pytest.raises(TypeError):
            pagebuf.PagePool(keep=bad)


@pytest.mark.parametrize("keep", [0, PAGE, 16 * PAGE, None, 1 << 40])
@pytest.mark.parametrize("level", [0, 1, 2, "sample:3"])
def test_old_bytes_never_come_back(keep, level):
    """Old bytes do not show, whether their memory was given back or kept (I4)."""
    pool = pagebuf.PagePool(keep=keep, debug=level)
    rng = random.Random(5)
    pairs = [(pagebuf.PageBuffer(pool=pool), bytearray()) for _ in range(6)]
    for turn in range(250):
        buf, model = rng.choice(pairs)
        change_both(rng, buf, model, 20, turn)
        assert buf.tobytes() == model
    assert_accounted(pool)


# ---- how much is kept by default ----


@whole
def test_the_automatic_keep_starts_at_a_mebibyte():
    pool = pagebuf.PagePool(debug=0)
    buf = filled(pool, 10 * MIB)
    buf.clear()
    assert MIB // 2 <= retained(pool) * PAGE <= MIB


@whole
def test_the_automatic_keep_rises_with_what_is_wanted_again():
    """Memory that is freed and taken repeatedly is not given back each time."""
    pool = pagebuf.PagePool(debug=0)
    kept = []
    for turn in range(12):
        buf = filled(pool, 10 * MIB, turn)
        buf.clear()
        kept.append(retained(pool) * PAGE)
    assert kept == sorted(kept)
    assert kept[0] <= MIB
    assert kept[-1] >= 10 * MIB
    assert_accounted(pool)


@whole
def test_the_automatic_keep_has_a_bound():
    pool = pagebuf.PagePool(debug=0)
    for turn in range(6):
        buf = filled(pool, 100 * MIB, turn)
        buf.clear()
        assert retained(pool) * PAGE <= 64 * MIB
    assert retained(pool) * PAGE >= 48 * MIB


@whole
def test_a_keep_that_was_given_does_not_rise():
    pool = pagebuf.PagePool(keep=MIB, debug=0)
    for turn in range(6):
        buf = filled(pool, 10 * MIB, turn)
        buf.clear()
        assert retained(pool) * PAGE <= MIB


@whole
def test_children_give_back_to_the_system_too():
    pool = pagebuf.PagePool(keep=4 * PAGE, debug=0)
    child = pool.child()
    buf = filled(child, 100 * PAGE)
    buf.clear()
    assert child.stats().retained == retained(pool) <= 4
    assert_accounted(child)


# ---- resident memory ----

RESIDENT = """
    import gc
    import pagebuf
    from tests.helpers import PAGE, resident
"""


@whole
def test_resident_memory_of_interleaved_buffers():
    """4000 buffers grow in turns, and three quarters of them go.  Their memory goes, too."""
    out = run_script(
        RESIDENT
        + """
    pool = pagebuf.PagePool(debug=0)
    bufs = [pagebuf.PageBuffer(pool=pool) for _ in range(4000)]
    gc.collect()
    before = resident()
    for turn in range(4):
        for buf in bufs:
            buf.extend(bytes([turn + 1]) * PAGE)
    full = resident() - before
    del buf
    bufs = [buf for n, buf in enumerate(bufs) if n % 4 == 0]
    left = resident() - before
    held = pool.stats().held * PAGE
    print(full, left, held)
    assert all(buf.read(turn * PAGE, PAGE) == bytes([turn + 1]) * PAGE
               for buf in bufs for turn in range(4))
    del bufs
    print(resident() - before)
    """
    )
    full, left, held, nothing = map(int, out.split())
    assert full >= 16000 * PAGE
    assert held == 4000 * PAGE
    assert left <= held + 3 * MIB
    assert nothing <= 3 * MIB


@whole
def test_resident_memory_follows_a_queue():
    out = run_script(
        RESIDENT
        + """
    pool = pagebuf.PagePool(keep=0, debug=0)
    queue = pagebuf.ByteQueue(pool=pool)
    before = resident()
    for _ in range(40 * 64):  # without a GIL the interpreter keeps the memory of large objects
        queue.put(bytearray([1]) * (1 << 14))  # of bytes the queue keeps the object
    print(resident() - before)
    for _ in range(39 * 64):
        queue.get(1 << 14)
    gc.collect()
    print(resident() - before)
    """
    )
    full, left = map(int, out.split())
    assert full >= 40 * MIB
    assert left <= 3 * MIB


# ---- the worst fragmentation ----


class Miserly(pagebuf.PagePool):
    """Refuses regions when told to, as a system without memory does."""

    refusing = False

    def _new_region(self, nbytes):
        if self.refusing:
            raise MemoryError("none left")
        return super()._new_region(nbytes)


def fragments(pool, pages):
    """Make `pages` buffers of one page each, and drop every second one."""
    bufs = [filled(pool, PAGE, n % 97) for n in range(pages)]
    del bufs[1::2]
    return bufs


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("keep", [0, None])
def test_every_second_page_is_good_for_single_ones(level, keep):
    pool = Miserly(debug=level, keep=keep)
    first = filled(pool, FEW)
    total = pool.stats().total
    bufs = fragments(pool, total - 1)
    assert pool.stats().held == 1 + (total - 1 + 1) // 2
    pool.refusing = True
    free = total - pool.stats().held
    more = [filled(pool, PAGE, n % 89) for n in range(free)]
    assert (pool.stats().held, pool.stats().total) == (total, total)
    assert (pool.stats().free, pool.stats().quarantined) == (0, 0)
    for n, buf in enumerate(bufs):
        assert buf.tobytes() == pattern(0, PAGE, 2 * n % 97)
    for n, buf in enumerate(more):
        assert buf.tobytes() == pattern(0, PAGE, n % 89)
    assert_accounted(pool)
    with pytest.raises(MemoryError) as info:
        filled(pool, FEW)
    assert f"{PAGE} more bytes (1 page)" in str(info.value)
    assert f"holds {total} pages and has 0 free ({total} in 1 regions)" in str(info.value)
    del info
    assert_accounted(pool)
    del first


@pytest.mark.parametrize("level", [0, 1])
def test_every_second_page_holds_a_large_buffer(level):
    """Bytes need only single pages, so a large buffer fits into the gaps."""
    pool = pagebuf.PagePool(limit=200 * PAGE, debug=level)
    bufs = fragments(pool, 200)
    regions = pool.stats().regions
    pages = 90
    while dense(pages) > 100:
        pages -= 1
    large = filled(pool, pages * PAGE, 3)
    assert large.tobytes() == pattern(0, pages * PAGE, 3)
    assert pool.stats().regions == regions
    assert bufs[7].tobytes() == pattern(0, PAGE, 14)
    assert_accounted(pool)


RUNS = {
    "view": lambda pool, buf: buf.view(0, 8 * PAGE),
    "memoryview": lambda pool, buf: memoryview(buf).toreadonly(),
    "get_buffer": lambda pool, buf: pagebuf.ByteQueue(pool=pool).get_buffer(8 * PAGE),
    "reserve": lambda pool, buf: pagebuf.ByteQueue(pool=pool).reserve(8 * PAGE),
}


@pytest.mark.parametrize("how", RUNS)
def test_what_needs_a_run_grows_the_pool(how):
    pool = Miserly(debug=0)
    first = filled(pool, FEW)
    total = pool.stats().total
    bufs = fragments(pool, total - 1)
    buf = filled(pool, 8 * PAGE, 7)
    view = RUNS[how](pool, buf)
    assert len(view) >= 8 * PAGE
    if how != "memoryview":
        assert pool.stats().total > total
    assert buf.tobytes() == pattern(0, 8 * PAGE, 7)
    del view
    gc.collect()
    assert_accounted(pool)
    del first, bufs


@pytest.mark.skipif(
    PAGE != 4096 or not sys.platform.startswith("linux") or FREE_THREADED,
    reason="takes mebibytes of pages, RLIMIT_AS as Linux has it, and an interpreter that does not"
    " reserve address space in advance, as those without a GIL do",
)
def test_a_copy_that_cannot_be_had_says_so():
    """A stable view of scattered pages is a copy in ordinary memory.  The error says how large."""
    text = run_script(f"""
        import resource
        import pagebuf

        pool = pagebuf.PagePool()
        buf, other = pagebuf.PageBuffer(pool=pool), pagebuf.PageBuffer(pool=pool)
        for _ in range(2000):
            buf.extend(b"x" * {PAGE})
            other.extend(b"y" * {PAGE})
        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + (4 << 20), -1))
        try:
            buf.view(writable=False)
        except MemoryError as error:
            print(error)
    """)
    assert f"{2000 * PAGE} bytes in one piece asked of the system" in text


@pytest.mark.parametrize("how", ["view", "get_buffer", "reserve"])
def test_a_run_that_cannot_be_had_says_so(how):
    pool = Miserly(debug=0, name="miser")
    first = filled(pool, FEW)
    total = pool.stats().total
    bufs = fragments(pool, total - 1)
    buf = filled(pool, 8 * PAGE, 7)
    assert len(buf.views()) > 1
    pool.refusing = True
    held = pool.stats().held
    with pytest.raises(MemoryError) as info:
        RUNS[how](pool, buf)
    text = str(info.value)
    if how != "get_buffer" or PAGE == 4096:  # it takes at least 16 KiB, so more tiny pages
        frames = 8 if how == "view" else dense(8)
        assert f"{frames * PAGE} more bytes in one run ({frames} pages)" in text
    assert "the pool 'miser' holds" in text
    assert f"({total} in 1 regions)" in text
    del info
    gc.collect()
    assert pool.stats().held == held
    assert buf.tobytes() == pattern(0, 8 * PAGE, 7)
    assert_accounted(pool)
    pool.refusing = False
    view = RUNS[how](pool, buf)
    assert len(view) >= 8 * PAGE
    del view, first, bufs


def test_the_text_of_a_refusal():
    pool = Miserly(debug=0)
    pool.refusing = True
    for name, called in {None: "this PageBuffer", "log": "'log'"}.items():
        with pytest.raises(MemoryError) as info:
            pagebuf.PageBuffer(pool=pool, name=name).extend(bytes(3 * PAGE))
        assert str(info.value) == (
            f"{called}: the system has no memory for {3 * PAGE} more bytes (3 pages); the pool "
            "holds 0 pages and has 0 free (0 in 0 regions)"
        )
        assert isinstance(info.value.__cause__, MemoryError)
        assert not isinstance(info.value, pagebuf.PoolLimitError)


def test_a_pool_that_raises_without_a_text():
    class Silent(pagebuf.PagePool):
        def _new_region(self, nbytes):
            raise MemoryError

        def _refusal(self, needed):
            return ""

    with pytest.raises(MemoryError) as info:
        pagebuf.ByteQueue(pool=Silent(), name="inbox").put(bytearray(3 * PAGE))
    assert str(info.value) == "'inbox': no memory"


def test_a_pool_takes_less_where_the_system_refuses_much():
    class Tight(pagebuf.PagePool):
        def _new_region(self, nbytes):
            if nbytes > 40 * PAGE:
                raise MemoryError
            return super()._new_region(nbytes)

    pool = Tight(debug=0)
    bufs = [filled(pool, 2 * PAGE, n) for n in range(20)]
    assert pool.stats().regions >= 2
    assert [buf.tobytes() for buf in bufs] == [pattern(0, 2 * PAGE, n) for n in range(20)]
    with pytest.raises(MemoryError, match="more bytes"):
        filled(pool, 200 * PAGE)
    assert_accounted(pool)
