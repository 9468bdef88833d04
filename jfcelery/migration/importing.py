"""Importing a queue database of jobflow-remote, so that its flows go on here."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import open_queue, translated
from jfcelery.database.edges import edges_of
from jfcelery.database.identity import owned
from jfcelery.database.packed import Packed
from jfcelery.database.payloads import payload_document
from jfcelery.database.records import change_record
from jfcelery.database.schema import prepare
from jfcelery.errors import InputError, StateError
from jfcelery.execution import wire
from jfcelery.flows.entries import stores_of
from jfcelery.flows.insertion import undo_insertion
from jfcelery.flows.storing import BULK, insert_documents
from jfcelery.migration.checking import check_apart, schedulers, survey
from jfcelery.migration.mapping import flow_document, job_document, plan_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.migration.checking import Survey
    from jfcelery.migration.mapping import Planned
    from jfcelery.migration.records import OldFlow
    from jfcelery.migration.source import Source
    from jfcelery.project import Project

#: The record in the auxiliary collection that says what is being, or was, imported.
_KEY = "import"


class Import:
    """The import of one queue database into an empty project; again after an interruption.

    Args:
        project: Where to.
        source: Where from.
        rerun_active: Whether jobs that are under way start again from their beginning.
    """

    def __init__(self, project: Project, source: Source, *, rerun_active: bool = False) -> None:
        self.project = project
        self.source = source
        self.rerun_active = rerun_active

    def check(self) -> Survey:
        """Check that the import can succeed, and return what it would do.

        Raises:
            InputError: The source is none, is damaged, or is the project's own queue.
            ConfigError: The project lacks something that jobs which may still run need.
            StateError: The project's queue is not empty; a runner of jobflow-remote is at work;
                jobs are under way, and may not start again.
        """
        self.source.check()
        queue = open_queue(self.project)
        check_apart(self.project, queue, self.source)
        prepare(queue)
        if not self._is_unfinished(queue):
            with translated():
                jobs, flows = (c.count_documents({}) for c in (queue.jobs, queue.flows))
            if jobs or flows:
                raise StateError(
                    f"The queue of project {self.project.name!r} is not empty: it holds {jobs} "
                    f"jobs in {flows} flows.",
                    remedy="Import into a new project: jobs keep their numbers.",
                )
        return survey(self.project, self.source, rerun_active=self.rerun_active)

    def run(self, progress: Callable[[int], object] = lambda _: None) -> Survey:
        """Import everything; nothing of it runs before all of it is in.

        Running it again after an interruption goes on where it ended.

        Args:
            progress: Called with the number of jobs imported so far.

        Raises:
            JfceleryError: As :meth:`check`, before anything is written.
        """
        found = self.check()
        queue = open_queue(self.project)
        self._note(queue, finished=False)
        kinds, done = schedulers(self.project), 0
        with translated():
            complete = {raw["_id"] for raw in queue.flows.find({"inserting": False}, {"_id": 1})}
        for flow in self.source.flows():
            planned = plan_jobs(self.source.jobs_of(flow), kinds)
            if flow.uuid not in complete:
                self._copy(queue, flow, planned)
            done += len(planned)
            progress(done)
        number = self.source.next_id()
        change_record(queue, "next_id", lambda old: {"next_id": max(old.get("next_id", 1), number)})
        _let_go(queue)
        self._note(queue, finished=True)
        return found

    def _copy(self, queue: QueueDatabase, flow: OldFlow, planned: Sequence[Planned]) -> None:
        undo_insertion(queue, flow.uuid, None)
        with translated():
            new = flow_document(flow, planned, now=queue.clock.now())
            queue.flows.insert_one(owned(queue, new))
        for piece in chunks(planned, BULK):
            contents = self.source.contents([job.old for job in piece])
            payloads, documents, edges = [], [], []
            for job in piece:
                content = contents[job.old.uuid, job.old.index]
                payload = _payload(content, job)
                payloads.append(payload_document(queue, job.key, Packed.of(payload)))
                stores = stores_of(payload)
                document = job_document(job, flow=flow.uuid, stores=stores)
                documents.append(document)
                if document["apart"]:
                    parents = dict.fromkeys(job.old.parents or ())
                    edges.append(edges_of(document, parents, frozenset(job.unmet)))
            insert_documents(queue, payloads, documents, chain.from_iterable(edges))

    def _is_unfinished(self, queue: QueueDatabase) -> bool:
        with translated():
            record = queue.auxiliary.find_one({"_id": _KEY})
        if record is None or record.get("finished"):
            return False
        if record["source"] != str(self.source):
            raise StateError(
                f"An import from {record['source']} was interrupted in this project.",
                remedy="Finish it, or empty the queue: jfc admin reset",
            )
        return True

    def _note(self, queue: QueueDatabase, *, finished: bool) -> None:
        note = {"source": str(self.source), "finished": finished, "at": queue.clock.now()}
        change_record(queue, _KEY, lambda _: note)


def _payload(content: Mapping[str, Any], job: Planned) -> dict[str, Any]:
    try:
        payload: dict[str, Any] = wire.plain(dict(content))
    except (TypeError, ValueError) as error:
        raise InputError(f"Job {job.old.db_id} cannot be read: {error}") from error
    return payload


def _let_go(queue: QueueDatabase) -> None:
    """Let the imported flows run, with the times that they had."""
    from pymongo import UpdateOne

    with translated():
        flows = list(queue.flows.find({"inserting": True}, {"imported": 1, "version": 1}))
        for piece in chunks((raw for raw in flows if "imported" in raw), BULK):
            queue.flows.bulk_write(
                [
                    UpdateOne(
                        {"_id": raw["_id"], "version": raw["version"]},
                        {
                            "$set": {
                                **raw["imported"],
                                "inserting": False,
                                "version": raw["version"] + 1,
                            }
                        },
                    )
                    for raw in piece
                ],
                ordered=False,
            )
