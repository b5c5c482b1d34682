"""Runs each test on asyncio's loop, and on uvloop's if that is installed."""

from __future__ import annotations

import asyncio

import pytest

try:
    import uvloop
except ImportError:
    uvloop = None

SECONDS = 30


def _new_uvloop():
    if uvloop is None:
        pytest.skip("uvloop is not installed")
    return uvloop.new_event_loop()


@pytest.fixture(params=[asyncio.new_event_loop, _new_uvloop], ids=["asyncio", "uvloop"])
def run(request):
    """A function that runs a coroutine to its end, with a timeout."""

    def run_main(main):
        async def bounded():
            return await asyncio.wait_for(main, SECONDS)

        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(bounded())

    return run_main
