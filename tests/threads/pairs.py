"""Every pair of calls of every type, for `test_pairs.py`.  To run them by hand:

    python -m tests.threads.pairs --seconds 0.02 --kind ByteQueue --only put
    python -m tests.threads.pairs --seconds 0.02 --part 3/20

This prints each pair before it runs, so that you see which one crashed, hung or was reported by a
sanitizer.  The twenty parts of 3/20 make all pairs together; processes run them side by side."""

from __future__ import annotations

import argparse
import faulthandler
import importlib.util
import inspect
import itertools
import random
import sys
import time
import traceback
from collections.abc import Iterator

from tests.threads.call import Call, Kind
from tests.threads.calls_of_buffers import BUFFERS, ITERATORS
from tests.threads.calls_of_files import BYTES_IO, PAGE_FILES
from tests.threads.calls_of_parts import PARTS, TWO_BUFFERS
from tests.threads.calls_of_pools import POOLS
from tests.threads.calls_of_queues import QUEUES
from tests.threads.race import Pair, Race

KINDS = [BUFFERS, ITERATORS, QUEUES, BYTES_IO, PAGE_FILES, POOLS]

# Names that every class has, but that no caller uses on an object.
NO_CALLS = {
    "__class_getitem__",
    "__getstate__",
    "__init_subclass__",
    "__new__",
    "__subclasshook__",
    "__weakref__",
    "__dict__",
}


def public_calls(kind: Kind) -> set[str]:
    """The methods and properties that `dir` shows, without those inherited from `object`."""
    found = set()
    for name in dir(kind.type):
        attribute = inspect.getattr_static(kind.type, name)
        own = attribute is not inspect.getattr_static(object, name, None)
        code = callable(attribute) or hasattr(type(attribute), "__get__")
        private = name.startswith("_") and not name.endswith("__")
        if own and code and not private and name not in NO_CALLS.union(kind.left_out):
            found.add(name)
    return found


def there(call: Call) -> bool:
    return not call.needs or importlib.util.find_spec(call.needs) is not None


def methods(kind: Kind) -> list[list[Call]]:
    """The calls of a type, in a list for each method."""
    found: dict[str, list[Call]] = {}
    for call in filter(there, kind.calls):
        found.setdefault(call.method, []).append(call)
    return list(found.values())


def pairs_of(kind: Kind) -> Iterator[Pair]:
    """Every pair of methods of a type, and each method with itself."""
    for ones, twos in itertools.combinations_with_replacement(methods(kind), 2):
        yield Pair(kind, ones, twos)


def all_pairs() -> list[Pair]:
    return [pair for kind in KINDS for pair in pairs_of(kind)]


def chosen(count: int, seed: int) -> list[Pair]:
    """A random sample of all pairs."""
    return random.Random(seed).sample(all_pairs(), count)


def part_of(pairs: list[Pair], part: str) -> list[Pair]:
    """Every n-th pair from the k-th on, for "k/n", k from 1 on."""
    k, n = map(int, part.split("/"))
    if not 1 <= k <= n:
        raise SystemExit(f"--part is k/n with 1 <= k <= n, not {part}")
    return pairs[k - 1 :: n]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.threads.pairs")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each pair")
    parser.add_argument("--kind", default="", help="PageBuffer, ByteQueue, ...")
    parser.add_argument("--only", default="", help="pairs whose name has this text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=0, help="so many, chosen by the seed")
    parser.add_argument("--part", default="1/1", help="k/n: every n-th pair, from the k-th on")
    parser.add_argument("--parts", action="store_true", help="those of calls_of_parts.py")
    options = parser.parse_args()
    pairs = chosen(options.count, options.seed) if options.count else all_pairs()
    if options.parts:
        pairs = [pair for kind in [*PARTS, TWO_BUFFERS] for pair in pairs_of(kind)]
    sys.setswitchinterval(1e-5)
    failed, ran, rounds, start = 0, 0, 0, time.monotonic()
    pairs = [pair for pair in pairs if options.kind in pair.kind.name and options.only in str(pair)]
    for pair in part_of(pairs, options.part):
        race = Race(pair, options.seed)
        print(f"-- {pair}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback_later(options.seconds + 90, exit=True)
        try:
            rounds += race.run(options.seconds)
        except Exception as error:
            failed += 1
            traceback.print_exception(error.__cause__ or error, limit=-3)
            print(f"FAILED {error}", file=sys.stderr)
        faulthandler.cancel_dump_traceback_later()
        ran += 1
    took = time.monotonic() - start
    print(f"{ran} pairs, {failed} failed, {rounds} rounds, {took:.0f} s")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
