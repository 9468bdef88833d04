"""Jobs that submit flows themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.states import JobState
from tests.support.calling import Jfc
from tests.support.system import running
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: A file whose job submits another job of the same file.
NESTED = """
from jobflow import Flow, job

@job
def inner():
    return 7

@job
def outer():
    from jfcelery import submit_flow
    return submit_flow(Flow([inner()], name="inner"), project={project!r})

flow = Flow([outer()], name="outer")
"""


def test_a_job_submits_a_job_of_its_own_file(project: Project, tmp_path: Path) -> None:
    """Its module is installed nowhere; the second job finds it as the first one did."""
    path = tmp_path / "nested_flow.py"
    path.write_text(NESTED.format(project=project.name))
    jfc = Jfc(project.name)

    def ended() -> bool:
        rows = jfc("job", "list", "--json").data
        resting = {JobState.COMPLETED, JobState.FAILED, JobState.REMOTE_ERROR}
        return len(rows) == 2 and {row["state"] for row in rows} <= resting

    with running(project, tmp_path):
        assert jfc("submit", str(path)).status == 0
        wait_until(ended, "both jobs to end", deadline=120)
    rows = jfc("job", "list", "--json").data
    assert {row["state"] for row in rows} == {JobState.COMPLETED}, rows
