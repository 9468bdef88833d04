"""Asking a host's queue: one listing for all its jobs; an end must be proven."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jfcelery.database.batches import Batches
from jfcelery.errors import BackPressureError, ConflictError, HostError, QueueJobLostError
from jfcelery.folders import RunFolder, queue_job_name
from jfcelery.project.options import HIDDEN_TIME
from jfcelery.scheduler_io.queue import is_id
from jfcelery.scheduler_io.schedulers.base import EndReason, EndReport, QueueJob, QueueState
from jfcelery.states import POOL_STATES, JobState
from jfcelery.tasks.ends import end_all
from jfcelery.tasks.pilots import submit_needed, tend
from jfcelery.tasks.places import free_place
from jfcelery.tasks.pool import pilot_in, queue_for, requeue
from jfcelery.tasks.sending import sender
from jfcelery.tasks.watch import (
    LINGER,
    RENEW,
    WATCH,
    is_watched,
    only_one,
    wait_for_an_end,
    wait_for_news,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.scheduler_io.schedulers.base import Answer
    from jfcelery.tasks.runtime import Runtime

logger = logging.getLogger(__name__)

#: A host is asked again after this long at most, even when nothing seems to be there.
IDLE_INTERVAL = timedelta(seconds=30)
#: So long where pilots wait for jobs.
PILOT_INTERVAL = timedelta(seconds=10)
#: Part of the youngest job's age that lies between two looks.
AGE_PART = 0.1

_IN_QUEUE = (JobState.SUBMITTED, JobState.RUNNING)
#: What becomes of a job of which its queue, or pool, says that it runs.
_RUNS = {
    JobState.SUBMITTED: JobState.RUNNING,
    JobState.BATCH_SUBMITTED: JobState.BATCH_RUNNING,
}


def tick(runtime: Runtime) -> None:
    """Send a poll to every host whose turn it is; the record of the host gives the turn once."""
    for host_key in runtime.project.hosts:
        if runtime.host_records.take_turn(host_key, IDLE_INTERVAL):
            sender(runtime.project).poll(host_key)


def poll_host(runtime: Runtime, host_key: str) -> None:
    """Ask a host's queue for all its jobs, and move those on that moved there.

    A host that is held back after a failure is tried instead; if it answers, all its jobs go on.
    """
    status = runtime.host_records.get(host_key)
    if status.paused:
        return
    names = runtime.project.hosts.get(host_key, [])
    left: list[JobDoc] = []
    try:
        if status.open:
            _probe(runtime, host_key, names)
        left = _poll_workers(runtime, names)
        if is_watched(runtime, names):
            left = _watch(runtime, host_key, names, left)
    except HostError as error:
        logger.warning("Host %s does not answer: %s", host_key, error)
        runtime.host_records.failed(host_key, error, probe=status.open)
        return
    except BackPressureError as error:
        logger.info("Host %s is asked again soon: %s", host_key, error)
        left = _in_queue(runtime, names)
        runtime.host_records.poll_soon(host_key, _interval(runtime, names, left))
        return
    runtime.host_records.polled(host_key, _interval(runtime, names, left))


def _poll_workers(runtime: Runtime, names: Sequence[str]) -> list[JobDoc]:
    """Ask for the jobs of a host's workers; return those that are still in its queues."""
    return [doc for name in names for doc in _poll_worker(runtime, name)]


def _watch(
    runtime: Runtime, host_key: str, names: Sequence[str], left: list[JobDoc]
) -> list[JobDoc]:
    """Ask the queue of this machine again as soon as one of its jobs has left its final file.

    Args:
        runtime: The project.
        host_key: The host.
        names: Its workers.
        left: The jobs that are in its queues.

    Returns:
        Those that are there at the end.
    """
    over = time.monotonic() + WATCH
    seen: set[str] = set()  # whose final file proved nothing yet: left to the next poll
    with only_one(runtime, host_key) as alone:
        while alone and time.monotonic() < over:
            left = _in_queue(runtime, names)
            docs = [doc for doc in left if doc.id not in seen]
            if not docs:
                if wait_for_news(runtime, host_key, LINGER):
                    continue
                break
            until = time.monotonic() + RENEW
            if ended := wait_for_an_end(runtime, host_key, docs, until):
                seen |= ended
                left = _poll_ended(runtime, left, ended)
    return left


def _poll_ended(runtime: Runtime, docs: Sequence[JobDoc], ended: set[str]) -> list[JobDoc]:
    """Ask only for the jobs that have left their final files; return those that are still there.

    Of a batch worker all are asked for: where one ended another may begin.
    """
    left = [doc for doc in docs if doc.id not in ended]
    for name in {doc.worker for doc in docs if doc.id in ended}:
        if runtime.project.get_worker(name).is_batch:
            left = [doc for doc in left if doc.worker != name] + _poll_worker(runtime, name)
        else:
            gone = [doc for doc in docs if doc.id in ended and doc.worker == name]
            left += _poll_jobs(runtime, name, gone)
    return left


def _in_queue(runtime: Runtime, names: Sequence[str]) -> list[JobDoc]:
    """Return the jobs that are in the queues, or pools, of some workers."""
    found: list[JobDoc] = []
    for name in names:
        is_batch = runtime.project.get_worker(name).is_batch
        found += runtime.jobs.of_worker(name, _IN_QUEUE + (POOL_STATES if is_batch else ()))
    return found


def queue_job(runtime: Runtime, doc: JobDoc) -> QueueJob:
    """Return a job as its scheduler knows it."""
    worker = runtime.project.get_worker(doc.worker)
    return QueueJob(
        uuid=doc.uuid,
        index=doc.index,
        attempt=doc.attempt,
        queue_id=doc.remote.process_id or "",
        name=queue_job_name(doc.uuid, doc.index, doc.attempt),
        folder=RunFolder.of(worker.work_dir, doc.uuid, doc.index),
    )


def _probe(runtime: Runtime, host_key: str, names: Sequence[str]) -> None:
    for name in names[:1]:
        worker = runtime.project.get_worker(name)
        with runtime.hosts.lease(name) as host:
            host.check()
        if worker.transfer_connection != worker.connection:
            with runtime.hosts.transfer(name) as host:
                host.check()
    if runtime.host_records.answered(host_key):
        logger.info("Host %s answers again.", host_key)
        sender(runtime.project).sweep()


def _poll_worker(runtime: Runtime, name: str) -> list[JobDoc]:
    """Ask for a worker's jobs; return those that are still in its queue, or pool."""
    found, left = _in_queue(runtime, [name]), []
    if runtime.project.get_worker(name).is_batch:
        tend(runtime, name)
        left = _poll_jobs(runtime, name, [doc for doc in found if doc.state in POOL_STATES])
        submit_needed(runtime, name)
    return left + _poll_jobs(runtime, name, [doc for doc in found if doc.state in _IN_QUEUE])


def _poll_jobs(runtime: Runtime, name: str, found: Sequence[JobDoc]) -> list[JobDoc]:
    """Ask one queue, or pool, for all of its jobs; return those that are still there."""
    docs: dict[str, JobDoc] = {}
    again: list[JobDoc] = []  # whose ids their scheduler, having forgotten them, gave to others
    for one in found:
        if not is_id(one.remote.process_id):
            _no_id(runtime, one)
        elif docs.setdefault(str(one.remote.process_id), one) is not one:
            again.append(one)
    if not docs:
        return []
    worker = runtime.project.get_worker(name)
    jobs = [queue_job(runtime, doc) for doc in docs.values()]
    with runtime.hosts.lease(name) as host:
        queue = queue_for(host, worker, jobs[0].queue_id)
        answers = queue.poll(jobs)
        asked = [j for j in jobs if j.queue_id in answers and _wants_report(answers[j.queue_id])]
        reports = queue.end_reports(asked) if asked else {}
    seen = _Seen()
    for queue_id, answer in answers.items():
        doc = docs.get(queue_id)
        if doc is None:
            continue
        try:
            _apply(runtime, doc, answer, reports.get(queue_id), seen)
        except ConflictError:
            logger.debug("job %s moved while its queue was asked", doc.db_id)
    end_all(runtime, worker, seen.ended)
    left = seen.left + _run_all(runtime, seen.running)
    return left + _poll_jobs(runtime, name, again)


@dataclass
class _Seen:
    """What a look at a queue, or pool, showed.

    Args:
        ended: Jobs that ended, and how.
        running: Jobs that run now, and what is known of that.
        left: Jobs that are there as before, or of which nothing is known.
    """

    ended: list[tuple[JobDoc, EndReport]] = field(default_factory=list)
    running: list[tuple[JobDoc, dict[str, Any]]] = field(default_factory=list)
    left: list[JobDoc] = field(default_factory=list)


def _run_all(runtime: Runtime, running: Sequence[tuple[JobDoc, dict[str, Any]]]) -> list[JobDoc]:
    """Write down that jobs run now; return those that nobody else changed."""
    known = {doc.id: fields for doc, fields in running}
    changed: list[JobDoc] = []
    for source, target in _RUNS.items():
        docs = [doc for doc, _ in running if doc.state is source]
        changed += runtime.jobs.transition_many(
            docs, "run", target, by="poll", fields=lambda doc: known[doc.id]
        )
    return changed


def _no_id(runtime: Runtime, doc: JobDoc) -> None:
    """Give up a job whose end could never be seen, such as one whose state was set by hand."""
    error = QueueJobLostError(f"It is {doc.state}, but has no id of a queue job.")
    fields = {
        "remote.error": error.message,
        "error_class": type(error).__name__,
        "end_time": runtime.jobs.now(),
    }
    with contextlib.suppress(ConflictError):
        changed = runtime.jobs.transition(
            doc, "fail", JobState.REMOTE_ERROR, by="poll", why=error.message, fields=fields
        )
        free_place(runtime, changed)


def _wants_report(answer: Answer) -> bool:
    """Return whether the accounting may know more: the job is gone, or ended badly."""
    if answer.is_absent:
        return True
    if answer.state is not QueueState.ENDED:
        return False
    return answer.end is None or answer.end.reason is not EndReason.COMPLETED


def _apply(
    runtime: Runtime, doc: JobDoc, answer: Answer, report: EndReport | None, seen: _Seen
) -> None:
    """Note what an answer says of a job, and change what concerns this job alone."""
    if answer.state is QueueState.ENDED:
        end = answer.end or EndReport(EndReason.UNKNOWN, words=answer.words)
        seen.ended.append((doc, end.completed_by(report)))
    elif answer.is_absent:
        _absent(runtime, doc, report, seen)
    elif answer.state is QueueState.RETURNED:
        has_begun = answer.started or doc.state is JobState.BATCH_RUNNING
        requeue(runtime, doc, answer.words, has_begun=has_begun)
    elif answer.state is QueueState.RUNNING and doc.state in _RUNS:
        fields = {
            "remote.queue_state": answer.words,
            "remote.absent": 0,
            "remote.batch_uid": pilot_in(answer.words),
            "start_time": runtime.jobs.now(),
        }
        seen.running.append((doc, fields))
    else:
        fields = {"remote.queue_state": answer.words, "remote.absent": 0}
        is_known = (doc.remote.queue_state, doc.remote.absent) == (answer.words, 0)
        if answer.state is not QueueState.UNKNOWN and not is_known:
            doc = runtime.jobs.update(doc, fields)
        seen.left.append(doc)


def _absent(runtime: Runtime, doc: JobDoc, report: EndReport | None, seen: _Seen) -> None:
    """Take a job as ended when the accounting says so, or many listings in a row lack it."""
    if report is not None and report.is_proof:
        seen.ended.append((doc, report))
        return
    now, missing = runtime.jobs.now(), doc.remote.absent + 1
    since = (doc.remote.absent_since if doc.remote.absent else None) or now
    if missing < runtime.project.poll.absent_polls or now - since < HIDDEN_TIME:
        fields = {"remote.absent": missing, "remote.absent_since": since}
        seen.left.append(runtime.jobs.update(doc, fields))
        return
    words = f"{missing} listings in a row lack it"
    if doc.state in POOL_STATES:
        requeue(runtime, doc, words, has_begun=doc.state is JobState.BATCH_RUNNING)
        return
    seen.ended.append((doc, EndReport(EndReason.LOST, words=words).completed_by(report)))


def _interval(runtime: Runtime, names: Sequence[str], left: Sequence[JobDoc]) -> timedelta:
    """Return how long a host may be left alone: a part of the youngest job's age, bounded.

    Args:
        runtime: The project.
        names: The host's workers.
        left: Their jobs that are in its queues, or pools.
    """
    now = runtime.jobs.now()
    ages = [(now - doc.updated_on).total_seconds() for doc in left]
    if not ages:
        alive = any(Batches(runtime.queue).alive(name) for name in _batch_workers(runtime, names))
        return PILOT_INTERVAL if alive else IDLE_INTERVAL
    poll, runner = runtime.project.poll, runtime.project.runner
    if is_watched(runtime, names):
        return timedelta(seconds=poll.local_interval)
    longest = poll.max_interval or runner.delay_check_run_status
    seconds = min(max(min(ages) * AGE_PART, poll.min_interval), longest)
    return timedelta(seconds=seconds)


def _batch_workers(runtime: Runtime, names: Sequence[str]) -> list[str]:
    return [name for name in names if runtime.project.get_worker(name).is_batch]
