"""The operations on flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.controller.filters import JobFilter
from jfcelery.controller.queries import find_jobs
from jfcelery.database.connection import translated
from jfcelery.database.flows import Flows
from jfcelery.errors import StateError
from jfcelery.states import ACTIVE_STATES, JobState, sources_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.controller.actions import Actions
    from jfcelery.controller.bulk import Manner, Result
    from jfcelery.controller.delete import Extent
    from jfcelery.database.documents import JobDoc

#: Jobs in these states have no use for their run folder any more, as far as one can know.
CLEANABLE_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.REMOTE_ERROR})


class FlowActions:
    """What can be done to whole flows.

    Args:
        actions: The operations on jobs.
    """

    def __init__(self, actions: Actions) -> None:
        self.actions = actions
        self.project = actions.project
        self.queue = actions.queue

    def jobs_of(self, uuids: Sequence[str]) -> list[JobDoc]:
        """Return the jobs of flows."""
        return find_jobs(self.queue, JobFilter(flow_ids=tuple(uuids))) if uuids else []

    def resume(self, uuid: str, manner: Manner) -> Result:
        """Let all PAUSED, STOPPED and USER_STOPPED jobs of a flow go on.

        Raises:
            JobNotFoundError: It has none.
        """
        states = tuple(sorted(sources_of("resume")))
        return self.actions.resume(JobFilter(flow_ids=(uuid,), states=states), manner)

    def delete(self, uuids: Sequence[str], manner: Manner, extent: Extent) -> Result:
        """Delete flows with all their jobs; a flow of which a job is refused stays with that."""
        return self.actions.delete_flows(uuids, manner, extent)

    def set_store(self, uuid: str, store: str | None) -> None:
        """Set the JobStore of a flow.

        Args:
            uuid: The flow.
            store: One of the project's ``optional_jobstores``; None for its own JobStore.

        Raises:
            UnknownNameError: The project has no such JobStore.
            StateError: A job of the flow has put its output elsewhere, or is about to.
        """
        if store is not None:
            self.project.get_jobstore(store)
        begun = [
            doc
            for doc in self.jobs_of([uuid])
            if doc.state in ACTIVE_STATES or doc.state is JobState.COMPLETED
        ]
        if begun:
            raise StateError(
                f"{len(begun)} jobs of the flow have started or ended (the first is "
                f"{begun[0].db_id}), and their outputs go to the store that it has.",
                remedy="Set the store of a flow before it starts: jfc job pause -fid FLOW_ID",
            )
        flows = Flows(self.queue)
        while True:
            flow = flows.get(uuid)
            fields = {"jobstore": store, "updated_on": self.queue.clock.now()}
            with translated():
                result = self.queue.flows.update_one(
                    {"_id": uuid, "version": flow.version},
                    {"$set": fields, "$inc": {"version": 1}},
                )
            if result.matched_count:
                return
