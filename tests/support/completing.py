"""Jobs taken through all of their steps in this process, and what that costs the database."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.tasks.checkout import _claim
from jfcelery.tasks.finalize import finalize
from jfcelery.tasks.poll import poll_host
from jfcelery.tasks.submit import submit
from jfcelery.tasks.upload import upload
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.bench import Bench
    from tests.support.commands import Commands

T = TypeVar("T")


@dataclass
class Cost:
    """What jobs cost, without the polls, which ask for all jobs of a host together.

    Attributes:
        jobs: How many.
        commands: Commands that were sent to the database.
        seconds: How long the steps of each took.
    """

    jobs: int = 0
    commands: int = 0
    seconds: list[float] = field(default_factory=list)

    def each(self) -> tuple[float, float]:
        """Return the commands of one job, and the median of their seconds."""
        return self.commands / self.jobs, median(self.seconds)


def cost(bench: Bench, commands: Commands, size: int, sample: int) -> Cost:
    """Return what it costs to bring some jobs of a flow to their end.

    Args:
        bench: The runner.
        commands: What its database is asked.
        size: Jobs of the flow.
        sample: How many of them are brought to their end.
    """
    found = Cost()
    for name in insert(bench, commands, size)[:sample]:
        complete(bench, commands, name, found)
    return found


def insert(bench: Bench, commands: Commands, size: int) -> list[str]:
    """Insert a flow, and return the uuids of its READY jobs.

    It is a fan and a fan-in: one job makes way for all but one, which waits for all of those.
    """
    names = [f"s{size}-{number}" for number in range(size - 2)]
    edges = {f"first{size}": [], **{name: [f"first{size}"] for name in names}}
    flow = flow_of({**edges, f"last{size}": names}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    for name in (f"first{size}", names.pop()):  # what is done once is no cost of a job
        complete(bench, commands, name, Cost())
    return names


def complete(bench: Bench, commands: Commands, uuid: str, cost: Cost) -> None:
    """Take one READY job through all of its steps, and add what that costs."""
    runtime, seconds = bench.runtime, list[float]()

    def counted(act: Callable[[], T]) -> T:
        commands.clear()
        began = time.monotonic()
        result = act()
        seconds.append(time.monotonic() - began)
        cost.commands += commands.number
        return result

    doc = runtime.jobs.get(uuid)
    claim = partial(
        runtime.jobs.transition_many, [doc], "checkout", JobState.CHECKED_OUT, by="checkout"
    )
    (doc,) = counted(partial(claim, fields=_claim))
    for step in (upload, submit, finalize):
        if step is finalize:
            wait_until(partial(_has_ended, bench, uuid), f"{uuid} ends")
            doc = runtime.jobs.get(uuid)  # the poll began a new chain
        assert counted(partial(step.run, runtime, uuid, 1, doc.epoch)), f"{step.name} of {uuid}"
        doc = runtime.jobs.get(uuid)
    assert doc.state is JobState.COMPLETED
    cost.jobs += 1
    cost.seconds.append(sum(seconds))


def _has_ended(bench: Bench, uuid: str) -> bool:
    poll_host(bench.runtime, next(iter(bench.runtime.project.hosts)))
    return bench.runtime.jobs.get(uuid).state is JobState.DOWNLOADED
