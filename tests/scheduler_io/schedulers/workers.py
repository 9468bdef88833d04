"""A worker without a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qtoolkit.io.base import BaseSchedulerIO


@dataclass
class PlainWorker:
    """What scheduling needs of a worker, and nothing else."""

    scheduler_name: str
    io: BaseSchedulerIO | None = None
    work_dir: Path = Path("/work")
    resources: dict[str, Any] | None = None
    pre_run: str | None = None
    post_run: str | None = None
    execution_cmd: str | None = None
    timeout_execute: float = 60
    scheduler_username: str | None = None
    is_local: bool = False
    job_arrays: bool = False

    def get_scheduler_io(self) -> BaseSchedulerIO | None:
        """Return the qtoolkit object."""
        return self.io
