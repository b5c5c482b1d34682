"""`pagebuf.SpooledTemporaryFile`: the same before, while and after bytes go to its file."""

from __future__ import annotations

import errno
import io
import os
import pathlib
import subprocess
import sys
import threading

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import pagebuf
from pagebuf import SpooledTemporaryFile, _spooled
from tests.helpers import PAGE
from tests.support import pattern

LIMIT = 5 * PAGE + 3


def in_memory(f):
    head = f._spool.head
    return 0 if head is None else len(head)


def at_state(state, data, **kwargs):
    """A file with these bytes, of which none, some or all are in its file."""
    limit = {"before": 0, "while": len(data) // 2, "after": 0}[state]
    f = SpooledTemporaryFile(limit, **kwargs)
    f.write(data)
    if state == "after":
        f.rollover()
    f.seek(0)
    return f


states = pytest.mark.parametrize("state", ["before", "while", "after"])


@states
def test_the_calls_of_a_file(state):
    data = b"".join(b"line %d\n" % i for i in range(LIMIT // 4))
    with at_state(state, data) as f, io.BytesIO(data) as plain:
        for call in (
            lambda g: g.read(7),
            lambda g: g.tell(),
            lambda g: g.readline(),
            lambda g: g.readline(3),
            lambda g: g.seek(5, os.SEEK_CUR),
            lambda g: g.read1(10),
            lambda g: g.readlines(20),
            lambda g: g.seek(-9, os.SEEK_END),
            lambda g: g.read(),
            lambda g: g.read(),
            lambda g: g.seek(len(data) // 2 - 3),
            lambda g: g.read(6),
            lambda g: g.write(b"over"),
            lambda g: g.tell(),
            lambda g: g.writelines([b"a\n", b"b\n"]),
            lambda g: g.seek(0),
            lambda g: list(g),
            lambda g: g.truncate(len(data) // 3),
            lambda g: g.tell() >= len(data) // 3,
            lambda g: g.seek(len(data)),
            lambda g: g.write(b"behind a gap"),
            lambda g: g.seek(0),
            lambda g: g.read(),
            lambda g: (g.readable(), g.writable(), g.seekable(), g.isatty()),
        ):
            assert call(f) == call(plain)


@states
def test_readinto(state):
    data = pattern(0, LIMIT)
    with at_state(state, data) as f:
        into = bytearray(LIMIT + 9)
        f.seek(3)
        assert f.readinto(memoryview(into)) == LIMIT - 3
        assert into[: LIMIT - 3] == data[3:]
        f.seek(LIMIT - 2)
        assert f.readinto1(memoryview(into)[:5]) == 2
        assert f.readinto(bytearray(1)) == 0


@states
def test_what_is_refused(state):
    with at_state(state, b"x" * LIMIT) as f:
        for call in (lambda: f.seek(-1), lambda: f.seek(-LIMIT - 1, os.SEEK_END)):
            with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
                call()
        with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
            f.truncate(-1)
        with pytest.raises(ValueError, match="whence"):
            f.seek(0, 7)
        with pytest.raises(TypeError):
            f.write("text")
        assert f.tell() == 0
    for call in (f.read, f.tell, f.fileno, f.rollover, lambda: f.write(b"x"), lambda: f.seek(0)):
        with pytest.raises(ValueError, match="closed"):
            call()


@states
def test_truncate_extends(state):
    with at_state(state, b"x" * PAGE) as f:
        assert f.truncate(3 * LIMIT) == 3 * LIMIT
        assert f.tell() == 0
        assert f.read() == b"x" * PAGE + bytes(3 * LIMIT - PAGE)


def test_no_more_than_max_size_is_in_memory():
    pool = pagebuf.PagePool()
    with SpooledTemporaryFile(LIMIT, pool=pool) as f:
        for i in range(40):
            assert f.write(pattern(i * PAGE, PAGE, 0)) == PAGE
        f.flush()
        assert in_memory(f) == LIMIT
        held = pool.stats().held - pool.stats().nodes
        assert held <= -(-LIMIT // PAGE)
        assert os.fstat(f._spool.file.fileno()).st_size == 40 * PAGE
        f.seek(0)
        assert f.read() == b"".join(pattern(i * PAGE, PAGE, 0) for i in range(40))
    assert pool.stats().held == 0


def test_the_first_bytes_are_written_when_a_descriptor_is_wanted():
    data = pattern(0, 3 * LIMIT)
    with SpooledTemporaryFile(LIMIT) as f:
        f.write(data)
        f.flush()
        assert os.pread(f._spool.file.fileno(), PAGE, 0) == bytes(PAGE)
        f.seek(7)
        fd = f.fileno()
        assert os.pread(fd, 4 * LIMIT, 0) == data
        assert os.lseek(fd, 0, os.SEEK_CUR) == 7
        assert in_memory(f) == 0
        assert f.read(5) == data[7:12]


def test_the_name_is_for_others():
    with SpooledTemporaryFile(LIMIT) as f:
        f.write(b"x" * (LIMIT + 1))
        name = f.name
        fd = name if isinstance(name, int) else f.fileno()
        assert os.pread(fd, LIMIT + 2, 0) == b"x" * (LIMIT + 1)


def test_a_child_process_writes():
    with SpooledTemporaryFile(LIMIT) as f:
        f.write(b"before\n")
        subprocess.run([sys.executable, "-c", "print('child')"], stdout=f, check=True)
        f.seek(0)
        assert f.read().split() == [b"before", b"child"]


def test_an_iterator_goes_on():
    lines = [b"%06d\n" % i for i in range(LIMIT)]
    with SpooledTemporaryFile(LIMIT) as f:
        f.writelines(lines[: LIMIT // 10])
        f.seek(0)
        it = iter(f)
        assert next(it) == lines[0]
        at = f._file.tell()
        f.seek(0, os.SEEK_END)
        f.writelines(lines[LIMIT // 10 :])
        f.seek(at)
        assert next(it) == lines[1]
        f.rollover()
        assert list(it) == lines[2:]


def test_text_goes_on():
    """Also within a character, and with a decoder that has a state."""
    text = "".join(f"{chr(0x3B1 + i % 24)} line {i}\r\n" for i in range(LIMIT))
    with SpooledTemporaryFile(LIMIT, "w+t", encoding="utf-16", newline="") as f:
        assert f.write(text[:9]) == 9
        f.flush()
        f.write(text[9:])
        assert f._rolled
        f.seek(0)
        assert f.read(100) == text[:100]
        cookie = f.tell()
        f.rollover()
        assert f.read() == text[100:]
        f.seek(cookie)
        assert f.readline() == text[100:].splitlines(keepends=True)[0]
        assert (f.encoding, f.errors, f.mode) == ("utf-16", "strict", "w+t")


def test_holes_take_no_memory():
    pool = pagebuf.PagePool()
    with SpooledTemporaryFile(0, pool=pool) as f:
        f.seek(1 << 33 if PAGE == 4096 else 1 << 9)
        f.write(b"x")
        f.flush()
        assert pool.stats().held - pool.stats().nodes == 1
        assert not f._rolled


def test_buffering_none():
    with SpooledTemporaryFile(9, buffering=0) as f:
        assert f.write(b"0123456789") == 10
        assert os.pread(f._spool.file.fileno(), 9, 9) == b"9"
        assert f.seek(0) == 0
        assert f.read() == b"0123456789"
        assert f.readinto(bytearray()) == f.write(b"") == 0
        f.rollover()
        assert f.seek(0) == 0
        assert f.read(3) == b"012"


def test_lines_are_written_at_once():
    with SpooledTemporaryFile(1, "w+", buffering=1, encoding="ascii") as f:
        f.write("some\nthing")
        assert os.fstat(f._spool.file.fileno()).st_size >= 5


# ---- what fails ----


def full(monkeypatch, room):
    """A disk with room for so many bytes more, until the returned list is emptied."""
    left = [room]
    write = _spooled._write_at

    def limited(fd, offset, data):
        n = min(len(data), left[0]) if left else len(data)
        write(fd, offset, data[:n])
        if left:
            left[0] -= n
        if n < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_spooled, "_write_at", limited)
    return left


@pytest.mark.parametrize("room", [0, 1, PAGE])
def test_a_full_disk(monkeypatch, room):
    data = pattern(0, 3 * LIMIT)
    with SpooledTemporaryFile(LIMIT, buffering=0) as f:
        f.write(data[: LIMIT - 9])
        left = full(monkeypatch, room)
        for _ in range(2):
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                f.write(data[LIMIT - 9 :])
            assert f.tell() == f.seek(0, os.SEEK_END) == LIMIT - 9
            left[0] = room
        left.clear()
        assert f.truncate(2 * LIMIT) == 2 * LIMIT  # nothing of what failed shows in the gap
        f.seek(0)
        assert f.read() == data[: LIMIT - 9] + bytes(LIMIT + 9)
        f.seek(LIMIT - 9)
        assert f.write(data[LIMIT - 9 :]) == 2 * LIMIT + 9
        f.seek(0)
        assert f.read() == data


@pytest.mark.parametrize("room", [0, 5, 2 * PAGE])
def test_a_disk_that_is_full_at_the_rollover(monkeypatch, room):
    with SpooledTemporaryFile(LIMIT) as f:
        f.write(b"x" * (LIMIT + 20))
        f.flush()
        left = full(monkeypatch, room)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            f.fileno()
        f.seek(0)
        assert f.read() == b"x" * (LIMIT + 20)
        f.seek(2)
        f.write(b"y")
        f.flush()
        assert f._spool.head is not None
        f._spool.head.punch(3, LIMIT - 3)
        left.clear()
        expected = b"xxy" + bytes(LIMIT - 3) + b"x" * 20
        assert os.pread(f.fileno(), 2 * LIMIT, 0) == expected
        f.seek(0)
        assert f.read() == expected


def test_a_pool_that_is_full():
    pool = pagebuf.PagePool(limit=4 * PAGE)
    with SpooledTemporaryFile(0, buffering=0, pool=pool) as f:
        f.write(b"x" * PAGE)
        with pytest.raises(pagebuf.PoolLimitError):
            f.write(bytes(8 * PAGE))
        assert f.tell() == f.seek(0, os.SEEK_END) == PAGE
        f.seek(0)
        assert f.read() == b"x" * PAGE


def test_who_forgets_to_close_is_told(tmp_path):
    f = SpooledTemporaryFile(1, dir=tmp_path)
    f.write(b"xx")
    assert f._rolled
    with pytest.warns(ResourceWarning, match="Unclosed file"):
        del f
    assert list(pathlib.Path(tmp_path).iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with SpooledTemporaryFile(1, dir=tmp_path / "gone", buffering=0) as f:
        f.write(b"x")
        with pytest.raises(FileNotFoundError):
            f.write(b"y")
        f.seek(0)
        assert f.read() == b"x"


def test_what_cannot_be_made():
    with pytest.raises(LookupError):
        SpooledTemporaryFile(mode="w+", encoding="no such")


def test_where_there_is_no_preadv(monkeypatch):
    monkeypatch.delattr(os, "preadv", raising=False)
    with SpooledTemporaryFile(5) as f:
        f.write(b"0123456789")
        f.seek(0)
        assert f.read() == b"0123456789"


def test_threads():
    """Each finds what it has written, while another rolls over."""
    with SpooledTemporaryFile(20 * 50, buffering=0) as f:
        lock = threading.Lock()
        bad = []

        def work(number):
            mine = b"%019d\n" % number
            for i in range(200):
                with lock:  # a position is shared, as in all files
                    f.seek(20 * (number + 4 * (i % 50)))
                    f.write(mine)
                    f.seek(-20, os.SEEK_CUR)
                    if f.read(20) != mine:
                        bad.append(i)
                if i == 150 and number == 0:
                    f.rollover()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bad == []


# ---- against io.BytesIO ----

places = st.integers(0, 3 * LIMIT)


class Files(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.pool = pagebuf.PagePool()
        self.f = SpooledTemporaryFile(LIMIT, buffering=PAGE, pool=self.pool)
        self.plain = io.BytesIO()

    def both(self, call):
        assert call(self.f) == call(self.plain)

    @rule(at=places)
    def seek(self, at):
        self.both(lambda g: g.seek(at))

    @rule(n=places)
    def read(self, n):
        self.both(lambda g: g.read(n))

    @rule()
    def readline(self):
        self.both(lambda g: g.readline())

    @rule(n=places, salt=st.integers(0, 9))
    def write(self, n, salt):
        self.both(lambda g: g.write(pattern(0, n, salt)))

    @rule(n=places)
    def truncate(self, n):
        self.f.truncate(n)
        data = self.plain.getvalue()[:n]
        at = self.plain.tell()
        self.plain = io.BytesIO(data + bytes(n - len(data)))
        self.plain.seek(at)

    @rule()
    def flush(self):
        self.f.flush()

    @rule(n=st.integers(0, 9))
    def rollover(self, n):
        if n == 0:
            self.f.rollover()

    @invariant()
    def same(self):
        at = self.plain.tell()
        assert self.f.tell() == at
        self.f.flush()
        self.f.seek(0)
        assert self.f.read() == self.plain.getvalue()
        self.f.seek(at)
        assert in_memory(self.f) <= LIMIT

    def teardown(self):
        self.f.close()
        assert self.pool.stats().held == 0


TestFiles = Files.TestCase
