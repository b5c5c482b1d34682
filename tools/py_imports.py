"""Reads from the source which module of a package imports which, and finds circles.

An import below `if TYPE_CHECKING` does not count; one in a function does.  Only what a file says
counts: Python also imports the package of a module, but that does not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.circles import circles

ALLOWED: dict[tuple[str, str], str] = {
    ("pagebuf.live", "pagebuf._command_line.answer"): "who listens imports no command until asked",
}
"""Imports in functions that may be part of a circle, each with the reason."""


def import_circles(
    src: Path, package: str, allowed: Mapping[tuple[str, str], str] = ALLOWED
) -> list[str]:
    """The circles among a package's modules, one line for each."""
    uses = {
        module: [used for used in found if (module, used) not in allowed]
        for module, found in imports(src, package).items()
    }
    return [f"a circle of imports: {' '.join(circle)}" for circle in circles(uses)]


def imports(src: Path, package: str) -> dict[str, set[str]]:
    """For each module of a package, the modules of the package that it imports."""
    files = {_module(path.relative_to(src)): path for path in (src / package).rglob("*.py")}
    return {
        module: set(_imported(ast.parse(path.read_text("utf-8")), files))
        for module, path in files.items()
    }


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(node: ast.AST, modules: Mapping[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules)
    elif isinstance(node, ast.ImportFrom):
        yield from _from(node, modules)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.orelse:
            yield from _imported(child, modules)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imported(child, modules)


def _from(node: ast.ImportFrom, modules: Mapping[str, Path]) -> Iterator[str]:
    """The modules of `from package import name`: the module of that name, or else the package."""
    if node.level:
        raise ValueError(f"line {node.lineno}: a relative import")
    for alias in node.names:
        for module in (f"{node.module}.{alias.name}", node.module):
            if module in modules:
                yield module
                break
