"""Processes that die by chance: who dies where, and the flow that is to survive it."""

from __future__ import annotations

import os
from collections import Counter
from functools import wraps
from random import Random
from typing import TYPE_CHECKING, Any

from pymongo.collection import Collection

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.scheduler_io.hosts.this_machine import ThisMachine
from tests.support.bench import Bench, Recorder, quick_worker
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.support.projects import ProjectFactory

#: How many random lives are led.
SEEDS = int(os.environ.get("JFCELERY_MODEL_SEEDS", "8"))
#: Chance of a death at each place where one can die, before and after.
DEATH = 0.03
_WRITES = (
    *("update_one", "update_many", "replace_one", "delete_one", "delete_many"),
    *("insert_one", "insert_many", "bulk_write"),
)
#: What changes the world: where a death matters.
PLACES = [
    *((Collection, name) for name in _WRITES),
    *((Recorder, name) for name in ("chain", "send", "together")),
    *((ThisMachine, name) for name in ("run", "publish", "publish_all")),
]
EDGES = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": [], "f": ["d", "e"]}


class Death(BaseException):
    """The process is gone: nothing may catch this but the test."""


class Fate:
    """Decides by chance who dies where.

    Args:
        seed: Of the random numbers.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - repeatable, no secret
        self.armed = False
        self.deaths: Counter[str] = Counter()

    def mortal(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function before and after which the process may die."""

        @wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            self.maybe(f"before {name}")
            result = function(*args, **options)
            self.maybe(f"after {name}")
            return result

        return run

    def maybe(self, where: str) -> None:
        """Die, by chance."""
        if self.armed and self.random.random() < DEATH:
            self.deaths[where] += 1
            raise Death(where)


def doomed(
    fate: Fate, make_project: ProjectFactory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Bench, str]:
    """Return the runner of a new project that dies as fate has it, and the flow in its queue."""
    for owner, name in PLACES:
        function: Callable[..., Any] = getattr(owner, name)
        monkeypatch.setattr(owner, name, fate.mortal(f"{owner.__name__}.{name}", function))
    workers = {"here": quick_worker(folder, max_jobs=2)}
    bench = Bench(make_project(workers=workers), folder, monkeypatch)
    flow = flow_of(EDGES, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    return bench, flow.uuid
