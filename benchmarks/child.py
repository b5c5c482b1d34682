"""The child process of `benchmarks.fresh`: runs the job of its command line, and prints the answer.

It imports little and leaves the rest to the job, because some jobs measure the memory of the whole
process.
"""

import json
import mmap
import sys
from importlib import import_module

from benchmarks.errors import Cannot

JOBS = {
    "cold_growth": "benchmarks.cases_growth",
    "life": "benchmarks.memory",
    "hole": "benchmarks.memory",
    "burst": "benchmarks.memory",
    "sparse_memory": "benchmarks.memory",
    "first_buffer": "benchmarks.memory",
    "many": "benchmarks.many",
    "interleaved": "benchmarks.interleaved",
}
"""Job -> the module with the function of that name."""


def main() -> None:
    order = json.loads(sys.argv[1])
    data = mmap.mmap(order["fd"], 0, prot=mmap.PROT_READ)  # its slices are of type bytes
    job = getattr(import_module(JOBS[order["job"]]), order["job"])
    try:
        answer = job(data, **order["arguments"])
    except Cannot as error:
        answer = {"cannot": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
