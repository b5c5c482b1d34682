"""Pages that are fetched when they are touched: each call beside plain bytes, with everything sent
out before it, and with a fetch that fails; and who fetches what, how often."""

from __future__ import annotations

import gc
import io
import os
import pickle
import threading
import weakref

import pytest

import pagebuf
from pagebuf import BytesIO, PageBuffer, PagePool, PoolLimitError, _remote
from tests.support import pattern

PIECE = max(65536, os.sysconf("SC_PAGESIZE"))
SIZE = 5 * PIECE + 12345
DATA = pattern(0, SIZE)


class Source:
    """Bytes that are fetched, and what was asked for; the n-th fetch from now on may fail."""

    def __init__(self, data=DATA):
        self.data = data
        self.asked = []
        self.fails_in = 0

    def __call__(self, offset, size):
        self.asked.append((offset, size))
        self.fails_in -= 1
        if self.fails_in == 0:
            raise ConnectionError("lost")
        return self.data[offset : offset + size]

    def pieces(self):
        asked = [offset // PIECE for offset, _ in self.asked]
        self.asked.clear()
        return asked


def make(pool=None):
    source = Source()
    return PageBuffer.remote(SIZE, source, page_in=PIECE, pool=pool), source


# ---- what is asked for ----


def test_nothing_is_asked_for_before_a_touch(pool):
    buf, source = make(pool)
    assert len(buf) == SIZE
    assert buf.snapshot().clone().present() == []
    assert buf.walk(0).stop == "absent"
    assert buf.walk(0).steps[-1].address == 0
    buf.check()
    pool.check()
    buf.stats()
    del buf
    assert source.asked == []
    assert pool.stats().lent == 0


def test_pieces_are_aligned_and_the_last_one_is_cut(pool):
    buf, source = make(pool)
    assert buf.read(SIZE - 1, 100) == DATA[-1:]
    assert source.asked == [(5 * PIECE, 12345)]
    assert buf.read(10 * SIZE, 5) == b""
    assert buf.read(PIECE - 1, 1) + buf.read(PIECE, 1) == DATA[PIECE - 1 : PIECE + 1]
    assert source.pieces() == [5, 0, 1]
    assert buf.present() == [(0, 2 * PIECE), (5 * PIECE, 12345)]
    assert pool.stats().lent >= 2 * PIECE + 12345


def test_a_read_that_ends_on_a_border_does_not_fetch_the_next(pool):
    buf, source = make(pool)
    assert buf.read(0, PIECE) == DATA[:PIECE]
    into = bytearray(PIECE)
    assert buf.readinto(2 * PIECE, into) == PIECE
    with buf.open() as file:
        file.seek(3 * PIECE)
        assert file.read(PIECE) == DATA[3 * PIECE : 4 * PIECE]
    assert source.pieces() == [0, 2, 3]


def test_a_line_fetches_what_it_needs(pool):
    text = b"".join(b"%d\n" % i for i in range(40_000))
    source = Source(text)
    buf = PageBuffer.remote(len(text), source, page_in=PIECE, pool=pool)
    with buf.open() as file:
        assert file.readline() == b"0\n"
        assert source.pieces() == [0]
        assert file.readlines() == io.BytesIO(text[2:]).readlines()


def test_prefetch_present_forget(pool):
    buf, source = make(pool)
    buf.prefetch(PIECE + 5, PIECE)
    assert source.pieces() == [1, 2]
    buf.prefetch(0, SIZE)
    assert source.pieces() == [0, 3, 4, 5]
    assert buf.present() == [(0, SIZE)]
    buf.write(7, b"mine")
    buf.forget(1, 3 * PIECE)
    assert buf.present()[-1] == (3 * PIECE, SIZE - 3 * PIECE)
    assert buf.read(PIECE, 1) == DATA[PIECE : PIECE + 1]
    assert source.pieces() == [1]
    buf.forget()
    assert buf.present() == [(0, pagebuf.PAGE_SIZE)]
    assert buf.read(5, 8) == DATA[5:7] + b"mine" + DATA[11:13]
    pool.check()


def test_what_is_forgotten_below_own_pages_and_in_other_places(pool):
    buf, source = make(pool)
    buf.prefetch()
    buf.write(PIECE + PIECE // 2, b"mine")
    buf.insert(3 * PIECE, 7)
    source.pieces()
    buf.forget(PIECE, PIECE)
    assert buf.read(PIECE, 1) == DATA[PIECE : PIECE + 1]
    assert source.pieces() == [1]
    buf.forget(2 * PIECE + 1, 2 * PIECE)
    assert buf.read(2 * PIECE + 1, 1) == DATA[2 * PIECE + 1 :][:1]
    assert buf.read(3 * PIECE, 2) == b"\7" + DATA[3 * PIECE : 3 * PIECE + 1]
    assert source.pieces() == []
    buf.truncate(2 * PIECE)
    buf.forget()
    assert buf.present() == [(PIECE + PIECE // 2, pagebuf.PAGE_SIZE)]


# ---- the bound ----


def test_a_read_larger_than_the_bound_fetches_each_piece_once():
    pool = PagePool(limit=2 * PIECE + 16 * pagebuf.PAGE_SIZE)
    buf, source = make(pool)
    assert buf.read(0, SIZE) == DATA
    assert source.pieces() == [0, 1, 2, 3, 4, 5]
    buf.forget()
    into = bytearray(SIZE)
    assert buf.readinto(0, into) == SIZE
    assert into == DATA
    assert source.pieces() == [0, 1, 2, 3, 4, 5]
    assert sum(size for _, size in buf.present()) <= pool.limit
    pool.check()


def test_changes_take_the_place_of_pieces():
    pool = PagePool(limit=3 * PIECE)
    buf, _ = make(pool)
    want = bytearray(DATA)
    for at in range(0, SIZE, PIECE // 2 + 77):
        buf.write(at, b"changed")
        want[at : at + 7] = b"changed"
    for at in range(0, len(want), 1000):
        assert buf.read(at, 1000) == want[at : at + 1000]
    buf.check()
    pool.check()


def test_a_call_that_needs_more_at_once_is_refused():
    pool = PagePool(limit=2 * PIECE + 16 * pagebuf.PAGE_SIZE, name="small")
    buf, source = make(pool)
    with pytest.raises(PoolLimitError, match="'small'"):
        buf.reverse()
    assert len(source.pieces()) <= 2
    assert buf.tobytes() == DATA
    pool.check()


def test_a_sibling_pays_for_itself():
    parent = PagePool()
    rich, poor = parent.child(), parent.child(limit=PIECE + 16 * pagebuf.PAGE_SIZE)
    kept, source = make(rich)
    kept.prefetch()
    source.pieces()
    buf, _ = make(poor)
    assert buf.read(0, 1) + buf.read(PIECE, 1) == DATA[:1] + DATA[PIECE : PIECE + 1]
    assert kept.tobytes() == DATA
    assert source.pieces() == []


def test_what_is_read_is_kept_by_the_last_one_who_shows_it(pool):
    buf, source = make(pool)
    part = PageBuffer(pool=pool)
    part.copy_range(0, buf, PIECE, PIECE)
    assert source.asked == []
    view = buf.view(0, 100, writable=False)
    del buf
    gc.collect()
    assert part == DATA[PIECE : 2 * PIECE]
    assert view == DATA[:100]
    part.clear()
    view.release()
    del view
    assert pool.stats().lent == 0


def test_a_large_source_costs_what_is_touched(pool):
    size = 2**20 * pagebuf.PAGE_SIZE
    buf = PageBuffer.remote(size, lambda offset, size: b"x" * size, page_in=PIECE, pool=pool)
    assert buf.read(size // 2 - 1, 2) == b"xx"
    assert buf.present() == [(size // 2 - PIECE, 2 * PIECE)]
    buf.forget()
    assert buf.present() == []
    buf.check()
    pool.check()


# ---- errors ----


def test_a_failing_fetch_fails_that_call_only(pool):
    buf, source = make(pool)
    source.fails_in = 2
    with pytest.raises(ConnectionError, match="lost"):
        buf.read(0, 3 * PIECE)
    assert buf.read(0, 3 * PIECE) == DATA[: 3 * PIECE]
    assert source.pieces() == [0, 1, 1, 2]


@pytest.mark.parametrize("change", [-1, 1])
def test_a_wrong_length_is_said(pool, change):
    buf = PageBuffer.remote(100, lambda offset, size: bytes(size + change), pool=pool)
    with pytest.raises(ValueError, match=rf"fetch\(0, 100\) returned {100 + change} bytes"):
        buf.read(5, 1)


def test_no_bytes_at_all(pool):
    buf = PageBuffer.remote(100, lambda offset, size: None, pool=pool)
    with pytest.raises(TypeError):
        buf.read(5, 1)


def test_a_fetch_that_asks_for_its_own_piece(pool):
    own = {}  # a cycle of a buffer and its fetch is nobody's to collect

    def fetch(offset, size):
        return bytes([own["buf"][offset]]) * size

    own["buf"] = PageBuffer.remote(SIZE, fetch, page_in=PIECE, pool=pool)
    with pytest.raises(RuntimeError, match="is to bring itself"):
        own["buf"].read(PIECE, 1)
    own.clear()


def test_a_fetch_may_ask_for_other_pieces_and_other_buffers(pool):
    other, source = make(pool)
    own = {}

    def fetch(offset, size):
        data = other.read(offset, size)
        return data if offset == 0 else data[:-1] + own["buf"].read(0, 1)

    own["buf"] = PageBuffer.remote(PIECE * 2, fetch, page_in=PIECE, pool=pool)
    assert own["buf"].read(2 * PIECE - 1, 1) == DATA[:1]
    assert source.pieces() == [1, 0]
    own.clear()


def test_arguments():
    fetch = Source()
    for bad in (0, -1, 1000):
        with pytest.raises(ValueError, match="page_in"):
            PageBuffer.remote(SIZE, fetch, page_in=bad)
    with pytest.raises(ValueError, match="size"):
        PageBuffer.remote(-1, fetch)
    with pytest.raises(TypeError, match="fetch"):
        PageBuffer.remote(SIZE, b"bytes")
    assert PageBuffer.remote(0, fetch).tobytes() == b""


# ---- threads ----


def test_one_thread_fetches_a_piece_and_others_wait(pool):
    started, go = threading.Event(), threading.Event()
    asked = []

    def fetch(offset, size):
        asked.append(offset)
        started.set()
        assert go.wait(30)
        return DATA[offset : offset + size]

    buf = PageBuffer.remote(SIZE, fetch, page_in=PIECE, pool=pool)
    got = []
    threads = [threading.Thread(target=lambda: got.append(buf.read(10, 10))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert started.wait(30)
    assert buf.present() == []
    go.set()
    for thread in threads:
        thread.join()
    assert got == [DATA[10:20]] * 4
    assert asked == [0]


def test_different_pieces_are_fetched_side_by_side(pool):
    meet = threading.Barrier(3, timeout=30)

    def fetch(offset, size):
        meet.wait()
        return DATA[offset : offset + size]

    buf = PageBuffer.remote(SIZE, fetch, page_in=PIECE, pool=pool)
    threads = [threading.Thread(target=buf.read, args=(i * PIECE, 1)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert buf.present() == [(0, 3 * PIECE)]


def test_threads_under_a_small_limit():
    pool = PagePool(limit=3 * PIECE)
    buf, _ = make(pool)
    wrong = []

    def read(seed):
        for i in range(60):
            at = (seed * 7919 + i * 104_729) % SIZE
            if buf.read(at, 3000) != DATA[at : at + 3000]:
                wrong.append(at)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    pool.check()


def test_a_new_buffer_is_listed_while_nobody_looks_for_what_may_go(monkeypatch):
    """Who goes through a set fails if it grows meanwhile, so both have the lock."""
    locked = []

    class Watched(weakref.WeakSet):
        def add(self, item):
            locked.append(_remote._shared.changed._is_owned())
            super().add(item)

    monkeypatch.setattr(_remote, "_living", Watched())
    make()
    assert locked == [True]


@pytest.mark.parametrize("change", [False, True])
def test_calls_that_fit_alone_but_not_together(change):
    """Each needs two pieces, and there is not room for two each, but for what they change."""
    pool = PagePool(limit=2 * PIECE + max(8192, 16 * pagebuf.PAGE_SIZE))
    buf, _ = make(pool)
    errors = []

    def work(i):
        try:
            for j in range(40):
                at = ((i + j) % 5 + 1) * PIECE - 50
                if change:
                    one = buf.clone()
                    one.write(at, b"n" * 100)
                    assert (
                        one.read(at - 1, 102)
                        == DATA[at - 1 : at] + b"n" * 100 + DATA[at + 100 :][:1]
                    )
                else:
                    assert buf.read(at, 100) == DATA[at : at + 100]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2 if change else 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    buf.check()
    pool.check()


# ---- every call, with everything sent out before it ----


def spliced(buf, other):
    buf[5 : PIECE + 3] = other
    return buf


CALLS = {
    "index": lambda b: b[PIECE + 1],
    "slice": lambda b: b[3 : 2 * PIECE],
    "stride": lambda b: b[:: PIECE // 3],
    "iteration": lambda b: list(b)[:: PIECE // 2],
    "read": lambda b: b.read(PIECE - 3, 10) if isinstance(b, PageBuffer) else b[PIECE - 3 :][:10],
    "bytes": bytes,
    "find": lambda b: b.find(DATA[3 * PIECE - 4 : 3 * PIECE + 4]),
    "rfind": lambda b: b.rfind(DATA[3 * PIECE - 4 : 3 * PIECE + 4]),
    "count": lambda b: b.count(DATA[7:9]),
    "in": lambda b: b"not there at all" in b,
    "startswith": lambda b: b.startswith(DATA[: PIECE + 1]),
    "endswith": lambda b: b.endswith(DATA[-PIECE:]),
    "equal": lambda b: b == DATA,
    "less": lambda b: b < DATA[:-1],
    "memoryview": lambda b: bytes(memoryview(b)),
    "copy": lambda b: bytes(b.copy()),
    "set": lambda b: (b.__setitem__(PIECE, 3), bytes(b)),
    "set slice": lambda b: (b.__setitem__(slice(PIECE - 2, PIECE + 2), b"1234567"), bytes(b)),
    "set stride": lambda b: (b.__setitem__(slice(0, None, SIZE // 3), b"1234"), bytes(b)),
    "delete": lambda b: (b.__delitem__(slice(PIECE - 2, PIECE + 3)), bytes(b)),
    "delete stride": lambda b: (b.__delitem__(slice(0, None, SIZE // 3)), bytes(b)),
    "insert": lambda b: (b.insert(PIECE + 5, 7), bytes(b)),
    "pop": lambda b: (b.pop(PIECE + 5), bytes(b)),
    "pop the first": lambda b: (b.pop(0), bytes(b)),
    "pop the last": lambda b: (b.pop(), bytes(b)),
    "remove": lambda b: (b.remove(DATA[0]), bytes(b)),
    "reverse": lambda b: (b.reverse(), bytes(b)),
    "extend": lambda b: (b.extend(b"end"), bytes(b)),
    "append": lambda b: (b.append(1), bytes(b)),
    "resize": lambda b: bytes(b[: PIECE + 9]),
    "clear": lambda b: (b.clear(), bytes(b)),
    "splice": lambda b: bytes(spliced(b, b[7:PIECE])),
    "take": lambda b: (bytes(b[: PIECE + 3]), bytes(b)),
    "pickle": lambda b: bytes(pickle.loads(pickle.dumps(b, 5))),
}  # fmt: skip


@pytest.fixture(params=["remote", "with changes"])
def pair(request, pool):
    """A buffer and a bytearray of the same bytes."""
    buf, source = make(pool)
    plain = bytearray(DATA)
    if request.param == "with changes":
        for at in (0, 3 * PIECE - 1, SIZE - 3):
            buf.write(at, b"abc")
            plain[at : at + 3] = b"abc"
    buf.forget()
    return buf, plain, source


@pytest.mark.parametrize("name", CALLS)
def test_each_call_with_everything_absent(pair, name):
    buf, plain, _ = pair
    assert CALLS[name](buf) == CALLS[name](plain)
    buf.forget()
    assert buf == plain
    buf.check()


@pytest.mark.parametrize("name", CALLS)
def test_each_call_whose_nth_fetch_fails(pair, name):
    buf, plain, source = pair
    changed = bytearray(plain)
    want = CALLS[name](changed)
    for n in range(1, 40):
        one = buf.clone()
        one.forget()
        source.fails_in = n
        try:
            got = CALLS[name](one)
        except ConnectionError:
            source.fails_in = 0
            assert one == plain or one == changed  # the change, or reading it, failed
            one.check()
            continue
        source.fails_in = 0
        assert got == want
        break
    else:
        pytest.fail("it always fails")
    assert buf == plain


OURS = {
    "diff": lambda b, s: b.diff(s, exact=True),
    "views": lambda b, s: b"".join(bytes(view) for view in b.views()),
    "data_views": lambda b, s: b"".join(bytes(view) for _, view in b.data_views()),
    "view": lambda b, s: bytes(b.view(3, PIECE)),
    "stable view": lambda b, s: bytes(b.view(3, PIECE, writable=False)),
    "gather": lambda b, s: (b.gather(), bytes(b)),
    "truncate": lambda b, s: (b.truncate(PIECE + 9), b.truncate(2 * PIECE), bytes(b)),
    "punch": lambda b, s: (b.punch(PIECE - 9, PIECE), bytes(b)),
    "collapse": lambda b, s: (b.collapse(PIECE - 9, PIECE), bytes(b)),
    "insert_hole": lambda b, s: (b.insert_hole(PIECE - 9, 100), bytes(b)),
    "prepend": lambda b, s: (b.prepend(b"front"), bytes(b)),
    "take_bytes": lambda b, s: (b.take_bytes(PIECE + 3), bytes(b)),
    "copy_range": lambda b, s: (b.copy_range(11, s, PIECE, PIECE), bytes(b)),
    "restore": lambda b, s: (b.restore(s), bytes(b)),
    "detach": lambda b, s: (b.detach(), bytes(b)),
    "extents": lambda b, s: b.extents(),
    "file": lambda b, s: b.open().read(),
    "file lines": lambda b, s: b.open().readlines(),
    "BytesIO": lambda b, s: BytesIO(b).read(),
    "delta": lambda b, s: bytes(b.delta(s)) is not None,
}


@pytest.mark.parametrize("name", OURS)
def test_calls_that_only_buffers_have(pair, name):
    buf, plain, _ = pair
    twin = PageBuffer(plain, pool=buf.pool)
    source, twin_source = buf.source, PageBuffer(DATA, pool=buf.pool).snapshot()
    got, want = OURS[name](buf, source), OURS[name](twin, twin_source)
    assert got == want
    buf.forget()
    assert buf == twin
    buf.check()
    buf.pool.check()


def test_save(pair, tmp_path):
    buf, plain, _ = pair
    buf.save(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == plain


@pytest.mark.skipif(pagebuf.PAGE_SIZE < 64, reason="stores have pages of 64 bytes at least")
def test_a_commit_of_a_store_fetches_what_it_writes(pair, tmp_path):
    buf, plain, source = pair
    source.asked.clear()
    with pagebuf.PageStore(tmp_path / "store", pool=buf.pool) as store:
        store["remote"] = buf
        store.commit()
        assert len(source.asked) == len(set(source.asked))
        assert store["remote"] == plain
    with pagebuf.PageStore(tmp_path / "store", "r") as store:
        assert store["remote"].tobytes() == plain


@pytest.mark.skipif(pagebuf.PAGE_SIZE < 64, reason="stores have pages of 64 bytes at least")
def test_a_commit_fetches_the_few_bytes_of_a_name(pool, tmp_path):
    buf, _ = make(pool)
    del buf[: PIECE - 20]
    buf.truncate(50)
    with pagebuf.PageStore(tmp_path / "store", pool=pool) as store:
        store["few"] = buf
        store.commit()
    with pagebuf.PageStore(tmp_path / "store", "r") as store:
        assert store["few"].tobytes() == DATA[PIECE - 20 : PIECE + 30]


# ---- files ----


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def test_a_file_is_read_when_it_is_touched(pool, path):
    with path.open("rb") as file:
        buf = PageBuffer.map(file, 5, SIZE - 10, io="read", pool=pool)
        assert file.tell() == 0
    assert buf.present() == []
    assert buf.read(PIECE, 3) == DATA[PIECE + 5 : PIECE + 8]
    assert buf == DATA[5:-5]
    buf.write(3, b"changed")
    assert buf.diff(buf.source, exact=True)[0][0] in range(3, 10)
    with pytest.raises(ValueError, match="io='read'"):
        buf.save_changes()
    buf.save(path)
    assert path.read_bytes() == DATA[5:8] + b"changed" + DATA[15:-5]
    pool.check()


def test_a_file_that_is_cut_short_is_an_error(pool, path):
    buf = PageBuffer.map(path, io="read", pool=pool)
    assert buf[0] == DATA[0]
    os.truncate(path, PIECE)
    with pytest.raises(OSError, match="cut short"):
        buf.read(2 * PIECE, 1)
    assert buf[1] == DATA[1]


def test_a_file_larger_than_the_limit(path):
    pool = PagePool(limit=2 * PIECE)
    buf = PageBuffer.map(path, io="read", pool=pool)
    assert buf.read(0, SIZE) == DATA
    assert sum(size for _, size in buf.present()) <= 2 * PIECE


def test_only_files_are_read(path):
    with pytest.raises(ValueError, match="io="):
        PageBuffer.map(bytes(SIZE), io="read")
    with pytest.raises(ValueError, match="io must be"):
        PageBuffer.map(path, io="other")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_fetches_for_itself(pool):
    buf, source = make(pool)
    assert buf[0] == DATA[0]
    child = os.fork()
    if child == 0:
        os._exit(0 if buf.tobytes() == DATA else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert source.pieces() == [0]
    assert buf.tobytes() == DATA
