"""pagebuf's cache for fsspec beside four of fsspec's own: `python -m benchmarks.remote`.

A server on loopback, in a process of its own, answers each request 20 ms after it came.  It has
three files.  A participant opens one with its cache, everything else as fsspec has it, and reads
what its library asks for: two columns of a table, the tree of an HDF5 file, one member of a zip.
`parts` has to know beforehand what is read, so it takes part where `fsspec.parquet` tells it; that
asks for eight parts at a time.  The table has the bytes and the requests that came to the server,
and the median of the times that passed.
"""

import contextlib
import http.client
import io
import json
import multiprocessing
import random
import statistics
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.parquet import open_parquet_file
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

import pagebuf.fsspec  # noqa: F401 registers the cache
from benchmarks import machine

DELAY = 0.020
ROUNDS = 5
CACHES = ("pagebuf", "readahead", "blockcache", "background", "parts")


# ---- three files ----


def table() -> bytes:
    """20 columns of 8 bytes, 400 000 rows in groups of 50 000: 64 MB."""
    dice = np.random.default_rng(1)
    columns = {f"c{i}": dice.integers(0, 2**62, 400_000) for i in range(20)}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, row_group_size=50_000, compression="none")
    return file.getvalue()


def data_sets() -> bytes:
    """200 data sets of 256 KiB in 20 groups: 52 MB."""
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        for i in range(200):
            made = root.create_dataset(f"g{i // 10}/d{i}", data=np.full(1 << 15, i, "u8"))
            made.attrs["unit"] = "m"
    return file.getvalue()


def archive() -> bytes:
    """2000 members of 1 B to 50 kB, not compressed: 50 MB."""
    dice = random.Random(2)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for i in range(2000):
            made.writestr(f"m{i}", dice.randbytes(dice.randrange(1, 50_000)))
    return file.getvalue()


COLUMNS = ["c3", "c11"]


def two_columns(file: Any) -> object:
    return pq.read_table(file, columns=COLUMNS).nbytes


def tree(file: Any) -> object:
    seen = []

    def visit(name: str, node: Any) -> None:
        seen.append((name, getattr(node, "shape", None), dict(node.attrs)))

    with h5py.File(file, "r") as root:
        root.visititems(visit)
    return len(seen)


def member(file: Any) -> object:
    with zipfile.ZipFile(file) as opened:
        return len(opened.namelist()), len(opened.read("m1234"))


@dataclass(frozen=True)
class Case:
    make: Callable[[], bytes]
    read: Callable[[Any], object]


CASES = {
    "two columns of a Parquet file": Case(table, two_columns),
    "an HDF5 file walked": Case(data_sets, tree),
    "a zip listed, one member read": Case(archive, member),
}


# ---- the server ----


class Handler(BaseHTTPRequestHandler):
    """Ranges of the files."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    files: list[bytes]

    def do_GET(self) -> None:
        time.sleep(DELAY)
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        data = memoryview(self.files[int(self.path[1:])])[int(first) : int(last) + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def serve(here: Connection) -> None:
    Handler.files = [case.make() for case in CASES.values()]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here.send((server.server_port, [len(data) for data in Handler.files]))
    server.serve_forever()


# ---- who reads ----


class Remote(AbstractFileSystem):  # type: ignore[misc]
    """The files of the server."""

    cachable = False

    def __init__(self, port: int, lengths: list[int]) -> None:
        super().__init__()
        self.port, self.lengths = port, lengths
        self.fetched: list[int] = []

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self.lengths[int(path)], "type": "file"}

    def fetch(self, line: http.client.HTTPConnection, path: str, start: int, end: int) -> bytes:
        self.fetched.append(end - start)
        line.request("GET", f"/{path}", headers={"Range": f"bytes={start}-{end - 1}"})
        return line.getresponse().read()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port)

    def cat_file(self, path: str, start: int = 0, end: int = -1, **_: Any) -> bytes:
        with contextlib.closing(self.connect()) as line:
            size = self.lengths[int(path)]
            return self.fetch(line, path, start % size, end if end >= 0 else size)

    def cat_ranges(
        self, paths: list[str], starts: Sequence[int], ends: Sequence[int], **_: Any
    ) -> list[bytes]:
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(self.cat_file, paths, starts, ends))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> AbstractBufferedFile:
        return RemoteFile(self, path, mode, **options)


class RemoteFile(AbstractBufferedFile):  # type: ignore[misc]
    """Keeps a connection; what `background` fetches meanwhile has one of its own."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        line = self.__dict__.pop("line", None) or self.fs.connect()
        data: bytes = self.fs.fetch(line, self.path, start, end)
        self.line = line
        return data


def opened(fs: Remote, number: int, cache: str) -> Any:
    if cache != "parts":
        return fs.open(str(number), cache_type=cache)
    return open_parquet_file(str(number), fs=fs, columns=COLUMNS, engine="pyarrow")


@dataclass
class Found:
    requests: int
    fetched: int
    result: object
    seconds: float


def run(fs: Remote, number: int, cache: str, read: Callable[[Any], object]) -> Found:
    fs.fetched.clear()
    start = time.perf_counter()
    with opened(fs, number, cache) as file:
        result = read(file)
    took = time.perf_counter() - start
    return Found(len(fs.fetched), sum(fs.fetched), result, took)


def measure(fs: Remote) -> dict[str, dict[str, tuple[int, int, float]]]:
    rows: dict[str, dict[str, tuple[int, int, float]]] = {}
    for number, (title, case) in enumerate(CASES.items()):
        who = [cache for cache in CACHES if cache != "parts" or case.read is two_columns]
        runs: dict[str, list[Found]] = {cache: [] for cache in who}
        for _ in range(ROUNDS):
            for cache in random.sample(who, len(who)):
                runs[cache].append(run(fs, number, cache, case.read))
        (_,) = {str(one.result) for found in runs.values() for one in found}
        rows[title] = {
            cache: (
                max(one.fetched for one in found),
                max(one.requests for one in found),
                statistics.median(one.seconds for one in found),
            )
            for cache, found in runs.items()
        }
    return rows


def main() -> None:
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    port, sizes = here.recv()
    rows = measure(Remote(port, sizes))
    server.terminate()
    for (title, row), size in zip(rows.items(), sizes, strict=True):
        print(f"{title}, {size / 1e6:.0f} MB")
        for cache, (fetched, requests, seconds) in row.items():
            print(f"   {cache:12} {fetched / 1e6:8.2f} MB {requests:5} requests {seconds:7.3f} s")
    about = machine.about("whole", sum(sizes))
    json.dump({key: about[key] for key in ("cpu", "python", "date")}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
