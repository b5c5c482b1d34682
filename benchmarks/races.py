"""Races: cases in which every participant brings its own loop.

Some participants do the same work by different calls, for example a snapshot and a copy.  Then no
common loop fits.  For each case a race lists its participants.  Each has a function that sets the
work up and returns another function, which is timed once in each round.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from benchmarks.cases import Case, Run, Section
from benchmarks.loops import quiet
from benchmarks.participants import GROWABLE, OURS, Participant
from benchmarks.workloads import Scale

Work = Callable[[], Any]
"""The timed function; its result is checked."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One participant of one case."""

    name: str
    setup: Callable[[], Work]
    family: str = GROWABLE
    outcome: Callable[[Any], Any] = lambda result: result
    """The part of the result that must be equal for all; computed outside the timed part."""
    requires: tuple[str, ...] = ()
    calls: int = 0
    """How many calls its run makes, if not as many as the others' runs."""


def ours(setup: Callable[[], Work], **options: Any) -> Entry:
    return Entry("pagebuf", setup, OURS, **options)


class Racer(Participant):
    """A participant that has only a name, which the entries of a section use."""

    def __init__(self, entry: Entry) -> None:
        self.name = entry.name
        self.family = entry.family
        self.requires = entry.requires


class Race(Case):
    """One column; one run makes `calls` calls."""

    def __init__(
        self,
        section: Section,
        label: str,
        calls: int,
        entries: Sequence[Entry],
        *,
        long: bool = False,
    ) -> None:
        super().__init__(section, calls)
        self._label = label
        self._long = long
        self.entries = {entry.name: entry for entry in entries}
        self.expected: Any = None

    @property
    def id(self) -> str:
        return f"{self.section.name}/{self._label}"

    @property
    def label(self) -> str:
        return self._label

    @property
    def rounds(self) -> int:
        few = self._long and not self.section.near_one
        return self.scale.long_rounds if few else super().rounds

    @property
    def participants(self) -> Sequence[Participant]:
        return [Racer(entry) for entry in self.entries.values()]

    @property
    def bytes_per_call(self) -> float:
        return 1

    def run(self, who: Participant, shift: int, *, check: bool) -> Run:  # noqa: ARG002
        entry = self.entries[who.name]
        work = entry.setup()
        with quiet():
            start = perf_counter_ns()
            result = work()
            ns = perf_counter_ns() - start
        return Run(ns, entry.calls or self.size, not check or self._good(entry.outcome(result)))

    def _good(self, outcome: Any) -> bool:
        """Whether an outcome equals that of the first participant, which is a peer."""
        if self.expected is None:
            self.expected = outcome
        return bool(self.expected == outcome)

    def close(self) -> None:
        self.expected = None


class RaceSection(Section):
    """A table of races.  Nobody gets a prefix: the setup decides how long a run is."""

    probe = None

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        self.cases = self.races()
        entries = {
            entry.name: entry
            for case in self.cases
            if isinstance(case, Race)
            for entry in case.entries.values()
        }
        self.participants = [Racer(entry) for entry in entries.values()]

    def races(self) -> list[Case]:
        """The cases."""
        raise NotImplementedError
