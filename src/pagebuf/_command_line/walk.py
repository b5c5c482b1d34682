"""``python -m pagebuf walk``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuf._core import PAGE_SIZE, PageBuffer
from pagebuf._map import place_in_file
from pagebuf._text import count_text

if TYPE_CHECKING:
    from typing import TextIO

    from pagebuf._command_line.script import Holder
    from pagebuf._core import Walk, WalkStep


def walk(buf: Holder, offset: int, out: TextIO) -> None:
    """Print each step from the root to a page, and where and why the walk stops."""
    way = buf.walk(offset) if isinstance(buf, PageBuffer) else buf._tree_walk(offset)
    print(f"offset {offset} ({offset:#x})", file=out)
    for step in way.steps:
        print(f"  {_step_text(step)}", file=out)
    print(f"  {_stop_text(buf, way)}", file=out)


def _step_text(step: WalkStep) -> str:
    place = f"level {step.level:<2} index {step.index:<4} entry {step.entry:#018x}"
    return f"{place}  frame {step.frame:<8} at {step.address:#x}" if step.frame else place


def _file_text(buf: PageBuffer, offset: int) -> str:
    found = place_in_file(buf, offset)
    if found is None:
        return ""
    path, at = found
    return f", at offset {at} of " + ("a mapped file" if path is None else f"the file {path}")


def _stop_text(buf: Holder, way: Walk) -> str:
    stats = buf.stats()
    if way.stop in {"page", "mapped"}:
        inside = (stats.bias + way.offset) % PAGE_SIZE
        byte = buf.read(way.offset, 1).hex() if isinstance(buf, PageBuffer) else ""
        place = f"{way.stop}: byte {inside} of it" + (f" is 0x{byte}" if byte else "")
        return place + (_file_text(buf, way.offset) if isinstance(buf, PageBuffer) else "")
    if way.stop == "hole":
        return f"hole: level {way.steps[-1].level} has no entry; reads as zero"
    if way.stop == "inline":
        return "inline: the bytes lie in the object, without a page"
    if stats.lent:
        return f"no page: {count_text(stats.lent, 'byte')} are kept as the objects that were put"
    return f"past the end: the buffer has {count_text(stats.size, 'byte')}"
