"""What a scheduler says of a job that waits."""

from __future__ import annotations

import pytest

from jfcelery.scheduler_io.expected import outlook, read_slurm
from jfcelery.scheduler_io.hosts.local import LocalHost


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


def test_a_scheduler_that_does_not_tell_says_nothing() -> None:
    """Nor does a host without the command."""
    assert outlook(LocalHost(), "sge", "1").words == ""
    assert outlook(LocalHost(), "slurm", "1").words == ""
