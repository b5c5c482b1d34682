"""pyarrow reads and writes pages where they lie.  Addresses say so, not times."""

from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

import pagebuf
from pagebuf import PageBuffer, PageFile
from tests.helpers import PAGE
from tests.support import pattern

ROWS = 40_000
TABLE = pa.table({"number": range(ROWS), "half": [n / 2 for n in range(ROWS)]})


class Watched(PageFile):
    """A file that keeps how it was read."""

    def __init__(self, *args):
        super().__init__(*args)
        self.copied, self.shown = [], []

    def read(self, size=-1, /):
        data = super().read(size)
        self.copied.append(len(data))
        return data

    def read_buffer(self, size=-1, /):
        view = super().read_buffer(size)
        self.shown.append(len(view))
        return view


def written(table):
    """A table as an Arrow file, in one run of pages."""
    buf = PageBuffer()
    with buf.open("wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    buf.gather()
    return buf


def addresses(table):
    """Where the bytes of a table lie."""
    chunks = [chunk for column in table.columns for chunk in column.chunks]
    return [part.address for chunk in chunks for part in chunk.buffers() if part is not None]


def lie_in(buf, table):
    """Whether all columns are pages of a buffer, not copies of them."""
    found = [pagebuf.region_of(address) for address in addresses(table)]
    return len(found) == 2 and all(
        region is not None and region.owner is buf and 0 < region.offset < len(buf)
        for region in found
    )


def test_a_table_lies_in_the_pages_that_it_was_written_to():
    buf = written(TABLE)
    snapshot = buf.snapshot()
    there = pa.py_buffer(snapshot.view())
    table = pa.ipc.open_file(there).read_all()
    assert table == TABLE
    assert lie_in(snapshot, table)
    assert there.address <= min(addresses(table)) < there.address + len(buf)
    buf.write(0, bytes(len(buf)))  # what Arrow shows stays
    assert table == TABLE


def test_pyarrow_asks_a_file_for_views():
    file = Watched(written(TABLE).snapshot(), "rb")
    table = pa.ipc.open_file(file).read_all()
    assert table == TABLE
    assert lie_in(file.page_buffer, table)
    assert not file.copied
    assert sum(file.shown) > 16 * ROWS


def test_parquet():
    buf = PageBuffer()
    with buf.open("wb") as file:
        pa.parquet.write_table(TABLE, file)
    reader = Watched(buf.snapshot(), "rb")
    assert pa.parquet.read_table(reader) == TABLE
    assert not reader.copied
    assert sum(reader.shown) >= len(buf) - 16
    assert pa.parquet.read_table(pa.BufferReader(buf.snapshot().view())) == TABLE


def test_a_stream():
    buf = PageBuffer()
    with buf.open("wb") as file, pa.ipc.new_stream(file, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=ROWS // 4)
    table = pa.ipc.open_stream(Watched(buf, "rb")).read_all()
    assert table == TABLE
    assert table["half"].num_chunks == 4


@pytest.mark.parametrize("tail", [0, 1, PAGE - 1])
def test_memory_of_arrow_is_mapped_and_goes_back_as_it_is(tail):
    size = 64 * max(PAGE, 4096) + tail
    memory = pa.py_buffer(pattern(0, size))
    buf = PageBuffer.map(memory)
    assert pa.py_buffer(buf.snapshot().view()).address == memory.address
    buf.write(PAGE, b"new")
    assert buf.stats().pages <= 1 + bool(tail)
    assert memory.to_pybytes() == pattern(0, size)
    back = pa.py_buffer(buf.snapshot().view(2 * PAGE, 60 * PAGE))
    assert back.address == memory.address + 2 * PAGE
    assert back.to_pybytes() == pattern(2 * PAGE, 60 * PAGE)
