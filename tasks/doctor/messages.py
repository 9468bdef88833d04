"""The broker: policy, persistence, and queues that nobody serves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jfcelery.services import check_broker, redis_client
from jfcelery.tasks.doctor.finding import Finding, error, fine, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from jfcelery.project import Project

#: The policy under which Redis never throws messages away.
KEEP_ALL = "noeviction"
#: What keeps messages over a restart.
_APPEND = "Set appendonly yes in redis.conf."


def check(project: Project) -> Iterator[Finding]:
    """Yield what there is to say of the broker."""
    check_broker(project)
    with redis_client(project) as client:
        begin = time.monotonic()
        client.ping()
        lag = 1000 * (time.monotonic() - begin)
        about = _info(client)
        kind = "embedded" if project.uses_embedded_broker else "Redis"
        number = about.get("redis_version", "?")
        yield fine("broker", f"{kind} {number}, answers in {lag:.0f} ms")
        yield from _policy(about)
        if about:
            yield from _persistence(client, about)


def _info(client: redis.Redis) -> dict[str, Any]:
    from redis.exceptions import ResponseError

    try:
        found: Any = client.info()
    except ResponseError:  # the ACL may forbid it
        return {}
    return dict(found)


def _policy(about: dict[str, Any]) -> Iterator[Finding]:
    if not about:
        remedy = "Allow the command INFO in the ACL of the user named in broker: url."
        yield warning("broker", "Redis does not tell its policy and persistence", remedy)
        return
    policy = about.get("maxmemory_policy", KEEP_ALL)
    if policy != KEEP_ALL:
        text = f"Redis may throw messages away (maxmemory-policy {policy})"
        yield error("broker", text, "Set maxmemory-policy noeviction in redis.conf.")
    else:
        yield fine("broker", f"maxmemory-policy {policy}")


def _persistence(client: redis.Redis, about: dict[str, Any]) -> Iterator[Finding]:
    lost = "the sweeper sends again what a restart loses"
    if about.get("aof_enabled"):
        yield fine("broker", "messages are kept on disk (appendonly)")
    elif _saves(client):
        text = f"Redis saves to disk now and then at most; {lost}"
        yield warning("broker", text, _APPEND)
    else:
        yield warning("broker", f"Redis keeps nothing on disk; {lost}", _APPEND)


def _saves(client: redis.Redis) -> bool:
    """Return whether Redis writes snapshots, or may do so: its ACL need not let us ask."""
    from redis.exceptions import ResponseError

    try:
        found: Any = client.config_get("save")
    except ResponseError:
        return True
    return bool(found.get("save"))
