"""Every call of a file runs out of memory at every point.  The bytes, the position and the
attributes of the file do not change (I3), and it can be used afterwards.  io.BytesIO loses its
bytes."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.oom import MOST_POINTS, attempt, needs_testcapi
from tests.support import pattern

pytestmark = [pytest.mark.alone, needs_testcapi]

LONG = pattern(0, 9 * PAGE + 3, salt=1).replace(b"\x07", b"\n")
TARGET = bytearray(2 * PAGE + 1)
STATE = (LONG, 400, {"added": 1})

CALLS: dict[str, Callable[[Any], Any]] = {
    "read": lambda f: f.read(),
    "read some": lambda f: f.read(2 * PAGE),
    "read little": lambda f: f.read(9),
    "readline": lambda f: f.readline(),
    "readlines": lambda f: f.readlines(),
    "next": lambda f: next(f, None),
    "readinto": lambda f: f.readinto(TARGET),
    "peek": lambda f: f.peek(2 * PAGE),
    "read_at": lambda f: f.read_at(1, 2 * PAGE),
    "read_buffer": lambda f: f.read_buffer(2 * PAGE),
    "write": lambda f: f.write(LONG),
    "write little": lambda f: f.write(b"abc"),
    "write view": lambda f: f.write(memoryview(LONG)),
    "seek": lambda f: f.seek(1000),
    "seek end": lambda f: f.seek(2000, 2),
    "seek hole": lambda f: f.read_at(0, 1) and f.seek(0, pagebuf.SEEK_HOLE),
    "tell": lambda f: f.tell(),
    "truncate": lambda f: f.truncate(1),
    "truncate more": lambda f: f.truncate(90 * PAGE),
}
OF_BYTESIO: dict[str, Callable[[Any], Any]] = {
    "getvalue": lambda f: f.getvalue(),
    "getbuffer": lambda f: f.getbuffer(),
    "init": lambda f: f.__init__(LONG),
    "init view": lambda f: f.__init__(memoryview(LONG)),
    "init nothing": lambda f: f.__init__(),
    "getstate": lambda f: f.__getstate__(),
    "setstate": lambda f: f.__setstate__(STATE),
    "new": lambda f: pagebuf.BytesIO(LONG),
    "new keyword": lambda f: pagebuf.BytesIO(initial_bytes=LONG),
    "stats": lambda f: f.stats(),
}


def new_bytesio(size: int, shared: bool) -> Any:
    f = pagebuf.BytesIO(pattern(0, size))
    f.kept = f.read_buffer() if shared else None
    f.seek(size // 2)
    return f


def new_pagefile(size: int, shared: bool) -> Any:
    f = pagebuf.PageBuffer(pattern(0, size)).open()
    f.kept = f.read_buffer() if shared else None
    f.seek(size // 2)
    return f


def condition(file: Any) -> Any:
    whole = file.getvalue() if isinstance(file, pagebuf.BytesIO) else file.page_buffer.tobytes()
    return whole, file.tell(), dict(file.__dict__)


def sweep(call: Callable[[Any], Any], make: Callable[[], Any], single: bool) -> None:
    """Let each request fail, alone or with all after it, until the call succeeds."""
    for point in range(1, MOST_POINTS):
        file = make()
        before = condition(file)
        through = attempt(call, file, point, point + 1 if single else 0)
        file.check() if isinstance(file, pagebuf.BytesIO) else file.page_buffer.check()
        if through:
            return
        assert condition(file) == before, f"request {point} failed"
        call(file)
    raise AssertionError("no end of requests")


@pytest.fixture(autouse=True)
def warm() -> Any:
    """Leave enough free frames for any call, and turn the garbage collector off."""
    hog = pagebuf.BytesIO(bytes(99 * PAGE))
    hog.close()
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()
    pagebuf.default_pool().check()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("size", [0, 60, 3 * PAGE + 1])
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_of_every_file(call: str, single: bool, size: int, shared: bool) -> None:
    for make in (new_bytesio, new_pagefile):
        sweep(CALLS[call], lambda make=make: make(size, shared), single)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("size", [0, 60, 3 * PAGE + 1])
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("call", OF_BYTESIO)
def test_of_bytesio(call: str, single: bool, size: int, shared: bool) -> None:
    sweep(OF_BYTESIO[call], lambda: new_bytesio(size, shared), single)


@pytest.mark.parametrize("single", [False, True])
def test_opening(single: bool) -> None:
    buf = pagebuf.PageBuffer(b"abc")
    for point in range(1, MOST_POINTS):
        opened = attempt(lambda buf: buf.open("w"), buf, point, point + 1 if single else 0)
        if opened:
            break
        assert buf.tobytes() == b"abc"
    assert buf.tobytes() == b""
