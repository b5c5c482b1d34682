"""Streams: `pagebuf.aio` beside asyncio's, `pagebuf.pipe` beside a pipe of the system; separators,
and `send_to` a pipe."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from threading import Thread
from typing import Any

import pagebuf
from benchmarks.cases import Case
from benchmarks.races import Entry, Race, RaceSection, Work, ours
from benchmarks.workloads import KIB, MIB, size_name
from pagebuf import aio

# ---- aio -----------------------------------------------------------------------------------------

Lib = Any
Main = Callable[[Lib], Coroutine[Any, Any, Any]]


def _both(main: Main) -> list[Entry]:
    """Entries that run the same coroutine with either module."""

    def setup(lib: Lib) -> Work:
        del (bytearray(32 * MIB))[:]  # from now on malloc keeps large blocks, as in a long run
        return lambda: asyncio.run(main(lib))

    return [Entry("asyncio", lambda: setup(asyncio)), ours(lambda: setup(aio))]


async def _served(
    lib: Lib, client: Any, use: Callable[[Any, Any], Coroutine[Any, Any, Any]]
) -> Any:
    """Start a server, and use a connection to it."""
    server = await lib.start_server(client, "127.0.0.1", 0)
    reader, writer = await lib.open_connection(*server.sockets[0].getsockname())
    try:
        return await use(reader, writer)
    finally:
        writer.close()
        server.close()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)  # the server's side ends, too


class _Sender(asyncio.Protocol):
    """The other side: sends all at once."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def connection_made(self, transport: Any) -> None:
        transport.write(self.data)


class _Sink(asyncio.BufferedProtocol):
    """The other side: reads and forgets."""

    def __init__(self) -> None:
        self.room = bytearray(256 * KIB)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        return self.room

    def buffer_updated(self, nbytes: int) -> None:
        """Forget them."""


async def _beside(lib: Lib, other: Callable[[], Any], use: Any) -> Any:
    """Use a connection whose other side is a bare protocol."""
    server = await asyncio.get_running_loop().create_server(other, "127.0.0.1", 0)
    reader, writer = await lib.open_connection(*server.sockets[0].getsockname())
    try:
        return await use(reader, writer)
    finally:
        writer.transport.abort()
        server.close()
        await asyncio.sleep(0)


def _reading(data: bytes, use: Any) -> Main:
    return lambda lib: _beside(lib, lambda: _Sender(data), use)


LINES = 40_000
BATCH = 2000


def _fed(record: bytes, use: Callable[[Any], Coroutine[Any, Any, Any]]) -> Main:
    """Read what is there.  It came in memory that changes, as what a socket reads does."""

    async def main(lib: Lib) -> Any:
        for _ in range(LINES // BATCH):
            reader = lib.StreamReader()
            reader.feed_data(bytearray(record * BATCH))
            reader.feed_eof()
            seen = await use(reader)
        return seen

    return main


async def _readline(reader: Any) -> int:
    for _ in range(BATCH):
        line = await reader.readline()
    return len(line)


async def _records(reader: Any) -> int:
    for _ in range(BATCH):
        await reader.readexactly(4)
        body = await reader.readexactly(60)
    return len(body)


async def _read(reader: Any) -> int:
    for _ in range(BATCH):
        piece = await reader.read(100)
    return len(piece)


async def _bulk(reader: Any, writer: Any) -> int:  # noqa: ARG001
    left = 8 * MIB
    while left:
        left -= len(await reader.read(64 * KIB))
    return left


async def _drain(reader: Any, writer: Any) -> int:  # noqa: ARG001
    data = bytes(100)
    for _ in range(LINES):
        writer.write(data)
        await writer.drain()
    return len(data)


async def _echo(reader: Any, writer: Any) -> None:
    while data := await reader.read(64 * KIB):
        writer.write(data)
        await writer.drain()
    writer.close()


def _talk(size: int, times: int) -> Main:
    async def use(reader: Any, writer: Any) -> int:
        data = bytes(size)
        for _ in range(times):
            writer.write(data)
            seen = await reader.readexactly(size)
        return len(seen)

    return lambda lib: _served(lib, _echo, use)


class Aio(RaceSection):
    """asyncio's streams and ours: what is there is read, and over sockets of one process."""

    name = "aio"
    title = "Streams: time of one"
    near_one = True
    more = True
    note = "readline, readexactly and read find their bytes there; the rest is over a socket"

    def races(self) -> list[Case]:
        rows: list[tuple[str, int, Main]] = [
            ("readline 64 B", LINES, _fed(b"x" * 63 + b"\n", _readline)),
            ("readexactly 4, 60", LINES, _fed(bytes(64), _records)),
            ("read(100)", LINES, _fed(bytes(100), _read)),
            ("8 MiB by 64 KiB", 128, _reading(bytes(8 * MIB), _bulk)),
            ("write, drain 100 B", LINES, lambda lib: _beside(lib, _Sink, _drain)),
            ("echo 64 KiB", 500, _talk(64 * KIB, 500)),
            ("ping-pong 64 B", 3000, _talk(64, 3000)),
        ]
        return [Race(self, label, calls, _both(main)) for label, calls, main in rows]


# ---- pipes between threads -----------------------------------------------------------------------


def _system_pipe() -> tuple[Any, Any]:
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb"), os.fdopen(writing, "wb")


def _queue_pipe() -> tuple[Any, Any]:
    return pagebuf.pipe(max_bytes=64 * KIB)


def _passing(make: Callable[[], tuple[Any, Any]], size: int, times: int) -> Work:
    """One thread writes pieces, this one reads as many."""
    piece = bytes(size)

    def work() -> int:
        reader, writer = make()

        def write() -> None:
            with writer:
                for _ in range(times):
                    writer.write(piece)

        thread = Thread(target=write)
        thread.start()
        seen = 0
        with reader:
            while data := reader.read(size):
                seen += len(data)
        thread.join()
        return seen

    return work


class Pipes(RaceSection):
    """The two files over one queue, and those over a pipe of the system."""

    name = "pipe"
    title = "A pipe between two threads, 64 KiB of room: time of one piece"
    near_one = True
    more = True

    def races(self) -> list[Case]:
        return [
            self._race(size, times) for size, times in ((64, 50_000), (4096, 5000), (65536, 500))
        ]

    def _race(self, size: int, times: int) -> Case:
        entries = [
            Entry("os.pipe", lambda: _passing(_system_pipe, size, times)),
            ours(lambda: _passing(_queue_pipe, size, times)),
        ]
        return Race(self, size_name(size), times, entries)


# ---- separators ----------------------------------------------------------------------------------

MARKS = (b"\r\n", b"\n\n", b";;", b"::")


def _searching(size: int, *asked: Any) -> Work:
    """Put pieces of 100 bytes without any separator, and ask each time."""
    piece = bytes(100)

    def work() -> int:
        queue = pagebuf.ByteQueue()
        for _ in range(size // 100):
            queue.put(piece)
            for separator in asked:
                queue.readuntil(separator)
        queue.put(b"\r\n")
        return len(queue.readuntil(b"\r\n") or b"")

    return work


class Separators(RaceSection):
    """Several separators, beside one."""

    name = "separators"
    title = "readuntil at each of 100 B that come in: time of one"
    near_one = True
    more = True
    note = "two in turn are two calls, beside one"

    def races(self) -> list[Case]:
        sizes = (100_000, 1_000_000)
        return [*(self._two(n) for n in sizes), *(self._four(n) for n in sizes)]

    def _two(self, size: int) -> Case:
        entries = [
            Entry("one", lambda: _searching(size, MARKS[0])),
            ours(lambda: _searching(size, *MARKS[:2])),
        ]
        return Race(self, f"two in turn, {size // 1000} kB", size // 100, entries)

    def _four(self, size: int) -> Case:
        entries = [
            Entry("one", lambda: _searching(size, MARKS[0])),
            ours(lambda: _searching(size, MARKS)),
        ]
        return Race(self, f"tuple of four, {size // 1000} kB", size // 100, entries)


# ---- send_to a pipe ------------------------------------------------------------------------------


class _Drained:
    """A pipe that a thread empties."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.thread = Thread(target=self._drain)
        self.thread.start()

    def _drain(self) -> None:
        while os.read(self.reading, MIB):
            pass

    def close(self) -> None:
        os.close(self.writing)
        self.thread.join()
        os.close(self.reading)


def _sending(send: Callable[[pagebuf.ByteQueue, int], Any]) -> Work:
    queue = pagebuf.ByteQueue()
    for _ in range(256):
        queue.put(bytearray(64 * KIB))

    def work() -> int:
        pipe = _Drained()
        while len(queue):
            send(queue, pipe.writing)
        pipe.close()
        return queue.total_out

    return work


def _writev(queue: pagebuf.ByteQueue, fd: int) -> None:
    queue.consume(os.writev(fd, queue.views(most=16)))


class Sending(RaceSection):
    """16 MiB to a blocking pipe."""

    name = "send-pipe"
    title = "16 MiB to a blocking pipe: time of 64 KiB"
    near_one = True
    more = True

    def races(self) -> list[Case]:
        entries = [
            Entry("os.writev of views", lambda: _sending(_writev)),
            ours(lambda: _sending(lambda queue, fd: queue.send_to(fd))),
        ]
        return [Race(self, "16 MiB", 256, entries)]


SECTIONS = (Aio, Pipes, Separators, Sending)
