"""One Celery worker of the runner: ``python -m jfcelery.tasks.runner.worker``."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from jfcelery.logs import configure
from jfcelery.project.masking import Redactor, secrets_in
from jfcelery.tasks.runner.folder import machine_name
from jfcelery.tasks.runner.layout import Role
from jfcelery.tasks.runner.member import (
    LOG_FORMAT,
    Membership,
    current_project,
    holding_off,
    member_parser,
)
from jfcelery.tasks.runner.quiet import quieten

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from celery import Celery

    from jfcelery.project import Project

logger = logging.getLogger(__name__)

#: Exit status after which the supervisor is expected to start the process anew.
EXIT_ANEW = 0


def queues_of(project: Project, role: Role) -> list[str]:
    """Return the Celery queues that a role serves."""
    from jfcelery.tasks.queues import all_queues, control_queue

    control = control_queue(project)
    if role is Role.CONTROL:
        return [control]
    queues = all_queues(project)
    return queues if role is Role.ALL else [queue for queue in queues if queue != control]


def node_name(project: Project, name: str) -> str:
    """Return the name, unique among all machines, of a Celery worker."""
    return f"{project.name}.{name}@{machine_name()}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a Celery worker until it is told to end."""
    parser = member_parser("worker")
    parser.add_argument("--role", type=Role, choices=list(Role), required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--log-level", required=True)
    parser.add_argument("--beat", action="store_true")
    parser.add_argument("--events", action="store_true", help="send events from the start")
    options = parser.parse_args(arguments)
    logging.basicConfig(level="INFO", format=LOG_FORMAT)
    membership = Membership(options)
    with holding_off(membership):
        project = current_project()
        return _serve(project, options, membership)


def _serve(project: Project, options: argparse.Namespace, membership: Membership) -> int:
    """Consume the role's queues until a signal comes or the project changes."""
    from celery.signals import setup_logging, worker_ready, worker_shutting_down

    level = options.log_level.upper().replace("WARN", "WARNING")
    redact = Redactor(secrets_in(project.model_dump(mode="python")))

    def log(**_: Any) -> None:
        configure(project.runner.log_format, level, redact)

    setup_logging.connect(log, weak=False)  # in place of Celery's own
    from jfcelery.tasks import transport

    transport.use()
    from jfcelery.tasks.app import app
    from jfcelery.tasks.runner.watcher import Watcher

    beat = _beat(app) if options.beat else None
    watcher = Watcher(project, _end_warmly, vital=[beat] if beat else [])

    queues = queues_of(project, options.role)

    def ready(**_: Any) -> None:
        logger.info("serves %s", ", ".join(queues))
        if beat:
            beat.start()
        watcher.start()
        membership.working()

    def shutting_down(**_: Any) -> None:
        watcher.stop()
        membership.ending()

    quieten()
    worker_ready.connect(ready, weak=False)
    worker_shutting_down.connect(shutting_down, weak=False)
    worker = app.Worker(
        hostname=node_name(project, options.name),
        queues=queues,
        pool_cls="threads",
        concurrency=options.concurrency,
        loglevel=level,
        # A Flower elsewhere asks for them itself, every five seconds (``enable_events``).
        task_events=options.events,
        without_mingle=True,
        without_gossip=True,
        # Its banner would be the last that the log of a process says that was killed early.
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or EXIT_ANEW)


def _beat(app: Celery) -> Any:
    """Return a thread that sends the periodic tasks.

    A thread, not Celery's child process: a child would outlive a worker killed with SIGKILL.
    """
    from celery.beat import EmbeddedService

    return EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler")


def _end_warmly(reason: str) -> None:
    logger.info("Starting anew: %s", reason)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
