"""What a process says of itself to ``python -m pagebuf ... --attach``: JSON is asked and answered.

It looks, and changes nothing.
"""

from __future__ import annotations

import base64
import io
import json
import zlib
from typing import TYPE_CHECKING, Any

import pagebuf
from pagebuf._command_line import script
from pagebuf._command_line.commands import top, walks
from pagebuf._command_line.find import Refused, find_buffer, find_pool
from pagebuf.picture._tree import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pagebuf.example import Scene

Asked = dict[str, Any]
"""A command, and its arguments."""

BUILD = [pagebuf.__version__, pagebuf.PAGE_SIZE, pagebuf.FANOUT]
"""Both sides draw alike only where these are the same."""


def answer(line: bytes) -> bytes:
    """Answer one question.  What goes wrong is an answer, too."""
    try:
        asked = json.loads(line)
        found = _ANSWERS[asked["command"]](script.running(), asked)
    except Refused as error:
        found = {"error": str(error)}
    except Exception as error:  # the process goes on, whatever was asked
        found = {"error": f"{type(error).__name__}: {error}"}
    return json.dumps(found).encode()


def _top(scene: Scene, _: Asked) -> Asked:
    out = io.StringIO()
    top(scene, out)
    return {"text": out.getvalue()}


def _walk(scene: Scene, asked: Asked) -> Asked:
    out = io.StringIO()
    walks(scene, asked["buffer"], asked["offsets"], out)
    return {"text": out.getvalue()}


def _tree(scene: Scene, asked: Asked) -> Asked:
    buf = find_buffer(scene.buffers, asked["buffer"], "buffer")
    stats, runs = list(buf.stats()), buf._tree_runs()
    return {"build": BUILD, "kind": kind_of(buf), "stats": stats, "runs": runs}


def _pool(scene: Scene, asked: Asked) -> Asked:
    pool = find_pool(scene, asked["pool"])
    regions = [
        (first, base64.b64encode(zlib.compress(states, 1)).decode())
        for first, states in pool._frame_states()
    ]
    return {"build": BUILD, "name": pool.name, "stats": list(pool.stats()), "regions": regions}


_ANSWERS: dict[str, Callable[[Scene, Asked], Asked]] = {
    "top": _top,
    "walk": _walk,
    "tree": _tree,
    "pool": _pool,
}
