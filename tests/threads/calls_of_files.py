"""The calls of PageFile and BytesIO: common ones, and those of one type."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import pagebuf
from tests.helpers import PAGE
from tests.support import pattern
from tests.threads.call import LARGE, RECORD, Call, Kind, Shape, large, paged, shared, short

CLOSED = (ValueError,)
BLOCKED = (ValueError, BufferError)  # closed, or there are views
NO_FILE = (io.UnsupportedOperation, ValueError)


def read_into(name: str) -> Callable[[Any, Any, bytes], Any]:
    def call(file: Any, given: Any, who: bytes) -> bytearray:
        space = bytearray(50)
        del space[getattr(file, name)(space) :]
        return space

    return call


def begin_file(file: Any, given: Any, who: bytes) -> None:
    file.__init__(file.page_buffer, "r+b")


def pickled(file: Any) -> Any:
    return file.__getstate__()


OF_BOTH = [
    # ---- looking ----
    Call("closed", lambda f, g, w: f.closed, looks=True),
    Call("__enter__", lambda f, g, w: f.__enter__() is f, CLOSED, looks=True),
    Call("__iter__", lambda f, g, w: iter(f) is f, CLOSED, looks=True),
    Call("flush", lambda f, g, w: f.flush(), CLOSED, looks=True),
    Call("isatty", lambda f, g, w: f.isatty(), CLOSED, looks=True),
    Call("peek", lambda f, g, w: f.peek(20), CLOSED, looks=True),
    Call("peek all", lambda f, g, w: f.peek(-1), CLOSED, looks=True),
    Call("read_at", lambda f, g, w: f.read_at(9, 20), CLOSED, looks=True),
    Call("read_at all", lambda f, g, w: f.read_at(0, 1 << 40), CLOSED, looks=True),
    Call("readable", lambda f, g, w: f.readable(), CLOSED, looks=True),
    Call("seekable", lambda f, g, w: f.seekable(), CLOSED, looks=True),
    Call("tell", lambda f, g, w: f.tell(), CLOSED, looks=True),
    Call("writable", lambda f, g, w: f.writable(), CLOSED, looks=True),
    Call("detach", lambda f, g, w: f.detach(), NO_FILE, looks=True, refuses=True),
    Call("fileno", lambda f, g, w: f.fileno(), NO_FILE, looks=True, refuses=True),
    # ---- reading, which moves the cursor ----
    Call("__next__", lambda f, g, w: next(f), (StopIteration, *CLOSED)),
    Call("read", lambda f, g, w: f.read(30), CLOSED),
    Call("read all", lambda f, g, w: f.read(), CLOSED),
    Call("read1", lambda f, g, w: f.read1(30), CLOSED),
    Call("readline", lambda f, g, w: f.readline(), CLOSED),
    Call("readlines", lambda f, g, w: f.readlines(), CLOSED),
    Call("readlines hint", lambda f, g, w: f.readlines(300), CLOSED),
    Call("readinto", read_into("readinto"), CLOSED),
    Call("readinto1", read_into("readinto1"), CLOSED),
    Call("read_buffer", lambda f, g, w: f.read_buffer(30), CLOSED),
    Call("read_buffer all", lambda f, g, w: f.read_buffer(), CLOSED),
    # ---- writing ----
    Call("write", lambda f, g, w: f.write(w * RECORD), BLOCKED, adds=True),
    Call("write many", lambda f, g, w: f.write(w * (PAGE + 9)), BLOCKED),
    Call("writelines", lambda f, g, w: f.writelines([w * RECORD]), BLOCKED, adds=True),
    Call("writelines three", lambda f, g, w: f.writelines([w * 9] * 3), BLOCKED, steps=True),
    Call("truncate", lambda f, g, w: f.truncate(), BLOCKED),
    Call("truncate here", lambda f, g, w: f.truncate(PAGE + 9), BLOCKED),
    # ---- the position ----
    Call("seek", lambda f, g, w: f.seek(7), CLOSED),
    Call("seek on", lambda f, g, w: f.seek(9, 1), CLOSED),
    Call("seek end", lambda f, g, w: f.seek(0, 2), CLOSED),
    Call("seek hole", lambda f, g, w: f.seek(0, pagebuf.SEEK_HOLE), (OSError, *CLOSED), steps=True),
    # ---- closing ----
    Call("close", lambda f, g, w: f.close(), BLOCKED),
    Call("__exit__", lambda f, g, w: f.__exit__(None, None, None), BLOCKED),
]

OF_PAGE_FILES = [
    Call("page_buffer", lambda f, g, w: f.page_buffer.tobytes(), looks=True),
    Call("page_buffer written", lambda f, g, w: f.page_buffer.write(20, w * RECORD) and None),
    Call("page_buffer cut", lambda f, g, w: f.page_buffer.truncate(50)),
    Call("page_buffer taken", lambda f, g, w: f.page_buffer.take_bytes(9), (IndexError,)),
    Call("mode", lambda f, g, w: f.mode, looks=True),
    Call("__init__", begin_file, CLOSED, refuses=True),  # the file is open already
]

OF_BYTES_IO = [
    Call("__getstate__", lambda f, g, w: f.__getstate__(), CLOSED, looks=True),
    Call("__getstate__ pickle", lambda f, g, w: pickle.dumps(f), CLOSED, looks=True),
    Call("__sizeof__", lambda f, g, w: f.__sizeof__() > 0, looks=True),
    Call("_tree_walk", lambda f, g, w: f._tree_walk(0).steps is not None, CLOSED, looks=True),
    Call("_tree_runs", lambda f, g, w: len(f._tree_runs()) >= 0, CLOSED, looks=True),
    Call("check", lambda f, g, w: f.check(), CLOSED, looks=True),
    Call("getvalue", lambda f, g, w: f.getvalue(), CLOSED, looks=True),
    Call("stats", lambda f, g, w: f.stats(), CLOSED, looks=True),
    Call("getbuffer", lambda f, g, w: f.getbuffer(), CLOSED, steps=True),
    Call("getbuffer kept", lambda f, g, w: f.getbuffer(), CLOSED),
    Call("getbuffer dropped", lambda f, v, w: v.release(), CLOSED, before=lambda f: f.getbuffer()),
    Call("__setstate__", lambda f, g, w: f.__setstate__((w * RECORD, 3, None)), BLOCKED),
    Call("__init__", lambda f, g, w: f.__init__(w * RECORD), (BufferError,)),
]

LEFT_OUT = ["__del__"]  # only the interpreter calls it, when no reference is left


def over(make: Any, mode: str = "r+b") -> Any:
    """A shape: a file on the buffer that `make` returns.  Its position is the end."""

    def made(pool: pagebuf.PagePool) -> tuple[Any, Any]:
        buf = make(pool)
        file = buf.open(mode)
        file.seek(0, 2)
        return file, buf.snapshot() if make is shared else None

    return made


def at_the_start(pool: pagebuf.PagePool) -> tuple[Any, Any]:
    return paged(pool).open(), None


def holding(size: int, at: int = 2) -> Any:
    def made(pool: pagebuf.PagePool) -> tuple[Any, Any]:
        file = pagebuf.BytesIO(pattern(0, size))
        file.seek(0, at)
        return file, None

    return made


def value(file: Any) -> bytes | None:
    return None if file.closed else file.read_at(0, -1)


def state(file: Any) -> Any:
    return None if file.closed else (value(file), file.tell())


def check_bytes_io(file: Any) -> None:
    if not file.closed:
        file.check()


PAGE_FILES = Kind(
    pagebuf.PageFile,
    OF_BOTH + OF_PAGE_FILES,
    [
        Shape("at the start", at_the_start, often=6, grows=False),
        Shape("paged", over(paged), often=3),
        Shape("shared", over(shared), often=3),
        Shape("short", over(short), often=3),
        Shape("large", over(large), burst=3),
    ],
    state=lambda f: (state(f), f.page_buffer.tobytes()),
    contents=value,
    check=lambda f: f.page_buffer.check(),
    left_out=LEFT_OUT,
)

BYTES_IO = Kind(
    pagebuf.BytesIO,
    OF_BOTH + OF_BYTES_IO,
    [
        Shape("at the start", holding(2 * PAGE + 100, 0), often=6, grows=False),
        Shape("short at the start", holding(40, 0), often=3, grows=False),
        Shape("paged", holding(2 * PAGE + 100), often=3),
        Shape("short", holding(40), often=3),
        Shape("large", holding(LARGE), burst=3),
    ],
    state=state,
    contents=value,
    check=check_bytes_io,
    left_out=LEFT_OUT,
)
