"""Work done in a process of its own: `python -m benchmarks.child` with a job on its command line.

The input comes as an open file descriptor, so that the child makes nothing but the work itself.
"""

import json
import mmap
import os
import subprocess
import sys
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.participants import Cannot

ROOT = Path(__file__).resolve().parent.parent

JOBS = {
    "cold_growth": "benchmarks.cases_growth",
    "life": "benchmarks.memory",
    "hole": "benchmarks.memory",
    "burst": "benchmarks.memory",
    "sparse_memory": "benchmarks.memory",
    "first_buffer": "benchmarks.memory",
    "many": "benchmarks.many",
}
"""Job -> the module whose function of that name does it."""


@lru_cache(maxsize=1)
def _shared(data: bytes) -> int:
    """A memfd that holds the input; it stays open for the life of the process."""
    fd = os.memfd_create("input")
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
    return fd


def run_child(job: str, data: bytes, **arguments: Any) -> dict[str, Any]:
    """Runs one job in a fresh interpreter and returns its answer.

    Raises `Cannot` where the participant has no way to do it, `ChildError` where it fails.
    """
    fd = _shared(data)
    order = json.dumps({"job": job, "fd": fd, "arguments": arguments})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.child", order],
        cwd=ROOT,
        pass_fds=[fd],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise ChildError(last)
    answer: dict[str, Any] = json.loads(done.stdout)
    if "cannot" in answer:
        raise Cannot(answer["cannot"])
    return answer


class ChildError(RuntimeError):
    """A job ended with an error; the message is its last line."""


def main() -> None:
    order = json.loads(sys.argv[1])
    data = mmap.mmap(order["fd"], 0, prot=mmap.PROT_READ)  # its slices are bytes
    job = getattr(import_module(JOBS[order["job"]]), order["job"])
    try:
        answer = job(data, **order["arguments"])
    except Cannot as error:
        answer = {"cannot": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
