"""The reading half of a connection."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from pagebuf.aio.store import Store

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_FOUND = "Separator is found, but chunk is longer than limit"
_NOT_FOUND = "Separator is not found, and chunk exceed the limit"
_EMPTY = "Separator should be at least one-byte string"


class QueueReader(Store):
    r"""What `asyncio.StreamReader` does, and one by type, over a `ByteQueue`.

    Args:
        limit: the longest line, without its end.  Reading pauses while more than twice as much
            waits, unless somebody waits for more.  None: lines of any length; reading pauses as
            if it was 64 KiB.
        loop: the loop of its coroutines; by default the running one.
        queue: where the bytes lie; by default a new one.  With ``max_bytes`` and
            ``overflow="raise"`` reading pauses before it is full.
        pool: whose pages a new queue takes.

    >>> import asyncio
    >>> async def main():
    ...     reader = QueueReader()
    ...     reader.feed_data(b"one\ntw")
    ...     reader.feed_data(b"o")
    ...     reader.feed_eof()
    ...     return [line async for line in reader]
    >>> asyncio.run(main())
    [b'one\n', b'two']
    """

    async def read(self, n: int = -1) -> bytes:
        """At most ``n`` bytes, as soon as there are any; all up to the end when negative.

        b'' at the end of the stream.
        """
        if self._exception is not None:
            raise self._exception
        if n < 0:
            return await self._read_all()
        data = self.queue.get(n)
        if not data and n and (self._aside or not self._eof):
            await self._wait_for_data("read")
            data = self.queue.get(n)
        if self._paused or self._aside:
            self._settle()
        return data

    async def _read_all(self) -> bytes:
        """Read to the end.  Without a bound, bytes stay in the queue if this is cancelled."""
        blocks = []
        self._needed = sys.maxsize
        try:
            while self._aside or not self._eof:
                if self._bound is not None:
                    blocks.append(self.queue.get())
                await self._wait_for_data("read")
        finally:
            self._needed = 0
        blocks.append(self.queue.get())
        return b"".join(blocks)

    async def readexactly(self, n: int) -> bytes:
        """Exactly ``n`` bytes; `asyncio.IncompleteReadError` when the stream ends before.

        What there is leaves the queue then, as ``partial`` of the exception.
        `asyncio.LimitOverrunError`, and nothing taken, for more than ``max_bytes``.
        """
        if n < 0:
            raise ValueError("readexactly size can not be less than zero")
        if self._exception is not None:
            raise self._exception
        while (data := self.queue.readexactly(n)) is None:
            self._check_attainable(n)
            self._needed = n
            try:
                await self._wait_for_data("readexactly")
            finally:
                self._needed = 0
        if self._paused or self._aside:
            self._settle()
        return data

    def _check_attainable(self, n: int) -> None:
        if self._eof and not self._aside:
            raise asyncio.IncompleteReadError(self.queue.get(), n)
        if self._bound is not None and n > self._bound:
            text = f"readexactly({n}) can't be filled: max_bytes is {self._bound}"
            raise asyncio.LimitOverrunError(text, len(self.queue))

    async def readuntil(
        self, separator: ReadableBuffer | tuple[ReadableBuffer, ...] = b"\n"
    ) -> bytes:
        """Up to and including ``separator``; each byte is searched once, of any length.

        Of a tuple, the one that ends first.  `asyncio.IncompleteReadError` when the stream ends
        before, as of ``readexactly``; `asyncio.LimitOverrunError` for more than ``limit`` bytes
        in front of it, which stay there to be read in another way.
        """
        if isinstance(separator, tuple):
            return await self._readuntil_any(separator)
        length = memoryview(separator).nbytes
        if not length:
            raise ValueError(_EMPTY)
        if self._exception is not None:
            raise self._exception
        while (data := self.queue.readuntil(separator)) is None:
            self._check_unfound(len(self.queue) + 1 - length)
            await self._wait_for_data("readuntil")
        if self._limit is not None and len(data) - length > self._limit:
            self._put_back(data)
            raise asyncio.LimitOverrunError(_FOUND, len(data) - length)
        if self._paused or self._aside:
            self._settle()
        return data

    async def _readuntil_any(self, separators: tuple[ReadableBuffer, ...]) -> bytes:
        ordered = sorted(map(bytes, separators), key=len)  # of two that end together the shortest
        if not ordered:
            raise ValueError("Separator should contain at least one element")
        if not ordered[0]:
            raise ValueError(_EMPTY)
        if self._exception is not None:
            raise self._exception
        searched = 0
        while (match := self._find_any(ordered, searched)) is None:
            searched = max(searched, len(self.queue) + 1 - len(ordered[-1]))
            self._check_unfound(searched)
            await self._wait_for_data("readuntil")
        start, end = match
        if self._limit is not None and start > self._limit:
            raise asyncio.LimitOverrunError(_FOUND, start)
        data = self.queue.get(end)
        if self._paused or self._aside:
            self._settle()
        return data

    def _find_any(self, ordered: list[bytes], searched: int) -> tuple[int, int] | None:
        """The start and the end of the separator that ends first, or None."""
        text = b"".join(self._behind(searched))
        starts = ((text.find(separator), separator) for separator in ordered)
        found = [(at, at + len(separator)) for at, separator in starts if at >= 0]
        if not found:
            return None
        start, end = min(found, key=lambda match: match[1])
        return searched + start, searched + end

    def _check_unfound(self, searched: int) -> None:
        """Raise where no separator can come any more; none begins within so many bytes."""
        if self._limit is not None and searched > self._limit:
            raise asyncio.LimitOverrunError(_NOT_FOUND, searched)
        if self._eof and not self._aside:
            raise asyncio.IncompleteReadError(self.queue.get(), None)

    async def readline(self) -> bytes:
        """A line with its end; the last one may have none; b'' at the end of the stream.

        A line longer than ``limit`` is dropped, with `ValueError`; of one whose end has not come
        yet what is there.
        """
        if self._exception is not None:
            raise self._exception
        try:
            while (line := self.queue.readline()) is None:
                self._check_unfound(len(self.queue))
                await self._wait_for_data("readline")
        except asyncio.IncompleteReadError as end:
            return end.partial
        except asyncio.LimitOverrunError as overrun:
            self._hold(b"")
            raise ValueError(overrun.args[0]) from overrun
        if self._paused or self._aside:
            self._settle()
        limit = self._limit
        if limit is not None and len(line) - 1 > limit:
            raise ValueError(_FOUND)
        return line

    def __aiter__(self) -> QueueReader:
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line
