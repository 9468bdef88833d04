"""What selects jobs and flows: the filters that all commands and API calls share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from jfcelery.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from jfcelery.states import FlowState, JobState

#: Characters that make a name a pattern (as in :mod:`fnmatch`).
WILDCARDS = frozenset("*?[")
#: How a message names a condition, where the field's own name does not do.
_LABELS = {
    "db_ids": "db id",
    "flow_ids": "flow id",
    "job_ids": "uuid and index",
    "newest": "uuid",
    "states": "state",
    "workers": "worker",
}
#: Most values of one condition that a message shows.
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class _Filter:
    """What the filters of jobs and flows have in common. All given conditions must hold.

    Args:
        db_ids: ``db_id`` of jobs.
        flow_ids: uuids of flows, or the ``db_id`` of any of their jobs.
        start_date: Changed at or after this time (a naive one is local time).
        end_date: Changed at or before this time (a naive one is local time).
        name: Exact name, or a pattern with the wildcards of :mod:`fnmatch`.
        metadata: Values that the metadata must hold; keys may be dotted.
        locked: Only those that a step is working on at this moment.
    """

    db_ids: tuple[str, ...] = ()
    flow_ids: tuple[str, ...] = ()
    start_date: datetime | None = None
    end_date: datetime | None = None
    name: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    locked: bool = False

    def __post_init__(self) -> None:
        start, end = self.start_date, self.end_date
        if start and end and start.astimezone() > end.astimezone():
            raise InputError(
                f"the start date {start} lies after the end date {end}",
                remedy="Exchange them: the filter selects what changed between the two.",
            )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for, so that everything matches."""
        return not any(getattr(self, f.name) for f in fields(self))

    def describe(self) -> str:
        """Return the conditions in one line, or ``everything``."""
        parts = [
            f"{_LABELS.get(f.name, f.name.replace('_', ' '))} {_words(getattr(self, f.name))}"
            for f in fields(self)
            if getattr(self, f.name)
        ]
        return ", ".join(parts) or "everything"


@dataclass(frozen=True, kw_only=True)
class JobFilter(_Filter):
    """What selects jobs.

    Args:
        job_ids: Pairs of uuid and index.
        newest: uuids, of each of which the job with the largest index is meant.
        states: States, one of which the job must have.
        workers: Names of workers, one of which the job must have.
        query: A raw MongoDB query on job documents.
        error_class: Name of the class of the job's error, for example ``QueueJobLostError``.
        error_regex: Pattern that the error's text must hold somewhere; of a long one, its ends.
    """

    job_ids: tuple[tuple[str, int], ...] = ()
    newest: tuple[str, ...] = ()
    states: tuple[JobState, ...] = ()
    workers: tuple[str, ...] = ()
    query: Mapping[str, Any] = field(default_factory=dict)
    error_class: str | None = None
    error_regex: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.error_regex is not None:
            check_regex(self.error_regex)

    @property
    def names_jobs(self) -> bool:
        """Whether it names jobs one by one, by their ids."""
        return bool(self.db_ids or self.job_ids or self.newest)


@dataclass(frozen=True, kw_only=True)
class FlowFilter(_Filter):
    """What selects flows.

    Args:
        job_ids: uuids of jobs of the flows.
        states: States, one of which the flow must have.
        query: A raw MongoDB query on flow documents.
    """

    job_ids: tuple[str, ...] = ()
    states: tuple[FlowState, ...] = ()
    query: Mapping[str, Any] = field(default_factory=dict)


def check_regex(pattern: str) -> None:
    """Check that a pattern is a regular expression.

    Raises:
        InputError: It is none.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise InputError(f"{pattern!r} is no regular expression: {error}") from None


def name_condition(name: str) -> str | dict[str, str]:
    """Return the MongoDB condition for a name: equality, or a regex for a pattern."""
    if WILDCARDS.isdisjoint(name):
        return name
    return {"$regex": f"^{_glob_to_regex(name)}$"}


def _glob_to_regex(pattern: str) -> str:
    """Translate wildcards without what only Python's own regexes have, and fnmatch uses."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "[" and (end := pattern.find("]", position + 1)) > 0:
            out.append(_char_class(pattern[position:end]))
            position = end + 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _char_class(inner: str) -> str:
    negated = inner.startswith("!")
    body = (inner[1:] if negated else inner).replace("\\", "\\\\").replace("]", "\\]")
    return f"[{'^' if negated else ''}{body}]"


def _words(value: object) -> str:
    if isinstance(value, tuple):
        shown = [":".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in value[:_SHOWN]]
        more = len(value) - _SHOWN
        return " or ".join(shown) + (f" or {more} more" if more > 0 else "")
    return repr(value) if isinstance(value, str) else str(value)
