"""`python -m pagebuf store`: what it prints, its statuses, and that it streams."""

from __future__ import annotations

import io
import json
import pathlib
import subprocess
import sys

import pytest

import pagebuf
from pagebuf import PageStore
from pagebuf.__main__ import main
from pagebuf._command_line import store as commands
from pagebuf._command_line import store_show
from tests.helpers import PAGE
from tools import store_check

pytestmark = pytest.mark.skipif(PAGE < 64, reason="stores have pages of 64 bytes at least")

BYTES = bytes(range(1, 251)) * (3 * PAGE // 250 + 1)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "some.store"
    with PageStore(path) as store:
        store["few"] = b"few"
        store["many"] = BYTES
        store["line\n\x1b[0m[bold]"] = b""
    return str(path)


def said(capsys, *args):
    """The status of a command, and what it has said to both outputs."""
    status = main(["store", *args])
    return (status, *capsys.readouterr())


def told(capsys, *args):
    """The JSON of a command that has done what it was asked to."""
    status, out, err = said(capsys, *args, "--json")
    assert (status, err) == (0, "")
    assert out.count("\n") == 1
    return json.loads(out)


def shell(*args, stdin=b""):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pagebuf", "store", *args],
        capture_output=True,
        check=False,
        input=stdin,
        timeout=120,
    )
    return done.stdout, done.stderr, done.returncode


class Terminal(io.StringIO):
    def isatty(self):
        return True


# ---- what there is ----


def test_ls(path, capsys):
    status, out, err = said(capsys, "ls", path)
    assert (status, err) == (0, "")
    width = max(5, len(f"{len(BYTES):,}"))
    assert out.splitlines() == [
        f"{'BYTES':>{width}}  NAME",
        f"{3:>{width}}  few",
        f"{0:>{width}}  line\\n\\x1b[0m[bold]",
        f"{len(BYTES):>{width},}  many".replace(",", " "),
    ]
    rows = [("few", 3), ("line\n\x1b[0m[bold]", 0), ("many", len(BYTES))]
    assert told(capsys, "ls", path) == [{"name": name, "bytes": n} for name, n in rows]


def test_ls_reads_no_buffer(path, capsys, monkeypatch):
    monkeypatch.setattr(PageStore, "_load", None)
    assert len(told(capsys, "ls", path)) == 3


def test_a_terminal_gets_a_table(path, monkeypatch):
    pytest.importorskip("rich", reason="rich is not installed: text in columns")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Terminal()
    with PageStore(path, "r") as store:
        store_show.table(out, ("BYTES", "NAME"), [(n, name) for name, n in store._sizes()])
    assert out.getvalue().startswith("\x1b[1m")
    assert "line\\n\\x1b[0m[bold]" in out.getvalue()  # neither an escape nor markup


@pytest.mark.parametrize("terminal", [True, False])
def test_without_rich_there_is_text(path, monkeypatch, terminal):
    for module in ("rich", "rich.console", "rich.table", "rich.text"):
        monkeypatch.setitem(sys.modules, module, None)
    out = Terminal() if terminal else io.StringIO()
    store_show.table(out, ("BYTES", "NAME"), [(7, "a")])
    assert out.getvalue() == "BYTES  NAME\n    7  a\n"
    monkeypatch.setattr(sys, "stderr", Terminal())
    with store_show.progress("a", 7) as moved:
        moved(7)
    assert sys.stderr.getvalue() == ""


def test_stats(path, capsys):
    found = told(capsys, "stats", path)
    with PageStore(path, "r") as store:
        stats = store.stats()._asdict()
    assert found == {"path": path, "page_size": PAGE, **stats}
    status, out, _ = said(capsys, "stats", path)
    assert status == 0
    rows = dict(line.split("  ", 1) for line in out.splitlines())
    assert rows["sealed"].strip() == "yes"
    assert rows["page_size"].strip() == f"{PAGE:,}".replace(",", " ")


def test_verify(path, capsys):
    with PageStore(path, "r") as store:
        held = store.stats().held
    assert said(capsys, "verify", path) == (0, f"{path}: whole, commit 1, {held} pages\n", "")
    assert told(capsys, "verify", path) == {"path": path, "whole": True, "commit": 1}


@pytest.mark.parametrize("command", ["verify", "cat"])
def test_damage_is_status_1(path, capsys, command):
    file = pathlib.Path(path)
    data = file.read_bytes()
    at = data.index(BYTES[:PAGE])
    file.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    args = [command, path] + (["many"] if command == "cat" else [])
    status, out, err = said(capsys, *args)
    assert (status, out) == (commands.DAMAGED, "")
    assert err.startswith(f"pagebuf: {path}: ")
    assert f"(page {at // PAGE})" in err
    if command == "verify":
        found = json.loads(said(capsys, "verify", "--json", path)[1])
        assert (found["whole"], found["page"]) == (False, at // PAGE)
        assert "checksum" in found["rule"]


# ---- out and in ----


def test_cat_gives_the_bytes(path, capsysbinary):
    assert main(["store", "cat", path, "few", "many"]) == 0
    assert capsysbinary.readouterr().out == b"few" + BYTES


def test_get_and_put(path, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(commands, "PIECE", PAGE + 7)
    target = tmp_path / "bytes"
    target.write_bytes(b"something else")
    assert said(capsys, "get", path, "many", str(target)) == (0, "", "")
    assert target.read_bytes() == BYTES
    assert said(capsys, "put", path, "again", str(target)) == (0, "", "")
    found = told(capsys, "put", path, "few", str(target))
    assert found == {"name": "few", "bytes": len(BYTES), "commit": 3}
    new = str(tmp_path / "new.store")
    assert told(capsys, "put", new, "a", str(target))["commit"] == 1
    assert store_check.named(new) == {"a": BYTES}
    named = store_check.named(path)
    assert (named["again"], named["few"], named["many"]) == (BYTES, BYTES, BYTES)
    assert store_check.check(path).faults == []


def test_a_target_is_there_whole_or_not_at_all(path, tmp_path, monkeypatch, capsys):
    target = tmp_path / "bytes"
    target.write_bytes(b"before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(commands, "_write_out", full)
    assert said(capsys, "get", path, "many", str(target))[0] == 2
    assert target.read_bytes() == b"before"
    assert not list(tmp_path.glob("*.part"))


def test_pipes(path, tmp_path):
    out, err, status = shell("cat", path, "many")
    assert (out, err, status) == (BYTES, b"", 0)
    assert shell("put", path, "piped", stdin=BYTES * 3) == (b"", b"", 0)
    assert store_check.named(path)["piped"] == BYTES * 3
    assert shell("ls", path)[0].count(b"\x1b") == 0


def test_who_reads_may_have_enough(path):
    with PageStore(path) as store:
        store["large"] = bytes(4 << 20)
    with subprocess.Popen(
        [sys.executable, "-m", "pagebuf", "store", "cat", path, "large"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert len(child.stdout.read(10)) == 10
        child.stdout.close()
        assert (child.stderr.read(), child.wait()) == (b"", 2)


class Counting(io.RawIOBase):
    """Zeros without end in sight; says how much was asked for at once."""

    def __init__(self, size):
        self.left, self.most = size, 0
        self.buffer = self

    def read(self, n=-1):
        self.most = max(self.most, n if n >= 0 else self.left)
        n = min(n, self.left)
        self.left -= n
        return bytes(n)


def test_put_reads_piece_by_piece(path, capsys, monkeypatch):
    source = Counting(10 * PAGE)
    monkeypatch.setattr(commands, "PIECE", PAGE)
    monkeypatch.setattr(sys, "stdin", source)
    assert told(capsys, "put", path, "zeros")["bytes"] == 10 * PAGE
    assert source.most == PAGE


def test_rm(path, capsys):
    assert told(capsys, "rm", path, "few", "many", "few") == {
        "removed": ["few", "many"],
        "commit": 2,
    }
    status, out, err = said(capsys, "rm", path, "line\n\x1b[0m[bold]", "none")
    assert (status, out, err) == (2, "", f"pagebuf: {path} has no 'none'\n")
    assert list(store_check.named(path)) == ["line\n\x1b[0m[bold]"]


def test_compact(path, tmp_path, capsys):
    target = str(tmp_path / "copy.store")
    found = told(capsys, "compact", path, target)
    assert found["pages"] <= found["pages_before"]
    assert store_check.named(target) == store_check.named(path)
    assert said(capsys, "compact", path, target)[0] == 2


# ---- bars ----


@pytest.mark.parametrize("command", ["verify", "compact", "get", "put", "cat"])
def test_what_takes_long_says_how_far_it_is(path, tmp_path, capsysbinary, monkeypatch, command):
    seen = []

    class Bar:
        def __enter__(self):
            return lambda n: seen.append(n)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(commands, "progress", lambda what, total: Bar())
    target = tmp_path / "target"
    if command == "put":
        target.write_bytes(BYTES)
    more = {"compact": [str(target)], "cat": ["many"]}.get(command, ["many", str(target)])
    assert main(["store", command, path, *([] if command == "verify" else more)]) == 0
    assert sum(seen) >= len(BYTES)


def test_a_bar_goes_to_a_terminal(monkeypatch):
    pytest.importorskip("rich", reason="rich is not installed: no bars")
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with store_show.progress("verify", 100) as moved:
        moved(100)
    assert "verify" in sys.stderr.getvalue()


# ---- refusals ----


@pytest.mark.parametrize("command", ["ls", "stats", "verify", "rm x", "cat x", "get x y"])
def test_no_store(tmp_path, capsys, command):
    name, *rest = command.split()
    path = tmp_path / "none.store"
    status, out, err = said(capsys, name, str(path), *rest)
    assert (status, out, err) == (2, "", f"pagebuf: {path}: No such file or directory\n")
    assert list(tmp_path.iterdir()) == []


def test_one_line_for_each_refusal(path, tmp_path, capsys):
    missing = str(tmp_path / "missing")
    with PageStore(path):
        for args, line in {
            ("cat", path, "none"): f"{path} has no 'none'",
            ("put", path, "a", missing): f"{missing}: No such file or directory",
            ("rm", path, "few"): "writes to the store",
        }.items():
            status, out, err = said(capsys, *args)
            assert (status, out, err.count("\n")) == (2, "", 1)
            assert line in err
    new = tmp_path / "new.store"
    status, out, err = said(capsys, "put", str(new), "", "/dev/null")
    assert (status, out, new.exists()) == (2, "", False)
    assert err == "pagebuf: a name has 1 to 255 bytes of UTF-8, not 0\n"


def test_a_system_without_locks_is_told_so(path, capsys, monkeypatch):
    monkeypatch.setattr(pagebuf._store_file.sys, "platform", "other")
    status, _, err = said(capsys, "ls", path)
    assert status == 2
    assert "locks of open files" in err
