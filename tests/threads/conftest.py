"""Threads of these tests change places as often as they can."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)
