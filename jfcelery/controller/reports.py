"""Reports: how many jobs and flows there are in which state, how it went, what it took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jfcelery.controller.filters import FlowFilter, JobFilter
from jfcelery.controller.queries import (
    count_flows_by_state,
    find_jobs,
    job_infos,
)
from jfcelery.controller.trends import Trend, periods, trends, zone_of
from jfcelery.controller.usage import USAGE_FIELDS, UsageCount, UsageReport
from jfcelery.database.pieces import every_job
from jfcelery.states import ACTIVE_STATES, FlowState, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.controller.info import JobInfo
    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project.worker import WorkerBase

#: States of jobs whose numbers are shown over time.
JOB_TRENDS = (JobState.COMPLETED, JobState.FAILED, JobState.REMOTE_ERROR)
#: States of flows whose numbers are shown over time.
FLOW_TRENDS = (FlowState.COMPLETED, FlowState.FAILED)
_RUNNING = (JobState.RUNNING, JobState.BATCH_RUNNING)
#: How many of the longest running jobs are shown.
LONGEST = 5


@dataclass(frozen=True)
class JobsReport:
    """A report on jobs.

    Args:
        state_counts: Number of jobs in each state.
        trends: By period: number of jobs that came into a state.
        longest_running: The jobs that run longest.
        worker_utilization: Number of jobs of each worker.
        usage: What the jobs took that ended in the periods.
    """

    state_counts: dict[JobState, int]
    trends: dict[str, dict[JobState, int]]
    longest_running: list[JobInfo]
    worker_utilization: dict[str, int]
    usage: UsageReport = field(default_factory=UsageReport)

    @property
    def running(self) -> int:
        """Number of running jobs."""
        return sum(self.state_counts[state] for state in _RUNNING)

    @property
    def completed(self) -> int:
        """Number of completed jobs."""
        return self.state_counts[JobState.COMPLETED]

    @property
    def error(self) -> int:
        """Number of failed jobs and of those that a step failed on."""
        return self.state_counts[JobState.FAILED] + self.state_counts[JobState.REMOTE_ERROR]

    @property
    def active(self) -> int:
        """Number of jobs under way."""
        return sum(self.state_counts[state] for state in ACTIVE_STATES)


@dataclass(frozen=True)
class FlowsReport:
    """A report on flows.

    Args:
        state_counts: Number of flows in each state.
        trends: By period: number of flows that came into a state.
    """

    state_counts: dict[FlowState, int]
    trends: dict[str, dict[FlowState, int]]


def jobs_report(
    queue: QueueDatabase,
    interval: str,
    number: int | None = None,
    zone: str = "UTC",
    *,
    workers: Mapping[str, WorkerBase],
) -> JobsReport:
    """Return a report on the jobs of a project.

    Args:
        queue: The project's database.
        interval: ``hours``, ``days``, ``weeks``, ``months`` or ``years``.
        number: How many of them.
        zone: Name of the time zone in which they begin.
        workers: The project's workers.
    """
    starts = periods(interval, number, queue.clock.now(), zone_of(zone))
    states, by_worker = Counter[str](), Counter[str]()
    trend = Trend(JOB_TRENDS, interval, starts)
    usage = UsageCount(queue, starts[0], workers)
    for piece in every_job(queue, USAGE_FIELDS):
        states.update(row["state"] for row in piece)
        by_worker.update(row["worker"] for row in piece)
        trend.add(piece)
        usage.add(piece)
    running = find_jobs(queue, JobFilter(states=_RUNNING), sort=[("updated_on", 1)], limit=LONGEST)
    return JobsReport(
        state_counts={state: states[state.value] for state in JobState},
        trends=trend.found,
        longest_running=job_infos(queue, running),
        worker_utilization=dict(by_worker.most_common()),
        usage=usage.report(),
    )


def flows_report(
    queue: QueueDatabase, interval: str, number: int | None = None, zone: str = "UTC"
) -> FlowsReport:
    """Return a report on the flows of a project; the arguments are the first of jobs_report."""
    counts = count_flows_by_state(queue, FlowFilter())
    return FlowsReport(
        state_counts={state: counts.get(state.value, 0) for state in FlowState},
        trends=trends(queue, FLOW_TRENDS, interval, number, zone),
    )
