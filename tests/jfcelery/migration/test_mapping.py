"""What becomes of jobs and flows of jobflow-remote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jfcelery.database.documents import FlowDoc, JobDoc
from jfcelery.migration.mapping import ACTIVE, flow_document, is_active, job_document, plan_jobs
from jfcelery.migration.records import OldFlow, OldJob
from jfcelery.states import FlowState, JobState

_S = JobState
NOW = datetime(2026, 3, 1, tzinfo=UTC)
LOCAL = {"here": "shell", "hpc": "slurm"}


def old_job(uuid: str, state: JobState, parents: tuple[str, ...] = (), **fields: Any) -> OldJob:
    """Return a job as jobflow-remote has it; its times are naive, as MongoDB delivers them."""
    on_missing = fields.pop("on_missing", "error")
    raw = {
        "uuid": uuid,
        "index": 1,
        "db_id": uuid.removeprefix("u"),
        "worker": "here",
        "state": state.value,
        "parents": list(parents),
        "created_on": datetime(2026, 1, 1),  # noqa: DTZ001 - as it is there
        "updated_on": datetime(2026, 1, 2),  # noqa: DTZ001
        "job": {"name": uuid, "config": {"on_missing_references": on_missing}},
    }
    return OldJob.model_validate(raw | fields)


def states(*jobs: OldJob) -> list[JobState]:
    """Return what becomes of the jobs of a flow."""
    return [planned.state for planned in plan_jobs(jobs, LOCAL)]


@pytest.mark.parametrize("state", JobState)
def test_every_state_has_a_place(state: JobState) -> None:
    """Jobs at rest keep their state; those that a step or a queue has start again."""
    (planned,) = plan_jobs([old_job("u1", state)], LOCAL)
    restarted = ACTIVE | {_S.CHECKED_OUT, _S.UPLOADED, _S.WAITING}
    assert planned.state is (_S.READY if state in restarted else state)
    assert is_active(planned.old) is (state in ACTIVE)
    doc = JobDoc.from_mongo(job_document(planned, flow="f", stores=["data"]))
    assert doc.state is planned.state
    assert doc.updated_on == datetime(2026, 1, 2, tzinfo=UTC)
    assert doc.previous_state is (_S.READY if state is _S.REMOTE_ERROR else None)
    assert doc.last is not None
    assert (doc.last.source, doc.last.target) == (None, planned.state)


def test_jobs_wait_for_parents_that_are_not_done() -> None:
    """COMPLETED parents are met; FAILED ones only where a missing output is tolerated."""
    parents = [old_job("u1", _S.COMPLETED), old_job("u2", _S.RUNNING), old_job("u3", _S.FAILED)]
    waiting = old_job("u4", _S.WAITING, ("u1", "u2", "u3"))
    tolerant = old_job("u5", _S.WAITING, ("u1", "u3"), on_missing="none")
    paused = old_job("u6", _S.PAUSED, ("u2",))
    planned = plan_jobs([*parents, waiting, tolerant, paused], LOCAL)
    assert [job.unmet for job in planned] == [[], [], [], ["u2", "u3"], [], ["u2"]]
    assert [job.state for job in planned[3:]] == [_S.WAITING, _S.READY, _S.PAUSED]


def test_a_replaced_job_is_done_with_its_replacement() -> None:
    """Children wait for the newest index, which knows where it comes from."""
    first, second = old_job("u1", _S.COMPLETED), old_job("u1", _S.READY, index=2, db_id="9")
    child = old_job("u2", _S.WAITING, ("u1",))
    planned = plan_jobs([first, child, second], LOCAL)
    assert planned[1].unmet == ["u1"]
    made = job_document(planned[2], flow="f", stores=[])
    assert made["_id"] == "u1_2"
    assert made["generator"] == "u1_1"
    done = second.model_copy(update={"state": _S.COMPLETED})
    assert states(first, child, done) == [_S.COMPLETED, _S.READY, _S.COMPLETED]


def test_queue_jobs_are_cancelled_where_their_number_is_certain() -> None:
    """A scheduler's number is; that of a plain process, or of a pilot, is not."""
    fields: dict[str, Any] = {"run_dir": "/w/u1_1", "remote": {"process_id": "77"}}
    queued = old_job("u1", _S.RUNNING, worker="hpc", **fields)
    process = old_job("u2", _S.RUNNING, worker="here", **fields)
    pilot = old_job("u3", _S.BATCH_RUNNING, worker="hpc", **fields)
    over = old_job("u4", _S.COMPLETED, worker="hpc", **fields)
    failed = old_job("u5", _S.REMOTE_ERROR, worker="hpc", previous_state="SUBMITTED", **fields)
    planned = plan_jobs([queued, process, pilot, over, failed], LOCAL)
    assert [len(job.cancel) for job in planned] == [1, 0, 0, 0, 1]
    assert planned[0].cancel[0]["queue_id"] == "77"
    assert is_active(failed)
    JobDoc.from_mongo(job_document(planned[0], flow="f", stores=[]))


def test_an_ended_job_keeps_what_it_left() -> None:
    """Times, error, stored data, run folder; the text of queue.out stays in its file."""
    job = old_job(
        "u1",
        _S.FAILED,
        error="ValueError: no",
        run_dir="/w/u1_1",
        start_time=datetime(2026, 1, 1, 1),  # noqa: DTZ001
        end_time=datetime(2026, 1, 1, 2),  # noqa: DTZ001
        stored_data={"a": 1},
        remote={"process_id": "5", "queue_out": "text of the file", "queue_state": None},
    )
    (planned,) = plan_jobs([job], LOCAL)
    doc = JobDoc.from_mongo(job_document(planned, flow="f", stores=[]))
    assert doc.error == "ValueError: no"
    assert doc.end_time == datetime(2026, 1, 1, 2, tzinfo=UTC)
    assert doc.stored_data == {"a": 1}
    assert doc.remote.queue_out == "/w/u1_1/queue.out"
    assert doc.remote.process_id == "5"


@pytest.mark.parametrize(
    "jobs, state",
    [
        ([("u1", _S.COMPLETED, ()), ("u2", _S.COMPLETED, ("u1",))], FlowState.COMPLETED),
        ([("u1", _S.FAILED, ()), ("u2", _S.WAITING, ("u1",))], FlowState.FAILED),
        ([("u1", _S.FAILED, ()), ("u2", _S.COMPLETED, ("u1",))], FlowState.COMPLETED),
        ([("u1", _S.READY, ()), ("u2", _S.WAITING, ("u1",))], FlowState.READY),
        ([("u1", _S.COMPLETED, ()), ("u2", _S.READY, ("u1",))], FlowState.RUNNING),
        ([("u1", _S.COMPLETED, ()), ("u2", _S.PAUSED, ("u1",))], FlowState.PAUSED),
    ],
)
def test_a_flow_gets_the_state_of_its_jobs(
    jobs: list[tuple[str, JobState, tuple[str, ...]]], state: FlowState
) -> None:
    """It is counted anew, and is not run before all of it is in."""
    raw: dict[str, Any] = {"uuid": "f", "name": "flow", "jobs": ["u1", "u2"], "metadata": {"a": 1}}
    raw |= {"created_on": datetime(2026, 1, 1), "updated_on": datetime(2026, 1, 2)}  # noqa: DTZ001
    flow = OldFlow.model_validate(raw)
    planned = plan_jobs([old_job(*job) for job in jobs], LOCAL)
    doc = FlowDoc.from_mongo(flow_document(flow, planned, now=NOW))
    assert doc.state is state
    assert sum(doc.counts.values()) == 2
    assert doc.metadata == {"a": 1}
    assert doc.inserting
    assert doc.created_on == NOW
