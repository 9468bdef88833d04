"""The commands ``jfc batch …``: pilots, which run many jobs each in one queue job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.completion import job_ids
from jfcelery.cli.options import (
    json_option,
    max_results_option,
    verbosity_option,
    workers_option,
    yes_option,
)
from jfcelery.cli.params import DB_ID, JOB_ID, StateType
from jfcelery.states import BatchState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from jfcelery.controller import JobController
    from jfcelery.database.batches import BatchDoc

#: Characters up to which the id of a queue job is shown whole in a narrow terminal.
LONGEST_NUMBER = 10

_STATES = click.option(
    "--state",
    "-s",
    "states",
    multiple=True,
    type=StateType(BatchState),
    help="State: SUBMITTED, RUNNING or FINISHED.  [repeatable]",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def batch() -> None:
    """Look at pilots: queue jobs that run many jobs each."""


@batch.command("list")
@workers_option
@max_results_option
@_STATES
@click.option(
    "--job-id",
    "-jid",
    "job_ids",
    multiple=True,
    type=JOB_ID,
    metavar="UUID:INDEX",
    help="uuid and index of a job that they have, or had last.  [repeatable]",
)
@click.option(
    "--db-id",
    "-did",
    "db_ids",
    multiple=True,
    type=DB_ID,
    shell_complete=job_ids,
    help="db id of such a job.  [repeatable]",
)
@verbosity_option
@json_option
def list_batches(
    workers: tuple[str, ...],
    max_results: int,
    states: tuple[BatchState, ...],
    job_ids: tuple[tuple[str, int], ...],
    db_ids: tuple[str, ...],
    verbosity: int,
    as_json: bool,
) -> None:
    """List pilots, the newest first."""
    from functools import partial

    from jfcelery.cli.output import hint, print_fitting, write_json
    from jfcelery.cli.state import open_controller

    with open_controller() as controller:
        docs = controller.get_batches(
            worker=list(workers),
            batch_state=list(states),
            job_ids=list(job_ids),
            db_ids=list(db_ids),
            limit=max_results,
        )
    if as_json:
        write_json([_data(doc) for doc in docs])
        return
    print_fitting(partial(_table, docs, verbosity))
    if not docs:
        hint("No pilot matches. They are submitted as jobs of a batch worker need them.")


@batch.command()
@click.argument("pilot", metavar="ID")
@json_option
def info(pilot: str, as_json: bool) -> None:
    """Show a pilot and the jobs that it has.

    ID is the id of its queue job, or its unique id, or at least six characters with which that
    begins.
    """
    from jfcelery.cli.output import write_json
    from jfcelery.cli.state import open_controller

    with open_controller() as controller:
        doc = _find(controller, pilot)
        query = {"remote.batch_uid": doc.batch_uid}
        jobs = controller.get_jobs_info(custom_query=query, sort=[("db_id", 1)])
    if as_json:
        write_json(_data(doc) | {"jobs": [job.model_dump(mode="python") for job in jobs]})
        return
    _show(doc, [f"{job.db_id} ({job.state}) {job.name}" for job in jobs])


@batch.command()
@click.argument("pilots", metavar="[ID]...", nargs=-1)
@workers_option
@yes_option
@json_option
def drain(pilots: tuple[str, ...], workers: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Have pilots end the jobs that they have, take no more, and end.

    ID is the id of a queue job, or a unique id, or at least six characters with which that begins;
    without any, all pilots that have not ended are meant. One that still waits in the queue is
    taken out of it. As long as jobs wait in the pool others are submitted in their place;
    `max_jobs: 0` of the worker prevents that.
    """
    from jfcelery.cli.output import counted, say
    from jfcelery.cli.state import open_controller

    living = [BatchState.SUBMITTED, BatchState.RUNNING]
    with open_controller() as controller:
        uids = [_find(controller, pilot).batch_uid for pilot in pilots]
        given: dict[str, Any] = {"batch_uid": uids, "worker": list(workers)}
        number = controller.count_batches(batch_state=living, **given)
        what = counted(number, "pilot")
        if number and not (yes or uids) and not click.confirm(f"Drain {what}?", err=True):
            raise click.Abort
        number = controller.drain_batches(**given) if number else 0
        others = controller.count_batches(batch_uid=uids, batch_state=living) if uids else 0
    text = f"{counted(number, 'pilot')} told to take no more jobs."
    if not number and others:
        text = f"None of them that has not ended is of worker {', '.join(workers)}."
    elif not number:
        text = "All of them have ended." if uids else "No pilot is there that has not ended."
    say(text, {"draining": number}, as_json=as_json)


@batch.command()
@_STATES
@click.option(
    "--process-id", "-pid", "process_ids", multiple=True, help="Id of a queue job.  [repeatable]"
)
@click.option(
    "--batch-uid", "-bid", "batch_uids", multiple=True, help="Unique id of a pilot.  [repeatable]"
)
@workers_option
@yes_option
@json_option
def delete(
    states: tuple[BatchState, ...],
    process_ids: tuple[str, ...],
    batch_uids: tuple[str, ...],
    workers: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Forget pilots that have ended; those that have not are left alone."""
    from jfcelery.cli.output import counted, say
    from jfcelery.cli.state import open_controller
    from jfcelery.errors import InputError

    if states and BatchState.FINISHED not in states:
        raise InputError(
            "Only pilots that are FINISHED can be deleted.",
            remedy="`jfc batch drain` has them end; a pilot without jobs does so by itself.",
        )
    given: dict[str, Any] = {
        "process_id": list(process_ids),
        "batch_uid": list(batch_uids),
        "worker": list(workers),
    }
    with open_controller() as controller:
        number = controller.count_batches(batch_state=BatchState.FINISHED, **given)
        what = counted(number, "pilot")
        if number and not yes and not click.confirm(f"Delete {what}?", err=True):
            raise click.Abort
        number = controller.delete_batches(**given) if number else 0
        living = 0 if number else controller.count_batches(**given)
    left = f" {counted(living, 'pilot')} not ended yet: see `jfc batch drain`." if living else ""
    say(f"{counted(number, 'pilot')} deleted.{left}", {"deleted": number}, as_json=as_json)


def _find(controller: JobController, pilot: str) -> BatchDoc:
    """Return the pilot that an id of any kind names."""
    from jfcelery.errors import InputError

    docs = controller.find_batches(pilot)
    remedy = "`jfc batch list` shows the pilots; of a unique id give six characters at least."
    if not docs:
        raise InputError(f"There is no pilot {pilot}.", remedy=remedy)
    if len(docs) > 1:
        raise InputError(
            f"{len(docs)} pilots have the id {pilot}, or one that begins so.",
            remedy="Give the whole unique id: `jfc batch list` shows it.",
        )
    return docs[0]


def _data(doc: BatchDoc) -> dict[str, Any]:
    return doc.model_dump(mode="python", exclude={"version", "absent", "absent_since"})


def _table(docs: Sequence[BatchDoc], verbosity: int, *, short: bool = False) -> Table:
    from jfcelery.cli.output import escape, identifier, local_time, short_time, table, zone

    headers = ["Unique id", "Queue id", "Worker", "State", "Jobs", "Begun", f"Added\n\\[{zone()}]"]
    more = ["Host", "Slots", "Given back", "Why"] if verbosity else []
    shown = table("", headers + more, whole=set(headers) - {"Worker"})
    for doc in docs:
        number = doc.process_id or "-"
        cells = [
            identifier(doc.batch_uid, short=short),
            escape(identifier(number, short=short and len(number) > LONGEST_NUMBER)),
            escape(doc.worker),
            _state(doc),
            str(doc.running),
            str(doc.begun),
            short_time(doc.created_on) if short else local_time(doc.created_on),
        ]
        if verbosity:
            slots = "" if doc.slots is None else str(doc.slots)
            cells += [escape(doc.host or ""), slots, str(doc.returned)]
            cells.append(escape(doc.why))
        shown.add_row(*cells)
    return shown


def _drains(doc: BatchDoc) -> bool:
    return (doc.is_draining or doc.drain) and doc.end_time is None


def _state(doc: BatchDoc) -> str:
    from jfcelery.cli.output import styled_state

    return styled_state(doc.state) + (", draining" if _drains(doc) else "")


def _show(doc: BatchDoc, jobs: Sequence[str]) -> None:
    from jfcelery.cli.render import print_mapping
    from jfcelery.project.walltime import clock

    content = {
        "unique id": doc.batch_uid,
        "queue id": doc.process_id or "not submitted yet",
        "worker": doc.worker,
        "state": doc.state.value + (", draining" if _drains(doc) else ""),
        "queue": doc.queue_state,
        "host": doc.host,
        "slots": doc.slots,
        "jobs begun": doc.begun,
        "given back": doc.returned,
        "passes over": f"jobs that ask for {clock(doc.passes_over)}" if doc.passes_over else None,
        "folder": doc.run_dir,
        "added": doc.created_on,
        "started": doc.start_time,
        "heard of": doc.heard_on,
        "ended": doc.end_time,
        "why": doc.why or None,
        "jobs": list(jobs),
    }
    print_mapping(content)
