"""BytesIO(b) is lent the bytes object until its first change, as in io.BytesIO: no copy, and the
object itself comes out again.  So it is with the result of getvalue()."""

from __future__ import annotations

import gc
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pagebuf
from pagebuf import SEEK_DATA, SEEK_HOLE, BytesIO, PoolLimitError
from tests.helpers import PAGE
from tests.support import pattern
from tests.threads.crew import together

SIZES = [max(pagebuf.INLINE_SIZE + 1, 50), max(PAGE, 64), 3 * PAGE + 1, 40000, 300000]
LENDS = pytest.mark.skipif(
    bool(pagebuf.default_pool().debug), reason="debug pools watch over copies, so they copy"
)


def lined(size: int) -> bytes:
    return pattern(0, size).replace(b"\x07", b"\n")


@pytest.fixture
def no_frames() -> Iterator[None]:
    """The default pool may not take one frame more."""
    pool = pagebuf.default_pool()
    pool._set_limit(pool.stats().held)
    yield
    pool._set_limit(-1)


# ---- the object itself ----


@LENDS
@pytest.mark.parametrize("size", SIZES)
def test_the_object_comes_out_again(size: int) -> None:
    data = pattern(0, size)
    f = BytesIO(data)
    assert f.getvalue() is data
    assert f.read() is data
    assert (f.tell(), f.read()) == (size, b"")
    f.seek(0)
    assert (f.read(size), f.tell()) == (data, size)
    f.seek(0)
    assert f.read(size + 5) is data
    assert f.read_at(0, size) is data
    assert f.__getstate__()[0] is data
    assert f.stats().lent == f.stats().size == size
    assert (f.stats().pages, f.stats().resident) == (0, 0)
    f.check()


@LENDS
@pytest.mark.parametrize("size", SIZES)
def test_a_second_getvalue_is_the_same_object(size: int) -> None:
    f = BytesIO()
    f.write(pattern(0, size))
    f.seek(3)
    value = f.getvalue()
    assert value == pattern(0, size)
    assert f.getvalue() is value
    assert (f.stats().lent, f.stats().pages, f.tell()) == (size, 0, 3)
    assert f.read(2) == value[3:5]
    f.write(b"xyz")
    assert f.getvalue() == value[:5] + b"xyz" + value[8:]
    assert value == pattern(0, size)
    f.check()


def test_other_sources_are_copied() -> None:
    class Derived(bytes):
        pass

    for source in (bytearray(3 * PAGE), memoryview(bytes(3 * PAGE)), Derived(3 * PAGE)):
        f = BytesIO(source)
        assert f.stats().lent == 0
        assert f.stats().pages == 3
    changing = bytearray(3 * PAGE)
    f = BytesIO(changing)
    changing[0] = 1
    assert f.read(1) == b"\0"


def test_debug_pools_copy() -> None:
    script = (
        "import pagebuf\n"
        "data = bytes(20000)\n"
        "f = pagebuf.BytesIO(data)\n"
        "assert f.stats().lent == 0, f.stats()\n"
        "assert f.getvalue() == data and f.getvalue() is not data\n"
        "f.check()\n"
    )
    for level in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", script], check=True, env=os.environ | {"PAGEBUF_DEBUG": level}
        )


# ---- the first change ----

CHANGES: dict[str, Callable[[Any], Any]] = {
    "write": lambda f: f.write(b"xyz"),
    "write at the end": lambda f: (f.seek(0, 2), f.write(b"xyz")),
    "write past the end": lambda f: (f.seek(10, 2), f.seek(10, 1), f.write(b"xyz")),
    "write all": lambda f: (f.seek(0), f.write(bytes(len(f.getbuffer())))),
    "writelines": lambda f: f.writelines([b"abc", b"d"]),
    "cut": lambda f: f.truncate(5),
    "cut to 16": lambda f: f.truncate(16),
    "cut here": lambda f: f.truncate(),
    "empty": lambda f: f.truncate(0),
    "init": lambda f: f.__init__(b"new"),
    "init of a bytearray": lambda f: f.__init__(bytearray(b"new") * 100),
    "init of nothing": lambda f: f.__init__(),
    "setstate": lambda f: f.__setstate__((b"new", 1, None)),
    "getbuffer": lambda f: f.getbuffer().__setitem__(0, 1),
}


@LENDS
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("change", CHANGES)
def test_the_first_change_lets_the_object_go(change: str, size: int) -> None:
    data = lined(size)
    kept = bytes(bytearray(data))
    before = sys.getrefcount(data)
    f, theirs = BytesIO(data), io.BytesIO(data)
    for one in (f, theirs):
        one.seek(7)
        one.read(3)
        CHANGES[change](one)
    assert f.tell() == theirs.tell()
    del theirs, one
    assert f.stats().lent <= len(b"new")  # tiny pages are lent that, too
    assert sys.getrefcount(data) == before
    assert data == kept
    f.check()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("change", CHANGES)
def test_changes_as_in_io_bytesio(change: str, size: int) -> None:
    data = lined(size)
    ours, theirs = BytesIO(data), io.BytesIO(data)
    for one in (ours, theirs):
        one.seek(7)
        one.readline()
        CHANGES[change](one)
        one.seek(-2, 2)
        one.write(b"123456")
        one.seek(0)
    assert ours.readlines() == theirs.readlines()
    assert ours.getvalue() == theirs.getvalue()
    ours.check()


@LENDS
def test_closing_lets_the_object_go() -> None:
    data = pattern(0, 3 * PAGE)
    before = sys.getrefcount(data)
    f = BytesIO(data)
    assert sys.getrefcount(data) == before + 1
    f.close()
    assert sys.getrefcount(data) == before
    f.__init__(data)
    assert f.getvalue() is data
    f.__setstate__((data, 5, None))
    assert (f.getvalue() is data, f.tell()) == (True, 5)
    f.__init__()
    assert sys.getrefcount(data) == before
    for _ in range(40):  # more than there are spares
        BytesIO(data).read(3)
        BytesIO(data).__init__(data)
    assert sys.getrefcount(data) == before


# ---- reading ----


@pytest.mark.parametrize("size", SIZES)
def test_reading(size: int) -> None:
    data = lined(size)
    for step in (1, 16, PAGE, 32767, 32768, size):
        ours, theirs = BytesIO(data), io.BytesIO(data)
        for f in (ours, theirs):
            f.seek(size % 5)
        for _ in range(20):
            assert ours.read(step) == theirs.read(step)
            assert ours.readline() == theirs.readline()
            assert ours.readline(3) == theirs.readline(3)
            into, other = bytearray(step), bytearray(step)
            assert ours.readinto(into) == theirs.readinto(other)
            assert into == other
            assert next(ours, None) == next(theirs, None)
            assert ours.peek(5) == data[ours.tell() : ours.tell() + 5]
        assert ours.readlines() == theirs.readlines()
        assert ours.seek(-3, 2) == theirs.seek(-3, 2)
    f = BytesIO(data)
    assert (f.seek(3, SEEK_DATA), f.seek(3, SEEK_HOLE)) == (3, size)
    with pytest.raises(OSError):
        f.seek(size, SEEK_DATA)
    f.seek(size + 5)
    assert (f.read(), f.readline(), f.read_at(size + 1, 3)) == (b"", b"", b"")


@LENDS
def test_read_buffer_shows_the_object() -> None:
    data = pattern(0, 3 * PAGE)
    f = BytesIO(data)
    f.read(5)
    view = f.read_buffer(PAGE)
    assert view.obj is data
    assert view.readonly
    assert f.tell() == 5 + PAGE
    f.write(b"xyz")
    assert view == data[5 : 5 + PAGE]
    assert len(f.read_buffer()) == 2 * PAGE - 8


def test_pickle() -> None:
    data = [bytes([n]) * 3000 for n in range(50)]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.load(BytesIO(pickle.dumps(data, protocol))) == data


# ---- memory ----


@LENDS
def test_nothing_changes_where_pages_are_short(no_frames: None) -> None:
    data = pattern(0, 9 * PAGE)
    f = BytesIO(data)  # takes no page
    f.seek(4)
    for call in (
        lambda: f.write(b"xyz"),
        lambda: f.truncate(8 * PAGE),
        f.getbuffer,
        lambda: f.__init__(bytearray(data)),
        lambda: f.__setstate__((bytearray(data), 0, None)),
    ):
        with pytest.raises(PoolLimitError):
            call()
        assert f.getvalue() is data
        assert (f.tell(), f.read(3)) == (4, data[4:7])
        f.seek(4)
        f.check()
    f.truncate(0)
    assert f.getvalue() == b""


@LENDS
@pytest.mark.parametrize("spare", [0, 1, 100])
def test_a_limit_counts_what_only_the_file_keeps(spare: int) -> None:
    pool = pagebuf.PagePool()
    f = BytesIO(pool=pool)
    f.write(pattern(0, 30 * PAGE))
    pool._set_limit(pool.stats().held + spare)
    assert f.getvalue() is f.getvalue()
    assert (f.stats().lent, f.stats().pages) == (30 * PAGE, 0)
    assert pool.stats().lent == 30 * PAGE
    with pytest.raises(PoolLimitError):
        pagebuf.PageBuffer(bytes(2 * pool.stats().limit * PAGE), pool=pool)
    f.seek(0)
    f.write(b"x")
    assert (f.stats().lent, pool.stats().lent) == (0, 0)
    f.getvalue()
    f.close()
    assert pool.stats().lent == 0
    pool.check()


@LENDS
def test_what_the_caller_has_made_is_not_charged() -> None:
    pool = pagebuf.PagePool(limit=4096)
    f = BytesIO(bytes(10**5), pool=pool)
    assert (f.stats().lent, pool.stats().lent) == (10**5, 0)


def holders(pool: pagebuf.PagePool) -> list[Any]:
    """Rows of those that keep much.  Where none fit the object itself, all objects have rows."""
    return [row for row in pool.buffers() if row.lent > 3]


@LENDS
@pytest.mark.parametrize("size", [1 << 16, 300_000])
def test_reports_show_who_keeps_what_was_handed_in(size: int) -> None:
    """It counts against no limit, but it is memory."""
    pool = pagebuf.PagePool(limit=PAGE)
    child = pool.child()
    data = bytes(size)
    files = [BytesIO(data, pool=child) for _ in range(3)]
    for each in (pool, child):
        rows = [(row.kind, row.size, row.lent, row.resident) for row in holders(each)]
        assert rows == [("BytesIO", size, size, 0)] * 3
    table = io.StringIO()
    pagebuf.top(pool, file=table)
    assert (table.getvalue().count("BytesIO"), table.getvalue().count("LENT")) == (3, 1)
    assert (pool.stats().lent, pool.stats().held) == (0, 0)
    pool.check()
    files[0].close()
    files[1].truncate(0)
    files[2].__init__(b"few", pool=pool)  # type: ignore[misc]
    assert not holders(pool)
    files[2].__init__(data, pool=child)  # type: ignore[misc]
    assert len(holders(child)) == 1
    files[2].__init__(data, pool=pool)  # type: ignore[misc]
    assert (len(holders(pool)), holders(child)) == (1, [])
    del files
    assert not holders(pool)
    pool.check()


@LENDS
def test_reports_beside_files_that_come_and_go() -> None:
    pool = pagebuf.PagePool()
    data = bytes(1 << 16)
    before = sys.getrefcount(data)

    def come_and_go() -> None:
        for _ in range(500):
            f = BytesIO(data, pool=pool)
            assert f.read(3) == b"\0\0\0"
            f.truncate(0)
            assert BytesIO(data, pool=pool).getvalue() is data

    def look() -> None:
        for _ in range(100):
            assert {(row.kind, row.lent) for row in holders(pool)} <= {("BytesIO", 1 << 16)}

    together(come_and_go, come_and_go, look)
    assert not holders(pool)
    gc.collect()
    assert sys.getrefcount(data) == before
    pool.check()


@LENDS
def test_a_limit_keeps_shared_pages_from_being_counted_twice() -> None:
    pool = pagebuf.PagePool()
    f = BytesIO(pool=pool)
    f.write(pattern(0, 30 * PAGE))
    view = f.read_at(3, 0), f.seek(0), f.read_buffer()
    pool._set_limit(pool.stats().held + 1)
    assert f.getvalue() == pattern(0, 30 * PAGE)
    assert (f.stats().lent, pool.stats().lent) == (0, 0)
    del view


@LENDS
def test_another_pool_takes_over() -> None:
    first, second = pattern(0, 3 * PAGE), pattern(1, 5 * PAGE)
    before = sys.getrefcount(first), sys.getrefcount(second)
    pool = pagebuf.PagePool()
    f = BytesIO(first, pool=pool)
    assert f.getvalue() is first
    f.__init__(second, pool=pagebuf.PagePool())
    assert f.getvalue() is second
    f.__init__(bytearray(first), pool=pool)
    assert (f.getvalue(), f.stats().size) == (first, len(first))
    f.__init__(second, pool=pool)
    assert f.write(b"x") == 1
    f.check()
    pool.check()
    assert (sys.getrefcount(first), sys.getrefcount(second)) == before


@LENDS
def test_files_with_views_stay_in_pages() -> None:
    f = BytesIO(bytearray(3 * PAGE))
    with f.getbuffer() as view:
        assert f.getvalue() == bytes(3 * PAGE)
        assert f.stats().lent == 0
        view[0] = 1
    assert f.getvalue() == b"\x01" + bytes(3 * PAGE - 1)
    f.__init__(bytes(3 * PAGE))
    assert f.getvalue() == bytes(3 * PAGE)
    f.check()


@LENDS
def test_the_pool_lists_and_recounts_what_it_is_charged_for() -> None:
    pool = pagebuf.PagePool()
    child = pool.child(limit=1 << 20)
    files = [BytesIO(pool=each) for each in (pool, child, child)]
    queue = pagebuf.ByteQueue(pool=child)
    for f in files:
        f.write(bytes(5000))
        f.getvalue()
    queue.put(bytes(700))
    assert (pool.stats().lent, child.stats().lent) == (15_700, 10_700)
    for each in (pool, child):
        each.check()
    rows = {id(row.buffer): (row.size, row.lent, row.resident) for row in child.buffers()}
    assert rows == {id(f): (5000, 5000, 0) for f in files[1:]} | {id(queue): (700, 700, 0)}
    files[1].write(b"x")  # its own bytes again
    f = files.pop()
    f.__init__(b"another", pool=pool)  # type: ignore[misc]
    queue.clear()
    pool.check()
    assert (pool.stats().lent, child.stats().lent) == (5000, 0)
    del f, files
    pool.check()
    assert pool.stats().lent == 0
    assert not any(row.lent for row in pool.buffers())
