"""What a pilot is told: a file in its run folder."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Plan(BaseModel):
    """How a pilot works.

    Args:
        handle_dir: The pool.
        pilot: Its name.
        max_jobs: Jobs that it runs at most.
        max_wait: Seconds that it waits for a job before it ends.
        max_time: Seconds after which it starts no more jobs.
        walltime: Seconds that its queue job may take; None: nobody said so.
        parallel: Jobs that it runs at once.
        sleep: Seconds between two looks for a job.
        cpus: Cores bound to each job; None: shared evenly.
        gpus: GPUs given to each job; None: they are not dealt out.
        launcher: Command that starts a job elsewhere in the allocation.
        warm: Whether jobs may be forked from a process that has imported jobflow.
        preload: Modules that this process imports beside it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: Name of the file.
    FILE: ClassVar[str] = "jfc_pilot.json"

    handle_dir: Path
    pilot: str
    max_jobs: int | None = None
    max_wait: float | None = 60
    max_time: float | None = None
    walltime: float | None = None
    parallel: int = 1
    sleep: float = 1.0
    cpus: int | None = None
    gpus: int | None = None
    launcher: str | None = None
    warm: bool = True
    preload: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Read the plan in a pilot's run folder."""
        return cls.model_validate_json((folder / cls.FILE).read_bytes())

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return self.model_dump_json(indent=1).encode()
