"""Says whether a store is whole, and what is lost if it is not.

    python3 tools/store_check.py FILE...

Reads files by docs/store-format.md, whose rules it names, and shares no code with what writes
them.  Status 0: all files are whole; 1: one is damaged; 2: one is no store, or of a version that
is not known here.
"""

import os
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from struct import unpack_from
from typing import BinaryIO, NamedTuple

MAGIC = bytes.fromhex("89504253 0d0a1a0a")
SUPERBLOCK = 4096
SLOTS = 2
ROOT_SLOTS = 4
MAJOR = 0
LISTED, SEALED, CHECKSUMS = 1, 2, 4
REACH_BITS = 59
MOST_FRAMES = 1 << 31
RECORD = 12
PAGE_OF_NAMES = 4096
LEAF, INNER, FREE = 1, 2, 3
ROOT, FEW, SNAPSHOT = 1, 2, 3
MOST_HEIGHT = 11
SNAPSHOT_VALUE = 96


class Fault(NamedTuple):
    """A rule that a file breaks."""

    rule: str
    what: str
    frame: int = 0

    def __str__(self) -> str:
        where = f" (frame {self.frame})" if self.frame else ""
        return f"{self.rule}: {self.what}{where}"


class NoStoreError(Exception):
    """The file is no store, or one that this reader does not know."""


class DamagedError(Exception):
    """Something that has to be read cannot be."""

    def __init__(self, rule: str, what: str, frame: int = 0) -> None:
        super().__init__(what)
        self.fault = Fault(rule, what, frame)


class Root(NamedTuple):
    """The root of a tree."""

    size: int
    bias: int
    levels: int
    entries: tuple[int, ...]


class Names(NamedTuple):
    """Where the names are in the bytes of the directory."""

    names: int
    root: int
    height: int
    free: int
    pages: int


@dataclass
class Superblock:
    """The fields of a superblock that fits its checksum."""

    slot: int
    page_shift: int
    uuid: bytes
    sequence: int
    commit: int
    frames: int
    held: int
    flags: int
    checkpoint: int
    roots: dict[str, Root]
    names: Names
    snapshot_names: Names
    listed: list[tuple[int, int]]
    tail: bytes

    @property
    def page(self) -> int:
        return 1 << self.page_shift


@dataclass
class Report:
    """What a check has found."""

    faults: list[Fault] = field(default_factory=list)
    lost: list[tuple[int, int]] = field(default_factory=list)
    """Ranges of bytes of the directory's tree that cannot be read."""
    names: int = 0
    snapshots: int = 0
    lost_of: list[tuple[bytes, int, int]] = field(default_factory=list)
    """Names, and ranges of their bytes that cannot be read."""
    fell_back: bool = False
    sequence: int = 0
    commit: int = 0
    size: int = 0
    frames: int = 0
    held: int = 0


# ---- superblocks ----


def read_root(block: bytes, at: int) -> Root:
    """The root at a byte of a superblock."""
    size, bias, levels = unpack_from("<QQB", block, at)
    return Root(size, bias, levels, unpack_from("<4Q", block, at + 24))


def reach(levels: int, page_shift: int) -> int:
    """How many bytes a tree of so many levels reaches."""
    return ROOT_SLOTS << ((page_shift - 3) * (levels - 1) + page_shift)


def root_is_right(root: Root, page_shift: int) -> bool:
    """Does it keep to what the document says of roots?"""
    if root.levels == 0:
        return root.size == 0 and root.bias == 0 and not any(root.entries)
    most = (REACH_BITS - 2 - page_shift) // (page_shift - 3) + 1
    return root.levels <= most and root.size + root.bias <= reach(root.levels, page_shift)


def read_superblock(block: bytes, slot: int) -> Superblock | str:
    """The superblock of a slot, or why there is none."""
    if not any(block):
        return "blank"
    if not block.startswith(MAGIC):
        return "foreign"
    if unpack_from("<I", block, 4092)[0] != zlib.crc32(block[:4092]):
        return "damaged"
    major, _, incompatible = unpack_from("<HHI", block, 8)
    if major != MAJOR or incompatible:
        raise NoStoreError(f"version {major}, incompatible features {incompatible:#x}")
    page_shift, node_bits, root_slots, own_slot, mark = unpack_from("<BBBBI", block, 24)
    fixed = (page_shift - 3, ROOT_SLOTS, slot, 0x01020304)
    if (node_bits, root_slots, own_slot, mark) != fixed or not 6 <= page_shift <= 15:
        return "damaged"
    return _fields(block, slot, page_shift)


def _fields(block: bytes, slot: int, page_shift: int) -> Superblock | str:
    sequence, commit, frames, held, _, flags, listed, logged = unpack_from("<5Q3I", block, 48)
    tail = 512 + 8 * listed
    if listed > 256 or tail + RECORD * logged > 4092:
        return "damaged"
    places = {"directory": 104, "snapshots": 184, "rows": 264, "log": 320}
    found = Superblock(
        slot=slot,
        page_shift=page_shift,
        uuid=block[32:48],
        sequence=sequence,
        commit=commit,
        frames=frames,
        held=held,
        flags=flags,
        checkpoint=unpack_from("<Q", block, 376)[0],
        roots={name: read_root(block, at) for name, at in places.items()},
        names=Names(*unpack_from("<Q4I", block, 160)),
        snapshot_names=Names(*unpack_from("<Q4I", block, 240)),
        listed=[unpack_from("<II", block, 512 + 8 * i) for i in range(listed)],
        tail=block[tail : tail + RECORD * logged],
    )
    right = (
        0 < sequence < 1 << 63
        and first_frame(found) <= frames <= MOST_FRAMES
        and held <= frames
        and found.checkpoint <= sequence
        and found.roots["log"].size % RECORD == 0
        and all(root_is_right(root, page_shift) for root in found.roots.values())
        and names_are_right(found.names, found.roots["directory"])
        and names_are_right(found.snapshot_names, found.roots["snapshots"])
    )
    return found if right else "damaged"


def names_are_right(names: Names, directory: Root) -> bool:
    """Does the header of the names keep to the document?"""
    pages = max(names.pages, 1)
    return (
        names.root < pages
        and names.free < pages
        and names.height <= MOST_HEIGHT
        and bool(names.root) == bool(names.names)
        and (names.root != 0 or names.height == 0)
        and (names.pages < 2 or names.pages * PAGE_OF_NAMES <= directory.size)
        and (names.pages < 2 or directory.bias == 0)
    )


def unit_height(page_shift: int) -> int:
    """The height of the entries that name whole pages of a directory."""
    height = 0
    while page_shift + (page_shift - 3) * height < 12:
        height += 1
    return height


def first_frame(superblock: Superblock) -> int:
    """The first frame that is no superblock."""
    return (SLOTS * SUPERBLOCK) >> superblock.page_shift


# ---- a file ----


class Store:
    """A file, as one of its superblocks describes it."""

    def __init__(self, file: BinaryIO, superblock: Superblock) -> None:
        self.file = file
        self.superblock = superblock
        self.counts: dict[int, int] = {}
        """How many entries name each frame, of those that `walk` has met."""

    def read(self, frame: int) -> bytes:
        page = self.superblock.page
        return os.pread(self.file.fileno(), page, frame * page).ljust(page, b"\0")

    def follow(self, entry: int) -> bytes:
        """The page that an entry names."""
        frame = entry >> 12 & 0x7FFFFFFF
        if not entry & 1 or entry >> 43 & 1:
            raise DamagedError("F3", f"{entry:#x} is no entry of a file")
        if not first_frame(self.superblock) <= frame < self.superblock.frames:
            raise DamagedError("F3", "an entry names a frame that is not there", frame)
        data = self.read(frame)
        checksum = entry >> 1 & 0x7FF | entry >> 44 << 11
        if self.superblock.flags & CHECKSUMS and zlib.crc32(data) & 0x7FFFFFFF != checksum:
            raise DamagedError("F3", "a page does not fit its checksum", frame)
        return data

    def list_is_there(self) -> bool:
        """Is each page on the verify list what the list says?"""
        frames = range(first_frame(self.superblock), self.superblock.frames)
        return all(
            frame in frames and zlib.crc32(self.read(frame)) == crc
            for frame, crc in self.superblock.listed
        )

    def walk(
        self,
        root: Root,
        report: Report | None = None,
        unit: Callable[[bytes], None] | None = None,
    ) -> Iterator[tuple[int, bytes]]:
        """The pages of a tree by number.  Damage goes to the report, or is raised.

        `unit` is called with the bytes of each unit of a directory, where its frame is met first.
        """
        bits = self.superblock.page_shift - 3
        for i, entry in enumerate(root.entries):
            if entry and root.levels:
                height = root.levels - 1
                yield from self._below(entry, height, i << bits * height, report, unit)

    def bytes_of(self, entry: int, height: int) -> bytes:
        """What lies below an entry; nothing is counted."""
        bits = self.superblock.page_shift - 3
        if not entry:
            return bytes(self.superblock.page << bits * height)
        data = self.follow(entry)
        if height == 0:
            return data
        below = unpack_from(f"<{1 << bits}Q", data)
        return b"".join(self.bytes_of(entry, height - 1) for entry in below)

    def _below(
        self,
        entry: int,
        height: int,
        page: int,
        report: Report | None,
        unit: Callable[[bytes], None] | None,
    ) -> Iterator[tuple[int, bytes]]:
        bits = self.superblock.page_shift - 3
        frame = entry >> 12 & 0x7FFFFFFF
        self.counts[frame] = self.counts.get(frame, 0) + 1
        try:
            data = self.follow(entry)
            is_unit = unit and height == unit_height(self.superblock.page_shift)
            if unit and is_unit and self.counts[frame] == 1:
                unit(self.bytes_of(entry, height))
        except DamagedError as error:
            if report is None:
                raise
            report.faults.append(error.fault)
            report.lost.append((page, page + (1 << bits * height)))
            return
        if height == 0:
            yield page, data
        elif self.counts[frame] == 1:
            for i, below in enumerate(unpack_from(f"<{1 << bits}Q", data)):
                if below:
                    first = page + (i << bits * (height - 1))
                    yield from self._below(below, height - 1, first, report, unit)

    def contents(self, root: Root) -> bytes:
        """All bytes of a tree, which had better be small."""
        data = bytearray(root.bias + root.size + self.superblock.page)
        for number, page in Store(self.file, self.superblock).walk(root):
            at = number << self.superblock.page_shift
            data[at : at + len(page)] = page
        return bytes(data[root.bias : root.bias + root.size])


# ---- names ----


class Directory:
    """The names of a store, read from the bytes of the directory."""

    def __init__(self, data: bytes, names: Names) -> None:
        self.data = data
        self.names = names
        self.seen: set[int] = set()

    def page(self, number: int) -> bytes:
        if not 0 < number < self.names.pages or number in self.seen:
            raise DamagedError("F9", f"page {number} of the directory is not there, or named twice")
        self.seen.add(number)
        return self.data[number * PAGE_OF_NAMES : (number + 1) * PAGE_OF_NAMES]

    def entries(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Names with kind and value, in their order."""
        before = b""
        if self.names.root:
            for name, kind, value in self._below(self.names.root, self.names.height, b"", None):
                if name <= before:
                    raise DamagedError("F9", "names are not in their order")
                before = name
                yield name, kind, value

    def _below(
        self, number: int, height: int, least: bytes, past: bytes | None
    ) -> Iterator[tuple[bytes, int, bytes]]:
        page = self.page(number)
        kind, own_height, count = unpack_from("<BBH", page)
        if kind != (INNER if height else LEAF) or own_height != height or not count:
            raise DamagedError("F9", f"page {number} of the directory is of another kind")
        if 12 + 2 * count > PAGE_OF_NAMES:
            raise DamagedError("F9", f"page {number} of the directory has too many records")
        places = unpack_from(f"<{count}H", page, 12)
        if height == 0:
            for at in places:
                name, what, value = _leaf_record(page, at)
                if name < least or (past is not None and name >= past):
                    raise DamagedError("F9", "a name lies in the wrong page")
                yield name, what, value
            return
        children = [_inner_record(page, at) for at in places]
        bounds = [least, *(name for _, name in children[1:])]
        for i, (child, _) in enumerate(children):
            upper = bounds[i + 1] if i + 1 < count else past
            yield from self._below(child, height - 1, bounds[i], upper)

    def check_free(self) -> None:
        """Every page is one of the tree or free."""
        number = self.names.free
        while number:
            kind, _, _, after = unpack_from("<BBHI", self.page(number))
            if kind != FREE:
                raise DamagedError("F9", f"page {number} of the directory is not free")
            number = after
        if len(self.seen) + 1 != max(self.names.pages, 1):
            raise DamagedError("F9", "a page of the directory is lost")


def _leaf_record(page: bytes, at: int) -> tuple[bytes, int, bytes]:
    if at + 4 > PAGE_OF_NAMES:
        raise DamagedError("F9", "a record lies outside of its page")
    length, kind, size = unpack_from("<BBH", page, at)
    if length == 0 or at + 4 + size + length > PAGE_OF_NAMES:
        raise DamagedError("F9", "a record lies outside of its page")
    value = page[at + 4 : at + 4 + size]
    return page[at + 4 + size : at + 4 + size + length], kind, value


def _inner_record(page: bytes, at: int) -> tuple[int, bytes]:
    if at + 5 > PAGE_OF_NAMES:
        raise DamagedError("F9", "a record lies outside of its page")
    child, length = unpack_from("<IB", page, at)
    if at + 5 + length > PAGE_OF_NAMES:
        raise DamagedError("F9", "a record lies outside of its page")
    return child, page[at + 5 : at + 5 + length]


def root_of(kind: int, value: bytes, page_shift: int) -> Root | None:
    """The root that a value is, or None if it is the bytes themselves."""
    if kind == FEW and len(value) <= 104:
        return None
    if kind != ROOT or len(value) != 56:
        raise DamagedError("F9", "a value is neither a root nor few bytes")
    root = read_root(value, 0)
    if not root_is_right(root, page_shift):
        raise DamagedError("F9", "a root of a name is wrong")
    return root


def is_text(name: bytes) -> bool:
    """Whether a name is UTF-8."""
    return name.decode("utf-8", "ignore").encode() == name


def check_names(store: Store, report: Report) -> None:
    """Every name, and the pages below it."""
    block = store.superblock
    if not block.names.pages:
        return
    directory = Directory(store.contents(block.roots["directory"]), block.names)
    for name, kind, value in directory.entries():
        report.names += 1
        if not is_text(name):
            report.faults.append(Fault("F9", f"the name {name!r} is not UTF-8"))
        root = root_of(kind, value, block.page_shift)
        if root:
            found = Report()
            check_tree(store, root, repr(name), found)
            report.faults += found.faults
            report.lost_of += [(name, *bytes_of(pages, root, block.page)) for pages in found.lost]
    if report.names != block.names.names:
        what = f"{report.names} names, and the superblock says {block.names.names}"
        report.faults.append(Fault("F9", what))
    directory.check_free()


# ---- snapshots ----


class Snapshot(NamedTuple):
    """What the tree of snapshots has under a name."""

    name: bytes
    commit: int
    directory: Root
    names: Names


def read_snapshots(store: Store) -> Iterator[Snapshot]:
    """The snapshots, in the order of their names."""
    block = store.superblock
    if not block.snapshot_names.pages:
        return
    tree = Directory(store.contents(block.roots["snapshots"]), block.snapshot_names)
    for name, kind, value in tree.entries():
        if kind != SNAPSHOT or len(value) != SNAPSHOT_VALUE:
            raise DamagedError("F10", "a value is no snapshot")
        directory, names = read_root(value, 16), Names(*unpack_from("<Q4I", value, 72))
        right = root_is_right(directory, block.page_shift) and names_are_right(names, directory)
        commit = unpack_from("<Q", value)[0]
        if not right or commit > block.commit:
            raise DamagedError("F10", f"the snapshot {name!r} is wrong")
        yield Snapshot(name, commit, directory, names)
    tree.check_free()


def roots_in(unit: bytes, page_shift: int) -> Iterator[tuple[bytes, Root]]:
    """Names and roots in pages of a directory."""
    for start in range(0, len(unit), PAGE_OF_NAMES):
        page = unit[start : start + PAGE_OF_NAMES]
        kind, _, count = unpack_from("<BBH", page)
        if kind != LEAF:
            continue
        if 12 + 2 * count > PAGE_OF_NAMES:
            raise DamagedError("F9", "a page of a directory has too many records")
        for at in unpack_from(f"<{count}H", page, 12):
            name, what, value = _leaf_record(page, at)
            root = root_of(what, value, page_shift)
            if root:
                yield name, root


def check_snapshots(store: Store, report: Report) -> None:
    """What snapshots have that nothing before them has."""
    block = store.superblock
    for snapshot in read_snapshots(store):
        report.snapshots += 1
        found = Report()

        def below(unit: bytes, found: Report = found) -> None:
            for name, root in roots_in(unit, block.page_shift):
                check_tree(store, root, repr(name), found)

        check_tree(store, snapshot.directory, "directory", found, below)
        if not found.faults:
            _check_directory(store, snapshot)
        report.faults += [
            fault._replace(what=f"of snapshot {snapshot.name!r}: {fault.what}")
            for fault in found.faults
        ]


def _check_directory(store: Store, snapshot: Snapshot) -> None:
    names = 0
    if snapshot.names.pages:
        directory = Directory(store.contents(snapshot.directory), snapshot.names)
        for _, kind, value in directory.entries():
            names += 1
            root_of(kind, value, store.superblock.page_shift)
        directory.check_free()
    if names != snapshot.names.names:
        what = f"{names} names, and the snapshot {snapshot.name!r} says {snapshot.names.names}"
        raise DamagedError("F10", what)


# ---- space ----


class Record(NamedTuple):
    """A record of the log, with the sequence number of its group."""

    sequence: int
    frame: int
    length: int
    count: int


def records(log: bytes) -> Iterator[Record]:
    """What a log says, from front to back."""
    sequence = 0
    for at in range(0, len(log), RECORD):
        frame, length, count = unpack_from("<III", log, at)
        if frame == 0:
            sequence = count << 32 | length
        else:
            yield Record(sequence, frame, length, count)


def check_record(record: Record, before: int, superblock: Superblock) -> str | None:
    """What is wrong with a record that follows one of a group `before`."""
    if record.length == 0 or record.frame < first_frame(superblock):
        return "a record names no frame"
    if record.frame + record.length > superblock.frames:
        return "a record names a frame that is not there"
    if record.sequence > superblock.sequence:
        return "a group is of a later commit"
    if record.sequence < before:
        return "a group is older than the one before it"
    if record.sequence < superblock.checkpoint and record.count:
        return "a group from before the checkpoint has a frame that does not wait"
    return None


def read_counts(store: Store, report: Report) -> dict[int, int]:
    """The counts that rows, log and tail make together."""
    counts: dict[int, int] = {}
    superblock = store.superblock
    per_page = superblock.page // 4
    rows, log = superblock.roots["rows"], superblock.roots["log"]
    for page, data in store.walk(rows):
        for i, count in enumerate(unpack_from(f"<{per_page}I", data)):
            if count:
                counts[page * per_page + i] = count
    before = 0
    for record in records(store.contents(log) + superblock.tail):
        if wrong := check_record(record, before, superblock):
            report.faults.append(Fault("F5", wrong, record.frame))
            break
        before = record.sequence
        for frame in range(record.frame, record.frame + record.length):
            counts[frame] = record.count
    for _ in store.walk(log):
        pass  # its frames are named, too
    return {frame: count for frame, count in counts.items() if count}


def compare_counts(store: Store, counts: dict[int, int], report: Report) -> None:
    """F6 and F7."""
    for frame in sorted(counts.keys() | store.counts.keys()):
        counted, named = counts.get(frame, 0), store.counts.get(frame, 0)
        if counted != named:
            what = f"{named} entries name a frame that counts {counted}"
            report.faults.append(Fault("F6", what, frame))
    held = len(counts) + first_frame(store.superblock)
    if held != store.superblock.held:
        what = f"{held} frames are held, and the superblock says {store.superblock.held}"
        report.faults.append(Fault("F7", what))


# ---- the check ----


def choose(file: BinaryIO, report: Report) -> tuple[Store, Store | None]:
    """The superblock to believe, and the older one if there is one."""
    blocks = [os.pread(file.fileno(), SUPERBLOCK, slot * SUPERBLOCK) for slot in range(SLOTS)]
    slots = [read_superblock(block.ljust(SUPERBLOCK, b"\0"), i) for i, block in enumerate(blocks)]
    found = [Store(file, slot) for slot in slots if isinstance(slot, Superblock)]
    found.sort(key=lambda store: store.superblock.sequence, reverse=True)
    size = os.fstat(file.fileno()).st_size
    for i, store in enumerate(found):
        block = store.superblock
        if block.frames << block.page_shift <= size and store.list_is_there():
            report.fell_back = i > 0 or "damaged" in slots
            return store, found[1] if i == 0 and len(found) == 2 else None
    if found or "damaged" in slots:
        raise DamagedError("F1", "no superblock can be believed")
    raise NoStoreError("no superblock")


def check_edges(root: Root, page: int, number: int, data: bytes) -> str | None:
    """F4, of one page."""
    end = root.bias + root.size
    at = number * page
    if at >= end or at + page <= root.bias:
        return "a page lies outside of its tree"
    if end < at + page and any(data[end - at :]):
        return "bytes behind the end are not zero"
    return None


def check_tree(
    store: Store,
    root: Root,
    name: str,
    report: Report,
    unit: Callable[[bytes], None] | None = None,
) -> None:
    """Every page of a tree."""
    for number, data in store.walk(root, report, unit):
        if wrong := check_edges(root, store.superblock.page, number, data):
            report.faults.append(Fault("F4", f"{name}: {wrong}"))


def check_older(store: Store, older: Store, report: Report) -> None:
    """F2 and F8: the older superblock would do if the newer one rots."""
    if older.superblock.uuid != store.superblock.uuid:
        report.faults.append(Fault("F2", "the slots are of two stores"))
    found = Report()
    try:
        for name, root in older.superblock.roots.items():
            check_tree(older, root, name, found)
        if not found.faults:
            check_names(older, found)
            check_snapshots(older, found)
    except DamagedError as error:
        found.faults.append(error.fault)
    report.faults += [
        Fault("F8", f"of the older superblock: {fault.what}", fault.frame) for fault in found.faults
    ]


def check(path: str | Path) -> Report:
    """Check everything.  Raises NoStoreError."""
    report = Report()
    with Path(path).open("rb") as file:
        try:
            store, older = choose(file, report)
            block = store.superblock
            report.sequence, report.commit = block.sequence, block.commit
            report.frames, report.held = block.frames, block.held
            report.size = block.roots["directory"].size
            check_tree(store, block.roots["directory"], "directory", report)
            snapshots = Report()
            check_tree(store, block.roots["snapshots"], "snapshots", snapshots)
            report.faults += snapshots.faults
            check_names(store, report)
            check_snapshots(store, report)
            compare_counts(store, read_counts(store, report), report)
            if older:
                check_older(store, older, report)
        except DamagedError as error:
            report.faults.append(error.fault)
    if report.lost:
        report.lost = [bytes_of(p, block.roots["directory"], block.page) for p in report.lost]
    return report


def bytes_of(pages: tuple[int, int], root: Root, page: int) -> tuple[int, int]:
    """The bytes of a tree that lie in a range of its pages."""
    first, past = (number * page - root.bias for number in pages)
    return max(first, 0), min(past, root.size)


def contents(path: str | Path) -> bytes:
    """The bytes of the directory's tree."""
    with Path(path).open("rb") as file:
        store, _ = choose(file, Report())
        return store.contents(store.superblock.roots["directory"])


def named(path: str | Path) -> dict[str, bytes]:
    """The names of a store, and the bytes that each shows."""
    with Path(path).open("rb") as file:
        store, _ = choose(file, Report())
        block = store.superblock
        return _named(store, block.roots["directory"], block.names)


def _named(store: Store, root: Root, names: Names) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, kind, value in Directory(store.contents(root), names).entries():
        below = root_of(kind, value, store.superblock.page_shift)
        found[name.decode()] = store.contents(below) if below else value
    return found


def snapshots(path: str | Path) -> dict[str, dict[str, bytes]]:
    """The snapshots of a store, and the names of each."""
    with Path(path).open("rb") as file:
        store, _ = choose(file, Report())
        return {
            snapshot.name.decode(): _named(store, snapshot.directory, snapshot.names)
            for snapshot in read_snapshots(store)
        }


def describe(path: str, report: Report) -> str:
    """What a check found, in words."""
    state = "damaged" if report.faults else "whole"
    frames = f"{report.held} of {report.frames} frames held"
    what = f"{report.size} bytes, {report.names} names, {frames}"
    what += f", {report.snapshots} snapshots" if report.snapshots else ""
    lines = [f"{path}: {state}: commit {report.commit}, {what}"]
    if report.fell_back:
        lines.append("    the newest superblock is not believed")
    lines += [f"    {fault}" for fault in report.faults]
    lines += [f"    lost: bytes {first} to {past}" for first, past in report.lost]
    lines += [f"    lost of {name!r}: bytes {a} to {b}" for name, a, b in report.lost_of]
    return "\n".join(lines)


def main(paths: list[str]) -> int:
    """Check files and print what was found; return the exit status."""
    status = 0
    for path in paths:
        try:
            report = check(path)
        except (NoStoreError, OSError) as error:
            print(f"{path}: no store: {error}")
            status = 2
            continue
        print(describe(path, report))
        status = max(status, int(bool(report.faults)))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
