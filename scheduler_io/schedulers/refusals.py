"""What it means when a scheduler refuses a job: wait, mend the host, or give up."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.errors import (
    BackPressureError,
    DiskFullError,
    ResourcesError,
    SchedulerDownError,
    SubmissionRejectedError,
    WordlessRefusalError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jfcelery.errors import JfceleryError

#: Exit status of ``timeout`` for a command that took too long.
TIMED_OUT = 124
#: Exit status of a shell for a command that it cannot find.
NOT_FOUND = 127
#: Exit statuses of a shell for a command that was killed, as by ``timeout`` if it hangs on, or by a
#: host that goes down. Statuses above are qsub's own.
KILLED = frozenset(
    128 + number
    for number in (
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGKILL,
        signal.SIGSEGV,
        signal.SIGPIPE,
        signal.SIGALRM,
        signal.SIGTERM,
    )
)


@dataclass(frozen=True)
class Refusal:
    """A kind of refusal.

    Args:
        pattern: Regular expression, case ignored, found in the scheduler's words.
        error: What it means.
    """

    pattern: str
    error: type[JfceleryError]


#: What any scheduler may say.
COMMON = (
    Refusal(r"no space left on device|disk quota exceeded|disc quota", DiskFullError),
    Refusal(r"command not found|connection refused|timed out|timeout", SchedulerDownError),
    Refusal(r"would exceed|too many jobs|temporarily|try again", BackPressureError),
)

_REMEDIES: dict[type[JfceleryError], str] = {
    BackPressureError: "jfcelery tries again later; `max_jobs` of the worker avoids it",
    ResourcesError: "change the job's resources (`jfc job set resources`) and rerun it",
    SchedulerDownError: "jfcelery tries again later",
}


def refused(
    scheduler: str, exit_code: int, text: str, refusals: Iterable[Refusal]
) -> JfceleryError:
    """Return the error that a failed submission means.

    Args:
        scheduler: Its name, for the message.
        exit_code: Of the submission command.
        text: What the command printed, in one line.
        refusals: What to look for; the first that is found counts.

    Returns:
        The error; SubmissionRejectedError if nothing is found, WordlessRefusalError if nothing is
        said.
    """
    kind: type[JfceleryError] = SubmissionRejectedError if text else WordlessRefusalError
    if exit_code in {TIMED_OUT, NOT_FOUND} or exit_code in KILLED:
        kind = SchedulerDownError
    else:
        for refusal in refusals:
            if re.search(refusal.pattern, text, re.IGNORECASE):
                kind = refusal.error
                break
    message = f"{scheduler} refused the job (exit status {exit_code}): {text or 'no message'}"
    return kind(message, remedy=_REMEDIES.get(kind, ""))
