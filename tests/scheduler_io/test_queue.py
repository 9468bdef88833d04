"""A worker's queue: one round trip each, at most one queue job, an end only on proof."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from qtoolkit.io.slurm import SlurmIO

from jfcelery.errors import (
    BackPressureError,
    ConnectionLostError,
    HostError,
    ResourcesError,
    RunFolderError,
    SchedulerDownError,
    SubmissionRejectedError,
)
from jfcelery.folders import RunFolder
from jfcelery.project.options import QueueLimit
from jfcelery.scheduler_io.hosts.base import CommandResult
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from jfcelery.scheduler_io.queue import Submission
from jfcelery.scheduler_io.schedulers.base import Answer, EndReason, EndReport, QueueState
from tests.scheduler_io.bench import Bench
from tests.scheduler_io.fake_slurm import FakeSlurm
from tests.scheduler_io.schedulers.workers import PlainWorker

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.scheduler_io.schedulers.base import QueueJob


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """Commands that answer like Slurm's."""
    return FakeSlurm(tmp_path / "slurm", monkeypatch)


@pytest.fixture
def bench(tmp_path: Path, slurm: FakeSlurm) -> Bench:
    """A Slurm worker on this machine."""
    worker = PlainWorker("slurm", SlurmIO(), work_dir=tmp_path / "work dir")
    return Bench(SimulatedHost(), worker, settle_s=0)


def end(bench: Bench, job: QueueJob, text: str) -> None:
    """Write a final file."""
    bench.host.run(f"printf '%s' '{text}' >'{job.folder}/jfc_end.{job.attempt}'")


def runs(bench: Bench) -> int:
    """Return how many commands the host has run."""
    host = bench.host
    assert isinstance(host, SimulatedHost)
    return host.count("run")


# Submission ---------------------------------------------------------------------------------


def test_a_submission_is_one_round_trip(bench: Bench, slurm: FakeSlurm) -> None:
    """The id comes back from the very command that submits."""
    job = bench.put("true")
    before = runs(bench)
    assert bench.submit(job).queue_id == "101"
    assert runs(bench) == before + 1
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


def test_an_answer_without_an_id_is_in_doubt(bench: Bench, slurm: FakeSlurm) -> None:
    """The job is looked up by its name."""
    job = bench.put("true")
    slurm.submitting("silent")
    with pytest.raises(SchedulerDownError, match="no id"):
        bench.submit(job)
    assert bench.submit(job).queue_id == "101"
    assert slurm.calls == 1


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
    before = runs(bench)
    results = bench.queue.submit_all(tasks)
    assert runs(bench) == before + 1
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


# Polling ------------------------------------------------------------------------------------


def test_a_poll_of_thousands_is_one_round_trip(bench: Bench, slurm: FakeSlurm) -> None:
    """Ids and folders go by stdin; strangers' jobs stay on the host."""
    jobs = [replace(bench.new(), queue_id=str(1000 + n)) for n in range(3000)]
    slurm.set_queue(
        *(f"{job.queue_id}|RUNNING|None|debug|{job.name}" for job in jobs),
        *(f"{n}|RUNNING|None|debug|by hand" for n in range(9000, 12000)),
    )
    before = runs(bench)
    answers = bench.queue.poll(jobs)
    assert runs(bench) == before + 1
    assert len(answers) == 3000
    assert set(answers.values()) == {Answer(QueueState.RUNNING, words="RUNNING")}


def test_a_final_file_ends_a_job(bench: Bench, slurm: FakeSlurm) -> None:
    """Whatever the queue says of it."""
    job = bench.run("true")
    assert bench.answer(job).state is QueueState.QUEUED
    end(bench, job, "exit_code=3\nstage=exec\ntime=1")
    assert bench.answer(job) == Answer(
        QueueState.ENDED,
        EndReport(EndReason.FAILED, 3, words="exit code 3 in exec"),
        "exit code 3 in exec",
    )


def test_a_job_that_is_not_listed_is_absent_not_ended(bench: Bench, slurm: FakeSlurm) -> None:
    """The caller counts how often."""
    job = bench.run("true")
    slurm.set_queue()
    assert bench.answer(job).is_absent


@pytest.mark.parametrize("answer", ["fail", "empty", "garbage", "cut", "hang"])
def test_no_answer_of_the_queue_ends_a_job(bench: Bench, slurm: FakeSlurm, answer: str) -> None:
    """A failing, empty, garbage, cut or hanging listing changes nothing."""
    job = bench.run("true")
    slurm.listing(answer)
    bench.timeout = 4
    with pytest.raises(SchedulerDownError):
        bench.answer(job)


def test_final_files_count_while_the_queue_is_down(bench: Bench, slurm: FakeSlurm) -> None:
    """The other jobs are unknown, with the reason, and not absent."""
    done, other = bench.run("true"), bench.run("true")
    end(bench, done, "exit_code=0")
    slurm.listing("fail")
    answers = bench.queue.poll([done, other])
    assert answers[done.queue_id].state is QueueState.ENDED
    assert answers[other.queue_id].state is QueueState.UNKNOWN
    assert "Unable to contact" in answers[other.queue_id].words
    assert not answers[other.queue_id].is_absent


def test_an_id_that_is_none_reaches_no_command_line(bench: Bench) -> None:
    """Ids come from a database that others may write to."""
    job = replace(bench.new(), queue_id="1; rm -rf /")
    with pytest.raises(RunFolderError, match="no id"):
        bench.queue.poll([job])


def test_polling_nothing_asks_nothing(bench: Bench) -> None:
    """No jobs, no round trip."""
    assert bench.queue.poll([]) == {}
    assert bench.queue.end_reports([]) == {}
    assert bench.queue.cancel([]) == {}
    assert runs(bench) == 0


# Ends ---------------------------------------------------------------------------------------


def test_without_accounting_the_folder_tells_how_a_job_ended(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """The exit code from the final file, the reason from what Slurm wrote to queue.err."""
    job = bench.run("true")
    end(bench, job, "exit_code=143\nsignal=15\nstage=exec")
    bench.host.run(
        f"echo 'slurmstepd: error: *** JOB 101 ON n CANCELLED AT 2024-05-02T10:00:00 DUE TO TIME"
        f" LIMIT ***' >'{job.folder}/queue.err'"
    )
    report = bench.queue.end_reports([job])[job.queue_id]
    assert (report.reason, report.exit_code, report.signal) == (EndReason.TIMEOUT, 143, 15)
    assert "DUE TO TIME LIMIT" in report.words
    assert report.is_proof, "there is a final file"


def test_a_script_that_noted_a_signal_and_died_was_cancelled(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """TERM, then KILL before it could write its final file; that it ended is not proven so."""
    job = bench.run("true")
    bench.host.run(
        f"printf 'stage=started\\nstage=exec\\nsignal=15\\n' >'{job.folder}/jfc_status.1'"
    )
    report = bench.queue.end_reports([job])[job.queue_id]
    assert report == EndReport(EndReason.CANCELLED, None, 15, "SIGTERM in exec", is_proof=False)


def test_a_command_that_a_signal_killed_failed(bench: Bench, slurm: FakeSlurm) -> None:
    """The script lived on to say so: nobody cancelled the job."""
    job = bench.run("true")
    end(bench, job, "exit_code=139\nstage=exec")
    report = bench.queue.end_reports([job])[job.queue_id]
    assert (report.reason, report.signal) == (EndReason.FAILED, 11)


def test_of_a_job_that_left_no_trace_nothing_is_told(bench: Bench, slurm: FakeSlurm) -> None:
    """No report is no proof."""
    assert bench.queue.end_reports([bench.run("true")]) == {}


# Cancelling ---------------------------------------------------------------------------------


def test_cancelling_is_confirmed(bench: Bench, slurm: FakeSlurm) -> None:
    """True once the queue says that it ended."""
    one, other = bench.run("true"), bench.run("true")
    assert bench.queue.cancel([one]) == {one.queue_id: True}
    assert [row[1] for row in slurm.queue] == ["CANCELLED", "PENDING"]
    assert bench.answer(other).state is QueueState.QUEUED


def test_what_is_still_listed_is_not_gone(bench: Bench, slurm: FakeSlurm) -> None:
    """False, and calling again is harmless."""
    job = bench.run("true")
    (slurm.folder / "bin" / "scancel").write_text("#!/bin/bash\nexit 0\n")
    assert bench.queue.cancel([job], confirm_s=0) == {job.queue_id: False}


def test_cancelling_with_the_scheduler_down_says_so(bench: Bench, slurm: FakeSlurm) -> None:
    """Nothing is confirmed."""
    job = bench.run("true")
    slurm.listing("fail")
    with pytest.raises(SchedulerDownError):
        bench.queue.cancel([job])


def test_a_job_whose_id_was_lost_is_found_and_cancelled(bench: Bench, slurm: FakeSlurm) -> None:
    """The folder knows the answer, or the queue the name."""
    first, second = bench.put("true"), bench.put("true")
    bench.submit(first)
    slurm.submitting("die-after")
    with pytest.raises(HostError):
        bench.submit(second)
    slurm.submitting("well")
    assert bench.queue.cancel([first, second])[""] is True
    assert [row[1] for row in slurm.queue] == ["CANCELLED", "CANCELLED"]


def test_a_job_cancelled_before_its_submission_is_never_submitted(
    bench: Bench, slurm: FakeSlurm
) -> None:
    """A submission under way elsewhere comes too late."""
    job = bench.put("true")
    assert bench.queue.cancel([job]) == {"": True}
    with pytest.raises(SubmissionRejectedError, match="cancelled"):
        bench.submit(job)
    assert slurm.calls == 0


def test_a_job_without_a_folder_needs_no_cancelling(bench: Bench) -> None:
    """It cannot be submitted."""
    assert bench.queue.cancel([bench.new()]) == {"": True}


def test_a_folder_that_became_unwritable_is_still_read(bench: Bench, slurm: FakeSlurm) -> None:
    """A job that was submitted from it is found and cancelled."""
    job = bench.put("true")
    bench.submit(job)
    # Root may write anywhere but into a file that is a folder.
    bench.host.run(f"cd '{job.folder}' && rm -f .jfc_lock.1 && mkdir .jfc_lock.1")
    with pytest.raises(RunFolderError, match="cannot be written"):
        bench.submit(job)
    assert all(bench.queue.cancel([job]).values())
    assert slurm.queue[0][1] == "CANCELLED"


def test_an_earlier_attempt_is_found_where_it_was_moved_to(bench: Bench, slurm: FakeSlurm) -> None:
    """Publishing the next attempt moves the folder aside."""
    job = bench.put("true")
    bench.submit(job)
    archived = job.folder.archived(1)
    bench.host.run(f"mv '{job.folder}' '{archived}'; mkdir '{job.folder}'")
    bench.host.run(f"echo other >'{job.folder}/{RunFolder.SCRIPT}'")
    assert all(bench.queue.cancel([job]).values())
    assert slurm.queue[0][1] == "CANCELLED"
