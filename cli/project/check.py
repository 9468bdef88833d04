"""``jfc project check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.failures import EXIT_SETUP
from jfcelery.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.project import Project
    from jfcelery.scheduler_io.probe import Finding


@click.command()
@click.option("--jobstore", "-js", is_flag=True, help="Try the JobStores only.")
@click.option("--queue", "-q", is_flag=True, help="Try the queue's database and broker only.")
@click.option("--worker", "-w", "worker", metavar="NAME", help="Try this worker only.")
@click.option("--errors", "-e", is_flag=True, help="Show the whole text of errors.")
@click.option("--full", "-f", is_flag=True, help="Show remarks on the file, too.")
@json_option
def check(
    jobstore: bool, queue: bool, worker: str | None, errors: bool, full: bool, as_json: bool
) -> None:
    """Try whether everything that a project names works.

    It really connects: to the JobStores, the queue's database and broker, and each worker, where
    the login, the folder, the scheduler and the versions of Python and packages are tried.
    Ends with status 2 if anything fails.
    """
    from jfcelery.cli.output import write_json
    from jfcelery.cli.project.checks import check_jobstores, check_queue, check_worker, remarks
    from jfcelery.cli.state import load_project

    project = load_project()
    if worker is not None:
        project.get_worker(worker)
    everything = not (jobstore or queue or worker)
    tries: list[tuple[str, Callable[[Project], Iterator[Finding]]]] = []
    if everything or queue:
        tries.append(("queue", check_queue))
    if everything or jobstore:
        tries.append(("jobstore", check_jobstores))
    names = [worker] if worker else list(project.workers) if everything else []
    tries += [(f"worker {name}", check_worker(name)) for name in names]
    results: list[dict[str, Any]] = []
    for subject, attempt in tries:
        for finding in attempt(project):
            results.append({"subject": subject, **finding.__dict__})
            if not as_json:
                show_finding(subject, finding, errors=errors)
    notes = remarks(project) if full else []
    if as_json:
        write_json({"project": project.name, "findings": results, "remarks": notes})
    for note in () if as_json else notes:
        click.secho(f"note  {note}", fg="yellow")
    if not all(result["ok"] for result in results):
        raise click.exceptions.Exit(EXIT_SETUP)


def show_finding(subject: str, finding: Finding, *, errors: bool) -> None:
    """Print what one try showed."""
    mark = click.style("ok  ", fg="green") if finding.ok else click.style("FAIL", fg="red")
    detail = finding.detail if errors or finding.ok else finding.detail.partition("\n")[0]
    click.echo(f"{mark}  {subject}: {finding.what}: {detail}")
    if finding.remedy and not finding.ok:
        click.echo(f"      {finding.remedy}")
