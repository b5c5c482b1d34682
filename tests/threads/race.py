"""Makes two calls in two threads on one object, round after round, and checks each round.

There are two sorts of rounds.  In the first, each thread makes its call once, both at the same
moment.  A call takes effect at one moment (docs/threading.md).  So the two results and the contents
must be those of one of the two orders.  One thread tries both orders beforehand.  In the second
sort, a burst, each thread makes its call again and again.  Afterwards each appended record must be
whole, and taken bytes must be gone.  Each look must show a state that existed, and never an older
state than the look before it.

Neither sort needs to know what a call does.  A new call needs only an entry in its table
(`call.py`)."""

from __future__ import annotations

import faulthandler
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pagebuf
from tests.threads.call import RECORD, SANITIZED, Call, Kind, Raised, Shape, plain

LETTERS = (b"a", b"b")
DEADLINE = 600.0 if SANITIZED else 60.0
GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


class BrokenError(Exception):
    """The other thread failed."""


class Gate:
    """A barrier for two threads.  Both go on within some hundred nanoseconds."""

    SPINS = 0 if GIL else 300

    def __init__(self) -> None:
        self.arrived = [0, 0]
        self.broken = False

    def meet(self, who: int) -> None:
        arrived = self.arrived
        arrived[who] += 1
        mine, spins = arrived[who], 0
        while arrived[1 - who] < mine:
            if self.broken:
                raise BrokenError
            spins += 1
            if spins > self.SPINS:
                time.sleep(0)


@dataclass
class Scene:
    """One round: the object, the arguments of the two calls, and their results."""

    shape: Shape
    obj: Any
    keeps: Any
    given: list[Any]
    results: list[Any] = field(default_factory=lambda: [None, None])
    delays: tuple[int, int] = (0, 0)
    burst: int = 0  # 0: each call once


def brief(value: Any) -> str:
    """A value as text for a message.  A long text is cut to its two ends and its length."""
    text = repr(value)
    return text if len(text) < 200 else f"{text[:120]} ... {text[-60:]} ({len(text)} characters)"


@dataclass(frozen=True)
class Pair:
    """Two methods of a type, and the calls in the table of each."""

    kind: Kind
    ones: list[Call]
    twos: list[Call]

    def __str__(self) -> str:
        return f"{self.kind.name}: {self.ones[0].method} x {self.twos[0].method}"


class Race:
    """Makes rounds with a pair of methods.  `run` raises AssertionError if a round is wrong."""

    def __init__(self, pair: Pair, seed: int = 0) -> None:
        self.pair, self.kind = pair, pair.kind
        self.calls = (pair.ones[0], pair.twos[0])  # of this round
        self.rng = random.Random(seed)
        self.pool = pagebuf.PagePool(name="one")
        self.rounds = 0
        self.orders: dict[Any, list[Any]] = {}
        self.paths: dict[Any, list[Any]] = {}

    # ---- scenes ----

    def scene(self, shape: Shape) -> Scene:
        obj, keeps = shape.make(self.pool)
        return Scene(shape, obj, keeps, [None, None])

    def once(self, shape: Shape) -> Scene:
        scene = self.scene(shape)
        scene.given = [call.given(scene.obj) for call in self.calls]
        return scene

    def play(self, scene: Scene, who: int) -> Any:
        call, letter = self.calls[who], LETTERS[who]
        if not scene.burst:
            return call(scene.obj, scene.given[who], letter)
        keep = call.looks or call.takes or call.adds
        results = []
        for _ in range(scene.burst):
            result = call(scene.obj, call.given(scene.obj), letter)
            results.append(plain(result) if keep else None)
        return results

    def outcome(self, scene: Scene) -> list[Any]:
        """Both results, and the state of the object after both calls."""
        return [*map(plain, scene.results), plain(self.kind.state(scene.obj))]

    # ---- results that one thread gets ----

    def in_order(self, shape: Shape) -> list[Any]:
        """The outcomes of both orders."""
        key = (shape.name, *self.calls)
        if key not in self.orders:
            found = self.orders[key] = []
            for first in (0, 1):
                scene = self.once(shape)
                for who in (first, 1 - first):
                    scene.results[who] = self.play(scene, who)
                found.append(self.outcome(scene))
        return self.orders[key]

    def path(self, shape: Shape, who: int) -> list[Any]:
        """What a look of `who` shows before, between and after the calls of the other thread."""
        key = (shape.name, who, *self.calls)
        if key not in self.paths:
            obj, keeps = shape.make(self.pool)
            look, change = self.calls[who], self.calls[1 - who]
            seen = self.paths[key] = []
            for step in range(shape.burst + 1):
                if step:
                    change(obj, change.given(obj), LETTERS[1 - who])
                seen.append(plain(look(obj, look.given(obj), LETTERS[who])))
            del keeps
        return self.paths[key]

    # ---- judging a round ----

    def judge(self, scene: Scene) -> None:
        if scene.burst:
            self.judge_burst(scene)
            self.kind.check(scene.obj)
            return
        found = self.outcome(scene)
        self.kind.check(scene.obj)
        if not any(call.steps for call in self.calls):
            allowed = self.in_order(scene.shape)
            assert found in allowed, (
                f"{scene.shape.name}: neither order gives {brief(found)}\n"
                f"one first: {brief(allowed[0])}\ntwo first: {brief(allowed[1])}"
            )

    def judge_burst(self, scene: Scene) -> None:
        if not all(call.at_once for call in self.calls):
            return
        for who, call in enumerate(self.calls):
            if call.looks:
                self.judge_looks(scene, who)
        if any(call.adds for call in self.calls) and scene.shape.grows:
            self.judge_stream(scene)

    def judge_looks(self, scene: Scene, who: int) -> None:
        ahead = iter(self.path(scene.shape, who))
        now = next(ahead)
        for turn, seen in enumerate(scene.results[who]):
            while now != seen:
                now = next(ahead, ahead)
                assert now is not ahead, (
                    f"{scene.shape.name}: look {turn} shows what never was, or is no more: "
                    f"{brief(seen)}"
                )

    def judge_stream(self, scene: Scene) -> None:
        """Assert that takes returned the front, and that whole records follow the old bytes."""
        both = all(call.adds or call.takes or call.looks for call in self.calls)
        left = self.kind.contents(scene.obj)
        if not both or left is None:
            return
        stream, counts = b"", [0, 0]
        for who, call in enumerate(self.calls):
            fine = [result for result in scene.results[who] if not isinstance(result, Raised)]
            if call.takes:
                stream += b"".join(fine)
            elif call.adds:
                counts[who] = len(fine)
        stream += left
        fresh, keeps = scene.shape.make(self.pool)
        size = len(start := self.kind.contents(fresh))
        del keeps
        assert stream[:size] == start, f"{scene.shape.name}: what was there is not any more"
        records = [stream[at : at + RECORD] for at in range(size, len(stream), RECORD)]
        for letter, count in zip(LETTERS, counts, strict=True):
            whole = records.count(letter * RECORD)
            assert whole == count, f"{scene.shape.name}: {whole} of {count} records {letter!r}"
        assert len(records) == sum(counts), f"{scene.shape.name}: {len(records)} records"

    # ---- the two threads ----

    def prepare(self) -> Scene | None:
        if not self.goes_on():
            return None
        self.rounds += 1
        self.calls = (self.rng.choice(self.pair.ones), self.rng.choice(self.pair.twos))
        shape = self.rng.choice([s for s in self.kind.shapes for _ in range(s.often)])
        burst = self.rounds % 4 == 0
        scene = self.scene(shape) if burst else self.once(shape)
        if burst:
            scene.burst = shape.burst
            for who, call in enumerate(self.calls):
                if call.looks and all(each.at_once for each in self.calls):
                    self.path(shape, who)
        else:
            self.in_order(shape)
            ahead = self.rng.randrange(24)
            scene.delays = (ahead, 0) if self.rng.random() < 0.5 else (0, ahead)
        return scene

    def work(self, who: int) -> None:
        gate = self.gate
        while True:
            if who == 0:
                self.now = self.prepare()
            gate.meet(who)
            scene = self.now
            if scene is None:
                return
            for _ in range(scene.delays[who]):
                pass
            scene.results[who] = self.play(scene, who)
            gate.meet(who)
            if who == 0:
                self.judge(scene)
            gate.meet(who)  # now both drop their references
            scene.given[who] = scene.results[who] = None
            if who == self.rounds % 2:
                scene.obj = None
            else:
                scene.keeps = None
            del scene

    def guarded(self, who: int) -> None:
        try:
            self.work(who)
        except BrokenError:
            pass
        except BaseException as error:
            self.errors.append(error)
            self.gate.broken = True

    def run(self, seconds: float) -> int:
        """Make rounds for some seconds.  Returns the number of rounds."""
        end = time.monotonic() + seconds
        self.goes_on: Callable[[], bool] = lambda: time.monotonic() < end or self.rounds < 4
        self.gate, self.errors = Gate(), []
        self.now: Scene | None = None
        threads = [
            threading.Thread(target=self.guarded, args=(who,), daemon=True) for who in (0, 1)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end + DEADLINE - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            print(f"{self} hangs:", file=sys.__stderr__)
            faulthandler.dump_traceback(sys.__stderr__)
            raise TimeoutError(f"{self} hangs")
        if self.errors:
            raise AssertionError(f"{self}, round {self.rounds}") from self.errors[0]
        self.now = None
        self.pool.check()
        stats = self.pool.stats()
        assert stats.held == 0, f"{self}: frames left: {self.pool.buffers()}"
        assert stats.lent == 0, f"{self}: {stats.lent} bytes are still lent"
        return self.rounds

    def __str__(self) -> str:
        one, two = self.calls
        return f"{self.kind.name}: {one.name} x {two.name}"
