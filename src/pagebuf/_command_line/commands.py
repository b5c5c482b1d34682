"""``top`` and ``walk``, of what a script leaves and of a process that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuf._command_line.find import find_buffer, offset_in
from pagebuf._command_line.walk import walk
from pagebuf.pool import live_pools
from pagebuf.report import table_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from pagebuf.example import Scene

MOST = 20  # holders of each pool


def top(scene: Scene, out: TextIO) -> None:
    """Print a table for each pool; a buffer without a name goes by that of the scene."""
    names = {id(buf): name for name, buf in scene.buffers.items()}
    pools = list(scene.pools.values()) or live_pools()
    for line in table_lines(pools, MOST, names):
        print(line, file=out)
    if not pools:
        print("no pool is alive", file=out)


def walks(scene: Scene, name: str | None, offsets: Iterable[str], out: TextIO) -> None:
    """Print the path to each offset of a buffer."""
    buf = find_buffer(scene.buffers, name, "buffer")
    size = buf.stats().size
    for offset in [offset_in(text, size) for text in offsets]:
        walk(buf, offset, out)
