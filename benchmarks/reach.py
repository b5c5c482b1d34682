"""A buffer on its way out of the process, beside what people send: `python -m benchmarks.reach`.

Pickles of 64 MiB with their buffers out of band, written and read again, beside an array of NumPy:
one stretch, and as many runs as a buffer has whose pages came in turn with those of another one.
And `pagebuf://` beside fsspec's local files: 1 GiB at once, and 10 000 ranges of 4 KiB.  Rounds are
shuffled; the table has medians.
"""

import json
import pickle
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np

from benchmarks import machine
from pagebuf import PAGE_SIZE, PageBuffer
from pagebuf.fsspec import StoreFileSystem

MIB = 1 << 20
SIZE = 64 * MIB
LARGE = 1 << 30
RUN = 16 * PAGE_SIZE
RANGES = 10_000
ROUNDS = 7

Calls = dict[str, Callable[[], object]]


def medians(calls: Calls) -> dict[str, float]:
    """Seconds of each call."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name in random.sample(list(calls), len(calls)):
            start = time.perf_counter()
            calls[name]()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def there_and_back(sent: Any) -> None:
    parts: list[pickle.PickleBuffer] = []
    data = pickle.dumps(sent, 5, buffer_callback=parts.append)
    pickle.loads(data, buffers=parts)


def in_runs() -> PageBuffer:
    """64 MiB in runs of 64 KiB, each with a page of another buffer behind it."""
    one, other = PageBuffer(), PageBuffer()
    for _ in range(SIZE // RUN):
        for _ in range(RUN // PAGE_SIZE):
            one.extend(bytes(PAGE_SIZE))
        other.extend(bytes(PAGE_SIZE))
    return one


def pickles() -> Calls:
    array, stretch, scattered = np.zeros(SIZE, "u1"), PageBuffer(bytes(SIZE)), in_runs()
    array[::PAGE_SIZE] = 1
    runs = len(scattered.data_views())
    return {
        "NumPy": lambda: there_and_back(array),
        "one stretch": lambda: there_and_back(stretch),
        f"{runs} runs": lambda: there_and_back(scattered),
    }


def files(folder: Path) -> tuple[Calls, Calls]:
    data = np.random.default_rng(1).bytes(LARGE)
    store = StoreFileSystem(folder / "some.store", durability="off")
    local = fsspec.filesystem("file")
    store.pipe_file("file", data)
    local.pipe_file(str(folder / "file"), data)
    starts = [random.randrange(LARGE - 4096) for _ in range(RANGES)]
    ends = [start + 4096 for start in starts]
    places = {"local": (local, str(folder / "file")), "pagebuf://": (store, "file")}
    whole: Calls = {
        name: (lambda fs=fs, path=path: fs.cat_file(path)) for name, (fs, path) in places.items()
    }
    ranges: Calls = {
        name: (lambda fs=fs, path=path: fs.cat_ranges([path] * RANGES, starts, ends))
        for name, (fs, path) in places.items()
    }
    return whole, ranges


def main() -> None:
    tables = {"pickle 5, 64 MiB out of band": medians(pickles())}
    with tempfile.TemporaryDirectory() as folder:
        whole, ranges = files(Path(folder))
        tables["cat of 1 GiB"] = medians(whole)
        tables[f"{RANGES} cat_ranges of 4 KiB"] = medians(ranges)
    for title, row in tables.items():
        print(title)
        for name, seconds in row.items():
            print(f"   {name:12} {1000 * seconds:10.3f} ms")
    about = machine.about("whole", SIZE)
    json.dump({key: about[key] for key in ("cpu", "python", "date")}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
