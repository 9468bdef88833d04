"""A flow as a graph: its jobs, which uses whose output, which made which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.states import JobState


@dataclass(frozen=True)
class Node:
    """A job in the graph.

    Args:
        key: Unique name in the graph, usable in any format.
        doc: The job.
    """

    key: str
    doc: JobDoc

    @property
    def name(self) -> str:
        """The job's name."""
        return self.doc.job.name

    @property
    def state(self) -> JobState:
        """The job's state."""
        return self.doc.state

    def label(self, kind: str) -> str:
        """Return what stands in the node: ``name``, ``db_id`` or ``both``."""
        number = f"{self.doc.db_id}" + (f".{self.doc.index}" if self.doc.index > 1 else "")
        return {"name": self.name, "db_id": number}.get(kind, f"{number} {self.name}")


@dataclass(frozen=True)
class Edge:
    """An arrow between two jobs.

    Args:
        start: Key of the job that comes first.
        end: Key of the job that comes after it.
        made: Whether the first made the second while it ran, whatever else it gives to it.
    """

    start: str
    end: str
    made: bool = False


@dataclass(frozen=True)
class FlowGraph:
    """A flow as a graph.

    Args:
        nodes: Its jobs.
        edges: Their relations, none of them twice.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @classmethod
    def of(cls, docs: Sequence[JobDoc]) -> FlowGraph:
        """Return the graph of the jobs of a flow."""
        nodes = {doc.id: Node(f"job{place}", doc) for place, doc in enumerate(docs)}
        newest: dict[str, Node] = {}
        for node in sorted(nodes.values(), key=lambda n: n.doc.index):
            newest[node.doc.uuid] = node
        edges: dict[tuple[str, str], Edge] = {}
        for node in nodes.values():
            for uuid in node.doc.parents:
                if uuid in newest and newest[uuid] is not node:
                    key = (newest[uuid].key, node.key)
                    edges.setdefault(key, Edge(*key))
            if node.doc.generator in nodes:
                key = (nodes[node.doc.generator].key, node.key)
                edges[key] = Edge(*key, made=True)  # what it made often waits for it as well
        return cls(tuple(nodes.values()), tuple(edges.values()))

    def layers(self) -> list[list[Node]]:
        """Return the nodes by their longest way from the start, as few arrows crossing as can be.

        In each layer the nodes are ordered by the mean place of those before them.
        """
        before: dict[str, list[str]] = {node.key: [] for node in self.nodes}
        for edge in self.edges:
            before[edge.end].append(edge.start)
        depth = _depths(before)
        layers: list[list[Node]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        for node in self.nodes:
            layers[depth[node.key]].append(node)
        place: dict[str, float] = {}
        for layer in layers:
            layer.sort(key=lambda node: _mean([place[k] for k in before[node.key] if k in place]))
            for position, node in enumerate(layer):
                place[node.key] = (position + 0.5) / len(layer)
        return layers


def _depths(before: dict[str, list[str]]) -> dict[str, int]:
    """Return the longest way of each node from the start."""
    from graphlib import CycleError, TopologicalSorter

    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError:  # only a damaged database holds one
        return dict.fromkeys(before, 0)
    depth: dict[str, int] = {}
    for key in order:
        depth[key] = max((depth[k] + 1 for k in before[key]), default=0)
    return depth


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.5
