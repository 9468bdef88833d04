"""Setting the state of jobs by hand, at the person's own risk.

The risk is that of results: what a job waits for, what waits for it, and its flow agree with the
new state, so that nothing gets stuck.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.controller.bulk import Move
from jfcelery.controller.fields import fresh, halted
from jfcelery.errors import RefusedError
from jfcelery.states import ACTIVE_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from jfcelery.database.documents import JobDoc

#: States that children may have waited for.
_ENDS = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.USER_STOPPED})


def set_state(state: JobState, waited_for: Collection[str]) -> Callable[[JobDoc], Move]:
    """Return the plan to give jobs a state, whatever they are in.

    Args:
        state: The state.
        waited_for: Keys of the jobs that others wait for; see :func:`.release.jobs_waited_for`.
    """

    def plan(doc: JobDoc) -> Move:
        if doc.state is state:
            raise RefusedError(f"it is {state} already.")
        if state is JobState.READY:
            return Move("set_state", state, fresh(doc) | {"unmet": []})
        if state is JobState.WAITING:
            if not doc.unmet:
                raise RefusedError(
                    "all that it had to wait for is done: it would never start.",
                    remedy="Set it to READY, or PAUSED.",
                )
            return Move("set_state", state, fresh(doc))
        fields = {**halted(doc), "release": state in _ENDS and doc.id in waited_for}
        if state in ACTIVE_STATES:
            # The steps go on from here, with the queue job, if any, that is there.
            fields |= {"cancel": [request.model_dump() for request in doc.cancel], "unmet": []}
        return Move("set_state", state, fields)

    return plan
