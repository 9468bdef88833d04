"""Flows that completed, failed, or stand still without an end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.states import ACTIVE_STATES, FlowState, JobState
from jfcelery.tasks.notifications.notice import Notice

if TYPE_CHECKING:
    from datetime import datetime

    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime

#: So long nothing of a flow must have moved: between a job's end and its child's start nothing
#: does, and the sweep puts right what stands still by mistake.
QUIET = timedelta(minutes=2)
#: How far before the last look flows are looked at again: they may have become quiet since.
OVERLAP = QUIET + timedelta(minutes=1)

_ENDS = {FlowState.COMPLETED: "flow_completed", FlowState.FAILED: "flow_failed"}
_MOVING = {state.value for state in ACTIVE_STATES | {JobState.READY}}
_FIELDS = ("name", "db_id", "state", "counts", "updated_on", "told", "inserting")


@dataclass
class FlowsSeen:
    """What one look at the flows showed.

    Args:
        notices: What happened to them.
        marks: What is to be noted of each flow once the notices are in the outbox.
    """

    notices: list[Notice] = field(default_factory=list)
    marks: list[tuple[dict[str, Any], str]] = field(default_factory=list)


def look_at_flows(runtime: Runtime, since: datetime, wanted: set[str]) -> FlowsSeen:
    """Return what happened to flows.

    What was told of a flow is noted in its document by :func:`mark`, so that a flow that fails
    again after a rerun is told again, and one that has failed and goes on failing is not.
    """
    with translated():
        found = list(
            runtime.queue.flows.find({"updated_on": {"$gte": since}}, dict.fromkeys(_FIELDS, 1))
        )
    seen = FlowsSeen()
    for flow in found:
        event = "" if flow.get("inserting") else _event(runtime, flow)
        if event not in wanted:
            if flow.get("told"):
                seen.marks.append((flow, ""))
        elif _is_new(runtime, flow, event):
            seen.notices.append(_notice(runtime, flow, event))
            seen.marks.append((flow, event))
    return seen


def mark(runtime: Runtime, flow: dict[str, Any], event: str) -> None:
    """Note in a flow's document what was told of it.

    Args:
        runtime: The project, opened.
        flow: The flow as it was read.
        event: What was told; empty where that is over.
    """
    now = runtime.queue.clock.now()
    told = {"event": event, "at": now, "seen": flow["updated_on"]} if event else None
    with translated():
        runtime.queue.flows.update_one({"_id": flow["_id"]}, {"$set": {"told": told}})


def _event(runtime: Runtime, flow: dict[str, Any]) -> str:
    """Return what has become of a flow; empty as long as something of it moves."""
    if event := _ENDS.get(FlowState(flow["state"])):
        return event
    now = runtime.queue.clock.now()
    if flow["state"] != FlowState.RUNNING.value or now - flow["updated_on"] < QUIET:
        return ""
    if any(flow["counts"].get(state) for state in _MOVING):
        return ""
    exact = runtime.jobs.flows.count([flow["_id"]]).get(flow["_id"], {})
    return "" if _MOVING & {state.value for state in exact} else "flow_stuck"


def _is_new(runtime: Runtime, flow: dict[str, Any], event: str) -> bool:
    """Return whether it happened again since it was told."""
    told = flow.get("told")
    if not told or told["event"] != event:
        return True
    if told["seen"] == flow["updated_on"]:
        return False
    if event == "flow_stuck":
        return True
    # A flow failed anew if all that failed in it did so since.
    state, order = ("FAILED", 1) if event == "flow_failed" else ("COMPLETED", -1)
    with translated():
        job = runtime.queue.jobs.find_one(
            {"flow": flow["_id"], "state": state}, {"updated_on": 1}, sort=[("updated_on", order)]
        )
    if job is not None and job["updated_on"] > told["at"]:
        return True
    mark(runtime, flow, event)
    return False


def _notice(runtime: Runtime, flow: dict[str, Any], event: str) -> Notice:
    counts = {state: number for state, number in flow["counts"].items() if number}
    number = sum(counts.values())
    head = f"flow {flow.get('db_id') or flow['_id']} ({flow['name']})"
    if event == "flow_completed":
        key = f"{event}:{flow['_id']}:{flow['updated_on'].isoformat()}"
        return Notice(key, event, f"{head} COMPLETED: {number} jobs", flow["updated_on"])
    culprit = _culprit(runtime, flow)
    change = culprit.last.id if culprit and culprit.last else flow["updated_on"].isoformat()
    how = "FAILED" if event == "flow_failed" else "is stuck"
    jobs = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    reason = f"job {culprit.db_id} ({culprit.job.name}) {culprit.state}" if culprit else ""
    error = f", {culprit.error_class}" if culprit and culprit.error_class else ""
    text = f"{head} {how}: {reason}{error}; of {number} jobs {jobs}"
    return Notice(f"{event}:{flow['_id']}:{change}", event, text, flow["updated_on"])


def _culprit(runtime: Runtime, flow: dict[str, Any]) -> JobDoc | None:
    """Return the job that failed first."""
    for state in (JobState.FAILED, JobState.REMOTE_ERROR):
        query = {"flow": flow["_id"], "state": state.value}
        for doc in runtime.jobs.find(query, sort=[("updated_on", 1)], limit=1):
            return doc
    return None
