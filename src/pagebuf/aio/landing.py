"""Where few bytes land: memory that the connections of a loop share.

A page for each connection would be held even while nothing comes.  So what is little lands here,
and is put into the queue by a copy; up to 104 bytes then lie in the queue's object, in no page.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from pagebuf._core import ByteQueue

SIZE = 1 << 14
"""What fills it goes on in pages."""

LITTLE = 1 << 10
"""So few bytes in pages, and the next ones land here again."""

_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()


def landing_of(loop: asyncio.AbstractEventLoop, queue: ByteQueue) -> memoryview | None:
    """The memory for a queue.  None where its policy drops bytes: it reserves room for all.

    A loop fills memory and hands it over before it asks again, so that one piece is enough.
    """
    if queue.overflow not in {"grow", "raise", "block"}:
        return None
    try:
        memory = _shared.get(loop)
        if memory is None:
            memory = _shared[loop] = memoryview(bytearray(SIZE))
    except TypeError:  # a loop of somebody's own that takes no weak references
        memory = memoryview(bytearray(SIZE))
    return memory
