"""Each part of the guard, alone, keeps one certain thing from being lost or done twice.

``mutants.py`` takes them away one by one, and looks whether a test sees it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.database.connection import translated
from jfcelery.database.slots import Slots
from jfcelery.errors import ConflictError, DatabaseUnavailableError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.finalize import finalize
from jfcelery.tasks.poll import poll_host
from jfcelery.tasks.submit import submit
from jfcelery.tasks.sweep import sweep
from jfcelery.tasks.upload import upload
from tests.chaos.mutants import MUTANTS, TREE
from tests.support.bench import Bench, quick_worker
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from jfcelery.database.documents import JobDoc
    from tests.support.projects import ProjectFactory


@pytest.fixture
def bench(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """A runner driven by hand, whose worker has room for one job."""
    workers = {"here": quick_worker(tmp_path, max_jobs=1)}
    bench = Bench(make_project(workers=workers), tmp_path, monkeypatch)
    yield bench
    bench.runtime.close()


def add(bench: Bench, edges: Mapping[str, Sequence[str]]) -> str:
    """Add a flow of quick jobs, and return its uuid."""
    flow = flow_of(edges, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    return flow.uuid


def advance(bench: Bench, uuid: str, state: JobState) -> JobDoc:
    """Take a job, alone, to a state."""
    checkout(bench.runtime)
    steps = {JobState.CHECKED_OUT: upload, JobState.UPLOADED: submit}
    jobs = bench.runtime.jobs

    def look() -> JobDoc | None:
        doc = jobs.get(uuid)
        if doc.state is state:
            return doc
        if doc.state in steps:
            assert steps[doc.state].run(bench.runtime, uuid, 1, doc.epoch)
        else:
            poll_host(bench.runtime, "local")
        return None

    found = wait_until(look, f"{uuid} to be {state}")
    bench.messages.clear()
    return found


def test_a_death_right_after_the_commit_of_the_outputs_leaves_children_to_the_sweep(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit itself says that children are to be released; the next sweep does so."""
    add(bench, {"a": [], "b": ["a"]})
    doc = advance(bench, "a", JobState.DOWNLOADED)

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("jfcelery.tasks.finalize._after", dies)
        with pytest.raises(KeyboardInterrupt):
            finalize.run(bench.runtime, "a", 1, doc.epoch)
    assert bench.runtime.jobs.get("a").state is JobState.COMPLETED
    assert bench.runtime.jobs.get("b").state is JobState.WAITING
    sweep(bench.runtime)
    assert bench.runtime.jobs.get("b").state is not JobState.WAITING
    assert bench.runtime.jobs.get("a").release is False


def test_a_place_is_free_as_soon_as_its_job_has_ended(bench: Bench) -> None:
    """The look at the queue that sees the end gives the place to the next: no sweep is needed."""
    add(bench, {"a": [], "b": []})
    checkout(bench.runtime)
    epochs = {uuid: bench.runtime.jobs.get(uuid).epoch for uuid in ("a", "b")}
    for uuid, epoch in epochs.items():
        assert upload.run(bench.runtime, uuid, 1, epoch)
    assert submit.run(bench.runtime, "a", 1, epochs["a"])
    assert not submit.run(bench.runtime, "b", 1, epochs["b"])
    bench.messages.clear()

    def ended() -> bool:
        poll_host(bench.runtime, "local")
        return bench.runtime.jobs.get("a").state is JobState.DOWNLOADED

    wait_until(ended, "the job to end")
    assert Slots(bench.runtime.queue, "here").held() == []
    sent = {(message.names[0], message.args[0]) for message in bench.messages}
    assert sent == {("jfcelery.finalize", "a"), ("jfcelery.submit", "b")}


def test_a_place_that_was_forgotten_is_taken_back(bench: Bench) -> None:
    """The sweep finds places of jobs that are in no queue."""
    add(bench, {"a": []})
    assert Slots(bench.runtime.queue, "here").acquire(["gone_1"], 1)
    doc = advance(bench, "a", JobState.UPLOADED)
    assert not submit.run(bench.runtime, "a", 1, doc.epoch)
    sweep(bench.runtime)
    assert Slots(bench.runtime.queue, "here").held() == []
    assert [message.names[0] for message in bench.messages] == ["jfcelery.submit"]


def test_the_fence_tells_two_leases_of_one_thread_apart(bench: Bench) -> None:
    """Who lost a lease and took it again by another step holds another one."""
    add(bench, {"a": []})
    checkout(bench.runtime)
    jobs = bench.runtime.jobs
    first = jobs.acquire(jobs.get("a"), "same owner", timedelta(seconds=5))
    bench.forward(6)
    second = jobs.acquire(jobs.get("a"), "same owner", timedelta(seconds=5))
    assert second.fence == first.fence + 1
    with pytest.raises(ConflictError):
        jobs.renew(first, timedelta(seconds=5))
    with pytest.raises(ConflictError):
        jobs.release(first)
    with pytest.raises(ConflictError):
        jobs.still_ours(first)
    assert jobs.renew(second, timedelta(seconds=5)).fence == second.fence


def test_a_lease_does_not_survive_a_new_epoch(bench: Bench) -> None:
    """A job that was rerun is another one, whoever still works on the old."""
    add(bench, {"a": []})
    checkout(bench.runtime)
    jobs = bench.runtime.jobs
    held = jobs.acquire(jobs.get("a"), "owner", timedelta(seconds=5))
    jobs.update(held, {"epoch": held.epoch + 1})
    with pytest.raises(ConflictError):
        jobs.still_ours(held)


def test_a_message_of_another_epoch_is_void(bench: Bench) -> None:
    """It neither moves the job nor lets its chain go on, even where the job is further along."""
    add(bench, {"a": []})
    checkout(bench.runtime)
    epoch = bench.runtime.jobs.get("a").epoch
    assert not upload.run(bench.runtime, "a", 1, epoch - 1)
    assert bench.runtime.jobs.get("a").state is JobState.CHECKED_OUT
    assert upload.run(bench.runtime, "a", 1, epoch)
    assert not upload.run(bench.runtime, "a", 1, epoch - 1)


def test_a_step_that_was_done_before_lets_its_chain_go_on(bench: Bench) -> None:
    """An earlier run died between its commit and the next message."""
    add(bench, {"a": []})
    checkout(bench.runtime)
    epoch = bench.runtime.jobs.get("a").epoch
    assert upload.run(bench.runtime, "a", 1, epoch)
    version = bench.runtime.jobs.get("a").version
    assert upload.run(bench.runtime, "a", 1, epoch)
    assert bench.runtime.jobs.get("a").version == version


def test_a_lease_is_one_owners_until_it_ends(bench: Bench) -> None:
    """A live one keeps everybody out; that of the dead is taken over once its term is over."""
    add(bench, {"a": []})
    checkout(bench.runtime)
    bench.messages.clear()
    jobs = bench.runtime.jobs
    doc = jobs.acquire(jobs.get("a"), "dead", timedelta(seconds=5))
    with pytest.raises(ConflictError):
        jobs.acquire(doc, "other", timedelta(seconds=5))
    assert not upload.run(bench.runtime, "a", 1, doc.epoch)
    sweep(bench.runtime)
    assert bench.messages == []
    bench.forward(6)
    sweep(bench.runtime)
    assert [message.args for message in bench.messages] == [("a", 1, doc.epoch)]
    bench.drain()
    assert jobs.get("a").state is JobState.SUBMITTED


def test_of_two_writers_one_is_told(bench: Bench) -> None:
    """A write on what was read before another's write changes nothing."""
    add(bench, {"a": []})
    jobs = bench.runtime.jobs
    read = jobs.get("a")
    jobs.update(read, {"priority": 1})
    with pytest.raises(ConflictError):
        jobs.update(read, {"priority": 2})
    assert jobs.get("a").priority == 1


def test_a_write_that_was_done_but_not_acknowledged_is_known_to_be_ours(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's own second try finds another version, and the token says whose."""
    from pymongo.collection import Collection

    add(bench, {"a": []})
    jobs = bench.runtime.jobs
    update_one = Collection.update_one

    def twice(*args: Any, **options: Any) -> Any:
        update_one(*args, **options)
        return update_one(*args, **options)

    read = jobs.get("a")
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "update_one", twice)
        assert jobs.update(read, {"priority": 1}).version == read.version + 1
    assert jobs.get("a").version == read.version + 1


def test_no_job_takes_more_places_than_there_are(bench: Bench) -> None:
    """Submission waits for a place, however many messages come."""
    add(bench, {"a": [], "b": []})
    checkout(bench.runtime)
    for uuid in ("a", "b"):
        epoch = bench.runtime.jobs.get(uuid).epoch
        assert upload.run(bench.runtime, uuid, 1, epoch)
        submit.run(bench.runtime, uuid, 1, epoch)
    states = [bench.runtime.jobs.get(uuid).state for uuid in ("a", "b")]
    assert states == [JobState.SUBMITTED, JobState.UPLOADED]


def test_no_job_starts_before_its_flow_is_complete(bench: Bench) -> None:
    """What a submission left half-done is never run."""
    flow = add(bench, {"a": []})
    flows = bench.runtime.queue.flows
    flows.update_one({"_id": flow}, {"$set": {"inserting": True}})
    checkout(bench.runtime)
    assert bench.runtime.jobs.get("a").state is JobState.READY
    flows.update_one({"_id": flow}, {"$set": {"inserting": False}})
    checkout(bench.runtime)
    assert bench.runtime.jobs.get("a").state is JobState.CHECKED_OUT


def test_an_error_of_the_database_is_an_outage() -> None:
    """No step takes it for its own failure."""
    from pymongo.errors import AutoReconnect

    with pytest.raises(DatabaseUnavailableError), translated():
        raise AutoReconnect


@pytest.mark.parametrize("name", MUTANTS)
def test_every_defect_can_still_be_planted(name: str) -> None:
    """The code that a mutant spoils is there, once."""
    mutant = MUTANTS[name]
    assert (TREE / mutant.file).read_text().count(mutant.old) == 1
