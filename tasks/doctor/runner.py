"""The Celery workers: whether they run, which queues they serve, how old they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.services import check_broker
from jfcelery.tasks.about import Answer, about, ask_all
from jfcelery.tasks.doctor.finding import Finding, fine, warning
from jfcelery.tasks.pulse import queue_lengths
from jfcelery.tasks.queues import all_queues

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jfcelery.project import Project


def check(project: Project) -> Iterator[Finding]:
    """Yield what there is to say of the Celery workers of all machines."""
    check_broker(project)
    found = ask_all(project)
    if not found:
        yield warning("runner", "no Celery worker answers: jobs do not advance", "jfc runner start")
    else:
        names = ", ".join(answer.name for answer in found)
        yield fine("runner", f"{len(found)} Celery workers answer: {names}")
    yield from _stale(project, found)
    yield from _unserved(project, found)


def _stale(project: Project, found: Sequence[Answer]) -> Iterator[Finding]:
    here = about(project)
    for answer in found:
        if answer.version != here["version"]:
            text = f"{answer.name} runs jfcelery {answer.version}, this is {here['version']}"
            remedy = "Install the same version everywhere, then: jfc runner restart"
            yield warning("runner", text, remedy)
        elif answer.project_file != here["project_file"]:
            text = f"{answer.name} works with another content of the project file"
            remedy = "Copy the project file to its machine; on this one: jfc runner restart"
            yield warning("runner", text, remedy)


def _unserved(project: Project, found: Sequence[Answer]) -> Iterator[Finding]:
    served = {queue for answer in found for queue in answer.queues}
    lengths = queue_lengths(project)
    unserved = [queue for queue in all_queues(project) if queue not in served]
    for queue in unserved if found else ():
        text = f"no Celery worker serves the queue {queue} ({lengths.get(queue, 0)} messages)"
        yield warning("queues", text, "jfc runner restart")
    waiting = sum(lengths.values())
    if not found and waiting:
        text = f"messages wait for a Celery worker: {waiting}"
        yield warning("queues", text, "jfc runner start")
    if not unserved:
        yield fine("queues", f"all are served; messages that wait: {waiting}")
