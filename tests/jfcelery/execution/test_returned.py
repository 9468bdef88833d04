"""A flow that a job returns is checked job by job, as jobflow checks it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow
from jobflow.core import flow as jobflow_flow

from jfcelery.execution.returned import checked_one_by_one
from tests.support.jobs import add, identity

if TYPE_CHECKING:
    from jobflow import Job


def _nested() -> Flow:
    first = add(1, 2)
    inner = Flow([add(first.output, 1), identity({"deep": [first.output]})])
    return Flow([first, inner])


def test_a_flow_that_is_complete_is_taken() -> None:
    """Nested too; a job alone, or a list of jobs, becomes a flow."""
    flow = _nested()
    with checked_one_by_one():
        assert jobflow_flow.get_flow(flow) is flow
        assert len(jobflow_flow.get_flow(add(1, 1)).jobs) == 1
        assert len(jobflow_flow.get_flow([add(1, 1), add(1, 2)]).jobs) == 2


def test_a_flow_that_lacks_a_job_is_refused_with_the_same_words() -> None:
    """Unless references to others are allowed."""
    other = add(1, 1)
    job: Job = identity({"deep": [other.output]})
    flow = Flow([Flow([job]), add(1, 1)])
    with pytest.raises(ValueError, match="not found in the jobs array") as theirs:
        jobflow_flow.get_flow(flow)
    with checked_one_by_one():
        with pytest.raises(ValueError, match="not found in the jobs array") as ours:
            jobflow_flow.get_flow(flow)
        assert jobflow_flow.get_flow(flow, allow_external_references=True) is flow
    assert str(ours.value) == str(theirs.value)
    assert other.uuid in str(ours.value)


def test_no_more_than_one_job_is_made_plain_data_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once they are what takes most memory in a job that makes many."""
    looked: list[Any] = []

    def find(arg: object) -> tuple[()]:
        looked.append(arg)
        return ()

    monkeypatch.setattr("jobflow.core.reference.find_and_get_references", find)
    flow = _nested()
    check = jobflow_flow.get_flow
    with checked_one_by_one():
        jobflow_flow.get_flow(flow)
    assert [job.uuid for job in looked] == list(flow.job_uuids)
    assert jobflow_flow.get_flow is check


def test_a_jobflow_without_that_check_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that looks in another way must still run jobs."""
    monkeypatch.delattr(jobflow_flow, "get_flow")
    with checked_one_by_one():
        assert not hasattr(jobflow_flow, "get_flow")
