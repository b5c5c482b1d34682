"""Shows what is installed, and inspects pools and buffers."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import pagebuf
from pagebuf import example, picture
from pagebuf._command_line.demo import demo
from pagebuf._command_line.find import Refused, find_buffer, find_pool, offset_in, scene_of
from pagebuf._command_line.info import info
from pagebuf._command_line.walk import walk
from pagebuf._core import PageBuffer
from pagebuf.pool import _level, live_pools
from pagebuf.report import top

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from pagebuf.example import Scene

# ---- commands ----


def _top(scene: Scene, out: TextIO) -> None:
    """Print a table for each pool; a buffer without a name gets the one of the script's global."""
    for name, buf in scene.buffers.items():
        if getattr(buf, "name", None) is None:
            example.call_it(buf, name)
    if live_pools():
        top(*scene.pools.values(), file=out)
    else:
        print("no pool is alive", file=out)


def _walk(scene: Scene, options: argparse.Namespace, out: TextIO) -> None:
    """Print the path to each offset."""
    trees = {name: buf for name, buf in scene.buffers.items() if isinstance(buf, PageBuffer)}
    buf = find_buffer(trees, options.buffer, "PageBuffer")
    for offset in [offset_in(text, len(buf)) for text in options.offsets]:
        walk(buf, offset, out)


def _draw(scene: Scene, options: argparse.Namespace) -> None:
    """Save the picture."""
    name = options.buffer
    try:
        if name is not None:
            figure = picture.tree_figure(find_buffer(scene.buffers, name, "buffer"), name)
        else:
            figure = picture.pool_figure(find_pool(scene, options.pool))
        picture.save(figure, options.output)
    except (ImportError, OSError) as error:
        raise Refused(str(error)) from error


# ---- the command line ----

EPILOG = "for example: python -m pagebuf top --run service.py"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pagebuf", description=__doc__, epilog=EPILOG)
    version = f"pagebuf {pagebuf.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="build, page size, levels, defaults")
    shown = commands.add_parser("demo", help="what pagebuf is for, in a minute")
    shown.add_argument("--fast", action="store_true", help="without pauses")
    scene = argparse.ArgumentParser(add_help=False)
    scene.add_argument(
        "--run", metavar="SCRIPT", help="run this script and show its pools, not the example's"
    )
    commands.add_parser("top", parents=[scene], help="pools, and the buffers that draw from them")
    walk = commands.add_parser("walk", parents=[scene], help="the page walk to offsets")
    walk.add_argument("offsets", metavar="OFFSET", nargs="+", help="like 4096, 0x1000 or -1")
    walk.add_argument("--buffer", metavar="NAME", help="by default the first one")
    chart = commands.add_parser("draw", parents=[scene], help="a picture of a tree or of a pool")
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


def _obey(options: argparse.Namespace, out: TextIO) -> int:
    """Run the command; return the exit status."""
    try:
        _level(None)  # a bad PAGEBUF_DEBUG: report it here, not in a traceback of the first pool
    except ValueError as error:
        raise Refused(str(error)) from None
    if options.command == "info":
        info(out)
        return 0
    if options.command == "demo":
        demo(out, fast=options.fast)
        return 0
    scene = scene_of(options.run)
    if options.command == "top":
        _top(scene, out)
    elif options.command == "walk":
        _walk(scene, options, out)
    else:
        _draw(scene, options)
    return scene.status


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments and run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _obey(options, sys.stdout)
    except Refused as error:
        print(f"pagebuf: {error}", file=sys.stderr)
        return 2
