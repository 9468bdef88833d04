"""What is said about operations on jobs, wherever a person asks for them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jfcelery.controller.bulk import Result
    from jfcelery.database.documents import JobDoc

#: Most db ids that one line shows, and most lines.
SHOWN = 20
#: What a person must know before jobs are deleted.
DELETE_WARNING = "This cannot be undone."


@dataclass(frozen=True)
class Wording:
    """How an operation is spoken of.

    Args:
        verb: What is going to be done, as in ``Pause 3 jobs``.
        done: What was done, as in ``3 jobs paused``.
        warning: Returns what a person is asked to confirm, if anything.
    """

    verb: str
    done: str
    warning: Callable[[Sequence[JobDoc]], str] = lambda _: ""


#: The operations whose words need no more than their name.
WORDINGS = {
    "pause": Wording("Pause", "paused"),
    "resume": Wording("Resume", "resumed"),
    "retry": Wording("Retry", "will be tried again"),
    "stop": Wording("Stop", "stopped"),
    "delete": Wording("Delete", "deleted", lambda _: DELETE_WARNING),
}


def rerun_wording(*, force: bool) -> Wording:
    """Return how a rerun is spoken of.

    Args:
        force: Whether results that depend on the jobs are given up.
    """
    return Wording("Rerun", "set to start again", lambda docs: _rerun_warning(docs, force=force))


def set_wording(what: str) -> Wording:
    """Return how a change of a property is spoken of.

    Args:
        what: The property and its value, such as ``priority 3``.
    """
    return Wording(f"Set {what} of", f"given {what}")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 job``, ``2 jobs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def announcement(verb: str, docs: Sequence[JobDoc]) -> str:
    """Return what will be touched: ``Pause 3 jobs: 2 READY, 1 WAITING``."""
    states = Counter(doc.state for doc in docs)
    return f"{verb} {counted(len(docs), 'job')}: {_by_state(states)}"


def _by_state(states: Counter[JobState]) -> str:
    return ", ".join(f"{number} {state}" for state, number in states.most_common())


def outcome(done: str, result: Result) -> str:
    """Return what was done: ``2 jobs paused: 3, 4``."""
    number = len(result.changed)
    ids = f": {listed(result.changed)}" if number else "."
    return f"{counted(number, 'job')} {done}{ids}"


def left(states: Counter[JobState]) -> str:
    """Return which jobs are left as they are: ``2 others left as they are: 2 COMPLETED``."""
    number = states.total()
    words = "1 other left as it is" if number == 1 else f"{number} others left as they are"
    return f"{words}: {_by_state(states)}"


def refusals(result: Result) -> list[str]:
    """Return what was refused, and what else is to be known, a line for each reason."""
    return by_reason({one.db_id: one.reason for one in (*result.refused, *result.remarks)})


def by_reason(told: Mapping[str, str]) -> list[str]:
    """Return a line for each reason, with the jobs that it is told of.

    Args:
        told: Reasons by db id.
    """
    reasons: dict[str, list[str]] = {}
    for db_id, reason in told.items():
        reasons.setdefault(reason, []).append(db_id)
    lines = [
        f"{f'Job {ids[0]}' if len(ids) == 1 else f'Each of jobs {listed(ids)}'}: {reason}"
        for reason, ids in reasons.items()
    ]
    more = len(lines) - SHOWN
    return lines if more <= 0 else [*lines[:SHOWN], f"And {more} more like these; --json has all."]


def listed(ids: Sequence[str]) -> str:
    """Return db ids in their order, the first of many."""
    from jfcelery.database.ids import id_number

    more = len(ids) - SHOWN
    return ", ".join(sorted(ids, key=id_number)[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _rerun_warning(docs: Sequence[JobDoc], *, force: bool) -> str:
    """Return what is lost, if anything is."""
    words = []
    running = [d for d in docs if d.state in {JobState.RUNNING, JobState.BATCH_RUNNING}]
    if running:
        verb = "runs" if len(running) == 1 else "run"
        words.append(f"{counted(len(running), 'job')} {verb} at this moment, and would be killed.")
    if force:
        words.append("Results that depend on these jobs are given up and computed anew.")
    return "\n".join(words)
