"""What a case and a section are; the sections themselves are in `cases_*.py`.

A case is one column of a table: one kind of work at one size.  A section is the table: cases over
a ladder of sizes, with the memory that they share.  To add work, write a section and name it in
`sections.py`; nothing else has to change.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.loops import Op, results, timed
from benchmarks.participants import GROWABLE, Participant, Store
from benchmarks.workloads import Scale, digest, prefix, size_name


@dataclass(frozen=True, slots=True)
class Run:
    """One participant, once."""

    ns: int
    nbytes: int
    good: bool = True
    """Whether the bytes that came out are the right ones; true where it was not asked."""
    memory: dict[str, int] = field(default_factory=dict)
    """Bytes held at the stages that the section names."""


class Case(ABC):
    """One kind of work at one size, done by each participant in turn."""

    timed_by_child = False
    """Whether each run starts a process: the probe is checked, and nothing needs warming up."""

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
        return self.scale.rounds

    @property
    def participants(self) -> Sequence[Participant]:
        return self.section.participants

    @property
    @abstractmethod
    def bytes_per_call(self) -> float:
        """What the time of one call is computed from."""

    def open(self) -> None:  # noqa: B027
        """Makes the input, where there is any to make."""

    def close(self) -> None:  # noqa: B027
        """Drops the input."""

    @abstractmethod
    def run(self, who: Participant, shift: int, *, check: bool) -> Run:
        """Does the work on the first 1/2**shift of the input.

        The output is compared outside the timed part, and only with `check`.
        """


class Section:
    """A table of cases."""

    name: ClassVar[str]
    title: ClassVar[str]
    note: ClassVar[str] = ""
    cell: ClassVar[str] = "time"
    """What a cell shows: "time" of a call, or "rate" in bytes a second."""
    memory: ClassVar[dict[str, str]] = {}
    """Stages at which a run measures memory, and their headings."""
    family: ClassVar[str] = GROWABLE
    """The peers that our ratio is measured against, where no floor says otherwise."""
    probe: ClassVar[int | None] = 6
    """Slow participants get a prefix, found from a run of 1/2**probe; None: nobody does."""

    def __init__(self, scale: Scale, data: bytes) -> None:
        self.scale = scale
        self.data = data
        self.participants: Sequence[Participant] = ()
        self.cases: Sequence[Case] = ()

    @property
    def budget(self) -> int:
        """Nanoseconds of a run that nobody need shorten."""
        return self.scale.budget

    def open(self) -> None:
        """Makes what the cases share."""

    def finish(self, wrong: Callable[[Participant], None]) -> None:
        """Last checks, after all cases; names participants whose stores turned out wrong."""

    def close(self) -> None:
        """Drops what the cases share."""
        for who in self.participants:
            who.forget()


class Cache:
    """Values made once per key, dropped together."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}

    def get(self, key: object, make: Callable[[], Any]) -> Any:
        if key not in self._values:
            self._values[key] = make()
        return self._values[key]

    def clear(self) -> None:
        self._values.clear()


class AccessCase(Case):
    """Random access: subclasses say what one loop does and what must come out of it."""

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
        """SHA-256 of all that must be read."""

    @abstractmethod
    def seen(self, who: Participant, store: Store, work: list[Any]) -> str:
        """SHA-256 of what is read."""

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
    """Random access to one store per participant, made when it is first asked for."""

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
    """SHA-256 of what the timed read returns at these offsets."""
    return digest(results("offset", who.reading(store, size), work))
