"""Grows buffers in turn, drops nearly all of them, and measures what the process still holds.

The pieces of buffers that stay lie between pieces of buffers that were dropped.  This runs in the
child and measures the whole process, so it imports only what the participant needs.
"""

from benchmarks.resident import peak, reset_peak, resident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

PIECE = 512
PIECES = 107
"""The pieces of each buffer.  With these, 4000 `io.BytesIO` keep 257 MB for 4.4 MB (glibc)."""
KEEP_EVERY = 50


class Kind:
    """How one kind of buffer is used."""

    def __init__(
        self, make: "Callable[[], Any]", append: "Callable[[Any, bytes], Any]", read: "Any" = bytes
    ) -> None:
        self.make = make
        self.append = append
        self.read = read


def _pagebuf() -> Kind:
    from pagebuf import PageBuffer

    return Kind(PageBuffer, PageBuffer.extend)


def _bytesio() -> Kind:
    from io import BytesIO

    return Kind(BytesIO, BytesIO.write, BytesIO.getvalue)


def _bytearray() -> Kind:
    return Kind(bytearray, bytearray.extend)


def _mapping() -> Kind:
    from mmap import mmap

    from benchmarks.mapping import reserved

    def written(store: mmap) -> bytes:
        return store[: store.tell()]

    return Kind(lambda: reserved(1 << 32), mmap.write, written)


def _arrow() -> Kind:
    from pyarrow import BufferOutputStream

    return Kind(BufferOutputStream, BufferOutputStream.write, lambda store: bytes(store.getvalue()))


KINDS = {
    "pagebuf": _pagebuf,
    "io.BytesIO": _bytesio,
    "bytearray": _bytearray,
    "mmap, 4 GiB reserved": _mapping,
    "pyarrow stream": _arrow,
}
"""By the names of `peers.py`.  No memfd: a process may not have as many open files."""


def interleaved(data: "Any", who: str, count: int) -> dict[str, int]:
    """Grow `count` buffers in turn, piece by piece, and keep every fiftieth.  Calls no `trim`."""
    kind = KINDS[who]()
    content = data[: PIECE * PIECES]
    pieces = [content[at : at + PIECE] for at in range(0, len(content), PIECE)]
    resident()  # the first call allocates memory of its own
    reset_peak()
    before = resident()
    buffers = [kind.make() for _ in range(count)]
    grow(buffers, kind.append, pieces)
    most = peak()
    buffers = buffers[::KEEP_EVERY]
    after = resident()
    if any(kind.read(buffer) != content for buffer in buffers):
        raise AssertionError("wrong bytes")
    live = len(buffers) * len(content)
    return {"peak": most, "live": live, "resident": after, "beyond": max(0, after - before)}


def grow(
    buffers: "list[Any]", append: "Callable[[Any, bytes], Any]", pieces: "Iterable[bytes]"
) -> None:
    """Give each buffer its first piece, then each its second, and so on."""
    for piece in pieces:
        for buffer in buffers:
            append(buffer, piece)
