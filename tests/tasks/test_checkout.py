"""READY jobs are taken in order, as many as there is room for; none that waits keeps others out."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.tasks import ready
from jfcelery.tasks.checkout import checkout
from tests.support.entries import flow_of

if TYPE_CHECKING:
    from tests.support.bench import Bench
    from tests.tasks.conftest import MakeBench

HERE = Placement(worker="here")


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """The runner of a project whose worker has two places, and takes two jobs ahead."""
    return make_bench(worker={"max_jobs": 2})


def add(bench: Bench, *names: str, priority: int = 0) -> None:
    """Add READY jobs."""
    flow = flow_of({name: [] for name in names}, priority=priority)
    add_flow(bench.runtime.queue, flow, HERE)


def taken(bench: Bench) -> set[str]:
    """Return the jobs that were taken and not uploaded yet."""
    docs = bench.runtime.jobs.find({"state": JobState.CHECKED_OUT.value})
    return {doc.uuid for doc in docs}


def _wait(bench: Bench, *names: str, **fields: Any) -> None:
    """Let jobs that were taken wait for a long time."""
    jobs = bench.runtime.jobs
    for name in names:
        later = {"retry_at": jobs.now() + timedelta(hours=1)}
        jobs.update(jobs.get(name), {**later, **{f"remote.{n}": v for n, v in fields.items()}})


def test_jobs_that_are_tried_again_later_keep_nobody_out(bench: Bench) -> None:
    """Neither troubles nor an earlier queue job that does not go take the room of others."""
    add(bench, "a", "b", "c", "d")
    assert checkout(bench.runtime) == 4
    add(bench, "e", "f", "g")
    assert checkout(bench.runtime) == 0
    _wait(bench, "a", "b", waiting="The queue job 7 is not gone yet.")
    _wait(bench, "c", error="half a file")
    assert checkout(bench.runtime) == 3
    assert taken(bench) == set("abcdefg")


def test_jobs_that_wait_for_a_place_keep_later_ones_out(bench: Bench) -> None:
    """What is uploaded ahead is bounded, however long the places are taken."""
    add(bench, "a", "b", "c", "d")
    checkout(bench.runtime)
    jobs = bench.runtime.jobs
    for name in "abcd":
        jobs.transition(jobs.get(name), "upload", JobState.UPLOADED, by="test")
    _wait(bench, *"abcd", waiting="max_jobs of here (2) is reached")
    add(bench, "e")
    assert checkout(bench.runtime) == 0


def test_jobs_that_are_tried_again_later_are_bounded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every upload fails, not all jobs of a large flow are taken one after the other."""
    monkeypatch.setattr("jfcelery.tasks.checkout.WINDOW", 3)
    add(bench, *(f"j{n}" for n in range(12)))
    for _ in range(10):
        checkout(bench.runtime)
        _wait(bench, *taken(bench), error="no right")
    assert len(taken(bench)) == 6


def test_many_ready_jobs_are_listed_once_for_several_checkouts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded database reads all READY jobs to give the first; their order is kept."""
    monkeypatch.setattr(ready, "MANY", 4)
    monkeypatch.setattr(ready, "SHARE", 1e6)
    listed = []
    find = ready._list

    def counting(*args: Any) -> list[str]:
        listed.append(args)
        return find(*args)

    monkeypatch.setattr(ready, "_list", counting)
    add(bench, *(f"j{n}" for n in range(10)))
    add(bench, "urgent", priority=1)
    jobs = bench.runtime.jobs
    assert checkout(bench.runtime) == 4
    assert taken(bench) == {"urgent", "j0", "j1", "j2"}
    jobs.transition(jobs.get("j3"), "pause", JobState.PAUSED, by="user")
    for name in ("urgent", "j0"):
        jobs.transition(jobs.get(name), "fail", JobState.REMOTE_ERROR, by="test")
    assert checkout(bench.runtime) == 2
    assert taken(bench) == {"j1", "j2", "j4", "j5"}
    assert len(listed) == 2  # a job of the list was gone: it is read anew
    for name in ("j1", "j2"):
        jobs.transition(jobs.get(name), "fail", JobState.REMOTE_ERROR, by="test")
    assert checkout(bench.runtime) == 2
    assert taken(bench) == {"j4", "j5", "j6", "j7"}
    assert len(listed) == 2


def test_checkouts_at_once_are_one_more_at_most(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout that comes while another one is at work makes it look once more."""
    at_work, go_on, looked = threading.Event(), threading.Event(), []
    room = ready.candidates

    def slow(*args: Any) -> Any:
        looked.append(args)
        found = room(*args)
        at_work.set()
        assert go_on.wait(60)
        return found

    monkeypatch.setattr("jfcelery.tasks.checkout.candidates", slow)
    thread = threading.Thread(target=checkout, args=(bench.runtime,))
    thread.start()
    assert at_work.wait(60)
    add(bench, "a")
    for _ in range(5):
        assert checkout(bench.runtime) == 0
    go_on.set()
    thread.join(60)
    assert taken(bench) == {"a"}
    assert len(looked) == 2
