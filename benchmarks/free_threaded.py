"""Two threads against one without a GIL, and what one thread pays for having none.

    python3.14t -m benchmarks.free_threaded                     # the scaling table
    python3.14t -m benchmarks.free_threaded --one --gil python3.14   # one thread, GIL -> none

Both print Markdown, as docs/threading.md has it.  `PYTHONPATH` names the build; the second one
starts the interpreter of `--gil` with `--gil-path` as its `PYTHONPATH`.

A round times every row once, in shuffled order, so that a change of the machine's load meets all
rows.  What is told is the median of the rounds, with the quartiles.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pagebuf
from pagebuf import ByteQueue, PageBuffer, PagePool

Work = Callable[[], None]
Prepare = Callable[[], list[Work]]
"""Makes the work of two threads; the first alone is what one thread does."""

MIB = 1 << 20
BLOCK = 3
"""Rounds at a stretch on one interpreter, where two are compared."""


# ---- what two threads do ----
#
# Each thread has its own names for what the calls need, and its own bytes to pass: a global or an
# object that another thread made costs it a shared count of references, which is not what these
# rows are about.


def appends(make: Callable[[], object], count: int = 60_000) -> list[Work]:
    def work() -> None:
        append, piece = make().extend, bytes(64)  # type: ignore[attr-defined]
        for _ in range(count):
            append(piece)

    return [work, work]


def appends_one_pool() -> list[Work]:
    pool = PagePool()
    return appends(lambda: PageBuffer(pool=pool))


def appends_to_used_pages(pools: list[PagePool], count: int = 4_000) -> list[Work]:
    """Each thread fills a buffer and drops it, again and again: no page is new to the system."""

    def worker(pool: PagePool) -> Work:
        def work() -> None:
            make, mine, piece = PageBuffer, pool, bytes(1024)
            for _ in range(4):
                append = make(pool=mine).extend
                for _ in range(count):
                    append(piece)

        return work

    works = [worker(pool) for pool in pools]
    seconds(works)
    return works


def used_pools(count: int) -> list[PagePool]:
    return [PagePool(keep=64 * MIB) for _ in range(count)]


def reads(buffers: list[PageBuffer], count: int = 60_000) -> list[Work]:
    def reader(seed: int) -> Work:
        offsets = [random.Random(seed).randrange(MIB - 64) for _ in range(1000)]
        read = buffers[seed].read

        def work() -> None:
            for _ in range(count // 1000):
                for off in offsets:
                    read(off, 64)

        return work

    return [reader(0), reader(1)]


def filled() -> PageBuffer:
    return PageBuffer(os.urandom(MIB))


def reads_of_snapshots() -> list[Work]:
    buf = filled()
    return reads([buf.snapshot(), buf.snapshot()])


def reads_of_one() -> list[Work]:
    return reads([filled()] * 2)


def slices_of_one(count: int = 60_000) -> list[Work]:
    buf = filled()

    def work() -> None:
        mine = buf
        for at in range(count):
            mine[at : at + 64]

    return [work, work]


def readinto_of_one(count: int = 300) -> list[Work]:
    buf = filled()

    def work() -> None:
        into, readinto = bytearray(MIB), buf.readinto
        for _ in range(count):
            readinto(0, into)

    return [work, work]


def made_and_dropped(make: Callable[[bytes], object], count: int = 30_000) -> list[Work]:
    def work() -> None:
        mine, data = make, bytes(100)
        for _ in range(count):
            mine(data)

    return [work, work]


def made_in(pools: list[PagePool], count: int = 30_000) -> list[Work]:
    def worker(pool: PagePool) -> Work:
        def work() -> None:
            make, mine, data = PageBuffer, pool, bytes(100)
            for _ in range(count):
                make(data, pool=mine)

        return work

    return [worker(pool) for pool in pools]


def children(count: int) -> list[PagePool]:
    pool = PagePool()
    return [pool.child() for _ in range(count)]


SCALING: dict[str, tuple[str, Prepare]] = {
    "append 64 B, a buffer each, one pool": ("1.6", appends_one_pool),
    "— a pool each": ("", lambda: appends(lambda: PageBuffer(pool=PagePool()))),
    "— `bytearray`": ("", lambda: appends(bytearray)),
    "append 1 KiB, a buffer each, pages used before, one pool": (
        "",
        lambda: appends_to_used_pages(used_pools(1) * 2),
    ),
    "— such pages, a pool each": ("", lambda: appends_to_used_pages(used_pools(2))),
    "read 64 B at random, a snapshot each": ("1.6", reads_of_snapshots),
    "read 64 B at random, one buffer": ("1.5", reads_of_one),
    "slice 64 B, one buffer": ("", slices_of_one),
    "`readinto` 1 MiB, one buffer": ("1.6", readinto_of_one),
    "make and drop a `PageBuffer` of 100 B, the default pool": (
        "1.2",
        lambda: made_and_dropped(PageBuffer),
    ),
    "— a `BytesIO`": ("1.2", lambda: made_and_dropped(pagebuf.BytesIO)),
    "— a `PageBuffer`, `pool=` another one": ("", lambda: made_in([PagePool()] * 2)),
    "— a `PageBuffer`, `pool=` a child of that each": ("", lambda: made_in(children(2))),
    "— `io.BytesIO`": ("", lambda: made_and_dropped(io.BytesIO)),
    "— `bytearray`, made and dropped": ("", lambda: made_and_dropped(bytearray)),
}


def seconds(works: list[Work]) -> float:
    """From the moment at which the first thread starts to the end of the last one.

    The threads look at the clock themselves.  The thread that waits for them may be late to do so.
    """
    gate = threading.Barrier(len(works))
    begins, ends = [], []

    def run(work: Work) -> None:
        gate.wait()
        begins.append(time.perf_counter())
        work()
        ends.append(time.perf_counter())

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(ends) - min(begins)


def gain(prepare: Prepare) -> float:
    """How many times as much two threads do in the time of one."""
    works = prepare()
    alone = seconds(works[:1])
    return len(works) * alone / seconds(works)


# ---- a queue between two threads ----


QUEUED = 4096


def pass_on(
    put: Callable[[bytes], object], get: Callable[[], object], count: int = 15_000
) -> float:
    """Microseconds a piece.  `get` returns something false while nothing is there."""

    def producer() -> None:
        source = bytes(QUEUED)
        for _ in range(count):
            put(bytes(bytearray(source)))  # a fresh piece

    def consumer() -> None:
        left = count
        while left:
            if get():
                left -= 1

    return seconds([producer, consumer]) / count * 1e6


def queue_time() -> float:
    queue = ByteQueue()
    return pass_on(queue.put, lambda: len(queue) >= QUEUED and queue.get(QUEUED))


def deque_time() -> float:
    pieces: collections.deque[bytes] = collections.deque()

    def get() -> object:
        return pieces and bytes(bytearray(pieces.popleft()))

    return pass_on(pieces.append, get)


# ---- one thread ----


def one_thread() -> dict[str, tuple[str, Callable[[], object]]]:
    """Calls by name; each belongs to a group of which the first is the peer's."""
    array, buf, ours, theirs = bytearray(MIB), filled(), pagebuf.BytesIO(), io.BytesIO()
    piece, many = bytes(64), bytes(100)
    grown, growing = PageBuffer(), bytearray()
    off = 123_457

    def assign() -> None:
        array[off : off + 64] = piece

    def again(file: io.BytesIO | pagebuf.BytesIO) -> Callable[[], None]:
        def write() -> None:
            file.write(piece)
            if file.tell() > MIB:
                file.seek(0)

        return write

    return {
        "append 64 B": ("append", lambda: grown.extend(piece)),
        "`bytearray` append": ("append", lambda: growing.extend(piece)),
        "read 64 B": ("read", lambda: buf.read(off, 64)),
        "`bytearray` slice": ("read", lambda: array[off : off + 64]),
        "write 64 B at": ("write", lambda: buf.write(off, piece)),
        "`bytearray` assign": ("write", assign),
        "`BytesIO.write`": ("file", again(ours)),
        "`io.BytesIO.write`": ("file", again(theirs)),
        "make a `BytesIO`, 100 B": ("made", lambda: pagebuf.BytesIO(many)),
        "make an `io.BytesIO`": ("made", lambda: io.BytesIO(many)),
        "make a `PageBuffer`, 100 B": ("array", lambda: PageBuffer(many)),
        "make a `bytearray`": ("array", lambda: bytearray(many)),
    }


def nanoseconds(call: Callable[[], object], count: int = 20_000) -> float:
    start = time.perf_counter_ns()
    for _ in range(count):
        call()
    return (time.perf_counter_ns() - start) / count


# ---- rounds, tables ----


def shuffled(names: list[str], rounds: int) -> Iterator[str]:
    for _ in range(rounds):
        random.shuffle(names)
        yield from names


def medians(measures: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Of each the lower quartile, the median and the upper one."""
    seen: dict[str, list[float]] = {name: [] for name in measures}
    for name in shuffled(list(measures), rounds):
        seen[name].append(measures[name]())
    return {name: statistics.quantiles(times, n=4) for name, times in seen.items()}


def print_scaling(rounds: int, only: str) -> None:
    chosen = {name: row for name, row in SCALING.items() if only in name}
    measures: dict[str, Callable[[], float]] = {
        name: lambda prepare=prepare: gain(prepare) for name, (_, prepare) in chosen.items()
    }
    if only in "queue":
        measures |= {"queue": queue_time, "deque": deque_time}
    found = medians(measures, rounds)
    print("| two threads against one | times | quartiles | floor |\n|---|---|---|---|")
    for name, (floor, _) in chosen.items():
        low, middle, high = found[name]
        print(f"| {name} | {middle:.2f} | {low:.2f}-{high:.2f} | {floor} |")
    if only in "queue":
        low, middle, high = (of / found["deque"][1] for of in found["queue"])
        print(f"| `ByteQueue`, 4 KiB: time by a `deque`'s whose consumer copies | {middle:.2f} |"
              f" {low:.2f}-{high:.2f} | at most 1.5 |")  # fmt: skip


def one_thread_times(rounds: int) -> dict[str, float]:
    calls = one_thread()
    measures = {name: lambda call=call: nanoseconds(call) for name, (_, call) in calls.items()}
    return {name: of[1] for name, of in medians(measures, rounds).items()}


def times_with_gil(gil: str, gil_path: str) -> dict[str, float]:
    command = [gil, "-m", "benchmarks.free_threaded", "--times", "--rounds", str(BLOCK)]
    env = os.environ | {"PYTHONPATH": gil_path}
    env.pop("PYTHON_GIL", None)  # an interpreter with a GIL refuses 0
    told = subprocess.run(command, env=env, check=True, capture_output=True).stdout
    return dict(json.loads(told))


def print_one_thread(rounds: int, gil: str, gil_path: str) -> None:
    """Blocks of rounds with and without a GIL by turns, since the machine's speed changes."""
    blocks = [
        (times_with_gil(gil, gil_path), one_thread_times(BLOCK))
        for _ in range(max(1, rounds // BLOCK))
    ]
    print("| one thread | GIL, ns | none, ns | times |\n|---|---|---|---|")
    for name in blocks[0][0]:
        before, after = (statistics.median(block[i][name] for block in blocks) for i in (0, 1))
        times = statistics.median(block[1][name] / block[0][name] for block in blocks)
        print(f"| {name} | {before:.0f} | {after:.0f} | {times:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="rows that contain this")
    parser.add_argument("--one", action="store_true", help="the table of one thread")
    parser.add_argument("--gil", default="", help="an interpreter of the same version with a GIL")
    parser.add_argument("--gil-path", default="", help="where its build of pagebuf is")
    parser.add_argument("--times", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.times:
        print(json.dumps(one_thread_times(args.rounds)))
        return
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        parser.error("this interpreter has its GIL on")
    if args.one:
        print_one_thread(args.rounds, args.gil, args.gil_path)
    else:
        print_scaling(args.rounds, args.only)


if __name__ == "__main__":
    main()
