"""What a participant is: one small class each, a method for each kind of work it can do.

A method that a participant lacks stays as it is here and raises `Cannot`, whose reason the tables
show.  A new participant is a subclass in `peers.py` or `rings.py` and an entry in its list there.
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
"""Families.  A reference is shown, but is no peer: no floor is measured against it."""

Store = Any
"""Whatever object a participant keeps its bytes in."""


class Participant:
    """One of those compared.  The base can do nothing."""

    name = ""
    family = GROWABLE
    requires: tuple[str, ...] = ()
    """Modules it imports."""
    note = ""

    def missing(self) -> str:
        """Why it can't take part here, or an empty string."""
        for module in self.requires:
            try:
                import_module(module)
            except ImportError as error:
                return f"not importable here: {error.name or module}"
        return ""

    def forget(self) -> None:
        """Drops whatever is kept between rounds."""

    # ---- growth ------------------------------------------------------------------------------

    def prepared(self, pieces: list[bytes]) -> list[Any]:
        """What the growth loop runs over, made before the clock starts."""
        return pieces

    def growing(self) -> tuple[Store, Op]:
        """A fresh store, and the body of `for piece in pieces`."""
        raise Cannot("does not grow")

    def contents(self, store: Store) -> Iterator[Any]:
        """All bytes of a store, in chunks."""
        raise Cannot("can't be read back")

    def discard(self, store: Store) -> None:
        """Called with a store that is about to be dropped, for those that must be closed."""

    def unmapped(self, store: Store) -> int:
        """Bytes that `store` holds outside the process's resident memory."""
        return 0

    def filled(self, pieces: list[bytes]) -> Store:
        """A store that holds these pieces."""
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
        """Whether `sparse` is its own."""
        return type(self).sparse is not Participant.sparse

    # ---- first in, first out -----------------------------------------------------------------

    def queue(self, capacity: int, size: int) -> Op:
        """The body of `for piece, size in work` for a fresh queue of at least `capacity` bytes.

        `before` puts `piece`, `result` takes `size` bytes.  All pieces have `size` bytes; 0 when
        they differ.
        """
        raise Cannot("no queue")

    # ---- giving memory back ------------------------------------------------------------------

    def drain(self, store: Store, upto: int) -> Store:
        """Gives up the first `upto` bytes and their memory, as far as it can."""
        raise Cannot("nothing comes off the front")

    def give_back(self) -> None:
        """Asks for free memory to return to the system."""
        raise Cannot("has no such call")
