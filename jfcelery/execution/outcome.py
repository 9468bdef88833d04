"""What a job's execution left behind, apart from its documents: ``jfremote_out.json``."""

from __future__ import annotations

from datetime import datetime  # pydantic reads the annotation
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from jfcelery.errors import OutputInvalidError, OutputMissingError
from jfcelery.flows.entries import FlowEntries

#: Version of the file's format.
FORMAT = 1


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class ErrorReport(_Model):
    """Why a job failed.

    Attributes:
        error_class: Qualified name of the exception, such as ``ase.calculators.Error``.
        message: Its text.
        traceback: The traceback, from the user's own code on.
        stderr_tail: The last lines that the job wrote to stderr.
        stage: What was being done: ``load``, ``import``, ``run`` or ``write``.
    """

    error_class: str
    message: str
    traceback: str = ""
    stderr_tail: str = ""
    stage: str = ""

    @property
    def name(self) -> str:
        """Return the class of the error without its module."""
        return self.error_class.rpartition(".")[2]

    @property
    def summary(self) -> str:
        """Return the error in one line."""
        return f"{self.name}: {self.message}".partition("\n")[0]

    @property
    def text(self) -> str:
        """Return all that a person wants to read: message, traceback, tail of stderr."""
        parts = [f"{self.error_class}: {self.message}", self.traceback.strip("\n")]
        if self.stderr_tail:
            parts.append(f"The last it wrote to stderr:\n{self.stderr_tail}")
        return "\n\n".join(part for part in parts if part)


class Outcome(_Model):
    """What came of a job.

    Attributes:
        format: Version of the file's format.
        uuid: The job's uuid; empty if its input could not be read.
        index: The job's index.
        attempt: Which attempt this was.
        start_time: When the execution began (UTC).
        end_time: When it ended (UTC).
        error: Why it failed; None if it did not.
        stored_data: What the job asked the queue to keep.
        stop_children: Whether the job's children shall not run.
        stop_jobflow: Whether nothing more of the flow shall run.
        replace: Jobs that take the place of this one; the last has its uuid and a higher index.
        detour: Jobs to run before the flow goes on.
        addition: Jobs to run beside the rest of the flow.
        job_dir: Where it ran.
        host: Name of the machine.
        python: Version of Python.
        versions: Versions of the packages that matter, by name.
    """

    format: int = FORMAT
    uuid: str = ""
    index: int = 0
    attempt: int
    start_time: datetime
    end_time: datetime
    error: ErrorReport | None = None
    stored_data: dict[str, Any] | None = None
    stop_children: bool = False
    stop_jobflow: bool = False
    replace: FlowEntries | None = None
    detour: FlowEntries | None = None
    addition: FlowEntries | None = None
    job_dir: str = ""
    host: str = ""
    python: str = ""
    versions: dict[str, str] = {}


def read_outcome(path: str | Path) -> Outcome:
    """Read and check an outcome; no class that it names is imported.

    Raises:
        OutputMissingError: There is no such file.
        OutputInvalidError: It is not an outcome of a format that is known.
    """
    try:
        text = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise OutputMissingError(f"the job left no {Path(path).name}") from error
    try:
        outcome = Outcome.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise OutputInvalidError(
            f"{path} is not an outcome of a job: {where or 'the file'}: {first['msg']}"
        ) from error
    if outcome.format != FORMAT:
        raise OutputInvalidError(
            f"{path} has format {outcome.format}, this version reads {FORMAT}",
            remedy="Install the same version of jfcelery on the worker as where the runner is.",
        )
    return outcome
