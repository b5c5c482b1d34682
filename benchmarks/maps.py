"""Maps of files: reading one, and saving one that was edited, against doing so without a map."""

import mmap
import os
import random
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

from benchmarks.tables import Cell, Measure
from benchmarks.workloads import GIB, KIB, MIB
from pagebuf import PAGE_SIZE, PageBuffer, PagePool

PIECE = 64 * KIB
EDITS = 1000
EDIT = b"x" * 100
AMONG = 4 * MIB

Timed = Callable[[Path], tuple[float, int]]
"""Returns the seconds that it took, and how many bytes were written."""


def _file(folder: str, size: int) -> Path:
    """A file whose bytes are in the page cache, and on disk."""
    path = Path(folder, "mapped")
    block = random.Random(0).randbytes(AMONG)
    with path.open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return path


def _written() -> int:
    """The bytes that the process has handed to the system to write, where that is counted."""
    with suppress(OSError):
        for line in Path("/proc/self/io").read_text().splitlines():
            if line.startswith("wchar:"):
                return int(line.split()[1])
    return 0


# ---- reading ----


def _of_mmap(path: Path) -> tuple[float, int]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as there:
        start = perf_counter()
        for at in range(0, len(there), PIECE):
            there[at : at + PIECE]
        return perf_counter() - start, 0


def _of_buffer(path: Path) -> tuple[float, int]:
    buf = PageBuffer.map(path, pool=PagePool())
    start = perf_counter()
    for at in range(0, len(buf), PIECE):
        buf.read(at, PIECE)
    return perf_counter() - start, 0


# ---- editing and saving ----


def _places(size: int) -> list[int]:
    """Of edits, each within a page of its own."""
    chosen = random.Random(1)
    pages = chosen.sample(range(size // PAGE_SIZE), min(EDITS, size // PAGE_SIZE))
    return [page * PAGE_SIZE + chosen.randrange(PAGE_SIZE - len(EDIT)) for page in pages]


def _without_a_map(path: Path) -> tuple[float, int]:
    places, out = _places(path.stat().st_size), path.with_name("saved")
    start, before = perf_counter(), _written()
    data = bytearray(path.stat().st_size)
    with path.open("rb") as file:
        file.readinto(data)
    for at in places:
        data[at : at + len(EDIT)] = EDIT
    with out.open("wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())
    return perf_counter() - start, _written() - before


def _with_a_map(save: Callable[[PageBuffer, Path], None]) -> Timed:
    def run(path: Path) -> tuple[float, int]:
        places = _places(path.stat().st_size)
        start, before = perf_counter(), _written()
        buf = PageBuffer.map(path, pool=PagePool())
        kept = []
        for at in places:
            kept.append(buf.snapshot())
            buf.write(at, EDIT)
        save(buf, path)
        return perf_counter() - start, _written() - before

    return run


class _Beside(Measure):
    """One way beside another: the best of some rounds, in which they take turns."""

    unit = "plain"
    columns: ClassVar[list[str]] = ["ms", "of the first", "MiB written"]
    rounds: ClassVar[int]
    ways: ClassVar[dict[str, Timed]]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.best: dict[str, tuple[float, int]] = {}

    @property
    def items(self) -> list[str]:
        return list(self.ways)

    def row(self, item: str) -> tuple[str, list[Cell]]:
        if not self.best:
            self._race()
        (seconds, written), (first, _) = self.best[item], self.best[self.items[0]]
        times = round(seconds * 1000, 2), round(seconds / first, 4)
        return item, [*times, round(written / MIB, 2)]

    def _race(self) -> None:
        full = self.scale.name == "full"
        with tempfile.TemporaryDirectory() as folder:
            path = _file(folder, GIB if full else 8 * MIB)
            for _ in range(self.rounds if full else 1):
                for name, way in self.ways.items():
                    got = way(path)
                    path.with_name("saved").unlink(missing_ok=True)
                    self.best[name] = min(got, self.best.get(name, got))

    def figure(self, rows: list[tuple[str, list[Cell]]]) -> float | None:
        return float(rows[-1][1][1] or 0)


class Read(_Beside):
    """Reading a mapped file that is in the page cache."""

    name = "map-read"
    title = "A mapped file of 1 GiB, read by 64 KiB"
    note = "all of it is in the page cache"
    rounds = 7
    ways: ClassVar[dict[str, Timed]] = {
        "slices of an mmap": _of_mmap,
        "PageBuffer.map(path), read()": _of_buffer,
    }


class Save(_Beside):
    """All of an edited file, to another one."""

    name = "map-save"
    title = f"A file of 1 GiB, {EDITS} edits of {len(EDIT)} B at random, saved to another one"
    note = "with fsync; pagebuf keeps a snapshot before each edit"
    rounds = 3
    ways: ClassVar[dict[str, Timed]] = {
        "read, edit and write a bytearray": _without_a_map,
        "PageBuffer.map(path), save()": _with_a_map(
            lambda buf, path: buf.save(path.with_name("saved"))
        ),
    }


class SaveChanges(_Beside):
    """The changes alone, in place."""

    name = "map-save-changes"
    title = f"A file of 1 GiB, {EDITS} edits of {len(EDIT)} B at random, saved"
    note = "with fsync; pagebuf keeps a snapshot before each edit, and saves in place"
    rounds = 3
    ways: ClassVar[dict[str, Timed]] = {
        "read, edit and write a bytearray": _without_a_map,
        "PageBuffer.map(path), save_changes()": _with_a_map(lambda buf, _: buf.save_changes()),
    }


MEASURES: tuple[type[Measure], ...] = (Read, Save, SaveChanges)
