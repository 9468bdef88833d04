"""The arguments by which the API's methods select jobs and flows, as in jobflow-remote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from jfcelery.controller.filters import FlowFilter, JobFilter
from jfcelery.controller.ids import is_uuid
from jfcelery.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from jfcelery.states import FlowState, JobState

_T = TypeVar("_T")


class JobQuery(TypedDict, total=False):
    """What selects jobs; all that is given must hold. See :class:`~.filters.JobFilter`."""

    job_ids: tuple[str, int] | list[tuple[str, int]] | None
    db_ids: str | list[str] | None
    flow_ids: str | list[str] | None
    states: JobState | list[JobState] | None
    start_date: datetime | None
    end_date: datetime | None
    name: str | None
    metadata: dict[str, Any] | None
    workers: str | list[str] | None
    custom_query: dict[str, Any] | None
    locked: bool
    error_class: str | None
    error_regex: str | None


class FlowQuery(TypedDict, total=False):
    """What selects flows; all that is given must hold. See :class:`~.filters.FlowFilter`."""

    job_ids: str | list[str] | None
    db_ids: str | list[str] | None
    flow_ids: str | list[str] | None
    states: FlowState | list[FlowState] | None
    start_date: datetime | None
    end_date: datetime | None
    name: str | None
    metadata: dict[str, Any] | None
    locked: bool


def job_filter(query: JobQuery) -> JobFilter:
    """Return the filter that a method's arguments describe."""
    given: dict[str, Any] = dict(query)
    _check(given, JobQuery)
    pairs: Any = given.pop("job_ids", None) or ()
    if isinstance(pairs, tuple) and len(pairs) == _PAIR and isinstance(pairs[0], str):
        pairs = (pairs,)
    return JobFilter(
        job_ids=tuple((uuid, index) for uuid, index in pairs),
        query=given.pop("custom_query", None) or {},
        **_common(given),
    )


def flow_filter(query: FlowQuery) -> FlowFilter:
    """Return the filter that a method's arguments describe."""
    given: dict[str, Any] = dict(query)
    _check(given, FlowQuery)
    return FlowFilter(job_ids=several(given.pop("job_ids", None)), **_common(given))


def one_job(
    job_id: str | None = None, db_id: str | None = None, job_index: int | None = None
) -> JobFilter:
    """Return the filter for one job.

    Args:
        job_id: Its uuid.
        db_id: Its short id, instead.
        job_index: Its index; by default the largest.

    Raises:
        InputError: Not exactly one of the ids is given.
    """
    if (job_id is None) == (db_id is None):
        raise InputError("Give exactly one of job_id and db_id.")
    if db_id is not None:
        return JobFilter(db_ids=(str(db_id),))
    uuid = str(job_id)
    return (
        JobFilter(newest=(uuid,)) if job_index is None else JobFilter(job_ids=((uuid, job_index),))
    )


def one_flow(
    job_id: str | None = None, db_id: str | None = None, flow_id: str | None = None
) -> tuple[str, bool]:
    """Return the id of a flow, and whether it is the id of a job of the flow.

    Raises:
        InputError: Not exactly one of the ids is given.
    """
    given = [i for i in (job_id, db_id, flow_id) if i is not None]
    if len(given) != 1:
        raise InputError("Give exactly one of job_id, db_id and flow_id.")
    return given[0], job_id is not None or not is_uuid(given[0])


#: Length of a pair of uuid and index.
_PAIR = 2


def _common(given: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(given)
    for name in ("db_ids", "flow_ids", "states", "workers"):
        if name in fields:
            fields[name] = several(fields[name])
    if "metadata" in fields:
        fields["metadata"] = fields["metadata"] or {}
    return fields


def several(value: _T | list[_T] | None) -> tuple[_T, ...]:
    """Return one value, a list of them, or None as a tuple."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _check(given: Mapping[str, Any], known: type[Any]) -> None:
    unknown = sorted(set(given) - set(known.__annotations__))
    if unknown:
        raise TypeError(f"unknown arguments: {', '.join(unknown)}")
