"""The command ``jfc``: global options and the table of commands."""

from __future__ import annotations

import atexit
import gc
import sys
from typing import Any

import click

from jfcelery.cli.failures import rendered
from jfcelery.cli.lazy import Entry, LazyGroup
from jfcelery.cli.state import CliState

#: New objects after which Python looks for garbage. Importing the libraries makes so many objects
#: that last that by default it looks some hundred times, in vain: a quarter of a listing's time.
COLLECT_AFTER = 50_000
#: All commands, in the order of ``jfc --help``. A line here is a promise that the command exists.
COMMANDS: dict[str, Entry] = {
    "submit": Entry("jfcelery.cli.submit:submit", "Submit the flow that a file holds."),
    "job": Entry("jfcelery.cli.job:job", "Look at jobs and change them."),
    "flow": Entry("jfcelery.cli.flow:flow", "Look at flows and change them."),
    "watch": Entry("jfcelery.cli.watch:watch", "Flows, jobs and hosts, live in the terminal."),
    "project": Entry("jfcelery.cli.project:project", "Look at projects, make and check them."),
    "worker": Entry("jfcelery.cli.worker:worker", "Look at workers, try them, hold them back."),
    "batch": Entry("jfcelery.cli.batch:batch", "Look at pilots, which run many jobs each."),
    "runner": Entry("jfcelery.cli.runner:runner", "Start, stop and look at the runner."),
    "notify": Entry("jfcelery.cli.notify:notify", "Try out who is told what happens."),
    "doctor": Entry("jfcelery.cli.doctor:doctor", "Look for what is wrong, and what to do."),
    "execution": Entry("jfcelery.cli.execution:execution", "Run jobs on the worker."),
    "gui": Entry("jfcelery.cli.gui:gui", "Show the project in a browser; REST API, metrics."),
    "flower": Entry("jfcelery.cli.flower:flower", "Show Celery's web page."),
    "backup": Entry("jfcelery.cli.backup:backup_group", "Save the queue, and get it back."),
    "admin": Entry("jfcelery.cli.admin:admin", "Look after the queue's database."),
    "plugin": Entry("jfcelery.cli.plugin:plugin", "Look at plugins."),
    "completion": Entry("jfcelery.cli.completion:completion", "Let your shell complete commands."),
    "demo": Entry("jfcelery.cli.demo:demo", "Run a real calculation in a throwaway project."),
}


class RootGroup(LazyGroup):
    """The outermost group: the one place where errors are shown."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the global options."""
        with rendered(lambda: False):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command and show its error, if any, in one or two lines."""
        with rendered(lambda: _wants_trace(ctx)):
            return super().invoke(ctx)


def _wants_trace(ctx: click.Context) -> bool:
    from jfcelery.errors import ConfigError
    from jfcelery.settings import settings

    try:
        return bool(ctx.params.get("full_exc")) or settings().cli_full_exc
    except ConfigError:  # it is the settings that are wrong
        return False


def _project_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> Any:
    from jfcelery.cli.completion import project_names

    return project_names(ctx, param, incomplete)


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"jfcelery {version('jfcelery')}")
    ctx.exit()


def _show_tree(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from jfcelery.cli.tree import command_tree

    click.echo("\n".join(command_tree(ctx.command, ctx)))
    ctx.exit()


@click.group(
    cls=RootGroup,
    name="jfc",
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--project",
    "-p",
    metavar="NAME",
    shell_complete=_project_names,
    help="Project to use instead of the default one.",
)
@click.option("--full-exc", "-fe", is_flag=True, help="Show the whole trace of an error.")
@click.option(
    "--tree",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_tree,
    help="Show all commands as a tree.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
@click.pass_context
def jfc(ctx: click.Context, project: str | None, full_exc: bool) -> None:
    """Run jobflow workflows on clusters, through Celery."""
    del full_exc  # it is looked at where there is an error
    ctx.obj = CliState(project=project)


def main() -> None:
    """Run the command line (the entry point of the script ``jfc``)."""
    gc.set_threshold(COLLECT_AFTER)
    try:
        jfc(prog_name="jfc")
    finally:
        _leave_at_once()


def _leave_at_once() -> None:
    """Leave undone what Python and pymongo do as the process ends, and nobody needs.

    Python looks through all objects for garbage several times, which takes a fifth of a listing's
    time; the system takes the memory back anyway. pymongo waits for threads of its that only look
    on: they sleep half a second at a time, and are daemons.
    """
    gc.freeze()
    monitor = sys.modules.get("pymongo.synchronous.monitor")
    if (hook := getattr(monitor, "_shutdown_resources", None)) is not None:
        atexit.unregister(hook)


if __name__ == "__main__":
    main()
