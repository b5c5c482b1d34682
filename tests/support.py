"""Code that the tests of pool, tree and buffer share: bytes that depend on their offset, a model of
the pages of a buffer, and records of the state that a refused call must not change."""

from __future__ import annotations

import contextlib
import pathlib
import random
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

import pagebuf
from tests.helpers import FANOUT, PAGE, around, drawing, reach

INLINE: int = pagebuf.INLINE_SIZE
FEW: int = INLINE + 3  # just too many bytes for the object itself: they take a page

# Was this interpreter built without a GIL, whether it is on or not?
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

# A prime period, so that with pages of 4 KiB no two pages within a GiB have the same bytes.
_PERIOD = 262_147
_STREAM = bytes(1 + b % 255 for b in random.Random(2059).randbytes(_PERIOD)) * 2


def pattern(offset: int, size: int, salt: int = 0) -> bytes:
    """`size` bytes that depend on their offset, none of them zero.  So a test sees swapped pages,
    lost bytes, and holes where bytes should be."""
    start = (offset + salt * 7919) % _PERIOD
    if size <= _PERIOD:
        return _STREAM[start : start + size]
    turned = _STREAM[start : start + _PERIOD]
    return (turned * (size // _PERIOD + 1))[:size]


# Numbers of levels whose whole reach a quick test can fill with bytes.
DENSE_LEVELS = [
    levels for levels in range(1, pagebuf.MAX_LEVELS + 1) if levels <= 2 or reach(levels) <= 1 << 14
]
ALL_LEVELS = range(1, pagebuf.MAX_LEVELS + 1)
DENSE_SIZES = around(0, PAGE, *map(reach, DENSE_LEVELS))


def slot_span(levels: int) -> int:
    """Bytes under one entry of the root."""
    return reach(levels) // 4


def levels_for(end: int) -> int:
    """How many levels a tree needs whose last position is `end - 1`."""
    levels = 1
    while reach(levels) < end:
        levels += 1
    return levels


def room_in_front(bias: int, size: int, levels: int, count: int) -> tuple[int, int]:
    """Bias and levels after a prepend: free slots of the root come first, then a taller tree."""
    while bias < count:
        span = slot_span(levels)
        slots = -(-(count - bias) // span)
        if slots <= 3 - (bias + size - 1) // span:
            bias += slots * span
        else:
            bias += span * (FANOUT // 2 if FANOUT // 2 + 4 <= FANOUT else 0)
            levels += 1
    return bias - count, levels


def nodes_for(pages: Iterable[int], levels: int) -> int:
    """How many nodes a tree needs for the pages of these numbers, if all others are holes."""
    above = set(pages)
    count = 0
    for _ in range(levels - 1):
        above = {page // FANOUT for page in above}
        count += len(above)
    return count


def dense(pages: int) -> int:
    """How many frames a buffer of `pages` pages without holes takes."""
    return pages + nodes_for(range(pages), levels_for(pages * PAGE))


class PageMap:
    """A model of a buffer that knows which pages it must have, but no bytes.

    It numbers pages by position, from the first byte ever written.  `base` is the position of
    offset 0, so taking bytes off the front changes no number.  A tiny buffer has no page: its bytes
    lie in the object until they are too many."""

    def __init__(self) -> None:
        self.size = 0
        self.base = 0
        self.prepended = 0  # by the last call
        self.inline = INLINE > 0
        self.pages: set[int] = set()
        self.unsure: set[int] = set()

    def copy(self) -> PageMap:
        other = PageMap()
        other.__dict__.update(self.__dict__)
        other.pages = set(self.pages)
        other.prepended = 0
        return other

    def write(self, offset: int, size: int) -> None:
        if size:
            self._reach(offset + size)
            start = self.base + offset
            if not self.inline:
                self.pages.update(range(start // PAGE, (start + size - 1) // PAGE + 1))
            self.size = max(self.size, offset + size)

    def _reach(self, end: int) -> None:
        """Move the bytes of a tiny buffer to a page, if `end` is too large for the object."""
        if self.inline and end > INLINE:
            self.inline = False
            if self.size:
                self.pages.add(0)

    def truncate(self, size: int) -> None:
        self._reach(size)
        self.size = size
        self._drop_outside()

    def take(self, count: int) -> None:
        if not self.inline:
            self.base += count
        self.size -= count
        self._drop_outside()

    def prepend(self, count: int) -> None:
        """Numbers of pages may fall below zero.  The few bytes of a tiny buffer move up."""
        if self.inline or not self.size:
            self.write(0, self.size + count)
        elif count:
            self.base -= count
            self.size += count
            self.prepended = count
            self.pages.update(range(self.base // PAGE, (self.base + count - 1) // PAGE + 1))

    def punch(self, offset: int, size: int) -> None:
        """Only a part of the page at an end may belong to the buffer.  If all of that part is
        punched, the buffer may keep or drop the page.  `agree` then asks the buffer."""
        start, stop = self.base + offset, self.base + min(self.size, offset + size)
        if start >= stop:
            return
        self.pages -= set(self._within(-(-start // PAGE), stop // PAGE))
        if stop == self.base + self.size and stop % PAGE:
            self._maybe(stop // PAGE, start)
        if start == self.base and start % PAGE:
            self._maybe(start // PAGE, start, stop)

    def _maybe(self, page: int, start: int, stop: int | None = None) -> None:
        first = max(page * PAGE, self.base)
        last = min((page + 1) * PAGE, self.base + self.size)
        if page in self.pages and start <= first and (stop is None or last <= stop):
            self.unsure.add(page)

    def _within(self, first: int, stop: int) -> list[int]:
        return [page for page in self.pages if first <= page < stop]

    def _drop_outside(self) -> None:
        if not self.size:
            self.pages.clear()
            self.inline = INLINE > 0
            self.base = 0
            return
        first, stop = self.base // PAGE, -(-(self.base + self.size) // PAGE)
        self.pages = set(self._within(first, stop))

    def extents(self) -> list[tuple[int, int]]:
        if self.inline:
            return [(0, self.size)] if self.size else []
        found: list[tuple[int, int]] = []
        for page in sorted(self.pages):
            start = max(0, page * PAGE - self.base)
            stop = min(self.size, (page + 1) * PAGE - self.base)
            if found and sum(found[-1]) == start:
                start = found.pop()[0]
            found.append((start, stop - start))
        return found

    def agree(self, buf: Any) -> None:
        """Ask the buffer whether it dropped the pages that `punch` leaves open."""
        if self.unsure:
            real = {page for start, size in buf.extents() for page in self._numbers(start, size)}
            self.pages -= self.unsure - real
            self.unsure.clear()

    def _numbers(self, start: int, size: int) -> range:
        at = self.base + start
        return range(at // PAGE, (at + size - 1) // PAGE + 1)

    def frames(self, bias: int, levels: int) -> tuple[int, int]:
        """How many data pages and nodes a tree of this bias and height needs."""
        skipped = (self.base - bias) // PAGE
        return len(self.pages), nodes_for((page - skipped for page in self.pages), levels)

    def assert_shape(self, buf: Any) -> None:
        """Assert everything that the buffer says about itself, apart from its bytes."""
        st = buf.stats()
        assert len(buf) == buf.nbytes == st.size == self.size
        assert buf.extents() == self.extents()
        assert buf.levels == st.levels
        assert st.bias % PAGE == self.base % PAGE
        assert st.bias < slot_span(st.levels), "the root slot left behind was not given up"
        assert st.levels == levels_for(st.bias + st.size), "a level too many or too few"
        assert (st.pages, st.nodes) == self.frames(st.bias, st.levels)
        slots = -(-(st.bias + st.size) // PAGE) - st.bias // PAGE if st.size else 0
        assert st.holes == (0 if self.inline else slots - st.pages)
        assert st.resident == (st.pages + st.nodes) * PAGE
        assert st.shared == 0


def written(size: int) -> PageMap:
    """The model of a buffer of `size` bytes without holes."""
    expected = PageMap()
    expected.write(0, size)
    return expected


def cut_down(buf: Any, expected: PageMap, sizes: Iterable[int]) -> None:
    """Truncate a buffer of the pattern to each size in turn; assert its bytes and its shape."""
    for size in sizes:
        buf.truncate(size)
        expected.truncate(size)
        expected.assert_shape(buf)
        assert buf.tobytes() == pattern(0, size)


def is_inline(buf: Any) -> bool:
    """Whether the bytes lie in the object itself.  Then the buffer takes nothing from the pool."""
    return INLINE > 0 and (not buf or buf.walk(0).stop == "inline")


def assert_pool(pool: Any, bufs: Iterable[Any]) -> None:
    """Assert that the pool's counts are exactly those of its buffers."""
    bufs = list(bufs)
    st, per_buffer = pool.stats(), [buf.stats() for buf in bufs]
    assert st.held == sum(b.pages + b.nodes for b in per_buffer)
    assert st.nodes == sum(b.nodes for b in per_buffer)
    assert st.total == st.held + st.free + st.quarantined + st.guards
    assert (st.pinned, st.shared, st.reserved) == (0, 0, 0)
    assert st.held <= st.high_water <= st.total
    assert st.page_size == PAGE
    if st.limit >= 0:
        assert st.high_water <= st.limit
    assert_listed(pool, bufs)


def assert_listed(pool: Any, bufs: Iterable[Any]) -> None:
    """Assert that the pool lists its buffers, the largest first, and that it passes its checks."""
    listed = drawing(pool)
    expected = [buf for buf in bufs if not is_inline(buf)]
    assert {id(buf) for buf in listed} >= {id(buf) for buf in expected}
    assert {id(buf) for buf in listed} <= {id(buf) for buf in bufs}
    assert_accounted(pool)
    resident = [buf.stats().resident for buf in listed]
    assert resident == sorted(resident, reverse=True)


def assert_accounted(pool: Any) -> None:
    """Assert that the rows of a pool add up to exactly what it has, and that `check` finds nothing.
    Only the root has rows for frames that no buffer holds."""
    pool.check()
    st, rows = pool.stats(), pool.buffers()
    kept = (st.held + st.reserved) * PAGE
    if pool._is_root():
        kept += (st.quarantined + st.guards) * PAGE + st.table_bytes
    assert sum(row.proportional for row in rows) == kept
    for row in rows:
        assert row.resident == row.shared + row.private
        assert row.proportional <= row.resident
        assert (
            row.private <= row.proportional or not pool._is_root()
        )  # another pool may be charged for a private page
        if row.buffer is not None:
            own = row.buffer.stats()
            if own.shared == 0:  # else two entries may name one frame, which counts once here
                assert (row.resident, row.nodes) == (own.resident, own.nodes)
            assert (row.size, row.private, row.holes) == (own.size, own.private, own.holes)
            assert row.resident <= own.resident
            frozen = getattr(row.buffer, "frozen", False)  # queues have none
            assert (row.pinned, row.kind == "snapshot") == (own.pinned, frozen)


def address_of(buf: Any, offset: int = 0) -> int:
    """The address of a byte."""
    return buf.walk(offset).steps[-1].address + (buf.stats().bias + offset) % PAGE


def frame_of(buf: Any, offset: int = 0) -> int:
    """The frame that a byte lies in."""
    return buf.walk(offset).steps[-1].frame


def contents(buf: Any) -> list[tuple[int, bytes]]:
    """All bytes that are not in holes, with their offsets."""
    return [(start, buf.read(start, size)) for start, size in buf.extents()]


def buffer_state(buf: Any) -> tuple[Any, ...]:
    return (
        len(buf),
        buf.levels,
        buf.capacity,
        buf.frozen,
        tuple(buf.stats()),
        contents(buf),
    )


def pool_counts(pool: Any) -> dict[str, int]:
    """The counts that a refused call must not change.  A region that it added may stay, and the
    high-water mark may have risen."""
    st = pool.stats()
    fixed = ("page_size", "held", "nodes", "pinned", "shared", "reserved", "limit")
    return {name: getattr(st, name) for name in fixed}


def pool_state(pool: Any) -> dict[str, int]:
    """More counts, for tests in which no call adds a region."""
    st = pool.stats()
    more = ("total", "free", "regions", "table_bytes")
    return pool_counts(pool) | {name: getattr(st, name) for name in more}


@contextlib.contextmanager
def unchanged(*bufs: Any) -> Iterator[None]:
    """Assert that the block changes no byte and no count of these buffers (I3)."""
    before = [(buffer_state(buf), pool_counts(buf.pool)) for buf in bufs]
    yield
    after = [(buffer_state(buf), pool_counts(buf.pool)) for buf in bufs]
    assert after == before
    for buf in bufs:
        buf.check()
        buf.pool.check()


@contextlib.contextmanager
def refused(error: type[BaseException] | tuple[type[BaseException], ...], *bufs: Any) -> Any:
    """Assert that the block raises `error` and changes nothing (I3)."""
    with unchanged(*bufs), pytest.raises(error) as info:
        yield info


def filled(pool: Any, size: int, salt: int = 0, **options: Any) -> Any:
    """A buffer of `size` bytes of the pattern."""
    buf = pagebuf.PageBuffer(pool=pool, **options)
    if size:
        buf.write(0, pattern(0, size, salt))
    return buf


def run_script(source: str, *args: str, timeout: float = 60) -> str:
    """Run a script in a fresh process, with the same build; it must succeed.  Return its output."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *args],
        capture_output=True,
        check=False,
        cwd=pathlib.Path(__file__).parents[1],
        text=True,
        timeout=timeout,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


# ---- shapes of trees, for tests that make every call on each shape ----


def _one_page(pool: Any) -> Any:
    return filled(pool, PAGE // 2 + 1)


def _tiny(pool: Any) -> Any:
    return filled(pool, 3)


def _full_root(pool: Any) -> Any:
    return filled(pool, reach(1))


def _two_levels(pool: Any) -> Any:
    return filled(pool, reach(1) + PAGE + 1)


def _biased(pool: Any) -> Any:
    buf = filled(pool, reach(1) + 3 * PAGE + 3)
    buf.take_bytes(PAGE + PAGE // 2 + 1)
    return buf


def _holes(pool: Any) -> Any:
    """Pages far apart, with holes at the front, in the middle and at the end."""
    buf = pagebuf.PageBuffer(pool=pool)
    for at in (PAGE + 1, reach(1) - 1, reach(2) - 2, reach(2) + PAGE):
        buf.write(at, pattern(at, 3))
    buf.truncate(reach(2) + 4 * PAGE)
    return buf


def _tall(pool: Any) -> Any:
    """The tallest tree possible: pages at both ends, and a hole between them."""
    buf = filled(pool, 2 * PAGE + 1)
    buf.write(reach(pagebuf.MAX_LEVELS) - 2, pattern(5, 1))
    return buf


SHAPES = {
    "empty": lambda pool: pagebuf.PageBuffer(pool=pool),
    "hole only": lambda pool: _stretched(pool, reach(1) + 1),
    "tiny": _tiny,
    "one page": _one_page,
    "full root": _full_root,
    "two levels": _two_levels,
    "biased": _biased,
    "holes": _holes,
    "tall": _tall,
}


def _stretched(pool: Any, size: int) -> Any:
    buf = pagebuf.PageBuffer(pool=pool)
    buf.truncate(size)
    return buf
