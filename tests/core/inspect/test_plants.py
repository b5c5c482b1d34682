"""Twelve kinds of damage, planted as a stray pointer would do it, and the levels that report them.

The scene and the exercise make ordinary calls, and are the same for all kinds.  Each report names
the buffer whose memory was damaged.
"""

from __future__ import annotations

import concurrent.futures
import mmap
import os
import signal
import subprocess
import sys

import pytest

import pagebuf
from pagebuf import _testing
from tests.helpers import PAGE

SCRIPT = """
import gc, sys
import pagebuf
from pagebuf import _testing

PAGE = pagebuf.PAGE_SIZE
kind, level, n = sys.argv[1], sys.argv[2], int(sys.argv[3])


def tell(error):
    print("told:", error, flush=True)


sys.unraisablehook = lambda hook: tell(hook.exc_value)
pool = pagebuf.PagePool(debug=level)


def make(name):
    '''The page behind its end lies right before its first one.'''
    buf = pagebuf.PageBuffer(pool=pool, name=name)
    buf.write(2 * PAGE, b"end")
    buf.write(0, bytes(range(1, 17)) * (PAGE // 8))
    return buf


# ---- the scene ----
before = make("before")
whole, freed, frozen = make("victim"), make("victim"), make("victim")
snapshot = frozen.snapshot()
after = make("after")
targets = {name: _testing.aim(buf) for name, buf in
           {"whole": whole, "freed": freed, "frozen": frozen}.items()}
apart = before.walk(0).steps[-1].frame - whole.walk(0).steps[-1].frame
freed.clear()

# ---- the plant ----
where = {"write after free": "freed", "read after free": "freed", "lost zeroing": "freed",
         "store to a frozen frame": "frozen", "free with references": "frozen"}
_testing.plant(kind, targets[where.get(kind, "whole")], apart if kind == "foreign frame" else n)


# ---- the exercise ----
def attempt(call, *args):
    try:
        return call(*args)
    except pagebuf.CorruptionError as error:
        tell(error)


def fresh():
    for _ in range(3):
        bufs = [pagebuf.PageBuffer(bytes([9]) * (20 * PAGE), pool=pool) for _ in range(5)]
        holes = [pagebuf.PageBuffer(pool=pool) for _ in range(5)]
        for hole in holes:
            hole.write(3 * PAGE + 3, b"!")
            hole.tobytes()


bufs = [before, whole, freed, frozen, snapshot, after]
for turn in range(2):
    for buf in bufs:
        attempt(buf.tobytes)
    for buf in bufs:
        if not buf.frozen:
            attempt(buf.extend, b"more")
            attempt(buf.extend, bytes([turn + 1]) * PAGE)
    attempt(pool.check)
    for buf in bufs:
        if not buf.frozen:
            attempt(buf.write, 1, bytes([turn + 1]) * (PAGE + 1))
    for buf in bufs:
        if not buf.frozen:
            attempt(buf.clear)
            attempt(buf.extend, bytes([turn + 2]) * PAGE)
    attempt(fresh)
    attempt(pool.check)
print("done", flush=True)
"""

LEVELS = ("0", "1", "2", "sample:1")

# T: reported as CorruptionError.  S: the process stopped at the access, and a line named the place.
EXPECTED = {
    #                            0  1  2  sample
    ("overflow right", 1): "- T T -",
    ("overflow right", PAGE): "- T S S",
    ("overflow left", 1): "- T S S",
    ("overflow left", PAGE): "- T S S",
    ("write after free", 1): "- T S S",
    ("read after free", 1): "- - S S",
    ("double free", 1): "T T T T",
    ("free with references", 1): "T T T T",
    ("foreign frame", 1): "T T T T",
    ("store to a frozen frame", 1): "- - S -",
    ("count leaked by one", 1): "T T T T",
    ("stale tail", 1): "- T T -",
    ("wild entry", 1): "T T T T",
    ("lost zeroing", 1): "T T T -",
}

stops = PAGE % mmap.PAGESIZE == 0 and hasattr(signal, "SIGSEGV")
"""Memory is protected by pages of the system: on smaller ones level 2 is level 1, and the sample
keeps traces only."""


def expected(kind, n):
    row = EXPECTED[kind, n].split()
    return row if stops else [row[0], row[1], row[1], row[3].replace("S", "-")]


def run(kind, n, level):
    env = {k: v for k, v in os.environ.items() if k != "PAGEBUF_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, kind, level, str(n)],
        capture_output=True,
        check=False,
        env=env,
        text=True,
        timeout=60,
    )
    reports = [line for line in done.stdout.splitlines() if line.startswith("told: ")]
    stopped = [line for line in done.stderr.splitlines() if line.startswith("pagebuf: ")]
    if done.returncode == 0 and "done" in done.stdout and not done.stderr:
        return ("T" if reports else "-"), reports
    if stopped and done.returncode == -signal.SIGSEGV:
        return "S", reports + stopped
    return "?", [done.stdout, done.stderr, str(done.returncode)]


@pytest.fixture(scope="module")
def table():
    """What each level reported of each plant."""
    cells = [(kind, n, level) for kind, n in EXPECTED for level in LEVELS]
    with concurrent.futures.ThreadPoolExecutor(2) as crew:
        return dict(zip(cells, crew.map(lambda cell: run(*cell), cells), strict=True))


def drawn(table):
    lines = [f"{'':24}{'bytes':>6}  " + "".join(f"{level:>10}" for level in LEVELS)]
    for kind, n in EXPECTED:
        cells = "".join(f"{table[kind, n, level][0]:>10}" for level in LEVELS)
        lines.append(f"{kind:24}{n:>6}  {cells}   expected {' '.join(expected(kind, n))}")
    return "\n".join(lines)


def test_every_kind_is_planted():
    assert {kind for kind, _ in EXPECTED} == set(_testing.KINDS)
    assert len(_testing.KINDS) == 12


def test_who_tells_of_what(table):
    found = {key: [table[*key, level][0] for level in LEVELS] for key in EXPECTED}
    wanted = {key: expected(*key) for key in EXPECTED}
    assert found == wanted, "\n" + drawn(table)


def test_as_many_as_promised(table):
    """Level 1 reports nine kinds or more.  On pages of the system's size some level reports each of
    the twelve."""

    def kinds(*levels):
        told = [[table[kind, n, lev][0] in {"T", "S"} for lev in levels] for kind, n in EXPECTED]
        both = zip(EXPECTED, told, strict=True)
        missed = {kind for (kind, _), cells in both if not any(cells)}
        return set(_testing.KINDS) - missed

    assert len(kinds("1")) >= 9, "\n" + drawn(table)
    if stops:
        assert kinds(*LEVELS) == set(_testing.KINDS), "\n" + drawn(table)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("kind", "n"), EXPECTED)
def test_reports_name_the_owner(table, kind, n, level):
    how, reports = table[kind, n, level]
    if how == "-":
        assert reports == []
        return
    assert how in {"T", "S"}, reports
    assert "'victim'" in reports[0], reports


def test_nothing_planted_nothing_told():
    for level in LEVELS:
        script = SCRIPT.replace("_testing.plant(kind", "(lambda *args: None)(kind")
        assert script != SCRIPT
        done = subprocess.run(
            [sys.executable, "-c", script, "none", level, "1"],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


def test_an_aim_is_what_a_walk_says(pool):
    buf = pagebuf.PageBuffer(bytes(PAGE + 3), pool=pool)
    target = _testing.aim(buf)
    assert target.first == buf.walk(0).steps[-1].address
    assert target.past == buf.walk(PAGE).steps[-1].address + 3
    with pytest.raises(ValueError, match="no page"):
        _testing.aim(pagebuf.PageBuffer(pool=pool))


@pytest.mark.parametrize("level", [0, 1])
def test_check_names_whose_entry_was_changed(level, unraisable):
    """The old entry's frame has no owner, and the new entry's frame has one too many."""
    pool = pagebuf.PagePool(debug=level)
    buf = pagebuf.PageBuffer(bytes(2 * PAGE + PAGE // 2), pool=pool)
    _testing.plant("foreign frame", _testing.aim(buf))
    with pytest.raises(pagebuf.CorruptionError, match="I1: a reference count") as info:
        pool.check()
    assert info.value.owner is buf
    del info, buf
    assert [type(error) for error in unraisable] == [pagebuf.CorruptionError]


def test_damage_that_is_found_while_the_interpreter_ends():
    """A buffer in a cycle with its pool goes after the module has dropped its exceptions."""
    script = (
        "import pagebuf; from pagebuf import _testing\n"
        "buf = pagebuf.PageBuffer(bytes(2 * pagebuf.PAGE_SIZE + 1))\n"
        "_testing.plant('wild entry', _testing.aim(buf))\n"
        "buf.pool.kept = buf\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
