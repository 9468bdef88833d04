"""How long one operation on a host may take."""

from __future__ import annotations

import time

from jfcelery.errors import HostTimeoutError

#: Bytes that windows and buffers between two machines may hold.
IN_FLIGHT = 8 * 1024 * 1024


class Deadline:
    """The time that is left for one operation.

    Commands have a total; transfers, whose length nobody knows, have the longest pause in which
    nothing moves.

    Args:
        what: What is timed, for the error message.
        total: Seconds for the whole operation; None: no limit.
        stall: Seconds without progress; None: no limit.
    """

    def __init__(
        self, what: str, *, total: float | None = None, stall: float | None = None
    ) -> None:
        self.what = what
        self._total, self._stall = total, stall
        self._began = self._moved = time.monotonic()

    def restart(self) -> None:
        """Begin anew: what was before, such as opening a connection, does not count."""
        self._began = self._moved = time.monotonic()

    def progress(self) -> None:
        """Note that something moved."""
        self._moved = time.monotonic()

    def stretch(self, sent: int) -> None:
        """Allow for what was sent but may still be on its way, at the pace so far.

        Args:
            sent: Bytes sent in all.
        """
        if self._stall is not None and sent:
            pace = (time.monotonic() - self._began) / sent
            self._stall += pace * min(sent, IN_FLIGHT)

    @property
    def end(self) -> float:
        """Return when the time is up, by the monotonic clock."""
        ends = [float("inf")]
        if self._total is not None:
            ends.append(self._began + self._total)
        if self._stall is not None:
            ends.append(self._moved + self._stall)
        return min(ends)

    def left(self, at_most: float) -> float:
        """Return the seconds left, but no more than a slice.

        Raises:
            HostTimeoutError: None are left.
        """
        left = self.end - time.monotonic()
        if left <= 0:
            raise HostTimeoutError(self.why())
        return min(left, at_most)

    def why(self) -> str:
        """Return the sentence that says which limit was passed."""
        if self._total is not None and time.monotonic() >= self._began + self._total:
            return f"{self.what}: no answer within {self._total:g} s"
        return f"{self.what}: nothing moved for {self._stall or 0:g} s"
