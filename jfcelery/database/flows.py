"""Flow documents: their counts of jobs by state, and the state that follows from them."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.documents import FlowDoc
from jfcelery.database.pieces import AT_ONCE, every_job
from jfcelery.errors import FlowNotFoundError
from jfcelery.states import ACTIVE_STATES, FlowState, JobState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from jfcelery.database.connection import QueueDatabase

_S = JobState

#: States of jobs whose change into or out of cannot change the state of the flow.
_SILENT = frozenset(ACTIVE_STATES)


def flow_state(counts: Mapping[JobState, int], *, leaves_completed: bool = False) -> FlowState:
    """Return the state of a flow from the numbers of its jobs in each state.

    Args:
        counts: Jobs by state; states without jobs may be absent.
        leaves_completed: Whether every job without children is COMPLETED.
    """
    present = {state for state, number in counts.items() if number > 0}
    rules = (
        (present <= {_S.WAITING}, FlowState.WAITING),
        (present <= {_S.WAITING, _S.READY}, FlowState.READY),
        (leaves_completed or present == {_S.COMPLETED}, FlowState.COMPLETED),
        (_S.FAILED in present, FlowState.FAILED),
        (bool(present & {_S.STOPPED, _S.USER_STOPPED}), FlowState.STOPPED),
        (_S.PAUSED in present, FlowState.PAUSED),
    )
    return next((state for holds, state in rules if holds), FlowState.RUNNING)


class Flows:
    """The flow documents of one project's queue."""

    def __init__(self, queue: QueueDatabase) -> None:
        self.queue = queue

    def get(self, uuid: str) -> FlowDoc:
        """Return a flow.

        Raises:
            FlowNotFoundError: There is none.
        """
        with translated():
            raw = self.queue.flows.find_one({"_id": uuid})
        if raw is None:
            raise FlowNotFoundError(f"No flow has the uuid {uuid}.")
        return FlowDoc.from_mongo(raw)

    def jobstores(self, uuids: Collection[str]) -> dict[str, str | None]:
        """Return the name of the JobStore of each flow that is there, with one command."""
        with translated():
            found = self.queue.flows.find({"_id": {"$in": list(uuids)}}, {"jobstore": 1})
            return {raw["_id"]: raw.get("jobstore") for raw in found}

    def moved(self, uuid: str, moves: Mapping[tuple[JobState, JobState], int]) -> None:
        """Count changes of state of a flow's jobs, and renew the flow's state if it may differ."""
        steps: dict[str, int] = {}
        for (source, target), number in moves.items():
            steps[f"counts.{source}"] = steps.get(f"counts.{source}", 0) - number
            steps[f"counts.{target}"] = steps.get(f"counts.{target}", 0) + number
        steps = {name: number for name, number in steps.items() if number}
        with translated():
            self.queue.flows.update_one(
                {"_id": uuid},
                {"$inc": {**steps, "version": 1}, "$set": {"updated_on": self.queue.clock.now()}},
            )
        if any(not {source, target} <= _SILENT for source, target in moves):
            self._refresh_if_there(uuid)

    def added(self, uuid: str, number: Mapping[JobState, int]) -> None:
        """Count jobs that a running flow got, and renew its state."""
        with translated():
            self.queue.flows.update_one(
                {"_id": uuid},
                {"$inc": {**{f"counts.{s}": n for s, n in number.items()}, "version": 1}},
            )
        self._refresh_if_there(uuid)

    def refresh(self, uuid: str, *, exact: bool = False) -> FlowState:
        """Renew a flow's state from its counts, counting anew where it seems to have ended.

        Args:
            uuid: The flow.
            exact: Count anew in any case.
        """
        while True:
            flow = self.get(uuid)
            counts = flow.counts
            if exact or not _under_way(counts):
                size = sum(flow.counts.values())
                counts = self._count({uuid}, size).get(uuid, {})
            state = flow_state(counts, leaves_completed=self._leaves_completed(uuid, counts))
            if state == flow.state and counts == flow.counts:
                return state
            fields: dict[str, Any] = {"state": state.value, "updated_on": self.queue.clock.now()}
            if counts is not flow.counts:
                fields["counts"] = {s.value: n for s, n in counts.items()}
            with translated():
                result = self.queue.flows.update_one(
                    {"_id": uuid, "version": flow.version},
                    {"$set": fields, "$inc": {"version": 1}},
                )
            if result.matched_count:
                return state

    def _refresh_if_there(self, uuid: str) -> None:
        # A job whose flow a broken deletion took away must not stop whoever moves it.
        with contextlib.suppress(FlowNotFoundError):
            self.refresh(uuid)

    def count(self, uuids: Sequence[str]) -> dict[str, dict[JobState, int]]:
        """Count the jobs of flows by state, from the jobs themselves."""
        with translated():
            hints = self.queue.flows.find({"_id": {"$in": list(uuids)}}, {"counts": 1})
            number = sum(sum((hint.get("counts") or {}).values()) for hint in hints)
        return self._count(set(uuids), number)

    def _count(self, uuids: AbstractSet[str], number: int) -> dict[str, dict[JobState, int]]:
        """Count the jobs of flows that have about so many."""
        found: Counter[tuple[str, str]] = Counter()
        if number <= AT_ONCE:
            pipeline: list[dict[str, Any]] = [
                {"$match": {"flow": {"$in": list(uuids)}}},
                {"$group": {"_id": {"flow": "$flow", "state": "$state"}, "number": {"$sum": 1}}},
            ]
            with translated():
                for row in self.queue.jobs.aggregate(pipeline):
                    found[row["_id"]["flow"], row["_id"]["state"]] = row["number"]
        else:
            for piece in every_job(self.queue, ("flow", "state")):
                found.update((row["flow"], row["state"]) for row in piece if row["flow"] in uuids)
        counts: dict[str, dict[JobState, int]] = {}
        for (flow, state), jobs in found.items():
            counts.setdefault(flow, {})[JobState(state)] = jobs
        return counts

    def _leaves_completed(self, uuid: str, counts: Mapping[JobState, int]) -> bool:
        """Return whether all jobs without children are COMPLETED though others are not."""
        if _under_way(counts) or not counts.get(_S.COMPLETED):
            return False
        with translated():
            for job in self.queue.jobs.find(_not_completed(uuid), {"uuid": 1}):
                if not self._is_parent(job["uuid"]):
                    return False
        return True

    def _is_parent(self, uuid: str) -> bool:
        children = ((self.queue.jobs, "parents"), (self.queue.edges, "parent"))
        return any(c.find_one({field: uuid}, {"_id": 1}) is not None for c, field in children)


def _not_completed(uuid: str) -> dict[str, Any]:
    """Return what finds the jobs of a flow that have not COMPLETED."""
    # The embedded server has an index for $in, not for $ne.
    others = [state.value for state in _S if state is not _S.COMPLETED]
    return {"flow": uuid, "state": {"$in": others}}


def _under_way(counts: Mapping[JobState, int]) -> bool:
    """Return whether some job of a flow has not come to rest."""
    moving = ACTIVE_STATES | {_S.WAITING, _S.READY}
    return any(counts.get(state, 0) > 0 for state in moving)
