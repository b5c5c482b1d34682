"""What calls of a buffer do, done to a `bytearray` beside it."""

from __future__ import annotations


def plain_write(model: bytearray, at: int, data: bytes) -> None:
    """Zeros up to `at` where it lies past the end; without bytes, nothing."""
    if data:
        model.extend(bytes(max(0, at - len(model))))
        model[at : at + len(data)] = data


def plain_truncate(model: bytearray, size: int) -> None:
    """Cut, or stretch with zeros."""
    del model[size:]
    model.extend(bytes(size - len(model)))


def plain_punch(model: bytearray, at: int, size: int) -> None:
    """Zeros, within the length."""
    end = min(len(model), at + size)
    model[at:end] = bytes(max(0, end - at))
