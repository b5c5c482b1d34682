"""The cases of the comparison under pytest-benchmark: `make bench`.

Each case times itself, because setup and checks must not be timed.  pytest-benchmark reads a clock
that advances by just that time.  `PAGEBUF_BENCH=quick` uses tiny sizes.
"""

import os
from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import Case, Section
from benchmarks.results import CANNOT, MISSING, OK
from benchmarks.runner import admit
from benchmarks.sections import SECTIONS
from benchmarks.workloads import FULL, QUICK, make_tar

SCALE = QUICK if os.environ.get("PAGEBUF_BENCH") == "quick" else FULL


class Clock:
    """Seconds of timed work so far."""

    def __init__(self) -> None:
        self._ns = 0

    def __call__(self) -> float:
        return self._ns / 1e9

    def advance(self, ns: int) -> None:
        self._ns += ns


class Stage:
    """Holds the section and the case that are open; there is one of each at a time."""

    def __init__(self) -> None:
        self._data = b""
        self._section: Section | None = None
        self._case: Case | None = None

    def case(self, kind: type[Section], number: int) -> Case:
        """Open this case, and close the one before; return it."""
        if type(self._section) is not kind:
            self.close()
            self._data = self._data or make_tar(SCALE.tar_limit)
            self._section = kind(SCALE, self._data)
            self._section.open()
        assert self._section is not None
        wanted = self._section.cases[number]
        if self._case is not wanted:
            self._close_case()
            wanted.open()
            self._case = wanted
        return wanted

    def _close_case(self) -> None:
        if self._case is not None:
            self._case.close()
        self._case = None

    def close(self) -> None:
        self._close_case()
        if self._section is not None:
            self._section.close()
        self._section = None


CLOCK = Clock()


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """A stage, whose memory is dropped at the end."""
    one = Stage()
    yield one
    one.close()


def _all() -> Iterator[object]:
    """Every participant in every case.  The stage makes their input later."""
    for kind in SECTIONS:
        plan = kind(SCALE, b"")
        for number, case in enumerate(plan.cases):
            for who in case.participants:
                yield pytest.param(kind, number, who.name, id=f"{case.id}-{who.name}")


@pytest.mark.benchmark(timer=CLOCK, disable_gc=True)
@pytest.mark.parametrize(("kind", "number", "name"), list(_all()))
def test_case(
    benchmark: BenchmarkFixture, stage: Stage, kind: type[Section], number: int, name: str
) -> None:
    """Check the bytes, then time all rounds."""
    case = stage.case(kind, number)
    who = next(one for one in case.participants if one.name == name)
    row = admit(case, who)
    if row.state in (CANNOT, MISSING):
        pytest.skip(f"{name}: {row.reason}")
    assert row.state == OK, row.reason

    def once() -> None:
        CLOCK.advance(case.run(who, row.shift, check=False).ns)

    benchmark.group = case.id
    benchmark.extra_info["share of the input"] = 1 / (1 << row.shift)
    benchmark.pedantic(once, rounds=case.rounds)
