"""Job documents change by compare-and-set, and every change of state is noted."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import bson
import pytest

from jfcelery.database.failures import errors_of, with_whole_errors
from jfcelery.database.history import History
from jfcelery.errors import ConflictError, JobNotFoundError, TransitionError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import FlowState, JobState
from tests.support.entries import flow_of
from tests.support.queued import WAY

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs

HERE = Placement(worker="here")
TERM = timedelta(seconds=30)


@pytest.fixture
def doc(jobs: Jobs) -> JobDoc:
    """One READY job."""
    add_flow(jobs.queue, flow_of({"a": []}), HERE)
    return jobs.get("a")


def test_a_transition_changes_state_history_and_flow(jobs: Jobs, doc: JobDoc) -> None:
    """One call moves the job, counts it in its flow and appends to the history."""
    changed = jobs.transition(doc, "checkout", JobState.CHECKED_OUT, by="me", why="because")
    assert jobs.get("a", 1) == changed
    assert (changed.state, changed.previous_state) == (JobState.CHECKED_OUT, JobState.READY)
    flow = jobs.flows.get(doc.flow)
    assert flow.state == FlowState.RUNNING
    assert {s: n for s, n in flow.counts.items() if n} == {JobState.CHECKED_OUT: 1}
    last = jobs.history.of(changed)[-1]
    assert (last.event, last.by, last.why) == ("checkout", "me", "because")
    assert (last.source, last.target) == (JobState.READY, JobState.CHECKED_OUT)


def test_history_never_goes_back_in_time(
    jobs: Jobs, doc: JobDoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process finds out by itself what the time of the database is, and errs by its link."""
    first = jobs.transition(doc, "checkout", JobState.CHECKED_OUT, by="one")
    earlier = jobs.now() - timedelta(seconds=5)
    monkeypatch.setattr(jobs, "now", lambda: earlier)
    (second,) = jobs.transition_many([first], "upload", JobState.UPLOADED, by="another")
    times = [change.at for change in jobs.history.of(second)]
    assert times == sorted(times)
    assert second.updated_on >= first.updated_on


def test_a_stale_document_cannot_be_written(jobs: Jobs, doc: JobDoc) -> None:
    """Whoever read before somebody else wrote gets a conflict and changes nothing."""
    jobs.update(doc, {"priority": 3})
    with pytest.raises(ConflictError):
        jobs.transition(doc, "checkout", JobState.CHECKED_OUT, by="late")
    assert jobs.get("a").state == JobState.READY
    assert jobs.get("a").priority == 3


def test_no_path_leads_around_the_state_table(jobs: Jobs, doc: JobDoc) -> None:
    """Neither a transition outside the table nor an update can set a state."""
    with pytest.raises(TransitionError):
        jobs.transition(doc, "finalize", JobState.COMPLETED, by="me")
    with pytest.raises(TransitionError):
        jobs.update(doc, {"state": "COMPLETED"})
    with pytest.raises(TransitionError):
        jobs.transition_many([doc], "finalize", JobState.COMPLETED, by="me")
    assert jobs.get("a").state == JobState.READY


def test_only_one_of_many_gets_the_job(jobs: Jobs, doc: JobDoc) -> None:
    """Of twelve threads that check a job out at once, one succeeds."""
    won: list[int] = []
    start = threading.Barrier(12)

    def take(number: int) -> None:
        start.wait()
        try:
            jobs.transition(doc, "checkout", JobState.CHECKED_OUT, by=str(number))
        except ConflictError:
            return
        won.append(number)

    threads = [threading.Thread(target=take, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert jobs.get("a").last is not None
    assert jobs.get("a").version == doc.version + 1


def test_a_lease_keeps_others_out_until_it_ends(jobs: Jobs, doc: JobDoc) -> None:
    """A live lease is refused to others; an expired one can be taken, with a higher fence."""
    first = jobs.acquire(doc, "one", TERM)
    with pytest.raises(ConflictError):
        jobs.acquire(first, "two", TERM)
    expired = jobs.update(first, {"lock_until": jobs.now() - timedelta(seconds=1)})
    second = jobs.acquire(expired, "two", TERM)
    assert second.fence == first.fence + 1
    with pytest.raises(ConflictError):
        jobs.release(first)
    assert jobs.get("a").lock_id == "two"


def test_a_holder_survives_harmless_changes_of_others(jobs: Jobs, doc: JobDoc) -> None:
    """A changed priority does not cost the holder its lease; a new epoch does."""
    held = jobs.acquire(doc, "one", TERM)
    jobs.update(held, {"priority": 7})
    renewed = jobs.renew(held, TERM * 2)
    assert renewed.priority == 7
    jobs.update(renewed, {"epoch": renewed.epoch + 1})
    with pytest.raises(ConflictError):
        jobs.renew(held, TERM)


def test_many_jobs_change_at_once(jobs: Jobs) -> None:
    """A bulk change moves all but the one that somebody else changed first."""
    flow = flow_of({f"j{n}": [] for n in range(30)})
    add_flow(jobs.queue, flow, HERE)
    docs = list(jobs.find({"flow": flow.uuid}))
    jobs.transition(docs[0], "checkout", JobState.CHECKED_OUT, by="somebody")
    changed = jobs.transition_many(docs, "pause", JobState.PAUSED, by="user")
    assert len(changed) == 29
    assert docs[0].id not in {doc.id for doc in changed}
    counts = {s: n for s, n in jobs.flows.get(flow.uuid).counts.items() if n}
    assert counts == {JobState.PAUSED: 29, JobState.CHECKED_OUT: 1}
    assert jobs.flows.count([flow.uuid])[flow.uuid] == counts
    for doc in changed:
        assert jobs.get(doc.uuid, 1) == doc
        assert [c.event for c in jobs.history.of(doc)] == ["insert", "pause"]


def test_jobs_that_others_move_on_at_once_count_as_changed(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is checked out in the moment of its release is released all the same."""
    flow = flow_of({"a": [], "b": []})
    add_flow(jobs.queue, flow, HERE)
    docs = jobs.transition_many(
        list(jobs.find({"flow": flow.uuid})), "pause", JobState.PAUSED, by="user"
    )
    write = jobs.queue.jobs.bulk_write

    def overtaken(*args: Any, **options: Any) -> Any:
        result = write(*args, **options)
        jobs.transition(jobs.get("a"), "checkout", JobState.CHECKED_OUT, by="checkout")
        return result

    with monkeypatch.context() as patch:
        patch.setattr(jobs.queue.jobs, "bulk_write", overtaken)
        changed = jobs.transition_many(docs, "resume", JobState.READY, by="user")
    assert {doc.uuid for doc in changed} == {"a", "b"}
    counts = {s: n for s, n in jobs.flows.get(flow.uuid).counts.items() if n}
    assert counts == {JobState.CHECKED_OUT: 1, JobState.READY: 1}


def test_a_document_that_cannot_be_read_is_passed_over(
    jobs: Jobs, doc: JobDoc, caplog: pytest.LogCaptureFixture
) -> None:
    """One damaged document does not hide all others; the log names it."""
    add_flow(jobs.queue, flow_of({"b": []}), HERE)
    jobs.queue.jobs.update_one({"_id": doc.id}, {"$set": {"state": "NONSENSE"}})
    assert [found.uuid for found in jobs.find({})] == ["b"]
    assert doc.id in caplog.text


def test_the_lease_of_a_deleted_job_is_lost(jobs: Jobs, doc: JobDoc) -> None:
    """Whoever works on a job that is deleted meanwhile is told like one that was fenced off."""
    held = jobs.acquire(doc, "one", TERM)
    jobs.queue.jobs.delete_one({"_id": doc.id})
    with pytest.raises(ConflictError):
        jobs.release(held)
    with pytest.raises(ConflictError):
        jobs.still_ours(held)


def test_the_jobs_of_a_worker_are_found_by_state(jobs: Jobs) -> None:
    """Jobs of other workers and in other states are left out."""
    add_flow(jobs.queue, flow_of({"a": [], "b": ["a"]}), HERE)
    add_flow(jobs.queue, flow_of({"c": []}, worker="there"), HERE)
    jobs.transition(jobs.get("a"), "checkout", JobState.CHECKED_OUT, by="me")
    both = (JobState.CHECKED_OUT, JobState.WAITING, JobState.READY)
    assert {doc.uuid for doc in jobs.of_worker("here", both)} == {"a", "b"}
    assert [doc.uuid for doc in jobs.of_worker("there", both)] == ["c"]
    assert list(jobs.of_worker("here", [JobState.READY])) == []


def test_the_history_is_complete_after_a_death_between_two_writes(
    jobs: Jobs, doc: JobDoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change whose entry was never written is made up by reader and next writer."""
    with monkeypatch.context() as patch:
        patch.setattr(jobs.history, "record", lambda _docs: None)
        changed = jobs.transition(doc, "checkout", JobState.CHECKED_OUT, by="dies")
    assert [c.event for c in jobs.history.of(changed)] == ["insert", "checkout"]
    after = jobs.transition(changed, "upload", JobState.UPLOADED, by="lives")
    stored = jobs.queue.history.count_documents({"uuid": "a"})
    assert stored == 3
    assert [c.event for c in jobs.history.of(after)] == ["insert", "checkout", "upload"]


def test_nothing_changes_before_the_entry_of_the_last_change_is_written(
    jobs: Jobs, doc: JobDoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many processes die one after the other at their entries, the history has no gap."""
    jobs.history.record([doc])

    def dies(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(History, "_write", dies)
        with pytest.raises(KeyboardInterrupt):
            jobs.transition(doc, "checkout", JobState.CHECKED_OUT, by="dies after it")
        checked_out = jobs.get("a")
        assert checked_out.state == JobState.CHECKED_OUT
        with pytest.raises(KeyboardInterrupt):
            jobs.transition(checked_out, "upload", JobState.UPLOADED, by="dies before it")
        assert jobs.get("a") == checked_out
    after = jobs.transition(checked_out, "upload", JobState.UPLOADED, by="lives")
    assert [c.event for c in jobs.history.of(after)] == ["insert", "checkout", "upload"]


def test_an_unknown_job_is_named(jobs: Jobs) -> None:
    """The error says which uuid and index were asked for."""
    with pytest.raises(JobNotFoundError, match=r"nope \(index 2\)"):
        jobs.get("nope", 2)


#: A traceback of 8 kB, and an error's text of 1.5 kB, with what nobody may lose at their ends.
TRACE = "ValueError: no such basis\n" + "  File 'a.py', line 1, in é\n" * 280 + "the last line"
WORDS = "TransferError: half a file\n" + "scp: lost connection\n" * 70 + "the remedy"


@pytest.mark.parametrize(
    "event,state,name,text",
    [
        ("finalize", JobState.FAILED, "error", TRACE),
        ("fail", JobState.REMOTE_ERROR, "remote.error", WORDS),
    ],
)
def test_hot_documents_are_small(
    jobs: Jobs, event: str, state: JobState, name: str, text: str
) -> None:
    """A job with ordinary metadata stays under 2 kB through its life, however it ends."""
    flow = flow_of(
        {"3f0c5ac0-0000-4000-8000-000000000000": []}, metadata={"formula": "Si2", "tags": ["a"] * 8}
    )
    add_flow(jobs.queue, flow, HERE)
    (doc,) = jobs.find({"flow": flow.uuid})
    for via, target in WAY:
        folder = f"/scratch/someone/work/3f/0c/5a/{doc.id}"
        fields = {
            "run_dir": folder,
            "attempt": 1,
            "remote.process_id": "1234567",
            "remote.queue_out": f"{folder}/queue.out",
            "remote.queue_err": f"{folder}/queue.err",
            "remote.waiting": "x" * 800 if target is JobState.CHECKED_OUT else None,
            "lock_id": "cluster.example.org:123456:123456",
        }
        doc = jobs.transition(doc, via, target, by=via, why="x" * 800, fields=fields)
        assert size_of(jobs, doc) < 2000
    times = {"start_time": jobs.now(), "end_time": jobs.now(), "lock_id": None}
    fields = {name: text, "error_class": "ValueError", **times}
    doc = jobs.transition(doc, event, state, by=event, why="x" * 800, fields=fields)
    assert size_of(jobs, doc) < 2000
    whole = with_whole_errors(jobs.queue, doc)
    assert (whole.error if name == "error" else whole.remote.error) == text[-8000:]


def size_of(jobs: Jobs, doc: JobDoc) -> int:
    """Return the bytes of a job's hot document."""
    raw = jobs.queue.jobs.find_one({"_id": doc.id})
    assert raw is not None
    return len(bson.encode(raw))


def test_short_errors_stay_where_they_are(jobs: Jobs, doc: JobDoc) -> None:
    """Nothing is cut, and nothing put apart, where a text is short."""
    doc = jobs.update(doc, {"error": "ValueError: é\n[...]\nno", "remote.error": None})
    assert with_whole_errors(jobs.queue, doc) == doc
    assert errors_of(jobs.queue, doc) == {}
