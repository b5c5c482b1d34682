"""Finds what the arguments of a command name: a scene, a buffer, a pool, an offset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pagebuf import example
from pagebuf._command_line import script
from pagebuf._core import BytesIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagebuf._command_line.script import Holder
    from pagebuf.example import Scene
    from pagebuf.pool import PagePool

Thing = TypeVar("Thing")
Buffer = TypeVar("Buffer", bound=script.Holder)


class Refused(Exception):  # noqa: N818
    """A command cannot do what the arguments ask for; the message says why."""


def scene_of(path: str | None, arguments: Sequence[str] = ()) -> Scene:
    """The pools and buffers that a script leaves, or the example."""
    if path is None:
        return example.build()
    if not Path(path).is_file():
        raise Refused(f"no script {path!r}")
    return script.run(path, arguments)


def find_buffer(buffers: dict[str, Buffer], name: str | None, what: str) -> Buffer:
    """Find a buffer by the global that names it, or by its own name, which `top` shows."""
    own = [(_own_name(buf), buf) for buf in buffers.values()]
    return _find([*buffers.items(), *own], name, what)


def _own_name(buf: Holder) -> str | None:
    name = vars(buf).get("name") if isinstance(buf, BytesIO) else buf.name
    return name if isinstance(name, str) else None


def find_pool(scene: Scene, name: str | None) -> PagePool:
    """Find a pool by the global that names it, or by its own name.  Default: the largest one."""
    if name is None and not scene.pools:
        raise Refused("there is no pool in use")
    bound = [] if name is None else script.bound_pools(scene)
    return _find([*bound, *scene.pools.items()], name, "pool")


def _find(things: Sequence[tuple[str | None, Thing]], name: str | None, what: str) -> Thing:
    """The first thing of this name; without a name, the first of all."""
    for key, thing in things:
        if name in {None, key}:
            return thing
    if name is None:
        raise Refused(f"there is no {what}")
    others = dict.fromkeys(key for key, _ in things if key)
    raise Refused(f"no {what} {name!r}: there is {', '.join(others) or 'none'}")


def offset_in(text: str, size: int) -> int:
    """Parse an offset, written as an int in Python; a negative one counts from the end."""
    try:
        offset = int(text, 0)
    except ValueError:
        raise Refused(f"{text!r} is no offset") from None
    offset += size if offset < 0 else 0
    if not 0 <= offset < 2**63:
        raise Refused(f"offset {text} is out of range")
    return offset
