"""``pagebuf://``: what commits, what others see, what stays in memory."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("fsspec", reason="fsspec is not installed")

import fsspec

from pagebuf import LockedError, PageStore, PoolLimitError, StoreError
from pagebuf.fsspec import StoreFileSystem
from tests.helpers import PAGE
from tests.support import pattern

pytestmark = pytest.mark.skipif(PAGE < 64, reason="stores have pages of 64 bytes at least")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "some.store")


@pytest.fixture
def fs(path):
    fs = StoreFileSystem(path, durability="off")
    yield fs
    fs.close()


def commits(fs):
    """The number of the last commit, which another reader sees."""
    with PageStore(fs._place.path, "r") as store:
        return store.stats().commit


def contents(path):
    """What another reader sees."""
    with PageStore(path, "r") as store:
        return {name: buf.tobytes() for name, buf in store.items()}


# ---- names ----


def test_a_url_names_the_file_and_the_store(path):
    with fsspec.open(f"pagebuf://a/b.txt::{path}", "wb") as file:
        file.write(b"one")
    with fsspec.open(f"pagebuf://a/b.txt::file://{path}", "rt") as file:
        assert file.read() == "one"
    fs, name = fsspec.core.url_to_fs(f"pagebuf://a/b.txt::{path}")
    assert type(fs) is StoreFileSystem
    assert name == "a/b.txt"
    assert contents(path) == {"a/": b"", "a/b.txt": b"one"}  # fsspec makes directories, too


def test_fsspec_knows_it_without_an_import(path):
    try:
        metadata.distribution("pagebuf")
    except metadata.PackageNotFoundError:
        pytest.skip("this build is not installed, so it has no entry points")
    code = "import fsspec, sys; fsspec.filesystem('pagebuf', fo=sys.argv[1]).pipe('a', b'1')"
    subprocess.run([sys.executable, "-c", code, path], check=True, env=os.environ)
    assert contents(path) == {"a": b"1"}


@pytest.mark.parametrize("url", ["pagebuf:///data/some.store", "pagebuf://"])
def test_a_url_without_a_store(url):
    with pytest.raises(ValueError, match="which store"):
        fsspec.open(url, "rb")


def test_only_local_files(path):
    with pytest.raises(ValueError, match="not one of 'memory'"):
        fsspec.open("pagebuf://a::memory://some.store", "rb")
    with pytest.raises(ValueError, match="mode must be"):
        StoreFileSystem(path, mode="w")


def test_a_store_that_is_not_there(fs, path):
    assert not fs.exists("a")
    for call in (fs.ls, fs.info, fs.cat_file):
        with pytest.raises(FileNotFoundError):
            call("a")
    assert not Path(path).exists()
    with pytest.raises(FileNotFoundError):
        StoreFileSystem(path, mode="r+").pipe_file("a", b"")


def test_names_that_no_file_can_have(fs, path):
    fs.pipe_file("file", b"")
    fs.mkdir("folder")
    for call, error in [
        (lambda: fs.pipe_file("a//b", b""), ValueError),
        (lambda: fs.pipe_file("", b""), ValueError),
        (lambda: fs.pipe_file("n" * 256, b""), ValueError),
        (lambda: fs.open("file/b", "wb"), NotADirectoryError),
        (lambda: fs.mkdir("file/b/c"), NotADirectoryError),
        (lambda: fs.open("folder", "wb"), IsADirectoryError),
        (lambda: fs.open("folder", "rb"), IsADirectoryError),
        (lambda: fs.cat_file("folder"), IsADirectoryError),
        (lambda: fs.rm_file("folder"), IsADirectoryError),
        (lambda: fs.rm_file("missing"), FileNotFoundError),
        (lambda: fs.open("missing", "r+b"), FileNotFoundError),
        (lambda: fs.info("n" * 256), FileNotFoundError),
        (lambda: fs.ls("n" * 256 + "/m"), FileNotFoundError),
        (lambda: fs.open("file", "xb"), FileExistsError),
        (lambda: fs.mkdir("file"), FileExistsError),
        (lambda: fs.mkdir("folder"), FileExistsError),
        (lambda: fs.makedirs("folder"), FileExistsError),
        (lambda: fs.mkdir("no/parent", create_parents=False), FileNotFoundError),
        (lambda: fs.rmdir("file"), NotADirectoryError),
        (lambda: fs.rmdir("missing"), FileNotFoundError),
    ]:
        before = contents(path)
        with pytest.raises(error):
            call()
        assert contents(path) == before


def test_names_of_a_store_that_no_path_reaches(path):
    with PageStore(path) as store:
        store.update({"/a": b"1", "b//c": b"2", "b/d": b"3", "e/": b"", "f": b"4", "f/g": b"5"})
    fs = StoreFileSystem(path, mode="r")
    assert fs.ls("", detail=False) == ["b", "e", "f"]
    assert fs.ls("b", detail=False) == ["b/d"]
    assert fs.ls("e") == []
    assert fs.ls("f") == [{"name": "f", "size": 1, "type": "file"}]
    assert fs.cat_file("f/g") == b"5"


def test_listing_among_many_names(fs):
    """Directories that begin alike, names before and after "/", and what has not been committed."""
    names = ["a", "a!b", "a0", "b/c", "b/c.d", "b/cc/d", "b/cc/e/f", "b!/c", "b0/c", "ü/ä"]
    fs.pipe({name: name.encode() for name in names})
    assert fs.find("") == sorted(names, key=str.encode)
    assert fs.ls("", detail=False) == ["a", "a!b", "a0", "b!", "b", "b0", "ü"]
    assert fs.ls("b", detail=False) == ["b/c", "b/c.d", "b/cc"]
    with fs.transaction:
        fs.rm("b/c")
        fs.pipe({"b/a": b"", "b/cc/d": b"new", "b/z/y": b""})
        assert fs.ls("b", detail=False) == ["b/a", "b/c.d", "b/cc", "b/z"]
        assert fs.info("b/cc/d")["size"] == 3
        fs.rm("b/cc", recursive=True)
        assert fs.ls("b", detail=False) == ["b/a", "b/c.d", "b/z"]
    assert fs.ls("b", detail=False) == ["b/a", "b/c.d", "b/z"]


def test_a_listing_reads_no_file(path):
    with PageStore(path) as store:
        store["big"] = pattern(0, 100 * PAGE)
        store.create("hole").resize(1 << 30)
    fs = StoreFileSystem(path)
    sizes = {entry["name"]: entry["size"] for entry in fs.ls("")}
    assert sizes == {"big": 100 * PAGE, "hole": 1 << 30}
    assert fs.du("") == 100 * PAGE + (1 << 30)
    assert not fs._place._open[0]._entries


def test_empty_directories_stay(fs):
    fs.mkdir("a/b")
    assert fs.ls("a", detail=False) == ["a/b"]
    fs.pipe_file("a/b/c", b"")
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir("a/b")
    with pytest.raises(OSError, match="not empty"):
        fs.rm("a")
    fs.rm("a/b/c")
    fs.rmdir("a/b")
    assert fs.isdir("a")
    fs.rm("a")
    assert fs.ls("") == []


# ---- what commits ----


def test_each_call_is_one_commit(fs, tmp_path):
    (tmp_path / "local").write_bytes(b"local")
    with fs.open("a", "wb") as file:
        file.write(b"one")
    assert commits(fs) == 1
    for number, call in enumerate(
        [
            lambda: fs.pipe({"b/1": b"1", "b/2": b"22", "b/3": b"333"}),
            lambda: fs.copy("b", "c", recursive=True),
            lambda: fs.mv("c", "d", recursive=True),
            lambda: fs.mv("a", "e"),
            lambda: fs.rm("b", recursive=True),
            lambda: fs.rm(["d/1", "d/2"]),
            lambda: fs.makedirs("x/y/z"),
            lambda: fs.put_file(tmp_path / "local", "new/folder/file"),
            lambda: fs.touch("f"),
            lambda: fs.write_text("g", "text"),
        ],
        2,
    ):
        call()
        assert commits(fs) == number
    kept = {"e": b"one", "d/3": b"333", "new/folder/file": b"local", "f": b"", "g": b"text"}
    marks = dict.fromkeys(["d/", "x/", "x/y/", "x/y/z/", "new/", "new/folder/"], b"")
    assert contents(fs._place.path) == kept | marks
    assert {name: fs.cat_file(name) for name in fs.find("")} == kept
    fs.cat("e")
    fs.ls("")
    assert commits(fs) == 11


def test_a_call_that_fails_in_the_middle_changes_nothing(fs, path):
    fs.pipe({"a": b"1", "b/c": b"2"})
    before = contents(path)
    with pytest.raises(OSError, match="not empty"):
        fs.rm(["b", "a"])
    with pytest.raises(NotADirectoryError):
        fs.pipe({"new": b"", "a/b": b""})
    assert contents(path) == before
    assert fs.find("") == ["a", "b/c"]


def test_a_transaction_is_one_commit(fs, path):
    fs.pipe({"a": b"1", "b": b"2"})
    with fs.transaction:
        with fs.open("c", "wb") as file:
            file.write(b"3")
        fs.rm("a")
        fs.mv("b", "d")
        left_open = fs.open("e", "wb")
        left_open.write(b"5")
        assert fs.find("") == ["c", "d"]
        assert commits(fs) == 1
    assert commits(fs) == 2
    assert left_open.closed
    assert contents(path) == {"c": b"3", "d": b"2", "e": b"5"}


def test_a_transaction_that_raises_leaves_nothing(fs, path):
    fs.pipe({"a": b"1", "b": b"2"})
    before = contents(path)
    opened = []

    def fail():
        with fs.transaction:
            fs.pipe_file("c", b"3")
            fs.rm("a")
            opened.append(fs.open("e", "wb"))
            opened[0].write(b"5")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert opened[0].closed
    opened[0].close()
    assert contents(path) == before
    assert fs.find("") == ["a", "b"]
    fs.pipe_file("f", b"")
    assert commits(fs) == 2


def test_transactions_do_not_nest(fs):
    with pytest.raises(RuntimeError, match="nest"), fs.transaction, fs.transaction:
        pass
    fs.pipe_file("a", b"1")
    other = StoreFileSystem(fs._place.path, durability="off")
    with fs.transaction:
        fs.pipe_file("b", b"2")
        with pytest.raises(StoreError, match="in a transaction"):
            other.pipe_file("c", b"3")
        with pytest.raises(StoreError, match="in a transaction"):
            other.transaction.start()
    other.pipe_file("c", b"3")
    assert fs.find("") == ["a", "b", "c"]


def test_a_file_whose_commit_waits(fs):
    """fsspec's own way to defer it."""
    first, second = (fs.open(name, "wb", autocommit=False) for name in "ab")
    for file in (first, second):
        file.write(b"1")
        file.close()
    assert not fs.exists("a")
    first.commit()
    second.discard()
    second.commit()
    assert fs.find("") == ["a"]


def test_files_are_as_they_were_when_they_were_opened(fs):
    fs.pipe_file("a", b"before")
    reader, writer, other = fs.open("a"), fs.open("a", "r+b"), fs.open("a", "ab")
    writer.write(b"BE")
    assert fs.cat_file("a") == b"before"
    writer.close()
    assert fs.cat_file("a") == b"BEfore"
    assert reader.read() == b"before"
    other.write(b", after")
    other.close()
    assert fs.cat_file("a") == b"before, after"


def test_two_create_one_file(fs):
    first, second = fs.open("a", "xb"), fs.open("a", "xb")
    first.write(b"1")
    second.write(b"2")
    first.close()
    with pytest.raises(FileExistsError):
        second.close()
    assert fs.cat_file("a") == b"1"


def test_moving_a_file_writes_none_of_its_bytes(fs):
    fs.pipe_file("a", pattern(0, 1000 * PAGE))
    held = fs._place._open[0].stats().pages
    for there, back in [("a", "b"), ("b", "folder/"), ("folder/b", "a")]:
        fs.mv(there, back)
    assert fs._place._open[0].stats().pages < held + 100
    assert fs.cat_file("a") == pattern(0, 1000 * PAGE)
    fs.pipe_file("b", b"gone")
    fs.mv("a", "b")
    fs.mv("b", "b")
    assert fs.find("") == ["b"]
    assert fs.cat_file("b", PAGE, PAGE + 10) == pattern(PAGE, 10)


def test_cat_ranges(fs, monkeypatch):
    data = pattern(0, 10 * PAGE)
    fs.pipe({"a": data, "b": b"short"})
    looks = []
    look = fs._look
    monkeypatch.setattr(fs, "_look", lambda path: looks.append(path) or look(path))
    paths = ["a", "b", "missing", "a", "a", "b"]
    found = fs.cat_ranges(paths, [0, -3, 0, PAGE, None, 9], [5, None, 1, -1, PAGE, 12])
    assert isinstance(found.pop(2), FileNotFoundError)
    assert found == [data[:5], b"ort", data[PAGE:-1], data[:PAGE], b""]
    assert looks == ["a", "b", "missing"]
    assert fs.cat_ranges(["b", "b"], 1, 2) == [b"h", b"h"]
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(["b", "missing"], 0, 1, on_error="raise")
    with pytest.raises(ValueError, match="zip"):
        fs.cat_ranges(["b"], [0, 1], 2)
    with pytest.raises(TypeError):
        fs.cat_ranges("b", 0, 1)


# ---- others ----


def test_reading_locks_nobody_out_and_sees_what_is_new(path):
    with PageStore(path) as store:
        store["a"] = b"1"
        store.commit()
        fs = StoreFileSystem(path)
        assert fs.cat_file("a") == b"1"
        key = fs.ukey("a")
        assert fs.ukey("a") == key
        store["a"] = b"2"
        store.commit()
        assert fs.cat_file("a") == b"2"
        assert fs.ukey("a") != key
        with pytest.raises(LockedError):
            fs.pipe_file("a", b"3")
        assert fs.cat_file("a") == b"2"
    fs.pipe_file("a", b"3")
    with pytest.raises(LockedError):
        PageStore(path)
    fs.close()
    assert fs.cat_file("a") == b"3"
    PageStore(path).close()


def test_all_of_a_process_share_the_writer(path):
    def write(name):
        with fsspec.open(f"pagebuf://{name}::{path}", "wb") as file:
            file.write(name.encode())

    threads = [threading.Thread(target=write, args=(f"file{i}",)) for i in range(8)]
    fs = StoreFileSystem(path)
    fs.touch("first")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fs.find("")) == 9
    del fs
    gc.collect()
    with PageStore(path) as store:  # the last of them closed it
        assert store.stats().sealed


def test_a_file_system_for_reading(path):
    StoreFileSystem(path).pipe_file("a", b"1")
    gc.collect()
    fs = StoreFileSystem(path, mode="r")
    assert fs.cat_file("a") == b"1"
    for call in (lambda: fs.pipe_file("a", b""), lambda: fs.rm("a"), lambda: fs.open("a", "ab")):
        with pytest.raises(StoreError, match="for reading"):
            call()
    assert contents(path) == {"a": b"1"}


def test_a_pickle_is_of_the_same_store(fs):
    fs.pipe_file("a", b"1")
    again = pickle.loads(pickle.dumps(fs))
    assert again == fs
    assert repr(again) == repr(fs) == f"<StoreFileSystem {fs._place.path!r}>"
    again.pipe_file("b", b"2")
    assert fs.find("") == ["a", "b"]


def test_in_the_child_of_a_fork(fs):
    fs.pipe_file("a", b"1")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if fs.cat_file("a") == b"1" else 2
            try:
                fs.pipe_file("b", b"2")
                code = 3
            except LockedError:
                pass
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    fs.pipe_file("b", b"2")
    assert fs.find("") == ["a", "b"]


# ---- a store that is given ----


def test_over_a_store_of_the_caller(path):
    with PageStore(path) as store:
        fs = StoreFileSystem(store)
        store["a"] = b"1"
        with fs.open("b", "wb") as file:
            file.write(b"2")
        assert contents(path) == {"a": b"1", "b": b"2"}  # one writer, one state
        with store.transaction():
            fs.pipe_file("c", b"3")
            assert "c" not in contents(path)
            with pytest.raises(RuntimeError, match="nest"):
                fs.transaction.start()
        assert contents(path)["c"] == b"3"
        store["d"] = b"4"
        with pytest.raises(NotADirectoryError):
            fs.pipe({"e": b"5", "a/b": b""})
        assert store["d"].tobytes() == b"4"  # what is the caller's is not rolled back
        store.rollback()
        fs.close()
        assert fs.find("") == ["a", "b", "c"]
    with PageStore(path, "r") as reader, pytest.raises(StoreError, match="for reading"):
        StoreFileSystem(reader).pipe_file("a", b"")


# ---- memory ----


def test_what_was_used_longest_ago_is_let_go(path):
    fs = StoreFileSystem(path, keep=25 * PAGE, durability="off")
    for i in range(6):
        fs.pipe_file(f"file{i}", pattern(i, 10 * PAGE))
    assert list(fs._place._open[0]._entries) == ["file4", "file5"]
    for i in (0, 4, 1):
        assert fs.cat_file(f"file{i}") == pattern(i, 10 * PAGE)
    assert set(fs._place._open[0]._entries) == {"file4", "file1"}
    fs.pipe_file("large", pattern(7, 100 * PAGE))
    assert list(fs._place._open[0]._entries) == ["large"]
    with fs.transaction:
        for i in range(6):
            fs.pipe_file(f"file{i}", b"%d" % i * 10 * PAGE)
        assert [fs.cat_file(f"file{i}", 0, 1) for i in range(6)] == [b"%d" % i for i in range(6)]
    assert [fs.cat_file(f"file{i}", -1) for i in range(6)] == [b"%d" % i for i in range(6)]
    fs.close()


def test_a_limit(path):
    fs = StoreFileSystem(path, limit=256 * PAGE, durability="off")
    with pytest.raises(PoolLimitError):
        fs.pipe_file("a", b"1" * 1000 * PAGE)
    assert not fs.exists("a")
    fs.pipe_file("a", b"1" * 10 * PAGE)
    assert fs.info("a")["size"] == 10 * PAGE
    fs.close()
