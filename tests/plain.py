"""Functions that change a `bytearray`, the model of a buffer, as the calls of a buffer do."""

from __future__ import annotations

import random
from typing import Any

from tests.helpers import PAGE
from tests.support import pattern


def plain_write(model: bytearray, at: int, data: bytes) -> None:
    """As `write`: fills a gap after the end with zeros.  Without bytes it does nothing."""
    if data:
        model.extend(bytes(max(0, at - len(model))))
        model[at : at + len(data)] = data


def plain_truncate(model: bytearray, size: int) -> None:
    """As `truncate`: cuts, or extends with zeros."""
    del model[size:]
    model.extend(bytes(size - len(model)))


def plain_punch(model: bytearray, at: int, size: int) -> None:
    """As `punch`: writes zeros, but not past the end."""
    end = min(len(model), at + size)
    model[at:end] = bytes(max(0, end - at))


def change_both(rng: random.Random, buf: Any, model: bytearray, most: int, salt: int) -> None:
    """Make a random change to a buffer of up to `most` pages and to its model."""
    at, size = rng.randrange(most * PAGE), rng.randrange(1, most * PAGE // 3)
    match rng.randrange(4):
        case 0:
            data = pattern(at, size, salt)
            buf.write(at, data)
            plain_write(model, at, data)
        case 1:
            buf.truncate(at)
            plain_truncate(model, at)
        case 2:
            buf.punch(at, size)
            plain_punch(model, at, size)
        case 3:
            buf.clear()
            model.clear()
            buf.truncate(size)
            plain_truncate(model, size)
