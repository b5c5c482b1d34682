"""Connections and servers over TCP and unix sockets: asyncio's four, with readers of queues."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pagebuf._core import ByteQueue
from pagebuf.aio.bounds import LIMIT, checked
from pagebuf.aio.protocol import Client, QueueProtocol
from pagebuf.aio.reader import QueueReader
from pagebuf.aio.writer import QueueWriter

if TYPE_CHECKING:
    from pagebuf.pool import PagePool

Streams = tuple[QueueReader, QueueWriter]
Path = str | bytes | os.PathLike[str] | None


def readers(
    limit: float | None, pool: PagePool | None, max_bytes: int | None
) -> Callable[[asyncio.AbstractEventLoop], QueueReader]:
    """A function that makes readers.  Checks the arguments now, not at the first connection."""

    def queue() -> ByteQueue:
        if max_bytes is None:
            return ByteQueue(pool=pool)
        return ByteQueue(pool=pool, max_bytes=max_bytes, overflow="raise")

    checked(limit)
    if queue().max_bytes == 0:
        raise ValueError("nothing could be received: max_bytes must be at least 1, or None")
    return lambda loop: QueueReader(limit, loop, queue=queue())


def _protocols(client: Client, reader: Callable[..., QueueReader]) -> Callable[[], QueueProtocol]:
    if not callable(client):
        raise TypeError(f"client_connected_cb must be callable, not {type(client).__name__}")
    loop = asyncio.get_running_loop()
    return lambda: QueueProtocol(reader(loop), client, loop)


async def open_connection(
    host: str | None = None,
    port: int | str | None = None,
    *,
    limit: float | None = LIMIT,
    pool: PagePool | None = None,
    max_bytes: int | None = None,
    **kwds: Any,
) -> Streams:
    """As `asyncio.open_connection`; ``kwds`` go to ``loop.create_connection``.

    ``pool`` is whose pages hold what waits, ``max_bytes`` the most that may.
    """
    loop = asyncio.get_running_loop()
    protocol = QueueProtocol(readers(limit, pool, max_bytes)(loop), loop=loop)
    options = {"host": host, "port": port, **kwds}
    transport, _ = await loop.create_connection(lambda: protocol, **options)
    return protocol.reader, QueueWriter(transport, protocol, protocol.reader, loop)


async def start_server(
    client_connected_cb: Client,
    host: Any = None,
    port: int | str | None = None,
    *,
    limit: float | None = LIMIT,
    pool: PagePool | None = None,
    max_bytes: int | None = None,
    **kwds: Any,
) -> asyncio.Server:
    """As `asyncio.start_server`; ``kwds`` go to ``loop.create_server``.

    Each connection has a queue of its own, at most ``max_bytes`` long; all of them take pages
    from ``pool``, whose limit is then that of all.
    """
    factory = _protocols(client_connected_cb, readers(limit, pool, max_bytes))
    options = {"host": host, "port": port, **kwds}
    return await asyncio.get_running_loop().create_server(factory, **options)


async def open_unix_connection(
    path: Path = None,
    *,
    limit: float | None = LIMIT,
    pool: PagePool | None = None,
    max_bytes: int | None = None,
    **kwds: Any,
) -> Streams:
    """As `open_connection`, over a unix socket."""
    loop = asyncio.get_running_loop()
    protocol = QueueProtocol(readers(limit, pool, max_bytes)(loop), loop=loop)
    options = {"path": path, **kwds}
    transport, _ = await loop.create_unix_connection(lambda: protocol, **options)
    return protocol.reader, QueueWriter(transport, protocol, protocol.reader, loop)


async def start_unix_server(
    client_connected_cb: Client,
    path: Path = None,
    *,
    limit: float | None = LIMIT,
    pool: PagePool | None = None,
    max_bytes: int | None = None,
    **kwds: Any,
) -> asyncio.Server:
    """As `start_server`, at a unix socket."""
    factory = _protocols(client_connected_cb, readers(limit, pool, max_bytes))
    options = {"path": path, **kwds}
    return await asyncio.get_running_loop().create_unix_server(factory, **options)
