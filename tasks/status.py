"""Step 3: where the chain parks while the queue has the job.

The end is noticed by the poll of the host, which raises the epoch and sends the rest of the
pipeline; so there is nothing to be done here, and nothing to be stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.errors import ConflictError
from jfcelery.states import JobState
from jfcelery.tasks.step import Step, Work

if TYPE_CHECKING:
    from jfcelery.tasks.runtime import Runtime
    from jfcelery.tasks.step import Commit


class _Parking(Step):
    """A step that never moves a job: the chain goes on if the job has moved by itself."""

    def _may_start(self, runtime: Runtime, doc: object) -> bool:
        del runtime, doc
        return False


def _parked(work: Work) -> Commit:
    """Wait for the poll of the host to see the queue job's end."""
    raise ConflictError(f"job {work.doc.db_id} is in the queue's hands")


check_run_status = _Parking("check_run_status", JobState.SUBMITTED, _parked)
