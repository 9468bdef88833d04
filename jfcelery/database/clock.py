"""The database's clock, by which all leases are measured on all machines."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds after which the server's time is asked for again.
REFRESH_SECONDS = 60.0
#: Seconds to wait with the next try after one that failed.
RETRY_SECONDS = 5.0


def ticks() -> float:
    """Return seconds that pass evenly, also while the machine sleeps, whatever its clock says."""
    boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(boot)


class Clock:
    """The server's time, computed from the local one.

    Args:
        ask: Returns the server's time (aware), by a round trip.
        ticks: Returns the seconds of a clock that never jumps.
    """

    def __init__(self, ask: Callable[[], datetime], *, ticks: Callable[[], float] = ticks) -> None:
        self._ask = ask
        self._ticks = ticks
        self._guard = threading.Lock()
        self._zero: datetime | None = None
        self._next = 0.0

    def now(self) -> datetime:
        """Return the server's time, in UTC, to the millisecond (MongoDB keeps no more).

        Raises:
            DatabaseUnavailableError: The server's time was never learnt, and it does not answer.
        """
        with self._guard:
            zero = self._zero
            if zero is None or self._ticks() >= self._next:
                zero = self._refresh()
            now = zero + timedelta(seconds=self._ticks())
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _refresh(self) -> datetime:
        """Learn the server's time at our tick zero."""
        from jfcelery.database.connection import translated
        from jfcelery.errors import DatabaseUnavailableError

        before = self._ticks()
        try:
            with translated():
                said = self._ask()
        except DatabaseUnavailableError:
            if self._zero is None:
                raise
            # A clock of a minute ago is as good; whoever needs the database will notice.
            self._next = self._ticks() + RETRY_SECONDS
            return self._zero
        after = self._ticks()
        # The answer was written about half a round trip ago.
        self._zero = said.astimezone(UTC) - timedelta(seconds=(before + after) / 2)
        self._next = after + REFRESH_SECONDS
        return self._zero
