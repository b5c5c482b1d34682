"""Libraries that take files: requests, httpx, boto3 and pandas.  Each does all of its work, or it
raises at once and leaves the object as it was.  Each is skipped by name where it is not installed.
"""

from __future__ import annotations

import gc
import http.server
import io
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pagebuf
from tests.clients.test_what_takes_files import FILES, SEEKABLE, SINKS, SOURCES, TAKES, holds
from tests.support import pattern

DATA = pattern(0, 100_000)


class Handler(http.server.BaseHTTPRequestHandler):
    """Keeps the body of a request, and answers with DATA."""

    protocol_version = "HTTP/1.1"
    server: Server

    def body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces: list[bytes] = []
        while n := int(self.rfile.readline() or b"0", 16):
            pieces.append(self.rfile.read(n))
            self.rfile.readline()
            assert len(pieces) < 1000, "this never ends"
        self.rfile.readline()
        return b"".join(pieces)

    def answer(self, data: bytes, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", '"x"')
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        self.server.got = self.body()
        self.answer(b"", 0)

    do_PUT = do_POST  # noqa: N815

    def do_HEAD(self) -> None:
        self.answer(b"", len(DATA))

    def do_GET(self) -> None:
        self.answer(DATA, len(DATA))

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    got = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that gave up."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def by_requests(send: Callable[[Any, str, Any], Any]) -> Callable[[str, Any], Any]:
    def run(url: str, thing: Any) -> Any:
        requests = pytest.importorskip("requests", reason="requests is not installed")
        with requests.Session() as session:
            return send(session, url, thing)

    return run


def by_httpx(send: Callable[[Any, str, Any], Any]) -> Callable[[str, Any], Any]:
    def run(url: str, thing: Any) -> Any:
        httpx = pytest.importorskip("httpx", reason="httpx is not installed")
        with httpx.Client(timeout=30, trust_env=False) as client:
            return send(client, url, thing)

    return run


def by_boto(send: Callable[[Any, Any], Any]) -> Callable[[str, Any], Any]:
    def run(url: str, thing: Any) -> Any:
        boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
        config = pytest.importorskip("botocore.config", reason="botocore is not installed")
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="nowhere",
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            config=config.Config(s3={"addressing_style": "path"}),
        )
        try:
            return send(client, thing)
        finally:
            client.close()

    return run


# name: (what is done, with which it works)
UPLOADS: dict[str, tuple[Callable[[str, Any], Any], set[str]]] = {
    "requests data": (by_requests(lambda s, url, f: s.post(url, data=f)), FILES),
    "requests files": (by_requests(lambda s, url, f: s.post(url, files={"f": f})), FILES),
    "httpx content": (by_httpx(lambda c, url, f: c.post(url, content=f)), FILES),
    "httpx files": (by_httpx(lambda c, url, f: c.post(url, files={"f": f})), FILES),
    "boto3 put_object": (by_boto(lambda c, f: c.put_object(Bucket="b", Key="k", Body=f)), SEEKABLE),
    "boto3 upload_fileobj": (by_boto(lambda c, f: c.upload_fileobj(f, "b", "k")), FILES),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_uploads(server: Server, name: str, kind: str) -> None:
    upload, works = UPLOADS[name]
    source = SOURCES[kind](DATA)
    if kind in works:
        upload(server.url, source)
        assert DATA in server.got
        return
    with pytest.raises(Exception, match=r"\w"):
        upload(server.url, source)
    assert DATA not in server.got
    assert holds(source) == DATA


def copied(pieces: Any, sink: Any) -> None:
    for piece in pieces:
        sink.write(piece)


def downloaded_by_httpx(client: Any, url: str, sink: Any) -> None:
    with client.stream("GET", url) as response:
        copied(response.iter_bytes(), sink)


DOWNLOADS: dict[str, tuple[Callable[[str, Any], Any], set[str]]] = {
    "requests": (
        by_requests(lambda s, url, f: copied(s.get(url, stream=True).iter_content(4096), f)),
        TAKES,
    ),
    "httpx": (by_httpx(downloaded_by_httpx), TAKES),
    "boto3 download_fileobj": (by_boto(lambda c, f: c.download_fileobj("b", "k", f)), TAKES),
}


@pytest.mark.parametrize("kind", SINKS)
@pytest.mark.parametrize("name", DOWNLOADS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_downloads(server: Server, name: str, kind: str) -> None:
    download, works = DOWNLOADS[name]
    sink = SINKS[kind]()
    if kind in works:
        download(server.url, sink)
        assert holds(sink) == DATA
        return
    with pytest.raises(TypeError, match=r"write\(offset, data\) takes both|snapshot never changes"):
        download(server.url, sink)
    assert holds(sink) == b""


# ---- pandas ----

ROWS = {"a": [1, 2, 3], "b": ["x", "y", "z"]}


@pytest.fixture
def gone() -> Iterator[None]:
    """What pyarrow made of an object that is no file complains once more when it goes."""
    yield
    gc.collect()


def written(pandas: Any, how: str) -> bytes:
    file = io.BytesIO()
    getattr(pandas.DataFrame(ROWS), f"to_{how}")(file, **OPTIONS.get(how, {}))
    return file.getvalue()


OPTIONS: dict[str, dict[str, Any]] = {
    "csv": {"index": False},
    "parquet": {"engine": "pyarrow"},
    "feather": {},
    "json": {"orient": "records"},
    "pickle": {},
}
READS: dict[str, set[str]] = {
    "csv": FILES,
    "json": FILES,
    "pickle": FILES,
    "parquet": SEEKABLE,
    "feather": SEEKABLE,
}
WRITES = {how: FILES if how in {"csv", "json"} else TAKES for how in READS}  # text, of a file


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("how", READS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("gone")
def test_pandas_reads(how: str, kind: str) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    inside = written(pandas, how)
    source = SOURCES[kind](inside)
    if kind in READS[how]:
        assert getattr(pandas, f"read_{how}")(source).to_dict("list") == ROWS
        return
    with pytest.raises(Exception, match=r"\w"):
        getattr(pandas, f"read_{how}")(source)


@pytest.mark.parametrize("kind", SINKS)
@pytest.mark.parametrize("how", READS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("gone")
def test_pandas_writes(how: str, kind: str) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    sink = SINKS[kind]()
    write = getattr(pandas.DataFrame(ROWS), f"to_{how}")
    if kind not in WRITES[how]:
        with pytest.raises(Exception, match=r"\w"):
            write(sink, **OPTIONS[how])
        assert holds(sink) == b""
        return
    write(sink, **OPTIONS[how])
    again = getattr(pandas, f"read_{how}")(io.BytesIO(holds(sink)))
    assert again.to_dict("list") == ROWS


def test_pickles_of_frames_keep_their_bytes_in_a_buffer() -> None:
    """Protocol 5 hands the columns over as they are."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"a": range(10_000)})
    columns: list[pickle.PickleBuffer] = []
    head = pickle.dumps(frame, protocol=5, buffer_callback=columns.append)
    kept = [pagebuf.PageBuffer(column.raw()) for column in columns]
    assert pickle.loads(head, buffers=kept).equals(frame)
