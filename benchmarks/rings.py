"""Ring buffers: those that users install, and two carefully written ones.

Each has just the capacity for the bytes in flight.  Rings of array elements get pieces of one size
as elements of that size, because only so they return more than one byte at a time.
"""

import mmap
from importlib import import_module
from typing import Any

from benchmarks.errors import Cannot
from benchmarks.loops import Op
from benchmarks.mapping import PRIVATE
from benchmarks.participants import RING, Participant
from benchmarks.peers import ByteArray, PageBuf


def power_of_two(size: int) -> int:
    """The smallest power of two that is at least `size`."""
    return 1 << (size - 1).bit_length()


class MemoryviewRing:
    """A ring over a memoryview of an anonymous mapping.

    Head and tail count all bytes ever, and are masked on use.  So full and empty differ without a
    spare byte.  `put` writes through the view.  `take` slices the mapping, which gives `bytes` in
    one step.
    """

    __slots__ = ("_capacity", "_head", "_map", "_mask", "_tail", "_view")

    def __init__(self, capacity: int) -> None:
        self._capacity = power_of_two(max(capacity, mmap.PAGESIZE))
        self._mask = self._capacity - 1
        self._map = mmap.mmap(-1, self._capacity, flags=PRIVATE)
        self._view = memoryview(self._map)
        self._head = 0
        self._tail = 0

    def __len__(self) -> int:
        return self._tail - self._head

    def put(self, data: bytes) -> None:
        """Appends all of `data`, or raises and appends nothing."""
        size = len(data)
        tail = self._tail
        if tail - self._head + size > self._capacity:
            raise BufferError("ring is full")
        start = tail & self._mask
        end = start + size
        if end <= self._capacity:
            self._view[start:end] = data
        else:
            first = self._capacity - start
            source = memoryview(data)
            self._view[start:] = source[:first]
            self._view[: size - first] = source[first:]
        self._tail = tail + size

    def take(self, size: int) -> bytes:
        """The oldest `size` bytes, or what there is."""
        head = self._head
        if size > self._tail - head:
            size = self._tail - head
        start = head & self._mask
        end = start + size
        if end <= self._capacity:
            out = self._map[start:end]
        else:
            out = self._map[start:] + self._map[: end - self._capacity]
        self._head = head + size
        return out


class NumpyRing:
    """The same ring over a NumPy array.

    It repeats the code of `put` and `take`, because a call of a common function would cost time.
    """

    __slots__ = ("_array", "_capacity", "_frombuffer", "_head", "_mask", "_tail", "_uint8")

    def __init__(self, capacity: int) -> None:
        numpy = import_module("numpy")
        self._capacity = power_of_two(capacity)
        self._mask = self._capacity - 1
        self._array = numpy.empty(self._capacity, numpy.uint8)
        self._frombuffer = numpy.frombuffer
        self._uint8 = self._array.dtype
        self._head = 0
        self._tail = 0

    def __len__(self) -> int:
        return self._tail - self._head

    def put(self, data: bytes) -> None:
        """Appends all of `data`, or raises and appends nothing."""
        size = len(data)
        tail = self._tail
        if tail - self._head + size > self._capacity:
            raise BufferError("ring is full")
        start = tail & self._mask
        end = start + size
        source = self._frombuffer(data, self._uint8)
        if end <= self._capacity:
            self._array[start:end] = source
        else:
            first = self._capacity - start
            self._array[start:] = source[:first]
            self._array[: size - first] = source[first:]
        self._tail = tail + size

    def take(self, size: int) -> bytes:
        """The oldest `size` bytes, or what there is."""
        head = self._head
        if size > self._tail - head:
            size = self._tail - head
        start = head & self._mask
        end = start + size
        if end <= self._capacity:
            out: bytes = self._array[start:end].tobytes()
        else:
            out = self._array[start:].tobytes() + self._array[: end - self._capacity].tobytes()
        self._head = head + size
        return out


class Ring(Participant):
    """The base of all rings.  `ring` makes a ring of bytes with room for at least `capacity`."""

    family = RING

    def ring(self, capacity: int) -> Any:
        raise NotImplementedError

    def put(self, ring: Any, data: bytes) -> Any:
        """Put all of `data` with one call."""
        raise NotImplementedError

    def take_all(self, ring: Any) -> bytes:
        """Take everything that it holds."""
        raise NotImplementedError


class HandMemoryview(Ring):
    """`MemoryviewRing` of this module."""

    name = "by hand, memoryview"
    note = "written for this comparison"

    def ring(self, capacity: int) -> Any:
        return MemoryviewRing(capacity)

    def put(self, ring: Any, data: bytes) -> Any:
        return ring.put(data)

    def take_all(self, ring: Any) -> bytes:
        taken: bytes = ring.take(len(ring))
        return taken

    def queue(self, capacity: int, size: int) -> Op:  # noqa: ARG002
        ring = self.ring(capacity)
        return Op({"put": ring.put, "take": ring.take}, "put(piece)", "take(size)")


class HandNumpy(HandMemoryview):
    """`NumpyRing` of this module."""

    name = "by hand, NumPy"
    requires = ("numpy",)

    def ring(self, capacity: int) -> Any:
        return NumpyRing(capacity)


class PicoRing(Ring):
    """`picoring.PicoRingByte`: in Rust, with its memory mapped twice in a row."""

    name = "picoring"
    requires = ("picoring",)
    face, push, pop = "PicoRingByte", "push_bytes", "pop_bytes"

    def ring(self, capacity: int) -> Any:
        return getattr(import_module("picoring"), self.face)(capacity + 1)

    def put(self, ring: Any, data: bytes) -> Any:
        return getattr(ring, self.push)(data)

    def take_all(self, ring: Any) -> bytes:
        return bytes(getattr(ring, self.pop)(ring.len()))

    def queue(self, capacity: int, size: int) -> Op:  # noqa: ARG002
        ring = self.ring(capacity)
        names = {name: getattr(ring, name) for name in (self.push, self.pop)}
        return Op(names, f"{self.push}(piece)", f"{self.pop}(size)")


class PicoQueue(PicoRing):
    """`picoring.PicoQueueByte`: the same, with another interface."""

    name = "picoring queue"
    face, push, pop = "PicoQueueByte", "push_bulk", "pop_bulk"


class BoostRing(Ring):
    """`ringbuf.RingBuffer`: a lock-free queue of Boost."""

    name = "ringbuf"
    requires = ("ringbuf",)

    def ring(self, capacity: int) -> Any:
        return import_module("ringbuf").RingBuffer("B", capacity)

    def put(self, ring: Any, data: bytes) -> Any:
        return ring.push(data)

    def take_all(self, ring: Any) -> bytes:
        held = ring.read_available
        return bytes(ring.pop(held)) if held else b""

    def queue(self, capacity: int, size: int) -> Op:  # noqa: ARG002
        ring = self.ring(capacity)
        return Op({"push": ring.push, "pop": ring.pop}, "push(piece)", "pop(size)")


class ElementRing(Ring):
    """A ring of NumPy elements with the interface of a deque."""

    module = ""

    def __init__(self) -> None:
        self.requires = ("numpy", self.module)

    def ring(self, capacity: int) -> Any:
        return import_module(self.module).RingBuffer(capacity, import_module("numpy").uint8)

    def put(self, ring: Any, data: bytes) -> Any:
        numpy = import_module("numpy")
        return ring.extend(numpy.frombuffer(data, numpy.uint8))

    def take_all(self, ring: Any) -> bytes:
        return bytes(ring.popleft() for _ in range(len(ring)))

    def queue(self, capacity: int, size: int) -> Op:
        if not size:
            raise Cannot("elements have one size")
        element = import_module("numpy").dtype(f"V{size}")
        ring = import_module(self.module).RingBuffer(-(-capacity // size), element)
        return Op({"append": ring.append, "popleft": ring.popleft}, "append(piece)", "popleft()")


class NumpyRingbuffer(ElementRing):
    """`numpy_ringbuffer.RingBuffer`."""

    name = "numpy-ringbuffer"
    module = "numpy_ringbuffer"
    note = "pieces as elements of one size"


class DvgRingbuffer(ElementRing):
    """`dvg_ringbuffer.RingBuffer`."""

    name = "dvg-ringbuffer"
    module = "dvg_ringbuffer"
    note = "pieces as elements of one size"


class PyringBuffer(Ring):
    """`pyring_buffer.RingBuffer`: keeps the newest bytes, which can only be read all together."""

    name = "pyring-buffer"
    requires = ("pyring_buffer",)

    def ring(self, capacity: int) -> Any:
        return import_module("pyring_buffer").RingBuffer(capacity)

    def put(self, ring: Any, data: bytes) -> Any:
        return ring.put(data)

    def take_all(self, ring: Any) -> bytes:
        held: bytes = ring.getvalue()
        ring.clear()
        return held

    def queue(self, capacity: int, size: int) -> Op:  # noqa: ARG002
        calls = ", ".join(name for name in dir(self.ring(capacity)) if not name.startswith("_"))
        raise Cannot(f"no call takes bytes off its front (it has {calls})")


class PageBufQueue(PageBuf, Ring):
    """pagebuf in the table that shows what full rings do."""

    def ring(self, capacity: int) -> Any:  # noqa: ARG002
        return self.buffer()

    def put(self, ring: Any, data: bytes) -> Any:
        return ring.extend(data)

    def take_all(self, ring: Any) -> bytes:
        taken: bytes = ring.take_bytes()
        return taken


def rings() -> list[Ring]:
    """All rings."""
    return [
        PicoRing(),
        PicoQueue(),
        BoostRing(),
        NumpyRingbuffer(),
        DvgRingbuffer(),
        PyringBuffer(),
        HandNumpy(),
        HandMemoryview(),
    ]


def queues() -> list[Participant]:
    """pagebuf, the rings, and the growable buffer that people often use as a queue."""
    return [PageBuf(), *rings(), ByteArray()]
