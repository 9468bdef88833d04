"""Deadlines, and the watchdog that sees to those that nothing else keeps."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import HostTimeoutError
from jfcelery.scheduler_io.hosts import deadline as module
from jfcelery.scheduler_io.hosts import watchdog
from jfcelery.scheduler_io.hosts.deadline import IN_FLIGHT, Deadline
from jfcelery.scheduler_io.hosts.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that stands still, and the function that moves it on."""
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def test_total(clock: Callable[[float], None]) -> None:
    """A total ends whatever moves."""
    deadline = Deadline("host", total=10)
    assert deadline.left(60) == 10
    clock(4)
    deadline.progress()
    assert (deadline.left(60), deadline.left(1)) == (6, 1)
    clock(6)
    with pytest.raises(HostTimeoutError, match="host: no answer within 10 s"):
        deadline.left(1)
    deadline.restart()
    assert deadline.left(60) == 10


def test_stall(clock: Callable[[float], None]) -> None:
    """A transfer may last as long as it moves."""
    deadline = Deadline("host", stall=10)
    for _ in range(5):
        clock(9)
        deadline.progress()
    clock(10)
    with pytest.raises(HostTimeoutError, match="host: nothing moved for 10 s"):
        deadline.left(1)


def test_what_is_on_its_way(clock: Callable[[float], None]) -> None:
    """After an upload there is time for what the buffers hold, at the pace so far."""
    deadline = Deadline("host", stall=10)
    clock(100)
    deadline.progress()
    deadline.stretch(4 * IN_FLIGHT)
    assert deadline.left(1000) == 35
    deadline = Deadline("host", stall=10)
    clock(5)
    deadline.progress()
    deadline.stretch(100)
    assert deadline.left(1000) == 15


def test_no_limit() -> None:
    """Without limits there is always time."""
    assert Deadline("host").left(5) == 5


def test_watchdog_releases_what_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that outlives its deadline gets its release called, once."""
    monkeypatch.setattr(watchdog, "GRACE", 0.0)
    called: list[float] = []
    released = threading.Event()

    def release() -> None:
        called.append(time.monotonic())
        released.set()

    dog = Watchdog()
    with dog.watch(Deadline("slow", total=0.2), release):
        assert released.wait(30)
    with dog.watch(Deadline("fast", total=60), release):
        pass
    assert len(called) == 1


def test_watchdog_grants_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline that moves on is not over."""
    monkeypatch.setattr(watchdog, "GRACE", 0.0)
    released = threading.Event()
    deadline = Deadline("moving", stall=5)
    with Watchdog().watch(deadline, released.set):
        for _ in range(5):
            assert not released.wait(0.05)
            deadline.progress()
    assert not released.is_set()
