"""CPython's own tests of what reads and writes files in memory, unchanged, on pagebuf.BytesIO.

Each suite runs in a process of its own.  What fails there with io.BytesIO as well (a machine
without a network, a superuser) says nothing about pagebuf.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("test.support") is None:
    pytest.skip("this Python comes without the package `test`", allow_module_level=True)

_ROOT = Path(__file__).parents[2]
_QUICK = [
    "base64", "bz2", "email", "fileinput", "lzma", "plistlib", "quopri", "sax", "tokenize", "wave",
    "wsgiref", "xml_etree", "zipapp",
]  # fmt: skip
_LONG = ["codecs", "gzip", "httplib", "io", "mailbox", "pickle", "tarfile", "zipfile"]

_NOT_ABOUT_FILES = {
    "test.test_io.CMiscIOTest.test___all__",  # in which module is each class of io made?
}


def _run(replacement: str, suite: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance.replaced", replacement, f"test.test_{suite}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(_ROOT)])},
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    "suite", [*_QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in _LONG)]
)
def test_suite(suite: str) -> None:
    ours = _run("pagebuf.BytesIO", suite)
    assert ours["ran"] > 0
    failed = set(ours["failed"]) - _NOT_ABOUT_FILES
    if failed:
        theirs = _run("io.BytesIO", suite)
        assert failed <= set(theirs["failed"])
        assert ours["ran"] == theirs["ran"]
