"""The memory that a buffer costs: frames, tables, resident memory."""

from __future__ import annotations

import sys

import pytest

import pagebuf
from tests.helpers import FANOUT, MAX_LEVELS, PAGE, ROLLUP, reach
from tests.support import FEW, INLINE, filled, pattern, run_script

MIB = 1 << 20
linux = pytest.mark.skipif(
    not ROLLUP.exists(), reason=f"the memory of a process is read from Linux's {ROLLUP}"
)
shipped = pytest.mark.skipif(PAGE != 4096, reason="a figure of the shipped page size")

RESIDENT = """
    import gc
    import pagebuf
    from tests.helpers import resident
    pool = pagebuf.PagePool(debug=0)
    gc.collect()
    gc.disable()
    for _ in range(3):
        before = resident()
"""


def kib_more(work: str) -> int:
    """KiB that the work adds to a fresh process after `import pagebuf`."""
    return int(run_script(RESIDENT + work + "\n    print(resident() - before >> 10)\n"))


@linux
@pytest.mark.parametrize("size", [1, 100, INLINE + 1, 3000])
def test_a_first_small_buffer_adds_little(size):
    added = kib_more(f"""
    buf = pagebuf.PageBuffer(bytes(range(1, 201)) * {size // 200 + 1})
    buf.truncate({size})
    """)
    assert added <= 64


@linux
def test_nothing_at_all_adds_less():
    assert kib_more("") <= 8


@linux
def test_many_small_buffers_add_a_page_each():
    added = kib_more("""
    bufs = [pagebuf.PageBuffer(b"x" * 300) for _ in range(200)]
    """)
    assert added <= 200 * (4 + 1) + 64


@linux
@shipped
@pytest.mark.parametrize("at", [1 << 20, 1 << 32, 1 << 45])
def test_a_byte_far_out_adds_little(at):
    added = kib_more(f"""
    buf = pagebuf.PageBuffer(b"x")
    buf.write({at}, b"x")
    """)
    assert added <= 64


@linux
@shipped
def test_memory_follows_what_is_held():
    """clear() gives 32 MiB back to the system, except what the pool keeps.  trim() gives back the
    rest."""
    out = run_script(
        RESIDENT
        + """
    import mmap
    buf = pagebuf.PageBuffer(pool=pool)
    piece = mmap.mmap(-1, 1 << 20)  # which goes when it is closed
    for _ in range(4096):
        piece.write(bytes(range(256)))
    for _ in range(32):
        buf.extend(piece)
    full = resident()
    buf.clear()
    piece.close()
    kept = resident()
    given = pool.trim()
    empty = resident()
    print(*[n >> 10 for n in (full - before, kept - before, given, empty - before)])
    """
    )
    full, kept, given, left = map(int, out.split())
    assert 32 * 1024 <= full <= 32 * 1024 * 1.02 + 2200
    assert kept <= 1024 + 512
    assert 768 <= given <= 1024
    assert left <= 512


@linux
@shipped
def test_a_queue_keeps_what_is_in_flight():
    out = run_script(
        RESIDENT
        + """
    buf = pagebuf.PageBuffer(pool=pool)
    piece = bytes(range(256)) * 256
    buf.extend(piece * 16)
    for _ in range(2000):
        buf.extend(piece)
        buf.take_bytes(len(piece))
    print(resident() - before >> 10)
    """
    )
    assert int(out) <= 1024 + 512 + 2048


def test_no_node_up_to_four_pages(pool):
    for size in (FEW, PAGE, PAGE + 1, 3 * PAGE, 4 * PAGE - 1, 4 * PAGE):
        buf = filled(pool, size)
        assert (pool.stats().nodes, pool.stats().held) == (0, -(-size // PAGE))
        del buf


@pytest.mark.parametrize("levels", range(1, MAX_LEVELS + 1))
def test_the_last_byte_of_a_level_takes_a_frame_a_level(pool, levels):
    """On the shipped build: one byte at 4 GiB - 1 takes three frames."""
    buf = pagebuf.PageBuffer(pool=pool)
    buf.write(reach(levels) - 1, b"\x01")
    assert pool.stats().held == levels
    if PAGE == 4096:
        assert (pool.stats().held == 3) == (len(buf) == 4 << 30)
    buf.write(0, b"\x02")
    far = 0 if levels == 1 else 1  # slots 0 and 3 of the root: the two paths share no node
    assert pool.stats().held == levels * 2 if far else 2
    buf.truncate(0)
    assert pool.stats().held == 0


@shipped
@pytest.mark.parametrize("piece", [16 * MIB, 64 << 10, 1000])
def test_overhead_of_sixteen_dense_mib(plain_pool, piece):
    """Frames and tables add at most half a percent to the payload at level 0."""
    buf = pagebuf.PageBuffer(pool=plain_pool)
    data = pattern(0, piece)
    for _ in range(16 * MIB // piece):
        buf.extend(data)
    buf.extend(data[: 16 * MIB - len(buf)])
    st = plain_pool.stats()
    table = st.table_bytes * st.held // st.total
    assert st.held * PAGE - 16 * MIB + table <= 16 * MIB * 0.005
    assert (st.held, st.nodes) == (4096 + 9, 9)


def test_nodes_of_a_dense_tree_are_a_geometric_row(pool):
    pages = 40 * FANOUT
    buf = filled(pool, pages * PAGE)
    nodes = pool.stats().nodes
    assert nodes <= pages / (FANOUT - 1) + MAX_LEVELS
    assert buf.stats().resident == (pages + nodes) * PAGE


def test_an_empty_object_is_small(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    assert sys.getsizeof(buf) <= 384
    assert pool.stats().held == 0
