"""CPython's own tests of io.BytesIO, run on pagebuf.BytesIO."""

from typing import Any

import pytest

import pagebuf

memoryio: Any = pytest.importorskip(
    "test.test_memoryio", reason="this Python comes without the package `test`"
)


def _left_out(name: str, reason: str) -> Any:
    return pytest.mark.skip(reason=reason)(getattr(memoryio.CBytesIOTest, name))


class TestBytesIO(memoryio.CBytesIOTest):
    ioclass = pagebuf.BytesIO

    test_sizeof = _left_out("test_sizeof", "measures io.BytesIO itself")
    if pagebuf.default_pool().debug:
        _COW = "counts references to the initial bytes, which debug pools copy"
        test_cow_truncate = _left_out("test_cow_truncate", _COW)
        test_cow_write = _left_out("test_cow_write", _COW)
        test_cow_setstate = _left_out("test_cow_setstate", _COW)
        test_cow_mutable = _left_out("test_cow_mutable", _COW)
