"""Child processes whose pipes are read through queues."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pagebuf.aio.bounds import LIMIT
from pagebuf.aio.connect import readers
from pagebuf.aio.reader import QueueReader
from pagebuf.aio.writer import QueueWriter

if TYPE_CHECKING:
    from pagebuf.pool import PagePool


class _ProcessProtocol(SubprocessStreamProtocol):
    _loop: asyncio.AbstractEventLoop
    _pipe_fds: list[int]
    _transport: Any

    def __init__(self, reader: Callable[..., QueueReader], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(LIMIT, loop)
        self._reader = reader

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.stdout = self._reads(1)
        self.stderr = self._reads(2)
        pipe = self._transport.get_pipe_transport(0)
        if pipe is not None:
            self.stdin = QueueWriter(pipe, self, None, self._loop)

    def _reads(self, fd: int) -> QueueReader | None:
        pipe = self._transport.get_pipe_transport(fd)
        if pipe is None:
            return None
        reader = self._reader(self._loop)
        reader.set_transport(pipe)
        self._pipe_fds.append(fd)
        return reader


async def _start(
    spawn: Callable[..., Any],
    *command: Any,
    limit: float | None,
    pool: PagePool | None,
    max_bytes: int | None,
    **kwds: Any,
) -> Process:
    """Start the command with ``spawn``, a method of the running loop."""
    loop = asyncio.get_running_loop()
    protocol = _ProcessProtocol(readers(limit, pool, max_bytes), loop)
    transport, _ = await spawn(lambda: protocol, *command, **kwds)
    return Process(transport, protocol, loop)


async def create_subprocess_exec(
    program: Any,
    *args: Any,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    limit: float | None = LIMIT,
    pool: PagePool | None = None,
    max_bytes: int | None = None,
    **kwds: Any,
) -> Process:
    """As `asyncio.create_subprocess_exec`; ``stdout`` and ``stderr`` are `QueueReader`."""
    return await _start(
        asyncio.get_running_loop().subprocess_exec,
        program,
        *args,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        limit=limit,
        pool=pool,
        max_bytes=max_bytes,
        **kwds,
    )


async def create_subprocess_shell(
    cmd: str | bytes,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    limit: float | None = LIMIT,
    *,
    pool: PagePool | None = None,
    max_bytes: int | None = None,
    **kwds: Any,
) -> Process:
    """As `asyncio.create_subprocess_shell`; ``stdout`` and ``stderr`` are `QueueReader`."""
    return await _start(
        asyncio.get_running_loop().subprocess_shell,
        cmd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        limit=limit,
        pool=pool,
        max_bytes=max_bytes,
        **kwds,
    )
