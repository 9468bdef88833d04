"""A host's breaker opens at a failure, backs off, and closes when the host answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jfcelery.database.hosts import FIRST_WAIT, LONGEST_WAIT, HostRecords
from jfcelery.errors import ConnectionLostError

if TYPE_CHECKING:
    from jfcelery.database.connection import QueueDatabase

INTERVAL = timedelta(seconds=30)


@pytest.fixture
def clock(queue: QueueDatabase, monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """A database clock that stands still until the test moves it."""
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    monkeypatch.setattr(queue.clock, "now", lambda: now[0])
    return now


def test_a_failure_holds_the_host_back_once(queue: QueueDatabase, clock: list[datetime]) -> None:
    """Many steps that meet one outage count as one failure."""
    hosts = HostRecords(queue)
    assert hosts.get("h").available
    for _ in range(5):
        hosts.failed("h", ConnectionLostError("gone"))
    status = hosts.get("h")
    assert (status.open, status.failures, status.available) == (True, 1, False)
    assert (status.reason, status.error_class) == ("gone", "ConnectionLostError")
    assert status.next_try == clock[0] + FIRST_WAIT


def test_waits_double_up_to_a_bound(queue: QueueDatabase, clock: list[datetime]) -> None:
    """Each failed probe doubles the wait, up to the longest; since stays the first failure."""
    hosts = HostRecords(queue)
    hosts.failed("h", ConnectionLostError("gone"))
    began = clock[0]
    waits = []
    for _ in range(10):
        clock[0] += LONGEST_WAIT
        hosts.failed("h", ConnectionLostError("still"), probe=True)
        status = hosts.get("h")
        assert status.next_try is not None
        waits.append(status.next_try - clock[0])
    assert waits[:3] == [FIRST_WAIT * 2, FIRST_WAIT * 4, FIRST_WAIT * 8]
    assert waits[-1] == LONGEST_WAIT
    assert hosts.get("h").since == began


def test_an_answer_lets_steps_through_and_a_step_forgets_the_failures(
    queue: QueueDatabase, clock: list[datetime]
) -> None:
    """The count of failures is kept until a whole step went well, so flapping backs off."""
    hosts = HostRecords(queue)
    hosts.failed("h", ConnectionLostError("gone"))
    assert hosts.answered("h")
    assert not hosts.answered("h")
    assert hosts.get("h").available
    assert hosts.get("h").failures == 1
    hosts.failed("h", ConnectionLostError("again"))
    assert hosts.get("h").next_try == clock[0] + FIRST_WAIT * 2
    hosts.answered("h")
    hosts.went_well("h")
    assert hosts.get("h").failures == 0


def test_a_turn_is_given_once(queue: QueueDatabase, clock: list[datetime]) -> None:
    """Until the interval is over nobody else polls, unless it is asked for sooner."""
    hosts = HostRecords(queue)
    assert hosts.take_turn("h", INTERVAL)
    assert not hosts.take_turn("h", INTERVAL)
    hosts.poll_soon("h", timedelta(seconds=1))
    hosts.poll_soon("h", INTERVAL)
    clock[0] += timedelta(seconds=2)
    assert hosts.take_turn("h", INTERVAL)
    clock[0] += INTERVAL
    assert hosts.take_turn("h", INTERVAL)


def test_a_submission_forgets_the_failures_and_has_the_host_asked_soon(
    queue: QueueDatabase, clock: list[datetime]
) -> None:
    """Both at once; a host that is held back again since keeps its failures."""
    hosts = HostRecords(queue)
    hosts.failed("h", ConnectionLostError("gone"))
    hosts.answered("h")
    assert hosts.take_turn("h", INTERVAL)
    hosts.took("h", timedelta(seconds=1))
    assert hosts.get("h").failures == 0
    assert not hosts.take_turn("h", INTERVAL)
    clock[0] += timedelta(seconds=2)
    assert hosts.take_turn("h", INTERVAL)
    hosts.failed("h", ConnectionLostError("gone"))
    hosts.took("h", timedelta(seconds=1))
    assert (hosts.get("h").failures, hosts.get("h").available) == (1, False)


def test_a_failed_host_gets_its_turn_when_it_may_be_tried(
    queue: QueueDatabase, clock: list[datetime]
) -> None:
    """The turn of a held-back host is its next try, not its next poll."""
    hosts = HostRecords(queue)
    hosts.failed("h", ConnectionLostError("gone"))
    assert not hosts.take_turn("h", INTERVAL)
    clock[0] += FIRST_WAIT
    assert hosts.take_turn("h", INTERVAL)
    assert not hosts.take_turn("h", INTERVAL)


def test_a_paused_host_waits_for_a_person(queue: QueueDatabase, clock: list[datetime]) -> None:
    """A pause lasts until it is ended, however much time passes."""
    hosts = HostRecords(queue)
    hosts.pause("h", "maintenance")
    clock[0] += timedelta(days=3)
    assert not hosts.get("h").available
    assert not hosts.take_turn("h", INTERVAL)
    hosts.resume("h")
    assert hosts.get("h").available
    assert hosts.take_turn("h", INTERVAL)
