"""The commands ``jfc runner …``: the processes that do the work.

``jfc runner status`` has exit statuses of its own: 0 running, 3 not running, 4 anything between
(starting, stopping, partly running, supervisor lost or not answering).
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.lazy import Entry, LazyGroup
from jfcelery.cli.options import add_options, json_option, yes_option
from jfcelery.cli.output import console, escape, hint, say, write_json
from jfcelery.cli.processes import services_up, show_processes, show_services, styled
from jfcelery.cli.state import load_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.project import Project
    from jfcelery.tasks.runner.layout import Layout
    from jfcelery.tasks.runner.lifecycle import Runner
    from jfcelery.tasks.runner.status import RunnerInfo

#: Exit status of `status`: no process of the runner lives.
EXIT_STOPPED = 3
#: Exit status of `status`: some of it runs.
EXIT_PARTIAL = 4
#: Seconds that running steps get to end.
DRAIN = 60.0

#: Commands of ``jfc runner``, in the order of its help.
COMMANDS = {
    "start": Entry("jfcelery.cli.runner:start", "Start the runner in the background."),
    "run": Entry("jfcelery.cli.runner:run", "Run everything in the foreground (containers)."),
    "stop": Entry("jfcelery.cli.runner:stop", "Let running steps end, then stop the runner."),
    "kill": Entry("jfcelery.cli.runner:kill", "End the runner's processes at once."),
    "shutdown": Entry("jfcelery.cli.runner:shutdown", "Stop; the embedded services in any case."),
    "restart": Entry("jfcelery.cli.runner:restart", "Stop the runner and start it again."),
    "status": Entry("jfcelery.cli.runner:status", "Tell whether the runner runs."),
    "info": Entry("jfcelery.cli.runner:info", "Show the runner's processes."),
    "foreground": Entry("jfcelery.cli.runner:foreground", "Follow the logs of the runner."),
    "reset": Entry("jfcelery.cli.runner:reset", "End and forget what a killed runner left."),
    "update-status": Entry("jfcelery.cli.runner:update_status", "Ask all queues once, now."),
    "systemd": Entry("jfcelery.cli.runner:systemd", "Write a systemd unit for a server."),
}


@click.group(cls=LazyGroup, name="runner", entries=COMMANDS)
def runner() -> None:
    """Start, stop and look at the processes that do the work."""


#: Options that say which processes to start.
_LAYOUT_OPTIONS = (
    click.option(
        "--transfer",
        "-t",
        type=click.IntRange(1),
        help="Number of Celery workers for the hosts (transfers, submission).  [default: 1]",
    ),
    click.option(
        "--complete",
        "-com",
        type=click.IntRange(1),
        help="Number of Celery workers for control (checkout, sweeping).  [default: 1]",
    ),
    click.option("--single", "-s", is_flag=True, help="One Celery worker for everything."),
    click.option(
        "--concurrency",
        "-c",
        type=click.IntRange(1),
        help="Steps that a Celery worker does at once.  [default: 16]",
    ),
    click.option(
        "--log-level",
        "-log",
        type=click.Choice(["error", "warn", "info", "debug"], case_sensitive=False),
        help="Least important messages to log.  [default: that of the project]",
    ),
    click.option("--flower/--no-flower", default=None, help="Whether to run Flower as well."),
    click.option("--flower-port", type=click.IntRange(1, 65535), help="Port of Flower."),
    click.option(
        "--connect-interactive",
        "-i",
        is_flag=True,
        help="Log in first to the hosts that want a person to do so.",
    ),
)
_layout_options = add_options(_LAYOUT_OPTIONS)
_timeout_option = click.option(
    "--timeout",
    "--max-wait",
    "-m",
    type=click.FloatRange(0),
    default=DRAIN,
    show_default=True,
    metavar="SECONDS",
    help="Kill what still runs after this long.",
)
_all_option = click.option("--all", "-a", "all_projects", is_flag=True, help="Of all projects.")


@click.command()
@_layout_options
@click.option("--replace", is_flag=True, help="Stop the present runner first, if there is one.")
@json_option
def start(replace: bool, as_json: bool, **options: Any) -> None:
    """Start the runner in the background and wait until it works.

    It consists of Celery workers, beat, Flower and, where the project names no others, a
    database and a broker of its own. A project has one runner on a machine; runners
    on several machines may share a project whose database and broker they all reach.
    """
    project = load_project()
    layout = _layout(project, options)
    _log_in(project, wanted=options["connect_interactive"], err=as_json)
    with _waiting("Starting the runner"):
        one = _runner(project)
        info = one.restart(layout) if replace else one.start(layout)
    _show_started(info, as_json=as_json)
    if project.uses_embedded_database:
        hint(
            "The embedded database is for one person's start; for a group or more than some\n"
            "10,000 jobs name a MongoDB (4.4 or newer) under `queue` in the project file."
        )


@click.command()
@_layout_options
@click.option(
    "--drain",
    type=click.FloatRange(0),
    default=DRAIN,
    show_default=True,
    metavar="SECONDS",
    help="Time that running steps get to end after SIGTERM or SIGINT; a second one ends it all.",
)
def run(drain: float, **options: Any) -> None:
    """Run everything in the foreground, with all logs on stdout, until SIGTERM or SIGINT."""
    project = load_project()
    layout = _layout(project, options).model_copy(update={"drain": drain})
    _log_in(project, wanted=options["connect_interactive"])
    _runner(project).run(layout)


@click.command()
@click.option("--wait/--no-wait", "-w/-nw", default=True, help="Whether to wait for the end.")
@_timeout_option
@_all_option
@json_option
def stop(wait: bool, timeout: float, all_projects: bool, as_json: bool) -> None:
    """Let the running steps end, then stop the runner.

    The embedded services are stopped too, unless another process uses them. Jobs on the
    clusters, and those on this machine, go on; the next start picks them up.
    """
    if wait:
        act = Act("Stopping", "stopped", lambda one: one.stop(timeout=timeout))
    else:
        act = Act("Stopping", "told to stop", lambda one: one.tell_to_stop())
    _each(act, everywhere=all_projects, as_json=as_json)


@click.command()
@_all_option
@json_option
def kill(all_projects: bool, as_json: bool) -> None:
    """End the runner's processes at once; their steps are done again after the next start."""
    act = Act("Killing", "killed", lambda one: one.kill())
    _each(act, everywhere=all_projects, as_json=as_json)


@click.command()
@_timeout_option
@_all_option
@json_option
def shutdown(timeout: float, all_projects: bool, as_json: bool) -> None:
    """Stop the runner, and the embedded services even if another process uses them."""
    act = Act("Shutting down", "shut down", lambda one: one.shutdown(timeout=timeout))
    _each(act, everywhere=all_projects, as_json=as_json)


@click.command()
@_layout_options
@_timeout_option
@json_option
def restart(timeout: float, as_json: bool, **options: Any) -> None:
    """Stop the runner and start it again, by default with the same options."""
    project = load_project()
    given = any(value not in {None, False} for value in options.values())
    with _waiting("Restarting the runner"):
        layout = _layout(project, options) if given else None
        info = _runner(project).restart(layout, timeout=timeout)
    _show_started(info, as_json=as_json)


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Tell whether the runner runs.

    Exit status: 0 running, 3 not running, 4 anything between.
    """
    state = _runner().info().state
    if as_json:
        write_json({"state": state})
    else:
        console().print(f"Runner status: {styled(state)}")
        if state not in {"running", "stopped"}:
            hint("See `jfc runner info`.")
    ctx.exit({"running": 0, "stopped": EXIT_STOPPED}.get(state, EXIT_PARTIAL))


@click.command()
@json_option
@click.option("--verbosity", "-v", count=True, help="Show the log files.")
def info(as_json: bool, verbosity: int) -> None:
    """Show the runner's processes and the services: process id, uptime, memory."""
    from jfcelery.services import status as services_status

    project = load_project()
    found, services = _runner(project).info(), services_status(project)
    if as_json:
        write_json({**_plain(found), "services": [asdict(service) for service in services]})
        return
    show_processes(found, verbosity)
    show_services(services)
    if found.flower:
        console().print(f"Flower: {escape(found.flower)}", soft_wrap=True)


@click.command()
def foreground() -> None:
    """Follow the logs of the running runner; Ctrl-C leaves it running."""
    from jfcelery.tasks.runner.follow import follow

    one = _runner()
    found = one.info()
    if found.supervisor is None or found.foreground:
        where = "in the foreground elsewhere" if found.foreground else "not"
        raise click.ClickException(f"The runner runs {where}; there are no logs to follow.")
    logs = {process.name: process.log for process in found.processes}
    width = max(map(len, logs))
    for name, line in follow(logs, goes_on=lambda: one.info().supervisor is not None):
        click.echo(click.style(f"{name:<{width}} │ ", fg="cyan") + line)


@click.command()
@yes_option
@json_option
def reset(yes: bool, as_json: bool) -> None:
    """End and forget the processes that a killed supervisor left behind on this machine.

    Nothing in the database stands for a runner, so nothing there needs a reset.
    """
    one = _runner()
    if not yes:
        click.confirm(f"End what is left in {one.folder.path}?", abort=True, err=True)
    left = one.reset()
    say("Done." if left else "Nothing was left.", {"ended": left}, as_json=as_json)


@click.command(name="update-status")
@json_option
def update_status(as_json: bool) -> None:
    """Ask the queues of all workers once, and advance the states of the jobs accordingly.

    A running runner is told to do it now; without one it is done here. Nothing is submitted.
    """
    from jfcelery.tasks.poll import poll_host
    from jfcelery.tasks.runtime import Runtime
    from jfcelery.tasks.sending import sender

    project = load_project()
    if _runner(project).info().state == "running":
        for host_key in project.hosts:
            sender(project).poll(host_key)
        told = {"hosts": list(project.hosts), "asked_by": "runner"}
        say("The runner was told to ask all queues.", told, as_json=as_json)
        return
    runtime = Runtime(project)
    try:
        for host_key in project.hosts:
            with _waiting(f"Asking {host_key}"):
                poll_host(runtime, host_key)
    finally:
        runtime.close()
    asked = {"hosts": list(project.hosts), "asked_by": "command"}
    say("All queues were asked.", asked, as_json=as_json)


@click.command()
@click.option("--system", is_flag=True, help="For the system instead of for your own user.")
@click.option("--drain", type=click.FloatRange(0), default=DRAIN, help="As for `jfc runner run`.")
def systemd(system: bool, drain: float) -> None:
    """Write a systemd unit to stdout.

    For your own user: jfc runner systemd > ~/.config/systemd/user/jfcelery.service, then
    systemctl --user enable --now jfcelery, and loginctl enable-linger.
    """
    from jfcelery.tasks.runner.unit import systemd_unit

    path = os.environ.get("PATH", os.defpath)
    click.echo(systemd_unit(load_project(), path=path, drain=drain, system=system), nl=False)


def _runner(project: Project | None = None) -> Runner:
    from jfcelery.tasks.runner.lifecycle import Runner

    return Runner(project or load_project())


def _layout(project: Project, options: dict[str, Any]) -> Layout:
    from jfcelery.tasks.runner.layout import Layout

    chosen = {name: value for name, value in options.items() if value is not None}
    chosen.pop("connect_interactive", None)
    chosen.setdefault("log_level", project.log_level.value)
    return Layout(**chosen)


@dataclass(frozen=True)
class Act:
    """What is done to a runner.

    Args:
        doing: The words while it is done.
        done: The word for it afterwards.
        do: Does it, and returns whether there was a runner.
    """

    doing: str
    done: str
    do: Callable[[Runner], bool]


def _each(act: Act, *, everywhere: bool, as_json: bool) -> None:
    """Do something to the runner of the project, or of all projects, and say what was done."""
    from jfcelery.project import find_projects

    projects = list(find_projects().valid.values()) if everywhere else [load_project()]
    results = []
    for project in projects:
        before = services_up(project)
        with _waiting(f"{act.doing} the runner of {project.name}"):
            ran = act.do(_runner(project))
        services = sorted(before - services_up(project))
        results.append({"project": project.name, "ran": ran, "services": services})
        words = f"was {act.done}" if ran else "does not run"
        if services and not ran:
            words += f"; stopped: {' and '.join(services)}"
        if not as_json and (ran or services or not everywhere):
            click.echo(f"The runner of {project.name} {words}.")
    if as_json:
        write_json({"done": act.done, "runners": results})


def _plain(found: RunnerInfo) -> dict[str, Any]:
    """Return what is found for JSON: the address of Flower without the login in it."""
    return {**asdict(found), "flower": re.sub(r"//.*@", "//", found.flower)}


def _show_started(found: RunnerInfo, *, as_json: bool) -> None:
    if as_json:
        write_json(_plain(found))
        return
    names = ", ".join(process.name for process in found.processes)
    click.echo(f"The runner works: {names}.")
    if found.flower:
        click.echo(f"Flower: {found.flower}")


def _log_in(project: Project, *, wanted: bool, err: bool = False) -> None:
    """Log in to the hosts that want a person, or say that somebody has to."""
    from jfcelery.cli.login import interactive_workers, log_in

    for name in interactive_workers(project):
        if wanted:
            log_in(project, name, err=err)
        else:
            hint(f"Worker {name!r} wants a person to log in: jfc worker login {name}")


@contextmanager
def _waiting(label: str) -> Iterator[None]:
    """Show that something goes on, where stderr is a terminal."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield
        return
    with out.status(f"{label} …"):
        yield
