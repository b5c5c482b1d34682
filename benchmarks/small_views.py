"""A measure of memory: what small views keep of a large buffer that is dropped."""

from collections.abc import Callable
from typing import Any, ClassVar

from benchmarks.tables import Cell, Measure
from benchmarks.workloads import MIB
from pagebuf import PAGE_SIZE, ByteQueue, PageBuffer, PagePool

VIEWS = 100
LONG, SHORT = PAGE_SIZE, 10
"""The lengths of the views: the short ones are copies where that is cheaper."""


def _of_file(buf: PageBuffer, at: int, n: int) -> Any:
    file = buf.open()
    file.seek(at)
    return file.read_buffer(n)


def _of_queue(buf: PageBuffer, at: int, n: int) -> Any:
    queue = ByteQueue(pool=buf.pool)
    queue.put(buf.read(at, n))
    return queue.views()


WAYS: dict[str, Callable[[PageBuffer, int, int], Any]] = {
    "view(writable=False)": lambda buf, at, n: buf.view(at, n, writable=False),
    "views()": lambda buf, at, n: buf.views(at, n),
    "data_views()": lambda buf, at, n: buf.data_views(at, n),
    "read_buffer()": _of_file,
    "queue.views()": _of_queue,
}


class SmallViews(Measure):
    """Memory that a hundred stable views of a dropped buffer hold."""

    name = "small-views"
    title = f"Memory held by {VIEWS} stable views of a buffer of 100 MiB that is dropped"
    note = "by the length of each view; ceiling: short views"
    columns: ClassVar[list[str]] = [f"{SHORT} B", f"{LONG} B"]

    @property
    def items(self) -> list[str]:
        return list(WAYS)

    def row(self, item: str) -> tuple[str, list[Cell]]:
        return item, [self._held(WAYS[item], n) for n in (SHORT, LONG)]

    def _held(self, way: Callable[[PageBuffer, int, int], Any], n: int) -> float:
        size = 100 * MIB if self.scale.name == "full" else 10 * MIB
        pool = PagePool()
        buf = PageBuffer(bytes(size), pool=pool)
        step = size // VIEWS // PAGE_SIZE * PAGE_SIZE
        views = [way(buf, 2 * PAGE_SIZE + place * step, n) for place in range(VIEWS)]
        del buf
        held = pool.stats().held * PAGE_SIZE
        views.clear()
        return held

    def figure(self, rows: list[tuple[str, list[Cell]]]) -> float | None:
        return max(float(cells[0] or 0) for _, cells in rows)


MEASURES: tuple[type[Measure], ...] = (SmallViews,)
