"""Servers and connections that close themselves after the test."""

from __future__ import annotations

import asyncio
import contextlib

from pagebuf import aio


@contextlib.asynccontextmanager
async def served(client, server_options=None, **options):
    """A server that calls `client`, and a connection to it."""
    server = await aio.start_server(client, "127.0.0.1", 0, **(server_options or {}))
    address = server.sockets[0].getsockname()
    reader, writer = await aio.open_connection(*address, **options)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        server.close()
        await asyncio.sleep(0.01)  # let both sides learn of an aborted connection


def sender(*pieces):
    """A server's callback: it sends these pieces, waits for the end of the stream, and closes."""

    async def client(reader, writer):
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            await reader.read()
        writer.close()

    return client


async def fill(reader, size):
    """Wait until the reader holds `size` bytes, and a while longer.  Returns how many it holds."""
    while len(reader.queue) < size:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    return len(reader.queue)
