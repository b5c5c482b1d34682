"""Stores: names, commits, readers, locks, and files that refuse (src/pagebuf/_store.py)."""

import contextlib
import errno
import os
import random
import signal
import struct
import subprocess
import sys
import time
import warnings

import pytest

import pagebuf
from pagebuf import CorruptStoreError, ForkError, LockedError, PageStore, StoreError
from tests.helpers import PAGE
from tools import store_check

pytestmark = pytest.mark.skipif(PAGE < 64, reason="stores have pages of 64 bytes at least")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.store"


def contents(store):
    return {name: store[name].tobytes() for name in store}


def whole(path):
    """What a second reader has to say of the file."""
    report = store_check.check(path)
    assert report.faults == []
    return store_check.named(path)


BYTES = bytes(range(1, 251)) * (3 * PAGE // 250 + 1)


# ---- names ----


def test_what_was_committed_comes_back(path):
    with PageStore(path) as store:
        store["few"] = b"few"
        store["many"] = BYTES
        store["none"] = b""
    expected = {"few": b"few", "many": BYTES, "none": b""}
    assert whole(path) == expected
    for mode in ("r", "r+", "c"):
        with PageStore(path, mode) as store:
            assert contents(store) == expected
            store.verify()


def test_a_buffer_has_all_that_buffers_have(path):
    with PageStore(path) as store:
        buf = store.create("a", BYTES)
        buf[10:10] = b"inserted"
        with store.open("a") as file:
            file.seek(0)
            file.write(b"written")
        view = buf.view(20, 4)
        view[:] = b"view"
        expected = buf.tobytes()
        store.commit()
        view[:] = b"more"
        store.commit()
        view.release()
        store.commit()
        assert store["a"] is buf
    assert whole(path) == {"a": expected[:20] + b"more" + expected[24:]}


def test_a_pool_says_what_a_store_keeps(path):
    pool = pagebuf.PagePool()
    with PageStore(path, pool=pool) as store:
        store["a"] = BYTES
        store.commit()
        assert [row.kind for row in pool.buffers()].count("store") == 1
        pool.check()


def test_names_in_order(path):
    names = ["b", "a", "\xe4", "aa", "\U0001f600", "Z"]
    with PageStore(path) as store:
        for name in names[:3]:
            store[name] = name.encode()
        store.commit()
        for name in names[3:]:
            store[name] = name.encode()
        del store["b"]
        left = sorted((set(names) - {"b"}), key=str.encode)
        assert list(store) == left
        assert len(store) == 5
        assert "b" not in store
        assert "aa" in store
        assert 7 not in store
    assert list(whole(path)) == left


@pytest.mark.parametrize("name", ["", "x" * 256, "\xe4" * 128])
def test_names_that_cannot_be(path, name):
    with PageStore(path) as store, pytest.raises(ValueError, match="1 to 255 bytes"):
        store[name] = b""


def test_names_are_strings(path):
    with PageStore(path) as store, pytest.raises(TypeError, match="must be a str"):
        store[b"bytes"] = b""


def test_a_name_that_is_not_there(path):
    with PageStore(path) as store:
        with pytest.raises(KeyError):
            store["a"]
        with pytest.raises(KeyError):
            del store["a"]
        with pytest.raises(KeyError):
            store.rename("a", "b")


def test_create_takes_no_name_that_is_there(path):
    with PageStore(path) as store:
        store["a"] = b"x"
        with pytest.raises(ValueError, match="called 'a'"):
            store.create("a")
        store["b"] = b""
        with pytest.raises(ValueError, match="called 'b'"):
            store.rename("a", "b")


def test_pop_gives_an_ordinary_buffer(path):
    with PageStore(path) as store:
        store["a"] = BYTES
        store.commit()
        buf = store.pop("a")
    buf.extend(b"more")
    assert buf.tobytes() == BYTES + b"more"
    assert whole(path) == {}


def test_rename_writes_no_page_again(path):
    with PageStore(path) as store:
        store["a"] = BYTES * 20
        store.commit()
        held = store.stats().held
        store.rename("a", "b")
        store["a"] = b"another"
        store.commit()
        assert store.stats().held <= held + 2 * 4096 // PAGE
    assert whole(path) == {"a": b"another", "b": BYTES * 20}


def test_names_that_change_places(path):
    with PageStore(path) as store:
        store["a"], store["b"] = BYTES, BYTES[::-1]
        store.commit()
        store.rename("a", "c")
        store.rename("b", "a")
        store.rename("c", "b")
        store.commit()
        store.verify()
        assert contents(store) == {"a": BYTES[::-1], "b": BYTES}
    assert whole(path) == {"a": BYTES[::-1], "b": BYTES}


def test_a_name_replaced_unread(path):
    with PageStore(path) as store:
        store["a"] = BYTES
    with PageStore(path) as store:
        store["a"] = BYTES[::-1][: 2 * PAGE + 200]
        store.commit()
        store.verify()
    assert whole(path) == {"a": BYTES[::-1][: 2 * PAGE + 200]}


def test_a_small_change_writes_little(path):
    with PageStore(path) as store:
        store["a"] = bytes([1]) * (300 * PAGE)
        store.commit()
        wrote = []
        write = store._file.write
        store._file.write = lambda at, memory: (wrote.append(at), write(at, memory))
        store["a"].write(100 * PAGE, b"changed")
        store.commit()
        assert len(wrote) <= 6 + 2 * 4096 // PAGE


# ---- commits ----


def test_commits_have_numbers(path):
    with PageStore(path) as store:
        assert store.commit() == 0
        store["a"] = b"x"
        assert store.commit() == 1
        assert store.commit() == 1
        store["a"].extend(b"y")
        assert store.commit() == 2
    with PageStore(path, "r") as store:
        assert store.stats().commit == 2
        assert store.stats().sealed


def test_rollback(path):
    with PageStore(path) as store:
        store["a"], store["b"], store["c"] = BYTES, b"few", BYTES
        store.commit()
        a, c = store["a"], store["c"]
        a.truncate(5)
        store["b"].extend(b" more")
        store["new"] = b"new"
        new = store["new"]
        del store["c"]
        c.clear()
        store.rename("b", "d")
        store.rollback()
        assert contents(store) == {"a": BYTES, "b": b"few", "c": BYTES}
        assert store["a"] is a
        assert store["c"] is c
        assert new.tobytes() == b"new"
        store.verify()
    assert whole(path) == {"a": BYTES, "b": b"few", "c": BYTES}


def test_views_forbid_rollback_before_anything_changes(path):
    with PageStore(path) as store:
        store["a"], store["b"] = BYTES, BYTES
        store.commit()
        store["a"].extend(b"x")
        store["b"].extend(b"x")
        view = store["b"].view(0, 4)
        with pytest.raises(BufferError):
            store.rollback()
        assert contents(store) == {"a": BYTES + b"x", "b": BYTES + b"x"}
        view.release()
        store.rollback()
        assert contents(store) == {"a": BYTES, "b": BYTES}


def _change_and_raise(store):
    store["a"] = b"other"
    store["b"] = b"two"
    raise ZeroDivisionError


def test_transactions(path):
    with PageStore(path) as store:
        with store.transaction():
            store["a"] = b"one"
        with pytest.raises(ZeroDivisionError), store.transaction():
            _change_and_raise(store)
        assert contents(store) == {"a": b"one"}
        with store.transaction(), pytest.raises(RuntimeError, match="nest"), store.transaction():
            pass
        assert store.stats().commit == 1


def test_an_exception_commits_nothing(path):
    with pytest.raises(ZeroDivisionError), PageStore(path) as store:
        _change_and_raise(store)
    assert whole(path) == {}


def test_close_warns_of_what_is_lost(path):
    store = PageStore(path)
    store["a"] = BYTES
    buf = store["a"]
    with pytest.warns(ResourceWarning, match="not committed"):
        store.close()
    assert buf.tobytes() == BYTES
    assert whole(path) == {}
    store.close()
    with pytest.raises(ValueError, match="closed"):
        store["a"]
    with pytest.raises(ValueError, match="closed"):
        store.commit()


def test_lazy_commits(path):
    with PageStore(path, durability="lazy") as store:
        store["a"] = bytes(PAGE * 30)
        for i in range(300):
            store["a"].write(i % 30 * PAGE, struct.pack("<I", i + 1))
            store.commit()
        store.verify()
        expected = store["a"].tobytes()
    assert whole(path) == {"a": expected}


def test_commits_that_wait_for_nothing(path, monkeypatch):
    waited = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (waited.append(fd), fsync(fd)))
    with PageStore(path, durability="off") as store:
        before = len(waited)
        for i in range(300):
            store["a"] = BYTES[i % 9 :]
            store["b"] = b"%d" % i
            store.commit()
        store.verify()
        assert len(waited) == before
    assert len(waited) >= before + 2  # what the seal names, and the seal
    assert whole(path) == {"a": BYTES[299 % 9 :], "b": b"299"}
    assert PageStore(path, "r").stats().sealed


def test_without_checksums(path):
    with PageStore(path, checksums=False) as store:
        store["a"] = BYTES
    assert whole(path) == {"a": BYTES}
    assert not PageStore(path, "r").stats().checksums


def test_space_is_used_again(path):
    with PageStore(path) as store:
        store["a"] = bytes([7]) * (100 * PAGE)
        for i in range(600):
            store["a"].write(i % 100 * PAGE, struct.pack("<I", i + 1))
            store.commit()
        store.verify()
        assert store.stats().pages * PAGE < 4 << 20


# ---- modes, locks, readers ----


def test_modes(path, tmp_path):
    for mode in ("r", "r+"):
        with pytest.raises(FileNotFoundError):
            PageStore(path, mode)
    PageStore(path, "x").close()
    with pytest.raises(FileExistsError):
        PageStore(path, "x")
    with pytest.raises(ValueError, match="mode"):
        PageStore(path, "w")
    with pytest.raises(ValueError, match="durability"):
        PageStore(path, durability="some")


def test_a_reader_changes_nothing(path):
    with PageStore(path) as store:
        store["a"] = b"x"
    with PageStore(path, "r") as store:
        with pytest.raises(StoreError, match="reading"):
            store["a"] = b"y"
        with pytest.raises(StoreError, match="reading"):
            del store["a"]
        with pytest.raises(StoreError, match="reading"):
            store.commit()
        with pytest.raises(TypeError):
            store["a"].extend(b"y")


def test_one_writer(path):
    with PageStore(path) as store:
        with pytest.raises(LockedError, match=f"process {os.getpid()}"):
            PageStore(path)
        store["a"] = b"x"
    with PageStore(path) as store:
        assert contents(store) == {"a": b"x"}


def test_a_reader_sees_the_commit_that_it_opened(path):
    with PageStore(path) as store:
        store["a"] = bytes(PAGE * 40)
        store["b"] = b"few"
        store.commit()
        before = store["a"].tobytes()
        reader, early = PageStore(path, "r"), PageStore(path, "r")
        assert early["a"].tobytes() == before
        for i in range(100):
            store["a"].write(i % 40 * PAGE, struct.pack("<I", i + 1))
            store["b"] = b"%d" % i
            store.commit()
        assert reader["a"].tobytes() == before  # read only now
        reader.verify()
        shown = reader["a"]
        assert reader.refresh() == 101
        assert contents(reader) == contents(store)
        assert shown.tobytes() == before
        with pytest.raises(ValueError, match="for readers"):
            store.refresh()
        reader.close()
        early.close()


def test_a_reader_keeps_pages_from_being_reused(path):
    with PageStore(path) as store:
        store["a"] = bytes([1]) * (40 * PAGE)
        store.commit()
        with PageStore(path, "r"):
            for i in range(40):
                store["a"].write(i * PAGE, b"changed")
                store.commit()
            assert store.stats().waiting >= 40
        for i in range(4):
            store["a"].write(i * PAGE, b"again")
            store.commit()
        assert store.stats().waiting < 40 * 4


def test_the_child_of_a_fork_has_no_store(path):
    with PageStore(path) as store:
        store["a"] = b"x"
        store.commit()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            try:
                store.commit()
            except ForkError:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        with pytest.raises(LockedError):
            PageStore(path)
        store["a"].extend(b"y")
        store.commit()
    assert whole(path) == {"a": b"xy"}


# ---- files that refuse, and files that lie ----


class Refusing:
    """Makes the n-th write, or barrier, of a store fail."""

    def __init__(self, store, method, n, code):
        self.left, self.code = n, code
        self.real = getattr(store._file, method)
        setattr(store._file, method, self)

    def __call__(self, *args):
        self.left -= 1
        if self.left == 0:
            raise OSError(self.code, os.strerror(self.code))
        return self.real(*args)


@pytest.mark.parametrize(("method", "most", "pages"), [("write", 40, 3), ("resize", 3, 300)])
def test_every_write_finds_the_disk_full(path, method, most, pages):
    reached = 0
    many = (BYTES * (pages * 4096 // len(BYTES) + 1))[: pages * 4096]
    most = most if PAGE == 4096 else most // 3
    for n in range(1, most + 1):
        path.unlink(missing_ok=True)
        store = PageStore(path)
        refusing = Refusing(store, method, n, errno.ENOSPC)
        model = {}
        for i in range(4):
            store[f"n{i}"] = model[f"n{i}"] = many * (i + 1)
            store["a"] = model["a"] = BYTES[i : i + 2 * PAGE]
            try:
                store.commit()
            except StoreError:  # it was the superblock
                break
            except OSError:
                store.verify()
                store.commit()
        done = not store.stats().broken
        if done:
            store.verify()
            assert contents(store) == model
        with warnings.catch_warnings(), contextlib.suppress(StoreError):  # of the seal
            warnings.simplefilter("ignore", ResourceWarning)
            store.close()
        found = whole(path)
        if done:
            assert found == model
        reached += refusing.left <= 0
    assert reached == most


def test_every_barrier_fails(path):
    for n in range(1, 8):
        path.unlink(missing_ok=True)
        store = PageStore(path)
        Refusing(store, "sync", n, errno.EIO)
        before = {}
        for i in range(8):
            store["a"] = BYTES * (i + 1)
            try:
                store.commit()
            except StoreError:
                break
            before = {"a": BYTES * (i + 1)}
        assert store.stats().broken
        with pytest.raises(StoreError, match="no more commits"):
            store.commit()
        assert store["a"].tobytes() == BYTES * (i + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            store.close()
        assert whole(path) == before


def test_what_is_no_store(path):
    path.write_bytes(b"something else" * 1000)
    for mode in ("r", "r+", "c"):
        with pytest.raises(CorruptStoreError, match="no store"):
            PageStore(path, mode)
    assert path.read_bytes() == b"something else" * 1000


def test_a_page_that_rots(path):
    with PageStore(path) as store:
        store["a"], store["b"] = BYTES, b"few"
    data = path.read_bytes()
    at = data.index(BYTES[:PAGE])
    path.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    with PageStore(path, "r") as store:
        assert store["b"].tobytes() == b"few"
        with pytest.raises(CorruptStoreError, match="checksum") as caught:
            store["a"]
        assert caught.value.page == at // PAGE
        assert caught.value.filename == str(path)
        with pytest.raises(CorruptStoreError):
            store.verify()


def hostile(data, draw):
    """A file with something wrong in it."""
    data = bytearray(data)
    kind = draw.randrange(4)
    if kind == 0:
        for _ in range(draw.randrange(1, 4)):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == 1:
        a, b = (draw.randrange(len(data) // PAGE) * PAGE for _ in range(2))
        data[a : a + PAGE] = data[b : b + PAGE]
    elif kind == 2:
        del data[draw.randrange(len(data)) :]
    else:
        slot = 4096 * draw.randrange(2)
        at = slot + draw.choice([draw.randrange(48, 512), draw.randrange(104, 264)])
        value = draw.choice([1 << draw.randrange(64), draw.randrange(1 << 64)])
        data[at : at + 8] = struct.pack("<Q", value)
        crc = store_check.zlib.crc32(bytes(data[slot : slot + 4092]))
        data[slot + 4092 : slot + 4096] = struct.pack("<I", crc)
    return bytes(data)


@pytest.mark.parametrize("times", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_hostile_files(path, times):
    with PageStore(path) as store:
        for i in range(4):
            store[f"n{i}"] = BYTES[i:] * (i + 1)
            store["few"] = b"%d" % i
            store.snapshot(f"s{i}")
        store.drop_snapshot("s1")
        held = store.stats().held
    data = path.read_bytes()
    used = max(i for i, byte in enumerate(data) if byte) + 1
    draw, refused = random.Random(5), 0
    for _ in range(times):
        path.write_bytes(hostile(data[:used], draw).ljust(len(data), b"\0"))
        try:
            with PageStore(path, "r+", pool=pagebuf.PagePool(limit=64 << 20)) as store:
                for name in store:
                    store[name].tobytes()
                store["more"] = BYTES
                for name in store.snapshots(pages=True):
                    with store.at(name) as then:
                        assert all(len(then[n]) >= 0 for n in then)
                    store.drop_snapshot(name)
        except (StoreError, MemoryError):
            refused += 1
    assert refused > times // 10
    assert held


# ---- processes ----

CHILD = """
import os, random, struct, sys
from pagebuf import PageStore
path, seed = sys.argv[1], int(sys.argv[2])
draw = random.Random(seed)
def total(store):
    return sum(sum(store[n].tobytes()) for n in store if n not in ("number", "sum"))
store = PageStore(path, durability=sys.argv[3])
number = store.stats().commit
print(number, flush=True)
while True:
    number += 1
    for _ in range(draw.randrange(1, 4)):
        name = f"n{draw.randrange(5)}"
        if name in store and draw.random() < 0.3:
            del store[name]
        else:
            store[name] = bytes([number % 251]) * draw.choice([10, 300, 20_000])
    store["number"] = struct.pack("<Q", number)
    store["sum"] = struct.pack("<Q", total(store))
    assert store.commit() == number
    print(number, flush=True)
"""


def kill_at_some_moment(path, draw, durability):
    """The last commit that a writer acknowledged before it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(draw.randrange(1 << 30)), durability],
        stdout=subprocess.PIPE,
    )
    acknowledged = int(child.stdout.readline())
    time.sleep(draw.random() * 0.15)
    child.send_signal(signal.SIGKILL)
    for line in child.stdout:
        if line.endswith(b"\n"):
            acknowledged = int(line)
    child.wait()
    child.stdout.close()
    return acknowledged


def check_after_kill(path, acknowledged):
    with PageStore(path, "r") as store:
        commit = store.stats().commit
        assert acknowledged <= commit <= acknowledged + 1
        if commit:
            assert struct.unpack("<Q", store["number"]) == (commit,)
            names = [name for name in store if name not in {"number", "sum"}]
            assert struct.unpack("<Q", store["sum"]) == (
                sum(sum(store[name].tobytes()) for name in names),
            )
    whole(path)
    with PageStore(path, "r+") as store:
        store.verify()


@pytest.mark.parametrize(
    "times", [6, pytest.param(400, marks=pytest.mark.slow)], ids=["some", "many"]
)
@pytest.mark.parametrize("durability", ["full", "lazy", "off"])
def test_a_writer_is_killed(path, times, durability):
    draw = random.Random(11)
    PageStore(path).close()
    for _ in range(times):
        check_after_kill(path, kill_at_some_moment(path, draw, durability))
