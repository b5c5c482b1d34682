"""Fixtures: exceptions that nobody could catch, a pool at debug level 1."""

import sys
from collections.abc import Iterator

import pytest

import pagebuf
from tests.support import assert_accounted


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """The exceptions that went to `sys.unraisablehook`."""
    errors: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda hook: errors.append(hook.exc_value))
    return errors


@pytest.fixture
def checked() -> Iterator[pagebuf.PagePool]:
    """A pool at debug level 1, which must pass its checks after the test."""
    pool = pagebuf.PagePool(debug=1, name="checked")
    yield pool
    assert_accounted(pool)
