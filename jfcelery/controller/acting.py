"""The methods of the controller that change jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Unpack

from jfcelery.controller.arguments import JobQuery, job_filter, one_job
from jfcelery.controller.bulk import Manner
from jfcelery.controller.delete import Extent
from jfcelery.controller.positional import JOBS, in_order
from jfcelery.controller.properties import RunProperties, plain
from jfcelery.errors import InputError

if TYPE_CHECKING:
    from qtoolkit.core.data_objects import QResources

    from jfcelery.controller.actions import Actions
    from jfcelery.controller.bulk import Result
    from jfcelery.project import ExecutionConfig
    from jfcelery.states import JobState


class JobActions(ABC):
    """Changes jobs; each method returns the short ids of the jobs that it changed.

    The methods for several jobs select them as :class:`~.controller.JobController` says.
    Those for one job take ``job_id`` (with ``job_index``, by default the largest) or ``db_id``.
    ``wait`` is the number of seconds to wait for jobs that a step works on; ``break_lock`` takes
    them away from the step. With ``raise_on_error`` the first job that is refused raises
    :class:`~.bulk.RefusedError`; without it refused jobs are left out of what is returned.
    """

    @property
    @abstractmethod
    def actions(self) -> Actions:
        """The operations on jobs, with a reason for every job that they refuse."""

    @in_order(JobQuery, *JOBS, "raise_on_error", "wait")
    def pause_jobs(
        self, *, raise_on_error: bool = True, wait: float | None = None, **query: Unpack[JobQuery]
    ) -> list[str]:
        """Keep READY and WAITING jobs from starting."""
        manner = Manner(wait=wait, strict=raise_on_error)
        return _ids(self.actions.pause(job_filter(query), manner))

    def pause_job(
        self,
        job_id: str | None = None,
        db_id: str | None = None,
        job_index: int | None = None,
        wait: float | None = None,
    ) -> str:
        """Keep a READY or WAITING job from starting."""
        manner = Manner(wait=wait, strict=True)
        return _id(self.actions.pause(one_job(job_id, db_id, job_index), manner))

    @in_order(JobQuery, *JOBS, "raise_on_error", "wait", "break_lock")
    def resume_jobs(
        self,
        *,
        raise_on_error: bool = True,
        wait: float | None = None,
        break_lock: bool = False,
        **query: Unpack[JobQuery],
    ) -> list[str]:
        """Let PAUSED, STOPPED and USER_STOPPED jobs go on."""
        manner = Manner(wait=wait, break_lock=break_lock, strict=raise_on_error)
        return _ids(self.actions.resume(job_filter(query), manner))

    def resume_job(
        self,
        job_id: str | None = None,
        db_id: str | None = None,
        job_index: int | None = None,
        wait: float | None = None,
        break_lock: bool = False,
    ) -> str:
        """Let a PAUSED, STOPPED or USER_STOPPED job go on."""
        manner = Manner(wait=wait, break_lock=break_lock, strict=True)
        return _id(self.actions.resume(one_job(job_id, db_id, job_index), manner))

    @in_order(JobQuery, *JOBS, "raise_on_error", "wait", "break_lock")
    def retry_jobs(
        self,
        *,
        raise_on_error: bool = True,
        wait: float | None = None,
        break_lock: bool = False,
        **query: Unpack[JobQuery],
    ) -> list[str]:
        """Try the failed step of REMOTE_ERROR jobs again."""
        manner = Manner(wait=wait, break_lock=break_lock, strict=raise_on_error)
        return _ids(self.actions.retry(job_filter(query), manner))

    def retry_job(
        self,
        job_id: str | None = None,
        db_id: str | None = None,
        job_index: int | None = None,
        wait: float | None = None,
        break_lock: bool = False,
    ) -> str:
        """Try the failed step of a REMOTE_ERROR job again."""
        manner = Manner(wait=wait, break_lock=break_lock, strict=True)
        return _id(self.actions.retry(one_job(job_id, db_id, job_index), manner))

    @in_order(JobQuery, *JOBS, "raise_on_error", "wait", "break_lock")
    def stop_jobs(
        self,
        *,
        raise_on_error: bool = True,
        wait: float | None = None,
        break_lock: bool = False,
        **query: Unpack[JobQuery],
    ) -> list[str]:
        """Stop READY and running jobs; the Celery workers cancel their queue jobs."""
        manner = Manner(wait=wait, break_lock=break_lock, strict=raise_on_error)
        return _ids(self.actions.stop(job_filter(query), manner))

    def stop_job(
        self,
        job_id: str | None = None,
        db_id: str | None = None,
        job_index: int | None = None,
        wait: float | None = None,
        break_lock: bool = False,
    ) -> str:
        """Stop a READY or running job; a Celery worker cancels its queue job."""
        manner = Manner(wait=wait, break_lock=break_lock, strict=True)
        return _id(self.actions.stop(one_job(job_id, db_id, job_index), manner))

    @in_order(JobQuery, *JOBS, "raise_on_error", "force", "wait", "break_lock", "delete_files")
    def rerun_jobs(
        self,
        *,
        raise_on_error: bool = True,
        force: bool = False,
        wait: float | None = None,
        break_lock: bool = False,
        delete_files: bool = True,
        **query: Unpack[JobQuery],
    ) -> list[str]:
        """Run jobs again from their beginning; returned are all that were reset.

        ``delete_files`` is accepted for habit: files of earlier attempts are always kept.
        """
        del delete_files
        manner = Manner(wait=wait, break_lock=break_lock, strict=raise_on_error)
        return _ids(self.actions.rerun(job_filter(query), manner, force=force))

    def rerun_job(
        self,
        job_id: str | None = None,
        db_id: str | None = None,
        job_index: int | None = None,
        force: bool = False,
        wait: float | None = None,
        break_lock: bool = False,
        delete_files: bool = True,
    ) -> list[str]:
        """Run a job again from its beginning; returned are all that were reset."""
        del delete_files
        manner = Manner(wait=wait, break_lock=break_lock, strict=True)
        selected = one_job(job_id, db_id, job_index)
        return _ids(self.actions.rerun(selected, manner, force=force))

    @in_order(JobQuery, "state", *JOBS, "raise_on_error", "wait", "break_lock")
    def set_jobs_state(
        self,
        state: JobState,
        *,
        raise_on_error: bool = True,
        wait: float | None = None,
        break_lock: bool = False,
        **query: Unpack[JobQuery],
    ) -> list[str]:
        """Set the state of jobs by hand; nothing checks that it makes sense."""
        manner = Manner(wait=wait, break_lock=break_lock, strict=raise_on_error)
        return _ids(self.actions.set_state(state, job_filter(query), manner))

    def set_job_state(
        self,
        state: JobState,
        job_id: str | None = None,
        db_id: str | None = None,
        job_index: int | None = None,
        wait: float | None = None,
        break_lock: bool = False,
    ) -> str:
        """Set the state of a job by hand; nothing checks that it makes sense."""
        manner = Manner(wait=wait, break_lock=break_lock, strict=True)
        selected = one_job(job_id, db_id, job_index)
        return _id(self.actions.set_state(state, selected, manner))

    @in_order(
        JobQuery,
        "worker",
        "exec_config",
        "resources",
        "priority",
        "update",
        *JOBS,
        "raise_on_error",
    )
    def set_job_run_properties(
        self,
        worker: str | None = None,
        exec_config: str | ExecutionConfig | dict[str, Any] | None = None,
        resources: dict[str, Any] | QResources | None = None,
        priority: int | None = None,
        update: bool = True,
        *,
        raise_on_error: bool = True,
        **query: Unpack[JobQuery],
    ) -> list[str]:
        """Change where and how jobs run that are not under way.

        Args:
            worker: Name of a worker of the project.
            exec_config: Name of an execution configuration, or one.
            resources: Resources for the scheduler.
            priority: Jobs of higher priority are taken first.
            update: Whether what is given as a dict is merged into what the jobs have.
            raise_on_error: Whether the first refused job raises.
            **query: What selects the jobs.
        """
        properties = RunProperties(
            worker=worker,
            exec_config=plain(exec_config),
            resources=plain(resources),
            priority=priority,
            update=update,
        )
        manner = Manner(strict=raise_on_error)
        return _ids(self.actions.set_properties(properties, job_filter(query), manner))

    @in_order(
        JobQuery, *JOBS, "raise_on_error", "wait", "delete_output", "delete_files", "max_limit"
    )
    def delete_jobs(
        self,
        *,
        raise_on_error: bool = True,
        wait: float | None = None,
        delete_output: bool = False,
        delete_files: bool = False,
        max_limit: int = 10,
        **query: Unpack[JobQuery],
    ) -> list[str]:
        """Delete jobs.

        Args:
            raise_on_error: Whether the first refused job raises.
            wait: Seconds to wait for steps, and for queue jobs to be gone.
            delete_output: Whether their outputs are removed from the JobStore.
            delete_files: Whether their run folders are removed from the workers.
            max_limit: Refuse to delete more than so many; 0 for no limit.
            **query: What selects the jobs.

        Raises:
            InputError: More jobs are selected than the limit allows; none is deleted.
        """
        docs = self.actions.select(job_filter(query))
        if max_limit and len(docs) > max_limit:
            raise InputError(
                f"{len(docs)} jobs would be deleted, {max_limit} are allowed.",
                remedy="Raise max_limit; 0 means no limit.",
            )
        extent = Extent(outputs=delete_output, files=delete_files)
        manner = Manner(wait=wait, strict=raise_on_error)
        return _ids(self.actions.delete_docs(docs, manner, extent))

    def delete_job(
        self,
        job_id: str | None = None,
        db_id: str | None = None,
        job_index: int | None = None,
        delete_output: bool = False,
        delete_files: bool = False,
        wait: float | None = None,
        break_lock: bool = False,
    ) -> str:
        """Delete a job; see :meth:`delete_jobs`."""
        manner = Manner(wait=wait, break_lock=break_lock, strict=True)
        extent = Extent(outputs=delete_output, files=delete_files)
        return _id(self.actions.delete(one_job(job_id, db_id, job_index), manner, extent))


def _ids(result: Result) -> list[str]:
    return list(result.changed)


def _id(result: Result) -> str:
    """Return the id of the one job that was changed; what is refused raises before."""
    if result.refused:
        raise result.refused[0].error()
    return result.changed[0]
