"""States of jobs, flows and batches, and the table of all changes of a job's state.

The table is data: :func:`transition` is the only judge of what may follow what, and the diagram
in the documentation is drawn from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jfcelery.errors import TransitionError


class _ShortNamed(StrEnum):
    """A state with a full and a short name."""

    @property
    def short(self) -> str:
        """Return the abbreviation that listings show."""
        return _SHORT[self.value]


class JobState(_ShortNamed):
    """State of one job."""

    WAITING = "WAITING"
    READY = "READY"
    CHECKED_OUT = "CHECKED_OUT"
    UPLOADED = "UPLOADED"
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    RUN_FINISHED = "RUN_FINISHED"
    DOWNLOADED = "DOWNLOADED"
    REMOTE_ERROR = "REMOTE_ERROR"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    USER_STOPPED = "USER_STOPPED"
    BATCH_SUBMITTED = "BATCH_SUBMITTED"
    BATCH_RUNNING = "BATCH_RUNNING"


class FlowState(StrEnum):
    """State of a flow, derived from those of its jobs."""

    WAITING = "WAITING"
    READY = "READY"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"


class BatchState(StrEnum):
    """State of a pilot."""

    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"


_SHORT = {
    "WAITING": "W",
    "READY": "R",
    "CHECKED_OUT": "CE",
    "UPLOADED": "U",
    "SUBMITTED": "SU",
    "RUNNING": "RU",
    "RUN_FINISHED": "RF",
    "DOWNLOADED": "D",
    "REMOTE_ERROR": "RERR",
    "COMPLETED": "C",
    "FAILED": "F",
    "PAUSED": "P",
    "STOPPED": "ST",
    "USER_STOPPED": "CA",
    "BATCH_SUBMITTED": "BS",
    "BATCH_RUNNING": "BR",
}

_S = JobState

#: States in which a queue job may exist on the worker.
QUEUED_STATES = frozenset({_S.SUBMITTED, _S.RUNNING, _S.BATCH_SUBMITTED, _S.BATCH_RUNNING})
#: States in which the pool of a batch worker has the job.
POOL_STATES = (_S.BATCH_SUBMITTED, _S.BATCH_RUNNING)
#: States in which a job is under way: some step, or the scheduler, owns its next move.
ACTIVE_STATES = frozenset(
    {_S.CHECKED_OUT, _S.UPLOADED, _S.RUN_FINISHED, _S.DOWNLOADED} | QUEUED_STATES
)
#: States from which nothing moves by itself.
RESTING_STATES = frozenset(
    {_S.COMPLETED, _S.FAILED, _S.REMOTE_ERROR, _S.PAUSED, _S.STOPPED, _S.USER_STOPPED}
)
#: States that ``job rerun`` accepts without ``--force``.
RERUN_STATES = frozenset(ACTIVE_STATES | {_S.FAILED, _S.REMOTE_ERROR})


@dataclass(frozen=True)
class Transition:
    """One row of the state table.

    Args:
        event: The verb that causes the change.
        sources: States that it may start from.
        targets: States that it may lead to.
        when: The condition, for the documentation.
    """

    event: str
    sources: frozenset[JobState]
    targets: frozenset[JobState]
    when: str


def _row(event: str, sources: set[JobState], targets: set[JobState], when: str) -> Transition:
    return Transition(event, frozenset(sources), frozenset(targets), when)


TRANSITIONS: tuple[Transition, ...] = (
    _row("release", {_S.WAITING}, {_S.READY}, "every parent is done"),
    _row("checkout", {_S.READY}, {_S.CHECKED_OUT}, "taken by priority, then age"),
    _row("upload", {_S.CHECKED_OUT}, {_S.UPLOADED}, "run folder written on the worker"),
    _row(
        "submit",
        {_S.UPLOADED},
        {_S.SUBMITTED, _S.BATCH_SUBMITTED},
        "accepted by the scheduler, or put into the pilot's pool; only while under max_jobs",
    ),
    _row("run", {_S.SUBMITTED}, {_S.RUNNING}, "the scheduler says so"),
    _row("run", {_S.BATCH_SUBMITTED}, {_S.BATCH_RUNNING}, "the pilot says so"),
    _row(
        "end",
        set(QUEUED_STATES),
        {_S.RUN_FINISHED, _S.DOWNLOADED},
        "proof that it ended; DOWNLOADED where the folder is local",
    ),
    _row(
        "requeue",
        {_S.BATCH_SUBMITTED, _S.BATCH_RUNNING},
        {_S.READY, _S.PAUSED},
        "its pilot ended before it did; PAUSED where that came too often",
    ),
    _row("download", {_S.RUN_FINISHED}, {_S.DOWNLOADED}, "outputs fetched, checksums hold"),
    _row("finalize", {_S.DOWNLOADED}, {_S.COMPLETED, _S.FAILED}, "outputs inserted / it raised"),
    _row("fail", set(ACTIVE_STATES), {_S.REMOTE_ERROR}, "a step failed for good"),
    _row(
        "retry",
        {_S.REMOTE_ERROR},
        set(ACTIVE_STATES | {_S.READY}),
        "back to the state before the error",
    ),
    _row("rerun", set(RERUN_STATES), {_S.READY, _S.WAITING}, "a new attempt from the start"),
    _row(
        "force_rerun",
        {_S.COMPLETED, _S.PAUSED, _S.STOPPED, _S.USER_STOPPED, _S.READY},
        {_S.READY, _S.WAITING},
        "rerun --force",
    ),
    _row(
        "reset",
        set(JobState) - {_S.WAITING},
        {_S.WAITING},
        "an ancestor is rerun",
    ),
    _row("recover", set(ACTIVE_STATES), {_S.READY}, "it ended badly, and a recovery rule helps"),
    _row("pause", {_S.READY, _S.WAITING}, {_S.PAUSED}, "by the user, or by a recovery rule"),
    _row("stop", set(ACTIVE_STATES | {_S.READY}), {_S.USER_STOPPED}, "by the user"),
    _row("halt", {_S.WAITING, _S.READY}, {_S.STOPPED}, "stop_children or stop_jobflow"),
    _row(
        "resume",
        {_S.PAUSED, _S.STOPPED, _S.USER_STOPPED},
        {_S.READY, _S.WAITING},
        "by the user",
    ),
    _row("set_state", set(JobState), set(JobState), "job set-state, by the user, at own risk"),
)

_ALLOWED: dict[str, list[Transition]] = {}
for _t in TRANSITIONS:
    _ALLOWED.setdefault(_t.event, []).append(_t)


def transition(event: str, source: JobState, target: JobState) -> None:
    """Check that an event may take a job from one state to another.

    Raises:
        TransitionError: The state table has no such row.
    """
    for row in _ALLOWED.get(event, ()):
        if source in row.sources and target in row.targets:
            return
    raise TransitionError(f"{event!r} cannot take a job from {source} to {target}")


def sources_of(event: str) -> frozenset[JobState]:
    """Return the states from which an event may start."""
    return frozenset().union(*(row.sources for row in _ALLOWED[event]))
