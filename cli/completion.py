"""Completion in the shell: ids of jobs and flows, names of workers, projects, configurations.

Completing must never fail, start a service or take long: whatever goes wrong gives no proposals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project

#: Most proposals.
MOST = 50
#: The shells for which there is a script.
SHELLS = ("bash", "zsh", "fish")


def project_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Propose names of projects."""
    del ctx, param
    from jfcelery.project import find_projects

    return _matching(find_projects().names, incomplete)


def worker_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Propose names of the project's workers."""
    del param
    project = _project(ctx)
    return _matching(project.workers, incomplete) if project else []


def exec_config_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Propose names of the project's execution configurations."""
    del param
    project = _project(ctx)
    return _matching(project.exec_config, incomplete) if project else []


def job_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose short ids of jobs, the newest first, with name and state."""
    del param
    rows = _newest(ctx, "jobs", "db_id", incomplete)
    return [CompletionItem(r["db_id"], help=f"{r['job']['name']} {r['state']}") for r in rows]


def flow_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Propose uuids of flows, the newest first, with name and state."""
    del param
    rows = _newest(ctx, "flows", "uuid", incomplete)
    return [CompletionItem(r["uuid"], help=f"{r['name']} {r['state']}") for r in rows]


def _newest(
    ctx: click.Context, collection: str, field: str, incomplete: str
) -> list[dict[str, Any]]:
    queue = _queue(ctx)
    if queue is None:
        return []
    query = {field: {"$gte": incomplete, "$lt": f"{incomplete}\uffff"}} if incomplete else {}
    fields = {field: 1, "name": 1, "job.name": 1, "state": 1}
    found = getattr(queue, collection).find(query, fields)
    return list(found.sort("created_on", -1).limit(MOST))


def _matching(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _project(ctx: click.Context) -> Project | None:
    from jfcelery.errors import JfceleryError
    from jfcelery.project import load_project

    try:
        return load_project(ctx.find_root().params.get("project"))
    except JfceleryError:
        return None


def _queue(ctx: click.Context) -> QueueDatabase | None:
    """Return the project's database if it runs; completing starts nothing."""
    from jfcelery.database.connection import open_queue
    from jfcelery.errors import JfceleryError
    from jfcelery.services import status

    project = _project(ctx)
    if project is None:
        return None
    if project.uses_embedded_database:
        running = [one.running for one in status(project) if one.name == "database"]
        if not any(running):
            return None
    try:
        return open_queue(project)
    except JfceleryError:
        return None


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which a shell completes commands, options and live ids.

    bash: add  eval "$(jfc completion bash)"  to ~/.bashrc; zsh likewise to ~/.zshrc;
    fish: jfc completion fish > ~/.config/fish/completions/jfc.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(found(ctx.find_root().command, {}, "jfc", "_JFC_COMPLETE").source())
