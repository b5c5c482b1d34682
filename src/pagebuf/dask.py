"""Buffers in Dask: `register` has those of many small runs sent in one piece.

Nothing needs to be registered for a `PageBuffer` to be a result, to be sent to a worker and to be
spilled to disk: its pickle does all of that.  But Dask takes some 25 us for each buffer of a
pickle, so thousands of small runs take less time when they are copied into one.

>>> import pagebuf.dask
>>> pagebuf.dask.register()  # doctest: +SKIP

Each process has to do so, the client and the workers.  For those there is Dask's own setting: the
name of this module in ``distributed.worker.preload``, and in those for scheduler and nanny.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from pagebuf._core import PAGE_SIZE, PageBuffer

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["dask_setup", "register"]

MOST = 64
"""More runs than these are sent in one piece,"""

SMALL = 1 << 20
"""if they have fewer bytes than this on average."""


def register() -> None:
    """Tell Dask's serialization in this process how to send a `PageBuffer`.  O(1).

    A buffer of more than 64 runs, of less than a MiB on average, is copied into one piece when it
    is sent, which arrives as one.  All others are sent as their pickle sends them.

    Raises:
        ImportError: without Dask's ``distributed``, which ``pip install 'pagebuf[dask]'`` brings.
    """
    try:
        from distributed.protocol import (  # type: ignore[import-not-found, unused-ignore]
            dask_deserialize,
            dask_serialize,
        )
    except ImportError as error:
        raise ImportError("pagebuf.dask needs Dask: install pagebuf[dask]") from error
    dask_serialize.register(PageBuffer)(_packed)
    dask_deserialize.register(PageBuffer)(_unpacked)


def dask_setup(service: object) -> None:
    """Register; Dask calls this in a process that has the module as a preload."""
    del service  # a worker, a nanny, a scheduler or a client: all do the same
    register()


def _packed(buf: PageBuffer) -> tuple[dict[str, Any], list[Any]]:
    """Return what Dask sends: a header, and the bytes of the runs."""
    parts: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(buf, 5, buffer_callback=parts.append)
    runs = [part.raw() for part in parts]
    sizes = [run.nbytes for run in runs]
    if len(runs) > MOST and sum(sizes) < SMALL * len(runs):
        return {"pickled": pickled, "sizes": sizes}, [b"".join(runs)]
    return {"pickled": pickled, "sizes": None}, list(runs)


def _unpacked(header: dict[str, Any], frames: list[Any]) -> PageBuffer:
    sizes = header["sizes"]
    parts: Iterable[Any] = frames if sizes is None else _split(frames, sizes)
    made: PageBuffer = pickle.loads(header["pickled"], buffers=parts)
    return made


def _split(frames: list[Any], sizes: list[int]) -> list[memoryview]:
    (frame,) = frames
    whole, at, parts = memoryview(frame).cast("B"), 0, []
    if whole.nbytes != sum(sizes):
        raise ValueError(f"{whole.nbytes} bytes came in the place of {sum(sizes)}")
    for size in sizes:
        parts.append(whole[at : at + size])
        at += size
    return parts


def _register_sizeof(sizeof: Any) -> None:
    """Say what a buffer has in memory: its pages, and what it was received in."""

    @sizeof.register(PageBuffer)  # type: ignore[untyped-decorator, unused-ignore]
    def size_in_memory(buf: PageBuffer) -> int:
        received = buf.stats().mapped * PAGE_SIZE if buf.source is None else 0
        return buf.__sizeof__() + received
