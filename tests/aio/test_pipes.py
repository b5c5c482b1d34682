"""Pipes in both directions, pipes of child processes, and Unix sockets."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from pagebuf import aio
from tests.aio.talk import sender
from tests.support import pattern


def test_a_read_pipe(run):
    async def main():
        loop = asyncio.get_running_loop()
        out, into = os.pipe()
        reader = aio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: aio.StreamReaderProtocol(reader), os.fdopen(out, "rb", 0)
        )
        with os.fdopen(into, "wb", 0) as file:
            file.write(pattern(0, 50_000) + b"end\n")
        assert await reader.readexactly(50_000) == pattern(0, 50_000)
        assert await reader.readline() == b"end\n"
        assert await reader.read() == b""
        assert reader.at_eof()
        transport.close()

    run(main())


def test_a_write_pipe(run):
    data = pattern(0, 500_000)

    async def main():
        loop = asyncio.get_running_loop()
        out, into = os.pipe()
        protocol = aio.QueueProtocol()
        transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(into, "wb", 0))
        writer = aio.StreamWriter(transport, protocol, None, loop)

        def read():
            with os.fdopen(out, "rb") as file:
                return file.read()

        reading = loop.run_in_executor(None, read)
        for at in range(0, len(data), 10_000):
            writer.write(data[at : at + 10_000])
            await writer.drain()
        writer.close()
        assert await reading == data

    run(main())


ECHO = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d); sys.stderr.write('ok')"


@pytest.fixture
def run_children(run):
    """In Python 3.11, asyncio waits for child processes with a watcher that its policy makes."""
    yield run
    if sys.version_info < (3, 12):
        asyncio.set_event_loop_policy(None)


def test_a_child_process(run_children):
    data = pattern(0, 1_000_000)
    pipe = asyncio.subprocess.PIPE

    async def main():
        child = await aio.create_subprocess_exec(
            sys.executable, "-c", ECHO, stdin=pipe, stdout=pipe, stderr=pipe, max_bytes=100_000
        )
        assert isinstance(child.stdout, aio.QueueReader)
        assert isinstance(child.stdin, aio.QueueWriter)
        assert await child.communicate(data) == (data, b"ok")
        assert child.returncode == 0

    run_children(main())


def test_a_shell(run_children):
    async def main():
        child = await aio.create_subprocess_shell(
            "echo one; echo two", stdout=asyncio.subprocess.PIPE
        )
        assert [line async for line in child.stdout] == [b"one\n", b"two\n"]
        assert await child.wait() == 0

    run_children(main())


def test_a_unix_socket(run, tmp_path):
    async def main():
        path = tmp_path / "socket"
        server = await aio.start_unix_server(sender(b"hello\n"), path)
        reader, writer = await aio.open_unix_connection(path)
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
        server.close()
        await asyncio.sleep(0.01)

    run(main())
