"""Deleting jobs and flows, and submitting them again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from jfcelery.controller import JobController, delete
from jfcelery.controller.outputs import remove_outputs
from jfcelery.database.history import History
from jfcelery.database.jobs import Jobs
from jfcelery.errors import InputError, RefusedError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from tests.support.commands import listen
from tests.support.entries import flow_of
from tests.support.queued import Queued

if TYPE_CHECKING:
    from jfcelery.project import Project
    from tests.support.queued import MakeFlow

_S = JobState


def test_a_flow_submitted_again_takes_over_nothing_of_the_deleted_one(
    controller: JobController,
) -> None:
    """Attempts, messages and history go on where those of the deleted job ended."""
    uuid = str(uuid4())
    flow, here = flow_of({uuid: []}), Placement(worker="here")
    add_flow(controller.queue, flow, here)
    jobs = Jobs(controller.queue)
    old = jobs.transition(
        jobs.get(uuid), "checkout", _S.CHECKED_OUT, by="test", fields={"attempt": 1, "epoch": 1}
    )
    old = jobs.transition(old, "fail", _S.REMOTE_ERROR, by="test")
    controller.delete_flow(flow.uuid)
    assert controller.count_flows() == 0
    add_flow(controller.queue, flow, here)
    new = jobs.get(uuid)
    assert (new.state, new.attempt) == (_S.READY, 1)
    assert new.epoch >= old.epoch
    changes = History(controller.queue).of(new)
    assert [change.event for change in changes] == [
        "insert",
        "checkout",
        "fail",
        "archive",
        "insert",
    ]


def test_more_than_the_limit_is_not_deleted(controller: JobController, make_flow: MakeFlow) -> None:
    """A limit protects from a filter that selects too much."""
    for _ in range(3):
        make_flow({"a": [], "b": []})
    with pytest.raises(InputError, match="6 jobs would be deleted"):
        controller.delete_jobs(max_limit=5)
    with pytest.raises(InputError, match="3 flows would be deleted"):
        controller.delete_flows(max_limit=2)
    assert controller.count_jobs() == 6
    assert len(controller.delete_jobs(name="a", max_limit=3)) == 3
    assert len(controller.delete_flows(max_limit=0)) == 3


def test_queue_jobs_can_be_left_alone(controller: JobController, make_flow: MakeFlow) -> None:
    """Without cancelling nothing is waited for."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.RUNNING)
    with pytest.raises(RefusedError, match="not confirmed"):
        controller.delete_job(db_id="1", wait=0)
    assert controller.delete_flow(flow.flow, cancel_processes=False)
    assert controller.count_jobs() == 0


def test_outputs_go_with_their_jobs_only(controller: JobController, make_flow: MakeFlow) -> None:
    """The output of another index of the same job, or of another job, stays."""
    flow = make_flow({"a": [], "b": [], "c": []})
    outputs = [(flow.uuids[name], index) for name, index in [("a", 1), ("a", 2), ("b", 1)]]
    with controller.project.get_jobstore() as store:
        store.update([{"uuid": uuid, "index": index, "output": 1} for uuid, index in outputs])

    docs = [flow.doc("a", 1), flow.doc("b"), flow.doc("c")]

    assert remove_outputs(controller.project, controller.queue, docs) == 2
    with controller.project.get_jobstore() as store:
        left = [(raw["uuid"], raw["index"]) for raw in store.query({}, ["uuid", "index"])]
    assert left == [(flow.uuids["a"], 2)]


def test_jobs_of_a_large_flow_are_read_piece_by_piece(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All go, those that came later too; of other flows none, whatever the flow's counts say."""
    monkeypatch.setattr(delete, "LARGE", 3)
    monkeypatch.setattr(delete, "PIECE", 2)
    commands = listen(monkeypatch)
    controller = JobController.from_project(project)
    Queued(controller.queue, {"before": []})
    flow = Queued(controller.queue, {name: [] for name in "abcde"})
    Queued(controller.queue, {"between": []})
    flow.make("a", {"later": []})
    controller.delete_job(db_id=flow.ids["b"])
    controller.queue.flows.update_one({"_id": flow.flow}, {"$set": {"counts.READY": 6}})
    commands.clear()
    assert controller.delete_flow(flow.flow)
    assert {doc.job.name for doc in controller.get_jobs_doc()} == {"before", "between"}
    assert controller.count_flows() == 2
    filters = [asked.filter for asked in commands.asked() if asked.collection == "jobs"]
    pieces = [f["db_id"]["$in"] for f in filters if isinstance(f.get("db_id"), dict)]
    first = int(flow.ids["a"])
    numbers = [str(number) for number in range(first, first + 7)]  # as many as the counts say
    assert pieces == [numbers[:2], numbers[2:4], numbers[4:6], numbers[6:]]
    # What is asked of the whole flow is asked when these are gone.
    assert filters.index({"flow": flow.flow}) > filters.index({"db_id": {"$in": pieces[-1]}})
