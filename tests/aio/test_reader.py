"""The reader alone: feeding it by hand, looking into it, and several separators."""

from __future__ import annotations

import asyncio
import random

import pytest

from pagebuf import ByteQueue, PagePool, aio
from tests.aio.talk import sender, served

TEXT = b"one\r\ntwo\nthree"


def fed(*pieces, eof=False, **options):
    reader = aio.QueueReader(**options)
    for piece in pieces:
        reader.feed_data(piece)
    if eof:
        reader.feed_eof()
    return reader


def test_is_asyncios_by_type_and_by_name(run):
    async def main():
        reader = fed(TEXT)
        assert isinstance(reader, asyncio.StreamReader)
        assert issubclass(aio.QueueWriter, asyncio.StreamWriter)
        assert aio.StreamReader is aio.QueueReader
        assert aio.StreamWriter is aio.QueueWriter
        assert aio.StreamReaderProtocol is aio.QueueProtocol
        async with served(sender(b"hello\n")) as (reader, writer):
            protocol, loop = writer.transport.get_protocol(), asyncio.get_running_loop()
            by_hand = asyncio.StreamWriter(writer.transport, protocol, reader, loop)
            await by_hand.drain()
            assert await reader.readline() == b"hello\n"

    run(main())


def test_what_programs_look_at(run):
    async def main():
        reader = fed(TEXT)
        held = reader._buffer
        assert held == TEXT
        assert (len(held), bytes(held), held[:3], held[-1]) == (14, TEXT, TEXT[:3], TEXT[-1])
        assert held.find(b"two") == 5
        assert held.startswith(b"one")
        assert b"three" in held
        del held[:5]
        assert reader.queue.peek() == held == TEXT[5:]
        held.extend(b"!")
        held[0:1] = b"T"
        del held[-1:]
        assert held.pop() == ord("e")
        assert await reader.readline() == b"Two\n"
        reader._buffer += b"e"
        assert bytes(reader._buffer) == b"three"
        reader._buffer = bytearray(b"new")
        assert await reader.read(10) == b"new"
        reader.feed_data(b"x")
        held.clear()
        assert not held
        assert not reader.queue

    run(main())


def test_a_limit_and_a_queue_of_its_own(run):
    async def main():
        queue = ByteQueue()
        queue.put(b"before\n")
        reader = aio.QueueReader(queue=queue)
        assert reader.queue is queue
        assert await reader.readline() == b"before\n"
        with pytest.raises(TypeError, match="pool"):
            aio.QueueReader(queue=queue, pool=PagePool())
        with pytest.raises(TypeError, match="QueueReader or a ByteQueue"):
            aio.QueueProtocol(asyncio.StreamReader())

    run(main())


def test_one_of_several_separators(run):
    async def main():
        reader = fed(TEXT, eof=True)
        separators = (b"\n", bytearray(b"\r\n"), memoryview(b"ee"))
        for line in (b"one\r\n", b"two\n", b"three"):
            assert await reader.readuntil(separators) == line
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readuntil(separators)

    run(main())


@pytest.mark.parametrize("seed", range(20))
def test_several_separators_agree_with_a_model(run, seed):
    """The separator that ends first ends the read, however the data is cut."""
    rng = random.Random(seed)
    data = bytes(rng.choices(b"abc", k=20_000)) + b"ab"
    separators = (b"abca", b"cc", b"bcab")

    def model(rest):
        ends = [rest.find(s) + len(s) for s in separators if s in rest]
        return min(ends, default=None)

    async def main():
        reader = fed(limit=None)

        async def feed():
            at = 0
            while at < len(data):
                n = rng.choice([1, 2, 3, 50, 5000])
                reader.feed_data(data[at : at + n])
                at += n
                await asyncio.sleep(0)
            reader.feed_eof()

        feeding = asyncio.ensure_future(feed())
        at = 0
        while (end := model(data[at : at + 500])) is not None:
            assert await reader.readuntil(separators) == data[at : at + end]
            at += end
        with pytest.raises(asyncio.IncompleteReadError) as info:
            await reader.readuntil(separators)
        assert info.value.partial == data[at:]
        await feeding

    run(main())


def test_an_exception_ends_reading_and_iteration(run):
    async def main():
        reader = fed(b"one\n")
        assert await anext(reader) == b"one\n"
        reader.set_exception(ConnectionResetError("gone"))
        assert isinstance(reader.exception(), ConnectionResetError)
        with pytest.raises(ConnectionResetError):
            await anext(reader)

    run(main())


def test_an_exception_right_behind_bytes_is_seen(run):
    """An exception that follows bytes at once is raised.  The bytes wake the reader, and nothing
    would wake it a second time."""

    async def main():
        reader = fed()
        reading = asyncio.ensure_future(reader.readexactly(10))
        await asyncio.sleep(0)
        reader.feed_data(b"x")
        reader.set_exception(ConnectionResetError("gone"))
        with pytest.raises(ConnectionResetError):
            await reading

    run(main())


def test_iteration_goes_on_behind_a_line_that_is_too_long(run):
    async def main():
        reader = fed(b"x" * 50 + b"\nshort\n", eof=True, limit=10)
        with pytest.raises(ValueError, match="longer than limit"):
            await anext(reader)
        assert [line async for line in reader] == [b"short\n"]

    run(main())


def test_reading_all_that_is_cancelled_loses_nothing(run):
    async def main():
        reader = fed(b"one")
        reading = asyncio.ensure_future(reader.read())
        await asyncio.sleep(0)
        reader.feed_data(b"two")
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.sleep(0)
        reader.feed_eof()
        assert await reader.read() == b"onetwo"

    run(main())


def test_what_was_fed_beyond_max_bytes_comes_in_turn(run):
    async def main():
        queue = ByteQueue(max_bytes=10, overflow="raise")
        reader = fed(b"0123456789abc", b"def\n", eof=True, queue=queue)
        assert len(queue) == 10
        assert bytes(reader._buffer) == b"0123456789abcdef\n"
        assert not reader.at_eof()
        assert await reader.readexactly(9) == b"012345678"
        assert await reader.readline() == b"9abcdef\n"
        assert reader.at_eof()

    run(main())
