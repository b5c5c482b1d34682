"""`SpooledTemporaryFile`: the first bytes of a temporary file in memory, those beyond in a file.

    offset   0 .............. max_size ............... size
             a PageBuffer     | the temporary file, from the same offset on

Nothing moves when a file grows past `max_size`: what is in memory stays there, and bytes beyond are
written to the file alone.  They lie at their own offsets, so only what is before `max_size` has
to be written when somebody wants a descriptor: `_Spool.roll`.  Buffers and decoders stand on
one object all the time, so whoever reads, iterates or holds a method notices nothing.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import tempfile
import threading
import types
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from pagebuf._core import PageBuffer
from pagebuf._save_changes import _write_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

    from _typeshed import ReadableBuffer, StrPath, WriteableBuffer

    from pagebuf.pool import PagePool

ENDLESS = sys.maxsize
"""Instead of a `max_size`."""

OFTEN = "read", "readinto", "readline", "seek", "tell", "write"
"""What the file itself does, as it stays the same one."""


def _clamped(n: int, most: int) -> int:
    return max(0, min(n, most))


class _Spool(io.RawIOBase):
    """The bytes, without a buffer."""

    def __init__(self, limit: int, make: Callable[[], Any], pool: PagePool | None) -> None:
        self.limit = limit
        self.head: PageBuffer | None = PageBuffer(pool=pool)
        """The bytes before the limit; None: all are in the file."""
        self.make = make
        self.file: Any = None
        self.size = self.at = 0
        self.soiled = False
        """Bytes before the limit were written to the file that may not be right any more."""
        self.lock = threading.RLock()

    def _open(self) -> PageBuffer | None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        return self.head

    # ---- the file ----

    def _fd(self) -> int:
        if self.file is None:
            self.file = self.make()
        fd: int = self.file.fileno()
        return fd

    def _read_file(self, offset: int, into: memoryview) -> int:
        done = 0
        while done < len(into):
            if hasattr(os, "preadv"):
                n = os.preadv(self._fd(), [into[done:]], offset + done)
            else:
                self.file.seek(offset + done)
                n = self.file.readinto(into[done:])
            if not n:
                break
            done += n
        return done

    def _cut(self, head: PageBuffer) -> None:
        """After a call that failed: what lies behind the end must read as zeros later."""
        head.truncate(min(len(head), self.size))
        if self.file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd(), self.size if self.size > self.limit else 0)

    def roll(self) -> None:
        """Have all bytes in the file, and the position."""
        with self.lock:
            head = self._open()
            if head is None:
                return
            fd = self._fd()
            parts = head.data_views() if not self.soiled else _with_holes(head)
            self.soiled = True
            for offset, view in parts:
                _write_at(fd, offset, view)
            os.ftruncate(fd, self.size)
            self.file.seek(self.at)
            self.head = None

    # ---- what RawIOBase wants ----

    def readable(self) -> bool:
        self._open()
        return True

    def writable(self) -> bool:
        self._open()
        return True

    def seekable(self) -> bool:
        self._open()
        return True

    def fileno(self) -> int:
        self.roll()
        return self._fd()

    def readinto(self, buffer: WriteableBuffer) -> int:
        with self.lock:
            head = self._open()
            if head is None:
                done: int = self.file.readinto(buffer)
                return done
            n = head.readinto(self.at, buffer) if self.at < len(head) else 0
            self.at += n
            if self.at < self.size:  # this is the limit, or the buffer is full
                n += self._read_rest(buffer, n)
            return n

    def _read_rest(self, buffer: WriteableBuffer, start: int) -> int:
        with memoryview(buffer) as given:
            n = _clamped(self.size - self.at, given.nbytes - start)
            if n:
                with given.cast("B") as view:
                    n = self._read_file(self.at, view[start : start + n])
                self.at += n
            return n

    def readall(self) -> bytes:
        with self.lock:
            head = self._open()
            if head is None:
                rest: bytes = self.file.readall()
                return rest
            n = max(0, self.size - self.at)
            if n <= _clamped(self.limit - self.at, n):
                self.at += n
                return head.read(self.at - n, n)
            out = bytearray(n)
            done = self.readinto(out)
            return bytes(memoryview(out)[:done])

    def write(self, data: ReadableBuffer) -> int:
        with self.lock, memoryview(data) as given:
            head = self._open()
            if head is None:
                done: int = self.file.write(given)
                return done
            if given.nbytes:
                with given.cast("B") as view:
                    self._put(head, view)
            return given.nbytes

    def _put(self, head: PageBuffer, view: memoryview) -> None:
        end = self.at + len(view)
        before = _clamped(self.limit - self.at, len(view))
        try:
            if len(head) < min(end, self.limit):
                head.resize(min(end, self.limit))
            if before < len(view):
                _write_at(self._fd(), self.at + before, view[before:])
            if before:
                head.write(self.at, view[:before])
        except BaseException:
            self._cut(head)
            raise
        self.at, self.size = end, max(self.size, end)

    def truncate(self, size: int | None = None) -> int:
        with self.lock:
            head = self._open()
            if head is None:
                done: int = self.file.truncate(size)
                return done
            size = self.at if size is None else size
            if size < 0:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            if size > self.limit or self.file is not None:
                os.ftruncate(self._fd(), size if size > self.limit else 0)
            head.resize(min(size, self.limit))
            self.size = size
            return size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with self.lock:
            head = self._open()
            if whence not in {os.SEEK_SET, os.SEEK_CUR, os.SEEK_END}:
                raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
            if head is None:
                there: int = self.file.seek(offset, whence)
                return there
            at = offset + (0, self.at, self.size)[whence]
            if not 0 <= at <= ENDLESS:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            self.at = at
            return at

    def tell(self) -> int:
        with self.lock:
            return self.at if self._open() is not None else self.seek(0, os.SEEK_CUR)

    def close(self) -> None:
        with self.lock:
            if self.closed:
                return
            super().close()
            self.head = None
            if self.file is not None:
                self.file.close()


def _with_holes(buf: PageBuffer) -> Iterator[tuple[int, memoryview]]:
    offset = 0
    for view in buf.views():
        yield offset, view
        offset += len(view)


class SpooledTemporaryFile(io.IOBase):
    r"""A temporary file whose first ``max_size`` bytes are kept in memory.

    What ``tempfile.SpooledTemporaryFile`` is, with its arguments and modes, but it does not move
    all at once: bytes beyond ``max_size`` go to a file, those before stay in memory and are read
    there.  So at most ``max_size`` bytes are in memory, however long the file gets; 0 is no limit.
    The file is made when the first byte goes there, and deleted when it is closed.  A position, an
    iterator, a bound method and a decoder work on as if nothing had happened.

    ``rollover()`` writes the rest to the file as well; ``fileno()`` and ``name`` do so first.  From
    then on it is that file.  In each state ``truncate`` extends, too, ``seek`` refuses what lies
    before the beginning with OSError, and bytes that were never written are zeros that take no
    memory.  ``pool`` is where pages come from.

    >>> import pagebuf
    >>> with pagebuf.SpooledTemporaryFile(max_size=10**6) as f:
    ...     f.write(b"one\ntwo\n" * 10**6), f.seek(-4, 2), f.readline()
    (8000000, 7999996, b'two\n')
    """

    _file: Any = None

    def __init__(
        self,
        max_size: int = 0,
        mode: str = "w+b",
        buffering: int = -1,
        encoding: str | None = None,
        newline: str | None = None,
        suffix: str | None = None,
        prefix: str | None = None,
        dir: StrPath | None = None,  # noqa: A002  # the name that tempfile has
        *,
        errors: str | None = None,
        pool: PagePool | None = None,
    ) -> None:
        def make() -> Any:
            return tempfile.TemporaryFile(  # _Spool.close closes it
                "w+b", 0, suffix=suffix, prefix=prefix, dir=dir
            )

        spool = _Spool(max(0, max_size) if max_size else ENDLESS, make, pool)
        file: Any = spool
        if buffering or "b" not in mode:
            size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
            file = io.BufferedRandom(spool, size)
        if "b" not in mode:
            encoding = io.text_encoding(encoding)
            file = io.TextIOWrapper(file, encoding, errors, newline, buffering == 1)
        self._mode, self._spool, self._file = mode, spool, file
        if type(self) is SpooledTemporaryFile:  # a subclass may have methods of its own
            for name in OFTEN:
                if hasattr(self._file, name):
                    setattr(self, name, getattr(self._file, name))

    __class_getitem__: ClassVar[Any] = classmethod(types.GenericAlias)

    @property
    def _rolled(self) -> bool:
        """Whether there is a file."""
        if not self._file.closed:
            self._file.flush()
        return self._spool.file is not None

    def rollover(self) -> None:
        """Write what is in memory to the file.  Nothing is lost where that fails."""
        self._file.flush()
        self._spool.roll()

    # ---- what a context manager and an iterator have ----

    def __enter__(self) -> Self:
        if self._file.closed:
            raise ValueError("Cannot enter context with closed file")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        it: Iterator[Any] = self._file.__iter__()
        return it

    def __del__(self) -> None:
        if not self.closed:
            why = f"Unclosed file {self!r}"
            warnings.warn(why, ResourceWarning, stacklevel=2, source=self)
            self.close()

    # ---- what a file has ----

    @property
    def closed(self) -> bool:
        return self._file is None or bool(self._file.closed)

    @property
    def mode(self) -> str:
        return "rb+" if "b" in self._mode and self._rolled else self._mode

    @property
    def name(self) -> Any:
        if not self._rolled:
            return None
        if not self.closed:
            self.rollover()
        return self._spool.file.name

    @property
    def encoding(self) -> str:
        found: str = self._file.encoding
        return found

    @property
    def errors(self) -> str | None:
        found: str | None = self._file.errors
        return found

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        found: str | tuple[str, ...] | None = self._file.newlines
        return found

    def fileno(self) -> int:
        self.rollover()
        return self._spool.fileno()

    def close(self) -> None:
        self._file.close()

    def detach(self) -> Any:
        return self._file.detach()

    def flush(self) -> None:
        self._file.flush()

    def isatty(self) -> bool:
        return bool(self._file.isatty())

    def readable(self) -> bool:
        return bool(self._file.readable())

    def writable(self) -> bool:
        return bool(self._file.writable())

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def read(self, *args: Any) -> Any:
        return self._file.read(*args)

    def read1(self, *args: Any) -> bytes:
        found: bytes = self._file.read1(*args)
        return found

    def readinto(self, b: WriteableBuffer) -> int:
        n: int = self._file.readinto(b)
        return n

    def readinto1(self, b: WriteableBuffer) -> int:
        n: int = self._file.readinto1(b)
        return n

    def readline(self, *args: Any) -> Any:
        return self._file.readline(*args)

    def readlines(self, *args: Any) -> list[Any]:
        found: list[Any] = self._file.readlines(*args)
        return found

    def seek(self, *args: int) -> int:
        at: int = self._file.seek(*args)
        return at

    def tell(self) -> int:
        at: int = self._file.tell()
        return at

    def truncate(self, size: int | None = None) -> int:
        n: int = self._file.truncate(size)
        return n

    def write(self, data: Any) -> int:
        n: int = self._file.write(data)
        return n

    def writelines(self, lines: Iterable[Any]) -> None:
        self._file.writelines(lines)
