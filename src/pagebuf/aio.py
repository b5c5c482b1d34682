r"""asyncio streams over a ByteQueue: bytes arrive in its pages, without a copy in between.

The reader has no limit on the length of a line.  Reading pauses while too many bytes wait that
nobody has looked at; bytes that a reader has looked at while it waits for more do not count, so
that a long line never stops the very bytes it waits for.

>>> import asyncio
>>> from pagebuf import aio
>>> async def shout(reader, writer):
...     while line := await reader.readline():
...         writer.write(line.upper())
...     writer.close()
>>> async def main():
...     server = await aio.start_server(shout, "127.0.0.1", 0)
...     reader, writer = await aio.open_connection(*server.sockets[0].getsockname())
...     writer.write(b"hello\n")
...     print(await reader.readline())
...     writer.close()
...     await writer.wait_closed()
...     server.close()
>>> asyncio.run(main())
b'HELLO\n'
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from pagebuf._core import ByteQueue

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["QueueProtocol", "QueueReader", "QueueWriter", "open_connection", "start_server"]

LIMIT = 1 << 18
"""Bytes not yet looked at, from which on reading pauses."""


class QueueProtocol(asyncio.BufferedProtocol):
    """An `asyncio.BufferedProtocol` whose buffer is a `ByteQueue`.

    Args:
        queue: where the bytes go; by default a new one.
        limit: reading pauses while more bytes than this wait that nobody has looked at, and goes
            on at half of it.

    >>> protocol = QueueProtocol()
    >>> view = protocol.get_buffer(-1)
    >>> view[:5] = b"hello"
    >>> protocol.buffer_updated(5)
    >>> protocol.queue.get()
    b'hello'
    """

    def __init__(self, queue: ByteQueue | None = None, *, limit: int = LIMIT) -> None:
        if limit <= 0:
            raise ValueError(f"limit must be positive, not {limit}")
        self.queue = ByteQueue() if queue is None else queue
        self._limit = limit
        self._examined = self.queue.total_out  # a position in the stream
        self._transport: asyncio.Transport | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._eof = False
        self._error: BaseException | None = None
        self._lost = False
        self._reader: asyncio.Future[None] | None = None
        self._writers: set[asyncio.Future[None]] = set()
        self._closed: asyncio.Future[None] | None = None

    # ---- what the transport calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the transport."""
        self._transport = transport  # type: ignore[assignment]
        self._closed = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> memoryview:
        """At least 16 KiB of the queue's own memory."""
        return self.queue.get_buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes arrived."""
        self.queue.buffer_updated(nbytes)
        self._wake_reader()
        self._balance()

    def eof_received(self) -> bool:
        """The peer sends no more; over plain TCP we still may."""
        self._eof = True
        self._wake_reader()
        return self._transport is not None and not self._transport.get_extra_info("sslcontext")

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport, once."""
        self._eof = self._lost = True
        self._error = exc
        self._wake_reader()
        for waiter in self._writers:
            if not waiter.done():
                waiter.set_result(None)
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        self._transport = None

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The transport takes more."""
        self._writing_paused = False
        for waiter in self._writers:
            if not waiter.done():
                waiter.set_result(None)

    # ---- back-pressure: what nobody has looked at counts ----

    def examined(self, upto: int | None = None) -> None:
        """Someone has looked at what is in the queue, whether or not it was taken.

        ``upto`` is a position in the stream, as ``total_in`` counts; by default the end.
        """
        self._examined = max(self._examined, self.queue.total_in if upto is None else upto)
        self._balance()

    def _balance(self) -> None:
        waiting = self.queue.total_in - max(self._examined, self._front())
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not self._reading_paused and waiting > self._limit:
            transport.pause_reading()
            self._reading_paused = True
        elif self._reading_paused and waiting <= self._limit // 2:
            self._reading_paused = False
            transport.resume_reading()

    def _front(self) -> int:
        return self.queue.total_in - len(self.queue)

    # ---- what readers and writers wait for ----

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def more(self) -> bool:
        """Wait until bytes arrive; False at the end of the stream.

        What is in the queue counts as looked at.  One waits at a time.
        """
        if self._eof:
            if self._error is not None:
                raise self._error
            return False
        if self._reader is not None:
            raise RuntimeError("another coroutine is already waiting for bytes")
        self._reader = asyncio.get_running_loop().create_future()
        self.examined()
        before = self.queue.total_in
        try:
            await self._reader
        finally:
            self._reader = None
        return self.queue.total_in > before or await self.more()

    async def drained(self) -> None:
        """Wait until the transport takes more."""
        if self._error is not None:
            raise self._error
        if self._lost:
            raise ConnectionResetError("Connection lost")
        if not self._writing_paused:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._writers.add(waiter)
        try:
            await waiter
        finally:
            self._writers.discard(waiter)
        if self._lost:
            raise self._error or ConnectionResetError("Connection lost")

    async def closed(self) -> None:
        """Wait until the connection is lost."""
        if self._closed is not None:
            await asyncio.shield(self._closed)
        if self._error is not None:
            raise self._error


class QueueReader:
    """The reading half of a connection: what `asyncio.StreamReader` does, over a `ByteQueue`.

    What came before the end of the stream, and was not what was asked for, stays to be read.
    """

    def __init__(self, protocol: QueueProtocol) -> None:
        self._protocol = protocol
        self._queue = protocol.queue

    @property
    def queue(self) -> ByteQueue:
        """The queue itself, for a look ahead: ``peek``, ``views``, ``consume``."""
        return self._queue

    def at_eof(self) -> bool:
        """Whether the stream has ended and everything was read."""
        return self._protocol._eof and not self._queue

    def _taken(self, data: bytes) -> bytes:
        self._protocol._balance()
        return data

    async def read(self, n: int = -1) -> bytes:
        """At most ``n`` bytes, as soon as there are any; all up to the end when negative.

        b'' at the end of the stream.
        """
        if n < 0:
            while await self._protocol.more():
                pass
        elif n and not self._queue:
            await self._protocol.more()
        return self._taken(self._queue.get(n))

    async def readexactly(self, n: int) -> bytes:
        """Exactly ``n`` bytes; `asyncio.IncompleteReadError` when the stream ends before.

        What there is leaves the queue then, as ``partial`` of the exception.
        """
        while (data := self._queue.readexactly(n)) is None:
            if not await self._protocol.more():
                raise asyncio.IncompleteReadError(self._taken(self._queue.get()), n)
        return self._taken(data)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """Up to and including ``separator``; each byte is searched once, of any length.

        `asyncio.IncompleteReadError` when the stream ends before, as of ``readexactly``.
        """
        while (data := self._queue.readuntil(separator)) is None:
            if not await self._protocol.more():
                raise asyncio.IncompleteReadError(self._taken(self._queue.get()), None)
        return self._taken(data)

    async def readline(self) -> bytes:
        """A line with its end; the last one may have none; b'' at the end of the stream."""
        while (data := self._queue.readline()) is None:
            if not await self._protocol.more():
                return self._taken(self._queue.get())
        return self._taken(data)

    def __aiter__(self) -> QueueReader:
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line


class QueueWriter:
    """The writing half of a connection: what `asyncio.StreamWriter` does."""

    def __init__(self, transport: asyncio.Transport, protocol: QueueProtocol) -> None:
        self._transport = transport
        self._protocol = protocol

    @property
    def transport(self) -> asyncio.Transport:
        """What the bytes are handed to."""
        return self._transport

    def write(self, data: ReadableBuffer) -> None:
        """Hand bytes to the transport."""
        self._transport.write(data)  # type: ignore[arg-type]

    def writelines(self, data: Iterable[ReadableBuffer]) -> None:
        """Hand many pieces to the transport."""
        self._transport.writelines(data)  # type: ignore[arg-type]

    def write_queue(self, queue: ByteQueue) -> None:
        """Hand everything in a queue to the transport, by views: without joining it first."""
        views = queue.views()
        self._transport.writelines(views)
        queue.consume(sum(map(len, views)))

    async def drain(self) -> None:
        """Wait until the transport takes more; call it after each write."""
        if self._transport.is_closing():
            await asyncio.sleep(0)  # connection_lost() may be about to be called
        await self._protocol.drained()

    def can_write_eof(self) -> bool:
        """Whether `write_eof` is supported: not over TLS."""
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        """Say that no more will be written."""
        self._transport.write_eof()

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close the connection once everything written is sent."""
        self._transport.close()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed."""
        await self._protocol.closed()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport knows: ``peername``, ``ssl_object`` and so on."""
        return self._transport.get_extra_info(name, default)


Client = Callable[[QueueReader, QueueWriter], Awaitable[None]]


class _ServerProtocol(QueueProtocol):
    """Runs a coroutine for the connection it is made for."""

    def __init__(self, client: Client, limit: int) -> None:
        super().__init__(limit=limit)
        self._client = client
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self._transport is not None
        writer = QueueWriter(self._transport, self)
        self._task = asyncio.ensure_future(self._serve(QueueReader(self), writer))
        self._task.add_done_callback(self._served)

    async def _serve(self, reader: QueueReader, writer: QueueWriter) -> None:
        await self._client(reader, writer)

    def _served(self, task: asyncio.Task[None]) -> None:
        transport, self._task = self._transport, None
        if task.cancelled() or (error := task.exception()) is None:
            if task.cancelled() and transport is not None:
                transport.close()
            return
        context = {"message": "Unhandled exception in client", "exception": error}
        task.get_loop().call_exception_handler(context)
        if transport is not None:
            transport.close()


async def open_connection(
    host: str | None = None, port: int | None = None, *, limit: int = LIMIT, **options: Any
) -> tuple[QueueReader, QueueWriter]:
    """As `asyncio.open_connection`; ``options`` go to ``loop.create_connection``."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(
        lambda: QueueProtocol(limit=limit), **{"host": host, "port": port, **options}
    )
    return QueueReader(protocol), QueueWriter(transport, protocol)


async def start_server(
    client_connected: Client,
    host: str | None = None,
    port: int | None = None,
    *,
    limit: int = LIMIT,
    **options: Any,
) -> asyncio.Server:
    """As `asyncio.start_server`; ``options`` go to ``loop.create_server``."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: _ServerProtocol(client_connected, limit), host, port, **options
    )
