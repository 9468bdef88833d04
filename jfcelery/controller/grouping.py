"""A large flow as a graph that a person can take in: jobs of like names are one node."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from jfcelery.controller.graph import Edge, FlowGraph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jfcelery.controller.graph import Node

#: Most nodes of a drawing that shows each job, and most of them in a row.
MOST_NODES, MOST_IN_ROW = 60, 12
#: A word is part of a pattern if it stands in one of so many names, and in so many at least.
SHARE, OFTEN = 60, 3
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"\w")
_BETWEEN = re.compile(r"([\s_-]+)")


def grouped(graph: FlowGraph) -> FlowGraph:
    """Return a graph that has room on a screen: the same, or one with jobs of like names as one.

    Names are alike if they are the same; where that leaves too many, if they differ in numbers
    only; else in words that few have (``relax NaCl``, ``relax MgO``). The stars in the name of such
    a node stand for what differs. Of names that are like no other, those of a row are one node, but
    only where there are too many jobs in all.
    """
    layers = graph.layers()
    if _fits(layers):
        return graph
    depths = {node.key: depth for depth, layer in enumerate(layers) for node in layer}
    made, few = graph, len(graph.nodes) <= MOST_NODES
    for pattern in _patterns([node.name for node in graph.nodes]):
        made = _grouped(graph, depths, pattern)
        if few and any(node.pattern == "*" for node in made.nodes):
            break
        if _fits(made.layers()):
            return made
    return graph if few else made


def _fits(layers: Sequence[Sequence[Node]]) -> bool:
    widths = [len(layer) for layer in layers]
    return sum(widths) <= MOST_NODES and max(widths, default=0) <= MOST_IN_ROW


def _patterns(names: Sequence[str]) -> Iterator[Callable[[str], str]]:
    """Yield what makes names alike, the finest first."""
    yield lambda name: name
    yield lambda name: _NUMBER.sub("*", name)
    numbers = Counter(word for name in names for word in set(_BETWEEN.split(name)))
    least = max(OFTEN, len(names) // SHARE)
    yield lambda name: "".join(
        word if numbers[word] >= least else "*" for word in _BETWEEN.split(name)
    )


def _grouped(
    graph: FlowGraph, depths: dict[str, int], pattern_of: Callable[[str], str]
) -> FlowGraph:
    """Return the graph with one node for each pattern, in the first row in which it stands."""
    members: dict[tuple[str, int], list[Node]] = {}
    for node in sorted(graph.nodes, key=lambda node: depths[node.key]):
        pattern = pattern_of(node.name)
        kind = (pattern, 0) if _WORD.search(pattern) else ("*", depths[node.key])
        members.setdefault(kind, []).append(node)
    nodes: list[Node] = []
    key_of: dict[str, str] = {}
    for (pattern, _), (first, *rest) in members.items():
        one = replace(first, depth=depths[first.key])
        if rest:
            one = replace(one, others=tuple(node.doc for node in rest), pattern=pattern)
        nodes.append(one)
        key_of |= {node.key: first.key for node in (first, *rest)}
    edges = {
        Edge(key_of[edge.start], key_of[edge.end], edge.made): None
        for edge in graph.edges
        if key_of[edge.start] != key_of[edge.end]
    }
    return FlowGraph(tuple(nodes), tuple(edges))
