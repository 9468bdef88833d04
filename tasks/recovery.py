"""A job that ended badly is run again, or its flow paused, as the project file says."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

from jfcelery.controller.lineage import have_dependents
from jfcelery.flows.recovery import Decision, causes_of, decide
from jfcelery.states import JobState, sources_of
from jfcelery.tasks.notifications.jobs import note_recovery
from jfcelery.tasks.outputs import local_folder
from jfcelery.tasks.places import free_place

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime
    from jfcelery.tasks.step import Commit, Work

logger = logging.getLogger(__name__)

#: Who does it, as the history says.
ACTOR = "recovery"
#: Called after a rule with ``notify`` took effect, with the runtime, the job as it is now, and what
#: was done in one line. A listener may be called twice for one job; what it raises is logged.
listeners: list[Callable[[Runtime, JobDoc, str], object]] = [note_recovery]


def recovered(work: Work, error_class: str, error: str) -> Commit | Decision:
    """Return the commit of a new attempt, or why there is none.

    What a rule says about the job's flow is done here, before the job's own end is written: a
    step that dies in between comes back, and does it again.

    Args:
        work: The job, under lease.
        error_class: Name of the class of its error.
        error: The error, in one line.
    """
    from jfcelery.tasks.checkout import send_checkout
    from jfcelery.tasks.step import Commit

    doc, told = work.doc, work.runtime.queue.redact(error)
    decision = decide(work.runtime.project, doc, causes_of(doc, error_class), told)
    if decision.rule is None:
        return decision
    if not decision.is_retry:
        if decision.rule.action == "pause_flow":
            pause_flow(work.runtime, doc, f"job {doc.db_id} ended with {decision.why}")
            _tell(work, decision)(doc)
        return decision
    if have_dependents(work.runtime.jobs, [doc]):
        return Decision(why="other jobs have come from it already")

    _give_back(work, decision)

    def then(changed: JobDoc) -> None:
        send_checkout(work.runtime)
        _tell(work, decision)(changed)

    return Commit("recover", JobState.READY, decision.why, decision.fields, then, by=ACTOR)


def pause_flow(runtime: Runtime, doc: JobDoc, why: str) -> None:
    """Pause all jobs of a job's flow that have not started."""
    states = [state.value for state in sources_of("pause")]
    jobs, query = runtime.jobs, {"flow": doc.flow, "state": {"$in": states}}
    while left := [other for other in jobs.find(query) if other.id != doc.id]:
        jobs.transition_many(left, "pause", JobState.PAUSED, by=ACTOR, why=why)


def _give_back(work: Work, decision: Decision) -> None:
    """Give back what this attempt had, as long as the lease keeps the next one from beginning.

    A place that was given back later might be the next attempt's own. One whose queue job is still
    to be cancelled is given back when that is confirmed.
    """
    if not work.worker.is_local:
        shutil.rmtree(local_folder(work), ignore_errors=True)
    if not decision.fields.get("cancel"):
        free_place(work.runtime, work.doc)


def _tell(work: Work, decision: Decision) -> Callable[[JobDoc], None]:
    def tell(doc: JobDoc) -> None:
        if decision.rule is None or not decision.rule.notify:
            return
        logger.warning("Job %s (%s): %s", doc.db_id, doc.job.name, decision.why)
        for listener in listeners:
            try:
                listener(work.runtime, doc, decision.why)
            except Exception:  # the outermost edge of somebody else's code
                logger.exception("A listener failed")

    return tell
