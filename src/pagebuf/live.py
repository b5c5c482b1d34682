"""Lets ``python -m pagebuf top --attach SOCKET`` look into this process while it runs.

Nothing listens unless it is asked for: by `listen`, or by the environment variable
``PAGEBUF_LISTEN``, which has the path of the socket.

>>> import os, tempfile
>>> from pagebuf import live
>>> folder = tempfile.TemporaryDirectory()
>>> with live.listen(f"{folder.name}/service") as listener:
...     os.listdir(folder.name)
['service']
>>> os.listdir(folder.name)
[]
>>> folder.cleanup()
"""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import socket
import stat
import struct
import threading
import time
import warnings
import weakref
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["Listener", "listen"]

MOST = 1 << 16  # bytes of a question
PATIENCE = 10.0  # seconds that who asks may be silent

_LISTENERS: weakref.WeakSet[Listener] = weakref.WeakSet()


def listen(path: str | bytes | os.PathLike[str]) -> Listener:
    """Answer ``python -m pagebuf top``, ``walk`` and ``draw --attach PATH`` from now on.

    A thread waits at a unix socket, which this user alone may open.  It looks, and changes
    nothing; it ends with the process, which removes the socket.  A socket that a process has
    left behind is replaced.  A child after a fork does not listen: it calls this itself.

    Args:
        path: of the socket; ``{pid}`` in it is the number of this process.

    Raises:
        OSError: another process listens there, there is another file, or the path is too long.
        NotImplementedError: this system has no unix sockets.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"path must be a str, bytes or os.PathLike, not {type(path).__name__}")
    return Listener(os.fsdecode(path).replace("{pid}", str(os.getpid())))


class Listener:
    """A socket that answers, until `close`; a context manager.  `listen` makes it."""

    path: str

    def __init__(self, path: str) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise NotImplementedError("this system has no unix sockets")
        self.path = path
        self._socket = _bound(path)
        self._file = Path(path).stat().st_ino
        self._asleep, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="pagebuf.live", daemon=True)
        self._thread.start()
        _LISTENERS.add(self)
        atexit.register(_close, weakref.ref(self))

    def close(self) -> None:
        """Stop listening, and remove the socket.  Once is enough."""
        self._waker.close()  # the thread reads the end, and goes
        if threading.current_thread() is not self._thread:
            self._thread.join(PATIENCE)
        with contextlib.suppress(OSError):  # somebody else may have removed it
            if Path(self.path).stat().st_ino == self._file:
                Path(self.path).unlink()
        _LISTENERS.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<pagebuf.live.Listener {self.path!r}>"

    def _serve(self) -> None:
        with selectors.DefaultSelector() as waiting, self._socket, self._asleep:
            waiting.register(self._socket, selectors.EVENT_READ)
            waiting.register(self._asleep, selectors.EVENT_READ)
            while not any(key.fileobj is self._asleep for key, _ in waiting.select()):
                try:
                    with self._socket.accept()[0] as there:
                        _serve_one(there)
                except OSError:  # who asked has gone, or there is no descriptor left
                    time.sleep(0.1)

    def _forget(self) -> None:
        """In a child after a fork: the socket and the thread are the parent's."""
        for end in (self._socket, self._asleep, self._waker):
            end.close()


def _bound(path: str) -> socket.socket:
    """A socket at a path, for this user alone."""
    _remove_stale(path)
    ours = socket.socket(socket.AF_UNIX)
    try:
        with contextlib.suppress(OSError):
            os.fchmod(ours.fileno(), 0o600)  # Linux makes the file with these rights
        ours.bind(path)
        Path(path).chmod(0o600)
        ours.listen()
    except BaseException as error:
        ours.close()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror or str(error), path) from None
        raise
    return ours


def _remove_stale(path: str) -> None:
    """Remove a socket at which nobody listens any more."""
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            return  # bind() refuses the path
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as there:
        try:
            there.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()


def _serve_one(there: socket.socket) -> None:
    there.settimeout(PATIENCE)
    if not _is_ours(there):
        return
    asked = b""
    while not asked.endswith(b"\n") and len(asked) < MOST:
        part = there.recv(MOST - len(asked))
        if not part:
            return
        asked += part
    from pagebuf._command_line.answer import answer

    there.sendall(answer(asked))


def _is_ours(there: socket.socket) -> bool:
    """Whether this user or root is at the other end.  True where the system does not say."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    said = there.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", said)[1] in {0, os.geteuid()}


def _close(listener: weakref.ref[Listener]) -> None:
    """Before the process ends; not in a child, which has forgotten it."""
    there = listener()
    if there is not None and there in _LISTENERS:
        there.close()


def _forget_all() -> None:
    for listener in list(_LISTENERS):
        listener._forget()
    _LISTENERS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _listen_as_told(path: str) -> None:
    """``PAGEBUF_LISTEN``.  A service starts also where nobody can look into it."""
    try:
        _TOLD.append(listen(path))
    except (OSError, RuntimeError, NotImplementedError) as error:
        warnings.warn(f"PAGEBUF_LISTEN: {error}", RuntimeWarning, stacklevel=2)


_TOLD: list[Listener] = []
