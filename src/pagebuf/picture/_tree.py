"""The tree of a buffer as bands, one for each level.  See `pagebuf.picture.tree_figure`."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pagebuf._core import _FRAME_STATES, FANOUT, PAGE_SIZE
from pagebuf._text import count_text, number_text, size_text
from pagebuf.picture._style import (
    COLOURS,
    HOLE,
    INK,
    MIXED,
    PALE,
    WIDTH,
    add_title,
    new_figure,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pagebuf._core import BufferStats

MOST_RUNS = 1500  # if a tree has more, STRETCHES of equal length replace the runs of a level
STRETCHES = 1000
MOST_LINES = 64  # a run of up to this many entries has lines between them
SHORTEST = 0.012  # of the width: the shortest stretch that can be seen
MOST_BENT = 300  # stretches: with more, a logarithmic axis would not help
GAP = 0.16  # of a band, left free below it
ROOM = 0.07 / (0.85 * WIDTH)  # of the width, for one letter in a box
NARROW = 0.003  # of the width: narrower entries have no line between them
MOST_NAMED = 8  # up to this many levels there is room for a second line of text
CLEAR = 0.75  # a stretch has the colour of a state that fills at least this part of it


class Buffer(Protocol):
    """What is asked of a buffer: it may be one of another process."""

    def stats(self) -> BufferStats:
        """What it holds."""

    def _tree_runs(self) -> list[tuple[int, int, int, int]]: ...


class Run(NamedTuple):
    """Adjacent entries of a level that have the same state, and the pages under them."""

    level: int
    first: int
    past: int
    state: str


class Tree(NamedTuple):
    """What the picture shows."""

    runs: list[Run]
    pages: int
    head: int  # pages of the tree before the first byte
    stats: BufferStats

    def entries(self, run: Run) -> range:
        """The numbers of the entries in a run, within their level."""
        span = self.span(run.level)
        return range((self.head + run.first) // span, (self.head + run.past - 1) // span + 1)

    def span(self, level: int) -> int:
        """How many pages an entry of a level spans."""
        span: int = FANOUT ** (self.stats.levels - level)
        return span


def draw(buffer: Buffer, name: str | None, kind: str | None = None) -> Figure:
    """The figure of a buffer; the title says its kind."""
    tree = tree_of(buffer)
    bands = tree.stats.levels if tree.runs else 1
    counts = _counts(tree)
    figure, axes = new_figure(1.25 + bands * (0.55 if bands <= MOST_NAMED else 0.22), counts)
    axes.set(xlim=(0, 1), ylim=(bands + 1, 1))
    if tree.runs:
        _draw_tree(axes, tree)
    else:
        _draw_nothing(axes, tree.stats)
    add_title(axes, _title(kind or kind_of(buffer), name), _figures(tree.stats, counts))
    return figure


def tree_of(buffer: Buffer) -> Tree:
    """Read the tree of a buffer."""
    stats = buffer.stats()
    runs = [Run(*run[:3], _FRAME_STATES[run[3]]) for run in buffer._tree_runs()]
    head, first = divmod(stats.bias, PAGE_SIZE)
    return Tree(runs, -(-(first + stats.size) // PAGE_SIZE), head, stats)


# ---- too many runs ----


def binned(runs: Iterable[Run], pages: int, level: int) -> list[Run]:
    """Replace the runs of a level by stretches of equal length, each with its most common state."""
    edges = [pages * i // STRETCHES for i in range(STRETCHES + 1)]
    covers: list[Counter[str]] = [Counter() for _ in range(STRETCHES)]
    for run in runs:
        i = bisect_right(edges, run.first) - 1
        while i < STRETCHES and edges[i] < run.past:
            covers[i][run.state] += min(run.past, edges[i + 1]) - max(run.first, edges[i])
            i += 1
    binned = []
    for (first, past), cover in zip(pairwise(edges), covers, strict=True):
        cover[HOLE] = past - first - cover.total()
        state, most = cover.most_common(1)[0]
        clear = most >= CLEAR * (past - first)
        if not clear or state != HOLE:
            binned.append(Run(level, first, past, state if clear else MIXED))
    return _joined(binned)


def _joined(runs: list[Run]) -> list[Run]:
    joined: list[Run] = []
    for run in runs:
        if joined and (joined[-1].past, joined[-1].state) == (run.first, run.state):
            run = run._replace(first=joined.pop().first)
        joined.append(run)
    return joined


def _drawable(tree: Tree) -> list[Run]:
    if len(tree.runs) <= MOST_RUNS:
        return tree.runs
    levels = range(1, tree.stats.levels + 1)
    return [
        run
        for level in levels
        for run in binned([run for run in tree.runs if run.level == level], tree.pages, level)
    ]


# ---- the axis ----


class Scale(NamedTuple):
    """Maps pages to an axis from 0 to 1, linearly between two neighbouring edges."""

    edges: list[int]
    places: list[float]
    straight: bool  # linear over the whole axis

    def __call__(self, page: int) -> float:
        """The place of a page."""
        i = min(bisect_right(self.edges, page), len(self.edges) - 1) - 1
        part = (page - self.edges[i]) / (self.edges[i + 1] - self.edges[i])
        return self.places[i] + part * (self.places[i + 1] - self.places[i])


def scale_of(runs: Iterable[Run], pages: int) -> Scale:
    """A linear axis if every stretch can be seen on it; else a logarithmic one."""
    edges = sorted({0, pages}.union(*((run.first, run.past) for run in runs)))
    widths = [float(b - a) for a, b in pairwise(edges)]
    straight = min(widths) / pages >= SHORTEST or len(widths) > MOST_BENT
    if not straight:
        widths = [1 + math.log2(width) / 4 for width in widths]
    places = [0.0]
    for width in widths:
        places.append(places[-1] + width / sum(widths))
    places[-1] = 1.0
    return Scale(edges, places, straight)


def _label_axis(axes: Axes, tree: Tree, scale: Scale) -> None:
    """Label edges that are far enough apart for their labels."""
    ticks: list[float] = []
    labels: list[str] = []
    for page, place in _candidates(tree, scale):
        if all(abs(place - other) > 0.09 for other in ticks):
            ticks.append(place)
            labels.append(f"{number_text(page)}\n{size_text(page * PAGE_SIZE)}")
    axes.set_xticks(ticks, labels)
    axes.set_xlabel(f"page of the buffer{_note(tree, scale)}", color=PALE, fontsize=8)


def _note(tree: Tree, scale: Scale) -> str:
    if len(tree.runs) > MOST_RUNS:
        pages = count_text(-(-tree.pages // STRETCHES), "page")
        return f"; a stretch of {pages} shows the state of three quarters of it, else mixed"
    return "" if scale.straight else "; widths by the logarithm, as some stretches are very long"


def _candidates(tree: Tree, scale: Scale) -> list[tuple[int, float]]:
    """The places to label, both ends first.  A linear axis has labels at equal distances."""
    if scale.straight and not 3 < len(scale.edges) < 16:
        between = [tree.pages * i // 8 for i in range(1, 8)]
    else:
        between = scale.edges
    pages = dict.fromkeys([0, tree.pages, *between])
    return [(page, scale(page)) for page in pages]


# ---- ink ----


def _draw_tree(axes: Axes, tree: Tree) -> None:
    runs = _drawable(tree)
    scale = scale_of(runs, tree.pages)
    for level in range(1, tree.stats.levels + 1):
        _draw_level(axes, tree, [run for run in runs if run.level == level], scale)
        _draw_outline(axes, level)
    _draw_holes(axes, tree, runs, scale)
    _label_levels(axes, tree)
    _label_axis(axes, tree, scale)


def _draw_outline(axes: Axes, level: int) -> None:
    below = level + 1 - GAP
    across, down = [0, 1, 1, 0, 0], [level, level, below, below, level]
    axes.plot(across, down, color="#c4c4c4", linewidth=0.6, zorder=0, clip_on=False)


def _draw_level(axes: Axes, tree: Tree, runs: list[Run], scale: Scale) -> None:
    if not runs:
        return
    places = [(scale(run.first), scale(run.past)) for run in runs]
    boxes = [(left, right - left) for left, right in places]
    colours = [COLOURS[run.state] for run in runs]
    axes.broken_barh(boxes, (runs[0].level, 1 - GAP), facecolors=colours, linewidth=0)
    for run in runs:
        _draw_lines(axes, tree, run, scale)
        entries = len(tree.entries(run))
        text = count_text(entries, "page" if run.level == tree.stats.levels else "node")
        if run.state != MIXED:
            _write(axes, run, scale, (text, number_text(entries)))


def _draw_lines(axes: Axes, tree: Tree, run: Run, scale: Scale) -> None:
    """Draw lines between the entries of a run."""
    entries = tree.entries(run)
    if run.state == MIXED or not 1 < len(entries) <= MOST_LINES:
        return
    span = tree.span(run.level)
    places = [scale(entry * span - tree.head) for entry in entries[1:]]
    if min(b - a for a, b in pairwise([*places, scale(run.past)])) > NARROW:
        axes.vlines(places, run.level, run.level + 1 - GAP, colors="white", linewidth=0.8)


def _write(axes: Axes, run: Run, scale: Scale, texts: tuple[str, ...]) -> None:
    """Write the first text that fits into the middle of a box, over the lines."""
    left, right = scale(run.first), scale(run.past)
    text = next((text for text in texts if right - left > ROOM * (len(text) + 1)), None)
    if text is not None:
        axes.text(
            (left + right) / 2,
            run.level + (1 - GAP) / 2,
            text,
            color=_ink_on(COLOURS[run.state]),
            bbox={"facecolor": COLOURS[run.state], "linewidth": 0, "pad": 1.5},
            fontsize=8,
            ha="center",
            va="center",
        )


def _ink_on(colour: str) -> str:
    red, green, blue = bytes.fromhex(colour[1:])
    return INK if 0.3 * red + 0.59 * green + 0.11 * blue > 140 else "white"


def _draw_holes(axes: Axes, tree: Tree, runs: Iterable[Run], scale: Scale) -> None:
    """Label the holes of the last level."""
    level = tree.stats.levels
    edges = [(run.first, run.past) for run in runs if run.level == level]
    ends = [0, *(past for _, past in edges)]
    starts = [*(first for first, _ in edges), tree.pages]
    for first, past in zip(ends, starts, strict=True):
        if first < past:
            size = size_text((past - first) * PAGE_SIZE)
            _write(axes, Run(level, first, past, HOLE), scale, (f"hole, {size}", "hole"))


def _label_levels(axes: Axes, tree: Tree) -> None:
    levels = range(1, tree.stats.levels + 1)
    places = [level + (1 - GAP) / 2 for level in levels]
    names = [f"level {level}" + (" (root)" if level == 1 else "") for level in levels]
    if len(levels) <= MOST_NAMED:
        spans = [size_text(tree.span(level) * PAGE_SIZE) for level in levels]
        names = [f"{name}\n{span} an entry" for name, span in zip(names, spans, strict=True)]
    axes.set_yticks(places, names)


def _draw_nothing(axes: Axes, stats: BufferStats) -> None:
    if not stats.size:
        text = "empty"
    elif stats.holes:
        text = "a hole and nothing else"
    else:
        text = f"{count_text(stats.size, 'byte')} in the object itself, no page"
    _draw_outline(axes, 1)
    axes.text(0.5, 1 + (1 - GAP) / 2, text, ha="center", va="center", color=PALE, fontsize=9)
    axes.set(xticks=[], yticks=[])


# ---- figures ----


def _title(kind: str, name: str | None) -> str:
    return f"{kind} {name!r}" if name else kind


def kind_of(buffer: Buffer) -> str:
    """What the title says of it."""
    return "snapshot" if getattr(buffer, "frozen", False) else type(buffer).__name__


def _counts(tree: Tree) -> Counter[str]:
    counts: Counter[str] = Counter()
    for run in tree.runs:
        counts[run.state] += len(tree.entries(run))
    if tree.stats.holes:
        counts[HOLE] = tree.stats.holes
    if len(tree.runs) > MOST_RUNS:
        counts[MIXED] = 0
    return counts


def _figures(stats: BufferStats, counts: Counter[str]) -> str:
    parts = [
        size_text(stats.size),
        count_text(stats.pages, "page"),
        count_text(stats.nodes, "node"),
        count_text(stats.holes, "page") + " of holes",
        f"{number_text(counts['shared data'] + counts['shared node'])} shared",
        f"{size_text(stats.resident)} resident",
    ]
    return "  ·  ".join(parts)
