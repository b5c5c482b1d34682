"""The other end of `benchmarks.fresh`: one job, given on the command line, its answer on stdout.

It imports little and leaves the rest to the job, since all of it is in the figures of a job that
measures the whole process.
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
"""Job -> the module whose function of that name does it."""


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
