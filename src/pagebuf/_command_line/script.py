"""Names the pools and buffers that are alive: after a script, or in this process as it runs."""

from __future__ import annotations

import contextlib
import gc
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from pagebuf._core import ByteQueue, BytesIO, PageBuffer
from pagebuf.example import Scene
from pagebuf.pool import PagePool, live_pools

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TypeGuard

Holder = PageBuffer | BytesIO | ByteQueue
Thing = TypeVar("Thing")


def running() -> Scene:
    """What is alive in this process, by the globals of its main module.  Changes nothing."""
    names = dict(vars(sys.modules["__main__"]))
    pools = _name_pools(names, live_pools())
    return Scene(pools, _name_buffers(names, pools.values()), names)


def run(path: str, arguments: Sequence[str] = ()) -> Scene:
    """Run a script as ``python path`` does; its globals live as long as the scene.

    If the script raises `SystemExit`, the scene has its status.  Other errors are raised.

    A pool has its own name here, or that of a global; a buffer has that of a global.  Whatever has
    neither gets the name of its type and a number.
    """
    module = ModuleType("__main__")
    module.__file__ = str(Path(path).absolute())
    status = 0
    with _in_place_of_main(module, [path, *arguments]):
        code = compile(Path(path).read_bytes(), module.__file__, "exec", dont_inherit=True)
        try:
            exec(code, vars(module))
        except SystemExit as end:  # its traceback, with the locals of the script, goes away here
            status = status_of(end)
    names = dict(vars(module))
    gc.collect()
    pools = _name_pools(names, [found for found in gc.get_objects() if _is_pool(found)])
    return Scene(pools, _name_buffers(names, pools.values()), names, status)


@contextlib.contextmanager
def _in_place_of_main(module: ModuleType, arguments: list[str]) -> Iterator[None]:
    """Make a script ``__main__``, put its folder on the path, and give it its arguments."""
    folder = str(Path(arguments[0]).resolve().parent)
    main, ours = sys.modules["__main__"], sys.argv
    sys.modules["__main__"], sys.argv = module, arguments
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.modules["__main__"], sys.argv = main, ours
        with contextlib.suppress(ValueError):  # the script may have removed it
            sys.path.remove(folder)


def status_of(end: SystemExit) -> int:
    """The status with which Python would end.  Prints a value that is no status to stderr.

    >>> status_of(SystemExit()), status_of(SystemExit(3))
    (0, 3)
    """
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return int(end.code)
    print(end.code, file=sys.stderr)
    return 1


def _is_pool(found: object) -> bool:
    return issubclass(type(found), PagePool)  # isinstance would call code of a proxy


def _is_holder(found: object) -> TypeGuard[Holder]:
    return issubclass(type(found), Holder)


def bound_pools(scene: Scene) -> list[tuple[str, PagePool]]:
    """The pools that globals of the script name, with these names.  O(globals)."""
    names = scene.keep if isinstance(scene.keep, dict) else {}
    return [(name, value) for name, value in names.items() if _is_pool(value)]


def _name_pools(names: Mapping[str, object], found: Iterable[PagePool]) -> dict[str, PagePool]:
    """The pools in use, the one that holds most first."""
    bound = {id(value): name for name, value in names.items() if _is_pool(value)}
    pools: dict[str, PagePool] = {}
    for pool in sorted(found, key=lambda pool: pool.stats().held, reverse=True):
        if pool.stats().regions:
            _add(pools, pool.name or bound.get(id(pool), "pool"), pool)
    return pools


def _name_buffers(names: Mapping[str, object], pools: Iterable[PagePool]) -> dict[str, Holder]:
    """The buffers that globals name, in their order; then the other buffers of the pools."""
    buffers = {name: value for name, value in names.items() if _is_holder(value)}
    named = {id(buf) for buf in buffers.values()}
    for pool in pools:
        for buf in (row.buffer for row in pool.buffers() if row.buffer is not None):
            if id(buf) not in named:  # a pool also lists the buffers of its children
                named.add(id(buf))
                _add(buffers, type(buf).__name__, buf)
    return buffers


def _add(things: dict[str, Thing], name: str, thing: Thing) -> None:
    """Add a thing; if the name is taken, add a number to it."""
    key, number = name, 1
    while key in things:
        number += 1
        key = f"{name}-{number}"
    things[key] = thing
