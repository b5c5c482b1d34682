"""The files that the documents name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
OURS = ("benchmarks", "docs", "ext", "src", "tests", "tools")
SPAN = re.compile(r"`([\w./*-]+)`")


def named(text):
    """The code spans that begin with a folder of the project.  A `*` matches anything."""
    return [span for span in SPAN.findall(text) if span.split("/")[0] in OURS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_in_a_document_exists(document):
    paths = named(document.read_text("utf-8"))
    assert [path for path in paths if not any(ROOT.glob(path.rstrip("/")))] == []
