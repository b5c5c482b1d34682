"""`PageStore.compact`: a dense copy, or nothing."""

import errno

import pytest

import pagebuf
from pagebuf import PageStore, _store
from tests.helpers import PAGE
from tools import store_check

pytestmark = pytest.mark.skipif(PAGE < 64, reason="stores have pages of 64 bytes at least")

BYTES = bytes(range(1, 251)) * (3 * PAGE // 250 + 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.store"


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "copy.store"


def fill(store):
    store["far"] = b""
    store["far"].write(PAGE << 20, b"far out")
    store["large"] = bytes([7]) * ((2 << 20) + 300 * PAGE)
    for i in range(30):
        store[f"n{i}"] = BYTES[i:]
        store[f"few{i}"] = b"%d" % i
    store.commit()
    store["large"] = BYTES
    store["none"] = b""
    store.commit()


@pytest.mark.parametrize("parts", [1, 20])
def test_a_copy_has_all_names_and_no_free_pages(path, copy, monkeypatch, parts):
    if parts > 1:
        monkeypatch.setattr(_store, "COPIED_NAMES", 64 // parts)
    with PageStore(path) as store:
        fill(store)
        store["none"].extend(b"not committed")
        expected = {name: store[name].snapshot() for name in store}
        expected["none"] = pagebuf.PageBuffer()
        store.compact(copy)
        store.rollback()
        before = store.stats()
    with PageStore(copy, "r") as store:
        assert dict(store) == expected
        assert store["far"].stats().pages <= 2
        store.verify()
        after = store.stats()
    assert after.sealed
    assert after.held < before.held + 4096 // PAGE * 8
    assert copy.stat().st_size < path.stat().st_size
    assert store_check.check(copy).faults == []
    assert sorted(file.name for file in path.parent.iterdir() if file.suffix != ".lock") == [
        "copy.store",
        "some.store",
    ]


def test_without_checksums_as_the_original(path, copy):
    with PageStore(path, checksums=False) as store:
        store["a"] = BYTES
        store.commit()
        store.compact(copy)
    with PageStore(copy, "r") as store:
        assert not store.stats().checksums
        assert store["a"].tobytes() == BYTES


def test_a_reader_and_an_empty_store_can_be_copied(path, copy):
    with PageStore(path) as store, PageStore(path, "r") as reader:
        reader.compact(copy)
        assert dict(store) == {}
    with PageStore(copy) as store:
        assert dict(store) == {}
        store["a"] = b"x"
    assert store_check.named(copy) == {"a": b"x"}


def test_nothing_is_written_over(path, copy):
    with PageStore(path) as store:
        store["a"] = BYTES
        store.commit()
        copy.write_bytes(b"mine")
        for where in (copy, path):
            with pytest.raises(FileExistsError) as caught:
                store.compact(where)
            assert caught.value.filename == str(where)
        assert copy.read_bytes() == b"mine"
    with pytest.raises(ValueError, match="closed"):
        store.compact(path.parent / "another")


def test_a_copy_that_fails_leaves_nothing(path, copy, monkeypatch):
    def full(self, at, memory):
        if self.path.endswith(".part") and at >= 8192:
            raise OSError(errno.ENOSPC, "full")
        write(self, at, memory)

    write = _store.StoreFile.write
    with PageStore(path) as store:
        store["a"] = BYTES
        store.commit()
        monkeypatch.setattr(_store.StoreFile, "write", full)
        with pytest.raises(OSError, match="full"):
            store.compact(copy)
        monkeypatch.undo()
        assert sorted(file.name for file in path.parent.iterdir()) == [
            "some.store",
            "some.store.lock",
        ]
        store.compact(copy)
    assert store_check.named(copy) == {"a": BYTES}
