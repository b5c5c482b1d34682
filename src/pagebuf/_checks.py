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
