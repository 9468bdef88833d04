"""The commands ``jfc worker …``."""

from __future__ import annotations

from typing import Any

import click

from jfcelery.cli.completion import worker_names
from jfcelery.cli.failures import EXIT_SETUP
from jfcelery.cli.lazy import Entry, LazyGroup
from jfcelery.cli.options import json_option, verbosity_option

_HERE = "jfcelery.cli.worker"

#: Commands of ``jfc worker``.
COMMANDS: dict[str, Entry] = {
    "list": Entry(f"{_HERE}:list_workers", "List the workers."),
    "test": Entry(f"{_HERE}:test", "Try a worker out."),
    "login": Entry(f"{_HERE}:login", "Log in to a host that wants a person to do so."),
    "pause": Entry(f"{_HERE}:pause", "Hold back all steps on a worker's host."),
    "resume": Entry(f"{_HERE}:resume", "Let the steps on a worker's host go on."),
}


@click.group(cls=LazyGroup, name="worker", entries=COMMANDS)
def worker() -> None:
    """Look at workers, try them out, hold them back."""


@click.command("list")
@verbosity_option
@json_option
def list_workers(verbosity: int, as_json: bool) -> None:
    """List the workers of a project, and whether their hosts are held back."""
    from jfcelery.cli.output import console, escape, table, write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.workers import worker_infos

    with open_controller() as controller:
        workers = worker_infos(controller.project, controller.queue)
    if as_json:
        write_json(workers)
        return
    headers = ["Name", "Type", "Scheduler", "Host", "Jobs", "In queue", "State"]
    shown = table("Workers", headers + (["Details"] if verbosity else []))
    troubles: dict[str, list[str]] = {}
    for info in workers:
        host, (word, _, why) = info.details.get("host", info.host), info.state.partition(": ")
        if why:
            troubles.setdefault(f"{host}: {info.state}", []).append(info.name)
        cells = [info.name, info.type, info.scheduler, host]
        cells += [str(info.active), info.in_queue, word]
        details = "\n".join(f"{key}: {value}" for key, value in info.details.items())
        shown.add_row(*map(escape, cells), *([escape(details)] if verbosity else []))
    console().print(shown)
    for state, names in troubles.items():
        console().print(escape(f"\n{state}; let it go on at once: jfc worker resume {names[0]}"))


@click.command()
@click.argument("name", shell_complete=worker_names)
@json_option
def test(name: str, as_json: bool) -> None:
    """Try a worker out: login, work_dir, scheduler, versions. Status 2 if anything fails."""
    from jfcelery.cli.output import write_json
    from jfcelery.cli.project.check import show_finding
    from jfcelery.cli.state import load_project
    from jfcelery.scheduler_io.probe import probe_worker

    found: list[Any] = []
    for finding in probe_worker(load_project(), name):
        found.append(finding.__dict__)
        if not as_json:
            show_finding(f"worker {name}", finding, errors=True)
    if as_json:
        write_json(found)
    if not all(finding["ok"] for finding in found):
        raise click.exceptions.Exit(EXIT_SETUP)


@click.command()
@click.argument("name", shell_complete=worker_names)
def login(name: str) -> None:
    """Log in to a host that wants a person (a one-time password), for all Celery workers here.

    The connection stays open until the host or network ends it. While nobody is logged in the
    host is held back; its jobs keep their states and go on after the login.
    """
    from jfcelery.cli.login import log_in
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.holding import try_now

    with open_controller() as controller:
        log_in(controller.project, name)
        try_now(controller, name)


@click.command()
@click.argument("name", shell_complete=worker_names)
@click.option("--reason", metavar="TEXT", default="", help="Why, for those who look later.")
@json_option
def pause(name: str, reason: str, as_json: bool) -> None:
    """Hold back all steps on a worker's host; queue jobs there go on.

    All workers that share the host are held back.
    """
    from jfcelery.cli.output import say
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.holding import held_back, hold_back

    with open_controller() as controller:
        names = hold_back(controller, name, reason)
        host = controller.project.get_worker(name).host_key
    say(held_back(names), {"host": host, "paused": names}, as_json=as_json)


@click.command()
@click.argument("name", shell_complete=worker_names)
@json_option
def resume(name: str, as_json: bool) -> None:
    """Let the steps on a worker's host go on, and try a failed one at once."""
    from jfcelery.cli.output import say
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.holding import going_on, let_go_on

    with open_controller() as controller:
        names = let_go_on(controller, name)
        host = controller.project.get_worker(name).host_key
    say(going_on(names), {"host": host, "resumed": names}, as_json=as_json)
