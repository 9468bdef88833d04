"""Jobs in a queue, moved by hand through the states as the steps would move them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jfcelery.database.jobs import Jobs
from jfcelery.flows.insert import Placement, add_dynamic, add_flow
from jfcelery.flows.release import release_children
from jfcelery.states import JobState
from tests.support.entries import entry, flow_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc

_S = JobState

#: The way of a job through the states, with the event that leads to each.
WAY = (
    ("checkout", _S.CHECKED_OUT),
    ("upload", _S.UPLOADED),
    ("submit", _S.SUBMITTED),
    ("run", _S.RUNNING),
    ("end", _S.RUN_FINISHED),
    ("download", _S.DOWNLOADED),
)


class Queued:
    """One flow in a queue, its jobs called by short names.

    Args:
        queue: The database.
        edges: The jobs by name, with the names of their parents.
        name: Name of the flow.
        worker: Name of the worker.
        **fields: Fields of all entries, such as ``on_missing``.
    """

    def __init__(
        self,
        queue: QueueDatabase,
        edges: Mapping[str, Sequence[str]],
        *,
        name: str = "flow",
        worker: str = "here",
        **fields: Any,
    ) -> None:
        self.queue = queue
        self.jobs = Jobs(queue)
        self.uuids = {name: str(uuid4()) for name in edges}
        named = {self.uuids[n]: [self.uuids[p] for p in ps] for n, ps in edges.items()}
        flow = flow_of(named, **fields)
        flow = flow.model_copy(update={"name": name})
        names = {uuid: name for name, uuid in self.uuids.items()}
        for job in flow.jobs:
            object.__setattr__(job, "name", names[job.uuid])
            object.__setattr__(job, "hosts", [flow.uuid])
        self.flow = flow.uuid
        self.ids = dict(zip(edges, add_flow(queue, flow, Placement(worker=worker)), strict=True))

    def doc(self, name: str, index: int | None = None) -> JobDoc:
        """Return the document of a job."""
        return self.jobs.get(self.uuids[name], index)

    def state(self, name: str, index: int | None = None) -> JobState:
        """Return the state of a job."""
        return self.doc(name, index).state

    def states(self) -> dict[str, JobState]:
        """Return the states of all jobs."""
        return {name: self.state(name) for name in self.uuids}

    def bring(self, name: str, state: JobState) -> JobDoc:
        """Move a READY job along the pipeline to a state, the last ones included."""
        doc = self.doc(name)
        for event, target in WAY:
            fields: dict[str, Any] = {}
            if event == "checkout":
                fields = {"attempt": doc.attempt + 1, "epoch": doc.epoch + 1}
            if event == "upload":
                fields = {"run_dir": f"/nowhere/{doc.uuid}_{doc.index}"}
            if event == "submit":
                fields = {"remote.process_id": f"q{doc.db_id}"}
            doc = self.jobs.transition(doc, event, target, by="test", fields=fields)
            if target is state:
                return doc
        if state is _S.REMOTE_ERROR:
            fields = {"remote.error": "no such thing", "error_class": "OutputMissingError"}
            return self.jobs.transition(doc, "fail", state, by="test", fields=fields)
        fields = {"error": "ValueError: wrong"} if state is _S.FAILED else {}
        doc = self.jobs.transition(doc, "finalize", state, by="test", fields=fields)
        release_children(self.jobs, doc)
        return self.jobs.get(doc.uuid, doc.index)

    def make(self, generator: str, edges: Mapping[str, Sequence[str]]) -> None:
        """Add jobs that a running job makes; a name that exists gets its next index."""
        maker = self.doc(generator)
        entries = []
        for name in edges:
            self.uuids.setdefault(name, str(uuid4()))
        for name, parents in edges.items():
            index = 2 if name == generator else 1
            uuids = [self.uuids[parent] for parent in parents]
            entries.append(
                entry(self.uuids[name], uuids, index=index, name=name, hosts=[self.flow])
            )
        placement = Placement(worker=maker.worker)
        add_dynamic(self.queue, entries, placement, flow=self.flow, generator=maker.id)
        self.jobs.flows.added(self.flow, {_S.WAITING: len(entries)})


#: Makes a flow in a queue; the arguments are those of :class:`Queued`, but for the first.
MakeFlow = Callable[..., Queued]
