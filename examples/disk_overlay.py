"""A disk over an image that many machines share: each keeps the sectors that it has changed."""

from __future__ import annotations

import pathlib

from pagebuf import PageBuffer

SECTOR = 512


class Disk:
    def __init__(self, image: pathlib.Path) -> None:
        self.bytes = PageBuffer.map(image)

    def read(self, sector: int, count: int = 1) -> bytes:
        return self.bytes.read(sector * SECTOR, count * SECTOR)

    def write(self, sector: int, data: bytes) -> None:
        self.bytes.write(sector * SECTOR, data)

    def changed(self) -> list[tuple[int, int]]:
        image = self.bytes.source
        return self.bytes.diff(image) if image else []

    def commit(self, path: pathlib.Path) -> None:
        self.bytes.save(path)
