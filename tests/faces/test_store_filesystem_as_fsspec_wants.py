"""The tests that fsspec has for all of its file systems, on ``pagebuf://``."""

from __future__ import annotations

import pytest

pytest.importorskip("fsspec.tests.abstract.open", reason="no fsspec, or one with fewer tests")

from fsspec.tests import abstract

from pagebuf.fsspec import StoreFileSystem
from tests.helpers import PAGE

pytestmark = pytest.mark.skipif(PAGE < 64, reason="stores have pages of 64 bytes at least")


class StoreFixtures(abstract.AbstractFixtures):
    """A new store for each test."""

    @pytest.fixture
    def fs(self, tmp_path):
        fs = StoreFileSystem(tmp_path / "some.store", durability="off")
        fs.touch("there")
        yield fs
        fs._place._open[0].verify()
        fs.close()

    @pytest.fixture
    def fs_path(self):
        # for what lies in the root itself, fsspec 2026.9 finds no folder to put it into
        return "some/folder"

    @pytest.fixture
    def fs_join(self):
        return lambda *parts: "/".join(parts)


class TestCopy(abstract.AbstractCopyTests, StoreFixtures):
    pass


class TestGet(abstract.AbstractGetTests, StoreFixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, StoreFixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, StoreFixtures):
    pass


class TestPut(abstract.AbstractPutTests, StoreFixtures):
    pass
