"""Uploads that wait for somebody slow: a spike goes to a file, and memory stays what it may be."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator

from pagebuf import PageBuffer, PagePool

PIECE = 65536


class Backlog:
    def __init__(self, memory: int) -> None:
        self.pool = PagePool(limit=memory, spill=True)
        self.waiting: collections.deque[PageBuffer] = collections.deque()

    def put(self, upload: Iterable[bytes]) -> None:
        buf = PageBuffer(pool=self.pool)
        for piece in upload:
            buf.extend(piece)
        self.waiting.append(buf)

    def take(self) -> Iterator[bytes]:
        buf = self.waiting.popleft()
        for offset in range(0, len(buf), PIECE):
            yield buf.read(offset, PIECE)
