"""One rule for the arguments of all types, and one page with all names (docs/api.md)."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pagebuf
from pagebuf import aio, live, picture

Call = Callable[[Any, Any], Any]

DATA = b"hello world"


def buffer() -> Any:
    return pagebuf.PageBuffer(DATA)


def queue() -> Any:
    made = pagebuf.ByteQueue()
    made.put(DATA)
    return made


def file() -> Any:
    return pagebuf.BytesIO(DATA)


def page_file() -> Any:
    return buffer().open()


def sent(q: Any, n: int | None) -> bytes:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert q.send_to(ours, n) == len(DATA)
        return theirs.recv(99)


def spliced(q: Any, n: int | None) -> Any:
    other = pagebuf.ByteQueue()
    assert other.splice_from(q, n) == len(DATA)
    return other.get()


def received(q: Any, n: int | None) -> Any:
    q.clear()
    reading, writing = os.pipe()
    os.write(writing, DATA)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0):
        assert q.recv_from(reading, n) == len(DATA)
    return q.get()


def copied(b: Any, n: int | None) -> bytes:
    other = pagebuf.PageBuffer()
    assert other.copy_range(0, b, 0, n) == len(DATA)
    return other.tobytes()


def arrayed(b: Any, n: int | None) -> bytes:
    pytest.importorskip("numpy")
    return bytes(b.as_array(count=n))


ALL: dict[str, tuple[Callable[[], Any], Call]] = {
    "read": (buffer, lambda b, n: b.read(0, n)),
    "view": (buffer, lambda b, n: bytes(b.view(0, n))),
    "views": (buffer, lambda b, n: b"".join(b.views(0, n))),
    "data_views": (buffer, lambda b, n: b"".join(view for _, view in b.data_views(0, n))),
    "copy_range": (buffer, copied),
    "map": (buffer, lambda b, n: b.map(DATA, 0, n)),
    "as_array": (buffer, arrayed),
    "get": (queue, lambda q, n: q.get(n)),
    "peek": (queue, lambda q, n: q.peek(n)),
    "tail": (queue, lambda q, n: q.tail(n)),
    "send_to": (queue, sent),
    "recv_from": (queue, received),
    "splice_from": (queue, spliced),
    "read_at": (file, lambda f, n: f.read_at(0, n)),
    "read_at of a PageFile": (page_file, lambda f, n: f.read_at(0, n)),
}


@pytest.mark.parametrize("name", ALL)
def test_none_or_minus_one_is_all(name: str) -> None:
    make, call = ALL[name]
    for everything in (None, -1):
        assert bytes(call(make(), everything)) == DATA


@pytest.mark.parametrize("name", ALL)
def test_other_negative_numbers_are_refused_by_name(name: str) -> None:
    make, call = ALL[name]
    says = r"^(n|size|count) must be at least 0, or -1 or None for all, not -2$"
    with pytest.raises(ValueError, match=says):
        call(make(), -2)


@pytest.mark.parametrize("make", [file, page_file])
def test_files_take_any_negative_size_for_all(make: Callable[[], Any]) -> None:
    for call in ("read", "read1", "readline", "peek", "read_buffer"):
        assert bytes(getattr(make(), call)(-7)) == DATA
    assert make().readlines(-7) == [DATA]


def test_take_bytes_and_resize_are_those_of_a_later_bytearray() -> None:
    buf = buffer()
    assert (buf.take_bytes(-6), buf.tobytes()) == (b"hello", b" world")
    assert (buf.take_bytes(None), len(buf)) == (b" world", 0)
    assert (buf.resize(3), buf.truncate(2)) == (None, 2)


# ---- names ----

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
TYPES = (
    pagebuf.PageBuffer,
    pagebuf.PageFile,
    pagebuf.BytesIO,
    pagebuf.ByteQueue,
    pagebuf.PagePool,
    pagebuf.Delta,
    aio.QueueReader,
    aio.QueueWriter,
    aio.QueueProtocol,
)
RECORDS: tuple[Any, ...] = (
    pagebuf.PoolStats,
    pagebuf.BufferStats,
    pagebuf.Usage,
    pagebuf.Region,
    pagebuf.Walk,
    pagebuf.WalkStep,
)
INHERITED = {"detach", "fileno", "isatty"}  # of io, where each raises or says False
OF_TRANSPORTS = {
    "connection_lost",
    "connection_made",
    "data_received",
    "eof_received",
    "pause_writing",
    "resume_writing",
}


def public(thing: Any) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_every_public_name_is_on_the_page() -> None:
    words = set(re.findall(r"\w+", PAGE.read_text("utf-8")))
    names = set(pagebuf.__all__) | set(aio.__all__) | set(picture.__all__) | set(live.__all__)
    names = names.union(*map(public, TYPES)) - INHERITED - OF_TRANSPORTS
    names |= public(pagebuf.PageBuffer) | public(live.Listener)
    names = names.union(*(made.__match_args__ for made in RECORDS))
    assert sorted(names - words) == []


def test_dir_shows_the_public_names() -> None:
    assert public(pagebuf) == set(pagebuf.__all__)
