"""Submissions that were interrupted, as by a database that went away: the next try adds it all."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.database.payloads import delete_payloads
from jfcelery.errors import ConflictError, DatabaseUnavailableError, InputError
from jfcelery.flows import insert, insertion, storing
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.flows.insertion import _was_interrupted, inserter, remove_insertion
from jfcelery.services.processes import ProcessIdentity
from tests.support.entries import flow_of

if TYPE_CHECKING:
    from jfcelery.database.jobs import Jobs
    from jfcelery.flows.entries import FlowEntries

HERE = Placement(worker="here")
NAMES = [f"j{n}" for n in range(10)]


def interrupt(jobs: Jobs, flow: FlowEntries, *, pieces: int) -> None:
    """Have the database go away while a flow is added, for good."""
    insert_documents, left = storing.insert_documents, iter(range(pieces))

    def fails(*args: Any) -> None:
        if next(left, None) is None:
            raise DatabaseUnavailableError("gone")
        insert_documents(*args)

    def gone(*_args: Any) -> None:
        raise DatabaseUnavailableError("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(insert, "BULK", 4)
        patch.setattr(insert, "insert_documents", fails)
        patch.setattr(insert, "undo_insertion", gone)
        with pytest.raises(DatabaseUnavailableError):
            add_flow(jobs.queue, flow, HERE)
    assert jobs.flows.get(flow.uuid).inserting
    assert jobs.queue.jobs.count_documents({}) == 4 * pieces


def give_to(jobs: Jobs, **who: Any) -> None:
    """Say that another process was inserting all flows."""
    jobs.queue.flows.update_many({}, {"$set": {"inserter": inserter() | who}})


def in_the_queue(jobs: Jobs) -> list[str]:
    """Return the jobs in the queue, all of one flow whose insertion has come to its end."""
    (flow,) = jobs.queue.flows.find({})
    assert flow["inserting"] is False
    assert "inserter" not in flow
    docs = list(jobs.find({}))
    assert {doc.flow for doc in docs} == {flow["_id"]}
    assert jobs.queue.history.count_documents({}) == len(docs)
    return sorted(doc.uuid for doc in docs)


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_the_same_process_tries_again(jobs: Jobs, pieces: int) -> None:
    """As a person in a notebook does; then it is in, and is not taken twice."""
    flow = flow_of({name: [] for name in NAMES})
    interrupt(jobs, flow, pieces=pieces)
    add_flow(jobs.queue, flow, HERE)
    assert in_the_queue(jobs) == NAMES
    with pytest.raises(InputError, match="in the queue already"):
        add_flow(jobs.queue, flow, HERE)


def test_the_same_jobs_come_in_another_flow(jobs: Jobs) -> None:
    """A list of jobs is made a flow anew at each try."""
    interrupt(jobs, flow_of({name: [] for name in NAMES}), pieces=1)
    add_flow(jobs.queue, flow_of({name: [] for name in NAMES}), HERE)
    assert in_the_queue(jobs) == NAMES


def test_the_process_has_died(jobs: Jobs) -> None:
    """Whoever was killed at it does not keep the flow out."""
    flow = flow_of({name: [] for name in NAMES})
    interrupt(jobs, flow, pieces=1)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        give_to(jobs, pid=identity.pid, started=identity.started)
        with pytest.raises(ConflictError, match=f"being added.* by process {process.pid}"):
            add_flow(jobs.queue, flow, HERE)
        assert jobs.queue.jobs.count_documents({}) == 4
        process.communicate(b"\n")
    add_flow(jobs.queue, flow, HERE)
    assert in_the_queue(jobs) == NAMES


def test_of_another_machine_nothing_is_known(jobs: Jobs) -> None:
    """The flow may be on its way: the error says whose it is, and nothing is changed."""
    flow = flow_of({name: [] for name in NAMES})
    interrupt(jobs, flow, pieces=1)
    give_to(jobs, machine="another", host="far", pid=os.getpid())
    with pytest.raises(ConflictError, match=f"by process {os.getpid()} on far"):
        add_flow(jobs.queue, flow, HERE)
    assert jobs.flows.get(flow.uuid).inserting
    assert jobs.queue.jobs.count_documents({}) == 4


def living() -> dict[str, Any]:
    """Return what a flow says that another living process of this machine inserts."""
    identity = ProcessIdentity.of(os.getppid())
    assert identity is not None
    return inserter() | {"pid": identity.pid, "started": identity.started}


def test_of_two_that_try_again_one_does(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looked at what was interrupted, and came late, removes nothing of the other's."""
    flow, was_interrupted, other = flow_of({name: [] for name in NAMES}), _was_interrupted, living()
    interrupt(jobs, flow, pieces=1)

    def late(by: Any) -> bool:
        answer = was_interrupted(by)
        jobs.queue.flows.update_one({"_id": flow.uuid}, {"$set": {"inserter": other}})
        return answer

    monkeypatch.setattr(insertion, "_was_interrupted", late)
    with pytest.raises(ConflictError, match=f"being added.* by process {other['pid']}"):
        add_flow(jobs.queue, flow, HERE)
    (found,) = jobs.queue.flows.find({})
    assert (found["inserter"], found.get("removing")) == (other, None)
    assert jobs.queue.jobs.count_documents({}) == 4


def test_who_removes_an_insertion_says_so(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweeper, say, or another try: nobody adds the flow before its last job is gone."""
    flow = flow_of({name: [] for name in NAMES})
    seen: list[dict[str, Any]] = []
    interrupt(jobs, flow, pieces=1)
    (left,) = jobs.queue.flows.find({})

    def looks(*args: Any) -> None:
        seen.extend(jobs.queue.flows.find({}))
        delete_payloads(*args)

    monkeypatch.setattr(insertion, "delete_payloads", looks)
    jobs.queue.flows.update_many({}, {"$set": {"inserter": (by := living())}})
    remove_insertion(jobs.queue, flow.uuid, left["inserter"])
    assert jobs.queue.flows.count_documents({}) == 1
    remove_insertion(jobs.queue, flow.uuid, by)
    assert [one["inserter"]["pid"] for one in seen] == [os.getpid()]
    assert jobs.queue.flows.count_documents({}) == jobs.queue.jobs.count_documents({}) == 0


def test_an_insertion_ends_its_own_alone(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was taken for interrupted and another adds the flow anew, that one ends it."""
    flow, insert_documents, other = flow_of({"a": []}), storing.insert_documents, living()

    def late(*args: Any) -> None:
        jobs.queue.flows.update_one({"_id": flow.uuid}, {"$set": {"inserter": other}})
        insert_documents(*args)

    monkeypatch.setattr(insert, "insert_documents", late)
    with pytest.raises(ConflictError, match="removed"):
        add_flow(jobs.queue, flow, HERE)
    (found,) = jobs.queue.flows.find({})
    assert (found["inserting"], found["inserter"]) == (True, other)
    assert jobs.queue.jobs.count_documents({}) == 1
