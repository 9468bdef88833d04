"""What the view shows at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from jfcelery.controller.filters import FlowFilter, JobFilter
from jfcelery.controller.queries import count_in_flows, find_flows, find_jobs
from jfcelery.controller.workers import worker_infos
from jfcelery.database.connection import translated
from jfcelery.states import JobState

if TYPE_CHECKING:
    from datetime import datetime

    from jfcelery.controller import JobController
    from jfcelery.controller.info import FlowInfo
    from jfcelery.controller.workers import WorkerInfo
    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc

#: Flows, and jobs of a flow, that the view holds at most.
MOST = 200
#: Over which jobs that ended are counted.
RECENT = timedelta(minutes=10)
#: States in which a job has ended, well or not.
_ENDS = (JobState.COMPLETED.value, JobState.FAILED.value, JobState.REMOTE_ERROR.value)
#: Changes that are read at most to count them.
MOST_CHANGES = 20_000


@dataclass(frozen=True)
class Snapshot:
    """One moment.

    Args:
        project: Name of the project.
        at: When it was, by the database's clock.
        counts: Number of jobs in each state.
        workers: The workers, with the state of their hosts.
        ended: Jobs that came into COMPLETED, FAILED or REMOTE_ERROR lately, by state.
        flows: The flows that changed last; empty where a flow is looked at.
        flow: The flow that is looked at.
        jobs: Its jobs.
    """

    project: str
    at: datetime
    counts: dict[str, int]
    workers: tuple[WorkerInfo, ...]
    ended: dict[str, int]
    flows: tuple[FlowInfo, ...] = ()
    flow: FlowInfo | None = None
    jobs: tuple[JobDoc, ...] = ()


def take(controller: JobController, flow: str | None) -> Snapshot:
    """Look at the database.

    Args:
        controller: The project's controller.
        flow: uuid of the flow whose jobs are wanted; None for the list of flows.
    """
    queue = controller.queue
    flows: list[FlowInfo] = []
    jobs: list[JobDoc] = []
    one: FlowInfo | None = None
    if flow is None:
        flows = find_flows(queue, FlowFilter(), sort=[("updated_on", -1)], limit=MOST)
    else:
        one = next(iter(find_flows(queue, FlowFilter(flow_ids=(flow,)))), None)
        jobs = find_jobs(queue, JobFilter(flow_ids=(flow,)), sort=[("db_id", 1)], limit=MOST)
    return Snapshot(
        project=controller.project.name,
        at=queue.clock.now(),
        counts=count_in_flows(queue, FlowFilter()),
        workers=tuple(worker_infos(controller.project, queue)),
        ended=_ended(queue),
        flows=tuple(flows),
        flow=one,
        jobs=tuple(jobs),
    )


def _ended(queue: QueueDatabase) -> dict[str, int]:
    # The target is looked at here: with it in the query the embedded server reads everything.
    query = {"at": {"$gte": queue.clock.now() - RECENT}}
    counts: dict[str, int] = dict.fromkeys(_ENDS, 0)
    with translated():
        for change in queue.history.find(query, {"target": 1}).limit(MOST_CHANGES):
            if change["target"] in counts:
                counts[change["target"]] += 1
    return counts
