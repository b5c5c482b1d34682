"""The memory of 50 000 small objects, measured in fresh processes."""

import io
from collections.abc import Callable
from typing import Any, ClassVar

from benchmarks.fresh import run_child
from benchmarks.resident import resident
from benchmarks.tables import Cell, Measure

COUNT = 50_000
SIZE = 100


def _file(make: Callable[[], Any]) -> Callable[[bytes], Any]:
    def filled(data: bytes) -> Any:
        file = make()
        file.write(data)
        return file

    return filled


def _makers() -> dict[str, Callable[[bytes], Any]]:
    import pagebuf

    return {
        "io.BytesIO": _file(io.BytesIO),
        "bytearray": bytearray,
        "PageBuffer": pagebuf.PageBuffer,
        "pagebuf.BytesIO": _file(pagebuf.BytesIO),
    }


def many(data: Any, name: str) -> dict[str, int]:  # noqa: ARG001 - every job gets the input
    """The resident bytes that many objects add; runs in the child."""
    make = _makers()[name]
    kept: list[Any] = [None] * COUNT
    content = [bytes([i % 256]) * SIZE for i in range(256)]
    kept[0] = make(content[0])
    before = resident()
    for i in range(1, COUNT):
        kept[i] = make(content[i % 256])
    return {"held": resident() - before}


class Many(Measure):
    """The bytes of one object, compared with others."""

    of: ClassVar[str]
    columns: ClassVar[list[str]] = ["bytes of one", "of io.BytesIO's"]
    unit = "plain"

    @property
    def items(self) -> list[str]:
        return ["io.BytesIO", "bytearray", self.of]

    def row(self, item: str) -> tuple[str, list[Cell]]:
        held, base = (
            run_child("many", self.data, name=name)["held"] / COUNT for name in (item, "io.BytesIO")
        )
        return item, [round(held, 1), round(held / base, 3)]

    def figure(self, rows: list[tuple[str, list[Cell]]]) -> float | None:
        share = rows[-1][1][1]
        return share if isinstance(share, float) else None


class ManyBuffers(Many):
    name = "many-buffers"
    title = "Memory of 50 000 buffers of 100 B each: PageBuffer"
    of = "PageBuffer"


class ManyFiles(Many):
    name = "many-files"
    title = "Memory of 50 000 buffers of 100 B each: pagebuf.BytesIO"
    of = "pagebuf.BytesIO"


MEASURES = (ManyBuffers, ManyFiles)
