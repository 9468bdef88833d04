"""Why a job does not advance: each reason names what holds it, and the command that helps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.controller import JobController
from jfcelery.controller.reasons import Reason, reasons
from jfcelery.database.hosts import HostRecords
from jfcelery.errors import ConnectionLostError
from jfcelery.states import JobState
from tests.support.queued import Queued

if TYPE_CHECKING:
    from tests.support.projects import ProjectFactory
    from tests.support.queued import MakeFlow

_S = JobState


def why(controller: JobController, flow: Queued, name: str) -> list[Reason]:
    """Return why a job does not advance."""
    return reasons(controller.project, controller.queue, flow.doc(name))


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


def test_a_host_that_is_held_back_is_named_before_all_else(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Whether by a person or by its trouble, for jobs that are ready and for those under way."""
    flow = make_flow({"a": [], "b": []})
    flow.bring("b", _S.UPLOADED)
    worker, key = flow.doc("a").worker, controller.project.get_worker(flow.doc("a").worker).host_key
    records = HostRecords(controller.queue)
    records.failed(key, ConnectionLostError("no route to it"))
    for name in ("a", "b"):
        (found, *_) = why(controller, flow, name)
        assert "no route to it" in found.text
        assert found.command == f"jfc worker test {worker}"
    records.pause(key, "it is being moved")
    for name in ("a", "b"):
        (found, *_) = why(controller, flow, name)
        assert "it is being moved" in found.text
        assert found.command == f"jfc worker resume {worker}"


def test_a_worker_that_is_gone_or_full_is_named(make_project: ProjectFactory) -> None:
    """Its limit counts the jobs that are under way; one without a worker wants another."""
    project = make_project()
    (name, worker), *_ = project.workers.items()
    full = {name: worker.model_copy(update={"max_jobs": 1})}
    controller = JobController.from_project(project.model_copy(update={"workers": full}))
    flow = Queued(controller.queue, {"a": [], "b": []})
    flow.bring("b", _S.UPLOADED)
    (found, *_) = why(controller, flow, "a")
    assert f"1 jobs are under way on worker {name}, whose max_jobs is 1" in found.text
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
