"""A message in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.tasks.notifications.outbox import Message

#: Each event for one, and for more.
_WORDS = {
    "flow_completed": ("flow completed", "flows completed"),
    "flow_failed": ("flow failed", "flows failed"),
    "flow_stuck": ("flow stuck", "flows stuck"),
    "job_failed": ("job failed", "jobs failed"),
    "job_recovered": ("job recovered", "jobs recovered"),
    "host_down": ("host down", "hosts down"),
    "host_up": ("host back", "hosts back"),
    "login_needed": ("login needed", "logins needed"),
}
#: Which command shows more of an event.
_COMMANDS = {
    "flow_failed": "jfc flow list -s FAILED",
    "flow_stuck": "jfc job list --error",
    "job_failed": "jfc job list --error",
    "host_down": "jfc worker list",
    "login_needed": "jfc worker list",
}


def subject(project: str, counts: Mapping[str, int]) -> str:
    """Return the subject of a message: what happened, and how often."""
    parts = [f"{counts[e]} {_WORDS[e][counts[e] > 1]}" for e in _WORDS if counts.get(e)]
    return f"jfcelery {project}: {', '.join(parts)}"


def text(message: Message) -> str:
    """Return the text of a message."""
    lines = list(message.lines)
    if (more := sum(message.counts.values()) - len(lines)) > 0:
        lines.append(f"... and {more} more")
    commands = dict.fromkeys(_COMMANDS[event] for event in message.counts if event in _COMMANDS)
    return "\n".join([*lines, "", *(f"See: {command}" for command in commands)]).strip()
