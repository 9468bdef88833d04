"""What the rules of the project file give a job that ended badly: pure decisions, no writing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jfcelery.controller.fields import cancel_requests, fresh
from jfcelery.errors import ResourcesError
from jfcelery.project.growth import grown
from jfcelery.project.recovery import BUILT_IN, END_REASONS
from jfcelery.project.resources import check_resources
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project
    from jfcelery.project.recovery import RecoveryRule

#: Ends after which the queue job may live on, unseen.
_UNPROVEN = frozenset({"LOST", "FORGOTTEN"})
#: What an end is as well, for the rules.
_ALSO = {"FORGOTTEN": ["LOST"]}


@dataclass(frozen=True)
class Decision:
    """What is to be done about one job.

    Args:
        rule: By which rule; None if none helps.
        why: What is done and for what reason, in one line; why no rule helps, if one was meant.
        fields: Of the job's document, for a new attempt.
    """

    rule: RecoveryRule | None = None
    why: str = ""
    fields: dict[str, Any] = field(default_factory=dict)

    def after(self, error: str) -> str:
        """Return an error in one line with what was, or could not be, done about it."""
        if not self.why:
            return error
        return f"{error} ({self.why if self.rule else f'no new attempt: {self.why}'})"

    @property
    def is_retry(self) -> bool:
        """Whether the job gets a new attempt."""
        return self.rule is not None and self.rule.action == "retry"


def causes_of(doc: JobDoc, error_class: str) -> list[str]:
    """Return why a job ended badly: the end of its queue job, then the class of its error."""
    reason = doc.remote.end.reason if doc.remote.end else ""
    names = [error_class, error_class.rpartition(".")[2]]
    ends = [reason, *_ALSO.get(reason, [])] if reason in END_REASONS else []
    return list(dict.fromkeys([*ends, *names]))


def rules_for(project: Project, doc: JobDoc) -> Iterator[RecoveryRule]:
    """Yield the rules that may hold for a job, first the nearest."""
    worker = project.workers.get(doc.worker)
    if worker is not None:
        yield from worker.recovery
    yield from project.recovery
    yield BUILT_IN


def decide(project: Project, doc: JobDoc, causes: Sequence[str], error: str) -> Decision:
    """Return what the rules say about a job.

    Args:
        project: With the rules.
        doc: The job.
        causes: Why it ended badly.
        error: The error in one line, for the history.
    """
    refusals: list[str] = []
    used = doc.recovery.used if doc.recovery else {}
    for rule in rules_for(project, doc):
        cause = next((cause for cause in causes if cause in rule.on), None)
        if cause is None:
            continue
        if rule.action != "retry":
            return Decision(rule, f"{cause}: the flow is paused" if rule.action != "leave" else "")
        number = used.get(rule.key, 0) + 1
        if number > rule.attempts:
            refusals.append(f"all {rule.attempts} new attempts for {cause} are used up")
            continue
        try:
            return _retry(project, doc, rule, f"{cause} ({number} of {rule.attempts})", error)
        except ResourcesError as refusal:
            refusals.append(f"{cause}: {refusal.message}")
    return Decision(why="; ".join(refusals))


def _retry(project: Project, doc: JobDoc, rule: RecoveryRule, head: str, error: str) -> Decision:
    resources, changes = _resources(project, doc, rule)
    if rule.worker and rule.worker != doc.worker:
        changes.insert(0, f"worker {doc.worker} -> {rule.worker}")
    if rule.keep_files:
        changes.append("files kept")
    why = f"{head}: new attempt{''.join(f', {change}' for change in changes)}; {error}"
    used = dict(doc.recovery.used) if doc.recovery else {}
    used[rule.key] = used.get(rule.key, 0) + 1
    fields = {
        **fresh(doc),
        "worker": rule.worker or doc.worker,
        "resources": resources,
        "recovery": {"used": used, "why": why, "keep_files": rule.keep_files},
    }
    if doc.remote.end and doc.remote.end.reason in _UNPROVEN:
        queued = doc.model_copy(update={"state": JobState.SUBMITTED})
        fields["cancel"] = cancel_requests(queued)
    return Decision(rule, why, fields)


def _resources(
    project: Project, doc: JobDoc, rule: RecoveryRule
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the resources of the new attempt, and what changed in words."""
    worker = project.get_worker(rule.worker or doc.worker)
    before = project.workers.get(doc.worker)
    wanted = doc.resources
    if before is None or before.scheduler_name != worker.scheduler_name:
        wanted = None  # in the words of another scheduler
    if not (rule.resources or rule.time_factor or rule.memory_factor):
        return wanted, []
    options = check_resources(worker, worker.resources if wanted is None else wanted)
    new, words = grown({**options, **check_resources(worker, rule.resources)}, rule)
    said = [f"{key} {options.get(key)} -> {value}" for key, value in rule.resources.items()]
    return new, said + words
