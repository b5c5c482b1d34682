"""Hooks of MkDocs: pages that are made, and what differs between a forge and the site."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.site import api, steps  # noqa: E402

MARK = "<!-- steps -->"
PYTHON = re.compile(r"^```python\n(?=>>> )", re.MULTILINE)
# Links of README.md and CHANGELOG.md, as they are from the root and from docs.
MOVED = (
    ("](docs/", "]("),
    ("](../CHANGELOG.md", "](changes.md"),
    ("](CHANGELOG.md", "](changes.md"),
)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the API, the changes, and the picture of the comparison."""
    made = dict(api.pages())
    made["changes.md"] = (ROOT / "CHANGELOG.md").read_text("utf-8")
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    picture = (ROOT / "benchmarks" / "results" / "overview.png").read_bytes()
    files.append(File.generated(config, "assets/overview.png", content=picture))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Colour sessions as sessions; put the recorded steps where the mark is."""
    for old, new in MOVED:
        markdown = markdown.replace(old, new)
    if MARK in markdown:
        markdown = markdown.replace(MARK, steps.as_script())
    return PYTHON.sub("```pycon\n", markdown)
