"""Waiting for jobs to end."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import open_queue
from jfcelery.database.edges import APART
from jfcelery.database.jobs import BULK, Jobs
from jfcelery.errors import JobNotFoundError, WaitTimeoutError
from jfcelery.project import load_project
from jfcelery.states import RESTING_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jobflow.core.flow import Flow
    from jobflow.core.job import Job

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project

_WAITING = {"state": JobState.WAITING.value}
#: States in which a job moves only if another one does, or a person wants it.
_STILL = RESTING_STATES | {JobState.WAITING}
#: Seconds between two looks at the database.
INTERVAL = 0.5
#: How many times as long as a look took it is until the next: those at very many jobs take seconds.
SHARE = 10


def wait_for(
    flow_or_ids: Flow | Job | str | Sequence[str],
    timeout: float | None = None,
    progress: bool = True,
    *,
    project: str | Project | None = None,
) -> dict[JobState, int]:
    """Block until jobs, and all that they add to their flows, have come to rest.

    A job rests when it is COMPLETED, FAILED, REMOTE_ERROR, PAUSED or stopped, or when it waits
    for one that rests so, of whatever flow.

    Args:
        flow_or_ids: A flow or job that was submitted, or ids as :func:`submit_flow` returns them
            (short ids, or uuids of jobs or flows).
        timeout: Seconds to wait at most; by default there is no limit.
        progress: Show a progress bar.
        project: The project; by default the configured one.

    Returns:
        The number of jobs in each state.

    Raises:
        WaitTimeoutError: Some jobs were still under way at the end of the time.
        JobNotFoundError: There is no such job or flow.
    """
    chosen = load_project(project) if project is None or isinstance(project, str) else project
    jobs = Jobs(open_queue(chosen))
    flows = _flows_of(jobs, _ids(flow_or_ids))
    deadline = None if timeout is None else time.monotonic() + timeout
    with _bar(show=progress) as show:
        while True:
            began = time.monotonic()
            counts = _counts(jobs, flows)
            show(counts)
            # What was counted may have moved before the rest was looked at.
            if not _moving(counts, jobs, flows) and _counts(jobs, flows) == counts:
                return counts
            now = time.monotonic()
            if deadline is not None and now > deadline:
                words = ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))
                raise WaitTimeoutError(f"After {timeout:g} s: {words}.")
            pause = max(INTERVAL, SHARE * (now - began))
            time.sleep(pause if deadline is None else min(pause, max(deadline - now, INTERVAL)))


def _ids(what: Flow | Job | str | Sequence[str]) -> list[str]:
    if isinstance(what, str):
        return [what]
    uuid = getattr(what, "uuid", None)
    return [uuid] if uuid is not None else [str(item) for item in what]  # type: ignore[union-attr]


def _flows_of(jobs: Jobs, ids: Iterable[str]) -> list[str]:
    flows: dict[str, None] = {}
    for one in ids:
        queries = ({field: one} for field in ("db_id", "uuid", "flow"))
        each = (next(jobs.find(query, limit=1), None) for query in queries)
        found: JobDoc | None = next(filter(None, each), None)
        if found is None:
            raise JobNotFoundError(f"There is no job or flow {one!r}.")
        flows[found.flow] = None
    return list(flows)


def _counts(jobs: Jobs, flows: list[str]) -> dict[JobState, int]:
    total: dict[JobState, int] = {}
    for counts in jobs.flows.count(flows).values():
        for state, number in counts.items():
            total[state] = total.get(state, 0) + number
    return total


def _moving(counts: dict[JobState, int], jobs: Jobs, flows: list[str]) -> bool:
    if any(number for state, number in counts.items() if state not in _STILL):
        return True
    # Between a parent's end and the release of its children all may seem to rest.
    for flow in flows:
        if next(jobs.find({"flow": flow, "release": True}, limit=1), None) is not None:
            return True
    return bool(counts.get(JobState.WAITING)) and _awaited_moves(jobs, flows)


def _awaited_moves(jobs: Jobs, flows: list[str]) -> bool:
    """Return whether a job of another flow moves for which jobs of these flows wait."""
    known = set(flows)
    waiting = [doc for flow in flows for doc in jobs.find({"flow": flow, **_WAITING})]
    seen: set[str] = set()
    while waiting:
        uuids = {uuid for doc in waiting for uuid in doc.unmet if not uuid.startswith("@")}
        for doc in waiting:
            if APART in doc.unmet:
                uuids.update(edge.parent for edge in jobs.edges.open(doc.id))
        uuids -= {APART, *seen}
        seen |= uuids
        waiting = []
        for piece in chunks(uuids, BULK):
            for doc in jobs.find({"uuid": {"$in": piece}}):
                if doc.flow in known:
                    continue
                if doc.release or doc.state not in _STILL:
                    return True
                if doc.state is JobState.WAITING:
                    waiting.append(doc)
    return False


def _bar(*, show: bool) -> AbstractContextManager[Callable[[dict[JobState, int]], None]]:
    if not show:
        return nullcontext(lambda _counts: None)
    from jfcelery.progress import progress_bar

    return progress_bar()
