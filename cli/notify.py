"""The commands ``jfc notify …``."""

from __future__ import annotations

import click

from jfcelery.cli.failures import EXIT_SETUP
from jfcelery.cli.lazy import Entry, LazyGroup
from jfcelery.cli.options import json_option

#: Commands of ``jfc notify``.
COMMANDS: dict[str, Entry] = {
    "test": Entry("jfcelery.cli.notify:test", "Send a test message."),
}


@click.group(cls=LazyGroup, name="notify", entries=COMMANDS)
def notify() -> None:
    """Try out who is told what happens (the section notifications of the project file)."""


@click.command()
@click.option("--rule", "-r", type=click.IntRange(min=1), metavar="N", help="By this rule only.")
@json_option
def test(rule: int | None, as_json: bool) -> None:
    """Send a test message by each rule, from this machine.

    Rules are counted from 1, as they stand in the project file. Ends with status 2 if an address
    does not take it.
    """
    from jfcelery.cli.output import write_json
    from jfcelery.cli.state import load_project
    from jfcelery.errors import UnknownNameError
    from jfcelery.tasks.notifications.delivery import deliver, shown

    project = load_project()
    rules = dict(enumerate(project.notifications, 1))
    if not rules or (rule is not None and rule not in rules):
        what = "no notifications" if not rules else f"no notification rule {rule}, but {len(rules)}"
        remedy = "See 'notifications' in the reference of the project file."
        raise UnknownNameError(f"Project {project.name!r} has {what}.", remedy=remedy)
    tried = []
    for number in [rule] if rule is not None else rules:
        title = f"jfcelery {project.name}: test message"
        body = f"Rule {number} of project {project.name} works. It tells of: "
        errors = deliver(rules[number], title, body + ", ".join(rules[number].events))
        for at, url in enumerate(rules[number].urls):
            address, error = shown(url.get_secret_value()), errors.get(at, "")
            tried.append({"rule": number, "address": address, "ok": not error, "error": error})
            if not as_json:
                _show(number, address, error)
    if as_json:
        write_json(tried)
    if not all(one["ok"] for one in tried):
        raise click.exceptions.Exit(EXIT_SETUP)


def _show(number: int, address: str, error: str) -> None:
    mark = click.style("FAIL", fg="red") if error else click.style("ok  ", fg="green")
    click.echo(f"{mark}  rule {number}: {error or address}")
