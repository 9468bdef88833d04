"""From a filter to the MongoDB query that it means."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from jfcelery.controller.filters import FlowFilter, JobFilter, name_condition
from jfcelery.controller.ids import is_uuid
from jfcelery.database.connection import translated
from jfcelery.database.documents import job_key
from jfcelery.errors import FlowNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from jfcelery.database.connection import QueueDatabase

#: A MongoDB query.
Query = dict[str, Any]


def job_query(queue: QueueDatabase, selected: JobFilter) -> Query:
    """Return the query for the jobs that a filter selects.

    Raises:
        FlowNotFoundError: A flow is named that does not exist.
    """
    conditions: list[Query] = []
    if selected.job_ids:
        conditions.append(_one_of("_id", [job_key(*pair) for pair in selected.job_ids]))
    if selected.newest:
        conditions.append(_one_of("_id", _newest(queue, selected.newest)))
    if selected.db_ids:
        conditions.append(_one_of("db_id", selected.db_ids))
    if selected.flow_ids:
        conditions.append(_jobs_of_flows(queue, selected.flow_ids))
    if selected.states:
        conditions.append(_one_of("state", [state.value for state in selected.states]))
    if selected.workers:
        conditions.append(_one_of("worker", selected.workers))
    if selected.name:
        conditions.append({"job.name": name_condition(selected.name)})
    if selected.metadata:
        conditions.append({f"job.metadata.{k}": v for k, v in selected.metadata.items()})
    if selected.locked:
        conditions.append({"lock_until": {"$gt": queue.clock.now()}})
    conditions += _errors(selected.error_class, selected.error_regex)
    conditions += _dates(selected.start_date, selected.end_date)
    return _all_of([*conditions, dict(selected.query)])


def flow_query(queue: QueueDatabase, selected: FlowFilter) -> Query:
    """Return the query for the flows that a filter selects.

    Raises:
        FlowNotFoundError: A flow is named that does not exist.
    """
    conditions: list[Query] = []
    if selected.job_ids:
        conditions.append(_one_of("_id", _flows_of(queue, _one_of("uuid", selected.job_ids))))
    if selected.db_ids:
        conditions.append(_one_of("_id", _flows_of(queue, _one_of("db_id", selected.db_ids))))
    if selected.flow_ids:
        conditions.append(_one_of("_id", [flow_uuid(queue, i) for i in selected.flow_ids]))
    if selected.states:
        conditions.append(_one_of("state", [state.value for state in selected.states]))
    if selected.name:
        conditions.append({"name": name_condition(selected.name)})
    if selected.metadata:
        conditions.append({f"metadata.{k}": v for k, v in selected.metadata.items()})
    if selected.locked:
        query = {"lock_until": {"$gt": queue.clock.now()}}
        conditions.append(_one_of("_id", _flows_of(queue, query)))
    conditions += _dates(selected.start_date, selected.end_date)
    return _all_of([*conditions, dict(selected.query)])


def flow_uuid(queue: QueueDatabase, flow_id: str, *, by_job: bool = False) -> str:
    """Return the uuid of a flow.

    Args:
        queue: The project's database.
        flow_id: uuid of a flow, or of a Flow inside it; or the db id of one of its jobs.
        by_job: Whether a uuid is that of a job of the flow.

    Raises:
        FlowNotFoundError: There is none.
    """
    with translated():
        if not is_uuid(flow_id):
            query: Query = {"db_id": flow_id}
        elif by_job:
            query = {"uuid": flow_id}
        elif queue.flows.find_one({"_id": flow_id}, {"_id": 1}):
            return flow_id
        else:
            query = {"job.hosts": flow_id}
        job = queue.jobs.find_one(query, {"flow": 1})
    if job is None:
        if is_uuid(flow_id) and not by_job and queue.jobs.find_one({"uuid": flow_id}, {"_id": 1}):
            remedy = "It is the uuid of a job: the option --job (-j) or --job-id takes that."
        else:
            remedy = "`jfc flow list` shows the flows."
        what = "job" if by_job else "flow"
        raise FlowNotFoundError(f"No {what} has the id {flow_id}.", remedy=remedy)
    return str(job["flow"])


def _jobs_of_flows(queue: QueueDatabase, flow_ids: Sequence[str]) -> Query:
    """Return the condition for jobs of flows; an inner Flow selects its own jobs only."""
    outer, inner = [], []
    for flow_id in flow_ids:
        found = flow_uuid(queue, flow_id)
        if is_uuid(flow_id) and found != flow_id:
            inner.append(flow_id)
        else:
            outer.append(found)
    alternatives = [_one_of("flow", outer)] if outer else []
    alternatives += [_one_of("job.hosts", inner)] if inner else []
    return alternatives[0] if len(alternatives) == 1 else {"$or": alternatives}


def _newest(queue: QueueDatabase, uuids: Iterable[str]) -> list[str]:
    """Return the ``_id`` of the job with the largest index of each uuid."""
    found = []
    with translated():
        for uuid in uuids:
            job = queue.jobs.find_one({"uuid": uuid}, {"_id": 1}, sort=[("index", -1)])
            if job is not None:
                found.append(job["_id"])
    return found


def _flows_of(queue: QueueDatabase, query: Query) -> list[str]:
    with translated():
        return sorted({job["flow"] for job in queue.jobs.find(query, {"flow": 1})})


def _one_of(field: str, values: Sequence[str]) -> Query:
    return {field: values[0]} if len(values) == 1 else {field: {"$in": list(values)}}


def _dates(start: datetime | None, end: datetime | None) -> list[Query]:
    bounds = {
        operator: moment.astimezone(UTC)
        for operator, moment in (("$gte", start), ("$lte", end))
        if moment is not None
    }
    return [{"updated_on": bounds}] if bounds else []


def _errors(name: str | None, pattern: str | None) -> list[Query]:
    conditions: list[Query] = [{"error_class": name}] if name else []
    if pattern:
        regex = {"$regex": pattern}
        conditions.append({"$or": [{"error": regex}, {"remote.error": regex}]})
    return conditions


def _all_of(conditions: list[Query]) -> Query:
    """Return one query that holds where all do; flat where it can be, so that indexes serve."""
    conditions = [condition for condition in conditions if condition]
    merged: Query = {}
    for condition in conditions:
        if not merged.keys().isdisjoint(condition):
            return {"$and": conditions}
        merged |= condition
    return merged
