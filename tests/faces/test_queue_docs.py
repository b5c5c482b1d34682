"""The docstrings of ByteQueue are complete, and their examples are true."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import pytest

import pagebuf

NAMES = [name for name in vars(pagebuf.ByteQueue) if not name.startswith("_")]


def run(text: str, name: str) -> int:
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    results = doctest.DocTestRunner(verbose=False, optionflags=flags).run(test)
    assert results.failed == 0
    return results.attempted


@pytest.mark.parametrize("name", NAMES)
def test_members(name: str) -> None:
    member: Any = inspect.getattr_static(pagebuf.ByteQueue, name)
    examples = run(inspect.getdoc(member) or "", name)
    if inspect.isroutine(member):
        assert examples > 0
        inspect.signature(member)
    else:
        assert member.__doc__


def test_type() -> None:
    assert run(inspect.getdoc(pagebuf.ByteQueue) or "", "ByteQueue") > 2
