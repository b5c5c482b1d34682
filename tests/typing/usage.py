"""The types that callers see.  mypy checks this file; it never runs."""

import pathlib
from array import array
from collections.abc import Hashable
from typing import Literal, assert_type

import pagebuf

# Callers import these by name; mypy checks that each is in `__all__`.
from pagebuf import (
    BufferStats,
    ByteQueue,
    BytesIO,
    CapacityError,
    CorruptionError,
    CorruptStoreError,
    ForkError,
    LockedError,
    PageBuffer,
    PageFile,
    PagePool,
    PageStore,
    PoolLimitError,
    PoolStats,
    Region,
    SnapshotStats,
    StoreError,
    StoreSnapshot,
    StoreStats,
    Usage,
    Walk,
    WalkStep,
)

assert_type(pagebuf.PAGE_SIZE, int)
assert_type(pagebuf.FANOUT, int)
assert_type(pagebuf.MAX_LEVELS, int)
assert_type(pagebuf.INLINE_SIZE, int)


def pools() -> None:
    pool = PagePool(1 << 20, name="cache")
    PagePool()
    PagePool(limit=None, name=None)
    assert_type(pagebuf.default_pool(), PagePool)
    assert_type(pool.buffers(), list[Usage])
    for row in pool.buffers():
        assert_type(row.buffer, PageBuffer | ByteQueue | BytesIO | None)
        assert_type(row.proportional, int)
        assert_type(row.name, str | None)
    assert_type(pool.child(limit=4096, name="tenant"), PagePool)
    pool.on_pressure(0.5, lambda pressed: assert_type(pressed, PagePool))
    assert_type(pool.debug, int | str)
    pagebuf.top(pool)
    there = pagebuf.region_of(0)
    assert_type(there, Region | None)
    assert_type(pagebuf.is_valid(0, 4096), bool)
    assert_type(pool.trim(), int)
    assert_type(pool.limit, int | None)
    assert_type(pool.name, str | None)
    stats = pool.stats()
    assert_type(stats, PoolStats)
    assert_type(stats.held + stats.free + stats.high_water + stats.limit, int)
    pool.check()


def stores(pool: PagePool) -> None:
    with PageStore(pathlib.Path("a"), "r+", durability="lazy", pool=pool) as store:
        assert_type(store["a"], PageBuffer)
        store["a"] = b"bytes"
        store["a"] += b"more"
        store["b"] = store["a"]
        assert_type(store.setdefault("a"), PageBuffer)
        assert_type(store.create("c", bytearray(3)), PageBuffer)
        assert_type(store.open("c"), PageFile)
        assert_type(store.commit(), int)
        with store.transaction() as same:
            assert_type(same, PageStore)
        assert_type(store.stats(), StoreStats)
        assert_type(store.is_changed(), bool)
        assert_type(store.snapshot("monday"), int)
        assert_type(store.snapshots(pages=True), dict[str, SnapshotStats])
        assert_type(store.at("monday"), StoreSnapshot)
        assert_type(store.at("monday")["a"], PageBuffer)
        store.drop_snapshot("monday")
        store.compact("b")
    PageStore("a", limit=1 << 20, checksums=False).refresh()
    try:
        PageStore(b"a", "x").verify()
    except CorruptStoreError as error:
        assert_type(error.rule, str)
        assert_type(error.page, int)
    except (LockedError, ForkError):
        pass
    except StoreError as error:
        assert_type(error.errno, int | None)


def made_of(pool: PagePool) -> None:
    PageBuffer()
    PageBuffer(b"bytes", pool=pool, max_levels=3)
    PageBuffer(bytearray(b"bytearray"))
    PageBuffer(memoryview(b"view"))
    PageBuffer(array("d", [1.0]))


def reads(buf: PageBuffer) -> None:
    assert_type(buf.read(0, -1), bytes)
    assert_type(buf.read(0, 10), bytes)
    assert_type(buf.read(0, None), bytes)
    assert_type(buf.readinto(0, bytearray(4)), int)
    assert_type(buf.tobytes(), bytes)
    assert_type(bytes(buf), bytes)
    assert_type(buf[0], int)
    assert_type(buf[1:5:2], bytes)
    assert_type(len(buf), int)
    assert_type(buf.nbytes, int)


def writes(buf: PageBuffer) -> None:
    assert_type(buf.write(1 << 20, b"past the end"), int)
    buf.append(255)
    buf.extend(array("H", [1, 2]))
    buf += b"more"
    assert_type(buf, PageBuffer)
    assert_type(buf.truncate(10), int)
    buf.punch(0, 4)
    assert_type(buf.take_bytes(), bytes)
    assert_type(buf.take_bytes(-2), bytes)
    assert_type(buf.take_bytes(None), bytes)
    buf.clear()


def looks_inside(buf: PageBuffer) -> None:
    assert_type(buf.extents(), list[tuple[int, int]])
    assert_type(buf.data_views(1, size=2), list[tuple[int, memoryview]])
    assert_type(buf.levels, int)
    assert_type(buf.capacity, int)
    assert_type(buf.pool, PagePool)
    assert_type(buf.frozen, bool)
    stats = buf.stats()
    assert_type(stats, BufferStats)
    assert_type(stats.pages + stats.nodes + stats.holes + stats.resident, int)
    walk = buf.walk(0)
    assert_type(walk, Walk)
    assert_type(walk.found, bool)
    assert_type(walk.stop, Literal["page", "mapped", "hole", "past the end", "inline"])
    assert_type(walk.steps, tuple[WalkStep, ...])
    assert_type(walk.steps[0].address, int)
    buf.check()


class OwnBuffer(PageBuffer): ...


def elsewhere(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        for source in (path, str(path), file, file.fileno(), b"bytes", memoryview(b"view")):
            assert_type(PageBuffer.map(source, 0, 10), PageBuffer)
    buf = OwnBuffer.map(path, offset=1, size=None, pool=PagePool())
    assert_type(buf, OwnBuffer)
    assert_type(buf.source, PageBuffer | None)
    assert_type(buf.stats().mapped, int)
    buf.save(path)
    buf.save("there", atomic=False)


def errors(buf: PageBuffer) -> None:
    try:
        buf.extend(b"x")
    except PoolLimitError as error:
        memory: MemoryError = error
        raise memory from None
    except CapacityError as error:
        overflow: OverflowError = error
        raise overflow from None
    except CorruptionError as error:
        assert_type(error.frame, int | None)
        assert_type(error.owner, PageBuffer | ByteQueue | BytesIO | str | None)
        assert_type(error.offset, int | None)


def rejected(buf: PageBuffer) -> None:
    """Each line is a mistake that the stub must catch.  If not, mypy reports an unused ignore."""
    PageBuffer("text")  # type: ignore[arg-type]
    PageBuffer(b"", PagePool())  # type: ignore[call-arg]
    PagePool(1, "name")  # type: ignore[call-arg, arg-type]
    PagePool(debug=1.0)  # type: ignore[arg-type]
    PageBuffer(name=b"name")  # type: ignore[arg-type]
    pagebuf.region_of("address")  # type: ignore[arg-type]
    buf.extend("text")  # type: ignore[arg-type]
    buf.extend([1, 2, 3])
    buf.append(b"x")  # type: ignore[arg-type]
    buf.write(b"x")  # type: ignore[call-arg, arg-type]
    buf.readinto(0, "text")  # type: ignore[arg-type]
    buf["0"]  # type: ignore[call-overload]
    buf.nbytes = 0  # type: ignore[misc]
    key: Hashable = buf  # type: ignore[assignment]
    del key
