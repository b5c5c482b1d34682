"""The timed loops.

Every participant runs the same loop; what differs is the statement inside it, written as its user
would write it.  The loop is compiled around that statement, with everything it names as a local
variable, in the way of `timeit`: no wrapper call stands between the loop and the participant.
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
    """What the text refers to, besides the variables of the loop."""
    before: str = ""
    result: str = ""
    """Its value is the output that is checked."""
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
    """The loop `for {head} in work`, its results dropped."""
    _loop(head, op)(work, **op.names)


def results(head: str, op: Op, work: object) -> list[Any]:
    """What the same loop produces, kept until the end, so that a result which is only a view of
    memory used again shows."""
    kept: list[Any] = []
    names = {**op.names, "_keep": kept.append}
    run(head, replace(op, names=names, result=f"_keep({op.result})"), work)
    return kept


@contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection inside."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def timed(head: str, op: Op, work: object) -> int:
    """Nanoseconds that the loop takes."""
    loop = _loop(head, op)
    with quiet():
        start = perf_counter_ns()
        loop(work, **op.names)
        return perf_counter_ns() - start
