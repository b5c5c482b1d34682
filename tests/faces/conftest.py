"""Makes the garbage collections of the fixture `pool` quick, as in tests/core."""

from tests.core.conftest import frozen_heap

__all__ = ["frozen_heap"]
