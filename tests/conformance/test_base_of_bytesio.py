"""pagebuf.BytesIO is an io.BytesIO, whose own part of each object stays empty: what somebody calls
on io.BytesIO itself refuses, and never answers with other bytes."""

from __future__ import annotations

import copy
import gc
import io
import os
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import pagebuf
from pagebuf import BytesIO, PageFile
from tests.helpers import PAGE
from tests.support import pattern

BASE: Any = io.BytesIO
SIZES = [0, 1, pagebuf.INLINE_SIZE, PAGE, 3 * PAGE + 1]


def test_is_one() -> None:
    assert isinstance(BytesIO(), io.BytesIO)
    assert issubclass(BytesIO, io.BytesIO)
    assert issubclass(BytesIO, io.BufferedIOBase)
    assert not issubclass(PageFile, io.BytesIO)
    assert BytesIO.__base__ is io.BytesIO


def test_has_every_method_itself() -> None:
    """A method of the base would work on the base's part."""
    own = {name for name in vars(io.BytesIO) if name not in ("__doc__", "__dict__", "__weakref__")}
    assert own - set(vars(BytesIO)) == set()


# ---- calls of the base ----

CALLS: dict[str, Callable[[Any], Any]] = {
    "read": lambda f: BASE.read(f),
    "read 0": lambda f: BASE.read(f, 0),
    "read1": lambda f: BASE.read1(f, 3),
    "readline": lambda f: BASE.readline(f),
    "readlines": lambda f: BASE.readlines(f),
    "readinto": lambda f: BASE.readinto(f, bytearray(3)),
    "next": lambda f: BASE.__next__(f),
    "getvalue": lambda f: BASE.getvalue(f),
    "getbuffer": lambda f: BASE.getbuffer(f),
    "getstate": lambda f: BASE.__getstate__(f),
    "setstate": lambda f: BASE.__setstate__(f, (b"theirs", 2, None)),
    "init": lambda f: BASE.__init__(f, b"theirs"),
    "init of a bytearray": lambda f: BASE.__init__(f, bytearray(b"theirs")),
    "init of nothing": lambda f: BASE.__init__(f),
    "write": lambda f: BASE.write(f, b"theirs"),
    "writelines": lambda f: BASE.writelines(f, [b"theirs"]),
    "tell": lambda f: BASE.tell(f),
    "seek": lambda f: BASE.seek(f, 1),
    "truncate": lambda f: BASE.truncate(f, 1),
    "readable": lambda f: BASE.readable(f),
    "writable": lambda f: BASE.writable(f),
    "seekable": lambda f: BASE.seekable(f),
    "isatty": lambda f: BASE.isatty(f),
    "flush": lambda f: BASE.flush(f),
    "close": lambda f: BASE.close(f),
    "new": lambda f: BASE.__new__(type(f)),
    "object": lambda f: object.__new__(type(f)),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("call", CALLS)
def test_calls_of_the_base_refuse(call: str, size: int) -> None:
    data = pattern(0, size)
    f = BytesIO(data)
    f.seek(2)
    f.kept = "attribute"
    for _ in range(3):
        with pytest.raises((ValueError, BufferError, TypeError)):
            CALLS[call](f)
        with pytest.raises(ValueError, match="closed"):
            BASE.read(f)
        assert (f.getvalue(), f.tell(), f.kept, f.closed) == (data, 2, "attribute", False)
    f.check()
    assert f.write(b"x") == 1


def test_every_method_of_the_base_is_tried() -> None:
    tried = {name.split()[0].strip("_") for name in CALLS}
    left = {
        name.strip("_")
        for name, value in vars(io.BytesIO).items()
        if callable(value) and name.strip("_") not in tried
    }
    # Each of these calls a method of the object, or tells what is true of it.
    assert left <= {"iter", "sizeof", "peek"}


def test_answers_of_the_base_that_are_right() -> None:
    f = BytesIO(b"one\ntwo")
    assert BASE.__iter__(f) is f
    assert BASE.__enter__(f) is f
    assert BASE.__sizeof__(f) == BytesIO.__basicsize__
    assert BASE.readinto1(f, bytearray(2)) == 2  # calls f.readinto1 or f.read1
    assert BASE.__exit__(f) is None
    assert f.closed


def test_a_closed_file_and_the_base() -> None:
    f = BytesIO(b"abc")
    f.close()
    for call in ("read", "getvalue", "setstate", "init", "init of nothing"):
        with pytest.raises((ValueError, BufferError)):
            CALLS[call](f)
    assert f.closed
    f.__init__(b"again")
    assert f.read() == b"again"


# ---- clients that decide by type ----


def length_of(body: Any) -> int | None:
    """As HTTP clients find the Content-Length of a body."""
    if isinstance(body, io.BytesIO):
        return len(body.getbuffer()) - body.tell()
    try:
        return os.fstat(body.fileno()).st_size - int(body.tell())
    except (AttributeError, OSError):
        return None


def test_a_client_that_decides_by_type() -> None:
    f = BytesIO(pattern(0, 2 * PAGE))
    f.read(5)
    assert length_of(f) == 2 * PAGE - 5
    assert length_of(pagebuf.PageBuffer(b"abc").open()) is None


def test_others_of_the_standard_library() -> None:
    def new() -> Any:
        return BytesIO(b"one\ntwo\n")

    assert io.TextIOWrapper(new()).readlines() == ["one\n", "two\n"]
    assert io.BufferedReader(new()).peek(3)[:3] == b"one"
    with io.BufferedRWPair(new(), BytesIO()) as pair:
        assert pair.read(3) == b"one"


# ---- subclasses ----


class Derived(BytesIO):
    def __init__(self, data: bytes, extra: object = None) -> None:
        super().__init__(data)
        self.extra = extra

    def read(self, size: Any = -1, /) -> bytes:
        return super().read(size).upper()


class OfTheBase(io.BytesIO):
    """A class of somebody else, over io.BytesIO."""

    def shout(self) -> bytes:
        return super().read().upper()


class Both(OfTheBase, BytesIO):
    pass


class Slotted(BytesIO):
    __slots__ = ("first", "second")


def test_subclass() -> None:
    f = Derived(b"hello", extra=[1])
    assert isinstance(f, io.BytesIO)
    assert (f.read(2), f.read(), f.getvalue()) == (b"HE", b"LLO", b"hello")
    f.check()
    with pytest.raises(ValueError):
        BASE.read(f)
    with pytest.raises(BufferError):
        BASE.__init__(f, b"theirs")


def test_multiple_inheritance() -> None:
    f = Both(pattern(0, 2 * PAGE))
    assert f.shout() == pattern(0, 2 * PAGE).upper()
    assert f.stats().size == 2 * PAGE
    with pytest.raises(TypeError, match=r"MRO|consistent"):
        type("Wrong", (io.BytesIO, BytesIO), {})


def test_slots() -> None:
    f = Slotted(b"abc")
    f.first, f.second, f.third = 1, [2], 3
    assert (f.first, f.second, f.third, f.read()) == (1, [2], 3, b"abc")
    g = Slotted(pattern(0, 3 * PAGE))
    g.first = g
    seen = weakref.ref(g)
    del g
    gc.collect()
    assert seen() is None


def test_class_of_an_object_stays() -> None:
    f = Derived(b"abc")
    for other in (OfTheBase, io.BytesIO, BytesIO):
        with pytest.raises(TypeError):
            f.__class__ = other  # type: ignore[assignment]


# ---- life ----


def test_init_twice_and_never() -> None:
    f = BytesIO.__new__(BytesIO)
    assert (f.read(), f.getvalue(), f.closed) == (b"", b"", False)
    assert f.write(b"abc") == 3
    for data in (pattern(0, 3 * PAGE), b"", b"again"):
        f.__init__(data)
        assert (f.read(), f.tell()) == (data, len(data))
    g = Derived.__new__(Derived)
    g.write(b"abc")
    assert g.getvalue() == b"abc"


@pytest.mark.parametrize("kind", [BytesIO, Derived, Both])
@pytest.mark.parametrize("size", SIZES)
def test_pickle_and_copy(kind: type[BytesIO], size: int) -> None:
    f: Any = kind(pattern(0, size))
    f.seek(3)
    f.extra = {"a": 1}
    copies = [copy.copy(f), copy.deepcopy(f)]
    copies += [pickle.loads(pickle.dumps(f, n)) for n in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for one in copies:
        assert type(one) is kind
        assert (one.getvalue(), one.tell(), one.extra) == (pattern(0, size), 3, {"a": 1})
        one.check()


@pytest.mark.parametrize("kind", [BytesIO, Derived])
def test_attributes_weak_references_and_cycles(kind: type[BytesIO]) -> None:
    for _ in range(40):  # more than there are spares
        f: Any = kind(b"abc")
        assert not hasattr(f, "me")
        f.me = f
        gone: list[object] = []
        seen = weakref.ref(f, gone.append)
        assert weakref.getweakrefcount(f) == 1
        assert (f.__dict__["me"], seen()) == (f, f)
        del f
        gc.collect()
        assert gone == [seen]
        assert seen() is None


def test_memory_is_released() -> None:
    """No part of the base keeps anything, whatever was called on it."""

    def many() -> None:
        for _ in range(200):
            f = BytesIO(b"abc")
            f.name = "some name"
            for call in ("init", "setstate", "write", "close"):
                with pytest.raises((ValueError, BufferError)):
                    CALLS[call](f)

    theirs = b"theirs" * 3
    before = sys.getrefcount(theirs)
    for _ in range(10):
        with pytest.raises(BufferError):
            BASE.__init__(BytesIO(), theirs)
    many()
    gc.collect()
    assert sys.getrefcount(theirs) == before


def test_memory_of_small_files() -> None:
    """What 50 000 files of 100 bytes take: blocks of Python's allocator, and headers of the
    collector."""

    def block(size: int) -> int:
        return -(-size // 16) * 16

    data = bytes(100)
    theirs = block(sys.getsizeof(io.BytesIO())) + block(sys.getsizeof(data))
    lender = 0 if pagebuf.INLINE_SIZE else 32  # on tiny pages it has a place of its own
    assert block(sys.getsizeof(BytesIO()) - lender) <= 1.15 * theirs  # the bytes lie in it


def test_where_io_has_another_bytesio() -> None:
    """The base is the interpreter's, also where somebody has put another class into io."""
    script = (
        "import io, _io\n"
        "io.BytesIO = None\n"
        "import pagebuf\n"
        "assert pagebuf.BytesIO.__base__ is _io.BytesIO\n"
        "assert pagebuf.BytesIO(b'abc').read() == b'abc'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
