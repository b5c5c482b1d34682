"""Code that both pictures share: colours, sizes, a figure with its axes and legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagebuf._text import number_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HOLE, MIXED = "hole", "mixed"

# The colours of Okabe and Ito, which people with any kind of colour vision can tell apart.
# A lighter colour means shared, grey means not in use.
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
    "mapped": "#7b5ea7",
    MIXED: "#a08c4a",
}
INK, PALE = "#222222", "#6a6a6a"
WIDTH = 10.0  # inches
LEGEND_COLUMNS = 6


def new_figure(height: float, counts: Mapping[str, int]) -> tuple[Figure, Axes]:
    """A figure of `height` inches, its axes without a frame, and a legend of states below them."""
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
    """Add a legend of the states that occur, in their order, with the number of each."""
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
