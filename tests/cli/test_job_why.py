"""``jfc job why``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jfcelery.controller import JobController
from jfcelery.states import JobState
from tests.support.calling import Jfc
from tests.support.queued import Queued

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.projects import ProjectFactory
    from tests.support.queued import MakeFlow

_S = JobState
_CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


def test_why_names_what_holds_a_job(jfc: Jfc, make_flow: MakeFlow) -> None:
    """For each state the nearest reason, and the command that helps."""
    flow = make_flow(_CHAIN)
    assert "waits for job 1 (a): READY" in jfc("job", "why", "2").stdout
    jfc("worker", "pause", "here", "--reason", "maintenance")
    held = jfc("job", "why", "1")
    assert "maintenance" in held.stdout
    assert "jfc worker resume here" in held.stdout
    jfc("worker", "resume", "here")
    flow.bring("a", _S.REMOTE_ERROR)
    failed = jfc("job", "why", "1")
    assert "OutputMissingError: no such thing" in failed.stdout
    assert "jfc job retry 1" in failed.stdout
    assert "jfc job why 1" in jfc("job", "why", "2").stdout
    jfc("job", "pause", "3")
    assert jfc("job", "why", "3", "--json").data["reasons"][0]["command"] == "jfc job resume 3"


def test_why_says_that_nobody_takes_the_next_step(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Without a Celery worker a READY job stays where it is; the database alone does not know."""
    flow = make_flow({"a": []})
    said = jfc("job", "why", flow.ids["a"]).stdout
    assert "jfc runner start" in said
    assert "as soon as a Celery worker is free" not in said
    assert "jfc runner start" not in jfc("job", "why", flow.ids["a"], "--quick").stdout
    flow.bring("a", _S.UPLOADED)
    assert "Nothing holds it" not in jfc("job", "why", flow.ids["a"]).stdout
    assert "Nothing holds it" in jfc("job", "why", flow.ids["a"], "--quick").stdout


def test_a_held_queue_job_has_no_start(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm tells the present time as its start; that somebody must release it is what counts."""
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho 'launch failed requeued held|2026-11-29T23:00:00'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    here = {"type": "local", "scheduler_type": "slurm", "work_dir": str(tmp_path)}
    project = make_project(workers={"here": here})
    flow = Queued(JobController.from_project(project).queue, {"a": []})
    flow.jobs.update(flow.bring("a", _S.SUBMITTED), {"remote.process_id": "77"})
    reasons = Jfc(project.name)("job", "why", "1", "--json").data["reasons"]
    assert reasons[-1] == {
        "text": "Its queue job is held: launch failed requeued held. Somebody has to release it on "
        "the cluster (`scontrol release 77`); or start it anew:",
        "command": "jfc job rerun --force 1",
    }
