"""Threads that start together and have a deadline, and forked children that report errors."""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Self

from tests.helpers import PAGE
from tests.threads.call import SANITIZED

# A copy of this many bytes runs without the GIL, for every page size.
LARGE = 1 << 18
BIG = LARGE + PAGE // 2 + 3

DEADLINE = 600.0 if SANITIZED else 60.0

Work = Callable[[], None]


class Crew:
    """Runs each function in its own thread.  The first exception ends the whole crew."""

    def __init__(self, *works: Work) -> None:
        self.start = threading.Barrier(len(works) + 1)
        self.stop = threading.Event()
        self.errors: list[BaseException] = []
        self.threads = [threading.Thread(target=self._run, args=(w,), daemon=True) for w in works]

    def _run(self, work: Work) -> None:
        self.start.wait(DEADLINE)
        try:
            work()
        except BaseException as error:
            self.errors.append(error)
            self.stop.set()

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        self.start.wait(DEADLINE)
        return self

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            self.stop.set()
        end = time.monotonic() + DEADLINE
        for thread in self.threads:
            thread.join(max(0.0, end - time.monotonic()))
        if any(thread.is_alive() for thread in self.threads):
            faulthandler.dump_traceback(sys.__stderr__)
            raise TimeoutError("threads are still at it: a deadlock?")
        if self.errors:
            raise self.errors[0]

    def until(self, seconds: float) -> Callable[[], bool]:
        """A function that says whether to go on: until the time is up or a thread has failed."""
        end = time.monotonic() + seconds
        return lambda: not self.stop.is_set() and time.monotonic() < end


def together(*works: Work) -> None:
    """Run the functions at the same time; raise the first exception."""
    with Crew(*works):
        pass


def repeat(times: int, work: Callable[[int], None]) -> Work:
    def loop() -> None:
        for i in range(times):
            work(i)

    return loop


def in_child(work: Work) -> None:
    """Fork, run `work` in the child, and wait.  If the child fails, the error has its traceback."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            os.write(writing, traceback.format_exc()[-4000:].encode())
        finally:
            os._exit(code)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], DEADLINE)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    told = os.read(reading, 4096).decode(errors="replace") if ready else "the child hangs"
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"child ended with {status}: {told}"
