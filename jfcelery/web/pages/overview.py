"""The first page: states, throughput, hosts, Celery workers, recent failures by their reason."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from jfcelery.controller.filters import FlowFilter, JobFilter
from jfcelery.controller.queries import count_flows_by_state, count_in_flows, find_jobs
from jfcelery.controller.reports import JOB_TRENDS
from jfcelery.controller.trends import trends
from jfcelery.controller.workers import worker_infos
from jfcelery.errors import ServiceError
from jfcelery.messages import messenger
from jfcelery.states import JobState
from jfcelery.web.pages.frame import card, frame, live
from jfcelery.web.pages.markup import Safe, badge, breaker, job_link, link, look, table, text
from jfcelery.web.pages.workers import celery_table, runner_table

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.web.current import Current

#: Days back in which failures are recent, and most of them that are looked at.
RECENT, MOST_FAILURES = timedelta(days=7), 500
#: States whose jobs failed.
_FAILED = (JobState.FAILED, JobState.REMOTE_ERROR)
#: Hours of throughput.
HOURS = 8


def add_overview(current: Current) -> None:
    """Add the first page."""

    @ui.page("/")
    def overview(request: Request) -> None:
        with frame("Overview", request, current):
            with card("Jobs"):
                live(current, state_tiles)
            with ui.element("div").classes("cards"):
                with card("Ended in the last hours"):
                    live(current, throughput)
                with card("Hosts and queues"):
                    live(current, hosts)
                with card("Recent failures"):
                    live(current, failures)
                with card("Flows"):
                    live(current, flows)
                with card("Celery workers and runner"):
                    live(current, runner_table)
                    live(current, celery_table, rest=0)


def state_tiles(current: Current) -> Safe:
    """Return the number of jobs in each state, each leading to these jobs."""
    counts = count_in_flows(current.controller().queue, FlowFilter())
    tiles = "".join(
        f'<a class="{look(state)}" href="/jobs?state={state}"><b>{counts[state]}</b>'
        f"{badge(state)}</a>"
        for state in map(str, JobState)
        if counts.get(state)
    )
    nothing = '<p class="soft">No job yet: <code>jfc submit FILE</code> adds a flow.</p>'
    return Safe(f'<div class="tiles">{tiles}</div>' if tiles else nothing)


def throughput(current: Current) -> Safe:
    """Return how many jobs ended in each of the last hours."""
    found = trends(current.controller().queue, JOB_TRENDS, "hours", HOURS, "local")
    rows = [
        (f"{period[-2:]}:00", *(number or "" for number in n.values()))
        for period, n in found.items()
    ]
    return table("Jobs that ended", ["Hour", *(badge(state) for state in JOB_TRENDS)], rows)


def hosts(current: Current) -> Safe:
    """Return the workers with the breakers of their hosts, and the messages that wait."""
    controller = current.controller()
    infos = worker_infos(controller.project, controller.queue)
    states = [breaker(info.state) for info in infos]
    rows = [
        (info.name, state, info.active, info.details.get("host", info.host))
        for info, (state, _) in zip(infos, states, strict=True)
    ]
    shown = table("Workers", ["Worker", "State", "Under way", "Host"], rows)
    for info, (_, why) in zip(infos, states, strict=True):
        shown = Safe(f"{shown}<p>{text(info.name)}: {why}</p>" if why else shown)
    try:
        lengths = messenger(controller.project).queue_lengths()
    except ServiceError as error:
        return Safe(f'{shown}<p class="error">{text(error.message)}</p>')
    return Safe(shown + table("Messages that wait", ["Celery queue", "Messages"], lengths.items()))


def failures(current: Current) -> Safe:
    """Return the reasons of recent failures, the most frequent first."""
    queue = current.controller().queue
    selected = JobFilter(states=_FAILED, start_date=queue.clock.now() - RECENT)
    docs = find_jobs(queue, selected, sort=[("updated_on", -1)], limit=MOST_FAILURES)
    numbers = Counter(doc.error_class or "unknown" for doc in docs)
    newest = {doc.error_class or "unknown": doc for doc in reversed(docs)}
    rows = [
        (
            link(f"/jobs?{urlencode({'error_class': reason})}", reason),
            number,
            _newest(newest[reason]),
        )
        for reason, number in numbers.most_common()
    ]
    return table("Failures of the last days", ["Reason", "Jobs", "The last one"], rows)


def _newest(doc: JobDoc) -> Safe:
    return Safe(f"{job_link(doc.db_id)} {text(doc.job.name)}")


def flows(current: Current) -> Safe:
    """Return the number of flows in each state."""
    counts = count_flows_by_state(current.controller().queue, FlowFilter())
    rows = [(badge(s), link(f"/flows?state={s}", n)) for s, n in sorted(counts.items())]
    return table("Flows", ["Flows that are", "Number"], rows)
