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

from pagebuf._text import number_text

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pagebuf._core import ByteQueue, BytesIO, PageBuffer
    from pagebuf.pool import PagePool

__all__ = ["FORMATS", "available", "pool_figure", "save", "svg", "tree_figure"]

FORMATS = ("svg", "png")

HOLE, MIXED = "hole", "mixed"

# Okabe and Ito's colours, told apart with any kind of colour vision: lighter is shared, grey is
# not in use.
COLOURS = {
    HOLE: "#ffffff",
    "unused": "#f1f1f1",
    "free": "#b3b3b3",
    "given back": "#d9d9d9",
    "data": "#0072b2",
    "shared data": "#56b4e9",
    "node": "#d55e00",
    "shared node": "#e69f00",
    "pinned": "#009e73",
    "detached": "#cc79a7",
    "quarantined": "#f0e442",
    "guard": "#000000",
    MIXED: "#a08c4a",
}
INK, PALE = "#222222", "#6a6a6a"
WIDTH = 10.0  # inches
LEGEND_COLUMNS = 6


def available() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def tree_figure(buffer: PageBuffer | BytesIO | ByteQueue, name: str | None = None) -> Figure:
    """The tree of a buffer: a band a level, each entry over the pages that it spans.

    Holes are white.  Where some stretches are too short to be seen beside the others, widths
    grow with the logarithm of the pages, and the axis says so.  O(pages).

    >>> from pagebuf import PageBuffer
    >>> figure = tree_figure(PageBuffer(bytes(10**6)), "zeros")
    """
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
    with _settings():
        figure.savefig(path, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else {})


def svg(figure: Figure) -> str:
    """A figure as the text of an ``<svg>`` element."""
    text = io.StringIO()
    with _settings():
        figure.savefig(text, format="svg", metadata={"Date": None})
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]


def _require() -> None:
    if not available():
        raise ImportError("pictures need matplotlib: pip install 'pagebuf[pictures]'")


def _settings() -> Any:
    """Text stays text, and the same figure gives the same file."""
    import matplotlib as mpl

    return mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pagebuf"})


# ---- what both pictures share ----


def new_figure(height: float, counts: Mapping[str, int]) -> tuple[Figure, Axes]:
    """A figure so many inches high, axes without a frame, and a legend of states below them."""
    from matplotlib.figure import Figure

    legend = 0.2 * -(-len(counts) // LEGEND_COLUMNS)
    figure = Figure(figsize=(WIDTH, height + legend), layout="constrained")
    _add_legend(figure, counts)
    axes = figure.add_subplot()
    axes.tick_params(colors=PALE, labelsize=8, length=3)
    axes.tick_params(axis="y", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure, axes


def add_title(axes: Axes, title: str, figures: str) -> None:
    """A title, and a line of figures below it."""
    axes.set_title(f"{title}\n", loc="left", fontsize=12, fontweight="bold", color=INK)
    axes.annotate(
        figures,
        (0, 1),
        (0, 8),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9,
        color=PALE,
    )


def _add_legend(figure: Figure, counts: Mapping[str, int]) -> None:
    """The states that occur, in their order, with how many there are of each."""
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=colour, edgecolor=PALE, linewidth=0.5, label=_legend_text(name, counts))
        for name, colour in COLOURS.items()
        if name in counts
    ]
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=LEGEND_COLUMNS,
        frameon=False,
        fontsize=8.5,
        handlelength=1.2,
        handleheight=1.2,
        labelcolor=INK,
    )


def _legend_text(name: str, counts: Mapping[str, int]) -> str:
    return f"{name}  {number_text(counts[name])}" if counts[name] else name
