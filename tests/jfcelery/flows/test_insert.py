"""Adding a flow: all of it or nothing; adding dynamic jobs twice is adding them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from jfcelery.controller.archive import archive
from jfcelery.database import payloads
from jfcelery.database.packed import Packed
from jfcelery.database.payloads import load_payload
from jfcelery.errors import ConflictError, DatabaseUnavailableError, InputError
from jfcelery.flows import insert, insertion, storing
from jfcelery.flows.insert import Placement, add_dynamic, add_flow
from jfcelery.states import FlowState, JobState
from tests.support.entries import entry, flow_of

if TYPE_CHECKING:
    from jfcelery.database.jobs import Jobs

HERE = Placement(worker="here", priority=2, resources={"nodes": 1})


def test_a_flow_is_added_with_its_edges(jobs: Jobs) -> None:
    """Jobs without parents are READY, others WAIT for exactly their parents."""
    flow = flow_of({"a": [], "b": ["a"], "c": ["a", "b"]})
    ids = add_flow(jobs.queue, flow, HERE, id_prefix="x")
    assert ids == ["x1", "x2", "x3"]
    docs = {doc.uuid: doc for doc in jobs.find({"flow": flow.uuid})}
    assert {uuid: doc.state.short for uuid, doc in docs.items()} == {"a": "R", "b": "W", "c": "W"}
    assert docs["c"].unmet == docs["c"].parents == ["a", "b"]
    assert (docs["a"].priority, docs["a"].resources) == (2, {"nodes": 1})
    assert load_payload(jobs.queue, docs["b"].id) == {"uuid": "b"}
    stored = jobs.flows.get(flow.uuid)
    assert stored.state == FlowState.READY
    assert not stored.inserting
    assert stored.counts == {JobState.READY: 1, JobState.WAITING: 2}


def test_what_a_job_asks_for_itself_goes_first(jobs: Jobs) -> None:
    """Worker, priority and resources of an entry override those of the submission."""
    add_flow(jobs.queue, flow_of({"a": []}, worker="there", priority=0, resources={}), HERE)
    doc = jobs.get("a")
    assert (doc.worker, doc.priority, doc.resources) == ("there", 0, {})


def test_a_failed_insertion_leaves_nothing(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database fails half-way, all that was written is removed again."""
    monkeypatch.setattr(insert, "BULK", 4)
    calls = []

    def fails_late(*args: object) -> dict[str, object]:
        calls.append(args)
        if len(calls) > 6:
            raise OSError("disk")
        return payloads.payload_document(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(insert, "payload_document", fails_late)
    flow = flow_of({f"j{n}": [] for n in range(10)})
    with pytest.raises(OSError, match="disk"):
        add_flow(jobs.queue, flow, HERE)
    assert jobs.queue.jobs.count_documents({}) == 0
    assert jobs.queue.payloads.count_documents({}) == 0
    assert jobs.queue.flows.count_documents({}) == 0


def test_parents_of_other_flows_are_waited_for_unless_they_ended(jobs: Jobs) -> None:
    """A job waits for a job of another flow that runs, not for one that nobody knows."""
    add_flow(jobs.queue, flow_of({"other": []}), HERE)
    add_flow(jobs.queue, flow_of({"a": ["other", "unknown"]}), HERE)
    assert jobs.get("a").unmet == ["other"]
    assert jobs.get("a").state == JobState.WAITING


def test_dynamic_jobs_are_added_once_and_wait_for_the_commit(jobs: Jobs) -> None:
    """A repeated finalize adds nothing, and no new job starts before the generator's end."""
    flow = flow_of({"a": []})
    add_flow(jobs.queue, flow, HERE)
    new = [entry("n1"), entry("n2", ["n1"])]

    def add() -> int:
        return add_dynamic(
            jobs.queue, new, HERE, flow=flow.uuid, generator="a_1", extra_parents=["a"]
        )

    assert (add(), add()) == (2, 0)
    first, second = jobs.get("n1"), jobs.get("n2")
    assert (first.state, second.state) == (JobState.WAITING, JobState.WAITING)
    assert first.unmet == ["@a_1", "a"]
    assert second.unmet == ["@a_1", "n1"]
    assert first.flow == flow.uuid
    assert [first.db_id, second.db_id] == ["2", "3"]


def test_an_addition_that_died_half_way_is_completed(jobs: Jobs) -> None:
    """Jobs that an interrupted finalize had added keep their ids; the rest is added."""
    flow = flow_of({"a": []})
    add_flow(jobs.queue, flow, HERE)
    fields: dict[str, Any] = {"flow": flow.uuid, "generator": "a_1"}
    add_dynamic(jobs.queue, [entry("n1")], HERE, **fields)
    kept = jobs.get("n1").db_id
    add_dynamic(jobs.queue, [entry("n1"), entry("n2")], HERE, **fields)
    assert jobs.get("n1").db_id == kept
    assert jobs.get("n2").db_id != kept


def test_what_is_in_the_queue_cannot_be_submitted_again(jobs: Jobs) -> None:
    """Neither the same flow nor its job in another one; the error says under which id it is."""
    flow = flow_of({"a": []})
    (known,) = add_flow(jobs.queue, flow, HERE)
    for again in (flow, flow_of({"b": [], "a": []})):
        with pytest.raises(InputError, match=f"in the queue already.*{known}"):
            add_flow(jobs.queue, again, HERE)
    assert [doc.flow for doc in jobs.find({})] == [flow.uuid]
    assert [raw["_id"] for raw in jobs.queue.flows.find({})] == [flow.uuid]
    assert not jobs.flows.get(flow.uuid).inserting


def test_an_insertion_that_was_taken_for_dead_leaves_nothing(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the sweeper removed a flow that was still being added, no part of it runs."""
    flow = flow_of({"a": [], "b": []})
    insert_all = storing.insert_documents

    def slow(*args: Any) -> None:
        (found,) = jobs.queue.flows.find({})
        insertion.remove_insertion(jobs.queue, flow.uuid, found["inserter"])
        insert_all(*args)

    monkeypatch.setattr(insert, "insert_documents", slow)
    with pytest.raises(ConflictError, match="removed"):
        add_flow(jobs.queue, flow, HERE)
    assert jobs.queue.jobs.count_documents({}) == 0
    assert jobs.queue.history.count_documents({}) == 0


def test_an_insertion_whose_end_was_not_acknowledged_stays_whole(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its jobs may run already: the error of the connection takes none of them away."""
    flow, update_one = flow_of({"a": [], "b": []}), Collection.update_one

    def unanswered(collection: Any, query: Any, change: Any, **options: Any) -> Any:
        result = update_one(collection, query, change, **options)
        if change.get("$set") == {"inserting": False, "version": 2}:
            raise AutoReconnect
        return result

    monkeypatch.setattr(Collection, "update_one", unanswered)
    with pytest.raises(DatabaseUnavailableError):
        add_flow(jobs.queue, flow, HERE)
    assert not jobs.flows.get(flow.uuid).inserting
    assert jobs.queue.jobs.count_documents({}) == 2
    assert load_payload(jobs.queue, jobs.get("a").id) == {"uuid": "a"}


def test_a_job_that_is_made_again_has_the_history_of_both(jobs: Jobs) -> None:
    """A generator that runs again makes the same job anew: the first one's changes stay."""
    flow = flow_of({"a": []})
    add_flow(jobs.queue, flow, HERE)
    new = [entry("a", index=2)]
    for _ in range(2):
        for _ in range(2):
            add_dynamic(jobs.queue, new, HERE, flow=flow.uuid, generator="a_1")
        made = jobs.get("a", 2)
        made = jobs.transition(made, "release", JobState.READY, by="test")
        archive(jobs, [made], why="made anew")
    add_dynamic(jobs.queue, new, HERE, flow=flow.uuid, generator="a_1")
    doc = jobs.transition(jobs.get("a", 2), "release", JobState.READY, by="test")
    events = [change.event for change in jobs.history.of(doc)]
    assert events == ["insert", "release", "archive"] * 2 + ["insert", "release"]


def test_what_an_archived_job_left_is_not_taken_for_the_new_one(jobs: Jobs) -> None:
    """A death between the removal of a job and that of its content harms no later job."""
    flow = flow_of({"a": []})
    add_flow(jobs.queue, flow, HERE)
    old = payloads.payload_document(jobs.queue, "a_2", Packed.of({"uuid": "old"}))
    jobs.queue.payloads.insert_one(old)
    add_dynamic(jobs.queue, [entry("a", index=2)], HERE, flow=flow.uuid, generator="a_1")
    assert load_payload(jobs.queue, "a_2") == {"uuid": "a"}


def test_a_large_flow_is_added_in_few_round_trips(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its jobs, their contents and their histories go in by the hundred."""
    calls: list[str] = []
    for name in ("bulk_write", "find", "find_one", "insert_many", "insert_one", "update_one"):
        method = getattr(Collection, name)

        def counted(*args: Any, _name: str = name, _method: Any = method, **kwargs: Any) -> Any:
            calls.append(_name)
            return _method(*args, **kwargs)

        monkeypatch.setattr(Collection, name, counted)
    add_flow(jobs.queue, flow_of({f"j{i}": [] for i in range(2000)}), HERE)
    assert "insert_many" in calls
    assert len(calls) < 40
    monkeypatch.undo()
    assert len(list(jobs.find({}))) == 2000
