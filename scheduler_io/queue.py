"""The queue of one worker: submit, poll, account and cancel, each in one round trip."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from jfcelery.errors import (
    BackPressureError,
    ConnectionLostError,
    HostError,
    JfceleryError,
    RunFolderError,
    SchedulerDownError,
)
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.own_processes import OwnProcesses
from jfcelery.scheduler_io.schedulers import frames, scheduler_for
from jfcelery.scheduler_io.schedulers.arrays import arrays_first
from jfcelery.scheduler_io.schedulers.base import QueueState
from jfcelery.scheduler_io.schedulers.proof import NO_SIGNS, judge
from jfcelery.scheduler_io.schedulers.reading import (
    AnswerWithoutIdError,
    ArrayRefusedError,
    read_output,
    read_reports,
    read_signs,
    read_submissions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jfcelery.scheduler_io.hosts.base import CommandResult, Host
    from jfcelery.scheduler_io.schedulers import QueueWorker
    from jfcelery.scheduler_io.schedulers.base import Answer, EndReport, QueueJob, Scheduler

#: Seconds of a command's time that are left to the frame around it.
FRAME_S = 10.0
#: Seconds that `cancel` waits for jobs to be gone.
CONFIRM_S = 10.0
#: Pause between two looks at jobs that are being cancelled, in seconds.
CONFIRM_PAUSE_S = 1.0

#: With a dash ahead it would be an option of the scheduler's command.
_ID = re.compile(r"\w[\w.:@\[\]-]*")


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
        scheduler: What is asked, where that is not the worker's own scheduler.
    """

    def __init__(
        self,
        host: Host,
        worker: QueueWorker,
        *,
        timeout: float | None = None,
        settle_s: float = frames.SETTLE_S,
        scheduler: Scheduler | None = None,
    ) -> None:
        self.host = host
        self.scheduler: Scheduler = scheduler or scheduler_for(worker)
        self._arrays = self.scheduler.array_functions() if worker.job_arrays else ""
        self._work_dir = PurePath(worker.work_dir)
        self._user = worker.scheduler_username or ""
        self._timeout = timeout or worker.timeout_execute
        self._limit_s = max(self._timeout / 2, self._timeout - FRAME_S)
        self._settle_s = settle_s
        self._own = OwnProcesses.of(host, self.scheduler, self._work_dir, self._limit_s)

    def submit(
        self, folder: RunFolder, *, name: str, attempt: int, limits: Sequence[frames.Limit] = ()
    ) -> str:
        """Submit a job, unless it was submitted before; one round trip.

        Args:
            folder: Its run folder, complete.
            name: Its unique name, which stands in its script too.
            attempt: Which attempt this is.
            limits: Of jobs in the queue, manual ones too; without effect where the scheduler
                cannot count them (shell, custom).

        Returns:
            The queue job's id.

        Raises:
            BackPressureError: A limit, or another submission of the same job.
            SubmissionRejectedError: Refused for good.
            ResourcesError: Refused for what it asks for.
            SchedulerDownError: No answer; submitting again finds out what became of it.
            RunFolderError: The folder is missing, of another attempt, or not writable.
            DiskFullError: The worker's disk is full.
        """
        (result,) = self.submit_all([Submission(folder, name, attempt)], limits=limits)
        if isinstance(result, JfceleryError):
            raise result
        return result

    def submit_all(
        self, jobs: Sequence[Submission], *, limits: Sequence[frames.Limit] = ()
    ) -> list[str | JfceleryError]:
        """Submit many jobs in one round trip, or two if an array of them is refused.

        Args:
            jobs: The jobs; after a failure that took long, the rest is not tried.
            limits: Of jobs in the queue.

        Returns:
            For each job its id, or the error that `submit` would raise.

        Raises:
            HostError: The host failed as a whole.
        """
        started = {job.name: self._own.submit(job) for job in jobs} if self._own else {}
        known = {name: queue_id for name, queue_id in started.items() if queue_id}
        left = [job for job in jobs if job.name not in known]
        answers = known | (self._submit_all(left, limits) if left else {})
        refused = [job for job in left if isinstance(answers.get(job.name), ArrayRefusedError)]
        if refused:  # perhaps only because the site has no arrays
            answers |= self._submit_all(refused, limits)
        untried = SchedulerDownError("not tried: an earlier submission took too long")
        return [answers.get(job.name, untried) for job in jobs]

    def _submit_all(
        self, jobs: Sequence[Submission], limits: Sequence[frames.Limit]
    ) -> dict[str, str | JfceleryError]:
        """Submit jobs by one frame; return by name what became of them."""
        rows = [f"{job.name}\t{job.attempt}\t{job.folder}" for job in jobs]
        count = self.scheduler.count_command()
        are_many = self._arrays and len(jobs) > 1
        frame = self._folder_frame(
            frames.submit_frame,
            count,
            limits=limits if count else (),
            arrays=arrays_first(self._arrays, self._work_dir) if are_many else "",
        )
        answers = read_submissions(self.scheduler, self._run_steps(frame, rows))
        self._doubt(answers, jobs)
        return answers

    def _doubt(self, answers: Mapping[str, object], jobs: Sequence[Submission | QueueJob]) -> None:
        """Forget answers that hold no id: the next try looks the jobs up by their names."""
        files = [
            str(job.folder / RunFolder.queue_id(job.attempt))
            for job in jobs
            if isinstance(answers.get(job.name), AnswerWithoutIdError)
        ]
        if files:
            # Emptied, not removed: a submission was tried.
            emptied = "\n".join(f": >{shlex.quote(file)}" for file in files)
            self.host.run(emptied, timeout=self._limit_s)

    def _folder_frame(
        self, frame: Callable[..., frames.Frame], functions: str = "", **options: object
    ) -> frames.Frame:
        """Return a frame that asks the folders for what they know of their submission."""
        submit, listing, lookup = (
            frames.function("submit", self.scheduler.submit_command(RunFolder.SCRIPT)),
            frames.function("list", self.scheduler.list_command()),
            self.scheduler.lookup_command() or "list",
        )
        return frame(
            submit + listing + frames.function("lookup", lookup) + functions,
            user=self._user,
            limit_s=self._limit_s,
            proof=self.scheduler.proof,
            settle_s=self._settle_s,
            **options,
        )

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
        known = self._own.poll(jobs) if self._own else {}
        left = [job for job in jobs if job.queue_id not in known]
        return known | (self._poll(left) if left else {})

    def _poll(self, jobs: Sequence[QueueJob], *, cancel: bool = False) -> dict[str, Answer]:
        functions = frames.function("list", self.scheduler.list_command())
        names: list[str] = []
        if cancel:
            functions += frames.function("cancel", self.scheduler.cancel_command())
            functions += frames.function("owners", self.scheduler.owners_command())
            names = [job.name for job in jobs]
        frame = frames.poll_frame(functions, user=self._user, limit_s=self._limit_s, names=names)
        parts = dict(self._run(frame, _rows(jobs), extra_s=2 * self._limit_s if cancel else 0))
        signs = read_signs(parts.get("files out", ""))
        listing, trouble = None, None
        try:
            listing = self.scheduler.parse_list(read_output(parts, "list"))
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
            By id, what is known; a job of which nothing is known is left out. Only a report with
            ``is_proof`` ends a job that the queue lacks.
        """
        if not jobs:
            return {}
        command = self.scheduler.accounting_command() or "true"
        functions = frames.function("account", command)
        frame = frames.account_frame(functions, user=self._user, limit_s=self._limit_s)
        parts = dict(self._run(frame, _rows(jobs)))
        return read_reports(self.scheduler, jobs, parts)

    def cancel(self, jobs: Sequence[QueueJob], *, confirm_s: float = CONFIRM_S) -> dict[str, bool]:
        """Cancel jobs and look whether they are gone.

        Args:
            jobs: The jobs. One without an id may have been submitted: that is found out, and from
                then on this attempt cannot be submitted any more.
            confirm_s: Seconds to wait for them to be gone.

        Returns:
            By id (the empty one stands for all jobs without), whether it is gone for certain;
            calling again for the others is harmless.

        Raises:
            SchedulerDownError: The scheduler does not answer.
            BackPressureError: A job without an id is being submitted just now.
        """
        found = self._forbid([job for job in jobs if not job.queue_id])
        known = [job for job in jobs if job.queue_id] + [job for job in found.values() if job]
        gone: dict[str, bool] = {}
        for group in with_own_ids(known):
            for queue_id, is_gone in self._cancel(group, confirm_s).items():
                gone[queue_id] = gone.get(queue_id, True) and is_gone
        if found:
            gone[""] = all(job is None or gone[job.queue_id] for job in found.values())
        return gone

    def _cancel(self, jobs: Sequence[QueueJob], confirm_s: float) -> dict[str, bool]:
        """Cancel jobs that have an id, no two of them the same."""
        end = time.monotonic() + confirm_s
        gone = _gone(self._poll(jobs, cancel=True))
        while time.monotonic() < end and not all(gone.values()):
            time.sleep(CONFIRM_PAUSE_S)
            gone |= _gone(self._poll([job for job in jobs if not gone[job.queue_id]]))
        return gone

    def _forbid(self, jobs: Sequence[QueueJob]) -> dict[str, QueueJob | None]:
        """Find the ids of jobs that may have been submitted, and see that they no longer can be.

        Returns:
            By name, the job with its id; None if it was not submitted.

        Raises:
            SchedulerDownError: The queue cannot be asked.
            BackPressureError: It is being submitted just now.
        """
        if not jobs:
            return {}
        rows = [f"{job.name}\t{job.attempt}\t{job.folder}" for job in jobs]
        frame = self._folder_frame(frames.forbid_frame)
        answers = read_submissions(self.scheduler, self._run_steps(frame, rows))
        self._doubt(answers, jobs)
        found: dict[str, QueueJob | None] = {}
        for job in jobs:
            answer = answers.get(job.name, ConnectionLostError(f"no answer about {job.name}"))
            if isinstance(answer, HostError | BackPressureError):
                raise answer
            is_known = isinstance(answer, str) and answer
            found[job.name] = replace(job, queue_id=str(answer)) if is_known else None
        return found

    def _run(
        self, frame: frames.Frame, rows: list[str], *, extra_s: float = 0
    ) -> list[tuple[str, str]]:
        """Run a frame and return its sections."""
        return self._ask(frame, rows, partial(self.host.run, timeout=self._timeout + extra_s))

    def _run_steps(self, frame: frames.Frame, rows: list[str]) -> list[tuple[str, str]]:
        """Run a frame that says something before each of its steps.

        The limit is that of one step, however many jobs there are: a link that freezes costs no
        more, and a scheduler that is slow with each is waited for.
        """
        return self._ask(frame, rows, partial(self.host.run, stall=self._timeout))

    def _ask(
        self, frame: frames.Frame, rows: list[str], run: Callable[..., CommandResult]
    ) -> list[tuple[str, str]]:
        stdin = "".join(f"{row}\n" for row in rows).encode()
        result = run(frame.command, stdin=stdin)
        parts = frames.sections(result.stdout, frame.nonce)
        if parts is None:
            words = " ".join(result.stderr.split())[-300:]
            message = f"{self.host.name}: the answer was cut off (exit status {result.exit_code})"
            raise ConnectionLostError(f"{message}: {words}" if words else message)
        return parts


def is_id(queue_id: str | None) -> bool:
    """Return whether a scheduler may have given such an id."""
    return bool(queue_id and _ID.fullmatch(queue_id))


def with_own_ids(jobs: Iterable[QueueJob]) -> Iterator[list[QueueJob]]:
    """Yield groups of jobs in which each id is one job's: a scheduler may have given one twice."""
    left = list(jobs)
    while left:
        group = {job.queue_id: job for job in reversed(left)}
        yield list(group.values())[::-1]
        left = [job for job in left if group[job.queue_id] is not job]


def _rows(jobs: Sequence[QueueJob]) -> list[str]:
    """Return the frames' rows; an id that no scheduler gives cannot reach a command line."""
    for job in jobs:
        if not is_id(job.queue_id):
            raise RunFolderError(f"{job.queue_id!r} is no id of a queue job ({job.name})")
    return [f"{job.queue_id}\t{job.attempt}\t{job.folder}" for job in jobs]


def _gone(answers: dict[str, Answer]) -> dict[str, bool]:
    """Say which jobs are gone for certain."""
    ends = {QueueState.ENDED, QueueState.RETURNED}
    return {
        queue_id: answer.state in ends or answer.is_absent for queue_id, answer in answers.items()
    }
