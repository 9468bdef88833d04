"""Running jobs again, with everything that depends on them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jfcelery.controller.bulk import Manner
from jfcelery.controller.filters import JobFilter
from jfcelery.controller.rerun import held_by_itself
from jfcelery.database import edges
from jfcelery.database.failures import errors_of
from jfcelery.database.history import History
from jfcelery.errors import RefusedError
from jfcelery.flows.insert import generator_token
from jfcelery.states import FlowState, JobState

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from tests.support.queued import MakeFlow

_S = JobState
_NOW = Manner(wait=0)


def test_a_failed_job_starts_again_and_its_history_stays(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A failed job becomes READY, its children go on waiting, the attempt before is recorded."""
    flow = make_flow({"a": [], "b": ["a"]})
    flow.bring("a", _S.FAILED)
    assert controller.rerun_job(db_id=flow.ids["a"]) == [flow.ids["a"]]
    doc = flow.doc("a")
    assert doc.state is _S.READY
    assert doc.error is None
    assert flow.state("b") is _S.WAITING
    flow.bring("a", _S.COMPLETED)
    assert flow.state("b") is _S.READY
    events = [change.event for change in History(controller.queue).of(flow.doc("a"))]
    assert events.count("finalize") == 2
    assert flow.doc("a").attempt == 2


def test_a_long_error_is_read_whole_outlives_a_rerun_and_goes_with_the_job(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A list shows its ends; the rest lies apart until the job is deleted, by attempt."""
    flow = make_flow({"a": []})
    text = "ValueError: wrong\n" + "  a line\n" * 300 + "the end"
    doc = flow.bring("a", _S.DOWNLOADED)
    doc = flow.jobs.transition(doc, "finalize", _S.FAILED, by="test", fields={"error": text})
    (listed,) = controller.get_jobs_info(error_regex="the end")
    assert len(listed.error or "") < 600
    info = controller.get_job_info(db_id=flow.ids["a"])
    assert info is not None
    assert info.error == text
    controller.rerun_job(db_id=flow.ids["a"])
    flow.bring("a", _S.FAILED)
    info = controller.get_job_info(db_id=flow.ids["a"])
    assert info is not None
    assert info.error == "ValueError: wrong"
    assert errors_of(controller.queue, flow.doc("a")) == {1: {"error": text}}
    controller.delete_job(db_id=flow.ids["a"], wait=0)
    assert controller.queue.payloads.count_documents({}) == 0


def test_rerunning_a_running_job_asks_for_its_queue_job_to_be_cancelled(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """The new attempt carries the request to cancel the queue job of the one before."""
    flow = make_flow({"a": []})
    doc = flow.bring("a", _S.RUNNING)
    controller.rerun_job(db_id=flow.ids["a"])
    again = flow.doc("a")
    assert again.state is _S.READY
    assert again.epoch == doc.epoch + 1
    assert [request.queue_id for request in again.cancel] == [doc.remote.process_id]


@pytest.mark.parametrize(
    "state,word", [(_S.READY, "nothing to rerun"), (_S.COMPLETED, "--force"), (_S.PAUSED, "resume")]
)
def test_what_needs_no_rerun_is_refused_with_what_would_work(
    controller: JobController, make_flow: MakeFlow, state: JobState, word: str
) -> None:
    """The refusal names the option or command that helps."""
    flow = make_flow({"a": []})
    if state is _S.PAUSED:
        controller.pause_jobs()
    elif state is _S.COMPLETED:
        flow.bring("a", state)
    with pytest.raises(RefusedError, match=word):
        controller.rerun_job(db_id=flow.ids["a"])
    assert flow.state("a") is state


def test_a_waiting_job_is_not_rerun_even_by_force(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A job whose parents are not done cannot start."""
    flow = make_flow({"a": [], "b": ["a"]})
    with pytest.raises(RefusedError, match="WAITING"):
        controller.rerun_job(db_id=flow.ids["b"], force=True)


def test_forced_rerun_of_a_completed_job_resets_everything_below_it(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Children and grandchildren wait again for exactly what is run again."""
    edges = {"a": [], "x": [], "b": ["a"], "c": ["b", "x"], "d": ["c"]}
    flow = make_flow(edges)
    for name in ("a", "x", "b", "c"):
        flow.bring(name, _S.COMPLETED)
    flow.bring("d", _S.RUNNING)
    with pytest.raises(RefusedError, match="--force"):
        controller.rerun_job(db_id=flow.ids["a"])
    changed = controller.rerun_job(db_id=flow.ids["a"], force=True)
    assert set(changed) == {flow.ids[name] for name in "abcd"}
    states = flow.states()
    assert states.pop("x") is _S.COMPLETED
    assert states == {"a": _S.READY, "b": _S.WAITING, "c": _S.WAITING, "d": _S.WAITING}
    assert flow.doc("c").unmet == [flow.uuids["b"]]
    assert len(flow.doc("d").cancel) == 1
    for name in "abcd":
        flow.bring(name, _S.COMPLETED)
    assert controller.get_flows_info(flow_ids=flow.flow)[0].state is FlowState.COMPLETED


@pytest.mark.parametrize("inline", [0, edges.INLINE], ids=["apart", "inline"])
def test_a_parent_that_a_person_went_past_is_waited_for_no_more(
    controller: JobController, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch, inline: int
) -> None:
    """Set to READY though a parent failed, a job counts as its user, and waits for others only."""
    monkeypatch.setattr(edges, "INLINE", inline)
    flow = make_flow({"a": [], "b": [], "c": ["a", "b"]})
    flow.bring("a", _S.FAILED)
    flow.bring("b", _S.COMPLETED)
    actions = controller.actions
    actions.set_state(_S.READY, JobFilter(db_ids=(flow.ids["c"],)), _NOW)
    flow.bring("c", _S.COMPLETED)
    with pytest.raises(RefusedError, match="--force"):
        controller.rerun_job(db_id=flow.ids["a"])
    controller.rerun_job(db_id=flow.ids["b"], force=True)
    assert flow.state("c") is _S.WAITING
    flow.bring("b", _S.COMPLETED)
    assert flow.states() == {"a": _S.FAILED, "b": _S.COMPLETED, "c": _S.READY}


def test_jobs_that_tolerate_a_failed_parent_wait_for_its_rerun(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A tolerant child that is READY because its parent failed becomes WAITING again."""
    flow = make_flow({"a": [], "b": ["a"]}, on_missing="none")
    flow.bring("a", _S.FAILED)
    assert flow.state("b") is _S.READY
    controller.rerun_job(db_id=flow.ids["a"])
    assert flow.states() == {"a": _S.READY, "b": _S.WAITING}
    assert flow.doc("b").unmet == [flow.uuids["a"]]


def test_paused_and_stopped_jobs_below_stay_as_the_person_left_them(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A hold of a person outlives the rerun of a parent."""
    flow = make_flow({"a": [], "b": ["a"], "c": ["a"]})
    flow.bring("a", _S.COMPLETED)
    controller.pause_job(db_id=flow.ids["b"])
    controller.stop_job(db_id=flow.ids["c"])
    controller.rerun_job(db_id=flow.ids["a"], force=True)
    assert flow.states() == {"a": _S.READY, "b": _S.PAUSED, "c": _S.USER_STOPPED}
    controller.resume_jobs(states=[_S.PAUSED, _S.USER_STOPPED])
    assert flow.state("b") is _S.WAITING
    assert flow.state("c") is _S.WAITING
    flow.bring("a", _S.COMPLETED)
    assert flow.state("b") is _S.READY


def test_jobs_stopped_by_what_a_job_returned_wait_for_it_again(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """The new run decides anew whether its children are stopped."""
    flow = make_flow({"a": [], "b": ["a"]})
    why = f"{flow.ids['a']} returned stop_children"
    flow.jobs.transition(flow.doc("b"), "halt", _S.STOPPED, by="finalize", why=why)
    flow.bring("a", _S.COMPLETED)
    controller.rerun_job(db_id=flow.ids["a"], force=True)
    assert flow.state("b") is _S.WAITING


def test_what_a_replace_made_is_archived_and_made_anew(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """After the rerun of a replaced job its old replacement is in the history only."""
    flow = make_flow({"a": [], "b": ["a"]})
    doc = flow.bring("a", _S.DOWNLOADED)
    flow.make("a", {"s": [], "a": ["s"]})
    flow.jobs.transition(doc, "finalize", _S.COMPLETED, by="test")
    for name, index in (("s", 1), ("a", 2)):
        made = flow.doc(name, index)
        flow.jobs.transition(made, "release", _S.READY, by="test", fields={"unmet": []})
        flow.bring(name, _S.COMPLETED)
    assert flow.state("b") is _S.READY
    replacement = flow.doc("a", 2)
    with pytest.raises(RefusedError, match="COMPLETED"):
        controller.rerun_job(job_id=flow.uuids["a"], job_index=1)
    controller.rerun_job(job_id=flow.uuids["a"], job_index=1, force=True)
    assert flow.state("a", 1) is _S.READY
    assert flow.state("b") is _S.WAITING
    assert controller.count_jobs(flow_ids=flow.flow) == 2
    old = History(controller.queue).of(replacement)
    assert old[-1].event == "archive"
    raw = controller.queue.history.find_one({"_id": old[-1].id})
    assert raw is not None
    assert raw["document"]["previous_state"] == _S.COMPLETED
    assert controller.queue.payloads.find_one({"_id": replacement.id}) is None
    flow.bring("a", _S.COMPLETED)
    assert flow.state("b") is _S.READY


def test_children_no_longer_wait_for_a_detour_that_is_archived(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A child that waited for a detour's job waits after the rerun for the first job only."""
    flow = make_flow({"a": [], "b": ["a"]})
    doc = flow.bring("a", _S.DOWNLOADED)
    flow.make("a", {"d": ["a"]})
    child = flow.doc("b")
    wait = [*child.unmet, flow.uuids["d"]]
    flow.jobs.update(child, {"parents": wait, "unmet": wait})
    flow.jobs.transition(doc, "finalize", _S.COMPLETED, by="test")
    running = flow.jobs.transition(
        flow.doc("d"), "release", _S.READY, by="test", fields={"unmet": []}
    )
    flow.bring("d", _S.RUNNING)
    controller.rerun_job(db_id=flow.ids["a"], force=True)
    assert flow.doc("b").parents == [flow.uuids["a"]]
    assert flow.doc("b").unmet == [flow.uuids["a"]]
    assert controller.count_jobs(flow_ids=flow.flow) == 2
    (request,) = flow.doc("a").cancel
    assert running.uuid in request.name


def test_half_made_jobs_of_a_failed_finalize_need_no_force(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Jobs that never started are archived without asking."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.DOWNLOADED)
    flow.make("a", {"d": ["a"]})
    flow.jobs.transition(flow.doc("a"), "fail", _S.REMOTE_ERROR, by="test")
    controller.rerun_job(db_id=flow.ids["a"])
    assert flow.state("a") is _S.READY
    assert controller.count_jobs(flow_ids=flow.flow) == 1


def test_a_rerun_that_died_half_way_is_finished_by_running_it_again(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """The job stays held by a token of its own until everything below it is reset."""
    flow = make_flow({"a": [], "b": ["a"]})
    flow.bring("a", _S.COMPLETED)
    flow.bring("b", _S.COMPLETED)
    doc = flow.doc("a")
    held = {"unmet": [generator_token(doc.id)]}
    flow.jobs.transition(doc, "force_rerun", _S.WAITING, by="test", fields=held)
    assert held_by_itself(flow.doc("a"))
    controller.rerun_job(db_id=flow.ids["a"])
    assert flow.states() == {"a": _S.READY, "b": _S.WAITING}


def test_a_job_below_that_a_step_works_on_holds_the_rerun_up(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """The job stays held meanwhile, and the refusal says that the rerun is to be repeated."""
    flow = make_flow({"a": [], "b": ["a"]})
    flow.bring("a", _S.COMPLETED)
    leased = flow.jobs.acquire(flow.bring("b", _S.UPLOADED), "a step", timedelta(minutes=5))
    result = controller.actions.rerun(JobFilter(name="a"), _NOW, force=True)
    assert "rerun it again" in result.refused[0].reason
    assert flow.state("b") is _S.UPLOADED
    flow.jobs.release(leased)
    controller.rerun_job(db_id=flow.ids["a"])
    assert flow.states() == {"a": _S.READY, "b": _S.WAITING}


def test_a_job_reset_by_the_rerun_of_another_counts_as_rerun(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Selecting a job together with one above it refuses nothing."""
    flow = make_flow({"a": [], "b": ["a"]})
    flow.bring("a", _S.COMPLETED)
    flow.bring("b", _S.FAILED)
    result = controller.actions.rerun(JobFilter(), _NOW, force=True)
    assert set(result.changed) == set(flow.ids.values())
    assert result.refused == ()
    assert flow.states() == {"a": _S.READY, "b": _S.WAITING}
