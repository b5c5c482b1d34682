"""How much may wait in a reader: from what on reading pauses, and at what it goes on."""

from __future__ import annotations

from pagebuf._core import ByteQueue

LIMIT = 1 << 16
"""What asyncio has as well: the longest line that is taken, half of what may wait."""

_ONE_READ = 1 << 16
"""Room to be left in a bounded queue, so that what comes next need not come in small pieces."""


def checked(limit: float | None) -> float | None:
    """The limit, if it is one: a positive number, or None for lines of any length."""
    if limit is None:
        return None
    if not isinstance(limit, (int, float)):
        raise TypeError(f"limit must be a number or None, not {type(limit).__name__}")
    if not limit > 0:
        raise ValueError(f"limit must be positive or None, not {limit}")
    return limit


def bound_of(queue: ByteQueue) -> int | None:
    """What the queue refuses to pass, or None; a queue that drops bytes passes nothing on."""
    return queue.max_bytes if queue.overflow == "raise" else None


def pause_above(limit: float | None, needed: int, bound: int | None) -> float:
    """From more bytes than this on reading pauses; ``needed`` are those somebody waits for."""
    most = max(2 * (limit or LIMIT), needed)
    return most if bound is None else min(most, bound - min(bound // 2, _ONE_READ))


def resume_at(limit: float | None, bound: int | None) -> float:
    """Reading goes on when no more bytes than this are left."""
    calm = limit or LIMIT
    return calm if bound is None else min(calm, pause_above(limit, 0, bound) // 2)
