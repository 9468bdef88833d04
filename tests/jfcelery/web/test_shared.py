"""What open pages show is read soon enough, and only once for all who look."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from jfcelery.web import shared
from jfcelery.web.pages.frame import LOOK_INTERVAL

#: Seconds in which a change is to be seen.
GOAL = 2.0


@pytest.mark.parametrize("took, soon", [(0.0, True), (0.05, True), (1.0, False)])
def test_a_cheap_reading_is_new_within_two_seconds(
    monkeypatch: pytest.MonkeyPatch, took: float, soon: bool
) -> None:
    """A page that looks every half a second shows a change in two; what is dear rests longer."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(shared, "time", SimpleNamespace(monotonic=lambda: clock.now))
    version = [1]

    def read() -> int:
        seen = version[0]
        clock.now += took
        return seen

    async def delay() -> float:
        parts = shared.Shared()
        assert await parts.get("part", read) == 1
        version[0], changed = 2, clock.now - took  # right after it was read, which is the worst
        while await parts.get("part", read) == 1:
            clock.now += LOOK_INTERVAL
        return float(clock.now - changed)

    with ThreadPoolExecutor(1) as thread:  # in this one, the browser's loop may run
        assert (thread.submit(asyncio.run, delay()).result() <= GOAL) is soon
