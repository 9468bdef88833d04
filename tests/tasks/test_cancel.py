"""Queue jobs are taken out of their queues for certain, and none holds up the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.controller import JobController
from jfcelery.controller.bulk import Manner
from jfcelery.controller.filters import JobFilter
from jfcelery.database.slots import Slots
from jfcelery.errors import ConnectionLostError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.states import JobState
from jfcelery.tasks import cancel
from jfcelery.tasks.cancel import cancel_all, cancel_requested
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.sweep import sweep
from jfcelery.tasks.watch import only_one
from tests.support.bench import Bench, quick_worker
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jfcelery.database.documents import JobDoc
    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.support.projects import ProjectFactory

#: Runs until it is cancelled.
LONG = {"execution_cmd": "exec sleep 600 #{}"}


class World:
    """A project with a worker here, one there, and jobs whose removal is asked for."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.runtime = bench.runtime
        self.actions = JobController.from_project(bench.project).actions

    def submit(self, *names: str, worker: str = "here") -> None:
        """Bring jobs into the queue of a worker."""
        flow = flow_of({name: [] for name in names}, payload=QUICK_JOB)
        add_flow(self.runtime.queue, flow, Placement(worker=worker))
        checkout(self.runtime)
        self.bench.drain()

    def stop(self) -> None:
        """Let a person stop all jobs; the messages of it are lost."""
        self.actions.stop(JobFilter(), Manner(wait=0))
        self.bench.messages.clear()

    def rerun(self, uuid: str) -> None:
        """Let a person run a job again."""
        self.actions.rerun(JobFilter(job_ids=((uuid, 1),)), Manner(wait=0))
        self.bench.messages.clear()

    def doc(self, uuid: str) -> JobDoc:
        """Return a job."""
        return self.runtime.jobs.get(uuid, 1)


@pytest.fixture
def world(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Jobs that run until they are cancelled, on one of two workers."""
    workers = {
        "here": quick_worker(tmp_path, max_jobs=2, **LONG),
        "there": {
            "type": "remote",
            "scheduler_type": "shell",
            "host": "there.invalid",
            "work_dir": "/nowhere",
        },
    }
    monkeypatch.setattr("jfcelery.controller.actions.messenger", lambda _project: _Silent())
    made = World(Bench(make_project(workers=workers), tmp_path, monkeypatch))
    yield made
    made.stop()
    cancel_all(made.runtime, "local")
    made.runtime.close()


class _Silent:
    """Sends nothing."""

    def checkout(self) -> None: ...

    def sweep(self) -> None: ...

    def cancel(self, host_key: str) -> None: ...


def test_a_stopped_job_is_gone_from_its_queue_and_gives_its_place_back(world: World) -> None:
    """Only then its place is free for the next."""
    world.submit("a")
    world.stop()
    assert Slots(world.runtime.queue, "here").held() == ["a_1"]
    assert cancel_all(world.runtime, "local") == 1
    assert world.doc("a").cancel == []
    assert Slots(world.runtime.queue, "here").held() == []


def test_many_jobs_are_cancelled_by_one_command(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs that end slowly, or never, are not waited for one after the other."""
    world.submit("a", "b")
    world.stop()
    asked: list[int] = []

    def stubborn(_queue: WorkerQueue, jobs: Sequence[QueueJob], **_: Any) -> dict[str, bool]:
        asked.append(len(jobs))
        return {job.queue_id: job.uuid == "a" for job in jobs}

    with monkeypatch.context() as patch:
        patch.setattr(WorkerQueue, "cancel", stubborn)
        assert cancel_all(world.runtime, "local") == 1
    assert asked == [2]
    assert world.doc("a").cancel == []
    assert len(world.doc("b").cancel) == 1


def test_a_host_is_asked_by_one_at_a_time(world: World) -> None:
    """Messages of the sweeper do not fill all threads with one stubborn queue job."""
    world.submit("a")
    world.stop()
    with only_one(world.runtime, "cancel local"):
        assert cancel_all(world.runtime, "local") == 0
    assert len(world.doc("a").cancel) == 1
    assert cancel_all(world.runtime, "local") == 1


def test_a_nonsensical_id_holds_up_nobody(world: World) -> None:
    """One damaged request costs its own job's answer."""
    world.submit("a", "b")
    world.stop()
    doc = world.doc("a")
    broken = [{**doc.cancel[0].model_dump(), "queue_id": "$(rm -rf /)"}]
    world.runtime.jobs.update(doc, {"cancel": broken})
    assert cancel_all(world.runtime, "local") == 1
    assert world.doc("b").cancel == []
    world.runtime.jobs.update(world.doc("a"), {"cancel": [doc.cancel[0].model_dump()]})


def test_a_request_to_a_worker_that_is_gone_holds_up_nobody(world: World) -> None:
    """The sweeper and the cancelling pass it over."""
    world.submit("a", "b")
    world.stop()
    doc = world.doc("a")
    both = [{**doc.cancel[0].model_dump(), "worker": "gone"}, doc.cancel[0].model_dump()]
    world.runtime.jobs.update(doc, {"cancel": both})
    sweep(world.runtime)
    assert cancel_all(world.runtime, "local") == 2
    assert [request.worker for request in world.doc("a").cancel] == ["gone"]


def test_a_job_that_left_a_worker_which_is_gone_starts_elsewhere(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can cancel its queue job there: that is said, and stands in nobody's way."""
    world.submit("a")
    world.stop()
    doc = world.doc("a")
    request = {**doc.cancel[0].model_dump(), "worker": "gone"}
    doc = world.runtime.jobs.update(doc, {"cancel": [request]})

    cancel_requested(world.runtime, doc)

    assert world.doc("a").cancel == []
    assert "nobody cancels its queue job" in caplog.text


def test_the_trouble_of_another_host_is_charged_to_that_host(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that was moved here waits for the host from which its queue job must go."""
    world.submit("a")
    world.rerun("a")
    doc = world.doc("a")
    moved = [{**doc.cancel[0].model_dump(), "worker": "there"}]
    world.runtime.jobs.update(doc, {"cancel": moved})
    lease = Hosts.lease

    def broken(hosts: Hosts, name: str) -> Any:
        if name == "there":
            raise ConnectionLostError("cable")
        return lease(hosts, name)

    monkeypatch.setattr(Hosts, "lease", broken)
    checkout(world.runtime)
    world.bench.drain()
    there = world.runtime.project.get_worker("there").host_key
    assert world.runtime.host_records.get("local").available
    assert world.runtime.host_records.get(there).reason == "cable"
    assert world.doc("a").state is JobState.CHECKED_OUT
    assert "cable" in (world.doc("a").remote.waiting or "")
    world.runtime.jobs.update(world.doc("a"), {"cancel": [doc.cancel[0].model_dump()]})


def test_a_place_is_given_back_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelling that somebody else confirmed first does not free the place of the new run."""
    world.submit("a")
    world.rerun("a")
    request = world.doc("a").cancel[0]
    ask = cancel._gone

    def overtaken(*args: Any) -> Any:
        answer = ask(*args)
        monkeypatch.setattr(cancel, "_gone", ask)
        checkout(world.runtime)
        world.bench.drain()
        return answer

    monkeypatch.setattr(cancel, "_gone", overtaken)
    cancel_all(world.runtime, "local")
    assert request.queue_id
    assert world.doc("a").state is JobState.SUBMITTED
    assert world.doc("a").attempt == 2
    assert Slots(world.runtime.queue, "here").held() == ["a_1"]


def test_a_job_that_moved_gives_back_the_place_where_it_was(world: World) -> None:
    """The place of the worker that it left is not held by its life on the new one."""
    world.submit("a")
    slots = Slots(world.runtime.queue, "there")
    slots.acquire(["a_1"], 1)
    monkey = world.runtime.project.workers["there"]
    assert monkey.max_jobs is None
    world.runtime.project.workers["there"] = monkey.model_copy(update={"max_jobs": 1})
    sweep(world.runtime)
    assert slots.held() == []
    assert Slots(world.runtime.queue, "here").held() == ["a_1"]
