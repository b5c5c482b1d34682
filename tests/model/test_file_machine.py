"""Files and io.BytesIO give the same result or exception for each call, and have the same position
and bytes after it.  In between the tests export views, and several files are open on one buffer."""

from __future__ import annotations

import io
import os
import pickle
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

import pagebuf
from tests.helpers import PAGE, around, reach
from tests.support import assert_accounted

EDGES = [0, *around(1, pagebuf.INLINE_SIZE, PAGE, 2 * PAGE, reach(1))]
offsets = st.one_of(st.sampled_from(EDGES), st.integers(0, 5 * PAGE))
sizes = st.one_of(st.none(), st.just(-1), offsets)


@st.composite
def chunks(draw: st.DrawFn) -> bytes:
    """Up to some pages of bytes, with a newline here and there."""
    piece = draw(st.binary(min_size=1, max_size=40)).replace(b"\0", b"\n")
    return (piece * (5 * PAGE))[: draw(offsets)]


def outcome(call: Any) -> Any:
    """The result of a call, or the type of its exception."""
    try:
        return call()
    except (ValueError, OSError, OverflowError, TypeError, BufferError) as error:
        kind = type(error)
        return OverflowError if issubclass(kind, OverflowError) else kind


class FileCalls(RuleBasedStateMachine):
    """The calls that every file has.  A pair is our file and theirs."""

    def pair(self, which: int) -> tuple[Any, Any]:
        raise NotImplementedError

    def both(self, which: int, name: str, *args: Any) -> None:
        ours, theirs = self.pair(which)
        got, want = (
            outcome(lambda: getattr(ours, name)(*args)),
            outcome(lambda: getattr(theirs, name)(*args)),
        )
        assert got == want, (name, args)
        assert type(got) is type(want)

    which = st.integers(0, 2)

    @rule(which=which, size=sizes, name=st.sampled_from(["read", "read1", "readline"]))
    def read(self, which: int, size: int | None, name: str) -> None:
        self.both(which, name, size)

    @rule(which=which, size=st.integers(1, 30))
    def read_a_little(self, which: int, size: int) -> None:
        for _ in range(5):
            self.both(which, "read", size)

    @rule(which=which, hint=sizes)
    def readlines(self, which: int, hint: int | None) -> None:
        self.both(which, "readlines", hint)

    @rule(which=which, count=st.integers(1, 30))
    def lines(self, which: int, count: int) -> None:
        ours, theirs = self.pair(which)
        for _ in range(count):
            assert next(ours, None) == next(theirs, None)

    @rule(which=which, size=offsets, name=st.sampled_from(["readinto", "readinto1"]))
    def readinto(self, which: int, size: int, name: str) -> None:
        ours, theirs = self.pair(which)
        mine, yours = bytearray(b"\x55" * size), bytearray(b"\x55" * size)
        got, want = (
            outcome(lambda: getattr(ours, name)(mine)),
            outcome(lambda: getattr(theirs, name)(yours)),
        )
        assert (got, mine) == (want, yours)

    @rule(which=which, data=chunks())
    def write(self, which: int, data: bytes) -> None:
        self.both(which, "write", data)

    @rule(which=which, data=st.binary(min_size=1, max_size=30), count=st.integers(1, 60))
    def write_a_little(self, which: int, data: bytes, count: int) -> None:
        for _ in range(count):
            self.both(which, "write", data)

    @rule(which=which, lines=st.lists(chunks(), max_size=3))
    def writelines(self, which: int, lines: list[bytes]) -> None:
        self.both(which, "writelines", lines)

    @rule(which=which, offset=offsets)
    def seek(self, which: int, offset: int) -> None:
        self.both(which, "seek", offset)

    @rule(which=which, offset=st.integers(-3 * PAGE, 3 * PAGE), whence=st.integers(-1, 2))
    def seek_from(self, which: int, offset: int, whence: int) -> None:
        self.both(which, "seek", offset, whence)

    @rule(which=which, size=sizes)
    def peek(self, which: int, size: int | None) -> None:
        ours, theirs = self.pair(which)
        at = ours.tell()
        got = ours.peek(size)
        assert ours.tell() == at
        assert got == theirs.read(size)[:8192]
        theirs.seek(at)

    @rule(which=which, size=offsets, offset=offsets)
    def read_at(self, which: int, size: int, offset: int) -> None:
        ours, theirs = self.pair(which)
        assert ours.read_at(offset, size) == theirs.getvalue()[offset : offset + size]


class BytesIOMachine(FileCalls):
    views = Bundle("views")

    def __init__(self) -> None:
        super().__init__()
        self.exported: list[tuple[memoryview, memoryview]] = []
        self.stable: list[tuple[memoryview, bytes]] = []

    @initialize(data=chunks())
    def start(self, data: bytes) -> None:
        self.ours, self.theirs = pagebuf.BytesIO(data), io.BytesIO(data)

    def pair(self, which: int) -> tuple[Any, Any]:
        return self.ours, self.theirs

    @rule(size=sizes)
    def truncate(self, size: int | None) -> None:
        self.both(0, "truncate", size)

    @rule(data=st.one_of(st.none(), chunks(), chunks().map(bytearray)))
    def init(self, data: Any) -> None:
        if self.exported:  # io.BytesIO refuses as well, but loses its bytes
            assert outcome(lambda: self.ours.__init__(data)) is BufferError
        else:
            self.both(0, "__init__", data)

    @rule(protocol=st.integers(2, pickle.HIGHEST_PROTOCOL))
    @precondition(lambda self: not self.exported)
    def pickle(self, protocol: int) -> None:
        self.ours = pickle.loads(pickle.dumps(self.ours, protocol))

    @rule(data=chunks(), at=offsets)
    def setstate(self, data: bytes, at: int) -> None:
        self.both(0, "__setstate__", (data, at, None))

    @rule(data=st.sampled_from([b"reopened", bytearray(b"refused"), None]))
    @precondition(lambda self: not self.exported)
    def close_and_init(self, data: Any) -> None:
        self.both(0, "close")
        self.both(0, "read")
        self.both(0, "write", b"x")
        self.both(0, "__init__", data)
        assert self.ours.closed is self.theirs.closed
        if self.ours.closed:
            self.ours, self.theirs = pagebuf.BytesIO(), io.BytesIO()

    @rule(target=views)
    def getbuffer(self) -> tuple[memoryview, memoryview]:
        pair = self.ours.getbuffer(), self.theirs.getbuffer()
        assert pair[0].readonly is False
        self.exported.append(pair)
        return pair

    @rule(pair=consumes(views))
    def release(self, pair: tuple[memoryview, memoryview]) -> None:
        self.exported = [other for other in self.exported if other is not pair]
        for view in pair:
            view.release()

    @rule(pair=views, at=offsets, data=st.binary(min_size=1, max_size=20))
    def store(self, pair: tuple[memoryview, memoryview], at: int, data: bytes) -> None:
        room = max(0, len(pair[1]) - at)
        for view in pair:
            view[at : at + min(room, len(data))] = data[:room]

    @rule()
    def close_while_exported(self) -> None:
        if self.exported:
            self.both(0, "close")

    @rule(size=sizes)
    def read_buffer(self, size: int | None) -> None:
        view, want = self.ours.read_buffer(size), self.theirs.read(size)
        assert view == want
        assert view.readonly
        self.stable = [*self.stable[-3:], (view, want)]

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "ours"):
            return
        self.ours.check()
        assert self.ours.tell() == self.theirs.tell()
        assert self.ours.getvalue() == self.theirs.getvalue()
        for mine, yours in self.exported:
            assert mine == yours
        for view, want in self.stable:
            assert view == want

    def teardown(self) -> None:
        for mine, yours in self.exported:
            mine.release()
            yours.release()
        pagebuf.default_pool().check()


class Model:
    """A model of several files on one buffer: they share the bytes, and each has a position."""

    def __init__(self, files: int) -> None:
        self.data = b""
        self.at = [0] * files

    def file(self, which: int) -> Shared:
        return Shared(self, which)


class Shared:
    """One file of the model.  Each call goes to a new io.BytesIO."""

    def __init__(self, model: Model, which: int) -> None:
        self.model, self.which = model, which

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            file = io.BytesIO(self.model.data)
            file.seek(self.model.at[self.which])
            try:
                return getattr(file, name)(*args)
            finally:
                self.model.data, self.model.at[self.which] = file.getvalue(), file.tell()

        return call

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def seek(self, offset: int, whence: int = 0) -> int:
        """As in io.BytesIO, but a file does not go before its beginning."""
        base = {0: 0, 1: self.model.at[self.which], 2: len(self.model.data)}.get(whence)
        if base is None:
            raise ValueError
        if base + offset < 0:
            raise OSError
        self.model.at[self.which] = base + offset
        return base + offset

    def readlines(self, hint: int | None = None) -> list[bytes]:
        """A real file stops behind the line with which there are more bytes than the hint."""
        return self.__getattr__("readlines")(hint + 1 if hint and hint > 0 else None)  # type: ignore[no-any-return]

    def truncate(self, size: int | None) -> int:
        size = self.model.at[self.which] if size is None else size
        if size < 0:
            raise ValueError
        self.model.data = self.model.data[:size].ljust(size, b"\0")
        return size


class PageFileMachine(FileCalls):
    def __init__(self) -> None:
        super().__init__()
        self.pool = pagebuf.PagePool()
        self.stable: list[tuple[memoryview, bytes]] = []

    @initialize(data=chunks(), front=st.sampled_from([0, 1, PAGE + 1]))
    def start(self, data: bytes, front: int) -> None:
        self.buf = pagebuf.PageBuffer(bytes(front) + data, pool=self.pool)
        self.buf.take_bytes(front)  # the first byte of the tree is not at the start of a page
        self.model = Model(3)
        self.model.data = data
        self.files = [self.buf.open() for _ in range(3)]

    def pair(self, which: int) -> tuple[Any, Any]:
        return self.files[which], self.model.file(which)

    @rule(which=FileCalls.which, size=sizes)
    def truncate(self, which: int, size: int | None) -> None:
        self.both(which, "truncate", size)

    @rule(data=chunks())
    def append(self, data: bytes) -> None:
        with self.buf.open("ab") as file:
            file.seek(0)
            assert file.write(data) == len(data)
        self.model.data += data

    @rule(which=FileCalls.which, size=sizes)
    def read_buffer(self, which: int, size: int | None) -> None:
        view, want = self.files[which].read_buffer(size), self.model.file(which).read(size)
        assert view == want
        self.stable = [*self.stable[-3:], (view, want)]

    @rule(size=offsets)
    def take(self, size: int) -> None:
        size = min(size, len(self.buf))
        assert self.buf.take_bytes(size) == self.model.data[:size]
        self.model.data = self.model.data[size:]

    @rule(which=FileCalls.which)
    def reopen(self, which: int) -> None:
        self.files[which].close()
        self.files[which] = pagebuf.PageFile(self.buf)
        self.model.at[which] = 0

    @rule(which=FileCalls.which, offset=offsets)
    def holes(self, which: int, offset: int) -> None:
        """SEEK_DATA and SEEK_HOLE find what extents() lists."""
        file, extents = self.files[which], self.buf.extents()
        data = next((max(offset, at) for at, size in extents if at + size > offset), None)
        inside = [at + size for at, size in extents if at <= offset < at + size]
        for whence, want in [
            (os.SEEK_DATA, data),
            (os.SEEK_HOLE, inside[0] if inside else offset),
        ]:
            if offset >= len(self.buf) or want is None:
                assert outcome(lambda whence=whence: file.seek(offset, whence)) is OSError
            else:
                assert file.seek(offset, whence) == want
                self.model.at[which] = want

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "files"):
            return
        self.buf.check()
        assert [file.tell() for file in self.files] == self.model.at
        assert self.buf.tobytes() == self.model.data
        for view, want in self.stable:
            assert view == want

    def teardown(self) -> None:
        assert_accounted(self.pool)


TestBytesIO = BytesIOMachine.TestCase
TestPageFile = PageFileMachine.TestCase
