"""The operations on jobs, each on all jobs that a filter selects."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from jfcelery.controller.bulk import Manner, Result, change_jobs
from jfcelery.controller.chosen import PIECE, Chosen
from jfcelery.controller.delete import Delete, Extent
from jfcelery.controller.pause import pause, resume
from jfcelery.controller.queries import job_keys
from jfcelery.controller.rerun import Rerun
from jfcelery.controller.retry import retry
from jfcelery.controller.set_state import set_state
from jfcelery.controller.stop import let_children_go, stop
from jfcelery.database.jobs import Jobs
from jfcelery.errors import JobNotFoundError, ServiceError
from jfcelery.flows.release import jobs_waited_for
from jfcelery.messages import messenger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jfcelery.controller.bulk import Move
    from jfcelery.controller.filters import JobFilter
    from jfcelery.controller.properties import RunProperties
    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project
    from jfcelery.states import JobState

logger = logging.getLogger(__name__)


class Actions:
    """What can be done to the jobs of a project.

    Each method changes what can be changed and says for every other job why not. The Celery
    workers are told afterwards; where they cannot be, the sweeper finds the work by itself.

    Args:
        project: The project.
        queue: Its database.
    """

    def __init__(self, project: Project, queue: QueueDatabase) -> None:
        self.project = project
        self.queue = queue
        self.jobs = Jobs(queue)

    def pause(self, selected: JobFilter, manner: Manner) -> Result:
        """Keep READY and WAITING jobs from starting."""
        return self._change(selected, pause, manner)

    def resume(self, selected: JobFilter, manner: Manner) -> Result:
        """Let PAUSED, STOPPED and USER_STOPPED jobs go on."""
        result = self._change(selected, resume, manner)
        self.tell(result, cancel=True)
        return result

    def retry(self, selected: JobFilter, manner: Manner) -> Result:
        """Try the failed step of REMOTE_ERROR jobs again, or at once what waits for its time."""
        result = self._change(selected, retry(self.jobs.now()), manner)
        self.tell(result)
        return result

    def stop(self, selected: JobFilter, manner: Manner) -> Result:
        """Stop READY and running jobs; their queue jobs are cancelled by the Celery workers."""
        docs = self.select(selected)
        plan = stop(jobs_waited_for(self.jobs, docs))
        result = self._end(docs, plan, manner)
        self.tell(result, cancel=True)
        return result

    def rerun(self, selected: JobFilter, manner: Manner, *, force: bool = False) -> Result:
        """Run jobs again from their beginning; the result names all jobs that were reset.

        Args:
            selected: The jobs.
            manner: How jobs in other hands are dealt with.
            force: Rerun also what is COMPLETED or has started jobs below it.
        """
        docs = self.select(selected)
        result = Rerun(self.project, self.jobs, force).run(docs, manner)
        self.tell(result, cancel=True)
        return result

    def delete(self, selected: JobFilter, manner: Manner, extent: Extent) -> Result:
        """Delete jobs, with what belongs to them; a flow without jobs goes with its last."""
        docs = self.select(selected)
        return self.delete_docs(docs, manner, extent)

    def delete_docs(self, docs: Sequence[JobDoc], manner: Manner, extent: Extent) -> Result:
        """Delete jobs that were read already."""
        return self._delete(extent).run(docs, manner)

    def delete_flows(self, uuids: Sequence[str], manner: Manner, extent: Extent) -> Result:
        """Delete all jobs of flows."""
        return self._delete(extent).run_flows(uuids, manner)

    def _delete(self, extent: Extent) -> Delete:
        def tell(result: Result) -> None:
            self.tell(result, cancel=True)

        return Delete(self.project, self.jobs, extent, tell)

    def set_state(self, state: JobState, selected: JobFilter, manner: Manner) -> Result:
        """Set the state of jobs by hand, whatever they are in."""
        docs = self.select(selected)
        plan = set_state(state, jobs_waited_for(self.jobs, docs))
        result = self._end(docs, plan, manner)
        self.tell(result, cancel=True)
        return result

    def set_properties(
        self, properties: RunProperties, selected: JobFilter, manner: Manner
    ) -> Result:
        """Change where and how jobs run that are not under way."""
        properties.check(self.project)
        return self._change(selected, lambda doc: properties.plan(self.project, doc), manner)

    def select(self, selected: JobFilter) -> Sequence[JobDoc]:
        """Return the jobs that a filter selects, in the order of their short ids.

        Raises:
            JobNotFoundError: It selects none.
        """
        keys = job_keys(self.queue, selected)
        if not keys:
            raise JobNotFoundError(
                f"No job matches: {selected.describe()}.",
                remedy="`jfc job list` with the same filter shows what would match.",
            )
        chosen = Chosen(self.jobs, keys)
        return chosen if len(keys) > PIECE else list(chosen)

    def tell(self, result: Result, *, cancel: bool = False) -> None:
        """Tell the Celery workers that there is something to do.

        Args:
            result: What was changed; nothing is sent where nothing was.
            cancel: Whether queue jobs may have to be cancelled.
        """
        if result.changed:
            self.wake(cancel=cancel)

    def wake(self, *, cancel: bool = False) -> None:
        """Have the Celery workers look at everything that may be set going."""
        try:
            messages = messenger(self.project)
            messages.checkout()
            messages.sweep()
            hosts = {worker.host_key for worker in self.project.workers.values()}
            for host in sorted(hosts) if cancel else ():
                messages.cancel(host)
        except ServiceError as error:
            logger.warning("Done, but no Celery worker could be told: %s", error.message)

    def _change(
        self, selected: JobFilter, plan: Callable[[JobDoc], Move], manner: Manner
    ) -> Result:
        return change_jobs(self.jobs, self.select(selected), plan, manner)

    def _end(
        self, docs: Sequence[JobDoc], plan: Callable[[JobDoc], Move], manner: Manner
    ) -> Result:
        """Change jobs so that others need not wait for them any more, and let those go."""

        def after(changed: Sequence[JobDoc]) -> None:
            let_children_go(self.jobs, changed)

        return change_jobs(self.jobs, docs, plan, manner, after=after)
