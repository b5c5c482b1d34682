"""What a store refuses, and what is left when something comes between (src/pagebuf/_store.py)."""

import contextlib
import errno
import gc
import os
import signal
import threading
import warnings
from pathlib import Path

import pytest

import pagebuf
from pagebuf import CorruptStoreError, ForkError, PageStore, StoreError
from tests.helpers import PAGE
from tests.support import run_script
from tools import store_check

pytestmark = pytest.mark.skipif(PAGE < 64, reason="stores have pages of 64 bytes at least")

BYTES = bytes(range(1, 251)) * (3 * PAGE // 250 + 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.store"


def contents(store):
    return {name: store[name].tobytes() for name in store}


# ---- names ----


def test_a_name_in_the_file_that_is_no_text(path):
    with PageStore(path, checksums=False) as store:
        store["a"], store["\xe4"] = b"one", b"two"
    data = path.read_bytes()
    assert data.count(b"two\xc3\xa4") == 1
    path.write_bytes(data.replace(b"two\xc3\xa4", b"two\xff\xff"))
    with PageStore(path, "r+") as store:
        assert store["a"].tobytes() == b"one"
        for call in (list, len, PageStore.verify):
            with pytest.raises(CorruptStoreError, match=r"some\.store") as caught:
                call(store)
            assert caught.value.rule == r"the name b'\xff\xff' is not UTF-8"
            assert caught.value.filename == str(path)
            assert caught.value.page == 0
    assert "F9" in {fault.rule for fault in store_check.check(path).faults}


@pytest.mark.parametrize("name", ["", "x" * 256, "\ud800", 7, b"a", [], None])
def test_names_that_cannot_be_are_not_there(path, name):
    with PageStore(path) as store:
        store["a"] = b""
        assert name not in store
        for call in (store.create, store.setdefault, store.open, lambda n: store.rename("a", n)):
            with pytest.raises((ValueError, TypeError)):
                call(name)
        assert contents(store) == {"a": b""}


def test_setdefault_gives_the_buffer_that_the_store_has(path):
    with PageStore(path) as store:
        store.setdefault("a", b"one").extend(b" more")
        assert store.setdefault("a", b"two") is store["a"]
        assert store.setdefault("b").tobytes() == b""
        assert contents(store) == {"a": b"one more", "b": b""}


def test_in_place_changes_stay_in_place(path):
    with PageStore(path) as store:
        buf = store.create("a", BYTES)
        with buf.view(0, 4):
            store["a"] += b"more"
        assert store["a"] is buf
        assert buf.tobytes() == BYTES + b"more"


# ---- opening ----


def open_in(folder):
    """The open files of this process that are in a folder."""
    found = []
    for fd in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):  # that of the listing itself
            found.append(fd.readlink())
    return [file for file in found if folder in file.parents]


def test_a_reader_of_nothing_leaves_nothing(path):
    for mode in ("r", "r+"):
        with pytest.raises(FileNotFoundError):
            PageStore(path, mode)
    assert list(path.parent.iterdir()) == []
    PageStore(path).close()
    with pytest.raises(FileExistsError):
        PageStore(path, "x")
    assert open_in(path.parent) == []
    with PageStore(path):
        assert path in open_in(path.parent)


def test_a_limit_is_that_of_the_own_pool(path):
    pool = pagebuf.PagePool()
    with pytest.raises(ValueError, match="limit is that of the store's own pool"):
        PageStore(path, pool=pool, limit=1 << 20)
    assert not path.exists()
    with PageStore(path, limit=60 * PAGE + (1 << 16)) as store:
        store["a"] = b"few"
        with pytest.raises(pagebuf.PoolLimitError, match="pool 'store'"):
            store["b"] = bytes([1]) * (200 * PAGE + (1 << 17))
        assert contents(store) == {"a": b"few"}


def test_import_where_nothing_can_be_locked(path):
    run_script(
        """
        import os, sys
        sys.modules["fcntl"] = None
        for name in ("register_at_fork", "O_CLOEXEC", "preadv", "posix_fallocate"):
            delattr(os, name)
        import pagebuf
        import pagebuf._store as stores
        path = sys.argv[1]
        for mode in ("c", "x"):
            try:
                stores.PageStore(path, mode)
            except stores.StoreError as error:
                assert "locks of open files" in str(error), error
            else:
                raise SystemExit("opened")
        assert not os.path.exists(path)
        assert not os.path.exists(path + ".lock")
        """,
        str(path),
    )


# ---- rollback, and what comes between ----


class Viewed(pagebuf.PageBuffer):
    """Takes a view of another buffer when it is restored, as another thread might."""

    def restore(self, snapshot):
        self.view_of_it = self.other.view(0, 4)
        super().restore(snapshot)


def test_a_view_that_is_taken_while_a_rollback_is_made(path):
    pool = pagebuf.PagePool()
    with PageStore(path, pool=pool) as store:
        store["a"], store["b"] = BYTES, BYTES
        store.commit()
        viewed = Viewed(pool=pool)
        pagebuf.PageBuffer.restore(viewed, store["a"].snapshot())
        store._entries["a"].buf, viewed.other = viewed, store["b"]
        store["a"].extend(b"x")
        store["b"].extend(b"x")
        with pytest.raises(BufferError):
            store.rollback()
        with pytest.raises(StoreError, match="did not come to its end") as caught:
            store.commit()
        assert caught.value.errno == errno.EBUSY
        viewed.view_of_it.release()
        store.rollback()
        assert contents(store) == {"a": BYTES, "b": BYTES}
        assert store.commit() == 1
    assert store_check.named(path) == {"a": BYTES, "b": BYTES}


def _change_and_raise(store):
    store["a"].extend(b"half")
    raise ZeroDivisionError


def test_a_transaction_that_a_view_keeps_from_rolling_back(path):
    with PageStore(path) as store:
        store["a"] = BYTES
        store.commit()
        view = store["a"].view(0, 4)
        with pytest.raises(BufferError), store.transaction():
            _change_and_raise(store)
        with pytest.raises(StoreError, match="did not come to its end"):
            store.commit()
        view.release()
        store.rollback()
        assert contents(store) == {"a": BYTES}
    assert store_check.named(path) == {"a": BYTES}


def test_a_transaction_commits_at_its_end_only(path):
    with PageStore(path) as store, store.transaction():
        store["a"] = b"x"
        for call in (store.commit, store.rollback):
            with pytest.raises(RuntimeError, match="at its end"):
                call()
    assert store_check.named(path) == {"a": b"x"}


def _change_and_close(store):
    store["a"] = b"x"
    with pytest.warns(ResourceWarning, match="not committed"):
        store.close()


def test_a_store_closed_within_a_transaction(path):
    store = PageStore(path)
    with pytest.raises(ValueError, match="closed"), store.transaction():
        _change_and_close(store)
    assert store_check.named(path) == {}


class Interrupted:
    """The core of a store, whose commit is done when an interrupt comes."""

    def __init__(self, core):
        self.core = core

    def __getattr__(self, name):
        return getattr(self.core, name)

    def commit(self, *args):
        self.core.commit(*args)
        raise KeyboardInterrupt


def test_an_interrupt_right_after_a_commit(path):
    store = PageStore(path)
    store["a"] = BYTES
    store.commit()
    core = store._core
    store["a"].write(0, b"changed")
    store._core = Interrupted(core)
    with pytest.raises(KeyboardInterrupt):
        store.commit()
    store._core = core
    for call in (store.commit, store.rollback):  # the store does not know what it has written
        with pytest.raises(StoreError, match="open the store again"):
            call()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        store.close()
    assert store_check.check(path).faults == []
    assert store_check.named(path) == {"a": b"changed" + BYTES[7:]}
    with PageStore(path, "r+") as store:
        store.verify()


def test_a_disk_that_is_full_at_the_superblock(path):
    store = PageStore(path)
    store["a"] = BYTES
    store.commit()
    write = store._file.write

    def refuse(at, memory):
        if at < 8192:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(at, memory)

    store._file.write = refuse
    store["a"].extend(b"more")
    with pytest.raises(StoreError, match="no more commits") as caught:
        store.commit()
    assert caught.value.errno == errno.ENOSPC
    assert store.stats().broken
    assert contents(store) == {"a": BYTES + b"more"}
    with pytest.raises(StoreError, match="no more commits"):
        store.commit()
    with pytest.warns(ResourceWarning, match="not committed"):
        store.close()
    with PageStore(path, "r+") as store:
        assert contents(store) == {"a": BYTES}
        store.verify()


def _forget(path, commit):
    store = PageStore(path)
    store["a"] = b"x"
    if commit:
        store.commit()
    del store
    gc.collect()


def test_a_store_that_nobody_closes_warns_of_what_is_lost(path):
    with pytest.warns(ResourceWarning, match="never closed"):
        _forget(path, commit=False)
    _forget(path, commit=True)
    assert store_check.named(path) == {"a": b"x"}


def test_a_fork_while_another_thread_commits(path):
    began, end = threading.Event(), threading.Event()
    with PageStore(path) as store:

        def hold():
            with store.transaction():
                began.set()
                end.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        began.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            signal.alarm(20)  # who waits for ever must not
            try:
                store.commit()
            except ForkError:
                os._exit(7)
            os._exit(1)
        status = os.waitpid(pid, 0)[1]
        end.set()
        thread.join()
        assert os.waitstatus_to_exitcode(status) == 7
