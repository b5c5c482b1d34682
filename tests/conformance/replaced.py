"""Runs one test suite of CPython with `io.BytesIO` replaced, in a process of its own:

    python -m tests.conformance.replaced pagebuf.BytesIO test.test_zipfile

The suites take the name from `io` when they are imported, so the replacement must come first.
Prints one line of JSON: how many tests ran, and which failed.
"""

import importlib
import io
import json
import os
import sys
import tempfile
import unittest
from pathlib import Path


def _class(name: str) -> type:
    module, _, attribute = name.rpartition(".")
    found: type = getattr(importlib.import_module(module), attribute)
    return found


def _result(suite: str) -> unittest.TestResult:
    with Path(os.devnull).open("w") as nowhere:
        runner = unittest.TextTestRunner(nowhere, warnings="ignore")
        return runner.run(unittest.defaultTestLoader.loadTestsFromName(suite))


def main(replacement: str, suite: str) -> None:
    from test import support

    support.use_resources = {}  # no network, no gigabytes
    new = _class(replacement)
    io.BytesIO = new  # type: ignore[misc]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the tests print is not the answer
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        result = _result(suite)
        os.chdir("/")
    failed = [test.id() for test, _ in result.failures + result.errors]
    failed += [test.id() for test in result.unexpectedSuccesses]
    print(json.dumps({"ran": result.testsRun, "failed": sorted(failed)}), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
