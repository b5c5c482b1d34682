"""The state of a reader: its queue, the bytes that did not fit into it, and whether it pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pagebuf._core import ByteQueue
from pagebuf.aio.bounds import LIMIT, bound_of, checked, pause_above, resume_at
from pagebuf.aio.held import Held

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from pagebuf.pool import PagePool


class Store(asyncio.StreamReader):
    """An `asyncio.StreamReader` whose bytes lie in a `ByteQueue`; see `QueueReader`."""

    # Attributes of asyncio's own reader, which some programs use.
    _eof: bool
    _exception: BaseException | None
    _limit: float | None
    _loop: asyncio.AbstractEventLoop
    _paused: bool
    _source_traceback: Any
    _transport: Any
    _waiter: asyncio.Future[None] | None

    _queue: ByteQueue | None = None  # until asyncio's constructor has run
    _aside: bytes | bytearray
    """Bytes that a transport handed over beyond ``max_bytes``; they wait for room in the queue."""
    _needed = 0

    def __init__(
        self,
        limit: float | None = LIMIT,
        loop: asyncio.AbstractEventLoop | None = None,
        *,
        queue: ByteQueue | None = None,
        pool: PagePool | None = None,
    ) -> None:
        if queue is not None and pool is not None:
            raise TypeError("a queue has a pool of its own: give one of the two")
        if queue is not None and not isinstance(queue, ByteQueue):
            raise TypeError(f"queue must be a ByteQueue or None, not {type(queue).__name__}")
        limit = checked(limit)
        super().__init__(LIMIT, loop)
        self._aside = b""
        self._limit = limit
        self.queue = self._queue = ByteQueue(pool=pool) if queue is None else queue
        self._bound = bound_of(self.queue)

    def __repr__(self) -> str:
        return super().__repr__().replace("<StreamReader", f"<{type(self).__name__}", 1)

    @property
    def _buffer(self) -> Held:
        return Held(self)

    @_buffer.setter
    def _buffer(self, data: Any) -> None:
        if self._queue is not None and not isinstance(data, Held):
            self._hold(data)

    def at_eof(self) -> bool:
        """Whether the stream has ended and everything was read."""
        return self._eof and not self.queue and not self._aside

    # ---- in ----

    def feed_data(self, data: ReadableBuffer) -> None:  # type: ignore[override]
        """Put bytes behind what waits, as a protocol does; only from the loop's own thread."""
        assert not self._eof, "feed_data after feed_eof"
        if data:  # type: ignore[truthy-bool]
            self._take_in(data)
            self._arrived()

    def _take_in(self, data: ReadableBuffer) -> None:
        if self._bound is None:
            self.queue.put(data)
            return
        piece = memoryview(data).cast("B")
        room = 0 if self._aside else self._room()
        self.queue.put(piece[:room])
        if room < len(piece):
            self._aside = bytearray(self._aside) + piece[room:]

    def _arrived(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.cancelled():
                waiter.set_result(None)
        if not self._paused and (
            self._bound is not None or len(self.queue) > 2 * (self._limit or LIMIT)
        ):
            self._pause()

    def _room(self) -> int:
        return max((self._bound or 0) - len(self.queue), 0)

    def _refill(self) -> bool:
        """Put the bytes that wait into the queue, as far as they fit.  Returns whether any did."""
        room = self._room()
        if not room:
            return False
        with memoryview(self._aside) as aside:
            self.queue.put(aside[:room])
        self._aside = self._aside[room:]
        return True

    # ---- out, behind the back of the methods that read ----

    def _hold(self, data: ReadableBuffer) -> None:
        """Replace all unread bytes by these."""
        self.queue.clear()
        self._aside = b""
        self._take_in(data)
        self._settle()

    def _drop(self, n: int) -> None:
        from_queue = min(n, len(self.queue))
        self.queue.consume(from_queue)
        self._aside = self._aside[n - from_queue :]
        self._settle()

    def _put_back(self, data: bytes) -> None:
        """Put bytes that were just taken back to the front."""
        self.queue.unget(data)

    def _behind(self, offset: int) -> Iterator[memoryview]:
        """Yield views of all unread bytes from an offset on."""
        for view in self.queue.views():
            if offset < len(view):
                yield view[offset:]
            offset = max(offset - len(view), 0)

    # ---- back-pressure ----

    def _pause(self) -> None:
        most = pause_above(self._limit, self._needed, self._bound)
        if self._transport is None or (len(self.queue) <= most and not self._aside):
            return
        try:
            self._transport.pause_reading()
        except NotImplementedError:
            self._transport = None  # the transport cannot pause, so keep all that comes
        else:
            self._paused = True

    def _settle(self) -> None:
        """Call after bytes were taken: admits the bytes that wait, and resumes reading."""
        if self._aside:
            self._refill()
        if self._paused and not self._aside:
            self._maybe_resume_transport()

    def _maybe_resume_transport(self) -> None:
        if self._paused and len(self.queue) <= resume_at(self._limit, self._bound):
            self._paused = False
            self._transport.resume_reading()

    def _replace_transport(self, transport: asyncio.BaseTransport) -> None:
        """Use another transport, because TLS begins.  The new one is not paused."""
        self._transport = transport
        self._paused = False
        self._pause()

    # ---- waiting ----

    async def _wait_for_data(self, func_name: str) -> None:
        if self._aside and self._refill():
            return
        if self._bound is not None and not self._room():
            text = f"{func_name}() waits for more than the {self._bound} bytes of max_bytes"
            raise asyncio.LimitOverrunError(text, len(self.queue))
        if self._waiter is not None:
            raise RuntimeError(
                f"{func_name}() called while another coroutine is already waiting for incoming data"
            )
        if self._exception is not None:  # it was set after bytes had woken the caller
            raise self._exception
        assert not self._eof, "_wait_for_data after EOF"
        if self._paused:  # else the bytes would never come
            self._paused = False
            self._transport.resume_reading()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
