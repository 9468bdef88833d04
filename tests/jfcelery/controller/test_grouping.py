"""Graphs of large flows show jobs of like names as one node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.controller.graph import FlowGraph
from jfcelery.controller.grouping import MOST_IN_ROW, grouped
from jfcelery.database.edges import with_parents
from jfcelery.states import JobState
from tests.support.queued import Queued

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.controller.graph import Node
    from jfcelery.database.connection import QueueDatabase

#: Names that have nothing in common.
APART = [chr(97 + n // 26) + chr(97 + n % 26) for n in range(70)]


def graph_of(flow: Queued) -> FlowGraph:
    """Return the graph of all jobs of a flow."""
    return FlowGraph.of(with_parents(flow.queue, [flow.doc(name) for name in flow.uuids]))


def shown_by(node: Node) -> str:
    """Return what stands in a node, with a letter for the sign of multiplication."""
    return node.label("name").replace("\N{MULTIPLICATION SIGN}", "x")


def labels_of(queue: QueueDatabase, edges: dict[str, list[str]]) -> list[str]:
    """Return what stands in the nodes of the grouped graph of a flow."""
    return [shown_by(node) for node in grouped(graph_of(Queued(queue, edges))).nodes]


def chains(kinds: Sequence[str], things: Sequence[str]) -> dict[str, list[str]]:
    """Return jobs of some kinds, one after the other, for each thing."""
    edges: dict[str, list[str]] = {}
    for thing in things:
        before: list[str] = []
        for kind in kinds:
            edges[f"{kind} {thing}"] = before
            before = [f"{kind} {thing}"]
    return edges


def test_a_small_graph_stays_as_it_is(queue: QueueDatabase) -> None:
    """As long as all of it has room."""
    names = [f"calc {n}" for n in range(MOST_IN_ROW)]
    graph = graph_of(Queued(queue, {name: [] for name in names}))
    assert grouped(graph) is graph


@pytest.mark.parametrize(
    "edges, wanted",
    [
        ({f"calc {n}": [] for n in range(MOST_IN_ROW + 1)}, ["calc * x13"]),
        (chains(["relax", "static"], APART), ["relax * x70", "static * x70"]),
        ({name: [] for name in APART}, ["* x70"]),
        ({name: [] for name in APART[:13]}, APART[:13]),
        ({name: [] for name in APART} | chains(["fit"], ["1", "2", "3"]), ["* x70", "fit * x3"]),
        (
            {"start": []} | {f"calc {n}": ["start"] for n in range(200)} | {"fit": ["calc 0"]},
            ["start", "calc * x200", "fit"],
        ),
    ],
    ids=["numbers", "words", "nothing", "few and unlike", "unlike and like", "one among many"],
)
def test_jobs_of_like_names_are_one(
    queue: QueueDatabase, edges: dict[str, list[str]], wanted: list[str]
) -> None:
    """By numbers first, then by words that few have; unlike ones only where there are too many."""
    assert labels_of(queue, edges) == wanted


def test_a_node_of_many_tells_what_is_wrong(queue: QueueDatabase) -> None:
    """One that failed colours all; arrows between nodes are there once, none within one."""
    flow = Queued(queue, chains(["relax", "static"], [f"cell {n}" for n in range(40)]))
    for number in range(3):
        flow.bring(f"relax cell {number}", JobState.COMPLETED)
    flow.bring("static cell 0", JobState.FAILED)
    shown = grouped(graph_of(flow))
    first, second = shown.nodes

    assert (first.state, first.words) == (JobState.READY, "37 READY, 3 COMPLETED")
    assert second.state is JobState.FAILED
    assert second.words == "1 FAILED, 2 READY, 37 WAITING"
    assert [(edge.start, edge.end) for edge in shown.edges] == [(first.key, second.key)]
    assert [[node.name for node in row] for row in shown.layers()] == [
        ["relax cell *"],
        ["static cell *"],
    ]


def test_jobs_that_take_turns_are_drawn_once_each(queue: QueueDatabase) -> None:
    """Names that come again further down stand where they come first; arrows may lead back."""
    edges: dict[str, list[str]] = {}
    before: list[str] = []
    for number in range(40):
        for kind in ("ping", "pong"):
            edges[f"{kind} {number}"] = before
            before = [f"{kind} {number}"]
    shown = grouped(graph_of(Queued(queue, edges)))

    assert [[shown_by(node) for node in row] for row in shown.layers()] == [
        ["ping * x40"],
        ["pong * x40"],
    ]
    assert len(shown.edges) == 2
