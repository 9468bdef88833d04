"""Many ready jobs of a host go together; each keeps its lease, commits and troubles."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.database.payloads import load_payloads
from jfcelery.errors import (
    BackPressureError,
    ConnectionLostError,
    DiskFullError,
    SchedulerDownError,
    TransferError,
)
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.states import JobState
from jfcelery.tasks import bundle as bundles
from jfcelery.tasks.bundle import run_bundle
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.sweep import sweep
from jfcelery.tasks.upload import publication as publication_of
from tests.support.bench import REMOTE, Bench, Message
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.database.documents import JobDoc
    from tests.tasks.conftest import MakeBench

NAMES = "abcdef"


@pytest.fixture
def bench(far_bench: Bench) -> Bench:
    """The runner of a project with one remote worker, driven by hand."""
    return far_bench


def add(bench: Bench, names: str = NAMES) -> str:
    """Add quick jobs that have nothing to do with each other, and return their flow."""
    flow = flow_of({name: [] for name in names}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    return flow.uuid


def states(bench: Bench) -> set[JobState]:
    """Return the states that jobs are in."""
    return {doc.state for doc in bench.runtime.jobs.find({})}


def events(bench: Bench, name: str) -> list[str]:
    """Return what happened to a job."""
    history = bench.runtime.jobs.history.of(bench.runtime.jobs.get(name))
    return [change.event for change in history if change.event != "run"]


def test_many_jobs_take_two_round_trips_until_they_are_submitted(
    bench: Bench, host: SimulatedHost
) -> None:
    """One upload, one submission for all; nothing more is sent until the poll sees their ends."""
    flow = add(bench)
    checkout(bench.runtime)
    (message,) = bench.messages
    assert message.names == ["jfcelery.bundle"]
    assert message.label.startswith("6 jobs db=")
    bench.deliver(bench.messages.pop())
    assert states(bench) == {JobState.SUBMITTED}
    assert [operation for operation, _ in host.log] == ["publish_all", "run"]
    assert bench.messages == [Message(["jfcelery.checkout"], ())]
    assert not any(doc.lock_id for doc in bench.runtime.jobs.find({}))
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")
    assert sorted(bench.starts()) == [f"{name}_1 1" for name in NAMES]
    expected = ["insert", "checkout", "upload", "submit", "end", "download", "finalize"]
    assert events(bench, "a") == expected


@pytest.mark.parametrize("names,task", [("a", "upload"), ("ab", "bundle")])
def test_a_single_job_goes_alone(bench: Bench, names: str, task: str) -> None:
    """It has a chain of its own; two go together already."""
    add(bench, names)
    checkout(bench.runtime)
    assert [one.names[0] for one in bench.messages] == [f"jfcelery.{task}"]


def test_jobs_of_this_machine_go_together_too(make_bench: MakeBench) -> None:
    """One task takes them all, as on a remote host."""
    local = make_bench(worker={"max_jobs": 8})
    flow = add(local)
    checkout(local.runtime)
    (message,) = local.messages
    local.deliver(local.messages.pop())
    assert message.names == ["jfcelery.bundle"]
    assert set(local.states(flow).values()) == {"SU"}
    assert local.run_until_rest(flow) == dict.fromkeys(NAMES, "C")
    assert sorted(local.starts()) == [f"{name}_1 1" for name in NAMES]


def test_large_crowds_are_cut_into_like_bundles(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bundle is larger than the limit, and none is a small rest."""
    monkeypatch.setattr("jfcelery.tasks.dispatch.BUNDLE_MOST", 5)
    add(bench, "abcdefghijkl")
    checkout(bench.runtime)
    assert [len(one.args[1]) for one in bench.messages] == [4, 4, 4]


def test_a_bundle_five_times_is_a_bundle_once(bench: Bench) -> None:
    """Whoever comes later finds each job further along, or with a new epoch."""
    flow = add(bench)
    checkout(bench.runtime)
    (message,) = bench.messages
    for _ in range(5):
        bench.deliver(message)
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")
    assert sorted(bench.starts()) == [f"{name}_1 1" for name in NAMES]


def test_a_job_that_fails_does_not_keep_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its input, its folder, its place or its submission: the trouble is its own."""
    add(bench)
    _foreign(bench, "b")
    prepare = publication_of

    def publication(work: Any, known: Any) -> Any:
        if work.doc.uuid == "a":
            raise TransferError("no input")
        return prepare(work, known)

    monkeypatch.setattr(bundles, "publication", publication)
    _answers(monkeypatch, c=BackPressureError("the queue is closed"), d=TransferError("cut"))
    checkout(bench.runtime)
    bench.deliver(bench.messages.pop())
    found = {doc.uuid: doc for doc in bench.runtime.jobs.find({})}
    assert {name: doc.state.short for name, doc in found.items()} == {
        "a": "CE",
        "b": "RERR",
        "c": "U",
        "d": "U",
        "e": "SU",
        "f": "SU",
    }
    assert found["a"].remote.error == "no input"
    assert "no run folder of jfcelery" in (found["b"].remote.error or "")
    assert found["c"].remote.waiting == "the queue is closed"
    assert found["d"].remote.step_attempts == 1
    assert found["e"].remote.error is None
    assert not any(doc.lock_id for doc in found.values())


def _foreign(bench: Bench, name: str) -> None:
    """Put a folder of somebody else where a job's belongs."""
    from pathlib import Path

    work_dir = bench.project.get_worker("here").work_dir
    Path(RunFolder.of(work_dir, name, 1).path).mkdir(parents=True)


def _answers(monkeypatch: pytest.MonkeyPatch, **errors: Exception) -> None:
    """Have the submissions of some jobs fail."""
    submit_all = WorkerQueue.submit_all

    def scripted(self: WorkerQueue, jobs: Any, **options: Any) -> list[Any]:
        answers: list[Any] = list(submit_all(self, jobs, **options))
        named = [job.name.split("-")[1] for job in jobs]
        return [errors.get(name, answer) for name, answer in zip(named, answers, strict=True)]

    monkeypatch.setattr(WorkerQueue, "submit_all", scripted)


@pytest.mark.parametrize("step", ["publish_all", "run"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_link_that_breaks_costs_no_job(
    bench: Bench, host: SimulatedHost, step: Any, when: Any
) -> None:
    """The host is paused once, the jobs keep their state, and go on alone where they were."""
    flow = add(bench)
    host.fail(step, ConnectionLostError("cable"), when=when)
    checkout(bench.runtime)
    bench.drain()
    expected = JobState.CHECKED_OUT if step == "publish_all" else JobState.UPLOADED
    assert states(bench) == {expected}
    status = bench.runtime.host_records.get(bench.project.get_worker("here").host_key)
    assert (status.open, status.failures) == (True, 1)
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")
    assert sorted(bench.starts()) == [f"{name}_1 1" for name in NAMES]
    assert all(doc.attempt == 1 for doc in bench.runtime.jobs.find({}))


def test_what_belongs_to_the_bundle_alone_is_tried_alone(bench: Bench, host: SimulatedHost) -> None:
    """A damaged stream is no job's fault: each is sent on its own, at once."""
    flow = add(bench)
    host.fail("publish_all", TransferError("damaged"))
    checkout(bench.runtime)
    bench.deliver(bench.messages.pop())
    alone = [one for one in bench.messages if one.names[0] == "jfcelery.upload"]
    assert {one.args[0] for one in alone} == set(NAMES)
    assert all(doc.remote.step_attempts == 0 for doc in bench.runtime.jobs.find({}))
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")


class _DeathError(BaseException):
    """The process dies here."""


def _dies(patch: pytest.MonkeyPatch, place: str, after: int) -> None:
    """Let the process die when something is called for the n-th time."""
    names = place.split(".")
    owner: Any = bundles if len(names) == 1 else SimulatedHost
    real: Callable[..., Any] = getattr(owner, names[-1])
    calls: list[None] = []

    def dying(*args: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) > after:
            raise _DeathError
        return real(*args, **options)

    patch.setattr(owner, names[-1], dying)


@pytest.mark.parametrize(
    "place, after",
    [
        ("load_payloads", 0),
        ("publication", 2),
        ("host.publish_all", 0),
        ("take_all", 0),
        ("commit_all", 0),
        ("host.run", 0),
        ("commit_all", 1),
        ("send_checkout", 0),
    ],
)
def test_a_bundle_that_dies_costs_nothing(bench: Bench, place: str, after: int) -> None:
    """Wherever it dies, the jobs' leases end, and the single steps find what it left behind."""
    flow = add(bench)
    checkout(bench.runtime)
    message = bench.messages.pop()
    with pytest.MonkeyPatch.context() as patch:
        _dies(patch, place, after)
        with pytest.raises(_DeathError):
            bench.deliver(message)
    bench.messages.clear()
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")
    assert sorted(bench.starts()) == [f"{name}_1 1" for name in NAMES]
    assert all(events(bench, name).count("submit") == 1 for name in NAMES)


def test_a_scheduler_that_is_down_pauses_the_host_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many jobs of the bundle it concerns; those that it took are not forgotten."""
    flow = add(bench)
    down = SchedulerDownError("no answer")
    with monkeypatch.context() as patch:
        _answers(patch, **dict.fromkeys("cdef", down))
        checkout(bench.runtime)
        bench.deliver(bench.messages.pop())
    short = {doc.uuid: doc.state.short for doc in bench.runtime.jobs.find({})}
    assert short == dict.fromkeys("ab", "SU") | dict.fromkeys("cdef", "U")
    status = bench.runtime.host_records.get(bench.project.get_worker("here").host_key)
    assert (status.open, status.failures) == (True, 1)
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")
    assert sorted(bench.starts()) == [f"{name}_1 1" for name in NAMES]


def test_a_full_disk_pauses_the_host(bench: Bench, host: SimulatedHost) -> None:
    """As in the single step."""
    add(bench)
    host.fail("publish_all", DiskFullError("far: the disk or quota is full"))
    checkout(bench.runtime)
    bench.drain()
    status = bench.runtime.host_records.get(bench.project.get_worker("here").host_key)
    assert (status.open, status.error_class) == (True, "DiskFullError")


def test_places_are_kept_to(make_bench: MakeBench, host: SimulatedHost) -> None:
    """Jobs beyond ``max_jobs`` are uploaded ahead, and wait."""
    del host
    bench = make_bench(worker={**REMOTE, "max_jobs": 3, "execution_cmd": "sleep 60 #{}"})
    add(bench)
    checkout(bench.runtime)
    bench.deliver(bench.messages.pop())
    found = [doc.state.short for doc in bench.runtime.jobs.find({}, sort=[("uuid", 1)])]
    assert found == ["SU", "SU", "SU", "U", "U", "U"]
    bench.runtime.hosts.close()
    _end_all(bench)


def _end_all(bench: Bench) -> None:
    """End the jobs that sleep."""
    from jfcelery.tasks.poll import queue_job

    worker = bench.project.get_worker("here")
    docs = list(bench.runtime.jobs.find({"state": JobState.SUBMITTED.value}))
    with bench.runtime.hosts.lease("here") as host:
        WorkerQueue(host, worker).cancel([queue_job(bench.runtime, doc) for doc in docs])


def test_what_is_too_much_goes_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large inputs do not come together in memory."""
    sizes: list[int] = []
    folders = bundles._folders

    def counted(*args: Any) -> Any:
        found = folders(*args)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(bundles, "_folders", counted)
    monkeypatch.setattr(bundles, "MOST_BYTES", 20_000)
    flow = add(bench)
    checkout(bench.runtime)
    bench.deliver(bench.messages.pop())
    assert 0 < sizes[0] < len(NAMES)
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")


def test_contents_that_are_too_much_together_are_read_one_by_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those in files are; one that is not there is its job's own trouble."""
    flow = add(bench, "abcd")
    bench.runtime.queue.payloads.delete_one({"_id": "b_1"})
    with monkeypatch.context() as patch:
        patch.setattr(
            bundles, "load_payloads", lambda queue, keys, _: load_payloads(queue, keys, 0)
        )
        checkout(bench.runtime)
        bench.deliver(bench.messages.pop())
    assert bench.states(flow) == {"a": "SU", "b": "RERR", "c": "SU", "d": "SU"}
    assert "is not in the database" in (bench.runtime.jobs.get("b").remote.error or "")


def test_jobs_that_moved_meanwhile_are_left_alone(bench: Bench) -> None:
    """Stopped, rerun, in other hands or deleted: a bundle takes only what is its turn."""
    add(bench)
    checkout(bench.runtime)
    message = bench.messages.pop()
    jobs = bench.runtime.jobs
    jobs.update(jobs.get("a"), {"epoch": 7})
    jobs.acquire(jobs.get("b"), "somebody", timedelta(hours=1))
    jobs.update(jobs.get("c"), {"retry_at": jobs.now() + timedelta(hours=1)})
    bench.runtime.queue.jobs.delete_one({"_id": jobs.get("d").id})
    bench.deliver(message)
    short = {doc.uuid: doc.state.short for doc in jobs.find({})}
    assert short == {"a": "CE", "b": "CE", "c": "CE", "e": "SU", "f": "SU"}


def test_a_bundle_of_a_host_that_is_held_back_waits(bench: Bench, host: SimulatedHost) -> None:
    """Nothing is asked of it; the sweep sends the jobs on once it is back."""
    flow = add(bench)
    checkout(bench.runtime)
    key = bench.project.get_worker("here").host_key
    bench.runtime.host_records.pause(key, "maintenance")
    bench.drain()
    assert not host.log
    bench.runtime.host_records.resume(key)
    bench.forward(60)
    sweep(bench.runtime)
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")


def test_a_worker_that_the_project_lost_is_no_bundle(bench: Bench) -> None:
    """The single step says what is wrong."""
    add(bench)
    checkout(bench.runtime)
    doc: JobDoc = bench.runtime.jobs.get("a")
    run_bundle(bench.runtime, "gone", [(doc.uuid, doc.index, doc.epoch)])
    assert bench.runtime.jobs.get("a").state is JobState.CHECKED_OUT
