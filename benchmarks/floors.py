"""The goals of the comparison: a table of floors for cases, and one of ceilings for figures.

A floor is a lower bound of (best peer's time / pagebuf's time).  Floors were set before the cases
were written; no case is made to meet one.
"""

from dataclasses import dataclass

from benchmarks.participants import GROWABLE, RING

SCATTER = 0.97
"""The bound for a floor of 1.0, because equal code differs by 3 % from run to run."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A goal for one case."""

    case: str
    least: float
    against: tuple[str, ...] = ()
    """The names of the peers that count; if empty, all peers of `family`."""
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
    *_floors("growth", {"256 B": 2.0, "4 KiB": 1.9}),
    *_floors("growth-big", {"64 KiB": 2.3, "1 MiB": 2.3}, against=("memfd",)),
    *_floors("growth-big", {"64 KiB": 1.25, "1 MiB": 1.25}, against=("memcpy by piece",)),
    *_floors("growth-cold", {"64 KiB": 1.05, "1 MiB": 1.05}, against=("memfd",)),
    *_floors(
        "growth-cold", {"64 KiB": 0.92, "1 MiB": 0.92}, against=("mmap, reserved + huge pages",)
    ),
    *_floors("growth-cold", {"64 KiB": 1.6, "1 MiB": 1.6}, against=("bytearray",)),
    *_floors("growth-read", {"8 MiB": 1.0, "16 MiB": 1.0}),
    *_floors("read", {"1 B": 1.4, "16 B": 1.15, "64 B": 1.15, "256 B": 1.12, "1 KiB": 1.12}),
    *_floors("read", {"4 KiB": 1.08, "64 KiB": 0.97, "1 MiB": 0.95}),
    *_floors("write", {"1 B": 1.65, "16 B": 1.65, "64 B": 1.65, "256 B": 1.65}),
    *_floors("write", {"1 KiB": 1.2, "4 KiB": 1.2, "64 KiB": 1.0, "1 MiB": 0.95}),
    *_floors(
        "fifo",
        {"16 B": 3.0, "64 B": 3.0, "1 KiB": 1.15, "4 KiB": 0.93, "64 KiB": 0.95},
        family=RING,
    ),
    *_floors("burst", {"64 KiB": 0.92, "64 KiB, keep=": 1.0}, family=RING),
    *_floors("exports", {"4 by turns": 1 / 3, "64 by turns": 1 / 3}),
    *_floors("exports", dict.fromkeys(("finditer", "match at", "resize, fill"), 0.5)),
    *_floors("exports", {"write, getbuffer": 0.5, "first, scattered": 1 / 1.3}),
    *_floors("bytesio", {"create": 1.3}),
    *_floors(
        "bytesio",
        dict.fromkeys(
            (
                "write 8 B",
                "write 64 B",
                "read 16 B",
                "seek+read",
                "seek+write",
                "readline",
                "iterate",
            ),
            1.0,
        ),
    ),
    *_floors("bytesio-lent", {f"make {n} B": 1.1 for n in (105, 4096, 65536, 1 << 20)}),
    *_floors(
        "bytesio-lent",
        dict.fromkeys(
            (
                "1 MiB by 64 KiB",
                "1 MiB of lines",
                "zipfile",
                "Pillow",
                "pickle of 1 MB",
                "20 000 pickles",
            ),
            0.93,
        ),
    ),
    *_floors("bytesio-lent", {"start over": 0.9}),
    *_floors("aio", {"readline 64 B": 3.0, "readexactly 4, 60": 2.4, "read(100)": 1.7}),
    *_floors("aio", {"write, drain 100 B": 1.05, "8 MiB by 64 KiB": 1.0}),
    *_floors("aio", {"echo 64 KiB": 0.92, "ping-pong 64 B": 0.9}),
    *_floors("pipe", {"64 B": 1.3, "4 KiB": 2.0, "64 KiB": 3.0}),
    *_floors("separators", {f"two in turn, {n} kB": 0.5 for n in (100, 1000)}),
    *_floors("separators", {f"tuple of four, {n} kB": 0.5 for n in (100, 1000)}),
    *_floors("send-pipe", {"16 MiB": 0.9}),
    *_floors("queue", {"16 B": 3.0, "64 B": 3.0, "1 KiB": 4.0, "4 KiB": 4.0}, family=RING),
    *_floors("queue", {"64 KiB": 3.0, "1 MiB": 1.5}, family=RING),
    *_floors("queue-made", {"1 KiB": 1.4, "4 KiB": 1.4, "64 KiB": 1.0, "1 MiB": 0.97}, family=RING),
    *_floors(
        "queue-made",
        {"64 KiB to 4 KiB": 1.3, "4 KiB to 64 KiB": 1.1, "1500 B to 4 KiB": 1.2},
        family=RING,
    ),
    *_floors("readuntil", dict.fromkeys(("1 B", "64 B", "4 KiB"), 5.0)),
    *_floors("loopback", {"1 GiB": 0.95}),
    *_floors("view", {"1 GiB": 0.2}),
    *_floors("snapshot", {"dense": 10_000.0}, against=("bytes(bytearray)",)),
    *_floors("snapshot", {"dense": 0.5}, against=("a snapshot of 1 MiB",)),
    *_floors("first-write", {"middle, first": 1 / 3.3, "large, first": 1 / 3.3}),
    *_floors("first-write", {"middle, again": 1 / 1.2, "large, again": 1 / 1.2}),
    *_floors("rounds", {"1 %": 80.0}, against=("bytes(bytearray)",)),
    *_floors("rounds", {"1 %": 12.0}, against=("copy into touched memory",)),
    *_floors("diff", {"page-exact": 500.0, "byte-exact": 110.0}),
    *_floors("threads", {"two threads": 1.85}, against=("one thread",)),
    *_floors("threads", {"two threads": 0.93}, against=("numpy.copyto, two threads",)),
]

CEILINGS: list[Ceiling] = [
    Ceiling("interleaved", 20_000_000),  # the interpreter and pagebuf take 12 million of them
    Ceiling("overhead", 0.005),
    Ceiling("first-buffer", 64 * 1024),
    Ceiling("many-buffers", 0.8),
    Ceiling("many-files", 1.15),  # each is an io.BytesIO as well: 48 bytes
    Ceiling("small-views", 1 << 20),
    Ceiling("map-read", 1 / 0.95),
    Ceiling("map-save", 0.6),
    Ceiling("map-save-changes", 0.02),
]
"""The figures of measures, and the most that each may be, in the unit of the measure."""
