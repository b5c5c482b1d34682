"""pagebuf beside an h5py data set and a blob in SQLite: `python -m benchmarks.blobs`.

64 MiB of bytes, written and read here and there, each as its users would.  Those two are files on
disk.  The figure of a case is the least of some rounds that the three run in turn.  It is processor
time of the thread, the system's part included; where files are opened or brought to disk it is the
time that passes.  Before the clock starts all three are asked for the same bytes.  `make figures`
puts the table into docs/coming-from/blobs.md.
"""

import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from benchmarks import machine
from benchmarks.figures import BLOBS
from benchmarks.report import show_time
from pagebuf import PageBuffer

SIZE = 64 << 20
ROUNDS = 7
SEED = 18
CHUNK = 1 << 16
EDITS = 1000


class Ours:
    """A buffer that maps a file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pages"
        self.path.write_bytes(bytes(SIZE))
        self.open()

    def open(self) -> None:
        self.buf = PageBuffer.map(self.path)

    def write(self, at: int, data: bytes) -> None:
        self.buf.write(at, data)

    def read(self, at: int, size: int) -> bytes:
        return self.buf.read(at, size)

    def append(self, data: bytes) -> None:
        self.buf.extend(data)

    def keep(self) -> None:
        self.state = self.buf.snapshot()

    def back(self) -> None:
        self.buf.restore(self.state)

    def to_disk(self) -> None:
        self.buf.save_changes()


class Hdf5:
    """A data set of bytes in chunks."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "set.h5"
        with h5py.File(self.path, "w") as file:
            made = file.create_dataset("d", (SIZE,), "u1", chunks=(CHUNK,), maxshape=(None,))
            made[:] = 0
        self.open()

    def open(self) -> None:
        if hasattr(self, "file"):
            self.file.close()
        self.file = h5py.File(self.path, "r+")
        self.set = self.file["d"]

    def write(self, at: int, data: bytes) -> None:
        self.set[at : at + len(data)] = np.frombuffer(data, "u1")

    def read(self, at: int, size: int) -> bytes:
        read: bytes = self.set[at : at + size].tobytes()
        return read

    def append(self, data: bytes) -> None:
        size = self.set.shape[0]
        self.set.resize((size + len(data),))
        self.set[size:] = np.frombuffer(data, "u1")

    def to_disk(self) -> None:
        self.file.flush()


class Blob:
    """A blob, opened for writes in place, in a transaction."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "data.sqlite"
        with sqlite3.connect(self.path, isolation_level=None) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE t (d BLOB)")
            db.execute(f"INSERT INTO t VALUES (zeroblob({SIZE}))")
        db.close()
        self.open()

    def open(self) -> None:
        if hasattr(self, "db"):
            self.blob.close()
            self.db.close()
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.execute("BEGIN")
        self.blob = self.db.blobopen("t", "d", 1)

    def write(self, at: int, data: bytes) -> None:
        self.blob.seek(at)
        self.blob.write(data)

    def read(self, at: int, size: int) -> bytes:
        self.blob.seek(at)
        return self.blob.read(size)

    def keep(self) -> None:
        self.blob.close()
        self.db.execute("SAVEPOINT s")
        self.blob = self.db.blobopen("t", "d", 1)

    def back(self) -> None:
        self.blob.close()
        self.db.execute("ROLLBACK TO s")
        self.db.execute("RELEASE s")
        self.blob = self.db.blobopen("t", "d", 1)

    def to_disk(self) -> None:
        self.blob.close()
        self.db.execute("COMMIT")
        self.db.execute("BEGIN")
        self.blob = self.db.blobopen("t", "d", 1)


Store = Ours | Hdf5 | Blob


# ---- cases: nanoseconds for each call ----


def places(count: int, size: int) -> list[int]:
    dice = random.Random(SEED + size)
    return [dice.randrange(SIZE - size) for _ in range(count)]


def _clocked(
    calls: int, work: Callable[[], object], clock: Callable[[], int] = time.thread_time_ns
) -> float:
    start = clock()
    work()
    return (clock() - start) / calls


def writes(size: int) -> Callable[[Store], float]:
    at, data = places(EDITS, size), random.Random(SEED).randbytes(size)

    def case(it: Store) -> float:
        return _clocked(EDITS, lambda: [it.write(place, data) for place in at])

    return case


def reads(size: int) -> Callable[[Store], float]:
    at = places(EDITS, size)

    def case(it: Store) -> float:
        return _clocked(EDITS, lambda: [it.read(place, size) for place in at])

    return case


def appends(it: Store) -> float | None:
    if isinstance(it, Blob):
        return None
    data = bytes(CHUNK)
    return _clocked(200, lambda: [it.append(data) for _ in range(200)])


def opens(it: Store) -> float:
    it.to_disk()
    return _clocked(1, lambda: (it.open(), it.read(SIZE // 2, 64)), time.perf_counter_ns)


def undo(it: Store) -> float | None:
    if isinstance(it, Hdf5):
        return None
    at = places(EDITS, 64)

    def work() -> None:
        it.keep()
        for place in at:
            it.write(place, b"x" * 64)
        it.back()

    return _clocked(1, work)


def to_disk(it: Store) -> float:
    for place in places(100, 64):
        it.write(place, b"y" * 64)
    return _clocked(1, it.to_disk, time.perf_counter_ns)


CASES: dict[str, Callable[[Store], float | None]] = {
    "write 64 B anywhere": writes(64),
    "write 4 KiB anywhere": writes(4096),
    "write 64 KiB anywhere": writes(1 << 16),
    "read 64 B anywhere": reads(64),
    "read 4 KiB anywhere": reads(4096),
    "read 64 KiB anywhere": reads(1 << 16),
    "elapsed: open the file, read 64 B": opens,
    "keep a state, change 1000 places, go back": undo,
    "elapsed: bring 100 changed places to the file": to_disk,
    "append 64 KiB": appends,
}


def check(all_three: list[Store]) -> None:
    """All of them give the same bytes back."""
    for place in places(50, 3000):
        data = random.Random(place).randbytes(3000)
        for it in all_three:
            it.write(place, data)
    for place in places(50, 3000):
        (one,) = {it.read(place, 3000) for it in all_three}
        assert any(one)


def measure() -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory(dir=".") as name:
        all_three: list[Store] = [make(Path(name)) for make in (Ours, Hdf5, Blob)]
        check(all_three)
        found: dict[str, dict[str, float]] = {}
        for title, case in CASES.items():
            found[title] = {}
            for _ in range(ROUNDS):
                for it in random.sample(all_three, 3):
                    took, key = case(it), type(it).__name__
                    if took is not None:
                        found[title][key] = min(took, found[title].get(key, took))
    return found


def main() -> None:
    about = machine.about("whole", SIZE)
    about = {key: about[key] for key in ("cpu", "python", "date")}
    about |= {"h5py": h5py.__version__, "sqlite": sqlite3.sqlite_version}
    found = measure()
    for title, row in found.items():
        print(f"{title:45}", *(f"{name} {show_time(took)}" for name, took in row.items()))
    BLOBS.write_text(json.dumps({"about": about, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
