"""The queue of one worker: submit, poll, account and cancel, each in one round trip."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jfcelery.errors import (
    BackPressureError,
    ConnectionLostError,
    DiskFullError,
    JfceleryError,
    RunFolderError,
    SchedulerDownError,
)
from jfcelery.scheduler_io.schedulers import frames, scheduler_for
from jfcelery.scheduler_io.schedulers.base import (
    Answer,
    EndReason,
    EndReport,
    Output,
    QueueJob,
    QueueState,
    Scheduler,
)
from jfcelery.scheduler_io.schedulers.proof import (
    NO_SIGNS,
    FolderSigns,
    judge,
    key_values,
    read_end,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.folders import RunFolder
    from jfcelery.scheduler_io.hosts.base import Host
    from jfcelery.scheduler_io.schedulers import QueueWorker

#: Seconds of a command's time that are left to the frame around it.
FRAME_S = 10.0
#: Seconds that `cancel` waits for jobs to be gone.
CONFIRM_S = 10.0
#: Pause between two looks at jobs that are being cancelled, in seconds.
CONFIRM_PAUSE_S = 1.0

_ID = re.compile(r"[\w.:@\[\]-]+")


@dataclass(frozen=True)
class Submission:
    """A job that is to be submitted.

    Args:
        folder: Its run folder, complete.
        name: Its unique name.
        attempt: Which attempt this is.
    """

    folder: RunFolder
    name: str
    attempt: int


class WorkerQueue:
    """One worker's scheduler, seen through a leased host.

    Args:
        host: Runs the commands.
        worker: Whose queue this is.
        timeout: Seconds that a command may take; by default the worker's ``timeout_execute``.
        settle_s: Seconds after which a submission that was killed shows in the queue, or never.
    """

    def __init__(
        self,
        host: Host,
        worker: QueueWorker,
        *,
        timeout: float | None = None,
        settle_s: float = frames.SETTLE_S,
    ) -> None:
        self.host = host
        self.scheduler: Scheduler = scheduler_for(worker)
        self._user = worker.scheduler_username or ""
        self._timeout = timeout or worker.timeout_execute
        self._limit_s = max(self._timeout / 2, self._timeout - FRAME_S)
        self._settle_s = settle_s

    def submit(self, folder: RunFolder, *, name: str, attempt: int) -> str:
        """Submit a job, unless it was submitted before; one round trip.

        Args:
            folder: Its run folder, complete.
            name: Its unique name, which stands in its script too.
            attempt: Which attempt this is.

        Returns:
            The queue job's id.

        Raises:
            BackPressureError: A limit of the site, or another submission of the same job.
            SubmissionRejectedError: Refused for good.
            ResourcesError: Refused for what it asks for.
            SchedulerDownError: No answer; submitting again finds out what became of it.
            RunFolderError: The folder is missing, of another attempt, or not writable.
            DiskFullError: The worker's disk is full.
        """
        (result,) = self.submit_all([Submission(folder, name, attempt)])
        if isinstance(result, JfceleryError):
            raise result
        return result

    def submit_all(self, jobs: Sequence[Submission]) -> list[str | JfceleryError]:
        """Submit many jobs in one round trip.

        Args:
            jobs: The jobs; after a failure that took long, the rest is not tried.

        Returns:
            For each job its id, or the error that `submit` would raise.

        Raises:
            HostError: The host failed as a whole.
        """
        command = self.scheduler.submit_command("submit.sh")
        lookup = self.scheduler.lookup_command()
        listing = frames.function("list", self.scheduler.list_command())
        functions = (
            frames.function("submit", command)
            + listing
            + frames.function("lookup", "list" if lookup in listing else lookup)
        )
        frame = frames.submit_frame(
            functions,
            user=self._user,
            limit_s=self._limit_s,
            proof=self.scheduler.proof,
            settle_s=self._settle_s,
        )
        rows = [f"{job.name}\t{job.attempt}\t{job.folder}" for job in jobs]
        extra = (len(jobs) - 1) * self._limit_s
        answers = self._submissions(self._run(frame, rows, extra_s=extra))
        untried = SchedulerDownError("not tried: an earlier submission took too long")
        return [answers.get(job.name, untried) for job in jobs]

    def _submissions(self, parts: list[tuple[str, str]]) -> dict[str, str | JfceleryError]:
        """Read the answers of the submission frame, by name."""
        answers: dict[str, str | JfceleryError] = {}
        streams: dict[str, str] = {}
        for title, body in parts:
            kind, _, rest = title.partition(" ")
            if kind == "submit":
                streams[rest[:3].strip()] = rest[3:] if rest.startswith("rc ") else body
                continue
            code, err = int(streams.get("rc", 0)), streams.get("err", "")
            output = Output(code, streams.get("out", body), err)
            answers[rest] = self._submission(kind, rest, body, output)
            streams = {}
        return answers

    def _submission(self, kind: str, name: str, body: str, output: Output) -> str | JfceleryError:
        """Read the answer for one job."""
        if kind == "known":
            return body.strip()
        if kind == "submitted" and output.exit_code:
            return self.scheduler.refusal(output)
        if kind in {"answered", "submitted"}:
            found = self.scheduler.parse_submit(body if kind == "answered" else output.stdout)
            return found or SchedulerDownError(f"no id in the answer: {output.text}")
        if kind == "listed":
            return self._listed(name, body)
        return _submission_error(kind, name, " ".join(body.split()))

    def _listed(self, name: str, body: str) -> str | JfceleryError:
        """Return the id that a listing has for a name."""
        try:
            found = self.scheduler.parse_list(Output(0, body)).find(name)
        except SchedulerDownError as error:
            return error
        return found or SchedulerDownError(f"the queue holds {name!r}, but under which id?")

    def poll(self, jobs: Sequence[QueueJob]) -> dict[str, Answer]:
        """Ask where jobs are, in one round trip whatever their number.

        Args:
            jobs: Jobs that have an id.

        Returns:
            By id: ENDED only on proof. If the listing failed, jobs with a final file are ENDED and
            the others UNKNOWN.

        Raises:
            SchedulerDownError: The listing failed, and no job has left a final file.
        """
        return self._poll(jobs) if jobs else {}

    def _poll(self, jobs: Sequence[QueueJob], first: str = "") -> dict[str, Answer]:
        functions = frames.function("list", self.scheduler.list_command())
        if first:
            functions += frames.function(first, self.scheduler.cancel_command())
        frame = frames.poll_frame(functions, user=self._user, limit_s=self._limit_s, first=first)
        parts = dict(self._run(frame, _rows(jobs), extra_s=self._limit_s if first else 0))
        signs = _signs(parts.get("files out", ""))
        listing, trouble = None, None
        try:
            listing = self.scheduler.parse_list(_output(parts, "list"))
        except SchedulerDownError as error:
            trouble = error
        answers = {
            job.queue_id: judge(
                job, listing, signs.get(job.queue_id, NO_SIGNS), trouble.message if trouble else ""
            )
            for job in jobs
        }
        if trouble and all(answer.state is not QueueState.ENDED for answer in answers.values()):
            raise trouble
        return answers

    def end_reports(self, jobs: Sequence[QueueJob]) -> dict[str, EndReport]:
        """Ask how jobs ended: the accounting, the final file, the end of ``queue.err``.

        Args:
            jobs: Jobs that ended, or may have.

        Returns:
            By id, what is known; a job of which nothing is known is left out.
        """
        if not jobs:
            return {}
        command = self.scheduler.accounting_command() or "true"
        functions = frames.function("account", command)
        frame = frames.account_frame(functions, user=self._user, limit_s=self._limit_s)
        parts = dict(self._run(frame, _rows(jobs)))
        accounted = self.scheduler.parse_accounting(_output(parts, "account"))
        reports = {job.queue_id: self._report(job, accounted, parts) for job in jobs}
        return {queue_id: report for queue_id, report in reports.items() if report}

    def _report(
        self, job: QueueJob, accounted: dict[str, EndReport], parts: dict[str, str]
    ) -> EndReport | None:
        """Join what the sources say of one job."""
        own = read_end(key_values(parts.get(f"end {job.queue_id}", "")))
        stderr = self.scheduler.read_stderr(parts.get(f"stderr {job.queue_id}", ""))
        sources = [accounted.get(job.queue_id), stderr, own, _told(parts, job)]
        report: EndReport | None = None
        for source in sources:
            report = report.completed_by(source) if report else source
        if report and report.reason is EndReason.UNKNOWN:
            return replace(report, reason=_reason_left(report, own, parts, job))
        return report

    def cancel(self, jobs: Sequence[QueueJob], *, confirm_s: float = CONFIRM_S) -> dict[str, bool]:
        """Cancel jobs and look whether they are gone.

        Args:
            jobs: Jobs that have an id.
            confirm_s: Seconds to wait for them to be gone.

        Returns:
            By id, whether it is gone for certain; calling again for the others is harmless.

        Raises:
            SchedulerDownError: The scheduler does not answer.
        """
        if not jobs:
            return {}
        end = time.monotonic() + confirm_s
        gone = _gone(self._poll(jobs, first="cancel"))
        while time.monotonic() < end and not all(gone.values()):
            time.sleep(CONFIRM_PAUSE_S)
            gone |= _gone(self._poll([job for job in jobs if not gone[job.queue_id]]))
        return gone

    def _run(
        self, frame: frames.Frame, rows: list[str], *, extra_s: float = 0
    ) -> list[tuple[str, str]]:
        """Run a frame and return its sections."""
        stdin = "".join(f"{row}\n" for row in rows).encode()
        result = self.host.run(frame.command, stdin=stdin, timeout=self._timeout + extra_s)
        parts = frames.sections(result.stdout, frame.nonce)
        if parts is None:
            words = " ".join(result.stderr.split())[-300:]
            message = f"{self.host.name}: the answer was cut off (exit status {result.exit_code})"
            raise ConnectionLostError(f"{message}: {words}" if words else message)
        return parts


def _rows(jobs: Sequence[QueueJob]) -> list[str]:
    """Return the frames' rows; an id that no scheduler gives cannot reach a command line."""
    for job in jobs:
        if not _ID.fullmatch(job.queue_id):
            raise RunFolderError(f"{job.queue_id!r} is no id of a queue job ({job.name})")
    return [f"{job.queue_id}\t{job.attempt}\t{job.folder}" for job in jobs]


def _output(parts: dict[str, str], what: str) -> Output:
    """Return what a section's command left."""
    code = next((int(title.split()[-1]) for title in parts if title.startswith(f"{what} rc ")), 1)
    return Output(code, parts.get(f"{what} out", ""), parts.get(f"{what} err", ""))


def _signs(text: str) -> dict[str, FolderSigns]:
    """Read what the frame says of the folders."""
    signs: dict[str, FolderSigns] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        queue_id, _, fields = rest.partition(" ")
        if kind == "end":
            signs[queue_id] = FolderSigns(end=key_values(fields), started=True)
        elif kind in {"started", "gone"}:
            signs[queue_id] = FolderSigns(started=kind == "started", gone=kind == "gone")
    return signs


def _reason_left(
    report: EndReport, own: EndReport | None, parts: dict[str, str], job: QueueJob
) -> EndReason:
    """Say why a job ended when no source does.

    A signal to the whole script, which so wrote it down or left no final file, is what cancelling
    sends; a signal to the command in it alone is the command's own failure.
    """
    if report.signal and (own is None or _told(parts, job)):
        return EndReason.CANCELLED
    return EndReason.FAILED if report.exit_code or report.signal else EndReason.UNKNOWN


def _told(parts: dict[str, str], job: QueueJob) -> EndReport | None:
    """Read the last signal that the script wrote down."""
    fields = key_values(parts.get(f"status {job.queue_id}", ""))
    number = fields.get("signal", "")
    if not number.isdigit():
        return None
    words = f"signal {number} in {fields.get('stage', '?')}"
    return EndReport(EndReason.UNKNOWN, signal=int(number), words=words)


def _gone(answers: dict[str, Answer]) -> dict[str, bool]:
    """Say which jobs are gone for certain."""
    return {
        queue_id: answer.state is QueueState.ENDED or answer.is_absent
        for queue_id, answer in answers.items()
    }


def _submission_error(kind: str, name: str, words: str) -> JfceleryError:
    """Return the error that a submission frame's answer means."""
    if kind == "missing":
        return RunFolderError(f"the run folder of {name} is gone")
    if kind == "foreign":
        return RunFolderError(f"the run folder of {name} holds another attempt, or no script")
    if kind == "busy":
        return BackPressureError(f"another submission of {name} is under way")
    if kind == "silent":
        return SchedulerDownError(f"the queue cannot be asked for {name}: {words}")
    if re.search(r"no space|quota", words, re.IGNORECASE):
        return DiskFullError(words)
    return RunFolderError(words)
