"""A buffer for another process, through shared memory: no byte goes through a pipe.

What `multiprocessing` sends it pickles in band, so its queues and pipes copy each byte four times.
Here the buffers of a pickle are written into shared memory, and the receiver maps them: it copies
a page when it writes to it.
"""

from __future__ import annotations

import pickle
from multiprocessing import shared_memory
from typing import NamedTuple

from pagebuf import PageBuffer


class Parcel(NamedTuple):
    """What goes through a pipe in place of the bytes."""

    memory: str
    pickled: bytes
    sizes: list[int]


def send(buf: PageBuffer) -> tuple[Parcel, shared_memory.SharedMemory]:
    """Copy the pages into shared memory, once; holes take no place.  Who sends unlinks it."""
    parts: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(buf, 5, buffer_callback=parts.append)
    sizes = [part.raw().nbytes for part in parts]
    memory = shared_memory.SharedMemory(create=True, size=max(1, sum(sizes)))
    at = 0
    for part, size in zip(parts, sizes, strict=True):
        memory.buf[at : at + size] = part.raw()
        at += size
    return Parcel(memory.name, pickled, sizes), memory


def receive(parcel: Parcel) -> tuple[PageBuffer, shared_memory.SharedMemory]:
    """Map what was sent.  The memory can be closed when the buffer is gone, or detached."""
    memory = shared_memory.SharedMemory(parcel.memory)
    view, at, parts = memory.buf.toreadonly(), 0, []
    for size in parcel.sizes:
        parts.append(view[at : at + size])
        at += size
    return pickle.loads(parcel.pickled, buffers=parts), memory
