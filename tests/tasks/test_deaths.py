"""A job that kills the Celery workers at work on it is parked and named; others go on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.deaths import BEGIN_TIME, MOST_DEATHS
from jfcelery.tasks.sweep import sweep
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.support.bench import Bench

#: Length of a lease in seconds.
TERM = 10


def _add(bench: Bench, names: Collection[str]) -> None:
    flow = flow_of({name: [] for name in names}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    checkout(bench.runtime)
    bench.messages.clear()


def _die(bench: Bench, names: Collection[str]) -> None:
    """Let a Celery worker take leases and die, and their term pass."""
    jobs = bench.runtime.jobs
    for name in names:
        jobs.acquire(jobs.get(name), f"machine:{name}:1", timedelta(seconds=TERM))
    bench.forward(TERM + 1)


def _sent(bench: Bench) -> list[str]:
    """Sweep, and return whose messages were sent again."""
    bench.messages.clear()
    sweep(bench.runtime)
    names = [str(m.args[0]) for m in bench.messages if m.names[0] == "jfcelery.upload"]
    bench.messages.clear()
    return sorted(names)


def test_a_killer_is_parked_and_named_and_those_beside_it_go_on(bench: Bench) -> None:
    """From the second death on, those that died together are tried one at a time."""
    names = ["killer", "one", "two"]
    _add(bench, names)
    jobs, left = bench.runtime.jobs, set(names)
    _die(bench, names)
    assert _sent(bench) == names
    _die(bench, names)
    for _ in range(20):
        alone = _sent(bench)
        if not alone:
            break
        (name,) = alone
        assert _sent(bench) == []  # while it is tried
        if name == "killer":
            _die(bench, [name])
        else:
            doc = jobs.get(name)
            jobs.transition(doc, "upload", JobState.UPLOADED, by="test")
            left.discard(name)
            bench.forward(BEGIN_TIME.total_seconds() + 1)
    assert left == {"killer"}
    parked = jobs.get("killer")
    assert parked.state is JobState.REMOTE_ERROR
    assert parked.error_class == "WorkerDiedError"
    assert parked.remote.error is not None
    assert f"{MOST_DEATHS} times" in parked.remote.error
    assert "machine:killer:1" in parked.remote.error
    assert parked.lock_id is None


def test_deaths_in_other_steps_do_not_count(bench: Bench) -> None:
    """A job that gets on is innocent, however often others took its Celery worker down."""
    _add(bench, ["a"])
    jobs = bench.runtime.jobs
    for _ in range(MOST_DEATHS - 1):
        _die(bench, ["a"])
        assert _sent(bench) == ["a"]
    jobs.transition(jobs.get("a"), "upload", JobState.UPLOADED, by="test")
    for _ in range(MOST_DEATHS - 1):
        _die(bench, ["a"])
        sweep(bench.runtime)
    assert jobs.get("a").state is JobState.UPLOADED


def test_a_parked_job_can_be_run_again(bench: Bench) -> None:
    """Nothing of its past is held against it."""
    from jfcelery.controller.controller import JobController

    _add(bench, ["a"])
    for _ in range(MOST_DEATHS):
        _die(bench, ["a"])
        sweep(bench.runtime)
    assert bench.runtime.jobs.get("a").state is JobState.REMOTE_ERROR
    JobController(bench.project).rerun_job("a", force=True)
    checkout(bench.runtime)
    _die(bench, ["a"])
    sweep(bench.runtime)
    assert bench.runtime.jobs.get("a").state is JobState.CHECKED_OUT


def test_leases_that_ended_while_all_slept_are_no_deaths(bench: Bench) -> None:
    """A laptop that is closed in mid-step, however often, parks no job."""
    _add(bench, ["a"])
    for _ in range(MOST_DEATHS + 1):
        sweep(bench.runtime)
        bench.messages.clear()
        _die(bench, ["a"])
        bench.forward(3600)
        assert _sent(bench) == ["a"]
    doc = bench.runtime.jobs.get("a")
    assert (doc.state, doc.deaths, doc.lock_id) == (JobState.CHECKED_OUT, None, None)
