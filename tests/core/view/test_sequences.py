"""What users do to buffers that grow, each of which was once quadratic or kept everything.

Each sequence counts what moved, what is kept or how many pieces there are.  It runs at each debug
level: in a pool of its own, in a child whose limit leaves no room behind a run, and on both sides
of a fork in its middle.
"""

from __future__ import annotations

import ctypes
import io
import os
import re
import struct
from collections.abc import Callable, Iterator

import pytest

import pagebuf
from pagebuf import BytesIO, PageBuffer, PagePool
from tests.helpers import MAX_LEVELS, PAGE
from tests.sparse import TIB
from tests.support import FEW, address_of, dense
from tests.threads.crew import in_child

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # from 3.12 on

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

Sequence = Callable[[PagePool], Iterator[None]]

SEQUENCES: list[tuple[Sequence, int]] = []
"""With the frames that each needs."""

SMALL = min(10, PAGE // 8)
AS_COPY = 4 * PAGE  # a request for so little is always a copy


def takes(frames: int) -> Callable[[Sequence], Sequence]:
    """The sequence, which yields in its middle, needs so many frames."""

    def note(sequence: Sequence) -> Sequence:
        SEQUENCES.append((sequence, frames))
        return sequence

    return note


class Moves:
    """Counts the bytes of buffers that moved since the last look, and finds no copies."""

    def __init__(self) -> None:
        self.at: dict[int, int] = {}
        self.moved = 0

    def look(self, buf: PageBuffer) -> None:
        if len(buf) > AS_COPY:
            assert buf.stats().runs == 1
            self.note(id(buf), address_of(buf), len(buf))

    def note(self, key: int, at: int, n: int) -> None:
        self.moved += n if self.at.get(key) != at else 0
        self.at[key] = at


def scattered(pool: PagePool, pages: int) -> tuple[PageBuffer, PageBuffer]:
    """A buffer, no two pages of which are neighbours, and the one that lies between them."""
    one, other = PageBuffer(pool=pool), PageBuffer(pool=pool)
    for number in range(pages):
        one.extend(bytes([number % 251]) * PAGE)
        other.extend(b"." * PAGE)
    return one, other


STEPS = 70
RECORD = struct.Struct(f"<I{PAGE // 4}s")


@takes(4 * dense((FEW + STEPS * RECORD.size) // PAGE + 1))
def unpack_after_each_record(pool: PagePool) -> Iterator[None]:
    bufs, moves = [PageBuffer(bytes(FEW), pool=pool) for _ in range(4)], Moves()
    for number in range(STEPS):
        for buf in bufs:
            at = len(buf)
            buf.extend(RECORD.pack(number, b"r"))
            assert RECORD.unpack_from(buf, at) == (number, b"r".ljust(PAGE // 4, b"\0"))
            moves.look(buf)
        if number == STEPS // 2:
            yield
    assert moves.moved < 8 * sum(map(len, bufs))


@takes(2 * dense(60))
def unpack_again(pool: PagePool) -> Iterator[None]:
    one, _other = scattered(pool, 60)
    assert struct.unpack_from("<B", one, 7 * PAGE) == (7,)
    yield
    moves = Moves()
    for number in range(60):
        assert struct.unpack_from("<B", one, number * PAGE) == (number,)
        moves.look(one)
    assert moves.moved == len(one)  # the first look


IN_A_PAGE = min(16, PAGE // 11)
NUMBERS = IN_A_PAGE * 40
WORD = b"%05d:".ljust(PAGE // IN_A_PAGE, b"w") + b" "


def scattered_words(pool: PagePool) -> tuple[PageBuffer, PageBuffer]:
    one, other = PageBuffer(pool=pool), PageBuffer(pool=pool)
    for number in range(0, NUMBERS, IN_A_PAGE):
        words = range(number, number + IN_A_PAGE)
        one.extend(WORD * IN_A_PAGE % tuple(words))
        other.extend(b"." * PAGE)
    return one, other


@takes(2 * dense(44))
def groups_of_matches(pool: PagePool) -> Iterator[None]:
    one, _other = scattered_words(pool)
    moves = Moves()
    for number, found in enumerate(re.finditer(rb"(\d+):\w+ ", one)):
        assert int(found.group(1)) == number
        if number % IN_A_PAGE == 0:
            moves.look(one)
        if number == NUMBERS // 2:
            yield
    assert number == NUMBERS - 1
    assert moves.moved == len(one)


@takes(2 * dense(44))
def lexer(pool: PagePool) -> Iterator[None]:
    one, _other = scattered_words(pool)
    moves, at, number = Moves(), 0, 0
    word = re.compile(rb"\d+:\w+ ")
    while found := word.match(one, at):
        at, number = found.end(), number + 1
        if number % IN_A_PAGE == 0:
            moves.look(one)
        if number == NUMBERS // 2:
            yield
    assert (at, number) == (len(one), NUMBERS)
    assert moves.moved == len(one)


@takes(2 * dense(2 * STEPS))
def read_into_the_end(pool: PagePool) -> Iterator[None]:
    buf, other, moves = PageBuffer(pool=pool), PageBuffer(pool=pool), Moves()
    for number in range(STEPS):
        at = len(buf)
        other.extend(b"." * PAGE)
        buf.resize(at + 2 * PAGE)
        with memoryview(buf) as view:
            assert io.BytesIO(bytes([number]) * (2 * PAGE)).readinto(view[at:]) == 2 * PAGE
        moves.look(buf)
        if number == STEPS // 2:
            yield
    assert moves.moved < 8 * len(buf)
    assert buf[:: 2 * PAGE] == bytes(range(STEPS))


def look_at_view(moves: Moves, file: BytesIO) -> None:
    with file.getbuffer() as view:
        at = ctypes.addressof(ctypes.c_char.from_buffer(view))
        moves.note(id(file), at, view.nbytes)


@takes(2 * dense(2 * STEPS))
def getbuffer_after_each_write(pool: PagePool) -> Iterator[None]:
    file, other, moves = BytesIO(pool=pool), PageBuffer(pool=pool), Moves()
    for number in range(2 * STEPS):
        file.write(bytes([number]) * PAGE)
        other.extend(b"." * PAGE)
        look_at_view(moves, file)
        if number == STEPS:
            yield
    assert moves.moved < 8 * 2 * STEPS * PAGE


@takes(2 * dense(120))
def getbuffer_of_scattered_pages(pool: PagePool) -> Iterator[None]:
    file, other, moves = BytesIO(pool=pool), PageBuffer(pool=pool), Moves()
    for _ in range(100):
        file.write(b"f" * PAGE)
        other.extend(b"." * PAGE)
    look_at_view(moves, file)
    yield
    for _ in range(10):
        file.write(b"f" * PAGE)
        look_at_view(moves, file)
    assert moves.moved == 100 * PAGE


def written_in_pieces(shown: Callable[[int], list[memoryview]], n: int, most: int) -> bytes:
    """What system calls get, each of them a few pieces."""
    got, calls = b"", 0
    reading, writing = os.pipe()
    while len(got) < n:
        views = shown(len(got))
        assert len(views) <= most
        got += os.read(reading, os.writev(writing, views))
        calls += 1
    os.close(reading)
    os.close(writing)
    assert calls <= n // (most * PAGE) + 1
    return got


@takes(3 * dense(100) + 100)
def pieces_for_system_calls(pool: PagePool) -> Iterator[None]:
    one, _other = scattered(pool, 100)
    queue = pagebuf.ByteQueue(pool=pool)
    assert written_in_pieces(lambda at: one.views(at, most=8), len(one), 8) == one.tobytes()
    yield
    queue.put(one)
    taken = b""
    while len(queue):
        views = queue.views(most=8)
        assert len(views) <= 8
        taken += b"".join(views)
        del views
        queue.consume(len(taken) - queue.total_out)
    assert taken == one.tobytes()


@takes(2 * dense(200) + MAX_LEVELS)
def small_views(pool: PagePool) -> Iterator[None]:
    one, other = scattered(pool, 200)
    file = one.open()
    copies = [one.view(PAGE, SMALL, writable=False), file.read_buffer(SMALL)]
    first = one.views()[0][:SMALL]
    file.close()
    one.clear()
    other.clear()
    yield
    assert pool.stats().held <= 2 + MAX_LEVELS
    assert (bytes(first), *map(bytes, copies)) == (
        bytes(SMALL),
        b"\1" * SMALL,
        bytes(SMALL),
    )


@takes(8 * MAX_LEVELS * (1 + 256 // PAGE))
def delta_of_a_terabyte(pool: PagePool) -> Iterator[None]:
    one, other = PageBuffer(pool=pool), PageBuffer(pool=pool)
    one.resize(TIB)
    other.resize(TIB)
    base = one.snapshot()
    one.write(TIB // 3, b"x")
    yield
    packed = bytes(one.delta(base))
    assert len(packed) < 300
    other.apply(packed)
    assert other == one


@takes(2 * MAX_LEVELS)
def views_of_a_terabyte(pool: PagePool) -> Iterator[None]:
    buf = PageBuffer(pool=pool)
    buf.resize(TIB)
    buf.write(TIB // 3, b"x")
    yield
    views = buf.views()
    assert sum(map(len, views)) == TIB
    assert len(views) <= TIB // pagebuf.pool.ZEROS + 2
    assert [len(view) for _at, view in buf.data_views()] == [PAGE]


def finish(pool: PagePool, steps: Iterator[None]) -> None:
    for _ in steps:
        pass
    pool.check()


def alone(pool: PagePool, sequence: Sequence, frames: int) -> None:
    finish(pool, sequence(pool))


def at_its_limit(pool: PagePool, sequence: Sequence, frames: int) -> None:
    child = pool.child(limit=frames * PAGE)
    finish(child, sequence(child))


def across_a_fork(pool: PagePool, sequence: Sequence, frames: int) -> None:
    steps = sequence(pool)
    next(steps)
    in_child(lambda: finish(pool, steps))
    finish(pool, steps)


@pytest.mark.parametrize("level", [0, 1, 2], ids="level {}".format)
@pytest.mark.parametrize("way", [alone, at_its_limit, pytest.param(across_a_fork, marks=FORKS)])
@pytest.mark.parametrize(("sequence", "frames"), SEQUENCES, ids=[s.__name__ for s, _ in SEQUENCES])
def test_it_is_linear(
    sequence: Sequence, frames: int, way: Callable[..., None], level: int
) -> None:
    pool = PagePool(debug=level)
    way(pool, sequence, frames)
    assert pool.stats().held == 0


def test_all_of_them_are_here() -> None:
    assert len(SEQUENCES) == 11
