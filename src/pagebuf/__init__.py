"""pagebuf: a growable byte buffer kept in pages.

>>> import pagebuf
>>> buf = pagebuf.PageBuffer(b"hello")
>>> buf.extend(b" world")
>>> buf.read(6, 5)
b'world'
"""

import os
from collections.abc import MutableSequence

from pagebuf._core import (
    FANOUT,
    INLINE_SIZE,
    MAX_LEVELS,
    PAGE_SIZE,
    SEEK_DATA,
    SEEK_HOLE,
    BufferStats,
    ByteQueue,
    BytesIO,
    CapacityError,
    CorruptionError,
    PageBuffer,
    PageFile,
    PoolLimitError,
    PoolStats,
    Region,
    Usage,
    Walk,
    WalkStep,
    _set_pool_factory,
    default_pool,
    is_valid,
    region_of,
)
from pagebuf._pipe import pipe
from pagebuf.pool import PagePool
from pagebuf.report import top

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pagebuf._spooled import SpooledTemporaryFile
    from pagebuf._store import (
        CorruptStoreError,
        ForkError,
        LockedError,
        PageStore,
        SnapshotStats,
        StoreError,
        StoreSnapshot,
        StoreStats,
    )
    from pagebuf.delta import Delta, DeltaError

__all__ = [
    "FANOUT",
    "INLINE_SIZE",
    "MAX_LEVELS",
    "PAGE_SIZE",
    "SEEK_DATA",
    "SEEK_HOLE",
    "BufferStats",
    "ByteQueue",
    "BytesIO",
    "CapacityError",
    "CorruptStoreError",
    "CorruptionError",
    "Delta",
    "DeltaError",
    "ForkError",
    "LockedError",
    "PageBuffer",
    "PageFile",
    "PagePool",
    "PageStore",
    "PoolLimitError",
    "PoolStats",
    "Region",
    "SnapshotStats",
    "SpooledTemporaryFile",
    "StoreError",
    "StoreSnapshot",
    "StoreStats",
    "Usage",
    "Walk",
    "WalkStep",
    "default_pool",
    "is_valid",
    "pipe",
    "region_of",
    "top",
]

__version__ = "0.1.0.dev0"

_OF_STORES = {
    "CorruptStoreError",
    "ForkError",
    "LockedError",
    "PageStore",
    "SnapshotStats",
    "StoreError",
    "StoreSnapshot",
    "StoreStats",
}


def _default_pool() -> PagePool:
    return PagePool(name="default")


_set_pool_factory(_default_pool)
MutableSequence.register(PageBuffer)  # collections.abc.Buffer tests for __buffer__ instead


def __dir__() -> list[str]:
    """The public names, those that are imported on first use among them."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


def __getattr__(name: str) -> object:
    """Import the names that need other modules, on first use."""
    if name in {"Delta", "DeltaError"}:
        import pagebuf.delta

        return getattr(pagebuf.delta, name)
    if name == "SpooledTemporaryFile":
        from pagebuf._spooled import SpooledTemporaryFile

        return SpooledTemporaryFile
    if name in _OF_STORES:
        from pagebuf import _store

        return getattr(_store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if os.environ.get("PAGEBUF_LISTEN"):
    from pagebuf import live

    live._listen_as_told(os.environ["PAGEBUF_LISTEN"])
