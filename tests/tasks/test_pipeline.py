"""Jobs move through the pipeline by messages, and exactly once whatever becomes of these."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from jobflow.core.job import Job
from qtoolkit.core.data_objects import QResources

from jfcelery.errors import (
    BackPressureError,
    HostError,
    RunFolderError,
    TransferError,
)
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.pipeline import PIPELINE, tail
from jfcelery.tasks.poll import poll_host
from jfcelery.tasks.sweep import sweep
from jfcelery.tasks.upload import upload
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.support.bench import Bench
    from tests.tasks.conftest import MakeBench

HERE = Placement(worker="here")
#: What puts the run folders of a local worker in place.
PUBLISH = "jfcelery.scheduler_io.hosts.this_machine.ThisMachine.publish"


def add(bench: Bench, edges: Mapping[str, Sequence[str]]) -> str:
    """Add a flow of quick jobs, and return its uuid."""
    flow = flow_of(edges, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, HERE)
    return flow.uuid


def test_the_pipeline_is_five_steps_and_its_tail_follows_from_the_state() -> None:
    """A job that is DOWNLOADED has finalize before it, one in the queue all from there."""
    names = [step.name for step in PIPELINE]
    assert names == ["upload", "submit", "check_run_status", "download", "finalize"]
    assert [s.name for s in tail(JobState.DOWNLOADED)] == ["finalize"]
    assert [s.name for s in tail(JobState.RUNNING)] == names[2:]
    assert [s.name for s in tail(JobState.UPLOADED)] == names[1:]


def test_a_chain_of_jobs_completes(bench: Bench) -> None:
    """Each finished parent's child is sent by the parent's own finalize."""
    flow = add(bench, {"a": [], "b": ["a"], "c": ["b"]})
    assert bench.run_until_rest(flow) == {"a": "C", "b": "C", "c": "C"}
    assert bench.starts() == ["a_1 1", "b_1 1", "c_1 1"]
    (document,) = bench.runtime.jobstore(None).query({"uuid": "c"})
    assert document["output"] == 1


def test_a_message_five_times_is_a_message_once(bench: Bench) -> None:
    """Every message of every step delivered five times changes nothing."""
    flow = add(bench, {"a": [], "b": ["a"]})
    checkout(bench.runtime)
    for _ in range(200):
        for message in [bench.messages.pop(0) for _ in range(len(bench.messages))]:
            for _ in range(5):
                bench.deliver(message)
        if set(bench.states(flow).values()) == {"C"}:
            break
        bench.forward(5)
        poll_host(bench.runtime, "local")
    assert bench.starts() == ["a_1 1", "b_1 1"]
    events = [c.event for c in bench.runtime.jobs.history.of(bench.runtime.jobs.get("b"))]
    expected = ["insert", "release", "checkout", "upload", "submit", "end", "finalize"]
    assert [event for event in events if event != "run"] == expected  # seen running, or not


def test_lost_messages_cost_time_only(bench: Bench) -> None:
    """The sweep sends again what was lost, with the same epoch, after a grace."""
    add(bench, {"a": []})
    checkout(bench.runtime)
    epoch = bench.runtime.jobs.get("a").epoch
    bench.messages.clear()
    sweep(bench.runtime)
    assert bench.messages == []
    bench.forward(15)
    sweep(bench.runtime)
    (message,) = bench.messages
    assert message.args == ("a", 1, epoch)
    bench.messages.clear()
    bench.forward(15)
    sweep(bench.runtime)
    assert bench.messages == []  # the grace has doubled
    bench.forward(15)
    sweep(bench.runtime)
    assert len(bench.messages) == 1


def test_an_old_epoch_is_ignored(bench: Bench) -> None:
    """A message from before a rerun or stop does nothing."""
    add(bench, {"a": []})
    checkout(bench.runtime)
    doc = bench.runtime.jobs.get("a")
    bench.runtime.jobs.update(doc, {"epoch": doc.epoch + 1})
    bench.drain()
    assert bench.runtime.jobs.get("a").state == JobState.CHECKED_OUT


def test_a_live_lease_keeps_a_second_step_out(bench: Bench) -> None:
    """While somebody works on a job, a doubled message ends at once."""
    add(bench, {"a": []})
    checkout(bench.runtime)
    jobs = bench.runtime.jobs
    doc = jobs.acquire(jobs.get("a"), "somebody", timedelta(seconds=60))
    assert not upload.run(bench.runtime, "a", 1, doc.epoch)
    assert jobs.get("a").lock_id == "somebody"
    bench.forward(61)
    assert upload.run(bench.runtime, "a", 1, doc.epoch)
    assert jobs.get("a").state == JobState.UPLOADED
    assert jobs.get("a").lock_id is None


def test_a_fenced_off_step_commits_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever lost its lease while it worked does not overwrite what came after."""
    add(bench, {"a": []})
    checkout(bench.runtime)
    jobs = bench.runtime.jobs
    epoch = jobs.get("a").epoch

    def stopped_meanwhile(*_args: object, **_options: object) -> None:
        doc = jobs.get("a")
        fields = {"epoch": doc.epoch + 1, "lock_id": None, "lock_until": None}
        jobs.transition(doc, "stop", JobState.USER_STOPPED, by="user", fields=fields)

    monkeypatch.setattr(PUBLISH, stopped_meanwhile)
    assert not upload.run(bench.runtime, "a", 1, epoch)
    assert jobs.get("a").state == JobState.USER_STOPPED


def _failing(bench: Bench, error: Exception, patch: pytest.MonkeyPatch) -> None:
    """Let upload fail with an error."""
    del bench

    def fail(*_args: object, **_options: object) -> None:
        raise error

    patch.setattr(PUBLISH, fail)


#: Every trouble that a host may have.
TROUBLES = sorted(HostError.__subclasses__(), key=lambda error: error.__name__)


@pytest.mark.parametrize("error", TROUBLES)
def test_a_trouble_of_the_host_pauses_the_host_not_the_job(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: type[HostError]
) -> None:
    """The job keeps state and attempts; all goes on when the host answers."""
    flow = add(bench, {"a": []})
    with monkeypatch.context() as patch:
        _failing(bench, error("cable"), patch)
        checkout(bench.runtime)
        bench.drain()
        doc = bench.runtime.jobs.get("a")
        assert (doc.state, doc.remote.step_attempts) == (JobState.CHECKED_OUT, 0)
        assert doc.lock_id is None
        assert bench.runtime.host_records.get("local").reason == "cable"
        assert checkout(bench.runtime) == 0
    assert bench.run_until_rest(flow) == {"a": "C"}
    assert bench.runtime.host_records.get("local").failures == 0
    assert bench.starts() == ["a_1 1"]


@pytest.mark.parametrize("error", TROUBLES)
def test_a_trouble_of_the_host_met_by_a_poll_ends_no_job(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: type[HostError]
) -> None:
    """The job stays in the queue as it was; its end is seen when the host answers."""
    flow = add(bench, {"a": []})
    checkout(bench.runtime)
    bench.drain()
    with monkeypatch.context() as patch:

        def fail(*_args: object) -> None:
            raise error("cable")

        patch.setattr("jfcelery.scheduler_io.queue.WorkerQueue.poll", fail)
        poll_host(bench.runtime, "local")
        assert bench.states(flow) == {"a": "SU"}
        status = bench.runtime.host_records.get("local")
        assert (status.available, status.reason) == (False, "cable")
    assert bench.run_until_rest(flow) == {"a": "C"}
    assert bench.runtime.host_records.get("local").available
    assert bench.starts() == ["a_1 1"]


def test_passing_troubles_are_tried_again_and_end_in_an_error(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After max_step_attempts the job is REMOTE_ERROR, with class and message kept."""
    bench = make_bench(runner={"max_step_attempts": 3, "delta_retry": [40, 80]})
    flow = add(bench, {"a": []})
    _failing(bench, TransferError("half a file"), monkeypatch)
    checkout(bench.runtime)
    bench.drain()
    doc = bench.runtime.jobs.get("a")
    assert doc.remote.step_attempts == 1
    assert doc.remote.error == "half a file"
    assert doc.retry_at is not None
    sweep(bench.runtime)
    assert bench.messages == []
    assert bench.run_until_rest(flow) == {"a": "RERR"}
    doc = bench.runtime.jobs.get("a")
    assert (doc.error_class, doc.remote.error) == ("TransferError", "half a file")
    assert doc.remote.step_attempts == 3
    assert doc.previous_state == JobState.CHECKED_OUT


@pytest.mark.parametrize("error", [RunFolderError("no right"), ValueError("a defect of ours")])
def test_what_cannot_pass_is_an_error_at_once_or_soon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A permanent error is not tried again; an unforeseen one keeps its trace."""
    flow = add(bench, {"a": []})
    _failing(bench, error, monkeypatch)
    assert bench.run_until_rest(flow, rounds=100) == {"a": "RERR"}
    doc = bench.runtime.jobs.get("a")
    assert doc.error_class == type(error).__name__
    assert str(error) in (doc.remote.error or "")
    assert ("Traceback" in (doc.remote.error or "")) == isinstance(error, ValueError)


def test_a_limit_makes_the_job_wait_without_an_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site's refusal is shown as waiting; the job goes on when it is lifted."""
    flow = add(bench, {"a": []})
    with monkeypatch.context() as patch:

        def full(*_args: object, **_options: object) -> str:
            raise BackPressureError("QOSMaxSubmitJobPerUserLimit")

        patch.setattr("jfcelery.scheduler_io.queue.WorkerQueue.submit", full)
        for _ in range(5):
            bench.drain()
            bench.beat()
        doc = bench.runtime.jobs.get("a")
        assert doc.state == JobState.UPLOADED
        assert doc.remote.waiting == "QOSMaxSubmitJobPerUserLimit"
        assert doc.remote.error is None
    assert bench.run_until_rest(flow) == {"a": "C"}
    assert bench.runtime.jobs.get("a").remote.waiting is None


def test_a_raising_job_is_failed_with_its_error(bench: Bench) -> None:
    """FAILED keeps class and message; children that need the output stay WAITING."""
    flow = add(bench, {"a": [], "b": ["a"]})
    (bench.folder / "fail").write_text("a_1\n")
    assert bench.run_until_rest(flow) == {"a": "F", "b": "W"}
    doc = bench.runtime.jobs.get("a")
    assert doc.error_class == "ValueError"
    assert "on purpose" in (doc.error or "")


def test_a_job_that_leaves_nothing_says_why(make_bench: MakeBench) -> None:
    """REMOTE_ERROR names the exit code and the last lines of stderr."""
    bench = make_bench(worker={"execution_cmd": "echo 'libmpi.so missing' >&2; exit 7 #{}"})
    flow = add(bench, {"a": []})
    assert bench.run_until_rest(flow) == {"a": "RERR"}
    doc = bench.runtime.jobs.get("a")
    assert doc.error_class == "OutputMissingError"
    assert "libmpi.so missing" in (doc.remote.error or "")
    assert "7" in (doc.remote.error or "")
    assert doc.remote.end is not None
    assert doc.remote.end.exit_code == 7


def test_jobs_of_a_flow_that_is_being_added_are_passed_over(bench: Bench) -> None:
    """Until a submission is complete none of its jobs is taken; others are."""
    partial, whole = add(bench, {"a": []}), add(bench, {"b": []})
    bench.runtime.queue.flows.update_one({"_id": partial}, {"$set": {"inserting": True}})
    assert checkout(bench.runtime) == 1
    assert bench.states(whole) == {"b": "CE"}
    assert bench.states(partial) == {"a": "R"}


def test_an_interrupted_submission_is_removed(bench: Bench) -> None:
    """After an hour the sweep removes what a dead submission left."""
    partial = add(bench, {"a": []})
    bench.runtime.queue.flows.update_one({"_id": partial}, {"$set": {"inserting": True}})
    sweep(bench.runtime)
    assert bench.states(partial) == {"a": "R"}
    bench.forward(3700)
    sweep(bench.runtime)
    assert bench.states(partial) == {}
    assert bench.runtime.queue.flows.count_documents({}) == 0
    assert bench.runtime.queue.payloads.count_documents({}) == 0


def test_a_qresources_reaches_the_script(make_bench: MakeBench, tmp_path: Path) -> None:
    """The queue keeps it serialised; the scheduler gets what qtoolkit makes of it."""
    bench = make_bench(worker={"scheduler_type": "slurm"})
    job = Job(math.sqrt, function_args=(9.0,))
    asked = QResources(nodes=2, processes_per_node=4, time_limit=3600)
    submit_flow(job, project=bench.project, resources=asked)

    checkout(bench.runtime)
    bench.deliver(next(message for message in bench.messages if "jfcelery.upload" in message.names))

    assert bench.runtime.jobs.get(job.uuid).state == JobState.UPLOADED
    (script,) = (tmp_path / "work").rglob("submit.sh")
    lines = set(script.read_text().splitlines())
    assert {"#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=4"} <= lines
