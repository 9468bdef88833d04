"""Sending messages for a project, from Celery workers and from any other process."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jfcelery.errors import BrokerUnavailableError
from jfcelery.tasks.queues import control_queue, host_queue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from celery import Celery

    from jfcelery.project import Project
    from jfcelery.services import BrokerEndpoint

#: Seconds after which a message of the beat, or a poll, is worth nothing any more. The receiver
#: judges it by its own clock, so machines whose clocks differ by less than that work together.
EXPIRES = 3600
#: Priority of the steps' messages; all others have 0, the highest that Redis knows. A poll must
#: not wait behind the uploads of a slow host.
STEP_PRIORITY = 3


def task_name(name: str) -> str:
    """Return the name under which Celery knows a step or other task."""
    return f"jfcelery.{name}"


class Sender:
    """Sends tasks by name; needs no task to be registered.

    Args:
        app: A Celery app that knows the project's broker.
        project: The project.
    """

    def __init__(self, app: Celery, project: Project) -> None:
        self.app = app
        self.project = project

    def chain(self, names: Sequence[str], args: tuple[Any, ...], *, queue: str, label: str) -> None:
        """Send one chain of tasks that all get the same arguments."""
        from celery import chain, uuid

        options = {"queue": queue, "argsrepr": label, "priority": STEP_PRIORITY}
        links = [
            self.app.signature(name, args=args, immutable=True, options=options) for name in names
        ]
        # Else the task that sends it, such as checkout, would be the root of all jobs in Flower.
        root = uuid()
        links[0].set(task_id=root)
        with _translated():
            chain(*links, app=self.app).apply_async(root_id=root)

    def together(
        self,
        name: str,
        worker: str,
        entries: Sequence[tuple[str, int, int]],
        *,
        queue: str,
        label: str,
    ) -> None:
        """Send one task for many jobs of a worker: uuid, index and epoch of each."""
        with _translated():
            self.app.send_task(
                task_name(name),
                args=(worker, entries),
                queue=queue,
                argsrepr=label,
                priority=STEP_PRIORITY,
            )

    def send(self, name: str, *args: str, queue: str, expires: float | None = None) -> None:
        """Send one task."""
        with _translated():
            self.app.send_task(task_name(name), args=args, queue=queue, expires=expires)

    def checkout(self) -> None:
        """Ask for READY jobs to be taken."""
        self.send("checkout", queue=control_queue(self.project))

    def sweep(self) -> None:
        """Ask for all that stands still to be looked at."""
        self.send("sweep", queue=control_queue(self.project))

    def cancel(self, host_key: str) -> None:
        """Ask for queue jobs to be cancelled whose removal a host's jobs request."""
        self.send("cancel", host_key, queue=host_queue(self.project, host_key), expires=EXPIRES)

    def poll(self, host_key: str) -> None:
        """Ask for a host's queue to be looked at."""
        self.send("poll", host_key, queue=host_queue(self.project, host_key), expires=EXPIRES)

    def watch(self, host_key: str) -> None:
        """Ask for a host to be polled, and watched, because it just got jobs."""
        self.poll(host_key)


#: By name of the project, address of the broker, and what stands before its keys.
_senders: dict[tuple[str, str, str], Sender] = {}
_lock = threading.Lock()


def sender_key(project: Project) -> tuple[str, str, str]:
    """Return what two projects have in common that may share a sender."""
    from jfcelery.services import broker_endpoint

    return _key(project, broker_endpoint(project))


def sender(project: Project) -> Sender:
    """Return the sender of a project, one a process."""
    from jfcelery.services import broker_endpoint

    broker = broker_endpoint(project)
    key = _key(project, broker)
    with _lock:
        if key not in _senders:
            _senders[key] = Sender(_plain_app(broker), project)
        return _senders[key]


def _key(project: Project, broker: BrokerEndpoint) -> tuple[str, str, str]:
    return project.name, broker.url, broker.key_prefix


def _plain_app(broker: BrokerEndpoint) -> Celery:
    from celery import Celery

    from jfcelery.tasks.settings import celery_settings

    app = Celery("jfcelery", set_as_current=False)
    app.config_from_object(celery_settings(broker))
    return app


@contextmanager
def _translated() -> Iterator[None]:
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    try:
        yield
    except (OperationalError, RedisError, ConnectionError) as error:
        raise BrokerUnavailableError(
            f"Redis does not take messages: {error}", remedy="See: jfc runner status"
        ) from error
