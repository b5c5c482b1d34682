"""One store and many threads: transactions are whole, and readers see whole ones."""

from __future__ import annotations

import random
import struct
import threading
from pathlib import Path

import pytest

from pagebuf import PageStore
from tests.helpers import PAGE
from tests.threads.calls_of_stores import STORES
from tests.threads.pairs import pairs_of
from tests.threads.race import Race
from tools import store_check

pytestmark = [
    pytest.mark.skipif(PAGE < 64, reason="stores have pages of 64 bytes at least"),
    pytest.mark.filterwarnings("ignore:.*not committed:ResourceWarning"),  # the pairs leave them so
]

NAMES = ["a", "b", "c"]
THREADS, TIMES = 3, 40


def balance(store: PageStore, name: str) -> int:
    number: int = struct.unpack("<q", store[name].read(2 * PAGE, 8))[0]
    return number


def move(store: PageStore, draw: random.Random) -> None:
    """Take an amount from one buffer and give it to another one; sometimes think better of it."""
    source, target = draw.sample(NAMES, 2)
    amount = draw.randrange(1, 100)
    with store.transaction():
        store[source].write(2 * PAGE, struct.pack("<q", balance(store, source) - amount))
        if draw.random() < 0.3:
            raise ZeroDivisionError
        store[target].write(2 * PAGE, struct.pack("<q", balance(store, target) + amount))


def run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_transactions_of_threads_are_whole(tmp_path: Path) -> None:
    failed: list[BaseException] = []
    over = threading.Event()

    def mover(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(TIMES):
            try:
                move(store, draw)
            except ZeroDivisionError:
                store.commit()  # nothing of it

    def look() -> None:
        with PageStore(tmp_path / "some.store", "r") as reader:
            while not over.is_set():
                reader.refresh()
                assert sum(balance(reader, name) for name in NAMES) == 0

    def watched(call: object, *args: int) -> threading.Thread:
        def body() -> None:
            try:
                call(*args)  # type: ignore[operator]
            except BaseException as error:
                failed.append(error)

        return threading.Thread(target=body)

    with PageStore(tmp_path / "some.store", durability="lazy") as store:
        for name in NAMES:
            store[name] = bytes(3 * PAGE)
        store.commit()
        reader = watched(look)
        reader.start()
        run([watched(mover, seed) for seed in range(THREADS)])
        over.set()
        reader.join()
        assert failed == []
        store.verify()
        assert sum(balance(store, name) for name in NAMES) == 0
        assert store.stats().commit > THREADS * TIMES // 3
    assert store_check.check(tmp_path / "some.store").faults == []


def test_some_pairs_of_calls() -> None:
    for pair in random.Random(1).sample(list(pairs_of(STORES)), 6):
        Race(pair).run(0.001)


@pytest.mark.slow
def test_all_pairs_of_calls() -> None:
    for pair in pairs_of(STORES):
        Race(pair).run(0.02)
