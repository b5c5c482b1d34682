"""As in tests/core: the fixture `pool` collects garbage after each test; keep that quick."""

from tests.core.conftest import frozen_heap

__all__ = ["frozen_heap"]
