"""``jfc job info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jfcelery.cli.completion import job_ids
from jfcelery.cli.options import json_option, one_job, verbosity_option
from jfcelery.states import JobState

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from jfcelery.database.documents import JobDoc

#: What is shown first, in this order; everything else follows as it comes.
ORDER = (
    "db_id",
    "uuid",
    "index",
    "name",
    "state",
    "error_class",
    "error",
    "remote",
    "previous_state",
    "worker",
    "attempt",
    "recovery",
    "created_on",
    "updated_on",
    "start_time",
    "end_time",
    "run_time",
    "run_dir",
    "flow",
    "hosts",
    "parents",
    "metadata",
    "priority",
    "resources",
    "exec_config",
    "stored_data",
)
#: What only ``-v`` shows.
DETAILS = ("lock_id", "lock_time", "lock_until", "retry_at")
#: Lists longer than this are cut short without ``-v``.
LONG = 5


@click.command()
@click.argument("job", metavar="[ID]", required=False, shell_complete=job_ids)
@click.argument("index", metavar="[INDEX]", required=False, type=click.IntRange(1))
@click.option("--pid", metavar="ID", help="Find the job by its id in the worker's queue.")
@click.option("--show-none", "-n", is_flag=True, help="Show what has no value, too.")
@verbosity_option
@json_option
def info(
    job: str | None,
    index: int | None,
    pid: str | None,
    show_none: bool,
    verbosity: int,
    as_json: bool,
) -> None:
    """Show all that is known of one job.

    ID is its db id or its uuid; with a uuid, INDEX is the largest one by default.
    -v shows its lease, full lists and the long errors of earlier attempts, -vv the serialised
    jobflow Job as well.
    """
    from jfcelery.cli.output import write_json
    from jfcelery.cli.render import print_mapping
    from jfcelery.cli.state import open_controller

    if (job is None) == (pid is None):
        raise click.UsageError("Give either the ID of a job or --pid.")
    with open_controller() as controller:
        doc = _find(controller, job, index, pid)
        content = _content(controller, doc, verbosity)
    if as_json:
        write_json(content)
        return
    shown = content if verbosity or show_none else _shortened(content)
    print_mapping(shown, show_none=show_none)
    _suggest(doc)


def _find(controller: JobController, job: str | None, index: int | None, pid: str | None) -> JobDoc:
    from jfcelery.controller.queries import find_by_process, find_one_job
    from jfcelery.errors import JobNotFoundError

    if job is not None:
        return find_one_job(controller.queue, one_job(job, index))
    doc = find_by_process(controller.queue, str(pid))
    if doc is None:
        raise JobNotFoundError(f"No job has the id {pid} in its worker's queue.")
    return doc


def _content(controller: JobController, doc: JobDoc, verbosity: int) -> dict[str, Any]:
    from jfcelery.controller.queries import job_info
    from jfcelery.database.failures import errors_of
    from jfcelery.database.payloads import load_payload

    job = job_info(controller.queue, doc)
    content = job.model_dump(mode="python") | {"run_time": job.run_time}
    ordered = {name: content.pop(name) for name in ORDER if name in content}
    details = {name: content.pop(name) for name in DETAILS}
    result = ordered | content | (details if verbosity else {})
    if verbosity:
        apart = errors_of(controller.queue, doc).items()
        earlier = {str(number): texts for number, texts in apart if number != doc.attempt}
        result |= {"earlier_errors": earlier} if earlier else {}
    if verbosity > 1:
        result["job"] = load_payload(controller.queue, doc.id)
    return result


def _shortened(content: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing, and cut long lists of ids short."""
    shown = {name: value for name, value in content.items() if value or name == "index"}
    remote = {name: value for name, value in content["remote"].items() if value}
    if content["state"] in (JobState.COMPLETED, JobState.FAILED):
        for name in ("end", "queue_state", "absent", "absent_since"):
            remote.pop(name, None)
    shown["remote"] = remote
    if shown.get("hosts") == [shown["flow"]]:
        del shown["hosts"]
    for name in ("parents", "hosts"):
        ids = shown.get(name) or []
        if len(ids) > LONG:
            shown[name] = [*ids[:2], f"… {len(ids) - 4} more …", *ids[-2:]]
    return shown


def _suggest(doc: JobDoc) -> None:
    from jfcelery.cli.output import hint

    if doc.state is JobState.REMOTE_ERROR:
        hint(f"Once the cause is gone: jfc job retry {doc.db_id} (or rerun, from the start)")
    elif doc.state is JobState.FAILED:
        hint(f"To run it again: jfc job rerun {doc.db_id}")
