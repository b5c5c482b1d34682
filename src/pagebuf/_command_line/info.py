"""``python -m pagebuf info``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from typing import TYPE_CHECKING

import pagebuf
from pagebuf._core import _BUILD_FLAGS
from pagebuf._extras import reach
from pagebuf._text import count_text, size_text
from pagebuf.pool import KEEP, KEEP_MOST, PagePool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

COLUMN = 14


def info(out: TextIO) -> None:
    """Print what this build is, and which optional packages are installed."""
    print(f"pagebuf {pagebuf.__version__}", file=out)
    for name, lines in _facts():
        for line in lines:
            print(f"{name:{COLUMN}}{line}", file=out)
            name = ""


def _facts() -> Iterator[tuple[str, list[str]]]:
    shift = pagebuf.PAGE_SIZE.bit_length() - 1
    yield "page", [f"{size_text(pagebuf.PAGE_SIZE)}, shift {shift}"]
    yield "node", [f"{count_text(pagebuf.FANOUT, 'entry', 'entries')}; the root has 4"]
    yield "levels", _reaches()
    yield "inline", [f"up to {count_text(pagebuf.INLINE_SIZE, 'byte')} in the object, no page"]
    yield "default pool", _pool_defaults()
    yield "build", [", ".join(f"{name} {_on(flag)}" for name, flag in _BUILD_FLAGS.items())]
    yield "python", [f"{platform.python_implementation()} {platform.python_version()}"]
    yield "platform", [f"{platform.system()} {platform.machine()}"]
    yield "numpy", [_version_of("numpy")]
    yield "matplotlib", [_version_of("matplotlib")]


def _on(flag: bool) -> str:
    return "on" if flag else "off"


def _reaches() -> list[str]:
    levels = range(1, pagebuf.MAX_LEVELS + 1)
    lines = [f"{level:<3}{size_text(reach(level))}" for level in levels]
    return lines if len(lines) <= 8 else [*lines[:4], "...", lines[-1]]


def _pool_defaults() -> list[str]:
    pool = PagePool()
    first = pool._next_region()
    return [
        "no limit",
        f"keep {size_text(KEEP)}, up to {size_text(KEEP_MOST)} as freed pages are used again",
        f"debug level {pool.debug}",
        f"first region {size_text(first * pagebuf.PAGE_SIZE)}, then as much as there is",
        f"zero when fresh {_on(PagePool._fresh_zero)}",
        f"zero after trim() {_on(PagePool._discard_zeroes)}",
    ]


def _version_of(package: str) -> str:
    if importlib.util.find_spec(package) is None:
        return "not installed"
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "there"
