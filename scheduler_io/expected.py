"""What the scheduler says of a job that waits: why, and when it may start."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jfcelery.scheduler_io.hosts.base import Host

#: Seconds that the scheduler has for an answer; it is only an answer to a person's question.
ANSWER_SECONDS = 15.0
#: What Slurm prints where it knows nothing.
_NOTHING = frozenset({"", "N/A", "None", "(null)", "Unknown"})


@dataclass(frozen=True)
class Outlook:
    """What a scheduler expects of a job that waits.

    Args:
        reason: Its reason why the job waits, in its own words; empty if it gives none.
        start: When it expects the job to start, by the cluster's clock; empty if it does not know.
    """

    reason: str = ""
    start: str = ""

    @property
    def words(self) -> str:
        """The outlook in a few words."""
        start = f"expected to start {self.start.replace('T', ' ')} (the cluster's time)"
        return ", ".join(filter(None, [self.reason, start if self.start else ""]))


def outlook(host: Host, scheduler: str, queue_id: str) -> Outlook:
    """Ask why a job waits and when it may start; schedulers other than Slurm do not tell.

    Args:
        host: Where the scheduler is.
        scheduler: Its name.
        queue_id: The job's id in its queue.

    Raises:
        HostError: The host cannot be reached.
    """
    if scheduler != "slurm":
        return Outlook()
    command = f"squeue --noheader --jobs {shlex.quote(queue_id)} --format '%r|%S'"
    result = host.run(command, timeout=ANSWER_SECONDS)
    return read_slurm(result.stdout) if result.ok else Outlook()


def read_slurm(text: str) -> Outlook:
    """Read what ``squeue --format '%r|%S'`` prints."""
    line = next((line for line in text.splitlines() if "|" in line), "|")
    reason, _, start = line.partition("|")
    return Outlook(*("" if word.strip() in _NOTHING else word.strip() for word in (reason, start)))
