"""Whatever takes a file works with what is one, and fails at once with what is not.

No call runs on for ever, and none loses bytes in silence: it does all of its work, or it raises and
leaves the object as it was.
"""

from __future__ import annotations

import base64
import bz2
import codecs
import configparser
import contextlib
import csv
import email
import email.generator
import email.message
import email.parser
import gc
import gzip
import hashlib
import http.client
import io
import json
import logging
import lzma
import mailbox
import marshal
import pickle
import plistlib
import pprint
import quopri
import shutil
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import tokenize
import wave
import wsgiref.util
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pagebuf
from tests.support import pattern

DATA = pattern(0, 6000)
TEXT = b"[part]\nkey = value\nother = 1\n"


# ---- what is handed over ----


def queue_of(data: bytes) -> pagebuf.ByteQueue:
    queue = pagebuf.ByteQueue()
    queue.put(data)
    queue.close()
    return queue


SOURCES: dict[str, Callable[[bytes], Any]] = {
    "PageBuffer": pagebuf.PageBuffer,
    "snapshot": lambda data: pagebuf.PageBuffer(data).snapshot(),
    "PageFile": lambda data: pagebuf.PageBuffer(data).open("rb"),
    "BytesIO": pagebuf.BytesIO,
    "ByteQueue": queue_of,
    "its file": lambda data: queue_of(data).open("rb"),
}
SINKS: dict[str, Callable[[], Any]] = {
    "PageBuffer": pagebuf.PageBuffer,
    "snapshot": lambda: pagebuf.PageBuffer().snapshot(),
    "PageFile": lambda: pagebuf.PageBuffer().open("w+b"),
    "BytesIO": pagebuf.BytesIO,
    "ByteQueue": pagebuf.ByteQueue,
    "its file": lambda: pagebuf.ByteQueue().open("wb"),
}


def holds(thing: Any) -> bytes:
    """What there is in it, also once it is closed."""
    if isinstance(thing, pagebuf.PageFile):
        thing = thing.page_buffer
    if isinstance(thing, pagebuf.BytesIO):
        return thing.getvalue()
    if hasattr(thing, "queue"):
        thing = thing.queue
    return bytes(thing.tobytes())


class Bounded(io.BytesIO):
    """A file or a socket that ends a transfer without an end."""

    def write(self, data: Any, /) -> int:
        assert self.tell() < 10 * len(DATA), "this never ends"
        return super().write(data)

    def sendall(self, data: Any) -> None:
        self.write(data)


# ---- who reads ----


def copied(source: Any) -> bytes:
    sink = Bounded()
    shutil.copyfileobj(source, sink)
    return sink.getvalue()


def copied_to_a_file(source: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(source, file)
        file.seek(0)
        return file.read()


def uploaded(source: Any) -> bytes:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = sink = Bounded()  # type: ignore[assignment]
    connection.request("POST", "/", body=source)
    sent = sink.getvalue().partition(b"\r\n\r\n")[2]
    return DATA if DATA in sent else sent


def sent_by_a_socket(source: Any) -> bytes:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        ours.sendfile(source)
        ours.shutdown(socket.SHUT_WR)
        with theirs.makefile("rb") as file:
            return file.read()


def encoded(encode: Callable[[Any, Any], None], decode: Callable[[bytes], bytes]) -> Any:
    def run(source: Any) -> bytes:
        sink = Bounded()
        encode(source, sink)
        return decode(sink.getvalue())

    return run


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("name", DATA)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("name")
        info.size = len(DATA)
        archive.addfile(info, io.BytesIO(DATA))
    return file.getvalue()


def untarred(mode: str) -> Any:
    def run(source: Any) -> bytes:
        with tarfile.open(fileobj=source, mode=mode) as archive:  # type: ignore[call-overload]
            for member in archive:
                return archive.extractfile(member).read()  # type: ignore[no-any-return]
        return b""

    return run


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(DATA[:2000])
    return file.getvalue()


def frames(source: Any) -> bytes:
    with wave.open(source, "rb") as file:
        return file.readframes(10**6)


def from_mailbox(source: Any) -> bytes:
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(mailbox.mbox(f"{folder}/box")) as box,
    ):
        return box.get_bytes(box.add(source))


def config(source: Any) -> str:
    parser = configparser.ConfigParser()
    parser.read_file(io.TextIOWrapper(source))
    return parser["part"]["key"]


def stored(source: Any) -> Any:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        return db.execute("select ?", (source,)).fetchone()[0]


def piped(source: Any) -> bytes:
    echo = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    return subprocess.run([sys.executable, "-c", echo], stdin=source, capture_output=True).stdout


def communicated(source: Any) -> bytes:
    echo = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    return subprocess.run([sys.executable, "-c", echo], input=source, capture_output=True).stdout


def unpacked(opener: Any) -> Callable[[Any], bytes]:
    def run(source: Any) -> bytes:
        with opener(source) as file:
            return file.read()  # type: ignore[no-any-return]

    return run


FILES = {"PageFile", "BytesIO", "its file"}
SEEKABLE = {"PageFile", "BytesIO"}
BYTES = {"PageBuffer", "snapshot"}  # they lend their bytes, as bytearray does

# name: (what is in it, what is done with it, what that gives, with which it works)
READERS: dict[str, tuple[bytes, Callable[[Any], Any], Any, set[str]]] = {
    "shutil.copyfileobj": (DATA, copied, DATA, FILES),
    "shutil.copyfileobj to a file": (DATA, copied_to_a_file, DATA, FILES),
    "http.client": (DATA, uploaded, DATA, FILES),
    "socket.sendfile": (DATA, sent_by_a_socket, DATA, SEEKABLE),
    "wsgiref": (DATA, lambda f: b"".join(wsgiref.util.FileWrapper(f)), DATA, FILES),
    "gzip.open": (gzip.compress(DATA), unpacked(gzip.open), DATA, FILES),
    "gzip.GzipFile": (
        gzip.compress(DATA),
        lambda f: gzip.GzipFile(fileobj=f).read(),
        DATA,
        FILES,
    ),
    "bz2.open": (bz2.compress(DATA), unpacked(bz2.open), DATA, FILES),
    "lzma.open": (lzma.compress(DATA), unpacked(lzma.open), DATA, FILES),
    "zipfile": (zipped(), lambda f: zipfile.ZipFile(f).read("name"), DATA, SEEKABLE),
    "tarfile": (tarred(), untarred("r"), DATA, SEEKABLE),
    "tarfile stream": (tarred(), untarred("r|"), DATA, FILES),
    "pickle": (pickle.dumps(DATA), pickle.load, DATA, FILES),
    "marshal": (marshal.dumps(DATA), marshal.load, DATA, FILES),
    "json": (b'{"a": [1, 2]}', json.load, {"a": [1, 2]}, FILES),
    "plistlib": (plistlib.dumps({"a": DATA}), lambda f: plistlib.load(f)["a"], DATA, SEEKABLE),
    "csv": (
        b"a,b\nc,d\n",
        lambda f: list(csv.reader(io.TextIOWrapper(f))),
        [["a", "b"], ["c", "d"]],
        FILES,
    ),
    "csv of bytes": (b"a,b\n", lambda f: list(csv.reader(f)), None, set()),
    "configparser": (TEXT, config, "value", FILES),
    "wave": (sound(), frames, DATA[:2000], FILES),
    "email": (
        b"Subject: x\n\nbody\n",
        lambda f: email.message_from_binary_file(f).get_payload(),
        "body\n",
        FILES,
    ),
    "mailbox": (b"Subject: x\n\nbody\n", from_mailbox, b"Subject: x\n\nbody\n", FILES),
    "hashlib.file_digest": (
        DATA,
        lambda f: hashlib.file_digest(f, "sha256").digest(),
        hashlib.sha256(DATA).digest(),
        FILES,
    ),
    "subprocess stdin": (DATA, piped, DATA, set()),
    "subprocess input": (DATA, communicated, DATA, BYTES),
    "sqlite3": (DATA, stored, DATA, BYTES),
    "zlib": (DATA, lambda f: zlib.decompress(zlib.compress(f)), DATA, BYTES),
    "xml": (b"<a><b/></a>", lambda f: ET.parse(f).getroot()[0].tag, "b", FILES),
    "tokenize": (b"x = 1\n", lambda f: list(tokenize.tokenize(f.readline))[1].string, "x", FILES),
    "codecs": (TEXT, lambda f: codecs.getreader("utf-8")(f).read(), TEXT.decode(), FILES),
    "io.TextIOWrapper": (TEXT, lambda f: io.TextIOWrapper(f).read(), TEXT.decode(), FILES),
    "base64": (DATA, encoded(base64.encode, base64.decodebytes), DATA, FILES),
    "quopri": (
        TEXT,
        encoded(lambda i, o: quopri.encode(i, o, False), quopri.decodestring),
        TEXT,
        FILES,
    ),
}


# These raise, but only when they have read: as with any file that cannot seek, or none at all.
LATE = {
    ("socket.sendfile", "its file"),
    ("plistlib", "its file"),
    ("csv of bytes", "PageFile"),
    ("csv of bytes", "BytesIO"),
    ("csv of bytes", "its file"),
    ("tokenize", "ByteQueue"),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("name", READERS)
def test_who_reads(name: str, kind: str) -> None:
    inside, use, expected, works = READERS[name]
    source = SOURCES[kind](inside)
    if kind in works:
        assert use(source) == expected
        return
    if (name, kind) in LATE:
        with pytest.raises(Exception, match=r"\w"):
            use(source)
        return
    before = holds(source)
    with pytest.raises(Exception, match=r"\w") as info:
        use(source)
    assert not isinstance(info.value, AssertionError), info.value
    assert holds(source) == before


# ---- who writes ----


class Loud(logging.StreamHandler[Any]):
    """The usual one prints the error, and goes on."""

    def handleError(self, record: object) -> None:  # noqa: N802
        raise


def logged(sink: Any) -> None:
    record = logging.LogRecord("x", logging.INFO, "x", 1, "hello", None, None)
    Loud(sink).emit(record)


def compressed(opener: Any) -> Callable[[Any], None]:
    def run(sink: Any) -> None:
        with opener(sink, "wb") as file:
            file.write(DATA)

    return run


def into_zip(sink: Any) -> None:
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("name", DATA)


def into_tar(mode: str, name: str | None) -> Callable[[Any], None]:
    def run(sink: Any) -> None:
        with tarfile.open(name, mode, sink) as archive:  # type: ignore[call-overload]
            info = tarfile.TarInfo("name")
            info.size = len(DATA)
            archive.addfile(info, io.BytesIO(DATA))

    return run


def into_wave(sink: Any) -> None:
    with wave.open(sink, "wb") as file:
        file.setparams((1, 2, 8000, 1000, "NONE", ""))
        file.writeframes(DATA[:2000])


def mailed(sink: Any) -> None:
    message = email.message.EmailMessage()
    message.set_content("body\n")
    email.generator.BytesGenerator(sink).flatten(message)


def as_text(write: Callable[[Any], object]) -> Callable[[Any], None]:
    def run(sink: Any) -> None:
        text = io.TextIOWrapper(sink, "utf-8", write_through=True)
        write(text)
        text.detach()

    return run


def into_config(file: Any) -> None:
    parser = configparser.ConfigParser()
    parser["part"] = {"key": "value"}
    parser.write(file)


def redirected(sink: Any) -> None:
    with contextlib.redirect_stdout(sink):
        print("hello")


def run_into(sink: Any) -> None:
    subprocess.run([sys.executable, "-c", "print(1)"], stdout=sink, check=True)


TAKES = {"PageFile", "BytesIO", "ByteQueue", "its file"}
ANY = object()  # how it looks is for the library to say

# name: (what is done, what is there then, with which it works)
WRITERS: dict[str, tuple[Callable[[Any], Any], Any, set[str]]] = {
    "shutil.copyfileobj": (lambda f: shutil.copyfileobj(io.BytesIO(DATA), f), DATA, TAKES),
    "gzip.open": (compressed(gzip.open), ANY, TAKES),
    "bz2.open": (compressed(bz2.open), bz2.compress(DATA), TAKES),
    "lzma.open": (compressed(lzma.open), lzma.compress(DATA), TAKES),
    "zipfile": (into_zip, ANY, TAKES),
    "tarfile": (into_tar("w", None), tarred(), {"PageFile", "BytesIO"}),
    "tarfile stream": (into_tar("w|", "an empty queue is false"), tarred(), TAKES),
    "pickle": (lambda f: pickle.dump(DATA, f), pickle.dumps(DATA), TAKES),
    "marshal": (lambda f: marshal.dump(DATA, f), marshal.dumps(DATA), TAKES),
    "plistlib": (lambda f: plistlib.dump({"a": DATA}, f), plistlib.dumps({"a": DATA}), TAKES),
    "wave": (into_wave, sound(), TAKES),
    "email": (mailed, ANY, TAKES),
    "xml": (lambda f: ET.ElementTree(ET.XML("<a />")).write(f), b"<a />", TAKES),
    "base64": (lambda f: base64.encode(io.BytesIO(DATA), f), base64.encodebytes(DATA), TAKES),
    "codecs": (lambda f: codecs.getwriter("utf-8")(f).write("text"), b"text", TAKES),
    "csv": (as_text(lambda f: csv.writer(f).writerow("ab")), b"a,b\r\n", FILES),
    "json": (as_text(lambda f: json.dump([1], f)), b"[1]", FILES),
    "configparser": (as_text(into_config), b"[part]\nkey = value\n\n", FILES),
    "print": (as_text(lambda f: print("hello", file=f)), b"hello\n", FILES),
    "pprint": (as_text(lambda f: pprint.pprint([1], f)), b"[1]\n", FILES),
    "logging": (as_text(logged), b"hello\n", FILES),
    "redirect_stdout": (as_text(redirected), b"hello\n", FILES),
    "csv of text": (lambda f: csv.writer(f).writerow("ab"), None, set()),
    "json of text": (lambda f: json.dump([1], f), None, set()),
    "print of text": (lambda f: print("hello", file=f), None, set()),
    "logging of text": (logged, None, set()),
    "subprocess stdout": (run_into, None, set()),
}


@pytest.fixture
def gone() -> Iterator[None]:
    """A file of gzip whose bytes were refused is refused again when it goes: within this test."""
    yield
    gc.collect()


@pytest.mark.parametrize("kind", SINKS)
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("gone")
def test_who_writes(name: str, kind: str) -> None:
    use, expected, works = WRITERS[name]
    sink = SINKS[kind]()
    if kind in works:
        use(sink)
        assert holds(sink) == expected or (expected is ANY and holds(sink))
        return
    with pytest.raises(Exception, match=r"\w") as info:
        use(sink)
    assert not isinstance(info.value, AssertionError), info.value
    assert holds(sink) == b""


@pytest.mark.parametrize("kind", sorted(BYTES))
@pytest.mark.parametrize(
    "name", ["shutil.copyfileobj", "http.client", "gzip.open", "json", "base64"]
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("gone")
def test_what_takes_a_buffer_for_a_file_is_told_what_to_do(name: str, kind: str) -> None:
    inside, use, _, _ = READERS[name]
    with pytest.raises(TypeError, match=r"takes both .*buf\.open\(\).*buf\.tobytes\(\)"):
        use(SOURCES[kind](inside))
    use, _, _ = WRITERS[name if name in WRITERS and name != "json" else "print of text"]
    with pytest.raises(TypeError, match=r"takes both .*buf\.open\(\).*buf\.extend\(\)"):
        use(SINKS[kind]())
