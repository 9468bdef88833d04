"""What a scheduler says of a job that waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from jfcelery.scheduler_io.expected import outlook, read_grid_engine, read_pbs, read_slurm
from jfcelery.scheduler_io.hosts.local import LocalHost

#: Answers of real servers.
RECORDED = Path(__file__).parent / "schedulers" / "data" / "qstat"
#: The estimate as the manual lays it out (PBS Professional's reference guide, 6.4).
ESTIMATED = """Job Id: 12.server
    job_state = Q
    comment = Not Running: Insufficient amount of resource: ncpus
    estimated.exec_vnode = (node1:ncpus=16)
    estimated.start_time = Sun Nov 29 18:30:00 2026
"""
#: The end of Grid Engine's answer, as its manual lays it out (qstat(1), schedd_job_info).
HELD_UP = """job_number:                 7
error reason    1:          can't chdir to /gone: No such file or directory
scheduling info:            queue instance "main.q@one" dropped because it is full
                            queue instance "main.q@two" dropped because it is full
                            cannot run because it exceeds limit "me/////" in rule "most/1"
                            cannot run in PE "smp" because it only offers 0 slots
"""
SILENT = "scheduling info:            (Collecting of scheduler job information is turned off)\n"


@pytest.mark.parametrize(
    "text,words",
    [
        (
            "Resources|2026-11-29T03:00:00\n",
            "Resources, expected to start 2026-11-29 03:00:00 (the cluster's time)",
        ),
        ("JobHeldUser|N/A\n", "JobHeldUser"),
        ("None|N/A\n", ""),
        ("a banner\nPriority|N/A\n", "Priority"),
        ("", ""),
    ],
)
def test_reason_and_start_are_read(text: str, words: str) -> None:
    """What Slurm does not know is left out."""
    assert read_slurm(text).words == words


def test_pbs_comments_and_estimates() -> None:
    """The comment of a real server; the time where there is one."""
    first = (RECORDED / "pbs-pro-2013.txt").read_text().split("\n\n")[0]
    assert read_pbs(first).words == "Not Running: Node is in an ineligible state: offline"
    assert read_pbs(ESTIMATED).words == (
        "Not Running: Insufficient amount of resource: ncpus, "
        "expected to start Sun Nov 29 18:30:00 2026 (the cluster's time)"
    )


def test_grid_engine_gives_reasons() -> None:
    """The error first, no more lines than a person reads, and nothing where it is switched off."""
    words = read_grid_engine(HELD_UP).words
    assert words.startswith("can't chdir to /gone: No such file or directory; queue instance")
    assert words.count(";") == 2
    assert read_grid_engine(SILENT).words == ""


@pytest.mark.parametrize("scheduler", ["slurm", "pbs", "sge", "shell"])
def test_who_does_not_answer_says_nothing(
    scheduler: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a host without the command, nor one without a queue."""
    (tmp_path / "bash").symlink_to("/bin/bash")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert outlook(LocalHost(), scheduler, "1").words == ""
