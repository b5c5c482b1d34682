"""A hex editor's document: edits in a file of any size, with undo, also after it was saved."""

from __future__ import annotations

import pathlib

from pagebuf import PageBuffer


class Document:
    def __init__(self, path: pathlib.Path) -> None:
        self.bytes = PageBuffer.map(path)  # reads nothing
        self.past: list[PageBuffer] = []

    def edit(self, offset: int, size: int, new: bytes) -> None:
        self.past.append(self.bytes.snapshot())  # shares all pages
        self.bytes[offset : offset + size] = new

    def undo(self) -> None:
        self.bytes.restore(self.past.pop())

    def save(self) -> None:
        self.bytes.save_changes()  # what was kept for undo keeps its bytes
