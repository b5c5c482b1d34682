"""What nobody could catch, in a list; and a quick collection of garbage after each test."""

import gc
import sys
from collections.abc import Iterator

import pytest

import pagebuf
from tests.support import assert_accounted


@pytest.fixture(scope="module", autouse=True)
def frozen_heap() -> Iterator[None]:
    """What pytest and the plugins hold is never garbage; looking through it a thousand
    times, as the fixture `pool` does, would take longer than the tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """The exceptions that went to `sys.unraisablehook`."""
    errors: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda hook: errors.append(hook.exc_value))
    return errors


@pytest.fixture
def checked() -> Iterator[pagebuf.PagePool]:
    """A pool at level 1, whole at the end."""
    pool = pagebuf.PagePool(debug=1, name="checked")
    yield pool
    assert_accounted(pool)
