"""pagebuf and the growable buffers, written as their users would write them."""

import mmap
import os
import tempfile
from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from typing import Any

from benchmarks.errors import Cannot
from benchmarks.loops import Op
from benchmarks.mapping import PRIVATE, reserved
from benchmarks.participants import OURS, REFERENCE, Participant, Store
from benchmarks.workloads import GIB, KIB, MIB


class PageBuf(Participant):
    """`pagebuf.PageBuffer`.  All buffers share a pool that keeps its free pages (``keep=``), so
    that a later buffer gets warm frames.  Measures of memory use the default ``keep``."""

    name = "pagebuf"
    family = OURS
    requires = ("pagebuf",)
    keep: int | None = 1 << 40

    def __init__(self) -> None:
        self._pool: Any = None

    @property
    def pool(self) -> Any:
        if self._pool is None:
            self._pool = import_module("pagebuf").PagePool(keep=self.keep)
        return self._pool

    def buffer(self) -> Any:
        return import_module("pagebuf").PageBuffer(pool=self.pool)

    def forget(self) -> None:
        self._pool = None

    def growing(self) -> tuple[Store, Op]:
        buffer = self.buffer()
        return buffer, Op({"extend": buffer.extend}, "extend(piece)")

    def contents(self, store: Store) -> Iterator[bytes]:
        for at in range(0, len(store), MIB):
            yield store.read(at, MIB)

    def reading(self, store: Store, size: int) -> Op:
        return Op({"read": store.read, "size": size}, result="read(offset, size)")

    def writing(self, store: Store) -> Op:
        return Op({"write": store.write}, "write(offset, piece)")

    def sparse(self, reach: int) -> Store:
        buffer = self.buffer()
        buffer.truncate(reach)
        return buffer

    def queue(self, capacity: int, size: int) -> Op:  # noqa: ARG002
        buffer = self.buffer()
        names = {"extend": buffer.extend, "take_bytes": buffer.take_bytes}
        return Op(names, "extend(piece)", "take_bytes(size)")

    def drain(self, store: Store, upto: int) -> Store:
        for _ in range(upto // MIB):
            store.take_bytes(MIB)
        return store

    def give_back(self) -> None:
        self.pool.trim()


class BytesIOPeer(Participant):
    """`io.BytesIO`."""

    name = "io.BytesIO"

    def growing(self) -> tuple[Store, Op]:
        store = BytesIO()
        return store, Op({"write": store.write}, "write(piece)")

    def contents(self, store: Store) -> Iterator[memoryview]:
        with store.getbuffer() as view:
            yield view

    def reading(self, store: Store, size: int) -> Op:
        names = {"seek": store.seek, "read": store.read, "size": size}
        return Op(names, "seek(offset)", "read(size)")

    def writing(self, store: Store) -> Op:
        return Op({"seek": store.seek, "write": store.write}, "seek(offset)\nwrite(piece)")


class ByteArray(Participant):
    """`bytearray`: `+=`, slices, `del` of the front."""

    name = "bytearray"

    def growing(self) -> tuple[Store, Op]:
        store = bytearray()
        return store, Op({"store": store}, "store += piece")

    def contents(self, store: Store) -> Iterator[bytearray]:
        yield store

    def reading(self, store: Store, size: int) -> Op:
        return Op({"store": store, "size": size}, result="store[offset:offset + size]")

    def writing(self, store: Store) -> Op:
        return Op({"store": store}, "store[offset:offset + len(piece)] = piece")

    def queue(self, capacity: int, size: int) -> Op:  # noqa: ARG002
        return Op({"store": bytearray()}, "store += piece", "store[:size]", "del store[:size]")

    def drain(self, store: Store, upto: int) -> Store:
        for _ in range(upto // MIB):
            del store[:MIB]
        return store


class MmapGrown(Participant):
    """An anonymous private `mmap` that doubles itself with `resize` when it is full."""

    name = "mmap, resized"

    def growing(self) -> tuple[Store, Op]:
        store = mmap.mmap(-1, 64 * KIB, flags=PRIVATE)
        names = {"write": store.write, "resize": store.resize, "end": 0, "room": 64 * KIB}
        return store, Op(names, _GROW_MMAP)

    def contents(self, store: Store) -> Iterator[memoryview]:
        with memoryview(store) as whole, whole[: store.tell()] as view:
            yield view

    def reading(self, store: Store, size: int) -> Op:
        return Op({"store": store, "size": size}, result="store[offset:offset + size]")

    def writing(self, store: Store) -> Op:
        return Op({"store": store}, "store[offset:offset + len(piece)] = piece")

    def drain(self, store: Store, upto: int) -> Store:
        store.madvise(mmap.MADV_DONTNEED, 0, upto)
        return store


_GROW_MMAP = """\
end += len(piece)
if end > room:
    while end > room:
        room *= 2
    resize(room)
write(piece)"""


class MmapReserved(MmapGrown):
    """Reserves 4 GiB of addresses at once; the kernel commits pages when they are touched."""

    name = "mmap, 4 GiB reserved"
    reservation = 4 * GIB
    huge = False

    def sparse(self, reach: int) -> Store:
        store = reserved(reach)
        if self.huge:
            store.madvise(mmap.MADV_HUGEPAGE)
        return store

    def growing(self) -> tuple[Store, Op]:
        store = self.sparse(self.reservation)
        return store, Op({"write": store.write}, "write(piece)")


class MmapHuge(MmapReserved):
    """The same with huge pages: fast, but each touched place costs 2 MiB."""

    name = "mmap, reserved + huge pages"
    family = REFERENCE
    huge = True


class MmapKept(MmapReserved):
    """A reservation that each run reuses from its start, so that its pages are already touched."""

    name = "mmap, kept and overwritten"
    family = REFERENCE

    def __init__(self) -> None:
        self._kept: mmap.mmap | None = None

    def growing(self) -> tuple[Store, Op]:
        if self._kept is None:
            self._kept = self.sparse(self.reservation)
        self._kept.seek(0)
        return self._kept, Op({"write": self._kept.write}, "write(piece)")

    def forget(self) -> None:
        self._kept = None


class MemFile:
    """A memfd, closed with its last reference."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("benchmark")

    def __del__(self) -> None:
        os.close(self.fd)


class MemFd(Participant):
    """A file in memory: `os.write`, `os.pread`, `os.pwrite`."""

    name = "memfd"

    def growing(self) -> tuple[Store, Op]:
        store = MemFile()
        return store, Op({"write": os.write, "fd": store.fd}, "write(fd, piece)")

    def contents(self, store: Store) -> Iterator[bytes]:
        for at in range(0, os.fstat(store.fd).st_size, MIB):
            yield os.pread(store.fd, MIB, at)

    def unmapped(self, store: Store) -> int:
        return os.fstat(store.fd).st_blocks * 512

    def reading(self, store: Store, size: int) -> Op:
        names = {"pread": os.pread, "fd": store.fd, "size": size}
        return Op(names, result="pread(fd, size, offset)")

    def writing(self, store: Store) -> Op:
        return Op({"pwrite": os.pwrite, "fd": store.fd}, "pwrite(fd, piece, offset)")

    def sparse(self, reach: int) -> Store:
        store = MemFile()
        os.ftruncate(store.fd, reach)
        return store


class Spooled(Participant):
    """`tempfile.SpooledTemporaryFile` with so high a limit that it never goes to disk."""

    name = "SpooledTemporaryFile"
    note = "never rolls over to disk"

    def growing(self) -> tuple[Store, Op]:
        store = tempfile.SpooledTemporaryFile(max_size=1 << 40)  # noqa: SIM115
        return store, Op({"write": store.write}, "write(piece)")

    def contents(self, store: Store) -> Iterator[bytes]:
        store.seek(0)
        while chunk := store.read(MIB):
            yield chunk

    def discard(self, store: Store) -> None:
        store.close()


class ArrowStream(Participant):
    """`pyarrow.BufferOutputStream`."""

    name = "pyarrow stream"
    requires = ("pyarrow",)

    def growing(self) -> tuple[Store, Op]:
        store = import_module("pyarrow").BufferOutputStream()
        return store, Op({"write": store.write}, "write(piece)")

    def contents(self, store: Store) -> Iterator[memoryview]:
        yield memoryview(store.getvalue())

    def give_back(self) -> None:
        import_module("pyarrow").default_memory_pool().release_unused()


class Memcpy(Participant):
    """`numpy.copyto`, piece by piece, into touched memory: the upper bound of warm growth."""

    name = "memcpy by piece"
    family = REFERENCE
    requires = ("numpy",)

    def __init__(self) -> None:
        self._room: Any = None

    def _touched(self, size: int) -> Any:
        numpy = import_module("numpy")
        if self._room is None or len(self._room) != size:
            self._room = numpy.ones(size, numpy.uint8)
        return self._room

    def prepared(self, pieces: list[bytes]) -> list[Any]:
        numpy = import_module("numpy")
        room = self._touched(sum(map(len, pieces)))
        pairs = []
        at = 0
        for piece in pieces:
            pairs.append((room[at : at + len(piece)], numpy.frombuffer(piece, numpy.uint8)))
            at += len(piece)
        return pairs

    def growing(self) -> tuple[Store, Op]:
        if self._room is None:
            raise Cannot("nothing prepared")
        copyto = import_module("numpy").copyto
        return self._room, Op({"copyto": copyto}, "copyto(piece[0], piece[1])")

    def contents(self, store: Store) -> Iterator[Any]:
        yield store

    def forget(self) -> None:
        self._room = None


class MemcpyOnce(Memcpy):
    """`numpy.copyto` of everything in one call, which may bypass the cache."""

    name = "memcpy in one call"

    def prepared(self, pieces: list[bytes]) -> list[Any]:
        numpy = import_module("numpy")
        source = numpy.frombuffer(b"".join(pieces), numpy.uint8)
        return [(self._touched(len(source)), source)]


def growable() -> list[Participant]:
    """pagebuf first, then its peers."""
    return [
        PageBuf(),
        BytesIOPeer(),
        ByteArray(),
        MmapGrown(),
        MmapReserved(),
        MemFd(),
        Spooled(),
        ArrowStream(),
    ]


def positional() -> list[Participant]:
    """The participants with access by position; the one with huge pages is only a comparison."""
    return [PageBuf(), BytesIOPeer(), ByteArray(), MmapGrown(), MemFd(), MmapHuge()]
