"""The calls that `count_instructions.py` counts.  It runs this file under callgrind.

Each row is a loop over a number of calls, and again over twice that number.  Each loop first runs
once uncounted, to fill caches.  Before and after it comes a mark: a call of `getppid`, at which
callgrind writes the instructions since the last mark.  The rows and their numbers go to stdout.
"""

import gc
from itertools import repeat
from os import getppid as mark

from pagebuf import ByteQueue, BytesIO, PageBuffer, PagePool

KIB = 1024
STORE = 12 * KIB * KIB
"""Bytes of the buffer that the loops read and write: a tree of three levels."""
IN_FLIGHT = 64 * KIB
SEPARATORS = (b"\r\n", b"\n", b";;", b"::")
GOLDEN = 2654435761
"""Its multiples, modulo a size, are spread evenly."""


# ---- loops ----------------------------------------------------------------------------------


def single(call, work):
    for argument in work:
        call(argument)


def bare(call, work):
    for _ in work:
        call()


def double(call, work):
    for first, second in work:
        call(first, second)


def in_and_out(put, take, work):
    for piece, size in work:
        put(piece)
        take(size)


def get(buffer, work):
    for index in work:
        buffer[index]


def put(buffer, work):
    for index in work:
        buffer[index] = 7


def start_over(file, work):
    for piece in work:
        file.seek(0)
        file.truncate()
        file.write(piece)


def keep_and_write(snapshot, write, work):
    for offset, piece in work:
        _kept = snapshot()
        write(offset, piece)


# ---- arguments: functions that make them for a number of calls -------------------------------


def places(size, calls):
    """Offsets spread over the store, the same ones every time."""
    return [number * GOLDEN % (STORE - size) for number in range(calls)]


def growing(size):
    """A new buffer in a new pool."""
    return lambda calls: (single, PageBuffer(pool=PagePool()).extend, [bytes(size)] * calls)


def regrown(size):
    """A buffer that was as large before and was cleared, so that its frames are warm."""

    def make(calls):
        extend = PageBuffer(pool=PagePool()).extend
        single(extend, repeat(bytes(size), calls))
        extend.__self__.clear()
        return single, extend, [bytes(size)] * calls

    return make


def reading(store, size):
    return lambda calls: (double, store.read, [(at, size) for at in places(size, calls)])


def writing(store, size):
    return lambda calls: (double, store.write, [(at, bytes(size)) for at in places(size, calls)])


def fifo(size):
    def make(calls):
        buffer = PageBuffer(bytes(IN_FLIGHT), pool=PagePool())
        return in_and_out, buffer.extend, buffer.take_bytes, [(bytes(size), size)] * calls

    return make


def queue(size):
    def make(calls):
        one = ByteQueue(pool=PagePool())
        one.put(bytes(IN_FLIGHT))
        return in_and_out, one.put, one.get, [(bytes(size), size)] * calls

    return make


def queue_of_lines(calls):
    one = ByteQueue(pool=PagePool())
    one.put(bytearray((b"x" * 63 + b"\n") * calls))
    return one


def list_extending(calls):
    return single, PageBuffer(pool=PagePool()).extend, [[7] * 64] * calls


def popping(calls):
    return bare, PageBuffer(bytes(calls), pool=PagePool()).pop, range(calls)


def counting(calls):
    return single, PageBuffer(bytes(4 * KIB), pool=PagePool()).count, [b"\0\0"] * calls


def file_reading(size):
    return lambda calls: (single, BytesIO(bytes(size * calls)).read, [size] * calls)


def snapshots(store, size):
    def make(calls):
        work = [(at, bytes(size)) for at in places(size, calls)]
        return keep_and_write, store.snapshot, store.write, work

    return make


def rows():
    """Name -> bytes that a call moves, and a function that makes the loop for a number of calls."""
    store = PageBuffer(pool=PagePool())
    for _ in range(STORE // (KIB * KIB)):
        store.extend(b"x" * (KIB * KIB))
    sizes = (1, 16, 64, KIB, 4 * KIB, 64 * KIB)
    appended = (16, 64, 256, 4 * KIB, 64 * KIB)
    return {
        **{f"extend {size}": (size, growing(size)) for size in appended},
        **{f"extend {size}, cleared before": (size, regrown(size)) for size in appended},
        **{f"read {size}": (size, reading(store, size)) for size in sizes},
        **{f"write {size}": (size, writing(store, size)) for size in sizes},
        **{f"extend, take_bytes {size}": (size, fifo(size)) for size in sizes[1:5]},
        "buffer[i]": (1, lambda calls: (get, store, places(1, calls))),
        "buffer[i] = n": (1, lambda calls: (put, store, places(1, calls))),
        "buffer.pop()": (1, popping),
        "count of zeros in 4096": (4 * KIB, counting),
        "extend with a list of 64": (64, list_extending),
        "ByteQueue put, get 64": (64, queue(64)),
        "ByteQueue readline 64": (
            64,
            lambda calls: (bare, queue_of_lines(calls).readline, range(calls)),
        ),
        "ByteQueue readuntil of four 64": (
            64,
            lambda calls: (single, queue_of_lines(calls).readuntil, [SEPARATORS] * calls),
        ),
        "BytesIO write 64": (64, lambda calls: (single, BytesIO().write, [bytes(64)] * calls)),
        "BytesIO read 64": (64, file_reading(64)),
        "BytesIO seek, truncate, write 3000": (
            3000,
            lambda calls: (start_over, BytesIO(), [bytes(3000)] * calls),
        ),
        "snapshot, write 64": (4 * KIB, snapshots(store, 64)),  # each write copies a page
    }


def room(size):
    """Allocate blocks of the size that a call makes and drops, and free every second one.

    So malloc always finds a free block that fits, and never merges blocks, whatever came before.
    Every second one by address: malloc may hand out blocks that were free in any order.
    """
    return sorted((bytes(size) for _ in range(32)), key=id)[::2]


def calls(size):
    """How many calls of `size` bytes to make: enough to fill some pages, but not too many."""
    return max(32, 1024 // max(1, size // 256))


def measure(size, make, times):
    """Run a loop once uncounted, then between marks."""
    before = calls(size)
    loop, *arguments, work = make(before * (1 + times))
    _room = room(size)
    loop(*arguments, work[:before])
    counted = work[before:]
    mark()
    loop(*arguments, counted)
    mark()


def main():
    gc.disable()
    for name, (size, make) in rows().items():
        measure(size, make, 1)
        measure(size, make, 2)
        print(calls(size), name)


if __name__ == "__main__":
    main()
