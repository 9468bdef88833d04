"""Changing many jobs at once: plan for each, write in bulk, plan again what was in other hands.

Every operation competes with the steps through the same compare-and-set. A job that a step
works on is left until the step is done (or its lease ran out), at most as long as the caller
waits; only ``break_lock`` takes it away from the step.
"""

from __future__ import annotations

import getpass
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jfcelery.database.chunks import chunks
from jfcelery.database.jobs import NO_LEASE
from jfcelery.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs
    from jfcelery.states import JobState

#: Jobs written between two steps of the progress bar.
PIECE = 1000
#: How long a job is waited for that a step works on, in seconds.
DEFAULT_WAIT = 30
#: Pause between two looks at jobs that steps work on, in seconds.
INTERVAL = 0.25


@dataclass(frozen=True)
class Move:
    """What an operation wants to do to one job.

    Args:
        event: Row of the state table; empty where the state stays.
        target: The new state, if it changes.
        fields: More fields to set.
    """

    event: str = ""
    target: JobState | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Why one job was not changed.

    Args:
        db_id: The job.
        reason: The reason, in one line, with what would work.
    """

    db_id: str
    reason: str

    def error(self) -> RefusedError:
        """Return the refusal as an error."""
        return RefusedError(f"Job {self.db_id}: {self.reason}")


@dataclass(frozen=True)
class Result:
    """What an operation did.

    Args:
        changed: db ids of the jobs that were changed.
        refused: Jobs that were not, and why.
        remarks: What is to be known of jobs that were changed.
    """

    changed: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    remarks: tuple[Refusal, ...] = ()

    def __add__(self, other: Result) -> Result:
        """Return both results as one."""
        return Result(
            self.changed + other.changed,
            self.refused + other.refused,
            self.remarks + other.remarks,
        )


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How an operation deals with jobs that steps work on, and what it reports meanwhile.

    Args:
        wait: Seconds to wait for jobs that steps work on; None for :data:`DEFAULT_WAIT`.
        break_lock: Take jobs away from the steps that work on them.
        strict: Raise at the first refusal; of the jobs planned with it none is changed.
        progress: Called with the number of jobs dealt with so far.
        why: The reason that the history keeps.
    """

    wait: float | None = None
    break_lock: bool = False
    strict: bool = False
    progress: Callable[[int], object] = lambda _: None
    why: str = ""


def user_name() -> str:
    """Return how the history names the person at the keyboard."""
    try:
        return f"user {getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return "user"


def change_jobs(
    jobs: Jobs,
    docs: Iterable[JobDoc],
    plan: Callable[[JobDoc], Move],
    manner: Manner,
    *,
    after: Callable[[Sequence[JobDoc]], object] = lambda _: None,
) -> Result:
    """Do to each job what a plan says.

    Args:
        jobs: The project's jobs.
        docs: The jobs as they were read.
        plan: Returns what to do to a job, or raises RefusedError; called again for a job that
            somebody else changed first.
        manner: How jobs in other hands are dealt with.
        after: Called with the jobs as they are after each piece.

    Raises:
        RefusedError: A job is refused, and the manner is strict.
    """
    result, done = Result(), 0
    for piece in chunks(docs, PIECE):
        change = _Change(jobs, plan, manner)
        result += change.run(piece)
        after(change.changed)
        done += len(piece)
        manner.progress(done)
    return result


class _Change:
    """One piece of jobs on its way through an operation."""

    def __init__(self, jobs: Jobs, plan: Callable[[JobDoc], Move], manner: Manner) -> None:
        self.jobs = jobs
        self.plan = plan
        self.manner = manner
        self.changed: list[JobDoc] = []
        self.refused: list[Refusal] = []

    def run(self, docs: Sequence[JobDoc]) -> Result:
        """Change the jobs, waiting for those that steps work on."""
        wait = DEFAULT_WAIT if self.manner.wait is None else self.manner.wait
        deadline = time.monotonic() + wait
        busy = self._pass(docs)
        while busy:
            if time.monotonic() > deadline:
                self._refuse([Refusal(doc.db_id, _busy(doc)) for doc in busy])
                break
            time.sleep(INTERVAL)
            busy = self._pass(self._reread(busy))
        return Result(tuple(doc.db_id for doc in self.changed), tuple(self.refused))

    def _pass(self, docs: Sequence[JobDoc]) -> list[JobDoc]:
        """Change what can be changed now; return what has to wait or to be planned again."""
        now = self.jobs.now()
        moves: dict[str, Move] = {}
        groups: dict[tuple[str, JobState | None], list[JobDoc]] = {}
        again: list[JobDoc] = []
        for doc in docs:
            try:
                move = self.plan(doc)
            except RefusedError as refusal:
                self._refuse([Refusal(doc.db_id, str(refusal).replace("\n", " "))])
                continue
            if doc.is_locked(now) and not self.manner.break_lock:
                again.append(doc)
                continue
            moves[doc.id] = move
            groups.setdefault((move.event, move.target), []).append(doc)
        for (event, target), members in groups.items():
            again += self._write(event, target, members, moves)
        return again

    def _refuse(self, refusals: Sequence[Refusal]) -> None:
        if self.manner.strict:
            raise refusals[0].error()
        self.refused += refusals

    def _write(
        self,
        event: str,
        target: JobState | None,
        docs: Sequence[JobDoc],
        moves: Mapping[str, Move],
    ) -> list[JobDoc]:
        """Write one group; return the jobs that somebody else changed first."""
        if target is None:
            return self._update(docs, moves)
        changed = self.jobs.transition_many(
            docs,
            event,
            target,
            by=user_name(),
            why=self.manner.why,
            fields=lambda doc: {**NO_LEASE, **moves[doc.id].fields},
        )
        self.changed += changed
        written = {doc.id for doc in changed}
        return [doc for doc in docs if doc.id not in written]

    def _update(self, docs: Sequence[JobDoc], moves: Mapping[str, Move]) -> list[JobDoc]:
        changed = self.jobs.update_many(docs, lambda doc: moves[doc.id].fields)
        self.changed += changed
        written = {doc.id for doc in changed}
        return [doc for doc in docs if doc.id not in written]

    def _reread(self, docs: Sequence[JobDoc]) -> list[JobDoc]:
        return list(self.jobs.find({"_id": {"$in": [doc.id for doc in docs]}}))


def _busy(doc: JobDoc) -> str:
    if doc.lock_id is None or doc.lock_time is None:
        return "it changes faster than it can be written. Try again."
    return (
        f"a step works on it ({doc.lock_id} since {doc.lock_time:%H:%M:%S} UTC). "
        "Try again with a longer --wait, or take it away from the step with --break-lock."
    )
