"""CPython's own tests of tempfile.SpooledTemporaryFile, run on pagebuf's.

All of them apply.  One looks at `_file.getvalue()`, as the memory of tempfile's is a BytesIO."""

from __future__ import annotations

import tempfile
from typing import Any

import pytest

import pagebuf

test_tempfile: Any = pytest.importorskip(
    "test.test_tempfile", reason="this Python comes without the package `test`"
)


class Spooled(pagebuf.SpooledTemporaryFile):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "b" in self.mode and self._spool.head is not None:
            self._file.getvalue = self._spool.head.tobytes


@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestSpooledTemporaryFile(test_tempfile.TestSpooledTemporaryFile):
    def setUp(self):
        super().setUp()
        before = tempfile.SpooledTemporaryFile
        self.addCleanup(setattr, tempfile, "SpooledTemporaryFile", before)
        tempfile.SpooledTemporaryFile = Spooled
