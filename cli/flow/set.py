"""The commands ``jfc flow set …``."""

from __future__ import annotations

import click

from jfcelery.cli.flow.arguments import job_option
from jfcelery.cli.lazy import Entry, LazyGroup
from jfcelery.cli.options import json_option


@click.command()
@click.argument("flow_id", metavar="ID")
@click.argument("name", metavar="[STORE]", required=False)
@job_option
@json_option
def store(flow_id: str, name: str | None, by_job: bool, as_json: bool) -> None:
    """Set the JobStore of a flow that has not started.

    STORE is one of the project's optional_jobstores; without it the project's own JobStore.
    """
    from jfcelery.cli.flow.arguments import find_uuid
    from jfcelery.cli.output import say
    from jfcelery.cli.state import open_controller

    with open_controller() as controller:
        uuid = find_uuid(controller, flow_id, by_job=by_job)
        controller.flow_actions.set_store(uuid, name)
    text = f"Outputs of flow {uuid} go to {name or 'the JobStore of the project'}."
    say(text, {"flow_id": uuid, "store": name}, as_json=as_json)


#: Commands of ``jfc flow set``.
COMMANDS: dict[str, Entry] = {
    "store": Entry("jfcelery.cli.flow.set:store", "Set the JobStore of a flow."),
}


@click.group(cls=LazyGroup, name="set", entries=COMMANDS)
def set_() -> None:
    """Set properties of flows."""
