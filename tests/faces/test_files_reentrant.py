"""Code of the caller runs in the middle of a file's call (I6).  It closes, truncates, rewrites or
exports the same file.  The call acts on the file as it is afterwards, or raises.  The file and its
pages stay whole."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.support import pattern

SIZE = 3 * PAGE + 5


EXPORTED: list[memoryview] = []


@pytest.fixture(autouse=True)
def release() -> Iterator[None]:
    yield
    while EXPORTED:
        EXPORTED.pop().release()


def shrink(file: Any) -> None:
    file.truncate(1)


def grow(file: Any) -> None:
    file.seek(0, 2)
    file.write(pattern(0, 5 * PAGE, salt=1))


def overwrite(file: Any) -> None:
    file.seek(0)
    file.write(pattern(0, 2 * PAGE, salt=2))


def far(file: Any) -> None:
    file.seek(100 * PAGE)


def export(file: Any) -> None:
    if isinstance(file, pagebuf.BytesIO):
        EXPORTED.append(file.getbuffer())


def again(file: Any) -> None:
    if isinstance(file, pagebuf.BytesIO):
        file.__init__(b"again")


def share(file: Any) -> None:
    file.stable = file.read_buffer()


def collect(file: Any) -> None:
    file.close()
    file.__dict__.clear()


ACTIONS: dict[str, Callable[[Any], Any]] = {
    "close": lambda f: f.close(),
    "clear": lambda f: f.truncate(0),
    "shrink": shrink,
    "grow": grow,
    "overwrite": overwrite,
    "far": far,
    "export": export,
    "init": again,
    "share": share,
    "collect": collect,
    "read": lambda f: f.read(),
}

Sly = Callable[[Any], Any]

NUMBERS: dict[str, Callable[[Any, Sly], Any]] = {
    "read": lambda f, n: f.read(n(2 * PAGE)),
    "read1": lambda f, n: f.read1(n(2 * PAGE)),
    "readline": lambda f, n: f.readline(n(2 * PAGE)),
    "peek": lambda f, n: f.peek(n(2 * PAGE)),
    "read_buffer": lambda f, n: bytes(f.read_buffer(n(2 * PAGE))),
    "read_at": lambda f, n: f.read_at(1, n(2 * PAGE)),
    "read_at offset": lambda f, n: f.read_at(n(1), 2 * PAGE),
    "seek": lambda f, n: f.seek(n(7)),
    "seek from": lambda f, n: f.seek(n(7), 1),
    "seek end": lambda f, n: f.seek(n(-7), 2),
    "seek whence": lambda f, n: f.seek(7, n(1)),
    "seek hole": lambda f, n: f.seek(n(7), pagebuf.SEEK_HOLE),
    "truncate": lambda f, n: f.truncate(n(PAGE + 1)),
    "truncate up": lambda f, n: f.truncate(n(9 * PAGE)),
}


def items(file: Any, act: Callable[[Any], Any]) -> Iterator[bytes]:
    yield b"first"
    act(file)
    yield pattern(0, PAGE, salt=3)
    act(file)
    yield b"last"


def bytesio() -> Any:
    return pagebuf.BytesIO(pattern(0, SIZE))


def pagefile() -> Any:
    return pagebuf.PageBuffer(pattern(0, SIZE)).open()


FILES = {"BytesIO": bytesio, "PageFile": pagefile}


def run(file: Any, call: Callable[[], Any]) -> None:
    """Make a call, which may raise what a closed or exported file raises.  Check the file."""
    try:
        result = call()
    except (ValueError, BufferError, OSError):
        result = None
    if isinstance(result, bytes):
        assert len(result) <= 20 * PAGE
    if isinstance(file, pagebuf.BytesIO):
        file.check()
        pagebuf.default_pool().check()
        if not file.closed:
            assert len(file.getvalue()) <= 200 * PAGE
    else:
        file.page_buffer.check()
    if not file.closed:
        assert file.seek(0) == 0
        assert len(file.read(3)) <= 3


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> Any:
    file = FILES[request.param]()
    assert file.read(3) == pattern(0, 3)
    return file


@pytest.mark.parametrize("act", ACTIONS)
@pytest.mark.parametrize("call", NUMBERS)
def test_numbers(file: Any, call: str, act: str) -> None:
    class Number:
        def __init__(self, value: int) -> None:
            self.value = value

        def __index__(self) -> int:
            ACTIONS[act](file)
            return self.value

    run(file, lambda: NUMBERS[call](file, Number))


@pytest.mark.parametrize("act", ACTIONS)
def test_iterators(file: Any, act: str) -> None:
    run(file, lambda: file.writelines(items(file, ACTIONS[act])))


BUFFERS: dict[str, Callable[[Any, Any], Any]] = {
    "write": lambda f, b: f.write(b),
    "writelines": lambda f, b: f.writelines([b"x", b]),
    "readinto": lambda f, b: f.readinto(b),
    "readinto1": lambda f, b: f.readinto1(b),
    "init": lambda f, b: f.__init__(b) if isinstance(f, pagebuf.BytesIO) else None,
    "setstate": lambda f, b: (
        f.__setstate__((b, 1, None)) if isinstance(f, pagebuf.BytesIO) else None
    ),
}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ came with Python 3.12")
@pytest.mark.parametrize("act", ACTIONS)
@pytest.mark.parametrize("call", BUFFERS)
@pytest.mark.parametrize("late", [False, True])
def test_buffers(file: Any, call: str, act: str, late: bool) -> None:
    """The code runs when the call gets the buffer, or if `late`, when it releases the buffer."""

    class Source:
        def __init__(self) -> None:
            self.bytes = bytearray(pattern(0, 2 * PAGE, salt=4))

        def __buffer__(self, flags: int) -> memoryview:
            if not late:
                ACTIONS[act](file)
            return memoryview(self.bytes)

        def __release_buffer__(self, view: memoryview) -> None:
            if late:
                ACTIONS[act](file)

    run(file, lambda: BUFFERS[call](file, Source()))


@pytest.mark.parametrize("act", ACTIONS)
@pytest.mark.parametrize("call", ["write", "init", "far"])
def test_growth_of_the_pool(call: str, act: str) -> None:
    """A pool that grows in the middle of a write runs the Python method `_grow`."""

    class Sly(pagebuf.PagePool):
        armed = False

        def _grow(self, needed: int) -> None:
            if self.armed:
                self.armed = False
                ACTIONS[act](target)
            super()._grow(needed)

    pool = Sly()
    target = pagebuf.PageBuffer(pattern(0, SIZE), pool=pool).open()
    pool.armed = True
    calls = {
        "write": lambda: target.write(pattern(0, 600 * PAGE, salt=5)),
        "init": lambda: target.truncate(0),
        "far": lambda: (target.seek(300 * PAGE), target.write(pattern(0, 400 * PAGE))),
    }
    try:
        calls[call]()
    except ValueError:
        assert target.closed
    target.page_buffer.check()
    pool.check()


def test_a_dropped_file() -> None:
    """The last reference to a file goes in the middle of a call."""
    holder = [pagebuf.BytesIO(pattern(0, SIZE))]

    class Number:
        def __index__(self) -> int:
            holder.clear()
            return PAGE + 1

    assert holder[0].read(Number()) == pattern(0, PAGE + 1)


def test_dictionary_of_a_state() -> None:
    """`__setstate__` compares keys, which may run Python code."""
    f = pagebuf.BytesIO(b"abc")

    class Key(str):
        def __eq__(self, other: object) -> bool:
            f.__init__(b"from within")
            return False

        def __hash__(self) -> int:
            return 1

    f.__dict__[Key("a")] = 1
    f.__setstate__((b"new", 2, {Key("b"): 2}))
    assert f.getvalue() == b"new"
    assert isinstance(f, io.BufferedIOBase)
