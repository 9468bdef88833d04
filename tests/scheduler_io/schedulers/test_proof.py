"""What proves that a job ended."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.schedulers.base import (
    ABSENT,
    Answer,
    EndReason,
    EndReport,
    Listing,
    QueueJob,
    QueueState,
    Row,
)
from jfcelery.scheduler_io.schedulers.proof import (
    NO_SIGNS,
    FolderSigns,
    judge,
    key_values,
    read_end,
    signal_name,
    signal_of,
)

JOB = QueueJob("u", 1, 1, "7", "jfc-u-1-1", RunFolder(PurePosixPath("/w/u_1")))
FINE = FolderSigns(end={"exit_code": "0"}, started=True)
FAILED = FolderSigns(end={"exit_code": "3", "stage": "exec"}, started=True)
TOLD = FolderSigns(end={"exit_code": "143", "signal": "15", "stage": "exec"}, started=True)


def listing(state: QueueState, end: EndReport | None = None, name: str = JOB.name) -> Listing:
    """Return a listing with one row."""
    return Listing({"7": Row("7", state, state.value, name, end)})


def test_a_listed_job_is_where_the_listing_says() -> None:
    """No final file, a row: the row counts."""
    assert judge(JOB, listing(QueueState.QUEUED), NO_SIGNS) == Answer(
        QueueState.QUEUED, words="QUEUED"
    )


def test_a_task_is_listed_under_the_name_of_its_array() -> None:
    """Another array's row is another job's; a folder that is gone cannot tell which array."""
    row = listing(QueueState.RUNNING, name="jfc-array-1-a")
    assert judge(JOB, row, FolderSigns(array="jfc-array-1-a")).state is QueueState.RUNNING
    assert judge(JOB, row, FolderSigns(array="jfc-array-1-b")).state is QueueState.UNKNOWN
    assert judge(JOB, row, FolderSigns(gone=True)).state is QueueState.RUNNING


def test_a_final_file_ends_a_job_that_the_listing_still_shows() -> None:
    """Schedulers take a while to clean up; the script has come to its end."""
    answer = judge(JOB, listing(QueueState.RUNNING), FINE)
    assert answer.state is QueueState.ENDED
    assert answer.end == EndReport(EndReason.COMPLETED, 0, words="exit code 0")


def test_a_final_file_ends_a_job_also_when_the_scheduler_is_down() -> None:
    """It needs no listing."""
    assert judge(JOB, None, FAILED, "down").state is QueueState.ENDED
    assert judge(JOB, None, NO_SIGNS, "down") == Answer(QueueState.UNKNOWN, words="down")


def test_a_job_that_a_signal_ended_may_stand_in_the_queue_again() -> None:
    """A preempted job leaves a final file and is queued anew: it has not ended."""
    assert judge(JOB, listing(QueueState.QUEUED), TOLD).state is QueueState.QUEUED
    assert judge(JOB, None, TOLD, "down").state is QueueState.UNKNOWN
    assert judge(JOB, Listing(), TOLD).state is QueueState.ENDED


def test_a_signal_that_did_not_keep_the_job_from_completing_is_no_matter() -> None:
    """It saved its work and ended with 0."""
    signs = FolderSigns(end={"exit_code": "0", "signal": "10"}, started=True)
    answer = judge(JOB, listing(QueueState.RUNNING), signs)
    assert answer.end is not None
    assert answer.end.reason is EndReason.COMPLETED


def test_the_scheduler_tells_who_sent_the_signal() -> None:
    """The final file knows the code, the listing the reason."""
    end = EndReport(EndReason.TIMEOUT, words="TIMEOUT (TimeLimit)")
    assert judge(JOB, listing(QueueState.ENDED, end), TOLD).end == EndReport(
        EndReason.TIMEOUT, 143, 15, "TIMEOUT (TimeLimit)"
    )


def test_running_out_of_memory_says_more_than_failing() -> None:
    """Python may catch the death of its child and exit with 3."""
    end = EndReport(EndReason.OUT_OF_MEMORY, words="OUT_OF_MEMORY")
    answer = judge(JOB, listing(QueueState.ENDED, end), FAILED)
    assert answer.end == EndReport(EndReason.OUT_OF_MEMORY, 3, None, "OUT_OF_MEMORY")


def test_a_scheduler_that_calls_everything_done_does_not_overrule_the_exit_code() -> None:
    """The script's own word counts more."""
    end = EndReport(EndReason.COMPLETED, words="DONE")
    answer = judge(JOB, listing(QueueState.ENDED, end), FAILED)
    assert answer.end is not None
    assert (answer.end.reason, answer.end.exit_code) == (EndReason.FAILED, 3)


def test_the_schedulers_word_ends_a_job_without_a_final_file() -> None:
    """Killed by SIGKILL, it could not write one."""
    end = EndReport(EndReason.NODE_FAIL, words="NODE_FAIL")
    assert judge(JOB, listing(QueueState.ENDED, end), NO_SIGNS).end == end


def test_absence_is_no_proof() -> None:
    """A successful listing without the job is counted, by others."""
    answer = judge(JOB, Listing(), NO_SIGNS)
    assert answer == Answer(QueueState.UNKNOWN, words=ABSENT)
    assert answer.is_absent
    assert not judge(JOB, Listing(unknown=frozenset()), NO_SIGNS).is_absent


def test_an_id_that_was_given_to_another_job_is_not_ours() -> None:
    """Ids begin anew when a cluster is set up again."""
    for name in ("mine", "jfc-v-1-1"):
        answer = judge(JOB, listing(QueueState.RUNNING, name=name), NO_SIGNS)
        assert answer.state is QueueState.UNKNOWN
        assert answer.is_absent is name.startswith("jfc-")  # any other may be its own new name
    begun = judge(JOB, listing(QueueState.RUNNING, name="jfc-v-1-1"), FolderSigns(started=True))
    assert not begun.is_absent
    shortened = listing(QueueState.RUNNING, name=JOB.name[:5])
    assert judge(JOB, shortened, NO_SIGNS).state is QueueState.RUNNING


@pytest.mark.parametrize(
    "text,report",
    [
        ("exit_code=0 stage=post_run", EndReport(EndReason.COMPLETED, 0, words="exit code 0")),
        (
            "exit_code=2 stage=pre_run",
            EndReport(EndReason.FAILED, 2, words="exit code 2 in pre_run"),
        ),
        (
            "exit_code=137 stage=exec",
            EndReport(EndReason.UNKNOWN, 137, 9, "exit code 137, SIGKILL in exec"),
        ),
        (
            "exit_code=1 stage=exec signal=24",
            EndReport(EndReason.UNKNOWN, 1, 24, "exit code 1, SIGXCPU in exec"),
        ),
        ("exit_code= stage=exec", None),
        ("garbage", None),
    ],
)
def test_final_files_are_decoded(text: str, report: EndReport | None) -> None:
    """Exit codes, signals and stages; a file that makes no sense is none."""
    assert read_end(key_values(text)) == report


def test_shells_add_128_to_a_signal() -> None:
    """Codes above 192 are the command's own."""
    assert [signal_of(code) for code in (None, 0, 128, 129, 143, 192, 193, 255)] == [
        None,
        None,
        None,
        1,
        15,
        64,
        None,
        None,
    ]
    assert signal_name(9) == "SIGKILL"
    assert signal_name(63) == "signal 63"
