"""The state of a flow follows from its jobs'."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pymongo.collection import Collection

from jfcelery.database import flows, pieces
from jfcelery.database.flows import flow_state
from jfcelery.database.ids import reserve_ids
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import FlowState, JobState
from tests.support.entries import flow_of

if TYPE_CHECKING:
    from jfcelery.database.jobs import Jobs

_S = JobState


@pytest.mark.parametrize(
    "present, expected",
    [
        ([], FlowState.WAITING),
        ([_S.WAITING], FlowState.WAITING),
        ([_S.WAITING, _S.READY], FlowState.READY),
        ([_S.COMPLETED], FlowState.COMPLETED),
        ([_S.COMPLETED, _S.READY], FlowState.RUNNING),
        ([_S.COMPLETED, _S.FAILED, _S.RUNNING], FlowState.FAILED),
        ([_S.STOPPED, _S.COMPLETED], FlowState.STOPPED),
        ([_S.USER_STOPPED, _S.PAUSED], FlowState.STOPPED),
        ([_S.PAUSED, _S.WAITING], FlowState.PAUSED),
        ([_S.REMOTE_ERROR, _S.COMPLETED], FlowState.RUNNING),
        ([_S.SUBMITTED], FlowState.RUNNING),
    ],
)
def test_the_first_rule_that_holds_decides(present: list[JobState], expected: FlowState) -> None:
    """Each row of the rules gives its state."""
    assert flow_state(dict.fromkeys(present, 1)) == expected


def test_completed_leaves_complete_a_flow_with_a_failed_job() -> None:
    """A child that tolerates a failed parent can complete the flow."""
    counts = {_S.FAILED: 1, _S.COMPLETED: 1}
    assert flow_state(counts, leaves_completed=True) == FlowState.COMPLETED


def _finish(jobs: Jobs, uuid: str, end: JobState) -> None:
    doc = jobs.get(uuid)
    steps = [
        ("checkout", _S.CHECKED_OUT),
        ("upload", _S.UPLOADED),
        ("submit", _S.SUBMITTED),
        ("end", _S.DOWNLOADED),
        ("finalize", end),
    ]
    for event, target in steps:
        doc = jobs.transition(doc, event, target, by="test")


def test_a_flow_goes_from_ready_over_running_to_completed(jobs: Jobs) -> None:
    """Counts and state follow every change of the jobs."""
    flow = flow_of({"a": [], "b": []})
    add_flow(jobs.queue, flow, Placement(worker="here"))
    assert jobs.flows.get(flow.uuid).state == FlowState.READY
    _finish(jobs, "a", _S.COMPLETED)
    assert jobs.flows.get(flow.uuid).state == FlowState.RUNNING
    _finish(jobs, "b", _S.COMPLETED)
    assert jobs.flows.get(flow.uuid).state == FlowState.COMPLETED


def test_leaves_decide_when_all_has_ended(jobs: Jobs) -> None:
    """A failed job with a completed child leaves the flow COMPLETED; one without, FAILED."""
    flow = flow_of({"a": [], "b": ["a"]}, on_missing="none")
    add_flow(jobs.queue, flow, Placement(worker="here"))
    _finish(jobs, "a", _S.FAILED)
    assert jobs.flows.get(flow.uuid).state == FlowState.FAILED
    jobs.transition(jobs.get("b"), "release", _S.READY, by="test", fields={"unmet": []})
    _finish(jobs, "b", _S.COMPLETED)
    assert jobs.flows.get(flow.uuid).state == FlowState.COMPLETED


def test_wrong_counts_are_put_right(jobs: Jobs) -> None:
    """Counts that drifted, as a death between two writes leaves them, are counted anew."""
    flow = flow_of({"a": [], "b": []})
    add_flow(jobs.queue, flow, Placement(worker="here"))
    jobs.queue.flows.update_one({"_id": flow.uuid}, {"$inc": {"counts.RUNNING": 4}})
    jobs.flows.refresh(flow.uuid, exact=True)
    assert jobs.flows.get(flow.uuid).counts == {_S.READY: 2}
    assert jobs.flows.get(flow.uuid).state == FlowState.READY


def test_jobs_of_a_large_flow_are_counted_in_pieces(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found is the same, whether there are others or none, and if the hint is wrong."""
    flow, other = flow_of({name: [] for name in "abcd"}), flow_of({"e": []})
    for one in (flow, other):
        add_flow(jobs.queue, one, Placement(worker="here"))
    for name in "abc":
        _finish(jobs, name, _S.COMPLETED)
    monkeypatch.setattr(flows, "AT_ONCE", 2)
    monkeypatch.setattr(pieces, "AT_ONCE", 2)
    monkeypatch.setattr(pieces, "SLICE", 1)
    monkeypatch.delattr(Collection, "aggregate")
    jobs.queue.flows.update_one({"_id": flow.uuid}, {"$inc": {"counts.COMPLETED": 4}})
    jobs.flows.refresh(flow.uuid, exact=True)
    assert jobs.flows.get(flow.uuid).counts == {_S.COMPLETED: 3, _S.READY: 1}
    both = {flow.uuid: {_S.COMPLETED: 3, _S.READY: 1}, other.uuid: {_S.READY: 1}}
    assert jobs.flows.count([flow.uuid, other.uuid]) == both
    _finish(jobs, "d", _S.COMPLETED)
    assert jobs.flows.get(flow.uuid).counts == {_S.COMPLETED: 4}
    assert jobs.flows.get(flow.uuid).state == FlowState.COMPLETED
    jobs.queue.jobs.delete_many({"flow": flow.uuid})
    jobs.flows.refresh(flow.uuid, exact=True)
    assert jobs.flows.get(flow.uuid).counts == {}


def test_jobs_move_though_their_flow_is_gone(jobs: Jobs) -> None:
    """A job without a flow, which a broken deletion left, stops nobody who moves it."""
    flow = flow_of({"a": [], "b": []})
    add_flow(jobs.queue, flow, Placement(worker="here"))
    jobs.queue.flows.delete_one({"_id": flow.uuid})
    jobs.transition(jobs.get("a"), "checkout", _S.CHECKED_OUT, by="test")
    jobs.transition_many([jobs.get("b")], "pause", _S.PAUSED, by="test")
    jobs.flows.added(flow.uuid, {_S.WAITING: 1})
    assert {doc.uuid: doc.state for doc in jobs.find({"flow": flow.uuid})} == {
        "a": _S.CHECKED_OUT,
        "b": _S.PAUSED,
    }


def test_jobs_that_were_deleted_cost_no_pieces(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many are read as there are jobs, not as there ever were."""
    monkeypatch.setattr(pieces, "AT_ONCE", 2)
    monkeypatch.setattr(pieces, "SLICE", 1)
    reserve_ids(jobs.queue, 100_000)
    for name in ("abc", "def"):
        add_flow(jobs.queue, flow_of({one: [] for one in name}), Placement(worker="here"))
    read = list(pieces.every_job(jobs.queue, ("uuid",)))
    assert len(read) == 16
    assert sorted(row["uuid"] for piece in read for row in piece) == list("abcdef")
