"""The base of all models of the project file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from jfcelery.project.masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterator


class ConfigModel(BaseModel):
    """A section of the project file: unknown keys are errors, values never change."""

    # Inputs may be secrets: they stay out of error texts even where nobody translates them.
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what ``repr`` shows: secrets are masked."""
        for name, value in super().__repr_args__():
            yield name, masked(value, key=name or "")


class LogLevel(StrEnum):
    """How much is written to the logs."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    DEBUG = "debug"


def problem_at(path: str, text: str) -> PydanticCustomError:
    """Return an error to raise in a validator.

    Args:
        path: Keys, joined by dots, from where the validator stands to what is wrong.
        text: What is wrong, and the remedy.
    """
    # Braces in the text would be taken for placeholders, so it goes in as a value.
    return PydanticCustomError("problem", "{text}", {"text": text, "path": path})


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        msg = "not an absolute path; write it from '/' on, without '~' or variables"
        raise ValueError(msg)
    return path


#: A log level, in any case.
AnyCaseLogLevel = Annotated[LogLevel, BeforeValidator(_lower)]
#: A path that starts with ``/``: on a worker nobody expands ``~`` or variables.
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
