"""`tools/store_check.py` on stores that are made here by hand, whole and with each rule broken.

tests/c/store/test_powercut.c shows it what the C code has written.
"""

import zlib
from dataclasses import dataclass, field
from struct import pack

import pytest

from tools.store_check import NoStoreError, check, contents, main, named

PAGE = 64
FIRST = 8192 // PAGE
EMPTY = pack("<QQB7x4Q", 0, 0, 0, 0, 0, 0, 0)


def entry(frame, page):
    crc = zlib.crc32(page) & 0x7FFFFFFF
    return 1 | (crc & 0x7FF) << 1 | frame << 12 | crc >> 11 << 44


@dataclass
class Made:
    """A store in the making: frames, and what a superblock says of them."""

    frames: dict[int, bytes] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)

    def put(self, page):
        """Put a page, padded by zeros, to the next frame; return an entry for it."""
        page = page.ljust(PAGE, b"\0")
        frame = FIRST + len(self.frames)
        self.frames[frame] = page
        self.counts[frame] = 1
        return entry(frame, page)

    def tree(self, data):
        """The root of a tree of two levels that shows these bytes."""
        pages = [self.put(data[at : at + PAGE]) for at in range(0, len(data), PAGE)]
        nodes = [self.put(pack(f"<{len(p)}Q", *p)) for p in _eights(pages)]
        return pack("<QQB7x4Q", len(data), 0, 2, *nodes, *[0] * (4 - len(nodes)))

    def deep_tree(self, data):
        """The same of three levels; pages of zeros are holes."""
        pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
        entries = [self.put(page) if any(page) else 0 for page in pages]
        for _ in range(2):
            entries = [self.put(pack("<8Q", *e)) if any(e) else 0 for e in _eights(entries)]
        return pack("<QQB7x4Q", len(data), 0, 3, *entries, *[0] * (4 - len(entries)))

    def tail(self, sequence=5):
        """A log that says all counts."""
        group = [(0, sequence & 0xFFFFFFFF, sequence >> 32)]
        return group + [(frame, 1, count) for frame, count in self.counts.items()]

    def held(self):
        return FIRST + sum(count > 0 for count in self.counts.values())


def _eights(entries):
    return [entries[at : at + 8] for at in range(0, len(entries), 8)]


def superblock(made, root, *, slot=0, sequence=5, tail=None, listed=(), held=None, **more):
    """The bytes of a superblock; `more` are the fields that only some tests set."""
    tail = made.tail(sequence) if tail is None else tail
    head = bytes.fromhex("89504253 0d0a1a0a") + pack(
        "<HHIII", more.get("major", 0), 1, more.get("incompatible", 0), 0, 0
    )
    head += pack("<BBBBI16s", 6, 3, 4, slot, 0x01020304, more.get("uuid", b"u" * 16))
    held = made.held() if held is None else held
    head += pack("<5Q", sequence, sequence, more.get("frames", FIRST + 40), held, 0)
    head += pack("<4I", 1 | 4, len(listed), len(tail), 0)
    head += (
        root + more.get("names", bytes(24)) + EMPTY + bytes(24) + more.get("rows", EMPTY) + EMPTY
    )
    head += pack("<Q", more.get("checkpoint", 0))
    lists = b"".join(pack("<II", *item) for item in listed)
    lists += b"".join(pack("<III", *record) for record in tail)
    block = (head.ljust(512, b"\0") + lists).ljust(4092, b"\0")
    return block + pack("<I", zlib.crc32(block))


def file_of(tmp_path, made, first, second=bytes(4096), size=FIRST + 40):
    """A file with two slots and the frames."""
    data = bytearray(size * PAGE)
    data[:4096], data[4096:8192] = first, second
    for frame, page in made.frames.items():
        data[frame * PAGE : frame * PAGE + PAGE] = page
    path = tmp_path / "made.store"
    path.write_bytes(data)
    return path


TEXT = bytes(range(1, 201))


@pytest.fixture
def made():
    return Made()


def rules(path):
    return {fault.rule for fault in check(path).faults}


def test_a_whole_store(made, tmp_path, capsys):
    path = file_of(tmp_path, made, superblock(made, made.tree(TEXT)))
    report = check(path)
    assert not report.faults
    assert (report.commit, report.size, report.fell_back) == (5, 200, False)
    assert contents(path) == TEXT
    assert main([str(path)]) == 0
    assert "made.store: whole: commit 5, 200 bytes" in capsys.readouterr().out


def test_rows_count_as_well_as_the_log(made, tmp_path):
    root = made.tree(TEXT)
    rows = pack("<16I", *(made.counts.get(FIRST + i, 0) for i in range(16)))
    named = made.put(rows)
    node = made.put(pack("<8Q", named, *[0] * 7))
    rows_root = pack("<QQB7x4Q", (FIRST + 16) * 4, 0, 2, 0, node, 0, 0)
    tail = [(0, 5, 0), (FIRST + 5, 2, 1)]
    block = superblock(made, root, tail=tail, rows=rows_root)
    assert rules(file_of(tmp_path, made, block)) == set()


def leaf(*records):
    """A page of names, whose records are in the order given."""
    places, room = [], b""
    for name, kind, value in records:
        places.append(4096 - len(room) - 4 - len(value) - len(name))
        room = pack("<BBH", len(name), kind, len(value)) + value + name + room
    head = pack("<BBHIHH", 1, 0, len(records), 0, 4096 - len(room), 0)
    head += pack(f"<{len(places)}H", *places)
    return head + bytes(4096 - len(head) - len(room)) + room


def store_of_names(tmp_path, made, *records, header=None):
    directory = made.deep_tree(bytes(4096) + leaf(*records))
    names = pack("<Q4I", *(header or (len(records), 1, 0, 0, 2)))
    block = superblock(made, directory, names=names, frames=FIRST + 90)
    return file_of(tmp_path, made, block, size=FIRST + 90)


def test_names(made, tmp_path):
    tree = made.tree(TEXT)
    path = store_of_names(tmp_path, made, (b"a", 2, b"few"), (b"b", 1, tree), (b"c", 1, EMPTY))
    report = check(path)
    assert (report.faults, report.names) == ([], 3)
    assert named(path) == {"a": b"few", "b": TEXT, "c": b""}


@pytest.mark.parametrize(
    ("records", "header"),
    [
        ([(b"b", 2, b""), (b"a", 2, b"")], None),
        ([(b"a", 2, b""), (b"a", 2, b"")], None),
        ([(b"a", 2, bytes(105))], None),
        ([(b"a", 1, bytes(55))], None),
        ([(b"a", 3, bytes(96))], None),
        ([(b"", 2, b"x")], None),
        ([(b"a", 2, b"x")], (2, 1, 0, 0, 2)),
        ([(b"a", 2, b"x")], (1, 1, 1, 0, 2)),
        ([(b"a", 2, b"x")], (1, 1, 0, 1, 2)),
    ],
    ids=["order", "twice", "many", "no root", "kind", "no name", "count", "height", "free"],
)
def test_names_that_cannot_be(made, tmp_path, records, header):
    assert "F9" in rules(store_of_names(tmp_path, made, *records, header=header))


@pytest.mark.parametrize(
    "header", [(1, 2, 0, 0, 2), (1, 0, 0, 0, 2), (1, 1, 12, 0, 2), (0, 0, 0, 0, 3)]
)
def test_headers_of_names_that_cannot_be(made, tmp_path, header):
    assert rules(store_of_names(tmp_path, made, (b"a", 2, b"x"), header=header)) == {"F1"}


def test_a_page_of_a_name_that_rots(made, tmp_path):
    tree = made.tree(TEXT)
    made.frames[FIRST + 1] = bytes(PAGE)
    report = check(store_of_names(tmp_path, made, (b"a", 1, tree)))
    assert {(fault.rule, fault.frame) for fault in report.faults} == {("F3", FIRST + 1)}
    assert report.lost_of == [(b"a", 64, 128)]


def test_no_superblock_to_believe(made, tmp_path):
    root = made.tree(TEXT)
    torn = superblock(made, root)[:4000].ljust(4096, b"\0")
    assert rules(file_of(tmp_path, made, torn)) == {"F1"}
    short = file_of(tmp_path, made, superblock(made, root), size=FIRST + 39)
    assert rules(short) == {"F1"}


def test_a_list_that_the_disk_does_not_have(made, tmp_path):
    older = superblock(made, made.tree(TEXT))
    newer = superblock(made, EMPTY, slot=1, sequence=6, listed=[(FIRST + 9, 1)])
    report = check(file_of(tmp_path, made, older, newer))
    assert report.fell_back
    assert (report.commit, report.faults) == (5, [])


def test_slots_of_two_stores(made, tmp_path):
    root = made.tree(TEXT)
    older = superblock(made, root, slot=1, sequence=4, uuid=b"v" * 16)
    assert rules(file_of(tmp_path, made, superblock(made, root), older)) == {"F2"}


def test_a_page_that_rots(made, tmp_path):
    block = superblock(made, made.tree(TEXT))
    made.frames[FIRST + 1] = bytes(PAGE)
    report = check(file_of(tmp_path, made, block))
    assert {(fault.rule, fault.frame) for fault in report.faults} == {("F3", FIRST + 1)}
    assert report.lost == [(64, 128)]


def test_an_entry_of_no_frame(made, tmp_path):
    root = pack("<QQB7x4Q", 64, 0, 1, entry(FIRST + 90, b""), 0, 0, 0)
    assert "F3" in rules(file_of(tmp_path, made, superblock(made, root)))


def test_a_page_outside_of_its_tree(made, tmp_path):
    root = pack("<QQB7x4Q", 64, 0, 1, made.put(b"in"), made.put(b"out"), 0, 0)
    assert rules(file_of(tmp_path, made, superblock(made, root))) == {"F4"}


def test_bytes_behind_the_end(made, tmp_path):
    root = pack("<QQB7x4Q", 2, 0, 1, made.put(b"end."), 0, 0, 0)
    assert rules(file_of(tmp_path, made, superblock(made, root))) == {"F4"}


@pytest.mark.parametrize(
    "wrong",
    [
        [(FIRST, 0, 1)],
        [(FIRST - 1, 1, 1)],
        [(FIRST + 39, 2, 0)],
        [(0, 6, 0), (FIRST, 1, 1)],
        [(0, 4, 0), (FIRST, 1, 1)],
    ],
    ids=["no length", "a superblock", "past the end", "of later", "out of order"],
)
def test_records_that_cannot_be(made, tmp_path, wrong):
    root = made.tree(TEXT)
    block = superblock(made, root, tail=made.tail() + wrong)
    assert "F5" in rules(file_of(tmp_path, made, block))


def test_counts_that_are_wrong(made, tmp_path):
    root = made.tree(TEXT)
    made.counts |= {FIRST: 2, FIRST + 9: 1}
    report = check(file_of(tmp_path, made, superblock(made, root)))
    assert {(fault.rule, fault.frame) for fault in report.faults} == {
        ("F6", FIRST),
        ("F6", FIRST + 9),
    }


def test_held_is_wrong(made, tmp_path):
    root = made.tree(TEXT)
    assert rules(file_of(tmp_path, made, superblock(made, root, held=FIRST))) == {"F7"}


def test_what_the_older_superblock_names_is_gone(made, tmp_path):
    older = superblock(made, made.tree(TEXT))
    made.frames[FIRST] = bytes(PAGE)
    made.counts = dict.fromkeys(made.counts, 0)
    newer = superblock(made, EMPTY, slot=1, sequence=6)
    assert rules(file_of(tmp_path, made, older, newer)) == {"F8"}


@pytest.mark.parametrize("more", [{"major": 1}, {"incompatible": 4}])
def test_versions_that_nobody_knows(made, tmp_path, more, capsys):
    path = file_of(tmp_path, made, superblock(made, made.tree(TEXT), **more))
    with pytest.raises(NoStoreError):
        check(path)
    assert main([str(path)]) == 2
    assert "no store" in capsys.readouterr().out


def test_what_is_no_store(tmp_path):
    path = tmp_path / "empty"
    path.write_bytes(b"")
    with pytest.raises(NoStoreError):
        check(path)
