"""Saving changes to the mapped file in place: what is written, what is kept, what is refused."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import sys
import threading

import pytest

import pagebuf
from pagebuf import PageBuffer, _save_changes
from tests.helpers import FANOUT, PAGE
from tests.support import pattern

UNIT = max(PAGE, mmap.PAGESIZE)
SIZE = 40 * UNIT + 7 * PAGE + 5
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux")


@pytest.fixture(params=[0, 1, 2])
def pool(request):
    return pagebuf.PagePool(debug=request.param)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(pattern(0, SIZE))
    return path


@pytest.fixture
def written(monkeypatch):
    """What is written, as (offset, bytes)."""
    calls = []
    write = _save_changes._write_at

    def note(fd, offset, data):
        calls.append((offset, bytes(data)))
        write(fd, offset, data)

    monkeypatch.setattr(_save_changes, "_write_at", note)
    return calls


def check(*buffers):
    for buf in buffers:
        buf.check()
        buf.pool.check()


def saved(buf, path, *kept):
    """The file has what the buffer has, nothing differs, and what is kept is as it was."""
    assert path.read_bytes() == buf.tobytes() == buf.source.tobytes()
    assert buf.diff(buf.source) == buf.diff(buf.source, exact=True) == []
    for snap, data in kept:
        assert snap.tobytes() == data
    check(buf, buf.source, *(snap for snap, _ in kept if isinstance(snap, PageBuffer)))


# ---- what is written, and what is kept ----


def test_undo_after_save(path, pool):
    buf, before = PageBuffer.map(path, pool=pool), pattern(0, SIZE)
    old = buf.snapshot()
    buf.write(5 * UNIT + 3, b"changed")
    buf.write(SIZE - 2, b"at the end")
    buf.save_changes()
    after = buf.tobytes()
    saved(buf, path, (old, before))
    buf.restore(old)
    buf.save_changes()
    saved(buf, path, (old, before))
    assert path.read_bytes() == before
    buf.write(0, after)
    buf.save_changes()
    saved(buf, path, (old, before))
    assert path.read_bytes() == after


def test_only_what_changed_is_written(path, pool, written):
    buf = PageBuffer.map(path, pool=pool)
    for page in (3, 4, 9):
        buf.write(page * PAGE + 1, b"new")
    buf.save_changes()
    assert [(offset, len(data)) for offset, data in written if data] in (
        [(3 * PAGE, 2 * PAGE), (9 * PAGE, PAGE)],
        [(3 * PAGE, PAGE), (4 * PAGE, PAGE), (9 * PAGE, PAGE)],
    )
    saved(buf, path)
    written.clear()
    buf.save_changes()
    assert written == []


def test_pages_go_back_to_the_file(path, pool):
    """What nobody else shows is read from the file again."""
    buf = PageBuffer.map(path, pool=pool)
    mapped = buf.stats().mapped
    for offset in range(0, SIZE - UNIT, 3 * UNIT):
        buf.write(offset, b"new")
    assert buf.stats().mapped < mapped
    buf.save_changes()
    assert buf.stats().mapped == mapped
    assert pool.stats().lent == 0
    saved(buf, path)


def test_what_is_kept_is_charged(path, pool):
    buf = PageBuffer.map(path, pool=pool)
    old = buf.snapshot()
    buf.write(9 * UNIT, b"new")
    buf.save_changes()
    assert pool.stats().lent == UNIT
    buf.write(9 * UNIT, b"newer")
    buf.save_changes()
    assert pool.stats().lent == UNIT
    saved(buf, path, (old, pattern(0, SIZE)))
    del buf, old
    gc.collect()
    assert pool.stats().lent == pool.stats().held == 0


def test_a_limit_has_no_room_for_it(path):
    pool = pagebuf.PagePool()
    buf = PageBuffer.map(path, pool=pool)
    old = buf.snapshot()
    buf.write(0, b"n" * 4 * UNIT)
    pool.limit = pool.stats().held * PAGE + 3 * UNIT
    data = buf.tobytes()
    with pytest.raises(pagebuf.PoolLimitError):
        buf.save_changes()
    assert path.read_bytes() == pattern(0, SIZE) == old.tobytes() == buf.source.tobytes()
    assert buf == data
    assert buf.diff(buf.source)
    check(buf, old)
    pool.limit = None
    buf.save_changes()
    saved(buf, path, (old, pattern(0, SIZE)))


@pytest.mark.parametrize("times", [1, 3])
def test_pages_that_have_moved(path, pool, times):
    """What is overwritten in the file is shown by this very buffer, elsewhere."""
    buf, data = PageBuffer.map(path, pool=pool), bytearray(pattern(0, SIZE))
    for n in range(times):
        buf.insert_hole(2 * PAGE, PAGE)
        data[2 * PAGE : 2 * PAGE] = bytes(PAGE)
        buf.save_changes()
        assert buf == data
        saved(buf, path)
        buf.copy_range(0, buf, 10 * PAGE + n, 20 * PAGE)
        data[: 20 * PAGE] = data[10 * PAGE + n : 30 * PAGE + n]
        buf.save_changes()
        assert buf == data
        saved(buf, path)
        buf.collapse(PAGE, 4 * PAGE)
        del data[PAGE : 5 * PAGE]
        buf.save_changes()
        assert buf == data
        saved(buf, path)


@linux
def test_shorter_and_longer(path, pool):
    before = pattern(0, SIZE)
    buf = PageBuffer.map(path, pool=pool)
    kept = [(buf.snapshot(), before)]
    for size in (SIZE - 1, 20 * UNIT, SIZE + UNIT, 20 * UNIT + 1, 7 * PAGE + 3, 0, SIZE, 3, 200000):
        buf.truncate(size)
        if size:
            buf.write(size - 1, b"!")
        buf.save_changes()
        assert len(buf) == size == path.stat().st_size
        saved(buf, path, *kept)
        kept.append((buf.snapshot(), buf.tobytes()))
    buf.restore(kept[0][0])
    buf.save_changes()
    saved(buf, path, *kept)
    assert path.read_bytes() == before


def test_what_was_cut_off_does_not_come_back(path):
    buf = PageBuffer.map(path)
    other = buf.clone()
    other.collapse(0, UNIT)
    buf.truncate(1)
    for kept in (buf.snapshot(), None, buf.snapshot()):
        buf.save_changes()
        saved(buf, path, (kept, kept.tobytes())) if kept else saved(buf, path)
        other.save_changes()
        saved(other, path)
        buf.save_changes()
        saved(buf, path)


def test_cut_twice_within_pages_of_the_system(path, pool):
    """The second cut takes a page of the system whose end the first one took from the source."""
    buf = PageBuffer.map(path, pool=pool)
    shown = buf.view(UNIT + UNIT // 2, UNIT // 4, writable=False)
    want = bytes(shown)
    for size in (UNIT + UNIT // 4, UNIT - 1):
        buf.truncate(size)
        buf.save_changes()
        saved(buf, path)
        assert shown == want


def test_taken_off_the_front_and_put_there(path, pool):
    buf = PageBuffer.map(path, pool=pool)
    old = buf.snapshot()
    data = pattern(0, SIZE)
    assert buf.take_bytes(PAGE + 3) == data[: PAGE + 3]
    buf.prepend(b"new")
    buf.save_changes()
    saved(buf, path, (old, data))
    assert path.read_bytes() == b"new" + data[PAGE + 3 :]


def test_holes_are_zeros(path, pool, written):
    buf = PageBuffer.map(path, pool=pool)
    buf.punch(UNIT, 3 * UNIT)
    buf.truncate(SIZE + 100 * UNIT)
    buf.save_changes()
    saved(buf, path)
    assert sum(len(data) for _, data in written) <= 4 * UNIT + 2 * PAGE


def test_views_and_copies_keep_their_bytes(path, pool):
    buf = PageBuffer.map(path, pool=pool)
    before = pattern(0, SIZE)
    with buf.view(UNIT, 4 * UNIT, writable=False) as view:
        parts = buf.views(6 * UNIT, UNIT)
        other = PageBuffer(pool=pool)
        other.copy_range(PAGE, buf, 9 * PAGE, 20 * PAGE)
        whole = memoryview(buf.snapshot())
        buf.write(0, b"n" * SIZE)
        buf.save_changes()
        assert view == before[UNIT : 5 * UNIT]
        assert b"".join(parts) == before[6 * UNIT : 7 * UNIT]
        assert other.tobytes() == bytes(PAGE) + before[9 * PAGE : 29 * PAGE]
        assert whole == before
        saved(buf, path)


def test_the_tail_of_the_source(path, pool):
    """A view of everything was the memory of the source, to its last byte."""
    buf = PageBuffer.map(path, pool=pool)
    before = pattern(0, SIZE)
    whole = buf.view(writable=False)
    old = buf.snapshot()
    buf.write(SIZE - 2, b"??")
    buf.save_changes()
    assert whole == before == memoryview(old)
    del whole, old
    buf.write(SIZE - 1, b"!")
    snap = buf.snapshot()
    buf.save_changes()
    assert buf.view(writable=False) == memoryview(snap) == path.read_bytes()
    saved(buf, path)


def test_clones_have_one_source(path, pool):
    one, before = PageBuffer.map(path, pool=pool), pattern(0, SIZE)
    other = one.clone()
    one.write(3 * UNIT, b"one")
    other.write(8 * UNIT, b"other")
    one.save_changes()
    saved(one, path)
    assert other.tobytes() == before[: 8 * UNIT] + b"other" + before[8 * UNIT + 5 :]
    assert other.diff(other.source, exact=True) == [(3 * UNIT, 3), (8 * UNIT, 5)]
    other.save_changes()
    saved(other, path)
    assert one.read(3 * UNIT, 3) == b"one"
    one.snapshot().save_changes()
    saved(one, path)


@pytest.mark.parametrize("size", [0, 1, 5 * PAGE + 1])
def test_small_files_are_copied(tmp_path, pool, size):
    path = tmp_path / "small"
    path.write_bytes(pattern(0, size))
    buf = PageBuffer.map(path, pool=pool)
    old = buf.snapshot()
    buf.extend(b"more")
    buf.save_changes()
    saved(buf, path, (old, pattern(0, size)))
    buf.write(0, pattern(1, SIZE))
    buf.save_changes()
    saved(buf, path, (old, pattern(0, size)))


@pytest.mark.parametrize("offset", [1, PAGE, UNIT + 5])
def test_part_of_a_file(path, pool, offset):
    before = pattern(0, SIZE)
    size = 20 * UNIT + 3
    buf = PageBuffer.map(path, offset, size, pool=pool)
    old = buf.snapshot()
    for at in (0, 3 * UNIT - 1, 7 * UNIT, size - 3):
        buf.write(at, b"new")
    buf.save_changes()
    assert path.read_bytes() == before[:offset] + buf.tobytes() + before[offset + size :]
    assert buf.source == buf
    assert old.tobytes() == before[offset : offset + size]
    buf.extend(b"longer")
    with pytest.raises(ValueError, match="does not go to the end"):
        buf.save_changes()
    check(buf, old)
    rest = PageBuffer.map(path, offset, pool=pool)
    rest.truncate(size)
    rest.save_changes()
    assert path.stat().st_size == offset + size
    assert path.read_bytes()[offset:] == rest.tobytes() == rest.source.tobytes()


@pytest.mark.parametrize("mode", ["r+b", "w+b"])
def test_by_a_descriptor(path, pool, mode):
    if mode == "w+b":
        path = path.with_name("made")
    with path.open(mode) as file:
        if mode == "w+b":
            file.write(pattern(0, SIZE))
        file.seek(5)
        buf = PageBuffer.map(file, pool=pool)
        buf.write(3 * UNIT, b"new")
        buf.save_changes()
        assert file.tell() == 5
    saved(buf, path)
    path = path.rename(path.with_name("elsewhere"))
    buf.truncate(9 * UNIT)
    buf.save_changes()
    saved(buf, path)
    fd = buf.source.fd
    os.fstat(fd)
    del buf
    gc.collect()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)


# ---- what is refused ----


def test_what_has_no_file():
    for buf in (PageBuffer(b"x"), PageBuffer.map(bytes(SIZE)), PageBuffer.map(mmap.mmap(-1, SIZE))):
        with pytest.raises(ValueError, match="maps no file"):
            buf.save_changes()
    with pytest.raises(TypeError):
        PageBuffer().save_changes(True)  # type: ignore[call-arg]


@pytest.mark.parametrize("how", ["size", "mtime"])
def test_the_file_has_changed(path, pool, how):
    buf = PageBuffer.map(path, pool=pool)
    old = buf.snapshot()
    buf.write(UNIT, b"new")
    if how == "size":
        with path.open("ab") as file:
            file.write(b"theirs")
    else:
        os.utime(path, ns=(0, 12345))
    theirs = path.read_bytes()
    with pytest.raises(OSError, match="force=True") as refused:
        buf.save_changes()
    assert refused.value.errno == errno.ESTALE
    assert path.read_bytes() == theirs
    assert buf.diff(buf.source, exact=True) == [(UNIT, 3)]
    buf.save_changes(force=True)
    assert path.read_bytes() == theirs[:UNIT] + b"new" + theirs[UNIT + 3 :]
    buf.write(2 * UNIT, b"new")
    buf.save_changes()
    assert old.tobytes() == pattern(0, SIZE)
    check(buf, old)


@linux
def test_others_have_cut_the_file(path, pool):
    buf = PageBuffer.map(path, pool=pool)
    buf.write(UNIT, b"new")
    os.truncate(path, 10 * UNIT)
    with pytest.raises(OSError, match="force=True"):
        buf.save_changes()
    buf.save_changes(force=True)
    want = bytearray(pattern(0, 10 * UNIT).ljust(SIZE, b"\0"))
    want[UNIT : UNIT + 3] = b"new"
    assert path.read_bytes()[: 40 * UNIT] == want[: 40 * UNIT] == buf.read(0, 40 * UNIT)


def test_another_file_has_its_name(path, pool):
    buf = PageBuffer.map(path, pool=pool)
    buf.write(0, b"new")
    buf.save(path)
    for force in (False, True):
        with pytest.raises(OSError, match="another file"):
            buf.save_changes(force=force)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        buf.save_changes()
    check(buf)


def test_the_file_cannot_be_written(path, pool):
    with path.open("rb") as file:
        buf = PageBuffer.map(file, pool=pool)
    buf.write(0, b"new")
    if sys.platform != "win32":
        with pytest.raises(OSError, match="cannot write"):
            buf.save_changes()
        with path.open("a+b") as file:
            buf = PageBuffer.map(file, pool=pool)
        buf.write(0, b"new")
        with pytest.raises(OSError, match="cannot write"):
            buf.save_changes()
    buf = PageBuffer.map(path, pool=pool)
    buf.write(0, b"new")
    path.chmod(0o400)
    if os.access(path, os.W_OK):  # the superuser may write all the same
        buf.save_changes()
        return
    with pytest.raises(PermissionError):
        buf.save_changes()
    assert path.read_bytes() == pattern(0, SIZE)


def test_no_memory_for_a_private_mapping(path, pool, monkeypatch):
    real = mmap.mmap

    def refuse(fd, *args, **kwargs):
        # Memory of the pool (fd -1) and what only reads the file may be had.
        if fd == -1 or kwargs.get("access") == mmap.ACCESS_READ:
            return real(fd, *args, **kwargs)
        raise OSError(errno.ENOMEM, "refused")

    monkeypatch.setattr(mmap, "mmap", refuse)
    buf = PageBuffer.map(path, pool=pool)
    old = buf.snapshot()
    buf.write(UNIT, b"new")
    with pytest.raises(OSError, match=r"save\(\) it"):
        buf.save_changes()
    assert path.read_bytes() == pattern(0, SIZE) == old.tobytes()
    del old
    buf.save_changes()
    saved(buf, path)


# ---- when writing fails ----


@pytest.mark.parametrize("n", range(6))
def test_the_nth_write_fails(path, pool, monkeypatch, n):
    buf, before = PageBuffer.map(path, pool=pool), pattern(0, SIZE)
    old = buf.snapshot()
    for at in (1, 5, 11, 17, 23):
        buf.write(at * UNIT, b"new")
    buf.extend(b"longer")
    data = buf.tobytes()
    write, count = _save_changes._write_at, 0

    def fail(fd, offset, part):
        nonlocal count
        count += 1
        if count > n:
            raise OSError(errno.ENOSPC, "full")
        write(fd, offset, part)

    monkeypatch.setattr(_save_changes, "_write_at", fail)
    with pytest.raises(OSError, match="full"):
        buf.save_changes()
    assert buf == data
    assert old == before
    assert buf.diff(buf.source)
    check(buf, old)
    monkeypatch.undo()
    if n % 2:
        buf.restore(old)  # what the file has of the changes goes, too
    buf.save_changes()
    saved(buf, path, (old, before))


# ---- what comes and goes ----


def test_saved_many_times(tmp_path, pool):
    path = tmp_path / "often"
    path.write_bytes(bytes(SIZE))
    buf = PageBuffer.map(path, pool=pool)
    held = None
    for n in range(300):
        buf.write((n * 37 * PAGE) % SIZE, b"%d" % n)
        old = buf.snapshot() if n % 3 == 0 else None
        buf.save_changes()
        if n == 150:
            held = pool.stats()
    assert old is None or old == buf
    saved(buf, path)
    assert pool.stats().held <= held.held + 2 * FANOUT
    assert pool.stats().lent <= SIZE + UNIT
    del buf, old
    gc.collect()
    assert pool.stats().held == pool.stats().lent == 0


def test_readers_meanwhile(path):
    """Other threads read snapshots while the file is saved again and again."""
    buf = PageBuffer.map(path)
    done, wrong = threading.Event(), []
    want = buf.tobytes()
    old = buf.snapshot()

    def read():
        while not done.is_set():
            if old.tobytes() != want or bytes(old.view(writable=False)) != want:
                wrong.append("changed")

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(40):
        buf.write(n * UNIT, b"%d" % n)
        buf.save_changes()
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    saved(buf, path, (old, want))
