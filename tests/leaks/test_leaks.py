"""No scenario leaks a frame, a block of memory, a reference, or an object."""

from __future__ import annotations

import pytest

from tests.leaks.scenarios import SCENARIOS
from tests.support import run_script

RUN = """
    import sys
    from tests.leaks import scenarios
    work = scenarios.SCENARIOS[sys.argv[1]]
    print(*scenarios.grown(work))
    scenarios.POOL.check()
"""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_leak(scenario):
    """A leak of one thing in each round adds 11 or more.  The bounds allow a few cache entries."""
    held, blocks, references, objects = map(int, run_script(RUN, scenario).split())
    assert held == 0
    assert blocks <= 8
    assert references <= 8
    assert objects <= 3


AT_EXIT = """
    import pagebuf, sys
    from tests.support import filled, pattern
    from tests.helpers import PAGE

    class Named(pagebuf.PageBuffer):
        def __del__(self):
            self.extend(b"late")
            self.tobytes()

    pool = pagebuf.PagePool()
    keep = Named(pattern(0, 3 * PAGE), pool=pool)
    keep.me = keep
    sys.keep = filled(pool, PAGE)
    sys.pool = pagebuf.default_pool()
    builtins = __builtins__
    builtins.buffer = Named(pattern(0, PAGE))
    print("done")
"""


def test_buffers_alive_at_exit():
    assert run_script(AT_EXIT) == "done\n"


TWICE = """
    import importlib, sys
    from tests.support import pattern
    for turn in range(3):
        import pagebuf
        buf = pagebuf.PageBuffer(pattern(0, 5 * pagebuf.PAGE_SIZE))
        assert buf.tobytes() == pattern(0, 5 * pagebuf.PAGE_SIZE)
        for name in [name for name in sys.modules if name.split(".")[0] == "pagebuf"]:
            del sys.modules[name]
    print("done")
"""


def test_imported_again_while_buffers_live():
    """The module uses multi-phase init, so a second copy has its own state and types."""
    assert run_script(TWICE) == "done\n"


GONE = """
    import gc, sys, threading, weakref
    import pagebuf
    from pagebuf import BytesIO, PageBuffer, PagePool

    def make():
        pool = PagePool()
        for n in range(0, 200, 3):
            files = [BytesIO(bytes(n)), BytesIO(bytes(n), pool=pool)]
            buffers = [PageBuffer(bytes(n)), PageBuffer(bytes(n), pool=pool)]
            assert [len(buf) for buf in buffers] == [n, n]
            assert [file.tell() or file.getvalue() for file in files] == [bytes(n)] * 2

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = sys.modules["pagebuf._core"], PageBuffer, BytesIO, PagePool, pagebuf.default_pool()
    gone = [weakref.ref(each) for each in kept]
    del pagebuf, BytesIO, PageBuffer, PagePool, make, thread, threads, kept
    for name in [name for name in sys.modules if name.split(".")[0] == "pagebuf"]:
        del sys.modules[name]
    for _ in range(3):
        gc.collect()
    print([ref() is None for ref in gone])
"""


def test_the_module_goes_with_what_it_kept_for_new_objects():
    """Memory of objects that are gone keeps references to their type and to the default pool."""
    assert run_script(GONE) == f"{[True] * 5}\n"
