"""The time of a pilot: no job starts in it that cannot end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery.execution.pilot.clock import END_VARIABLE, MARGIN, TimeLeft, began_at
from jfcelery.execution.pilot.plan import Plan

if TYPE_CHECKING:
    import pytest


def left(seconds: float | None = None, since: float | None = None, **options: Any) -> TimeLeft:
    """Return the time of a pilot to which Slurm leaves so many seconds, or that has a plan."""
    plan = Plan(handle_dir=Path("/pool"), pilot="jfp-1", **options)
    end = {} if seconds is None else {END_VARIABLE: str(int(time.time() + seconds))}
    return TimeLeft(plan, end, since)


def test_without_a_limit_any_job_may_start() -> None:
    """Nothing is known that could end it."""
    assert left().allows()
    assert left().allows(10**9)


def test_no_job_starts_after_max_time() -> None:
    """However short it is."""
    time_left = left(max_time=1e-9)
    assert time_left.is_up
    assert not time_left.allows(1)


def test_no_job_starts_right_before_the_end() -> None:
    """There is a margin."""
    assert left(MARGIN - 10).is_up
    assert not left(MARGIN + 100).is_up


def test_the_longest_job_so_far_tells_of_those_that_say_nothing() -> None:
    """With a fifth to spare; what a job says of itself counts more."""
    time_left = left(1000)
    time_left.saw(800)
    assert time_left.allows()
    time_left.saw(900)
    assert not time_left.allows()
    assert not time_left.is_up
    assert time_left.allows(300)


def test_a_job_starts_only_where_its_own_limit_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall time that it asks for, and the margin; the queue job began before the pilot."""
    now = time.monotonic()
    time_left = left(since=time.time() - 100, walltime=1100)
    monkeypatch.setattr(time, "monotonic", lambda: now + 500)
    assert time_left.allows(460)
    assert not time_left.allows(480)


def test_a_job_that_asks_for_all_of_a_pilot_starts_in_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No pilot could give it more; later it could not end, nor in one that lacks much of it."""
    now = time.monotonic()
    time_left = left(walltime=1000)
    assert time_left.allows(1000)
    assert not time_left.allows(1200)
    monkeypatch.setattr(time, "monotonic", lambda: now + 200)
    assert not time_left.allows(1000)
    assert time_left.allows(700)


def test_what_slurm_says_counts_more_than_the_plan() -> None:
    """A site may cut what was asked for."""
    assert not left(100, walltime=10_000).allows(500)


def test_a_queue_job_began_when_its_script_did(tmp_path: Path) -> None:
    """One that was requeued began with its last start; without a word nothing is known."""
    status = tmp_path / "jfc_status.1"
    assert began_at(status) is None
    status.write_text("stage=started\nhost=n1\ntime=100\nstage=pre_run\ntime=160\n")
    assert began_at(status) == 100
    with status.open("a") as file:
        file.write("stage=started\nhost=n2\nqueue_id=7\ntime=300\nstage=exec\ntime=301\n")
    assert began_at(status) == 300
