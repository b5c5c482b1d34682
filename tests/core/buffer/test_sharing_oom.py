"""Snapshots, ranges and differences out of memory (I3).  Python's allocators fail at every request.
The bytes, the length and the pool's counts stay as they were."""

from __future__ import annotations

import operator
import struct

import pytest

from tests.helpers import PAGE
from tests.oom import needs_testcapi, sweep_beside_twin, warm_pool
from tests.support import SHAPES, pattern, pool_state

pytestmark = pytest.mark.alone

OTHER = pattern(0, 3 * PAGE + 1, salt=5)


def copy_from_clone(offset, source_offset):
    return lambda buf: buf.copy_range(offset, buf.clone(), source_offset)


NOTHING = struct.Struct("")  # returns the empty tuple, so nothing can fail after the export

CALLS = {
    "snapshot": lambda buf: len(buf.snapshot()),
    "clone": lambda buf: len(buf.clone()),
    "restore": lambda buf: buf.restore(buf.snapshot()),
    "diff": lambda buf: buf.diff(buf.clone()),
    "diff exact": lambda buf: buf.diff(buf.clone(), exact=True),
    "copy_range": copy_from_clone(PAGE, 0),
    "copy_range of bytes": copy_from_clone(1, 0),
    "copy_range of itself": lambda buf: buf.copy_range(PAGE, buf, 0, 2 * PAGE),
    "collapse": lambda buf: buf.collapse(0, min(PAGE, len(buf))),
    "collapse of bytes": lambda buf: buf.collapse(0, min(3, len(buf))),
    "insert_hole": lambda buf: buf.insert_hole(0, PAGE),
    "insert_hole of bytes": lambda buf: buf.insert_hole(min(1, len(buf)), 3),
    "slice of a buffer": lambda buf: operator.setitem(buf, slice(0, 0), buf.clone()),
    "views": lambda buf: len(buf.views(0, min(len(buf), 3 * PAGE))),
    "data_views": lambda buf: len(buf.data_views(0, min(len(buf), 3 * PAGE))),
    "view": lambda buf: buf.view(0, min(len(buf), 3 * PAGE)).release(),
    "gather": lambda buf: buf.gather(),
    "plain export": lambda buf: NOTHING.unpack_from(buf),
    "stable view": lambda buf: buf.view(0, min(len(buf), 3 * PAGE), writable=False).release(),
}
# The calls read or move all bytes.  That takes too long for shapes that are mostly hole.
TOO_LONG = {"tall", "holes", "hole only"}


# A tiny buffer moves to a page for its first live view.  If the memoryview cannot be made, it stays
# there: its bytes are as before, but it holds a page more.
CASES = [
    (shape, call)
    for shape in SHAPES
    for call in CALLS
    if shape not in TOO_LONG and (shape, call) != ("tiny", "view")
]


@needs_testcapi
@pytest.mark.parametrize(("shape", "call"), CASES)
def test_no_memory_for_python(shape, call):
    sweep_beside_twin(CALLS[call], lambda: SHAPES[shape](warm_pool()), pool_state)
