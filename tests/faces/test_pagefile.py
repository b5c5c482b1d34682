"""pagebuf.PageFile: files on a PageBuffer, which other files and callers may change."""

from __future__ import annotations

import gc
import io
import itertools
import os
import pickle
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pagebuf
from pagebuf import PageBuffer, PageFile, PagePool
from tests.helpers import PAGE, reach
from tests.support import pattern

MODES = ["r", "r+", "w", "w+", "a", "a+", "x", "x+"]


def test_kinds() -> None:
    f = PageFile()
    assert isinstance(f, io.BufferedIOBase)
    assert (f.mode, len(f.page_buffer), f.closed, f.seekable()) == ("rb+", 0, False, True)
    assert PageFile.__module__ == "pagebuf"


REAL_CALLS: dict[str, Callable[[Any], Any]] = {
    "readline 0": lambda f: f.readline(0),
    "readline 2": lambda f: f.readline(2),
    "readline": lambda f: f.readline(),
    "readline None": lambda f: f.readline(None),
    "readline str": lambda f: f.readline("x"),
    "readlines": lambda f: f.readlines(),
    "readlines 0": lambda f: f.readlines(0),
    "readlines -1": lambda f: f.readlines(-1),
    "readlines 3": lambda f: f.readlines(3),
    "readlines 4": lambda f: f.readlines(4),
    "readlines 8": lambda f: f.readlines(8),
    "readlines str": lambda f: f.readlines("x"),
    "readlines float": lambda f: f.readlines(1.0),
    "seek before": lambda f: f.seek(-1),
    "seek back": lambda f: f.seek(-100, 1),
    "seek back from the end": lambda f: f.seek(-100, 2),
    "seek data before": lambda f: f.seek(-1, os.SEEK_DATA),
    "seek on": lambda f: f.seek(100, 1),
}


@pytest.mark.parametrize("mode", ["rb", "wb", "ab", "r+b", "w+b", "a+b"])
@pytest.mark.parametrize("call", REAL_CALLS)
def test_as_real_files(call: str, mode: str, tmp_path: Path) -> None:
    """The same result or kind of exception, and the same position."""
    data = b"one\ntwo\nthree"
    (tmp_path / "file").write_bytes(data)
    results = []
    with (tmp_path / "file").open(mode) as real, PageBuffer(data).open(mode) as ours:
        for f in (real, ours):
            try:
                result = REAL_CALLS[call](f)
            except Exception as error:
                result = type(error), getattr(error, "errno", None)
            results.append((result, f.tell()))
    assert results[1] == results[0]


@pytest.mark.parametrize("mode", MODES)
def test_modes(mode: str, pool: PagePool) -> None:
    buf = PageBuffer(b"" if "x" in mode else b"abc", pool=pool)
    f = buf.open(mode + "b")
    assert (f.readable(), f.writable()) == ("r" in mode or "+" in mode, mode != "r")
    assert f.tell() == (3 if "a" in mode else 0)
    assert buf.tobytes() == (b"abc" if mode[0] in "ra" else b"")
    f.seek(0)
    if f.writable():
        assert f.write(b"X") == 1
        f.writelines([b"Y"])
        want = {"r": b"XYc", "a": b"abcXY"}.get(mode[0], b"XY")
        assert buf.tobytes() == want
        assert f.truncate(9) == 9
        assert len(buf) == 9
    else:
        for call in (lambda: f.write(b"X"), lambda: f.writelines([b"X"]), f.truncate):
            with pytest.raises(io.UnsupportedOperation, match="not writable"):
                call()
    if not f.readable():
        into = bytearray(3)
        reads: list[Any] = [
            f.read,
            f.read1,
            f.readline,
            f.readlines,
            f.peek,
            f.read_buffer,
            lambda: f.read(1),
            lambda: f.readinto(into),
            lambda: f.readinto1(into),
            lambda: next(f),
            lambda: f.read_at(0, 1),
        ]
        for call in reads:
            with pytest.raises(io.UnsupportedOperation, match="not readable"):
                call()


@pytest.mark.parametrize("mode", ["", "b", "z", "rw", "r++", "rbb", "rt", "br", "+r", "r+b+"])
def test_bad_modes(mode: str, pool: PagePool) -> None:
    buf = PageBuffer(b"abc", pool=pool)
    for call in (lambda: buf.open(mode), lambda: PageFile(buf, mode)):
        with pytest.raises(ValueError, match="mode"):
            call()
    assert buf.tobytes() == b"abc"


def test_bad_arguments(pool: PagePool) -> None:
    buf = PageBuffer(b"abc", pool=pool)
    with pytest.raises(TypeError, match="PageBuffer"):
        PageFile(b"abc")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        buf.open(3)  # type: ignore[arg-type]
    with pytest.raises(FileExistsError):
        buf.open("x")
    with pytest.raises(ValueError, match="already"):
        buf.open().__init__(buf)


def test_frozen(pool: PagePool) -> None:
    snap = PageBuffer(b"abc", pool=pool).snapshot()
    assert snap.open().read() == b"abc"
    assert snap.open().mode == "rb"
    for mode in ("r+", "w", "a"):
        with pytest.raises(TypeError, match="snapshot never changes"):
            snap.open(mode)
    assert snap.tobytes() == b"abc"


def test_many_files_on_one_buffer(pool: PagePool) -> None:
    buf = PageBuffer(pattern(0, 3 * PAGE), pool=pool)
    first, second, third = buf.open(), buf.open("rb"), buf.open("ab")
    assert first.read(PAGE) == second.read(PAGE)
    first.write(b"changed")
    assert second.read(7) == b"changed"
    third.write(b"end")
    assert second.seek(-3, 2) == 3 * PAGE
    assert second.read() == b"end"
    first.close()
    assert not second.closed
    buf.truncate(5)
    assert second.read() == b""
    assert second.tell() == 3 * PAGE + 3
    assert buf.tobytes() == pattern(0, 5)


def test_closing_leaves_the_buffer(pool: PagePool) -> None:
    buf = PageBuffer(b"abc", pool=pool)
    with PageFile(buf) as f:
        assert f.page_buffer is buf
    assert f.closed
    assert f.page_buffer is buf
    assert buf.tobytes() == b"abc"
    f.close()
    into = bytearray(3)
    calls: list[Any] = [
        f.read,
        f.readline,
        f.readlines,
        f.tell,
        f.truncate,
        f.flush,
        f.isatty,
        f.readable,
        f.writable,
        f.seekable,
        f.peek,
        f.read_buffer,
        f.__enter__,
        lambda: next(f),
        lambda: f.read(1),
        lambda: f.seek(0),
        lambda: f.seek(0, 2),
        lambda: f.write(b""),
        lambda: f.writelines([]),
        lambda: f.readinto(into),
        lambda: f.read_at(0, 1),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="closed"):
            call()


def test_before_init() -> None:
    f = PageFile.__new__(PageFile)
    assert f.closed
    assert f.page_buffer is None
    into = bytearray(3)
    for call in (f.read, f.tell, f.truncate, lambda: f.write(b"x"), lambda: f.readinto(into)):
        with pytest.raises(ValueError, match="closed"):
            call()
    f.close()
    f.__init__(PageBuffer(b"abc"))
    assert f.read() == b"abc"


def test_truncate_extends(pool: PagePool) -> None:
    buf = PageBuffer(b"abc", pool=pool)
    f = buf.open()
    f.seek(2 * PAGE)
    assert f.truncate() == 2 * PAGE
    assert buf.tobytes() == b"abc" + bytes(2 * PAGE - 3)
    assert f.truncate(1) == 1
    assert f.tell() == 2 * PAGE
    f.write(b"x")
    assert buf.tobytes() == b"a" + bytes(2 * PAGE - 1) + b"x"
    with pytest.raises(ValueError, match="negative"):
        f.truncate(-1)
    with pytest.raises(OverflowError):
        f.truncate(buf.capacity + 1)
    f.seek(buf.capacity)
    with pytest.raises(OverflowError):
        f.write(b"x")
    assert len(buf) == 2 * PAGE + 1


def test_holes(pool: PagePool) -> None:
    buf = PageBuffer(pool=pool)
    buf.write(2 * PAGE, b"x" * PAGE)
    buf.write(reach(2), b"y")
    f = buf.open()
    for data, hole in ((os.SEEK_DATA, os.SEEK_HOLE), (pagebuf.SEEK_DATA, pagebuf.SEEK_HOLE)):
        assert f.seek(0, hole) == 0
        assert f.seek(0, data) == 2 * PAGE
        assert f.seek(2 * PAGE, hole) == 3 * PAGE
        assert f.seek(3 * PAGE, data) == reach(2)
        assert f.seek(reach(2), hole) == reach(2) + 1
        for whence in (data, hole):
            with pytest.raises(OSError, match="No such device or address"):
                f.seek(reach(2) + 1, whence)
            with pytest.raises(OSError, match="No such device or address"):
                f.seek(-1, whence)
        assert f.tell() == reach(2) + 1
    assert f.seek(0) == 0
    assert f.readline() == buf.tobytes()


def test_sparse_lines_are_quick(pool: PagePool) -> None:
    """The search for a newline skips holes, and does not read 8 MiB of zeros byte by byte."""
    buf = PageBuffer(pool=pool, max_levels=None)
    buf.write(reach(2), b"\nlast")
    f = buf.open()
    f.seek(reach(2) - 5)
    assert list(f) == [bytes(5) + b"\n", b"last"]


def test_a_reader_behind_a_moving_front(pool: PagePool) -> None:
    buf = PageBuffer(pattern(0, 5 * PAGE), pool=pool)
    f = buf.open()
    for _ in range(4):
        f.seek(0)
        assert f.read(10) == buf.read(0, 10)
        buf.take_bytes(PAGE - 1)
    assert f.read_at(0, len(buf)) == buf.tobytes() == pattern(4 * PAGE - 4, PAGE + 4)


def test_a_buffer_with_a_limit() -> None:
    small = PagePool(limit=6 * PAGE)
    buf = PageBuffer(pattern(0, PAGE), pool=small)
    f = buf.open()
    f.seek(5)
    with pytest.raises(pagebuf.PoolLimitError):
        f.write(bytes(20 * PAGE))
    assert (f.tell(), buf.tobytes()) == (5, pattern(0, PAGE))
    assert f.write(b"abc") == 3


def test_attributes_subclasses_and_references(pool: PagePool) -> None:
    class Named(PageFile):
        def __init__(self, name: str, buf: PageBuffer) -> None:
            super().__init__(buf, "rb")
            self.name = name

    buf = PageBuffer(b"abc", pool=pool)
    f = Named("n", buf)
    assert (f.name, f.read(), f.__dict__) == ("n", b"abc", {"name": "n"})
    seen = weakref.ref(f)
    with pytest.raises(TypeError):
        pickle.dumps(buf.open())
    f.me = f
    del f
    gc.collect()
    assert seen() is None


def test_a_cycle_with_its_buffer(pool: PagePool) -> None:
    class Buffer(PageBuffer):
        file: PageFile

    buf = Buffer(pattern(0, PAGE), pool=pool)
    buf.file = buf.open()
    seen = weakref.ref(buf)
    del buf
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_destruction_orders(order: tuple[int, ...]) -> None:
    pool = PagePool()
    buf = PageBuffer(pattern(0, 3 * PAGE), pool=pool)
    f = buf.open()
    things: list[Any] = [pool, buf, f, f.read_buffer(PAGE)]
    del pool, buf, f
    for i in order:
        things[i] = None
    gc.collect(0)


def test_text_over_it(pool: PagePool) -> None:
    buf = PageBuffer(pool=pool)
    with io.TextIOWrapper(buf.open("w"), "utf-8", newline="\n") as text:
        text.writelines(f"{i}\n" for i in range(PAGE))
    with io.TextIOWrapper(buf.open(), "utf-8") as text:
        assert [int(line) for line in text] == list(range(PAGE))
