"""Checks of arguments, for what is written in Python."""

from __future__ import annotations

import operator


def index_of(given: object, what: str, kind: str = "an int") -> int:
    """Return an integer as an int; TypeError names the argument."""
    if not hasattr(type(given), "__index__"):
        raise TypeError(f"{what} must be {kind}, not {type(given).__name__}")
    return operator.index(given)  # type: ignore[arg-type]


def size_of(given: object, what: str, kind: str = "an int") -> int:
    """Return an integer that is not negative; ValueError otherwise."""
    number = index_of(given, what, kind)
    if number < 0:
        raise ValueError(f"{what} must not be negative, not {number}")
    return number


def offset_of(given: object, what: str, kind: str = "an int") -> int:
    """Return an offset, as the core counts them; OverflowError from 2**63 on."""
    if -1 << 63 <= index_of(given, what, kind) < 1 << 63:
        return size_of(given, what, kind)
    raise OverflowError(f"{what} must lie between -2**63 and 2**63")


def size_or_all(given: object, what: str) -> int | None:
    """Return a size; None where None or -1 asks for all that is there."""
    number = -1 if given is None else index_of(given, what, "an int or None")
    if number == -1:
        return None
    if -1 << 63 <= number < -1:
        raise ValueError(f"{what} must be at least 0, or -1 or None for all, not {number}")
    return offset_of(number, what)
