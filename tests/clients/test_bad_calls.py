"""What a wrong argument is told: its name, what it must be, and nothing of the inside."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest

import pagebuf
from pagebuf import PagePool, aio
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
