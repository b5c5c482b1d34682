"""What a table of calls is made of, and what makes results comparable.

A table has one entry, at least, for each public method of a type.  `race.py` makes two of
its calls in two threads on one object; `pairs.py` has all pairs."""

from __future__ import annotations

import io
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pagebuf
from tests.helpers import PAGE
from tests.support import pattern

RECORD = 100
"""Bytes that one call appends: all of them the letter of its thread."""

LARGE = (1 << 18) + PAGE // 2 + 3
"""Copies of so many bytes are made without the GIL, and from a hold on the pages."""


SANITIZED = "thread-sanitizer" in (sysconfig.get_config_var("CONFIG_ARGS") or "")


def store(view: memoryview, data: bytes) -> None:
    """Through a live view: plain memory, on which threads race as they do on a bytearray.  That
    is the caller's affair, but ThreadSanitizer would tell."""
    if not SANITIZED:
        view[: len(data)] = data


def nothing(obj: Any) -> None:
    return None


@dataclass(frozen=True)
class Raised:
    """What a call gave that was refused."""

    name: str


@dataclass(frozen=True)
class Call:
    """`do` gets the object, what `beside` or `before` made for it, and the thread's letter."""

    name: str  # the method's; a word behind it tells two entries apart
    do: Callable[[Any, Any, bytes], Any]
    may: tuple[type[Exception], ...] = ()  # what it raises when the other call came first
    looks: bool = False  # it leaves the contents as they are
    adds: bool = False  # it appends a RECORD
    takes: bool = False  # it returns the first bytes, which go
    steps: bool = False  # more than one moment: only the checks judge it
    refuses: bool = False  # it raises one of `may` always
    beside: Callable[[Any], Any] = nothing  # made beforehand of the object's pool
    before: Callable[[Any], Any] = nothing  # made beforehand of the object, which it may change
    needs: str = ""  # a package

    @property
    def method(self) -> str:
        return self.name.split(" ")[0]

    @property
    def at_once(self) -> bool:
        """Whether it takes effect at one moment, what is made beforehand included."""
        return not self.steps and self.before is nothing

    def given(self, obj: Any) -> Any:
        """What `do` is to get; where the object refuses to make it, that."""
        make = self.beside if self.before is nothing else self.before
        try:
            return make(obj)
        except self.may as error:
            return Raised(type(error).__name__)

    def __call__(self, obj: Any, given: Any, letter: bytes) -> Any:
        if isinstance(given, Raised):
            return given
        try:
            return self.do(obj, given, letter)
        except self.may as error:
            return Raised(type(error).__name__)


@dataclass(frozen=True)
class Shape:
    """How objects of a type begin: `make` returns one, and what has to live as long."""

    name: str
    make: Callable[[pagebuf.PagePool], tuple[Any, Any]]
    often: int = 1  # of sixteen rounds
    burst: int = 16  # calls in a row
    grows: bool = True  # what is appended goes behind what is there


@dataclass(frozen=True)
class Kind:
    """A type, its calls, and how its objects are made and judged."""

    type: type
    calls: Sequence[Call]
    shapes: Sequence[Shape]
    state: Callable[[Any], Any]  # all that two objects can differ in
    contents: Callable[[Any], bytes | None]  # None: closed
    check: Callable[[Any], Any]
    left_out: Sequence[str] = ()  # methods that are called by nobody's code

    @property
    def name(self) -> str:
        return self.type.__name__


# ---- shapes of buffers ----


def short(pool: pagebuf.PagePool) -> Any:
    return pagebuf.PageBuffer(pattern(0, 40), pool=pool)


def paged(pool: pagebuf.PagePool) -> Any:
    return pagebuf.PageBuffer(pattern(0, 2 * PAGE + 100), pool=pool)


def shared(pool: pagebuf.PagePool) -> Any:
    """With a bias and a hole; all pages are a snapshot's as well."""
    buf = pagebuf.PageBuffer(pattern(0, 4 * PAGE), pool=pool)
    buf.take_bytes(PAGE // 2 + 1)
    buf.punch(PAGE, PAGE + PAGE // 2)
    return buf


def large(pool: pagebuf.PagePool) -> Any:
    return pagebuf.PageBuffer(pattern(0, LARGE), pool=pool)


def other(obj: Any) -> Any:
    """A buffer of the same pool that begins as `paged` does."""
    buf = pagebuf.PageBuffer(pattern(0, PAGE), pool=obj.pool)
    buf.extend(pattern(7, PAGE + 9))
    return buf


def another_pool(obj: Any) -> pagebuf.PagePool:
    return pagebuf.PagePool(name="another")


# ---- results ----

READERS: list[tuple[type | tuple[type, ...], Callable[[Any], Any]]] = [
    (pagebuf.PageBuffer, lambda r: (r.tobytes(), r.frozen, r.name)),
    (pagebuf.ByteQueue, lambda r: r.peek()),
    ((memoryview, bytearray), bytes),
    (io.BufferedIOBase, lambda r: type(r).__name__),
    (pagebuf.PagePool, lambda r: ("pool", r.name)),
    (pagebuf.Delta, bytes),
    (pagebuf.PoolStats, lambda r: (r.held, r.nodes, r.pinned, r.shared, r.reserved, r.limit)),
    (pagebuf.BufferStats, lambda r: (r.size, r.levels)),
    (pagebuf.Usage, lambda r: (r.kind, r.name, r.size)),
    (pagebuf.Walk, lambda r: (r.offset, r.found, r.stop)),
]


def plain(result: Any) -> Any:
    """What two results have to have in common to be the same."""
    if isinstance(result, (list, tuple)) and type(result) in (list, tuple):
        return [plain(each) for each in result]
    for kind, read in READERS:
        if isinstance(result, kind):
            return read(result)
    return result
