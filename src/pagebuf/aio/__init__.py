r"""asyncio streams over a ByteQueue: what is much arrives in its pages, without a copy in between.

Names, signatures and rules are asyncio's, so that ``from pagebuf import aio`` and ``aio.`` for
``asyncio.`` is the whole migration; asyncio's own tests of its streams pass on it.  Readers and
writers are asyncio's by type.

>>> import asyncio
>>> from pagebuf import aio
>>> async def shout(reader, writer):
...     while line := await reader.readline():
...         writer.write(line.upper())
...     writer.close()
>>> async def main():
...     server = await aio.start_server(shout, "127.0.0.1", 0)
...     reader, writer = await aio.open_connection(*server.sockets[0].getsockname())
...     writer.write(b"hello\n")
...     print(await reader.readline())
...     writer.close()
...     await writer.wait_closed()
...     server.close()
>>> asyncio.run(main())
b'HELLO\n'
"""

from pagebuf.aio.connect import (
    open_connection,
    open_unix_connection,
    start_server,
    start_unix_server,
)
from pagebuf.aio.process import create_subprocess_exec, create_subprocess_shell
from pagebuf.aio.protocol import QueueProtocol
from pagebuf.aio.reader import QueueReader
from pagebuf.aio.writer import QueueWriter

StreamReader = QueueReader
StreamWriter = QueueWriter
StreamReaderProtocol = QueueProtocol

__all__ = [
    "QueueProtocol",
    "QueueReader",
    "QueueWriter",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_unix_server",
]
