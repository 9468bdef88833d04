"""A worker's queue: one round trip each, an end only on proof, and cancelling that is confirmed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import HostError, RunFolderError, SchedulerDownError, SubmissionRejectedError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.schedulers.base import Answer, EndReason, EndReport, QueueState

if TYPE_CHECKING:
    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.scheduler_io.bench import Bench
    from tests.scheduler_io.fake_slurm import FakeSlurm


def end(bench: Bench, job: QueueJob, text: str) -> None:
    """Write a final file."""
    bench.host.run(f"printf '%s' '{text}' >'{job.folder}/jfc_end.{job.attempt}'")


# Polling ------------------------------------------------------------------------------------


def test_a_poll_of_thousands_is_one_round_trip(bench: Bench, slurm: FakeSlurm) -> None:
    """Ids and folders go by stdin; strangers' jobs stay on the host."""
    jobs = [replace(bench.new(), queue_id=str(1000 + n)) for n in range(3000)]
    slurm.set_queue(
        *(f"{job.queue_id}|RUNNING|None|debug|{job.name}" for job in jobs),
        *(f"{n}|RUNNING|None|debug|by hand" for n in range(9000, 12000)),
    )
    before = bench.round_trips
    answers = bench.queue.poll(jobs)
    assert bench.round_trips == before + 1
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
    assert bench.round_trips == 0


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
