"""Measures memory in fresh processes; each function named in `child.JOBS` runs in the child."""

import gc
from time import perf_counter_ns
from typing import Any

from benchmarks.cases_sparse import scatter, sparse_participants, sparse_work
from benchmarks.errors import Cannot
from benchmarks.loops import Op, quiet, results, run
from benchmarks.participants import Participant
from benchmarks.peers import ByteArray, PageBuf, Spooled, growable
from benchmarks.resident import peak, reset_peak, resident, rollup
from benchmarks.rings import queues
from benchmarks.workloads import KIB, MIB, digest, repeated

FIFO_HEAD = "piece, size"


class Meter:
    """Measures how much memory the process has gained since the meter was made."""

    def __init__(self) -> None:
        run(
            "nothing", Op(), []
        )  # the first loop and the first reading allocate memory of their own
        resident()
        gc.collect()
        self._base = resident()
        reset_peak()

    def held(self, elsewhere: int = 0) -> int:
        return max(0, resident() - self._base) + elsewhere

    def peak(self, elsewhere: int = 0) -> int:
        return max(0, peak() - self._base) + elsewhere


def _named(participants: list[Participant], name: str) -> Participant:
    """The participant of this name, with its modules imported."""
    who = next(one for one in participants if one.name == name)
    who.missing()
    if isinstance(who, PageBuf):
        who.keep = None  # the default
    return who


def life_participants() -> list[Participant]:
    """The growable buffers whose life is measured."""
    return [who for who in growable() if not isinstance(who, Spooled)]


def life(data: bytes, who: str, total: int) -> dict[str, int | None]:
    """Grow a store, drain it from the front, and drop it; return the memory at each stage."""
    one = _named(life_participants(), who)
    pieces = repeated(data, 64 * KIB, total)
    meter = Meter()
    store, op = one.growing()
    run("piece", op, pieces)
    outside = one.unmapped(store)
    held: dict[str, int | None] = {"peak": meter.peak(outside), "full": meter.held(outside)}
    held["drained"] = None
    held["drain peak"] = None
    reset_peak()
    try:
        one.drain(store, total - MIB)
        held["drain peak"] = meter.peak(one.unmapped(store))
        held["drained"] = meter.held(one.unmapped(store))
    except Cannot:
        pass
    del store, op
    gc.collect()
    held["dropped"] = meter.held()
    held["trimmed"] = _given_back(one, meter)
    return held


def _given_back(who: Participant, meter: Meter) -> int | None:
    """The memory after the participant gave back what it can."""
    try:
        who.give_back()
    except Cannot:
        return None
    return meter.held()


def burst(
    data: bytes, who: str, size: int, in_flight: int, times: int, *, keep: int | None, check: bool
) -> dict[str, Any]:
    """Pass a constant amount through a queue; then put `times` that amount, and take it again."""
    one = _named(queues(), who)
    if isinstance(one, PageBuf):
        one.keep = keep
    steady = [(piece, size) for piece in repeated(data, size, in_flight)]
    rush = [(piece, size) for piece in repeated(data, size, in_flight * times)]
    meter = Meter()
    op = one.queue(in_flight * (times + 1), size)
    run(FIFO_HEAD, op.only_before(), steady)
    memory = {"steady": meter.held()}
    with quiet():
        start = perf_counter_ns()
        run(FIFO_HEAD, op.only_before(), rush)
        run(FIFO_HEAD, op.only_result(), rush)
        ns = perf_counter_ns() - start
    memory |= {"peak": meter.peak(), "after": meter.held()}
    if (trimmed := _given_back(one, meter)) is not None:
        memory["trimmed"] = trimmed
    run(FIFO_HEAD, op.only_result(), steady)
    memory["empty"] = meter.held()
    good = not check or _burst_is_good(one, steady, rush, size)
    return {"ns": ns, "nbytes": size * len(rush), "good": good, "memory": memory}


def _burst_is_good(
    who: Participant, steady: list[tuple[bytes, int]], rush: list[tuple[bytes, int]], size: int
) -> bool:
    """Whether the same bytes come out; uses a queue of its own."""
    everything = steady + rush
    op = who.queue(len(everything) * size, size)
    run(FIFO_HEAD, op.only_before(), everything)
    seen = digest(results(FIFO_HEAD, op.only_result(), everything))
    return seen == digest(piece for piece, _ in everything)


def hole_participants() -> list[Participant]:
    """The participants that can write a byte far past the end, with or without a hole."""
    return [who for who in sparse_participants() if not isinstance(who, ByteArray)]


def hole(data: bytes, who: str, at: int) -> dict[str, int]:
    """Write one byte of the input at `at`; return the memory held."""
    one = _named(hole_participants(), who)
    meter = Meter()
    try:
        store = one.sparse(at + 1)
    except Cannot:
        store = one.filled([])
    run("offset, piece", one.writing(store), [(at, data[:1])])
    return {"held": meter.held(one.unmapped(store)), "peak": meter.peak(one.unmapped(store))}


def sparse_memory(data: bytes, who: str, size: int, count: int, reach: int) -> dict[str, int]:
    """Do scattered writes; return the memory held."""
    one = _named(sparse_participants(), who)
    work = sparse_work(data, size, count, reach)
    meter = Meter()
    _, store = scatter(one, reach, work)
    return {"held": meter.held(one.unmapped(store)), "payload": len(dict(work)) * size}


def first_buffer(data: bytes, size: int) -> dict[str, int]:
    """The memory that a first buffer of `size` bytes adds, after pagebuf is imported."""
    import pagebuf

    content = data[:size]
    for _ in range(3):
        rollup()
    before = rollup()
    buffer = pagebuf.PageBuffer(content)
    after = rollup()
    if buffer.tobytes() != content:
        raise AssertionError("wrong bytes")
    private = sum(after[key] - before[key] for key in ("Private_Clean", "Private_Dirty"))
    return {"resident": after["Rss"] - before["Rss"], "private": private}
