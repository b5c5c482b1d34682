"""Tries an installed pagebuf for some seconds: `python smoke.py`.  Needs the package only.

`make quick` runs it on the build in place, `make wheels` on each wheel in an empty environment.
"""

import asyncio
import contextlib
import io
import pickle
import random
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pagebuf
from pagebuf import PAGE_SIZE, ByteQueue, BytesIO, PageBuffer, PagePool, PageStore, aio
from pagebuf.__main__ import main


def at_random() -> None:
    """Writes, cuts and snapshots beside a bytearray."""
    dice, pool = random.Random(0), PagePool()
    buf, model = PageBuffer(pool=pool), bytearray()
    for _ in range(300):
        offset, size = dice.randrange(len(model) + 1), dice.randrange(5 * PAGE_SIZE)
        data = dice.randbytes(size)
        before, then = buf.snapshot(), bytes(model)
        buf.write(offset, data)
        model[offset : offset + size] = data
        if dice.random() < 0.2:
            cut = dice.randrange(len(model) + 1)
            assert buf.take_bytes(cut) == model[:cut]
            del model[:cut]
        assert before == then
    assert buf == model
    pool.check()


def holes_and_files(folder: Path) -> None:
    buf = PageBuffer()
    buf.write(2**40, b"far out")
    assert buf.stats().resident < 10 * PAGE_SIZE
    small = PageBuffer(b"x" * (10 * PAGE_SIZE))
    small.punch(PAGE_SIZE, 8 * PAGE_SIZE)
    small.save(folder / "saved")
    mapped = PageBuffer.map(folder / "saved")
    assert mapped == small
    mapped.write(5, b"changed")
    assert mapped.diff(small, exact=True) == [(5, 7)]
    with mapped.open("w+b") as raw, zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("one", b"1" * 10_000)
    assert zipfile.ZipFile(mapped.open("rb")).read("one") == b"1" * 10_000


def stores(folder: Path) -> None:
    if sys.platform != "linux":
        return  # docs/platforms.md
    with PageStore(folder / "some.store") as store:
        store["log"] = b"one" * PAGE_SIZE
        store.commit()
        store["log"].write(5, b"changed")
        store.rollback()
        store["few"] = b"few"
    with PageStore(folder / "some.store", "r") as store:
        assert {name: buf.tobytes() for name, buf in store.items()} == {
            "few": b"few",
            "log": b"one" * PAGE_SIZE,
        }
        store.verify()


def faces() -> None:
    file = BytesIO(b"one\ntwo\n")
    assert isinstance(file, io.BytesIO)
    assert list(file) == [b"one\n", b"two\n"]
    assert pickle.loads(pickle.dumps(PageBuffer(b"abc"))) == b"abc"
    buf = PageBuffer(bytes(PAGE_SIZE))
    live = buf.view()
    buf.extend(b"more")
    live[0] = 1
    assert buf[0] == 1


def threads() -> None:
    queue = ByteQueue(max_bytes=1000, overflow="block")

    def produce() -> None:
        for number in range(1000):
            queue.put(b"%d\n" % number, timeout=30)
        queue.close()

    producer = threading.Thread(target=produce)
    producer.start()
    lines = []
    while line := queue.readline(timeout=30):
        lines.append(int(line))
    producer.join()
    assert lines == list(range(1000))


def server() -> None:
    async def shout(reader: aio.QueueReader, writer: aio.QueueWriter) -> None:
        async for line in reader:
            writer.write(line.upper())
        writer.close()

    async def talk() -> bytes:
        serving = await aio.start_server(shout, "127.0.0.1", 0)
        reader, writer = await aio.open_connection(*serving.sockets[0].getsockname()[:2])
        writer.write(b"hello\n")
        line = await reader.readline()
        writer.close()
        serving.close()
        return line

    assert asyncio.run(talk()) == b"HELLO\n"


def memory() -> None:
    pool = PagePool(limit=16 * PAGE_SIZE)
    buf = PageBuffer(pool=pool)
    with contextlib.suppress(pagebuf.PoolLimitError):
        buf.extend(bytes(17 * PAGE_SIZE))
        raise AssertionError("a limit was passed")
    assert len(buf) == 0
    buf.extend(bytes(10 * PAGE_SIZE))
    buf.clear()
    assert pool.stats().held == 0
    pool.trim()
    pool.check()


def command_line() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["info"]) == main(["top"]) == main(["demo"]) == 0
    assert "Who ate the memory?" in out.getvalue()


def smoke() -> None:
    with tempfile.TemporaryDirectory() as folder:
        parts: list[Callable[[], None]] = [
            at_random,
            lambda: holes_and_files(Path(folder)),
            lambda: stores(Path(folder)),
            faces,
            threads,
            server,
            memory,
            command_line,
        ]
        for part in parts:
            part()


if __name__ == "__main__":
    start = time.monotonic()
    smoke()
    flags = ", ".join(name for name, on in pagebuf._core._BUILD_FLAGS.items() if on)
    size = Path(pagebuf._core.__file__).stat().st_size
    print(
        f"pagebuf {pagebuf.__version__} works: CPython {sys.version.split()[0]}, "
        f"{size / 1024:.0f} KiB, {flags or 'plain'}; {time.monotonic() - start:.1f} s"
    )
