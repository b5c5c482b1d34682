"""CPython's own tests of bytearray as a container, run on PageBuffer.  Tests that treat bytes as
text are left out.  So are tests of what PageBuffer lacks: a constructor from a length or from text,
`+`, `*` and `%`."""

from typing import Any

import pytest

import pagebuf

test_bytes: Any = pytest.importorskip(
    "test.test_bytes", reason="this Python comes without the package `test`"
)

TEXT = """center check_encoding_errors decode encoding fromhex hex hex_separator_basics
    hex_separator_five_bytes hex_separator_six_bytes join ljust maketrans partition
    partition_int_error partition_string_error replace replace_int_error rjust rpartition
    rsplit_unicodewhitespace split_int_error split_string_error split_unicodewhitespace
    strip_bytearray strip_int_error strip_string_error translate xjust_int_error"""
LENGTH = "constructor_exceptions from_int from_ssize"
ARITHMETIC = "concat imod mod repeat repeat_1char rmod"
LEFT_OUT = {
    "bytes are not text here": TEXT,
    "PageBuffer(5) is an error, not five zeros": LENGTH,
    "PageBuffer has no +, * and %": ARITHMETIC,
}


class TestPageBuffer(test_bytes.ByteArrayTest):
    type2test = pagebuf.PageBuffer


def _leave_out(name: str, reason: str) -> None:
    test = getattr(test_bytes.ByteArrayTest, name, None)
    if test:  # this version of Python may not have it
        setattr(TestPageBuffer, name, pytest.mark.skip(reason=reason)(test))


for _reason, _names in LEFT_OUT.items():
    for _name in _names.split():
        _leave_out(f"test_{_name}", _reason)
