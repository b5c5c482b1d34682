"""Every two public methods of every type, in two threads on one object.

Every run makes some of the pairs, which a seed chooses; `make slow` makes all of them.  `race.py`
says how they are judged.  The calls are in `calls_of_*.py`.

PAGEBUF_PAIRS="200:7" runs two hundred pairs, chosen by the seed 7."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

import pagebuf
from tests.helpers import PAGE
from tests.threads.call import RECORD, Call, Kind, Shape
from tests.threads.pairs import KINDS, chosen, methods, pairs_of, public_calls, there
from tests.threads.race import GIL, Pair, Race

# With a GIL a call can be interrupted only where it releases the GIL, so fewer pairs will do.
COUNT, _, SEED = os.environ.get("PAGEBUF_PAIRS", "40:1" if GIL else "200:1").partition(":")
GROUPS = 10
FEW_MS, SLOW = 0.004, 0.2

by_name = {"ids": lambda each: str(getattr(each, "name", each))}


def race_all(pairs: list[Pair], seconds: float) -> None:
    for pair in pairs:
        Race(pair, int(SEED or 1)).run(seconds)


@pytest.mark.parametrize("group", range(GROUPS))
def test_some_pairs(group: int) -> None:
    race_all(chosen(int(COUNT), int(SEED or 1))[group::GROUPS], FEW_MS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, ones[0].method) for kind in KINDS for ones in methods(kind)],
    **by_name,
)
def test_all_pairs(kind: Kind, name: str) -> None:
    """All pairs of this method with itself, and with the methods below it in the table."""
    race_all([pair for pair in pairs_of(kind) if pair.ones[0].method == name], SLOW)


# ---- the tables ----


@pytest.mark.parametrize("kind", KINDS, **by_name)
def test_the_table_has_every_method(kind: Kind) -> None:
    missing = public_calls(kind) - {call.method for call in kind.calls}
    assert not missing, f"no pair has {kind.name}.{', '.join(sorted(missing))}"
    names = [call.name for call in kind.calls]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", KINDS, **by_name)
def test_left_out_is_there(kind: Kind) -> None:
    assert set(kind.left_out) <= set(dir(kind.type))


def do_alone(kind: Kind, call: Call, pool: pagebuf.PagePool) -> None:
    shape = kind.shapes[0]
    obj, keeps = shape.make(pool)
    state, contents = kind.state(obj), kind.contents(obj)
    given = call.given(obj)
    if call.refuses:
        with pytest.raises(call.may):
            call.do(obj, given, b"a")
        return
    result = call.do(obj, given, b"a")
    if call.looks:
        assert kind.state(obj) == state, call.name
    if call.adds and shape.grows:
        assert kind.contents(obj) == contents + b"a" * RECORD, call.name
    if call.takes:
        assert result + kind.contents(obj) == contents, call.name
    kind.check(obj)
    del keeps


@pytest.mark.parametrize("kind", KINDS, **by_name)
def test_a_call_alone_does_what_its_entry_says(kind: Kind, pool: pagebuf.PagePool) -> None:
    for call in filter(there, kind.calls):
        do_alone(kind, call, pool)


@pytest.mark.parametrize("kind", KINDS, **by_name)
def test_every_package_is_there(kind: Kind) -> None:
    missing = {call.needs for call in kind.calls if not there(call)}
    if missing:
        pytest.skip(f"left out, as it is not installed: {', '.join(missing)}")


# ---- tests of the judge itself ----


class Torn:
    """A store.  Another thread can interrupt its append, unless `fine` is true."""

    def __init__(self, fine: bool) -> None:
        self.data, self.lock = bytes(9), threading.Lock() if fine else None

    def append(self, data: bytes) -> None:
        if self.lock is None:
            self.append_in_steps(data)
        else:
            with self.lock:
                self.append_in_steps(data)

    def append_in_steps(self, data: bytes) -> None:
        size = len(self.data)
        for _ in range(100):  # lets another thread run
            pass
        self.data = self.data[:size] + data


def toy(fine: bool, **options: Any) -> Kind:
    def look(store: Torn, given: Any, letter: bytes) -> bytes:
        return store.data

    def add(store: Torn, given: Any, letter: bytes) -> None:
        store.append(letter * 100)

    return Kind(
        Torn,
        [Call("append", add, adds=True, **options), Call("data", look, looks=True)],
        [Shape("toy", lambda pool: (Torn(fine), None))],
        state=lambda store: store.data,
        contents=lambda store: store.data,
        check=lambda store: None,
    )


def appends(kind: Kind) -> Pair:
    ones = methods(kind)[0]
    return Pair(kind, ones, ones)


def test_a_lost_append_is_seen() -> None:
    with pytest.raises(AssertionError, match="append x append"):
        Race(appends(toy(fine=False))).run(20)


def test_whole_appends_are_fine() -> None:
    assert Race(appends(toy(fine=True))).run(0.05) >= 4


def test_an_older_look_is_seen() -> None:
    """A look that shows an older state than the look before it fails."""
    kind = toy(fine=True)
    seen: list[bytes] = []

    def look(store: Torn, given: Any, letter: bytes) -> bytes:
        seen.append(store.data)
        return seen[max(0, len(seen) - 3)] if len(store.data) > 200 else store.data

    late = Call("late", look, looks=True)
    race = Race(Pair(kind, methods(kind)[0], [late]))
    with pytest.raises(AssertionError, match="append x late"):
        race.run(20)


def test_an_exception_that_no_entry_names_fails() -> None:
    def bad(buf: Any, given: Any, letter: bytes) -> None:
        buf.take_bytes(1 << 40)

    kind = KINDS[0]
    with pytest.raises(AssertionError, match="bad x bad") as caught:
        Race(Pair(kind, [Call("bad", bad)], [Call("bad", bad)])).run(20)
    assert isinstance(caught.value.__cause__, IndexError)


def test_a_frame_left_is_seen() -> None:
    kept = []

    def keep(buf: Any, given: Any, letter: bytes) -> None:
        kept.append(buf.snapshot())

    kind = KINDS[0]
    with pytest.raises(AssertionError, match="frames left"):
        Race(Pair(kind, [Call("keep", keep)], [Call("keep", keep)])).run(0.05)
    assert kept[0].stats().size >= PAGE // 2
    assert isinstance(kept[0], pagebuf.PageBuffer)
