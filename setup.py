"""Builds the extension; everything else is in pyproject.toml.

PAGEBUF_PAGE_SHIFT  log2 of the page size: 12 (default), or 6 and 4 for the tests' tiny pages
PAGEBUF_PORTABLE    1: without what only Linux has, for the test of the plain ways
PAGEBUF_CFLAGS      further compiler flags; a -fsanitize= flag also reaches the linker
"""

import os
import shlex
import sysconfig
from multiprocessing.pool import ThreadPool
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CFLAGS = [
    "-std=c11",
    "-O3",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wno-missing-field-initializers",  # PyMethodDef and PyType_Slot rows end early by custom
    "-Wno-unused-parameter",  # CPython fixes the signatures
]


def files(pattern: str) -> list[str]:
    return sorted(str(path) for path in Path("ext").glob(pattern))


def extension() -> Extension:
    macros = []
    if shift := os.environ.get("PAGEBUF_PAGE_SHIFT"):
        macros.append(("PB_PAGE_SHIFT", shift))
    if os.environ.get("PAGEBUF_PORTABLE", "0") != "0":
        macros.append(("PB_PORTABLE", "1"))
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        macros.append(("PB_LOCKS", "1"))  # the core does not include Python.h, which would tell
    extra = shlex.split(os.environ.get("PAGEBUF_CFLAGS", ""))
    return Extension(
        "pagebuf._core",
        sources=files("*/*/*.c"),
        depends=files("*/*/*.h"),
        include_dirs=["ext/core", "ext/binding"],
        define_macros=macros,
        extra_compile_args=CFLAGS + extra,
        extra_link_args=[flag for flag in extra if flag.startswith("-fsanitize")],
    )


class BuildInParallel(build_ext):
    """Compiles as many files at a time as there are processors."""

    def build_extensions(self) -> None:
        compile_files = self.compiler.compile

        def compile_in_parallel(sources, **options):
            with ThreadPool() as threads:
                objects = threads.map(lambda one: compile_files([one], **options), sources, 1)
            return [path for paths in objects for path in paths]

        self.compiler.compile = compile_in_parallel
        super().build_extensions()


setup(ext_modules=[extension()], cmdclass={"build_ext": BuildInParallel})
