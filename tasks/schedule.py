"""What beat sends. All of it is idempotent and expires: no beat, one or three are all correct."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.tasks.notifications.telling import LOOK
from jfcelery.tasks.queues import control_queue
from jfcelery.tasks.sending import EXPIRES

if TYPE_CHECKING:
    from jfcelery.project import Project

#: Seconds between ticks, each of which polls the hosts whose turn it is.
TICK = 1.0


def beat_schedule(project: Project) -> dict[str, dict[str, Any]]:
    """Return the beat schedule of a project."""
    runner = project.runner
    periods = {
        "tick": TICK,
        "checkout": float(runner.delay_checkout),
        "sweep": float(min(runner.delay_advance_status, 10)),
        "notify": LOOK,
    }
    queue = control_queue(project)
    return {
        name: {
            "task": f"jfcelery.{name}",
            "schedule": period,
            "options": {"queue": queue, "expires": EXPIRES, "ignore_result": True},
        }
        for name, period in periods.items()
    }
