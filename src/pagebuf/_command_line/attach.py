"""Asks a process that runs (`pagebuf.live`), and draws what it says."""

from __future__ import annotations

import base64
import json
import socket
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from pagebuf._command_line.find import Refused
from pagebuf._core import BufferStats, PoolStats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PATIENCE = 60  # seconds for an answer


def ask(path: str, **asked: object) -> dict[str, Any]:
    """Ask the process that listens at `path`."""
    try:
        with socket.socket(socket.AF_UNIX) as there:
            there.settimeout(PATIENCE)
            there.connect(path)
            there.sendall(json.dumps(asked).encode() + b"\n")
            answered = b"".join(iter(lambda: there.recv(1 << 20), b""))
    except OSError as error:
        raise Refused(f"no process answers at {path!r}: {error.strerror or error}") from error
    return _checked(path, answered)


def _checked(path: str, answered: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(answered)
    except ValueError:
        raise Refused(f"what listens at {path!r} is no pagebuf, or went away") from None
    if "error" in found:
        raise Refused(found["error"])
    return found


def text(path: str, **asked: object) -> str:
    """The answer to a question that is answered by text."""
    found: str = ask(path, **asked)["text"]
    return found


class Tree(NamedTuple):
    """A buffer of the other process, as far as a picture needs it."""

    numbers: list[int]
    runs: list[tuple[int, int, int, int]]

    def stats(self) -> BufferStats:
        """What it held when it was asked."""
        return BufferStats(self.numbers)

    def _tree_runs(self) -> list[tuple[int, int, int, int]]:
        return self.runs


class Frames:
    """A pool of the other process, as far as a picture needs it."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.name: str | None = found["name"]
        self.numbers: list[int] = found["stats"]
        self.regions = [
            (first, zlib.decompress(base64.b64decode(states))) for first, states in found["regions"]
        ]

    def stats(self) -> PoolStats:
        """What it held when it was asked."""
        return PoolStats(self.numbers)

    def _frame_states(self) -> list[tuple[int, bytes]]:
        return self.regions


def _of_our_build(found: dict[str, Any]) -> dict[str, Any]:
    from pagebuf._command_line.answer import BUILD

    if found["build"] != BUILD:
        raise Refused("it runs another build of pagebuf, of which no picture can be drawn here")
    return found


def tree_figure(path: str, name: str) -> Figure:
    """The tree of a buffer in the process that listens at `path`."""
    from pagebuf import picture

    picture._require()
    found = _of_our_build(ask(path, command="tree", buffer=name))
    from pagebuf.picture._tree import draw

    tree = Tree(found["stats"], [(a, b, c, d) for a, b, c, d in found["runs"]])
    return draw(tree, name, found["kind"])


def pool_figure(path: str, name: str | None) -> Figure:
    """The frames of a pool in the process that listens at `path`."""
    from pagebuf import picture

    picture._require()
    found = _of_our_build(ask(path, command="pool", pool=name))
    from pagebuf.picture._pool import draw

    return draw(Frames(found))
