"""Finds the circles of a graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def circles(uses: Mapping[str, Collection[str]]) -> list[list[str]]:
    """The groups of nodes in which each node reaches each other one, sorted.

    >>> circles({"a": ["b"], "b": ["c", "a"], "c": ["c"]})
    [['a', 'b'], ['c']]
    """
    reach = {node: _reached(uses, node) for node in uses}
    groups = {
        tuple(sorted(other for other in reach[node] if node in reach.get(other, ())))
        for node in uses
        if node in reach[node]
    }
    return [list(group) for group in sorted(groups)]


def _reached(uses: Mapping[str, Collection[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = list(uses[start])
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += uses.get(node, ())
    return reached
