"""The documents show the figures of the kept run, and no others."""

from __future__ import annotations

import pytest

pytest.importorskip("rich", reason="rich is not installed: it prints the tables")

from benchmarks import figures


def test_documents_show_the_kept_run():
    stale = [str(path.relative_to(figures.ROOT)) for path in figures.stale(figures.kept_run())]
    assert stale == [], "run: make figures"


def test_every_block_has_an_end_and_a_maker():
    for path in figures.documents():
        text = path.read_text("utf-8")
        names = [name.split("|")[0].strip() for _, name, _ in figures.BLOCK.findall(text)]
        assert len(names) == text.count("<!-- figures: "), path
        assert set(names) <= set(figures.BLOCKS), path


def test_a_run_is_read_as_it_was_written():
    report = figures.kept_run()
    assert figures.from_json(report.as_json()).as_json() == report.as_json()


def test_the_tree_of_the_readme_is_that_of_its_example():
    names = figures.first_example()
    stats = names["buf"].stats()
    assert (stats.pages, stats.nodes) == (2, 3)
    assert stats.shared == 1  # a node, and with it the page below
    assert figures.TREE.read_bytes().startswith(b"\x89PNG")
