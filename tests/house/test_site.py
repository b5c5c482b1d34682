"""The API pages of the site say something about each public name."""

from __future__ import annotations

import pytest

pytest.importorskip("fsspec", reason="fsspec is not installed: its cache has a page")

import pagebuf
from pagebuf import aio
from tools.site import api, steps


def test_every_public_name_has_a_meaning():
    silent = [name for name, thing in api.names() if not api.meaning(name, thing)]
    assert [name for name in silent if name not in api.CONSTANTS] == ["FORMATS"]


def test_no_public_name_is_left_out():
    shown = {name for name, _ in api.names()}
    same = {name for name in aio.__all__ if name.startswith("Stream")}  # asyncio's names of them
    assert {*pagebuf.__all__, *aio.__all__} - same <= shown


def test_every_name_has_an_anchor():
    text = "\n".join(api.pages().values())
    assert [name for name, _ in api.names() if f"{{ #{name} }}" not in text] == []


def test_steps_of_the_first_page():
    recorded = list(steps.steps())
    assert [step["code"] for step in recorded] == [code for code, _ in steps.SCRIPT]
    assert recorded[0]["pages"] == 0
    assert max(step["levels"] for step in recorded) >= 3
    assert any(run[3] == "pinned" for step in recorded for run in step["runs"])
    assert recorded[-1]["shared"] == 0
