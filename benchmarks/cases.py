"""The base classes of cases and sections; the sections themselves are in `cases_*.py`.

A case is one column of a table: one kind of work at one size.  A section is the table: cases for
several sizes, with the memory that they share.  To add work, write a section and list it in the
SECTIONS of its file.  A new file goes to `sections.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.loops import Op, results, timed
from benchmarks.participants import GROWABLE, Participant, Store
from benchmarks.workloads import Scale, digest, prefix, size_name

MAIN, MORE, ALL = "main", "more", "all"
"""The parts of the comparison: `make compare`, `make compare-more`, both."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one participant."""

    ns: int
    nbytes: int
    good: bool = True
    """Whether the output was right; True if the run did not check it."""
    memory: dict[str, int] = field(default_factory=dict)
    """Bytes held at each stage that the section names."""


class Case(ABC):
    """One kind of work at one size, which each participant does in turn."""

    more = False
    """Whether only `make compare-more` runs it."""
    timed_by_child = False
    """Whether each run starts a process.  Then the first run checks, and needs no warm-up."""

    def __init__(self, section: "Section", size: int) -> None:
        self.section = section
        self.size = size
        self.scale = section.scale

    @property
    def id(self) -> str:
        return f"{self.section.name}/{size_name(self.size)}"

    @property
    def label(self) -> str:
        return size_name(self.size)

    @property
    def rounds(self) -> int:
        near = self.section.near_one or self.more
        return self.scale.near_rounds if near else self.scale.rounds

    @property
    def participants(self) -> Sequence[Participant]:
        return self.section.participants

    @property
    @abstractmethod
    def bytes_per_call(self) -> float:
        """The bytes of one call, from which its time is computed."""

    def open(self) -> None:  # noqa: B027
        """Make the input, if there is any."""

    def close(self) -> None:  # noqa: B027
        """Drop the input."""

    @abstractmethod
    def run(self, who: Participant, shift: int, *, check: bool) -> Run:
        """Do the work on the first 1/2**shift of the input.

        Compares the output only with `check`, and outside the timed part.
        """


class Section:
    """A table of cases."""

    name: ClassVar[str]
    title: ClassVar[str]
    note: ClassVar[str] = ""
    cell: ClassVar[str] = "time"
    """What a cell shows: the "time" of a call, or the "rate" in bytes per second."""
    memory: ClassVar[dict[str, str]] = {}
    """The stages at which a run measures memory, with their headings."""
    family: ClassVar[str] = GROWABLE
    """The peers that pagebuf is compared with, if no floor names others."""
    named: ClassVar[str] = ""
    """One peer, to which a ratio is shown beside that to the best of many."""
    near_one: ClassVar[bool] = False
    """Whether its ratios are near 1, so that it takes more rounds to tell them apart."""
    more: ClassVar[bool] = False
    """Whether only `make compare-more` runs it."""
    axis: ClassVar[str] = "size of a piece"
    """What the sizes of the cases are, for the plot."""
    probe: ClassVar[int | None] = 6
    """A slow participant gets only a prefix of the input.  A run on 1/2**probe of the input tells
    how long.  None: everybody gets all of it."""

    def __init__(self, scale: Scale, data: bytes) -> None:
        self.scale = scale
        self.data = data
        self.participants: Sequence[Participant] = ()
        self.cases: Sequence[Case] = ()

    @property
    def budget(self) -> int:
        """The nanoseconds that a run may take before it gets a prefix."""
        return self.scale.budget

    def leave(self, part: str) -> None:
        """Leave only the cases of one part of the comparison: MAIN, MORE or ALL."""
        self.cases = [case for case in self.cases if part in (ALL, part_of(self, case))]

    def open(self) -> None:
        """Make what the cases share."""

    def finish(self, wrong: Callable[[Participant], None]) -> None:
        """Check the stores after all cases; call `wrong` for each participant with a wrong one."""

    def close(self) -> None:
        """Drop what the cases share."""
        for who in self.participants:
            who.forget()


def part_of(section: Section, case: Case) -> str:
    """The part of the comparison that a case belongs to."""
    return MORE if section.more or case.more else MAIN


class Cache:
    """Makes each value once for its key, and drops all together."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}

    def get(self, key: object, make: Callable[[], Any]) -> Any:
        if key not in self._values:
            self._values[key] = make()
        return self._values[key]

    def clear(self) -> None:
        self._values.clear()


class AccessCase(Case):
    """Random access.  Subclasses say what the loop does, and what its output must be."""

    head = "offset"
    work: list[Any]

    def __init__(self, section: "AccessSection", size: int) -> None:
        super().__init__(section, size)
        self.shared = section
        self._cache = Cache()

    @property
    def bytes_per_call(self) -> float:
        return self.size

    def close(self) -> None:
        self.work = []
        self._cache.clear()

    @abstractmethod
    def op(self, who: Participant, store: Store) -> Op:
        """The body of the timed loop."""

    @abstractmethod
    def expected(self, work: list[Any]) -> str:
        """SHA-256 of the bytes that must be read."""

    @abstractmethod
    def seen(self, who: Participant, store: Store, work: list[Any]) -> str:
        """SHA-256 of the bytes that are read."""

    def run(self, who: Participant, shift: int, *, check: bool) -> Run:
        store = self.shared.store(who)
        work = prefix(self.work, shift)
        ns = timed(self.head, self.op(who, store), work)
        good = True
        if check:
            expected = self._cache.get(shift, lambda: self.expected(work))
            good = self.seen(who, store, work) == expected
        return Run(ns, len(work) * self.size, good)


class AccessSection(Section):
    """Random access to one store for each participant, made on first use."""

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        self._stores = Cache()

    def make(self, who: Participant) -> Store:
        raise NotImplementedError

    def store(self, who: Participant) -> Store:
        return self._stores.get(who.name, lambda: self.make(who))

    def close(self) -> None:
        self._stores.clear()
        super().close()


def read_digest(who: Participant, store: Store, work: list[int], size: int) -> str:
    """SHA-256 of what the timed reads return at these offsets."""
    return digest(results("offset", who.reading(store, size), work))
