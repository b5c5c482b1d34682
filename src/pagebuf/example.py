"""The example of the reports and pictures: a pool with a buffer of each kind.

``python -m pagebuf`` shows it.  Sizes are in pages, so it looks the same for any page size.

>>> from pagebuf import example
>>> scene = example.build()
>>> scene.pool
<pagebuf.PagePool 'example' held=91 free=164 pages>
>>> list(scene.buffers)
['document', 'draft', 'yesterday', 'backup', 'disk', 'inbox', 'note']
"""

from __future__ import annotations

from typing import NamedTuple

from pagebuf._core import PAGE_SIZE, ByteQueue, BytesIO, PageBuffer
from pagebuf.pool import PagePool

__all__ = ["Scene", "build", "call_it"]


class Scene(NamedTuple):
    """Pools, and the named buffers in them."""

    pools: dict[str, PagePool]
    buffers: dict[str, PageBuffer | BytesIO | ByteQueue]
    keep: object = None  # objects that must live as long: views, the globals of a script
    status: int = 0  # the exit status of a script

    @property
    def pool(self) -> PagePool:
        """The first pool."""
        return next(iter(self.pools.values()))


def build() -> Scene:
    """A document with a snapshot and a view, a sparse disk, a queue, and room left by others.

    The same at each call.  O(1).

    >>> scene = build()
    >>> [len(buf.extents()) for buf in scene.buffers.values() if isinstance(buf, PageBuffer)]
    [1, 2, 1, 1, 4, 1]
    """
    pool = PagePool(debug=0, name="example")  # not PAGEBUF_DEBUG: pictures must not depend on it
    gone = PageBuffer(_bytes(24), pool=pool)
    document, draft = _grown_in_turn(pool)
    yesterday = document.snapshot()
    _edit(document)
    views = [draft.view(4 * PAGE_SIZE, 3 * PAGE_SIZE), draft.view(26 * PAGE_SIZE, 4 * PAGE_SIZE)]
    disk, inbox = _disk(pool), _inbox(pool)
    gone.clear()
    pool.trim()
    _make_room(draft, inbox)
    buffers: dict[str, PageBuffer | BytesIO | ByteQueue] = {
        "document": document,
        "draft": draft,
        "yesterday": yesterday,
        "backup": yesterday.clone(),
        "disk": disk,
        "inbox": inbox,
        "note": PageBuffer(b"milk, eggs", pool=pool),
    }
    for name, buf in buffers.items():
        call_it(buf, name)  # the snapshot and its clone have the name of their source
    return Scene({"example": pool}, buffers, views)


def call_it(buf: PageBuffer | BytesIO | ByteQueue, name: str) -> None:
    """Give a buffer the name that reports show.  O(1)."""
    if isinstance(buf, BytesIO):
        vars(buf)["name"] = name
    else:
        buf.name = name


def _bytes(pages: int, letter: bytes = b".") -> bytes:
    return letter * (pages * PAGE_SIZE)


def _grown_in_turn(pool: PagePool) -> tuple[PageBuffer, PageBuffer]:
    """Two buffers that grew in turn, so that their pages alternate."""
    document, draft = PageBuffer(pool=pool), PageBuffer(pool=pool)
    for _ in range(10):
        document.extend(_bytes(4, b"d"))
        draft.extend(_bytes(3, b"f"))
    return document, draft


def _edit(document: PageBuffer) -> None:
    """Write to six of forty pages.  The others stay shared with the snapshot."""
    document.write(3 * PAGE_SIZE, _bytes(4, b"e"))
    document.write(20 * PAGE_SIZE, b"an edit")
    document.extend(b"the end")


def _disk(pool: PagePool) -> PageBuffer:
    """A buffer with a few blocks, far apart."""
    disk = PageBuffer(pool=pool)
    disk.write(0, _bytes(1, b"b"))
    disk.write(256 * PAGE_SIZE, _bytes(3, b"i"))
    disk.write(300 * PAGE_SIZE, b"a log")
    disk.write(2**20 * PAGE_SIZE, b"the last block")
    return disk


def _inbox(pool: PagePool) -> ByteQueue:
    """A queue of a dozen pages."""
    queue = ByteQueue(pool=pool)
    queue.put(bytearray(_bytes(12, b"q")))  # of bytes, a queue keeps the object
    return queue


def _make_room(draft: PageBuffer, inbox: ByteQueue) -> None:
    """Free pages: punch a hole, cut an end that a view keeps in part, consume half a queue."""
    draft.punch(10 * PAGE_SIZE, 6 * PAGE_SIZE)
    draft.truncate(27 * PAGE_SIZE + PAGE_SIZE // 2)
    inbox.consume(6 * PAGE_SIZE + PAGE_SIZE // 2)
