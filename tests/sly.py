"""Arguments that act on their own: code of the caller that runs in the middle of a call (I6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Sly:
    """A number that acts each time before it tells its value."""

    def __init__(self, value: Any, act: Callable[[], Any]) -> None:
        self.value, self.act = value, act

    def __index__(self) -> int:
        self.act()
        return self.value


class WrongError(Exception):
    pass


def wrong() -> None:
    """What an argument may do that raises."""
    raise WrongError
