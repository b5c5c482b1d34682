"""Buffers over files and over memory of others: what they show, keep and refuse."""

from __future__ import annotations

import errno
import gc
import hashlib
import mmap
import os
import pathlib
import pickle
import stat
import subprocess
import sys
import weakref

import pytest

import pagebuf
from pagebuf import PageBuffer
from tests.helpers import FANOUT, PAGE
from tests.support import pattern

LEAST = 16 * PAGE  # of less the bytes are copied
SIZES = sorted({
    0, 1, LEAST - 1, LEAST, LEAST + 1, 20 * PAGE + 5,
    *(max(LEAST, n) for n in (FANOUT * PAGE - 1, FANOUT * PAGE, 4 * FANOUT * PAGE + 3)),
})  # fmt: skip
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "source"


@pytest.fixture
def pool():
    return pagebuf.PagePool()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def check(buf):
    buf.check()
    buf.pool.check()


# ---- what it shows ----


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("offset", [0, 1, 3, PAGE - 1, PAGE, 7 * PAGE + 2])
def test_any_size_at_any_place(path, pool, size, offset):
    data = pattern(0, offset + size + 10)
    path.write_bytes(data)
    want = data[offset : offset + size]
    with path.open("rb") as file:
        for source in (path, str(path), file, file.fileno(), data, bytearray(data)):
            buf = PageBuffer.map(source, offset, size, pool=pool)
            assert buf == want
            assert buf.tobytes() == want == buf.source.tobytes()
            assert b"".join(buf.views()) == want
            assert buf.extents() == ([(0, size)] if size else [])
            assert buf.pool is pool
            check(buf)
            assert hashlib.sha1(buf).digest() == hashlib.sha1(want).digest()
        assert file.tell() == 0
    assert path.read_bytes() == data


@pytest.mark.parametrize("size", [LEAST, LEAST + 7, LEAST + 4 * FANOUT * PAGE + 1])
def test_a_write_copies_one_page(pool, size):
    source = bytearray(pattern(0, size))
    before = bytes(source)
    buf = PageBuffer.map(source, pool=pool)
    pages = buf.stats().pages  # the partial last page is a copy
    assert buf.stats().mapped == size // PAGE
    assert pages == (size % PAGE > 0)
    assert buf.write(5 * PAGE + 3, b"changed") == 7
    assert buf.stats().pages == pages + 1
    assert buf.stats().mapped == size // PAGE - 1
    assert buf.stats().holes == 0
    assert source == before
    assert buf.tobytes() == before[: 5 * PAGE + 3] + b"changed" + before[5 * PAGE + 10 :]
    assert buf.diff(buf.source, exact=True) == [(5 * PAGE + 3, 7)]
    check(buf)
    buf.restore(buf.source)
    assert buf == before
    check(buf)


def test_snapshots_and_clones_have_the_source(pool):
    buf = PageBuffer.map(pattern(0, LEAST), pool=pool)
    buf.name = "named"
    source = buf.source
    assert source.frozen
    assert buf.snapshot().source is source
    assert buf.clone(name="other").source is source
    assert buf.clone().name == "named"
    assert PageBuffer(buf).source is None
    buf.name = None
    assert buf.source is source
    buf.__init__(b"anew")
    assert buf.source is None


def test_a_subclass_keeps_its_type(path):
    class Mine(PageBuffer):
        pass

    path.write_bytes(bytes(LEAST))
    assert type(Mine.map(path)) is Mine
    assert type(Mine.map(path).source) is not Mine


def test_others_change_the_source():
    """What is shown then is what the source holds, as with an mmap."""
    source = bytearray(pattern(0, LEAST))
    buf = PageBuffer.map(source)
    with pytest.raises(BufferError):
        source.append(1)
    source[PAGE] ^= 255
    assert buf[PAGE] == source[PAGE]


# ---- views ----


@pytest.mark.parametrize("more", [0, 1, PAGE - 1])
def test_a_stable_view_is_the_sources_own_memory(pool, more):
    source = mmap.mmap(-1, LEAST + more)
    source[:] = pattern(0, LEAST + more)
    buf = PageBuffer.map(source, pool=pool)
    held = pool.stats().held
    view = buf.view(writable=False)
    plain = memoryview(buf.snapshot())
    assert view == plain == bytes(source)
    source[9] ^= 255  # both show it, so neither is a copy
    assert view[9] == plain[9] == source[9]
    assert pool.stats().held == held
    buf.write(0, b"x")
    assert view[0] == source[0]
    del buf
    assert view == bytes(source)
    check(PageBuffer(pool=pool))


def test_a_live_view_of_all_copies_all(pool):
    data = pattern(0, LEAST + 5)
    buf = PageBuffer.map(data, pool=pool)
    with buf.view() as view:
        assert buf.stats().mapped == 0
        view[0] = 1
        assert buf[0] == 1
    assert data == pattern(0, LEAST + 5)
    check(buf)


def test_pieces_and_ranges(pool):
    data = pattern(0, LEAST + 2 * PAGE)
    buf = PageBuffer.map(data, pool=pool)
    other = PageBuffer(pool=pool)
    other.copy_range(3 * PAGE, buf, PAGE, 9 * PAGE)
    assert other.stats().mapped == 9
    assert other == bytes(3 * PAGE) + data[PAGE : 10 * PAGE]
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(other)
    assert queue.get(len(other)) == other.tobytes()
    del buf
    check(other)
    assert other.walk(3 * PAGE).stop == "mapped"
    assert other.walk(0).stop == "hole"


def test_whose_is_an_address(pool):
    size = LEAST + 4 * FANOUT * PAGE
    source = mmap.mmap(-1, size + 3)
    source[:] = pattern(0, size + 3)
    buf = PageBuffer.map(source, 3, pool=pool)
    buf.name = "mapped"
    buf.write(2 * PAGE, b"mine")
    for offset in (0, PAGE, 9 * PAGE + 7, size - 1):
        address = buf.walk(offset).steps[-1].address + offset % PAGE
        there = pagebuf.region_of(address)
        assert (there.state, there.pool, there.offset) == ("mapped", pool, offset)
        assert there.owner in (buf, buf.source)
        assert (there.readable, there.writable) == (True, False)
        assert pagebuf.is_valid(address)
    first = buf.walk(0).steps[-1].address
    assert pagebuf.is_valid(first, size)
    assert not pagebuf.is_valid(first, size + 1)
    assert not pagebuf.is_valid(first - 1)
    assert not pagebuf.is_valid(first, 0)
    assert pagebuf.region_of(buf.walk(2 * PAGE).steps[-1].address).state == "page"
    address = buf.walk(PAGE).steps[-1].address
    del buf, there
    gc.collect()
    assert pagebuf.region_of(address) is None
    assert not pagebuf.is_valid(address)


def test_find_and_count_across_borders(pool):
    data = bytearray(LEAST + 9)
    for at in (0, PAGE - 1, 7 * PAGE - 2, LEAST - 1, LEAST + 5):
        data[at : at + 4] = b"here"
    buf = PageBuffer.map(bytes(data), pool=pool)
    buf.write(2 * PAGE - 2, b"here")
    data[2 * PAGE - 2 : 2 * PAGE + 2] = b"here"
    assert buf.count(b"here") == data.count(b"here") == 6
    assert [buf.find(b"here", n) for n in (0, 1, PAGE)] == [
        data.find(b"here", n) for n in (0, 1, PAGE)
    ]
    assert buf.rfind(b"here") == data.rfind(b"here")
    buf.reverse()
    assert buf == bytes(data[::-1])
    check(buf)


# ---- what it keeps ----


class Kept(bytearray):
    pass


def test_the_source_is_kept_as_long_as_somebody_shows_it(pool):
    source = Kept(pattern(0, LEAST))
    kept, data = weakref.ref(source), bytes(source)
    buf = PageBuffer.map(source, pool=pool)
    view = buf.view(PAGE, 2 * PAGE, writable=False)
    other = PageBuffer(pool=pool)
    other.copy_range(0, buf, 0, PAGE)
    del source, buf
    gc.collect()
    assert kept() is not None
    del other
    assert kept() is not None
    assert view == data[PAGE : 3 * PAGE]
    del view
    gc.collect()
    assert kept() is None
    assert pool.stats().held == 0


@pytest.mark.parametrize("times", [100, pytest.param(10**5, marks=pytest.mark.slow)])
def test_maps_leave_nothing(times):
    pool = pagebuf.default_pool()
    data, before = pattern(0, LEAST + 1), pool.stats()
    first = PageBuffer.map(data).walk(0).steps[-1].frame
    references = sys.getrefcount(data)
    for _ in range(times):
        PageBuffer.map(data)
    gc.collect()
    assert sys.getrefcount(data) == references
    assert PageBuffer.map(data).walk(0).steps[-1].frame == first
    assert pool.stats().held == before.held
    pool.check()


def test_a_thousand_at_once(pool):
    data = pattern(0, LEAST + 3)
    buffers = [PageBuffer.map(data, pool=pool) for _ in range(1000)]
    del buffers[::2]
    buffers += [PageBuffer.map(data, pool=pool) for _ in range(700)]
    assert all(buf == data for buf in buffers[::50])
    pool.check()


def test_a_refused_map_leaves_nothing():
    pool = pagebuf.PagePool(limit=PAGE)
    source = Kept(pattern(0, 4 * FANOUT * PAGE + LEAST + 1))  # the last page is a copy
    kept = weakref.ref(source)
    taken = PageBuffer(bytes(PAGE), pool=pool)
    with pytest.raises(pagebuf.PoolLimitError):
        PageBuffer.map(source, pool=pool)
    del source
    gc.collect()
    assert kept() is None
    check(taken)


@linux
def test_a_terabyte_is_a_few_frames(path, pool):
    size = (1 << 40) + 12345
    with path.open("wb") as file:
        try:
            file.truncate(size)
        except OSError as error:
            pytest.skip(f"no file of a terabyte here: {error}")
        if size // PAGE >= 1 << 31:
            with pytest.raises(MemoryError, match="no numbers left"):
                PageBuffer.map(path, pool=pool)
            return
    buf = PageBuffer.map(path, pool=pool)
    assert pool.stats().held <= buf.levels
    buf.write(size // 2, b"far")
    buf.insert_hole(size // 4 // PAGE * PAGE, PAGE)
    assert buf.read(size // 2 + PAGE, 3) == b"far"
    assert pool.stats().held < 40
    assert buf.find(b"far", size // 2 - 9) == size // 2 + PAGE
    check(buf)
    buf.restore(buf.source)
    assert buf.diff(buf.source) == []
    buf.write(size // 2, b"far")
    buf.save(path.with_name("saved"))
    assert path.with_name("saved").stat().st_blocks < 1000


@pytest.mark.parametrize("protocol", [4, 5])
def test_it_pickles_by_its_contents(path, protocol):
    path.write_bytes(pattern(0, LEAST + 9))
    buf = PageBuffer.map(path)
    buf.write(PAGE, b"mine")
    packed = pickle.dumps([buf, buf.source], protocol)
    path.unlink()
    there, source = pickle.loads(packed)
    assert there == buf
    assert there.source is None
    assert source == buf.source
    assert source.frozen


# ---- what it refuses ----


def test_what_cannot_be_mapped(tmp_path):
    with pytest.raises(FileNotFoundError):
        PageBuffer.map(tmp_path / "nothing")
    with pytest.raises(OSError, match=str(tmp_path)) as refused:
        PageBuffer.map(tmp_path)
    assert refused.value.errno in {errno.EISDIR, errno.EACCES}
    for thing in (None, 1.5, object(), ["a"], True):
        with pytest.raises(TypeError):
            PageBuffer.map(thing)
    with pytest.raises(BufferError):
        PageBuffer.map(memoryview(bytes(LEAST))[::2])
    with pytest.raises(OSError, match="descriptor"):
        PageBuffer.map(10**6)


@linux
def test_pipes_and_files_without_a_size(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read, write = os.pipe()
    try:
        for thing in (tmp_path / "pipe", read, "/dev/null"):
            with pytest.raises(OSError, match="only regular files"):
                PageBuffer.map(thing)
    finally:
        os.close(read)
        os.close(write)
    with pytest.raises(OSError, match="without a size"):
        PageBuffer.map("/proc/self/status")


@pytest.mark.parametrize("make", [pathlib.Path, pathlib.Path.read_bytes])
def test_the_range_lies_in_the_source(path, make):
    path.write_bytes(bytes(LEAST))
    source = make(path)
    assert len(PageBuffer.map(source, LEAST)) == 0
    for offset, size in ((LEAST + 1, None), (0, LEAST + 1), (1, LEAST), (-1, None), (0, -2)):
        with pytest.raises(ValueError, match=r"source|negative|at least 0"):
            PageBuffer.map(source, offset, size)
    with pytest.raises(TypeError):
        PageBuffer.map(source, 1.0)


@linux
def test_a_file_that_is_cut_short_is_a_bus_error(path):
    """In a process of its own: the system ends it, as with any mmap."""
    path.write_bytes(bytes(2 * LEAST))
    code = (
        "import sys, os, pagebuf; buf = pagebuf.PageBuffer.map(sys.argv[1]);"
        "os.truncate(sys.argv[1], 0); buf.tobytes()"
    )
    if PAGE == 4096:
        done = subprocess.run([sys.executable, "-c", code, path], check=False)
        assert done.returncode == -7


# ---- saving ----


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_save(tmp_path, path, size, atomic):
    data = bytearray(pattern(0, size))
    path.write_bytes(data)
    buf = PageBuffer.map(path)
    there = tmp_path / "there"
    there.write_bytes(b"before" * size)
    for change in ("nothing", "write", "append", "insert", "cut"):
        if change == "write" and size > PAGE:
            buf.write(size // 2, b"new")
            data[size // 2 : size // 2 + 3] = b"new"
        elif change == "append":
            buf.extend(b"more")
            data += b"more"
        elif change == "insert":
            buf.insert_hole(0, PAGE + 1)
            data[:0] = bytes(PAGE + 1)
        elif change == "cut":
            buf.truncate(len(data) // 2)
            del data[len(data) // 2 :]
        buf.save(there, atomic=atomic)
        assert there.read_bytes() == data
        assert buf == data
    assert names(tmp_path) == ["source", "there"]


def test_save_onto_the_mapped_file(path):
    data = bytearray(pattern(0, LEAST + 9))
    path.write_bytes(data)
    path.chmod(0o640)
    link = path.with_name("link")
    link.symlink_to(path)
    buf = PageBuffer.map(link)
    snap = buf.snapshot()
    buf.write(PAGE - 1, b"new")
    with pytest.raises(ValueError, match="atomic"):
        buf.save(path, atomic=False)
    assert path.read_bytes() == data
    buf.save(link)
    data[PAGE - 1 : PAGE + 2] = b"new"
    assert path.read_bytes() == buf.tobytes() == data
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert snap.tobytes() == pattern(0, LEAST + 9)  # undo after save
    buf.restore(snap)
    buf.save(path)
    assert path.read_bytes() == snap.tobytes()


def test_a_source_that_has_changed_is_not_copied_from(path):
    """What the file holds by now is not what the buffer shows, if that is another file."""
    data = pattern(0, LEAST + 9)
    path.write_bytes(data)
    buf = PageBuffer.map(path)
    path.unlink()
    path.write_bytes(b"another" * LEAST)
    buf.save(path.with_name("saved"))
    assert path.with_name("saved").read_bytes() == data
    path.unlink()
    buf.save(path)
    assert path.read_bytes() == data


@linux
def test_a_save_that_fails_changes_nothing(path, monkeypatch):
    path.write_bytes(b"old")
    folder = path.parent / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="directory"):
        PageBuffer(b"new").save(folder)
    with pytest.raises(FileNotFoundError):
        PageBuffer(b"new").save(folder / "no" / "file")

    def full(fd, data):
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr("pagebuf._map.os.write", full)
    with pytest.raises(OSError, match="full"):
        PageBuffer(bytes(10) + b"new").save(path)
    monkeypatch.undo()
    assert names(path.parent) == ["folder", "source"]
    assert path.read_bytes() == b"old"


def test_holes_stay_holes(path):
    buf = PageBuffer(b"front")
    buf.write(1 << 24, b"end")
    buf.save(path)
    assert path.read_bytes() == buf.tobytes()
    if sys.platform.startswith("linux") and PAGE == 4096:
        assert path.stat().st_blocks << 9 < 1 << 20
