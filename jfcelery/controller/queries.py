"""Reading jobs and flows: lists, single ones, counts."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from jfcelery.controller.filters import FlowFilter, JobFilter
from jfcelery.controller.info import FlowInfo, JobInfo
from jfcelery.controller.resolve import flow_query, job_query
from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.documents import FlowDoc, JobDoc
from jfcelery.database.edges import with_parents
from jfcelery.database.failures import with_whole_errors
from jfcelery.database.ids import id_number, ids_from, ids_given
from jfcelery.database.pieces import about_all, every_job, slices
from jfcelery.errors import InputError, JobNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jfcelery.database.connection import QueueDatabase

#: The order of short ids.
FIRST = [("db_id", 1)]
#: Jobs that one query names.
PIECE = 500
#: The order of what changed last.
NEWEST = [("updated_on", -1)]
#: Fewer jobs than that are as well sorted all.
MANY = 5000
#: So many jobs since a time, or more, are not read to be sorted.
MOST_AT_ONCE = 5000
#: Of so many jobs at most the newest are looked for by going back in time.
MOST_NEWEST = 1000
#: How far to go back first, and at most.
FIRST_SPAN, LONGEST_SPAN = timedelta(minutes=1), timedelta(days=3650)


def find_jobs(
    queue: QueueDatabase,
    selected: JobFilter,
    *,
    sort: Sequence[tuple[str, int]] = (),
    limit: int = 0,
    skip: int = 0,
) -> list[JobDoc]:
    """Return the jobs that a filter selects.

    Args:
        queue: The project's database.
        selected: What is looked for.
        sort: Fields and directions; ``db_id`` sorts by number.
        limit: At most so many; 0 for all.
        skip: Leave out so many from the start.
    """
    query = job_query(queue, selected)
    if list(sort) == NEWEST and 0 < limit + skip <= MOST_NEWEST and _may_be_many(queue, selected):
        found = _newest(queue, query, limit + skip)
        if found is not None:
            return [JobDoc.from_mongo(raw) for raw in found[skip:]]
    if list(sort) == FIRST and limit and selected == JobFilter(flow_ids=selected.flow_ids):
        first = _first_of_flow(queue, query, limit + skip)
        if first is not None:
            return first[skip:]
    return _find(queue, query, sort=sort, limit=limit, skip=skip)


def job_keys(queue: QueueDatabase, selected: JobFilter) -> list[str]:
    """Return ``_id`` of the jobs that a filter selects, in the order of their short ids."""
    query = job_query(queue, selected)
    if query:
        return _keys_by_number(queue, query, 1)
    ids = [(row["db_id"], row["_id"]) for piece in every_job(queue, ["db_id"]) for row in piece]
    return [key for _, key in sorted(ids, key=lambda pair: id_number(pair[0]))]


def find_one_job(queue: QueueDatabase, selected: JobFilter) -> JobDoc:
    """Return the one job that a filter by ids selects.

    Raises:
        JobNotFoundError: There is none.
    """
    found = _find(queue, job_query(queue, selected), limit=1)
    if not found:
        raise JobNotFoundError(
            f"No job has the {selected.describe()}.",
            remedy="`jfc job list` shows the jobs.",
        )
    return found[0]


def find_by_process(queue: QueueDatabase, process_id: str) -> JobDoc | None:
    """Return the job whose queue job has an id; the newest, as ids may come again."""
    query = {"remote.process_id": str(process_id)}
    return next(iter(_find(queue, query, sort=[("updated_on", -1)], limit=1)), None)


def job_infos(queue: QueueDatabase, docs: Sequence[JobDoc]) -> list[JobInfo]:
    """Return what listings show of jobs, with all their parents."""
    return [JobInfo.of(doc) for doc in with_parents(queue, docs)]


def job_info(queue: QueueDatabase, doc: JobDoc) -> JobInfo:
    """Return all that is known of a job, its errors in full."""
    return job_infos(queue, [with_whole_errors(queue, doc)])[0]


def raw_jobs(
    queue: QueueDatabase,
    query: Mapping[str, Any],
    projection: Sequence[str] | Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return job documents as the database has them."""
    with translated(), _query_errors():
        return list(queue.jobs.find(dict(query), projection))


def count_jobs(queue: QueueDatabase, selected: JobFilter) -> int:
    """Return how many jobs a filter selects."""
    return _count(queue.jobs, job_query(queue, selected))


def count_by_state(queue: QueueDatabase, selected: JobFilter) -> dict[str, int]:
    """Return how many of the jobs that a filter selects are in each state."""
    query = job_query(queue, selected)
    found: Counter[str] = Counter()
    for part in [query] if query else slices(about_all(queue)):
        group = {"_id": "$state", "number": {"$sum": 1}}
        with translated():
            for row in queue.jobs.aggregate([{"$match": part}, {"$group": group}]):
                found[row["_id"]] += row["number"]
    return dict(found)


def count_in_flows(queue: QueueDatabase, selected: FlowFilter) -> dict[str, int]:
    """Return how many jobs of flows are in each state, as the documents of the flows say.

    These are counted as jobs change, and put right by the sweeper: what is to be exact is counted
    by :func:`count_by_state`, which looks at all jobs.
    """
    total: Counter[str] = Counter()
    with translated():
        for row in queue.flows.find(flow_query(queue, selected), {"counts": 1}):
            total.update(row.get("counts") or {})
    return {state: number for state, number in total.items() if number > 0}


def find_flows(
    queue: QueueDatabase,
    selected: FlowFilter,
    *,
    sort: Sequence[tuple[str, int]] = (),
    limit: int = 0,
    skip: int = 0,
    with_jobs: bool = False,
    jobs_sort: Sequence[tuple[str, int]] = (),
    jobs_limit: int = 0,
) -> list[FlowInfo]:
    """Return the flows that a filter selects.

    Args:
        queue: The project's database.
        selected: What is looked for.
        sort: Fields and directions.
        limit: At most so many; 0 for all.
        skip: Leave out so many from the start.
        with_jobs: Whether their jobs are read as well.
        jobs_sort: Order of the jobs of a flow; by ``db_id`` if empty.
        jobs_limit: At most so many jobs of each flow; 0 for all.
    """
    with translated(), _query_errors():
        cursor = queue.flows.find(flow_query(queue, selected))
        if sort:
            cursor = cursor.sort(list(sort))
        docs = [FlowDoc.from_mongo(raw) for raw in cursor.skip(skip).limit(limit)]
    if with_jobs:
        return [_with_jobs(queue, doc, jobs_sort, jobs_limit) for doc in docs]
    return [FlowInfo.of(doc) for doc in docs]


def count_flows(queue: QueueDatabase, selected: FlowFilter) -> int:
    """Return how many flows a filter selects."""
    return _count(queue.flows, flow_query(queue, selected))


def count_flows_by_state(queue: QueueDatabase, selected: FlowFilter) -> dict[str, int]:
    """Return how many of the flows that a filter selects are in each state."""
    pipeline = [
        {"$match": flow_query(queue, selected)},
        {"$group": {"_id": "$state", "number": {"$sum": 1}}},
    ]
    with translated():
        return {row["_id"]: row["number"] for row in queue.flows.aggregate(pipeline)}


def job_uuids(queue: QueueDatabase, flow_uuids: Iterable[str]) -> list[str]:
    """Return the uuids of the jobs of flows, each once."""
    with translated():
        rows = queue.jobs.find({"flow": {"$in": list(flow_uuids)}}, {"uuid": 1})
        return list(dict.fromkeys(row["uuid"] for row in rows))


def latest_flows(queue: QueueDatabase, number: int) -> tuple[str, ...]:
    """Return the uuids of the flows that were added last."""
    with translated():
        rows = queue.flows.find({}, {"_id": 1}).sort("created_on", -1).limit(number)
        return tuple(row["_id"] for row in rows)


def _find(
    queue: QueueDatabase,
    query: Mapping[str, Any],
    *,
    sort: Sequence[tuple[str, int]] = (),
    limit: int = 0,
    skip: int = 0,
) -> list[JobDoc]:
    if sort and sort[0][0] == "db_id":
        return _find_by_number(queue, query, sort[0][1], limit, skip)
    with translated(), _query_errors():
        cursor = queue.jobs.find(dict(query)).skip(skip).limit(limit)
        if sort:
            cursor = cursor.sort(list(sort))
        return [JobDoc.from_mongo(raw) for raw in cursor]


def _may_be_many(queue: QueueDatabase, selected: JobFilter) -> bool:
    """Return whether a filter may select so many jobs that sorting them takes long.

    What it costs to know must not grow with them: only states and flows are looked at, and only
    in the documents of the flows.
    """
    alike = JobFilter(states=selected.states, flow_ids=selected.flow_ids)
    if replace(alike, start_date=selected.start_date) != selected:
        return False
    if ids_given(queue) < MANY:
        return False
    counts = count_in_flows(queue, FlowFilter(flow_ids=selected.flow_ids))
    states = map(str, selected.states or counts)
    return sum(counts.get(state, 0) for state in states) >= MANY


def _newest(
    queue: QueueDatabase, query: Mapping[str, Any], number: int
) -> list[dict[str, Any]] | None:
    """Return the jobs that changed last, None if they are not found by looking back.

    The embedded database sorts all jobs to find the newest, but has an index for those since a
    time; so it is asked for ever longer times before the last change. Where many changed at once,
    as those of a flow that was just added, that would take more time and memory than to sort all.
    """
    with translated():
        flow = queue.flows.find_one({}, sort=NEWEST)
    if flow is None:
        return None
    if _is_untouched(flow):
        return None if query else _newest_of_untouched(queue, flow, number)
    last, span = flow["updated_on"], FIRST_SPAN
    while span < LONGEST_SPAN:
        since = {"updated_on": {"$gte": last - span}}
        with translated():
            if len(list(queue.jobs.find(since, {"_id": 1}).limit(MOST_AT_ONCE))) == MOST_AT_ONCE:
                return None
        pipeline: list[dict[str, Any]] = [
            {"$match": since},
            {"$match": dict(query)},
            {"$sort": dict(NEWEST)},
            {"$limit": number},
        ]
        with translated():
            found = list(queue.jobs.aggregate(pipeline))
        if len(found) == number:
            return found
        span *= 4
    return None


def _is_untouched(flow: Mapping[str, Any]) -> bool:
    """Return whether a flow of many jobs was added, which then all changed at once, and no more."""
    many = sum((flow.get("counts") or {}).values()) >= MOST_AT_ONCE
    return many and bool(flow["updated_on"] == flow["created_on"])


def _newest_of_untouched(
    queue: QueueDatabase, flow: Mapping[str, Any], number: int
) -> list[dict[str, Any]] | None:
    """Return the jobs that changed last, where those of the newest flow did so at once.

    Sorting all of them would give those with the smallest ids: so these are read, and what
    changed since, which is not much.
    """
    first = _first_of_flow(queue, {"flow": flow["_id"]}, number)
    if first is None or any(doc.updated_on != flow["updated_on"] for doc in first):
        return None
    since = {"updated_on": {"$gt": flow["updated_on"]}}
    with translated():
        later = list(queue.jobs.find(since).sort(NEWEST).limit(number))
    return [*later, *(doc.raw for doc in first)][:number]


def _first_of_flow(
    queue: QueueDatabase, query: Mapping[str, Any], number: int
) -> list[JobDoc] | None:
    """Return the jobs of a flow with the smallest short ids, None if they are not found so.

    The ids of a flow follow each other from its first on; those of jobs that it gets later are
    larger. So they are known without a look at all jobs.
    """
    if not isinstance(query.get("flow"), str):
        return None
    with translated():
        flow = queue.flows.find_one({"_id": query["flow"]}, {"db_id": 1})
    if flow is None or not flow.get("db_id"):
        return None
    ids = islice(ids_from(flow["db_id"]), number)
    found: list[JobDoc] = []
    for piece in chunks(ids, PIECE):
        with translated():
            rows = list(queue.jobs.find({"db_id": {"$in": piece}}))
        found += [JobDoc.from_mongo(raw) for raw in rows if raw["flow"] == query["flow"]]
        if len(rows) < len(piece):
            return None
    found.sort(key=lambda doc: id_number(doc.db_id))
    return found if len(found) == number else None


def _find_by_number(
    queue: QueueDatabase, query: Mapping[str, Any], direction: int, limit: int, skip: int
) -> list[JobDoc]:
    """Sort by the number in ``db_id``, which the database sees as text (9 after 10)."""
    if not limit:
        found = _find(queue, query)
        found.sort(key=lambda doc: id_number(doc.db_id), reverse=direction < 0)
        return found[skip:]
    keys = _keys_by_number(queue, query, direction)[skip : skip + limit]
    with translated():
        raw_of = {raw["_id"]: raw for raw in queue.jobs.find({"_id": {"$in": keys}})}
    return [JobDoc.from_mongo(raw_of[key]) for key in keys if key in raw_of]


def _keys_by_number(queue: QueueDatabase, query: Mapping[str, Any], direction: int) -> list[str]:
    with translated(), _query_errors():
        ids = [(raw["db_id"], raw["_id"]) for raw in queue.jobs.find(dict(query), {"db_id": 1})]
    ids.sort(key=lambda pair: id_number(pair[0]), reverse=direction < 0)
    return [key for _, key in ids]


def _with_jobs(
    queue: QueueDatabase, doc: FlowDoc, jobs_sort: Sequence[tuple[str, int]], limit: int
) -> FlowInfo:
    query = {"flow": doc.uuid}
    order = list(jobs_sort) or FIRST
    docs = _first_of_flow(queue, query, limit) if limit and order == FIRST else None
    if docs is None:
        docs = _find(queue, query, sort=order, limit=limit)
    return FlowInfo.of(doc, jobs=job_infos(queue, docs))


def _count(collection: Any, query: Mapping[str, Any]) -> int:
    with translated(), _query_errors():
        return int(collection.count_documents(dict(query)))


@contextmanager
def _query_errors() -> Iterator[None]:
    """Say in one line what the database found wrong with a query that a person wrote."""
    from pymongo.errors import OperationFailure

    try:
        yield
    except OperationFailure as error:
        raise InputError(
            f"The database refuses the query: {error.details and error.details.get('errmsg')}",
            remedy="Check --query, --metadata and --error-regex.",
        ) from error
