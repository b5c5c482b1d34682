"""Data for pictures: the state of every frame of a pool, and the runs of a tree, which agree with
its walks."""

from __future__ import annotations

import itertools
import mmap
from collections import Counter

import pytest

import pagebuf
from pagebuf import example
from pagebuf._core import _BUILD_FLAGS, _FRAME_STATES
from tests.helpers import PAGE, reach
from tests.support import FEW, SHAPES, filled, is_inline, pattern, unchanged

FREE = {"unused", "free", "given back"}


def states_of(pool):
    """The state of each frame by its number."""
    return {
        first + i: _FRAME_STATES[state]
        for first, states in pool._frame_states()
        for i, state in enumerate(states)
    }


def frame_of(buf, page):
    return buf.walk(page * PAGE).steps[-1].frame


def nodes_of(buf, page):
    return [step.frame for step in buf.walk(page * PAGE).steps[:-1]]


def runs_of(buf):
    return [(*run[:3], _FRAME_STATES[run[3]]) for run in buf._tree_runs()]


# ---- frames ----


def test_every_frame_is_told_once(plain_pool):
    bufs = [filled(plain_pool, 8 * PAGE), filled(plain_pool, 700 * PAGE)]  # more than one region
    regions = plain_pool._frame_states()
    assert len(regions) == plain_pool.stats().regions > 1
    assert regions[0][0] == 1  # frame 0 means none
    assert [first for first, _ in regions] == sorted(first for first, _ in regions)
    states = states_of(plain_pool)
    assert len(states) == plain_pool.stats().total
    assert sum(state not in FREE for state in states.values()) == plain_pool.stats().held
    assert Counter(states.values())["node"] == sum(buf.stats().nodes for buf in bufs)


def test_a_pool_without_regions_has_no_frames(pool):
    assert pool._frame_states() == []


def test_states_of_frames_one_by_one(plain_pool):
    """Six pages: one is freed, two are under a view, and one of those is cut off."""
    buf = filled(plain_pool, 6 * PAGE)
    frames = [frame_of(buf, page) for page in range(6)]
    want = dict.fromkeys(frames, "data") | dict.fromkeys(nodes_of(buf, 0), "node")
    assert {frame: states_of(plain_pool)[frame] for frame in want} == want

    buf.punch(PAGE, PAGE)
    assert states_of(plain_pool)[frames[1]] == "free"

    view = buf.view(4 * PAGE, 2 * PAGE)
    assert [states_of(plain_pool)[frame] for frame in frames[3:]] == ["data", "pinned", "pinned"]
    buf.truncate(5 * PAGE)
    assert [states_of(plain_pool)[frame] for frame in frames[4:]] == ["pinned", "detached"]
    view.release()
    assert [states_of(plain_pool)[frame] for frame in frames[4:]] == ["data", "free"]
    assert Counter(states_of(plain_pool).values())["unused"] == plain_pool.stats().free - 2


def test_what_two_trees_reach_is_shared(plain_pool):
    """After a snapshot everything is shared, even what has a count of 1.  A write unshares the path
    to its page."""
    last = reach(2) // PAGE  # three levels
    buf = filled(plain_pool, 2 * PAGE)
    buf.write(last * PAGE, pattern(0, PAGE))
    snap = buf.snapshot()
    assert set(states_of(plain_pool).values()) == {"shared data", "shared node", "unused"}

    old = frame_of(buf, 0)
    buf.write(0, b"x")
    states = states_of(plain_pool)
    assert states[old] == states[frame_of(buf, 0)] == "data"
    assert states[frame_of(buf, 1)] == "shared data"
    assert {states[frame] for frame in nodes_of(buf, 0)} == {"node"}
    assert states[frame_of(buf, last)] == "shared data"

    del snap
    assert set(states_of(plain_pool).values()) <= {"data", "node", "unused", "free"}


def test_trimmed_frames_are_given_back(plain_pool):
    pages = 2 * mmap.PAGESIZE // PAGE + 2
    kept, buf = filled(plain_pool, FEW), filled(plain_pool, pages * PAGE)
    buf.clear()
    assert set(states_of(plain_pool).values()) == {"unused", "free", "data"}
    given = plain_pool.trim() // PAGE
    counts = Counter(states_of(plain_pool).values())
    assert given > 0
    assert counts["given back"] == (given if plain_pool._discard_zeroes else 0)
    assert counts["data"] == len(kept.extents())


def test_looking_changes_nothing(pool):
    buf = filled(pool, reach(1) + 3 * PAGE)
    snap = buf.snapshot()
    with unchanged(buf, snap):
        assert pool._frame_states() == pool._frame_states()
        assert buf._tree_runs() == buf._tree_runs()


# ---- trees ----


def assert_runs_are_walks(buf):
    """At each edge of a run and beside it, a walk finds frames in the states that the runs give."""
    states = states_of(buf.pool)
    st = buf.stats()
    head = st.bias % PAGE
    pages = -(-(head + st.size) // PAGE) if st.size else 0
    runs = runs_of(buf)
    assert runs == sorted(runs)
    edges = {page + d for run in runs for page in run[1:3] for d in (-1, 0)} | {0, pages - 1}
    for page in (page for page in edges if 0 <= page < pages):
        steps = buf.walk(max(0, page * PAGE - head)).steps
        found = {step.level: states[step.frame] for step in steps if step.frame}
        told = {level: state for level, first, past, state in runs if first <= page < past}
        assert told == found
    for (level, _, past, state), (other, first, _, after) in itertools.pairwise(runs):
        assert level < other or past < first or (past == first and state != after)


@pytest.mark.parametrize("shape", SHAPES)
def test_runs_beside_walks(pool, shape):
    buf = SHAPES[shape](pool)
    if is_inline(buf):
        assert buf._tree_runs() == []
        return
    assert_runs_are_walks(buf)
    snap = buf.snapshot()
    assert_runs_are_walks(buf)
    if buf:
        buf.write(len(buf) // 2, b"middle")
        assert_runs_are_walks(buf)
        assert_runs_are_walks(snap)


def test_data_runs_are_the_extents(pool):
    buf = SHAPES["holes"](pool)
    last = [run for run in buf._tree_runs() if run[0] == buf.levels]
    want = [(start // PAGE, -(-(start + size) // PAGE)) for start, size in buf.extents()]
    assert [(first, past) for _, first, past, _ in last] == want


def test_a_dense_buffer_is_a_row_a_level(pool):
    buf = filled(pool, reach(1) + 5 * PAGE)
    pages = reach(1) // PAGE + 5
    rows = [(level, 0, pages, "node") for level in range(1, buf.levels)]
    assert runs_of(buf) == [*rows, (buf.levels, 0, pages, "data")]


def test_runs_of_pinned_pages(pool):
    buf = filled(pool, 4 * PAGE)
    view = buf.view(PAGE + 1, PAGE)
    assert runs_of(buf)[-3:] == [
        (buf.levels, 0, 1, "data"),
        (buf.levels, 1, 3, "pinned"),
        (buf.levels, 3, 4, "data"),
    ]
    view.release()
    assert runs_of(buf)[-1] == (buf.levels, 0, 4, "data")


def test_runs_begin_with_the_page_of_offset_0(pool):
    buf = filled(pool, 4 * PAGE)
    buf.take_bytes(PAGE + 1)
    assert runs_of(buf)[-1] == (buf.levels, 0, 3, "data")


def test_queues_and_files_have_runs(pool):
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(bytearray(3 * PAGE))  # of bytes, it would keep the object
    queue.consume(PAGE)
    assert runs_of(queue)[-1][1:] == (0, 2, "data")
    file = pagebuf.BytesIO(bytearray(3 * PAGE))
    assert runs_of(file)[-1][1:] == (0, 3, "data")
    file.close()
    assert file._tree_runs() == []


def test_mapped_pages_have_runs_and_no_frames(pool):
    buf = pagebuf.PageBuffer.map(bytes(range(256)) * (2 * PAGE), pool=pool)
    pages = len(buf) // PAGE
    buf.write(PAGE, b"mine")
    last = [run[1:] for run in runs_of(buf) if run[0] == buf.levels]
    assert last[0] == (0, 1, "mapped")
    assert last[1][:2] == (1, 2)
    assert "data" in last[1][2]
    assert last[2] == (2, pages, "mapped")
    assert "mapped" not in states_of(pool).values()
    assert buf.stats().mapped == pages - 1


# ---- names and the example ----


def test_names_of_states():
    assert len(set(_FRAME_STATES)) == len(_FRAME_STATES) == 12
    assert {"quarantined", "guard"} < set(_FRAME_STATES)
    assert set(_BUILD_FLAGS) == {"assertions", "locks", "portable"}
    assert _BUILD_FLAGS["assertions"] or PAGE == 4096  # the tiny builds have assertions


def test_the_example_has_a_little_of_everything():
    scene = example.build()
    scene.pool.check()
    seen = set(states_of(scene.pool).values())
    missing = set(_FRAME_STATES) - {"quarantined", "guard", "mapped"} - seen
    assert missing <= ({"given back"} if 24 * PAGE < 2 * mmap.PAGESIZE else set())
    assert states_of(scene.pool) == states_of(example.build().pool)
    for buf in scene.buffers.values():
        if isinstance(buf, pagebuf.PageBuffer) and not is_inline(buf):
            assert_runs_are_walks(buf)
