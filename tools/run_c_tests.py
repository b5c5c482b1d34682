"""Runs the C test programs given as arguments, a few at a time, and counts those that pass.

A program passes if its status is 0.  Shows the output of each one that fails.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 300
SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def run(program: Path) -> tuple[Path, bool, str]:
    """Run a program; return it, whether it passed, and its output."""
    try:
        done = subprocess.run(
            [program.resolve()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=SANITIZERS | os.environ | {"PYTHON": sys.executable},
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return program, False, f"still running after {SECONDS} seconds"
    return program, done.returncode == 0, f"{done.stdout}\nexit status {done.returncode}"


def main(arguments: list[str]) -> int:
    programs = [Path(argument) for argument in arguments]
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        for program, passed, output in executor.map(run, programs):
            print(f"{program.parent.name}/{program.name}: {'passed' if passed else 'FAILED'}")
            if not passed:
                failed += 1
                print(output)
    print(f"c: {len(programs) - failed} passed, {failed} failed")
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
