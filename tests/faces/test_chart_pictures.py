"""Pictures of trees and pools: their shapes, their texts, and the files they are saved to."""

from __future__ import annotations

import gc
import io
import sys
import xml.etree.ElementTree as ET

import pytest

import pagebuf
from pagebuf import example, picture
from pagebuf._core import _FRAME_STATES
from pagebuf._text import size_text
from pagebuf.picture import _pool, _tree
from pagebuf.picture._style import COLOURS, HOLE, MIXED
from tests.helpers import MAX_LEVELS, PAGE, reach
from tests.support import SHAPES, filled, run_script

pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures")
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(drawn):
    """The texts of an SVG, which must be well-formed."""
    root = ET.fromstring(drawn)
    assert root.tag == SVG + "svg"
    return ["".join(text.itertext()).strip() for text in root.iter(SVG + "text")]


def legend_of(texts):
    """The states that a legend names, each with its count."""
    names = sorted([*_FRAME_STATES, HOLE, MIXED], key=len, reverse=True)
    found = {}
    for text in texts:
        name = next((name for name in names if text == name or text.startswith(name + "  ")), None)
        if name:
            found[name] = text[len(name) :].strip().replace(" ", "")
    return found


# ---- trees ----


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_can_be_drawn(pool, shape):
    buf = SHAPES[shape](pool)
    st = buf.stats()
    texts = texts_of(picture.svg(picture.tree_figure(buf, shape)))
    assert f"PageBuffer {shape!r}" in texts
    assert any(text.startswith(size_text(st.size)) for text in texts)
    legend = legend_of(texts)
    if st.pages:
        assert legend["data"] == str(st.pages)
        assert legend.get("node", "0") == str(st.nodes)
    if st.holes:
        assert legend["hole"] == str(st.holes)


def test_a_shared_tree_says_so(pool):
    buf = filled(pool, reach(1) + PAGE)
    snap = buf.snapshot()
    texts = texts_of(picture.svg(picture.tree_figure(snap, "before")))
    assert "snapshot 'before'" in texts
    assert set(legend_of(texts)) == {"shared data", "shared node"}
    buf.write(0, b"x")
    assert {"data", "node", "shared data"} <= set(legend_of(texts_of(buf._repr_svg_())))


def boxes_of(figure):
    """The states of all boxes of a tree, level by level.  The colours tell the states."""
    names = {colour: name for name, colour in COLOURS.items()}
    boxes = [found for found in figure.axes[0].collections if isinstance(found, PolyCollection)]
    return [[names[to_hex(colour)] for colour in found.get_facecolor()] for found in boxes]


def test_colours_are_those_of_the_states(pool):
    buf = filled(pool, 5 * PAGE)
    snap = buf.snapshot()
    buf.write(PAGE, b"x")
    view = buf.view(3 * PAGE, 1)
    last = ["shared data", "data", "shared data", "pinned", "shared data"]
    assert boxes_of(picture.tree_figure(buf))[-1] == last
    view.release()
    del snap
    assert boxes_of(picture.tree_figure(buf))[-1] == ["data"]


def test_a_page_far_out_is_still_seen(pool):
    """A page at the very end of the tallest tree is visible, because the axis is logarithmic."""
    buf = filled(pool, PAGE)
    buf.write(reach(MAX_LEVELS) - 1, b"x")
    tree = _tree.tree_of(buf)
    scale = _tree.scale_of(tree.runs, tree.pages)
    assert not scale.straight
    places = [scale(page) for page in (0, 1, tree.pages - 1, tree.pages)]
    assert places[0] == 0
    assert places[-1] == 1
    assert places[1] > 0.001  # a pixel at least
    assert places[3] - places[2] > 0.001
    assert "logarithm" in buf._repr_svg_()


def test_a_scale_is_straight_where_all_can_be_seen(pool):
    tree = _tree.tree_of(filled(pool, 10 * PAGE))
    scale = _tree.scale_of(tree.runs, tree.pages)
    assert scale.straight
    assert [scale(page) for page in range(11)] == pytest.approx([i / 10 for i in range(11)])


def test_many_runs_are_put_together():
    """A stretch shows its most common state, or is mixed if no state clearly prevails."""
    pages = 10 * _tree.STRETCHES
    odd = [_tree.Run(1, page, page + 1, "data") for page in range(0, 5000, 2)]
    runs = [*odd, _tree.Run(1, 6000, 8001, "node")]
    assert _tree.binned(runs, pages, 1) == [
        (1, 0, 5000, MIXED),
        (1, 6000, 8000, "node"),
    ]


def test_a_scattered_buffer_says_that_it_is_put_together(pool):
    buf = pagebuf.PageBuffer(pool=pool)
    for page in range(0, 2 * _tree.MOST_RUNS + 2, 2):
        buf.write(page * PAGE, b"x")
    assert "else mixed" in buf._repr_svg_()
    assert boxes_of(picture.tree_figure(buf))[-1] == [MIXED]


def test_queues_and_files_are_drawn_too(pool):
    queue = pagebuf.ByteQueue(pool=pool)
    queue.put(bytes(3 * PAGE))
    assert "ByteQueue 'inbox'" in texts_of(picture.svg(picture.tree_figure(queue, "inbox")))
    file = pagebuf.BytesIO(bytes(3 * PAGE))
    assert "BytesIO" in texts_of(picture.svg(picture.tree_figure(file)))


# ---- pools ----


def test_a_pool_is_drawn_with_its_counts():
    scene = example.build()
    texts = texts_of(picture.svg(picture.pool_figure(scene.pool)))
    st = scene.pool.stats()
    legend = legend_of(texts)
    assert "pool 'example'" in texts
    assert sum(int(count) for count in legend.values()) == st.total
    assert sum(int(legend.get(name, 0)) for name in ("node", "shared node")) == st.nodes
    assert {"unused", "free", "data", "shared data", "pinned", "detached"} <= set(legend)
    assert "frame 1" in texts


@pytest.mark.parametrize("debug", [0, 1, 2, "sample:2"])
def test_a_pool_has_in_use_what_top_says(debug):
    """Frames in quarantine and guards do not count as in use."""
    pool = pagebuf.PagePool(debug=debug)
    kept, gone = filled(pool, 3 * PAGE), filled(pool, 10 * PAGE)
    for held in (pool.stats().held, 3 + kept.stats().nodes):
        st = pool.stats()
        assert st.held == held
        texts = texts_of(picture.svg(picture.pool_figure(pool)))
        says = f"{size_text(held * PAGE)} of {size_text(st.total * PAGE)} in use"
        assert any(text.startswith(says + "  ") for text in texts), texts
        table = io.StringIO()
        pagebuf.top(pool, file=table)
        assert f" {size_text(held * PAGE)} in {held} of {st.total} pages," in table.getvalue()
        gone.clear()


def test_colours_of_cells_are_those_of_the_states(plain_pool):
    buf = filled(plain_pool, 3 * PAGE)
    buf.punch(PAGE, PAGE)
    cells = picture.pool_figure(plain_pool).axes[0].images[0].get_array()
    frames = [buf.walk(page * PAGE).steps[-1].frame for page in (0, 2)]
    row = dict(enumerate(plain_pool._frame_states()[0][1], 1))
    free = next(frame for frame in row if _FRAME_STATES[row[frame]] == "free")
    for frame, state in zip([*frames, free], ["data", "data", "free"], strict=True):
        y, x = divmod(frame - 1, cells.shape[1])
        assert to_hex(cells[y, x] / 255) == COLOURS[state]


def test_an_empty_pool_can_be_drawn(pool):
    assert "a pool without a name" in texts_of(picture.svg(picture.pool_figure(pool)))


def test_cells_of_more_frames_than_can_be_shown():
    data, node = (_FRAME_STATES.index(name) for name in ("data", "node"))
    mixed = len(_FRAME_STATES)
    states = bytes([data] * 4 + [data] * 3 + [node] + [data, node] * 2 + [node])
    assert list(_pool.cells_of(states, 4)) == [data, data, mixed, node]
    assert list(_pool.cells_of(states, 1)) == list(states)


def test_a_grid_keeps_regions_apart_and_cells_few():
    most = _pool.MOST_CELLS
    grid = _pool.grid_of([(1, bytes(255)), (256, bytes(3 * most))])
    assert grid.per_cell == 4
    assert grid.starts[0] == 0
    blank = len(_FRAME_STATES) + 1
    assert (grid.cells[grid.starts[1] - 1] == blank).all()
    assert (grid.cells != blank).sum() == 64 + 3 * most // 4


def test_free_stretches():
    unused, free, given, data = 0, 1, 2, 3
    assert _FRAME_STATES[:4] == ("unused", "free", "given back", "data")
    states = bytes([free, given, data, data, free, unused, free])
    assert _pool.free_stretches([(1, states), (256, bytes([free]))]) == [2, 1, 1, 1]


# ---- files ----


def test_saved_by_its_ending(pool, tmp_path):
    figure = picture.tree_figure(filled(pool, 3 * PAGE))
    picture.save(figure, tmp_path / "tree.PNG")
    assert (tmp_path / "tree.PNG").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    picture.save(figure, str(tmp_path / "tree.svg"))
    assert "data" in legend_of(texts_of((tmp_path / "tree.svg").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["tree.pdf", "tree", "svg", "tree.svg.gz"])
def test_other_endings_are_refused(pool, tmp_path, name):
    figure = picture.tree_figure(filled(pool, PAGE))
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        picture.save(figure, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_the_same_buffer_gives_the_same_file(pool):
    buf = filled(pool, 3 * PAGE)
    assert buf._repr_svg_() == buf._repr_svg_()


def test_without_matplotlib(pool, monkeypatch):
    """A notebook falls back to the repr.  A call that draws names the missing package."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    buf = filled(pool, PAGE)
    assert buf._repr_svg_() is None
    with pytest.raises(ImportError, match=r"pagebuf\[pictures\]"):
        picture.tree_figure(buf)
    with pytest.raises(ImportError, match=r"pagebuf\[pictures\]"):
        picture.pool_figure(pool)


def test_importing_pagebuf_imports_no_matplotlib():
    """Drawing imports matplotlib, but never pyplot, whose figures are global state."""
    source = """
    import sys, pagebuf
    from pagebuf import picture
    assert "matplotlib" not in sys.modules and "numpy" not in sys.modules
    assert pagebuf.PageBuffer(b"x" * 200)._repr_svg_().startswith("<svg")
    assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
    """
    assert run_script(source) == ""


def test_drawing_leaves_no_frame_behind():
    gc.collect()  # else cycles that other tests left could go in between
    before = pagebuf.default_pool().stats().held
    buf = pagebuf.PageBuffer(bytes(3 * PAGE))
    buf._repr_svg_()
    del buf
    assert pagebuf.default_pool().stats().held == before
