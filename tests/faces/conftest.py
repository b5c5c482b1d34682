"""As in tests/core: makes the garbage collections of the fixture `pool` quick."""

from tests.core.conftest import frozen_heap

__all__ = ["frozen_heap"]
