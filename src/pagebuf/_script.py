"""Run a script, and name the pools and buffers that are alive after it."""

from __future__ import annotations

import gc
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pagebuf._core import ByteQueue, BytesIO, PageBuffer
from pagebuf.example import Scene
from pagebuf.pool import PagePool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Holder = PageBuffer | BytesIO | ByteQueue
Thing = TypeVar("Thing")


def run(path: str) -> Scene:
    """Run a script as ``python path`` does; its globals live as long as the scene.

    A pool goes by its own name or by that of a global, a buffer by that of a global; what has
    none is named after its type, and numbered.
    """
    folder = str(Path(path).resolve().parent)
    sys.path.insert(0, folder)
    try:
        names = runpy.run_path(path, run_name="__main__")
    finally:
        sys.path.remove(folder)
    gc.collect()
    pools = _name_pools(names, [found for found in gc.get_objects() if _is_pool(found)])
    return Scene(pools, _name_buffers(names, pools.values()), names)


def _is_pool(found: object) -> bool:
    return issubclass(type(found), PagePool)  # isinstance would ask a proxy for its class


def _name_pools(names: Mapping[str, object], found: Iterable[PagePool]) -> dict[str, PagePool]:
    """The pools in use, the one that holds most first."""
    bound = {id(value): name for name, value in names.items() if _is_pool(value)}
    pools: dict[str, PagePool] = {}
    for pool in sorted(found, key=lambda pool: pool.stats().held, reverse=True):
        if pool.stats().regions:
            _add(pools, pool.name or bound.get(id(pool), "pool"), pool)
    return pools


def _name_buffers(names: Mapping[str, object], pools: Iterable[PagePool]) -> dict[str, Holder]:
    """What globals name, in their order; then what else draws from the pools."""
    buffers = {name: value for name, value in names.items() if isinstance(value, Holder)}
    named = {id(buf) for buf in buffers.values()}
    for pool in pools:
        for buf in (row.buffer for row in pool.buffers() if row.buffer is not None):
            if id(buf) not in named:  # a child's are its parent's as well
                named.add(id(buf))
                _add(buffers, type(buf).__name__, buf)
    return buffers


def _add(things: dict[str, Thing], name: str, thing: Thing) -> None:
    """Add a thing, with a number where the name is taken."""
    key, number = name, 1
    while key in things:
        number += 1
        key = f"{name}-{number}"
    things[key] = thing
