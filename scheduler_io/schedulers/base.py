"""What every scheduler gives: commands out, text in, dataclasses out; no input or output.

A scheduler is one module beside this one. Its commands are bash text that runs on the worker
within the frames of ``frames.py``; there, the array ``ids`` holds ids of queue jobs, ``$user``
whose jobs are meant, ``$name`` the unique name of a queue job, and ``limit COMMAND …`` ends a
command that hangs. Its parsers are pure functions, tested with recorded outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from jfcelery.scheduler_io.schedulers.headers import as_options, own_options, submission_script
from jfcelery.scheduler_io.schedulers.refusals import COMMON, Refusal, refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtoolkit.core.data_objects import QResources
    from qtoolkit.io.base import BaseSchedulerIO

    from jfcelery.errors import JfceleryError
    from jfcelery.folders import RunFolder

#: Exit code of a script whose folder is gone.
NO_FOLDER = 71
#: ``words`` of the answer for a job that a successful listing lacks.
ABSENT = "absent"

#: What is said of a job whose id its scheduler gave to another.
GIVEN_AGAIN = "its id is another job's now"


class QueueState(StrEnum):
    """Where a queue job is, in words common to all schedulers."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    HELD = "HELD"
    SUSPENDED = "SUSPENDED"
    #: A pilot had it and gave it back, unfinished: it is to be run again.
    RETURNED = "RETURNED"
    ENDED = "ENDED"
    UNKNOWN = "UNKNOWN"

    @property
    def is_alive(self) -> bool:
        """Whether the scheduler still owes the job something."""
        return self not in {QueueState.ENDED, QueueState.UNKNOWN}


class EndReason(StrEnum):
    """Why a queue job ended."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    NODE_FAIL = "NODE_FAIL"
    PREEMPTED = "PREEMPTED"
    CANCELLED = "CANCELLED"
    LOST = "LOST"
    #: The scheduler took it and, before it began, knew it no more.
    FORGOTTEN = "FORGOTTEN"
    UNKNOWN = "UNKNOWN"

    @property
    def weight(self) -> int:
        """How much it says."""
        return _WEIGHTS.get(self, 3)


_WEIGHTS = {
    EndReason.UNKNOWN: 0,
    EndReason.LOST: 1,
    EndReason.FORGOTTEN: 2,
    EndReason.FAILED: 2,
    EndReason.COMPLETED: 2,
}


@dataclass(frozen=True)
class EndReport:
    """How a queue job ended.

    Args:
        reason: Why.
        exit_code: Exit code of the job's command, where known.
        signal: Number of the signal that ended it, where one did.
        words: The scheduler's own words.
        by: Who cancelled it, where known.
        is_proof: Whether it proves that the job ended. Of words in ``queue.err``, or a signal that
            was noted, it is not known whether the job was queued again thereafter.
        is_forgotten: Whether it says no more than that the scheduler has the job no longer. One
            that had not begun was cancelled then.
        name: Of the queue job that it tells of, where the source has one.
    """

    reason: EndReason
    exit_code: int | None = None
    signal: int | None = None
    words: str = ""
    by: str | None = None
    is_proof: bool = True
    is_forgotten: bool = False
    name: str = field(default="", compare=False)

    def completed_by(self, other: EndReport | None) -> EndReport:
        """Return this report with what only the other one knows.

        Args:
            other: A report of the same end from a source that is believed less, but where it
                says more: that a job failed is less than that it ran out of memory. Of a job
                whose exit code was 0, nothing can be worse.
        """
        if other is None:
            return self
        is_vague = self.reason.weight < other.reason.weight and self.exit_code != 0
        one, two = (other, self) if is_vague else (self, other)
        return EndReport(
            reason=one.reason,
            exit_code=self.exit_code if self.exit_code is not None else other.exit_code,
            signal=self.signal if self.signal is not None else other.signal,
            words=one.words or two.words,
            by=one.by or two.by,
            is_proof=self.is_proof or other.is_proof,
            is_forgotten=self.is_forgotten or other.is_forgotten,
            name=one.name or two.name,
        )


@dataclass(frozen=True)
class QueueJob:
    """A job as it stands in a worker's queue.

    Args:
        uuid: Of the job.
        index: Of the job.
        attempt: Which attempt at running it this is.
        queue_id: The scheduler's id of it.
        name: Unique name under which it was submitted.
        folder: Where it runs.
    """

    uuid: str
    index: int
    attempt: int
    queue_id: str
    name: str
    folder: RunFolder


@dataclass(frozen=True)
class Answer:
    """What a poll says of one job.

    Args:
        state: Where it is.
        end: How it ended, if it did and as far as is known.
        words: The scheduler's own words; ``absent`` if a successful listing lacks the job.
        started: Whether the folder of a job that is listed shows that its script has begun.
    """

    state: QueueState
    end: EndReport | None = None
    words: str = ""
    started: bool = field(default=False, compare=False)

    @property
    def is_absent(self) -> bool:
        """Whether a successful listing lacks the job, which has left no final file."""
        return self.state is QueueState.UNKNOWN and self.words == ABSENT


@dataclass(frozen=True)
class Output:
    """What a command left."""

    exit_code: int
    stdout: str
    stderr: str = ""

    @property
    def text(self) -> str:
        """Both streams in one line, for messages; nothing in it that would move a cursor."""
        said = f"{self.stderr} {self.stdout}"[:2000]
        return " ".join("".join(c if c.isprintable() else " " for c in said).split())[:500]


@dataclass(frozen=True)
class Row:
    """One queue job in a listing.

    Args:
        queue_id: Its id.
        state: Where it is.
        words: The scheduler's own words.
        name: Under which it was submitted, if the listing says so.
        end: How it ended, if the listing shows jobs that did.
    """

    queue_id: str
    state: QueueState
    words: str = ""
    name: str = ""
    end: EndReport | None = None


@dataclass(frozen=True)
class Listing:
    """A successful listing of a queue.

    Args:
        rows: By id.
        unknown: Ids that the scheduler says it does not know; None if all that is not listed is
            not in the queue.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    unknown: frozenset[str] | None = None

    def row(self, queue_id: str) -> Row | None:
        """Return a job's row; an id may stand there with another name of the server, or none."""
        return self.rows.get(queue_id) or self._by_number.get(_number(queue_id))

    def lacks(self, queue_id: str) -> bool:
        """Whether a job is certainly not in the queue."""
        if self.row(queue_id):
            return False
        return self.unknown is None or _number(queue_id) in self._unknown_numbers

    @cached_property
    def _by_number(self) -> dict[str, Row]:
        return {_number(queue_id): row for queue_id, row in self.rows.items()}

    @cached_property
    def _unknown_numbers(self) -> frozenset[str]:
        return frozenset(map(_number, self.unknown or ()))

    def find(self, name: str) -> str | None:
        """Return the id of the job with a name."""
        return next((row.queue_id for row in self.rows.values() if row.name == name), None)


class Scheduler(ABC):
    """A kind of scheduler: its commands and how to read their answers."""

    #: As in ``scheduler_type`` of a worker.
    name: ClassVar[str]
    #: Environment variable that holds, within a queue job, the very id that was given at
    #: submission (but for a task of an array, whose script is told its id); empty where there is
    #: none.
    id_variable: ClassVar[str]
    #: Whether a script may be told its id by its first argument, as a task of an array is.
    tells_ids: ClassVar[bool] = False
    #: Text that each complete listing contains: an empty answer is not an empty queue.
    proof: ClassVar[str] = ""
    #: What refusals of this scheduler mean, before the common ones.
    refusals: ClassVar[tuple[Refusal, ...]] = ()

    def __init__(self, io: BaseSchedulerIO) -> None:
        self.io = io

    def script(self, body: str, resources: Mapping[str, Any] | QResources | None, name: str) -> str:
        """Return a submission script.

        Args:
            body: What comes below the header.
            resources: What the job asks for.
            name: Unique name of the queue job.

        Raises:
            ResourcesError: The scheduler has no use for the resources.
        """
        options = own_options(self.options(resources), name)
        return submission_script(self.io, body, options)

    def options(self, resources: Mapping[str, Any] | QResources | None) -> dict[str, Any]:
        """Return resources as a dict of the keys of qtoolkit's template.

        Raises:
            ResourcesError: The scheduler has no use for them.
        """
        return as_options(self.io, resources)

    def submit_command(self, script: str) -> str:
        """Return the command that submits a script and prints the id."""
        return f"limit {self.io.get_submit_cmd(script)}"

    def array_functions(self) -> str:
        """Return the bash functions that ``arrays.py`` needs; empty where there are no arrays."""
        return ""

    def task_id(self, array_id: str, number: str) -> str:
        """Return the id of a task of an array, whose own id may be that of any of its tasks."""
        del number
        return array_id

    @abstractmethod
    def parse_submit(self, stdout: str) -> str | None:
        """Return the id in the answer to a submission, None if there is none."""

    @abstractmethod
    def list_command(self) -> str:
        """Return the command that lists ``ids``, or all jobs of ``$user`` if there are none."""

    @abstractmethod
    def parse_list(self, output: Output) -> Listing:
        """Read a listing.

        Raises:
            SchedulerDownError: It is none.
        """

    @abstractmethod
    def cancel_command(self) -> str:
        """Return the command that cancels ``ids``."""

    def lookup_command(self) -> str:
        """Return the command that lists all jobs with ``$name``, and perhaps others.

        Empty if the listing without ``ids`` is that.
        """
        return ""

    def count_command(self) -> str:
        """Return the command that prints how many jobs user ``$1`` has in the queue.

        In partition ``$2`` if that is not empty. Empty where there is none.
        """
        return ""

    def owners_command(self) -> str:
        """Return the command that tells whose ids are in the queue, as ID|FOLDER|NAME.

        Only a scheduler that forgets jobs, and gives their ids again, needs one.
        """
        return "true"

    def accounting_command(self) -> str:
        """Return the command that tells how ``ids`` ended; empty where there is none."""
        return ""

    def parse_accounting(self, output: Output) -> dict[str, EndReport]:
        """Read what the accounting command printed; what makes no sense is left out."""
        del output
        return {}

    def read_stderr(self, text: str) -> EndReport | None:
        """Read what the scheduler wrote at the end of a job's ``queue.err``."""
        del text
        return None

    def refusal(self, output: Output) -> JfceleryError:
        """Return the error that a failed submission means."""
        return refused(self.name, output.exit_code, output.text, (*self.refusals, *COMMON))


def _number(queue_id: str) -> str:
    """Return an id without the server that PBS adds."""
    return queue_id.partition(".")[0]


def is_ours(name: str) -> bool:
    """Whether jfcelery gives such names: to jobs, arrays and pilots."""
    return name.startswith(("jfc-", "jfp-"))


def same_name(one: str, other: str) -> bool:
    """Whether two names may be one, where either may be cut short."""
    return not one or not other or one.startswith(other) or other.startswith(one)
