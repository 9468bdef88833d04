"""How many sessions a host has at once over all Celery workers, counted in Redis.

A holder that dies gives its place back by itself: places expire unless they are renewed, which
one thread of each process does for all that it holds.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from jfcelery.errors import BackPressureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from jfcelery.project import Project

logger = logging.getLogger(__name__)

#: Seconds after which a place that nobody renews is free again.
TTL = 60.0
#: Seconds between two renewals.
RENEWAL = 15.0
#: Seconds to wait for a place.
PATIENCE = 30.0
#: Seconds between two tries, at the start and at most.
PAUSES = (0.02, 0.5)

# KEYS: the sorted set of holders by expiry. ARGV: limit, holder, seconds to live.
# The times are Redis's own, so that the machines' clocks do not matter.
_ACQUIRE = """\
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
redis.call('EXPIRE', KEYS[1], math.ceil(tonumber(ARGV[3])) + 1)
return 1
"""
# KEYS as above. ARGV: seconds to live, holders…
_RENEW = """\
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[1]), ARGV[i])
end
redis.call('EXPIRE', KEYS[1], math.ceil(tonumber(ARGV[1])) + 1)
return 1
"""


class Semaphores:
    """Limits on sessions, one for each host; thread-safe.

    Args:
        client: A client of the project's Redis.
        prefix: Opens every key.
        patience: Seconds to wait for a place.
    """

    def __init__(
        self, client: redis.Redis, *, prefix: str = "jfcelery:", patience: float = PATIENCE
    ) -> None:
        self._client, self._prefix, self._patience = client, prefix, patience
        self._held: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._renewer: threading.Thread | None = None

    @classmethod
    def of(cls, project: Project) -> Self:
        """Return those of a project, in its Redis; start that if it is embedded."""
        from jfcelery.services import broker_endpoint, redis_client

        return cls(redis_client(project), prefix=broker_endpoint(project).key_prefix)

    @contextmanager
    def place(self, host: str, limit: int) -> Iterator[None]:
        """Hold one of a host's places while the block runs.

        A Redis that does not answer limits nothing: it must not stop what could go on.

        Raises:
            BackPressureError: No place became free in time.
        """
        key, holder = f"{self._prefix}sessions:{host}", secrets.token_hex(8)
        self._acquire(key, holder, limit, host)
        try:
            yield
        finally:
            self._release(key, holder)

    def close(self) -> None:
        """End the renewal."""
        self._stop.set()

    def _acquire(self, key: str, holder: str, limit: int, host: str) -> None:
        end, pause = time.monotonic() + self._patience, PAUSES[0]
        while not self._call(_ACQUIRE, key, limit, holder, TTL):
            if time.monotonic() >= end:
                text = f"{host}: all {limit} sessions are in use"
                raise BackPressureError(text, remedy="limits.sessions_per_host sets how many.")
            time.sleep(random.uniform(PAUSES[0], pause))  # noqa: S311 - spreads the tries
            pause = min(2 * pause, PAUSES[1])
        with self._lock:
            self._held.setdefault(key, set()).add(holder)
            if self._renewer is None or not self._renewer.is_alive():
                self._renewer = threading.Thread(
                    target=self._renew_all, name="jfc-semaphores", daemon=True
                )
                self._renewer.start()

    def _release(self, key: str, holder: str) -> None:
        import redis

        with self._lock:
            self._held[key].discard(holder)
        try:
            self._client.zrem(key, holder)
        except redis.RedisError as exc:
            logger.warning("a session's place expires by itself: %s", exc)

    def _renew_all(self) -> None:
        while not self._stop.wait(RENEWAL):
            with self._lock:
                held = {key: list(holders) for key, holders in self._held.items() if holders}
            for key, holders in held.items():
                self._call(_RENEW, key, TTL, *holders)

    def _call(self, script: str, key: str, *arguments: Any) -> bool:
        import redis

        try:
            return bool(self._client.eval(script, 1, key, *arguments))
        except redis.RedisError as exc:
            logger.warning("sessions are not limited while Redis does not answer: %s", exc)
            return True


class PersonsSemaphores:
    """The same limits for a person's command: its sessions count with those of the Celery workers.

    They are found when the first session is opened. Where the project's embedded Redis does not
    run, no Celery worker runs either: there is nothing to count, and nothing is started for it.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def _found(self) -> Semaphores | None:
        from jfcelery.services import status

        broker = next((one for one in status(self._project) if one.name == "broker"), None)
        if broker is None or (broker.embedded and not broker.running):
            return None
        return Semaphores.of(self._project)

    def place(self, host: str, limit: int) -> AbstractContextManager[None]:
        """Hold one of a host's places while the block runs."""
        return self._found.place(host, limit) if self._found else nullcontext()

    def close(self) -> None:
        """End the renewal, if there is one."""
        if "_found" in vars(self) and self._found:
            self._found.close()
