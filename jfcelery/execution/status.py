"""The status file: how far the execution came, whatever became of it afterwards."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


class Stage(StrEnum):
    """What the execution was doing."""

    #: Python has started.
    PYTHON = "python"
    #: The job's input is read, jobflow imported.
    LOAD = "load"
    #: The job's function and arguments are imported.
    IMPORT = "import"
    #: The job's function runs.
    RUN = "run"
    #: What it returned is written.
    WRITE = "write"
    #: The disk is full; the execution waits for room.
    DISK_FULL = "disk_full"
    #: The outcome is written; the job succeeded.
    DONE = "done"
    #: The outcome is written; the job failed.
    FAILED = "failed"


class StatusFile:
    """Appends stages to the status file of one attempt.

    Args:
        path: The file, to which the submission script has written as well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = ""

    def enter(self, stage: Stage, **facts: object) -> None:
        """Write that a stage begins, with further facts about it.

        An error of the disk is ignored: the job itself may still succeed.
        """
        lines = {"stage": stage, "time": f"{time.time():.3f}", **facts}
        text = "".join(f"{key}={_one_line(value)}\n" for key, value in lines.items())
        # A job that compresses or removes everything in its folder takes this file along.
        lost = bool(self._written) and not self._path.exists()
        self._written += text
        self._append(self._written if lost else text)

    def _append(self, text: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags, 0o644)
        except OSError:
            return
        try:
            os.write(descriptor, text.encode())
        except OSError:
            return
        finally:
            os.close(descriptor)


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


@dataclass(frozen=True)
class Status:
    """What a status file says of the latest start of its script.

    Attributes:
        stages: The stages entered, by script and execution, in order.
        failures: ``stage:exit_code`` of each part of the script that failed.
        facts: All keys with the value that was written last.
    """

    stages: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read a status file; lines that make no sense are passed over."""
        lines = [line.partition("=") for line in (text or "").splitlines() if "=" in line]
        pairs = [(key.strip(), value.strip()) for key, _, value in lines]
        starts = [number for number, pair in enumerate(pairs) if pair == ("stage", _STARTED)]
        latest = pairs[starts[-1] :] if starts else pairs
        return cls(
            tuple(value for key, value in latest if key == "stage"),
            tuple(value for key, value in latest if key == "failed"),
            dict(latest),
        )

    @property
    def reached(self) -> Stage | None:
        """Return the last stage of the execution, whatever the script did after it."""
        known = [stage for stage in self.stages if stage in _KNOWN]
        return Stage(known[-1]) if known else None

    @property
    def last(self) -> str:
        """Return the stage entered last, but for the script's end; empty if there is none."""
        stages = [stage for stage in self.stages if stage != _ENDED]
        return stages[-1] if stages else ""


#: Stages of the submission script itself.
_STARTED = "started"
_ENDED = "ended"
_KNOWN = frozenset(stage.value for stage in Stage)
