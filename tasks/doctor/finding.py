"""What an examination found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    #: As it should be.
    OK = "ok"
    #: It works, but not as well or as safely as it could.
    WARNING = "warning"
    #: Jobs cannot run, or may be lost.
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One finding.

    Args:
        subject: What was looked at, in a word or two.
        level: How bad it is.
        text: What was found, in one line.
        remedy: What to do about it; never empty unless all is well.
    """

    subject: str
    level: Level
    text: str
    remedy: str = ""


def fine(subject: str, text: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(subject, Level.OK, text)


def warning(subject: str, text: str, remedy: str) -> Finding:
    """Return the finding that something could be better."""
    return Finding(subject, Level.WARNING, text, remedy)


def error(subject: str, text: str, remedy: str) -> Finding:
    """Return the finding that something does not work."""
    return Finding(subject, Level.ERROR, text, remedy)
