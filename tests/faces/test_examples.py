"""The programs in `examples` do what they say."""

from __future__ import annotations

import importlib.util
import pathlib
from typing import Any

import pytest

from pagebuf import FANOUT, PageBuffer
from tests.helpers import PAGE
from tests.support import pattern

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hex_editor(tmp_path):
    path = tmp_path / "edited"
    data = pattern(0, 40 * PAGE + 3)
    path.write_bytes(data)
    document = load("hex_editor").Document(path)
    document.edit(9 * PAGE, 2, b"inserted")
    document.edit(0, 5, b"")
    edited = data[5 : 9 * PAGE] + b"inserted" + data[9 * PAGE + 2 :]
    document.save()
    assert path.read_bytes() == edited
    document.undo()
    document.undo()
    assert document.bytes == data
    document.save()
    assert path.read_bytes() == data


@pytest.mark.skipif(FANOUT < 64, reason="nodes, which stay, take most of the memory")
def test_spike():
    """Three uploads of 400 pages wait in the memory of 64."""
    spike = load("spike")
    backlog = spike.Backlog(64 * PAGE)
    uploads = [[pattern(i, 4 * PAGE, salt) for i in range(100)] for salt in range(3)]
    for upload in uploads:
        backlog.put(upload)
        assert backlog.pool.stats().held <= 64
    for upload in uploads:
        assert b"".join(backlog.take()) == b"".join(upload)
    stats = backlog.pool.stats()
    assert stats.high_water <= 64
    assert stats.held == stats.spilled == 0


def test_disk_overlay(tmp_path):
    image = tmp_path / "image"
    disk_overlay = load("disk_overlay")
    sector = disk_overlay.SECTOR
    data = pattern(0, 64 * max(PAGE, sector))
    image.write_bytes(data)
    one, two = disk_overlay.Disk(image), disk_overlay.Disk(image)
    one.write(3, b"one" * 9)
    two.write(7, b"two" * 9)
    assert one.read(3)[:27] == b"one" * 9
    assert one.read(7) == data[7 * sector : 8 * sector]
    assert two.read(3) == data[3 * sector : 4 * sector]
    assert one.changed() == [(3 * sector // PAGE * PAGE, max(PAGE, -(-27 // PAGE) * PAGE))]
    one.commit(tmp_path / "machine")
    assert (tmp_path / "machine").read_bytes() == one.bytes.tobytes()
    assert image.read_bytes() == data


def test_shared_memory():
    shared_memory = load("shared_memory")
    buf = PageBuffer(pattern(0, 100 * PAGE + 3))
    buf.resize(10_000 * PAGE)
    buf.extend(pattern(1, 70 * PAGE))
    want = buf.tobytes()
    parcel, memory = shared_memory.send(buf)
    assert sum(parcel.sizes) < 180 * PAGE
    assert len(parcel.pickled) < 1000
    there, mapped = shared_memory.receive(parcel)
    try:
        assert there == want
        assert there.stats().mapped >= 168
        there.write(5 * PAGE, b"new")
        assert buf == want
        assert bytes(memory.buf[5 * PAGE : 6 * PAGE]) == want[5 * PAGE : 6 * PAGE]
        with pytest.raises(BufferError):
            mapped.close()
        there.detach()
        mapped.close()
        assert there[-70 * PAGE :] == pattern(1, 70 * PAGE)
    finally:
        del there
        memory.close()
        memory.unlink()
