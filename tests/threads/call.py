"""The classes of the tables of calls, and a function that makes results comparable.

A table has one entry or more for each public method of a type.  `race.py` makes two calls of a
table in two threads on one object; `pairs.py` has all pairs."""

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
"""The number of bytes that one call appends, each of them the letter of its thread."""

LARGE = (1 << 18) + PAGE // 2 + 3
"""A copy of this many bytes runs without the GIL, from a read snapshot."""


SANITIZED = "thread-sanitizer" in (sysconfig.get_config_var("CONFIG_ARGS") or "")


def store(view: memoryview, data: bytes) -> None:
    """Store through a live view.  Threads race there as they do on a bytearray, which is up to the
    caller; but ThreadSanitizer would report it, so this does nothing under it."""
    if not SANITIZED:
        view[: len(data)] = data


def nothing(obj: Any) -> None:
    return None


@dataclass(frozen=True)
class Raised:
    """The result of a call that raised."""

    name: str


@dataclass(frozen=True)
class Call:
    """`do` gets the object, the result of `beside` or `before`, and the thread's letter."""

    name: str  # of the method; a word after it distinguishes two entries
    do: Callable[[Any, Any, bytes], Any]
    may: tuple[type[Exception], ...] = ()  # what it may raise when the other call came first
    looks: bool = False  # it does not change the contents
    adds: bool = False  # it appends a RECORD
    takes: bool = False  # it removes the first bytes and returns them
    steps: bool = False  # it takes effect in several steps: no order is asserted, only the checks
    refuses: bool = False  # it always raises one of `may`
    beside: Callable[[Any], Any] = nothing  # makes something else on the object's pool, beforehand
    before: Callable[[Any], Any] = nothing  # calls the object beforehand, and may change it
    needs: str = ""  # a package that must be installed

    @property
    def method(self) -> str:
        return self.name.split(" ")[0]

    @property
    def at_once(self) -> bool:
        """Whether the call takes effect at one moment, together with what `before` does."""
        return not self.steps and self.before is nothing

    def given(self, obj: Any) -> Any:
        """What `do` gets; a `Raised` if the object refused to make it."""
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
    """An initial state: `make` returns an object, and whatever must live as long as it."""

    name: str
    make: Callable[[pagebuf.PagePool], tuple[Any, Any]]
    often: int = 1  # its weight in the choice of a shape
    burst: int = 16  # calls in a row
    grows: bool = True  # an append adds to the end of the contents


@dataclass(frozen=True)
class Kind:
    """A type, its calls, and functions that make and inspect its objects."""

    type: type
    calls: Sequence[Call]
    shapes: Sequence[Shape]
    state: Callable[[Any], Any]  # everything in which two objects can differ
    contents: Callable[[Any], bytes | None]  # None: closed
    check: Callable[[Any], Any]
    left_out: Sequence[str] = ()  # methods without an entry

    @property
    def name(self) -> str:
        return self.type.__name__


# ---- shapes of buffers ----


def short(pool: pagebuf.PagePool) -> Any:
    return pagebuf.PageBuffer(pattern(0, 40), pool=pool)


def paged(pool: pagebuf.PagePool) -> Any:
    return pagebuf.PageBuffer(pattern(0, 2 * PAGE + 100), pool=pool)


def shared(pool: pagebuf.PagePool) -> Any:
    """A buffer with a bias and a hole."""
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
    """The part of a result that two equal results have in common."""
    if isinstance(result, (list, tuple)) and type(result) in (list, tuple):
        return [plain(each) for each in result]
    for kind, read in READERS:
        if isinstance(result, kind):
            return read(result)
    return result
