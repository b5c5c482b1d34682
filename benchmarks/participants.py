"""The base class of participants.  Each has a method for each kind of work that it can do.

The methods here raise `Cannot`, and the tables show its reason.  A new participant is a subclass in
`peers.py` or `rings.py`, and an entry in a list there.
"""

# ruff: noqa: ARG002 - the methods of the base only say that there is nothing behind them

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from benchmarks.errors import Cannot
from benchmarks.loops import Op, run

OURS = "ours"
GROWABLE = "growable"
RING = "ring"
REFERENCE = "reference"
"""The families.  The tables show a reference, but it is no peer: no floor counts it."""

Store = Any
"""The object in which a participant keeps its bytes."""


class Participant:
    """One of the compared implementations.  The base class can do nothing."""

    name = ""
    family = GROWABLE
    requires: tuple[str, ...] = ()
    """The modules that it imports."""
    note = ""

    def missing(self) -> str:
        """Why it cannot take part on this machine, or an empty string."""
        for module in self.requires:
            try:
                import_module(module)
            except ImportError as error:
                return f"not importable here: {error.name or module}"
        return ""

    def forget(self) -> None:
        """Drop whatever it keeps between rounds."""

    # ---- growth ------------------------------------------------------------------------------

    def prepared(self, pieces: list[bytes]) -> list[Any]:
        """Make what the growth loop runs over, before the clock starts."""
        return pieces

    def growing(self) -> tuple[Store, Op]:
        """A fresh store, and the body of `for piece in pieces`."""
        raise Cannot("does not grow")

    def contents(self, store: Store) -> Iterator[Any]:
        """All bytes of a store, in chunks."""
        raise Cannot("can't be read back")

    def discard(self, store: Store) -> None:
        """Close a store that is about to be dropped, if it must be closed."""

    def unmapped(self, store: Store) -> int:
        """The bytes of a store that do not count as resident memory of the process."""
        return 0

    def filled(self, pieces: list[bytes]) -> Store:
        """Make a store that holds these pieces."""
        store, op = self.growing()
        run("piece", op, pieces)
        return store

    # ---- access by position ------------------------------------------------------------------

    def reading(self, store: Store, size: int) -> Op:
        """The body of `for offset in offsets` that reads `size` bytes."""
        raise Cannot("no access by position")

    def writing(self, store: Store) -> Op:
        """The body of `for offset, piece in work`."""
        raise Cannot("no access by position")

    def sparse(self, reach: int) -> Store:
        """An empty store that may be written anywhere below `reach`."""
        raise Cannot("the gap would be memory")

    def can_be_sparse(self) -> bool:
        """Whether the class has its own `sparse`."""
        return type(self).sparse is not Participant.sparse

    # ---- first in, first out -----------------------------------------------------------------

    def queue(self, capacity: int, size: int) -> Op:
        """The body of `for piece, size in work` for a fresh queue of at least `capacity` bytes.

        `before` puts `piece`, `result` takes `size` bytes.  The argument `size` is the size of all
        pieces, or 0 if they differ.
        """
        raise Cannot("no queue")

    # ---- giving memory back ------------------------------------------------------------------

    def drain(self, store: Store, upto: int) -> Store:
        """Drop the first `upto` bytes and give back their memory, as far as possible."""
        raise Cannot("nothing comes off the front")

    def give_back(self) -> None:
        """Return free memory to the system."""
        raise Cannot("has no such call")
