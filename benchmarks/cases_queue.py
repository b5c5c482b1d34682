"""`ByteQueue`: put and get, lines from pieces, and sockets; and views of a large buffer."""

import hashlib
import random
import socket
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import HTTPServer, SimpleHTTPRequestHandler
from threading import Thread
from typing import Any

import pagebuf
from benchmarks.cases import Cache, Case
from benchmarks.cases_fifo import FIFO_SIZES, Fifo, FifoCase
from benchmarks.loops import Op
from benchmarks.participants import OURS, RING, Participant
from benchmarks.races import Entry, Race, RaceSection, Work, ours
from benchmarks.rings import queues
from benchmarks.workloads import KIB, MIB, MIXTURE, SEED, Scale, cut, repeated

SEPARATOR = b"\r\n"


# ---- put and get ---------------------------------------------------------------------------------


class Queue(Participant):
    """`pagebuf.ByteQueue`, instead of a buffer used as a queue."""

    name = "ByteQueue"
    family = OURS

    def queue(self, capacity: int, size: int) -> Op:  # noqa: ARG002
        queue = pagebuf.ByteQueue()
        return Op({"put": queue.put, "get": queue.get}, before="put(piece)", result="get(size)")


class BytesQueueBuffer(Participant):
    """The class in which urllib3 keeps decoded bytes."""

    name = "urllib3's BytesQueueBuffer"
    family = RING
    requires = ("urllib3.response",)

    def queue(self, capacity: int, size: int) -> Op:  # noqa: ARG002
        from urllib3.response import BytesQueueBuffer as Buffer

        queue = Buffer()
        return Op({"put": queue.put, "get": queue.get}, before="put(piece)", result="get(size)")


class QueueSection(Fifo):
    """The same work as `fifo`, with one more size."""

    name = "queue"
    title = "ByteQueue with {in_flight} in flight: time to put and get one piece"

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        others = [who for who in queues() if who.family != OURS]
        self.participants = [Queue(), *others, BytesQueueBuffer()]
        sizes = [size for size in FIFO_SIZES if size != MIXTURE]
        self.cases = [FifoCase(self, size) for size in (*sizes, MIB) if size <= scale.in_flight]
        for case in self.cases:
            case.more = case.size == 256


# ---- lines ---------------------------------------------------------------------------------------


class _Tap:
    """A connection that keeps everything read from it."""

    def __init__(self, sock: socket.socket, kept: list[bytes]) -> None:
        self._sock, self._kept = sock, kept

    def makefile(self, mode: str) -> Any:
        return self._sock.makefile(mode)

    def sendall(self, data: bytes) -> None:
        self._kept.append(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        self._sock.sendall(data)

    def close(self) -> None:
        self._sock.close()


def http_headers(size: int) -> bytes:
    """Headers of real requests and responses, as the standard library's client and server send
    them to each other, repeated to at least `size` bytes."""
    kept: list[bytes] = []

    class Handler(SimpleHTTPRequestHandler):
        def flush_headers(self) -> None:
            kept.append(b"".join(getattr(self, "_headers_buffer", [])))
            super().flush_headers()

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        for path in ("/", "/README.md", "/docs/", "/no/such/file", "/src/pagebuf/pool.py"):
            connection = HTTPConnection("127.0.0.1", server.server_port)
            connection.connect()
            connection.sock = _Tap(connection.sock, kept)  # type: ignore[assignment]
            connection.request("GET", path, headers={"User-Agent": "pagebuf", "Accept": "*/*"})
            connection.getresponse().read()
            connection.close()
    finally:
        server.shutdown()
        server.server_close()
    text = b"".join(kept)
    return text * (size // len(text) + 1)


class StreamReaderBuffer:
    """Does to its buffer what `asyncio.StreamReader.readuntil` does, but never waits."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._offset = 0

    def feed_data(self, data: bytes) -> None:
        self._buffer.extend(data)

    def readuntil(self, separator: bytes) -> bytes | None:
        at = self._buffer.find(separator, self._offset)
        if at == -1:
            self._offset = max(0, len(self._buffer) + 1 - len(separator))
            return None
        chunk = self._buffer[: at + len(separator)]
        del self._buffer[: at + len(separator)]
        self._offset = 0
        return bytes(chunk)


class Lines(RaceSection):
    """Takes lines from pieces that end anywhere."""

    name = "readuntil"
    title = "readuntil(CR LF) over HTTP headers fed in pieces: time of one piece"

    def races(self) -> list[Case]:
        text = http_headers(256 * KIB)
        return [
            self._race(label, cut(text[: size * 60_000][: 256 * KIB], size))
            for label, size in (("1 B", 1), ("64 B", 64), ("4 KiB", 4 * KIB))
        ]

    def _race(self, label: str, pieces: list[bytes]) -> Case:
        def loop(feed: Callable[[bytes], Any], line: Callable[[], Any]) -> Work:
            def work() -> tuple[int, str]:
                count, seen = 0, hashlib.sha256()
                for piece in pieces:
                    feed(piece)
                    while (found := line()) is not None:
                        count += 1
                        last = found
                seen.update(last)
                return count, seen.hexdigest()

            return work

        def stream() -> Work:
            buffer = StreamReaderBuffer()
            return loop(buffer.feed_data, lambda: buffer.readuntil(SEPARATOR))

        def h11() -> Work:
            from h11._receivebuffer import ReceiveBuffer

            buffer = ReceiveBuffer()
            return loop(buffer.__iadd__, buffer.maybe_extract_next_line)

        def paged() -> Work:
            queue = pagebuf.ByteQueue()
            return loop(queue.put, lambda: queue.readuntil(SEPARATOR))

        entries = [
            Entry("asyncio.StreamReader's buffer", stream),
            Entry("h11's ReceiveBuffer", h11, requires=("h11._receivebuffer",)),
            ours(paged),
        ]
        return Race(self, label, len(pieces), entries)


# ---- sockets -------------------------------------------------------------------------------------


class Loopback(RaceSection):
    """Moves bytes from one socket to another, through a buffer."""

    name = "loopback"
    title = "A relay over loopback, from one connection to the next: time of one MiB"
    near_one = True

    def races(self) -> list[Case]:
        total = 1024 * MIB if self.scale.name == "full" else 16 * MIB
        entries = [
            Entry("recv_into a bytearray, sendall", lambda: self._relay(total, self._flat)),
            ours(lambda: self._relay(total, self._paged)),
        ]
        return [Race(self, "1 GiB", total // MIB, entries, long=True)]

    @staticmethod
    def _paged(source: socket.socket, sink: socket.socket) -> None:
        queue = pagebuf.ByteQueue()
        while queue.recv_from(source, 256 * KIB):
            while queue:
                queue.send_to(sink)

    @staticmethod
    def _flat(source: socket.socket, sink: socket.socket) -> None:
        ring = bytearray(256 * KIB)
        view = memoryview(ring)
        while size := source.recv_into(ring):
            sink.sendall(view[:size])

    def _relay(self, total: int, relay: Callable[[socket.socket, socket.socket], None]) -> Work:
        piece = self.data[:MIB]

        def work() -> int:
            (ahead, source), (sink, behind) = _connection(), _connection()
            received = [0]

            def feed() -> None:
                for _ in range(total // len(piece)):
                    ahead.sendall(piece)
                ahead.close()

            def drain() -> None:
                into = bytearray(MIB)
                while size := behind.recv_into(into):
                    received[0] += size

            threads = [Thread(target=feed), Thread(target=drain)]
            for thread in threads:
                thread.start()
            relay(source, sink)
            sink.close()
            for thread in threads:
                thread.join()
            source.close()
            behind.close()
            return received[0]

        return work


def _connection() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    return near, far


# ---- views ---------------------------------------------------------------------------------------


class Views(RaceSection):
    """Takes a view of the whole buffer, reads a byte, and releases it."""

    name = "view"
    title = "A live view of a buffer grown in 64 KiB pieces, taken and released: time of one"
    note = "the first view gathers what is not one run; the views timed come after it"
    more = True

    def __init__(self, scale: Scale, data: bytes) -> None:
        self._cache = Cache()
        super().__init__(scale, data)

    def races(self) -> list[Case]:
        size = 1024 * MIB if self.scale.name == "full" else 16 * MIB
        calls = 10_000
        where = random.Random(SEED).randrange(size)

        def looks(make: Callable[[], Any]) -> Work:
            store = self._cache.get(make, lambda: self._fill(make(), size))

            def work() -> int:
                for _ in range(calls):
                    with memoryview(store) as view:
                        seen = view[where]
                return int(seen)

            with memoryview(store) as first:
                first[0] = first[0]
            return work

        entries = [
            Entry("bytearray", lambda: looks(bytearray)),
            ours(lambda: looks(pagebuf.PageBuffer)),
        ]
        return [Race(self, "1 GiB", calls, entries)]

    def _fill(self, store: Any, size: int) -> Any:
        for piece in repeated(self.data, 64 * KIB, size):
            store += piece
        return store

    def close(self) -> None:
        self._cache.clear()
        super().close()


SECTIONS = (QueueSection, Lines, Loopback, Views)
