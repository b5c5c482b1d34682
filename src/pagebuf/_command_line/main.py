"""Shows what is installed, inspects pools and buffers, and works on stores."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import pagebuf
from pagebuf import picture
from pagebuf._command_line import attach, store
from pagebuf._command_line.commands import top, walks
from pagebuf._command_line.demo import demo
from pagebuf._command_line.find import Refused, find_buffer, find_pool, scene_of
from pagebuf._command_line.info import info
from pagebuf.pool import _level

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from matplotlib.figure import Figure

    from pagebuf.example import Scene

# ---- commands ----


def _draw(options: argparse.Namespace, figure: Callable[[], Figure]) -> None:
    """Save the picture."""
    try:
        picture.save(figure(), options.output)
    except (ImportError, OSError) as error:
        raise Refused(str(error)) from error


def _figure(scene: Scene, options: argparse.Namespace) -> Figure:
    name = options.buffer
    if name is not None:
        return picture.tree_figure(find_buffer(scene.buffers, name, "buffer"), name)
    return picture.pool_figure(find_pool(scene, options.pool))


def _look_here(options: argparse.Namespace, out: TextIO) -> int:
    """Look at the example, or at what a script leaves.  Its status."""
    if options.args is not None and options.run is None:
        raise Refused("--args are those of a script: say which with --run")
    scene = scene_of(options.run, options.args or ())
    if options.command == "top":
        top(scene, out)
    elif options.command == "walk":
        walks(scene, options.buffer, options.offsets, out)
    else:
        _draw(options, lambda: _figure(scene, options))
    return scene.status


def _look_there(options: argparse.Namespace, out: TextIO) -> int:
    """Look into a process that runs."""
    if options.command == "top":
        out.write(attach.text(options.attach, command="top"))
    elif options.command == "walk":
        asked = {"buffer": options.buffer, "offsets": options.offsets}
        out.write(attach.text(options.attach, command="walk", **asked))
    elif options.buffer is not None:
        _draw(options, lambda: attach.tree_figure(options.attach, options.buffer))
    else:
        _draw(options, lambda: attach.pool_figure(options.attach, options.pool))
    return 0


# ---- the command line ----

EPILOG = "for example: python -m pagebuf top --run service.py --args --port 0"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pagebuf", description=__doc__, epilog=EPILOG)
    version = f"pagebuf {pagebuf.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="build, page size, levels, defaults")
    shown = commands.add_parser("demo", help="what pagebuf is for, in a minute")
    shown.add_argument("--fast", action="store_true", help="without pauses")
    scene = _scene_parser()
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
    store.add_to(commands)
    return parser


def _scene_parser() -> argparse.ArgumentParser:
    """What the commands have in common that look at buffers: at whose."""
    scene = argparse.ArgumentParser(add_help=False)
    what = scene.add_mutually_exclusive_group()
    what.add_argument(
        "--run", metavar="SCRIPT", help="run this script and show its pools, not the example's"
    )
    what.add_argument(
        "--attach", metavar="SOCKET", help="show those of the process that listens there"
    )
    scene.add_argument(
        "--args", nargs=argparse.REMAINDER, help="with --run: all that follows is the script's"
    )
    return scene


def _parted(arguments: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Our arguments and those of the script, which argparse would look into."""
    given = list(arguments)
    if "--args" not in given:
        return given, None
    at = given.index("--args")
    return given[:at], given[at + 1 :]


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
    if options.command == "store":
        return store.obey(options, out)
    if options.attach is not None:
        return _look_there(options, out)
    return _look_here(options, out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments and run the command; return the exit status."""
    ours, theirs = _parted(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(ours)
    options.args = theirs
    try:
        return _obey(options, sys.stdout)
    except Refused as error:
        print(f"pagebuf: {error}", file=sys.stderr)
        return 2
