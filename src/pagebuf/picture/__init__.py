"""Pictures of a buffer's tree and of a pool's frames, coloured by state.

They are drawn with matplotlib, which is imported when the first one is asked for.

>>> from pagebuf import PageBuffer, picture
>>> picture.svg(picture.tree_figure(PageBuffer(b"x" * 10**6)))[:4]
'<svg'
"""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

    from pagebuf._core import ByteQueue, BytesIO, PageBuffer
    from pagebuf.pool import PagePool

__all__ = ["FORMATS", "available", "pool_figure", "save", "svg", "tree_figure"]

FORMATS = ("svg", "png")


def available() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def tree_figure(buffer: PageBuffer | BytesIO | ByteQueue, name: str | None = None) -> Figure:
    """The tree of a buffer: a band a level, each entry over the pages that it spans.

    Holes are white.  Where some stretches are too short to be seen beside the others, widths
    grow with the logarithm of the pages, and the axis says so.  O(pages).

    >>> from pagebuf import PageBuffer
    >>> figure = tree_figure(PageBuffer(bytes(10**6)), "zeros")
    """
    if not hasattr(buffer, "_tree_runs"):
        kind = type(buffer).__name__
        raise TypeError(f"buffer must be a PageBuffer, a BytesIO or a ByteQueue, not {kind}")
    _require()
    from pagebuf.picture._tree import draw

    return draw(buffer, name)


def pool_figure(pool: PagePool) -> Figure:
    """The frames of a pool, region by region in the order of their addresses, as a grid.

    Of more than 65536 frames several share a cell; it shows the state that three quarters of
    them are in, and says so below.  O(frames).

    >>> from pagebuf import default_pool
    >>> figure = pool_figure(default_pool())
    """
    if not hasattr(pool, "_frame_states"):
        raise TypeError(f"pool must be a PagePool, not {type(pool).__name__}")
    _require()
    from pagebuf.picture._pool import draw

    return draw(pool)


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a file's ending asks for.  ValueError when it is none of `FORMATS`.

    >>> format_of("pool.SVG")
    'svg'
    """
    ending = Path(path).suffix[1:].lower()
    if ending not in FORMATS:
        raise ValueError(f"a picture is saved as .svg or .png, not as {str(path)!r}")
    return ending


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure to a file: SVG or PNG, by its ending."""
    kind = format_of(path)
    _check(figure)
    with _settings():
        figure.savefig(path, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {})


def svg(figure: Figure) -> str:
    """A figure as the text of an ``<svg>`` element."""
    _check(figure)
    text = io.StringIO()
    with _settings():
        figure.savefig(text, format="svg", metadata={"Date": None})
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]


def _check(figure: object) -> None:
    if not hasattr(figure, "savefig"):
        raise TypeError(f"figure must be one of matplotlib, not {type(figure).__name__}")


def _require() -> None:
    if not available():
        raise ImportError("pictures need matplotlib: pip install 'pagebuf[pictures]'")


def _settings() -> Any:
    """Settings of matplotlib: keep text as text, and give the same file for the same figure."""
    import matplotlib as mpl

    return mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pagebuf"})
