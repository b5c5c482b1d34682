"""The protocol of a connection: the transport fills the pages of its queue, where much comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pagebuf._core import ByteQueue
from pagebuf.aio.bounds import LIMIT
from pagebuf.aio.flow import Flow
from pagebuf.aio.landing import LITTLE, SIZE, landing_of
from pagebuf.aio.reader import QueueReader
from pagebuf.aio.writer import QueueWriter

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Client = Callable[[QueueReader, QueueWriter], Awaitable[None] | None]
"""What a server calls for each connection: a coroutine function, or a plain one."""


class QueueProtocol(Flow, asyncio.BufferedProtocol):
    """What `asyncio.StreamReaderProtocol` does: bytes arrive in the pages of a queue.

    Sockets and TLS fill the pages themselves.  What is little lands beside them, and pipes of
    asyncio hand bytes over; these bytes are copied.

    Args:
        stream_reader: a `QueueReader`, or a queue to make one of; by default a new one.
        client_connected_cb: called with a reader and a writer once there is a connection, which
            makes this the side of the server.
        loop: the loop it works in; by default the running one.
        limit: of the reader, where one is made.

    >>> import asyncio
    >>> async def main():
    ...     protocol = QueueProtocol(ByteQueue(max_bytes=1 << 20, overflow="raise"))
    ...     view = protocol.get_buffer(-1)
    ...     view[:5] = b"hello"
    ...     protocol.buffer_updated(5)
    ...     return protocol.queue.get()
    >>> asyncio.run(main())
    b'hello'
    """

    _source_traceback = None
    _much = False
    """Whether the last read filled the memory that it was offered."""

    def __init__(
        self,
        stream_reader: QueueReader | ByteQueue | None = None,
        client_connected_cb: Client | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        limit: float | None = LIMIT,
    ) -> None:
        super().__init__(asyncio.get_event_loop() if loop is None else loop)
        if stream_reader is None or isinstance(stream_reader, ByteQueue):
            stream_reader = QueueReader(limit, self._loop, queue=stream_reader)
        if not hasattr(stream_reader, "queue"):
            kind = type(stream_reader).__name__
            raise TypeError(f"stream_reader must be a QueueReader or a ByteQueue, not {kind}")
        self._stream_reader = stream_reader
        self._landing = landing_of(self._loop, stream_reader.queue)
        self._landed: memoryview | None = None
        self._source_traceback = stream_reader._source_traceback
        self._client_connected_cb = client_connected_cb
        self._transport: asyncio.BaseTransport | None = None
        self._over_ssl = False
        self._task: asyncio.Task[None] | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def queue(self) -> ByteQueue:
        """Where the bytes go."""
        return self._stream_reader.queue

    @property
    def reader(self) -> QueueReader:
        """Who reads them."""
        return self._stream_reader

    # ---- what the transport calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the transport, once."""
        self._transport = transport
        self._stream_reader.set_transport(transport)
        self._over_ssl = transport.get_extra_info("sslcontext") is not None
        if self._client_connected_cb is not None:
            self._serve(transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Memory of the loop while little comes, or of the queue's own pages."""
        reader = self._stream_reader
        if self._landing is not None and not self._much and reader._needed <= SIZE:
            memory = self._landing
            if reader._bound is not None:
                memory = memory[: reader._room()]
            if memory:
                self._landed = memory
                return memory
        self._landed = None  # TLS may have asked before, and found nothing to say
        try:
            return reader.queue.get_buffer()
        except MemoryError as exc:
            reader.set_exception(exc)  # else uvloop only tells that a call failed
            raise

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes arrived there."""
        reader, memory = self._stream_reader, self._landed
        if memory is None:
            reader.queue.buffer_updated(nbytes)
            self._much = nbytes > LITTLE
        else:
            self._landed = None
            self._much = nbytes == len(memory)
            try:
                reader.queue.put(memory[:nbytes], timeout=0)
            except MemoryError as exc:
                reader.set_exception(exc)
                raise
        reader._arrived()

    def data_received(self, data: ReadableBuffer) -> None:
        """Bytes arrived, from a transport that reads into memory of its own."""
        self._stream_reader.feed_data(data)

    def eof_received(self) -> bool:
        """The peer sends no more; over anything but TLS we still may."""
        self._stream_reader.feed_eof()
        return not self._over_ssl

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport, once."""
        if exc is None:
            self._stream_reader.feed_eof()
        elif self._stream_reader.exception() is None:
            self._stream_reader.set_exception(exc)
        if not self._closed.done():
            if exc is None:
                self._closed.set_result(None)
            else:
                self._closed.set_exception(exc)
        self._lose(exc)
        self._transport = self._task = None

    # ---- a connection of a server ----

    def _serve(self, transport: asyncio.BaseTransport) -> None:
        assert self._client_connected_cb is not None
        writer = QueueWriter(transport, self, self._stream_reader, self._loop)  # type: ignore[arg-type]
        result: Any = self._client_connected_cb(self._stream_reader, writer)
        if not asyncio.iscoroutine(result):
            return

        def done(task: asyncio.Task[None]) -> None:
            exc = None if task.cancelled() else task.exception()
            if exc is not None:
                text = "Unhandled exception in client_connected_cb"
                context = {"message": text, "exception": exc, "transport": transport}
                self._loop.call_exception_handler(context)
            if task.cancelled() or exc is not None:
                transport.close()

        self._task = self._loop.create_task(result)
        self._task.add_done_callback(done)

    # ---- what asyncio's writer asks of its protocol ----

    def _replace_transport(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._over_ssl = transport.get_extra_info("sslcontext") is not None
        self._stream_reader._replace_transport(transport)

    def _replace_writer(self, writer: asyncio.StreamWriter) -> None:
        self._replace_transport(writer.transport)  # 3.11 and 3.12

    def _get_close_waiter(self, _stream: asyncio.StreamWriter) -> asyncio.Future[None]:
        return self._closed

    def __del__(self) -> None:
        closed = getattr(self, "_closed", None)
        if closed is not None and closed.done() and not closed.cancelled():
            closed.exception()  # so that asyncio does not warn that nobody retrieved it
