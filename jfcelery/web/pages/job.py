"""The page of a job: everything that is known of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fastapi import Request
from nicegui import ui

from jfcelery.controller.arguments import one_job
from jfcelery.controller.filters import FlowFilter
from jfcelery.controller.outputs import job_output
from jfcelery.controller.queries import find_flows, find_one_job, job_infos, raw_jobs
from jfcelery.controller.reasons import reasons
from jfcelery.database.failures import with_whole_errors
from jfcelery.database.history import History
from jfcelery.database.payloads import load_payload
from jfcelery.errors import JfceleryError, ServiceError
from jfcelery.folders import RunFolder
from jfcelery.scripts import job_script
from jfcelery.states import RESTING_STATES
from jfcelery.web.api.answers import plain
from jfcelery.web.api.models import JobSelection
from jfcelery.web.pages.actions import ActionBar
from jfcelery.web.pages.files import Files, tail_of
from jfcelery.web.pages.frame import card, frame, later, live, markup
from jfcelery.web.pages.markup import (
    Safe,
    badge,
    duration,
    facts,
    flow_link,
    job_link,
    table,
    text,
    tree,
    when,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc
    from jfcelery.web.current import Current

#: Fields that the list of facts leaves to other parts of the page.
_ELSEWHERE = {"state", "error", "error_class", "remote", "name", "flow", "recovery", "hosts"}
#: Most parents that are named.
MOST_PARENTS = 10


def add_job(current: Current) -> None:
    """Add the page of a job."""
    find = partial(_find, current)

    @ui.page("/job/{db_id}")
    def job(request: Request, db_id: str) -> None:
        try:
            doc = find(db_id)
        except JfceleryError as error:
            with frame("Job", request, current):
                markup(Safe(f'<p class="error" role="alert">{text(error.message)}</p>'))
            return
        with frame(f"Job {doc.db_id}: {doc.job.name}", request, current) as caller:
            ActionBar(current, caller, lambda: JobSelection(db_ids=[db_id]))
            with card("State"):
                live(current, state_of, db_id)
            with ui.element("div").classes("cards uneven"):
                with card("What is known"):
                    live(current, facts_of, db_id)
                with card("History"):
                    live(current, history_of, db_id)
            later("Output", lambda: output_of(current, find(db_id)))
            later("Inputs", lambda: inputs_of(current, find(db_id)))
            Files(current, partial(find, db_id))
            for name in (RunFolder.QUEUE_OUT, RunFolder.QUEUE_ERR):
                later(
                    f"End of {name}",
                    partial(tail_of, current, partial(find, db_id), name),
                    goes_on=partial(goes_on, find, db_id),
                )
            later("Submission script", lambda: script_of(current, find(db_id)))


def _find(current: Current, db_id: str) -> JobDoc:
    return find_one_job(current.controller().queue, one_job(db_id=db_id))


def state_of(current: Current, db_id: str) -> Safe:
    """Return a job's state, its error, the reasons and what would move it on."""
    controller, doc = current.controller(), _find(current, db_id)
    found = reasons(controller.project, controller.queue, doc)
    items = "".join(
        f"<li>{text(r.text)}{f' <code>{text(r.command)}</code>' if r.command else ''}</li>"
        for r in found
    )
    doc = with_whole_errors(controller.queue, doc)
    error = (doc.error or doc.remote.error or "").strip()
    shown = f'<div class="error"><pre>{text(error)}</pre></div>' if error else ""
    kind = f" {text(doc.error_class)}" if doc.error_class else ""
    return Safe(f"<p>{badge(doc.state)}{kind}</p><ul>{items}</ul>{shown}")


def facts_of(current: Current, db_id: str) -> Safe:
    """Return everything that `jfc job info` shows and that has a value."""
    queue, doc = current.controller().queue, _find(current, db_id)
    (info,) = job_infos(queue, [doc])
    values: dict[str, object] = {"flow": _flow(queue, doc.flow)}
    for name, value in info.model_dump(mode="python").items():
        if name in _ELSEWHERE:
            continue
        values[name] = when(value) if hasattr(value, "astimezone") else value
    values["parents"] = _parents(queue, info.parents)
    # They are called so in jobflow; a host is something else here.
    values["inner flows"] = [uuid for uuid in info.hosts if uuid != doc.flow]
    values["run_time"] = duration(info.run_time)
    remote = info.remote.model_dump(mode="json", exclude_defaults=True)
    if info.remote.end:
        remote["end"] = f"{info.remote.end.reason}: {info.remote.end.words}".removesuffix(": ")
    for name, value in remote.items():
        if name != "error":
            values[f"remote {name}"] = value
    if info.recovery:
        values["recovery"] = info.recovery.why
    return facts(values)


def _flow(queue: QueueDatabase, uuid: str) -> Safe:
    """Return a link to a flow, by its number and name."""
    (flow,) = find_flows(queue, FlowFilter(flow_ids=(uuid,))) or (None,)
    return flow_link(uuid, f"{flow.db_id} {flow.name}" if flow else uuid)


def _parents(queue: QueueDatabase, uuids: Sequence[str]) -> Safe:
    """Return links to the first parents, by their numbers and names, and the number of others."""
    query = {"uuid": {"$in": list(uuids[:MOST_PARENTS])}}
    found = raw_jobs(queue, query, ("uuid", "index", "db_id", "job.name"))
    newest = {raw["uuid"]: raw for raw in sorted(found, key=lambda raw: raw["index"])}
    raws = (newest[uuid] for uuid in uuids if uuid in newest)
    links = (f"{job_link(raw['db_id'])} {text(raw['job']['name'])}" for raw in raws)
    more = len(uuids) - MOST_PARENTS
    return Safe(", ".join(links) + (f" and {more} more" if more > 0 else ""))


def history_of(current: Current, db_id: str) -> Safe:
    """Return every change of a job's state."""
    rows = [
        (when(c.at), badge(c.target), c.by, c.attempt, c.why)
        for c in History(current.controller().queue).of(_find(current, db_id))
    ]
    return table("History", ["Time", "State", "By", "Attempt", "Why"], rows)


def output_of(current: Current, doc: JobDoc) -> Safe:
    """Return a job's output as a tree."""
    controller = current.controller()
    return tree(plain(job_output(controller.project, controller.queue, doc)))


def inputs_of(current: Current, doc: JobDoc) -> Safe:
    """Return a job's function and arguments as a tree."""
    payload = load_payload(current.controller().queue, doc.id)
    chosen = ("function", "function_args", "function_kwargs", "maker", "metadata")
    return tree({name: payload[name] for name in chosen if payload.get(name)} or payload)


def goes_on(find: Callable[[str], JobDoc], db_id: str) -> bool:
    """Return whether a job may yet write something."""
    try:
        return find(db_id).state not in RESTING_STATES
    except ServiceError:
        return True
    except JfceleryError:  # it was deleted
        return False


def script_of(current: Current, doc: JobDoc) -> Safe:
    """Return the script with which a job is, or would be, submitted."""
    return Safe(f"<pre>{text(job_script(current.project, doc))}</pre>")
