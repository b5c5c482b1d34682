"""Folders use only earlier folders, and no modules import in a circle (docs/development.md)."""

from pathlib import Path

from tools.arrows import faults, load
from tools.py_imports import import_circles

ROOT = Path(__file__).parents[2]


def test_no_arrow_of_ext_points_up():
    assert faults(load(ROOT / "ext")) == []


def test_no_circle_of_imports():
    assert import_circles(ROOT / "src", "pagebuf") == []
