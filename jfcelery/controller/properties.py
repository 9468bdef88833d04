"""Changing where and how jobs will run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jfcelery.controller.bulk import Move
from jfcelery.errors import InputError, RefusedError, ResourcesError, UnknownNameError
from jfcelery.project.resources import check_resources
from jfcelery.states import ACTIVE_STATES, JobState

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project


@dataclass(frozen=True, kw_only=True)
class RunProperties:
    """What is to be changed; None leaves a thing as it is.

    Args:
        worker: Name of a worker of the project.
        exec_config: Name of an execution configuration, or one as a dict.
        resources: Resources for the scheduler.
        priority: Jobs of higher priority are taken first.
        update: Whether resources (and an exec_config given as a dict) are merged into what the
            job has, instead of replacing it.
    """

    worker: str | None = None
    exec_config: str | dict[str, Any] | None = None
    resources: dict[str, Any] | None = None
    priority: int | None = None
    update: bool = True

    def check(self, project: Project) -> None:
        """Check that the project has what is named.

        Raises:
            InputError: Nothing is to be changed.
            UnknownNameError: The project lacks the worker or the execution configuration.
        """
        given = (self.worker, self.exec_config, self.resources, self.priority)
        if all(value is None for value in given):
            raise InputError("Nothing is to be changed: no property is given.")
        if self.worker is not None:
            project.get_worker(self.worker)
        if isinstance(self.exec_config, str):
            project.get_exec_config(self.exec_config)

    def plan(self, project: Project, doc: JobDoc) -> Move:
        """Plan the change of one job, which must not be under way."""
        if doc.state in ACTIVE_STATES:
            raise RefusedError(
                f"it is {doc.state}: how a job runs cannot be changed while it is under way.",
                remedy="`jfc job stop` stops it, `jfc job resume` starts it again.",
            )
        fields: dict[str, Any] = {}
        if self.worker is not None and self.worker != doc.worker:
            fields["worker"] = self.worker
            if doc.state is JobState.REMOTE_ERROR:
                fields["previous_state"] = JobState.READY.value  # its folder is elsewhere
        if self.exec_config is not None:
            fields["exec_config"] = self._merged(doc.exec_config, self.exec_config)
        if self.resources is not None:
            fields["resources"] = self._merged(doc.resources, self.resources)
            self._check_resources(project, doc, fields["resources"])
        if self.priority is not None:
            fields["priority"] = self.priority
        return Move(fields=fields)

    def _check_resources(self, project: Project, doc: JobDoc, new: dict[str, Any]) -> None:
        name = self.worker or doc.worker
        try:
            check_resources(project.get_worker(name), new)
        except (ResourcesError, UnknownNameError) as error:
            remedy = error.remedy
            if set(new) - set(self.resources or {}):  # it may be one of the job's own
                remedy = "What the job had before was kept; --replace (-r) leaves it out."
            raise RefusedError(f"worker {name}: {error.message}.", remedy=remedy) from None

    def _merged(self, old: Any, new: Any) -> Any:
        if self.update and isinstance(old, dict) and isinstance(new, dict):
            return {**old, **new}
        return new


def plain(value: Any) -> Any:
    """Return an execution configuration or resources as a name or a plain dict."""
    if value is None or isinstance(value, (str, dict)):
        return value
    if hasattr(value, "as_dict"):
        return value.as_dict()
    return value.model_dump(mode="json", exclude_none=True)
