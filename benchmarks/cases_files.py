"""`pagebuf.BytesIO` beside `io.BytesIO`, call by call, and under libraries that read files."""

import io
import pickle
import zipfile
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


# ---- a bytes object in a file --------------------------------------------------------------------


def _make_and_read(size: int) -> Callable[[Make], Work]:
    def setup(make: Make) -> Work:
        data = bytes(size)

        def work() -> bytes:
            for _ in range(CALLS):
                seen = make(data).read(16)
            return seen

        return work

    return setup


def _start_over(make: Make) -> Work:
    """A file that is used again for each message."""
    data = bytes(range(250)) * 12

    def work() -> bytes:
        file = make()
        seek, truncate, write = file.seek, file.truncate, file.write
        for _ in range(CALLS):
            seek(0)
            truncate()
            write(data)
        return file.getvalue()

    return work


def _pieces(make: Make) -> Work:
    data = bytes(range(256)) * (LARGE // 256)

    def work() -> int:
        for _ in range(100):
            read = make(data).read
            while piece := read(64 << 10):
                last = piece
        return len(last)

    return work


def _small_pickles(make: Make) -> Work:
    text = b"".join(pickle.dumps({"id": i, "name": f"row {i}"}) for i in range(20_000))

    def work() -> int:
        file = make(text)
        for _ in range(20_000):
            seen = pickle.load(file)
        return int(seen["id"])

    return work


def _large_pickle(make: Make) -> Work:
    text = pickle.dumps([b"x" * 50_000 + bytes([i]) for i in range(20)], protocol=5)

    def work() -> int:
        for _ in range(100):
            seen = pickle.load(make(text))
        return len(seen)

    return work


class LentFiles(RaceSection):
    """Files over a bytes object that exists, read by what reads files."""

    name = "bytesio-lent"
    title = "BytesIO(b): time to make one and read 16 B, or of one use"
    near_one = True
    more = True
    note = "start over: seek(0), truncate(), write 3000 B; lines are those of Python sources"

    def races(self) -> list[Case]:
        text = self.data[:LARGE]
        rows: list[tuple[str, int, Callable[[Make], Work]]] = [
            *((f"make {n} B", CALLS, _make_and_read(n)) for n in (105, 4096, 65536, LARGE)),
            ("1 MiB by 64 KiB", 100, _pieces),
            ("1 MiB of lines", 20, self._lines(text)),
            ("zipfile", 100, self._zip(text)),
            ("Pillow", 20, self._picture),
            ("pickle of 1 MB", 100, _large_pickle),
            ("20 000 pickles", 20_000, _small_pickles),
            ("start over", CALLS, _start_over),
        ]
        return [Race(self, label, calls, _both(setup)) for label, calls, setup in rows]

    def _lines(self, text: bytes) -> Callable[[Make], Work]:
        return lambda make: lambda: [sum(1 for _ in make(text)) for _ in range(20)]

    def _zip(self, text: bytes) -> Callable[[Make], Work]:
        def setup(make: Make) -> Work:
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w") as made:
                made.writestr("sources", text)
            packed = archive.getvalue()

            def work() -> int:
                for _ in range(100):
                    with zipfile.ZipFile(make(packed)) as opened:
                        size = len(opened.read("sources"))
                return size

            return work

        return setup

    def _picture(self, make: Make) -> Work:
        from PIL import Image

        packed = io.BytesIO()
        Image.new("RGB", (600, 600), (1, 2, 3)).save(packed, "BMP")
        data = packed.getvalue()

        def work() -> Any:
            for _ in range(20):
                with Image.open(make(data)) as picture:
                    picture.load()
                    seen = picture.getpixel((7, 7))
            return seen

        return work


SECTIONS = (Files, LentFiles)
