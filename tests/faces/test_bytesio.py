"""pagebuf.BytesIO has the results and messages of io.BytesIO, and has more methods."""

from __future__ import annotations

import array
import copy
import gc
import io
import itertools
import os
import pickle
import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import pagebuf
from pagebuf import BytesIO
from tests.helpers import PAGE, around, drawing, reach
from tests.support import FEW, FREE_THREADED, pattern
from tests.threads.crew import together

SIZES = around(0, pagebuf.INLINE_SIZE, PAGE, 3 * PAGE, reach(1))


class IntLike:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


# ---- the same as io.BytesIO ----

CALLS: dict[str, Callable[[Any], Any]] = {
    "read": lambda f: f.read(),
    "read 0": lambda f: f.read(0),
    "read None": lambda f: f.read(None),
    "read index": lambda f: f.read(IntLike(3)),
    "read str": lambda f: f.read("3"),
    "read float": lambda f: f.read(3.0),
    "read huge": lambda f: f.read(2**70),
    "read1": lambda f: f.read1(4),
    "readline": lambda f: f.readline(),
    "readline None": lambda f: f.readline(None),
    "readline bound": lambda f: f.readline(2),
    "readline float": lambda f: f.readline(1.0),
    "readlines": lambda f: f.readlines(),
    "readlines hint": lambda f: f.readlines(5),
    "readlines str": lambda f: f.readlines("5"),
    "readlines index": lambda f: f.readlines(IntLike(5)),
    "readinto": lambda f: f.readinto(bytearray(3)),
    "readinto bytes": lambda f: f.readinto(b"abc"),
    "readinto str": lambda f: f.readinto("abc"),
    "next": lambda f: next(f),
    "iter": lambda f: iter(f) is f,
    "write": lambda f: f.write(b"xyz"),
    "write nothing": lambda f: f.write(b""),
    "write view": lambda f: f.write(memoryview(b"abcd")[1:3]),
    "write strided": lambda f: f.write(memoryview(b"abcdef")[::2]),
    "write str": lambda f: f.write("x"),
    "write None": lambda f: f.write(None),
    "write int": lambda f: f.write(5),
    "writelines": lambda f: f.writelines([b"a", bytearray(b"b")]),
    "writelines None": lambda f: f.writelines(None),
    "writelines bad": lambda f: f.writelines([b"first", 2]),
    "seek": lambda f: f.seek(2),
    "seek far": lambda f: f.seek(sys.maxsize),
    "seek too far": lambda f: f.seek(sys.maxsize + 1),
    "seek too far on": lambda f: (f.seek(sys.maxsize), f.seek(1, 1)),
    "seek back": lambda f: f.seek(-100, 1),
    "seek end": lambda f: f.seek(-3, 2),
    "seek negative": lambda f: f.seek(-1),
    "seek float": lambda f: f.seek(1.0),
    "seek whence": lambda f: f.seek(1, 3),
    "seek whence -1": lambda f: f.seek(1, -1),
    "seek whence str": lambda f: f.seek(1, "a"),
    "seek data": lambda f: f.seek(0, os.SEEK_DATA),
    "tell": lambda f: f.tell(),
    "truncate": lambda f: f.truncate(),
    "truncate 3": lambda f: f.truncate(IntLike(3)),
    "truncate 99": lambda f: f.truncate(99),
    "truncate negative": lambda f: f.truncate(-1),
    "truncate str": lambda f: f.truncate("1"),
    "getvalue": lambda f: f.getvalue(),
    "getbuffer": lambda f: bytes(f.getbuffer()),
    "flags": lambda f: (f.readable(), f.writable(), f.seekable(), f.isatty(), f.closed),
    "flush": lambda f: f.flush(),
    "close": lambda f: f.close(),
    "detach": lambda f: f.detach(),
    "fileno": lambda f: f.fileno(),
    "enter": lambda f: f.__enter__() is f,
    "exit": lambda f: f.__exit__(None, None, None),
    "state": lambda f: f.__getstate__(),
    "setstate": lambda f: f.__setstate__((b"new", 1, None)),
    "setstate tuple": lambda f: f.__setstate__((b"new", 1)),
    "setstate position": lambda f: f.__setstate__((b"new", -1, None)),
    "setstate position float": lambda f: f.__setstate__((b"new", 1.0, None)),
    "setstate dict": lambda f: f.__setstate__((b"new", 1, 5)),
    "setstate no tuple": lambda f: f.__setstate__(5),
    "reduce 1": lambda f: f.__reduce_ex__(1),
    "keyword": lambda f: type(f)(initial_bytes=b"abc").getvalue(),
    "keyword bad": lambda f: type(f)(initial=b"abc"),
    "two arguments": lambda f: type(f)(b"abc", b"def"),
    "of str": lambda f: type(f)("abc"),
    "of list": lambda f: type(f)([1]),
    "init bytes": lambda f: f.__init__(b"abc"),
    "init array": lambda f: f.__init__(array.array("i", [1, 2])),
    "init nothing": lambda f: f.__init__(),
}
# The messages of these calls come from the parser of arguments, so they may differ.
OWN_WORDS = {"keyword bad", "reduce 1", "setstate no tuple", "setstate tuple"}

# CPython after 3.14 first checks that the file may change, and then converts the argument.
try:
    io.BytesIO().truncate("1")  # type: ignore[arg-type]
except TypeError as error:
    OTHER_WORDS = set() if "integer or None" in str(error) else {"truncate str"}


def closed(file: Any) -> None:
    file.close()


def past(file: Any) -> None:
    file.seek(50)


def middle(file: Any) -> None:
    file.read(6)


STATES: dict[str, Callable[[Any], Any]] = {
    "open": lambda f: None,
    "middle": middle,
    "past": past,
    "closed": closed,
    "exported": lambda f: f.getbuffer(),
}


def outcome(call: Callable[[Any], Any], file: Any, words: bool) -> Any:
    try:
        return call(file)
    except Exception as error:
        kinds = [kind for kind in type(error).__mro__ if not kind.__module__.startswith("pageb")]
        return kinds[0], str(error) if words else ""


def condition(file: Any) -> Any:
    return "closed" if file.closed else (file.getvalue(), file.tell())


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("call", CALLS)
def test_as_io_bytesio(call: str, state: str) -> None:
    if call in OTHER_WORDS:
        pytest.skip("io.BytesIO of this Python looks at the argument in another way")
    both = BytesIO(b"one\ntwo\nthree"), io.BytesIO(b"one\ntwo\nthree")
    kept = [STATES[state](file) for file in both]
    before = condition(both[0])
    ours, theirs = (outcome(CALLS[call], file, call not in OWN_WORDS) for file in both)
    assert ours == theirs
    if call.startswith(("init", "setstate")) and isinstance(ours, tuple):
        assert condition(both[0]) == before  # io.BytesIO may have lost its bytes
    else:
        assert condition(both[0]) == condition(both[1])
    del kept


def test_write_past_what_can_be_addressed() -> None:
    f = BytesIO(b"abc")
    f.seek(sys.maxsize)
    with pytest.raises(OverflowError):
        f.write(b"x")
    assert (f.getvalue(), f.tell()) == (b"abc", sys.maxsize)


def test_kinds() -> None:
    f = BytesIO()
    assert isinstance(f, io.BufferedIOBase)
    assert isinstance(f, io.IOBase)
    assert issubclass(BytesIO, io.BufferedIOBase)
    assert BytesIO.__module__ == "pagebuf"
    assert set(dir(io.BytesIO)) <= set(dir(BytesIO))


@pytest.mark.parametrize("size", SIZES)
def test_every_piece(size: int) -> None:
    """Reads, lines and writes of all lengths around the edges of pages."""
    data = pattern(0, size).replace(b"\x07", b"\n")
    for step in {1, 3, 16, PAGE - 1, PAGE, PAGE + 1, size or 1}:
        f = BytesIO(data)
        assert list(iter(lambda f=f, step=step: f.read(step), b"")) == [
            data[at : at + step] for at in range(0, size, step)
        ]
        f = BytesIO()
        for at in range(0, size, step):
            f.write(data[at : at + step])
        assert f.getvalue() == data
        f.seek(0)
        assert list(f) == io.BytesIO(data).readlines()
        f.seek(0)
        for at in range(0, size, step):  # overwrite the old bytes
            assert f.write(data[at : at + step][::-1]) == len(data[at : at + step])
        assert f.getvalue() == b"".join(data[at : at + step][::-1] for at in range(0, size, step))


@pytest.mark.parametrize("hole", [1, PAGE - 1, PAGE, 5 * PAGE, reach(2)])
def test_write_past_the_end_pads_with_zeros(hole: int) -> None:
    f = BytesIO(b"abc")
    f.truncate(1)
    f.seek(1 + hole)
    f.write(b"x")
    assert f.getvalue() == b"a" + bytes(hole) + b"x"
    f.seek(0)
    assert f.readline() == b"a" + bytes(hole) + b"x"


def test_items_of_many_bytes() -> None:
    f = BytesIO(bytes(range(10)))
    into = array.array("i", [0, 0])
    assert f.readinto(into) == 8
    assert into.tobytes() == bytes(range(8))
    assert f.write(into) == 8
    assert f.getvalue() == bytes(range(8)) + into.tobytes()


# ---- more than io.BytesIO ----


def test_peek_and_read_at() -> None:
    f = BytesIO(b"hello world")
    assert (f.peek(), f.peek(5), f.peek(0), f.tell()) == (b"h", b"hello", b"", 0)
    assert (f.peek(-1), f.peek(None)) == (b"hello world",) * 2
    large = BytesIO(pattern(0, 20000))
    large.seek(7)
    for size in (8192, 8193, 65536, -1, None):
        assert large.peek(size) == pattern(7, 8192)  # as much as io.BufferedReader buffers
    assert large.peek(131072) == pattern(7, 2048)  # what pickle asks for, however little it reads
    large.seek(19000)
    assert large.peek(131072) == pattern(19000, 1000)
    assert (f.read_at(6, 5), f.read_at(8, 99), f.read_at(99, 5)) == (b"world", b"rld", b"")
    assert f.read_at(6, -1) == f.read_at(6, None) == b"world"
    assert f.tell() == 0
    for call in (lambda: f.read_at(-1, 0), lambda: f.read_at(0, -2)):
        with pytest.raises(ValueError):
            call()
    f.close()
    for call in (f.peek, lambda: f.read_at(1, 1), f.read_buffer):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_holes() -> None:
    f = BytesIO()
    f.seek(8 * PAGE)
    f.write(b"x")
    assert f.seek(0, pagebuf.SEEK_HOLE) == 0
    assert f.seek(0, pagebuf.SEEK_DATA) == 8 * PAGE
    assert f.read() == b"x"
    assert f.seek(8 * PAGE, pagebuf.SEEK_HOLE) == 8 * PAGE + 1
    with pytest.raises(OSError) as caught:
        f.seek(8 * PAGE + 1, pagebuf.SEEK_DATA)
    assert caught.value.errno == 6  # ENXIO


def address(view: memoryview) -> int:
    numpy = pytest.importorskip("numpy", reason="tells the address of a memoryview")
    return int(numpy.frombuffer(view, numpy.uint8).__array_interface__["data"][0])


@pytest.mark.parametrize("size", [1, PAGE, 3 * PAGE + 1])
def test_read_buffer_keeps_its_bytes(size: int) -> None:
    data = pattern(0, size)
    f = BytesIO(data)
    f.read(1)
    view = f.read_buffer()
    assert view.readonly
    assert f.tell() == size
    f.seek(0)
    f.write(b"\0" * (2 * size))
    assert view == data[1:]
    assert f.getvalue() == bytes(2 * size)
    f.seek(0)
    again = f.read_buffer(size)
    f.close()
    assert (view, again) == (data[1:], bytes(size))


def test_read_buffer_copies_nothing() -> None:
    f = BytesIO(pattern(0, 3 * PAGE))
    with f.getbuffer() as view:  # this gathers the bytes into one run
        start = address(view)
    first, second = f.read_buffer(PAGE + 1), f.read_buffer(PAGE)
    assert (address(first), address(second)) == (start, start + PAGE + 1)


# ---- getbuffer ----


@pytest.mark.parametrize("size", SIZES)
def test_getbuffer_is_live_and_forbids_changes(size: int) -> None:
    f = BytesIO(pattern(0, size))
    f.read(1)
    first, second = f.getbuffer(), f.getbuffer()
    assert not first.readonly
    assert first == second == pattern(0, size)
    if size:
        first[size - 1] = 0
        assert f.getvalue()[-1] == second[-1] == 0
    changes = [
        lambda: f.write(b""),
        lambda: f.truncate(0),
        f.close,
        lambda: f.__init__(b"x"),
        lambda: f.__setstate__((b"", 0, None)),
        lambda: f.writelines([b"x"]),
    ]
    before = f.getvalue(), f.tell()
    for view in (first, second):
        for change in changes:
            with pytest.raises(BufferError):
                change()
        assert (f.getvalue(), f.tell()) == before
        view.release()
    assert f.write(b"more") == 4


def test_getbuffer_gathers_scattered_pages() -> None:
    f, other = BytesIO(), BytesIO()
    for at in range(0, 20 * PAGE, PAGE):
        f.write(pattern(at, PAGE))
        other.write(pattern(at, PAGE))
    f.seek(30 * PAGE)
    f.write(b"end")
    view = f.getbuffer()
    assert view == pattern(0, 20 * PAGE) + bytes(10 * PAGE) + b"end"
    f.seek(0)
    assert f.read(PAGE + 1) == pattern(0, PAGE + 1)
    view[0] = 0
    assert f.read_at(0, 1) == b"\0"
    other.close()


def test_readinto_a_view_of_itself() -> None:
    f = BytesIO(pattern(0, 3 * PAGE))
    with f.getbuffer() as view:
        f.seek(5)
        assert f.readinto(view) == 3 * PAGE - 5
        assert view == pattern(5, 3 * PAGE - 5) + pattern(3 * PAGE - 5, 5)


def test_the_exporter_of_a_closed_file() -> None:
    f = BytesIO(b"abc")
    view = f.getbuffer()
    exporter = view.obj
    view.release()
    f.close()
    with pytest.raises(ValueError, match="closed"):
        memoryview(exporter)
    f.__init__(b"again")
    assert memoryview(exporter) == b"again"
    assert f.write(b"more") == 4


def test_as_many_views_as_there_may_be() -> None:
    f = BytesIO(b"abc")
    views = [f.getbuffer() for _ in range(8191)]
    with pytest.raises(BufferError, match="views"):
        f.getbuffer()
    del views
    f.close()


def test_a_view_keeps_its_file() -> None:
    view = BytesIO(pattern(0, 2 * PAGE)).getbuffer()
    gc.collect()
    assert view == pattern(0, 2 * PAGE)


# From 3.13 on the interpreter reports that the finalizer cannot close an exported file.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_view_in_a_cycle() -> None:
    f = BytesIO(b"abc")
    f.view = f.getbuffer()
    seen = weakref.ref(f)
    del f
    gc.collect()
    assert seen() is None


# ---- refused calls change nothing (I3) ----


@pytest.fixture
def no_frames() -> Any:
    """A context manager.  Inside it the default pool may not take one frame more."""
    pool = pagebuf.default_pool()

    class Block:
        def __enter__(self) -> None:
            pool._set_limit(pool.stats().held)

        def __exit__(self, *_: object) -> None:
            pool._set_limit(-1)

    return Block()


LARGE = pattern(0, 9 * PAGE, salt=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f.write(LARGE),
        lambda f: (f.seek(50 * PAGE), f.write(b"x")),
        lambda f: f.__init__(bytearray(LARGE)),
        lambda f: f.__setstate__((bytearray(LARGE), 3, {"a": 1})),
        lambda f: f.writelines([LARGE]),
    ],
)
@pytest.mark.parametrize("shared", [False, True])
def test_refused_by_the_pool(call: Any, shared: bool, no_frames: Any) -> None:
    f = BytesIO(pattern(0, 3 * PAGE))
    view = f.read_buffer(PAGE) if shared else b""
    with no_frames, pytest.raises(MemoryError):
        call(f)
    assert f.getvalue() == pattern(0, 3 * PAGE)
    assert not hasattr(f, "a")
    assert view == pattern(0, PAGE)[: len(view)]
    f.__init__(LARGE)
    assert f.getvalue() == LARGE


def test_cut_of_shared_pages_is_refused_whole(no_frames: Any) -> None:
    f = BytesIO(pattern(0, 3 * PAGE))
    view = f.read_buffer()
    f.seek(0)
    with no_frames:
        try:
            f.truncate(PAGE + 1)
        except MemoryError:
            assert f.getvalue() == view
        else:
            assert f.getvalue() == pattern(0, PAGE + 1)
    assert view == pattern(0, 3 * PAGE)


# ---- the object ----


class Other(BytesIO):
    """Its __init__ takes other arguments, so pickling must not call it."""

    def __init__(self, first: bytes, second: int) -> None:
        super().__init__(first)
        self.second = second


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol: int) -> None:
    f = Other(pattern(0, 2 * PAGE), 7)
    f.seek(5)
    for twin in (pickle.loads(pickle.dumps(f, protocol)), copy.copy(f), copy.deepcopy(f)):
        assert type(twin) is Other
        assert (twin.getvalue(), twin.tell(), twin.second) == (f.getvalue(), 5, 7)
        twin.write(b"x")
    assert f.tell() == 5
    f.close()
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(f, protocol)


def test_attributes_weak_references_and_size() -> None:
    f = BytesIO(b"abc")
    f.name = "n"
    assert f.__dict__ == {"name": "n"}
    seen = weakref.ref(f)
    lock = 8 * FREE_THREADED  # a word of its own
    lender = 0 if pagebuf.INLINE_SIZE else 32  # on tiny pages it has a place of its own
    assert object.__sizeof__(f) <= io.BytesIO.__basicsize__ + 160 + lock + lender
    assert sys.getsizeof(BytesIO(bytearray(9 * PAGE))) >= 9 * PAGE
    del f
    assert seen() is None
    fresh = BytesIO()
    assert (fresh.__dict__, fresh.getvalue(), fresh.tell()) == ({}, b"", 0)


def test_memory_of_files_comes_back() -> None:
    """Objects are used again.  A new file has nothing of the file that had its memory before."""
    for size in (0, 1, 90, PAGE, 3 * PAGE):
        files = [BytesIO(pattern(0, size)) for _ in range(40)]
        for f in files[::2]:
            f.extra = f  # in a cycle
            f.seek(1)
        for f in files[::3]:
            f.close()
        del files, f
        gc.collect()
        for f in [BytesIO() for _ in range(60)]:
            assert (f.closed, f.tell(), f.getvalue(), f.__dict__) == (False, 0, b"", {})
            assert f.write(b"ab") == 2
            assert f.getvalue() == b"ab"


def frames_of(f: BytesIO, size: int) -> set[int]:
    return {f._tree_walk(at).steps[-1].frame for at in range(0, size, PAGE)}


@pytest.mark.parametrize("size", [PAGE - 1, 3 * PAGE + 1])
def test_a_file_that_starts_over_stays_on_its_pages(size: int) -> None:
    """Those are in the caches still."""
    size = max(size, pagebuf.INLINE_SIZE + 1)
    pool = pagebuf.PagePool(debug=0)
    other = pagebuf.PageBuffer(bytes(9 * PAGE), pool=pool)
    f = BytesIO(bytearray(size), pool=pool)
    other.truncate(PAGE)  # there are other free frames
    frames, held = frames_of(f, size), pool.stats().held
    for salt in range(50):
        f.seek(0)
        assert f.truncate() == 0
        f.write(pattern(0, size, salt))
        assert (frames_of(f, size), pool.stats().held) == (frames, held)
    assert f.getvalue() == pattern(0, size, salt)


def test_finalizer_of_a_subclass_closes() -> None:
    calls = []

    class Closing(BytesIO):
        def close(self) -> None:
            calls.append(self.getvalue())
            super().close()

    Closing(b"abc")
    assert calls == [b"abc"]


def test_without_init() -> None:
    f = BytesIO.__new__(BytesIO, "anything", at=1)
    assert (f.getvalue(), f.write(b"x"), f.getvalue()) == (b"", 1, b"x")


def test_text_over_it() -> None:
    f = BytesIO()
    text = io.TextIOWrapper(f, "utf-8", newline="")
    text.write("häß\n" * PAGE)
    text.flush()
    text.seek(0)
    assert text.read() == "häß\n" * PAGE
    assert text.detach() is f
    assert io.BufferedReader(BytesIO(LARGE)).read() == LARGE


def test_in_the_list_of_the_pool() -> None:
    f = BytesIO(bytearray(3 * PAGE))
    assert any(row.buffer is f for row in pagebuf.default_pool().buffers())
    f.check()
    pagebuf.default_pool().check()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_destruction_orders(order: tuple[int, ...]) -> None:
    f = BytesIO(pattern(0, 3 * PAGE))
    things: list[Any] = [f, f.getbuffer(), f.read_buffer(PAGE), iter(f)]
    things[1] = things[1].cast("B", (3 * PAGE,))
    del f
    for i in order:
        things[i] = None
    gc.collect(0)
    pagebuf.default_pool().check()


def test_threads_share_the_position() -> None:
    f = BytesIO(b"".join(i.to_bytes(8, "big") for i in range(4000)))
    got: list[list[bytes]] = [[] for _ in range(4)]

    def read(mine: list[bytes]) -> None:
        while piece := f.read(8):
            mine.append(piece)

    together(*(partial(read, mine) for mine in got))
    assert sorted(itertools.chain(*got)) == [i.to_bytes(8, "big") for i in range(4000)]


# ---- pools ----


class Derived(BytesIO):
    """A subclass goes through `__new__` and `__init__`."""


@pytest.mark.parametrize("kind", [BytesIO, Derived])
def test_a_file_on_a_pool_of_its_own(kind: type[BytesIO]) -> None:
    pool = pagebuf.PagePool(limit=8 * PAGE, name="mail")
    data = pattern(0, 3 * PAGE + 1)
    files = [kind(bytearray(data), pool=pool), kind(initial_bytes=bytearray(data), pool=pool)]
    assert set(drawing(pool)) == set(files)
    assert [file.getvalue() for file in files] == [data, data]
    del files
    file = kind(pool=pool)
    file.write(data)
    with pytest.raises(pagebuf.PoolLimitError, match="'mail'"):
        file.write(bytes(FEW + 9 * PAGE))
    assert file.getvalue() == data
    del file
    assert pool.stats().held == 0
    assert kind(data, pool=None).getvalue() == data
    pool.check()


def test_beginning_anew_on_a_pool() -> None:
    old, new = pagebuf.PagePool(), pagebuf.PagePool(limit=4 * PAGE)
    file = BytesIO(pattern(0, 3 * PAGE), pool=old)
    file.seek(5)
    with pytest.raises(pagebuf.PoolLimitError):
        file.__init__(bytearray(FEW + 9 * PAGE), pool=new)  # type: ignore[misc]
    assert (file.getvalue(), file.tell()) == (pattern(0, 3 * PAGE), 5)
    with file.getbuffer(), pytest.raises(BufferError):
        file.__init__(b"", pool=new)  # type: ignore[misc]
    assert file.getvalue() == pattern(0, 3 * PAGE)
    file.__init__(pattern(1, 2 * PAGE), pool=new)  # type: ignore[misc]
    assert (file.getvalue(), file.tell(), old.stats().held) == (pattern(1, 2 * PAGE), 0, 0)
    file.close()
    file.__init__(b"open again", pool=old)  # type: ignore[misc]
    assert file.read() == b"open again"
    old.check()
    new.check()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: BytesIO(b"", pool=5), "pool must be a PagePool or None, not int"),
        (lambda: BytesIO(b"", pools=None), "'pools' is an invalid keyword argument"),
        (lambda: BytesIO(b"", initial_bytes=b""), "initial_bytes given twice"),
        (lambda: BytesIO(b"", None), "at most 1 argument"),
        (lambda: Derived(b"", pool=5), "pool must be a PagePool or None, not int"),
    ],
)
def test_wrong_arguments_of_the_constructor(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        call()
