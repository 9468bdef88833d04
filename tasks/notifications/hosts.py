"""Hosts that went down, came back, or wait for a person to log in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jfcelery.tasks.notifications.notice import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from jfcelery.database.hosts import HostStatus
    from jfcelery.tasks.runtime import Runtime

#: Failures in a row from which on a host is down: a blip that the first new try gets over is none.
FAILURES = 2
#: The error that only a person can help with.
LOGIN = "LoginNeededError"


@dataclass
class HostsSeen:
    """What one look at the hosts showed.

    Args:
        notices: What happened to them.
        down: The hosts that are told to be down, with the time since when.
    """

    notices: list[Notice] = field(default_factory=list)
    down: list[dict[str, Any]] = field(default_factory=list)


def look_at_hosts(runtime: Runtime, told: Sequence[dict[str, Any]]) -> HostsSeen:
    """Return what happened to the hosts.

    Args:
        runtime: The project, opened.
        told: The hosts that are told to be down, as the last look left them.
    """
    seen = HostsSeen()
    earlier = {entry["host"]: entry for entry in told}
    now = runtime.queue.clock.now()
    for host, workers in runtime.project.hosts.items():
        status, before = runtime.host_records.get(host), earlier.get(host)
        if before and not status.open:
            seen.notices.append(_back(host, before, now))
            before = None
        since = status.since if _is_down(status) else None
        if since is not None:
            if before is None or before["since"] != since:
                seen.notices.append(_down(status, workers, since))
            seen.down.append({"host": host, "since": since})
        elif before:
            seen.down.append(before)
    return seen


def _is_down(status: HostStatus) -> bool:
    return status.open and (status.failures >= FAILURES or status.error_class == LOGIN)


def _down(status: HostStatus, workers: Sequence[str], since: datetime) -> Notice:
    event = "login_needed" if status.error_class == LOGIN else "host_down"
    names = ", ".join(workers)
    remedy = f"; run: jfc worker login {workers[0]}" if event == "login_needed" else ""
    text = f"host {status.host} (worker {names}) is held back: {status.reason}{remedy}"
    key = f"host_down:{status.host}:{since.isoformat()}"
    return Notice(key, event, text, since)


def _back(host: str, before: dict[str, Any], now: datetime) -> Notice:
    since = before["since"]
    minutes = (now - since).total_seconds() / 60
    text = f"host {host} answers again, after {minutes:.0f} minutes"
    return Notice(f"host_up:{host}:{since.isoformat()}", "host_up", text, now)
