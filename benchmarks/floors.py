"""What the comparison must reach: one table, case -> floor.

A floor is a lower bound of (best peer's time / pagebuf's time).  Floors are goals set beforehand;
no case is shaped after them.
"""

from dataclasses import dataclass

from benchmarks.participants import GROWABLE, RING

SCATTER = 0.97
"""Where a floor is 1.0: equal code differs by 3 % from run to run."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A goal for one case."""

    case: str
    least: float
    against: tuple[str, ...] = ()
    """Names of peers; empty: all peers of `family`."""
    family: str = GROWABLE

    @property
    def line(self) -> float:
        return SCATTER if self.least == 1.0 else self.least

    def counts(self, name: str, family: str) -> bool:
        return name in self.against if self.against else family == self.family


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A goal for a figure that must stay small."""

    figure: str
    most: float


def _floors(section: str, goals: dict[str, float], **options: object) -> list[Floor]:
    return [
        Floor(f"{section}/{size}", least, **options)  # type: ignore[arg-type]
        for size, least in goals.items()
    ]


FLOORS: list[Floor] = [
    *_floors("growth", {"16 B": 1.1, "64 B": 1.1}, against=("io.BytesIO", "bytearray")),
    *_floors("growth", {"256 B": 2.0, "4 KiB": 2.5}),
    *_floors("growth-big", {"64 KiB": 1.8, "1 MiB": 1.8}),
    *_floors("growth-big", {"64 KiB": 0.9, "1 MiB": 0.9}, against=("memcpy by piece",)),
    *_floors("growth-cold", {"64 KiB": 1.8, "1 MiB": 1.8}),
    *_floors(
        "read",
        dict.fromkeys(("1 B", "16 B", "64 B", "256 B", "1 KiB", "4 KiB", "64 KiB", "1 MiB"), 1.0),
    ),
    *_floors("write", {"1 B": 1.5, "16 B": 1.5, "64 B": 1.5, "256 B": 1.5, "4 KiB": 1.2}),
    *_floors("write", {"64 KiB": 1.0, "1 MiB": 1.0}),
    *_floors(
        "fifo",
        {"16 B": 3.0, "64 B": 3.0, "1 KiB": 2.0, "4 KiB": 1.7, "64 KiB": 1.1},
        family=RING,
    ),
]

CEILINGS: list[Ceiling] = [
    Ceiling("overhead", 0.005),
    Ceiling("first-buffer", 64 * 1024),
]
"""Figures of `measures.py` and the most they may be, in the unit they are measured in."""
