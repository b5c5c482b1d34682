"""``python -m pagebuf``: what is installed, and a look into pools and buffers."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pagebuf
from pagebuf import example, picture
from pagebuf._command_line import script
from pagebuf._core import _BUILD_FLAGS, BytesIO, PageBuffer
from pagebuf._extras import reach
from pagebuf._text import count_text, size_text
from pagebuf.pool import KEEP, KEEP_MOST, PagePool, _level, live_pools

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from pagebuf._command_line.script import Holder
    from pagebuf._core import Walk, WalkStep
    from pagebuf.example import Scene

COLUMN = 14

Thing = TypeVar("Thing")
Buffer = TypeVar("Buffer", bound=script.Holder)


class Refused(Exception):  # noqa: N818
    """What was asked for cannot be had; the message says why."""


# ---- info ----


def info(out: TextIO) -> None:
    """What this build is, and what is there beside it."""
    print(f"pagebuf {pagebuf.__version__}", file=out)
    for name, lines in _facts():
        for line in lines:
            print(f"{name:{COLUMN}}{line}", file=out)
            name = ""


def _facts() -> Iterator[tuple[str, list[str]]]:
    shift = pagebuf.PAGE_SIZE.bit_length() - 1
    yield "page", [f"{size_text(pagebuf.PAGE_SIZE)}, shift {shift}"]
    yield "node", [f"{count_text(pagebuf.FANOUT, 'entry', 'entries')}; the root has 4"]
    yield "levels", _reaches()
    yield "inline", [f"up to {count_text(pagebuf.INLINE_SIZE, 'byte')} in the object, no page"]
    yield "default pool", _pool_defaults()
    yield "build", [", ".join(f"{name} {_on(flag)}" for name, flag in _BUILD_FLAGS.items())]
    yield "python", [f"{platform.python_implementation()} {platform.python_version()}"]
    yield "platform", [f"{platform.system()} {platform.machine()}"]
    yield "numpy", [_version_of("numpy")]
    yield "matplotlib", [_version_of("matplotlib")]


def _on(flag: bool) -> str:
    return "on" if flag else "off"


def _reaches() -> list[str]:
    levels = range(1, pagebuf.MAX_LEVELS + 1)
    lines = [f"{level:<3}{size_text(reach(level))}" for level in levels]
    return lines if len(lines) <= 8 else [*lines[:4], "...", lines[-1]]


def _pool_defaults() -> list[str]:
    pool = PagePool()
    first = pool._next_region()
    return [
        "no limit",
        f"keep {size_text(KEEP)}, up to {size_text(KEEP_MOST)} as freed pages are used again",
        f"debug level {pool.debug}",
        f"first region {size_text(first * pagebuf.PAGE_SIZE)}, then as much as there is",
        f"zero when fresh {_on(PagePool._fresh_zero)}",
        f"zero after trim() {_on(PagePool._discard_zeroes)}",
    ]


def _version_of(package: str) -> str:
    if importlib.util.find_spec(package) is None:
        return "not installed"
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "there"


# ---- top ----


def _top(scene: Scene, out: TextIO) -> None:
    """A table for each pool; what has no name of its own goes by what the script calls it."""
    for name, buf in scene.buffers.items():
        if getattr(buf, "name", None) is None:
            example.call_it(buf, name)
    if live_pools():
        pagebuf.top(*scene.pools.values(), file=out)
    else:
        print("no pool is alive", file=out)


# ---- walk ----


def walk(buf: PageBuffer, offset: int, out: TextIO) -> None:
    """Each step from the root to a page, and where and why it stops."""
    way = buf.walk(offset)
    print(f"offset {offset} ({offset:#x})", file=out)
    for step in way.steps:
        print(f"  {_step_text(step)}", file=out)
    print(f"  {_stop_text(buf, way)}", file=out)


def _step_text(step: WalkStep) -> str:
    place = f"level {step.level:<2} index {step.index:<4} entry {step.entry:#018x}"
    return f"{place}  frame {step.frame:<8} at {step.address:#x}" if step.frame else place


def _stop_text(buf: PageBuffer, way: Walk) -> str:
    if way.stop == "page":
        inside = (buf.stats().bias + way.offset) % pagebuf.PAGE_SIZE
        return f"page: byte {inside} of it is {buf.read(way.offset, 1)[0]:#04x}"
    if way.stop == "hole":
        return f"hole: level {way.steps[-1].level} has no entry; reads as zero"
    if way.stop == "inline":
        return "inline: the bytes lie in the object, without a page"
    return f"past the end: the buffer has {count_text(len(buf), 'byte')}"


# ---- map ----


def draw(scene: Scene, options: argparse.Namespace) -> None:
    """Save the picture that was asked for."""
    name = options.buffer
    try:
        if name is not None:
            figure = picture.tree_figure(_find_buffer(scene.buffers, name, "buffer"), name)
        else:
            figure = picture.pool_figure(_find_pool(scene, options.pool))
        picture.save(figure, options.output)
    except (ImportError, OSError) as error:
        raise Refused(str(error)) from error


def _find_buffer(buffers: dict[str, Buffer], name: str | None, what: str) -> Buffer:
    """By the global that names it, or as `top` shows it: by its own name."""
    own = [(_own_name(buf), buf) for buf in buffers.values()]
    return _find([*buffers.items(), *own], name, what)


def _own_name(buf: Holder) -> str | None:
    name = vars(buf).get("name") if isinstance(buf, BytesIO) else buf.name
    return name if isinstance(name, str) else None


def _find_pool(scene: Scene, name: str | None) -> PagePool:
    """By the global that names it, or as `top` shows it; by default the one that holds most."""
    if name is None and not scene.pools:
        raise Refused("there is no pool in use")
    bound = [] if name is None else script.bound_pools(scene)
    return _find([*bound, *scene.pools.items()], name, "pool")


def _find(things: Sequence[tuple[str | None, Thing]], name: str | None, what: str) -> Thing:
    """The first thing of this name, or the first of all."""
    for key, thing in things:
        if name in {None, key}:
            return thing
    if name is None:
        raise Refused(f"there is no {what}")
    others = dict.fromkeys(key for key, _ in things if key)
    raise Refused(f"no {what} {name!r}: there is {', '.join(others) or 'none'}")


# ---- the command line ----


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pagebuf", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="build, page size, levels, defaults")
    scene = argparse.ArgumentParser(add_help=False)
    scene.add_argument(
        "--run", metavar="SCRIPT", help="run this script and show its pools, not the example's"
    )
    commands.add_parser("top", parents=[scene], help="pools, and the buffers that draw from them")
    walk = commands.add_parser("walk", parents=[scene], help="the page walk to offsets")
    walk.add_argument("offsets", metavar="OFFSET", nargs="+", help="like 4096, 0x1000 or -1")
    walk.add_argument("--buffer", metavar="NAME", help="by default the first one")
    chart = commands.add_parser("map", parents=[scene], help="a picture of a tree or of a pool")
    which = chart.add_mutually_exclusive_group()
    which.add_argument("--buffer", metavar="NAME", help="the tree of this buffer")
    which.add_argument("--pool", metavar="NAME", nargs="?", help="the frames of a pool (default)")
    chart.add_argument(
        "-o", "--output", metavar="FILE", required=True, type=_picture_file, help=".svg or .png"
    )
    return parser


def _picture_file(path: str) -> str:
    try:
        picture.format_of(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return path


def _scene(path: str | None) -> Scene:
    if path is None:
        return example.build()
    if not Path(path).is_file():
        raise Refused(f"no script {path!r}")
    return script.run(path)


def _walks(scene: Scene, options: argparse.Namespace, out: TextIO) -> None:
    trees = {name: buf for name, buf in scene.buffers.items() if isinstance(buf, PageBuffer)}
    buf = _find_buffer(trees, options.buffer, "PageBuffer")
    for offset in [_offset(text, len(buf)) for text in options.offsets]:
        walk(buf, offset, out)


def _offset(text: str, size: int) -> int:
    """An offset as Python writes an int; a negative one counts from the end."""
    try:
        offset = int(text, 0)
    except ValueError:
        raise Refused(f"{text!r} is no offset") from None
    offset += size if offset < 0 else 0
    if not 0 <= offset < 2**63:
        raise Refused(f"offset {text} is out of range")
    return offset


def _obey(options: argparse.Namespace, out: TextIO) -> int:
    """Do what was asked for; the status for the shell."""
    try:
        _level(None)  # else the first pool that anybody makes would say so, with a traceback
    except ValueError as error:
        raise Refused(str(error)) from None
    if options.command == "info":
        info(out)
        return 0
    scene = _scene(options.run)
    if options.command == "top":
        _top(scene, out)
    elif options.command == "walk":
        _walks(scene, options, out)
    else:
        draw(scene, options)
    return scene.status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the status for the shell."""
    options = _parser().parse_args(arguments)
    try:
        return _obey(options, sys.stdout)
    except Refused as error:
        print(f"pagebuf: {error}", file=sys.stderr)
        return 2
