"""ByteQueue.send_to and recv_from on sockets, pipes and files: waits, short counts, signals."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import threading
import time

import pytest

from pagebuf import ByteQueue, CapacityError, PagePool, PoolLimitError
from pagebuf._core import _BUILD_FLAGS
from tests.helpers import PAGE
from tests.support import pattern
from tests.threads.crew import Crew, together

BIG = 1 << 22
SIZES = sorted({1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE + 3, 1 << 16, 300_000})


@pytest.fixture
def pair():
    with contextlib.ExitStack() as stack:
        ours, theirs = socket.socketpair()
        stack.callback(theirs.close)
        stack.callback(ours.close)
        yield ours, theirs


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(fd)


def queue_of(pool, data=b"", **options):
    queue = ByteQueue(pool=pool, **options)
    if data:
        queue.put(data)
    return queue


def send_all(queue, target):
    while queue:
        queue.send_to(target)


def send_for_ever(queue, target):
    """Send until a call raises."""
    while True:
        queue.send_to(target)


def carry(pool, reading, writing, data):
    """Send data from one queue into `writing`, and receive it from `reading` into another queue."""
    out, got = queue_of(pool, data), queue_of(pool)

    def receive_all():
        while len(got) < len(data):
            assert got.recv_from(reading) > 0

    together(lambda: send_all(out, writing), receive_all)
    assert got.peek() == data
    assert (out.total_out, got.total_in) == (len(data), len(data))
    out.check()
    got.check()


# ---- there and back ----


@pytest.mark.parametrize("size", SIZES)
def test_socket(pool, pair, size):
    carry(pool, *pair, pattern(0, size))


@pytest.mark.parametrize("size", SIZES)
def test_socket_by_its_descriptor(pool, pair, size):
    carry(pool, pair[0].fileno(), pair[1].fileno(), pattern(0, size))


@pytest.mark.parametrize("size", SIZES)
def test_pipe(pool, pipe, size):
    carry(pool, *pipe, pattern(0, size))


@pytest.mark.parametrize("size", SIZES)
def test_file(pool, tmp_path, size):
    path = tmp_path / "file"
    queue = queue_of(pool, pattern(0, size))
    with path.open("wb", buffering=0) as file:
        send_all(queue, file)
    assert path.read_bytes() == pattern(0, size)
    with path.open("rb", buffering=0) as file:
        while queue.recv_from(file):
            pass
    assert queue.get() == pattern(0, size)


def test_counts(pool, pair):
    ours, theirs = pair
    queue = queue_of(pool, pattern(0, 3 * PAGE))
    assert queue.send_to(ours, 0) == 0
    assert queue.send_to(ours, PAGE + 1) == PAGE + 1
    assert len(queue) == 2 * PAGE - 1
    got = queue_of(pool, b"head")
    assert got.recv_from(theirs, 0) == 0
    assert got.recv_from(theirs, 3) == 3
    assert got.recv_from(theirs, PAGE) == PAGE - 2 if PAGE > 2 else PAGE
    assert got.peek(7) == b"head" + pattern(0, 3)
    assert queue.send_to(ours, None) == 2 * PAGE - 1
    assert queue.send_to(ours) == 0, "nothing to send: no system call"


def test_end_of_stream(pool, pair):
    ours, theirs = pair
    queue = queue_of(pool, b"last")
    queue.send_to(ours)
    ours.close()
    assert queue.recv_from(theirs) == 4
    assert queue.recv_from(theirs) == queue.recv_from(theirs) == 0
    assert queue.get() == b"last"


def test_more_pieces_than_a_call_takes(pool, pair):
    """A queue has more pages than IOV_MAX, and no two of them are neighbours in memory."""
    spare = [queue_of(pool) for _ in range(2)]
    for _ in range(1500):
        for queue in spare:
            queue.put(bytes(PAGE))
    data = pattern(0, 1500 * PAGE)
    spare[0].clear()
    queue = queue_of(pool)
    for at in range(0, len(data), PAGE):
        queue.put(data[at : at + PAGE])
    spare[1].clear()
    ours, theirs = pair
    first = queue.send_to(ours)
    assert 0 < first <= len(data)
    got = queue_of(pool)
    while len(got) < first:
        got.recv_from(theirs, BIG)
    assert got.peek() == data[:first]
    assert queue.peek(100) == data[first : first + 100]


# ---- waiting ----


def test_nonblocking_socket(pool, pair):
    ours, theirs = pair
    ours.setblocking(False)
    theirs.setblocking(False)
    queue = queue_of(pool)
    with pytest.raises(BlockingIOError):
        queue.recv_from(theirs)
    assert (len(queue), queue.stats().pages) == (0, 0)
    data = pattern(0, BIG)
    queue.put(data)
    with pytest.raises(BlockingIOError):
        send_for_ever(queue, ours)
    sent = queue.total_out
    assert 0 < sent < BIG, "a short count"
    assert len(queue) == BIG - sent
    queue.check()
    got = queue_of(pool)
    while len(got) < BIG:
        with contextlib.suppress(BlockingIOError):
            got.recv_from(theirs)
        with contextlib.suppress(BlockingIOError):
            queue.send_to(ours)
    assert got.get() == data


def test_nonblocking_pipe(pool, pipe):
    reading, writing = pipe
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    queue = queue_of(pool, pattern(0, BIG))
    with pytest.raises(BlockingIOError):
        queue_of(pool).recv_from(reading)
    with pytest.raises(BlockingIOError):
        send_for_ever(queue, writing)
    sent = queue.total_out
    assert len(queue) == BIG - sent
    got = queue_of(pool)
    assert got.recv_from(reading, BIG) > 0
    assert got.get() == pattern(0, got.total_in)


def test_timeouts(pool, pair):
    ours, theirs = pair
    ours.settimeout(0.05)
    theirs.settimeout(0.05)
    queue = queue_of(pool, b"kept")
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        queue.recv_from(theirs)
    assert time.monotonic() - start >= 0.04
    assert queue.get() == b"kept"
    queue.put(bytes(BIG))
    with pytest.raises(TimeoutError):
        send_for_ever(queue, ours)
    assert len(queue) + queue.total_out == BIG + 4
    queue.check()


def test_a_timeout_that_is_not_reached(pool, pair):
    ours, theirs = pair
    theirs.settimeout(30)
    timer = threading.Timer(0.05, ours.sendall, (b"late",))
    timer.start()
    queue = queue_of(pool)
    assert queue.recv_from(theirs) == 4
    timer.join()


@pytest.mark.skipif(
    _BUILD_FLAGS["portable"] or not hasattr(os, "RWF_NOWAIT"),
    reason="nothing asks a pipe not to wait here",
)
def test_a_blocking_pipe_is_sent_what_it_takes_at_a_time(pool, pipe):
    """A call sends more than the 4096 bytes for which poll() promises room."""
    reading, writing = pipe
    room = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)
    try:
        assert os.pwritev(writing, [b"x"], -1, os.RWF_NOWAIT) == 1
    except OSError:
        pytest.skip("this kernel does not ask pipes")
    os.read(reading, 1)
    queue = queue_of(pool, pattern(0, 2 * room))
    sent = queue.send_to(writing)
    assert sent > (select.PIPE_BUF if PAGE >= 4096 else 0)
    assert os.get_blocking(writing)
    got = os.read(reading, sent)
    assert got == pattern(0, len(got))
    assert len(queue) == 2 * room - sent


def test_a_blocking_pipe_that_is_full_is_waited_for(pool, pipe):
    reading, writing = pipe
    data = pattern(0, 1 << 18)
    queue, got = queue_of(pool, data), bytearray()

    def read():
        while len(got) < len(data):
            time.sleep(0.001)
            got.extend(os.read(reading, 9999))

    thread = threading.Thread(target=read)
    thread.start()
    while queue:
        assert queue.send_to(writing) > 0
    thread.join()
    assert got == data


@pytest.mark.parametrize("kind", ["socket", "pipe"])
def test_others_use_the_queue_while_one_waits(pool, pair, pipe, kind):
    """A waiting call holds neither the lock nor the GIL."""
    reading, writing = pair[0].fileno(), pair[1].fileno()
    if kind == "pipe":
        reading, writing = pipe
    queue = queue_of(pool)
    with Crew(lambda: queue.recv_from(reading)):
        for _ in range(20):
            queue.put(b"x" * PAGE)
            time.sleep(0.001)
            assert queue.get() == b"x" * PAGE
        os.write(writing, b"end")
    assert queue.get() == b"end"


@pytest.mark.parametrize("what", ["raises", "returns"])
def test_signals(pool, pair, what):
    """A signal interrupts a call (EINTR), and its handler runs.  The call raises what the handler
    raises; otherwise it goes on."""
    ours, theirs = pair
    calls = []

    def handler(number, frame):
        calls.append(number)
        if what == "raises":
            raise KeyboardInterrupt
        ours.sendall(b"after the signal")

    def receive():
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        return queue.recv_from(theirs)

    before = signal.signal(signal.SIGALRM, handler)
    queue = queue_of(pool, b"kept ")
    try:
        if what == "raises":
            with pytest.raises(KeyboardInterrupt):
                receive()
            assert queue.get() == b"kept "
        else:
            assert receive() == 16
            assert queue.get() == b"kept after the signal"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert calls == [signal.SIGALRM]


# ---- refusals ----


def test_errors_of_the_system(pool, pair, pipe):
    ours, theirs = pair
    queue = queue_of(pool, b"kept")
    theirs.close()
    with pytest.raises(BrokenPipeError):
        queue.send_to(ours)
    ours.close()
    for closed in (ours, 987_654):
        with pytest.raises(OSError, match="Bad file"):
            queue.send_to(closed)
        with pytest.raises(OSError, match="Bad file"):
            queue.recv_from(closed)
    reading, writing = pipe
    with pytest.raises(OSError, match="Bad file"):
        queue.send_to(reading)
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        queue.send_to(writing)
    assert queue.get() == b"kept"
    queue.check()


@pytest.mark.parametrize("bad", ["socket", None, 1.5, b"x", object()])
def test_what_is_no_target(pool, bad):
    queue = queue_of(pool, b"kept")
    with pytest.raises(TypeError):
        queue.send_to(bad)
    with pytest.raises(TypeError):
        queue.recv_from(bad)
    with pytest.raises(TypeError):
        queue.send_to()
    with pytest.raises((ValueError, OSError)):
        queue.send_to(-1)


def test_no_more_comes_than_there_is_room_for(pool, pair):
    ours, theirs = pair
    ours.sendall(b"123456789")
    for overflow in ("raise", "drop_newest"):
        queue = queue_of(pool, b"ab", max_bytes=4, overflow=overflow)
        assert queue.recv_from(theirs) == 2
        with pytest.raises(CapacityError):
            queue.recv_from(theirs)
        assert len(queue) == 4
    queue = queue_of(pool, b"abc", max_bytes=4, overflow="drop_oldest")
    assert queue.recv_from(theirs) == 4
    assert (queue.get(), queue.dropped) == (b"5678", 3)
    assert theirs.recv(10) == b"9", "what there was no room for is not lost"


def test_a_small_pool_receives_less(pair):
    ours, theirs = pair
    ours.sendall(pattern(0, 8 * PAGE))
    pool = PagePool(limit=6 * PAGE)
    queue, got = ByteQueue(pool=pool), b""
    while len(got) < 8 * PAGE:
        assert queue.recv_from(theirs) > 0
        got += queue.get()
    assert got == pattern(0, 8 * PAGE)
    full = ByteQueue(pool=pool)
    full.put(bytes(pool.limit - 2 * PAGE))
    taken = ByteQueue(pool=pool)
    with contextlib.suppress(PoolLimitError):
        while True:
            taken.put(bytes(PAGE))
    ours.sendall(b"kept")
    with pytest.raises(PoolLimitError):
        full.recv_from(theirs, PAGE * 2)
    assert theirs.recv(10) == b"kept"


@pytest.mark.parametrize("spare", range(8))
def test_sending_from_shared_pages_without_memory(pair, spare):
    """Sent bytes always leave the queue, because the frames for that are reserved before (I3)."""
    ours, theirs = pair
    pool = PagePool()
    data = pattern(0, 40 * PAGE + 1)
    queue = queue_of(pool, bytearray(data))
    views = queue.views()
    pool._set_limit(pool.stats().held + spare)
    got, refused = b"", False
    while len(got) < len(data):
        before = len(queue)
        try:
            sent = queue.send_to(ours, PAGE + 7)
        except PoolLimitError:
            refused = True
            assert len(queue) == before
            pool._set_limit(-1)
            continue
        assert len(queue) == before - sent
        got += theirs.recv(sent, socket.MSG_WAITALL)
    assert got == data
    assert b"".join(views) == data
    assert refused or spare
    del views
    pool.check()


# ---- how much is reserved if the caller gives no size ----

LEAST, MOST = 1 << 14, min(1 << 18, 1024 * PAGE)


def test_little_that_comes_takes_few_frames(pair):
    """Small messages take frames for 16 KiB at most, and nodes above them, but not for 256 KiB."""
    ours, theirs = pair
    queue = ByteQueue(pool=PagePool())
    for _ in range(3):
        ours.sendall(bytes(1400))
        assert queue.recv_from(theirs) == 1400
    nodes = 2 * LEAST // PAGE if PAGE < 4096 else 2
    assert queue.pool.stats().high_water <= (LEAST + 3 * 1400) // PAGE + 2 + nodes


def receive(queue, reading, writing, size):
    """Write `size` bytes, then receive them all.  Returns how many each call received."""
    os.write(writing, bytes(size))
    sizes = []
    while sum(sizes) < size:
        sizes.append(queue.recv_from(reading))
    return sizes


def test_a_burst_is_asked_for_in_pieces_that_double(pool, pipe):
    queue = queue_of(pool)
    for _ in range(2):
        assert receive(queue, *pipe, 4 * LEAST)[:3] == [LEAST, min(2 * LEAST, MOST), LEAST]
        for _ in range(8):
            assert receive(queue, *pipe, 1) == [1], "and then little comes again"


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="the size of a pipe is fixed here")
def test_a_stream_is_asked_for_a_mebibyte_at_most(pool, pipe):
    size = 1 << 20
    try:
        fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, size)
    except PermissionError:
        pytest.skip("pipes of this user have to be smaller")
    queue = queue_of(pool)
    most = max(max(receive(queue, *pipe, size)) for _ in range(3))
    assert most == min(size, 1024 * PAGE)


def test_as_much_is_asked_for_as_is_said(pool, pipe):
    reading, writing = pipe
    queue, size = queue_of(pool), min(4 * LEAST, 1024 * PAGE)
    for n in (size, None):
        assert receive(queue, reading, writing, 1) == [1]
        os.write(writing, bytes(size))
        assert queue.recv_from(reading, n) == size


@pytest.mark.parametrize("by_descriptor", [False, True])
@pytest.mark.parametrize("kind", ["SOCK_DGRAM", "SOCK_SEQPACKET"])
def test_messages_are_never_cut(pool, kind, by_descriptor):
    """The part of a message that does not fit is lost.  So a call always reserves room for a whole
    message, even after short ones."""
    if not hasattr(socket, kind):
        pytest.skip(f"no {kind} here")
    ours, theirs = socket.socketpair(socket.AF_UNIX, getattr(socket, kind))
    with ours, theirs:
        queue, source = queue_of(pool), theirs.fileno() if by_descriptor else theirs
        for size in (1, 1, min(40_000, 1024 * PAGE)):
            ours.send(pattern(0, size))
            assert queue.recv_from(source) == size
            assert queue.get() == pattern(0, size)


def test_a_file_is_read_in_large_pieces(pool, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(300_000))
    with path.open("rb", buffering=0) as file:
        assert queue_of(pool).recv_from(file) == MOST


# ---- sockets with methods of their own ----


class Wrapped(socket.socket):
    """Has its own send and recv_into, as TLS sockets do.  They may run any code."""

    def send(self, data, *flags):
        self.hook()
        return super().send(bytes(b ^ 0xFF for b in data[:1000]))

    def recv_into(self, buffer, *args):
        data = self.recv(min(len(buffer), 1000))
        buffer[: len(data)] = bytes(b ^ 0xFF for b in data)
        self.hook()
        return len(data)

    def hook(self):
        pass


def test_what_a_type_overrides_may_change(pool, pair):
    """What was found of a type holds as long as the type stays as it is."""

    class Plain(socket.socket):
        pass

    ours, theirs = pair
    queue, said = queue_of(pool), []
    with Plain(fileno=ours.detach()) as sock:
        for own in (False, True, False, True):
            if own:
                Plain.send = lambda self, data: said.append(bytes(data)) or len(data)
            for _ in range(3):
                queue.put(b"hello")
                assert queue.send_to(sock) == 5
            if own:
                del Plain.send
            assert said == [b"hello"] * len(said)
            assert len(said) in (0, 3, 6)
        theirs.setblocking(False)
        assert theirs.recv(100) == b"hello" * 6
        assert len(said) == 6


@pytest.fixture
def wrapped():
    ours, theirs = socket.socketpair()
    both = [Wrapped(fileno=sock.detach()) for sock in (ours, theirs)]
    yield both
    for sock in both:
        sock.close()


def test_wrapped_sockets(pool, wrapped):
    ours, theirs = wrapped
    data = pattern(0, 5000)
    queue, got = queue_of(pool, data), queue_of(pool, b"head")
    while queue:
        assert 0 < queue.send_to(ours) <= 1000
        assert got.recv_from(theirs) > 0
    assert got.get() == b"head" + data


HOOKS = {
    "put": lambda queue: queue.put(b"put"),
    "get": lambda queue: queue.get(3),
    "get all": lambda queue: queue.get(),
    "clear": lambda queue: queue.clear(),
    "reserve": lambda queue: queue.reserve(100),
    "raise": lambda queue: 1 / 0,
}


@pytest.mark.parametrize("hook", HOOKS)
def test_wrapped_sockets_that_change_the_queue(pool, wrapped, hook):
    """No received byte is lost, and no sent byte is sent again."""
    ours, theirs = wrapped
    queue = queue_of(pool, pattern(0, 500))
    ours.hook = lambda: HOOKS[hook](queue)
    with contextlib.suppress(ZeroDivisionError):
        queue.send_to(ours)
    left = queue.get()
    assert left == {"put": b"put", "raise": pattern(0, 500)}.get(hook, b"")
    queue.check()

    theirs.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        theirs.recv(1 << 16)
    ours.hook = lambda: None
    source = queue_of(pool, b"came")
    source.send_to(ours)
    theirs.hook = lambda: HOOKS[hook](queue)
    with contextlib.suppress(ZeroDivisionError):
        queue.recv_from(theirs)
    assert queue.get() == {"put": b"putcame", "raise": b""}.get(hook, b"came")
    queue.check()


def test_what_came_beside_a_put_respects_max_bytes(pool, wrapped):
    """A put cancels the reservation of a receive.  So the received bytes are put, too."""
    ours, theirs = wrapped
    queue_of(pool, b"12345678").send_to(ours)
    queue = queue_of(pool, max_bytes=8, overflow="drop_oldest")
    theirs.hook = lambda: queue.put(b"put")
    assert queue.recv_from(theirs) == 8
    assert (queue.get(), queue.dropped) == (b"12345678", 3)


def test_room_to_receive_into_is_nobody_elses_to_commit(pool, wrapped):
    ours, theirs = wrapped
    queue_of(pool, b"came").send_to(ours)
    queue = queue_of(pool)
    theirs.hook = lambda: queue.commit(1)
    with pytest.raises(BufferError, match="nothing is reserved"):
        queue.recv_from(theirs)
    assert len(queue) == 0
    queue.check()


@pytest.mark.parametrize("bad", [-1, 1 << 40, None, "many"])
def test_wrapped_sockets_that_lie(pool, bad):
    class Liar:
        def send(self, data):
            return bad

        def recv_into(self, buffer):
            return bad

    queue = queue_of(pool, b"kept")
    with pytest.raises((ValueError, TypeError)):
        queue.recv_from(Liar())
    with contextlib.suppress(ValueError, TypeError):
        queue.send_to(Liar())
        assert not queue
    queue.check()
