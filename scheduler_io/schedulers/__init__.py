"""Schedulers: one module each, with commands out, text in and dataclasses out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from jfcelery.errors import UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

    from qtoolkit.io import BaseSchedulerIO

    from jfcelery.scheduler_io.schedulers.base import Scheduler


class QueueWorker(Protocol):
    """What scheduling needs of a project's worker."""

    work_dir: Path
    resources: dict[str, Any] | None
    pre_run: str | None
    post_run: str | None
    execution_cmd: str | None
    timeout_execute: float
    scheduler_username: str | None

    @property
    def is_local(self) -> bool:
        """Whether it is the machine of the Celery workers itself."""
        ...

    @property
    def scheduler_name(self) -> str:
        """``slurm``, ``pbs``, ``sge``, ``shell`` or ``custom``."""
        ...

    def get_scheduler_io(self) -> BaseSchedulerIO | None:
        """Return a qtoolkit object for the scheduler; None for plain ``shell``."""
        ...


def scheduler_for(worker: QueueWorker) -> Scheduler:
    """Return the scheduler of a worker.

    Raises:
        UnknownNameError: There is no such scheduler.
    """
    name, io = worker.scheduler_name, worker.get_scheduler_io()
    if name == "slurm" and io is not None:
        from jfcelery.scheduler_io.schedulers.slurm import Slurm

        return Slurm(io)
    raise UnknownNameError(f"unknown scheduler {name!r}")
