"""The unread bytes of a reader, with the interface of the bytearray in asyncio's reader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from pagebuf.aio.store import Store

_CHANGES = frozenset({"append", "insert", "pop", "remove", "reverse"})


class Held:
    """``reader._buffer``, which some programs read, cut and clear.

    Length, `clear`, `extend` and cuts at the front work on the queue itself.  Everything else works
    on a copy.  If it changes the copy, the copy replaces the queue's bytes.
    """

    __slots__ = ("_reader",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, reader: Store) -> None:
        self._reader = reader

    def _copy(self) -> bytearray:
        data = bytearray(self._reader.queue.peek())
        data += self._reader._aside
        return data

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        data = self._copy()
        method = getattr(data, name)
        if name not in _CHANGES:
            return method

        def change(*args: Any) -> Any:
            result = method(*args)
            self._reader._hold(data)
            return result

        return change

    def clear(self) -> None:
        """Drop everything."""
        self._reader._hold(b"")

    def extend(self, data: ReadableBuffer) -> None:
        """Put bytes behind what is there; wakes nobody."""
        self._reader._take_in(data)

    def __iadd__(self, data: ReadableBuffer) -> Self:
        self.extend(data)
        return self

    def __len__(self) -> int:
        return len(self._reader.queue) + len(self._reader._aside)

    def __bytes__(self) -> bytes:
        return bytes(self._copy())

    def __iter__(self) -> Iterator[int]:
        return iter(self._copy())

    def __contains__(self, sought: ReadableBuffer | SupportsIndex) -> bool:
        return sought in self._copy()

    def __eq__(self, other: object) -> bool:
        return self._copy() == (other._copy() if isinstance(other, Held) else other)

    def __getitem__(self, key: Any) -> Any:
        return self._copy()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        data = self._copy()
        data[key] = value
        self._reader._hold(data)

    def __delitem__(self, key: Any) -> None:
        if isinstance(key, slice) and key.start in (None, 0) and key.step in (None, 1):
            front = range(len(self))[key]
            self._reader._drop(len(front))
            return
        data = self._copy()
        del data[key]
        self._reader._hold(data)

    def __repr__(self) -> str:
        return repr(self._copy())
