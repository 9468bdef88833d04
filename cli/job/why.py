"""``jfc job why``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import job_arguments, json_option

if TYPE_CHECKING:
    from jfcelery.controller.filters import JobFilter
    from jfcelery.controller.reasons import Reason
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project

#: How schedulers say that a queue job is held: "JobHeldAdmin", "launch failed requeued held".
_HELD = re.compile(r"\bheld\b|JobHeld|\bhold\b", re.IGNORECASE)
#: What releases a queue job that is held.
_RELEASES = {"slurm": "scontrol release", "pbs": "qrls", "sge": "qrls"}


@click.command()
@job_arguments
@click.option("--quick", is_flag=True, help="Ask the database only, no scheduler or runner.")
@json_option
def why(selected: JobFilter, quick: bool, as_json: bool) -> None:
    """Say why a job is where it is, and what would move it on.

    Of a job in its worker's queue the scheduler is asked why it waits and when it may start.
    """
    from jfcelery.cli.output import printable, write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_one_job
    from jfcelery.controller.reasons import GOES_ON, SOON, reasons

    with open_controller() as controller:
        doc = find_one_job(controller.queue, selected)
        found = reasons(controller.project, controller.queue, doc)
        if not quick and (asked := _asked(controller.project, doc)):
            found = [*(reason for reason in found if reason not in (SOON, GOES_ON)), *asked]
    if as_json:
        write_json({"db_id": doc.db_id, "state": doc.state, "reasons": found})
        return
    click.echo(printable(f"Job {doc.db_id} ({doc.job.name}) is {doc.state}."))
    for reason in found:
        click.echo(printable(f"- {reason.text}"))
        if reason.command:
            click.echo(f"  {reason.command}")


def _asked(project: Project, doc: JobDoc) -> list[Reason]:
    """Return the reasons that only the runner and the scheduler know."""
    from jfcelery.states import ACTIVE_STATES, QUEUED_STATES, JobState

    if doc.state is JobState.SUBMITTED:
        return _of_scheduler(project, doc)
    if doc.state is JobState.READY or doc.state in ACTIVE_STATES - QUEUED_STATES:
        return _of_runner(project, doc)
    return []


def _of_runner(project: Project, doc: JobDoc) -> list[Reason]:
    """Say where no Celery worker serves the queues that the job's next step needs."""
    from jfcelery.controller.reasons import Reason
    from jfcelery.errors import ServiceError
    from jfcelery.tasks.about import ask_all
    from jfcelery.tasks.queues import control_queue, host_queue

    worker = project.workers.get(doc.worker)
    if worker is None:
        return []
    try:
        found = ask_all(project)
    except ServiceError as error:
        return [Reason(error.message, "jfc runner status")]
    if not found:
        return [Reason("No Celery worker answers: nobody takes its next step.", "jfc runner start")]
    served = {queue for answer in found for queue in answer.queues}
    needed = {control_queue(project), host_queue(project, worker.host_key)}
    return [
        Reason(f"No Celery worker serves the queue {queue}.", "jfc runner restart")
        for queue in sorted(needed - served)
    ]


def _of_scheduler(project: Project, doc: JobDoc) -> list[Reason]:
    """Ask the scheduler why the job waits, and when it may start."""
    from jfcelery.controller.reasons import Reason
    from jfcelery.errors import BackPressureError, HostError
    from jfcelery.scheduler_io.expected import outlook
    from jfcelery.scheduler_io.hosts.pool import Hosts

    worker, queue_id = project.workers.get(doc.worker), doc.remote.process_id
    if worker is None or not queue_id:
        return []
    try:
        with Hosts.of_person(project) as hosts, hosts.lease(doc.worker) as host:
            expected = outlook(host, worker.scheduler_name, queue_id)
    except (BackPressureError, HostError) as error:
        return [Reason(f"Its scheduler cannot be asked: {error.message}")]
    if _HELD.search(expected.reason):  # any start that is told then is the present time
        release = _RELEASES.get(worker.scheduler_name, "")
        by = f" (`{release} {queue_id}`)" if release else ""
        return [
            Reason(
                f"Its queue job is held: {expected.reason}. Somebody has to release it on the "
                f"cluster{by}; or start it anew:",
                f"jfc job rerun --force {doc.db_id}",
            )
        ]
    words = expected.words
    return [Reason(f"Its scheduler says: {words}.")] if words else []
