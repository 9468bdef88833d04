"""Waiting for something to become true, with a deadline that only a defect exceeds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: How long a test waits for what must happen, in seconds: generous, machines in CI are slow.
DEADLINE = 90.0
#: Pause between two looks, in seconds.
INTERVAL = 0.05


def wait_until(
    probe: Callable[[], T | None], what: str, *, deadline: float = DEADLINE, every: float = INTERVAL
) -> T:
    """Call a probe until it returns something true, and return that.

    Args:
        probe: What to ask.
        what: What is waited for, for the error message.
        deadline: Seconds after which waiting ends in an error.
        every: Seconds between two calls.

    Returns:
        The probe's first true value.

    Raises:
        TimeoutError: If it did not come true in time.
    """
    end = time.monotonic() + deadline
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {deadline:.0f} s in vain for {what}")
        time.sleep(every)
