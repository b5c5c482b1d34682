"""Installs the packages of the comparison; leaves out a peer that does not build, and says so.

`make compare` runs it inside .venv.  It installs the extra `compare` in one go, or package by
package if that fails.  It always installs the dependency group `peers` package by package.
"""

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
# Without these there is no comparison at all.
NEEDED = {"matplotlib", "numpy", "rich"}


def name_of(requirement: str) -> str:
    """`numpy>=1.26` -> `numpy`."""
    return next(word for word in requirement.replace("<", ">").split(">") if word).strip(" =~!")


def install(requirements: list[str], log: Path) -> bool:
    """Install with pip, with its output in `log`; return whether all succeeded."""
    with log.open("w") as sink:
        return not subprocess.call([*PIP, *requirements], stdout=sink, stderr=sink)


def install_each(requirements: list[str], logs: Path) -> list[str]:
    """Install one by one; return the names of those that failed."""
    missing = []
    for requirement in requirements:
        name = name_of(requirement)
        if not install([requirement], logs / f"{name}.log"):
            print(f"   {name}: not built here, left out (build/peers/{name}.log says why)")
            missing.append(name)
    return missing


def report(requirements: list[str]) -> None:
    for name in sorted(map(name_of, requirements)):
        try:
            print(f"   {name} {version(name)}")
        except PackageNotFoundError:
            continue


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    common = project["project"]["optional-dependencies"]["compare"]
    difficult = project["dependency-groups"]["peers"]
    logs = ROOT / "build" / "peers"
    logs.mkdir(parents=True, exist_ok=True)
    missing = [] if install(common, logs / "compare.log") else install_each(common, logs)
    missing += install_each(difficult, logs)
    report(common + difficult)
    if lacking := NEEDED.intersection(missing):
        print(f"   the comparison needs {', '.join(sorted(lacking))}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
