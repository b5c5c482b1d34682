"""Makes the interpreter switch threads as often as it can."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)
