"""The timed loops.

Every participant runs the same loop.  Only the statement inside differs, which is written as a user
would write it.  As in `timeit`, the loop is compiled around that statement, and all its names are
local variables.  So there is no call of a wrapper between the loop and the participant.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from textwrap import indent
from time import perf_counter_ns
from typing import Any


@dataclass(frozen=True, slots=True)
class Op:
    """The body of a loop: statements, an expression, statements; each may be empty."""

    names: dict[str, Any] = field(default_factory=dict)
    """The names in the text other than the variables of the loop."""
    before: str = ""
    result: str = ""
    """The expression whose value is the output to check."""
    after: str = ""

    def only_before(self) -> "Op":
        return replace(self, result="", after="")

    def only_result(self) -> "Op":
        return replace(self, before="")


@lru_cache(maxsize=512)
def _compiled(
    head: str, before: str, result: str, after: str, names: tuple[str, ...]
) -> Callable[..., None]:
    body = "\n".join(text for text in (before, result, after) if text) or "pass"
    source = f"def loop({', '.join(('_work', *names))}):\n    for {head} in _work:\n"
    source += indent(body, "        ")
    space: dict[str, Any] = {}
    exec(compile(source, f"<{body}>", "exec"), space)
    function: Callable[..., None] = space["loop"]
    return function


def _loop(head: str, op: Op) -> Callable[..., None]:
    return _compiled(head, op.before, op.result, op.after, tuple(op.names))


def run(head: str, op: Op, work: object) -> None:
    """Run the loop `for {head} in work`, and drop its results."""
    _loop(head, op)(work, **op.names)


def results(head: str, op: Op, work: object) -> list[Any]:
    """The results of the same loop.  Keeps all of them to the end: a result that is only a view of
    reused memory then turns out wrong."""
    kept: list[Any] = []
    names = {**op.names, "_keep": kept.append}
    run(head, replace(op, names=names, result=f"_keep({op.result})"), work)
    return kept


@contextmanager
def quiet() -> Iterator[None]:
    """Turn the garbage collector off in a block."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def timed(head: str, op: Op, work: object) -> int:
    """Run the loop; return its nanoseconds."""
    loop = _loop(head, op)
    with quiet():
        start = perf_counter_ns()
        loop(work, **op.names)
        return perf_counter_ns() - start
