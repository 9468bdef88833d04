"""Many ended jobs of one host, brought back and taken in together.

One round trip for the files of all, one for their documents; the counterpart of ``bundle``. The
leases, the commits and the troubles are each job's own. Whatever is not an ordinary result (an
error, new jobs, a stop) is taken in by the single step.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.errors import JfceleryError
from jfcelery.execution.stores import Documents, insert_documents
from jfcelery.flows.release import release_all
from jfcelery.states import JobState
from jfcelery.tasks.checkout import send_checkout
from jfcelery.tasks.download import download, downloaded
from jfcelery.tasks.finalize import came_of, completed, finalize, remove_copy
from jfcelery.tasks.lease import kept
from jfcelery.tasks.outputs import documents_of, outcome_of, retrieval
from jfcelery.tasks.runtime import jobstore_outages
from jfcelery.tasks.step import Commit, Work, charged
from jfcelery.tasks.together import (
    ask_together,
    commit_all,
    send_alone,
    take_all,
    whose_turn_it_is,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.execution.outcome import Outcome
    from jfcelery.tasks.runtime import Runtime

logger = logging.getLogger(__name__)

_STATES = frozenset({JobState.RUN_FINISHED, JobState.DOWNLOADED})


@dataclass(frozen=True)
class _Result:
    """An ordinary result of a job: documents, and nothing that changes the flow."""

    work: Work
    outcome: Outcome
    documents: Documents


def run_harvest(runtime: Runtime, worker: str, entries: Sequence[Sequence[str | int]]) -> None:
    """Bring back what jobs of one worker left, and take it in.

    Args:
        runtime: The project.
        worker: Name of the worker.
        entries: uuid, index and epoch of each job.
    """
    taken = take_all(runtime, whose_turn_it_is(runtime, worker, entries, _STATES))
    fresh = [work for work in taken if work.doc.state is JobState.RUN_FINISHED]
    waiting = [work for work in taken if work.doc.state is JobState.DOWNLOADED]
    with kept(runtime.jobs, [work.doc for work in waiting], runtime.lease_term):
        done = _download(runtime, worker, fresh)
    _finalize(runtime, waiting + done)


def _download(runtime: Runtime, worker: str, works: Sequence[Work]) -> list[Work]:
    """Bring the files of jobs to this machine; return the jobs that go on, under lease."""
    if not works:
        return []
    with kept(runtime.jobs, [work.doc for work in works], runtime.lease_term):

        def fetch() -> list[JfceleryError | bool]:
            work_dir = runtime.project.get_worker(worker).work_dir
            with runtime.hosts.transfer(worker) as host:
                return host.fetch_all([retrieval(work) for work in works], work_dir=work_dir)

        answers = ask_together(download, works, fetch)
        achieved: list[tuple[Work, Commit]] = []
        for work, answer in zip(works, answers, strict=False):
            with charged(work, download.name):
                if isinstance(answer, JfceleryError):
                    raise answer
                if not answer:
                    send_alone(work)
                    continue
                outcome_of(work, retrieval(work).into)
                achieved.append((work, downloaded()))
        if achieved:
            runtime.host_records.went_well(works[0].worker.host_key)
        return [Work(runtime, doc) for doc in commit_all(achieved, download.name, hold=True)]


def _finalize(runtime: Runtime, works: Sequence[Work]) -> None:
    """Take in what jobs returned, and release their children."""
    if not works:
        return
    with kept(runtime.jobs, [work.doc for work in works], runtime.lease_term):
        results: defaultdict[str | None, list[_Result]] = defaultdict(list)
        alone: list[Work] = []
        stores = runtime.jobs.flows.jobstores({work.doc.flow for work in works})
        for work in works:
            with charged(work, finalize.name):
                result = _result(work)
                if result is None or work.doc.flow not in stores:
                    alone.append(work)
                else:
                    results[stores[work.doc.flow]].append(result)
        for name, members in results.items():
            if _insert(runtime, name, members):
                _complete(runtime, members)
            else:
                alone += [result.work for result in members]
        for work in alone:
            finalize.run_leased(work)


def _result(work: Work) -> _Result | None:
    """Return what came of a job if that is an ordinary result."""
    folder, outcome = came_of(work)
    unusual = (outcome.error, outcome.replace, outcome.detour, outcome.addition)
    is_stop = outcome.stop_children or outcome.stop_jobflow
    if is_stop or work.doc.stores or any(part is not None for part in unusual):
        return None
    return _Result(work, outcome, documents_of(work, folder))


def _insert(runtime: Runtime, store: str | None, results: Sequence[_Result]) -> bool:
    """Write the documents of jobs into their JobStore.

    Returns:
        Whether that went well. If not, one of them has a document that the store refuses, or the
        store does not answer: the single step says what is wrong, and whose trouble it is.
    """
    together = Documents([one for result in results for one in result.documents.outputs])
    try:
        with jobstore_outages():
            insert_documents(runtime.jobstore(store), together)
    except Exception as error:  # noqa: BLE001 - the outermost edge: each job meets it alone
        logger.warning("The results of %d jobs together were refused: %s", len(results), error)
        return False
    return True


def _complete(runtime: Runtime, results: Sequence[_Result]) -> None:
    achieved = [(result.work, completed(result.outcome)) for result in results]
    ended = commit_all(achieved, finalize.name)
    release_all(runtime.jobs, ended)
    if ended:
        send_checkout(runtime)
    done = {doc.id for doc in ended}
    for result in results:
        if result.work.doc.id in done:
            remove_copy(result.work)
