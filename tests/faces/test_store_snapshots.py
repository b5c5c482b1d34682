"""Snapshots of a store: what they show, what they keep, and what they cost."""

import gc
import random
import struct
import threading

import pytest

from pagebuf import CorruptStoreError, PagePool, PageStore, StoreError
from pagebuf.__main__ import main
from tests.helpers import PAGE
from tools import store_check

pytestmark = pytest.mark.skipif(PAGE < 64, reason="stores have pages of 64 bytes at least")

BYTES = bytes(range(1, 251)) * (3 * PAGE // 250 + 1)
FEW = 16 * 4096 // PAGE  # pages that a commit of few changes may write


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.store"


def contents(names):
    return {name: names[name].tobytes() for name in names}


def whole(path):
    assert store_check.check(path).faults == []
    return store_check.snapshots(path)


def writes(store):
    """Where the file is written from now on."""
    wrote, write = [], store._file.write
    store._file.write = lambda at, memory: (wrote.append(at), write(at, memory))
    return wrote


def test_a_snapshot_shows_its_commit(path):
    with PageStore(path) as store:
        store["a"], store["b"] = BYTES, b"few"
        assert store.snapshot("one") == 1
        first = {"a": BYTES, "b": b"few"}
        store["a"].write(PAGE, b"changed")
        del store["b"]
        second = contents(store)
        assert store.snapshot("two") == 2
        store["a"].clear()
        store.commit()
        store.verify()
        for name, expected in {"one": first, "two": second}.items():
            with store.at(name) as then:
                assert contents(then) == expected
                assert (len(then), "a" in then, "x" in then, 7 in then) == (
                    len(expected),
                    True,
                    False,
                    False,
                )
        assert [stats.commit for stats in store.snapshots().values()] == [1, 2]
    assert whole(path) == {"one": first, "two": second}
    with PageStore(path, "r") as reader:
        assert contents(reader.at("one")) == first
        reader.verify()


def test_a_snapshot_commits_even_without_changes(path):
    with PageStore(path) as store:
        assert store.snapshot("nothing") == 1
        assert store.snapshot("again") == 2
        assert contents(store.at("nothing")) == {}
        assert store.stats().snapshots == 2
        assert store.commit() == 2
        store["a"] = BYTES
    assert whole(path) == {"nothing": {}, "again": {}}


def test_what_a_snapshot_costs_does_not_depend_on_the_store(path):
    wrote = {}
    for size in (1, 300):
        path.unlink(missing_ok=True)
        with PageStore(path) as store:
            for i in range(size):
                store[f"name {i}"] = BYTES
            store["a"] = bytes([1]) * (size * PAGE)
            store.commit()
            at = writes(store)
            store.snapshot("now")
            wrote[size] = len(at)
            at.clear()
            store["a"].write(0, b"changed")
            store.commit()
            assert len(at) <= FEW * 3  # the first commit behind it logs more
    assert wrote[300] <= wrote[1] + 2 * 4096 // PAGE
    assert wrote[300] <= FEW


def test_pages_are_shared_and_come_back(path):
    with PageStore(path) as store:  # lazy commits free nothing before a barrier (S7)
        store["a"] = bytes([1]) * (200 * PAGE)
        store.commit()
        held = store.stats().held
        store.snapshot("one")
        assert store.stats().held <= held + FEW
        assert store.snapshots(pages=True)["one"].pages <= FEW
        for i in range(50):
            store["a"].write(i * PAGE, b"changed")
        store.commit()
        kept = store.snapshots(pages=True)["one"].pages
        assert 50 <= kept <= 50 + FEW
        before = store.stats().held
        store.drop_snapshot("one")
        assert before - kept - FEW <= store.stats().held <= before - kept + FEW
        store.verify()
        pages = store.stats().pages
        for i in range(300):  # the pages are used again
            store["a"].write(i % 200 * PAGE, struct.pack("<I", i))
            store.commit()
        assert store.stats().pages < pages + 600 * 4096 // PAGE
    assert whole(path) == {}


def test_what_two_snapshots_keep_is_counted_for_none(path):
    with PageStore(path) as store:
        store["a"] = BYTES * 20
        store.snapshot("one")
        store.snapshot("two")
        store["a"] = b"few"
        store.commit()
        kept = store.snapshots(pages=True)
        assert all(stats.pages <= FEW for stats in kept.values())
        store.drop_snapshot("one")
        assert store.snapshots(pages=True)["two"].pages >= 20
        store.drop_snapshot("two")
        store.verify()


def test_a_page_that_only_a_snapshot_names_is_not_used_again(path):
    with PageStore(path) as store:
        store["a"], store["b"] = BYTES, BYTES * 5
        store.snapshot("one")
        expected = contents(store)
        del store["b"]
        for i in range(100):
            store["a"] = BYTES[i:]
            store.commit()
        assert contents(store.at("one")) == expected
        store.verify()


def test_names_of_snapshots(path):
    with PageStore(path) as store:
        store.snapshot("a")
        for call in (store.at, store.drop_snapshot):
            with pytest.raises(KeyError):
                call("b")
        with pytest.raises(ValueError, match="a snapshot called 'a'"):
            store.snapshot("a")
        with pytest.raises(ValueError, match="1 to 255 bytes"):
            store.snapshot("")
        with pytest.raises(TypeError, match="must be a str"):
            store.snapshot(b"b")
        assert store.commit() == 1
        for i in range(100):  # more than one page of the tree
            store.snapshot(f"{i:03}" + "x" * 200)
        assert len(store.snapshots()) == 101
        for i in range(0, 100, 2):
            store.drop_snapshot(f"{i:03}" + "x" * 200)
        store.verify()
    assert len(whole(path)) == 51


def test_dropping_commits_nothing_else(path):
    with PageStore(path) as store:
        store["a"] = b"one"
        store.snapshot("one")
        store["a"].extend(b" more")
        store.drop_snapshot("one")
        assert store.is_changed()
        assert store.stats().commit == 2
        store.rollback()
        assert contents(store) == {"a": b"one"}
        assert store.snapshots() == {}


def test_transactions_and_readers_make_none(path):
    with PageStore(path) as store:
        with store.transaction():
            for call in (store.snapshot, store.drop_snapshot):
                with pytest.raises(RuntimeError, match="transaction"):
                    call("one")
        store.snapshot("one")
        with PageStore(path, "r") as reader:
            for call in (reader.snapshot, reader.drop_snapshot):
                with pytest.raises(StoreError, match="reading"):
                    call("one")


def test_a_mapping_outlives_snapshot_and_store(path):
    with PageStore(path) as store:
        store["a"], store["b"] = BYTES, BYTES * 9
        store.snapshot("one")
        then = store.at("one")
        assert then["a"].frozen
        store.drop_snapshot("one")
        del store["b"]
        for i in range(40):
            store["a"] = BYTES[i:]
            store.commit()
        waiting = store.stats().waiting
        assert waiting >= 27
    assert then["b"].tobytes() == BYTES * 9  # read only now
    kept = then["a"]
    then.close()
    assert kept.tobytes() == BYTES
    with pytest.raises(ValueError, match="closed"):
        then["a"]
    with PageStore(path) as store:
        store["a"] = b"few"
        store.commit()
        store["a"] = b"more"
        store.commit()
        assert store.stats().waiting < waiting


def test_a_reader_sees_the_snapshots_of_its_commit(path):
    with PageStore(path) as store:
        store["a"] = BYTES
        store.snapshot("one")
        with PageStore(path, "r") as reader:
            store["a"] = b"few"
            store.drop_snapshot("one")
            for i in range(30):
                store["a"] = BYTES[i:]
                store.commit()
            assert list(reader.snapshots()) == ["one"]
            assert contents(reader.at("one")) == {"a": BYTES}
            reader.verify()
            reader.refresh()
            assert reader.snapshots() == {}


def test_back_to_a_snapshot(path):
    with PageStore(path) as store:
        store["a"] = BYTES
        store.snapshot("one")
        store["a"] = b"few"
        store.commit()
        with store.at("one") as then:
            store["a"] = then["a"]
            store["copy"] = then["a"]
        store.commit()
        assert contents(store) == {"a": BYTES, "copy": BYTES}
        store.verify()


def test_a_store_that_older_writers_would_spoil_says_so(path):
    def features():
        data = path.read_bytes()
        at = max((0, 4096), key=lambda at: struct.unpack_from("<Q", data, at + 48))
        return struct.unpack_from("<I", data, at + 16)[0]

    with PageStore(path) as store:
        store["a"] = b"x"
        store.commit()
        assert features() == 0
        store.snapshot("one")
        assert features() == 1
        store.drop_snapshot("one")
        assert features() == 0


def test_a_full_disk_leaves_what_was(path):
    store = PageStore(path)
    store["a"] = BYTES
    store.commit()
    write, left = store._file.write, [0]

    def refusing(at, memory):
        left[0] -= 1
        if left[0] == 0 and at >= 8192:
            raise OSError(28, "No space left on device")
        write(at, memory)

    store._file.write = refusing
    for n in range(1, 5):
        left[0] = n
        store["a"].extend(b"x")
        try:
            store.snapshot(f"{n}")
        except OSError:
            assert f"{n}" not in store.snapshots()
            left[0] = 0
            store.snapshot(f"{n}")
        store.verify()
    assert list(store.snapshots()) == ["1", "2", "3", "4"]
    assert [len(store.at(name)["a"]) - len(BYTES) for name in "1234"] == [1, 2, 3, 4]
    store.close()
    assert len(whole(path)) == 4


@pytest.mark.parametrize("before", [0, 1, 17])
def test_a_barrier_fails(path, before):
    store = PageStore(path)
    store["a"] = BYTES
    store.commit()
    names = [f"{i:02}" + "x" * 200 for i in range(before)]
    for name in names:
        store.snapshot(name)
    assert list(store.snapshots()) == names
    sync, calls = store._file.sync, []

    def failing():
        calls.append(1)
        if len(calls) == 1:  # the one behind the superblock
            raise OSError(5, "Input/output error")
        sync()

    store._file.sync = failing
    with pytest.raises(StoreError):
        store.snapshot("99" + "y" * 200)
    assert store.stats().broken
    assert list(store.snapshots()) == names
    for name in names:
        assert contents(store.at(name)) == {"a": BYTES}
    store.close()
    assert whole(path) == {key: {"a": BYTES} for key in names}


def test_damage_is_found_in_what_only_a_snapshot_has(path):
    with PageStore(path) as store:
        store["a"] = BYTES
        store.snapshot("one")
        store["a"] = b"few"
    data = path.read_bytes()
    at = data.index(BYTES[:PAGE])
    path.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    assert any("snapshot" in str(fault) for fault in store_check.check(path).faults)
    with PageStore(path, "r") as store:
        assert contents(store) == {"a": b"few"}
        with store.at("one") as then, pytest.raises(CorruptStoreError, match="checksum"):
            then["a"]
        with pytest.raises(CorruptStoreError, match="checksum"):
            store.verify()


def test_a_reader_counts_pages(path):
    with PageStore(path) as store:
        store["a"] = BYTES
        store.snapshot("one")
    with PageStore(path, "r") as reader:
        reader.verify()
        core = reader._core
        assert core.kept_by(b"one") >= 0
        assert reader.stats().waiting == 0


def change(store, model, draw):
    for _ in range(draw.randrange(1, 6)):
        name = f"{draw.randrange(40):02}" + "n" * draw.choice([0, 100])
        kind = draw.randrange(6)
        if kind == 0 and name in model:
            del store[name], model[name]
        elif kind == 1 and model:
            old = draw.choice(sorted(model))
            if name not in model:
                store.rename(old, name)
                model[name] = model.pop(old)
        else:
            data = BYTES[draw.randrange(50) :] * draw.randrange(3)
            store[name] = model[name] = data


@pytest.mark.parametrize("lazy", [True, False])
def test_many_snapshots_of_many_names(path, lazy):
    draw = random.Random(7)
    snapshots, model = {}, {}
    store = PageStore(path, durability="lazy" if lazy else "full")
    for i in range(120):
        change(store, model, draw)
        if draw.random() < 0.4:
            store.snapshot(f"s{i}")
            snapshots[f"s{i}"] = dict(model)
        else:
            store.commit()
        if snapshots and draw.random() < 0.3:
            gone = draw.choice(sorted(snapshots))
            store.drop_snapshot(gone)
            del snapshots[gone]
        if i % 30 == 17:
            store.verify()
            store.close()
            assert whole(path) == snapshots
            store = PageStore(path, "r+", durability="lazy" if lazy else "full")
        name = draw.choice(sorted(snapshots)) if snapshots else None
        if name:
            assert contents(store.at(name)) == snapshots[name]
    for name in sorted(snapshots):
        store.drop_snapshot(name)
    store.verify()
    assert contents(store) == model
    store.close()
    assert whole(path) == {}


def test_a_pool_is_listed_and_collected_beside_snapshots(path):
    with PageStore(path, pool=PagePool()) as store:
        store["a"] = BYTES
        store.snapshot("one")
        gc.collect()
        rows = store._pool.buffers()
        assert all(row.kind for row in rows)
        with store.at("one") as then:
            assert len(store._pool.buffers()) >= len(rows)
            assert then["a"].tobytes() == BYTES
        pool = store._pool
        assert len(pool.buffers()) >= 2
    assert list(PageStore(path, "r", pool=pool).snapshots()) == ["one"]


def test_threads_make_and_look(path):
    failed = []

    def body(who):
        try:
            for i in range(10):
                name = f"{who}-{i}"
                store.snapshot(name)
                with store.at(name) as then:
                    assert then["a"].tobytes() == BYTES
                store.drop_snapshot(name)
        except BaseException as error:
            failed.append(error)

    with PageStore(path, durability="lazy") as store:
        store["a"] = BYTES
        store.commit()
        threads = [threading.Thread(target=body, args=(who,)) for who in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert store.snapshots() == {}
        store.verify()


def test_the_command_line_lists_them(path, capsys):
    with PageStore(path) as store:
        store["a"] = BYTES
        store.snapshot("monday")
    assert main(["store", "snapshots", str(path)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["COMMIT", "TIME", "NAMES", "PAGES", "NAME"]
    assert row.split()[0] == "1"
    assert row.endswith("monday")
    assert main(["store", "snapshots", "--json", str(path)]) == 0
    assert '"name": "monday", "commit": 1' in capsys.readouterr().out
