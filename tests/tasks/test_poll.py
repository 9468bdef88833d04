"""A host's queue is asked once for all its jobs; only proof ends one, and none spoils the rest."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import ConnectionLostError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.project.options import HIDDEN_TIME
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.base import (
    ABSENT,
    Answer,
    EndReason,
    EndReport,
    QueueState,
)
from jfcelery.states import JobState
from jfcelery.tasks import poll
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.poll import IDLE_INTERVAL, poll_host
from tests.support.bench import Bench, quick_worker
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.support.projects import ProjectFactory
    from tests.tasks.conftest import MakeBench


def submit(bench: Bench, *names: str) -> None:
    """Bring quick jobs into the queue."""
    flow = flow_of({name: [] for name in names}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    checkout(bench.runtime)
    bench.drain()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """The runner of a project with room for some jobs."""
    return make_bench(worker={"max_jobs": 8})


def _answers(patch: pytest.MonkeyPatch, answer: Answer) -> None:
    """Let the queue give all jobs one answer, and the accounting none."""

    def ask(_queue: WorkerQueue, jobs: Sequence[QueueJob]) -> dict[str, Answer]:
        return {job.queue_id: answer for job in jobs}

    patch.setattr(WorkerQueue, "poll", ask)
    patch.setattr(WorkerQueue, "end_reports", lambda *_: {})


@pytest.mark.parametrize("queue_id", [None, "$(rm -rf /)"])
def test_a_job_without_a_queue_job_says_so_and_spoils_nothing(
    bench: Bench, queue_id: str | None
) -> None:
    """What can never be seen to end becomes REMOTE_ERROR; the others are asked for."""
    submit(bench, "a", "b")
    bench.runtime.jobs.update(bench.runtime.jobs.get("a"), {"remote.process_id": queue_id})
    for _ in range(100):
        poll_host(bench.runtime, "local")
        if bench.runtime.jobs.get("b").state is JobState.DOWNLOADED:
            break
    assert bench.runtime.jobs.get("b").state is JobState.DOWNLOADED
    doc = bench.runtime.jobs.get("a")
    assert (doc.state, doc.error_class) == (JobState.REMOTE_ERROR, "QueueJobLostError")
    assert doc.previous_state is JobState.SUBMITTED
    assert "no id" in (doc.remote.error or "")


@pytest.mark.parametrize("reason", [EndReason.LOST, EndReason.FORGOTTEN])
def test_absence_ends_a_job_only_after_some_listings_and_some_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, reason: EndReason
) -> None:
    """The final file of a job that has left the queue may be hidden for a while by NFS."""
    submit(bench, "a")
    _answers(monkeypatch, Answer(QueueState.UNKNOWN, words=ABSENT))
    if reason is EndReason.FORGOTTEN:  # that nobody knows it is no proof of its end
        queue_id = str(bench.runtime.jobs.get("a").remote.process_id)
        report = EndReport(reason, is_proof=False)
        monkeypatch.setattr(WorkerQueue, "end_reports", lambda *_: {queue_id: report})
    for _ in range(10):
        poll_host(bench.runtime, "local")
    assert bench.runtime.jobs.get("a").state is JobState.SUBMITTED
    bench.forward(HIDDEN_TIME.total_seconds() + 1)
    poll_host(bench.runtime, "local")
    doc = bench.runtime.jobs.get("a")
    assert doc.state is JobState.DOWNLOADED
    assert doc.remote.end is not None
    assert doc.remote.end.reason == reason


def test_two_jobs_of_one_id_are_asked_for_one_after_the_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler that forgot one gave its id to the other: an answer is one job's."""
    submit(bench, "a", "b")
    queue_id = bench.runtime.jobs.get("b").remote.process_id
    bench.runtime.jobs.update(bench.runtime.jobs.get("a"), {"remote.process_id": queue_id})
    asked: list[str] = []

    def ask(_queue: WorkerQueue, jobs: Sequence[QueueJob]) -> dict[str, Answer]:
        (job,) = jobs
        asked.append(job.uuid)
        return {job.queue_id: Answer(QueueState.RUNNING, words="RUNNING")}

    monkeypatch.setattr(WorkerQueue, "poll", ask)
    poll_host(bench.runtime, "local")
    assert sorted(asked[:2]) == ["a", "b"]
    assert {bench.runtime.jobs.get(uuid).state for uuid in "ab"} == {JobState.RUNNING}


def test_an_accounting_that_is_late_ends_a_job_when_it_comes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then a job that is absent has not ended; who ended it, and the words, are stored."""
    submit(bench, "a")
    _answers(monkeypatch, Answer(QueueState.UNKNOWN, words=ABSENT))
    for missing in (1, 2):
        poll_host(bench.runtime, "local")
        doc = bench.runtime.jobs.get("a")
        assert (doc.state, doc.remote.absent) == (JobState.SUBMITTED, missing)
    queue_id = str(bench.runtime.jobs.get("a").remote.process_id)
    report = EndReport(EndReason.CANCELLED, signal=15, words="CANCELLED by 1001", by="hpc")
    monkeypatch.setattr(WorkerQueue, "end_reports", lambda *_: {queue_id: report})
    poll_host(bench.runtime, "local")
    doc = bench.runtime.jobs.get("a")
    assert doc.state is JobState.DOWNLOADED
    assert doc.remote.end is not None
    assert doc.remote.end.model_dump() == {
        "reason": "CANCELLED",
        "exit_code": None,
        "signal": 15,
        "words": "CANCELLED by 1001",
        "by": "hpc",
    }
    (change,) = [one for one in bench.runtime.jobs.history.of(doc) if one.event == "end"]
    assert change.why == "CANCELLED CANCELLED by 1001"


def test_a_host_is_asked_less_often_the_longer_its_jobs_wait(
    far_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interval is a part of the youngest job's age, within the project's bounds."""
    submit(far_bench, "a")
    _answers(monkeypatch, Answer(QueueState.QUEUED))
    bounds = far_bench.project.poll
    longest = far_bench.project.runner.delay_check_run_status
    assert bounds.min_interval < _interval(far_bench, 150) < longest
    assert _interval(far_bench, 1000) == longest


def test_a_host_without_jobs_is_asked_now_and_then(far_bench: Bench) -> None:
    """Nobody waits for its answer."""
    assert _interval(far_bench, 0) == IDLE_INTERVAL.total_seconds()


def _interval(bench: Bench, later: float) -> float:
    """Ask a host after some seconds; return how long it is left alone after its answer."""
    host_key = bench.project.get_worker("here").host_key
    bench.forward(later)
    assert bench.runtime.host_records.take_turn(host_key, timedelta(days=1))
    poll_host(bench.runtime, host_key)
    record = bench.runtime.host_records.get(host_key)
    assert record.next_poll is not None
    assert record.polled_on is not None
    return (record.next_poll - record.polled_on).total_seconds()


def test_an_absence_that_was_an_error_is_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listings that have the job again begin the count, and the time, anew."""
    submit(bench, "a")
    absent = Answer(QueueState.UNKNOWN, words=ABSENT)
    for answer in (absent, Answer(QueueState.QUEUED, words="PD"), absent):
        with monkeypatch.context() as patch:
            _answers(patch, answer)
            for _ in range(2):
                poll_host(bench.runtime, "local")
        bench.forward(HIDDEN_TIME.total_seconds() + 1)
    with monkeypatch.context() as patch:
        _answers(patch, absent)
        bench.forward(-HIDDEN_TIME.total_seconds())
        poll_host(bench.runtime, "local")
    assert bench.runtime.jobs.get("a").state is JobState.SUBMITTED


def test_a_final_file_is_followed_by_one_poll(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A job that does not end in spite of its final file is not asked for without a pause."""
    submit(bench, "a")
    (tmp_path / "jfc_end.1").touch()
    bench.runtime.jobs.update(bench.runtime.jobs.get("a"), {"run_dir": str(tmp_path)})
    asked = []
    _answers(monkeypatch, Answer(QueueState.RUNNING, words="running"))
    ask = WorkerQueue.poll

    def counting(queue: WorkerQueue, jobs: Sequence[QueueJob]) -> dict[str, Answer]:
        asked.append(jobs)
        return ask(queue, jobs)

    monkeypatch.setattr(WorkerQueue, "poll", counting)
    monkeypatch.setattr(poll, "WATCH", 3.0)
    poll_host(bench.runtime, "local")
    assert len(asked) == 2


def test_a_host_whose_files_go_through_another_is_tried_there_too(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data-transfer node that is down holds the worker back until it answers."""
    there = {
        "type": "separated_transfer",
        "scheduler_type": "slurm",
        "host": "login.invalid",
        "transfer": {"host": "data.invalid"},
        "work_dir": "/nowhere",
    }
    workers = {"here": quick_worker(tmp_path), "there": there}
    runtime = Bench(make_project(workers=workers), tmp_path, monkeypatch).runtime
    key = runtime.project.get_worker("there").host_key
    monkeypatch.setattr(Hosts, "lease", lambda *_: nullcontext(LocalHost()))

    def broken(*_args: Any) -> Any:
        raise ConnectionLostError("cable")

    runtime.host_records.failed(key, ConnectionLostError("cable"))
    with monkeypatch.context() as patch:
        patch.setattr(Hosts, "transfer", broken)
        poll_host(runtime, key)
        assert runtime.host_records.get(key).failures == 2
        assert not runtime.host_records.get(key).available
    monkeypatch.setattr(Hosts, "transfer", lambda *_: nullcontext(LocalHost()))
    poll_host(runtime, key)
    assert runtime.host_records.get(key).available
    runtime.close()
