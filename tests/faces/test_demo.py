"""`python -m pagebuf demo` and `--version`."""

from __future__ import annotations

import io

import pytest

import pagebuf
from pagebuf.__main__ import main
from pagebuf._command_line import demo


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert not end.value.code
    assert capsys.readouterr().out == f"pagebuf {pagebuf.__version__}\n"


def test_plain_text_has_every_scene(capsys):
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    titles = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert titles == [
        "A burst comes and goes",
        "Every earlier state stays",
        "What has changed?",
        "Who ate the memory?",
    ]
    assert "\x1b" not in out


def last_frames():
    return [frame for scene in demo.SCENES for frame in scene() if frame.last]


def test_what_the_scenes_claim():
    burst, versions, changed, _ = last_frames()
    ours, theirs, ring = burst.bars
    assert max(ours.nbytes, theirs.nbytes) < ring.nbytes / 4
    assert ring.remark == f"refused {demo.BURST - demo.RING} of {demo.BURST}"
    snapshots, copies = versions.bars
    assert snapshots.nbytes < 1.1 * demo.DOCUMENT + demo.EDITS * 3 * pagebuf.PAGE_SIZE
    assert copies.nbytes == (demo.EDITS + 1) * demo.DOCUMENT
    differs, _, _ = changed.bars
    assert 0 < differs.nbytes <= 4 * demo.EDITS


def test_the_frames_take_about_a_minute():
    seconds = sum(frame.seconds for scene in demo.SCENES for frame in scene())
    assert 40 < seconds < 65


def test_it_moves_on_a_terminal():
    rich = pytest.importorskip("rich.console", reason="rich is not installed: no bars that move")
    out = io.StringIO()
    demo.play(rich.Console(file=out, force_terminal=True, width=120), fast=True)
    text = out.getvalue()
    assert "\x1b[" in text
    for frame in last_frames():
        assert frame.title in text


def test_without_rich_a_terminal_gets_text(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)
    out = Terminal()
    demo.demo(out)
    assert out.getvalue().startswith("bars move where rich is installed")
    assert "Who ate the memory?" in out.getvalue()
