"""What a job gets: ``jfremote_in.json``, written by the runner and read on the worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from jfcelery.errors import InputError
from jfcelery.execution import wire

if TYPE_CHECKING:
    from pathlib import Path

#: Version of the file's format.
FORMAT = 1


@dataclass(frozen=True)
class JobInput:
    """All that an execution needs.

    Args:
        job: The serialised job (``JobEntry.payload``).
        job_doc: The public fields of the job's document, for ``CURRENT_JOBDOC``.
        references: Output documents that the job refers to, what lay in additional stores included
            (:func:`jfcelery.execution.references.collect_for_job`).
        stores: Names of the additional stores that the project's JobStore has.
        attempt: Which attempt this is.
    """

    job: dict[str, Any]
    job_doc: dict[str, Any] = field(default_factory=dict)
    references: list[dict[str, Any]] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    attempt: int = 1

    def to_bytes(self) -> bytes:
        """Return the content of the input file."""
        content = {
            "format": FORMAT,
            "job": self.job,
            "job_doc": self.job_doc,
            "references": self.references,
            "stores": self.stores,
            "attempt": self.attempt,
        }
        return wire.dumps(content).encode()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an input file; dates and the like are restored, no class is imported.

        Raises:
            InputError: The file is missing, damaged or of another format.
        """
        try:
            content = wire.loads(path.read_bytes())
        except OSError as error:
            raise InputError(f"the job's input cannot be read: {error}") from error
        except ValueError as error:
            raise InputError(f"the job's input {path.name} is damaged: {error}") from error
        version = content.pop("format", None) if isinstance(content, dict) else None
        if version != FORMAT:
            raise InputError(
                f"the job's input has format {version}, this version reads {FORMAT}",
                remedy="Install the same version of jfcelery on the worker as on the runner.",
            )
        try:
            return cls(**content)
        except TypeError as error:
            raise InputError(f"the job's input {path.name} is not complete: {error}") from error
