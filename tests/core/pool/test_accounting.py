"""Who holds how much of a pool: rows, names and shares, and that they add up to the frame."""

from __future__ import annotations

import gc
import io

import pytest

import pagebuf
from pagebuf import report
from pagebuf._text import size_text
from tests.helpers import FANOUT, PAGE, reach
from tests.support import FEW, SHAPES, assert_accounted, filled, nodes_for, pattern

NOT_TREES = ("detached", "elsewhere", "reserved", "quarantined", "guards", "tables")


@pytest.fixture(params=[0, 1, 2, "sample:3"])
def any_pool(request):
    """Accounts are the same at every debug level."""
    pool = pagebuf.PagePool(debug=request.param)
    yield pool
    assert_accounted(pool)


def rows_of(pool, *kinds):
    return [row for row in pool.buffers() if row.kind in kinds]


def row_of(pool, obj):
    [row] = [row for row in pool.buffers() if row.buffer is obj]
    return row


def trees(pool):
    return [row for row in pool.buffers() if row.kind not in NOT_TREES]


def kinds(pool):
    return {row.kind: row for row in pool.buffers() if row.kind in NOT_TREES}


# ---- rows ----


def test_an_untouched_pool_has_no_rows():
    pool = pagebuf.PagePool(debug=0)
    assert pool.buffers() == []
    assert_accounted(pool)


def test_a_row_says_what_a_buffer_has(any_pool):
    buf = filled(any_pool, reach(1) + PAGE + 1, name="one")
    buf.truncate(reach(1) + 9 * PAGE + 1)
    pages = reach(1) // PAGE + 2
    nodes = nodes_for(range(pages), buf.levels)
    row = row_of(any_pool, buf)
    assert type(row) is pagebuf.Usage
    assert row == (
        *("PageBuffer", "one", buf, len(buf)),
        *((pages + nodes) * PAGE, 0, (pages + nodes) * PAGE, (pages + nodes) * PAGE),
        *(nodes, 8, 0, 0, 0),
    )
    assert row.kind == "PageBuffer"
    assert (row.resident, row.private) == (buf.stats().resident, buf.stats().private)
    assert_accounted(any_pool)


def test_pages_of_others_are_mapped(any_pool, tmp_path):
    pages = max(4 * FANOUT, 64)
    path = tmp_path / "image"
    path.write_bytes(bytes(pages * PAGE))
    buf = pagebuf.PageBuffer.map(path, pool=any_pool)
    buf.name = "disk"
    copy = buf.clone(name="copy")
    copy.write(3 * PAGE, b"own")
    rows = {row.name: row for row in any_pool.buffers()}
    assert [rows[name].mapped // PAGE for name in ("image", "disk", "copy")] == [
        pages,
        pages,
        pages - 1,
    ]
    assert rows["image"].kind == "snapshot"
    assert rows["copy"].private >= PAGE
    assert rows["copy"].mapped == copy.stats().mapped * PAGE
    assert_accounted(any_pool)
    out = io.StringIO()
    pagebuf.top(any_pool, file=out)
    head, first, *_ = out.getvalue().splitlines()[1:]
    assert head.split()[-1] == "MAPPED"
    assert first.split()[0] == "copy"
    assert first.endswith(size_text(copy.stats().mapped * PAGE))
    del rows, buf, copy
    assert_accounted(any_pool)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_adds_up(any_pool, shape):
    buf = SHAPES[shape](any_pool)
    assert_accounted(any_pool)
    copies = [buf.snapshot(), buf.clone()]
    assert_accounted(any_pool)
    copies[1].write(len(buf) // 2, b"new")
    assert_accounted(any_pool)
    del buf
    assert_accounted(any_pool)
    del copies
    assert_accounted(any_pool)
    assert trees(any_pool) == []


def test_the_largest_comes_first_and_the_rest_last(any_pool):
    sizes = [3 * PAGE, 9 * PAGE, PAGE, 6 * PAGE]
    bufs = [filled(any_pool, size) for size in sizes]
    rows = any_pool.buffers()
    assert [row.size for row in rows[:4]] == sorted(sizes, reverse=True)
    assert all(row.kind in NOT_TREES for row in rows[4:])
    order = [NOT_TREES.index(row.kind) for row in rows[4:]]
    assert order == sorted(order)
    del bufs


def test_tiny_and_empty_ones_draw_nothing(any_pool):
    bufs = [pagebuf.PageBuffer(pool=any_pool), filled(any_pool, pagebuf.INLINE_SIZE)]
    gone = filled(any_pool, 3 * PAGE)
    gone.clear()
    assert sum(row.resident for row in trees(any_pool)) == 0
    assert all(buf.stats().proportional == 0 for buf in (*bufs, gone))
    assert_accounted(any_pool)


# ---- names ----


@pytest.mark.parametrize("name", ["inbox", "", "Größe", "受信箱 📥", "a\nb", "x" * 500, None])
def test_names(any_pool, name):
    buf = filled(any_pool, FEW, name=name)
    queue = pagebuf.ByteQueue(pool=any_pool, name=name)
    queue.put(pattern(0, FEW))
    assert (buf.name, queue.name) == (name, name)
    assert [row.name for row in trees(any_pool)] == [name] * 2
    snap, clone, again = buf.snapshot(), buf.clone(), buf.copy()
    assert (snap.name, clone.name, again.name, snap.clone().name) == (name,) * 4
    assert [row.name for row in trees(any_pool)] == [name] * 5
    if name:
        assert ascii(name)[1:-1] in ascii(buf)
        assert ascii(name)[1:-1] in ascii(queue)
    out = io.StringIO()
    pagebuf.top(any_pool, file=out)
    shown = repr(name)[1:-1] if name is not None and len(name) <= 40 else "-"
    assert shown in out.getvalue()


def test_names_may_change():
    buf = pagebuf.PageBuffer(name="before")
    snap = buf.snapshot()
    buf.name = "after"
    assert (buf.name, snap.name) == ("after", "before")
    buf.name = None
    assert buf.name is None
    buf.name = "again"
    del buf.name
    assert buf.name is None


@pytest.mark.parametrize("bad", [3, b"inbox", ["inbox"], object(), str, "\ud800"])
def test_wrong_names(pool, bad):
    for make in (pagebuf.PageBuffer, pagebuf.ByteQueue):
        with pytest.raises((TypeError, UnicodeEncodeError)):
            make(pool=pool, name=bad)
        obj = make(pool=pool, name="kept")
        with pytest.raises((TypeError, UnicodeEncodeError)):
            obj.name = bad
        assert obj.name == "kept"


def test_a_name_of_a_subclass_of_str(pool):
    class Loud(str):
        def __repr__(self):
            raise AssertionError("reports run no code of anybody")

        __str__ = __hash__ = __repr__  # type: ignore[assignment]

    name = Loud("loud")
    buf = filled(pool, FEW, name=name)
    assert buf.name is name
    assert row_of(pool, buf).name is name


def test_a_buffer_without_a_name_has_none(any_pool):
    buf = filled(any_pool, FEW)
    assert (buf.name, row_of(any_pool, buf).name) == (None, None)


# ---- shares ----


def test_a_snapshot_shares_all_until_a_write(any_pool):
    buf = filled(any_pool, reach(1))
    all_of_it = buf.stats().resident
    snap = buf.snapshot()
    one, two = row_of(any_pool, buf), row_of(any_pool, snap)
    assert (one.kind, two.kind) == ("PageBuffer", "snapshot")
    for row in one, two:
        assert (row.resident, row.shared, row.private) == (all_of_it, all_of_it, 0)
    assert one.proportional == two.proportional == all_of_it // 2
    buf.write(0, b"!")
    one, two = row_of(any_pool, buf), row_of(any_pool, snap)
    assert (one.private, two.private) == (PAGE, PAGE)
    assert one.proportional == two.proportional == all_of_it // 2 + PAGE // 2
    assert_accounted(any_pool)


@pytest.mark.parametrize("owners", [3, 5, 7, PAGE + 3])
def test_what_does_not_divide_evenly_is_counted_once(owners):
    """4096 bytes divided by three leave one byte, which one owner pays.  There may also be more
    owners than bytes."""
    pool = pagebuf.PagePool()
    if PAGE == 4096 and owners > PAGE:
        owners = 97
    buf = filled(pool, FEW)
    snaps = [buf.snapshot() for _ in range(owners - 1)]
    shares = [row.proportional for row in trees(pool)]
    assert len(shares) == owners
    assert sum(shares) == PAGE
    assert max(shares) - min(shares) <= PAGE % owners
    assert_accounted(pool)
    del snaps
    assert row_of(pool, buf).proportional == PAGE


def test_shared_nodes_divide_what_is_below_them(any_pool):
    """Only one entry names a page below a shared node, yet two trees reach it."""
    buf = filled(any_pool, reach(1) + FANOUT * PAGE)
    assert buf.stats().nodes
    snap = buf.snapshot()
    rows = row_of(any_pool, buf), row_of(any_pool, snap)
    assert [row.private for row in rows] == [0, 0]
    assert [row.proportional for row in rows] == [buf.stats().resident // 2] * 2
    buf.write(0, b"!")
    changed = buf.levels * PAGE  # the page, and a node on each level below the root
    rows = row_of(any_pool, buf), row_of(any_pool, snap)
    assert {row.private for row in rows} == {changed}
    assert_accounted(any_pool)


def test_one_tree_that_names_a_frame_twice_pays_once(any_pool):
    buf = filled(any_pool, 2 * PAGE)
    buf.copy_range(2 * PAGE, buf, 0, 2 * PAGE)
    buf.copy_range(5 * PAGE, buf, PAGE, PAGE)
    assert buf.stats().pages == 5
    row = row_of(any_pool, buf)
    distinct = any_pool.stats().held
    assert row.resident == distinct * PAGE
    assert (row.private, row.shared, row.proportional) == (row.resident, 0, row.resident)
    assert buf.stats().private == row.private
    assert_accounted(any_pool)


def test_copy_range_shares_pages_between_buffers(any_pool):
    one, two = filled(any_pool, 4 * PAGE), filled(any_pool, 4 * PAGE, salt=1)
    two.copy_range(PAGE, one, PAGE, 2 * PAGE)
    for obj in (one, two):
        row = row_of(any_pool, obj)
        assert (row.resident, row.shared, row.private) == (4 * PAGE, 2 * PAGE, 2 * PAGE)
        assert row.proportional == 3 * PAGE
    assert_accounted(any_pool)
    del one, obj, row
    [row] = trees(any_pool)
    assert (row.private, row.proportional) == (4 * PAGE, 4 * PAGE)


def test_a_stable_view_is_a_row_of_its_own(any_pool):
    buf = filled(any_pool, 3 * PAGE, name="seen")
    view = buf.view(0, 2 * PAGE, writable=False)
    [row] = rows_of(any_pool, "view")
    assert (row.name, row.buffer) == (None, None)
    assert row.proportional + row_of(any_pool, buf).proportional == 3 * PAGE
    assert_accounted(any_pool)
    buf.clear()
    [row] = rows_of(any_pool, "view")
    assert row.private == row.proportional == row.resident
    assert view == pattern(0, 2 * PAGE)
    view.release()
    gc.collect()
    assert rows_of(any_pool, "view") == []
    assert_accounted(any_pool)


def test_live_views_pin(any_pool):
    buf = filled(any_pool, 4 * PAGE)
    view = buf.view(PAGE // 2, 2 * PAGE)
    assert row_of(any_pool, buf).pinned == buf.stats().pinned == 3
    assert any_pool.stats().pinned == 3
    again = buf.view(0, 1)
    assert buf.stats().pinned == 3
    view.release()
    assert row_of(any_pool, buf).pinned == buf.stats().pinned == 1
    again.release()
    assert buf.stats().pinned == 0
    assert_accounted(any_pool)


def test_detached_frames_have_a_row(any_pool):
    buf = filled(any_pool, 3 * PAGE)
    view = buf.view(0, 2 * PAGE)
    buf.truncate(0)
    row = kinds(any_pool)["detached"]
    assert (row.kind, row.name, row.buffer) == ("detached", None, None)
    assert row.resident == row.private == row.proportional == 2 * PAGE
    st = any_pool.stats()
    assert (st.detached, st.pinned, st.held) == (2, 2, 2)
    assert view == pattern(0, 2 * PAGE)
    assert_accounted(any_pool)
    view.release()
    assert "detached" not in kinds(any_pool)
    assert any_pool.stats().held == 0
    assert_accounted(any_pool)


def test_queues(any_pool):
    queue = pagebuf.ByteQueue(pool=any_pool, name="in flight")
    queue.put(bytearray(pattern(0, 3 * PAGE + 1)))  # bytes would be kept
    row = row_of(any_pool, queue)
    assert (row.kind, row.name, row.size) == ("ByteQueue", "in flight", 3 * PAGE + 1)
    assert row.private == row.proportional == row.resident == queue.stats().resident
    queue.get(2 * PAGE)
    assert row_of(any_pool, queue).resident <= row.resident - 2 * PAGE
    other = pagebuf.ByteQueue(pool=any_pool)
    other.splice_from(queue)
    assert row_of(any_pool, other).size == PAGE + 1
    assert_accounted(any_pool)


def test_reservations_of_a_queue_are_held(any_pool):
    queue = pagebuf.ByteQueue(pool=any_pool)
    target = queue.reserve(3 * PAGE)
    assert any_pool.stats().held >= 3
    assert_accounted(any_pool)
    target[:] = pattern(0, len(target))
    target.release()
    queue.commit(PAGE)
    assert_accounted(any_pool)
    assert queue.get() == pattern(0, PAGE)
    assert_accounted(any_pool)


def test_files_that_hold_their_own_storage():
    pool = pagebuf.default_pool()
    before = sum(row.resident for row in rows_of(pool, "BytesIO"))
    file = pagebuf.BytesIO(bytearray(pattern(0, 3 * PAGE)))
    file.name = "upload.bin"
    [row] = [row for row in rows_of(pool, "BytesIO") if row.buffer is file]
    assert (row.kind, row.name, row.size) == ("BytesIO", "upload.bin", 3 * PAGE)
    assert row.resident >= 3 * PAGE
    assert_accounted(pool)
    for name in (3, b"x", None, ["x"]):  # a user may set any attribute of a file
        file.name = name
        assert [row.name for row in rows_of(pool, "BytesIO") if row.buffer is file] == [None]
    file.close()
    del file, row
    assert sum(row.resident for row in rows_of(pool, "BytesIO")) == before
    assert_accounted(pool)


def test_a_pagefile_is_its_buffer(any_pool):
    buf = filled(any_pool, 3 * PAGE)
    file = buf.open("r+b")
    assert [row.buffer for row in trees(any_pool)] == [buf]
    file.close()


def test_subclasses_are_what_they_derive_from(any_pool):
    class Mine(pagebuf.PageBuffer):
        pass

    buf = Mine(pattern(0, PAGE), pool=any_pool, name="mine")
    assert row_of(any_pool, buf).kind == "PageBuffer"
    assert row_of(any_pool, buf).name == "mine"


def test_rows_keep_buffers_alive(any_pool):
    buf = filled(any_pool, PAGE)
    rows = any_pool.buffers()
    del buf
    assert rows[0].buffer.tobytes() == pattern(0, PAGE)
    del rows
    assert trees(any_pool) == []


def test_what_pools_below_hold_is_listed_above(any_pool):
    """A pool lists what its children hold.  To the child, a parent's share of its pages is
    'elsewhere'."""
    child = any_pool.child(name="below")
    buf = filled(child, 4 * PAGE, name="of the child")
    assert [row.name for row in trees(any_pool)] == ["of the child"]
    above = pagebuf.PageBuffer(pool=any_pool)
    above.copy_range(0, buf, 0, 2 * PAGE)
    assert row_of(child, buf).proportional == 3 * PAGE
    assert kinds(child)["elsewhere"].proportional == PAGE
    assert "elsewhere" not in kinds(any_pool)
    for pool in (any_pool, child):
        assert_accounted(pool)
    assert [row.buffer for row in trees(child)] == [buf]
    assert len(trees(any_pool)) == 2
    del buf
    assert kinds(child)["elsewhere"].proportional == child.stats().held * PAGE == 2 * PAGE
    assert trees(child) == []
    assert_accounted(child)


def test_a_childs_rows_leave_out_what_its_root_pays_for():
    pool = pagebuf.PagePool(debug=1)
    child = pool.child()
    buf, gone = filled(child, PAGE), filled(child, 3 * PAGE)
    del gone
    assert pool.stats().quarantined == 3
    assert set(kinds(pool)) >= {"quarantined", "tables"}
    assert kinds(child) == {}
    for each in (pool, child):
        assert_accounted(each)
    del buf


def test_quarantine_and_guards_have_rows():
    pool = pagebuf.PagePool(debug=2)
    buf, gone = filled(pool, PAGE), filled(pool, 2 * PAGE)
    del gone
    st, others = pool.stats(), kinds(pool)
    assert others["quarantined"].proportional == st.quarantined * PAGE == 2 * PAGE
    assert others["tables"].proportional == st.table_bytes
    assert ("guards" in others) == (st.guards > 0)
    if st.guards:
        assert others["guards"].proportional == st.guards * PAGE
    assert st.total == st.held + st.free + st.quarantined + st.guards
    assert_accounted(pool)
    del buf


def test_a_refused_call_leaves_nothing_reserved():
    pool = pagebuf.PagePool(limit=3 * PAGE)
    buf = filled(pool, PAGE)
    with pytest.raises(pagebuf.PoolLimitError):
        buf.write(0, pattern(0, 9 * PAGE))
    assert pool.stats().reserved == 0
    assert_accounted(pool)


def test_frames_spoken_for_are_seen_from_a_new_region():
    """The pool's figures can be read while it grows for a call."""
    seen = []

    class Watching(pagebuf.PagePool):
        def _new_region(self, nbytes):
            seen.append((self.stats(), self.buffers()))
            return super()._new_region(nbytes)

    pool = Watching(debug=0)
    buf = filled(pool, 300 * PAGE)
    more = filled(pool, 600 * PAGE)
    assert len(seen) >= 4
    assert all(st.held == 0 or rows for st, rows in seen)
    assert_accounted(pool)
    del buf, more


# ---- BufferStats ----


def test_a_buffers_own_statement(any_pool):
    buf = filled(any_pool, 4 * PAGE)
    st = buf.stats()
    assert st.resident == st.private == st.proportional
    assert (st.shared, st.pinned) == (0, 0)
    snaps = [buf.snapshot() for _ in range(3)]
    st = buf.stats()
    assert (st.private, st.proportional) == (0, st.resident // 4)
    view = buf.view(0, PAGE)
    st = buf.stats()
    assert (st.private, st.pinned) == (PAGE, 1)
    assert st.proportional == PAGE + (st.resident - PAGE) // 4
    assert buf.stats() == (*st,)
    del snaps
    view.release()
    st = buf.stats()
    assert (st.private, st.proportional, st.pinned) == (st.resident, st.resident, 0)


def test_proportional_parts_of_buffers_do_not_exceed_the_rows(any_pool):
    """A buffer's own figure equals that of its row, except for bytes that do not divide evenly."""
    buf = filled(any_pool, 3 * PAGE)
    others = [buf.snapshot(), buf.clone()]
    for obj in (buf, *others):
        assert abs(obj.stats().proportional - row_of(any_pool, obj).proportional) <= 2 * 3


# ---- figures that seem not to agree, as docs/memory.md explains them ----


def test_rows_of_a_child_reach_what_others_were_charged_for():
    server = pagebuf.PagePool()
    client = server.child()
    buf = filled(server, 4 * PAGE)
    copy = pagebuf.PageBuffer(pool=client)
    copy.copy_range(0, buf)
    row = row_of(client, copy)
    assert (row.resident, row.shared, row.private) == (4 * PAGE, 4 * PAGE, 0)
    assert (row.proportional, row_of(server, copy).proportional) == (0, 2 * PAGE)
    del buf
    row = row_of(client, copy)
    assert (row.resident, row.private, row.proportional) == (4 * PAGE, 4 * PAGE, 0)
    assert client.stats().held == 0
    assert_accounted(server)


def test_private_pages_under_a_live_view_stay(any_pool):
    buf = filled(any_pool, 4 * PAGE)
    view = buf.view(0, 2 * PAGE)
    assert row_of(any_pool, buf).private == 4 * PAGE
    del buf
    gc.collect()
    assert (any_pool.stats().held, kinds(any_pool)["detached"].private) == (2, 2 * PAGE)
    view.release()
    assert any_pool.stats().held == 0


def test_a_stable_view_of_scattered_pages_is_in_no_row(any_pool):
    one, two = pagebuf.PageBuffer(pool=any_pool), pagebuf.PageBuffer(pool=any_pool)
    for n in range(3):
        one.extend(pattern(n, PAGE))
        two.extend(pattern(n, PAGE))
    before = any_pool.stats()
    view = one.view(writable=False)
    assert any_pool.stats() == before
    assert rows_of(any_pool, "view") == []
    del view


# ---- top ----


def table(*pools, **options):
    out = io.StringIO()
    assert pagebuf.top(*pools, file=out, **options) is None
    return out.getvalue().splitlines()


def test_top_prints_a_line_for_each(any_pool):
    buf = filled(any_pool, 3 * PAGE, name="large")
    queue = pagebuf.ByteQueue(pool=any_pool, name="small")
    queue.put(pattern(0, FEW))
    head, columns, *lines = table(any_pool)
    st = any_pool.stats()
    assert f"in {st.held} of {st.total} pages, no limit" in head
    assert columns.split()[:4] == ["NAME", "KIND", "SIZE", "RESIDENT"]
    assert [line.split()[:2] for line in lines[:2]] == [
        ["large", "PageBuffer"],
        ["small", "ByteQueue"],
    ]
    assert lines[-1].split()[:2] == ["-", "tables"]
    assert len(lines) == len(any_pool.buffers())
    assert len(buf) == 3 * PAGE


def test_top_of_a_pool_with_a_name_and_a_limit():
    pool = pagebuf.PagePool(limit=8 * 4096, name="mail", debug=0)
    [head] = table(pool)
    assert head.startswith("pool 'mail': 0 bytes in 0 of 0 pages, limit 32 KiB")


def test_top_leaves_out_what_is_small():
    pool = pagebuf.PagePool(debug=0)
    bufs = [filled(pool, FEW, name=f"b{n}") for n in range(30)]
    lines = table(pool)
    assert sum(line.startswith("b") for line in lines) == 20
    assert lines[-1] == "... and 10 more"
    assert any(line.split()[1:2] == ["tables"] for line in lines)
    lines = table(pool, most=3)
    assert lines[-1] == "... and 27 more"
    assert not any(line.startswith("...") for line in table(pool, most=30))
    del bufs


@pytest.mark.parametrize("length", [14, 15, 16, 39, 40])
def test_a_long_name_is_not_glued_to_its_kind(pool, length):
    bufs = [filled(pool, PAGE, name="n" * length), filled(pool, PAGE, name="short")]
    _, columns, *lines = table(pool)
    assert {line.split()[0] for line in lines[:2]} == {"n" * length, "short"}
    at = columns.index("KIND")
    assert {line[at:].split()[0] for line in lines[:2]} == {"PageBuffer"}
    assert at == max(15, length + 1)
    del bufs


@pytest.mark.parametrize("letter", ["n", "\n"])
def test_a_name_without_end_is_cut(pool, letter):
    buf = filled(pool, PAGE, name=letter * 1000)
    line = table(pool)[2]
    name = line.split()[0]
    assert len(name) == 40
    assert name.endswith("...")
    assert line.split()[1] == "PageBuffer"
    del buf


@pytest.mark.parametrize(
    "name", ["a\nb", "a\tb", "\r", "a\x1b[2Jb", "a\x00b", "a\u2028b", "a\u202eb"]
)
def test_a_name_does_not_break_the_table(pool, name):
    buf = filled(pool, PAGE, name=name)
    before = len(table(pool))
    buf.name = "harmless"
    assert len(table(pool)) == before
    buf.name = name
    line = table(pool)[2]
    assert line.split()[:2] == [repr(name)[1:-1], "PageBuffer"]
    assert all(line.isprintable() for line in table(pool))


def test_names_of_a_subclass_run_no_code_in_a_table(pool):
    def fail(*args):
        raise AssertionError("reports run no code of anybody")

    loud = type(
        "Loud", (str,), dict.fromkeys(("__str__", "__iter__", "__len__", "__format__"), fail)
    )
    buf = filled(pool, PAGE, name=loud("loud"))
    assert table(pool)[2].startswith("loud ")
    del buf


def test_wide_numbers_are_not_glued_together():
    """A size such as 1023 bytes takes ten characters.  The holes of the largest buffers take
    fifteen."""
    rows = [
        report.HEADS,
        ("name", "kind", *(size_text(1023) for _ in range(5)), "123456", "2" * 15, "12345"),
    ]
    heads, line = report._aligned(rows)
    assert len(heads) == len(line)
    assert line.split() == ["name", "kind"] + ["1023", "bytes"] * 5 + [
        "123456",
        "2" * 15,
        "12345",
    ]


def test_the_holes_of_the_largest_buffer_have_a_column(pool):
    buf = filled(pool, PAGE)
    buf.truncate(reach(pagebuf.MAX_LEVELS))
    line = table(pool)[2]
    assert line.split()[-2] == str(reach(pagebuf.MAX_LEVELS) // PAGE - 1)
    del buf


@pytest.mark.parametrize("most", [-1, -20])
def test_fewer_than_none_are_refused(pool, most):
    buf = filled(pool, PAGE)
    with pytest.raises(ValueError, match=f"most must not be negative, not {most}"):
        table(pool, most=most)
    assert len([line for line in table(pool, most=0) if "PageBuffer" in line]) == 0
    assert table(pool, most=0)[-1] == "... and 1 more"
    del buf


def test_top_without_pools_shows_all_that_live(capsys):
    pools = [pagebuf.PagePool(name=f"top of {n}") for n in range(3)]
    bufs = [filled(pool, n * PAGE + 1) for n, pool in enumerate(pools, 1)]
    assert pagebuf.top() is None
    out = capsys.readouterr().out
    places = [out.index(f"'top of {n}'") for n in range(3)]
    assert places == sorted(places, reverse=True)
    del bufs, pools
    gc.collect()
    pagebuf.top()
    assert "top of" not in capsys.readouterr().out
