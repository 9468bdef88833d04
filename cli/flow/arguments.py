"""The argument ``ID`` of commands about one flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.completion import flow_ids
from jfcelery.cli.options import add_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.controller import JobController

job_option = click.option(
    "--job", "-j", "by_job", is_flag=True, help="ID is that of a job of the flow."
)


def flow_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``ID`` and ``--job`` to a command, which gets ``flow_id`` and ``by_job``."""
    argument = click.argument("flow_id", metavar="ID", shell_complete=flow_ids)
    return add_options((argument, job_option))(function)


def find_uuid(controller: JobController, flow_id: str, *, by_job: bool) -> str:
    """Return the uuid of the flow that a command is about."""
    from jfcelery.controller.resolve import flow_uuid

    return flow_uuid(controller.queue, flow_id, by_job=by_job)
