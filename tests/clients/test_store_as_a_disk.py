"""Libraries that open files by fsspec use a store as they use a disk."""

from __future__ import annotations

import pytest

pytest.importorskip("fsspec", reason="fsspec is not installed")

from pagebuf import PageStore
from pagebuf.fsspec import StoreFileSystem


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "some.store")


def commits(path):
    with PageStore(path, "r") as store:
        store.verify()
        return store.stats().commit


def test_pandas(path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"day": ["mon", "tue"], "sum": [1.5, 2.5]})
    frame.to_csv(f"pagebuf://week.csv::{path}", index=False)
    assert commits(path) == 1
    assert pandas.read_csv(f"pagebuf://week.csv::{path}").equals(frame)
    frame.to_csv(f"pagebuf://deep/week.csv.gz::{path}", index=False)
    assert pandas.read_csv(f"pagebuf://deep/week.csv.gz::{path}").equals(frame)
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    frame.to_parquet(f"pagebuf://week.parquet::{path}")
    assert pandas.read_parquet(f"pagebuf://week.parquet::{path}").equals(frame)


def test_pyarrow(path):
    """A data set of many files, which is there as a whole or not at all."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    dataset = pytest.importorskip("pyarrow.dataset")
    table = pyarrow.table({"kind": ["a", "b", "a", "c"], "value": [1, 2, 3, 4]})
    fs = StoreFileSystem(path)
    parts = pyarrow.dataset.partitioning(
        pyarrow.schema([("kind", pyarrow.string())]), flavor="hive"
    )
    with fs.transaction:
        dataset.write_dataset(
            table, "table", format="parquet", partitioning=parts, filesystem=fs, use_threads=False
        )
        assert commits(path) == 0
    assert commits(path) == 1
    assert fs.glob("table/*/*.parquet") == [f"table/kind={kind}/part-0.parquet" for kind in "abc"]
    found = dataset.dataset("table", filesystem=fs, partitioning=parts)
    assert found.to_table(filter=dataset.field("kind") == "a")["value"].to_pylist() == [1, 3]
    fs.close()


def test_zarr(path):
    """One chunk is changed: no other is written."""
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    data = numpy.arange(64 * 4096, dtype="u8").reshape(64, 4096)
    store = zarr.storage.FsspecStore.from_url(f"pagebuf://some/array::{path}")
    array = zarr.create_array(store, data=data, chunks=(4, 4096), compressors=None)
    before = PageStore(path, "r")
    array[4:8] = 1
    data[4:8] = 1
    again = zarr.open_array(store, mode="r")
    assert (again[:] == data).all()
    fs = store.fs.sync_fs
    assert fs.ls("some/array", detail=False) == ["some/array/c", "some/array/zarr.json"]
    with PageStore(path, "r") as after:
        changed = [name for name in after if after[name] != before[name]]
        assert changed == ["some/array/c/1/0"]
        assert after.stats().commit == before.stats().commit + 1
    before.close()
    fs.close()


def test_xarray(path):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    pytest.importorskip("zarr", reason="zarr is not installed")
    data = xarray.Dataset({"heat": (("time", "x"), [[1.0, 2.0], [3.0, 4.0]])}, {"time": [10, 20]})
    url = f"pagebuf://weather::{path}"
    data.to_zarr(url, consolidated=False, zarr_format=3)
    more = xarray.Dataset({"heat": (("time", "x"), [[5.0, 6.0]])}, {"time": [30]})
    more.to_zarr(url, consolidated=False, append_dim="time")
    found = xarray.open_zarr(url, consolidated=False)
    assert found["heat"].values.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert found["time"].values.tolist() == [10, 20, 30]
    commits(path)
