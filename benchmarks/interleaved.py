"""Buffers that grow side by side, of which nearly all are dropped: what the process still holds.

Growing side by side puts pieces of buffers that stay between pieces of buffers that go.  This runs
in the child and measures the whole process, so it imports only what the participant needs.
"""

from benchmarks.resident import peak, reset_peak, resident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

PIECE = 512
PIECES = 107
"""So much goes into each: then 4000 `io.BytesIO` keep 257 MB for 4.4 MB of payload (glibc)."""
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
"""By the names of `peers.py`.  A memfd each would be more open files than a process may have."""


def interleaved(data: "Any", who: str, count: int) -> dict[str, int]:
    """Grows `count` buffers piece by piece in turn and keeps every fiftieth; asks for nothing."""
    kind = KINDS[who]()
    content = data[: PIECE * PIECES]
    pieces = [content[at : at + PIECE] for at in range(0, len(content), PIECE)]
    resident()  # what the first reading makes
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
    """Each buffer gets its first piece, then each its second."""
    for piece in pieces:
        for buffer in buffers:
            append(buffer, piece)
