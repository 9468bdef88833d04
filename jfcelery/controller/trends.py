"""How many jobs or flows came into a state in each hour, day, week, month or year."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jfcelery.database.connection import translated
from jfcelery.errors import InputError
from jfcelery.states import FlowState, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.connection import QueueDatabase

_State = TypeVar("_State", JobState, FlowState)


class Interval(StrEnum):
    """The length of a period."""

    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


#: How many periods are shown where nothing else is asked for.
DEFAULT_NUMBER = {"hours": 12, "days": 7, "weeks": 4, "months": 12, "years": 3}
#: How a period is named; weeks as in ISO 8601.
_FORMATS = {
    "hours": "%Y-%m-%d %H",
    "days": "%Y-%m-%d",
    "weeks": "%G-%V",
    "months": "%Y-%m",
    "years": "%Y",
}


def trends(
    queue: QueueDatabase,
    states: Sequence[_State],
    interval: str = Interval.DAYS,
    number: int | None = None,
    zone: str = "UTC",
) -> dict[str, dict[_State, int]]:
    """Count what came into each of some states, period by period, the present one last.

    Args:
        queue: The project's database.
        states: States of jobs, or of flows.
        interval: Length of a period.
        number: How many periods; None for as many as fit a screen.
        zone: Name of the time zone in which days and hours begin.

    Returns:
        By the name of the period: the number for each state.

    Raises:
        InputError: There is no such interval or time zone.
    """
    starts = periods(interval, number, queue.clock.now(), zone_of(zone))
    names = [start.strftime(_FORMATS[interval]) for start in starts]
    found: dict[str, dict[_State, int]] = {name: dict.fromkeys(states, 0) for name in names}
    first: object = states[0]
    collection = queue.jobs if isinstance(first, JobState) else queue.flows
    # The state is looked at here: with it in the query the embedded server reads everything.
    query: dict[str, Any] = {"updated_on": {"$gte": starts[0].astimezone(UTC)}}
    by_value = {state.value: state for state in states}
    with translated():
        for row in collection.find(query, {"state": 1, "updated_on": 1}):
            place = bisect_right(starts, row["updated_on"]) - 1
            if row["state"] in by_value:
                found[names[place]][by_value[row["state"]]] += 1
    return found


def periods(interval: str, number: int | None, now: datetime, zone: tzinfo) -> list[datetime]:
    """Return the starts of the last periods, oldest first.

    Raises:
        InputError: There is no such interval.
    """
    if interval not in _FORMATS:
        known = ", ".join(Interval)
        raise InputError(f"There is no interval {interval!r}.", remedy=f"Intervals: {known}")
    count = number or DEFAULT_NUMBER[interval]
    start = _begin(now.astimezone(zone), interval)
    starts = [start]
    while len(starts) < count:
        # A little before the start lies in the period before, whatever its length.
        start = _begin(start - timedelta(minutes=1), interval)
        starts.append(start)
    return starts[::-1]


def zone_of(name: str) -> tzinfo:
    """Return a time zone; ``local`` is the one of this machine.

    Raises:
        InputError: There is none of that name.
    """
    if name == "local":
        return datetime.now().astimezone().tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            f"There is no time zone {name!r}.", remedy="For example Europe/Brussels, or UTC."
        ) from None


def _begin(moment: datetime, interval: str) -> datetime:
    """Return the start of the period in which a moment lies."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    starts = {
        "hours": hour,
        "days": day,
        "weeks": day - timedelta(days=day.weekday()),
        "months": day.replace(day=1),
        "years": day.replace(day=1, month=1),
    }
    return starts[interval]
