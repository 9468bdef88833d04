"""What open pages show, read once for all who look at it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nicegui import run

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

#: Seconds that what was read is shown to all; half a second passes until an open page looks.
FRESH = 1.0
#: What took long to read is read more rarely: it rests for so many times as long, up to seconds.
REST, LONGEST = 10.0, 30.0
#: Most parts that are remembered; those that nobody looked at for the longest time go first.
MOST_PARTS = 256


@dataclass
class _Part:
    """Something that was read.

    Args:
        value: What was read; None before the first time.
        error: What kept it from being read the last time.
        due: When it is to be read anew (monotonic, in seconds).
        used: When somebody looked at it last.
        reading: The reading that is under way.
    """

    value: Any = None
    error: Exception | None = None
    due: float = 0.0
    used: float = 0.0
    reading: asyncio.Task[None] | None = field(default=None, repr=False)


class Shared:
    """Reads what pages show: once at a time, whoever looks, and not more often than is useful.

    All of it runs in the server's event loop, but for the readings, which run in threads.
    """

    def __init__(self) -> None:
        self._parts: dict[Hashable, _Part] = {}

    async def get(self, key: Hashable, read: Callable[[], Any], *, rest: float = REST) -> Any:
        """Return what a function returns, or returned a moment ago; None as the server ends.

        Args:
            key: Says what is read: whoever gives the same one gets the same.
            read: Reads it; called in a thread.
            rest: For how many times as long as it took it is not read again; 0 for what only
                waits for somebody else's answer.

        Raises:
            Exception: What the function raised.
        """
        part = self._parts.setdefault(key, _Part())
        part.used = time.monotonic()
        if part.reading is None and part.used >= part.due:
            self._forget()
            part.reading = asyncio.ensure_future(self._read(part, read, rest))
        if part.reading is not None:
            # Whoever leaves the page ends their own waiting, not the reading of the others.
            await asyncio.shield(part.reading)
        if part.error is not None:
            raise part.error
        return part.value

    async def _read(self, part: _Part, read: Callable[[], Any], rest: float) -> None:
        began = time.monotonic()
        try:
            part.value, part.error = await run.io_bound(read), None
        except Exception as error:  # noqa: BLE001 - raised to each who looks
            part.error = error
        finally:
            took = time.monotonic() - began
            part.due = began + max(FRESH, took + min(rest * took, LONGEST))
            part.reading = None

    def _forget(self) -> None:
        idle = [key for key, part in self._parts.items() if part.reading is None]
        idle.sort(key=lambda key: self._parts[key].used)
        for key in idle[: max(0, len(self._parts) - MOST_PARTS)]:
            del self._parts[key]
