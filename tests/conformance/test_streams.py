"""CPython's own tests of asyncio's streams, run on pagebuf.aio with two event loops.

The source comes from the interpreter that runs the tests.  Only names in it are replaced.
"""

import asyncio
import importlib.util
import re
import types
from pathlib import Path
from typing import Any

import pytest

from pagebuf import aio

_SUITE = "test.test_asyncio.test_streams"
_CLASSES = {
    "StreamReaderProtocol": "QueueProtocol",
    "StreamReader": "QueueReader",
    "StreamWriter": "QueueWriter",
}
_OPENERS = "open_connection|open_unix_connection|start_server|start_unix_server"
_NEW_LOOP = "asyncio.new_event_loop()"


def _renamed(source: str) -> str:
    for theirs, ours in _CLASSES.items():
        source = re.sub(rf"\basyncio\.{theirs}\b", f"aio.{ours}", source)
        source = re.sub(rf"<{theirs}\b", f"<{ours}", source)  # in repr() that a test expects
    return re.sub(rf"\basyncio\.({_OPENERS})\b", r"aio.\1", source)


def _suite(new_loop: Any) -> Any:
    """CPython's test module, changed to make its event loops with `new_loop`."""
    try:
        spec = importlib.util.find_spec(_SUITE)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        pytest.skip("this Python comes without the package `test`", allow_module_level=True)
    source = _renamed(Path(spec.origin).read_text(encoding="utf-8"))
    assert _NEW_LOOP in source
    source = source.replace(_NEW_LOOP, "new_loop()")
    module = types.ModuleType(_SUITE)
    vars(module).update(aio=aio, new_loop=new_loop, __file__=spec.origin)
    exec(compile(source, spec.origin, "exec"), vars(module))
    return module


def _uvloop() -> Any:
    """uvloop's loop with the attribute that asyncio's test helpers read.  None without uvloop."""
    try:
        import uvloop
    except ImportError:
        return None

    class Loop(uvloop.Loop):  # type: ignore[misc]
        _default_executor = None

    return Loop


_on_asyncio = _suite(asyncio.new_event_loop)
_loop = _uvloop()
_on_uvloop = _suite(_loop)


@pytest.fixture(autouse=True)
def _loops_are_forgotten():
    yield
    _on_asyncio.tearDownModule()


# The garbage of these tests warns when it is collected.  That is no error here.
@pytest.mark.filterwarnings("default")
class TestOnAsyncio(_on_asyncio.StreamTests):
    pass


@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(_loop is None, reason="uvloop is not installed")
class TestOnUvloop(_on_uvloop.StreamTests):
    pass
