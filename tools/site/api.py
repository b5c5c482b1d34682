"""The API pages of the site: a meaning, a signature and an anchor for each public name.

Signatures come from the stubs and sources, so they have types; meanings from the docstrings of the
built package.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pagebuf
from pagebuf import aio, dask, delta, fsspec, live, picture

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "pagebuf"

# What lies in a page of names, for a named tuple of C.
COUNTS = {"n_fields", "n_sequence_fields", "n_unnamed_fields"}


class Page(NamedTuple):
    """A page: its file, its title, what it is about, and its names."""

    path: str
    title: str
    about: str
    module: ModuleType
    names: tuple[str, ...]


PAGES = (
    Page(
        "reference/pagebuffer.md",
        "PageBuffer",
        "Storage without a cursor.",
        pagebuf,
        ("PageBuffer",),
    ),
    Page(
        "reference/bytequeue.md",
        "ByteQueue, pipe",
        "First in, first out.",
        pagebuf,
        ("ByteQueue", "pipe"),
    ),
    Page(
        "reference/files.md",
        "PageFile, BytesIO, SpooledTemporaryFile",
        "Files in memory.",
        pagebuf,
        ("PageFile", "BytesIO", "SpooledTemporaryFile"),
    ),
    Page(
        "reference/pools.md",
        "PagePool, top",
        "Where the pages come from, and who has them.",
        pagebuf,
        ("PagePool", "default_pool", "top", "is_valid", "region_of"),
    ),
    Page(
        "reference/aio.md",
        "pagebuf.aio",
        "asyncio's streams over a `ByteQueue`.",
        aio,
        tuple(name for name in aio.__all__ if not name.startswith("Stream")),
    ),
    Page(
        "reference/store.md",
        "PageStore",
        "Named buffers in a file.",
        pagebuf,
        ("PageStore", "StoreSnapshot"),
    ),
    Page("reference/delta.md", "Delta", "What changed, packed.", delta, ("Delta",)),
    Page(
        "reference/live.md",
        "pagebuf.live",
        "Look into a process that runs.",
        live,
        tuple(live.__all__),
    ),
    Page(
        "reference/fsspec.md",
        "pagebuf.fsspec",
        "Remote files by pages, and a store as a file system.",
        fsspec,
        tuple(fsspec.__all__),
    ),
    Page(
        "reference/dask.md",
        "pagebuf.dask",
        "Buffers in Dask.",
        dask,
        tuple(dask.__all__),
    ),
    Page("reference/picture.md", "pagebuf.picture", "Pictures.", picture, tuple(picture.__all__)),
    Page(
        "reference/reports.md",
        "Reports, errors, constants",
        "What is returned, raised, and fixed.",
        pagebuf,
        (
            *("PoolStats", "BufferStats", "StoreStats", "SnapshotStats", "Usage", "Region"),
            *("Walk", "WalkStep"),
            *("PoolLimitError", "CapacityError", "CorruptionError", "DeltaError"),
            *("StoreError", "LockedError", "ForkError", "CorruptStoreError"),
            *("PAGE_SIZE", "FANOUT", "MAX_LEVELS", "INLINE_SIZE", "SEEK_DATA", "SEEK_HOLE"),
        ),
    ),
)

CONSTANTS = {
    "PAGE_SIZE": "Bytes of a page.",
    "FANOUT": "Entries of a node of the tree.",
    "MAX_LEVELS": "The most levels of a tree.",
    "INLINE_SIZE": "Bytes that lie in the object itself, without a page.",
    "SEEK_DATA": "For `seek`: the next byte that is in no hole.",
    "SEEK_HOLE": "For `seek`: the next byte that is in a hole, or the end.",
}
FORMATS = "The endings that `save` knows."

# Of names whose docstring is elsewhere, or that have none.
ELSEWHERE = {
    "QueueReader": "As in `asyncio.StreamReader`.",
    "QueueWriter": "As in `asyncio.StreamWriter`.",
    "SpooledTemporaryFile": "As in `tempfile.SpooledTemporaryFile`.",
    "PageCache.name": "What `cache_type` names.",
    "StoreFileSystem.cachable": "fsspec keeps none of them alive.",
    "StoreFileSystem.protocol": "What a URL begins with.",
    "StoreFileSystem.root_marker": "The path of the root.",
    "StoreFileSystem.transaction_type": "What `transaction` is: it ends in one commit.",
    "Delta.base_hash": "What the base is known by, checked when the delta is applied.",
    "Delta.base_size": "The length of the base, in bytes.",
    "Delta.ranges": "Offset and size of each range that changed.",
    "Delta.size": "The length of the buffer that it makes, in bytes.",
    "CorruptStoreError.page": "The page of the file, by number; 0 where it is about no single one.",
    "CorruptStoreError.rule": "The rule that is broken, in words.",
    "CorruptionError.frame": "The number of the page, or None.",
    "CorruptionError.offset": "The offset of the byte, in its owner, or None.",
    "CorruptionError.owner": "The buffer that has the page, else who freed it, or None.",
}


# ---- signatures ----


def signatures() -> dict[str, list[str]]:
    """ "Class.method" or "function" -> its signatures, as the stubs and sources write them."""
    found: dict[str, list[str]] = {}
    for path in [SOURCES / "_core.pyi", *SOURCES.glob("*.py"), *SOURCES.glob("*/*.py")]:
        for node in ast.parse(path.read_text("utf-8")).body:
            _collect(node, "", found)
    return found


def _collect(node: ast.stmt, prefix: str, found: dict[str, list[str]]) -> None:
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            _collect(inner, f"{node.name}.", found)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        found.setdefault(prefix + node.name, []).append(_signature(node, method=bool(prefix)))


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool) -> str:
    args = node.args
    plain = [*args.posonlyargs, *args.args]
    if method and plain:
        (args.posonlyargs or args.args).pop(0)
    text = ast.unparse(args).removeprefix("/, ")
    text = re.sub(r"\bSupportsIndex\b", "int", text)
    text = re.sub(r"(: [^,=]+?)=", r"\1 = ", text)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({text}){returns}"


# ---- meanings ----


def meaning(name: str, thing: object) -> str:
    """The docstring of a thing, cleaned, or what ELSEWHERE says of its name or class."""
    text = inspect.getdoc(thing) or ""
    if not text or text in {inspect.getdoc(object), inspect.getdoc(type(thing))}:
        return ELSEWHERE.get(name) or ELSEWHERE.get(name.split(".")[0], "")
    return text


def first_sentence(text: str) -> str:
    """What a table shows of a docstring."""
    paragraph = text.split("\n\n")[0].replace("\n", " ")
    found = re.match(r"(.+?[.:])(?:\s|$)", paragraph)
    return markdown_line(found[1] if found else paragraph).rstrip(":").replace("|", "\\|")


def markdown_line(text: str) -> str:
    return text.replace("``", "`")


def markdown(text: str) -> Iterator[str]:
    """A docstring as Markdown: examples as code, `Args:` as a list."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        if lines[at].lstrip().startswith(">>> "):
            end = next((i for i in range(at, len(lines)) if not lines[i].strip()), len(lines))
            yield from ["", "```pycon", *(line.strip("\n") for line in lines[at:end]), "```", ""]
            at = end
        elif (
            re.fullmatch(r"\w+:", lines[at])
            and at + 1 < len(lines)
            and lines[at + 1].startswith("    ")
        ):
            yield from ["", f"**{lines[at][:-1]}**", ""]
            at += 1
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                if not lines[at].strip():
                    break
                item = lines[at].startswith("    ") and not lines[at].startswith("     ")
                yield ("- " if item else "  ") + markdown_line(lines[at].strip())
                at += 1
        else:
            yield markdown_line(lines[at])
            at += 1


# ---- pages ----


def members(cls: type) -> list[str]:
    """The public names of a class, in the order of the stub where it has one."""
    names = [name for name in dir(cls) if not name.startswith("_")]
    if issubclass(cls, BaseException):
        names = [name for name in names if not hasattr(OSError, name)]
    elif issubclass(cls, fsspec.StoreFileSystem):  # fsspec says what the others do
        names = [name for name in names if name in vars(cls)]
    elif issubclass(cls, tuple):
        names = [name for name in names if not hasattr(tuple, name) or name in _fields(cls)]
        names = [
            name
            for name in names
            if name not in {"n_fields", "n_sequence_fields", "n_unnamed_fields"}
        ]
    return names


def _fields(cls: type) -> tuple[str, ...]:
    return getattr(cls, "__match_args__", ())


def render(page: Page, known: dict[str, list[str]]) -> str:
    lines = [f"# {page.title}", "", page.about, ""]
    for name in page.names:
        thing = getattr(page.module, name)
        if inspect.isclass(thing):
            lines += _class(name, thing, known)
        else:
            lines += _single(name, thing, known)
    return "\n".join(lines) + "\n"


def _single(name: str, thing: object, known: dict[str, list[str]]) -> Iterator[str]:
    yield from [f"## `{name}` {{ #{name} }}", ""]
    if callable(thing):
        yield from _code(name, known.get(name, []))
        yield from markdown(meaning(name, thing))
    elif name in CONSTANTS:
        yield f"`{thing!r}`. {CONSTANTS[name]}"
    else:
        yield f"`{thing!r}`. {FORMATS}"
    yield ""


def _code(name: str, shown: list[str]) -> Iterator[str]:
    if shown:
        yield from ["```python", *(f"{name}{text}" for text in shown), "```", ""]


def _class(name: str, cls: type, known: dict[str, list[str]]) -> Iterator[str]:
    yield from [f"## `{name}` {{ #{name} }}", ""]
    yield from _code(name, [text.split(" -> ")[0] for text in known.get(f"{name}.__init__", [])])
    yield from markdown(meaning(name, cls))
    yield ""
    names = members(cls)
    if names:
        yield from ["| name | |", "|---|---|"]
        for member in names:
            text = first_sentence(meaning(f"{name}.{member}", getattr(cls, member, None)))
            yield f"| [`{member}`](#{name}.{member}) | {text} |"
        yield ""
    for member in names:
        yield from _member(name, cls, member, known)


def _member(name: str, cls: type, member: str, known: dict[str, list[str]]) -> Iterator[str]:
    thing: Any = getattr(cls, member, None)
    yield from [f"### `{name}.{member}` {{ #{name}.{member} }}", ""]
    if callable(thing):
        for base in cls.__mro__:
            if shown := known.get(f"{base.__name__}.{member}"):
                yield from _code(member, shown)
                break
    yield from markdown(meaning(f"{name}.{member}", thing))
    yield ""


def pages() -> dict[str, str]:
    """Path -> text of each page."""
    known = signatures()
    return {page.path: render(page, known) for page in PAGES}


def names() -> Iterator[tuple[str, object]]:
    """Each public name with a heading of its own, and what it names."""
    for page in PAGES:
        for name in page.names:
            thing = getattr(page.module, name)
            yield name, thing
            if inspect.isclass(thing):
                for member in members(thing):
                    yield f"{name}.{member}", getattr(thing, member, None)
