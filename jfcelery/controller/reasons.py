"""Why a job is where it is, and what would move it on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jfcelery.controller.filters import JobFilter
from jfcelery.controller.queries import count_jobs, raw_jobs
from jfcelery.controller.rerun import held_by_itself
from jfcelery.database.batches import Batches
from jfcelery.database.documents import JobDoc
from jfcelery.database.edges import APART, Edges
from jfcelery.database.failures import with_whole_errors
from jfcelery.database.flows import Flows
from jfcelery.database.hosts import HostRecords
from jfcelery.database.ids import id_number
from jfcelery.errors import OutputMissingError
from jfcelery.execution.pilot.handle import limit_of
from jfcelery.project.options import HIDDEN_TIME
from jfcelery.project.walltime import clock
from jfcelery.states import ACTIVE_STATES, POOL_STATES, QUEUED_STATES, BatchState, JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import FlowDoc
    from jfcelery.project import Project

_S = JobState
#: Jobs waited for that are looked at, and those that are named: the ones that rest come first.
LOOKED_AT, SHOWN = 1000, 8


@dataclass(frozen=True)
class Reason:
    """One reason.

    Args:
        text: What holds the job, in one line.
        command: What would move it on, or show more.
    """

    text: str
    command: str = ""


#: What to know of a job that ended unseen.
LOST_ADVICE = (
    "Its queue job was lost: a retry finds no output either, a rerun gives it a new attempt. Rules "
    "with `on: [LOST]` (`recovery` in the project file) do that by themselves."
)
#: What is said of a job that nothing holds; not true where no Celery worker is there to go on.
SOON = Reason("It is taken as soon as a Celery worker is free.", "jfc runner status")
GOES_ON = Reason("Nothing holds it: the next step is under way.")


def reasons(project: Project, queue: QueueDatabase, doc: JobDoc) -> list[Reason]:
    """Return why a job is where it is; the first is the nearest.

    Args:
        project: The project.
        queue: Its database.
        doc: The job.
    """
    doc = with_whole_errors(queue, doc)
    found: list[Reason] = []
    if doc.state is _S.WAITING:
        found += _waiting(queue, doc)
    elif doc.state is _S.READY:
        found += _ready(project, queue, doc)
    elif doc.state in ACTIVE_STATES:
        found += _active(project, queue, doc)
    else:
        found.append(_resting(doc))
    found += [
        Reason(
            f"Its earlier queue job {request.queue_id or request.name} on {request.worker} is "
            "still to be cancelled; the new attempt waits for that."
        )
        for request in doc.cancel
    ]
    found = found or [SOON if doc.state is _S.READY else GOES_ON]
    if doc.recovery and doc.recovery.why and doc.state is not _S.COMPLETED:
        found.append(Reason(f"An earlier attempt failed: {doc.recovery.why}"))
    return found


def _waiting(queue: QueueDatabase, doc: JobDoc) -> Iterator[Reason]:
    if held_by_itself(doc):
        yield Reason("A rerun of it was not finished.", f"jfc job rerun {doc.db_id}")
        return
    tokens = [token for token in doc.unmet if token != APART]
    if APART in doc.unmet:
        tokens += [edge.parent for edge in Edges(queue).open(doc.id, limit=LOOKED_AT + 1)]
    known = _parents(queue, tokens[:LOOKED_AT])
    for token in tokens[:LOOKED_AT]:
        if token not in known:
            name = token.removeprefix("@").rpartition("_")[0] if token.startswith("@") else token
            yield Reason(f"It waits for job {name}, which is not in the queue.")
    moving = ACTIVE_STATES | {_S.READY}
    ordered = sorted(known.values(), key=lambda job: (job.state in moving, id_number(job.db_id)))
    for parent in ordered[:SHOWN]:
        more = "" if parent.state in moving else f"jfc job why {parent.db_id}"
        yield Reason(f"It waits for job {parent.db_id} ({parent.job.name}): {parent.state}.", more)
    if rest := Counter(parent.state for parent in ordered[SHOWN:]):
        number = f"{'at least ' if len(tokens) > LOOKED_AT else ''}{rest.total()}"
        states = ", ".join(f"{count} {state}" for state, count in rest.most_common())
        yield Reason(f"It waits for {number} more: {states}.", f"jfc flow info {doc.db_id}")


def _parents(queue: QueueDatabase, tokens: Sequence[str]) -> dict[str, JobDoc]:
    """Return the jobs that tokens stand for: the newest of a uuid, or the one with an index."""
    keys = [token.removeprefix("@") for token in tokens if token.startswith("@")]
    uuids = [token for token in tokens if not token.startswith("@")]
    found = {f"@{job.id}": job for job in _docs(queue, {"_id": {"$in": keys}})}
    for job in sorted(_docs(queue, {"uuid": {"$in": uuids}}), key=lambda job: job.index):
        found[job.uuid] = job
    return found


def _docs(queue: QueueDatabase, query: dict[str, Any]) -> list[JobDoc]:
    return [JobDoc.from_mongo(raw) for raw in raw_jobs(queue, query)]


def _ready(project: Project, queue: QueueDatabase, doc: JobDoc) -> Iterator[Reason]:
    flow: FlowDoc = Flows(queue).get(doc.flow)
    if flow.inserting:
        yield Reason("Its flow is still being added to the queue.")
    yield from _host(project, queue, doc)
    worker = project.workers.get(doc.worker)
    if worker is not None and worker.max_jobs is not None and not worker.is_batch:
        yield from _full(queue, doc.worker, worker.max_jobs)


def _full(queue: QueueDatabase, worker: str, most: int) -> Iterator[Reason]:
    """Yield that a worker has as many jobs as it may have, where that is so."""
    queued, coming = (
        count_jobs(queue, JobFilter(states=tuple(states), workers=(worker,)))
        for states in (QUEUED_STATES, (_S.CHECKED_OUT, _S.UPLOADED))
    )
    if queued + coming >= most:
        more = f"; {coming} more {'is' if coming == 1 else 'are'} prepared" if coming else ""
        text = f"Worker {worker} is full: {queued} of {most} in its queue (max_jobs){more}."
        yield Reason(text, f"jfc job list -run -wk {worker}")


def _active(project: Project, queue: QueueDatabase, doc: JobDoc) -> Iterator[Reason]:
    yield from _host(project, queue, doc)
    worker = project.workers.get(doc.worker)
    if doc.state in POOL_STATES and worker is not None and not worker.is_batch:
        yield Reason(
            f"It is in a pool, but its worker {doc.worker} has no `batch:` any more, so "
            "that nobody looks after it: put that back, or rerun the job.",
            f"jfc job rerun {doc.db_id}",
        )
    now = queue.clock.now()
    if doc.is_locked(now):
        yield Reason(f"A step works on it: {doc.lock_id}.")
    if doc.remote.waiting:
        yield Reason(f"It waits: {doc.remote.waiting}.")
    if doc.retry_at and not doc.remote.error and doc.retry_at > now:
        yield Reason(f"Its next step is tried at {doc.retry_at.astimezone():%H:%M:%S}.")
    if doc.remote.error:
        when = f", again at {doc.retry_at.astimezone():%H:%M:%S}" if doc.retry_at else ""
        line = doc.remote.error.partition("\n")[0]
        tries = doc.remote.step_attempts
        yield Reason(
            f"Its last step failed ({tries} times{when}): {line}", f"jfc job retry {doc.db_id}"
        )
    if doc.state in QUEUED_STATES:
        state = _seen(project, doc)
        if doc.state in POOL_STATES:
            if doc.state is _S.BATCH_SUBMITTED and worker is not None and worker.max_jobs == 0:
                yield Reason(f"No pilots are submitted for worker {doc.worker}: `max_jobs: 0`.")
            yield from _passed_over(queue, doc)
            pilot = doc.remote.batch_uid if doc.state is JobState.BATCH_RUNNING else None
            command = f"jfc batch info {pilot}" if pilot else f"jfc batch list -wk {doc.worker}"
            yield Reason(f"In the pool of worker {doc.worker}: {state}.", command)
            return
        yield Reason(f"Queue job {doc.remote.process_id} on {doc.worker}: {state}.")


def _seen(project: Project, doc: JobDoc) -> str:
    """Return what the last look at a queue, or pool, showed of a job."""
    missing, since = doc.remote.absent, doc.remote.absent_since
    if not missing or since is None:
        return doc.remote.queue_state or "not looked at yet"
    listings = "1 listing lacks" if missing == 1 else f"{missing} listings lack"
    when = f"{(since + HIDDEN_TIME).astimezone():%H:%M:%S}"
    return (
        f"{listings} it; it counts as lost after {project.poll.absent_polls} in a row, "
        f"not before {when}"
    )


def _passed_over(queue: QueueDatabase, doc: JobDoc) -> Iterator[Reason]:
    """Yield why no pilot takes a job that waits in a pool, as far as pilots say that."""
    limit = limit_of(doc.remote.process_id or "")
    if limit is None or doc.state is not _S.BATCH_SUBMITTED:
        return
    batches, asks = Batches(queue), f"It asks for {clock(int(limit))}, and"
    command = f"jfc batch list -wk {doc.worker}"
    alive = [one for one in batches.alive(doc.worker) if one.state is BatchState.RUNNING]
    query = {"worker": doc.worker, "state": BatchState.FINISHED.value}
    ended = batches.find(query, sort=[("end_time", -1)], limit=1)
    last = next((one for one in ended if one.failed), None)
    if alive and all(0 < one.passes_over <= limit for one in alive):
        yield Reason(
            f"{asks} no pilot that runs has so much time left: it waits for a new one.", command
        )
    elif not alive and last and 0 < last.passes_over <= limit:
        yield Reason(
            f"{asks} the last pilot did not have so much, though it was new. Give pilots more "
            f"(`time` or `walltime` in the `resources` of worker {doc.worker}), or the job less.",
            command,
        )


def _host(project: Project, queue: QueueDatabase, doc: JobDoc) -> Iterator[Reason]:
    worker = project.workers.get(doc.worker)
    if worker is None:
        yield Reason(
            f"The project has no worker {doc.worker!r} any more.",
            f"jfc job set worker NAME -did {doc.db_id}",
        )
        return
    host = HostRecords(queue).get(worker.host_key)
    if host.paused:
        yield Reason(f"Its worker is held back: {host.reason}.", f"jfc worker resume {doc.worker}")
    elif host.open:
        when = f" at {host.next_try.astimezone():%H:%M:%S}" if host.next_try else " soon"
        yield Reason(
            f"Its worker's host is held back: {host.reason}. Next try{when}; "
            f"`jfc worker test {doc.worker}` tries it out; sooner:",
            f"jfc worker resume {doc.worker}",
        )


def _resting(doc: JobDoc) -> Reason:
    by = f" ({doc.last.by}: {doc.last.why})" if doc.last and doc.last.why else ""
    commands = {
        _S.REMOTE_ERROR: f"jfc job retry {doc.db_id}",
        _S.FAILED: f"jfc job rerun {doc.db_id}",
        _S.PAUSED: f"jfc job resume {doc.db_id}",
        _S.STOPPED: f"jfc job resume {doc.db_id}",
        _S.USER_STOPPED: f"jfc job resume {doc.db_id}",
    }
    error = (doc.error or doc.remote.error or "").strip().splitlines()
    texts = {
        _S.REMOTE_ERROR: f"A step failed for good: {doc.error_class}: {' '.join(error[:1])}",
        _S.FAILED: f"The job itself raised: {_raised(doc, ' '.join(error[-1:]))}",
        _S.PAUSED: f"It is paused{by}.",
        _S.STOPPED: f"It was stopped{by}.",
        _S.USER_STOPPED: f"It was stopped by a person{by}.",
        _S.COMPLETED: "It is done.",
    }
    text, command = texts.get(doc.state, str(doc.state)), commands.get(doc.state, "")
    if doc.state is _S.REMOTE_ERROR and _is_lost(doc):
        return Reason(f"{text} {LOST_ADVICE}", f"jfc job rerun {doc.db_id}")
    return Reason(text, command)


def _is_lost(doc: JobDoc) -> bool:
    """Return whether nobody knows how a job's queue job ended, and it left no output."""
    reason = doc.remote.end.reason if doc.remote.end else ""
    return doc.error_class == OutputMissingError.__name__ and reason in ("LOST", "FORGOTTEN")


def _raised(doc: JobDoc, line: str) -> str:
    """Return an exception with its class, with which the last line of a trace begins already."""
    name = doc.error_class or ""
    begins = line.startswith((name, name.rpartition(".")[2]))
    return line if begins else f"{name}: {line}"
