"""Pages that go to a file when a pool is short: what is written and read, what stays, and errors of
the file."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import random
import threading

import pytest

import pagebuf
from pagebuf import BytesIO, ForkError, PageBuffer, PagePool, PoolLimitError
from tests.helpers import FANOUT, PAGE
from tests.support import pattern

LIMIT = 64 + 300 // (FANOUT - 1)  # pages, the nodes of a buffer among them
SIZE = 300 * PAGE + PAGE // 3
DATA = pattern(0, SIZE)

few_nodes = pytest.mark.skipif(
    FANOUT < 64, reason="nodes, which stay, take most of the limit on tiny pages"
)
resource = pytest.importorskip("resource")


def send_out(pool):
    """Have everything leave memory that may."""
    spill = pool._spill
    spill.out(pool, 1 << 40)
    spill.drop(pool, 1 << 40)
    assert not spill.order


def file_size(pool):
    return os.fstat(pool._spill.fd).st_size


def fill(pool, data=DATA):
    buf = PageBuffer(pool=pool)
    for at in range(0, len(data), 5 * PAGE):
        buf.extend(data[at : at + 5 * PAGE])
    return buf


@pytest.fixture
def spilling():
    pool = PagePool(limit=LIMIT * PAGE, spill=True, name="spilling")
    yield pool
    gc.collect()
    pool.check()
    stats = pool.stats()
    assert (stats.held, stats.lent, stats.spilled) == (0, 0, 0)
    assert file_size(pool) == 0
    assert not pool._spill.zones


# ---- what goes, and what comes ----


def test_a_buffer_larger_than_the_limit(spilling):
    buf = fill(spilling)
    stats = spilling.stats()
    assert stats.high_water <= LIMIT
    assert stats.spilled >= SIZE // PAGE - LIMIT
    assert stats.held + stats.spilled >= SIZE // PAGE
    assert buf.tobytes() == DATA
    assert buf.read(7 * PAGE - 5, 10) == DATA[7 * PAGE - 5 :][:10]
    into = bytearray(SIZE)
    assert buf.readinto(0, into) == SIZE
    assert into == DATA
    buf.check()
    spilling.check()


def test_a_plain_read_takes_no_memory(spilling):
    buf = fill(spilling)
    send_out(spilling)
    assert buf.tobytes() == DATA
    assert spilling.stats().lent == 0
    assert buf[PAGE + 1] == DATA[PAGE + 1]
    assert spilling.stats().lent in {0, PAGE}


def test_what_came_back_is_not_written_again(spilling):
    buf = fill(spilling)
    send_out(spilling)
    written = spilling._spill.written
    assert written == SIZE // PAGE  # all but the last page
    for at in range(0, SIZE - PAGE, 3 * PAGE):
        assert buf.find(DATA[at : at + 9], at, at + 20) == at
    assert spilling._spill.written == written
    send_out(spilling)
    assert spilling._spill.written == written
    buf.write(5 * PAGE, b"changed")
    send_out(spilling)
    assert spilling._spill.written == written + 1
    assert buf.read(5 * PAGE - 1, 8) == DATA[5 * PAGE - 1 :][:1] + b"changed"


def test_holes_and_zeros_are_not_written(spilling):
    buf = PageBuffer(pool=spilling)
    buf.truncate(1000 * PAGE)
    for at in range(0, 50 * PAGE, 2 * PAGE):
        buf.write(at, bytes(PAGE))
    buf.write(60 * PAGE, b"one")
    send_out(spilling)
    assert spilling._spill.written == 1
    assert buf.tobytes() == bytes(60 * PAGE) + b"one" + bytes(940 * PAGE - 3)
    buf.write(2 * PAGE + 1, b"two")
    assert buf.read(0, 4 * PAGE) == bytes(2 * PAGE + 1) + b"two" + bytes(2 * PAGE - 4)
    assert buf.read(4 * PAGE, 2 * PAGE) == bytes(2 * PAGE)


def test_the_walk_says_where_it_is(spilling):
    buf = fill(spilling)
    send_out(spilling)
    stop = buf.walk(2 * PAGE).stop
    assert stop.startswith("spilled at offset ")
    with os.fdopen(os.dup(spilling._spill.fd), "rb") as file:
        file.seek(int(stop.rsplit(" ", 1)[1]))
        assert file.read(PAGE) == DATA[2 * PAGE : 3 * PAGE]
    assert buf.walk(SIZE - 1).stop == "page"
    assert buf.find(DATA[2 * PAGE : 2 * PAGE + 5], 2 * PAGE, 2 * PAGE + 5) == 2 * PAGE
    assert buf.walk(2 * PAGE).stop == "mapped"


@few_nodes
def test_the_file_shrinks_and_places_are_used_again(spilling, monkeypatch):
    monkeypatch.setattr("pagebuf._spill.ZONE_PAGES", 60)
    buf = fill(spilling)
    send_out(spilling)
    full = file_size(spilling)
    assert full >= SIZE - PAGE
    buf.write(0, b"x" * (20 * PAGE))
    buf.write(100 * PAGE, b"y" * (20 * PAGE))
    send_out(spilling)
    assert file_size(spilling) <= full + 60 * PAGE
    buf.truncate(70 * PAGE)
    spilling.check()
    assert len(spilling._spill.zones) <= 4  # of six
    other = fill(spilling)
    send_out(spilling)
    assert file_size(spilling) <= full + 180 * PAGE
    assert other.tobytes() == DATA
    assert buf.tobytes() == b"x" * (20 * PAGE) + DATA[20 * PAGE : 70 * PAGE]


def test_pages_that_nobody_names_leave_memory_at_once(spilling):
    buf = fill(spilling)
    send_out(spilling)
    assert buf.startswith(DATA[: 10 * PAGE])
    assert spilling.stats().lent == 10 * PAGE
    buf.write(0, bytes(5 * PAGE))
    assert spilling.stats().lent == 5 * PAGE
    buf.clear()
    assert spilling.stats().lent == 0


@few_nodes
def test_many_places_given_up_become_holes_of_the_file(spilling):
    data = pattern(0, 1600 * PAGE)
    buf = fill(spilling, data)
    send_out(spilling)
    os.fsync(spilling._spill.fd)
    before = os.fstat(spilling._spill.fd).st_blocks
    buf.truncate(200 * PAGE)
    os.fsync(spilling._spill.fd)
    after = os.fstat(spilling._spill.fd).st_blocks
    if PAGE == 4096 and before:
        assert after <= before // 2
    assert buf.tobytes() == data[: 200 * PAGE]


def test_places_side_by_side_are_named_one_by_one():
    """A graft makes one entry of many frames of a zone, but not where each is counted (I13)."""
    pages = 3 * FANOUT + 1
    pool = PagePool(limit=1 << 40, spill=True)
    data = pattern(0, pages * PAGE)
    buf = fill(pool, data)
    send_out(pool)
    buf.collapse(0, PAGE)
    buf.insert_hole(FANOUT * PAGE, PAGE)
    pool.check()
    buf.write(0, b"x" * (2 * PAGE))
    send_out(pool)
    pool.check()
    want = bytearray(data[PAGE:])
    want[FANOUT * PAGE : FANOUT * PAGE] = bytes(PAGE)
    want[: 2 * PAGE] = b"x" * (2 * PAGE)
    assert buf.tobytes() == want


# ---- what stays ----


def test_pages_under_views_and_shared_pages_stay(spilling):
    buf = fill(spilling, DATA[: 20 * PAGE])
    view = buf.view(2 * PAGE, 3 * PAGE)
    send_out(spilling)
    view[0] = 7
    assert buf[2 * PAGE] == 7
    assert spilling.stats().spilled == 16
    assert bytes(view[1:]) == DATA[2 * PAGE + 1 : 5 * PAGE]
    view.release()
    del view
    snapshot = buf.snapshot()
    buf.write(2 * PAGE, DATA[2 * PAGE : 2 * PAGE + 1])
    stable = buf.view(10 * PAGE, PAGE, writable=False)
    send_out(spilling)
    assert buf.tobytes() == DATA[: 20 * PAGE]
    assert snapshot.read(2 * PAGE, 2) == b"\7" + DATA[2 * PAGE + 1 :][:1]
    assert stable == DATA[10 * PAGE : 11 * PAGE]
    stable.release()


@few_nodes
def test_when_nothing_may_go_the_limit_refuses(spilling):
    buf = fill(spilling, DATA[: 40 * PAGE])
    with buf.view(), pytest.raises(PoolLimitError, match="spilling"):
        PageBuffer(bytes(30 * PAGE), pool=spilling)
    with pytest.raises(PoolLimitError):
        buf.extend(bytes(LIMIT * PAGE))  # more than one call may have
    assert buf.tobytes() == DATA[: 40 * PAGE]
    assert len(PageBuffer(bytes(30 * PAGE), pool=spilling)) == 30 * PAGE


def test_queues_and_files_stay(spilling):
    queue = pagebuf.ByteQueue(pool=spilling)
    queue.put(DATA[: 20 * PAGE])
    file = BytesIO(pool=spilling)
    file.write(DATA[: 20 * PAGE])
    send_out(spilling)
    assert spilling.stats().spilled == 0
    assert queue.get(20 * PAGE) == file.getvalue() == DATA[: 20 * PAGE]


# ---- limits ----


def test_a_limit_that_is_set_later():
    pool = PagePool(spill=True)
    buf = fill(pool)
    assert pool.stats().spilled == 0
    pool.limit = LIMIT * PAGE
    buf.extend(DATA[:PAGE])
    assert pool.stats().held <= LIMIT
    assert buf.tobytes() == DATA + DATA[:PAGE]
    pool.check()


@few_nodes
def test_limits_of_children(spilling):
    poor, rich = spilling.child(limit=20 * PAGE), spilling.child()
    other = fill(rich, DATA[: 30 * PAGE])
    buf = fill(poor, DATA[: 60 * PAGE])
    assert poor.stats().held <= 20
    assert rich.stats().spilled == 0
    assert poor.stats().spilled >= 40
    both = fill(spilling, DATA[: 60 * PAGE])
    assert spilling.stats().held <= LIMIT
    assert spilling.stats().spilled >= 90
    for one, pages in ((other, 30), (buf, 60), (both, 60)):
        assert one.tobytes() == DATA[: pages * PAGE]
        assert one.find(DATA[17 * PAGE : 17 * PAGE + 8], 17 * PAGE, 18 * PAGE) == 17 * PAGE
        one.check()
    spilling.check()
    send_out(spilling)
    assert poor.stats().spilled == 59


# ---- what spill may be ----


def test_arguments(tmp_path):
    where = {
        "folder": tmp_path,
        "text": os.fspath(tmp_path),
        "file": (tmp_path / "file").open("w+b"),
    }
    where["descriptor"] = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    for spill in where.values():
        pool = PagePool(limit=LIMIT * PAGE, spill=spill)
        buf = fill(pool)
        assert buf.tobytes() == DATA
        assert pool.stats().spilled
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "other"]
    where["file"].close()
    os.close(where["descriptor"])
    for spill in (None, False):
        assert PagePool(spill=spill)._spill is None


def test_arguments_that_are_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"kept")
    inside, outside = os.pipe()
    with pytest.raises(ValueError, match="regular file"):
        PagePool(spill=inside)
    os.close(inside)
    os.close(outside)
    with (tmp_path / "file").open("rb") as file, pytest.raises(ValueError, match="writing"):
        PagePool(spill=file)
    with pytest.raises(NotADirectoryError):
        PagePool(spill=tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        PagePool(spill=tmp_path / "missing")
    with pytest.raises(TypeError, match="spill must be True"):
        PagePool(spill=1.5)
    with pytest.raises(OSError):
        PagePool(spill=987_654)
    assert (tmp_path / "file").read_bytes() == b"kept"


# ---- errors of the file ----


@pytest.fixture
def file_limit():
    """Sets how long files of this process may become."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(
        resource.RLIMIT_FSIZE, (before[0] if size is None else size, before[1])
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@few_nodes
@pytest.mark.parametrize("change", ["write", "extend", "insert", "reverse"])
def test_a_file_that_may_not_grow(spilling, file_limit, change):
    part = DATA[: 40 * PAGE + 5]
    calls = {
        "write": lambda b: b.write(3 * PAGE + 1, b"n" * (30 * PAGE)),
        "extend": lambda b: b.extend(b"n" * (30 * PAGE)),
        "insert": lambda b: b.insert(0, 7),
        "reverse": lambda b: b.reverse(),
    }
    other, buf = fill(spilling, part), fill(spilling, part[: 20 * PAGE])
    want = PageBuffer(part[: 20 * PAGE])
    calls[change](want)
    for n in range(100):
        file_limit(n * PAGE)
        try:
            calls[change](buf)
        except OSError:
            assert buf.tobytes() == part[: 20 * PAGE]
            spilling.check()
            continue
        finally:
            file_limit(None)
        break
    assert buf.tobytes() == want.tobytes()
    assert other.tobytes() == part
    assert n or change not in {"write", "extend"}


FETCHING = {
    "find": lambda b: b.find(DATA[9 * PAGE - 3 : 9 * PAGE + 3]),
    "compare": lambda b: b == DATA[: 20 * PAGE + 3],
    "write": lambda b: (b.write(3 * PAGE + 1, b"nn"), b.write(7 * PAGE - 1, b"nn"))[0],
    "insert": lambda b: b.insert(PAGE, 7),
    "read": lambda b: b.read(PAGE - 1, PAGE),
    "iterate": lambda b: sum(b),
}


@pytest.mark.parametrize("name", FETCHING)
def test_the_nth_read_of_the_file_fails(spilling, monkeypatch, name):
    part = DATA[: 20 * PAGE + 3]
    twin = PageBuffer(part)
    want = FETCHING[name](twin)
    buf = fill(spilling, part)
    send_out(spilling)
    kept = os.pread(spilling._spill.fd, SIZE, 0)
    left = [0]

    def pread(fd, size, offset):
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.EIO, "broken")
        return kept[offset : offset + size]

    monkeypatch.setattr("os.pread", pread)
    os.ftruncate(spilling._spill.fd, 0)  # what is read without it fails, too
    for n in range(1, 60):
        left[0] = n
        spilling._spill.drop(spilling, 1 << 40)
        try:
            got = FETCHING[name](buf)
        except OSError:
            buf.check()
            spilling.check()
            continue
        break
    left[0] = 0
    assert n > 1
    assert got == want
    assert buf.tobytes() == twin.tobytes()
    buf.clear()


def test_a_file_that_somebody_cut_short(spilling):
    buf = fill(spilling)
    send_out(spilling)
    os.ftruncate(spilling._spill.fd, 10 * PAGE)
    assert buf.read(PAGE, 5) == DATA[PAGE : PAGE + 5]
    with pytest.raises(OSError, match="cut short"):
        buf.read(200 * PAGE, 5)
    assert buf.read(SIZE - 5, 5) == DATA[-5:]


# ---- threads and processes ----


def test_threads(spilling):
    """Each changes its own part, reads all parts, and makes snapshots."""
    parts = 3
    buf = fill(spilling, DATA[: 60 * parts * PAGE])
    wrong = []

    def work(which):
        rng = random.Random(which)
        first = which * 60 * PAGE
        plain = bytearray(DATA[first : first + 60 * PAGE])
        try:
            for _ in range(150):
                at, size = rng.randrange(59 * PAGE), rng.randrange(1, PAGE)
                match rng.randrange(4):
                    case 0:
                        new = rng.randbytes(size)
                        buf.write(first + at, new)
                        plain[at : at + size] = new
                    case 1:
                        assert buf.read(first + at, size) == plain[at : at + size]
                    case 2:
                        needle = bytes(plain[at : at + 6])
                        assert buf.find(needle, first + at, first + at + 20) == first + at
                    case 3:
                        other = buf.snapshot()
                        assert other.read(first + at, size) == plain[at : at + size]
                        del other
                        buf.read(rng.randrange(len(buf)), PAGE)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    buf.check()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_has_what_is_in_memory(spilling):
    buf = fill(spilling)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert buf.read(SIZE - 9, 9) == DATA[-9:]
            with pytest.raises(ForkError, match="spill file"):
                buf.read(0, 5)
            with pytest.raises(ForkError):
                buf.find(DATA[:5])
            with pytest.raises(PoolLimitError):
                fill(spilling)
            buf.clear()
            assert fill(spilling, DATA[: 30 * PAGE]).tobytes() == DATA[: 30 * PAGE]
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert buf.tobytes() == DATA


# ---- each call, with everything sent out before it ----

SHORT = DATA[: 12 * PAGE + 5]


def sliced(b, part):
    b[PAGE - 1 : 3 * PAGE + 1] = part
    return bytes(b)


CALLS = {
    "index": lambda b: b[PAGE + 1],
    "slice": lambda b: b[3 : 2 * PAGE],
    "stride": lambda b: b[:: PAGE // 3],
    "iteration": lambda b: list(b)[:: PAGE // 2],
    "bytes": bytes,
    "find": lambda b: b.find(SHORT[3 * PAGE - 4 : 3 * PAGE + 4]),
    "rfind": lambda b: b.rfind(SHORT[3 * PAGE - 4 : 3 * PAGE + 4]),
    "count": lambda b: b.count(SHORT[7:9]),
    "in": lambda b: b"not there at all" in b,
    "startswith": lambda b: b.startswith(SHORT[: PAGE + 1]),
    "endswith": lambda b: b.endswith(SHORT[-PAGE:]),
    "equal": lambda b: b == SHORT,
    "less": lambda b: b < SHORT[:-1],
    "memoryview": lambda b: bytes(memoryview(b)),
    "copy": lambda b: bytes(b.copy()),
    "set": lambda b: (b.__setitem__(PAGE, 3), bytes(b)),
    "set slice": lambda b: sliced(b, b"1234567"),
    "set stride": lambda b: (b.__setitem__(slice(0, None, 4 * PAGE), b"1234"), bytes(b)),
    "delete": lambda b: (b.__delitem__(slice(PAGE - 2, PAGE + 3)), bytes(b)),
    "delete stride": lambda b: (b.__delitem__(slice(0, None, PAGE // 3)), bytes(b)),
    "insert": lambda b: (b.insert(PAGE + 5, 7), bytes(b)),
    "pop": lambda b: (b.pop(PAGE + 5), bytes(b)),
    "remove": lambda b: (b.remove(SHORT[0]), bytes(b)),
    "reverse": lambda b: (b.reverse(), bytes(b)),
    "extend": lambda b: (b.extend(b"end"), bytes(b)),
    "append": lambda b: (b.append(1), bytes(b)),
    "clear": lambda b: (b.clear(), bytes(b)),
    "own slice": lambda b: sliced(b, b[7:PAGE]),
    "pickle": lambda b: bytes(pickle.loads(pickle.dumps(b, 5))),
    "hash": lambda b: __import__("hashlib").sha256(b).digest(),
}  # fmt: skip

OURS = {
    "diff": lambda b, s: b.diff(s, exact=True),
    "views": lambda b, s: b"".join(bytes(view) for view in b.views()),
    "data_views": lambda b, s: b"".join(bytes(view) for _, view in b.data_views()),
    "view": lambda b, s: bytes(b.view(3, PAGE)),
    "stable view": lambda b, s: bytes(b.view(3, PAGE, writable=False)),
    "long stable view": lambda b, s: bytes(b.view(3, 9 * PAGE, writable=False)),
    "gather": lambda b, s: (b.gather(), bytes(b)),
    "truncate": lambda b, s: (b.truncate(PAGE + 9), b.truncate(2 * PAGE), bytes(b)),
    "punch": lambda b, s: (b.punch(PAGE - 9, PAGE), bytes(b)),
    "collapse": lambda b, s: (b.collapse(PAGE - 9, PAGE), bytes(b)),
    "insert_hole": lambda b, s: (b.insert_hole(PAGE - 9, 100), bytes(b)),
    "prepend": lambda b, s: (b.prepend(b"front"), bytes(b)),
    "take_bytes": lambda b, s: (b.take_bytes(PAGE + 3), bytes(b)),
    "copy_range": lambda b, s: (b.copy_range(11, s, PAGE, PAGE), bytes(b)),
    "copy_range from itself": lambda b, s: (b.copy_range(11, b, PAGE, PAGE), bytes(b)),
    "restore": lambda b, s: (b.restore(s), bytes(b)),
    "snapshot": lambda b, s: bytes(b.snapshot()),
    "clone": lambda b, s: bytes(b.clone()),
    "detach": lambda b, s: (b.detach(), bytes(b)),
    "extents": lambda b, s: b.extents(),
    "file": lambda b, s: b.open().read(),
    "file lines": lambda b, s: b.open().readlines(),
    "BytesIO": lambda b, s: BytesIO(b).read(),
    "delta": lambda b, s: bytes(b.delta(s)) is not None,
}


def sent_out(pool, with_snapshot):
    buf = fill(pool, SHORT)
    buf.write(4 * PAGE - 1, b"new")
    before = fill(pool, SHORT)
    if with_snapshot:
        send_out(pool)
        before = buf.snapshot()
        buf.write(6 * PAGE - 1, b"new")
    plain = bytearray(SHORT)
    plain[4 * PAGE - 1 : 4 * PAGE + 2] = b"new"
    if with_snapshot:
        plain[6 * PAGE - 1 : 6 * PAGE + 2] = b"new"
    send_out(pool)
    return buf, plain, before


@pytest.mark.parametrize("with_snapshot", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_each_call_with_everything_sent_out(spilling, name, with_snapshot):
    buf, plain, before = sent_out(spilling, with_snapshot)
    kept = before.tobytes()
    send_out(spilling)
    assert CALLS[name](buf) == CALLS[name](plain)
    send_out(spilling)
    assert buf == plain
    assert before == kept
    buf.check()


@pytest.mark.parametrize("with_snapshot", [False, True])
@pytest.mark.parametrize("name", OURS)
def test_calls_that_only_buffers_have(spilling, name, with_snapshot):
    buf, plain, before = sent_out(spilling, with_snapshot)
    twin = PageBuffer(plain)
    twin_before = PageBuffer(before.tobytes())
    send_out(spilling)
    assert OURS[name](buf, before) == OURS[name](twin, twin_before)
    send_out(spilling)
    assert buf == twin
    buf.check()


def test_save(spilling, tmp_path):
    buf, plain, _ = sent_out(spilling, False)
    buf.save(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == plain


@pytest.mark.parametrize("front", [0, PAGE // 10])
@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.parametrize("zeros", [0, 3, 5])
def test_bytes_that_move_come_back_where_they_were(spilling, zeros, hole, front):
    """They may begin in a page to which nothing moves, which was taken for zeros."""
    for at in (PAGE, 6 * PAGE, 9 * PAGE, 10 * PAGE - 7, 17 * PAGE):
        plain = bytearray(DATA[: 20 * PAGE])
        plain[zeros * PAGE : (zeros + 2) * PAGE] = bytes(2 * PAGE)
        buf = PageBuffer(plain, pool=spilling)
        buf.prepend(DATA[:front])
        plain[:0] = DATA[:front]
        if hole:
            buf.punch(2 * PAGE, 3 * PAGE)
            plain[2 * PAGE : 5 * PAGE] = bytes(3 * PAGE)
        send_out(spilling)
        del buf[at : at + PAGE // 4]
        del plain[at : at + PAGE // 4]
        assert buf.tobytes() == plain
        buf.check()


@few_nodes  # and stores have pages of 64 bytes at least
def test_a_store(spilling, tmp_path):
    with pagebuf.PageStore(tmp_path / "store", pool=spilling) as store:
        store["kept"] = b""
        kept = store["kept"]
        kept.extend(SHORT)
        send_out(spilling)
        assert kept.walk(0).stop.startswith("spilled")
        store.commit()
        kept.write(PAGE, b"changed")
        send_out(spilling)
        store.commit()
        del kept
    with pagebuf.PageStore(tmp_path / "store", "r") as store:
        assert store["kept"].tobytes() == SHORT[:PAGE] + b"changed" + SHORT[PAGE + 7 :]


@pytest.mark.parametrize("debug", [1, 2])
def test_debug_levels(debug):
    pool = PagePool(limit=LIMIT * PAGE, spill=True, debug=debug)
    buf = fill(pool, DATA[: 100 * PAGE + 7])
    for at in range(0, 100 * PAGE, 7 * PAGE):
        buf.write(at, b"n" * 9)
        assert buf.read(at, 12) == b"n" * 9 + DATA[at + 9 :][:3]
        buf.check()
    send_out(pool)
    pool.check()
    pool.buffers()
    assert buf.read(0, 9) == b"n" * 9
