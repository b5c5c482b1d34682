"""The steps of the first page: what a buffer does, recorded from a real one.

`steps()` makes each change and reads the tree after it.  The page draws what was read
(docs/assets/steps.js), so it shows nothing that did not happen.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any

from pagebuf import PAGE_SIZE, PageBuffer, PagePool
from pagebuf._core import _FRAME_STATES
from pagebuf._text import size_text

SCRIPT = (
    ("buf = PageBuffer()", "An empty buffer: no page, no node."),
    ("buf.extend(b'x' * 8 * PAGE_SIZE)", "Eight pages, and a node that leads to them."),
    (
        "buf.write(2**20, b'far')",
        "A write a megabyte further: one page. What lies between is a hole.",
    ),
    (
        "buf.write(2**30, b'farther')",
        "A gigabyte further: the tree grows a level, and nothing moves.",
    ),
    ("snap = buf.snapshot()", "A snapshot shares every page: light colours."),
    ("buf.write(0, b'new')", "A write after it copies one page and the nodes above it."),
    (
        "live = buf.view(PAGE_SIZE, 2 * PAGE_SIZE)",
        "A live view pins its pages: they do not move, and are no longer shared.",
    ),
    ("buf.extend(b'y' * 100)", "The buffer grows all the same: a view stops nothing."),
    ("buf.punch(0, PAGE_SIZE)", "A punched page goes back. Zeros are read there."),
    (
        "buf.truncate(8 * PAGE_SIZE)",
        "Cut: pages and levels go. The snapshot still has all of its own.",
    ),
    ("del live, snap", "What nobody holds goes back to the pool."),
)


def steps() -> Iterator[dict[str, Any]]:
    """Make the changes one by one, and read the tree after each."""
    pool = PagePool(debug=0)
    names: dict[str, Any] = {"PageBuffer": lambda: PageBuffer(pool=pool), "PAGE_SIZE": PAGE_SIZE}
    for code, says in SCRIPT:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, names)
        buf: PageBuffer = names["buf"]
        stats = buf.stats()
        yield {
            "code": code,
            "says": says,
            "size": size_text(stats.size),
            "pages": stats.pages,
            "nodes": stats.nodes,
            "shared": stats.shared,
            "held": size_text(pool.stats().held * PAGE_SIZE),
            "levels": stats.levels if stats.pages else 0,
            "total": -(-stats.size // PAGE_SIZE),
            "runs": [
                [level, first, past, _FRAME_STATES[state]]
                for level, first, past, state in buf._tree_runs()
            ],
        }


def as_script() -> str:
    """The steps as data within the page."""
    data = json.dumps(list(steps()), separators=(",", ":"))
    return (
        f'<div id="steps"></div>\n<script type="application/json" id="steps-data">{data}</script>'
    )
