"""PBS Professional and Torque: commands out, recorded answers in."""

from __future__ import annotations

import pytest
from qtoolkit.core.data_objects import QResources
from qtoolkit.io.pbs import PBSIO

from jfcelery.errors import (
    BackPressureError,
    ResourcesError,
    SchedulerDownError,
    SubmissionRejectedError,
)
from jfcelery.scheduler_io.schedulers.base import EndReason, EndReport, Output, QueueState
from jfcelery.scheduler_io.schedulers.pbs import Pbs
from tests.scheduler_io.schedulers import recorded

PBS = Pbs(PBSIO())

_REFUSED = {
    "qsub: would exceed queue generic's per-user limit of jobs in 'Q' state": BackPressureError,
    "qsub: would exceed complex's per-user limit": BackPressureError,
    "qsub: Maximum number of jobs already in queue workq": BackPressureError,
    "qsub: submit error (Maximum number of jobs already in queue for user MSG=x)": (
        BackPressureError
    ),
    "qsub: Queue is not enabled": BackPressureError,
    "qsub: cannot connect to server pbs (errno=111)": SchedulerDownError,
    "pbs_iff: cannot connect to host\nNo Permission.\nqsub: cannot connect to server": (
        SchedulerDownError
    ),
    "qsub: submit error (Request not allowed: Server shutting down)": SchedulerDownError,
    "qsub: Unknown queue": ResourcesError,
    "qsub: Unknown resource: nodess": ResourcesError,
    "qsub: Illegal attribute or resource value": ResourcesError,
    "qsub: Job violates queue and/or server resource limits": ResourcesError,
    "qsub: submit error (Job exceeds queue resource limits MSG=cannot locate feasible nodes)": (
        ResourcesError
    ),
    "qsub: Access to queue is denied": SubmissionRejectedError,
}


@pytest.mark.parametrize(
    "answer,queue_id",
    [
        ("1001.pbs\n", "1001.pbs"),
        (
            "Welcome to the cluster, 3 users\n522081.barnacle.example.edu\n",
            "522081.barnacle.example.edu",
        ),
        ("77\n", "77"),
        ("nothing\n", None),
    ],
)
def test_the_id_is_a_line_of_its_own(answer: str, queue_id: str | None) -> None:
    """Sites print around it."""
    assert PBS.parse_submit(answer) == queue_id


def test_a_listing_of_pbs_professional_has_its_history_too() -> None:
    """Finished jobs come with their exit status; one odd state costs one answer."""
    listing = PBS.parse_list(Output(153, recorded.QSTAT_PRO, recorded.QSTAT_PRO_STDERR))
    states = {queue_id: row.state for queue_id, row in listing.rows.items()}
    assert states["1001.pbs"] is QueueState.RUNNING
    assert states["1005.pbs"] is QueueState.HELD
    assert states["1008.pbs"] is QueueState.UNKNOWN
    ends = {queue_id: row.end.reason for queue_id, row in listing.rows.items() if row.end}
    assert ends == {
        "1002.pbs": EndReason.COMPLETED,
        "1003.pbs": EndReason.TIMEOUT,
        "1004.pbs": EndReason.CANCELLED,
        "1006.pbs": EndReason.OUT_OF_MEMORY,
        "1007.pbs": EndReason.FAILED,
        "1009.pbs": EndReason.UNKNOWN,
    }
    assert listing.rows["1001.pbs"].name == recorded.NAME
    assert listing.lacks("1010.pbs")
    assert not listing.lacks("1011.pbs"), "PBS has said nothing of it"


def test_an_id_is_known_with_and_without_its_server() -> None:
    """Servers have several names."""
    listing = PBS.parse_list(Output(153, recorded.QSTAT_PRO, recorded.QSTAT_PRO_STDERR))
    row = listing.row("1001.pbs.cluster.example")
    assert row is not None
    assert row.queue_id == "1001.pbs"
    assert listing.lacks("1010.pbs.cluster.example")


def test_a_listing_of_torque_keeps_finished_jobs_for_a_while() -> None:
    """Its codes differ from PBS Professional's: -11 is a timeout here."""
    listing = PBS.parse_list(Output(153, recorded.QSTAT_TORQUE, recorded.QSTAT_TORQUE_STDERR))
    ends = {queue_id.split(".")[0]: row.end for queue_id, row in listing.rows.items()}
    assert ends["522082"] is None
    assert ends["522081"] == EndReport(EndReason.TIMEOUT, words="C, exit status -11")
    assert ends["522083"] == EndReport(EndReason.UNKNOWN, None, 15, "C, exit status 271")
    assert listing.lacks("522084.barnacle.example.edu")


@pytest.mark.parametrize(
    "output",
    [
        Output(1, "", "qstat: cannot connect to server pbs (errno=111)"),
        Output(0, "garbage"),
        Output(124, ""),
    ],
)
def test_what_is_no_listing_is_none(output: Output) -> None:
    """Nothing listed and nothing called unknown is no answer."""
    with pytest.raises(SchedulerDownError):
        PBS.parse_list(output)


def test_silence_about_a_job_proves_nothing() -> None:
    """An empty answer with exit status 0 calls no job unknown."""
    assert not PBS.parse_list(Output(0, "")).lacks("1001.pbs")


@pytest.mark.parametrize(
    "words,reason",
    [
        ("walltime 65 exceeded limit 60", EndReason.TIMEOUT),
        ("mem 2097152kb exceeded limit 1048576kb", EndReason.OUT_OF_MEMORY),
        ("vmem 2097152kb exceeded limit 1048576kb", EndReason.OUT_OF_MEMORY),
        ("ncpus 8.1 exceeded limit 4 (burst)", EndReason.FAILED),
    ],
)
def test_the_daemon_says_in_the_jobs_stderr_why_it_ended_it(words: str, reason: EndReason) -> None:
    """Both kinds of PBS write it there."""
    assert PBS.read_stderr(f"=>> PBS: job killed: {words}\n") == EndReport(reason, words=words)
    assert PBS.read_stderr("Killed\n") is None


@pytest.mark.parametrize("text", _REFUSED)
def test_a_refusal_means_wait_or_mend_or_give_up(text: str) -> None:
    """A site's limits are back-pressure; a server that is away is the host's trouble."""
    assert type(PBS.refusal(Output(38, "", text))) is _REFUSED[text]


def test_the_script_is_for_bash() -> None:
    """PBS would take the login shell."""
    lines = PBS.script("true", {"select": "select=1:ncpus=4", "qverbatim": "#PBS -V"}, "jfc-x")
    assert "#PBS -V\n#PBS -S /bin/bash\n" in lines
    assert "#PBS -l select=1:ncpus=4\n" in lines
    assert "#PBS -e queue.err\n" in lines


def test_qresources_are_converted_by_qtoolkit() -> None:
    """So far as PBS can express them."""
    script = PBS.script("true", QResources(nodes=2, processes_per_node=4), "jfc-x")
    assert "#PBS -l select=2:ncpus=4:mpiprocs=4" in script
    with pytest.raises(ResourcesError, match="qos"):
        PBS.script("true", QResources(processes=1, qos="high"), "jfc-x")
