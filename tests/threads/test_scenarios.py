"""Named scenarios: threads with a common start and a deadline.

Each thread checks what docs/threading.md promises.  Afterwards every object and its pool pass their
checks, and no frame is lost (the fixture `pool`)."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pagebuf import ByteQueue, BytesIO, PageBuffer, PagePool
from tests.helpers import PAGE
from tests.threads.call import SANITIZED
from tests.threads.crew import BIG, LARGE, Crew, repeat, together

SECONDS = 0.2


def uniform(data: Any) -> bool:
    data = bytes(data)
    return not data.strip(data[:1])


def stamp(i: int, size: int = BIG) -> bytes:
    return bytes([1 + i % 255]) * size


def busy(*works: Callable[[], None], seconds: float = SECONDS) -> None:
    """Call each function again and again, each in its own thread."""

    def keep_on(work: Callable[[], None]) -> None:
        go_on = crew.until(seconds)
        while go_on():
            work()

    crew = Crew(*[lambda work=work: keep_on(work) for work in works])  # type: ignore[misc]
    with crew:
        pass


def test_stamps_do_not_tear(pool: PagePool) -> None:
    buf = PageBuffer(stamp(0), pool=pool)
    into = [bytearray(BIG) for _ in range(2)]

    def read_into(space: bytearray) -> None:
        assert buf.readinto(0, space) == BIG
        assert uniform(space)

    def read() -> None:
        assert uniform(buf.read(0, -1))

    busy(
        lambda: buf.write(0, stamp(1)) and None,
        lambda: buf.write(0, stamp(2)) and None,
        read,
        lambda: read_into(into[0]),
        lambda: read_into(into[1]),
    )
    assert uniform(buf.tobytes())
    buf.check()


def test_snapshots_during_writes_are_all_or_nothing(pool: PagePool) -> None:
    buf = PageBuffer(stamp(0), pool=pool)

    def look() -> None:
        snap, copy, view = buf.snapshot(), buf.clone(), buf.view(writable=False)
        assert uniform(snap.tobytes())
        assert uniform(copy.tobytes())
        assert uniform(view)
        snap.check()
        copy.check()

    busy(lambda: buf.write(0, stamp(1)) and None, lambda: buf.write(0, stamp(2)) and None, look)
    buf.check()


def test_large_reads_beside_small_writes_are_of_one_moment(pool: PagePool) -> None:
    """A thread raises a counter at the front, then at the end.  No read sees the end ahead."""
    buf = PageBuffer(bytes(BIG), pool=pool)
    count = iter(range(1, 1 << 30))

    def raise_counter() -> None:
        now = next(count).to_bytes(8, "little")
        buf.write(0, now)
        buf.write(BIG - 8, now)

    def read() -> None:
        data = buf.read(0, -1)
        front, end = (int.from_bytes(part, "little") for part in (data[:8], data[-8:]))
        assert front - end in (0, 1), f"front {front}, end {end}"

    busy(raise_counter, read, read)
    buf.check()


def test_views_during_truncate(pool: PagePool) -> None:
    buf = PageBuffer(stamp(0), pool=pool)

    def cut() -> None:
        buf.truncate(PAGE // 2)
        buf.truncate(BIG)
        buf.write(0, stamp(0))

    def look_live() -> None:
        try:
            view = buf.view(PAGE // 2, 4 * PAGE)
        except (IndexError, BufferError):
            return  # too short by now; or a view of the other thread pins pages that must move
        assert len(view) == 4 * PAGE
        if not SANITIZED:  # which would report this race of the caller
            view[-1:] = b"v"
            assert bytes(view[-1:]) in (b"v", b"\x01", b"\0")

    def look_stable() -> None:
        data = b"".join(buf.views())
        assert data.strip(b"\0\1v") == b""

    busy(cut, look_live, look_live, look_stable)
    buf.check()


def test_gather_is_no_view_to_others(pool: PagePool) -> None:
    """It pins its run and lets go of it in one moment, so a cut beside it is never refused."""
    buf = PageBuffer(stamp(0, 9 * PAGE), pool=pool)

    def cut() -> None:
        buf.collapse(9, 20)
        buf.extend(stamp(0, 20))

    busy(buf.gather, cut, cut)
    assert uniform(buf.tobytes())
    buf.check()


def test_a_tuple_of_prefixes_is_compared_in_one_moment(pool: PagePool) -> None:
    one, two, others = b"one" * PAGE, b"two" * PAGE, [b"neither"] * 1000
    buf = PageBuffer(one, pool=pool)

    def change() -> None:
        buf.write(0, two)
        buf.write(0, one)

    def look() -> None:
        assert buf.startswith((one, *others, two))
        assert buf.endswith((one, *others, two))

    busy(change, look, look)


def test_extents_are_of_one_moment(pool: PagePool) -> None:
    states = []
    for first in (0, 1):
        made = PageBuffer(pool=pool)
        for at in range(first, 40, 2):
            made.write(at * PAGE, b"x" * PAGE)
        states.append(made)
    extents = [made.extents() for made in states]
    buf = states[0].clone()

    def change() -> None:
        for made in states:
            buf.restore(made)

    def look() -> None:
        assert buf.extents() in extents

    busy(change, look, look)


def test_rows_of_a_pool_add_up_beside_changes(pool: PagePool) -> None:
    """Pages of a buffer become pages that only a view keeps: they are counted once."""

    def change() -> None:
        buf = PageBuffer(bytes(4 * PAGE), pool=pool)
        with buf.view():
            buf.truncate(0)

    def look() -> None:
        beside = {"tables", "quarantined", "guards"}
        rows = [row for row in pool.buffers() if row.kind not in beside]
        assert sum(row.proportional for row in rows) <= 4 * PAGE, rows

    busy(change, look, look)


def test_an_array_of_all_items_beside_cuts(pool: PagePool) -> None:
    pytest.importorskip("numpy", reason="as_array() needs it")
    buf = PageBuffer(bytes(3 * PAGE), pool=pool)

    def change() -> None:
        buf.truncate(PAGE)
        buf.truncate(3 * PAGE)

    def look() -> None:
        with contextlib.suppress(BufferError):  # another view keeps its pages apart
            assert len(buf.as_array("<u4", PAGE // 2)) > 0

    busy(change, look)


def test_two_buffers_into_each_other(pool: PagePool) -> None:
    one, two = PageBuffer(stamp(1), pool=pool), PageBuffer(stamp(2), pool=pool)

    def into(to: PageBuffer, source: PageBuffer) -> None:
        to.copy_range(0, source)
        to.restore(source)
        to.copy_range(1, source, 0, LARGE)
        to[:PAGE] = source[-PAGE:]
        to.diff(source)
        to.truncate(BIG)
        assert to != source or to == source
        to.write(0, stamp(1))

    busy(lambda: into(one, two), lambda: into(two, one))
    one.check()
    two.check()


def test_two_queues_into_each_other(pool: PagePool) -> None:
    one, two = ByteQueue(pool=pool), ByteQueue(pool=pool)
    one.put(stamp(1))
    two.put(stamp(2))

    def large(queue: ByteQueue) -> None:
        queue.put(stamp(3))
        queue.get(BIG)

    busy(
        lambda: one.splice_from(two, BIG // 2) and None,
        lambda: two.splice_from(one, BIG // 3) and None,
        lambda: large(one),
        lambda: large(two),
    )
    assert one.total_in - one.total_out == len(one)
    assert two.total_in - two.total_out == len(two)
    one.check()
    two.check()


def test_eight_threads_share_a_pool() -> None:
    """Each thread has its own buffer.  The limit refuses some calls, and no byte is lost."""
    pool = PagePool(limit=160 * PAGE)

    def work(seed: int) -> None:
        rng = random.Random(seed)
        buf, model = PageBuffer(pool=pool), bytearray()
        for i in range(150):
            data = stamp(i, rng.randrange(8 * PAGE))
            at = rng.randrange(len(model) + 1)
            try:
                buf[at : at + PAGE] = data
            except MemoryError:
                pass
            else:
                model[at : at + PAGE] = data
            if len(model) > 20 * PAGE:
                del model[: 15 * PAGE]
                buf.take_bytes(15 * PAGE)
            assert buf == model
        buf.check()

    together(*[lambda seed=seed: work(seed) for seed in range(8)])  # type: ignore[misc]
    pool.check()
    assert pool.stats().held == 0


def test_queue_producers_and_consumers(pool: PagePool) -> None:
    """Each record arrives whole and once.  Those of one producer arrive in order."""
    queue = ByteQueue(pool=pool)
    each, size = 300, 3 * PAGE // 2 + 8
    got: list[list[bytes]] = [[], []]
    left = threading.Semaphore(0)

    def produce(who: int) -> None:
        for i in range(each):
            queue.put(bytes([who]) + i.to_bytes(4, "little") + bytes([who]) * (size - 5))
            left.release()

    def consume(into: list[bytes]) -> None:
        for _ in range(each):
            assert left.acquire(timeout=30)
            into.append(queue.get(size))

    together(
        lambda: produce(1), lambda: produce(2), lambda: consume(got[0]), lambda: consume(got[1])
    )
    records = got[0] + got[1]
    assert len(set(records)) == 2 * each
    for part in got:
        for who in (1, 2):
            order = [r[1:5] for r in part if r[0] == who]
            assert order == sorted(order, key=lambda b: int.from_bytes(b, "little"))
            assert all(r[5:].strip(bytes([who])) == b"" for r in part if r[0] == who)
    assert len(queue) == 0
    queue.check()


@pytest.mark.parametrize("kind", ["BytesIO", "PageFile"])
def test_threads_share_a_file(pool: PagePool, kind: str) -> None:
    """A write and its move of the position are one step, so no record overwrites another."""
    buf = PageBuffer(pool=pool)
    file: Any = BytesIO() if kind == "BytesIO" else buf.open("r+b")
    sizes = [7, PAGE + 1, BIG]

    def write(i: int) -> None:
        for n in range(12):
            size = sizes[n % 3]
            assert file.write(stamp(i, size)) == size

    together(*[lambda i=i: write(i) for i in range(4)])  # type: ignore[misc]
    assert file.tell() == 4 * 4 * sum(sizes)
    file.seek(0)
    data = file.read()
    for i in range(4):
        assert data.count(stamp(i, 1)) == 4 * sum(sizes)
    changes = sum(a != b for a, b in itertools.pairwise(data))
    assert changes < 4 * 12, "records lie in pieces"

    file.seek(0)
    parts: list[bytes] = []
    together(*[repeat(20, lambda _: parts.append(file.read(BIG // 3)))] * 4)
    rest = file.read()
    assert sum(map(len, parts)) + len(rest) == len(data)
    file.close()


def test_begin_anew_during_large_copies(pool: PagePool) -> None:
    """clear() and a second __init__, which may choose another pool, while other threads copy."""
    other = PagePool()
    buf = PageBuffer(stamp(0), pool=pool)

    def read() -> None:
        data = buf.read(0, -1)
        assert uniform(data)
        assert len(data) in (0, BIG)

    def share() -> None:
        buf.snapshot().check()
        buf.clone().extend(b"x")
        assert uniform(b"".join(buf.views()))
        target[:] = buf
        with contextlib.suppress(ValueError, BufferError):  # on the other pool; it has views
            buf.restore(target)

    def look() -> None:
        with memoryview(buf) as live:
            assert len(live) in (0, BIG)
        assert len(b"".join([buf])) in (0, BIG)

    target = PageBuffer(pool=pool)
    busy(
        lambda: buf.__init__(stamp(1), pool=pool),  # type: ignore[misc]
        lambda: buf.__init__(stamp(2), pool=other),  # type: ignore[misc]
        buf.clear,
        read,
        read,
        lambda: buf.write(0, stamp(3)) and None,
        share,
        look,
    )
    buf.check()
    other.check()
    buf.clear()
    assert other.stats().held == 0


# ---- everything at once ----


def family_step(rng: random.Random, bufs: list[PageBuffer], queue: ByteQueue) -> None:
    one, two = rng.choice(bufs), rng.choice(bufs)
    at, size = rng.randrange(40 * PAGE), rng.randrange(6 * PAGE)
    steps: list[Callable[[], Any]] = [
        lambda: one.write(at, stamp(at, size)),
        lambda: one.extend(stamp(size, size)),
        lambda: one.read(at, size),
        lambda: one.copy_range(at, two, size, size),
        lambda: one.truncate(at),
        lambda: one.punch(at, size),
        lambda: one.snapshot().tobytes(),
        lambda: one.restore(two.snapshot()),
        lambda: one.collapse(min(at, len(one)), size),
        lambda: one.view(0, PAGE),
        lambda: bytes(one.view(0, PAGE, writable=False)),
        lambda: one.clone().write(at, b"x"),
        lambda: one.diff(two),
        lambda: one == two,
        lambda: one.find(b"\0\1"),
        lambda: one.take_bytes(min(size, len(one))),
        lambda: queue.put(stamp(at, size)),
        lambda: queue.get(size),
    ]
    # another thread has cut the buffer, or has a live view
    with contextlib.suppress(IndexError, BufferError, ValueError):
        rng.choice(steps)()


def run_family(pool: PagePool, steps: int) -> None:
    bufs = [PageBuffer(stamp(i, 8 * PAGE), pool=pool) for i in range(3)]
    queue = ByteQueue(pool=pool, max_bytes=64 * PAGE, overflow="drop_oldest")

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(steps):
            family_step(rng, bufs, queue)

    together(*[lambda seed=seed: work(seed) for seed in range(8)])  # type: ignore[misc]
    for buf in bufs:
        buf.check()
    queue.check()
    pool.check()


def test_family_in_eight_threads(pool: PagePool) -> None:
    run_family(pool, 150)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_family_in_eight_threads_for_long(pool: PagePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.threads.crew.DEADLINE", 1000.0)
    run_family(pool, 20_000)
