"""start_tls: TLS on a connection that is already open."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from pagebuf import aio
from tests.aio.certificates import tls_contexts
from tests.aio.talk import served


@pytest.fixture
def tls(certificate):
    return tls_contexts(certificate)


def test_both_sides_go_on_over_tls(run, tls):
    async def client(reader, writer):
        writer.write(await reader.readline())
        await writer.start_tls(tls[0])
        assert reader._transport is writer.transport
        writer.write(await reader.readexactly(300_000))
        await writer.drain()
        writer.close()

    async def main():
        async with served(client) as (reader, writer):
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"STARTTLS\n"
            assert writer.get_extra_info("sslcontext") is None
            await writer.start_tls(tls[1], server_hostname="127.0.0.1")
            assert writer.get_extra_info("sslcontext") is tls[1]
            writer.write(b"x" * 300_000)
            assert await reader.readexactly(300_000) == b"x" * 300_000
            assert await reader.read() == b""

    run(main())


def test_what_comes_behind_the_last_plain_line_begins_the_handshake(run, tls):
    """A proxy's line and a ClientHello arrive in one segment.  asyncio's own streams hang on
    this."""

    async def client(reader, writer):
        assert await reader.readline() == b"PROXY\n"
        while not reader.queue:
            await asyncio.sleep(0.001)
        await writer.start_tls(tls[0])
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def main():
        server = await aio.start_server(client, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tunnel = tls[1].wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        writer.write(b"PROXY\n" + _hello(tunnel, outgoing))
        while not await _shaken(tunnel, reader, writer, incoming, outgoing):
            pass
        tunnel.write(b"secret\n")
        writer.write(outgoing.read())
        while (line := _line(tunnel)) is None:
            incoming.write(await reader.read(10_000))
        assert line == b"SECRET\n"
        writer.close()
        server.close()
        await asyncio.sleep(0.01)

    run(main())


def _hello(tunnel, outgoing):
    with pytest.raises(ssl.SSLWantReadError):
        tunnel.do_handshake()
    return outgoing.read()


async def _shaken(tunnel, reader, writer, incoming, outgoing):
    incoming.write(await reader.read(10_000))
    try:
        tunnel.do_handshake()
    except ssl.SSLWantReadError:
        return False
    finally:
        writer.write(outgoing.read())
    return True


def _line(tunnel):
    try:
        return tunnel.read(100)
    except ssl.SSLWantReadError:
        return None


def test_a_client_refuses_plain_bytes_where_tls_was_to_begin(run, tls):
    async def client(reader, writer):
        writer.write(b"ready\n250 injected\n")
        await reader.read()
        writer.close()

    async def main():
        async with served(client) as (reader, writer):
            assert await reader.readline() == b"ready\n"
            with pytest.raises(ConnectionAbortedError, match="13 bytes"):
                await writer.start_tls(tls[1], server_hostname="127.0.0.1")
            assert writer.is_closing()

    run(main())


def test_a_wrong_context_leaves_the_connection_as_it_was(run):
    async def client(reader, writer):
        writer.write(await reader.readline() + b"more\n")
        await reader.read()
        writer.close()

    async def main():
        async with served(client) as (reader, writer):
            with pytest.raises(TypeError):
                await writer.start_tls("context")
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            assert await reader.readline() == b"more\n"

    run(main())
