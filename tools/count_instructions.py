"""Counts the instructions of the hot calls with and without the checks that are always on.

Builds the extension twice in build/instructions, once with `-DPB_CHECKS=0`.  Runs `hot_calls.py`
with both builds under callgrind, and compares.  A check costs only a few instructions.  Times on a
shared machine vary by more than that, but counts are the same every time.  The status is 1 if the
checks cost more than they may, and 2 if counting failed.

Counts can be kept in a file, and compared with later.  They hold for one interpreter and one kind
of processor, as the C library copies with other instructions on another.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BUILDS = ROOT / "build" / "instructions"
MOST = 1.02
PARTS_OF_A_ROW = 4
"""Two runs, with a mark before and after each."""
MARK = "getppid"
INHERITED = ("PATH", "LD_LIBRARY_PATH")
SET = {"PYTHONHASHSEED": "0", "PYTHONMALLOC": "malloc", "PYTHONPATH": ".", "LC_ALL": "C"}
"""With malloc, because the cost of the interpreter's allocator depends on where its arenas lie."""


class Count(NamedTuple):
    """Instructions of a call: all of them, and those in the extension module."""

    whole: float
    inside: float


class Row(NamedTuple):
    """One call on both builds."""

    name: str
    first: Count
    second: Count

    @property
    def whole(self) -> float:
        return self.first.whole / self.second.whole

    @property
    def inside(self) -> float:
        return self.first.inside / self.second.inside


class NoCountError(RuntimeError):
    """Counting failed; the message says why."""


# ---- builds ---------------------------------------------------------------------------------


def sources() -> list[Path]:
    kinds = ("ext/*/*/*.[ch]", "src/pagebuf/**/*.py", "src/pagebuf/*.pyi")
    return [ROOT / "setup.py", *(path for kind in kinds for path in ROOT.glob(kind))]


def module_of(lib: Path) -> Path:
    """The extension module of a build."""
    found = sorted((lib / "pagebuf").glob("_core*.so"))
    if not found:
        raise NoCountError(f"{lib}: no pagebuf/_core*.so in it")
    return found[0].resolve()


def is_new(lib: Path) -> bool:
    """Whether the build is newer than all sources."""
    built = [one.stat().st_mtime for one in lib.glob("pagebuf/_core*.so")]
    return bool(built) and built[0] > max(one.stat().st_mtime for one in sources())


def build(name: str, flags: str) -> Path:
    """Return the folder of a build with these flags; build if it is missing or old."""
    base = BUILDS / name
    lib = base / "lib"
    if is_new(lib):
        return lib
    print(f"== extension, {name}", flush=True)
    shutil.rmtree(base, ignore_errors=True)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-base", base, "--build-lib", lib],
        cwd=ROOT,
        env=os.environ | {"PAGEBUF_CFLAGS": flags, "PAGEBUF_PAGE_SHIFT": ""},
        check=True,
    )
    return lib


# ---- counting -------------------------------------------------------------------------------


def profile(lib: Path, folder: Path) -> str:
    """Run the hot calls with a copy of a build; callgrind's parts go to `folder`.

    Nothing that differs between two builds may change what malloc does.  So their paths have the
    same length, the environment is the same, and Python finds the package in the current folder.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(lib / "pagebuf", folder / "pagebuf")
    valgrind = ["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={folder}/part"]
    valgrind += [f"--dump-before={MARK}", "--compress-strings=no", "--compress-pos=no"]
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    done = subprocess.run(
        [*valgrind, sys.executable, "-S", "-s", ROOT / "tools" / "hot_calls.py"],
        cwd=folder,
        env=inherited | SET,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NoCountError(f"{lib}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def read_part(part: Path, module: Path) -> Count:
    """The sum over the functions of one part."""
    wanted = f"ob={module}"
    whole = inside = 0
    here = called = False
    for line in part.read_text().splitlines():
        if called:
            called = False  # the cost of a callee, which is also in the callee's own lines
        elif line.startswith("calls="):
            called = True
        elif line.startswith("ob="):
            here = line == wanted
        elif line[:1].isdigit():
            cost = int(line.split()[1])
            whole += cost
            inside += cost if here else 0
    return Count(whole, inside)


def per_call(once: Count, twice: Count, calls: int) -> Count:
    """Instructions of one call, from the difference of two runs: the start of a run cancels out."""
    return Count((twice.whole - once.whole) / calls, (twice.inside - once.inside) / calls)


def count(lib: Path, folder: Path) -> dict[str, Count]:
    """The counts of each call."""
    module_of(lib)
    told = [line.split(maxsplit=1) for line in profile(lib, folder).splitlines()]
    module = module_of(folder)
    if len(list(folder.glob("part.*"))) != PARTS_OF_A_ROW * len(told):
        raise NoCountError(f"{folder}: callgrind did not stop at every {MARK}")
    found = {}
    for number, (calls, name) in enumerate(told):
        last = PARTS_OF_A_ROW * (number + 1)
        once, twice = (read_part(folder / f"part.{n}", module) for n in (last - 2, last))
        found[name] = per_call(once, twice, int(calls))
    return found


def count_all(libs: dict[str, Path]) -> list[dict[str, Count]]:
    """The counts of each build."""
    folders = [BUILDS / f"run{number}" for number in range(len(libs))]
    with ThreadPoolExecutor(len(libs)) as executor:
        return list(executor.map(count, libs.values(), folders))


def join(first: dict[str, Count], second: dict[str, Count]) -> list[Row]:
    """A row for each call that both have."""
    return [Row(name, first[name], second[name]) for name in first if name in second]


# ---- records --------------------------------------------------------------------------------


def processor() -> str:
    """Its name, where the kernel tells one."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def here() -> dict[str, str]:
    """What counts depend on besides the build."""
    return {"python": platform.python_version(), "processor": processor()}


def record(counts: dict[str, Count], path: Path) -> None:
    kept = {name: [round(x, 1) for x in found] for name, found in counts.items()}
    path.write_text(json.dumps(here() | {"calls": kept}, indent=1) + "\n")


def recorded(path: Path) -> dict[str, Count]:
    """The counts in a file, which must be of this interpreter and this kind of processor."""
    kept = json.loads(path.read_text())
    for name, value in here().items():
        if kept[name] != value:
            raise NoCountError(f"{path}: counted with {name} {kept[name]}, and here is {value}")
    return {name: Count(*found) for name, found in kept["calls"].items()}


# ---- showing --------------------------------------------------------------------------------


def show(rows: list[Row], names: list[str]) -> None:
    width = max(len(row.name) for row in rows)
    head = "".join(f"{name:>10}" for name in (*names, "ratio"))
    print(f"{'':{width}}{'whole call':>30}{'in the extension':>30}")
    print(f"{'':{width}}{head}{head}")
    for row in rows:
        whole = f"{row.first.whole:10.1f}{row.second.whole:10.1f}{row.whole:10.4f}"
        inside = f"{row.first.inside:10.1f}{row.second.inside:10.1f}{row.inside:10.4f}"
        print(f"{row.name:{width}}{whole}{inside}")


def verdict(rows: list[Row]) -> int:
    """The worst call, and the exit status."""
    worst = max(rows, key=lambda row: row.whole)
    inside = max(rows, key=lambda row: row.inside)
    print(f"worst whole call: {worst.name}, {worst.whole:.4f}; at most {MOST} is allowed")
    print(f"worst in the extension: {inside.name}, {inside.inside:.4f}")
    return 1 if worst.whole > MOST else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--against",
        type=Path,
        metavar="PLACE",
        help="compare with the build in the folder PLACE, which holds pagebuf/, or with the counts "
        "recorded in the file PLACE, and not with a build without checks",
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep the counts in FILE")
    return parser.parse_args(arguments)


def count_rows(options: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """The rows that are asked for, and what the two counts in each are of."""
    libs = {"with": build("with", "")}
    if options.against is None:
        libs["without"] = build("without", "-DPB_CHECKS=0")
    elif options.against.is_dir():
        libs = {"here": libs["with"], "there": options.against.resolve()}
    counts = count_all(libs)
    names = list(libs)
    if options.record:
        record(counts[0], options.record)
    if len(libs) == 1:
        counts.append(recorded(options.against))
        names = ["here", "recorded"]
    return join(*counts), names


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if shutil.which("valgrind") is None:
        print("valgrind is missing (Debian and Ubuntu: package valgrind); nothing was counted")
        return 2
    try:
        rows, names = count_rows(options)
    except NoCountError as error:
        print(error)
        return 2
    show(rows, names)
    return verdict(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
