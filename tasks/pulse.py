"""What Redis and the Celery workers say of themselves: lengths of queues, who answers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from jfcelery.errors import BrokerUnavailableError
from jfcelery.services import broker_endpoint, redis_client
from jfcelery.tasks.queues import all_queues
from jfcelery.tasks.sending import sender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project

#: What stands between a queue's name and a priority in the name of a list in Redis (kombu's).
SEPARATOR = "\x06\x16"
#: The priorities of messages for which there are lists (see `priority_steps` in the settings).
PRIORITIES = (0, 3, 6, 9)
#: Seconds in which a Celery worker must answer.
PATIENCE = 1.0


def queue_lengths(project: Project) -> dict[str, int]:
    """Return how many messages wait in each Celery queue of a project.

    Raises:
        BrokerUnavailableError: Redis does not answer.
    """
    prefix = broker_endpoint(project).key_prefix
    queues = all_queues(project)
    with (
        redis_errors(),
        redis_client(project) as client,
        client.pipeline(transaction=False) as asked,
    ):
        for queue in queues:
            for priority in PRIORITIES:
                # Priority 0 has no separator: kombu/transport/redis.py, `_q_for_pri`.
                end = f"{SEPARATOR}{priority}" if priority else ""
                asked.llen(f"{prefix}{queue}{end}")
        numbers = asked.execute()
    step = len(PRIORITIES)
    return {queue: sum(numbers[n * step : (n + 1) * step]) for n, queue in enumerate(queues)}


def celery_workers(project: Project) -> list[str]:
    """Return the names of the project's Celery workers that answer.

    Raises:
        BrokerUnavailableError: Redis does not answer.
    """
    with redis_errors():
        answers = sender(project).app.control.ping(timeout=PATIENCE) or []
    return sorted(name for answer in answers for name in answer)


@contextmanager
def redis_errors() -> Iterator[None]:
    """Raise BrokerUnavailableError where Redis is gone in the middle of something."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    try:
        yield
    except (OperationalError, RedisError, OSError) as error:
        raise BrokerUnavailableError(
            f"Redis does not answer: {error}", remedy="See: jfc runner status"
        ) from error
