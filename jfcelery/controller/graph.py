"""A flow as a graph: its jobs, which uses whose output, which made which."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc

_S = JobState
#: Which state of several jobs is shown as that of all: what is wrong first, then what is under way.
_FOREMOST = (
    *(_S.FAILED, _S.REMOTE_ERROR, _S.RUNNING, _S.BATCH_RUNNING, _S.RUN_FINISHED, _S.DOWNLOADED),
    *(_S.SUBMITTED, _S.BATCH_SUBMITTED, _S.UPLOADED, _S.CHECKED_OUT),
    *(_S.PAUSED, _S.STOPPED, _S.USER_STOPPED, _S.READY, _S.WAITING, _S.COMPLETED),
)


@dataclass(frozen=True)
class Node:
    """A job in the graph, or several jobs that are shown as one.

    Args:
        key: Unique name in the graph, usable in any format.
        doc: The job, or the first of them.
        others: The others.
        pattern: What their names have in common.
        depth: The row in which they stand, where the arrows do not tell.
    """

    key: str
    doc: JobDoc
    others: tuple[JobDoc, ...] = ()
    pattern: str = ""
    depth: int | None = None

    @property
    def name(self) -> str:
        """The job's name, or what the names of several have in common."""
        return self.pattern or self.doc.job.name

    @property
    def number(self) -> int:
        """How many jobs it stands for."""
        return 1 + len(self.others)

    @property
    def states(self) -> Counter[JobState]:
        """How many of its jobs are in each state."""
        return Counter(doc.state for doc in (self.doc, *self.others))

    @property
    def state(self) -> JobState:
        """The job's state; of several that in which something is wrong, or under way."""
        return min(self.states, key=_FOREMOST.index)

    @property
    def words(self) -> str:
        """The states in words, the foremost first."""
        ordered = sorted(self.states.items(), key=lambda item: _FOREMOST.index(item[0]))
        return ", ".join(f"{number} {s}" if self.others else s for s, number in ordered)

    def label(self, kind: str) -> str:
        """Return what stands in the node: ``name``, ``db_id`` or ``both``."""
        if self.others:
            return f"{self.name} ×{self.number}"  # noqa: RUF001 - the sign for times
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
        given = {node.key: node.depth for node in self.nodes if node.depth is not None}
        depth = given or _depths(before)
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
