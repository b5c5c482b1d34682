"""Buffers over files and over memory of others, and buffers saved to files."""

from __future__ import annotations

import contextlib
import errno
import io
import mmap
import os
import pathlib
import stat
import threading
import weakref
from typing import TYPE_CHECKING

from pagebuf._checks import offset_of, size_or_all
from pagebuf._core import _BUILD_FLAGS, _MAP_NORESERVE, FANOUT, PAGE_SIZE, PageBuffer
from pagebuf._remote import map_absent, reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer, StrPath

    from pagebuf.pool import PagePool

LEAST = 16 * PAGE_SIZE
"""Of less than this the bytes are copied (LEAST_PAGES in ext/binding/buffer/map.c)."""

COPIES_FILES = hasattr(os, "copy_file_range") and not _BUILD_FLAGS["portable"]
"""Whether the system can copy from file to file."""

PIECE = 1 << 30
"""The most bytes of one system call."""

WINDOW = 4 << 20
"""So much is looked at at once: of pages that are fetched, views are copies."""

NOT_HERE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.ETXTBSY, errno.EPERM}
"""With these ``copy_file_range`` says that it cannot copy, not that copying failed."""

Range = tuple[int, int]
"""Offset and size."""

Identity = tuple[int, int, int, int]
"""Of a file: what changes when it is another one, or has changed."""


class Source(PageBuffer):
    """What a buffer maps, frozen; and the file that it is of, if any."""

    __slots__ = (
        "by_read",
        "fd",
        "identity",
        "lock",
        "mapping",
        "offset",
        "path",
        "unsure",
        "whole",
    )
    by_read: bool
    """Its pages are read when they are touched."""
    path: pathlib.Path | None
    offset: int
    identity: Identity | None
    """None: it is of no file."""
    whole: bool
    """It goes to the end of the file."""
    fd: int | None
    """Without a path: of the file, where it can be written by that."""
    mapping: Mapping | None
    unsure: list[Range]
    """What the file holds there is not known, as writing it failed."""
    lock: threading.Lock
    """Of who changes the file."""


class Mapping:
    """The memory of a source that is a file."""

    def __init__(self, memory: mmap.mmap, before: int, size: int, private: bool) -> None:
        self.memory = memory
        self.private = private
        """A store gives a page memory of its own."""
        self.before = before
        """Where the source begins in it."""
        self.size = size
        """Of the source when it was mapped."""
        self.frame = 0
        """The number of its first page; 0: it was copied."""
        self.end = before + size
        """What lies behind does not show the file any more."""
        self.follows = size // PAGE_SIZE * PAGE_SIZE
        """So far the source shows pages of it; once they were cut off, it has its own."""
        self.kept: list[Range] = []
        """What was copied, and does not show the file any more, in whole pages of the system."""


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


# ---- what can be mapped ----


def _checked(offset: int, size: int | None, there: int) -> int:
    """Return the size of the range, which lies in a source of `there` bytes."""
    if offset > there:
        raise ValueError(f"offset {offset} is past the end of a source of {there} bytes")
    if size is None:
        return there - offset
    if size > there - offset:
        raise ValueError(f"{size} bytes at offset {offset} asked of a source of {there} bytes")
    return size


def _length(fd: int, name: object) -> int:
    """Return the length of a file that can be mapped."""
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        why = "only regular files can be mapped: read a pipe, socket or terminal instead"
        raise OSError(errno.ENODEV, why, name)
    if stat.S_ISBLK(status.st_mode):
        return os.lseek(fd, 0, os.SEEK_END)
    if status.st_size == 0 and os.read(fd, 1):
        why = "a file without a size, as in /proc, cannot be mapped: read it instead"
        raise OSError(errno.ENODEV, why, name)
    return status.st_size


def _read(fd: int, offset: int, size: int) -> bytes:
    """Read a few bytes that are there."""
    os.lseek(fd, offset, os.SEEK_SET)
    pieces = []
    while size:
        piece = os.read(fd, size)
        if not piece:
            raise OSError(errno.EIO, "the file was cut short meanwhile")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _map_file(fd: int, offset: int, size: int) -> Mapping:
    """Map it so that pages can be copied in place, by a store, before the file changes."""
    before = offset % mmap.ALLOCATIONGRANULARITY
    start, length, private = offset - before, before + size, True
    try:
        if _MAP_NORESERVE:
            flags = mmap.MAP_PRIVATE | _MAP_NORESERVE
            prot = mmap.PROT_READ | mmap.PROT_WRITE
            memory = mmap.mmap(fd, length, flags=flags, prot=prot, offset=start)
        else:
            memory = mmap.mmap(fd, length, access=mmap.ACCESS_COPY, offset=start)
    except OSError:  # the system reserves memory for all of it, and has not that much
        private = False
        memory = mmap.mmap(fd, length, access=mmap.ACCESS_READ, offset=start)
    return Mapping(memory, before, size, private)


def _map_fd(
    fd: int,
    path: pathlib.Path | None,
    offset: int,
    size: int | None,
    pool: PagePool | None,
    *,
    by_read: bool = False,
) -> Source:
    there = _length(fd, fd if path is None else str(path))
    nbytes = _checked(offset, size, there)
    made: Source
    status = os.fstat(fd)
    if nbytes < LEAST:
        made = Source._map_memory(_read(fd, offset, nbytes), pool)
        made.mapping = None
    elif by_read:
        made = map_absent(Source, nbytes, reader(fd, offset), 65536, pool)
        made.mapping = None
    else:
        mapping = _map_file(fd, offset, nbytes)
        made = Source._map_memory(memoryview(mapping.memory).toreadonly()[mapping.before :], pool)
        made.mapping = mapping
        mapping.frame = made.walk(0).steps[-1].frame
    made.path, made.offset, made.identity = path, offset, _identity(status)
    made.name = None if path is None else path.name  # for reports
    made.whole = stat.S_ISREG(status.st_mode) and offset + nbytes == there
    made.by_read = made.mapping is None and nbytes >= LEAST
    made.unsure, made.lock = [], threading.Lock()
    made.fd = _writable(fd) if path is None else None
    if made.fd is not None:
        weakref.finalize(made, os.close, made.fd)
    return made


def _writable(fd: int) -> int | None:
    """Return a duplicate of a descriptor that can write anywhere in its file."""
    try:
        import fcntl
    except ImportError:
        return os.dup(fd)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    anywhere = flags & os.O_ACCMODE == os.O_RDWR and not flags & os.O_APPEND
    return os.dup(fd) if anywhere else None


@contextlib.contextmanager
def _opened(path: StrPath) -> Iterator[int]:
    flags = getattr(os, "O_NONBLOCK", 0)  # or a pipe would wait for its writer
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(path, os.O_RDONLY | flags)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _duplicate(fd: int) -> Iterator[int]:
    """Keep the position, which `_length` and `_read` move."""
    position = None
    with contextlib.suppress(OSError):
        position = os.lseek(fd, 0, os.SEEK_CUR)
        os.lseek(fd, 0, os.SEEK_SET)
    try:
        yield fd
    finally:
        if position is not None:
            os.lseek(fd, position, os.SEEK_SET)


def _map_buffer(
    source: ReadableBuffer, offset: int, size: int | None, pool: PagePool | None
) -> Source:
    memory = source.view(writable=False) if isinstance(source, PageBuffer) else memoryview(source)
    if not memory.c_contiguous:
        raise BufferError("only a C-contiguous buffer can be mapped")
    nbytes = _checked(offset, size, memory.nbytes)
    whole = memory.cast("B") if memory.nbytes else memoryview(b"")
    made = Source._map_memory(whole[offset : offset + nbytes], pool)
    made.path, made.offset, made.identity = None, offset, None
    return made


def _source_of(
    source: object, offset: int, size: int | None, pool: PagePool | None, *, by_read: bool = False
) -> Source:
    if isinstance(source, (str, os.PathLike)):
        with _opened(source) as fd:
            path = pathlib.Path(os.fsdecode(source)).absolute()
            return _map_fd(fd, path, offset, size, pool, by_read=by_read)
    if hasattr(source, "fileno") and not _is_buffer(source):
        if hasattr(source, "flush"):
            source.flush()
        source = _descriptor_of(source)
    if isinstance(source, int) and not isinstance(source, bool):
        with _duplicate(source) as fd:
            return _map_fd(fd, None, offset, size, pool, by_read=by_read)
    if not _is_buffer(source):
        kind = type(source).__name__
        raise TypeError(f"source must be a path, a file, a descriptor or a buffer, not {kind}")
    if by_read:
        raise ValueError("io='read' is for files: a buffer is in memory")
    return _map_buffer(source, offset, size, pool)  # type: ignore[arg-type]


def _descriptor_of(file: object) -> int:
    try:
        descriptor: int = file.fileno()  # type: ignore[attr-defined]
    except io.UnsupportedOperation:
        kind = type(file).__name__
        raise TypeError(
            f"source must be a path, a file, a descriptor or a buffer; a {kind} has no descriptor: "
            "map the bytes that it holds"
        ) from None
    return descriptor


def _is_buffer(obj: object) -> bool:
    try:
        memoryview(obj).release()  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def map_source(
    cls: type[PageBuffer],
    source: object,
    offset: int = 0,
    size: int | None = None,
    *,
    io: str = "mmap",
    pool: PagePool | None = None,
) -> PageBuffer:
    """Make what `PageBuffer.map` returns."""
    if io not in {"mmap", "read"}:
        raise ValueError(f"io must be 'mmap' or 'read', not {io!r}")
    wanted = offset_of(offset, "offset"), size_or_all(size, "size")
    made = _source_of(source, *wanted, pool, by_read=io == "read")
    buf = cls.__new__(cls)
    PageBuffer.__init__(buf, pool=made.pool)
    buf._show_source(made)
    return buf


map_source.__qualname__ = "PageBuffer.map"  # what errors of its call say


def place_in_file(buf: PageBuffer, offset: int) -> tuple[pathlib.Path | None, int] | None:
    """The path of the mapped file, and where in it a byte lies that the buffer shows of it.

    None: the byte is the buffer's own, or of something else that was mapped.
    """
    source, at = buf.source, _mapped_address(buf, offset)
    if not isinstance(source, Source) or source.identity is None:
        return None
    if source.mapping is None or at is None:
        return None
    beginning = _mapped_address(source, 0)
    there = -1 if beginning is None else at - beginning
    return (source.path, source.offset + there) if 0 <= there < source.mapping.follows else None


def _mapped_address(buf: PageBuffer, offset: int) -> int | None:
    way = buf.walk(offset)
    if way.stop != "mapped":
        return None
    entry, stats = way.steps[-1], buf.stats()
    span: int = PAGE_SIZE * FANOUT ** (stats.levels - entry.level)
    return entry.address + (stats.bias + offset) % span


# ---- saving ----


def save(buf: PageBuffer, path: StrPath, *, atomic: bool = True) -> None:
    """Write the bytes to a file."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"path must be a str, bytes or os.PathLike, not {type(path).__name__}")
    frozen = buf.snapshot()
    where = pathlib.Path(os.fsdecode(path)).resolve()
    if atomic:
        _save_beside(frozen, where)
    else:
        _save_over(frozen, where)


def _save_beside(frozen: PageBuffer, where: pathlib.Path) -> None:
    try:
        _save_as_new(frozen, where)
    except OSError as error:
        if error.filename is None:
            raise
        raise OSError(error.errno, error.strerror, str(where)) from error  # not the temporary one


def _save_as_new(frozen: PageBuffer, where: pathlib.Path) -> None:
    made, fd = _new_file(where)
    try:
        try:
            _write_all(frozen, fd)
            with contextlib.suppress(FileNotFoundError):
                made.chmod(stat.S_IMODE(where.stat().st_mode))
            os.fsync(fd)
        finally:
            os.close(fd)
        made.replace(where)
    except BaseException:
        with contextlib.suppress(OSError):
            made.unlink()
        raise
    _sync_folder(where.parent)


def _new_file(beside: pathlib.Path) -> tuple[pathlib.Path, int]:
    """Make a file with a name that no other has."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        path = beside.with_name(f".{beside.name[:50]}.{os.urandom(6).hex()}")
        with contextlib.suppress(FileExistsError):
            return path, os.open(path, flags, 0o666)


def _sync_folder(folder: pathlib.Path) -> None:
    """Have the new name on disk, too, where the system can do that."""
    with contextlib.suppress(OSError), _opened(folder) as fd:
        os.fsync(fd)


def _save_over(frozen: PageBuffer, where: pathlib.Path) -> None:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    source = frozen.source
    fd = os.open(where, flags, 0o666)
    try:
        identity = source.identity if isinstance(source, Source) else None
        if identity and _identity(os.fstat(fd))[:2] == identity[:2]:
            raise ValueError(f"{str(where)!r} is mapped, so it can only be saved with atomic=True")
        os.ftruncate(fd, 0)
        _write_all(frozen, fd)
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(frozen: PageBuffer, fd: int) -> None:
    """Write to an empty file."""
    os.ftruncate(fd, len(frozen))
    source = frozen.source
    if not isinstance(source, Source) or (source_fd := _reopen(source)) is None:
        _write_range(frozen, fd, 0, len(frozen))
        return
    try:
        _write_mixed(frozen, source, fd, source_fd)
    finally:
        os.close(source_fd)


def _reopen(source: Source) -> int | None:
    """Open the file of a source, if it is there as it was."""
    if source.path is None:
        return None
    try:
        fd = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if _identity(os.fstat(fd)) == source.identity:
        return fd
    os.close(fd)
    return None


def _write_mixed(frozen: PageBuffer, source: Source, fd: int, source_fd: int) -> None:
    """Copy from file to file what is as in the source, and write the rest."""
    at, end, first = 0, len(frozen), source.offset
    for offset, size in [*frozen.diff(source), (end, 0)]:
        start, past = min(offset, end), min(offset + size, end)
        for piece, length in _data(source_fd, first + at, start - at):
            left = _copy(source_fd, fd, piece, piece - first, length)
            _write_range(frozen, fd, piece - first + length - left, left)
        _write_range(frozen, fd, start, past - start)
        at = past


def _data(fd: int, offset: int, size: int) -> Iterator[Range]:
    """Yield the ranges of a file that are no holes."""
    end = offset + size
    if not hasattr(os, "SEEK_DATA"):
        yield offset, size
        return
    while offset < end:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                yield offset, end - offset  # this file does not tell
            return
        if start >= end:
            return
        offset = min(os.lseek(fd, start, os.SEEK_HOLE), end)
        yield start, offset - start


def _copy(source_fd: int, fd: int, offset: int, to: int, size: int) -> int:
    """Copy from file to file.  Return how many bytes are left where the system cannot do that."""
    while size and COPIES_FILES:
        try:
            done = os.copy_file_range(source_fd, fd, min(size, PIECE), offset, to)
        except OSError as error:
            if error.errno not in NOT_HERE:
                raise
            break
        if done == 0:
            break
        offset, to, size = offset + done, to + done, size - done
    return size


def _write_range(frozen: PageBuffer, fd: int, offset: int, size: int) -> None:
    """Write a range of a buffer to its place in a file."""
    for at in range(offset, offset + size, WINDOW):
        for start, view in frozen.data_views(at, min(WINDOW, offset + size - at)):
            os.lseek(fd, start, os.SEEK_SET)
            while view:
                view = view[os.write(fd, view[:PIECE]) :]
