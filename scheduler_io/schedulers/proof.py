"""Proof of the end: what the final file of a job says, and what it is worth beside a listing."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.folders import ARRAY
from jfcelery.scheduler_io.schedulers.base import (
    ABSENT,
    Answer,
    EndReason,
    EndReport,
    QueueState,
    is_ours,
    same_name,
)

if TYPE_CHECKING:
    from jfcelery.scheduler_io.schedulers.base import Listing, QueueJob, Row

#: A shell's exit code for a command that a signal ended is this plus the signal.
SIGNAL_BASE = 128
#: The highest signal on Linux.
LAST_SIGNAL = 64


@dataclass(frozen=True)
class FolderSigns:
    """What the run folder shows of a job.

    Args:
        end: Fields of the final file, None without one.
        started: Whether the script has begun.
        gone: Whether there is no folder.
        array: Name of the array that the job went in, empty if it went alone.
    """

    end: dict[str, str] | None = None
    started: bool = False
    gone: bool = False
    array: str = ""


#: Of a job whose folder shows nothing.
NO_SIGNS = FolderSigns()


def signal_of(exit_code: int | None) -> int | None:
    """Return the signal that a shell's exit code stands for, None if for none."""
    if exit_code is not None and SIGNAL_BASE < exit_code <= SIGNAL_BASE + LAST_SIGNAL:
        return exit_code - SIGNAL_BASE
    return None


def signal_name(number: int) -> str:
    """Return the name of a signal, its number if it has none here."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def key_values(text: str) -> dict[str, str]:
    """Read ``key=value`` words; of a key that comes twice the last counts."""
    pairs = (word.partition("=") for word in text.split())
    return {key: value for key, equals, value in pairs if equals}


def read_end(fields: dict[str, str]) -> EndReport | None:
    """Read the final file.

    Returns:
        How the script ended. A job that a signal ended has the reason UNKNOWN: who sent it, the
        scheduler knows. None if the file makes no sense.
    """
    code = fields.get("exit_code", "")
    if not code.isdigit():
        return None
    exit_code = int(code)
    if exit_code == 0:
        return EndReport(EndReason.COMPLETED, 0, words="exit code 0")
    caught = fields.get("signal", "")
    number = int(caught) if caught.isdigit() else signal_of(exit_code)
    where = f" in {fields['stage']}" if "stage" in fields else ""
    if number:
        words = f"exit code {exit_code}, {signal_name(number)}{where}"
        return EndReport(EndReason.UNKNOWN, exit_code, number, words)
    return EndReport(EndReason.FAILED, exit_code, words=f"exit code {exit_code}{where}")


def judge(job: QueueJob, listing: Listing | None, signs: FolderSigns, trouble: str = "") -> Answer:
    """Say where a job is.

    Args:
        job: The job.
        listing: A successful listing; None if there is none.
        signs: What its folder shows.
        trouble: Why there is no listing.

    Returns:
        ENDED only on proof: the final file, or the scheduler's word.
    """
    row = _row_of(job, listing, signs.array)
    report = read_end(signs.end) if signs.end else None
    if report and _is_final(report, signs, row, listing):
        listed = row.end if row else None
        words = listed.words if listed else report.words
        return Answer(QueueState.ENDED, report.completed_by(listed), words)
    if row:
        return Answer(row.state, row.end, row.words, signs.started)
    if listing and (listing.lacks(job.queue_id) or _is_anothers(job, listing, signs)):
        return Answer(QueueState.UNKNOWN, words=ABSENT)
    return Answer(QueueState.UNKNOWN, words=trouble or "the listing says nothing of it")


def _row_of(job: QueueJob, listing: Listing | None, array: str) -> Row | None:
    """Return a job's row, unless its id was given to another job since.

    A task has the name of its array, which its folder knows, if that is still there.
    """
    row = listing.row(job.queue_id) if listing else None
    if row and not array and row.name.startswith(ARRAY):
        return row
    return row if row and same_name(row.name, array or job.name) else None


def _is_anothers(job: QueueJob, listing: Listing, signs: FolderSigns) -> bool:
    """Whether the id of a job that has not begun, and so was forgotten, is another job's of ours.

    What has any other name may be the job itself: people rename jobs, and some sites do.
    """
    row = listing.row(job.queue_id)
    return row is not None and not signs.started and is_ours(row.name)


def _is_final(
    report: EndReport, signs: FolderSigns, row: Row | None, listing: Listing | None
) -> bool:
    """Whether a final file ends the job.

    A script that was told to end by a signal may have been preempted and stand in the queue
    again, to begin anew: there, the listing counts.
    """
    told = bool(signs.end and signs.end.get("signal"))
    if not told or report.exit_code == 0:
        return True
    return listing is not None and not (row and row.state.is_alive)
