"""Processes that die at any write, message or command, and messages that come never or often.

One step at a time is run in this process, against the real database and real queue jobs. Chance
decides which message is delivered, doubled or dropped, and at which database write, message or
remote command the process dies, just before or just after it. Whatever happens, every job ends up
run exactly once. More seeds: ``JFCELERY_MODEL_SEEDS=200 pytest tests/chaos/test_model.py``.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import wraps
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.collection import Collection

from jfcelery.database import edges
from jfcelery.database.slots import Slots
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.scheduler_io.hosts.this_machine import ThisMachine
from jfcelery.states import FlowState, JobState
from tests.support.bench import Bench, Recorder, quick_worker
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.projects import ProjectFactory

#: How many random lives are led.
SEEDS = int(os.environ.get("JFCELERY_MODEL_SEEDS", "8"))
#: Chance of a death at each place where one can die, before and after.
DEATH = 0.03
#: Chances of a message to be dropped, and to be kept for a second delivery.
DROP, DOUBLE = 0.1, 0.3
#: Random events of one life.
EVENTS = 150

_WRITES = ("update_one", "update_many", "insert_one", "insert_many", "bulk_write")
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


def _live(bench: Bench, fate: Fate) -> None:
    """Let chance deliver, double and drop messages and put the clock forward."""
    for _ in range(EVENTS):
        fate.armed = True
        try:
            if bench.messages and fate.random.random() < 0.8:
                at = fate.random.randrange(len(bench.messages))
                message = bench.messages[at]
                chance = fate.random.random()
                if chance > DOUBLE:
                    del bench.messages[at]
                if chance > DROP:
                    bench.deliver(message)
            else:
                bench.beat(fate.random.choice([1, 20, 200]))
        except Death:
            pass
        finally:
            fate.armed = False
        del bench.messages[100:]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_job_runs_exactly_once(
    seed: int, make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a life of deaths, doubled and lost messages all jobs are complete, each run once."""
    fate = Fate(seed)
    for owner, name in PLACES:
        function = getattr(owner, name)
        monkeypatch.setattr(owner, name, fate.mortal(f"{owner.__name__}.{name}", function))
    if seed % 2:  # the parents of each job are kept apart from it
        monkeypatch.setattr(edges, "INLINE", 0)
    workers = {"here": quick_worker(tmp_path, max_jobs=2)}
    bench = Bench(make_project(workers=workers), tmp_path, monkeypatch)
    flow = flow_of(EDGES, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))

    _live(bench, fate)
    states = bench.run_until_rest(flow.uuid)

    told = f"seed {seed}, deaths {dict(fate.deaths)}"
    assert fate.deaths, "a life without deaths shows nothing"
    assert states == dict.fromkeys(EDGES, "C"), told
    assert sorted(bench.starts()) == sorted(f"{uuid}_1 1" for uuid in EDGES), told
    _check_records(bench, flow.uuid, told)
    bench.runtime.close()


def _check_records(bench: Bench, flow: str, told: str) -> None:
    """Check that history, flow, places and outputs are as after a life without deaths."""
    jobs = bench.runtime.jobs
    for doc in jobs.find({"flow": flow}):
        changes = jobs.history.of(doc)
        moves = [(change.source, change.target) for change in changes]
        assert [before for before, _ in moves] == [None, *(after for _, after in moves[:-1])], told
        assert doc.lock_id is None, told
        assert (doc.unmet, doc.release, doc.cancel) == ([], False, []), told
    jobs.flows.refresh(flow, exact=True)
    stored = jobs.flows.get(flow)
    assert stored.state == FlowState.COMPLETED, told
    assert stored.counts == {JobState.COMPLETED: len(EDGES)}, told
    bench.beat()
    assert Slots(bench.runtime.queue, "here").held() == [], told
    store = bench.runtime.jobstore(None)
    assert sorted(doc["uuid"] for doc in store.query({})) == sorted(EDGES), told
