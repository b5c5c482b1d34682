"""Numbers that the state machines draw."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.helpers import PAGE


def around_pages(pages: int, by: int, most: int) -> st.SearchStrategy[int]:
    """Numbers of bytes up to `most`; and numbers at most `by` bytes away from a number of whole
    pages, which is at most `pages`."""
    near = st.builds(
        lambda page, by: max(0, page * PAGE + by), st.integers(0, pages), st.integers(-by, by)
    )
    return st.one_of(st.integers(0, most), near)
