"""fsspec's files with pages as their cache: what is asked for, how often, and what is left."""

from __future__ import annotations

import gc
import io
import pickle
import random
import subprocess
import sys
import threading
import time
import zipfile

import pytest

pytest.importorskip("fsspec", reason="fsspec is not installed")

import fsspec
from fsspec.caching import caches
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

import pagebuf.fsspec
from pagebuf import PagePool
from tests.support import pattern

PIECE = pagebuf.fsspec.UNIT
SIZE = 20 * PIECE + 123
DATA = pattern(0, SIZE)
NODES = 64 * pagebuf.PAGE_SIZE
"""Room for the nodes of a tree over all of it."""


class RemoteFile(AbstractBufferedFile):
    """Its file system keeps what was asked for."""

    def _fetch_range(self, start, end):
        return self.fs.fetch(self.path, start, end)


class RemoteFileSystem(AbstractFileSystem):
    """Files that are far away."""

    protocol = "far"
    cachable = False

    def __init__(self, files=None, cache_type="readahead", **kwargs):
        super().__init__(**kwargs)
        self.cache_type = cache_type
        self.files = {"/file": DATA} if files is None else files
        self.asked = []
        self.failing = 0

    def fetch(self, path, start, end):
        self.asked.append((start, end))
        if self.failing:
            self.failing -= 1
            raise ConnectionError("lost")
        return self.files[path][start:end]

    def pieces(self):
        """What was asked for since the last time, in pieces."""
        asked = [(start // PIECE, -(-end // PIECE)) for start, end in self.asked]
        self.asked.clear()
        return asked

    def info(self, path, **kwargs):
        data = self.files[path]
        return {"name": path, "size": len(data), "type": "file", "ETag": hash(data)}

    def _open(self, path, mode="rb", block_size=None, cache_type=None, **kwargs):
        kind = cache_type or self.cache_type
        return RemoteFile(self, path, mode, block_size, cache_type=kind, **kwargs)


def opened(fs, path="/file", block_size=8 * PIECE, page_in=PIECE, **options):
    options["page_in"] = page_in
    return fs.open(path, block_size=block_size, cache_type="pagebuf", cache_options=options)


@pytest.fixture
def fs():
    return RemoteFileSystem()


# ---- what is asked for ----


def test_a_read_asks_for_what_it_needs_once(fs):
    with opened(fs) as file:
        file.seek(3 * PIECE + 5)
        assert file.read(10) == DATA[3 * PIECE + 5 :][:10]
        assert fs.pieces() == [(3, 4)]
        file.seek(2 * PIECE - 1)
        assert file.read(3 * PIECE) == DATA[2 * PIECE - 1 :][: 3 * PIECE]
        assert fs.pieces() == [(1, 3), (4, 5)]
        file.seek(2 * PIECE)
        assert file.read(3 * PIECE) == DATA[2 * PIECE : 5 * PIECE]
        assert fs.pieces() == []
        assert file.cache.buffer.present() == [(PIECE, 4 * PIECE)]
        cache = file.cache
        assert (cache.hit_count, cache.miss_count) == (1, 2)
        assert cache.total_requested_bytes == 4 * PIECE


def test_a_large_read_is_one_request(fs):
    with opened(fs) as file:
        assert file.read() == DATA
        assert fs.asked == [(0, SIZE)]
        file.seek(0)
        assert file.read() == DATA
    assert fs.asked == [(0, SIZE)]


def test_a_read_that_ends_on_a_border_does_not_ask_for_the_next(fs):
    with opened(fs) as file:
        file.seek(PIECE)
        assert file.read(PIECE) == DATA[PIECE : 2 * PIECE]
    assert fs.pieces() == [(1, 2)]


def test_who_reads_in_order_has_more_and_more_read_ahead(fs):
    with opened(fs) as file:
        for at in range(0, SIZE, 100):
            assert file.read(100) == DATA[at : at + 100]
        asked = fs.pieces()
    assert [start for start, _ in asked[1:]] == [end for _, end in asked[:-1]]  # each once
    assert [end - start for start, end in asked] == [1, 1, 2, 4, 8, 5]


def test_reading_ahead_has_a_bound(fs):
    with opened(fs, block_size=2 * PIECE) as file:
        while file.read(100):
            pass
        assert [end - start for start, end in fs.pieces()] == [1, 1, 2, 3, 3, 3, 3, 3, 2]
    pool = PagePool(limit=8 * PIECE + NODES)
    with opened(fs, pool=pool.child()) as file:
        while file.read(100):
            pass
        asked = fs.pieces()
    assert [start for start, _ in asked[1:]] == [end for _, end in asked[:-1]]
    assert max(end - start for start, end in asked) <= 1 + pool.limit // 4 // PIECE


def test_leaps_read_nothing_ahead(fs):
    with opened(fs) as file:
        for at in (0, 9, 3, 15, 6):
            file.seek(at * PIECE + 7)
            assert file.read(100) == DATA[at * PIECE + 7 :][:100]
    assert fs.pieces() == [(0, 1), (9, 10), (3, 4), (15, 16), (6, 7)]


def test_within_a_limit_each_byte_is_asked_for_once():
    piece = max(65536, PIECE)
    data = pattern(0, 10 * piece + 5)
    fs = RemoteFileSystem({"/large": data})
    pool = PagePool(limit=3 * piece + NODES)
    with opened(fs, "/large", page_in=piece, pool=pool) as file:
        assert file.read() == data
        assert sum(end - start for start, end in fs.asked) == len(data)
        assert sum(size for _, size in file.cache.buffer.present()) <= pool.limit
        pool.check()


def test_reads_here_and_there(fs):
    plain = io.BytesIO(DATA)
    rng = random.Random(5)
    with opened(fs, pool=PagePool(limit=6 * PIECE + NODES)) as file:
        for _ in range(300):
            at, size = rng.randrange(SIZE + 50), rng.choice([0, 1, 100, PIECE, 5 * PIECE])
            file.seek(at)
            plain.seek(at)
            for _ in range(rng.choice([1, 3])):
                assert file.read(size) == plain.read(size)


# ---- the protocol of caches ----


def letters(start, end):
    return b"abcdefghijklmnopqrstuvwxyz"[start:end]


@pytest.mark.parametrize("blocksize", [1, 10, 26, 100])
def test_any_block_size_and_any_range(blocksize):
    cache = caches["pagebuf"](blocksize, letters, 26)
    for start in (None, 0, 7, 25, 26, 30):
        for end in (None, 0, 7, 8, 26, 40):
            assert cache._fetch(start, end) == letters(start, end), (start, end)
    assert cache.blocksize == blocksize
    assert cache.nblocks == 1


def test_an_empty_file():
    cache = caches["pagebuf"](5, letters, 0)
    assert cache._fetch(0, 0) == cache._fetch(None, None) == cache._fetch(0, 10) == b""
    assert cache.buffer.present() == []


def test_a_pickle_has_no_pages():
    cache = caches["pagebuf"](5, letters, 26, pool=PagePool())
    assert cache._fetch(0, 5) == b"abcde"
    again = pickle.loads(pickle.dumps(cache))
    assert type(again) is pagebuf.fsspec.PageCache
    assert again.buffer.present() == []
    assert again._fetch(3, 6) == b"def"
    assert cache._fetch(3, 6) == b"def"


def test_a_file_by_its_address(fs):
    fsspec.register_implementation("far", RemoteFileSystem, clobber=True)
    with fsspec.open("far:///file", cache_type="pagebuf") as file:
        assert file.cache.name == "pagebuf"
        assert file.read(5) == DATA[:5]


def test_a_size_must_be_known():
    with pytest.raises(TypeError):
        caches["pagebuf"](5, letters, None)


# ---- errors ----


def test_a_failing_request_fails_that_read_only(fs):
    with opened(fs) as file:
        fs.failing = 1
        with pytest.raises(ConnectionError, match="lost"):
            file.read(3 * PIECE)
        assert file.cache.buffer.present() == []
        assert file.read(3 * PIECE) == DATA[: 3 * PIECE]
        assert fs.pieces() == [(0, 3), (0, 3)]


@pytest.mark.parametrize("more", [-1, 1])
def test_a_wrong_length_is_said(more):
    cache = caches["pagebuf"](PIECE, lambda start, end: bytes(end - start + more), SIZE)
    with pytest.raises(ValueError, match=f"bytes 0 to .* sent {PIECE + more}"):
        cache._fetch(0, 10)


def test_a_closed_cache(fs):
    with opened(fs) as file:
        file.read(1)
        cache, buffer = file.cache, file.cache.buffer
    with pytest.raises(ValueError, match="closed"):
        cache._fetch(0, 10)
    with pytest.raises(ValueError, match="closed"):
        cache.buffer
    with pytest.raises(ValueError, match="closed"):
        buffer.read(5 * PIECE, 1)
    assert buffer.read(0, 10) == DATA[:10]


# ---- what is left ----


def test_a_file_that_is_closed_unread_leaves_nothing(fs):
    pool = PagePool()
    opened(fs, pool=pool).close()
    assert fs.asked == []
    assert pool.stats().held == pool.stats().lent == 0


def test_a_file_that_is_read_leaves_nothing(fs):
    pool = PagePool()
    with opened(fs, pool=pool) as file:
        file.read(5 * PIECE)
        assert pool.stats().lent >= 5 * PIECE
    assert pool.stats().held == pool.stats().lent == 0


def test_a_file_that_nobody_closes_is_collected(fs):
    pool = PagePool()
    opened(fs, pool=pool).read(5 * PIECE)
    deadline = time.monotonic() + 10
    while pool.stats().lent and time.monotonic() < deadline:
        gc.collect()  # it does nothing while another thread collects
    assert pool.stats().held == pool.stats().lent == 0


# ---- several handles ----


def test_handles_of_a_file_share_what_was_read(fs):
    first, second = opened(fs, share=True), opened(fs, share=True)
    assert first.read(3 * PIECE) == DATA[: 3 * PIECE]
    assert second.read(4 * PIECE) == DATA[: 4 * PIECE]
    assert fs.pieces() == [(0, 3), (3, 4)]
    first.close()
    second.seek(10 * PIECE)
    assert second.read(1) == DATA[10 * PIECE :][:1]
    assert second.cache.buffer.read(12 * PIECE, 1) == DATA[12 * PIECE :][:1]
    assert fs.pieces() == [(10, 11), (12, 13)]
    second.close()
    with opened(fs, share=True) as third:
        third.read(1)
    assert fs.pieces() == [(0, 1)]


def test_a_file_that_has_changed_is_another_one(fs):
    with opened(fs, share=True) as old:
        old.read(1)
        fs.files["/file"] = DATA[::-1]
        with opened(fs, share=True) as new:
            assert new.read(10) == DATA[::-1][:10]
        assert old.read(10) == DATA[1:11]


def test_nobody_shares_unless_he_asks_for_it(fs):
    with opened(fs) as first, opened(fs) as second:
        assert first.read(10) == second.read(10)
    assert fs.pieces() == [(0, 1), (0, 1)]


def test_threads_ask_for_each_byte_once(fs):
    cache = opened(fs).cache
    go, wrong = threading.Barrier(4, timeout=30), []

    def read(seed):
        go.wait()
        for i in range(20):
            at = (seed + i) % 20 * PIECE
            if cache._fetch(at, at + 2 * PIECE) != DATA[at : at + 2 * PIECE]:
                wrong.append(at)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(0, 20, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.buffer.present() == [(0, SIZE)]
    assert sum(end - start for start, end in fs.asked) == SIZE


def test_who_waits_for_a_request_that_fails_makes_his_own():
    started, go = threading.Event(), threading.Event()
    asked, errors = [], []

    def fetch(start, end):
        asked.append((start // PIECE, -(-end // PIECE)))
        if len(asked) > 1:
            return DATA[start:end]
        started.set()
        assert go.wait(30)
        raise ConnectionError("lost")

    cache = caches["pagebuf"](PIECE, fetch, SIZE, page_in=PIECE)

    def read(first, past):
        try:
            assert cache._fetch(first * PIECE, past * PIECE) == DATA[first * PIECE : past * PIECE]
        except ConnectionError as error:
            errors.append(error)

    one = threading.Thread(target=read, args=(0, 4))
    other = threading.Thread(target=read, args=(2, 3))
    one.start()
    assert started.wait(30)
    other.start()
    go.set()
    one.join()
    other.join()
    assert len(errors) == 1
    assert asked == [(0, 4), (2, 3)]


# ---- libraries ----


def test_without_fsspec_the_error_names_the_extra():
    code = "import sys; sys.modules['fsspec'] = None; import pagebuf.fsspec"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith(
        "ImportError: pagebuf.fsspec needs fsspec: install pagebuf[fsspec]\n"
    )


def test_a_zip_is_listed_and_a_member_read():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for i in range(20):
            archive.writestr(f"{i}", pattern(i, 3 * PIECE))
    fs = RemoteFileSystem({"/zip": made.getvalue()})
    with opened(fs, "/zip") as file, zipfile.ZipFile(file) as archive:
        assert len(archive.namelist()) == 20
        assert sum(end - start for start, end in fs.asked) <= 3 * PIECE
        assert archive.read("7") == pattern(7, 3 * PIECE)
    assert sum(end - start for start, end in fs.asked) <= 12 * PIECE


def test_two_columns_of_a_table():
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow has no Parquet")
    rng = random.Random(1)
    rows = 32 * PIECE // 8
    table = arrow.table({f"c{i}": [rng.random() for _ in range(rows)] for i in range(6)})
    made = io.BytesIO()
    parquet.write_table(table, made, compression="none", use_dictionary=False)
    fs = RemoteFileSystem({"/table": made.getvalue()})
    with opened(fs, "/table") as file:
        part = parquet.read_table(file, columns=["c1", "c4"])
    assert part == table.select(["c1", "c4"])
    assert sum(end - start for start, end in fs.asked) < len(made.getvalue()) / 2
