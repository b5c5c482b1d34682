"""Bad input gets a clear error and changes nothing (I3)."""

from __future__ import annotations

import array
import ctypes
import mmap

import pytest

import pagebuf
from tests.helpers import PAGE, reach
from tests.support import SHAPES, filled, pattern, refused

# Every call that takes bytes, offsets or counts.
SOURCES = {
    "write": lambda buf, data: buf.write(1, data),
    "write past the end": lambda buf, data: buf.write(len(buf) + 2 * PAGE, data),
    "extend": lambda buf, data: buf.extend(data),
    "+=": lambda buf, data: buf.__iadd__(data),
}
OFFSETS = {
    "read": lambda buf, at: buf.read(at, -1),
    "read some": lambda buf, at: buf.read(at, 1),
    "readinto": lambda buf, at: buf.readinto(at, bytearray(1)),
    "write": lambda buf, at: buf.write(at, b"x"),
    "write nothing": lambda buf, at: buf.write(at, b""),
    "truncate": lambda buf, at: buf.truncate(at),
    "punch": lambda buf, at: buf.punch(at, 1),
    "punch size": lambda buf, at: buf.punch(0, at),
    "walk": lambda buf, at: buf.walk(at),
}
COUNTS = {
    "read size": lambda buf, n: buf.read(0, n),
    "take_bytes": lambda buf, n: buf.take_bytes(n),
    "append": lambda buf, n: buf.append(n),
    "index": lambda buf, n: buf[n],
    "slice": lambda buf, n: buf[n:],
    "slice step": lambda buf, n: buf[::n],
}


def released():
    view = memoryview(bytearray(pattern(0, 3 * PAGE)))
    view.release()
    return view


def strided():
    return memoryview(bytearray(pattern(0, 6 * PAGE)))[::2]


def backwards():
    return memoryview(bytearray(pattern(0, 2 * PAGE)))[::-1]


NOT_BYTES = ["text", "", 5, 0, True, None, 1.5, ..., bytes]
ITERABLES = [[1, 2], (1,), {1: 2}, range(3), {1}, iter([1, 2])]
TAKES_ITERABLES = {"extend"}


@pytest.mark.parametrize("call", SOURCES)
@pytest.mark.parametrize("bad", NOT_BYTES, ids=repr)
def test_sources_that_are_no_bytes(pool, call, bad):
    buf = filled(pool, PAGE + 1)
    with refused(TypeError, buf):
        SOURCES[call](buf, bad)


@pytest.mark.parametrize("call", sorted(SOURCES.keys() - TAKES_ITERABLES))
@pytest.mark.parametrize("bad", ITERABLES, ids=lambda bad: type(bad).__name__)
def test_iterables_where_bytes_are_wanted(pool, call, bad):
    buf = filled(pool, PAGE + 1)
    with refused(TypeError, buf):
        SOURCES[call](buf, bad)


@pytest.mark.parametrize("bad", NOT_BYTES, ids=repr)
def test_constructor_with_no_bytes(pool, bad):
    with pytest.raises(TypeError):
        pagebuf.PageBuffer(bad, pool=pool)
    assert pool.stats().held == 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("call", SOURCES)
@pytest.mark.parametrize(
    ("make", "error"), [(released, ValueError), (strided, BufferError), (backwards, BufferError)]
)
def test_views_that_cannot_be_read(pool, shape, call, make, error):
    buf = SHAPES[shape](pool)
    with refused(error, buf):
        SOURCES[call](buf, make())


@pytest.mark.parametrize(
    ("make", "error"), [(released, ValueError), (strided, BufferError), (backwards, BufferError)]
)
def test_constructor_with_views_that_cannot_be_read(pool, make, error):
    with pytest.raises(error):
        pagebuf.PageBuffer(make(), pool=pool)
    assert pool.stats().held == 0


@pytest.mark.parametrize("bad", ["text", 5, None, ..., [1]], ids=repr)
def test_targets_that_are_no_bytes(pool, bad):
    buf = filled(pool, PAGE + 1)
    with refused(TypeError, buf):
        buf.readinto(0, bad)


@pytest.mark.parametrize("at", [0, 1, PAGE, PAGE + 1, 3 * PAGE])
def test_targets_that_cannot_be_written(pool, at):
    buf = filled(pool, PAGE + 1)
    for bad in (b"read only", memoryview(b"read only"), memoryview(bytearray(9)).toreadonly()):
        with refused((TypeError, BufferError), buf):
            buf.readinto(at, bad)
    raw = bytearray(pattern(9, 4 * PAGE))
    for bad in (memoryview(raw)[::2], memoryview(raw)[::-1]):
        with refused(BufferError, buf):
            buf.readinto(at, bad)
    assert raw == pattern(9, 4 * PAGE)
    with refused(ValueError, buf):
        buf.readinto(at, released())


@pytest.mark.parametrize("call", OFFSETS)
@pytest.mark.parametrize("bad", ["0", b"0", 0.0, 1.5, None, [], (1,), ...], ids=repr)
def test_offsets_of_a_wrong_type(pool, call, bad):
    buf = filled(pool, PAGE + 1)
    with refused(TypeError, buf):
        OFFSETS[call](buf, bad)


@pytest.mark.parametrize("call", COUNTS)
@pytest.mark.parametrize("bad", ["0", b"0", 0.0, [], ...], ids=repr)
def test_counts_of_a_wrong_type(pool, call, bad):
    buf = filled(pool, PAGE + 1)
    with refused(TypeError, buf):
        COUNTS[call](buf, bad)


FILE_CALLS = {
    "read all": (lambda buf: buf.read(), "read(offset, size)", "buf.tobytes()"),
    "read": (lambda buf: buf.read(5), "read(offset, size)", "buf.tobytes()"),
    "readinto": (lambda buf: buf.readinto(bytearray(1)), "readinto(offset, dst)", "buf.read()"),
    "write": (lambda buf: buf.write(b"x"), "write(offset, data)", "buf.extend()"),
    "write text": (lambda buf: buf.write("x"), "write(offset, data)", "buf.extend()"),
}


@pytest.mark.parametrize("name", FILE_CALLS)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_call_as_of_a_file_says_what_to_do_instead(pool, name, frozen):
    buf = filled(pool, PAGE)
    target = buf.snapshot() if frozen else buf
    call, signature, instead = FILE_CALLS[name]
    with pytest.raises(TypeError) as info:
        call(target)
    text = str(info.value)
    assert [
        word for word in (signature, instead, "for a file use buf.open()") if word not in text
    ] == []
    assert target == filled(pool, PAGE)


def test_numbers_of_arguments(pool):
    buf = filled(pool, PAGE)
    for call in (
        lambda: buf.read(),
        lambda: buf.read(0, 1, 2),
        lambda: buf.readinto(0),
        lambda: buf.readinto(0, bytearray(1), 1),
        lambda: buf.write(0),
        lambda: buf.write(b"x"),
        lambda: buf.write(0, b"x", 1),
        lambda: buf.extend(),
        lambda: buf.extend(b"x", b"y"),
        lambda: buf.append(),
        lambda: buf.append(1, 2),
        lambda: buf.truncate(),
        lambda: buf.truncate(1, 2),
        lambda: buf.punch(0),
        lambda: buf.punch(0, 1, 2),
        lambda: buf.take_bytes(1, 2),
        lambda: buf.clear(1),
        lambda: buf.tobytes(1),
        lambda: buf.extents(1),
        lambda: buf.walk(),
        lambda: buf.check(1),
        lambda: buf.stats(1),
        lambda: buf.write(0, b"x", wrong=1),
        lambda: pagebuf.PageBuffer(b"x", b"y", pool=pool),
        lambda: pagebuf.PageBuffer(b"x", pool),
        lambda: pagebuf.PageBuffer(b"x", pool=pool, colour="red"),
    ):
        with refused(TypeError, buf):
            call()


def test_attributes_cannot_be_set(pool):
    buf = filled(pool, PAGE)
    for name in ("levels", "capacity", "nbytes", "pool", "frozen"):
        with refused((AttributeError, TypeError), buf):
            setattr(buf, name, 1)
    with refused(AttributeError, buf):
        buf.colour = "red"


@pytest.mark.parametrize(
    "make",
    [
        lambda data: ctypes.create_string_buffer(data, len(data)),
        lambda data: array.array("B", data),
        lambda data: array.array("H", data),
        lambda data: memoryview(data)[1:-1],
        lambda data: memoryview(bytearray(data)).cast("I"),
    ],
    ids=["ctypes", "array B", "array H", "slice", "cast"],
)
def test_all_kinds_of_contiguous_sources_are_taken(pool, make):
    source = make(pattern(0, 2 * PAGE + 4 if PAGE > 4 else 8))
    raw = bytes(source)
    buf = pagebuf.PageBuffer(source, pool=pool)
    assert buf.tobytes() == raw
    buf.extend(source)
    assert buf.write(PAGE // 2, source) == len(raw)
    model = bytearray(raw + raw)
    model[PAGE // 2 : PAGE // 2 + len(raw)] = raw
    assert buf.tobytes() == model


def test_a_map_of_memory_as_source_and_target(pool):
    with mmap.mmap(-1, 2 * mmap.PAGESIZE) as area:
        area[:] = pattern(0, len(area))
        buf = pagebuf.PageBuffer(area, pool=pool)
        area[:] = bytes(len(area))
        assert buf.readinto(0, area) == len(area)
        assert area[:] == pattern(0, len(area)) == buf.tobytes()


def test_no_export_of_the_source_is_left(pool):
    source = bytearray(pattern(0, reach(1)))
    buf = pagebuf.PageBuffer(source, pool=pool)
    buf.extend(source)
    buf.write(3, source)
    buf += source
    buf.readinto(0, source)
    small = pagebuf.PageBuffer(pool=pagebuf.PagePool(limit=PAGE))
    for call in (small.extend, lambda data: small.write(5, data), lambda data: buf.write(-1, data)):
        with pytest.raises((MemoryError, ValueError)):
            call(source)
    source.append(1)  # raises BufferError if an export is left


def test_releasing_what_cannot_be_read_later(pool):
    """The buffer copies its source.  The source may then change and go."""
    source = bytearray(pattern(0, 3 * PAGE))
    view = memoryview(source)
    buf = pagebuf.PageBuffer(view, pool=pool)
    view.release()
    source[:] = bytes(3 * PAGE)
    del source
    assert buf.tobytes() == pattern(0, 3 * PAGE)
