"""`pagebuf.pipe` and `ByteQueue.open`: files over a queue, between threads."""

from __future__ import annotations

import csv
import gc
import gzip
import io
import json
import pickle
import shutil
import signal
import sys
import tarfile
import threading
import time
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pagebuf
from pagebuf import ByteQueue
from tests.helpers import PAGE
from tests.support import pattern
from tests.threads.crew import Crew, in_child

SOON = 0.02
BOUNDS = [None, 1, 100, PAGE, 3 * PAGE + 5]


def transfer(pool: Any, bound: int | None, write: Callable[[Any], Any]) -> bytes:
    """Write into a pipe.  Return what a reader gets in steps of 1000 bytes, as an upload does."""
    reader, writer = pagebuf.pipe(bound, pool=pool)
    out = bytearray()

    def produce() -> None:
        with writer:
            write(writer)

    def upload() -> None:
        while data := reader.read(1000):
            assert len(data) == 1000 or reader.queue.closed
            out.extend(data)

    with Crew(produce, upload):
        pass
    reader.queue.check()
    return bytes(out)


# ---- the bytes written are the bytes read ----


@pytest.mark.parametrize("bound", BOUNDS)
def test_bytes(pool, bound):
    sizes = [0, 1, 7, PAGE, 99, 2 * PAGE + 3] if bound != 1 else [0, 1, 7, 99]

    def write(writer: Any) -> None:
        at = 0
        for size in sizes:
            assert writer.write(pattern(at, size)) == size
            at += size
        writer.flush()

    assert transfer(pool, bound, write) == pattern(0, sum(sizes))


@pytest.mark.parametrize("bound", BOUNDS)
def test_lines(pool, bound):
    reader, writer = pagebuf.pipe(bound, pool=pool)
    lines = [b"x" * n + b"\n" for n in (0, 1, 99, 100, 101, 2 * PAGE % 5000)] + [b"the rest"]

    def produce() -> None:
        with writer:
            writer.writelines(lines)

    got: list[bytes] = []
    with Crew(produce, lambda: got.extend(reader)):
        pass
    assert got == lines


@pytest.mark.parametrize("bound", [None, 1000])
def test_what_the_standard_library_writes(pool, bound):
    rows = [[str(n), "x" * (n % 50), 'a "quoted" field'] for n in range(300)]
    files = {f"file{n}": pattern(n, 500 * n) for n in range(4)}

    def write_csv(writer: Any) -> None:
        with io.TextIOWrapper(writer, newline="") as text:
            csv.writer(text).writerows(rows)

    def write_json(writer: Any) -> None:
        with io.TextIOWrapper(writer) as text:
            json.dump(rows, text)

    def write_gzip(writer: Any) -> None:
        with gzip.GzipFile(fileobj=writer, mode="wb") as file:
            file.write(pattern(0, 20_000))

    def write_zip(writer: Any) -> None:
        with zipfile.ZipFile(writer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)

    def write_tar(writer: Any) -> None:
        with tarfile.open(fileobj=writer, mode="w|") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    text = transfer(pool, bound, write_csv).decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows
    assert json.loads(transfer(pool, bound, write_json)) == rows
    assert gzip.decompress(transfer(pool, bound, write_gzip)) == pattern(0, 20_000)
    with zipfile.ZipFile(io.BytesIO(transfer(pool, bound, write_zip))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
    with tarfile.open(fileobj=io.BytesIO(transfer(pool, bound, write_tar))) as archive:
        assert {name: archive.extractfile(name).read() for name in archive.getnames()} == files


@pytest.mark.parametrize("bound", [None, 1000])
def test_what_the_standard_library_reads(pool, bound):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("name")
        info.size = 5000
        archive.addfile(info, io.BytesIO(pattern(0, 5000)))
    reader, writer = pagebuf.pipe(bound, pool=pool)
    got: list[bytes] = []

    def produce() -> None:
        with writer:
            shutil.copyfileobj(io.BytesIO(gzip.compress(packed.getvalue())), writer)

    def consume() -> None:
        with (
            gzip.GzipFile(fileobj=reader) as plain,
            tarfile.open(fileobj=plain, mode="r|") as archive,
        ):
            got.extend(archive.extractfile(member).read() for member in archive)

    with Crew(produce, consume):
        pass
    assert got == [pattern(0, 5000)]


def test_a_queue_is_written_to_by_archivers(pool):
    queue = ByteQueue(pool=pool)
    with zipfile.ZipFile(queue, "w") as archive:
        archive.writestr("name", pattern(0, 3000))
    with zipfile.ZipFile(io.BytesIO(queue.get())) as archive:
        assert archive.read("name") == pattern(0, 3000)
    with tarfile.open("an empty queue is false", "w|", queue) as archive:
        info = tarfile.TarInfo("name")
        info.size = 3000
        archive.addfile(info, io.BytesIO(pattern(0, 3000)))
    with tarfile.open(fileobj=io.BytesIO(queue.get())) as archive:
        assert archive.extractfile("name").read() == pattern(0, 3000)
    assert not queue.closed


# ---- like other files ----


def test_reads(pool):
    reader, writer = pagebuf.pipe(pool=pool)
    writer.write(b"0123456789\nabc\nrest")
    assert reader.read1(3) == b"012"
    assert reader.read(4) == b"3456"
    assert reader.readline(2) == b"78"
    assert reader.readline() == b"9\n"
    space = bytearray(3)
    assert (reader.readinto(space), space) == (3, b"abc")
    assert reader.read(0) == reader.readline(0) == b""
    assert reader.readline() == b"\n"
    assert reader.read1() == b"rest"
    writer.write(b"end")
    writer.close()
    assert reader.read() == b"end"
    assert reader.read() == reader.read1() == reader.read(5) == reader.readline() == b""


class Named(ByteQueue):
    """A class of somebody's own, whose files take the general way."""


@pytest.mark.parametrize("kind", [ByteQueue, Named])
def test_reads_that_need_not_wait_keep_the_order(pool, kind):
    """Bytes that a call has left over come before those in the queue, whichever call is next."""
    queue = kind(pool=pool)
    reader, writer = queue.open("rb", timeout=SOON), queue.open("wb", timeout=SOON)
    data = b"".join(pattern(n, n % 90) + b"\n" for n in range(200))
    file, got = io.BytesIO(data), b""
    for at in range(0, len(data), 50):
        assert writer.write(data[at : at + 50]) == len(data[at : at + 50])
    writer.close()
    for n in range(10_000):
        size = (3, 64, 1, 700)[n % 4]
        call = ("read", "readline", "read1")[n % 3]
        expected = getattr(file, call)(size) if n % 5 else file.readline()
        piece = getattr(reader, call)(size) if n % 5 else reader.readline()
        if call == "read1" and n % 5:  # fewer than there are, but some
            file.seek(len(piece) - len(expected), io.SEEK_CUR)
            expected = expected[: len(piece)]
        assert piece == expected
        got += piece
        if not expected:
            break
    assert got == data
    assert reader.read(3) == reader.readline() == b""


def test_calls_of_a_closed_end_do_not_reach_its_queue(pool):
    queue = ByteQueue(pool=pool)
    reader, writer = queue.open(), queue.open("wb")
    writer.write(b"abc")
    reader.close()
    for call in (lambda: reader.read(1), reader.readline):
        with pytest.raises(ValueError, match="closed"):
            call()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"x")


def test_both_ends_say_what_they_are(pool):
    reader, writer = pagebuf.pipe(100, pool=pool, name="log")
    for end, mode in ((reader, "rb"), (writer, "wb")):
        assert isinstance(end, io.BufferedIOBase)
        assert (end.mode, end.name, end.closed, end.seekable()) == (mode, "log", False, False)
        assert (end.readable(), end.writable()) == (mode == "rb", mode == "wb")
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(end)
        with pytest.raises(OSError):
            end.seek(0)
        with end:
            pass
        assert end.closed
        end.close()
    assert (reader.queue.max_bytes, reader.queue.overflow) == (100, "block")
    for call in (reader.read, reader.read1, reader.readline, reader.readable, writer.writable):
        with pytest.raises(ValueError, match="closed file"):
            call()
    with pytest.raises(ValueError, match="closed file"):
        writer.write(b"x")


def test_the_wrong_end(pool):
    reader, writer = pagebuf.pipe(pool=pool)
    with pytest.raises(OSError):
        reader.write(b"x")
    with pytest.raises(OSError):
        writer.read()
    for bad in ("text", 5, None):
        with pytest.raises(TypeError):
            writer.write(bad)


def test_arguments(pool):
    for bad in (0, -1):
        with pytest.raises(ValueError, match="max_bytes"):
            pagebuf.pipe(bad, pool=pool)
    for bad in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            pagebuf.pipe(pool=pool, timeout=bad)
    queue = ByteQueue(pool=pool)
    for bad in ("r", "w", "ab", None):
        with pytest.raises(ValueError, match="mode"):
            queue.open(bad)


# ---- ends of streams ----


def test_a_timeout_reads_nothing(pool):
    reader, writer = pagebuf.pipe(pool=pool, timeout=SOON)
    writer.write(b"abc")
    for call in (lambda: reader.read(5), reader.readline, reader.read):
        with pytest.raises(TimeoutError):
            call()
    writer.write(b"def\n")
    assert reader.readline() == b"abcdef\n"
    with pytest.raises(TimeoutError):
        reader.read1()


def test_a_timeout_for_room(pool):
    reader, writer = pagebuf.pipe(4, pool=pool, timeout=SOON)
    writer.write(b"abc")
    with pytest.raises(TimeoutError):
        writer.write(b"de")
    assert reader.read(3) == b"abc"
    writer.write(b"de")
    assert reader.read(2) == b"de"


def test_a_reader_that_closes_breaks_the_pipe(pool):
    reader, writer = pagebuf.pipe(4, pool=pool)
    writer.write(b"abcd")
    errors: list[BaseException] = []

    def write() -> None:
        try:
            writer.write(b"efgh")
        except BaseException as error:
            errors.append(error)

    def close() -> None:
        time.sleep(SOON)
        reader.close()

    with Crew(write, close):
        pass
    assert type(errors[0]) is BrokenPipeError
    with pytest.raises(BrokenPipeError):
        writer.write(b"x")
    writer.close()
    assert pool.stats().held == 0


def test_an_end_that_is_dropped_is_closed(pool):
    reader, writer = pagebuf.pipe(pool=pool)
    writer.write(b"abc")
    del writer
    gc.collect()
    assert reader.read() == b"abc"
    reader, writer = pagebuf.pipe(pool=pool)
    del reader
    gc.collect()
    with pytest.raises(BrokenPipeError):
        writer.write(b"abc")


def test_abort_is_raised_behind_what_was_written(pool):
    reader, writer = pagebuf.pipe(pool=pool)
    writer.write(b"one\ntw")
    writer.abort(KeyError("upstream"))
    assert writer.closed
    assert reader.readline() == b"one\n"
    assert reader.read() == b"tw"
    for call in (reader.read, reader.read1, reader.readline, lambda: reader.read(5)):
        with pytest.raises(KeyError, match="upstream"):
            call()
    with pytest.raises(TypeError):
        writer.abort("text")


def test_abort_wakes_the_reader(pool):
    reader, writer = pagebuf.pipe(pool=pool)

    def abort() -> None:
        time.sleep(SOON)
        writer.abort(KeyError("upstream"))

    def read() -> None:
        with pytest.raises(KeyError):
            reader.read()

    with Crew(abort, read):
        pass


def test_an_error_that_holds_its_pipe_is_collected(pool):
    reader, writer = pagebuf.pipe(pool=pool)
    try:
        raise KeyError(reader.queue, writer)
    except KeyError as error:
        writer.abort(error)
    ref = weakref.ref(reader.queue)
    del reader, writer
    gc.collect()
    assert ref() is None


def test_two_files_of_one_queue(pool):
    queue = ByteQueue(pool=pool)
    with queue.open("wb") as writer, queue.open() as reader:
        writer.write(b"abc")
        assert reader.read(2) == b"ab"
        assert queue.get() == b"c"
    assert queue.closed
    with pytest.raises(ValueError):
        queue.put(b"x")


# ---- waiting ----


def sleeps() -> int:
    """How often this thread has given up the processor to wait."""
    import resource

    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def threads() -> int:
    """How many there are, those without Python too."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux counts for each thread")
@pytest.mark.parametrize("end", ["reader", "writer"])
def test_who_waits_is_woken_once(end):
    """Nobody looks again and again whether there is something, and no thread does so for it."""
    reader, writer = pagebuf.pipe(4)
    read, write = lambda: reader.read(1), lambda: writer.write(b"x")
    waits, wakes = (read, write) if end == "reader" else (write, read)
    if end == "writer":
        writer.write(b"full")
    before = threads()
    slept: list[int] = []

    def wait() -> None:
        count = sleeps()
        waits()
        slept.append(sleeps() - count)

    with Crew(wait):
        time.sleep(0.5)
        assert threads() <= before + 1
        wakes()
    assert slept[0] < 25  # once, and a few times more for the GIL


# ---- signals, forks ----


@pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="there are no timers that send signals"
)
@pytest.mark.parametrize("end", [0, 1])
def test_a_signal_interrupts_both_ends(pool, end):
    ends = pagebuf.pipe(4, pool=pool)
    ends[1].write(b"abc")
    call = (lambda: ends[0].read(5)) if end == 0 else (lambda: ends[1].write(b"de"))

    def handler(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, SOON)
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ends[0].read(3) == b"abc"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_a_fork_each_process_has_a_pipe(pool):
    reader, writer = pagebuf.pipe(pool=pool)
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(reader.read(3)), daemon=True)
    thread.start()
    time.sleep(SOON)

    def child() -> None:
        writer.write(b"child")
        assert reader.read1() == b"child"

    in_child(child)
    writer.write(b"abc")
    thread.join(60)
    assert got == [b"abc"]
