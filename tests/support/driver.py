"""Runs flows through run folders, one after the other, as the contract with the worker has it.

It knows nothing of queues: what it checks is that entries, inputs, outcomes and documents suffice
to do what jobflow's ``run_locally`` does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from jfcelery.errors import ReferenceMissingError
from jfcelery.execution.inputs import JobInput
from jfcelery.execution.outcome import Outcome, read_outcome
from jfcelery.execution.references import collect_for_job
from jfcelery.execution.stores import insert_documents, read_documents
from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from jobflow import JobStore

    from jfcelery.flows.entries import FlowEntries
    from jfcelery.flows.entry import JobEntry
    from tests.support.warm import WarmRunner


@dataclass
class Driver:
    """Runs all jobs of a flow, and those that they make.

    Args:
        store: Where outputs go.
        runner: What runs the job of a folder.
        folder: Below it the run folders are made.
    """

    store: JobStore
    runner: WarmRunner
    folder: Path
    outcomes: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    entries: dict[tuple[str, int], JobEntry] = field(default_factory=dict)
    _stopped: set[str] = field(default_factory=set)
    _errored: set[str] = field(default_factory=set)
    _over: bool = False

    def run(self, flow: FlowEntries) -> None:
        """Run a flow's jobs, parents first, each followed by what it adds."""
        by_uuid = {entry.uuid: entry for entry in flow.jobs}
        order = TopologicalSorter(
            {u: [p for p in e.parents if p in by_uuid] for u, e in by_uuid.items()}
        ).static_order()
        for uuid in order:
            if self._over:
                return
            entry = by_uuid[uuid]
            parents = {parent for parent in entry.parents if parent in by_uuid}
            if parents & self._stopped:
                self._stopped.add(uuid)
            elif parents & self._errored and entry.on_missing == "error":
                self._errored.add(uuid)
            else:
                self._finish(entry, self._execute(entry))

    def _finish(self, entry: JobEntry, outcome: Outcome | None) -> None:
        if outcome is None or outcome.error is not None:
            self._errored.add(entry.uuid)
            return
        if outcome.stop_children:
            self._stopped.add(entry.uuid)
        self._over = outcome.stop_jobflow
        for new in (outcome.replace, outcome.detour, outcome.addition):
            if new is not None and not self._over:
                self.run(new)

    def _execute(self, entry: JobEntry) -> Outcome | None:
        try:
            references = collect_for_job(self.store, entry.payload.load())
        except ReferenceMissingError:
            return None
        folder = self.folder / f"{entry.uuid}_{entry.index}"
        folder.mkdir()
        given = JobInput(
            # As after the way through the database.
            json.loads(json.dumps(entry.payload.load())),
            {"uuid": entry.uuid, "index": entry.index, "db_id": "7", "worker": "test"},
            references,
            entry.stores,
            attempt=1,
        )
        (folder / RunFolder.INPUT).write_bytes(given.to_bytes())
        assert self.runner.run(folder) == 0
        outcome = read_outcome(folder / RunFolder.OUTPUT)
        if outcome.error is None:
            documents = read_documents(folder, entry.stores)
            insert_documents(self.store, documents)
            insert_documents(self.store, documents)  # a step may be repeated
        self.outcomes[entry.uuid, entry.index] = outcome
        self.entries[entry.uuid, entry.index] = entry
        return outcome
