"""Jobs brought to their end by hand, and what those still wait for that come after them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jfcelery.database.edges import APART
from jfcelery.execution.outcome import Outcome
from jfcelery.states import JobState

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs

_S = JobState


def run(jobs: Jobs, uuid: str, index: int = 1) -> JobDoc:
    """Take a READY job as far as DOWNLOADED."""
    doc = jobs.get(uuid, index)
    steps = (
        ("checkout", _S.CHECKED_OUT),
        ("upload", _S.UPLOADED),
        ("submit", _S.SUBMITTED),
        ("end", _S.DOWNLOADED),
    )
    for event, target in steps:
        doc = jobs.transition(doc, event, target, by="test")
    return doc


def outcome(**fields: Any) -> Outcome:
    """Return what a job has returned."""
    now = datetime.now(UTC)
    return Outcome(attempt=1, start_time=now, end_time=now, **fields)


def unmet(jobs: Jobs, doc: JobDoc) -> list[str]:
    """Return what a job waits for, wherever that is kept."""
    apart = [edge.parent for edge in jobs.edges.open(doc.id)] if APART in doc.unmet else []
    return [token for token in doc.unmet if token != APART] + apart
