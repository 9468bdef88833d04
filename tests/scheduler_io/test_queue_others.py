"""Queues of PBS, Torque and of a site's own scheduler: their commands within our frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from qtoolkit.io.pbs import PBSIO

from jfcelery.errors import SchedulerDownError
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from jfcelery.scheduler_io.schedulers.base import EndReason, QueueState
from tests.scheduler_io.bench import Bench
from tests.scheduler_io.fake_programs import PROFESSIONAL, TORQUE, fake_pbs, fake_site
from tests.scheduler_io.schedulers.test_custom import LineIO
from tests.scheduler_io.schedulers.workers import PlainWorker

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=[PROFESSIONAL, TORQUE], ids=["professional", "torque"])
def pbs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Bench, Path]:
    """A PBS worker on this machine, and the folder of its queue jobs."""
    jobs = fake_pbs(tmp_path / "pbs", monkeypatch, request.param)
    worker = PlainWorker("pbs", PBSIO(), work_dir=tmp_path / "work dir")
    return Bench(SimulatedHost(), worker, settle_s=0), jobs


def test_pbs_jobs_are_submitted_listed_and_cancelled(pbs: tuple[Bench, Path]) -> None:
    """Both kinds, each in its own way; a deleted job was cancelled."""
    bench, jobs = pbs
    job, other = bench.run("true"), bench.run("true")
    assert job.queue_id.startswith("1.")
    assert bench.submit(job).queue_id == job.queue_id
    assert bench.answer(job).state is QueueState.QUEUED
    (jobs / other.queue_id).write_text(f"{other.name} R")
    answers = bench.queue.poll([job, other])
    assert answers[other.queue_id].state is QueueState.RUNNING
    assert bench.queue.cancel([job]) == {job.queue_id: True}
    report = bench.queue.end_reports([job])[job.queue_id]
    assert (report.reason, report.signal) == (EndReason.CANCELLED, 15)


def test_pbs_jobs_are_looked_up_by_name(pbs: tuple[Bench, Path]) -> None:
    """The answer to the submission was lost."""
    bench, jobs = pbs
    job = bench.run("true")
    bench.host.run(f": >'{job.folder}/.jfc_queue_id.1'")
    assert bench.submit(job).queue_id == job.queue_id
    assert len(list(jobs.iterdir())) == 1
    (jobs / job.queue_id).unlink()
    bench.host.run(f": >'{job.folder}/.jfc_queue_id.1'")
    assert bench.submit(job).queue_id == job.queue_id, "no such name: submitted anew, as 1 again"


def test_pbs_jobs_that_the_server_does_not_know_are_absent(pbs: tuple[Bench, Path]) -> None:
    """More ids than go on one command line, none of them known but one."""
    bench, _ = pbs
    job = bench.run("true")
    server = job.queue_id.partition(".")[2]
    gone = [replace(bench.new(), queue_id=f"{n}.{server}") for n in range(1000, 1500)]
    answers = bench.queue.poll([*gone, job])
    assert sum(answer.is_absent for answer in answers.values()) == 500
    assert answers[job.queue_id].state is QueueState.QUEUED


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Bench, Path]:
    """A worker with a scheduler of its own, and the folder of its queue jobs."""
    jobs = fake_site(tmp_path / "site", monkeypatch)
    worker = PlainWorker(
        "custom", LineIO(), work_dir=tmp_path / "work dir", resources={"queue": "big"}
    )
    return Bench(SimulatedHost(), worker, settle_s=0), jobs


def test_jobs_of_a_sites_own_scheduler_are_submitted_listed_and_cancelled(
    site: tuple[Bench, Path],
) -> None:
    """Through the object's own methods, though one line of its listing makes it raise."""
    bench, jobs = site
    job, other = bench.run("true"), bench.run("true")
    assert job.queue_id == "S1"
    assert bench.submit(job).queue_id == "S1"
    assert bench.answer(job).state is QueueState.RUNNING
    assert bench.queue.cancel([job]) == {"S1": True}
    assert [path.name for path in jobs.iterdir()] == [other.queue_id]


def test_jobs_of_a_sites_own_scheduler_are_looked_up_by_name(site: tuple[Bench, Path]) -> None:
    """The listing has it."""
    bench, jobs = site
    job = bench.run("true")
    bench.host.run(f": >'{job.folder}/.jfc_queue_id.1'")
    assert bench.submit(job).queue_id == job.queue_id
    assert len(list(jobs.iterdir())) == 1


def test_a_sites_own_scheduler_that_is_down_ends_nothing(site: tuple[Bench, Path]) -> None:
    """The object's parser raises; no job is absent for that."""
    bench, jobs = site
    job = bench.run("true")
    (jobs.parent / "bin" / "site-list").write_text("#!/bin/bash\necho oops >&2; exit 1\n")
    with pytest.raises(SchedulerDownError, match="oops"):
        bench.answer(job)
