"""``jfc job set worker``, ``exec-config``, ``resources`` and ``priority``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.completion import exec_config_names, worker_names
from jfcelery.cli.job.operate import Options, operate, plain_options
from jfcelery.cli.options import job_selection
from jfcelery.cli.params import Dictionary

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter


@click.command()
@click.argument("new_worker", metavar="WORKER", shell_complete=worker_names)
@job_selection
@plain_options
def worker(new_worker: str, selected: JobFilter, **options: Any) -> None:
    """Set the worker of jobs."""
    _set(selected, options, f"worker {new_worker}", worker=new_worker)


@click.command("exec-config")
@click.argument("new_exec_config", metavar="EXEC_CONFIG", shell_complete=exec_config_names)
@job_selection
@plain_options
def exec_config(new_exec_config: str, selected: JobFilter, **options: Any) -> None:
    """Set the execution configuration of jobs."""
    what = f"exec_config {new_exec_config}"
    _set(selected, options, what, exec_config=new_exec_config)


@click.command()
@click.argument("values", metavar="RESOURCES", type=Dictionary())
@click.option("--replace", "-r", is_flag=True, help="Replace all resources, not only those given.")
@click.option(
    "--qresources", "-qr", is_flag=True, help="RESOURCES are arguments of qtoolkit's QResources."
)
@job_selection
@plain_options
def resources(
    values: dict[str, Any], replace: bool, qresources: bool, selected: JobFilter, **options: Any
) -> None:
    """Set the resources of jobs; those that are not named stay as they are.

    RESOURCES is JSON or key=value pairs separated by commas, e.g. nodes=2,time=01:00:00.
    """
    new = _qresources(values) if qresources else values
    update = not (replace or qresources)
    what = "resources" if not update else "these resources beside its others"
    _set(selected, options, what, resources=new, update=update)


@click.command()
@click.argument("value", metavar="PRIORITY", type=int)
@job_selection
@plain_options
def priority(value: int, selected: JobFilter, **options: Any) -> None:
    """Set the priority of jobs: those of a higher one are taken first."""
    _set(selected, options, f"priority {value}", priority=value)


def _set(selected: JobFilter, options: dict[str, Any], what: str, **properties: Any) -> None:
    from jfcelery.controller.properties import RunProperties

    wanted = RunProperties(**properties)
    operate(
        selected,
        Options(**options),
        lambda actions, jobs, manner: actions.set_properties(wanted, jobs, manner),
        verb=f"Set {what} of",
        done=f"given {what}",
    )


def _qresources(values: dict[str, Any]) -> dict[str, Any]:
    from qtoolkit.core.data_objects import QResources

    from jfcelery.errors import InputError

    try:
        made: dict[str, Any] = QResources(**values).as_dict()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"These are no arguments of a QResources: {error}",
            remedy="See qtoolkit's documentation for its arguments.",
        ) from None
    return made
