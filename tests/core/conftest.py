"""The fixture `pool` collects garbage after each test: keep that quick."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def frozen_heap() -> Iterator[None]:
    """What pytest and the plugins hold is never garbage; looking through it a thousand
    times would take longer than the tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
