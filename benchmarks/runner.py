"""Runs sections: warms up, checks, and then times all participants in each round."""

import random
from time import monotonic

from benchmarks.cases import Case, Run, Section
from benchmarks.errors import Cannot, ChildError
from benchmarks.participants import Participant
from benchmarks.results import (
    CANNOT,
    FAILED,
    MISSING,
    OK,
    WRONG,
    CaseResult,
    Row,
    SectionResult,
    Tick,
)
from benchmarks.workloads import SEED

MOST_SHIFT = 10


def fitting(case: Case, probe: Run) -> int:
    """The shift of the largest part of the input that keeps within the budget."""
    assert case.section.probe is not None
    whole = probe.ns << case.section.probe
    shift = 0
    while whole >> shift > case.section.budget and shift < MOST_SHIFT:
        shift += 1
    return shift


def prepare(case: Case, who: Participant) -> tuple[int, bool]:
    """Warm `who` up; return the shift of its input, and whether its output was right."""
    probe = case.section.probe
    if probe is None:
        return 0, case.run(who, 0, check=True).good
    if case.timed_by_child:
        run = case.run(who, probe, check=True)
        return fitting(case, run), run.good
    runs = [case.run(who, probe, check=False) for _ in range(2)]
    shift = fitting(case, min(runs, key=lambda run: run.ns))
    return shift, case.run(who, shift, check=True).good


def admit(case: Case, who: Participant) -> Row:
    """Make the row of a participant, which says whether it can be timed."""
    row = Row(who.name, who.family)
    if reason := who.missing():
        row.state, row.reason = MISSING, reason
        return row
    try:
        row.shift, good = prepare(case, who)
        if not good:
            row.state, row.reason = WRONG, "its output is not what was put in"
    except Cannot as error:
        row.state, row.reason = CANNOT, str(error)
    except (ChildError, MemoryError, OSError, ValueError, BufferError) as error:
        row.state, row.reason = FAILED, f"{type(error).__name__}: {error}"
    return row


def in_turn(case: Case, racing: list[Participant], number: int) -> list[Participant]:
    """The order of one round.  It is drawn anew for each: a fixed one keeps everybody behind the
    same neighbour, which leaves the caches as it does."""
    order = list(racing)
    random.Random(f"{SEED} {case.id} {number}").shuffle(order)
    return order


def time_rounds(case: Case, rows: dict[str, Row], tick: Tick) -> None:
    """Time all rounds."""
    racing = [who for who in case.participants if rows[who.name].state == OK]
    for number in range(case.rounds):
        for who in in_turn(case, racing, number):
            tick(f"{case.id}: {who.name}")
            row = rows[who.name]
            run = case.run(who, row.shift, check=False)
            row.ns_per_byte.append(run.ns / run.nbytes)
            for stage, held in run.memory.items():
                row.memory.setdefault(stage, []).append(held)


def run_case(case: Case, tick: Tick) -> CaseResult:
    """Run one case: make its input, and time its rows."""
    case.open()
    try:
        rows = {}
        for who in case.participants:
            tick(f"{case.id}: {who.name}, checked")
            rows[who.name] = admit(case, who)
        time_rounds(case, rows, tick)
        return CaseResult(
            case.id,
            case.label,
            case.size,
            case.bytes_per_call,
            case.rounds,
            list(rows.values()),
        )
    finally:
        case.close()


def run_section(section: Section, tick: Tick) -> SectionResult:
    """Run all cases of a section, and its checks at the end."""
    start = monotonic()
    section.open()
    try:
        cases = [run_case(case, tick) for case in section.cases]

        def wrong(who: Participant) -> None:
            for case in cases:
                row = case.row(who.name)
                if row is not None and row.state == OK:
                    row.state, row.reason = WRONG, "the buffer is not what it should be"

        section.finish(wrong)
    finally:
        section.close()
    notes = [section.note] if section.note else []
    notes += [f"{who.name}: {who.note}" for who in section.participants if who.note]
    return SectionResult(
        section.name,
        section.scale.fill(section.title),
        notes,
        section.cell,
        section.family,
        dict(section.memory),
        cases,
        monotonic() - start,
        section.named,
        section.axis,
    )


def steps(section: Section) -> int:
    """How often `run_section` calls `tick` at most."""
    return sum(len(case.participants) * (case.rounds + 1) for case in section.cases)
