"""The frames of a pool as a grid of cells.  See `pagebuf.picture.pool_figure`."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from pagebuf._core import _FRAME_STATES, PAGE_SIZE
from pagebuf._text import count_text, number_text, size_text
from pagebuf.picture._style import COLOURS, MIXED, PALE, WIDTH, add_title, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from pagebuf._core import PoolStats

MOST_CELLS = 1 << 16
LINED_COLUMNS = 128  # up to this many columns there is room for lines between cells
DRAWN = 0.92 * WIDTH  # inches of the width, without the labels
LABEL = 0.16  # inches of height
CLEAR = 3, 4  # a cell has the colour of a state that at least 3/4 of its frames have

Region = tuple[int, bytes]


class Pool(Protocol):
    """What is asked of a pool: it may be one of another process."""

    @property
    def name(self) -> str | None:
        """What it is called."""

    def stats(self) -> PoolStats:
        """What it holds."""

    def _frame_states(self) -> list[Region]: ...


class Grid(NamedTuple):
    """The number of each cell's colour, and the first row of each region."""

    cells: NDArray[np.uint8]
    starts: list[int]
    per_cell: int


def draw(pool: Pool) -> Figure:
    """The figure of a pool."""
    regions = pool._frame_states()
    grid = grid_of(regions)
    counts = _counts(regions, grid)
    rows, columns = grid.cells.shape
    tall = DRAWN * rows / columns  # the height that makes cells square
    figure, axes = new_figure(1.0 + tall, counts)
    _draw_cells(axes, grid)
    _label_regions(axes, regions, grid)
    name = f"pool {pool.name!r}" if pool.name else "a pool without a name"
    add_title(axes, name, _figures(pool, regions, counts))
    return figure


# ---- cells ----


def grid_of(regions: list[Region]) -> Grid:
    """The cells of all regions, with an empty row between two regions."""
    frames = sum(len(states) for _, states in regions)
    per_cell = 1
    while frames > per_cell * MOST_CELLS:
        per_cell *= 2
    cells = [cells_of(states, per_cell) for _, states in regions]
    columns = 16
    while columns * columns < 2 * sum(len(some) for some in cells):
        columns *= 2
    return _stacked(cells, columns, per_cell)


def cells_of(states: bytes, per_cell: int) -> NDArray[np.uint8]:
    """The colour number of each cell of a region: its state, or the number after those if mixed."""
    frames = np.frombuffer(states, np.uint8)
    if per_cell == 1:
        return frames
    cells = -(-len(frames) // per_cell)
    padded = np.full(cells * per_cell, 255, np.uint8)
    padded[: len(frames)] = frames
    blocks = padded.reshape(cells, per_cell)
    counts = np.stack([(blocks == state).sum(axis=1) for state in range(len(_FRAME_STATES))])
    clear = counts.max(axis=0) * CLEAR[1] >= counts.sum(axis=0) * CLEAR[0]
    return np.where(clear, counts.argmax(axis=0), len(_FRAME_STATES)).astype(np.uint8)


def _stacked(cells: list[NDArray[np.uint8]], columns: int, per_cell: int) -> Grid:
    blank = len(_FRAME_STATES) + 1
    rows: list[NDArray[np.uint8]] = []
    starts = []
    for some in cells:
        height = -(-len(some) // columns)
        block = np.full(height * columns, blank, np.uint8)
        block[: len(some)] = some
        if rows:
            rows.append(np.full((1, columns), blank, np.uint8))
        starts.append(sum(len(row) for row in rows))
        rows.append(block.reshape(height, columns))
    if not rows:
        rows.append(np.full((1, columns), blank, np.uint8))
    return Grid(np.vstack(rows), starts, per_cell)


# ---- ink ----


def _palette() -> NDArray[np.uint8]:
    names = [*_FRAME_STATES, MIXED]
    colours = [(*bytes.fromhex(COLOURS[name][1:]), 255) for name in names]
    return np.array([*colours, (255, 255, 255, 0)], np.uint8)


def _draw_cells(axes: Axes, grid: Grid) -> None:
    rows, columns = grid.cells.shape
    axes.imshow(
        _palette()[grid.cells],
        extent=(0, columns, rows, 0),
        interpolation="none",
        aspect="auto",
    )
    axes.set_xticks([])
    if columns <= LINED_COLUMNS:
        axes.vlines(range(columns + 1), 0, rows, colors="white", linewidth=0.7)
        axes.hlines(range(rows + 1), 0, columns, colors="white", linewidth=0.7)
    if grid.per_cell > 1:
        axes.set_xlabel(
            f"a cell is {grid.per_cell} frames: the state of three quarters of them, else mixed",
            color=PALE,
            fontsize=8,
        )


def _label_regions(axes: Axes, regions: list[Region], grid: Grid) -> None:
    """Label each region beside its first row, if there is room."""
    room = LABEL * grid.cells.shape[1] / DRAWN
    ticks: list[float] = []
    labels = []
    for (first, _), start in zip(regions, grid.starts, strict=True):
        if not ticks or start + 0.5 - ticks[-1] >= room:
            ticks.append(start + 0.5)
            labels.append(f"frame {number_text(first)}")
    axes.set_yticks(ticks, labels)


# ---- figures ----


def _counts(regions: list[Region], grid: Grid) -> Counter[str]:
    counts: Counter[str] = Counter()
    for _, states in regions:
        for state, number in Counter(states).items():
            counts[_FRAME_STATES[state]] += number
    if (grid.cells == len(_FRAME_STATES)).any():
        counts[MIXED] = 0
    return counts


def free_stretches(regions: list[Region]) -> list[int]:
    """The lengths of the stretches of free frames that were used before."""
    idle = {_FRAME_STATES.index("free"), _FRAME_STATES.index("given back")}
    return [
        sum(1 for _ in run)
        for _, states in regions
        for free, run in groupby(states, idle.__contains__)
        if free
    ]


def _figures(pool: Pool, regions: list[Region], counts: Counter[str]) -> str:
    free = free_stretches(regions)
    stats = pool.stats()  # as in `top`: quarantined frames and guards are not in use
    parts = [
        f"{size_text(stats.held * PAGE_SIZE)} of {size_text(stats.total * PAGE_SIZE)} in use",
        count_text(len(regions), "region"),
        count_text(counts["node"] + counts["shared node"], "node"),
        f"{number_text(counts['shared data'] + counts['shared node'])} shared",
        f"{number_text(sum(free))} free in {count_text(len(free), 'stretch', 'stretches')}",
    ]
    return "  ·  ".join(parts)
