"""How many jobs or flows came into a state in each hour, day, week, month or year."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jfcelery.controller.filters import FlowFilter
from jfcelery.controller.queries import count_in_flows
from jfcelery.database.connection import translated
from jfcelery.database.ids import ids_given
from jfcelery.database.pieces import AT_ONCE, every_job
from jfcelery.errors import InputError
from jfcelery.states import FlowState, JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
#: What is read of a job or flow.
TREND_FIELDS = ("state", "updated_on")
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
    trend = Trend(states, interval, periods(interval, number, queue.clock.now(), zone_of(zone)))
    first: object = states[0]
    if isinstance(first, JobState):
        for piece in _changed_jobs(queue, trend.since):
            trend.add(piece)
        return trend.found
    # The state is looked at by the trend: with it in the query the embedded server reads all.
    with translated():
        trend.add(queue.flows.find({"updated_on": {"$gte": trend.since}}, TREND_FIELDS))
    return trend.found


class Trend(Generic[_State]):
    """Counts what came into each of some states, period by period.

    Args:
        states: The states.
        interval: Length of a period.
        starts: When the periods begin, oldest first.
    """

    def __init__(self, states: Sequence[_State], interval: str, starts: Sequence[datetime]) -> None:
        self.since = starts[0].astimezone(UTC)
        self._starts = starts
        self._states: dict[str, _State] = {state.value: state for state in states}
        #: By the name of the period: the number for each state.
        self.found: dict[str, dict[_State, int]] = {
            start.strftime(_FORMATS[interval]): dict.fromkeys(states, 0) for start in starts
        }
        self._names = list(self.found)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count documents of jobs or flows."""
        for row in rows:
            state = self._states.get(row["state"])
            if state is not None and row["updated_on"] >= self.since:
                place = bisect_right(self._starts, row["updated_on"]) - 1
                self.found[self._names[place]][state] += 1


def _changed_jobs(queue: QueueDatabase, since: datetime) -> Iterator[Iterable[dict[str, Any]]]:
    """Yield what a trend counts of the jobs that changed since a moment, and perhaps of others."""
    if ids_given(queue) > AT_ONCE:
        counts = count_in_flows(queue, FlowFilter(start_date=since))
        if sum(counts.values()) > AT_ONCE:
            yield from every_job(queue, TREND_FIELDS)
            return
    with translated():
        yield queue.jobs.find({"updated_on": {"$gte": since}}, TREND_FIELDS)


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
