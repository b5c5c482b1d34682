"""Limits on unread bytes: when reading pauses, and which errors are raised."""

from __future__ import annotations

import asyncio
import math
import os
import tracemalloc

import pytest

from pagebuf import ByteQueue, CapacityError, PagePool, PoolLimitError, aio
from tests.aio.talk import fill, sender, served
from tests.helpers import PAGE
from tests.support import pattern

KIB = 1024
ONE_READ = 256 * KIB


def test_a_plain_function_is_a_callback(run):
    async def main():
        called = asyncio.get_running_loop().create_future()

        def client(reader, writer):
            called.set_result((reader, writer))

        async with served(client) as (_, writer):
            writer.write(b"hello\n")
            reader, answering = await called
            assert await reader.readline() == b"hello\n"
            answering.close()

    run(main())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"limit": 0}, ValueError),
        ({"limit": -1}, ValueError),
        ({"limit": math.nan}, ValueError),
        ({"limit": "x"}, TypeError),
        ({"pool": "x"}, TypeError),
        ({"max_bytes": -1}, ValueError),
        ({"max_bytes": "x"}, TypeError),
    ],
)
def test_wrong_arguments_are_refused_when_the_server_starts(run, options, error):
    async def main():
        with pytest.raises(error):
            await aio.start_server(sender(), "127.0.0.1", 0, **options)
        with pytest.raises(error):
            await aio.start_unix_server(sender(), "/nowhere", **options)
        with pytest.raises(error):
            await aio.open_connection("127.0.0.1", 1, **options)

    run(main())


def test_what_can_not_be_called_is_refused_when_the_server_starts(run):
    async def main():
        with pytest.raises(TypeError, match="client_connected_cb"):
            await aio.start_server(None, "127.0.0.1", 0)

    run(main())


def test_bytes_are_there_after_an_overrun(run):
    async def main():
        async with served(sender(b"x" * 150 + b"\r\nrest\r\n"), limit=100) as (reader, _):
            for _ in range(2):
                with pytest.raises(asyncio.LimitOverrunError, match="is found") as info:
                    await reader.readuntil(b"\r\n")
                assert info.value.consumed == 150
            assert await reader.readexactly(152) == b"x" * 150 + b"\r\n"
            assert await reader.readuntil(b"\r\n") == b"rest\r\n"
            reader.queue.check()

    run(main())


def test_a_peer_without_newlines_fills_no_memory(run):
    """Reading pauses at twice the limit.  At most one more read arrives after that."""
    limit = 16 * KIB

    async def main():
        async with served(sender(bytes(8_000_000)), limit=limit) as (reader, _):
            held = await fill(reader, 2 * limit)
            assert held <= 2 * limit + ONE_READ
            with pytest.raises(ValueError, match="not found"):
                await reader.readline()
            assert len(reader.queue) == 0

    run(main())


def test_without_a_limit_reading_pauses_while_nobody_reads(run):
    async def main():
        async with served(sender(bytes(8_000_000) + b"\n"), limit=None) as (reader, _):
            assert await fill(reader, 128 * KIB) <= 128 * KIB + ONE_READ
            assert len(await reader.readline()) == 8_000_001

    run(main())


def test_a_limit_that_is_set_later_counts(run):
    async def main():
        async with served(sender(b"x" * 200 + b"\n"), limit=100) as (reader, _):
            with pytest.raises(asyncio.LimitOverrunError):
                await reader.readuntil()
            reader._limit = 1000
            assert len(await reader.readuntil()) == 201

    run(main())


def test_connections_share_the_budget_of_a_pool(run):
    async def main():
        pool = PagePool(limit=1 << 20)
        async with served(sender(bytes(4_000_000)), limit=1 << 22, pool=pool) as (reader, _):
            assert reader.queue.pool is pool
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            with pytest.raises(PoolLimitError):
                await reader.readexactly(4_000_000)

    run(main())


@pytest.mark.parametrize("max_bytes", [1000, 64 * KIB, 300 * KIB])
def test_a_bounded_queue_stops_the_peer(run, contexts, max_bytes):
    data = pattern(0, 3_000_000)

    async def main():
        options = {"max_bytes": max_bytes, **contexts[1]}
        async with served(sender(data), contexts[0], **options) as (reader, _):
            assert await fill(reader, max_bytes // 2) <= max_bytes
            got = bytearray()
            while len(got) < len(data) and (piece := await reader.read(100_000)):
                got += piece
                assert len(reader.queue) <= max_bytes
            assert got == data

    run(main())


@pytest.mark.parametrize("overflow", ["raise", "block"])
def test_a_protocol_of_a_bounded_queue(run, overflow):
    data = pattern(0, 1_000_000)

    async def main():
        server = await aio.start_server(sender(data), "127.0.0.1", 0)
        queue = ByteQueue(max_bytes=65536, overflow=overflow)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(
            lambda: aio.QueueProtocol(queue), *server.sockets[0].getsockname()
        )
        assert await fill(protocol.reader, 32768) <= 65536
        assert await protocol.reader.readexactly(65536) == data[:65536]
        transport.abort()
        server.close()
        await asyncio.sleep(0.01)

    run(main())


@pytest.mark.parametrize("overflow", ["raise", "block"])
@pytest.mark.parametrize("max_bytes", [1000, 64 * KIB])
def test_a_bounded_queue_at_a_pipe(run, max_bytes, overflow):
    """A pipe delivers more bytes than the queue has room for.  The rest waits outside the queue."""
    data = pattern(0, 200_000)

    async def main():
        loop = asyncio.get_running_loop()
        out, into = os.pipe()
        queue = ByteQueue(max_bytes=max_bytes, overflow=overflow)
        protocol = aio.QueueProtocol(queue)
        transport, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(out, "rb", 0))

        def write():
            with os.fdopen(into, "wb") as file:
                file.write(data)

        writing = loop.run_in_executor(None, write)
        got = bytearray()
        while piece := await protocol.reader.readexactly(min(700, len(data) - len(got))):
            got += piece
            assert len(queue) <= max_bytes
        assert got == data
        assert await protocol.reader.read() == b""
        await writing
        transport.close()

    run(main())


def test_what_can_never_be_filled_raises_at_once(run):
    async def main():
        async with served(sender(bytes(100_000)), max_bytes=1000) as (reader, _):
            with pytest.raises(asyncio.LimitOverrunError, match="max_bytes is 1000"):
                await reader.readexactly(1001)
            with pytest.raises(asyncio.LimitOverrunError, match="max_bytes"):
                await reader.readuntil(b"\n")
            with pytest.raises(asyncio.LimitOverrunError, match="max_bytes"):
                await reader.readuntil((b"\n", b"\r\n"))
            assert len(await reader.readexactly(1000)) == 1000
            with pytest.raises(ValueError, match="max_bytes"):
                await reader.readline()

    run(main())


def test_memory_that_was_asked_for_in_vain(run):
    """Few bytes and many come to lie in different places; the last one asked for counts."""

    async def main():
        protocol = aio.QueueProtocol()
        protocol.connection_made(Transport())
        protocol.get_buffer(-1)[:5] = b"never"
        task = asyncio.ensure_future(protocol.reader.readexactly(100_000))
        await asyncio.sleep(0)  # now it waits for more than lands beside the queue
        sent = bytes(range(256)) * 400
        while sent:
            memory = protocol.get_buffer(-1)
            n = min(len(memory), len(sent))
            memory[:n] = sent[:n]
            protocol.buffer_updated(n)
            sent = sent[n:]
        assert await task == (bytes(range(256)) * 400)[:100_000]
        for piece in (b"few", b"m" * 16384, b"many" * 2000, b"few", b"few"):
            memory = protocol.get_buffer(-1)
            memory[: len(piece)] = piece
            protocol.buffer_updated(len(piece))
        assert protocol.queue.get().endswith(b"few" + b"m" * 16384 + b"many" * 2000 + b"fewfew")
        protocol.queue.check()

    run(main())


@pytest.mark.parametrize("overflow", ["raise", "block"])
def test_no_more_is_offered_than_there_is_room_for(run, overflow):
    async def main():
        protocol = aio.QueueProtocol(ByteQueue(max_bytes=100, overflow=overflow))
        for n in (60, 30, 10):
            memory = protocol.get_buffer(-1)
            assert len(memory) == 100 - len(protocol.queue)
            memory[:n] = b"x" * n
            protocol.buffer_updated(n)
        with pytest.raises(CapacityError):
            protocol.get_buffer(-1)
        assert protocol.queue.get() == b"x" * 100

    run(main())


def test_a_pool_that_is_used_up_ends_the_connection(run):
    async def main():
        pool = PagePool(limit=4 * PAGE, debug=0)
        protocol = aio.QueueProtocol(aio.QueueReader(pool=pool))

        def receive(times):
            for _ in range(times):
                protocol.get_buffer(-1)[:1000] = b"x" * 1000
                protocol.buffer_updated(1000)

        with pytest.raises(MemoryError):
            receive(100)
        assert isinstance(protocol.reader.exception(), MemoryError)
        with pytest.raises(MemoryError):
            await protocol.reader.read(1)

    run(main())


class Transport(asyncio.Transport):
    """Of a connection that does nothing."""


def test_a_connection_with_a_few_unread_bytes_takes_little_memory(run):
    """At most 1 KiB more than one of asyncio: its bytes lie in the queue's object, in no page."""

    async def main():
        pool = PagePool(debug=0)
        transport, arrived = Transport(), b"x" * 99
        sizes = []
        for ours in (False, True):
            kept = []
            for count in (10, 500):  # the first ones pay for what all share
                held, before = pool.stats().held * PAGE, tracemalloc.get_traced_memory()[0]
                for _ in range(count):
                    reader = aio.QueueReader(pool=pool) if ours else asyncio.StreamReader()
                    protocol = (aio.QueueProtocol if ours else asyncio.StreamReaderProtocol)(reader)
                    protocol.connection_made(transport)
                    if ours:
                        protocol.get_buffer(65536)[:99] = arrived
                        protocol.buffer_updated(99)
                        assert len(reader.queue) == 99
                    else:
                        protocol.data_received(bytes(arrived))
                    kept.append((reader, protocol))
                more = tracemalloc.get_traced_memory()[0] - before
                size = (more + pool.stats().held * PAGE - held) / count
            sizes.append(size)
            del kept, reader, protocol
        assert sizes[1] <= sizes[0] + KIB, sizes

    tracemalloc.start()
    try:
        run(main())
    finally:
        tracemalloc.stop()
