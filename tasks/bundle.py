"""Many ready jobs of one host, uploaded and submitted together.

Two round trips instead of two a job. The leases, the commits and the troubles are each job's own,
as in the single steps: whatever becomes of a bundle, the sweeper sends the jobs that it leaves
behind through these, and they find its folders and queue jobs.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, TypeVar

from jfcelery.database.documents import job_key
from jfcelery.errors import ConflictError, HostError, JfceleryError, ServiceError
from jfcelery.states import JobState
from jfcelery.tasks.checkout import send_checkout
from jfcelery.tasks.dispatch import dispatch
from jfcelery.tasks.lease import kept
from jfcelery.tasks.limits import limits_of
from jfcelery.tasks.places import place_if_submitted, take_place
from jfcelery.tasks.pool import queue_for
from jfcelery.tasks.step import Work, charged, commit_step, is_free, owner
from jfcelery.tasks.submit import noted, submission, submit, submitted
from jfcelery.tasks.upload import publication, upload, uploaded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jfcelery.database.documents import JobDoc
    from jfcelery.scheduler_io.hosts.base import Publication
    from jfcelery.tasks.runtime import Runtime
    from jfcelery.tasks.step import Step

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: Bytes of run folders that go together; a job that does not fit any more goes alone.
MOST_BYTES = 16 * 1024 * 1024


def run_bundle(runtime: Runtime, worker: str, entries: Sequence[Sequence[str | int]]) -> None:
    """Upload and submit jobs of one worker together, and send each on from where it is then.

    Args:
        runtime: The project.
        worker: Name of the worker.
        entries: uuid, index and epoch of each job.
    """
    taken = _take(runtime, worker, entries)
    fresh = [work for work in taken if work.doc.state is JobState.CHECKED_OUT]
    waiting = [work for work in taken if work.doc.state is JobState.UPLOADED]
    with kept(runtime.jobs, [work.doc for work in waiting], runtime.lease_term):
        done = _upload(runtime, worker, fresh)
    for doc in _submit(runtime, worker, waiting + done):
        dispatch(runtime, doc)
    if taken:
        send_checkout(runtime)  # there is room for the next


def _take(runtime: Runtime, worker: str, entries: Sequence[Sequence[str | int]]) -> list[Work]:
    """Take the leases of those jobs whose turn it is."""
    epochs = {job_key(str(uuid), int(index)): epoch for uuid, index, epoch in entries}
    described = runtime.project.workers.get(worker)
    if described is None or not runtime.host_records.get(described.host_key).available:
        return []  # the sweeper sends them once it is back
    taken = []
    now = runtime.jobs.now()
    for doc in runtime.jobs.find({"_id": {"$in": list(epochs)}}):
        if doc.epoch != epochs[doc.id] or doc.worker != worker or not is_free(doc, now):
            continue
        if doc.state not in {JobState.CHECKED_OUT, JobState.UPLOADED}:
            continue
        if doc.cancel:  # an earlier queue job must go first
            dispatch(runtime, doc)
            continue
        with contextlib.suppress(ConflictError):
            taken.append(Work(runtime, runtime.jobs.acquire(doc, owner(), runtime.lease_term)))
    order = {key: number for number, key in enumerate(epochs)}
    return sorted(taken, key=lambda work: order[work.doc.id])


def _upload(runtime: Runtime, worker: str, works: Sequence[Work]) -> list[Work]:
    """Put the run folders in place; return the jobs that go on, under lease."""
    if not works:
        return []
    done: list[Work] = []
    with kept(runtime.jobs, [work.doc for work in works], runtime.lease_term):
        folders = _folders(runtime, works)

        def publish() -> list[JfceleryError | None]:
            with runtime.hosts.transfer(worker) as host:
                return host.publish_all(
                    [one for _, one in folders],
                    work_dir=folders[0][1].folder.path.parents[3],
                )

        answers = _together(upload, [work for work, _ in folders], publish)
        for (work, one), error in zip(folders, answers, strict=False):
            with charged(work, upload.name):
                if error is not None:
                    raise error
                doc = commit_step(work, upload.name, uploaded(one), hold=True)
                done.append(Work(runtime, doc))
    return done


def _folders(runtime: Runtime, works: Sequence[Work]) -> list[tuple[Work, Publication]]:
    """Make the run folders; those that would be too much go alone."""
    folders, size = [], 0
    for work in works:
        with charged(work, upload.name):
            one = publication(work)
            more = sum(map(_size, one.files.values()))
            if size + more <= MOST_BYTES:
                size += more
                folders.append((work, one))
            elif doc := _given_back(work):
                dispatch(runtime, doc)
    return folders


def _size(content: bytes | Path) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _submit(runtime: Runtime, worker: str, works: Sequence[Work]) -> list[JobDoc]:
    """Submit jobs that are uploaded, and return those that have a chain before them."""
    if not works:
        return []
    described = runtime.project.get_worker(worker)
    if described.is_batch:  # each is an entry of its own in the pool
        return [doc for work in works if (doc := _given_back(work))]
    done: list[JobDoc] = []
    with kept(runtime.jobs, [work.doc for work in works], runtime.lease_term):
        placed = []
        for work in works:
            with charged(work, submit.name):
                take_place(work)
                placed.append(work)

        def ask() -> list[str | JfceleryError]:
            with runtime.hosts.lease(worker) as host:
                queue = queue_for(host, described, None)
                limits = limits_of(runtime.project, described)
                return queue.submit_all([submission(work) for work in placed], limits=limits)

        answers = _together(submit, placed, ask)
        if any(isinstance(answer, str) for answer in answers):
            noted(runtime, described)
        for work, answer in zip(placed, answers, strict=False):
            with charged(work, submit.name), place_if_submitted(work):
                if isinstance(answer, JfceleryError):
                    raise answer
                done.append(commit_step(work, submit.name, submitted(work, answer)))
    return done


def _together(step: Step, works: Sequence[Work], ask: Callable[[], list[T]]) -> list[T]:
    """Do for many jobs what failed for all or none of them; the answers are the jobs' own."""
    if not works:
        return []
    try:
        return ask()
    except ServiceError:
        raise
    except HostError:
        for work in works:
            with charged(work, step.name):
                raise
    except Exception as error:  # noqa: BLE001 - the outermost edge: each job meets it alone
        logger.warning("%s of %d jobs together failed, now alone: %s", step.name, len(works), error)
        for work in works:
            if doc := _given_back(work):
                dispatch(work.runtime, doc)
    return []


def _given_back(work: Work) -> JobDoc | None:
    """Give a job's lease back, and return the job if it was still ours."""
    try:
        return work.runtime.jobs.release(work.doc)
    except ConflictError:
        return None
