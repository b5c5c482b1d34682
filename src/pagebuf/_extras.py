"""Methods of `PageBuffer` that are written in Python: pickling, NumPy arrays, pictures."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from pagebuf._checks import index_of
from pagebuf._core import FANOUT, PAGE_SIZE, PageBuffer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

Run = tuple[int, int, pickle.PickleBuffer | bytes]
"""The offset of a run of pages, its size, and its bytes."""

LEAST = 16 * PAGE_SIZE
"""A run of less is copied when it is unpickled."""


def as_array(
    buf: PageBuffer, dtype: DTypeLike = "u1", offset: int = 0, count: int | None = -1
) -> NDArray[Any]:
    """A NumPy array over the live view of ``count`` items from ``offset`` on."""
    import numpy as np

    try:
        kind: np.dtype[Any] = np.dtype(dtype)
    except TypeError as error:
        raise TypeError(f"dtype must be a NumPy dtype, not {dtype!r}: {error}") from None
    if kind.itemsize == 0:
        raise ValueError(f"dtype must have items of at least one byte, not {kind}")
    first = index_of(offset, "offset")
    items = -1 if count is None else index_of(count, "count", "an int or None")
    if first < 0:
        raise ValueError(f"offset must not be negative, not {first}")
    if items < -1:
        raise ValueError(f"count must be at least 0, or -1 or None for all, not {items}")
    if items < 0:
        return np.frombuffer(_whole_items(buf, first, kind.itemsize), kind)
    return np.frombuffer(buf.view(first, items * kind.itemsize), kind)


def _whole_items(buf: PageBuffer, first: int, itemsize: int) -> memoryview:
    """A view of as many whole items as there are.  Another thread may cut the buffer meanwhile."""
    size_of = PageBuffer.__len__  # a subclass may have another one
    while True:
        rest = max(0, size_of(buf) - first)
        try:
            return buf.view(first, rest - rest % itemsize)
        except IndexError:
            if first > size_of(buf):
                raise


def reduce_ex(buf: PageBuffer, protocol: int) -> tuple[object, ...]:
    """Return what pickle stores: the size, the levels and the runs, without holes."""
    snap = buf.snapshot()
    pack = pickle.PickleBuffer if protocol >= 5 else bytes
    runs: list[Run] = [(offset, len(view), pack(view)) for offset, view in snap.data_views()]
    levels = next(n for n in range(1, 64) if snap.capacity <= reach(n))
    return (rebuild, (type(buf), len(snap), levels, buf.frozen, runs), _state_of(buf))


def reach(levels: int) -> int:
    """The number of bytes that a tree of `levels` levels can hold."""
    nbytes: int = 4 * FANOUT ** (levels - 1) * PAGE_SIZE
    return nbytes


def _state_of(buf: PageBuffer) -> dict[str, object] | None:
    return getattr(buf, "__dict__", None) or None


def rebuild(
    cls: type[PageBuffer], size: int, levels: int, frozen: bool, runs: list[Run]
) -> PageBuffer:
    """Make a buffer on the default pool from what `reduce_ex` returned.

    It keeps what it was given, and copies a page when that is written to.
    """
    buf = cls.__new__(cls)
    PageBuffer.__init__(buf, max_levels=levels)
    # Pages begin where they did in the other buffer, which may have a bias.
    skip = next((-offset % PAGE_SIZE for offset, *_ in runs if offset), 0)
    if size > buf.capacity - skip:
        skip = 0
    rows = [(offset, _checked(offset, there, data, size)) for offset, *there, data in runs]
    for offset, data in PageBuffer._neighbours(tuple(rows)):
        _put(buf, skip + offset, data)
    buf.truncate(skip + size)
    buf.take_bytes(skip)
    return buf.snapshot() if frozen else buf


def _checked(offset: int, there: list[int], data: Any, size: int) -> memoryview:
    """Return a run as bytes, if it is what was pickled."""
    view = memoryview(data)
    if there and view.nbytes != there[0]:
        raise ValueError(f"a buffer of {view.nbytes} bytes came in the place of one of {there[0]}")
    if offset < 0 or view.nbytes > size - offset:
        raise ValueError(f"{view.nbytes} bytes at offset {offset} of a buffer of {size}")
    if view.format == "B" and view.ndim == 1:
        return view
    return view.cast("B") if view.nbytes else memoryview(b"")


def _put(buf: PageBuffer, at: int, data: memoryview) -> None:
    """Show a run as memory of others, from the first whole page on; small ones are copied."""
    head = -at % PAGE_SIZE
    body = data[head:] if head else data
    if len(body) < LEAST:
        buf.write(at, data)
        return
    if head:
        buf.write(at, data[:head])
    try:
        buf._put_memory(at + head, body)
    except MemoryError:  # the pool has no numbers left
        buf.write(at + head, body)


def repr_svg(buf: PageBuffer) -> str | None:
    """The picture of the tree for a notebook.  None without matplotlib: it then shows the repr."""
    from pagebuf import picture

    return picture.svg(picture.tree_figure(buf)) if picture.available() else None
