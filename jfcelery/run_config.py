"""Where and how the jobs of a flow run: :func:`set_run_config`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobflow.core.flow import Flow
    from jobflow.core.job import Job
    from qtoolkit.core.data_objects import QResources

    from jfcelery.project import ExecutionConfig

    FlowOrJob = TypeVar("FlowOrJob", Flow, Job)


def set_run_config(
    flow_or_job: FlowOrJob,
    name_filter: str | None = None,
    function_filter: Callable[..., Any] | None = None,
    exec_config: str | ExecutionConfig | dict[str, Any] | None = None,
    resources: dict[str, Any] | QResources | None = None,
    priority: int | None = None,
    worker: str | None = None,
    dynamic: bool = True,
    overwrite: bool = False,
) -> FlowOrJob:
    """Set where and how jobs run; it is kept in the ``manager_config`` of each job.

    What is left as None is not set, and may be filled by what ``submit_flow`` is given. To have no
    resources or no execution configuration, pass an empty one.

    Args:
        flow_or_job: The flow or job, changed in place.
        name_filter: Only jobs whose name contains this are changed.
        function_filter: Only jobs of this function are changed.
        exec_config: Name of an execution configuration of the project, or one.
        resources: Resources for the worker's scheduler.
        priority: Jobs of higher priority are taken first.
        worker: Name of the worker.
        dynamic: Whether the same is set for jobs that these jobs make when they run.
        overwrite: Whether settings of earlier calls that are not given again are dropped.

    Returns:
        The flow or job itself.
    """
    given = {
        "exec_config": _plain(exec_config),
        "resources": resources,
        "priority": priority,
        "worker": worker,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    if not chosen and not overwrite:
        return flow_or_job
    config: dict[str, Any] = {"manager_config": chosen}
    if not overwrite:
        config = {"_set": {f"manager_config->{name}": value for name, value in chosen.items()}}
    filters: dict[str, Any] = {"name_filter": name_filter, "function_filter": function_filter}
    flow_or_job.update_config(config, **filters, dynamic=dynamic, dict_mod=not overwrite)
    return flow_or_job


def _plain(
    exec_config: str | ExecutionConfig | dict[str, Any] | None,
) -> str | dict[str, Any] | None:
    """Return an execution configuration so that no class is needed to read it on the worker."""
    if exec_config is None or isinstance(exec_config, str | dict):
        return exec_config
    return exec_config.model_dump(mode="json", exclude_unset=True)
