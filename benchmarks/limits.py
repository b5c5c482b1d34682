"""The limits of rings: puts more into each ring than it holds, and reports what happens."""

from collections.abc import Callable
from typing import Any, ClassVar

from benchmarks.rings import PageBufQueue, Ring, rings
from benchmarks.tables import Cell, Measure
from benchmarks.workloads import KIB, size_name

CAPACITY = 64 * KIB
RECORD = 64


def record(number: int) -> bytes:
    """A record that contains its own number."""
    return number.to_bytes(8, "little") * (RECORD // 8)


def _told(call: Callable[[], Any], usual: object) -> str:
    """How a call reports that it did not do everything, or an empty string."""
    try:
        answer = call()
    except Exception as error:
        return f"raises {type(error).__name__}"
    if answer is None or answer is usual or answer == usual:
        return ""
    return f"returns {answer!r}" if isinstance(answer, bool | int) else "returns the rest"


def _numbers(held: bytes) -> list[int]:
    return [int.from_bytes(held[at : at + 8], "little") for at in range(0, len(held), RECORD)]


def when_full(who: Ring) -> str:
    """Put up to four times the capacity, until a put fails; say what the ring then holds."""
    ring = who.ring(CAPACITY)
    usual = who.put(ring, record(0))
    put, told = 1, ""
    while put < 4 * CAPACITY // RECORD and not told:
        told = _told(lambda: who.put(ring, record(put)), usual)  # noqa: B023
        put += not told
    held = _numbers(who.take_all(ring))
    if held == list(range(put)):
        return f"{told} at {put * RECORD:,} bytes" if told else f"grew to {size_name(put * RECORD)}"
    if held == list(range(put - len(held), put)):
        return f"{told or 'silent'}: lost the oldest {put - len(held):,} of {put:,} records"
    return f"{told or 'silent'}: holds {len(held):,} of {put:,} records, not in order"


def too_large(who: Ring) -> str:
    """Put one piece of twice the capacity into a ring with a few bytes; say what it holds then."""
    ring = who.ring(CAPACITY)
    old = record(1)
    usual = who.put(ring, old)
    piece = b"".join(record(number) for number in range(2, 2 + 2 * CAPACITY // RECORD))
    told = _told(lambda: who.put(ring, piece), usual)
    held = who.take_all(ring)
    if held == old + piece:
        return "took it"
    if held == old:
        return told or "silent: nothing of it is there"
    if held and piece.endswith(held):
        return f"{told or 'silent'}: only its last {len(held):,} bytes are there"
    if (old + piece).startswith(held):
        return f"{told or 'silent'}: {len(held):,} bytes are there"
    return f"{told or 'silent'}: other bytes are there"


def odd_piece(who: Ring) -> str:
    """Put a piece into a nearly full ring: larger than the room left, but not than the capacity."""
    ring = who.ring(CAPACITY)
    first = b"".join(record(number) for number in range(CAPACITY // RECORD - 2))
    usual = who.put(ring, first)
    piece = b"".join(record(number) for number in range(10_000, 10_000 + 512))
    told = _told(lambda: who.put(ring, piece), usual)
    held = who.take_all(ring)
    whole = first + piece
    if held == whole:
        return "took it"
    if held == first:
        return told or "silent: nothing of it is there"
    if held and whole.endswith(held):
        return f"{told or 'silent'}: lost the oldest {len(whole) - len(held):,} bytes"
    if whole.startswith(held):
        return f"{told or 'silent'}: lost its last {len(whole) - len(held):,} bytes"
    return f"{told or 'silent'}: other bytes are there"


class FullRing(Measure):
    """Rings of 64 KiB that get more than they hold."""

    name = "full"
    title = "What a ring can't do: one of 64 KiB is given more than it holds"
    note = "what each holds when it is empty is in the table of the burst"
    columns: ClassVar[list[str]] = [
        "records until full",
        "a piece that no longer fits",
        "a piece of 128 KiB",
    ]
    unit = "plain"

    @property
    def items(self) -> list[Ring]:
        return [PageBufQueue(), *rings()]

    def row(self, item: Ring) -> tuple[str, list[Cell]]:
        if reason := item.missing():
            return item.name, [reason]
        return item.name, [when_full(item), odd_piece(item), too_large(item)]


MEASURES = (FullRing,)
