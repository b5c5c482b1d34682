"""pagebuf.aio over loopback, with and without TLS: echo, back-pressure, ends of streams."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import pytest

from pagebuf import ByteQueue, aio
from tests.support import pattern


def run(main):
    async def bounded():
        await asyncio.wait_for(main, 20)

    asyncio.run(bounded())


@contextlib.asynccontextmanager
async def connected(client, contexts=({}, {}), **options):
    """A server that runs `client`, and a connection to it."""
    done = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        try:
            await client(reader, writer)
        finally:
            writer.close()
            if not done.done():
                done.set_result(None)

    server = await aio.start_server(serve, "127.0.0.1", 0, **contexts[0])
    address = server.sockets[0].getsockname()
    reader, writer = await aio.open_connection(*address, **contexts[1], **options)
    yield reader, writer
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    await done
    server.close()
    await server.wait_closed()


async def echo(reader, writer):
    while data := await reader.read(100_000):
        writer.write(data)
        await writer.drain()


async def write_until_refused(writer):
    for _ in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("size", [1, 1000, 3_000_000])
def test_echo(contexts, size):
    async def main():
        data = pattern(0, size)
        async with connected(echo, contexts) as (reader, writer):

            async def send():
                for at in range(0, size, 65_521):
                    writer.write(data[at : at + 65_521])
                    await writer.drain()

            sending = asyncio.create_task(send())
            assert await reader.readexactly(size) == data
            await sending
            reader.queue.check()
            assert reader.queue.total_in == reader.queue.total_out == size

    run(main())


def test_lines(contexts):
    async def main():
        async with connected(echo, contexts) as (reader, writer):
            writer.writelines([b"one\r\ntw", b"o\r", b"\nthree\nfour"])
            assert await reader.readuntil(b"\r\n") == b"one\r\n"
            assert await reader.readuntil(b"\r\n") == b"two\r\n"
            assert await reader.readline() == b"three\n"
            assert await reader.readexactly(2) == b"fo"
            assert await reader.read(100) == b"ur"
            assert await reader.read(0) == b""

    run(main())


def test_end_of_stream(contexts):
    async def client(reader, writer):
        writer.write(b"line\nrest")

    async def main():
        async with connected(client, contexts) as (reader, _):
            assert [line async for line in reader] == [b"line\n", b"rest"]
            assert reader.at_eof()
            assert await reader.readline() == await reader.read() == await reader.read(5) == b""
        async with connected(client, contexts) as (reader, _):
            with pytest.raises(asyncio.IncompleteReadError) as info:
                await reader.readexactly(100)
            assert (info.value.partial, info.value.expected) == (b"line\nrest", 100)
        async with connected(client, contexts) as (reader, _):
            with pytest.raises(asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n")
        async with connected(client, contexts) as (reader, _):
            assert await reader.read() == b"line\nrest"

    run(main())


def test_write_eof_leaves_the_other_direction_open():
    async def client(reader, writer):
        writer.write((await reader.read()).upper())

    async def main():
        async with connected(client) as (reader, writer):
            writer.write(b"question")
            writer.write_eof()
            assert await reader.read() == b"QUESTION"

    run(main())


def test_without_a_limit_a_line_comes_in_whole(contexts):
    async def client(reader, writer):
        writer.write(b"x" * 2_000_000 + b"\n")

    async def main():
        async with connected(client, contexts, limit=None) as (reader, _):
            line = await reader.readline()
            assert len(line) == 2_000_001

    run(main())


def test_a_line_longer_than_the_limit_is_refused(contexts):
    async def client(reader, writer):
        writer.write(b"x" * 2_000 + b"\nshort\n")

    async def main():
        async with connected(client, contexts, limit=1000) as (reader, _):
            with pytest.raises(ValueError, match="longer than limit"):
                await reader.readline()
            assert await reader.readline() == b"short\n"

    run(main())


def test_reading_pauses_and_goes_on(contexts):
    """A peer sends without end.  While the caller reads nothing, the transport stops reading."""
    sent = 0

    async def client(reader, writer):
        nonlocal sent
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while sent < 64_000_000:
                writer.write(pattern(sent, 100_000))
                sent += 100_000
                await writer.drain()

    async def main():
        async with connected(client, contexts, limit=100_000) as (reader, writer):
            at = 0
            for _ in range(5):
                while writer.transport.is_reading():  # it soon stops
                    await asyncio.sleep(0.001)
                waiting = len(reader.queue)
                assert waiting < 2_000_000, "one buffer or so above the limit"
                await asyncio.sleep(0.03)
                assert len(reader.queue) == waiting, "reading is paused"
                data = await reader.readexactly(waiting + 1)
                assert data == pattern(at, len(data))
                at += len(data)
            assert sent < 64_000_000
            writer.transport.abort()

    run(main())


def test_drain_waits_for_the_peer():
    release = asyncio.Event()

    async def client(reader, writer):
        await release.wait()
        await reader.read()

    async def main():
        async with connected(client) as (_, writer):
            writer.write(bytes(20_000_000))
            draining = asyncio.create_task(writer.drain())
            await asyncio.sleep(0.05)
            assert not draining.done()
            release.set()
            await draining

    run(main())


def test_write_queue():
    async def main():
        queue = ByteQueue()
        queue.put(pattern(0, 300_000))
        async with connected(echo) as (reader, writer):
            writer.write_queue(queue)
            assert len(queue) == 0
            queue.put(b"\xff" * 300_000)
            assert await reader.readexactly(300_000) == pattern(0, 300_000)

    run(main())


def test_connection_lost_while_waiting():
    async def client(reader, writer):
        await reader.read(1)
        writer.transport.abort()

    async def main():
        async with connected(client) as (reader, writer):
            writer.write(b"xx")
            with contextlib.suppress(ConnectionError):
                assert await reader.read(1) == b""
            with pytest.raises(ConnectionError):
                await write_until_refused(writer)

    run(main())


def test_one_reader_at_a_time():
    async def client(reader, writer):
        await reader.read()

    async def main():
        async with connected(client) as (reader, _):
            first = asyncio.create_task(reader.read(1))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError):
                await reader.read(1)
            first.cancel()

    run(main())


def test_an_error_of_the_client_is_reported():
    reports = []

    async def client(reader, writer):
        raise ZeroDivisionError("on purpose")

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
        async with connected(client) as (reader, _):
            assert await reader.read() == b""

    run(main())
    assert isinstance(reports[0]["exception"], ZeroDivisionError)


def test_limit_must_be_positive():
    async def main():
        with pytest.raises(ValueError):
            aio.QueueProtocol(limit=0)
        queue = ByteQueue()
        assert aio.QueueProtocol(queue).queue is queue

    run(main())
