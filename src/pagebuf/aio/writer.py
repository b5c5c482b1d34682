"""The writing half of a connection, and the step to TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pagebuf._core import ByteQueue
from pagebuf.aio.flow import Flow
from pagebuf.aio.reader import QueueReader

if TYPE_CHECKING:
    import ssl

    from _typeshed import ReadableBuffer


class QueueWriter(asyncio.StreamWriter):
    """What `asyncio.StreamWriter` does, and one by type; it also takes queues."""

    # An attribute of asyncio's own writer, which some programs use.
    _transport: Any
    _protocol: Any
    _reader: asyncio.StreamReader | None
    _loop: asyncio.AbstractEventLoop

    def write(self, data: ReadableBuffer) -> None:
        """Hand bytes to the transport."""
        self._transport.write(data)

    def write_queue(self, queue: ByteQueue) -> None:
        """Hand everything in a queue to the transport, by views: without joining it first."""
        if not isinstance(queue, ByteQueue):
            raise TypeError(f"queue must be a ByteQueue, not {type(queue).__name__}")
        views = queue.views()
        self._transport.writelines(views)
        queue.consume(sum(map(len, views)))

    async def drain(self) -> None:
        """Wait until the transport takes more; call it after each write."""
        if self._reader is not None:
            exc = self._reader.exception()
            if exc is not None:
                raise exc
        if self._transport.is_closing():
            await asyncio.sleep(0)  # connection_lost() may be about to be called
        flow = self._protocol
        if isinstance(flow, Flow) and not flow._paused and not flow._connection_lost:
            return
        await flow._drain_helper()

    async def start_tls(
        self,
        sslcontext: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        """Go on over TLS; the side that accepted the connection is the server.

        Bytes that a client sent right behind its last plain ones are the beginning of its
        handshake.  From a server such bytes are none of TLS, whoever put them there: the
        connection is aborted with `ConnectionAbortedError`.
        """
        server_side = self._protocol._client_connected_cb is not None
        await self.drain()
        upgrade = self._loop.create_task(
            self._loop.start_tls(
                self._transport,
                self._protocol,
                sslcontext,
                server_side=server_side,
                server_hostname=server_hostname,
                ssl_handshake_timeout=ssl_handshake_timeout,
                ssl_shutdown_timeout=ssl_shutdown_timeout,
            )
        )
        try:
            await self._hand_on(upgrade, server_side)
            transport = await upgrade
        finally:
            upgrade.cancel()
        self._transport = transport
        self._protocol._replace_transport(transport)

    async def _hand_on(self, upgrade: asyncio.Task[Any], server_side: bool) -> None:
        """Pass bytes that came too early to TLS, between the loop's two steps of setting it up."""
        await asyncio.sleep(0)
        reader = self._reader
        if upgrade.done() or not isinstance(reader, QueueReader) or not reader._buffer:
            return
        data = bytes(reader._buffer)
        if not server_side:
            self._transport.abort()
            text = f"{len(data)} bytes came in plain text where TLS was to begin"
            raise ConnectionAbortedError(text)
        reader._hold(b"")
        await asyncio.sleep(0)
        _feed(self._transport.get_protocol(), data)


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    while data:
        memory = protocol.get_buffer(len(data))
        n = min(len(memory), len(data))  # type: ignore[arg-type]
        memory[:n] = data[:n]  # type: ignore[index]
        protocol.buffer_updated(n)
        data = data[n:]
