"""`python -m pagebuf`, in a process of its own and through `main`."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import textwrap

import pytest

import pagebuf
from pagebuf import example, picture
from pagebuf.__main__ import main
from pagebuf._command_line.script import run
from tests.helpers import MAX_LEVELS, PAGE, reach
from tests.support import INLINE

needs_pictures = pytest.mark.skipif(
    not picture.available(), reason="matplotlib is not installed: no pictures"
)


def shell(*args):
    """The output, the errors and the exit status of a command."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pagebuf", *args],
        capture_output=True,
        check=False,
        cwd=pathlib.Path(__file__).parents[2],
        text=True,
        timeout=120,
    )
    return done.stdout, done.stderr, done.returncode


@pytest.fixture
def script(tmp_path):
    """A script that leaves a pool with a buffer, and with a queue that no global names."""
    path = tmp_path / "own.py"
    (tmp_path / "beside.py").write_text("LETTER = b'z'\n")
    path.write_text(
        textwrap.dedent(
            """
            import beside
            import pagebuf

            pool = pagebuf.PagePool(name="mine")
            zs = pagebuf.PageBuffer(beside.LETTER * 5 * pagebuf.PAGE_SIZE, pool=pool)
            hidden = [pagebuf.ByteQueue(pool=pool)]
            hidden[0].put(bytes(2 * pagebuf.PAGE_SIZE))
            here = __name__
            """
        )
    )
    return str(path)


# ---- as a program ----


def test_info_in_a_process():
    out, err, status = shell("info")
    assert (err, status) == ("", 0)
    assert out.splitlines()[0] == f"pagebuf {pagebuf.__version__}"
    assert f"shift {PAGE.bit_length() - 1}" in out
    assert "matplotlib  " in out


@needs_pictures
def test_map_in_a_process(tmp_path):
    target = tmp_path / "pool.png"
    assert shell("draw", "-o", str(target)) == ("", "", 0)
    assert target.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_refusals_in_a_process(tmp_path):
    out, err, status = shell("draw", "--buffer", "nobody", "-o", str(tmp_path / "x.svg"))
    assert (out, status) == ("", 2)
    assert err.startswith("pagebuf: no buffer 'nobody': there is document, ")
    assert "Traceback" not in err
    assert shell()[2] == 2


@pytest.mark.parametrize("line", ["info", "top", "top --run own.py", "walk 0", "draw -o own.svg"])
def test_a_wrong_level_in_the_environment_is_one_line(monkeypatch, line, script):
    monkeypatch.setenv("PAGEBUF_DEBUG", "zz")
    line = line.replace("own.", script.removesuffix("py"))
    out, err, status = shell(*line.split())
    assert (out, status) == ("", 2)
    assert err.startswith("pagebuf: PAGEBUF_DEBUG must be 0, 1, 2, 'sample' or 'sample:N' ")
    assert err.endswith(", not 'zz'\n")
    assert err.count("\n") == 1


# ---- info ----


def test_info(capsys):
    assert main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("levels        1  ") for line in lines)
    assert any(line.split()[0] == str(MAX_LEVELS) and "512 PiB" in line for line in lines)
    assert f"inline        up to {INLINE} bytes in the object, no page" in lines
    assert f"{'':14}debug level {pagebuf.PagePool().debug}" in lines
    build = next(line for line in lines if line.startswith("build"))
    assert "assertions " + ("off" if PAGE == 4096 else "on") in build


def test_info_without_matplotlib(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    main(["info"])
    assert "matplotlib    not installed" in capsys.readouterr().out


# ---- top ----


def test_top_names_everything_that_draws(capsys):
    assert main(["top"]) == 0
    out = capsys.readouterr().out
    for name in ("example", "document", "draft", "yesterday", "backup", "disk", "inbox"):
        assert name in out
    assert "snapshot" in out


# ---- walk ----


def test_walk_prints_each_step(capsys):
    assert main(["walk", "0", hex(PAGE)]) == 0
    out = capsys.readouterr().out
    document = example.build().buffers["document"]
    walk = document.walk(PAGE)
    for step in walk.steps:
        want = f"level {step.level:<2} index {step.index:<4} entry {step.entry:#018x}"
        assert f"  {want}  frame {step.frame:<8} at 0x" in out
    assert out.splitlines()[0] == "offset 0 (0x0)"
    assert out.count("  page: byte 0 of it is 0x64\n") == 2


def test_walk_says_where_it_stops(capsys):
    assert main(["walk", "--buffer", "disk", str(2 * PAGE), str(1 << 62), "-1"]) == 0
    out = capsys.readouterr().out
    assert "  hole: level " in out
    assert "has no entry; reads as zero" in out
    assert "  past the end: the buffer has " in out
    assert f"  page: byte {len(b'the last block') - 1 if PAGE > 16 else 13} of it is 0x6b" in out


@pytest.mark.skipif(not INLINE, reason="nothing lies inline on the tiny builds")
def test_walk_of_a_tiny_buffer(capsys):
    assert main(["walk", "3", "--buffer", "note"]) == 0
    assert "  inline: the bytes lie in the object" in capsys.readouterr().out


@pytest.mark.parametrize("bad", ["x", "1.5", str(1 << 63), "-99999999", ""])
def test_walk_refuses_what_is_no_offset(capsys, bad):
    assert main(["walk", "0", bad]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pagebuf: ")
    assert "offset" in err


def test_walk_goes_through_a_queue(capsys):
    assert main(["walk", "0", hex(9 * PAGE), "--buffer", "inbox"]) == 0
    out = capsys.readouterr().out
    assert f"  page: byte {PAGE // 2} of it\n" in out
    assert "  past the end: the buffer has " in out


def test_walk_says_that_a_queue_or_a_file_keeps_an_object(tmp_path, capsys):
    path = tmp_path / "kept.py"
    path.write_text("""
import pagebuf

queue, file = pagebuf.ByteQueue(), pagebuf.BytesIO(bytes(5000))
queue.put(bytes(3000))
""")
    assert main(["walk", "--run", str(path), "0"]) == 0
    assert main(["walk", "--run", str(path), "--buffer", "file", "0"]) == 0
    out = capsys.readouterr().out
    assert "  no page: 3 000 bytes are kept as the objects that were put\n" in out
    assert "  no page: 5 000 bytes are kept as the objects that were put\n" in out


def test_walk_stops_at_a_mapped_page(tmp_path, capsys):
    path = tmp_path / "maps.py"
    path.write_text(f"""
import pagebuf

buf = pagebuf.PageBuffer.map(b"m" * {1 << 17})
""")
    assert main(["walk", "--run", str(path), str(PAGE + 1)]) == 0
    assert "  mapped: byte 1 of it is 0x6d\n" in capsys.readouterr().out


def test_walk_says_where_in_a_file_a_page_is(tmp_path, capsys):
    path, data = tmp_path / "maps.py", tmp_path / "image"
    data.write_bytes(b"m" * ((1 << 17) + 7))
    path.write_text(f"""
import pagebuf

buf = pagebuf.PageBuffer.map({str(data)!r}, 7)
buf.take_bytes({PAGE})
buf.insert_hole(3 * {PAGE}, {PAGE})
""")
    assert main(["walk", "--run", str(path), str(PAGE + 1)]) == 0
    assert f" is 0x6d, at offset {2 * PAGE + 8} of the file {data}\n" in capsys.readouterr().out
    assert main(["walk", "--run", str(path), str(5 * PAGE)]) == 0
    assert f", at offset {5 * PAGE + 7} of the file {data}\n" in capsys.readouterr().out


# ---- draw ----


@needs_pictures
@pytest.mark.parametrize("buffer", [None, "document", "disk", "inbox", "note"])
def test_map(tmp_path, buffer):
    target = tmp_path / "picture.svg"
    which = ["--buffer", buffer] if buffer else ["--pool"]
    assert main(["draw", *which, "-o", str(target)]) == 0
    text = target.read_text(encoding="utf-8")
    assert (f"'{buffer}'" if buffer else "pool 'example'") in text


def test_map_refuses_other_endings(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["draw", "-o", str(tmp_path / "picture.jpg")])
    assert stop.value.code == 2
    assert "saved as .svg or .png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["draw", "--pool", "other", "-o", "x.svg"], "no pool 'other': there is example"),
        pytest.param(
            ["draw", "-o", "no/such/folder/x.svg"],
            "No such file or directory",
            marks=needs_pictures,
        ),
        (["top", "--run", "no/such/script.py"], "no script 'no/such/script.py'"),
    ],
)
def test_refusals(capsys, args, message):
    assert main(args) == 2
    assert message in capsys.readouterr().err


def test_map_without_matplotlib(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    target = tmp_path / "picture.svg"
    assert main(["draw", "-o", str(target)]) == 2
    assert "pip install 'pagebuf[pictures]'" in capsys.readouterr().err
    assert not target.exists()


def test_what_is_not_there_at_all_is_a_sentence(tmp_path, capsys):
    path = tmp_path / "empty.py"
    path.write_text("")
    target = str(tmp_path / "x.svg")
    for args, line in {
        ("walk", "0"): "there is no buffer",
        ("walk", "0", "--buffer", "it"): "no buffer 'it': there is none",
        ("draw", "-o", target): "there is no pool in use",
    }.items():
        out, err, status = shell(*args, "--run", str(path))
        assert (out, err, status) == ("", f"pagebuf: {line}\n", 2)
    assert shell("top", "--run", str(path)) == ("no pool is alive\n", "", 0)


# ---- scripts of the user ----


def test_a_script_gets_its_arguments(tmp_path, capsys):
    path = tmp_path / "told.py"
    path.write_text("import sys\nprint(sys.argv[1:])\n")
    assert main(["top", "--run", str(path), "--args", "--port", "0", "-v", "--", "x"]) == 0
    assert capsys.readouterr().out.startswith("['--port', '0', '-v', '--', 'x']\n")
    assert main(["top", "--args", "x"]) == 2
    assert capsys.readouterr().err.startswith("pagebuf: --args are those of a script: ")


def test_run_shows_what_a_script_left(script):
    out, err, status = shell("top", "--run", script)
    assert (err, status) == ("", 0)
    rows = {line.split()[0]: line.split() for line in out.splitlines()[1:]}
    assert {"zs", "ByteQueue"} <= set(rows)
    assert out.startswith("pool 'mine': ")
    assert "example" not in rows


def test_a_buffer_of_a_child_is_named_once(tmp_path):
    path = tmp_path / "family.py"
    path.write_text(f"""
import pagebuf
parent = pagebuf.PagePool()
child = parent.child()
kept = [pagebuf.PageBuffer(bytes({PAGE}), pool=child)]
""")

    assert [name for name in run(str(path)).buffers if "Page" in name] == ["PageBuffer"]


def test_run_and_walk(script):
    out, _, status = shell("walk", "--run", script, "--buffer", "zs", str(4 * PAGE))
    assert status == 0
    assert "page: byte 0 of it is 0x7a" in out


NAMES = f"""
import pagebuf

pool = pagebuf.PagePool(name="mail")
mail = pagebuf.PagePool(name="pool")
spool = pagebuf.PagePool(name="spooled")
first = pagebuf.PageBuffer(b"1" * {3 * PAGE}, pool=pool, name="inbox")
second = pagebuf.PageBuffer(b"2" * {2 * PAGE}, pool=mail, name="first")
third = pagebuf.BytesIO(b"3" * {PAGE})
third.name = "file"
hidden = [pagebuf.PageBuffer(b"4" * {PAGE}, pool=spool, name="attic")]
"""


@needs_pictures
@pytest.mark.parametrize(
    ("name", "letter"),
    [("first", "1"), ("inbox", "1"), ("second", "2"), ("attic", "4"), ("PageBuffer", "4")],
)
def test_a_buffer_goes_by_its_global_and_by_its_name(tmp_path, capsys, name, letter):
    path = tmp_path / "names.py"
    path.write_text(NAMES)
    target = tmp_path / "x.svg"
    assert main(["walk", "--run", str(path), "--buffer", name, "0"]) == 0
    assert f"byte 0 of it is {ord(letter):#04x}" in capsys.readouterr().out
    assert main(["draw", "--run", str(path), "--buffer", name, "-o", str(target)]) == 0
    assert f"PageBuffer '{name}'" in target.read_text(encoding="utf-8")


@needs_pictures
@pytest.mark.parametrize(
    ("name", "title"),
    [("pool", "mail"), ("mail", "pool"), ("spool", "spooled"), ("spooled", "spooled")],
)
def test_a_pool_goes_by_its_global_and_by_its_name(tmp_path, name, title):
    path = tmp_path / "names.py"
    path.write_text(NAMES)
    target = tmp_path / "x.svg"
    assert main(["draw", "--run", str(path), "--pool", name, "-o", str(target)]) == 0
    assert f"pool '{title}'" in target.read_text(encoding="utf-8")


@needs_pictures
def test_names_that_are_not_there_are_told_with_all_that_are(tmp_path, capsys):
    path = tmp_path / "names.py"
    path.write_text(NAMES)
    target = str(tmp_path / "x.svg")
    assert main(["draw", "--run", str(path), "--buffer", "file", "-o", target]) == 0
    assert main(["draw", "--run", str(path), "--buffer", "none", "-o", target]) == 2
    there = "first, second, third, PageBuffer, inbox, file, attic"
    assert capsys.readouterr().err.endswith(f"no buffer 'none': there is {there}\n")


@needs_pictures
def test_run_and_map(script, tmp_path):
    target = tmp_path / "queue.svg"
    assert shell("draw", "--run", script, "--buffer", "ByteQueue", "-o", str(target))[2] == 0
    assert "ByteQueue" in target.read_text(encoding="utf-8")


def test_run_runs_as_main_and_keeps_the_path(script):
    before = list(sys.path)
    scene = run(script)
    assert sys.path == before
    assert scene.keep["here"] == "__main__"
    assert scene.pools["mine"] is scene.buffers["zs"].pool
    mine = scene.pools["mine"]
    assert [name for name, buf in scene.buffers.items() if buf.pool is mine] == ["zs", "ByteQueue"]
    sys.modules.pop("beside", None)


LEAVES_A_POOL = f"""
import sys
import pagebuf

pool = pagebuf.PagePool(name="mine")
kept = pagebuf.PageBuffer(bytes({3 * PAGE}), pool=pool)


def main():
    local = pagebuf.PageBuffer(bytes({PAGE}), pool=pool, name="local")
    return 3


def leave():
    local = pagebuf.PageBuffer(bytes({PAGE}), pool=pool, name="local")
    sys.exit(5)
"""


@pytest.mark.parametrize(
    ("end", "said", "status"),
    [
        ("sys.exit()", "", 0),
        ("sys.exit(0)", "", 0),
        ("sys.exit(True)", "", 1),
        ("sys.exit(main())", "", 3),
        ("leave()", "", 5),
        ("sys.exit('it went wrong')", "it went wrong\n", 1),
        ("raise SystemExit(1, 2)", "(1, 2)\n", 1),
    ],
)
def test_a_script_may_end_by_exit(tmp_path, capsys, end, said, status):
    path = tmp_path / "ends.py"
    path.write_text(f"{LEAVES_A_POOL}\n{end}\n")
    assert main(["top", "--run", str(path)]) == status
    out, err = capsys.readouterr()
    assert err == said
    head, *rows = out.splitlines()
    assert head.startswith("pool 'mine': ")
    assert any(row.startswith("kept ") for row in rows)
    assert "local" not in out


def test_the_status_of_a_script_is_that_of_the_process(tmp_path):
    path = tmp_path / "ends.py"
    path.write_text(f"{LEAVES_A_POOL}\nsys.exit('it went wrong')\n")
    out, err, status = shell("walk", "--run", str(path), "0")
    assert (err, status) == ("it went wrong\n", 1)
    assert "page: byte 0 of it is 0x00" in out
    path.write_text("import sys\nsys.exit(3)\n")
    out, err, status = shell("walk", "--run", str(path), "0")
    assert (out, status) == ("", 2)  # walk found no buffer: its status counts
    path.write_text(f"{LEAVES_A_POOL}\n1 / 0\n")
    out, err, status = shell("top", "--run", str(path))
    assert (out, status) == ("", 1)
    assert err.startswith("Traceback ")
    assert err.endswith("ZeroDivisionError: division by zero\n")


def test_a_script_sees_itself_as_main(tmp_path, monkeypatch):
    """A script runs as `__main__`, with its own file and arguments.  Afterwards the module, the
    arguments and the path are as before."""
    before = sys.modules["__main__"], list(sys.argv), list(sys.path)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "self.py"
    path.write_text(
        textwrap.dedent(
            """
            # coding: latin-1
            import pickle, sys
            import __main__

            class Own: pass

            def annotated(x: Own): pass

            seen = __name__, __file__, list(sys.argv), sys.path[0]
            itself = vars(__main__) is globals() and type(pickle.loads(pickle.dumps(Own()))) is Own
            strings = isinstance(annotated.__annotations__["x"], str)
            letter = "é"
            del sys.path[0]
            """
        ).lstrip(),
        encoding="latin-1",
    )
    names = run("self.py").keep
    assert names["seen"] == ("__main__", str(path), ["self.py"], str(tmp_path.resolve()))
    assert names["itself"]
    assert not names["strings"]  # the script does not inherit our imports from __future__
    assert names["letter"] == "é"
    assert (sys.modules["__main__"], sys.argv, sys.path) == before


def test_an_error_of_a_script_is_its_own(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        main(["top", "--run", str(path)])


def test_the_reach_of_the_highest_level_is_what_info_says():
    assert reach(MAX_LEVELS) == 1 << 59
