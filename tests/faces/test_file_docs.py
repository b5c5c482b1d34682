"""The docstrings of files are complete, and their examples are true."""

from __future__ import annotations

import doctest
import inspect
from typing import Any

import pytest

import pagebuf

FILES = [pagebuf.BytesIO, pagebuf.PageFile]
MEMBERS = [(kind, name) for kind in FILES for name in vars(kind) if not name.startswith("_")]


def run(text: str, name: str) -> int:
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    results = doctest.DocTestRunner(verbose=False).run(test)
    assert results.failed == 0
    return results.attempted


@pytest.mark.parametrize(("kind", "name"), MEMBERS)
def test_members(kind: Any, name: str) -> None:
    member = inspect.getattr_static(kind, name)
    assert member.__doc__
    run(inspect.getdoc(member) or "", f"{kind.__name__}.{name}")
    if inspect.isroutine(member):
        inspect.signature(member)


@pytest.mark.parametrize("kind", FILES)
def test_types(kind: Any) -> None:
    assert run(inspect.getdoc(kind) or "", kind.__name__) > 2
    assert run(pagebuf.PageBuffer.open.__doc__ or "", "open") > 1
