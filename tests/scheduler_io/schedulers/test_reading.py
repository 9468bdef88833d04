"""How jobs ended, by all that frames print of them."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from qtoolkit.io.pbs import PBSIO
from qtoolkit.io.slurm import SlurmIO

from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.schedulers.base import EndReason, QueueJob
from jfcelery.scheduler_io.schedulers.pbs import Pbs
from jfcelery.scheduler_io.schedulers.reading import read_reports
from jfcelery.scheduler_io.schedulers.slurm import Slurm
from tests.scheduler_io.schedulers import recorded


def queue_job(queue_id: str) -> QueueJob:
    """Return a job with an id."""
    return QueueJob("u", 1, 1, queue_id, "jfc-u-1-1", RunFolder.of(PurePosixPath("/w"), "u", 1))


@pytest.mark.parametrize(
    "folder, reason",
    [
        ({"end 41_6": "", "status 41_6": ""}, EndReason.CANCELLED),
        ({}, EndReason.UNKNOWN),  # no folder was seen
        ({"end 41_6": "", "status 41_6": "stage=started"}, EndReason.UNKNOWN),
        ({"end 41_6": "exit_code=0", "status 41_6": "stage=started"}, EndReason.COMPLETED),
    ],
)
def test_a_task_that_slurm_has_no_longer_was_cancelled_if_it_had_not_begun(
    folder: dict[str, str], reason: EndReason
) -> None:
    """Its folder must tell that, and so be there."""
    parts = {"account rc 0": "", "account out": recorded.SCONTROL_ARRAY, **folder}
    reports = read_reports(Slurm(SlurmIO()), [queue_job("41_6")], parts)
    assert reports["41_6"].reason is reason


#: What a folder shows of a job that has not begun.
UNBEGUN = {"end 7": "", "status 7": "", "claim 7": ""}


@pytest.mark.parametrize(
    "account, folder, reason",
    [
        ("none|7|", UNBEGUN, EndReason.FORGOTTEN),
        ("none|7|", {}, None),  # no folder was seen
        ("none|7|", {**UNBEGUN, "status 7": "stage=started"}, None),
        ("none|7|", {**UNBEGUN, "claim 7": "7"}, None),  # the disk was full
        ("7|COMPLETED|0:0|jfc-u-1-1", UNBEGUN, EndReason.COMPLETED),
        ("7|COMPLETED|0:0|jfc-array-1-a", UNBEGUN, EndReason.FORGOTTEN),
        ("7|CANCELLED by 1|0:0|mine", UNBEGUN, EndReason.CANCELLED),
        ("7|CANCELLED by 1|0:0|jfc-v-1-1", UNBEGUN, EndReason.FORGOTTEN),
        ("live|7|jfc-u-1-1", UNBEGUN, None),
        ("live|7|jfc-v-1-1", UNBEGUN, EndReason.FORGOTTEN),
        ("7|COMPLETED|0:0|jfc-v-1-1", UNBEGUN, EndReason.FORGOTTEN),
        ("7|COMPLETED|0:0|jfc-v-1-1", {**UNBEGUN, "status 7": "stage=started"}, None),
        ("7|COMPLETED|0:0|allocation", UNBEGUN, EndReason.FORGOTTEN),
        (
            "7|COMPLETED|0:0|allocation",
            {**UNBEGUN, "status 7": "stage=started"},
            EndReason.COMPLETED,
        ),
        (
            "JobId=7 JobName=jfc-v-1-1 JobState=FAILED ExitCode=1:0",
            UNBEGUN,
            EndReason.FORGOTTEN,
        ),
    ],
)
def test_a_controller_that_forgot_a_job_gives_its_id_to_another(
    account: str, folder: dict[str, str], reason: EndReason | None
) -> None:
    """What the other's row says is nothing about this one; no row is no proof."""
    parts = {"account rc 0": "", "account out": account, **folder}
    found = read_reports(Slurm(SlurmIO()), [queue_job("7")], parts).get("7")
    assert (found.reason if found else None) is reason
    assert found is None or found.is_proof is (reason is not EndReason.FORGOTTEN)


@pytest.mark.parametrize("folder", [{"end 7.pbs": "", "status 7.pbs": ""}, {}])
def test_of_another_end_that_nobody_explains_no_person_is_blamed(folder: dict[str, str]) -> None:
    """Whether a job's folder was seen or not."""
    account = "Job Id: 7.pbs\n    job_state = F\n"
    parts = {"account rc 0": "", "account out": account, **folder}
    reports = read_reports(Pbs(PBSIO()), [queue_job("7.pbs")], parts)
    assert reports["7.pbs"].reason is EndReason.UNKNOWN
