"""``jfc submit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.failures import EXIT_REFUSED
from jfcelery.cli.options import json_option
from jfcelery.cli.params import Dictionary

if TYPE_CHECKING:
    from jfcelery.controller.flow_files import FlowFile
    from jfcelery.project import Project


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--name", "-n", help="Variable that holds the flow, or function that returns it (Python)."
)
@click.option("--worker", "-wk", help="Worker of the jobs that name none; else the first.")
@click.option("--exec-config", "-ec", help="Execution configuration of the jobs that name none.")
@click.option("--resources", "-r", type=Dictionary(), help="Resources of the jobs that name none.")
@click.option("--priority", "-pr", type=int, default=0, show_default=True, help="Their priority.")
@click.option("--jobstore", "-js", help="One of the project's optional_jobstores.")
@click.option("--external", is_flag=True, help="Allow references to jobs outside of the flow.")
@click.option("--wait", "-w", is_flag=True, help="Wait until the flow has ended.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check everything and print the scripts that would be submitted; add nothing.",
)
@json_option
def submit(
    file: Path,
    name: str | None,
    worker: str | None,
    exec_config: str | None,
    resources: dict[str, Any] | None,
    priority: int,
    jobstore: str | None,
    external: bool,
    wait: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Submit the flow that a Python or JSON file holds.

    A Python file is run; it should assign a Flow or Job to a variable. A function in it that a job
    calls must be importable on the worker; on workers of this machine it is.
    """
    from jfcelery.cli.output import hint, write_json
    from jfcelery.cli.state import load_project
    from jfcelery.controller.flow_files import read_flow
    from jfcelery.submission import submit_flow

    project = load_project()
    project.get_worker(worker)
    read = read_flow(file, name)
    if not dry_run:
        _check_new(project, read)
    _hint(project, read, worker)
    ids = submit_flow(
        read.flow,
        worker=worker,
        project=project,
        exec_config=exec_config,
        resources=resources,
        priority=priority,
        allow_external_references=external,
        jobstore=jobstore,
        dry_run=dry_run,
    )
    if dry_run:
        _show_scripts(project, ids, as_json=as_json)
        return
    flow = _flow_of(project, ids[0])
    if as_json:
        write_json({"project": project.name, "flow": flow, "db_ids": ids})
    else:
        jobs = f"1 job ({ids[0]})" if len(ids) == 1 else f"{len(ids)} jobs ({ids[0]} to {ids[-1]})"
        click.echo(f"Submitted to {project.name}: flow {flow}, {jobs}")
    is_idle = _warn_idle(project)
    if wait:
        _wait(project, ids, progress=not as_json)
    elif not (as_json or is_idle):
        hint(f"See how it goes: jfc flow info {ids[0]}")


def _show_scripts(project: Project, scripts: list[str], *, as_json: bool) -> None:
    """Print what a dry run shows."""
    from jfcelery.cli.output import counted, write_json

    if as_json:
        write_json({"project": project.name, "scripts": scripts})
        return
    for script in scripts:
        click.echo(script)
    jobs = counted(len(scripts), "job")
    click.echo(f"Nothing was submitted: {jobs} would go to project {project.name}.", err=True)


def _check_new(project: Project, read: FlowFile) -> None:
    """Refuse a flow that the file submitted already while it was run."""
    from jfcelery.database.connection import open_queue
    from jfcelery.errors import InputError

    uuid = getattr(read.flow, "uuid", None)
    if uuid and open_queue(project).flows.find_one({"_id": uuid}, {"_id": 1}):
        raise InputError(
            f"{read.path} submitted its flow by itself; it was not submitted again.",
            remedy=f"Look at it with: jfc flow info {uuid}",
        )


def _hint(project: Project, read: FlowFile, worker: str | None) -> None:
    """Say what a worker of another machine needs; one of this machine finds the file."""
    from jfcelery.cli.output import hint

    functions = read.own_functions()
    if functions and not project.get_worker(worker).is_local:
        hint(f"The worker must be able to import {', '.join(functions)} from module {read.module}.")


def _flow_of(project: Project, db_id: str) -> str:
    from jfcelery.controller.resolve import flow_uuid
    from jfcelery.database.connection import open_queue

    return flow_uuid(open_queue(project), db_id)


def _wait(project: Project, ids: list[str], *, progress: bool) -> None:
    from jfcelery.states import JobState
    from jfcelery.wait import wait_for

    counts = wait_for(ids[0], progress=progress, project=project)
    words = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    click.echo(words, err=True)
    if set(counts) - {JobState.COMPLETED}:
        raise click.exceptions.Exit(EXIT_REFUSED)


def _warn_idle(project: Project) -> bool:
    """Say so where no runner works on the project, here or elsewhere; return whether that is so."""
    from jfcelery.errors import BrokerUnavailableError
    from jfcelery.tasks.pulse import celery_workers
    from jfcelery.tasks.runner.lifecycle import Runner
    from jfcelery.tasks.runner.status import RunnerState

    if Runner(project).info().state is not RunnerState.STOPPED:
        return False
    try:
        is_idle = not celery_workers(project)
    except BrokerUnavailableError:
        is_idle = True
    if is_idle:
        text = "No runner works on this project: `jfc runner start`"
        click.echo(click.style(text, fg="yellow"), err=True)
    return is_idle
