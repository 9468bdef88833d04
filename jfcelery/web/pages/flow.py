"""The page of a flow: progress, graph, time line, jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from nicegui import ui

from jfcelery.controller.filters import FlowFilter, JobFilter
from jfcelery.controller.graph import FlowGraph
from jfcelery.controller.queries import find_flows, find_jobs, raw_jobs
from jfcelery.controller.resolve import flow_uuid
from jfcelery.database.connection import translated
from jfcelery.database.documents import Change, JobDoc, job_key
from jfcelery.database.edges import with_parents
from jfcelery.database.ids import id_number
from jfcelery.errors import JfceleryError
from jfcelery.web.api.models import JobSelection
from jfcelery.web.pages.actions import ActionBar
from jfcelery.web.pages.drawing import MOST_ROWS, graph_svg, timeline_svg
from jfcelery.web.pages.frame import card, frame, live, markup
from jfcelery.web.pages.markup import (
    Safe,
    badge,
    bar,
    duration,
    facts,
    job_link,
    link,
    table,
    text,
    when,
)

if TYPE_CHECKING:
    from jfcelery.web.current import Current

#: Most jobs that the graph is made of, and that the table shows.
MOST_DRAWN, MOST_SHOWN = 10_000, 100
#: What the graph needs to know of a job; the whole documents of so many would take much memory.
_DRAWN = (
    *("uuid", "index", "db_id", "flow", "generator", "worker", "state", "parents", "apart"),
    *("created_on", "updated_on", "job.name"),
)


def add_flow(current: Current) -> None:
    """Add the page of a flow."""

    @ui.page("/flow/{flow_id}")
    def flow(request: Request, flow_id: str) -> None:
        try:
            uuid = flow_uuid(current.controller().queue, flow_id)
            (info,) = find_flows(current.controller().queue, FlowFilter(flow_ids=(uuid,)))
        except (JfceleryError, ValueError):
            with frame("Flow", request, current):
                markup(Safe('<p class="error" role="alert">There is no such flow.</p>'))
            return
        with frame(f"Flow {info.db_id}: {info.name}", request, current) as caller:
            ActionBar(current, caller, lambda: JobSelection(flow_ids=[uuid]))
            with card("Progress"):
                live(current, progress_of, uuid)
            with card("Graph"):
                live(current, graph_of, uuid)
            with card("Time line"):
                live(current, timeline_of, uuid)
            with card("Jobs"):
                live(current, jobs_of, uuid)


def _docs(current: Current, uuid: str, limit: int) -> list[JobDoc]:
    queue = current.controller().queue
    return find_jobs(queue, JobFilter(flow_ids=(uuid,)), sort=[("db_id", 1)], limit=limit)


def progress_of(current: Current, uuid: str) -> Safe:
    """Return a flow's state, how far it is, and a report on its run times."""
    queue = current.controller().queue
    (info,) = find_flows(queue, FlowFilter(flow_ids=(uuid,)))
    ended = {"flow": uuid, "end_time": {"$ne": None}}
    times = [
        (raw["end_time"] - raw["start_time"]).total_seconds()
        for raw in raw_jobs(queue, ended, ("start_time", "end_time"))
        if raw.get("start_time")
    ]
    counts = {str(state): number for state, number in info.counts.items()}
    values = {
        "state": badge(info.state),
        "jobs": bar(counts, f"Progress of {info.name}"),
        "by state": _by_state(counts, uuid),
        "uuid": info.flow_id,
        "added": when(info.created_on),
        "changed": when(info.updated_on),
        "run time in all": duration(sum(times)) if times else None,
        "longest run": duration(max(times)) if times else None,
        "metadata": info.flow_metadata,
    }
    return facts(values)


def _by_state(counts: dict[str, int], uuid: str) -> Safe:
    """Return how many jobs are in each state, each a link to them."""
    return Safe(
        " ".join(
            f"{number} {link(f'/jobs?flow={uuid}&state={state}', badge(state))}"
            for state, number in counts.items()
        )
    )


def graph_of(current: Current, uuid: str) -> Safe:
    """Return a flow's graph."""
    queue = current.controller().queue
    with translated():
        raws = list(queue.jobs.find({"flow": uuid}, _DRAWN).limit(MOST_DRAWN + 1))
    docs = sorted(
        (JobDoc.model_validate(raw) for raw in raws[:MOST_DRAWN]), key=lambda d: id_number(d.db_id)
    )
    drawn = graph_svg(FlowGraph.of(with_parents(queue, docs)), uuid)
    if len(raws) == len(docs):
        return drawn
    return Safe(f'<p class="soft">Only {MOST_DRAWN} jobs are drawn, the flow has more.</p>{drawn}')


def timeline_of(current: Current, uuid: str) -> Safe:
    """Return a flow's time line."""
    queue = current.controller().queue
    (info,) = find_flows(queue, FlowFilter(flow_ids=(uuid,)))
    docs = _docs(current, uuid, MOST_ROWS)
    uuids = [doc.uuid for doc in docs]
    changes: dict[str, list[Change]] = {}
    with translated():
        for raw in queue.history.find({"uuid": {"$in": uuids}}):
            change = Change.model_validate(raw)
            changes.setdefault(job_key(change.uuid, change.index), []).append(change)
    for found in changes.values():
        found.sort(key=lambda change: change.number)
    now = queue.clock.now().replace(microsecond=0)
    return timeline_svg(docs, changes, now, sum(info.counts.values()))


def jobs_of(current: Current, uuid: str) -> Safe:
    """Return the first jobs of a flow."""
    docs = _docs(current, uuid, MOST_SHOWN)
    rows = [
        (
            job_link(d.db_id),
            d.job.name,
            badge(d.state),
            d.worker,
            when(d.updated_on),
            text(_error(d)),
        )
        for d in docs
    ]
    shown = table("Jobs", ["Id", "Name", "State", "Worker", "Changed", "Error"], rows)
    return Safe(f"{shown}<p>{link(f'/jobs?flow={uuid}', 'All jobs of the flow')}</p>")


def _error(doc: JobDoc) -> str:
    lines = (doc.error or doc.remote.error or "").strip().splitlines()
    return lines[-1][:100] if lines else ""
