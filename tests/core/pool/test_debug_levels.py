"""What debug levels add: poison, quarantine, tails, traces, the sample, protection."""

from __future__ import annotations

import ctypes
import gc
import mmap
import pathlib
import sys

import pytest

import pagebuf
from pagebuf import _testing
from tests.helpers import PAGE
from tests.support import (
    FEW,
    address_of,
    assert_accounted,
    filled,
    frame_of,
    pattern,
)

CorruptionError = pagebuf.CorruptionError
QUARANTINE = 64
POISON = b"\x6b" * (PAGE - 1) + b"\xa5"
closes = PAGE % mmap.PAGESIZE == 0 and sys.platform != "win32"
opened = pytest.mark.skipif(not closes, reason="mprotect protects pages of the system's size")


def poke(address, data=b"\xee"):
    ctypes.memmove(address, data, len(data))


# ---- how a level is chosen ----


@pytest.mark.parametrize(
    ("given", "level"),
    [
        *((n, n) for n in (0, 1, 2)),
        *((str(n), n) for n in (0, 1, 2)),
        ("sample", "sample:5000"),
        ("sample:1", "sample:1"),
        ("sample:700", "sample:700"),
        ("sample:1000000000", "sample:1000000000"),
    ],
)
def test_levels(given, level, monkeypatch):
    monkeypatch.delenv("PAGEBUF_DEBUG", raising=False)
    assert pagebuf.PagePool().debug == 0
    assert pagebuf.PagePool(debug=given).debug == level
    monkeypatch.setenv("PAGEBUF_DEBUG", str(given))
    pool = pagebuf.PagePool()
    assert pool.debug == pool.child().debug == level
    assert pagebuf.PagePool(debug=1).debug == 1
    assert pagebuf.PagePool(debug=0).debug == 0
    buf = filled(pool, 3 * PAGE)
    assert buf.tobytes() == pattern(0, 3 * PAGE)
    assert_accounted(pool)


BAD_SAMPLES = ["", "x", "0", "-1", "1.5", " 1", "1000000001", "4294967296", "9" * 30]


@pytest.mark.parametrize(
    "bad",
    [3, -1, "3", "one", "1:", "1:5", ":1", "samples", 1.0, True, b"1"]
    + [f"sample:{n}" for n in BAD_SAMPLES],
)
def test_bad_levels(bad, monkeypatch):
    with pytest.raises(ValueError, match=r"^debug must be"):
        pagebuf.PagePool(debug=bad)
    if isinstance(bad, str):
        monkeypatch.setenv("PAGEBUF_DEBUG", bad)
        with pytest.raises(ValueError, match=r"^PAGEBUF_DEBUG must be"):
            pagebuf.PagePool()
        assert pagebuf.PagePool(debug=0).debug == 0


def test_an_empty_variable_means_nothing(monkeypatch):
    monkeypatch.setenv("PAGEBUF_DEBUG", "")
    assert pagebuf.PagePool().debug == 0


# ---- poison ----


def test_freed_frames_are_poisoned(checked):
    buf = filled(checked, 3 * PAGE)
    address = address_of(buf, PAGE)
    buf.clear()
    assert ctypes.string_at(address, PAGE) == POISON
    checked.check()


def test_level_0_leaves_freed_frames_alone():
    pool = pagebuf.PagePool(debug=0)
    buf = filled(pool, 3 * PAGE)
    address = address_of(buf)
    buf.clear()
    assert ctypes.string_at(address, PAGE) == pattern(0, PAGE)
    poke(address)
    again = filled(pool, 9 * PAGE)
    again.truncate(12 * PAGE)
    assert again.tobytes() == pattern(0, 9 * PAGE) + bytes(3 * PAGE)
    pool.check()


@pytest.mark.parametrize("at", [0, 1, PAGE // 2, PAGE - 2, PAGE - 1])
@pytest.mark.parametrize("found_by", ["check", "leaving the quarantine", "being taken"])
def test_a_write_to_a_freed_frame_is_found_once(checked, unraisable, at, found_by):
    buf = filled(checked, FEW, name="writer")
    address, frame = address_of(buf), frame_of(buf)
    buf.clear()
    poke(address + at)

    hogs = []

    def find():
        if found_by == "check":
            checked.check()
        elif found_by == "leaving the quarantine":
            others = filled(checked, (QUARANTINE + 1) * PAGE)
            others.truncate(0)  # frees as many frames
        else:
            while True:  # takes frames until it gets this one
                hogs.append(filled(checked, PAGE))

    with pytest.raises(CorruptionError, match="free frame was written to") as info:
        find()
    hogs.clear()
    gc.collect()
    assert (info.value.frame, info.value.offset) == (frame, at)
    assert "'writer'" in str(info.value)
    assert "test_debug_levels.py" in str(info.value)
    assert str(info.value.owner).startswith("PageBuffer 'writer'")
    if found_by == "check":  # check() looks, and repairs nothing
        with pytest.raises(CorruptionError):
            checked.check()
        poke(address, POISON)
    info = None
    gc.collect()
    checked.check()
    assert unraisable == []


def test_poison_does_not_come_back(checked):
    """Pages of freed frames read as zeros where nothing was written (I4)."""
    for turn in range(2 * QUARANTINE):
        buf = filled(checked, 3, turn)
        buf.write(3 * PAGE + 5, b"!")
        buf.write(PAGE + 7, b"?")
        expected = bytearray(3 * PAGE + 6)
        expected[:3] = pattern(0, 3, turn)
        expected[PAGE + 7] = ord("?")
        expected[-1] = ord("!")
        assert buf.tobytes() == expected
        checked.check()


# ---- quarantine ----


def test_a_freed_frame_waits_for_64_others(checked):
    buf = filled(checked, FEW)
    frame = frame_of(buf)
    buf.clear()
    assert checked.stats().quarantined == 1
    address = None
    for turn in range(1, QUARANTINE + 1):
        other = filled(checked, FEW, turn)
        assert frame_of(other) != frame
        address = address_of(other)
        del other
        assert checked.stats().quarantined == min(turn + 1, QUARANTINE)
    assert pagebuf.region_of(address).state == "quarantined"
    seen = {frame_of(filled(checked, FEW)) for _ in range(3)}
    assert frame in seen


def test_the_quarantine_ends_before_the_pool_grows(checked):
    buf = filled(checked, FEW)
    total = checked.stats().total
    gone = filled(checked, QUARANTINE * PAGE)
    gone.clear()
    assert checked.stats().quarantined >= QUARANTINE - 1
    rest = [filled(checked, PAGE) for _ in range(total - checked.stats().held)]
    assert checked.stats().total == total
    assert checked.stats().quarantined == 0
    assert_accounted(checked)
    del rest, buf


def test_the_quarantine_ends_before_a_limit_refuses():
    """Frames in quarantine do not count as in use."""
    pool = pagebuf.PagePool(limit=8 * PAGE, debug=1)
    for turn in range(30):
        buf = filled(pool, 4 * PAGE, turn)
        other = filled(pool, 4 * PAGE, turn + 1)
        assert buf.tobytes() + other.tobytes() == pattern(0, 4 * PAGE, turn) + pattern(
            0, 4 * PAGE, turn + 1
        )
        del buf, other
    assert_accounted(pool)


# ---- tails ----


def tail_of(buf):
    used = (buf.stats().bias + len(buf)) % PAGE
    return ctypes.string_at(address_of(buf, len(buf) - 1) + 1, PAGE - used) if used else b""


CHANGES = {
    "extend": lambda buf: buf.extend(b"12"),
    "extend past the page": lambda buf: buf.extend(pattern(0, 2 * PAGE)),
    "append": lambda buf: buf.append(7),
    "write inside": lambda buf: buf.write(1, b"12"),
    "write past": lambda buf: buf.write(len(buf) + 2, b"12"),
    "write far past": lambda buf: buf.write(len(buf) + 3 * PAGE, b"12"),
    "truncate": lambda buf: buf.truncate(len(buf) - 1),
    "truncate longer": lambda buf: buf.truncate(len(buf) + 1),
    "take": lambda buf: buf.take_bytes(1),
    "punch": lambda buf: buf.punch(PAGE, PAGE),
    "insert": lambda buf: buf.insert(3, 5),
    "delete": lambda buf: buf.__delitem__(slice(1, 3)),
    "assign": lambda buf: buf.__setitem__(slice(1, 3), b"12345"),
    "snapshot": lambda buf: buf.snapshot(),
    "clone": lambda buf: buf.clone(),
    "view": lambda buf: buf.view(0, len(buf)),
    "stable view": lambda buf: buf.view(0, len(buf), writable=False),
    "gather": lambda buf: buf.gather(),
    "collapse": lambda buf: buf.collapse(0, PAGE),
    "insert_hole": lambda buf: buf.insert_hole(PAGE, PAGE),
    "check": lambda buf: buf.check(),
}


def make_with_tail(pool, how):
    size = 3 * PAGE + PAGE // 2
    if how == "constructor":
        return pagebuf.PageBuffer(pattern(0, size), pool=pool, name="tail")
    buf = pagebuf.PageBuffer(pool=pool, name="tail")
    if how == "restore":
        buf.restore(filled(pool, size).snapshot())
        gc.collect()
        buf.write(len(buf) - 1, pattern(len(buf) - 1, 1))
    elif how == "extend":
        for at in range(0, size, PAGE // 4):
            buf.extend(pattern(at, PAGE // 4))
    elif how == "truncate":
        buf.write(0, pattern(0, size + PAGE))
        buf.truncate(size)
    else:
        buf.write(0, pattern(0, size))
    return buf


@pytest.mark.parametrize("how", ["write", "constructor", "extend", "truncate", "restore"])
def test_tails_are_filled(checked, how):
    buf = make_with_tail(checked, how)
    assert buf.tobytes() == pattern(0, len(buf))
    assert tail_of(buf) == b"\x5a" * (PAGE - PAGE // 2)
    buf.check()


@pytest.mark.parametrize("change", CHANGES)
def test_tails_that_are_whole_stay_unseen(checked, change):
    """Reads never show the fill: growth reads as zeros.  Pages that another tree shares have no
    fill."""
    buf = make_with_tail(checked, "write")
    twin = make_with_tail(pagebuf.PagePool(debug=0), "write")
    kept = CHANGES[change](buf), CHANGES[change](twin)
    checked.check()
    assert buf.tobytes() == twin.tobytes()
    for obj in (buf, twin):
        obj.truncate(len(obj) + PAGE + 1)
    assert buf.tobytes() == twin.tobytes()
    del kept


@pytest.mark.parametrize("past", [0, 1, PAGE - PAGE // 2 - 1])
@pytest.mark.parametrize("change", CHANGES)
def test_a_tail_that_was_written_to_is_told(checked, change, past):
    buf = make_with_tail(checked, "write")
    before = buf.tobytes()
    at = address_of(buf, len(buf) - 1) + 1 + past
    poke(at)
    with pytest.raises(CorruptionError, match="I4: a byte past the end was written") as info:
        CHANGES[change](buf)
    assert info.value.owner is buf
    assert info.value.offset == len(before) + past
    assert info.value.frame == frame_of(buf, len(buf) - 1)
    assert "'tail'" in str(info.value)
    assert buf.tobytes() == before
    if change == "check":
        poke(at, b"\x5a")
    buf.truncate(len(buf) + PAGE)  # reported once, and repaired
    assert buf.tobytes() == before + bytes(PAGE)
    checked.check()


def test_a_tail_is_told_when_the_buffer_goes(checked, unraisable):
    buf = make_with_tail(checked, "write")
    poke(address_of(buf, len(buf) - 1) + 1)
    del buf
    assert [type(error) for error in unraisable] == [CorruptionError]
    assert "I4" in str(unraisable[0])
    unraisable.clear()


def test_tails_under_live_views_are_theirs(checked):
    buf = filled(checked, PAGE // 2 + 1)
    view = buf.view(0, len(buf))
    buf.extend(b"!")
    assert tail_of(buf) == bytes(PAGE - PAGE // 2 - 2)
    checked.check()
    view.release()
    buf.extend(b"?")
    assert buf.tobytes() == pattern(0, PAGE // 2 + 1) + b"!?"
    checked.check()


def test_level_0_has_no_tails():
    buf = make_with_tail(pagebuf.PagePool(debug=0), "write")
    assert tail_of(buf) == bytes(PAGE - PAGE // 2)


# ---- who took it, who freed it ----


@pytest.mark.parametrize("level", [1, 2, "sample:1"])
def test_traces(level):
    pool = pagebuf.PagePool(debug=level)
    buf = pagebuf.PageBuffer(pool=pool, name="traced")
    line = sys._getframe().f_lineno + 1
    buf.write(0, pattern(0, FEW))
    there = pagebuf.region_of(address_of(buf))
    assert there.taken_by == f"PageBuffer 'traced' ({__file__}:{line})"
    assert there.freed_by is None
    line = sys._getframe().f_lineno + 1
    buf.clear()
    there = pagebuf.region_of(there.address)
    assert there.freed_by == f"PageBuffer 'traced' ({__file__}:{line})"
    assert "'traced'" in there.taken_by


def test_traces_of_those_that_go(checked):
    buf = filled(checked, FEW, name="gone")
    address = address_of(buf)
    del buf
    assert pagebuf.region_of(address).freed_by.startswith("PageBuffer 'gone' (")


def test_traces_without_a_name(checked):
    buf = filled(checked, FEW)
    there = pagebuf.region_of(address_of(buf))
    assert there.taken_by.startswith(f"PageBuffer at {id(buf):#x} (")


class Derived(pagebuf.PageBuffer):
    pass


@pytest.mark.parametrize("cls", [pagebuf.PageBuffer, Derived])
def test_traces_of_what_a_constructor_was_given(checked, cls):
    """The constructor builds its contents in another buffer, which the trace does not name."""
    kept = [cls(pattern(0, FEW), pool=checked) for _ in range(3)]
    for buf in kept:
        there = pagebuf.region_of(address_of(buf))
        assert there.taken_by.startswith(f"{cls.__name__} at {id(buf):#x} (")
    buf.__init__(pattern(0, FEW), pool=checked, name="anew")
    assert pagebuf.region_of(address_of(buf)).taken_by.startswith(f"{cls.__name__} 'anew' (")


def test_traces_of_one_after_the_other(checked):
    """Each trace names its own buffer, though address and line are the same."""
    said = []
    for n in range(3):
        buf = pagebuf.PageBuffer(pool=checked, name=f"number {n}")
        buf.extend(pattern(0, FEW))
        said.append(pagebuf.region_of(address_of(buf)).taken_by.partition(" (")[0])
        del buf
    assert said == [f"PageBuffer 'number {n}'" for n in range(3)]


def test_traces_of_one_that_is_called_differently(checked):
    buf = pagebuf.PageBuffer(pool=checked)
    for n in range(3):
        buf.name = f"number {n}"
        buf.extend(pattern(0, FEW + PAGE))
        assert f"'number {n}'" in pagebuf.region_of(address_of(buf, len(buf) - 1)).taken_by
    queue = pagebuf.ByteQueue(pool=checked)
    for n in range(3):
        queue.name = f"number {n}"
        view = queue.reserve(PAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(view))
        assert f"'number {n}'" in pagebuf.region_of(address + PAGE - 1).taken_by
        del view
        queue.commit(PAGE)


def test_traces_of_others(checked):
    queue = pagebuf.ByteQueue(pool=checked, name="line")
    queue.put(pattern(0, FEW))
    view = queue.views()[0]
    address = ctypes.addressof(ctypes.c_char.from_buffer_copy(view))
    assert pagebuf.region_of(address) is None
    buf = filled(checked, 2 * PAGE, name="shared")
    snap = buf.snapshot()
    address = address_of(buf)
    buf.write(0, b"!")
    del snap
    assert pagebuf.region_of(address).freed_by.startswith("snapshot 'shared' (")
    del view
    queue.clear()
    checked.check()


def test_long_names_are_cut(checked):
    buf = filled(checked, FEW, name="ü" * 100)
    assert "PageBuffer 'ü" in pagebuf.region_of(address_of(buf)).taken_by


def test_many_events(checked):
    """The log forgets its oldest events.  `taken_by` is then None."""
    old = filled(checked, FEW, name="old")
    for n in range(9000):
        buf = filled(checked, FEW, name=str(n))
        buf.clear()
    assert pagebuf.region_of(address_of(old)).taken_by is None
    new = filled(checked, FEW, name="new")
    assert "'new'" in pagebuf.region_of(address_of(new)).taken_by


def test_level_0_keeps_no_traces():
    buf = filled(pagebuf.PagePool(debug=0), FEW)
    there = pagebuf.region_of(address_of(buf))
    assert (there.taken_by, there.freed_by) == (None, None)


# ---- level 0 ----

USES = {
    "read": lambda buf: buf.read(0, PAGE),
    "tobytes": lambda buf: buf.tobytes(),
    "item": lambda buf: buf[0],
    "slice": lambda buf: buf[0:PAGE],
    "iterate": lambda buf: bytes(iter(buf)),
    "find": lambda buf: buf.find(b"\0\0\0"),
    "compare": lambda buf: buf == bytes(len(buf)),
    "readinto": lambda buf: buf.readinto(0, bytearray(PAGE)),
    "write": lambda buf: buf.write(1, b"new"),
    "write all": lambda buf: buf.write(0, bytes(PAGE)),
    "set": lambda buf: buf.__setitem__(0, 1),
    "insert": lambda buf: buf.insert(PAGE - 1, 1),
    "reverse": lambda buf: buf.reverse(),
    "view": lambda buf: buf.view(0, PAGE),
    "stable view": lambda buf: buf.view(0, PAGE, writable=False),
    "views": lambda buf: buf.views(),
    "snapshot": lambda buf: buf.snapshot(),
    "clone": lambda buf: buf.clone(),
    "count": lambda buf: buf.count(b"x"),
    "contains": lambda buf: b"\0\0" in buf,
    "startswith": lambda buf: buf.startswith(bytes(PAGE)),
    "memoryview": lambda buf: bytes(memoryview(buf)),
    "readinto of a file": lambda buf: buf.open("rb").readinto(bytearray(PAGE)),
    "punch": lambda buf: buf.punch(0, PAGE),
    "clear": lambda buf: buf.clear(),
    "pool.check": lambda buf: buf.pool.check(),
    "check": lambda buf: buf.check(),
    "copy_range": lambda buf: buf.copy_range(2 * PAGE + 1, buf, 0, PAGE),
    "take": lambda buf: buf.take_bytes(3),
    "file": lambda buf: buf.open("rb").read(3),
}

WILD = {
    "of no region": (0x7FFF_FF00 << 12) | 1,
    "of a small number past the region": (250_000 << 12) | 1,
    "that was never used": (200 << 12) | 1,
}


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("wild", WILD)
def test_a_wild_entry_is_told_wherever_it_is_met(level, use, wild, unraisable):
    pool = pagebuf.PagePool(debug=level)
    buf = filled(pool, 3 * PAGE, name="wild")
    buf.truncate(3 * PAGE - 1)
    entry = _testing.aim(buf).entry
    right = ctypes.string_at(entry, 8)
    ctypes.memmove(entry, WILD[wild].to_bytes(8, "little"), 8)
    with pytest.raises(CorruptionError) as info:
        USES[use](buf)
    assert info.value.frame == WILD[wild] >> 12
    if use not in {"clear", "copy_range"}:
        assert "'wild'" in str(info.value)
        assert info.value.owner is buf
    info = None
    gc.collect()
    ctypes.memmove(entry, right, 8)
    buf.tobytes()
    del buf
    gc.collect()
    assert unraisable == []


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_fault_when_an_object_goes_is_unraisable(level, unraisable):
    pool = pagebuf.PagePool(debug=level)
    buf = filled(pool, 2 * PAGE + 3, name="goes")
    other = filled(pool, 2 * PAGE, 1)
    _testing.plant("wild entry", _testing.aim(buf))
    del buf
    assert [type(error) for error in unraisable] == [CorruptionError]
    assert "frame of no region" in str(unraisable[0])
    unraisable.clear()
    assert other.tobytes() == pattern(0, 2 * PAGE, 1)
    with pytest.raises(CorruptionError):  # a damaged pool stays damaged
        pool.check()


@pytest.mark.parametrize("level", [0, 1])
def test_a_double_free_is_told(level, unraisable):
    pool = pagebuf.PagePool(debug=level)
    buf = filled(pool, 2 * PAGE + 3)
    _testing.plant("double free", _testing.aim(buf))
    with pytest.raises(CorruptionError, match="freed twice"):
        buf.clear()
    del buf
    with pytest.raises(CorruptionError):
        pool.check()
    fresh = [filled(pool, 5 * PAGE, n) for n in range(9)]  # no page is handed out twice
    assert [buf.tobytes() for buf in fresh] == [pattern(0, 5 * PAGE, n) for n in range(9)]
    unraisable.clear()


def test_a_count_that_says_shared_is_not_written_to(unraisable):
    """I2: a shared frame is not written to, even where the tree believes that it is its own."""
    pool = pagebuf.PagePool(debug=0)
    buf = filled(pool, PAGE + 3)
    buf.tobytes()
    _testing.plant("count leaked by one", _testing.aim(buf))
    with pytest.raises(CorruptionError, match="I2: a shared frame was about to be written"):
        buf.write(0, b"!")
    assert buf.tobytes() == pattern(0, PAGE + 3)


# ---- the sample ----


def sampled(buf, offset=0):
    there = pagebuf.region_of(address_of(buf, offset))
    return there.taken_by is not None


@pytest.mark.parametrize("every", [1, 2, 5])
def test_one_frame_in_so_many_is_sampled(every):
    pool = pagebuf.PagePool(debug=f"sample:{every}")
    bufs = [filled(pool, PAGE, n) for n in range(30)]
    chosen = [n for n, buf in enumerate(bufs, 1) if sampled(buf)]
    assert chosen == [n for n in range(1, 31) if n % every == 0][:16]
    assert [buf.tobytes() for buf in bufs] == [pattern(0, PAGE, n) for n in range(30)]
    assert_accounted(pool)
    del bufs
    assert_accounted(pool)


def test_sampled_frames_rotate():
    """A freed frame of the sample is reused last."""
    pool = pagebuf.PagePool(debug="sample:1")
    frames = []
    for turn in range(40):
        buf = filled(pool, FEW, turn)
        frames.append(frame_of(buf))
        buf.clear()
        assert_accounted(pool)
    assert len(set(frames[:16])) == 16
    assert frames[16:32] == frames[:16]


def test_sampled_frames_have_guards_around_them():
    pool = pagebuf.PagePool(debug="sample:1")
    buf = filled(pool, FEW)
    address = address_of(buf) // PAGE * PAGE
    for neighbour in (address - PAGE, address + PAGE):
        there = pagebuf.region_of(neighbour)
        assert there is None or there.state in {"guard", "unused"}
        assert not pagebuf.is_valid(neighbour)
    buf.clear()
    assert pagebuf.region_of(address).state == "quarantined"
    assert pool.stats().guards == 16 or pool.stats().guards == 17


def test_the_sample_carries_no_old_bytes():
    pool = pagebuf.PagePool(debug="sample:1")
    for turn in range(40):
        buf = filled(pool, 3, turn)
        buf.write(PAGE + 7, b"!")
        assert buf.tobytes() == pattern(0, 3, turn) + bytes(PAGE + 4) + b"!"


def test_children_take_from_the_sample():
    pool = pagebuf.PagePool(debug="sample:2")
    child = pool.child(limit=4 * PAGE)
    buf = filled(child, 2 * PAGE, name="below")
    buf.extend(pattern(0, 2 * PAGE))
    assert any(sampled(buf, n * PAGE) for n in range(4))
    assert (child.stats().held, pool.stats().held) == (4, 4)
    for each in (pool, child):
        assert_accounted(each)
    del buf
    assert (child.stats().held, pool.stats().held) == (0, 0)
    assert_accounted(pool)


# ---- level 2 ----


@opened
def test_the_budget_of_mappings():
    """Past the budget frames stay unprotected, as at level 1, and nothing fails."""
    pool = pagebuf.PagePool(debug=2)
    bufs = [filled(pool, FEW, n % 99) for n in range(20_000)]
    guards = pool.stats().guards
    assert 1000 < guards < 20_000
    assert [buf.tobytes() for buf in bufs[::500]] == [
        pattern(0, FEW, n % 99) for n in range(0, 20_000, 500)
    ]
    assert len(pathlib.Path("/proc/self/maps").read_text().splitlines()) < 40_000
    pool.check()
    del bufs
    pool.check()
    assert pool.stats().held == 0


@opened
def test_runs_have_guards_between_them():
    pool = pagebuf.PagePool(debug=2)
    bufs = [filled(pool, 3 * PAGE, n) for n in range(5)]
    assert pool.stats().guards == 5
    assert_accounted(pool)
    bufs[2].clear()
    assert pool.stats().guards == 4
    assert_accounted(pool)
    del bufs
    assert pool.stats().guards == 0
    assert_accounted(pool)
