"""The notifications: whether they can be sent, and whether they were."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import open_queue
from jfcelery.tasks.doctor.finding import Finding, fine, warning
from jfcelery.tasks.notifications.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jfcelery.project import Project

#: Sends a message by all rules.
_TEST = "jfc notify test"


def check(project: Project) -> Iterator[Finding]:
    """Yield what there is to say of the notifications; nothing where no rule asks for any."""
    if not project.notifications:
        return
    if importlib.util.find_spec("apprise") is None:
        remedy = "On all machines with Celery workers: pip install 'jfcelery[notify]'"
        yield warning("notifications", "apprise, which sends them, is not installed", remedy)
    boxes = Outbox(open_queue(project)).read().get("rules", {})
    for number in range(1, len(project.notifications) + 1):
        yield _finding(number, boxes.get(str(number), {}))


def _finding(number: int, box: Mapping[str, Any]) -> Finding:
    subject, error = f"notification rule {number}", box.get("error")
    if error is None:
        sent = box.get("sent")
        return fine(subject, f"last message {sent:%Y-%m-%d %H:%M} UTC" if sent else "none sent yet")
    how = "a message was given up" if error.get("given_up") else "a message is tried again"
    text = f"{how} after {error['tries']} tries, {error['at']:%Y-%m-%d %H:%M} UTC: {error['text']}"
    return warning(subject, text, f"Put right what it says, then: {_TEST}")
