"""Places in a worker's queue (``max_jobs``): never exceeded, always filled, none kept in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.database.slots import Slots
from jfcelery.errors import BackPressureError, SubmissionBusyError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.tasks.places import free_place
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from tests.support.bench import Bench
    from tests.tasks.conftest import MakeBench

HERE = Placement(worker="here")


def add(bench: Bench, names: Iterable[str]) -> str:
    """Add a flow of quick jobs, and return its uuid."""
    flow = flow_of({name: [] for name in names}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, HERE)
    return flow.uuid


def test_max_jobs_is_never_exceeded_and_always_filled(make_bench: MakeBench) -> None:
    """With two places, never more than two jobs are in the queue, and all complete."""
    bench = make_bench(worker={"max_jobs": 2})
    flow = add(bench, (f"j{n}" for n in range(7)))
    most = 0
    for _ in range(200):
        if bench.messages:
            bench.deliver(bench.messages.pop(0))
        else:
            bench.beat()
        states = list(bench.states(flow).values())
        most = max(most, states.count("SU") + states.count("RU"))
        if set(states) == {"C"}:
            break
    assert set(bench.states(flow).values()) == {"C"}
    assert most == 2
    assert sorted(bench.starts()) == [f"j{n}_1 1" for n in range(7)]


def test_priority_goes_before_age(make_bench: MakeBench) -> None:
    """With one place, the job of highest priority runs first."""
    bench = make_bench(worker={"max_jobs": 1})
    flow = add(bench, ("old", "young"))
    young = bench.runtime.jobs.get("young")
    bench.runtime.jobs.update(young, {"priority": 5})
    bench.run_until_rest(flow)
    assert bench.starts() == ["young_1 1", "old_1 1"]


def test_a_job_that_is_refused_for_now_keeps_no_place(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others, which the site may take, have it; where its submission is in doubt it is kept."""
    bench = make_bench(worker={"max_jobs": 1})
    add(bench, "a")
    slots = Slots(bench.runtime.queue, "here")
    for error, held in (
        (BackPressureError("QOSMaxSubmitJobPerUserLimit"), []),
        (SubmissionBusyError("another submission of a is under way"), ["a_1"]),
        (OSError("of unknown effect"), ["a_1"]),
    ):

        def fail(*_args: object, error: Exception = error, **_options: object) -> None:
            raise error

        monkeypatch.setattr("jfcelery.scheduler_io.queue.WorkerQueue.submit", fail)
        bench.beat()
        bench.drain()
        doc = bench.runtime.jobs.get("a")
        assert str(error) in (doc.remote.waiting or doc.remote.error or "")
        assert slots.held() == held


def test_a_free_place_sends_one_job_on(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not all that wait, of which all but one would find it taken."""
    bench = make_bench(worker={"max_jobs": 2})
    monkeypatch.setattr("jfcelery.scheduler_io.queue.WorkerQueue.submit", lambda *_, **__: "7")
    add(bench, (f"j{n}" for n in range(6)))
    bench.beat()
    bench.drain()
    first, _ = bench.runtime.jobs.find({"state": JobState.SUBMITTED.value})
    assert len(list(bench.runtime.jobs.find({"state": JobState.UPLOADED.value}))) > 1
    free_place(bench.runtime, first)
    assert [message.names[0] for message in bench.messages] == ["jfcelery.submit"]
