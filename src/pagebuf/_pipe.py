"""Files over a `ByteQueue`, for the two ends of a stream between threads."""

from __future__ import annotations

import io

from pagebuf._checks import index_of
from pagebuf._core import ByteQueue, _hasten

TYPE_CHECKING = False  # typing costs 2 MiB and half the time of `import pagebuf`
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from _typeshed import ReadableBuffer

    from pagebuf.pool import PagePool


class Stream:
    """What the files over one queue tell each other.  It refers to none of them."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.unread = False  # the reader has gone


class _End(io.BufferedIOBase):
    """What both ends have in common."""

    __slots__ = ("_ready",)

    _ready: ByteQueue | None
    """The queue while nothing stands between it and the caller; see `_hasten`."""
    queue: ByteQueue
    timeout: float | None

    def __init__(self, queue: ByteQueue, stream: Stream, timeout: float | None) -> None:
        self.queue, self.timeout = queue, timeout
        self._stream = stream
        self._ready = None
        if timeout is not None and not isinstance(timeout, (int, float)):
            raise TypeError(f"timeout must be a number or None, not {type(timeout).__name__}")
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be None or at least 0, not {timeout!r}")
        self._ready = queue

    @property
    def name(self) -> str | None:
        """That of the queue."""
        return self.queue.name

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r}: it is one end of a stream")


def _size(n: int | None) -> int:
    """A size of a file: None and all negative ones are all, -1 here."""
    return -1 if n is None else max(-1, index_of(n, "n", "an int or None"))


class StreamReader(_End):
    """The end that reads.

    Each call waits for its bytes, for the end of the stream, or for ``timeout`` seconds (then
    TimeoutError, and nothing was read).  One thread at a time may use it.
    """

    mode = "rb"

    def __init__(self, queue: ByteQueue, stream: Stream, timeout: float | None) -> None:
        super().__init__(queue, stream, timeout)
        self._rest = b""

    def _keep(self, rest: bytes) -> None:
        """Note what was taken from the queue and is not read yet."""
        self._rest = rest
        self._ready = None if rest or self.closed else self.queue

    def readable(self) -> bool:
        self._check_open()
        return True

    def close(self) -> None:
        """Drop what is left; writes raise BrokenPipeError from now on."""
        if not self.closed:
            self._stream.unread = True
            self.queue.close()
            self.queue.clear()
            self._rest, self._ready = b"", None
        super().close()

    def _take(self, n: int) -> bytes:
        """At least one byte and at most n (-1: all there are), b"" at the end."""
        if self._rest:
            rest = self._rest
            self._keep(b"" if n < 0 else rest[n:])
            return rest if n < 0 else rest[:n]
        data = self.queue.get(n, timeout=self.timeout)
        if not data and n:
            self._raise_at_the_end()
        return data

    def _raise_at_the_end(self) -> None:
        self._check_open()  # another thread may have closed it
        if self._stream.error is not None:
            raise self._stream.error

    def _collect(self, n: int | None, *, line: bool) -> bytes:
        """At most n bytes (None or -1: all), up to the end of the stream or of a line.

        If an error comes after some pieces, nothing was read.  But the error of a writer that gave
        up waits for the next call.
        """
        self._check_open()
        left = _size(n)
        pieces: list[bytes] = []
        try:
            while left and (piece := self._take(left)):
                end = piece.find(b"\n") + 1 if line else 0
                if end:
                    self._keep(piece[end:] + self._rest)
                    piece = piece[:end]
                pieces.append(piece)
                left -= len(piece) if left > 0 else 0
                if end:
                    break
        except BaseException as error:
            if not pieces or error is not self._stream.error:
                self._keep(b"".join([*pieces, self._rest]))
                raise
        return b"".join(pieces)

    def read1(self, n: int | None = -1, /) -> bytes:
        """What is there, at most n bytes; waits for one."""
        self._check_open()
        return self._take(_size(n))

    def read(self, n: int | None = -1, /) -> bytes:
        """So many bytes, fewer at the end of the stream; None or -1: all up to there."""
        return self._collect(n, line=False)

    def readline(self, size: int | None = -1, /) -> bytes:
        r"""A line with its b"\n"; at the end of the stream what is left."""
        self._check_open()
        if _size(size) < 0 and not self._rest:
            line = self.queue.readline()
            if line is not None:
                return line
        return self._collect(size, line=True)


class StreamWriter(_End):
    """The end that writes.

    A write waits for room where the queue is bounded, and puts what is longer than the bound in
    pieces.  TimeoutError after ``timeout`` seconds: pieces that went in before stay.
    """

    mode = "wb"

    def writable(self) -> bool:
        self._check_open()
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Put all of it; returns how many bytes that were."""
        self._check_open()
        if self._stream.unread:
            raise BrokenPipeError("the reader has gone")
        try:
            return self.queue.write(data, timeout=self.timeout)
        except ValueError:
            if self._stream.unread:
                raise BrokenPipeError("the reader has gone") from None
            raise

    def writelines(self, lines: Iterable[ReadableBuffer], /) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """End the stream: who reads gets what is there, then b""."""
        if not self.closed:
            self.queue.close()
            self._ready = None
        super().close()

    def abort(self, error: BaseException) -> None:
        """End the stream with an exception: the reader raises it after all that was written."""
        if not isinstance(error, BaseException):
            raise TypeError(f"abort() takes an exception, not {type(error).__name__}")
        if not self.closed and not self.queue.closed:
            self._stream.error = error
        self.close()

    def __exit__(self, *exception: object) -> None:
        self.close()


_hasten(StreamReader, StreamWriter)


def _stream_of(queue: ByteQueue) -> Stream:
    stream = queue._stream
    if stream is None:
        stream = queue._stream = Stream()
    return stream


def open_queue(
    queue: ByteQueue, mode: str = "rb", *, timeout: float | None = None
) -> StreamReader | StreamWriter:
    """A file over a queue: `ByteQueue.open`."""
    if mode not in {"rb", "wb"}:
        raise ValueError(f"mode must be 'rb' or 'wb', not {mode!r}")
    return (StreamReader if mode == "rb" else StreamWriter)(queue, _stream_of(queue), timeout)


def pipe(
    max_bytes: int | None = None,
    *,
    pool: PagePool | None = None,
    timeout: float | None = None,
    name: str | None = None,
) -> tuple[StreamReader, StreamWriter]:
    r"""A pipe between threads of one process: a file to read from, and one to write to.

    What is written can be read at the other end.  Reads wait for bytes, and with ``max_bytes``
    writes wait for room; each for ``timeout`` seconds at most (then TimeoutError).
    ``writer.close()`` is the end of the stream, ``reader.close()`` makes writes raise
    BrokenPipeError, and ``writer.abort(exc)`` raises ``exc`` in the reader after all that was
    written.  An end that is dropped counts as closed.  Each end may be used by one thread at a
    time.  After a fork each process has both ends of a pipe of its own.

    >>> import pagebuf, threading
    >>> reader, writer = pagebuf.pipe(max_bytes=1 << 16)
    >>> def produce():
    ...     with writer:
    ...         for number in range(3):
    ...             writer.write(b"line %d\n" % number)
    >>> producer = threading.Thread(target=produce)
    >>> producer.start()
    >>> list(reader)
    [b'line 0\n', b'line 1\n', b'line 2\n']
    >>> producer.join()
    """
    if max_bytes is None:
        queue = ByteQueue(pool=pool, name=name)
    elif max_bytes == 0:
        raise ValueError("a pipe of no bytes: max_bytes must be at least 1")
    else:
        queue = ByteQueue(pool=pool, max_bytes=max_bytes, overflow="block", name=name)
    stream = _stream_of(queue)
    return StreamReader(queue, stream, timeout), StreamWriter(queue, stream, timeout)
