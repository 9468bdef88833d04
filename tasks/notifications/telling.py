"""The periodic task: look for what happened, and send what is due."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from jfcelery.tasks.notifications import digest, flows, hosts, jobs
from jfcelery.tasks.notifications.delivery import deliver
from jfcelery.tasks.notifications.notice import wanted
from jfcelery.tasks.notifications.outbox import Outbox
from jfcelery.tasks.watch import only_one

if TYPE_CHECKING:
    from jfcelery.tasks.notifications.notice import Notice
    from jfcelery.tasks.runtime import Runtime

logger = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK = 5.0


def notify(runtime: Runtime) -> None:
    """Look for what happened, if that is due, and send what is to be told."""
    if not runtime.project.notifications:
        return
    with only_one(runtime, "notify") as alone:
        if alone:
            look(runtime)
            send(runtime)


def look(runtime: Runtime) -> None:
    """Put what happened since the last look into the outbox."""
    outbox, rules = Outbox(runtime.queue), runtime.project.notifications
    now = runtime.queue.clock.now()
    record = outbox.take_turn(timedelta(seconds=LOOK / 2))
    if record is None:
        return
    events = wanted(rules)
    begun, since = record["begun"], record["since"]
    notices: list[Notice] = []
    if "job_failed" in events:
        notices += jobs.job_notices(runtime, max(since - jobs.OVERLAP, begun))
    noted = list(jobs.recovery_notices(runtime)) if "job_recovered" in events else []
    seen = hosts.look_at_hosts(runtime, record.get("down", []))
    ended = flows.look_at_flows(runtime, max(since - flows.OVERLAP, begun), events)
    notices += [*noted, *seen.notices, *ended.notices]
    outbox.put(notices, rules, looked=now, down=seen.down)
    for flow, event in ended.marks:
        flows.mark(runtime, flow, event)
    jobs.forget_notes(runtime, [notice.key for notice in noted])


def send(runtime: Runtime) -> None:
    """Send what is due, one message a rule."""
    outbox, project = Outbox(runtime.queue), runtime.project
    for number, rule in enumerate(project.notifications, 1):
        message = outbox.claim(number, rule)
        if message is None:
            continue
        title = digest.subject(project.name, message.counts)
        errors = deliver(rule, title, digest.text(message), only=message.left)
        for error in errors.values():
            logger.warning("Notification rule %s: %s", number, error)
        outbox.sent(message, rule, errors)
