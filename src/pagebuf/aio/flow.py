"""Makes a writer wait while the buffer of its transport is full."""

from __future__ import annotations

import asyncio


class Flow:
    """Knows whether the transport takes more, and who waits until it does.

    It does what `asyncio.streams.FlowControlMixin` does.  It does not derive from that class,
    because uvloop would hand bytes to it instead of asking for a buffer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._paused = False
        self._connection_lost = False
        self._drain_waiters: set[asyncio.Future[None]] = set()

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._paused = True

    def resume_writing(self) -> None:
        """The transport takes more."""
        self._paused = False
        self._wake_writers(None)

    def _wake_writers(self, exc: Exception | None) -> None:
        for waiter in self._drain_waiters:
            if waiter.done():
                continue
            if exc is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(exc)

    def _lose(self, exc: Exception | None) -> None:
        self._connection_lost = True
        if self._paused:
            self._wake_writers(exc)

    async def _drain_helper(self) -> None:
        if self._connection_lost:
            raise ConnectionResetError("Connection lost")
        if not self._paused:
            return
        waiter = self._loop.create_future()
        self._drain_waiters.add(waiter)
        try:
            await waiter
        finally:
            self._drain_waiters.discard(waiter)
