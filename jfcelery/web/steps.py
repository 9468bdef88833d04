"""How long the steps of jobs took: a histogram that follows the history of the queue."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from prometheus_client.core import HistogramMetricFamily

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from jfcelery.database.connection import QueueDatabase

_S = JobState

#: The step under way, or what is waited for, while a job is in a state.
STEPS = {
    _S.READY: "checkout",
    _S.CHECKED_OUT: "upload",
    _S.UPLOADED: "submit",
    _S.SUBMITTED: "queue",
    _S.BATCH_SUBMITTED: "queue",
    _S.RUNNING: "run",
    _S.BATCH_RUNNING: "run",
    _S.RUN_FINISHED: "download",
    _S.DOWNLOADED: "finalize",
}
#: Upper bounds of the histogram's classes in seconds: from a tenth of a second to four days.
BOUNDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5)
#: How long an entry of the history may be on its way: it is written after the job's change.
LATE = timedelta(seconds=5)
#: Jobs whose histories are read with one query.
PIECE = 500


class Tally:
    """One histogram: numbers by class, and the sum."""

    def __init__(self) -> None:
        self.numbers = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        place = next((n for n, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))
        self.numbers[place] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return the numbers below each bound, as Prometheus wants them."""
        below, found = 0, []
        for bound, number in zip((*BOUNDS, float("inf")), self.numbers, strict=True):
            below += number
            found.append((str(bound) if bound < float("inf") else "+Inf", float(below)))
        return found


class StepDurations:
    """Counts the durations of steps from a moment on; each look reads what is new.

    Args:
        queue: The project's database.
    """

    def __init__(self, queue: QueueDatabase) -> None:
        self._queue = queue
        self._since: datetime = queue.clock.now()
        self._seen: dict[str, datetime] = {}
        self._tallies = {step: Tally() for step in dict.fromkeys(STEPS.values())}
        self._lock = threading.Lock()

    def family(self) -> HistogramMetricFamily:
        """Return the histogram, what is new counted."""
        family = HistogramMetricFamily(
            "jfcelery_step_seconds",
            "Seconds that jobs spent in a step, or waiting for it, since this process started.",
            labels=["step"],
        )
        with self._lock:
            self._follow()
            for step, tally in self._tallies.items():
                family.add_metric([step], buckets=tally.buckets(), sum_value=tally.sum)
        return family

    def _follow(self) -> None:
        now = self._queue.clock.now()
        with translated():
            new = list(self._queue.history.find({"at": {"$gte": self._since - LATE}}))
        fresh = [entry for entry in new if entry["_id"] not in self._seen]
        before = self._before(fresh)
        for entry in fresh:
            self._seen[entry["_id"]] = entry["at"]
            began = before.get((entry["uuid"], entry["index"], entry["_id"]))
            step = STEPS.get(entry["source"])
            if began is not None and step:
                self._tallies[step].add((entry["at"] - began).total_seconds())
        self._since = now
        self._seen = {key: at for key, at in self._seen.items() if at >= now - 2 * LATE}

    def _before(self, fresh: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int, str], datetime]:
        """Return, for each new change, when the change before it took place."""
        found: dict[tuple[str, int, str], datetime] = {}
        uuids = list(dict.fromkeys(entry["uuid"] for entry in fresh))
        changes: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
        for piece in chunks(uuids, PIECE):
            with translated():
                rows = self._queue.history.find(
                    {"uuid": {"$in": list(piece)}}, {"uuid": 1, "index": 1, "at": 1, "number": 1}
                )
                for row in rows:
                    changes.setdefault((row["uuid"], row["index"]), []).append(row)
        for (uuid, index), rows_of in changes.items():
            rows_of.sort(key=lambda row: row["number"])
            for last, this in pairwise(rows_of):
                found[uuid, index, this["_id"]] = last["at"]
        return found
