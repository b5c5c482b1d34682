"""A stray access at level 2: a line names the place, the stacks are printed, and SIGSEGV ends the
process."""

from __future__ import annotations

import mmap
import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.helpers import PAGE

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="signals and mprotect as Linux has them"
)
protected = pytest.mark.skipif(
    PAGE % mmap.PAGESIZE != 0, reason="mprotect protects pages of the system's size"
)

LINE = re.compile(
    r"pagebuf: (write to|read of|access to) 0x[0-9a-f]+: byte (\d+) of frame (\d+), (.*)"
)

SCENE = """
    import ctypes, os, signal, sys, faulthandler
    import pagebuf
    PAGE = pagebuf.PAGE_SIZE
"""

VICTIM = """
    pool = pagebuf.PagePool(debug=2, name="watched")
    victim = pagebuf.PageBuffer(bytes(range(1, 17)) * (PAGE // 16), pool=pool, name="victim")
    address = victim.walk(0).steps[-1].address
"""

FAULTHANDLER = {
    "without faulthandler": ("", ""),
    "faulthandler first": ("    faulthandler.enable()", ""),
    "faulthandler last": ("", "    faulthandler.enable()"),
    "both": ("    faulthandler.enable()", "    faulthandler.enable()"),
}

FREED = "    victim.clear()\n    ctypes.memset(address + 5, 7, 1)"
READ = "    victim.clear()\n    ctypes.string_at(address + 5, 1)"


def run(*parts, options=()):
    code = textwrap.dedent("\n".join([SCENE, *parts, "    print('still here')"]))
    env = {k: v for k, v in os.environ.items() if k != "PYTHONFAULTHANDLER"}
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        check=False,
        env=env,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def lines_of(err):
    return [line for line in err.splitlines() if line.startswith("pagebuf: ")]


# ---- the message ----


@protected
@pytest.mark.parametrize("how", FAULTHANDLER)
@pytest.mark.parametrize(("access", "verb"), [(FREED, "write to"), (READ, "read of")])
def test_a_line_the_stacks_and_the_end(how, access, verb):
    before, after = FAULTHANDLER[how]
    code, out, err = run(before, VICTIM, after, access)
    assert (code, out) == (-signal.SIGSEGV, "")
    [line] = lines_of(err)
    found = LINE.fullmatch(line)
    assert found is not None, line
    assert found[1] in {verb, "access to"}
    assert found[2] == "5"
    assert "that was freed, taken by PageBuffer 'victim' (<string>:" in found[4]
    assert "freed by PageBuffer 'victim' (<string>:" in found[4]
    assert ("Fatal Python error: Segmentation fault" in err) == (how != "without faulthandler")
    assert ("Current thread" in err) == (how != "without faulthandler")
    assert err.count("Fatal Python error") <= 1


@protected
def test_the_switch_of_the_interpreter():
    code, _, err = run(VICTIM, FREED, options=["-X", "faulthandler"])
    assert code == -signal.SIGSEGV
    assert len(lines_of(err)) == 1
    assert err.count("Fatal Python error: Segmentation fault") == 1


@protected
@pytest.mark.parametrize(
    ("access", "what"),
    [
        ("    ctypes.memset(address + PAGE, 7, 1)", "that guards the one before it"),
        ("    ctypes.memset(address + 9 * PAGE, 7, 1)", "that was never used"),
        ("    snap = victim.snapshot()\n    ctypes.memset(address, 7, 1)", "that is frozen"),
        (FREED, "that was freed"),
    ],
)
def test_what_the_frame_was(access, what):
    code, _, err = run(VICTIM, access)
    assert code == -signal.SIGSEGV
    [line] = lines_of(err)
    assert what in line
    if "guards" in what:
        assert "right behind frame" in line
        assert "of PageBuffer 'victim'" in line


@protected
def test_the_sample_is_watched_too():
    code, _, err = run(VICTIM.replace("debug=2", "debug='sample:1'"), FREED)
    assert code == -signal.SIGSEGV
    [line] = lines_of(err)
    assert "'victim'" in line


@protected
def test_names_that_are_not_ascii():
    code, _, err = run(VICTIM.replace('"victim"', '"Opfer \\u00fc"'), FREED)
    assert code == -signal.SIGSEGV
    assert "PageBuffer 'Opfer \u00fc'" in err


@protected
def test_a_view_of_what_is_frozen_may_not_be_written_by_others():
    """A live view keeps its pages writable after a snapshot."""
    code, out, _ = run(
        VICTIM,
        """
    live = victim.view(0, PAGE)
    snap = victim.snapshot()
    live[:3] = b"abc"
    victim.write(3, b"def")
    assert victim[:6] == b"abcdef" and snap[:6] == bytes(range(1, 7))
    """,
    )
    assert (code, out) == (0, "still here\n")


# ---- signals that are passed on ----


@pytest.mark.parametrize("how", FAULTHANDLER)
def test_other_accesses_are_passed_on(how):
    before, after = FAULTHANDLER[how]
    code, out, err = run(before, VICTIM, after, "    ctypes.string_at(8, 1)")
    assert (code, out) == (-signal.SIGSEGV, "")
    assert lines_of(err) == []
    assert err.count("Fatal Python error: Segmentation fault") == (how != "without faulthandler")


@pytest.mark.parametrize("how", FAULTHANDLER)
@pytest.mark.parametrize(
    "sent",
    [
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "signal.raise_signal(signal.SIGSEGV)",
        "os.kill(os.getpid(), signal.SIGBUS)",
    ],
)
def test_signals_that_are_sent_end_the_process(how, sent):
    before, after = FAULTHANDLER[how]
    code, out, err = run(before, VICTIM, after, f"    {sent}")
    assert (code, out) == (-signal.SIGBUS if "BUS" in sent else -signal.SIGSEGV, "")
    assert lines_of(err) == []
    assert err.count("Fatal Python error") == (how != "without faulthandler")


def test_handlers_of_python_are_called():
    """A handler that Python code installed before still runs."""
    code, out, _ = run(
        """
    def handler(number, frame):
        print("handled", number == signal.SIGSEGV)

    signal.signal(signal.SIGSEGV, handler)
    """,
        VICTIM,
        "    os.kill(os.getpid(), signal.SIGSEGV)",
    )
    assert (code, out) == (0, "handled True\nstill here\n")


@pytest.mark.parametrize("level", [0, 1])
def test_other_levels_leave_signals_alone(level):
    code, _, err = run(VICTIM.replace("debug=2", f"debug={level}"), "    ctypes.string_at(8, 1)")
    assert code == -signal.SIGSEGV
    assert err == ""


@protected
def test_a_pool_that_is_gone_is_forgotten():
    code, _, err = run(
        VICTIM,
        """
    keep = pagebuf.PagePool(debug=2)
    del victim, pool
    import gc
    gc.collect()
    assert pagebuf.region_of(address) is None
    ctypes.string_at(8, 1)
    """,
    )
    assert code == -signal.SIGSEGV
    assert lines_of(err) == []


@protected
def test_in_a_thread():
    code, _, err = run(
        VICTIM,
        "    victim.clear()",
        """
    import threading
    faulthandler.enable()
    thread = threading.Thread(target=lambda: ctypes.memset(address, 7, 1))
    thread.start()
    thread.join()
    """,
    )
    assert code == -signal.SIGSEGV
    assert len(lines_of(err)) == 1
    assert err.count("Fatal Python error") == 1


@protected
def test_in_a_forked_child():
    code, out, err = run(
        VICTIM,
        """
    victim.clear()
    pid = os.fork()
    if pid == 0:
        ctypes.memset(address, 7, 1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGSEGV, flush=True)
    """,
    )
    assert (code, out) == (0, "True\nstill here\n")
    assert len(lines_of(err)) == 1
