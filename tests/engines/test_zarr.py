"""The tests that Zarr has for all of its stores, on ``pagebuf://``.  `make engines` runs them."""

from __future__ import annotations

import pytest

pytest.importorskip("zarr", reason="zarr is not installed")
pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed")

from zarr.core.buffer import cpu
from zarr.storage import FsspecStore
from zarr.testing.store import StoreTests

from pagebuf.fsspec import StoreFileSystem


class TestStore(StoreTests[FsspecStore, cpu.Buffer]):
    store_cls = FsspecStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def url(self, tmp_path):
        StoreFileSystem(tmp_path / "some.store").touch("there")
        return f"pagebuf://some/root::{tmp_path}/some.store"

    @pytest.fixture
    def store_kwargs(self, url):
        store = FsspecStore.from_url(url, storage_options={"durability": "off"})
        return {"fs": store.fs, "path": store.path}

    async def get(self, store, key):
        return self.buffer_cls.from_bytes(store.fs.sync_fs.cat_file(f"{store.path}/{key}"))

    async def set(self, store, key, value):
        store.fs.sync_fs.pipe_file(f"{store.path}/{key}", value.to_bytes())

    def test_store_repr(self, store):
        assert "FsspecStore" in repr(store)

    def test_store_supports_writes(self, store):
        assert store.supports_writes

    def test_store_supports_listing(self, store):
        assert store.supports_listing
