"""Counts which folder of `ext` uses which, and finds each arrow that points up.

The folders have an order, and each may use those before it.  `python -m tools.arrows` prints how
often each folder uses each other one, how many files it has, and what breaks the rules.  If
something does, its status is 1.

An arrow is a use of a name outside the folder that defines it; `tools/c_names.py` says what a name
is.  A prototype counts as a use of its function.  So it also points up if the function is defined
in a later folder.  If a file defines a name, it uses its own.  Otherwise the name comes from one
folder only, because no two folders may define the same name.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tools.c_names import Include, Name, Names, read
from tools.c_tokens import UnreadableError
from tools.circles import circles
from tools.py_imports import import_circles

ROOT = Path(__file__).resolve().parent.parent
LAYERS = {
    "core": "base pool zone tree view buffer spill range queue directory crc store inspect",
    "binding": "base pool lock transfer view zone file queue buffer store module",
}
"""Each layer and its folders, in order.  Some folders may not exist yet."""
MOST_FILES = 15
OF_PYTHON = re.compile(r"_?Py[A-Z_]|PY_|Python\.h$|structmember\.h$")


class Folder(NamedTuple):
    """A folder of a layer."""

    layer: str
    name: str

    def __str__(self) -> str:
        return f"{self.layer}/{self.name}"


ORDER = [Folder(layer, name) for layer, names in LAYERS.items() for name in names.split()]
RANK = {folder: rank for rank, folder in enumerate(ORDER)}


def folder_of(path: Path) -> Folder:
    """The folder of a path like `core/pool/pool.h`."""
    return Folder(*path.parts[:2])


class Arrow(NamedTuple):
    """A name that a file uses, and a file of another folder that defines it."""

    path: Path
    name: Name
    home: Path

    @property
    def points_up(self) -> bool:
        return RANK[folder_of(self.path)] < RANK[folder_of(self.home)]

    def __str__(self) -> str:
        what = "" if self.name.kind == "use" else f" ({self.name.kind})"
        return f"{self.path}:{self.name.line} {self.name.text}{what} -> {self.home}"


@dataclass
class Tree:
    """The C files below a directory, by path from there."""

    files: dict[Path, Names] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """Files that could not be read, or that are in no folder of the order."""

    def homes(self) -> dict[str, list[Path]]:
        """The files that define each name that is not local."""
        homes = defaultdict(list)
        for path, names in self.files.items():
            for name in names.defined:
                if not name.is_local:
                    homes[name.text].append(path)
        return homes

    def arrows(self) -> Iterator[Arrow]:
        """Every use of a name of another folder."""
        homes = self.homes()
        for path, names in self.files.items():
            own = {name.text for name in names.defined}
            for name in names.used:
                if name.text in homes and name.text not in own:
                    home = homes[name.text][0]
                    if folder_of(home) != folder_of(path):
                        yield Arrow(path, name, home)


def load(ext: Path) -> Tree:
    """Read each C file below `ext`."""
    tree = Tree()
    paths = {file.relative_to(ext) for file in ext.rglob("*.[ch]")}
    placed = {path for path in paths if len(path.parts) == 3 and folder_of(path) in RANK}
    for path in sorted(placed, key=lambda path: (RANK[folder_of(path)], path)):
        try:
            tree.files[path] = read((ext / path).read_text("utf-8"), path.suffix == ".h")
        except UnreadableError as error:
            tree.faults.append(f"{path}: {error}")
    tree.faults += [f"{path} lies in no folder of the order" for path in sorted(paths - placed)]
    return tree


# ---- what is wrong ----


def faults(tree: Tree) -> list[str]:
    """Everything that breaks a rule, one line for each."""
    arrows = list(tree.arrows())
    return [
        *tree.faults,
        *(f"points up: {arrow}" for arrow in arrows if arrow.points_up),
        *_circles(arrows),
        *_crowds(tree),
        *_names_of_two_folders(tree),
        *_paths_of_two_layers(tree),
        *_include_faults(tree),
        *_python_in_the_core(tree),
    ]


def _circles(arrows: Iterable[Arrow]) -> Iterator[str]:
    uses = defaultdict(set)
    for arrow in arrows:
        uses[str(folder_of(arrow.path))].add(str(folder_of(arrow.home)))
    for circle in circles(uses):
        yield f"a circle of folders: {' '.join(circle)}"


def _crowds(tree: Tree) -> Iterator[str]:
    for folder, count in _files_of(tree).items():
        if count > MOST_FILES:
            yield f"{folder} has {count} files; {MOST_FILES} are the most"


def _files_of(tree: Tree) -> Counter[Folder]:
    return Counter(folder_of(path) for path in tree.files)


def _names_of_two_folders(tree: Tree) -> Iterator[str]:
    for name, paths in tree.homes().items():
        folders = dict.fromkeys(folder_of(path) for path in paths)
        if len(folders) > 1:
            yield f"{name} is defined in {' and in '.join(map(str, folders))}"


def _paths_of_two_layers(tree: Tree) -> Iterator[str]:
    """Paths that exist in both layers: an include would take the first that the compiler finds."""
    layers = Counter(Path(*path.parts[1:]) for path in tree.files if path.suffix == ".h")
    for path, count in layers.items():
        if count > 1:
            yield f"{path} exists in each layer: an include cannot say which"


def _include_faults(tree: Tree) -> Iterator[str]:
    for path, names in tree.files.items():
        for include in names.includes:
            if not include.is_system and (wrong := _wrong_with(tree, path, include)):
                yield f"{path}:{include.line} includes {include.path}, which {wrong}"


def _wrong_with(tree: Tree, path: Path, include: Include) -> str | None:
    if include.path.count("/") != 1 or "." in include.path.split("/")[0]:
        return "does not name its folder"
    layers = [layer for layer in LAYERS if Path(layer, include.path) in tree.files]
    if not layers:
        return "does not exist"
    if path.parts[0] == "core" and "core" not in layers:
        return "the binding has, not the core"
    if RANK[folder_of(path)] < RANK[folder_of(Path(layers[0], include.path))]:
        return "points up"
    return None


def _python_in_the_core(tree: Tree) -> Iterator[str]:
    for path, names in tree.files.items():
        words = [(include.path, include.line) for include in names.includes]
        words += [(name.text, name.line) for name in [*names.defined, *names.used]]
        for word, line in words:
            if path.parts[0] == "core" and OF_PYTHON.match(word):
                yield f"{path}:{line} {word}: the core does without Python"


# ---- the table ----


def table(tree: Tree) -> str:
    """A table: how often each folder uses each other one, and how many files it has."""
    uses = Counter((folder_of(arrow.path), folder_of(arrow.home)) for arrow in tree.arrows())
    files = _files_of(tree)
    blocks = []
    for layer in LAYERS:
        for used in LAYERS:
            rows = [folder for folder in ORDER if folder.layer == layer and folder in files]
            columns = [folder for folder in ORDER if folder.layer == used and folder in files]
            if (layer, used) != ("core", "binding") and rows:
                blocks.append(_block(f"{layer} uses {used}", rows, columns, uses, files))
    return "\n\n".join(blocks)


def _block(
    title: str,
    rows: list[Folder],
    columns: list[Folder],
    uses: Counter[tuple[Folder, Folder]],
    files: Counter[Folder],
) -> str:
    head = [title, "files", *(column.name for column in columns)]
    lines = [head]
    for row in rows:
        cells = ["-" if row == column else str(uses[row, column] or "") for column in columns]
        lines.append([row.name, str(files[row]), *cells])
    return "\n".join(_line(line) for line in lines)


def _line(cells: list[str]) -> str:
    return (f"{cells[0]:<24}" + "".join(f"{cell:>9}" for cell in cells[1:])).rstrip()


def main() -> int:
    """Print the table and what is wrong; return the exit status."""
    tree = load(ROOT / "ext")
    wrong = faults(tree) + import_circles(ROOT / "src", "pagebuf")
    print(table(tree))
    for fault in wrong:
        print(fault)
    print(f"{len(wrong)} things are wrong" if wrong else "nothing points up")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
