"""Methods of `PageBuffer` that are written in Python: pickling, NumPy arrays, pictures."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from pagebuf._checks import index_of
from pagebuf._core import FANOUT, PAGE_SIZE, PageBuffer

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import DTypeLike, NDArray

Run = tuple[int, pickle.PickleBuffer | bytes]
"""The offset of a run of pages, and its bytes."""


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
    size = items * kind.itemsize
    if items < 0:  # take as many whole items as there are
        rest = max(0, len(buf) - first)
        size = rest - rest % kind.itemsize
    return np.frombuffer(buf.view(first, size), kind)


def _runs(buf: PageBuffer) -> Iterable[tuple[int, memoryview]]:
    for offset, size in buf.extents():
        for view in buf.views(offset, size):
            yield offset, view
            offset += len(view)


def reduce_ex(buf: PageBuffer, protocol: int) -> tuple[object, ...]:
    """Return what pickle stores: the size, the levels and the runs, without holes."""
    snap = buf.snapshot()
    runs: list[Run]
    if protocol >= 5:
        runs = [(offset, pickle.PickleBuffer(view)) for offset, view in _runs(snap)]
    else:
        runs = [(offset, bytes(view)) for offset, view in _runs(snap)]
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
    """Make a buffer on the default pool from what `reduce_ex` returned."""
    buf = cls.__new__(cls)
    PageBuffer.__init__(buf, max_levels=levels)
    for offset, data in runs:
        buf.write(offset, data)
    buf.truncate(size)
    return buf.snapshot() if frozen else buf


def repr_svg(buf: PageBuffer) -> str | None:
    """The picture of the tree for a notebook.  None without matplotlib: it then shows the repr."""
    from pagebuf import picture

    return picture.svg(picture.tree_figure(buf)) if picture.available() else None
