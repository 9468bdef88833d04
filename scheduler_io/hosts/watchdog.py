"""The net under every timeout: closes what is stuck where no timeout reaches.

paramiko writes to its socket without a limit (``Packetizer.write_all``): on a frozen link a call
would never return. Whoever uses a connection has it watched; once the deadline is well over, the
watchdog closes the connection, which ends the call.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.scheduler_io.hosts.deadline import Deadline

#: Seconds past the deadline: the operation's own timeout should have ended it before.
GRACE = 5.0


class Watchdog:
    """One thread that watches the deadlines of many operations."""

    def __init__(self) -> None:
        self._watched: dict[object, tuple[Deadline, Callable[[], None]]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(self, deadline: Deadline, release: Callable[[], None]) -> Iterator[None]:
        """Call ``release`` if the block is still under way well after its deadline."""
        key = object()
        with self._changed:
            self._watched[key] = (deadline, release)
            self._ensure_thread()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._watched.pop(key, None)

    def _ensure_thread(self) -> None:
        # A fork takes the object along, but not its thread.
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._keep, name="jfc-watchdog", daemon=True)
            self._thread.start()

    def _keep(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                late = [key for key, (end, _) in self._watched.items() if end.end + GRACE <= now]
                calls = [self._watched.pop(key)[1] for key in late]
                if not calls:
                    ends = [deadline.end for deadline, _ in self._watched.values()]
                    self._changed.wait(self._pause(ends, now))
            for call in calls:
                call()

    @staticmethod
    def _pause(ends: list[float], now: float) -> float | None:
        if not ends:
            return None
        # Deadlines move on with progress, so look again now and then at the latest.
        return max(0.05, min(min(ends) + GRACE - now, 3600.0))


#: The one of this process.
WATCHDOG = Watchdog()
