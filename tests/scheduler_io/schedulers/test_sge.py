"""Grid Engine: commands out, recorded answers in."""

from __future__ import annotations

import pytest
from qtoolkit.core.data_objects import QResources
from qtoolkit.io.sge import SGEIO

from jfcelery.errors import (
    BackPressureError,
    ResourcesError,
    SchedulerDownError,
    SubmissionRejectedError,
)
from jfcelery.scheduler_io.schedulers.base import EndReason, EndReport, Output, QueueState
from jfcelery.scheduler_io.schedulers.sge import GridEngine
from tests.scheduler_io.schedulers import recorded

SGE = GridEngine(SGEIO())

_REFUSED = {
    "Unable to run job: job rejected: Only 1000 jobs are allowed per user (current job count: "
    "1000).\nExiting.": BackPressureError,
    "Unable to run job: job rejected: Only 9 jobs are allowed per cluster.": BackPressureError,
    "error: commlib error: got select error (Connection refused)\nUnable to run job: unable to "
    'send message to qmaster using port 6444 on host "hpcb": got send error.': SchedulerDownError,
    'Unable to run job: job rejected: the requested parallel environment "mpi" does not '
    "exist.": ResourcesError,
    'Unable to run job: unknown resource "memm".': ResourcesError,
    'Unable to run job: Job was rejected because job requests unknown queue "nope.q".': (
        ResourcesError
    ),
    "Unable to run job: job rejected: hpc@hpcb is not allowed to submit jobs.": (
        SubmissionRejectedError
    ),
}


def test_the_id_is_found_behind_a_warning() -> None:
    """A submission may warn that no queue fits now, and still submit."""
    answer = (
        "Unable to run job: warning: hpc your job is not allowed to run in any queue\n"
        'Your job 17 ("jfc x") has been submitted\n'
    )
    assert SGE.parse_submit(answer) == "17"
    assert SGE.parse_submit("Exiting.") is None


def test_a_listing_has_all_jobs_with_their_states() -> None:
    """Running, being deleted, waiting, held, in error and suspended jobs are told apart."""
    rows = SGE.parse_list(Output(0, recorded.QSTAT_XML)).rows
    assert {queue_id: row.state for queue_id, row in rows.items()} == {
        "5": QueueState.RUNNING,
        "6": QueueState.RUNNING,
        "7": QueueState.QUEUED,
        "8": QueueState.HELD,
        "9": QueueState.HELD,
        "10": QueueState.SUSPENDED,
    }
    assert rows["6"].name == "a b"
    assert rows["9"].words == "Eqw"


@pytest.mark.parametrize(
    "letters,state",
    [
        ("t", QueueState.RUNNING),
        ("Rr", QueueState.RUNNING),
        ("dt", QueueState.RUNNING),
        ("dRs", QueueState.SUSPENDED),
        ("tS", QueueState.SUSPENDED),
        ("hRwq", QueueState.HELD),
        ("EhRqw", QueueState.HELD),
        ("w", QueueState.QUEUED),
        ("??", QueueState.UNKNOWN),
    ],
)
def test_states_are_made_of_letters(letters: str, state: QueueState) -> None:
    """Any combination of letters has a meaning, also those that no table lists."""
    text = recorded.QSTAT_XML.replace("<state>r</state>", f"<state>{letters}</state>")
    assert SGE.parse_list(Output(0, text)).rows["5"].state is state


def test_a_job_that_breaks_the_xml_costs_its_own_answer() -> None:
    """A control character in a name is no XML; the other jobs are read all the same."""
    text = recorded.QSTAT_XML.replace("<JB_name>a b<", "<JB_name>a \x01 & b<")
    rows = SGE.parse_list(Output(0, text)).rows
    assert set(rows) == {"5", "7", "8", "9", "10"}


@pytest.mark.parametrize(
    "output",
    [
        Output(0, ""),
        Output(0, recorded.QSTAT_XML[:900]),
        Output(1, "", "error: commlib error: got select error (Connection refused)"),
        Output(0, "garbage"),
    ],
)
def test_what_is_no_whole_listing_is_none(output: Output) -> None:
    """Only a document with its end is a listing."""
    with pytest.raises(SchedulerDownError):
        SGE.parse_list(output)


def test_an_empty_document_is_an_empty_queue() -> None:
    """It was answered in full."""
    listing = SGE.parse_list(Output(0, "motd\n" + recorded.QSTAT_XML_EMPTY))
    assert listing.rows == {}
    assert listing.lacks("5")


def test_the_accounting_tells_each_end_apart() -> None:
    """An id given twice counts by its last record; a killed script is left to be judged."""
    reports = SGE.parse_accounting(Output(0, recorded.QACCT))
    assert reports["1"] == EndReport(EndReason.FAILED, 3, None, "failed 0, exit_status 3")
    assert (reports["2"].reason, reports["2"].signal) == (EndReason.UNKNOWN, 9)
    assert reports["3"].reason is EndReason.TIMEOUT
    assert reports["4"] == EndReport(EndReason.COMPLETED, 0, None, "exit_status 0")
    assert (reports["5"].reason, reports["5"].by) == (EndReason.CANCELLED, "admin@hpcb")
    assert reports["6"].reason is EndReason.PREEMPTED
    assert reports["7"].reason is EndReason.FAILED


@pytest.mark.parametrize("text", _REFUSED)
def test_a_refusal_means_wait_or_mend_or_give_up(text: str) -> None:
    """A site's limits are back-pressure; a qmaster that is away is the host's trouble."""
    assert type(SGE.refusal(Output(1, "", text))) is _REFUSED[text]


def test_the_script_is_for_bash_and_stays_in_its_folder() -> None:
    """Grid Engine would take the queue's shell and the home folder."""
    lines = SGE.script("true", {"walltime": "00:10:00"}, "jfc-x").splitlines()
    assert {"#$ -S /bin/bash", "#$ -cwd ", "#$ -N jfc-x", "#$ -o queue.out"} <= set(lines)
    assert "#$ -l h_rt=00:10:00" in lines


def test_qresources_become_what_grid_engine_understands() -> None:
    """The conversion by qtoolkit conversion would ask for the nodes of PBS."""
    resources = QResources(
        processes=4, time_limit=600, queue_name="all.q", scheduler_kwargs={"model": "smp 4"}
    )
    lines = SGE.script("true", resources, "jfc-x").splitlines()
    assert {"#$ -pe smp 4", "#$ -l h_rt=600", "#$ -q all.q"} <= set(lines)
    assert not any("select" in line or "-binding" in line for line in lines)


@pytest.mark.parametrize(
    "resources", [QResources(processes=4), QResources(processes=1, gpus_per_job=1)]
)
def test_qresources_that_grid_engine_cannot_express_say_what_to_do(resources: QResources) -> None:
    """Parallel environments have names that only the site knows."""
    with pytest.raises(ResourcesError, match="scheduler_kwargs"):
        SGE.script("true", resources, "jfc-x")
