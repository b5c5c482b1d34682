"""`pagebuf.live`: a process that runs is looked into from another one."""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

import pagebuf
from pagebuf import live, picture
from pagebuf.__main__ import main
from tests.helpers import PAGE

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")

SERVICE = f"""
import sys, threading
import pagebuf
from pagebuf import live

pool = pagebuf.PagePool(name="mail", debug=0)
inbox = pagebuf.PageBuffer(b"i" * {5 * PAGE}, pool=pool)
queue = pagebuf.ByteQueue(pool=pool)
queue.put(bytearray(b"q" * {3 * PAGE}))
busy = pagebuf.PageBuffer(pool=pool, name="busy")

def work():
    while True:
        busy.extend(b"x" * {PAGE})
        if len(busy) > {50 * PAGE}:
            busy.take_bytes({40 * PAGE})

if len(sys.argv) > 1:
    live.listen(sys.argv[1])
threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def start(tmp_path):
    """Starts a service with a thread that is at work, and returns when it listens."""
    path = tmp_path / "service.py"
    path.write_text(SERVICE)
    started = []

    def starter(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(path), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield starter
    for process in started:
        process.stdin.close()
        process.stdout.close()
        process.kill()
        process.wait()


def test_top_and_walk_of_a_service(start, tmp_path, capsys):
    where = str(tmp_path / "s")
    service = start(where)
    assert pathlib.Path(where).stat().st_mode & 0o777 == 0o600
    for _ in range(5):
        assert main(["top", "--attach", where]) == 0
        head, _, *rows = capsys.readouterr().out.splitlines()
        assert head.startswith("pool 'mail': ")
        kinds = {row.split()[0]: row.split()[1] for row in rows}
        assert kinds["inbox"] == kinds["busy"] == "PageBuffer"  # by its global, by its name
        assert kinds["queue"] == "ByteQueue"
    assert main(["walk", "--attach", where, "--buffer", "inbox", hex(PAGE)]) == 0
    assert main(["walk", "--attach", where, "--buffer", "queue", "0"]) == 0
    out = capsys.readouterr().out
    assert "  page: byte 0 of it is 0x69\n" in out
    assert "  page: byte 0 of it\n" in out
    service.stdin.write("\n")
    service.stdin.flush()
    assert service.wait(30) == 0
    assert not pathlib.Path(where).exists()


@pytest.mark.skipif(not picture.available(), reason="matplotlib is not installed")
def test_pictures_of_a_service(start, tmp_path):
    where, target = str(tmp_path / "s"), tmp_path / "x.svg"
    start(where)
    for asked, title in {
        ("--pool",): "pool 'mail'",
        ("--buffer", "inbox"): "PageBuffer 'inbox'",
        ("--buffer", "queue"): "ByteQueue 'queue'",
    }.items():
        assert main(["draw", "--attach", where, *asked, "-o", str(target)]) == 0
        assert title in target.read_text(encoding="utf-8")


def test_the_environment_starts_it(start, tmp_path, capsys):
    service = start(PAGEBUF_LISTEN=str(tmp_path / "{pid}"))
    assert main(["top", "--attach", str(tmp_path / str(service.pid))]) == 0
    assert "pool 'mail'" in capsys.readouterr().out


def test_what_a_killed_process_left_is_replaced(start, tmp_path, capsys):
    where = str(tmp_path / "s")
    service = start(where)
    service.send_signal(signal.SIGKILL)
    service.wait()
    assert main(["top", "--attach", where]) == 2
    assert (
        capsys.readouterr().err == f"pagebuf: no process answers at {where!r}: Connection refused\n"
    )
    with live.listen(where):
        with pytest.raises(OSError, match="Address already in use"):
            live.listen(where)
        assert main(["top", "--attach", where]) == 0
    assert not pathlib.Path(where).exists()


def test_a_file_that_is_no_socket_stays(tmp_path, monkeypatch):
    path = tmp_path / "letter"
    path.write_text("dear")
    with pytest.raises(OSError, match="letter"):
        live.listen(path)
    with pytest.raises(OSError, match="too long"):
        live.listen(tmp_path / ("x" * 200))
    with pytest.warns(RuntimeWarning, match=r"PAGEBUF_LISTEN: .*letter"):
        live._listen_as_told(str(path))
    assert path.read_text() == "dear"
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(NotImplementedError, match="unix sockets"):
        live.listen(tmp_path / "s")


def test_strange_questions_are_answered_and_harmless(tmp_path, capsys):
    where = str(tmp_path / "s")
    with live.listen(where):
        for asked in (
            b"",
            b"\n",
            b"no json\n",
            b'{"command": "stop"}\n',
            b'{"command": "walk"}\n',
            b"[]\n",
        ):
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(where)
                there.sendall(asked)
                there.shutdown(socket.SHUT_WR)
                said = there.recv(1000)
            assert said.startswith(b'{"error": ') if asked else said == b""
        assert main(["walk", "--attach", where, "--buffer", "nobody", "0"]) == 2
        assert "no buffer 'nobody'" in capsys.readouterr().err
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(where)  # goes at once


def test_another_user_is_not_answered(tmp_path, monkeypatch, capsys):
    where = str(tmp_path / "s")
    monkeypatch.setattr(os, "geteuid", lambda: -5)
    monkeypatch.setattr(live.struct, "unpack", lambda *_: (1, 12345, 1))
    with live.listen(where):
        assert main(["top", "--attach", where]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_does_not_listen(tmp_path):
    """It has no thread for it.  It must not keep the socket open, and not remove it at its end."""
    code = f"""
    import os, pathlib, socket
    from pagebuf import live

    listener = live.listen({str(tmp_path / "s")!r})
    child = os.fork()
    if child == 0:
        assert listener._socket.fileno() == -1
        raise SystemExit(0)          # its exit functions run
    assert os.waitpid(child, 0)[1] == 0
    assert pathlib.Path(listener.path).exists()
    socket.socket(socket.AF_UNIX).connect(listener.path)
    listener.close()
    listener.close()
    assert not pathlib.Path(listener.path).exists()
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_nothing_is_changed_by_looking(tmp_path):
    pool = pagebuf.PagePool(name="looked at")
    buf = pagebuf.PageBuffer(bytes(3 * PAGE), pool=pool)
    before = pool.stats(), buf.name
    with live.listen(tmp_path / "s") as listener:
        assert main(["top", "--attach", listener.path]) == 0
        assert "Listener" in repr(listener)
    assert (pool.stats(), buf.name) == before
