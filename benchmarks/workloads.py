"""Makes the input of every case, and cuts it into pieces.

The input is real data: an uncompressed tar of the running interpreter's standard library.  It is
made in memory, in an order that does not depend on the file system.
"""

import hashlib
import io
import os
import random
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice
from pathlib import Path
from typing import TypeVar

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

MIXTURE = 0
"""As a piece size, it means pieces of many sizes."""
PIECE_SIZES = (16, 64, 256, KIB, 4 * KIB, 64 * KIB, MIB, MIXTURE)
ACCESS_SIZES = (1, 16, 64, 256, KIB, 4 * KIB, 64 * KIB, MIB)
SEED = 20261122

T = TypeVar("T")

# Folders that are not the library: caches, installed packages, and objects for linking libpython.
_LEFT_OUT = ("__pycache__", "site-packages", "dist-packages")


@dataclass(frozen=True)
class Scale:
    """How much work one run does."""

    name: str
    rounds: int
    near_rounds: int
    """Rounds of tables whose ratios are near 1, and of the rows of `make compare-more`."""
    long_rounds: int
    budget: int
    """The nanoseconds that a run may take.  A slower participant gets a prefix of the input."""
    long_budget: int
    tar_limit: int | None
    big: int
    """Bytes of the long growth."""
    store: int
    """Bytes of the buffer for random reads and writes."""
    in_flight: int
    burst: int
    """The size of a burst, in multiples of `in_flight`."""
    sparse_reach: int
    sparse_writes: int
    hole: int
    """The offset of the one byte that is written far past the end."""
    interleaved: int
    """The number of buffers that grow in turn."""
    accesses: int
    """Random accesses of a small size in one round; for large sizes `access_bytes` limits them."""
    access_bytes: int

    def fill(self, title: str) -> str:
        """Fill the sizes of this run into a title."""
        names = ("big", "store", "in_flight", "sparse_reach", "hole")
        sizes = {name: size_name(getattr(self, name)) for name in names}
        counts = {name: getattr(self, name) for name in ("burst", "sparse_writes", "interleaved")}
        return title.format(**sizes, **counts)


# Both give every field, so that you can compare them line by line.
FULL = Scale(
    name="full",
    rounds=9,
    near_rounds=15,
    long_rounds=5,
    budget=40_000_000,
    long_budget=200_000_000,
    tar_limit=None,
    big=512 * MIB,
    store=256 * MIB,
    in_flight=MIB,
    burst=256,
    sparse_reach=4 * GIB,
    sparse_writes=16 * KIB,
    hole=GIB,
    interleaved=4000,
    accesses=50_000,
    access_bytes=64 * MIB,
)
QUICK = Scale(
    name="quick",
    rounds=3,
    near_rounds=3,
    long_rounds=1,
    budget=5_000_000,
    long_budget=50_000_000,
    tar_limit=4 * MIB,
    big=16 * MIB,
    store=8 * MIB,
    in_flight=128 * KIB,
    burst=64,
    sparse_reach=4 * GIB,
    sparse_writes=512,
    hole=64 * MIB,
    interleaved=400,
    accesses=2_000,
    access_bytes=4 * MIB,
)


def size_name(size: int) -> str:
    """`65536` -> `64 KiB`."""
    if size == MIXTURE:
        return "mixture"
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def _library_files() -> Iterator[Path]:
    """The files of the standard library, sorted by path."""
    for folder, folders, files in os.walk(sysconfig.get_path("stdlib")):
        folders[:] = sorted(
            name for name in folders if name not in _LEFT_OUT and not name.startswith("config-")
        )
        yield from (Path(folder, name) for name in sorted(files))


def make_tar(limit: int | None = None) -> bytes:
    """A tar of the standard library, cut off at `limit` bytes."""
    root = Path(sysconfig.get_path("stdlib"))
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in _library_files():
            if limit is not None and sink.tell() >= limit:
                break
            if path.is_file():
                _add(tar, path, str(path.relative_to(root)))
    return sink.getvalue()[:limit]


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    """Add one file; its owner and its times must not change the bytes of the tar."""
    data = path.read_bytes()
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def cut(data: bytes, size: int) -> list[bytes]:
    """Cut `data` into pieces of `size` bytes, or of sizes up to 64 KiB, even on a log scale."""
    if size != MIXTURE:
        return [data[at : at + size] for at in range(0, len(data), size)]
    draw = random.Random(SEED)
    pieces = []
    at = 0
    while at < len(data):
        end = at + int(2 ** draw.uniform(0, 16))
        pieces.append(data[at:end])
        at = end
    return pieces


def repeated(data: bytes, size: int, total: int) -> list[bytes]:
    """Pieces of `data`, repeated until there are `total` bytes."""
    count = total // size
    distinct = min(count, len(data) // size)
    pieces = [data[at * size : (at + 1) * size] for at in range(distinct)]
    return list(islice(cycle(pieces), count))


def prefix(pieces: list[T], shift: int) -> list[T]:
    """The first 1/2**shift of the pieces, but at least one."""
    return pieces if shift == 0 else pieces[: max(1, len(pieces) >> shift)]


def offsets(count: int, size: int, reach: int, align: int = 1) -> list[int]:
    """`count` random offsets of `size` bytes below `reach`; the same ones every time."""
    draw = random.Random(SEED + size)
    last = (reach - size) // align
    return [draw.randint(0, last) * align for _ in range(count)]


def accesses(scale: Scale, size: int) -> int:
    """How many random accesses of `size` bytes make one round."""
    return max(16, min(scale.accesses, scale.access_bytes // size))


def digest(chunks: Iterable[object]) -> str:
    """SHA-256 over bytes-like objects, whatever their item size."""
    sha = hashlib.sha256()
    for chunk in chunks:
        sha.update(chunk)  # type: ignore[arg-type]
    return sha.hexdigest()


@lru_cache(maxsize=64)
def digest_of_prefix(data: bytes, size: int) -> str:
    """SHA-256 of the first `size` bytes of the input.  A cache hit is cheap: bytes keep a hash."""
    return hashlib.sha256(memoryview(data)[:size]).hexdigest()
