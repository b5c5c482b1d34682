"""Buffers through Dask: its serialization, its sizes, and a cluster of processes."""

from __future__ import annotations

import importlib
import tomllib
import warnings
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="Dask's distributed is not installed")

import distributed
from dask.sizeof import sizeof
from distributed.protocol import deserialize, serialize

import pagebuf.dask
from examples import dask_chunks
from pagebuf import PageBuffer, PagePool
from tests.helpers import PAGE
from tests.support import pattern


class Named(PageBuffer):
    """A subclass with an attribute."""


def scattered(count):
    """So many pages, with pages of others between them."""
    pool = PagePool()
    one, other = PageBuffer(pool=pool), PageBuffer(pool=pool)
    for i in range(count):
        one.extend(pattern(i, PAGE))
        other.extend(bytes(PAGE))
    assert one.stats().runs > count // 2
    return one


@pytest.fixture(autouse=True)
def as_before():
    yield
    for dispatch in (distributed.protocol.dask_serialize, distributed.protocol.dask_deserialize):
        dispatch._lookup.pop(PageBuffer, None)


@pytest.mark.parametrize("registered", [False, True])
def test_through_its_serialization(registered):
    if registered:
        pagebuf.dask.register()
    hole = PageBuffer(b"1")
    hole.resize(1 << 40)
    named = Named(pattern(0, 100 * PAGE + 1))
    named.label = "x"
    biased = scattered(200)
    biased.take_bytes(100)
    for buf in (
        PageBuffer(),
        PageBuffer(b"few"),
        PageBuffer(pattern(0, 1000 * PAGE + 5)),
        PageBuffer(pattern(0, 1000 * PAGE)).snapshot(),
        hole,
        named,
        scattered(200),
        biased,
    ):
        header, frames = serialize(buf)
        assert header["serializer"] == ("dask" if registered else "pickle")
        there = deserialize(header, frames)
        assert len(there) == len(buf)
        assert there.extents() == buf.extents()
        assert all(there.read(at, size) == buf.read(at, size) for at, size in buf.extents())
        assert type(there) is type(buf)
        assert there.frozen == buf.frozen
        assert getattr(there, "label", None) == getattr(buf, "label", None)
        there.check()


def test_many_small_runs_are_one_frame():
    pagebuf.dask.register()
    buf = scattered(200)
    _, frames = serialize(buf)
    assert len(frames) == 1
    _, frames = serialize(scattered(20))
    assert len(frames) > 10


def test_a_frame_of_another_size():
    pagebuf.dask.register()
    header, frames = serialize(scattered(200))
    with pytest.raises(ValueError, match="in the place of"):
        deserialize(header, [frames[0][:-1]])


def test_size_in_memory():
    """As the entry point says, which only a build that is installed has."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["dask.sizeof"]["pagebuf"].partition(":")
    getattr(importlib.import_module(module), name)(sizeof)
    buf = PageBuffer(bytes(1000 * PAGE), pool=PagePool())
    assert sizeof(buf) >= 1000 * PAGE
    there = deserialize(*serialize(buf))
    assert there.stats().mapped == 1000
    assert sizeof(there) >= 1000 * PAGE
    mapped = PageBuffer.map(bytes(1000 * PAGE))
    assert sizeof(mapped) < 10 * PAGE


@pytest.fixture
def client(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                memory_limit="700MB",
                dashboard_address=None,
                local_directory=str(tmp_path),
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def test_from_worker_to_worker(client):
    buf = scattered(100)
    one, two = client.scheduler_info()["workers"]
    future = client.scatter(buf, workers=[one], direct=True)
    back = client.submit(lambda b: b.snapshot(), future, workers=[two])
    assert back.result() == buf


def test_spilled_to_disk_and_back(client):
    """Twice as much as the workers may have in memory."""
    workers = list(client.scheduler_info()["workers"])

    def make(i):
        return PageBuffer(bytes([i]) * (64 << 20))

    made = [client.submit(make, i, workers=[workers[0]], pure=False) for i in range(16)]
    distributed.wait(made)

    def spilled(dask_worker):
        return len(dask_worker.data.disk)

    assert client.run(spilled, workers=[workers[0]])[workers[0]] > 0

    def ends(buf):
        return buf[0], buf[len(buf) // 2], buf[-1], len(buf)

    found = client.gather([client.submit(ends, b, workers=[workers[0]]) for b in made])
    assert found == [(i, i, i, 64 << 20) for i in range(16)]


def test_the_example(client):
    buf = PageBuffer(pattern(0, 8 << 20))
    assert dask_chunks.count(client, buf, b"\n", chunk=1 << 20) == buf.count(b"\n")
