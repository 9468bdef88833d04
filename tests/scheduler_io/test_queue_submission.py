"""Submission: one round trip, and at most one queue job, wherever it dies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import (
    BackPressureError,
    ConnectionLostError,
    HostError,
    ResourcesError,
    RunFolderError,
    SchedulerDownError,
    SubmissionRejectedError,
    WordlessRefusalError,
)
from jfcelery.folders import RunFolder
from jfcelery.project.options import QueueLimit
from jfcelery.scheduler_io.hosts.base import CommandResult
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from jfcelery.scheduler_io.queue import Submission

if TYPE_CHECKING:
    from tests.scheduler_io.bench import Bench
    from tests.scheduler_io.fake_slurm import FakeSlurm


def test_a_submission_is_one_round_trip(bench: Bench, slurm: FakeSlurm) -> None:
    """The id comes back from the very command that submits."""
    job = bench.put("true")
    before = bench.round_trips
    assert bench.submit(job).queue_id == "101"
    assert bench.round_trips == before + 1
    assert slurm.queue[0][4] == job.name


def test_submitting_again_gives_the_same_id(bench: Bench, slurm: FakeSlurm) -> None:
    """The first answer lies in the run folder."""
    job = bench.put("true")
    assert {bench.submit(job).queue_id for _ in range(3)} == {"101"}
    assert slurm.calls == 1


@pytest.mark.parametrize("point", ["die-before", "die-after", "die-last"])
def test_a_submission_killed_at_any_point_leaves_one_queue_job(
    bench: Bench, slurm: FakeSlurm, point: str
) -> None:
    """Before or after the scheduler took the job, or before its answer was read."""
    job = bench.put("true")
    slurm.submitting(point)
    with pytest.raises(HostError):
        bench.submit(job)
    slurm.submitting("well")
    assert bench.submit(job).queue_id == "101"
    assert len(slurm.queue) == 1


def test_a_link_lost_after_the_submission_leaves_one_queue_job(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """The answer never arrived, but the folder knows it."""
    job = bench.put("true")
    host = bench.host
    assert isinstance(host, SimulatedHost)
    host.fail("run", ConnectionLostError("cut"), when="after")
    with pytest.raises(ConnectionLostError):
        bench.submit(job)
    assert bench.submit(job).queue_id == "101"
    assert len(slurm.queue) == 1


def test_a_scheduler_that_took_the_job_and_then_timed_out_is_asked_for_it(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """Slurm's 'Socket timed out' may mean that the job was accepted."""
    job = bench.put("true")
    slurm.submitting("time-out")
    with pytest.raises(SchedulerDownError):
        bench.submit(job)
    slurm.submitting("well")
    assert bench.submit(job).queue_id == "101"
    assert len(slurm.queue) == 1


@pytest.mark.parametrize(
    "mode, words, calls",
    [
        ("silent", "no id", 1),
        ("murmur", "no id", 1),
        ("nonsense", "no id", 2),
        ("killed", "137", 2),  # as by a host that goes down: that is no refusal
        ("killed-after", "137", 1),
    ],
)
def test_a_submission_that_tells_nothing_is_in_doubt(
    bench: Bench, slurm: FakeSlurm, mode: str, words: str, calls: int
) -> None:
    """The job is looked up by its name, and submitted again only if nobody knows it."""
    job = bench.put("true")
    slurm.submitting(mode)
    with pytest.raises(SchedulerDownError, match=words):
        bench.submit(job)
    slurm.submitting("well")
    assert bench.submit(job).queue_id == "101"
    assert slurm.calls == calls
    assert len(slurm.queue) == 1


def test_an_answer_without_an_id_that_was_kept_does_not_hold_up_a_cancel(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """A Celery worker may die before it has forgotten the answer; the job is looked up then."""
    job = bench.put("true")
    slurm.submitting("well")
    bench.submit(job)
    Path(job.folder / RunFolder.queue_id(1)).write_text("murmur\n")
    with pytest.raises(HostError, match="no id"):
        bench.queue.cancel([job])
    assert bench.queue.cancel([job])[""]
    assert [row[1] for row in slurm.queue] == ["CANCELLED"]


@pytest.mark.parametrize("answer", ["fail", "empty", "garbage", "cut", "hang"])
def test_a_submission_in_doubt_waits_for_a_whole_listing(
    bench: Bench, slurm: FakeSlurm, answer: str
) -> None:
    """While the queue cannot be asked, nothing is submitted a second time."""
    job = bench.put("true")
    slurm.submitting("die-after")
    with pytest.raises(HostError):
        bench.submit(job)
    slurm.submitting("well")
    slurm.listing(answer)
    bench.timeout = 4
    with pytest.raises(SchedulerDownError):
        bench.submit(job)
    slurm.listing("well")
    assert bench.submit(job).queue_id == "101"
    assert slurm.calls == 1


def test_a_job_that_has_begun_is_known_by_its_own_status_file(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """Whatever became of the submission's answer and of the queue."""
    job = bench.put("true")
    slurm.submitting("die-after")
    with pytest.raises(HostError):
        bench.submit(job)
    bench.host.run(f"echo queue_id=101 >'{job.folder}/jfc_status.1'")
    slurm.set_queue()
    assert bench.submit(job).queue_id == "101"
    assert slurm.calls == 1


def test_a_job_that_has_begun_on_a_full_disk_is_known_by_its_claim(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """Its status file may be empty then; the claim has no content that would need room."""
    job = bench.put("true")
    slurm.submitting("die-after")
    with pytest.raises(HostError):
        bench.submit(job)
    bench.host.run(f"cd '{job.folder}' && : >jfc_status.1 && ln -s 101 .jfc_claim.1")
    slurm.set_queue()
    slurm.submitting("well")
    assert bench.submit(job).queue_id == "101"
    assert slurm.calls == 1


def test_a_claim_by_the_number_of_a_process_is_no_id(bench: Bench, slurm: FakeSlurm) -> None:
    """As where the scheduler tells its jobs no ids; the queue is asked."""
    job = bench.put("true")
    slurm.submitting("die-after")
    with pytest.raises(HostError):
        bench.submit(job)
    bench.host.run(f"cd '{job.folder}' && ln -s node7:4711 .jfc_claim.1")
    slurm.submitting("well")
    assert bench.submit(job).queue_id == "101"
    assert slurm.calls == 1


def test_a_limit_of_the_site_is_back_pressure_and_tried_again(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """A refusal for now leaves nothing that would keep the job from being submitted later."""
    job = bench.put("true")
    slurm.submitting("refuse", "sbatch: error: QOSMaxSubmitJobPerUserLimit")
    for _ in range(2):
        with pytest.raises(BackPressureError, match="QOSMaxSubmitJobPerUserLimit"):
            bench.submit(job)
    slurm.submitting("well")
    assert bench.submit(job).queue_id == "101"


@pytest.mark.parametrize(
    "words,error",
    [
        ("sbatch: error: invalid partition specified: nope", ResourcesError),
        ("sbatch: error: the site says no", SubmissionRejectedError),
        ("sbatch: error: Unable to contact slurm controller", SchedulerDownError),
    ],
)
def test_refusals_are_told_apart(
    bench: Bench, slurm: FakeSlurm, words: str, error: type[Exception]
) -> None:
    """With the scheduler's own words."""
    slurm.submitting("refuse", words)
    with pytest.raises(error, match=words[15:]):
        bench.run("true")


def test_a_refusal_without_a_word_is_tried_again(bench: Bench, slurm: FakeSlurm) -> None:
    """A few times, as any passing trouble of a job."""
    job = bench.put("true")
    slurm.submitting("refuse", "")
    with pytest.raises(WordlessRefusalError, match="no message"):
        bench.submit(job)
    slurm.submitting("well")
    assert bench.submit(job).queue_id == "101"


def test_a_submission_that_hangs_is_ended_and_looked_up_later(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """The command gives up before the connection does."""
    job = bench.put("true")
    slurm.submitting("hang")
    bench.timeout = 4
    with pytest.raises(SchedulerDownError):
        bench.submit(job)
    slurm.submitting("well")
    assert bench.submit(job).queue_id == "101"


def test_a_missing_folder_is_named(bench: Bench) -> None:
    """Nothing is submitted from elsewhere."""
    with pytest.raises(RunFolderError, match="is gone"):
        bench.submit(bench.new())


def test_a_folder_of_another_attempt_is_not_submitted(bench: Bench, slurm: FakeSlurm) -> None:
    """A late message of an attempt that was superseded has no effect."""
    job = bench.put("true")
    late = replace(job, name=f"{job.name[:-1]}0", attempt=0)
    with pytest.raises(RunFolderError, match="another attempt"):
        bench.submit(late)
    assert slurm.calls == 0


def test_many_jobs_are_submitted_in_one_round_trip(bench: Bench, slurm: FakeSlurm) -> None:
    """Each with its own answer: one bad folder spoils no other."""
    jobs = [bench.put("true") for _ in range(3)]
    missing = bench.new()
    tasks = [Submission(job.folder, job.name, job.attempt) for job in (*jobs, missing)]
    before = bench.round_trips
    results = bench.queue.submit_all(tasks)
    assert bench.round_trips == before + 1
    assert results[:3] == ["101", "102", "103"]
    assert isinstance(results[3], RunFolderError)


def test_a_scheduler_that_hangs_is_not_asked_again_for_the_rest(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """Twenty jobs would take twenty times as long to fail."""
    jobs = [bench.put("true") for _ in range(3)]
    slurm.submitting("hang")
    bench.timeout = 12
    results = bench.queue.submit_all([Submission(j.folder, j.name, j.attempt) for j in jobs])
    assert all(isinstance(result, SchedulerDownError) for result in results)
    assert slurm.calls == 1


def test_an_answer_that_was_cut_off_is_a_lost_connection(bench: Bench) -> None:
    """Without its last line, nothing in it counts."""
    job = bench.put("true")
    host = bench.host
    assert isinstance(host, SimulatedHost)
    host.answer("submit_one", CommandResult(0, "Submitted batch job 5\n", ""))
    with pytest.raises(ConnectionLostError, match="cut off"):
        bench.submit(job)


def test_a_limit_counts_jobs_started_by_hand(bench: Bench, slurm: FakeSlurm) -> None:
    """While it is reached, the job waits; once there is room, it goes."""
    slurm.set_queue("7|RUNNING|None|debug|by hand", "8|PENDING|None|debug|by hand")
    job = bench.put("true")

    def submit(*limits: QueueLimit) -> str:
        return bench.queue.submit(job.folder, name=job.name, attempt=job.attempt, limits=limits)

    with pytest.raises(BackPressureError, match="has 2 jobs in debug"):
        submit(QueueLimit(max_jobs=5), QueueLimit(max_jobs=2, partition="debug"))
    slurm.listing("fail")
    with pytest.raises(SchedulerDownError):
        submit(QueueLimit(max_jobs=5))
    assert slurm.calls == 0
    slurm.listing("well")
    assert submit(QueueLimit(max_jobs=3)) == "101"
    assert submit(QueueLimit(max_jobs=0)) == "101", "it is in the queue already"


def test_the_jobs_of_another_user_are_listed_and_counted(bench: Bench, slurm: FakeSlurm) -> None:
    """As `scheduler_username` says: where queue jobs belong to another name than the login's."""
    bench.worker.scheduler_username = "bob"
    job = bench.put("true")
    limit = QueueLimit(max_jobs=5)
    queue_id = bench.queue.submit(job.folder, name=job.name, attempt=1, limits=[limit])
    counted = [words for words in slurm.asked if "-h" in words.split()]
    assert counted, "the limit was looked at"
    bench.answer(replace(job, queue_id=queue_id))
    assert len(slurm.asked) > len(counted)
    assert all("-u bob" in words for words in slurm.asked)


def test_each_step_of_a_submission_has_the_time_of_a_command(
    bench: Bench, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many slow ones take their time, and a link that freezes costs no more than one."""
    jobs = [bench.put("true") for _ in range(3)]
    slurm.submitting("silent")  # what became of it must be looked up
    with pytest.raises(SchedulerDownError):
        bench.submit(jobs[0])
    slurm.submitting("well")
    run, asked = bench.host.run, []

    def noting(command: str, **options: Any) -> CommandResult:
        done = run(command, **options)
        asked.append((options, done.stdout))
        return done

    monkeypatch.setattr(bench.host, "run", noting)
    rows = [Submission(job.folder, job.name, job.attempt) for job in jobs]
    ids = bench.queue.submit_all(rows, limits=[QueueLimit(max_jobs=9)])
    assert ids == ["101", "102", "103"]
    ((options, stdout),) = asked
    assert options["stall"] == bench.worker.timeout_execute
    assert "timeout" not in options
    said = [line.split(" ", 1)[1] for line in stdout.splitlines() if line.startswith("@")]
    steps = [title.removeprefix("submit ") for title in said if title.startswith("submit ")]
    asking = [step for step in steps if step in {"begins", "looks", "counts", "asks"}]
    assert asking == ["begins", "looks", *["begins", "counts", "asks"] * 2]
