"""Reading what the frames print."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from jfcelery.errors import (
    BackPressureError,
    DiskFullError,
    JfceleryError,
    RunFolderError,
    SchedulerDownError,
    SubmissionBusyError,
    SubmissionRejectedError,
)
from jfcelery.folders import ARRAY
from jfcelery.scheduler_io.schedulers.base import (
    GIVEN_AGAIN,
    EndReason,
    EndReport,
    Output,
    is_ours,
    same_name,
)
from jfcelery.scheduler_io.schedulers.proof import (
    NO_SIGNS,
    FolderSigns,
    key_values,
    read_end,
    signal_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jfcelery.scheduler_io.schedulers.base import QueueJob, Scheduler

#: What may be wrong with a folder, with or without a word of the system.
_WRONG: dict[str, tuple[type[JfceleryError], str]] = {
    "missing": (RunFolderError, "the run folder of {name} is gone"),
    "foreign": (RunFolderError, "the run folder of {name} holds another attempt, or no script"),
    "cancelled": (SubmissionRejectedError, "{name} was cancelled before it was submitted"),
    "busy": (SubmissionBusyError, "another submission of {name} is under way"),
    "silent": (SchedulerDownError, "the queue cannot be asked for {name}: {words}"),
    "unwritable": (RunFolderError, "the run folder of {name} cannot be written to: {words}"),
}


class AnswerWithoutIdError(SchedulerDownError):
    """Raised when a scheduler says that it took a job, in words that hold no id."""


class ArrayRefusedError(SubmissionRejectedError):
    """Raised when an array is refused for good: each of its jobs may still be taken alone."""


def read_output(parts: Mapping[str, str], what: str) -> Output:
    """Return what a section's command left."""
    code = next((int(title.split()[-1]) for title in parts if title.startswith(f"{what} rc ")), 1)
    return Output(code, parts.get(f"{what} out", ""), parts.get(f"{what} err", ""))


def read_submissions(
    scheduler: Scheduler, parts: Iterable[tuple[str, str]]
) -> dict[str, str | JfceleryError]:
    """Return what became of submissions.

    Returns:
        By name, the id, or the error; an empty id if the job was never submitted.
    """
    answers: dict[str, str | JfceleryError] = {}
    streams: dict[str, str] = {}
    for title, body in parts:
        kind, _, name = title.partition(" ")
        if kind == "submit":
            streams[title] = body
            continue
        answers[name] = _submission(scheduler, kind, name, body, streams)
        streams = {}
    return answers


def _submission(
    scheduler: Scheduler, kind: str, name: str, body: str, streams: Mapping[str, str]
) -> str | JfceleryError:
    """Read the answer for one job."""
    if kind in {"known", "never"}:
        return body.strip()
    if kind == "listed":
        return _listed(scheduler, name, body)
    if kind == "task":
        return _task(scheduler, body, streams)
    if kind in {"answered", "submitted"}:
        output = Output(0, body) if kind == "answered" else read_output(streams, "submit")
        return _answered(scheduler, output)
    words = " ".join(body.split())
    if kind == "full":
        return _full(words)
    error, text = _WRONG.get(kind, (RunFolderError, "{name}: {words}"))
    if re.search(r"no space|quota", words, re.IGNORECASE):
        error = DiskFullError
    return error(text.format(name=name, words=words))


def _answered(scheduler: Scheduler, output: Output) -> str | JfceleryError:
    """Return the id in the answer to a submission."""
    if output.exit_code:
        return scheduler.refusal(output)
    found = scheduler.parse_submit(output.stdout)
    return found or AnswerWithoutIdError(f"no id in the answer: {output.text}")


def _task(scheduler: Scheduler, body: str, streams: Mapping[str, str]) -> str | JfceleryError:
    """Return the id of a task of an array, by a listing or the answer to its submission."""
    array, _, number = body.strip().partition(" ")
    if "submit list" in streams:
        found = _listed(scheduler, array, streams["submit list"])
    else:
        found = _answered(scheduler, read_output(streams, "submit"))
    if isinstance(found, str):
        return scheduler.task_id(found, number)
    if found.transient or isinstance(found, AnswerWithoutIdError):
        return found
    return ArrayRefusedError(found.message)


def _full(words: str) -> BackPressureError:
    """Return the error of a limit that is reached: how many, whose, where."""
    many, user, partition = (*words.split(), "", "")[:3]
    where = f" in {partition}" if partition else ""
    return BackPressureError(f"a limit is reached: {user} has {many} jobs{where} (`queue_jobs`)")


def _listed(scheduler: Scheduler, name: str, body: str) -> str | JfceleryError:
    """Return the id that a listing has for a name."""
    try:
        found = scheduler.parse_list(Output(0, body)).find(name)
    except SchedulerDownError as error:
        return error
    return found or SchedulerDownError(f"the queue holds {name!r}, but under which id?")


def read_signs(text: str) -> dict[str, FolderSigns]:
    """Return what the folders show, by id."""
    signs: dict[str, FolderSigns] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        queue_id, _, fields = rest.partition(" ")
        known = signs.get(queue_id, NO_SIGNS)
        if kind == "array":
            signs[queue_id] = replace(known, array=fields)
        elif kind == "end":
            signs[queue_id] = replace(known, end=key_values(fields), started=True)
        elif kind in {"started", "gone"}:
            signs[queue_id] = replace(known, started=kind == "started", gone=kind == "gone")
    return signs


def read_reports(
    scheduler: Scheduler, jobs: Iterable[QueueJob], parts: Mapping[str, str]
) -> dict[str, EndReport]:
    """Return how jobs ended, by id, of those of which anything is known."""
    accounted = scheduler.parse_accounting(read_output(parts, "account"))
    reports: dict[str, EndReport] = {}
    for job in jobs:
        stderr = _hint(scheduler.read_stderr(parts.get(f"stderr {job.queue_id}", "")))
        end = key_values(parts.get(f"end {job.queue_id}", ""))
        status = parts.get(f"status {job.queue_id}", "")
        told = _hint(_told(status))
        # An empty section tells of a folder that was seen, and has no such file.
        is_unbegun = f"status {job.queue_id}" in parts and not (
            end or status or parts.get(f"claim {job.queue_id}")
        )
        array = parts.get(f"array {job.queue_id}", "").partition(" ")[0]
        if not array and "_" in job.queue_id:
            array = ARRAY  # its mark is gone
        account = _own(accounted.get(job.queue_id), array or job.name, is_unbegun=is_unbegun)
        report = _joined(account, stderr, read_end(end), told)
        if report and report.reason is EndReason.UNKNOWN:
            if report.is_forgotten and is_unbegun:
                report = replace(report, reason=EndReason.CANCELLED)
            else:
                report = replace(report, reason=_reason_left(report, end, told))
        if report:
            reports[job.queue_id] = report
    return reports


def _own(account: EndReport | None, name: str, *, is_unbegun: bool) -> EndReport | None:
    """Return what the accounting says of a job: a controller that forgot it gives its id again.

    Args:
        account: What is said under its id.
        name: Under which the job, or its array, was submitted.
        is_unbegun: Whether its folder shows that it has not begun; it was forgotten then.
    """
    if account is None:
        return None
    is_known = same_name(account.name, name)
    if account.reason is EndReason.FORGOTTEN:
        lives = bool(account.name) and is_known
        return account if is_unbegun and not lives else None
    # A job that was renamed, and cancelled before it began, has another name, but none of ours.
    if is_known or not (is_unbegun or is_ours(account.name)):
        return account
    if not is_unbegun:
        return None
    if account.reason is EndReason.CANCELLED and not is_ours(account.name):
        return account
    return EndReport(EndReason.FORGOTTEN, words=GIVEN_AGAIN, is_proof=False)


def _joined(*sources: EndReport | None) -> EndReport | None:
    """Join reports of one end; the first are believed most."""
    report: EndReport | None = None
    for source in sources:
        report = report.completed_by(source) if report else source
    return report


def _hint(report: EndReport | None) -> EndReport | None:
    """Return a report that explains an end, but does not prove it."""
    return replace(report, is_proof=False) if report else None


def _told(status: str) -> EndReport | None:
    """Read the last signal that a script wrote down since it began."""
    fields = key_values(status.rpartition("stage=started")[2])
    number = fields.get("signal", "")
    if not number.isdigit():
        return None
    words = f"{signal_name(int(number))} in {fields.get('stage', 'started')}"
    return EndReport(EndReason.UNKNOWN, signal=int(number), words=words)


def _reason_left(report: EndReport, end: Mapping[str, str], told: EndReport | None) -> EndReason:
    """Say why a job ended when no source does.

    A signal to the whole script, which so wrote it down or left no final file, is what cancelling
    sends; a signal to the command in it alone is the command's own failure.
    """
    if report.signal and (told or not end):
        return EndReason.CANCELLED
    return EndReason.FAILED if report.exit_code or report.signal else EndReason.UNKNOWN
