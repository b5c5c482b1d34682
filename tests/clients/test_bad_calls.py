"""What a wrong argument is told: its name, what it must be, and nothing of the inside."""

from __future__ import annotations

import asyncio
import io
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pagebuf
from pagebuf import PagePool, aio, live, picture
from pagebuf.__main__ import main
from tests.helpers import PAGE
from tests.support import pattern

Call = Callable[[Any], Any]


def buffer() -> Any:
    return pagebuf.PageBuffer(b"hello world")


def queue() -> Any:
    made = pagebuf.ByteQueue()
    made.put(b"hello world")
    return made


def file() -> Any:
    return pagebuf.BytesIO(b"hello world")


def state_of(thing: Any) -> bytes:
    return bytes(thing.getvalue() if hasattr(thing, "getvalue") else thing.tobytes())


INT, SIZE = "must be an int, not", "must be an int or None, not"

# made by: {a call with one argument: the name of that argument and what it must be}
NUMBERS: dict[Callable[[], Any], dict[str, tuple[Callable[[Any, Any], Any], str]]] = {
    buffer: {
        "read offset": (lambda b, x: b.read(x, 1), f"offset {INT}"),
        "read size": (lambda b, x: b.read(0, x), f"size {SIZE}"),
        "readinto": (lambda b, x: b.readinto(x, bytearray(1)), f"offset {INT}"),
        "write": (lambda b, x: b.write(x, b"y"), f"offset {INT}"),
        "append": (lambda b, x: b.append(x), f"byte {INT}"),
        "insert index": (lambda b, x: b.insert(x, 1), f"index {INT}"),
        "insert byte": (lambda b, x: b.insert(0, x), f"byte {INT}"),
        "pop": (lambda b, x: b.pop(x), f"index {INT}"),
        "remove": (lambda b, x: b.remove(x), f"byte {INT}"),
        "item": (lambda b, x: b.__setitem__(0, x), f"byte {INT}"),
        "resize": (lambda b, x: b.resize(x), f"size {INT}"),
        "truncate": (lambda b, x: b.truncate(x), f"size {INT}"),
        "take_bytes": (lambda b, x: b.take_bytes(x), f"n {SIZE}"),
        "punch offset": (lambda b, x: b.punch(x, 1), f"offset {INT}"),
        "punch size": (lambda b, x: b.punch(0, x), f"size {INT}"),
        "collapse offset": (lambda b, x: b.collapse(x, 1), f"offset {INT}"),
        "collapse size": (lambda b, x: b.collapse(0, x), f"size {INT}"),
        "insert_hole offset": (lambda b, x: b.insert_hole(x, 1), f"offset {INT}"),
        "insert_hole size": (lambda b, x: b.insert_hole(0, x), f"size {INT}"),
        "copy_range offset": (lambda b, x: b.copy_range(x, buffer()), f"offset {INT}"),
        "copy_range source": (lambda b, x: b.copy_range(0, b, x), f"source_offset {INT}"),
        "copy_range size": (lambda b, x: b.copy_range(0, b, 0, x), f"size {SIZE}"),
        "view offset": (lambda b, x: b.view(x), f"offset {INT}"),
        "view size": (lambda b, x: b.view(0, x), f"size {SIZE}"),
        "views offset": (lambda b, x: b.views(x), f"offset {INT}"),
        "views size": (lambda b, x: b.views(0, x), f"size {SIZE}"),
        "views most": (lambda b, x: b.views(most=x), f"most {INT}"),
        "walk": (lambda b, x: b.walk(x), f"offset {INT}"),
        "map offset": (lambda b, x: b.map(b"hello", x), f"offset {INT}"),
        "map size": (lambda b, x: b.map(b"hello", 0, x), f"size {SIZE}"),
        "max_levels": (lambda b, x: pagebuf.PageBuffer(max_levels=x), f"max_levels {SIZE}"),
    },
    queue: {
        "get": (lambda q, x: q.get(x), f"n {SIZE}"),
        "peek": (lambda q, x: q.peek(x), f"n {SIZE}"),
        "tail": (lambda q, x: q.tail(x), f"n {SIZE}"),
        "consume": (lambda q, x: q.consume(x), f"n {INT}"),
        "readexactly": (lambda q, x: q.readexactly(x), f"n {INT}"),
        "reserve": (lambda q, x: q.reserve(x), f"n {INT}"),
        "commit": (lambda q, x: q.commit(x), f"n {INT}"),
        "send_to": (lambda q, x: q.send_to(1, x), f"n {SIZE}"),
        "recv_from": (lambda q, x: q.recv_from(0, x), f"n {SIZE}"),
        "splice_from": (lambda q, x: q.splice_from(queue(), x), f"n {SIZE}"),
        "max_bytes": (lambda q, x: pagebuf.ByteQueue(max_bytes=x), f"max_bytes {INT}"),
        "timeout": (lambda q, x: q.get(1, timeout=x), "timeout must be a number or None, not"),
        "file timeout": (lambda q, x: q.open(timeout=x), "timeout must be a number or None, not"),
    },
    file: {
        "read_at": (lambda f, x: f.read_at(x, 1), f"offset {INT}"),
        "read_at size": (lambda f, x: f.read_at(0, x), f"size {SIZE}"),
    },
}
CALLS = [(make, name) for make, calls in NUMBERS.items() for name in calls]


@pytest.mark.parametrize("bad", ["5", b"5", [5], object(), int], ids=lambda bad: type(bad).__name__)
@pytest.mark.parametrize(("make", "name"), CALLS, ids=[f"{m.__name__}-{n}" for m, n in CALLS])
def test_what_is_no_number_is_named(make: Callable[[], Any], name: str, bad: Any) -> None:
    thing = make()
    call, says = NUMBERS[make][name]
    before = state_of(thing)
    with pytest.raises(TypeError) as info:
        call(thing, bad)
    assert str(info.value) == f"{says} {type(bad).__name__}"
    assert state_of(thing) == before


@pytest.mark.parametrize(
    "bad", [1 << 63, -(1 << 63) - 1, 10**30, 10**5000], ids=["2**63", "-", "e30", "e5000"]
)
@pytest.mark.parametrize(("make", "name"), CALLS, ids=[f"{m.__name__}-{n}" for m, n in CALLS])
def test_a_number_that_is_too_large(make: Callable[[], Any], name: str, bad: int) -> None:
    thing = make()
    call, says = NUMBERS[make][name]
    if "timeout" in name or name == "commit":
        return
    before = state_of(thing)
    with pytest.raises((OverflowError, ValueError, IndexError)) as info:
        call(thing, bad)
    text = str(info.value)
    assert says.split()[0] in text or "take_bytes" in name, text
    assert len(text) < 200
    assert state_of(thing) == before


LEAKS = {
    "top of an int": (lambda: pagebuf.top(5), "top() takes pools, each a PagePool, not int"),  # type: ignore[arg-type]
    "top of how many": (lambda: pagebuf.top(most="5"), "most must be an int, not str"),  # type: ignore[arg-type]
    "region_of": (lambda: pagebuf.region_of("5"), "address must be an int, not str"),  # type: ignore[arg-type]
    "is_valid": (lambda: pagebuf.is_valid(b"5"), "address must be an int, not bytes"),  # type: ignore[arg-type]
    "open": (lambda: buffer().open(5), "mode must be a str or None, not int"),
    "pool": (lambda: pagebuf.PageBuffer(pool=5), "pool must be a PagePool or None, not int"),  # type: ignore[arg-type]
    "map pool": (
        lambda: pagebuf.PageBuffer.map(b"hello", pool=5),  # type: ignore[arg-type]
        "pool must be a PagePool or None, not int",
    ),
    "map": (
        lambda: pagebuf.PageBuffer.map(None),  # type: ignore[arg-type]
        "source must be a path, a file, a descriptor or a buffer, not NoneType",
    ),
    "save": (
        lambda: buffer().save(5),
        "path must be a str, bytes or os.PathLike, not int",
    ),
    "map of nothing": (
        lambda: pagebuf.PageBuffer.map(),  # type: ignore[call-arg]
        "PageBuffer.map() missing 1 required positional argument: 'source'",
    ),
    "map of a file in memory": (
        lambda: pagebuf.PageBuffer.map(io.StringIO("text")),  # type: ignore[arg-type]
        (
            "source must be a path, a file, a descriptor or a buffer; a StringIO has no "
            "descriptor: map the bytes that it holds"
        ),
    ),
    "apply": (
        lambda: buffer().apply(5),
        "delta must be a Delta or a bytes-like object, not int",
    ),
    "delta": (lambda: buffer().delta(5), "delta() takes a PageBuffer, not int"),
    "path of a store": (
        lambda: pagebuf.PageStore(5),  # type: ignore[arg-type]
        "path must be a str, bytes or os.PathLike, not int",
    ),
    "mode of a store": (
        lambda: pagebuf.PageStore("none", 5),  # type: ignore[arg-type]
        "mode must be a str, not int",
    ),
    "pool of a store": (
        lambda: pagebuf.PageStore("none", pool=5),  # type: ignore[arg-type]
        "pool must be a PagePool or None, not int",
    ),
    "limit of a store": (
        lambda: pagebuf.PageStore("none", limit="5"),  # type: ignore[arg-type]
        "limit must be an int or None, not str",
    ),
    "pipe": (lambda: pagebuf.pipe("5"), "max_bytes must be an int, not str"),  # type: ignore[arg-type]
    "pipe's pool": (
        lambda: pagebuf.pipe(pool=5),  # type: ignore[arg-type]
        "pool must be a PagePool or None, not int",
    ),
    "pipe's timeout": (
        lambda: pagebuf.pipe(timeout="5"),  # type: ignore[arg-type]
        "timeout must be a number or None, not str",
    ),
    "read of a pipe": (
        lambda: pagebuf.pipe()[0].read("5"),  # type: ignore[arg-type]
        "n must be an int or None, not str",
    ),
    "abort of a pipe": (
        lambda: pagebuf.pipe()[1].abort(5),  # type: ignore[arg-type]
        "abort() takes an exception, not int",
    ),
    "listen": (
        lambda: live.listen(5),  # type: ignore[arg-type]
        "path must be a str, bytes or os.PathLike, not int",
    ),
    "tree_figure": (
        lambda: picture.tree_figure(5),  # type: ignore[arg-type]
        "buffer must be a PageBuffer, a BytesIO or a ByteQueue, not int",
    ),
    "pool_figure": (
        lambda: picture.pool_figure(5),  # type: ignore[arg-type]
        "pool must be a PagePool, not int",
    ),
    "svg": (lambda: picture.svg(5), "figure must be one of matplotlib, not int"),  # type: ignore[arg-type]
    "picture.save": (
        lambda: picture.save(5, "x.svg"),  # type: ignore[arg-type]
        "figure must be one of matplotlib, not int",
    ),
    "write_queue": (
        lambda: aio.QueueWriter.write_queue(None, b"x"),  # type: ignore[arg-type]
        "queue must be a ByteQueue, not bytes",
    ),
}


@pytest.mark.parametrize("name", LEAKS)
def test_nothing_of_the_inside_shows(name: str) -> None:
    call, says = LEAKS[name]
    with pytest.raises(TypeError) as info:
        call()
    assert str(info.value) == says


def test_a_protocol_of_something_else() -> None:
    async def main() -> None:
        aio.QueueProtocol(5)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="must be a QueueReader or a ByteQueue, not int"):
        asyncio.run(main())


SERVERS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "limit -1": ({"limit": -1}, ValueError, "limit must be positive or None, not -1"),
    "limit": ({"limit": "5"}, TypeError, "limit must be a number or None, not str"),
    "pool": ({"pool": 5}, TypeError, "pool must be a PagePool or None, not int"),
    "max_bytes": ({"max_bytes": "5"}, TypeError, "max_bytes must be an int, not str"),
    "max_bytes -1": ({"max_bytes": -1}, ValueError, "max_bytes must not be negative, not -1"),
    "max_bytes 0": (
        {"max_bytes": 0},
        ValueError,
        "nothing could be received: max_bytes must be at least 1, or None",
    ),
    "callback": (
        {"client_connected_cb": 5},
        TypeError,
        "client_connected_cb must be callable, not int",
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_refuses_before_it_listens(name: str) -> None:
    options, kind, says = SERVERS[name]

    async def main() -> None:
        await aio.start_server(**{"client_connected_cb": print, "port": 0, **options})

    with pytest.raises(kind) as info:
        asyncio.run(main())
    assert str(info.value) == says


def test_a_reader_of_something_else() -> None:
    async def main() -> None:
        aio.QueueReader(queue=5)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="queue must be a ByteQueue or None, not int"):
        asyncio.run(main())


# ---- files: what is wrong with which one, by the name that the caller knows ----


def mapped(folder: Path) -> Any:
    path = folder / "mapped"
    path.write_bytes(bytes(100_000))
    return pagebuf.PageBuffer.map(path)


FILES: dict[str, tuple[Callable[[Any, Path], Any], type[Exception], str]] = {
    "map of none": (lambda b, d: b.map(d / "none"), FileNotFoundError, "none'"),
    "map of a folder": (lambda b, d: b.map(d), IsADirectoryError, "{d}'"),
    "map of no descriptor": (lambda b, d: b.map(-1), OSError, "Bad file descriptor"),
    "map of gaps": (
        lambda b, d: b.map(memoryview(bytes(9))[::2]),
        BufferError,
        "only a C-contiguous buffer can be mapped",
    ),
    "map past the end": (
        lambda b, d: b.map(d / "mapped", 100_001),
        ValueError,
        "offset 100001 is past the end of a source of 100000 bytes",
    ),
    "map of more": (
        lambda b, d: b.map(d / "mapped", 5, 100_000),
        ValueError,
        "100000 bytes at offset 5 asked of a source of 100000 bytes",
    ),
    "save to a folder": (lambda b, d: b.save(d), IsADirectoryError, "Is a directory: '{d}'"),
    "save into none": (
        lambda b, d: b.save(d / "none" / "x"),
        FileNotFoundError,
        "No such file or directory: '{d}/none/x'",
    ),
    "save over": (
        lambda b, d: b.save(d / "mapped", atomic=False),
        ValueError,
        "'{d}/mapped' is mapped, so it can only be saved with atomic=True",
    ),
    "save_changes of none": (
        lambda b, d: pagebuf.PageBuffer(b"x").save_changes(),
        ValueError,
        "a buffer that maps no file has none to save its changes to: save(path) writes all of it",
    ),
    "save_changes of memory": (
        lambda b, d: b.map(bytes(100_000)).save_changes(),
        ValueError,
        "a buffer that maps no file has none to save its changes to: save(path) writes all of it",
    ),
    "store of none": (
        lambda b, d: pagebuf.PageStore(d / "none", "r+"),
        FileNotFoundError,
        "No such file or directory: '{d}/none'",
    ),
    "store in none": (
        lambda b, d: pagebuf.PageStore(d / "none" / "x"),
        FileNotFoundError,
        "No such file or directory: '{d}/none'",
    ),
    "store in place of a folder": (
        lambda b, d: pagebuf.PageStore(d),
        IsADirectoryError,
        "Is a directory: '{d}'",
    ),
    "listen nowhere": (
        lambda b, d: live.listen(d / "none" / "x"),
        FileNotFoundError,
        "No such file or directory: '{d}/none/x'",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_which_file_it_is_about(name: str, tmp_path: Path) -> None:
    call, kind, says = FILES[name]
    buf = mapped(tmp_path)
    with pytest.raises(kind) as info:
        call(buf, tmp_path)
    assert str(info.value).endswith(says.format(d=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mapped"]  # nothing is left


def test_a_file_that_was_replaced_or_changed(tmp_path: Path) -> None:
    buf = mapped(tmp_path)
    buf.write(0, b"x")
    (tmp_path / "mapped").write_bytes(bytes(99_000))
    with pytest.raises(OSError, match="force=True"):
        buf.save_changes()
    (tmp_path / "mapped").unlink()
    (tmp_path / "mapped").write_bytes(bytes(100_000))
    with pytest.raises(OSError, match=r"another file has the name of the mapped one: save\(\) it"):
        buf.save_changes()


COMMANDS = {
    "walk x": "'x' is no offset",
    "walk 0 --buffer nobody": "no buffer 'nobody': there is document, ",
    "draw --pool nobody -o x.svg": "no pool 'nobody': there is example",
    "top --run none.py": "no script 'none.py'",
    "top --attach none": "no process answers at 'none': No such file or directory",
    "top --args x": "--args are those of a script: say which with --run",
}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_refuses_with_one_line(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pagebuf: {COMMANDS[line]}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("address", [-1, 1 << 64])
def test_addresses_that_none_can_have(address: int) -> None:
    for call in (pagebuf.region_of, pagebuf.is_valid):
        with pytest.raises(OverflowError, match="address must lie between 0 and"):
            call(address)


CHANGES: dict[str, Call] = {
    "write": lambda b: b.write(0, b"x"),
    "extend": lambda b: b.extend(b"x"),
    "append": lambda b: b.append(1),
    "insert": lambda b: b.insert(0, 1),
    "pop": lambda b: b.pop(),
    "remove": lambda b: b.remove(104),
    "reverse": lambda b: b.reverse(),
    "truncate": lambda b: b.truncate(1),
    "resize": lambda b: b.resize(1),
    "clear": lambda b: b.clear(),
    "punch": lambda b: b.punch(0, 1),
    "collapse": lambda b: b.collapse(0, 1),
    "insert_hole": lambda b: b.insert_hole(0, 1),
    "take_bytes": lambda b: b.take_bytes(1),
    "copy_range": lambda b: b.copy_range(0, buffer()),
    "restore": lambda b: b.restore(b.clone()),
    "item": lambda b: b.__setitem__(0, 1),
    "slice": lambda b: b.__delitem__(slice(0, 2)),
    "open to write": lambda b: b.open("wb"),
    "open to append": lambda b: b.open("ab"),
    "open for both": lambda b: b.open("r+b"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_snapshot_refuses_with_one_type(name: str) -> None:
    pool = PagePool()
    snap = pagebuf.PageBuffer(b"hello world", pool=pool).snapshot()
    with pytest.raises(TypeError, match=r"a snapshot never changes.*clone\(\) it"):
        CHANGES[name](snap)
    assert snap.tobytes() == b"hello world"


# ---- refusals: what was asked in bytes, the limit, whose it is, and what to do ----


def viewed(name: str | None, *ranges: tuple[int, int]) -> Any:
    """A buffer of four pages with live views, which it keeps."""
    made = Kept(pattern(0, 4 * PAGE), name=name)
    made.views_of_it = [made.view(*each) for each in ranges]
    return made


class Kept(pagebuf.PageBuffer):
    views_of_it: list[memoryview]


ALL, LAST = (0, 4 * PAGE), (3 * PAGE, PAGE)

PINNED: dict[str, tuple[Call, tuple[tuple[int, int], ...], str]] = {
    "item": (lambda b: b.__delitem__(1), (ALL,), "a live view of {} pins these pages: release it"),
    "two": (
        lambda b: b.insert(1, 1),
        (ALL, LAST),
        "2 live views of {} pin these pages: release them",
    ),
    "behind": (
        lambda b: b.collapse(2 * PAGE, PAGE),
        ((0, PAGE), LAST),
        "a live view of {} pins these pages: release it",
    ),
    "slice": (
        lambda b: b.__delitem__(slice(1, 3)),
        (ALL, ALL, LAST),
        "3 live views of {} pin these pages: release them",
    ),
    "hole": (
        lambda b: b.insert_hole(1, PAGE + 1),
        (ALL,),
        "a live view of {} pins these pages: release it",
    ),
    "whole": (
        lambda b: b.restore(b.clone()),
        (ALL, LAST),
        "2 live views of {} pin these pages: release them",
    ),
}


@pytest.mark.parametrize(("name", "called"), [("log", "'log'"), (None, "this Kept")])
@pytest.mark.parametrize("change", PINNED)
def test_who_pins_the_pages(change: str, name: str | None, called: str) -> None:
    call, ranges, says = PINNED[change]
    buf = viewed(name, *ranges)
    with pytest.raises(BufferError) as info:
        call(buf)
    assert str(info.value) == says.format(called)
    assert buf.tobytes() == pattern(0, 4 * PAGE)
    for view in buf.views_of_it:
        view.release()
    call(buf)


def test_a_limit_says_who_asked_for_how_much() -> None:
    pool = PagePool(limit=8 * PAGE, name="uploads")
    buf = pagebuf.PageBuffer(bytes(4 * PAGE), pool=pool, name="body")
    held = pool.stats().held * PAGE
    with pytest.raises(pagebuf.PoolLimitError) as info:
        buf.extend(bytes(8 * PAGE))
    text = str(info.value)
    asked = re.fullmatch(
        rf"'body' needs (\d+) more bytes \((\d+) pages\), but the pool 'uploads' holds {held} "
        rf"and may hold {8 * PAGE} \(limit\): free some, or set its limit",
        text,
    )
    assert asked, text
    assert int(asked[1]) == int(asked[2]) * PAGE >= 8 * PAGE


def test_a_limit_names_what_has_no_name() -> None:
    pool = PagePool(limit=PAGE)
    for made in (pagebuf.PageBuffer(pool=pool), pagebuf.ByteQueue(pool=pool)):
        put = made.extend if isinstance(made, pagebuf.PageBuffer) else made.put
        with pytest.raises(pagebuf.PoolLimitError) as info:
            put(bytes(40 * PAGE))
        assert str(info.value).startswith(f"this {type(made).__name__} needs ")
    with pytest.raises(pagebuf.PoolLimitError, match=r"^this BytesIO needs .* but a pool holds 0 "):
        pagebuf.BytesIO(pool=pool).write(bytes(40 * PAGE))


def test_levels_say_what_they_reach() -> None:
    buf = pagebuf.PageBuffer(b"abc", max_levels=1, name="small")
    reach = buf.capacity
    with pytest.raises(pagebuf.CapacityError) as info:
        buf.truncate(1 << 60)
    says = f"'small', which reaches {reach} bytes (max_levels=1: make it with more)"
    assert str(info.value) == f"{1 << 60} bytes asked of {says}"
    with pytest.raises(pagebuf.CapacityError) as info:
        buf.write(reach, b"x")
    assert str(info.value) == f"1 bytes at offset {reach} asked of {says}"
    with pytest.raises(pagebuf.CapacityError, match=r"\(max_levels=\d+\)$"):
        pagebuf.PageBuffer().resize((1 << 63) - 1)


def test_a_full_queue_says_what_it_holds() -> None:
    full = pagebuf.ByteQueue(max_bytes=4, name="inbox")
    full.put(b"abc")
    with pytest.raises(pagebuf.CapacityError) as info:
        full.put(b"de")
    assert str(info.value) == (
        "2 bytes do not fit into 'inbox', which holds 3 and may hold 4 (max_bytes): take some first"
    )
    assert full.get() == b"abc"


@pytest.mark.parametrize("overflow", ["raise", "drop_newest"])
def test_nobody_receives_into_a_full_queue(overflow: Any) -> None:
    full = pagebuf.ByteQueue(max_bytes=4, overflow=overflow)
    full.put(b"abcd")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"more")
        with pytest.raises(pagebuf.CapacityError) as info:
            full.recv_from(ours)
        assert str(info.value) == (
            "this ByteQueue is full, nothing was received: it holds 4 bytes and may hold 4 "
            "(max_bytes); take some first"
        )
        full.clear()
        assert (full.recv_from(ours), full.get()) == (4, b"more")  # it had stayed in the socket


def test_what_no_bytes_object_can_hold() -> None:
    buf = pagebuf.PageBuffer()
    buf.resize(min(buf.capacity, 1 << 58))
    n = len(buf)
    says = f"no memory for a bytes object of {n} bytes: ask for less at a time"
    for call in (buf.tobytes, lambda: buf[:], lambda: buf[::1], buf.take_bytes, buf.open().read):
        with pytest.raises(MemoryError) as info:
            call()
        assert str(info.value) == says
    assert len(buf) == n


def test_arrays_name_their_arguments() -> None:
    pytest.importorskip("numpy")
    for call, says in {
        lambda b: b.as_array("x"): "dtype must be a NumPy dtype, not 'x': ",
        lambda b: b.as_array(offset="1"): "offset must be an int, not str",
        lambda b: b.as_array(count="1"): "count must be an int or None, not str",
    }.items():
        with pytest.raises(TypeError, match=rf"^{says}"):
            call(buffer())
    with pytest.raises(ValueError, match=r"^offset must not be negative, not -1"):
        buffer().as_array(offset=-1)
    with pytest.raises(ValueError, match=r"^dtype must have items of at least one byte, not "):
        buffer().as_array("S0")
