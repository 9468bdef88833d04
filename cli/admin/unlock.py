"""``jfc admin unlock``, ``unlock-flow``, ``unlock-runner``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import (
    flow_filter,
    job_filter,
    json_option,
    verbosity_option,
    yes_option,
)
from jfcelery.cli.output import say

if TYPE_CHECKING:
    from jfcelery.controller.filters import FlowFilter, JobFilter


@click.command()
@job_filter
@yes_option
@verbosity_option
@json_option
def unlock(selected: JobFilter, yes: bool, verbosity: int, as_json: bool) -> None:
    """End the leases of jobs; steps that still work on them are fenced off.

    Leases end by themselves when a Celery worker dies. This only has it sooner.
    """
    _end(selected, yes=yes, verbosity=verbosity, as_json=as_json)


@click.command("unlock-flow")
@flow_filter
@yes_option
@json_option
def unlock_flow(selected: FlowFilter, yes: bool, as_json: bool) -> None:
    """End the leases of the jobs of flows; flows themselves are never locked."""
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.filters import JobFilter
    from jfcelery.controller.queries import find_flows

    with open_controller() as controller:
        flows = find_flows(controller.queue, selected)
    if not flows:
        say("0 leases ended.", {"ended": []}, as_json=as_json)
        return
    ids = tuple(flow.flow_id for flow in flows)
    _end(JobFilter(flow_ids=ids), yes=yes, as_json=as_json)


@click.command("unlock-runner")
@json_option
def unlock_runner(as_json: bool) -> None:
    """Do nothing: any number of runners may run, on any number of machines."""
    text = "There is nothing to unlock: any number of runners may run at once."
    say(text, {"ended": []}, as_json=as_json)


def _end(selected: JobFilter, *, yes: bool, as_json: bool, verbosity: int = 0) -> None:
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.admin import end_leases
    from jfcelery.controller.queries import find_jobs

    with open_controller() as controller:
        docs = find_jobs(controller.queue, replace(selected, query=_leased(selected)))
        for doc in docs if verbosity else ():
            click.echo(f"{doc.db_id} {doc.job.name} {doc.state}: {doc.lock_id}", err=True)
        if docs and not yes and not click.confirm(f"End the leases of {len(docs)} jobs?", err=True):
            raise click.Abort
        ended = end_leases(controller.actions.jobs, docs)
    text = f"{len(ended)} leases ended" + (f": {', '.join(ended)}" if ended else ".")
    say(text, {"ended": ended}, as_json=as_json)


def _leased(selected: JobFilter) -> dict[str, object]:
    """Return the raw query of a filter, with the condition that there is a lease, live or not."""
    lease: dict[str, object] = {"lock_id": {"$ne": None}}
    return {"$and": [dict(selected.query), lease]} if selected.query else lease
