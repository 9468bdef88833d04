"""Slurm: commands out, recorded answers in."""

from __future__ import annotations

from typing import Any

import pytest
from qtoolkit.io.slurm import SlurmIO

from jfcelery.errors import (
    BackPressureError,
    DiskFullError,
    ResourcesError,
    SchedulerDownError,
    SubmissionRejectedError,
)
from jfcelery.scheduler_io.schedulers.base import EndReason, EndReport, Output, QueueState
from jfcelery.scheduler_io.schedulers.slurm import HEADER, STATES, Slurm
from tests.scheduler_io.schedulers import recorded

SLURM = Slurm(SlurmIO())

_REFUSED = {
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job "
    "violates accounting/QOS policy (job submit limit, user's size and/or time limits)": (
        BackPressureError
    ),
    "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job "
    "violates accounting/QOS policy (job submit limit, user's size and/or time limits)": (
        BackPressureError
    ),
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit "
    "limit, user's size and/or time limits)": BackPressureError,
    "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: "
    "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)": (
        ResourcesError
    ),
    "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying": (
        BackPressureError
    ),
    "sbatch: error: Batch job submission failed: Required partition not available (inactive or "
    "drain)": BackPressureError,
    "sbatch: error: Batch job submission failed: System submissions disabled": BackPressureError,
    "sbatch: error: Batch job submission failed: Rate limit exceeded, please retry later": (
        BackPressureError
    ),
    "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission "
    "failed: Invalid partition name specified": ResourcesError,
    "sbatch: error: Batch job submission failed: Requested node configuration is not available": (
        ResourcesError
    ),
    "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or "
    "exceeds some limit)": ResourcesError,
    "sbatch: error: Batch job submission failed: Invalid account or account/partition "
    "combination specified": ResourcesError,
    "sbatch: unrecognized option '--nodess=2'\nTry \"sbatch --help\"": ResourcesError,
    "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect "
    "failure)": SchedulerDownError,
    "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation": (
        SchedulerDownError
    ),
    "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received": (
        SchedulerDownError
    ),
    "sbatch: error: Munge encode failed: Unable to access /run/munge/munge.socket.2": (
        SchedulerDownError
    ),
    "sbatch: error: Batch job submission failed: Access/permission denied": (
        SubmissionRejectedError
    ),
    "sbatch: error: the site says no": SubmissionRejectedError,
    "bash: line 1: .jfc_queue_id.1: No space left on device": DiskFullError,
}


def test_the_id_is_found_among_what_a_site_prints_around_it() -> None:
    """Plug-ins of a site may print before and after sbatch's own line."""
    answer = "Welcome!\nSubmitted batch job 4711 on cluster big\nquota: 3 %\n"
    assert SLURM.parse_submit(answer) == "4711"
    assert SLURM.parse_submit("sbatch: error: no") is None


def test_each_line_of_a_listing_is_read_for_itself() -> None:
    """Unknown states, arrays, blanks and bars in names, and garbage cost their own line only."""
    rows = SLURM.parse_list(Output(0, recorded.SQUEUE)).rows
    assert {queue_id: row.state for queue_id, row in rows.items()} == {
        "21": QueueState.QUEUED,
        "22": QueueState.RUNNING,
        "23": QueueState.RUNNING,
        "24_[1-3]": QueueState.QUEUED,
        "25": QueueState.HELD,
        "26": QueueState.ENDED,
        "27": QueueState.ENDED,
        "28": QueueState.ENDED,
        "29": QueueState.UNKNOWN,
        "30": QueueState.HELD,
        "31": QueueState.ENDED,
        "32": QueueState.SUSPENDED,
        "33": QueueState.ENDED,
        "34": QueueState.ENDED,
        "35": QueueState.ENDED,
    }
    assert rows["22"].name == "a name | with a bar"
    assert rows["21"].words == "PENDING (Priority)"


@pytest.mark.parametrize(
    "queue_id,reason",
    [
        ("26", EndReason.COMPLETED),
        ("27", EndReason.TIMEOUT),
        ("28", EndReason.CANCELLED),
        ("31", EndReason.OUT_OF_MEMORY),
        ("33", EndReason.NODE_FAIL),
        ("34", EndReason.PREEMPTED),
        ("35", EndReason.FAILED),
    ],
)
def test_the_listing_says_how_jobs_ended_a_while_ago(queue_id: str, reason: EndReason) -> None:
    """Finished jobs stand in the queue for MinJobAge, with the reason."""
    end = SLURM.parse_list(Output(0, recorded.SQUEUE)).rows[queue_id].end
    assert end is not None
    assert end.reason is reason


@pytest.mark.parametrize(
    "output",
    [
        Output(1, "", "slurm_load_jobs error: Unable to contact slurm controller"),
        Output(0, ""),
        Output(0, "<html>503 Service Unavailable</html>"),
        Output(124, HEADER + "\n21|RUNN"),
    ],
)
def test_what_is_no_whole_listing_is_none(output: Output) -> None:
    """A failing, empty, cut or garbage answer is the scheduler's trouble, not an empty queue."""
    with pytest.raises(SchedulerDownError):
        SLURM.parse_list(output)


def test_a_header_alone_is_an_empty_queue() -> None:
    """The header is the proof that squeue answered."""
    listing = SLURM.parse_list(Output(0, HEADER + "\n"))
    assert listing.rows == {}
    assert listing.lacks("21")


def test_the_accounting_tells_each_end_apart() -> None:
    """Reason, exit code, signal and who cancelled come from sacct."""
    reports = SLURM.parse_accounting(Output(0, recorded.SACCT))
    assert reports["2"] == EndReport(EndReason.CANCELLED, None, 15, "CANCELLED by 20001", by="hpc")
    assert reports["4"] == EndReport(EndReason.FAILED, 3, None, "FAILED")
    assert reports["5"] == EndReport(EndReason.OUT_OF_MEMORY, None, None, "OUT_OF_MEMORY")
    assert reports["6"] == EndReport(EndReason.COMPLETED, 0, None, "COMPLETED")
    assert reports["10"] == EndReport(EndReason.FAILED, None, 9, "FAILED")
    assert {reports[key].reason for key in ("3", "7", "8")} == {
        EndReason.TIMEOUT,
        EndReason.NODE_FAIL,
        EndReason.PREEMPTED,
    }
    assert "9" not in reports, "it has not ended"


def test_the_controller_answers_where_there_is_no_accounting() -> None:
    """Lines of scontrol are read too; a running job has no report."""
    text = "Slurm accounting storage is disabled\n" + recorded.SCONTROL
    reports = SLURM.parse_accounting(Output(0, text))
    assert reports == {
        "11": EndReport(EndReason.FAILED, 7, None, "FAILED (NonZeroExitCode)"),
    }


def test_each_task_of_an_array_is_accounted_for_by_its_own_id() -> None:
    """Neither its siblings' end nor the number that Slurm gives it beside that is its own."""
    reports = SLURM.parse_accounting(Output(0, recorded.SACCT_ARRAY + recorded.SCONTROL_ARRAY))
    assert {key: report.reason for key, report in reports.items()} == {
        "41_0": EndReason.COMPLETED,
        "41_1": EndReason.FAILED,
        "41_4": EndReason.CANCELLED,
        "41_6": EndReason.UNKNOWN,
        **{f"42_{number}": EndReason.CANCELLED for number in (0, 2, 3, 4)},
    }
    assert reports["42_3"].by == "hpc"
    assert reports["41_1"].exit_code == 3


@pytest.mark.parametrize("array_id", ["41", "41_3", "41_[0-7%2]"])
def test_a_task_has_its_number_behind_the_id_of_its_array(array_id: str) -> None:
    """Whichever row of a listing, or answer, the id of the array is from."""
    assert SLURM.task_id(array_id, "5") == "41_5"


@pytest.mark.parametrize("reason", recorded.SLURM_STDERR)
def test_slurmstepd_says_in_the_jobs_stderr_why_it_ended_it(reason: str) -> None:
    """The last resort, where accounting is off and the controller has forgotten the job."""
    end = SLURM.read_stderr("the job's own words\n" + recorded.SLURM_STDERR[reason])
    assert end is not None
    assert end.reason.value == reason
    assert "slurmstepd" in end.words
    assert SLURM.read_stderr("Traceback: the job's own words\n") is None


def test_a_memory_kill_that_slurm_calls_failed_is_told_by_its_words() -> None:
    """Without cgroups the accounting has only the signal."""
    end = SLURM.parse_accounting(Output(0, recorded.SACCT_OVER_MEMORY))["1"]
    assert (end.reason, end.signal) == (EndReason.FAILED, 9)
    report = end.completed_by(SLURM.read_stderr(recorded.SLURM_OVER_MEMORY))
    assert (report.reason, report.signal) == (EndReason.OUT_OF_MEMORY, 9)
    assert "exceeded memory limit (226795520 > 104857600)" in report.words


@pytest.mark.parametrize("text", _REFUSED)
def test_a_refusal_means_wait_or_mend_or_give_up(text: str) -> None:
    """A site's limits are back-pressure; a controller that is away is the host's trouble."""
    error = SLURM.refusal(Output(1, "", text))
    assert type(error) is _REFUSED[text]
    assert " ".join(text.split()) in error.message


def test_what_a_scheduler_says_cannot_move_a_cursor() -> None:
    """Whatever bytes it prints, they stand in messages as one line of text."""
    error = SLURM.refusal(Output(1, "\x1b[2J\x1b]0;title\x07 bell\x08\r\n", "é\x00\ttoo"))
    assert str(error.message).endswith("é too [2J ]0;title bell")


def test_a_submission_that_hangs_is_killed_or_has_no_sbatch_is_the_hosts_trouble() -> None:
    """The exit statuses of timeout and of the shell say so."""
    for killed in (129, 137, 139, 143):
        assert isinstance(SLURM.refusal(Output(killed, "", "")), SchedulerDownError)
    assert isinstance(SLURM.refusal(Output(124, "", "")), SchedulerDownError)
    assert isinstance(SLURM.refusal(Output(127, "", "sbatch: not found")), SchedulerDownError)


def test_every_state_that_qtoolkit_knows_has_a_meaning() -> None:
    """The table covers at least qtoolkit's own."""
    from qtoolkit.io.slurm import SlurmState

    known: Any = SlurmState
    assert {state.value for state in known} <= set(STATES)
