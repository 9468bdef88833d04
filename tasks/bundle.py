"""Many ready jobs of one host, uploaded and submitted together.

Two round trips instead of two a job. The leases, the commits and the troubles are each job's own,
as in the single steps: whatever becomes of a bundle, the sweeper sends the jobs that it leaves
behind through these, and they find its folders and queue jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.database.payloads import load_payloads
from jfcelery.errors import JfceleryError
from jfcelery.states import JobState
from jfcelery.tasks.checkout import send_checkout
from jfcelery.tasks.dispatch import dispatch
from jfcelery.tasks.lease import kept
from jfcelery.tasks.limits import limits_of
from jfcelery.tasks.places import place_if_submitted, take_places
from jfcelery.tasks.pool import queue_for
from jfcelery.tasks.step import Commit, Work, charged
from jfcelery.tasks.submit import noted, submission, submit, submitted
from jfcelery.tasks.together import (
    ask_together,
    commit_all,
    send_alone,
    take_all,
    whose_turn_it_is,
)
from jfcelery.tasks.upload import Known, publication, upload, uploaded
from jfcelery.tasks.watch import watch_soon

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jfcelery.scheduler_io.hosts.parcels import Publication
    from jfcelery.tasks.runtime import Runtime

#: Bytes of run folders that go together; a job that does not fit any more goes alone.
MOST_BYTES = 16 * 1024 * 1024

_STATES = frozenset({JobState.CHECKED_OUT, JobState.UPLOADED})


def run_bundle(runtime: Runtime, worker: str, entries: Sequence[Sequence[str | int]]) -> None:
    """Upload and submit jobs of one worker together; the poll sees their ends.

    Args:
        runtime: The project.
        worker: Name of the worker.
        entries: uuid, index and epoch of each job.
    """
    docs = whose_turn_it_is(runtime, worker, entries, _STATES)
    for doc in docs:
        if doc.cancel:  # an earlier queue job must go first
            dispatch(runtime, doc)
    taken = take_all(runtime, [doc for doc in docs if not doc.cancel])
    fresh = [work for work in taken if work.doc.state is JobState.CHECKED_OUT]
    waiting = [work for work in taken if work.doc.state is JobState.UPLOADED]
    with kept(runtime.jobs, [work.doc for work in waiting], runtime.lease_term):
        done = _upload(runtime, worker, fresh)
    _submit(runtime, worker, waiting + done)
    if taken:
        send_checkout(runtime)  # there is room for the next


def _upload(runtime: Runtime, worker: str, works: Sequence[Work]) -> list[Work]:
    """Put the run folders in place; return the jobs that go on, under lease."""
    if not works:
        return []
    with kept(runtime.jobs, [work.doc for work in works], runtime.lease_term):
        folders = _folders(works, _known(runtime, works))

        def publish() -> list[JfceleryError | None]:
            with runtime.hosts.transfer(worker) as host:
                return host.publish_all(
                    [one for _, one in folders],
                    work_dir=folders[0][1].folder.path.parents[3],
                )

        answers = ask_together(upload, [work for work, _ in folders], publish)
        achieved: list[tuple[Work, Commit]] = []
        for (work, one), error in zip(folders, answers, strict=False):
            with charged(work, upload.name):
                if error is not None:
                    raise error
                achieved.append((work, uploaded(one)))
        return [Work(runtime, doc) for doc in commit_all(achieved, upload.name, hold=True)]


def _known(runtime: Runtime, works: Sequence[Work]) -> Known:
    """Read what the run folders need of the database, for all jobs together."""
    return Known(
        load_payloads(runtime.queue, [work.doc.id for work in works], MOST_BYTES),
        runtime.jobs.flows.jobstores({work.doc.flow for work in works}),
    )


def _folders(works: Sequence[Work], known: Known) -> list[tuple[Work, Publication]]:
    """Make the run folders; those that would be too much go alone."""
    folders, size = [], 0
    for work in works:
        with charged(work, upload.name):
            one = publication(work, known)
            more = sum(map(_size, one.files.values()))
            if size + more <= MOST_BYTES:
                size += more
                folders.append((work, one))
            else:
                send_alone(work)
    return folders


def _size(content: bytes | Path) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _submit(runtime: Runtime, worker: str, works: Sequence[Work]) -> None:
    """Submit jobs that are uploaded, or put them into their worker's pool."""
    if not works:
        return
    described = runtime.project.get_worker(worker)
    with kept(runtime.jobs, [work.doc for work in works], runtime.lease_term):
        check_place, placed = take_places(works), []
        for work in works:
            with charged(work, submit.name):
                check_place(work)
                placed.append(work)

        def ask() -> list[str | JfceleryError]:
            with runtime.hosts.lease(worker) as host:
                queue = queue_for(host, described, None)
                limits = limits_of(runtime.project, described)
                return queue.submit_all([submission(work) for work in placed], limits=limits)

        answers = ask_together(submit, placed, ask)
        achieved: list[tuple[Work, Commit]] = []
        for work, answer in zip(placed, answers, strict=False):
            with charged(work, submit.name), place_if_submitted(work):
                if isinstance(answer, JfceleryError):
                    raise answer
                achieved.append((work, submitted(work, answer)))
        if achieved:
            noted(runtime, described)
        if commit_all(achieved, submit.name):
            watch_soon(runtime, described)
