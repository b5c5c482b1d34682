"""Random reads and writes in one large buffer."""

from collections.abc import Callable
from typing import Any

from benchmarks.cases import AccessCase, AccessSection, Cache, read_digest
from benchmarks.loops import Op
from benchmarks.participants import Participant, Store
from benchmarks.peers import positional
from benchmarks.workloads import ACCESS_SIZES, MIB, Scale, accesses, digest, offsets, repeated


class ReadCase(AccessCase):
    """Reads of one size."""

    shared: "Access"

    def open(self) -> None:
        self.work = offsets(accesses(self.scale, self.size), self.size, self.scale.store)

    def op(self, who: Participant, store: Store) -> Op:
        return who.reading(store, self.size)

    def expected(self, work: list[Any]) -> str:
        model = self.shared.model
        return digest(model[at : at + self.size] for at in work)

    def seen(self, who: Participant, store: Store, work: list[Any]) -> str:
        return read_digest(who, store, work, self.size)


class WriteCase(AccessCase):
    """Writes of one size, all of different pieces."""

    head = "offset, piece"
    shared: "Access"

    def open(self) -> None:
        places = offsets(accesses(self.scale, self.size), self.size, self.scale.store)
        self.work = list(zip(places, self.shared.sources(self.size, len(places)), strict=True))

    def op(self, who: Participant, store: Store) -> Op:
        return who.writing(store)

    def expected(self, work: list[Any]) -> str:
        self.apply(work)
        model = self.shared.model
        return digest(model[at : at + self.size] for at, _ in work)

    def apply(self, work: list[Any]) -> None:
        """Do the writes to the model."""
        model = self.shared.model
        for at, piece in work:
            model[at : at + self.size] = piece

    def seen(self, who: Participant, store: Store, work: list[Any]) -> str:
        return read_digest(who, store, [at for at, _ in work], self.size)


class Access(AccessSection):
    """The base of reads and writes: the stores, and a model of what they must hold."""

    probe = None
    near_one = True
    named = "bytearray"
    case: type[AccessCase]

    def __init__(self, scale: Scale, data: bytes) -> None:
        super().__init__(scale, data)
        self.participants = positional()
        self.cases = [self.case(self, size) for size in ACCESS_SIZES]
        for case in self.cases:
            case.more = case.size in (16, 256)
        self._model = Cache()

    @property
    def pieces(self) -> list[bytes]:
        return repeated(self.data, MIB, self.scale.store)

    @property
    def model(self) -> memoryview:
        """The bytes that every store must hold."""
        model: memoryview = self._model.get(0, lambda: memoryview(bytearray().join(self.pieces)))
        return model

    def sources(self, size: int, count: int) -> list[bytes]:
        """Pieces to write, from a part of the input that the buffer does not hold at first."""
        return repeated(self.data[len(self.data) // 3 :], size, count * size)

    def make(self, who: Participant) -> Store:
        return who.filled(self.pieces)

    def close(self) -> None:
        self._model.clear()
        super().close()


class RandomRead(Access):
    """Reads."""

    name = "read"
    title = "Random read in {store}: time of one read"
    note = "places drawn evenly, not aligned"
    case = ReadCase


class RandomWrite(Access):
    """Writes."""

    name = "write"
    title = "Random write in {store}: time of one write"
    note = "places drawn evenly, not aligned; the whole buffer is checked at the end"
    case = WriteCase

    def finish(self, wrong: Callable[[Participant], None]) -> None:
        expected = digest([self.model])
        for who in self.participants:
            if who.missing():
                continue
            if digest(who.contents(self.store(who))) != expected:
                wrong(who)


SECTIONS = (RandomRead, RandomWrite)
