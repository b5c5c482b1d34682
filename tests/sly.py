"""Arguments that run code of the caller in the middle of a call (I6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Sly:
    """A number that calls `act` each time before it returns its value."""

    def __init__(self, value: Any, act: Callable[[], Any]) -> None:
        self.value, self.act = value, act

    def __index__(self) -> int:
        self.act()
        return self.value


class WrongError(Exception):
    pass


def wrong() -> None:
    """An `act` that raises."""
    raise WrongError
