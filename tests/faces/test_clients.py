"""Libraries that use files work on pagebuf's files: each writes, reads back, and gets the same as
from io.BytesIO."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import mailbox
import pickle
import shutil
import tarfile
import wave
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from email.generator import BytesGenerator
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.support import pattern

DATA = pattern(0, 5 * PAGE + 7)
NAMES = {f"dir/{i}.bin": pattern(i, i * 97) for i in range(20)}


def bytesio() -> Any:
    return pagebuf.BytesIO()


def pagefile() -> Any:
    return pagebuf.PageFile()


def whole(file: Any) -> bytes:
    file.seek(0)
    return bytes(file.read())


@pytest.fixture(params=[bytesio, pagefile])
def new(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_zipfile(new: Callable[[], Any], method: int) -> None:
    file = new()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in NAMES.items():
            archive.writestr(name, data)
    with zipfile.ZipFile(file, "a", method) as archive:
        archive.writestr("last", DATA)
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in NAMES} == NAMES
        with archive.open("last") as member:
            member.seek(PAGE)
            assert member.read() == DATA[PAGE:]


@pytest.mark.parametrize("kind", ["", "gz", "bz2", "xz"])
def test_tarfile(new: Callable[[], Any], kind: str) -> None:
    file = new()
    with tarfile.open(fileobj=file, mode=f"w:{kind}") as archive:
        for name, data in NAMES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            source = new()
            source.write(data)
            source.seek(0)
            archive.addfile(info, source)
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        assert archive.getnames() == list(NAMES)
        for name, data in NAMES.items():
            member = archive.extractfile(name)
            assert member is not None
            assert member.read() == data


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
def test_compressed_files(new: Callable[[], Any], module: Any) -> None:
    file = new()
    with module.open(file, "wb") as packed:
        for at in range(0, len(DATA), 100):
            packed.write(DATA[at : at + 100])
    file.seek(0)
    with module.open(file, "rb") as packed:
        assert packed.read() == DATA
        packed.seek(PAGE)
        assert packed.read(9) == DATA[PAGE : PAGE + 9]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_streams(new: Callable[[], Any], protocol: int) -> None:
    file = new()
    objects: list[Any] = [NAMES, [1.5, None, "häß"], DATA, bytearray(DATA)]
    for obj in objects:
        pickle.dump(obj, file, protocol)
    file.seek(0)
    assert [pickle.load(file) for _ in objects] == objects
    with pytest.raises(EOFError):
        pickle.load(file)


def test_pickle_out_of_band_buffers(new: Callable[[], Any]) -> None:
    file = new()
    buffers: list[pickle.PickleBuffer] = []
    pickle.dump(pickle.PickleBuffer(bytearray(DATA)), file, 5, buffer_callback=buffers.append)
    file.seek(0)
    assert bytes(pickle.load(file, buffers=buffers)) == DATA


def test_text_csv_xml_and_copies(new: Callable[[], Any]) -> None:
    file = new()
    text = io.TextIOWrapper(file, "utf-8", newline="")
    rows = [[str(i), "ä;b", "c\nd"] for i in range(500)]
    csv.writer(text).writerows(rows)
    text.flush()
    text.seek(0)
    assert list(csv.reader(text)) == rows
    text.detach()
    other = new()
    root = ET.Element("root")
    for i in range(300):
        ET.SubElement(root, "leaf", at=str(i))
    ET.ElementTree(root).write(other)
    other.seek(0)
    assert len(ET.parse(other).getroot()) == 300
    file.seek(0)
    shutil.copyfileobj(file, other, 1000)
    assert whole(other).endswith(whole(file))


def test_wave_and_mail(new: Callable[[], Any]) -> None:
    file = new()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(DATA[: 4 * PAGE])
    file.seek(0)
    with wave.open(file, "rb") as sound:
        assert sound.readframes(sound.getnframes()) == DATA[: 4 * PAGE]
    mail = new()
    message = EmailMessage()
    message["Subject"] = "pages"
    message.set_content("text\n" * 1000)
    message.add_attachment(DATA, maintype="application", subtype="octet-stream")
    BytesGenerator(mail).flatten(message)
    mail.seek(0)
    parsed = BytesParser().parse(mail)
    assert parsed.get_payload()[1].get_payload(decode=True) == DATA
    assert mailbox.Message(io.BytesIO(whole(mail)))["Subject"] == "pages"


def test_buffered_layers(new: Callable[[], Any]) -> None:
    file = new()
    file.write(DATA)
    file.seek(0)
    reader = io.BufferedReader(file)
    assert reader.read() == DATA
    assert reader.detach() is file
    file.seek(0)
    with io.BufferedRandom(file) as both:
        both.seek(10)
        both.write(b"changed")
        both.seek(0)
        assert both.read() == DATA[:10] + b"changed" + DATA[17:]


# ---- third parties, in the dependency group `test` ----


def test_numpy_save_and_load(new: Callable[[], Any]) -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    array = numpy.arange(3 * PAGE, dtype="<i8").reshape(-1, 3)
    file = new()
    numpy.save(file, array)
    numpy.save(file, array[::2])
    file.seek(0)
    assert (numpy.load(file) == array).all()
    assert (numpy.load(file) == array[::2]).all()
    packed = new()
    numpy.savez_compressed(packed, a=array, b=array * 2)
    packed.seek(0)
    with numpy.load(packed) as arrays:
        assert (arrays["b"] == array * 2).all()
    text = new()
    numpy.savetxt(text, array, fmt="%d")
    text.seek(0)
    assert (numpy.loadtxt(text, dtype="i8") == array).all()


def test_numpy_frombuffer_is_live() -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    file = pagebuf.BytesIO(bytes(8 * PAGE))
    array = numpy.frombuffer(file.getbuffer(), "<u8")
    array[:] = numpy.arange(PAGE)
    with pytest.raises(BufferError):
        file.write(b"x")
    del array
    assert file.write(b"") == 0
    assert (numpy.frombuffer(file.getvalue(), "<u8") == numpy.arange(PAGE)).all()


def test_pandas_csv_and_parquet(new: Callable[[], Any]) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    frame = pandas.DataFrame({"n": range(PAGE), "s": [f"row {i}" for i in range(PAGE)]})
    file = new()
    frame.to_csv(file, index=False)
    file.seek(0)
    assert pandas.read_csv(file).equals(frame)
    file = new()
    frame.to_parquet(file)
    file = reopened(file)
    file.seek(0)
    again = pandas.read_parquet(file)
    assert list(again["n"]) == list(frame["n"])
    assert list(again["s"]) == list(frame["s"])


def reopened(file: Any) -> Any:
    """A writer of Parquet may close its file.  The buffer of a PageFile stays, so open it again."""
    return file.page_buffer.open() if file.closed else file


def test_pyarrow_parquet(new: Callable[[], Any]) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow has no Parquet")
    table = pyarrow.table({"n": list(range(PAGE)), "s": [str(i) for i in range(PAGE)]})
    file = new()
    parquet.write_table(table, file)
    file = reopened(file)
    file.seek(0)
    assert parquet.read_table(pyarrow.PythonFile(file, mode="r")).equals(table)


def test_pyarrow_reads_without_a_copy() -> None:
    """pyarrow calls `read_buffer`, and gets the memory of the file itself."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    numpy = pytest.importorskip("numpy", reason="tells addresses")
    file = pagebuf.BytesIO(DATA)
    with file.getbuffer() as view:  # this gathers the bytes into one run
        start = numpy.frombuffer(view, "u1").__array_interface__["data"][0]
    source = pyarrow.PythonFile(file, mode="r")
    source.seek(3)
    piece = source.read_buffer(2 * PAGE)
    assert piece.address == start + 3
    file.seek(0)
    file.write(bytes(len(DATA)))
    assert piece.to_pybytes() == DATA[3 : 3 + 2 * PAGE]
    assert file.getvalue() == bytes(len(DATA))


def test_pyarrow_ipc(new: Callable[[], Any]) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = pyarrow.table({"n": list(range(PAGE))})
    file = new()
    with pyarrow.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    file = reopened(file)
    assert pyarrow.ipc.open_file(pyarrow.BufferReader(whole(file))).read_all().equals(table)
    file.seek(0)
    assert pyarrow.ipc.open_file(file).read_all().equals(table)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_pillow(new: Callable[[], Any], kind: str) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    picture = image.frombytes("L", (64, 60), (DATA * 99)[: 64 * 60])
    file = new()
    picture.save(file, kind)
    file.seek(0)
    again = image.open(file)
    assert again.convert("L").tobytes() == picture.tobytes()
