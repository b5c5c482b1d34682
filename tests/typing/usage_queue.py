"""The types that callers of ByteQueue and streams see.  mypy checks this file; it never runs."""

import asyncio
import io
import socket
from array import array
from typing import Literal, assert_type

from pagebuf import BufferStats, ByteQueue, PagePool, aio, pipe


def made_of(pool: PagePool) -> None:
    ByteQueue()
    ByteQueue(pool=pool, max_bytes=1 << 20, overflow="drop_oldest")
    ByteQueue(pool=None, max_bytes=None, overflow="grow")


def moves(queue: ByteQueue, other: ByteQueue) -> None:
    assert_type(queue.put(array("H", [1, 2])), bool)
    assert_type(queue.get(), bytes)
    assert_type(queue.get(None), bytes)
    assert_type(queue.peek(5), bytes)
    assert_type(queue.tail(5), bytes)
    assert_type(queue.find(b"x", 1, None), int)
    assert_type(queue.tobytes(), bytes)
    for line in queue.lines():
        assert_type(line, bytes)
    queue.consume(5)
    queue.clear()
    assert_type(queue.readexactly(5), bytes | None)
    assert_type(queue.readuntil(memoryview(b"\r\n")), bytes | None)
    assert_type(queue.readuntil((b"\r\n", bytearray(b"\n"))), bytes | None)
    assert_type(queue.readline(), bytes | None)
    assert_type(queue.splice_from(other, 5), int)
    assert_type(len(queue), int)


def waits(queue: ByteQueue) -> None:
    assert_type(queue.put(b"x", timeout=1.5), bool)
    assert_type(queue.get(5, timeout=None), bytes)
    assert_type(queue.peek(timeout=1), bytes)
    assert_type(queue.readexactly(5, timeout=None), bytes | None)
    assert_type(queue.readuntil(b"x", timeout=0), bytes | None)
    assert_type(queue.readline(timeout=None), bytes | None)


def streams_into(queue: ByteQueue) -> None:
    assert_type(queue.write(b"x"), int)
    queue.flush()
    queue.close()
    assert_type(queue.closed, bool)
    assert_type(queue.open().read(5), bytes)
    assert_type(queue.open("wb", timeout=5).write(b"x"), int)


def ends() -> None:
    reader, writer = pipe(1 << 16, pool=PagePool(), timeout=None, name="log")
    assert_type(reader.readline(), bytes)
    writer.writelines([b"x", bytearray(b"y")])
    writer.abort(OSError())
    io.TextIOWrapper(reader)
    io.TextIOWrapper(writer)


def is_filled(queue: ByteQueue) -> None:
    assert_type(queue.reserve(10), memoryview)
    queue.commit(5)
    assert_type(queue.get_buffer(-1), memoryview)
    queue.buffer_updated(5)
    assert_type(queue.views(), list[memoryview])


def meets_the_kernel(queue: ByteQueue, sock: socket.socket, fd: int) -> None:
    assert_type(queue.send_to(sock), int)
    assert_type(queue.send_to(fd, 100), int)
    assert_type(queue.recv_from(sock), int)
    assert_type(queue.recv_from(fd, 100), int)


def tells(queue: ByteQueue) -> None:
    assert_type(queue.total_in + queue.total_out + queue.dropped, int)
    assert_type(queue.max_bytes, int | None)
    assert_type(queue.overflow, Literal["grow", "raise", "block", "drop_oldest", "drop_newest"])
    assert_type(queue.pool, PagePool)
    assert_type(queue.stats(), BufferStats)
    queue.check()


async def client(reader: aio.QueueReader, writer: aio.QueueWriter) -> None:
    async for line in reader:
        assert_type(line, bytes)
    assert_type(await reader.readexactly(5), bytes)
    assert_type(await reader.readuntil(b"\r\n"), bytes)
    assert_type(await reader.readuntil((b"\r\n", bytearray(b"\n"))), bytes)
    assert_type(reader.queue, ByteQueue)
    writer.write(bytearray(b"x"))
    await writer.drain()


async def streams() -> None:
    await aio.start_server(client, "127.0.0.1", 0, limit=1 << 16)
    assert_type(await aio.open_connection("127.0.0.1", 80), tuple[aio.QueueReader, aio.QueueWriter])
    await aio.start_server(lambda reader, writer: writer.close(), limit=None, pool=PagePool())
    await aio.start_unix_server(client, "path", max_bytes=1 << 16)
    assert_type(aio.QueueProtocol(ByteQueue()).reader, aio.QueueReader)
    readers: list[asyncio.StreamReader] = [aio.StreamReader()]
    assert_type(readers[0], asyncio.StreamReader)


def rejected(queue: ByteQueue) -> None:
    """Each line is a mistake that the stub must catch."""
    queue.put("text")  # type: ignore[arg-type]
    queue.put(5)  # type: ignore[arg-type]
    ByteQueue(PagePool())  # type: ignore[call-arg]
    ByteQueue(overflow="wrap")  # type: ignore[arg-type]
    queue.splice_from(b"bytes")  # type: ignore[arg-type]
    queue.send_to("path")  # type: ignore[arg-type]
    queue.total_in = 0  # type: ignore[misc]
