"""What jobs took, counted from their documents and their history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.controller import JobController
from jfcelery.controller.reports import jobs_report
from jfcelery.controller.usage import Usage, UsageReport
from jfcelery.states import JobState
from tests.support.queued import Queued

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import ProjectFactory

_S = JobState
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
#: By what a job comes into a state: seconds after the start at which it does.
TIMES = {"checkout": 0, "upload": 10, "submit": 12, "run": 42, "end": 3650, "download": 3655}


@pytest.fixture
def controller(make_project: ProjectFactory, tmp_path: Path) -> JobController:
    """The controller of a project with a worker of four cores and pilots of sixteen."""
    worker = {
        "type": "local",
        "scheduler_type": "slurm",
        "work_dir": str(tmp_path / "work"),
        "resources": {"ntasks": 4},
    }
    batch = {
        "jobs_handle_dir": str(tmp_path / "handle"),
        "work_dir": str(tmp_path / "pilots"),
        "parallel_jobs": 8,
    }
    pilots = {**worker, "resources": {"ntasks": 16}, "batch": batch}
    return JobController.from_project(make_project(workers={"here": worker, "pilots": pilots}))


def end(flow: Queued, name: str, start: datetime = START) -> None:
    """Bring a job to its end: ten seconds of upload, five of download, an hour's run."""
    flow.bring(name, _S.COMPLETED)
    doc = flow.doc(name)
    ran = {"start_time": start + timedelta(seconds=45)}
    flow.jobs.update(doc, {**ran, "end_time": ran["start_time"] + timedelta(hours=1)})
    for event, seconds in TIMES.items():
        flow.queue.history.update_one(
            {"uuid": doc.uuid, "event": event, "attempt": doc.attempt},
            {"$set": {"at": start + timedelta(seconds=seconds)}},
        )


def found(controller: JobController) -> UsageReport:
    """Return what all jobs took."""
    workers = controller.project.workers
    return jobs_report(controller.queue, "years", 10, workers=workers).usage


def test_jobs_without_resources_have_those_of_their_worker(controller: JobController) -> None:
    """As their scripts do; of a pilot's each has its share."""
    here = Queued(controller.queue, {"a": []})
    end(here, "a")
    pilots = Queued(controller.queue, {"a": []}, worker="pilots")
    end(pilots, "a")
    report = found(controller)
    one: dict[str, Any] = {"jobs": 1, "queued": 30.0, "transferred": 15.0, "run": 3600.0}
    expected = {"here": Usage(core_hours=4.0, **one), "pilots": Usage(core_hours=2.0, **one)}
    assert report.by_worker == expected
    assert report.by_flow == {here.flow: expected["here"], pilots.flow: expected["pilots"]}
    assert report.total == Usage(2, 60.0, 30.0, 7200.0, 6.0)


def test_resources_of_the_job_come_first(controller: JobController) -> None:
    """Those of the worker are not added to them; a worker that is gone asks for one core."""
    flow = Queued(controller.queue, {"a": []})
    end(flow, "a")
    flow.jobs.update(flow.doc("a"), {"resources": {"nodes": 2, "ntasks_per_node": 3}})
    assert found(controller).total.core_hours == 6.0
    flow.jobs.update(flow.doc("a"), {"resources": {}})
    assert found(controller).total.core_hours == 1.0
    flow.jobs.update(flow.doc("a"), {"resources": None, "worker": "gone"})
    assert found(controller).total.core_hours == 1.0


def test_earlier_attempts_count(controller: JobController) -> None:
    """Their runs are as long as they were seen; queue and transfers add up."""
    flow = Queued(controller.queue, {"a": []})
    flow.bring("a", _S.FAILED)
    doc = flow.doc("a")
    for event, seconds in TIMES.items():
        flow.queue.history.update_one(
            {"uuid": doc.uuid, "event": event}, {"$set": {"at": START + timedelta(seconds=seconds)}}
        )
    controller.rerun_job(db_id="1")
    end(flow, "a", START + timedelta(hours=3))
    assert found(controller).total == Usage(1, 60.0, 30.0, 7208.0, 7208.0 * 4 / 3600)
