"""How many unread bytes a reader holds before it pauses reading, and when it resumes."""

from __future__ import annotations

from pagebuf._core import ByteQueue

LIMIT = 1 << 16
"""asyncio's default: the longest line, and half of the unread bytes that pause reading."""

_ONE_READ = 1 << 16
"""A bounded queue pauses reading when less room than this is left: the pieces would be small."""


def checked(limit: float | None) -> float | None:
    """Check a limit: a positive number, or None for lines of any length."""
    if limit is None:
        return None
    if not isinstance(limit, (int, float)):
        raise TypeError(f"limit must be a number or None, not {type(limit).__name__}")
    if not limit > 0:
        raise ValueError(f"limit must be positive or None, not {limit}")
    return limit


def bound_of(queue: ByteQueue) -> int | None:
    """The size beyond which a queue raises, or waits, which a loop must not; None for others."""
    return queue.max_bytes if queue.overflow in {"raise", "block"} else None


def pause_above(limit: float | None, needed: int, bound: int | None) -> float:
    """Reading pauses above this number of bytes.  A reader waits for ``needed`` of them."""
    most = max(2 * (limit or LIMIT), needed)
    return most if bound is None else min(most, bound - min(bound // 2, _ONE_READ))


def resume_at(limit: float | None, bound: int | None) -> float:
    """Reading resumes when at most this number of bytes is left."""
    calm = limit or LIMIT
    return calm if bound is None else min(calm, pause_above(limit, 0, bound) // 2)
