"""``jfc flow resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jfcelery.cli.flow.arguments import flow_argument
from jfcelery.cli.options import json_option

if TYPE_CHECKING:
    from jfcelery.controller.bulk import Result


@click.command()
@flow_argument
@json_option
def resume(flow_id: str, by_job: bool, as_json: bool) -> None:
    """Let all paused and stopped jobs of a flow go on."""
    from jfcelery.cli.flow.arguments import find_uuid
    from jfcelery.cli.job.operate import report
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.bulk import Manner
    from jfcelery.errors import JobNotFoundError, StateError

    with open_controller() as controller:
        uuid = find_uuid(controller, flow_id, by_job=by_job)
        try:
            result: Result = controller.flow_actions.resume(uuid, Manner())
        except JobNotFoundError:
            raise StateError(
                f"Flow {uuid} has no paused or stopped job.",
                remedy=f"`jfc flow info {uuid}` shows the states of its jobs.",
            ) from None
    report(result, "resumed", as_json=as_json)
