"""Waiting for flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jfcelery import wait
from jfcelery.controller import JobController
from jfcelery.errors import WaitTimeoutError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.wait import wait_for
from tests.support.entries import flow_of
from tests.support.queued import Queued

if TYPE_CHECKING:
    from jfcelery.project import Project

_S = JobState


def test_a_flow_that_waits_for_another_flows_job_moves_with_it(project: Project) -> None:
    """It rests only when what it waits for, directly or not, rests."""
    queue = JobController.from_project(project).queue
    first = Queued(queue, {"a": [], "b": ["a"]})
    first.bring("a", _S.RUNNING)
    later = flow_of({"c": [first.uuids["b"]], "d": ["c"]})
    add_flow(queue, later, Placement(worker="here"))

    with pytest.raises(WaitTimeoutError):
        wait_for(later.uuid, timeout=0, progress=False, project=project)
    with pytest.raises(WaitTimeoutError):
        wait_for(first.flow, timeout=0, progress=False, project=project)

    doc = first.doc("a")
    fields = {"error": "wrong"}
    for event, target in (("end", _S.DOWNLOADED), ("finalize", _S.FAILED)):
        doc = first.jobs.transition(doc, event, target, by="test", fields=fields)
    assert wait_for(later.uuid, timeout=60, progress=False, project=project) == {_S.WAITING: 2}


def test_what_moves_between_two_looks_is_not_at_rest(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that is released after the states were counted is waited for."""
    flow = Queued(JobController.from_project(project).queue, {"a": [], "b": ["a"]})
    flow.jobs.transition(flow.doc("a"), "pause", _S.PAUSED, by="test")
    look = wait._moving

    def resumed_meanwhile(*args: Any) -> bool:
        if flow.state("a") is _S.PAUSED:
            flow.jobs.transition(flow.doc("a"), "resume", _S.READY, by="test")
            return False
        return look(*args)

    monkeypatch.setattr(wait, "_moving", resumed_meanwhile)
    with pytest.raises(WaitTimeoutError, match="1 READY"):
        wait_for(flow.flow, timeout=0.1, progress=False, project=project)
