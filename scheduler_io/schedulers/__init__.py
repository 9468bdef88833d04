"""Schedulers: one module each, with commands out, text in and dataclasses out.

A further one is a module with a subclass of ``Scheduler`` and a row in ``KINDS``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from jfcelery.errors import UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

    from qtoolkit.io.base import BaseSchedulerIO

    from jfcelery.scheduler_io.schedulers.base import Scheduler

#: Our class and the class of qtoolkit that makes its headers, for each name.
KINDS: dict[str, tuple[str, str]] = {
    "slurm": ("slurm.Slurm", "SlurmIO"),
    "pbs": ("pbs.Pbs", "PBSIO"),
    "sge": ("sge.GridEngine", "SGEIO"),
    "shell": ("shell.Shell", "ShellIO"),
    "custom": ("custom.Custom", ""),
}

#: A subclass of a known class that changes one of these is none of ours any more.
_DECISIVE = (
    "CANCEL_CMD",
    "_get_jobs_list_cmd",
    "get_cancel_cmd",
    "get_jobs_list_cmd",
    "parse_jobs_list_output",
    "parse_submit_output",
)


class QueueWorker(Protocol):
    """What scheduling needs of a project's worker."""

    @property
    def work_dir(self) -> Path:
        """Below which the run folders lie."""
        ...

    @property
    def resources(self) -> dict[str, Any] | None:
        """For jobs that ask for none."""
        ...

    @property
    def pre_run(self) -> str | None:
        """Lines before each job."""
        ...

    @property
    def post_run(self) -> str | None:
        """Lines after each job."""
        ...

    @property
    def execution_cmd(self) -> str | None:
        """Runs a job; ``{}`` stands for its run folder."""
        ...

    @property
    def timeout_execute(self) -> float:
        """Seconds that a command may take."""
        ...

    @property
    def scheduler_username(self) -> str | None:
        """Whose jobs to list, if not the login's."""
        ...

    @property
    def job_arrays(self) -> bool:
        """Whether jobs that ask for the same are submitted as one array."""
        ...

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
    import qtoolkit.io

    name, io = worker.scheduler_name, worker.get_scheduler_io()
    if name == "custom" and io is not None:
        name = _known(io)
    if name not in KINDS:
        raise UnknownNameError(
            f"unknown scheduler {name!r}", remedy=f"use one of {', '.join(KINDS)}"
        )
    path, qtoolkit_name = KINDS[name]
    module, _, class_name = path.partition(".")
    kind = getattr(import_module(f"{__name__}.{module}"), class_name)
    scheduler: Scheduler = kind(io or getattr(qtoolkit.io, qtoolkit_name)())
    return scheduler


def _known(io: BaseSchedulerIO) -> str:
    """Return the name of the scheduler whose commands and answers an object leaves as they are."""
    import qtoolkit.io

    for name, (_, qtoolkit_name) in KINDS.items():
        kind = getattr(qtoolkit.io, qtoolkit_name, None)
        if name != "shell" and kind and isinstance(io, kind):
            same = (getattr(type(io), key) is getattr(kind, key) for key in _DECISIVE)
            return name if all(same) else "custom"
    return "custom"
