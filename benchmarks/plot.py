"""Draws one plot for each section, and one picture for the README.

A participant has the same colour in all plots; pagebuf is the thick line.
"""

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.participants import OURS, REFERENCE
from benchmarks.results import Report, Row, SectionResult
from benchmarks.workloads import GIB, KIB, MIB

OUR_COLOUR = "#d1495b"
COLOURS = {
    "pagebuf": OUR_COLOUR,
    "io.BytesIO": "#30638e",
    "bytearray": "#00798c",
    "mmap, resized": "#edae49",
    "mmap, 4 GiB reserved": "#b8860b",
    "memfd": "#7b6d8d",
    "SpooledTemporaryFile": "#9aa0a6",
    "pyarrow stream": "#5c946e",
    "picoring": "#30638e",
    "picoring queue": "#6a9ac4",
    "ringbuf": "#7b6d8d",
    "numpy-ringbuffer": "#b8860b",
    "dvg-ringbuffer": "#edae49",
    "by hand, NumPy": "#5c946e",
    "by hand, memoryview": "#3d3d3d",
}
OTHER = "#9aa0a6"
MARKS = "osD^vPX*hd"
SHOWN = {
    "io.BytesIO",
    "bytearray",
    "mmap, resized",
    "pyarrow stream",
    "picoring",
    "numpy-ringbuffer",
    "by hand, memoryview",
}
"""The peers in the picture of the README: those that a reader knows, and the best ones."""
STYLE: Any = {
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.facecolor": "white",
    "font.size": 9.5,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.dpi": 150,
    "svg.hashsalt": "pagebuf",
}


def _short(value: float, units: Iterable[tuple[float, str]]) -> str:
    """A number in the first unit of which there is at least one."""
    for size, unit in units:
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def size_label(value: float, _: int | None = None) -> str:
    return _short(value, ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"), (1, "B")))


def time_label(value: float, _: int | None = None) -> str:
    return _short(value, ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns")))


def rate_label(value: float, _: int | None = None) -> str:
    return _short(value, ((1, "GB/s"), (1e-3, "MB/s"), (1e-6, "kB/s")))


def _lines(section: SectionResult) -> dict[str, list[tuple[float, Row]]]:
    """Participant -> (size, row), for the cases with one piece size."""
    found: dict[str, list[tuple[float, Row]]] = {}
    for case in section.cases:
        if not case.size:
            continue
        for row in case.rows:
            if row.timed:
                found.setdefault(row.name, []).append((case.size, row))
    return found


def ladder(axes: Axes, section: SectionResult, title: str, *, few: bool = False) -> None:
    """Plot the time of one call over its size, both on a log scale.  `few`: the peers of SHOWN."""
    for number, (name, points) in enumerate(_lines(section).items()):
        family = points[0][1].family
        if few and family != OURS and name not in SHOWN:
            continue
        ours = family == OURS
        axes.plot(
            [size for size, _ in points],
            [row.median * size for size, row in points],
            label=name,
            color=COLOURS.get(name, OTHER),
            linewidth=3 if ours else 1.3,
            linestyle=":" if family == REFERENCE else "-",
            marker=MARKS[number % len(MARKS)],
            markersize=6 if ours else 4,
            zorder=5 if ours else 3,
        )
    _log_axes(axes, [case.size for case in section.cases if case.size])
    axes.set_xlabel(section.axis)
    axes.set_title(title)


def _log_axes(axes: Axes, sizes: list[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(size_label))
    axes.yaxis.set_major_formatter(FuncFormatter(time_label))
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("time of one call")


def _headroom(axes: Axes) -> None:
    """Leave a quarter of the height above the lines for the legend."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** (1 / 3))


def _bar_colour(name: str) -> str:
    """The colour of pagebuf, of a reference (a name in brackets), or of a peer."""
    if name.startswith("pagebuf"):
        return OUR_COLOUR
    return "#e4e7eb" if name.startswith("(") else "#aeb8c4"


def bars(axes: Axes, values: list[tuple[str, float]], title: str, unit: str) -> None:
    """Draw horizontal bars with their values, pagebuf first."""
    names = [name for name, _ in values]
    colours = [_bar_colour(name) for name in names]
    drawn = axes.barh(names, [value for _, value in values], color=colours, height=0.7)
    axes.bar_label(drawn, [f"{value:.3g} {unit}" for _, value in values], padding=3, fontsize=8.5)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(title)


def _save(figure: Figure, path: Path) -> None:
    """Save a figure as PNG and as SVG, without dates."""
    figure.savefig(path.with_suffix(".png"))
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)


def sections(report: Report, folder: Path, stem: str) -> None:
    """Draw one plot for each section."""
    with mpl.rc_context(STYLE):
        for section in report.sections:
            if not any(row.timed for case in section.cases for row in case.rows):
                continue
            figure, axes = plt.subplots(figsize=(9, 5.2), layout="constrained")
            if section.cell == "time":
                ladder(axes, section, section.title)
                axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8.5)
            else:
                last = section.cases[-1].label
                bars(axes, _rates(section), f"{section.title}; {last} pieces, GB/s", "")
            _save(figure, folder / f"{stem}-{section.name}")


def _rates(section: SectionResult) -> list[tuple[str, float]]:
    """GB/s of each participant in the section's last case."""
    return [
        (f"({row.name})" if row.family == REFERENCE else row.name, 1 / row.median)
        for row in section.cases[-1].rows
        if row.timed
    ]


def _held_after_burst(section: SectionResult) -> list[tuple[str, float]]:
    """MiB of each participant, when the burst has been taken and nothing was asked of it since."""
    rows = [row for row in section.cases[-1].rows if row.timed]
    return [(row.name, median(row.memory["after"]) / MIB) for row in rows]


def overview(report: Report, folder: Path) -> None:
    """Draw the picture of the README: growth, random writes, FIFO, and memory after a burst."""
    by_name = {section.name: section for section in report.sections}
    wanted = ("growth", "write", "fifo", "burst")
    if any(name not in by_name for name in wanted):
        return
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(2, 2, figsize=(12.5, 8.6), layout="constrained")
        ladders = (
            (axes[0][0], "growth", "Append a piece"),
            (axes[0][1], "write", "Write a piece anywhere in 256 MiB"),
            (axes[1][0], "fifo", "Put and take a piece, 1 MiB in flight"),
        )
        for one, name, title in ladders:
            ladder(one, by_name[name], f"{title}: time, lower is better", few=True)
            _headroom(one)
            one.legend(loc="upper left", fontsize=9, ncols=2)
        title = "Memory held after a burst of 256 MiB: less is better"
        bars(axes[1][1], _held_after_burst(by_name["burst"]), title, "MiB")
        about = report.about
        figure.supxlabel(
            f"{about['cpu']}, CPython {about['python']}, {about['date']}, commit {about['commit']}",
            fontsize=8,
            color="#777777",
        )
        _save(figure, folder / "overview")
