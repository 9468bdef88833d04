"""Deleting jobs and flows: queue jobs first, then outputs, run folders, and the documents."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from jfcelery.controller.archive import archive
from jfcelery.controller.bulk import (
    DEFAULT_WAIT,
    INTERVAL,
    Manner,
    Refusal,
    Result,
    change_jobs,
)
from jfcelery.controller.outputs import remove_outputs
from jfcelery.controller.removal import remove_folders
from jfcelery.controller.stop import stop
from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.ids import ids_from
from jfcelery.database.pieces import in_pieces
from jfcelery.errors import FlowNotFoundError
from jfcelery.flows.insert import generator_token
from jfcelery.flows.release import settle
from jfcelery.states import ACTIVE_STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs
    from jfcelery.project import Project

#: Flows of fewer jobs are read at once.
LARGE = 5000
#: Jobs deleted between two steps of the progress bar.
PIECE = 500


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What goes with the jobs.

    Args:
        outputs: Whether their outputs are removed from the JobStore.
        files: Whether their run folders are removed from the workers.
        processes: Whether their queue jobs are cancelled, and waited for.
    """

    outputs: bool = False
    files: bool = False
    processes: bool = True


@dataclass(frozen=True)
class Delete:
    """Deletes jobs of one project.

    Args:
        project: The project.
        jobs: Its jobs.
        extent: What goes with them.
        tell: Tells the Celery workers that queue jobs are to be cancelled.
    """

    project: Project
    jobs: Jobs
    extent: Extent
    tell: Callable[[Result], None]

    def run(self, docs: Sequence[JobDoc], manner: Manner) -> Result:
        """Delete jobs; those that are still in a queue, or whose folder stays, are refused."""
        return self._run(chunks(docs, PIECE), manner)

    def run_flows(self, uuids: Iterable[str], manner: Manner) -> Result:
        """Delete all jobs of flows, of which only some at a time are held in memory."""
        return self._run((piece for uuid in uuids for piece in self._pieces(uuid)), manner)

    def _pieces(self, flow: str) -> Iterator[list[JobDoc]]:
        """Yield the jobs of a flow, some at a time."""
        query, ids = {"flow": flow}, self._ids(flow)
        yield from in_pieces(self.jobs, query, ids, lambda doc: doc.flow == flow, PIECE)

    def _ids(self, uuid: str) -> Iterable[str]:
        """Return short ids that jobs of a flow have, if it is large."""
        with suppress(FlowNotFoundError):
            flow = self.jobs.flows.get(uuid)
            number = sum(flow.counts.values())
            if number >= LARGE and flow.db_id:
                return islice(ids_from(flow.db_id), number)
        return ()

    def _run(self, pieces: Iterable[Sequence[JobDoc]], manner: Manner) -> Result:
        changed: list[str] = []
        refused: list[Refusal] = []
        remarks: list[Refusal] = []
        flows: dict[str, None] = {}
        uuids: dict[str, None] = {}
        done = 0
        for piece in pieces:
            result = self._piece(piece, manner)
            changed += result.changed
            refused += result.refused
            remarks += result.remarks
            flows |= dict.fromkeys(doc.flow for doc in piece)
            uuids |= dict.fromkeys(doc.uuid for doc in piece)
            done += len(piece)
            manner.progress(done)
        self._settle_children(uuids)
        self._settle(flows)
        return Result(tuple(changed), tuple(refused), tuple(remarks))

    def _settle_children(self, uuids: Iterable[str]) -> None:
        """Let jobs that are left, held ones too, wait no more for jobs that are gone."""
        for piece in chunks(uuids, PIECE):
            keys = {edge.child for edge in self.jobs.edges.to(piece)}
            waiting = list(self.jobs.find({"unmet": {"$in": piece}}))
            for some in chunks(keys, PIECE):
                waiting += self.jobs.find({"_id": {"$in": some}})
            settle(self.jobs, waiting)

    def _piece(self, docs: Sequence[JobDoc], manner: Manner) -> Result:
        gone: list[JobDoc] = []
        refused: dict[str, Refusal] = {}
        kept: dict[str, str] = {}
        left = list(docs)
        while left:
            if self.extent.processes:
                for refusal in self._end_processes(left, manner):
                    refused[refusal.db_id] = refusal
            left = [doc for doc in self._again(left) if doc.db_id not in refused]
            if self.extent.files:
                folders = remove_folders(self.project, left)
                kept |= folders.kept
                for db_id, reason in folders.failed.items():
                    refused[db_id] = Refusal(db_id, f"its folder cannot be removed: {reason}")
            if manner.strict and refused:
                raise next(iter(refused.values())).error()
            left = [doc for doc in left if doc.db_id not in refused]
            if self.extent.outputs:
                remove_outputs(self.project, self.jobs.queue, left)
            gone += archive(self.jobs, left, why="deleted", keep_document=False, renew_flows=False)
            left = self._again(left)
        gone += self._unborn(gone)
        deleted = tuple(doc.db_id for doc in gone)
        remarks = tuple(Refusal(db_id, kept[db_id]) for db_id in deleted if db_id in kept)
        return Result(deleted, tuple(refused.values()), remarks)

    def _unborn(self, generators: Sequence[JobDoc]) -> list[JobDoc]:
        """Delete the jobs that deleted ones were about to add: nobody would let them start."""
        gone: list[JobDoc] = []
        for piece in chunks([generator_token(doc.id) for doc in generators], PIECE):
            left = list(self.jobs.find({"unmet": {"$in": piece}}))
            while left:
                why = "the job that made it was deleted"
                gone += archive(self.jobs, left, why=why, keep_document=False, renew_flows=False)
                left = self._again(left)
        return gone

    def _end_processes(self, docs: Sequence[JobDoc], manner: Manner) -> list[Refusal]:
        """Stop what is under way, and wait until its queue jobs are gone."""
        active = [doc for doc in docs if doc.state in ACTIVE_STATES]
        quiet = replace(manner, progress=lambda _: None)
        stopped = change_jobs(self.jobs, active, stop(()), quiet)
        refused = list(stopped.refused)
        asked = [doc for doc in self._again(docs) if doc.cancel]
        if not asked:
            return refused
        self.tell(Result(tuple(doc.db_id for doc in asked)))
        deadline = time.monotonic() + (DEFAULT_WAIT if manner.wait is None else manner.wait)
        lost = [doc for doc in asked if not self._within_reach(doc)]
        refused += [Refusal(doc.db_id, _out_of_reach(doc)) for doc in lost]
        asked = [doc for doc in asked if self._within_reach(doc)]
        while asked and time.monotonic() < deadline:
            time.sleep(INTERVAL)
            asked = [doc for doc in self._again(asked) if doc.cancel]
        return refused + [Refusal(doc.db_id, _still_queued(doc)) for doc in asked]

    def _within_reach(self, doc: JobDoc) -> bool:
        """Return whether the project still has all workers on which queue jobs are cancelled."""
        return all(request.worker in self.project.workers for request in doc.cancel)

    def _again(self, docs: Iterable[JobDoc]) -> list[JobDoc]:
        found: list[JobDoc] = []
        for piece in chunks([doc.id for doc in docs], PIECE):
            found += self.jobs.find({"_id": {"$in": piece}})
        return found

    def _settle(self, flows: Iterable[str]) -> None:
        """Delete the flows that have no jobs any more, and renew the state of the others."""
        queue = self.jobs.queue
        for flow in flows:
            with translated():
                if queue.jobs.find_one({"flow": flow}, {"_id": 1}) is None:
                    queue.flows.delete_one({"_id": flow, "inserting": False})
            with suppress(FlowNotFoundError):
                self.jobs.flows.refresh(flow, exact=True)


def _out_of_reach(doc: JobDoc) -> str:
    workers = ", ".join(dict.fromkeys(request.worker for request in doc.cancel))
    return (
        f"its queue job cannot be cancelled: the project has no worker {workers} any more. "
        "--keep-processes deletes it all the same."
    )


def _still_queued(doc: JobDoc) -> str:
    names = ", ".join(request.queue_id or request.name for request in doc.cancel)
    return (
        f"it is stopped, but its queue job {names} is not confirmed to be gone. "
        "Is the runner running? Then try again; --keep-processes does not wait for it."
    )
