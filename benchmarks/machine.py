"""Describes where a run took place: machine, versions, commit."""

import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "pagebuf",
    "numpy",
    "pyarrow",
    "picoring",
    "ringbuf",
    "numpy-ringbuffer",
    "dvg-ringbuffer",
    "pyring-buffer",
)


def cpu_model() -> str:
    """The model of the processor, as the kernel names it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.machine()


def memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def huge_pages() -> str:
    """The kernel's policy for huge pages: always, madvise or never."""
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    found = re.search(r"\[(\w+)\]", setting.read_text()) if setting.exists() else None
    return found[1] if found else "unknown"


def _cache(folder: Path) -> str:
    """`L2 512 KiB`; with the processors that share it if there are others."""
    level, kind, size, shared = (
        (folder / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")
    )
    letter = {"Data": "d", "Instruction": "i"}.get(kind, "")
    amount = f"{int(size[:-1]) // 1024} MiB" if int(size[:-1]) >= 1024 else f"{size[:-1]} KiB"
    return f"L{level}{letter} {amount}" + ("" if shared == "0" else f" (processors {shared})")


def caches() -> str:
    """The caches of the first processor, as the kernel sees them."""
    folders = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    try:
        return ", ".join(_cache(folder) for folder in folders) or "unknown"
    except (OSError, ValueError):
        return "unknown"


def interpreter() -> str:
    """`CPython 3.11.7 (GCC 12.2.0)`, and whether it has a GIL."""
    free = not getattr(sys, "_is_gil_enabled", lambda: True)()
    name = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{name}{' without a GIL' if free else ''} ({platform.python_compiler()})"


def slug() -> str:
    """The machine's folder under `results`."""
    words = re.findall(r"[a-z0-9]+", cpu_model().lower())
    return "-".join([*words, str(os.cpu_count()), "cores"])


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def commit() -> str:
    """The commit, with a mark if tracked files other than results differ from it."""
    name = _git("rev-parse", "--short=10", "HEAD")
    if not name:
        return "no-commit"
    changed = _git("status", "--porcelain", "-uno", "--", ".", ":!benchmarks/results")
    return f"{name}-changed" if changed else name


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def about(scale: str, input_bytes: int) -> dict[str, Any]:
    """All of this, for the head of a report."""
    kernel = ".".join(platform.release().split(".")[:2])
    return {
        "machine": slug(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "caches": caches(),
        "memory_bytes": memory_bytes(),
        "system": f"{platform.system()} {kernel}",
        "libc": " ".join(platform.libc_ver()),
        "huge_pages": huge_pages(),
        "python": platform.python_version(),
        "interpreter": interpreter(),
        "free_threaded": not getattr(sys, "_is_gil_enabled", lambda: True)(),
        "compiler": platform.python_compiler(),
        "versions": _versions(),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "scale": scale,
        "input_bytes": input_bytes,
    }
