"""Why a job does not advance: each reason names what holds it, and the command that helps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.controller import JobController
from jfcelery.controller.reasons import GOES_ON, LOST_ADVICE, SHOWN, SOON, Reason, reasons
from jfcelery.database.batches import Batches
from jfcelery.database.hosts import HostRecords
from jfcelery.errors import ConnectionLostError
from jfcelery.project.options import HIDDEN_TIME
from jfcelery.states import BatchState, JobState
from tests.support.queued import Queued

if TYPE_CHECKING:
    from tests.support.projects import ProjectFactory
    from tests.support.queued import MakeFlow

_S = JobState


def why(controller: JobController, flow: Queued, name: str) -> list[Reason]:
    """Return why a job does not advance."""
    return reasons(controller.project, controller.queue, flow.doc(name))


def test_a_job_that_waits_names_each_parent(controller: JobController, make_flow: MakeFlow) -> None:
    """Those under way move on by themselves; of those that rest or wait, what to ask next."""
    flow = make_flow({"a": [], "b": [], "c": ["a"], "d": ["a", "b", "c"]})
    flow.bring("a", _S.FAILED)
    flow.bring("b", _S.RUNNING)
    found = why(controller, flow, "d")
    ids = flow.ids
    assert {(reason.text, reason.command) for reason in found} == {
        (f"It waits for job {ids['a']} (a): FAILED.", f"jfc job why {ids['a']}"),
        (f"It waits for job {ids['b']} (b): RUNNING.", ""),
        (f"It waits for job {ids['c']} (c): WAITING.", f"jfc job why {ids['c']}"),
    }


def test_of_many_parents_those_that_rest_are_named_first(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Also of those that lie apart; of the others it is said how many are in which state."""
    parents = [f"p{number}" for number in range(SHOWN + 12)]
    flow = make_flow({**{parent: [] for parent in parents}, "child": parents})
    flow.bring(parents[-1], _S.FAILED)
    flow.bring(parents[-2], _S.COMPLETED)
    flow.bring(parents[-3], _S.RUNNING)
    first, *shown, last = why(controller, flow, "child")
    failed = flow.ids[parents[-1]]
    assert first == Reason(
        f"It waits for job {failed} ({parents[-1]}): FAILED.", f"jfc job why {failed}"
    )
    assert len(shown) == SHOWN - 1
    assert all("READY" in reason.text for reason in shown)
    assert last.text == "It waits for 11 more: 10 READY, 1 RUNNING."
    assert last.command == f"jfc flow info {flow.ids['child']}"


def test_a_parent_that_nobody_knows_is_named(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A reference to a job that was never submitted, or is deleted."""
    flow = make_flow({"a": [], "b": ["a"]})
    flow.jobs.update(flow.doc("b"), {"unmet": ["gone"]})
    (found,) = why(controller, flow, "b")
    assert found.text == "It waits for job gone, which is not in the queue."


def test_a_rerun_that_was_not_finished_wants_to_be_done_again(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """It waits for itself until then."""
    flow = make_flow({"a": []})
    doc = flow.bring("a", _S.FAILED)
    flow.jobs.transition(doc, "rerun", _S.WAITING, by="test", fields={"unmet": [f"@{doc.id}"]})
    (found,) = why(controller, flow, "a")
    assert found.command == f"jfc job rerun {flow.ids['a']}"


def test_a_flow_that_is_being_added_holds_its_jobs(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """They start once all of it is there."""
    flow = make_flow({"a": []})
    controller.queue.flows.update_one({"_id": flow.flow}, {"$set": {"inserting": True}})
    (found, *_) = why(controller, flow, "a")
    assert found.text == "Its flow is still being added to the queue."


def test_an_earlier_queue_job_is_to_go_first(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A new attempt waits until the old one is cancelled, and says for which."""
    flow = make_flow({"a": []})
    doc = flow.bring("a", _S.RUNNING)
    request = {"worker": "here", "attempt": 1, "name": "jfc-a", "queue_id": "77", "folder": "/w"}
    flow.jobs.transition(doc, "rerun", _S.READY, by="test", fields={"cancel": [request]})
    texts = [reason.text for reason in why(controller, flow, "a")]
    assert any(
        "Its earlier queue job 77 on here is still to be cancelled" in text for text in texts
    )


def test_a_pool_without_pilots_is_named(make_project: ProjectFactory) -> None:
    """A worker that lost its `batch:` leaves nobody to look after what is in its pool."""
    controller = JobController.from_project(make_project())
    flow = Queued(controller.queue, {"a": []})
    doc = flow.bring("a", _S.UPLOADED)
    flow.jobs.transition(doc, "submit", _S.BATCH_SUBMITTED, by="test")
    texts = [reason.text for reason in why(controller, flow, "a")]
    assert any("has no `batch:` any more" in text for text in texts)


def test_a_job_that_all_pilots_pass_over_is_told_so(make_project: ProjectFactory) -> None:
    """By what it asks for; not if one of them has room, nor of a job that asks for less."""
    controller = JobController.from_project(make_project())
    flow = Queued(controller.queue, {"a": []})
    doc = flow.bring("a", _S.UPLOADED)
    entry = {"remote.process_id": "00000100000000000001.3600-jfc-a"}
    flow.jobs.transition(doc, "submit", _S.BATCH_SUBMITTED, by="test", fields=entry)
    batches = Batches(controller.queue)
    running = {"state": BatchState.RUNNING.value, "passes_over": 3600}
    first, second = (batches.update(batches.insert("here"), running) for _ in range(2))

    def is_told() -> bool:
        return any(
            "It asks for 1:00:00, and no pilot" in r.text for r in why(controller, flow, "a")
        )

    assert is_told()
    first = batches.update(first, {"passes_over": 7200})
    assert not is_told()
    batches.update(first, {"passes_over": 60})
    assert is_told()
    batches.update(second, {"passes_over": 0})
    assert not is_told()


def test_a_step_at_work_is_named(controller: JobController, make_flow: MakeFlow) -> None:
    """Who holds the lease; when nothing else holds a job, that is all there is to say."""
    flow = make_flow({"a": []})
    doc = flow.bring("a", _S.UPLOADED)
    (found,) = why(controller, flow, "a")
    assert found == GOES_ON
    flow.jobs.acquire(doc, "submit@node", timedelta(minutes=5))
    (found,) = why(controller, flow, "a")
    assert found.text == "A step works on it: submit@node."


@pytest.mark.parametrize(
    "state, text, command",
    [
        (_S.FAILED, "The job itself raised", "jfc job rerun"),
        (_S.REMOTE_ERROR, "A step failed for good", "jfc job retry"),
        (_S.COMPLETED, "It is done.", ""),
    ],
)
def test_a_job_that_rests_says_what_brought_it_there(
    controller: JobController, make_flow: MakeFlow, state: JobState, text: str, command: str
) -> None:
    """The first reason is the end itself, with what would undo it."""
    flow = make_flow({"a": []})
    flow.bring("a", state)
    (found, *_) = why(controller, flow, "a")
    assert found.text.startswith(text)
    assert found.command == (f"{command} {flow.ids['a']}" if command else "")


def test_a_lost_job_is_to_be_rerun(controller: JobController, make_flow: MakeFlow) -> None:
    """A retry would look for the output in vain; a rule makes a new attempt by itself."""
    flow = make_flow({"a": []})
    flow.jobs.update(flow.bring("a", _S.REMOTE_ERROR), {"remote.end": {"reason": "LOST"}})
    (found,) = why(controller, flow, "a")
    assert found.text.startswith("A step failed for good: OutputMissingError: no such thing")
    assert found.text.endswith(LOST_ADVICE)
    assert found.command == f"jfc job rerun {flow.ids['a']}"


def test_a_job_that_listings_lack_is_lost_after_some_time(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """How many lack it so far, and from when on it may count as lost."""
    flow = make_flow({"a": []})
    doc = flow.bring("a", _S.SUBMITTED)
    (found,) = why(controller, flow, "a")
    assert found.text.endswith(": not looked at yet.")
    since = controller.queue.clock.now()
    flow.jobs.update(doc, {"remote.absent": 2, "remote.absent_since": since})
    (found,) = why(controller, flow, "a")
    when = f"{(since + HIDDEN_TIME).astimezone():%H:%M:%S}"
    assert found.text.endswith(
        f": 2 listings lack it; it counts as lost after 3 in a row, not before {when}."
    )


def test_a_host_that_is_held_back_is_named_before_all_else(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Whether by a person or by its trouble, for jobs that are ready and for those under way."""
    flow = make_flow({"a": [], "b": []})
    flow.bring("b", _S.UPLOADED)
    worker, key = flow.doc("a").worker, controller.project.get_worker(flow.doc("a").worker).host_key
    records = HostRecords(controller.queue)
    assert why(controller, flow, "a") == [SOON]
    records.failed(key, ConnectionLostError("no route to it"))
    next_try = records.get(key).next_try
    assert next_try is not None
    for name in ("a", "b"):
        (found, *_) = why(controller, flow, name)
        assert "no route to it" in found.text
        assert f"Next try at {next_try.astimezone():%H:%M:%S}; `jfc worker test {worker}`" in (
            found.text
        )
        assert found.command == f"jfc worker resume {worker}"
        assert SOON not in why(controller, flow, name)
    records.pause(key, "it is being moved")
    for name in ("a", "b"):
        (found, *_) = why(controller, flow, name)
        assert "it is being moved" in found.text
        assert found.command == f"jfc worker resume {worker}"


def test_a_worker_that_is_gone_or_full_is_named(make_project: ProjectFactory) -> None:
    """Of a full one, what is in its queue and what is prepared; one without wants another."""
    project = make_project()
    (name, worker), *_ = project.workers.items()
    full = {name: worker.model_copy(update={"max_jobs": 1})}
    controller = JobController.from_project(project.model_copy(update={"workers": full}))
    flow = Queued(controller.queue, {"a": [], "b": [], "c": []})
    flow.bring("b", _S.RUNNING)
    (found,) = why(controller, flow, "a")
    assert found.text == f"Worker {name} is full: 1 of 1 in its queue (max_jobs)."
    assert found.command == f"jfc job list -run -wk {name}"
    flow.bring("c", _S.UPLOADED)
    (found,) = why(controller, flow, "a")
    assert found.text.endswith("full: 1 of 1 in its queue (max_jobs); 1 more is prepared.")
    gone = project.model_copy(update={"workers": {}})
    (found, *_) = reasons(gone, controller.queue, flow.doc("a"))
    assert found.text == f"The project has no worker {name!r} any more."
    assert found.command == f"jfc job set worker NAME -did {flow.ids['a']}"


@pytest.mark.parametrize(
    "fields, text",
    [
        ({"remote.waiting": "the limit of the user is reached"}, "It waits: the limit of the user"),
        ({"remote.error": "lost the link\nmore", "remote.step_attempts": 2}, "lost the link"),
        ({"remote.process_id": "77", "remote.queue_state": "PENDING"}, "Queue job 77 on"),
    ],
)
def test_a_job_under_way_says_what_its_step_waits_for(
    controller: JobController, make_flow: MakeFlow, fields: dict[str, Any], text: str
) -> None:
    """The scheduler's state, the limit, the last trouble in one line."""
    flow = make_flow({"a": []})
    flow.jobs.update(flow.bring("a", _S.SUBMITTED), fields)
    texts = [found.text for found in why(controller, flow, "a")]
    assert any(text in one for one in texts)
    assert not any("more" in one for one in texts)


def test_a_later_attempt_is_told_with_its_time(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A step that is to come again says when."""
    flow = make_flow({"a": []})
    doc = flow.bring("a", _S.UPLOADED)
    later = controller.queue.clock.now() + timedelta(hours=1)
    flow.jobs.update(doc, {"retry_at": later})
    texts = [found.text for found in why(controller, flow, "a")]
    assert f"Its next step is tried at {later.astimezone():%H:%M:%S}." in texts
