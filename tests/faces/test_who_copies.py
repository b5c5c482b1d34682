"""The table of docs/who-copies.md, call by call."""

from __future__ import annotations

import hashlib
import os
import pathlib
import pickle
import re
import shutil
import socket
import struct
import tempfile
import tracemalloc
import zlib

import pytest

from pagebuf import PAGE_SIZE, PageBuffer, PagePool

numpy = pytest.importorskip("numpy", reason="numpy is not installed: rows of the table need it")

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "who-copies.md"
ROW = re.compile(r"^\| `(.+)` \| (\d) \| (\d) \| (\d) \|$", re.MULTILINE)
ROWS = [(code, *map(int, counts)) for code, *counts in ROW.findall(DOCUMENT.read_text("utf-8"))]
MODULES = {one.__name__: one for one in (hashlib, numpy, os, pickle, re, shutil, struct, zlib)}
PAGES = 600  # so that two pieces of 256 KiB, as copyfileobj has them from 3.14 on, are little of it
WHOLE = PAGES * PAGE_SIZE
SMALL = WHOLE // 4  # views and the like: 840 bytes a page were seen


def two_buffers(*, scattered):
    """A buffer of zeros, and one that differs; either in one run each, or grown in turn."""
    pool = PagePool(debug=0)
    buf, other = PageBuffer(pool=pool), PageBuffer(pool=pool)
    for _ in range(PAGES if scattered else 1):
        buf.extend(bytes(PAGE_SIZE if scattered else WHOLE))
        other.extend(b"1" * (PAGE_SIZE if scattered else WHOLE))
    return buf, other


def copies(code, names):
    """How many times the whole is held beyond what was there, at the worst moment of a call."""
    tracemalloc.start()
    try:
        eval(code, names)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    rest = peak % WHOLE
    assert min(rest, WHOLE - rest) < SMALL
    return round(peak / WHOLE)


@pytest.mark.parametrize(("code", "one", "many", "again"), ROWS, ids=[row[0] for row in ROWS])
def test_the_row_says_how_often(code, one, many, again):
    for scattered, counts in (False, (one,)), (True, (many, again)):
        buf, other = two_buffers(scattered=scattered)
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        with ours, theirs, tempfile.TemporaryFile() as file:
            ours.settimeout(0)
            names = {**MODULES, "buf": buf, "other": other, "ours": ours, "file": file}
            names |= {"fd": file.fileno(), "parts": []}
            for count in counts:
                assert copies(code, names) == count
                drain(theirs)


def drain(sock):
    """Read what is there, so that the next call finds room."""
    sock.setblocking(False)
    try:
        while sock.recv(1 << 20):
            pass
    except BlockingIOError:
        pass


def test_the_table_is_read():
    assert len(ROWS) > 30
