"""The circuit breaker of each host: an outage pauses the host, never its jobs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from jfcelery.database.connection import translated
from jfcelery.database.records import change_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.database.connection import QueueDatabase

#: First wait before a failed host is tried again; it doubles with each failure.
FIRST_WAIT = timedelta(seconds=5)
#: Longest wait before a failed host is tried again.
LONGEST_WAIT = timedelta(minutes=5)


class HostStatus(BaseModel):
    """What is known of a host.

    Args:
        host: Its key (``host_key`` of the workers that use it).
        open: Whether steps are held back because of a failure.
        paused: Whether a person paused it.
        reason: The failure, in one line.
        error_class: The failure's class.
        since: When it was paused or failed first.
        next_try: When it is tried again.
        failures: Failures since the last step that went well.
        next_poll: When its queue is asked again.
        polled_on: When its queue last answered.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    open: bool = False
    paused: bool = False
    reason: str = ""
    error_class: str = ""
    since: datetime | None = None
    next_try: datetime | None = None
    failures: int = 0
    next_poll: datetime | None = None
    polled_on: datetime | None = None

    @property
    def available(self) -> bool:
        """Return whether steps may use the host."""
        return not (self.open or self.paused)


class HostRecords:
    """The breakers of one project's hosts, as records of the auxiliary collection."""

    def __init__(self, queue: QueueDatabase) -> None:
        self.queue = queue

    def get(self, host: str) -> HostStatus:
        """Return what is known of a host."""
        with translated():
            record = self.queue.auxiliary.find_one({"_id": _key(host)})
        return HostStatus.model_validate({**(record or {}), "host": host})

    def failed(self, host: str, error: BaseException, *, probe: bool = False) -> None:
        """Hold back a host's steps for a while that doubles with each failure.

        Args:
            host: Its key.
            error: What happened.
            probe: Whether this was a try to reach a host that is held back already. One outage,
                seen by many steps at once, counts once; each failed probe counts again.
        """
        now, text = self.queue.clock.now(), self.queue.redact(str(error))

        def fail(record: Mapping[str, Any]) -> dict[str, Any] | None:
            if record.get("open") and not probe:
                return None
            failures = record.get("failures", 0) + 1
            wait = min(FIRST_WAIT * (1 << min(failures - 1, 10)), LONGEST_WAIT)
            return {
                "open": True,
                "reason": text.splitlines()[0] if text else type(error).__name__,
                "error_class": type(error).__name__,
                "since": record.get("since") if record.get("open") else now,
                "next_try": now + wait,
                "failures": failures,
            }

        change_record(self.queue, _key(host), fail)

    def answered(self, host: str) -> bool:
        """Let the steps of a host that answers again through; return whether it was held."""

        def close(record: Mapping[str, Any]) -> dict[str, Any] | None:
            return {"open": False, "next_try": None, "since": None} if record.get("open") else None

        return change_record(self.queue, _key(host), close) is not None

    def went_well(self, host: str) -> None:
        """Forget the failures of a host after a whole step went well on it."""
        change_record(self.queue, _key(host), lambda record: _forgotten(record) or None)

    def took(self, host: str, interval: timedelta) -> None:
        """Do as :meth:`went_well` and :meth:`poll_soon` do after a submission, at once."""
        when = self.queue.clock.now() + interval
        change_record(
            self.queue,
            _key(host),
            lambda record: {**_forgotten(record), **_sooner(record, when)} or None,
        )

    def pause(self, host: str, reason: str) -> None:
        """Hold back a host's steps until :meth:`resume`, by a person's wish."""
        now = self.queue.clock.now()
        change_record(
            self.queue,
            _key(host),
            lambda _: {"paused": True, "reason": reason, "since": now},
        )

    def resume(self, host: str) -> None:
        """Let the steps of a host through again, and try a failed one at once."""
        now = self.queue.clock.now()
        fields = {"paused": False, "next_try": now, "reason": "", "next_poll": now}
        change_record(self.queue, _key(host), lambda _: fields)

    def try_now(self, host: str) -> None:
        """Try a host that is held back after a failure at the next tick."""
        now = self.queue.clock.now()
        fields = {"next_try": now, "next_poll": now}
        change_record(self.queue, _key(host), lambda _: fields)

    def take_turn(self, host: str, interval: timedelta) -> bool:
        """Take the next turn to ask a host's queue, if one is due; only one caller gets it."""
        now = self.queue.clock.now()

        def take(record: Mapping[str, Any]) -> dict[str, Any] | None:
            field = "next_try" if record.get("open") else "next_poll"
            due = record.get(field)
            if record.get("paused") or (due is not None and due > now):
                return None
            return {field: now + interval}

        return change_record(self.queue, _key(host), take) is not None

    def poll_soon(self, host: str, interval: timedelta) -> None:
        """Ask a host's queue within an interval, unless it is asked before anyway."""
        when = self.queue.clock.now() + interval
        change_record(self.queue, _key(host), lambda record: _sooner(record, when) or None)

    def polled(self, host: str, interval: timedelta) -> None:
        """Write down that a host's queue answered, and ask it again within an interval."""
        now = self.queue.clock.now()
        when = now + interval

        def answered(record: Mapping[str, Any]) -> dict[str, Any]:
            due = record.get("next_poll")
            later = due is None or due > when
            return {"polled_on": now, **({"next_poll": when} if later else {})}

        change_record(self.queue, _key(host), answered)


def _forgotten(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by which a host's failures are forgotten."""
    if not record.get("failures") or record.get("open"):
        return {}
    return {"failures": 0, "reason": "", "error_class": ""}


def _sooner(record: Mapping[str, Any], when: datetime) -> dict[str, Any]:
    """Return the fields by which a host is asked at a time, unless it is asked before anyway."""
    due = record.get("next_poll")
    return {} if due is not None and due <= when else {"next_poll": when}


def _key(host: str) -> str:
    return f"host:{host}"
