"""``python -m pagebuf store``: looks into a store, and moves bytes into it and out of it."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pagebuf._command_line.find import Refused
from pagebuf._command_line.store_show import as_json, facts, progress, table, time_text
from pagebuf._core import PAGE_SIZE, PageBuffer
from pagebuf._store import CorruptStoreError, PageStore, _encoded
from pagebuf.pool import PagePool

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from typing import Any, TextIO

    _Command = Callable[[argparse.Namespace, TextIO], None]

PIECE = 1 << 20
"""Bytes that are read or written at a time."""

DAMAGED = 1
"""The status where a store is damaged; 2 where it does not do what it was asked to."""


# ---- what there is ----


def _ls(options: argparse.Namespace, out: TextIO) -> None:
    """List the names, and how many bytes each has.  Reads no buffer."""
    with PageStore(options.file, "r") as store:
        found = list(store._sizes())
    if options.json:
        as_json(out, [{"name": name, "bytes": size} for name, size in found])
    else:
        table(out, ("BYTES", "NAME"), [(size, name) for name, size in found])


def _snapshots(options: argparse.Namespace, out: TextIO) -> None:
    """List the snapshots, and how many pages go with each."""
    with PageStore(options.file, "r") as store:
        found = store.snapshots(pages=True)
    if options.json:
        as_json(out, [{"name": name, **stats._asdict()} for name, stats in found.items()])
        return
    rows = [
        (stats.commit, time_text(stats.time), stats.names, stats.pages or 0, name)
        for name, stats in found.items()
    ]
    table(out, ("COMMIT", "TIME", "NAMES", "PAGES", "NAME"), rows)


def _stats(options: argparse.Namespace, out: TextIO) -> None:
    with PageStore(options.file, "r") as store:
        stats = store.stats()._asdict()
    found = {"path": options.file, "page_size": PAGE_SIZE, **stats}
    (as_json if options.json else facts)(out, found)


def _verify(options: argparse.Namespace, out: TextIO) -> None:
    """Read everything.  A damaged store is an exception, which `obey` reports."""
    with PageStore(options.file, "r") as store:
        stats = store.stats()
        with _watched(store, "verify", stats.held):
            store.verify()
    if options.json:
        as_json(out, {"path": options.file, "whole": True, "commit": stats.commit})
    else:
        print(f"{options.file}: whole, commit {stats.commit}, {stats.held} pages", file=out)


# ---- out of the store ----


def _cat(options: argparse.Namespace, out: TextIO) -> None:
    """Write the bytes of names to the standard output, as they are."""
    out.flush()
    with PageStore(options.file, "r") as store:
        for name in options.names:
            _write_out(_named(store, name), out.buffer, name)


def _get(options: argparse.Namespace, out: TextIO) -> None:
    """Write a buffer to a file, which is there when all of it is."""
    with PageStore(options.file, "r") as store, _whole_file(options.target) as file:
        buf = _named(store, options.name)
        _write_out(buf, file, options.name)
    if options.json:
        as_json(out, {"name": options.name, "bytes": len(buf), "path": options.target})


def _write_out(buf: PageBuffer, file: BinaryIO, name: str) -> None:
    with progress(name, len(buf)) as told:
        for at in range(0, len(buf), PIECE):
            told(file.write(buf.read(at, PIECE)))
        file.flush()


@contextlib.contextmanager
def _whole_file(path: str) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` at the end, if nothing was raised."""
    part = Path(f"{path}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _compact(options: argparse.Namespace, out: TextIO) -> None:
    """Write a dense copy."""
    with PageStore(options.file, "r") as store:
        with progress("compact", 2 * store.stats().held * PAGE_SIZE) as told:
            store._compact(options.target, told)
        before = store.stats().pages
    with PageStore(options.target, "r") as store:
        after = store.stats().pages
    if options.json:
        as_json(out, {"path": options.target, "pages": after, "pages_before": before})
    else:
        print(f"{options.target}: {after} pages, where there were {before}", file=out)


# ---- into the store ----


def _put(options: argparse.Namespace, out: TextIO) -> None:
    """Read a file, or the standard input, to a name, and commit."""
    _encoded(options.name)  # a name that cannot be makes no store
    pool = PagePool(name="store")
    made = PageBuffer(pool=pool)
    with _source(options.source) as (file, size), progress(options.name, size) as told:
        while piece := file.read(PIECE):
            made.extend(piece)
            told(len(piece))
    with PageStore(options.file, "c", pool=pool) as store:
        store[options.name] = made
        commit = store.commit()
    if options.json:
        as_json(out, {"name": options.name, "bytes": len(made), "commit": commit})


@contextlib.contextmanager
def _source(path: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """What to read, and how many bytes that are, where it is known."""
    if path == "-":
        yield sys.stdin.buffer, None
        return
    with Path(path).open("rb") as file:
        yield file, os.fstat(file.fileno()).st_size or None


def _rm(options: argparse.Namespace, out: TextIO) -> None:
    """Remove names, all of them or none, and commit."""
    names = list(dict.fromkeys(options.names))
    with PageStore(options.file, "r+") as store:
        with store.transaction():
            for name in names:
                _check_there(store, name)
                del store[name]
        commit = store.commit()
    if options.json:
        as_json(out, {"removed": names, "commit": commit})


# ---- what they share ----


def _check_there(store: PageStore, name: str) -> None:
    if name not in store:
        raise Refused(f"{store.path} has no {name!r}")


def _named(store: PageStore, name: str) -> PageBuffer:
    _check_there(store, name)
    return store[name]


@contextlib.contextmanager
def _watched(store: PageStore, what: str, pages: int) -> Iterator[None]:
    """Show how many of the file's pages a call has read."""
    with progress(what, pages * PAGE_SIZE) as told:
        store._file.told = told
        try:
            yield
        finally:
            store._file.told = None


# ---- the commands ----

COMMANDS: dict[str, tuple[_Command, str]] = {
    "ls": (_ls, "names, and how many bytes each has"),
    "cat": (_cat, "the bytes of names, to the standard output"),
    "get": (_get, "the bytes of a name, to a file"),
    "put": (_put, "the bytes of a file, or of the standard input, to a name"),
    "rm": (_rm, "remove names"),
    "snapshots": (_snapshots, "snapshots, and how many pages go with each"),
    "stats": (_stats, "figures of the last commit"),
    "verify": (_verify, "read everything, and compare it with its checksums"),
    "compact": (_compact, "a copy without free pages"),
}
"""Each has FILE, and what `_ARGUMENTS` says."""

_ARGUMENTS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "cat": [("names", {"metavar": "NAME", "nargs": "+"})],
    "get": [("name", {"metavar": "NAME"}), ("target", {"metavar": "TARGET"})],
    "put": [
        ("name", {"metavar": "NAME"}),
        ("source", {"metavar": "SOURCE", "nargs": "?", "default": "-", "help": "-: from stdin"}),
    ],
    "rm": [("names", {"metavar": "NAME", "nargs": "+"})],
    "compact": [("target", {"metavar": "TARGET"})],
}


def add_to(commands: Any) -> None:
    """Add ``store`` and its commands to a parser's."""
    store = commands.add_parser("store", help="look into a PageStore, and change it")
    each = store.add_subparsers(dest="store_command", required=True)
    for name, (_, says) in COMMANDS.items():
        parser = each.add_parser(name, help=says, description=says)
        parser.add_argument("file", metavar="FILE", help="the store")
        for argument, settings in _ARGUMENTS.get(name, ()):
            parser.add_argument(argument, **settings)
        if name != "cat":
            parser.add_argument("--json", action="store_true", help="say it as a line of JSON")


def obey(options: argparse.Namespace, out: TextIO) -> int:
    """Run the command; return the exit status.  Raises Refused."""
    command, _ = COMMANDS[options.store_command]
    try:
        command(options, out)
    except CorruptStoreError as error:
        return _damaged(error, options, out)
    except BrokenPipeError:  # who reads has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return 2
    except (OSError, ValueError, MemoryError) as error:
        raise Refused(_reason(error)) from error
    return 0


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return str(error)


def _damaged(error: CorruptStoreError, options: argparse.Namespace, out: TextIO) -> int:
    if getattr(options, "json", False):
        told = {"path": options.file, "whole": False, "rule": error.rule, "page": error.page}
        as_json(out, told)
    print(f"pagebuf: {_reason(error)}", file=sys.stderr)
    return DAMAGED
