"""The queue owns its bytes: `ext/binding/queue` uses them only through `pb_queue_*` (R5)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.c_tokens import divide

FOLDER = Path(__file__).parents[2] / "ext/binding/queue"
OF_THE_CORE = re.compile(r"pb_(?!queue)\w+")
ALLOWED = {
    "pb_buf",
    "pb_buf_check",
    "pb_fault",
    "pb_lender",
    "pb_max",
    "pb_min",
    "pb_overflow",
    "pb_status",
}
ROUND_IT = re.compile(
    r"root"
    r"|pb_queue_tree_end"
    r"|copy_(in|out)_lock_held|copy_out_beside"
    r"|transfer_(write|extend|read|take|truncate|punch|drop_front|size)\w*"
)
"""A field of the tree, the place of the bytes in it, and calls that change bytes of any tree."""


def names_that_go_round(text: str) -> set[str]:
    """The names in a file that bypass the queue and reach its tree."""
    names = {token.text for token in divide(text)[1] if token.is_name}
    of_the_core = {name for name in names if OF_THE_CORE.fullmatch(name)} - ALLOWED
    return of_the_core | {name for name in names if ROUND_IT.fullmatch(name)}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.[ch]")), ids=lambda path: path.name)
def test_the_binding_does_not_go_round_the_queue(path):
    assert names_that_go_round(path.read_text()) == set()


@pytest.mark.parametrize(
    "text",
    [
        "pb_buf_copy_in(&self->q.b, 0, src, n);",
        "len = pb_buf_stretch(b, 0, n, &at);",
        "pb_iov_list(b, 0, n, iov, most, &bytes);",
        "pb_pool_unreserve(b->pool, secured);",
        "copy_out_lock_held(b, 0, dst, n);",
        "transfer_read_into(b, 0, dst, n, &got);",
        "n = self->q.b.root.size;",
        "view_live(b, pb_queue_tree_end(q), n);",
    ],
)
def test_what_goes_round_it_is_seen(text):
    assert names_that_go_round(text)
    assert not names_that_go_round(f"/* {text} */ pb_queue_put(&self->q, src, n);")
