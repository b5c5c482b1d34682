"""Does work in a fresh process: starts `benchmarks.child`, and returns its answer.

The child gets the input as an open file descriptor, so it need not make it.
"""

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.errors import Cannot, ChildError

ROOT = Path(__file__).resolve().parent.parent


@lru_cache(maxsize=1)
def _shared(data: bytes) -> int:
    """A memfd that holds the input; it stays open for the life of the process."""
    fd = os.memfd_create("input")
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
    return fd


def run_child(job: str, data: bytes, **arguments: Any) -> dict[str, Any]:
    """Run one job in a fresh interpreter and return its answer.

    Raises `Cannot` if the participant cannot do it, `ChildError` if the job fails.
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
