"""`pagebuf.BytesIO` beside `io.BytesIO`, call by call."""

import io
from collections.abc import Callable
from typing import Any

import pagebuf
from benchmarks.cases import Case
from benchmarks.races import Entry, Race, RaceSection, Work, ours

CALLS = 50_000
LARGE = 1 << 20

File = Any
Make = Callable[..., File]


def _both(setup: Callable[[Make], Work]) -> list[Entry]:
    """Entries that run the same lines with either class; their results must be equal."""
    return [
        Entry("io.BytesIO", lambda: setup(io.BytesIO)),
        ours(lambda: setup(pagebuf.BytesIO)),
    ]


# Loops that differ only in a call are written out.  A common loop would call one more function, and
# the time would include that call.


def _create(make: Make) -> Work:
    data = bytes(range(100))

    def work() -> bytes:
        for _ in range(CALLS):
            file = make()
            file.write(data)
            value = file.getvalue()
        return value

    return work


def _write(size: int) -> Callable[[Make], Work]:
    def setup(make: Make) -> Work:
        data = bytes(range(size))

        def work() -> bytes:
            file = make()
            write = file.write
            for _ in range(CALLS):
                write(data)
            return file.read()

        return work

    return setup


def _read(make: Make) -> Work:
    file = make(bytes(16 * CALLS))

    def work() -> int:
        read = file.read
        for _ in range(CALLS):
            read(16)
        return file.tell()

    return work


def _places() -> list[int]:
    """Offsets of 16 bytes, spread over a large file."""
    return [(i * 7919) % (LARGE - 16) for i in range(CALLS)]


def _seek_read(make: Make) -> Work:
    file = make(bytes(LARGE))
    places = _places()

    def work() -> int:
        seek, read = file.seek, file.read
        for at in places:
            seek(at)
            read(16)
        return file.tell()

    return work


def _seek_write(make: Make) -> Work:
    file = make(bytes(LARGE))
    places = _places()

    def work() -> int:
        seek, write = file.seek, file.write
        for at in places:
            seek(at)
            write(b"sixteen bytes ..")
        return file.tell()

    return work


class Files(RaceSection):
    """The common uses of a `BytesIO`."""

    name = "bytesio"
    title = "BytesIO: time of one call"
    near_one = True
    note = "create: make one, write 100 B, getvalue; lines are those of Python sources"

    def races(self) -> list[Case]:
        text = self.data[: 2 * LARGE]
        lines = text.count(b"\n") + 1

        def readline(make: Make) -> Work:
            file = make(text)

            def work() -> int:
                count = 0
                line = file.readline
                while line():
                    count += 1
                return count

            return work

        def iterate(make: Make) -> Work:
            file = make(text)
            return lambda: sum(1 for _ in file)

        setups: list[tuple[str, int, Callable[[Make], Work]]] = [
            ("create", CALLS, _create),
            ("write 8 B", CALLS, _write(8)),
            ("write 64 B", CALLS, _write(64)),
            ("read 16 B", CALLS, _read),
            ("seek+read", CALLS, _seek_read),
            ("seek+write", CALLS, _seek_write),
            ("readline", lines, readline),
            ("iterate", lines, iterate),
        ]
        return [Race(self, label, calls, _both(setup)) for label, calls, setup in setups]


SECTIONS = (Files,)
