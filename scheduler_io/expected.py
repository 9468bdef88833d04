"""What the scheduler says of a job that waits: why, and when it may start."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.scheduler_io.schedulers.pbs import fields_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.scheduler_io.hosts.base import Host

#: Seconds that the scheduler has for an answer; it is only an answer to a person's question.
ANSWER_SECONDS = 15.0
#: What Slurm prints where it knows nothing.
_NOTHING = frozenset({"", "N/A", "None", "(null)", "Unknown"})
#: Lines of Grid Engine's reasons that are repeated; it may give one for each queue instance.
MOST_LINES = 3
#: What Grid Engine says of itself, not of the job.
_NO_INFO = "(Collecting of scheduler job information is turned off)"


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
    """Ask why a job waits and when it may start.

    Args:
        host: Where the scheduler is.
        scheduler: Its name; one that has no queue has nothing to say.
        queue_id: The job's id in its queue.

    Raises:
        HostError: The host cannot be reached.
    """
    if scheduler not in _ASK:
        return Outlook()
    command, read = _ASK[scheduler]
    result = host.run(command.format(shlex.quote(queue_id)), timeout=ANSWER_SECONDS)
    return read(result.stdout) if result.ok else Outlook()


def read_slurm(text: str) -> Outlook:
    """Read what ``squeue --format '%r|%S'`` prints."""
    line = next((line for line in text.splitlines() if "|" in line), "|")
    reason, _, start = line.partition("|")
    return Outlook(*("" if word.strip() in _NOTHING else word.strip() for word in (reason, start)))


def read_pbs(text: str) -> Outlook:
    """Read what ``qstat -f`` prints; PBS Professional estimates where the site lets it."""
    fields = fields_of(text)
    return Outlook(fields.get("comment", ""), fields.get("estimated.start_time", ""))


def read_grid_engine(text: str) -> Outlook:
    """Read what ``qstat -j`` prints; it never says when a job may start."""
    lines: list[str] = []
    for key in (r"error reason\s+\d+:", r"scheduling info:"):
        found = re.search(rf"^{key}[ \t]*(.*(?:\n[ \t]+.*)*)", text, re.MULTILINE)
        lines += [line.strip() for line in found[1].splitlines()] if found else []
    said = [line for line in dict.fromkeys(lines) if line and line != _NO_INFO]
    return Outlook("; ".join(said[:MOST_LINES]))


#: How each scheduler is asked about a job, and its answer read.
_ASK: dict[str, tuple[str, Callable[[str], Outlook]]] = {
    "slurm": ("squeue --noheader --jobs {} --format '%r|%S'", read_slurm),
    "pbs": ("qstat -f {}", read_pbs),
    "sge": ("qstat -j {}", read_grid_engine),
}
