"""Damages a buffer on purpose, as a stray pointer does, so that tests see it reported.

`aim` notes the addresses first.  `plant` then does one raw store and nothing else.

>>> from pagebuf import PageBuffer, PagePool, CorruptionError
>>> pool = PagePool(debug=1)
>>> buf = PageBuffer(bytes(3000), pool=pool, name="victim")
>>> plant("stale tail", aim(buf))
>>> try:
...     buf.extend(b"more")
... except CorruptionError as error:
...     print(error.owner is buf, error.offset)
True 3007
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING, NamedTuple

from pagebuf._core import _raw_addresses

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from pagebuf._core import PageBuffer

__all__ = ["KINDS", "Target", "aim", "plant"]


class Target(NamedTuple):
    """Addresses in a buffer and its structures, at the time of `aim`."""

    first: int
    """the first byte"""
    past: int
    """the byte right after the last one"""
    entry: int
    """the entry that names the first page"""
    row: int
    """the row of that page's frame"""
    zero_word: int
    """the word of the zero map with that frame's bit"""
    zero_bit: int


def aim(buf: PageBuffer) -> Target:
    """Note the addresses of a buffer that has pages, the last one not full.  O(levels)."""
    first, entry, row, word, bit = _raw_addresses(buf, 0)
    past = _raw_addresses(buf, len(buf))[0]
    return Target(first, past, entry, row, word, bit)


def _store(address: int, data: bytes) -> None:
    ctypes.memmove(address, data, len(data))


def _fetch(address: int, form: str) -> int:
    value: int = struct.unpack(form, ctypes.string_at(address, struct.calcsize(form)))[0]
    return value


def _add(address: int, form: str, by: int) -> None:
    _store(address, struct.pack(form, _fetch(address, form) + by))


def _fill(n: int) -> bytes:
    return b"\xee" * n


_WILD: Final = (0x7FFF_FF00 << 12) | 1

KINDS: Final[dict[str, Callable[[Target, int], object]]] = {
    "overflow right": lambda at, n: _store(at.past, _fill(n)),
    "overflow left": lambda at, n: _store(at.first - n, _fill(n)),
    "write after free": lambda at, _: _store(at.first + 3, _fill(1)),
    "read after free": lambda at, _: ctypes.string_at(at.first + 3, 1),
    "double free": lambda at, _: _store(at.entry + 8, ctypes.string_at(at.entry, 8)),
    "free with references": lambda at, _: _add(at.row, "=I", -1),
    "foreign frame": lambda at, n: _add(at.entry, "<Q", n << 12),
    "store to a frozen frame": lambda at, _: _store(at.first + 3, _fill(1)),
    "count leaked by one": lambda at, _: _add(at.row, "=I", 1),
    "stale tail": lambda at, _: _store(at.past + 7, b"old"),
    "wild entry": lambda at, _: _store(at.entry, struct.pack("<Q", _WILD)),
    "lost zeroing": lambda at, _: _store(
        at.zero_word, struct.pack("=Q", _fetch(at.zero_word, "=Q") | 1 << at.zero_bit)
    ),
}
"""The twelve kinds of damage: each function does the store of its kind."""


def plant(kind: str, target: Target, n: int = 1) -> None:
    """Do the store of a kind.

    ``n`` is the number of bytes by which an overflow passes an end, or the number of frames from
    the right frame to a foreign one.  At level 2 a store into a protected frame ends the process.
    """
    KINDS[kind](target, n)
