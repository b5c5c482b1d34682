"""Each sub-interpreter has its own module, pools and exceptions."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

import pagebuf

CYCLES = 20

CODE = """
import sys
sys.path[:] = {path!r}
import gc, pagebuf
pool = pagebuf.PagePool()
big = bytes([7]) * (1 << 18)
buf = pagebuf.PageBuffer(big, pool=pool)
snap, view, file, queue = buf.snapshot(), buf.view(0, 100), buf.open(), pagebuf.ByteQueue()
buf.write(3, b"mine")
queue.put(big)
assert snap.read(0, -1) == big and bytes(view[3:7]) == b"mine" and file.read(7)[3:] == b"mine"
assert queue.get() == big
try:
    pagebuf.PageBuffer(bytes(9 * pagebuf.PAGE_SIZE), pool=pagebuf.PagePool(limit=pagebuf.PAGE_SIZE))
except pagebuf.PoolLimitError:
    pass
else:
    raise AssertionError("no limit")
pool.check()
pagebuf.default_pool().check()
assert id(pagebuf.PageBuffer) != {ours}
"""


def interpreters() -> Any:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    pytest.skip("this Python has no module that makes sub-interpreters")


def run(module: Any, code: str) -> None:
    new = module.create()
    try:
        failed = module.run_string(new, code)
        assert failed is None, failed
    finally:
        module.destroy(new)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_twenty_interpreters_one_after_the_other(pool: pagebuf.PagePool) -> None:
    module = interpreters()
    buf = pagebuf.PageBuffer(b"ours", pool=pool)
    for _ in range(CYCLES):
        run(module, CODE.format(path=sys.path, ours=id(pagebuf.PageBuffer)))
    buf.check()
    assert buf.tobytes() == b"ours"
    assert pagebuf.default_pool() is pagebuf.default_pool()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_interpreters_beside_each_other(pool: pagebuf.PagePool) -> None:
    module = interpreters()
    code = CODE.format(path=sys.path, ours=id(pagebuf.PageBuffer))
    alive = [module.create() for _ in range(3)]
    for _ in range(2):
        for one in alive:
            assert module.run_string(one, code) is None
    for one in alive:
        module.destroy(one)
    pagebuf.PageBuffer(bytes(1 << 18), pool=pool).check()
