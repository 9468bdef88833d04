"""Processes that die at any write, message or command, and messages that come never or often.

One step at a time is run in this process, against the real database and real queue jobs. Chance
decides which message is delivered, doubled or dropped, and at which database write, message or
remote command the process dies, just before or just after it. Whatever happens, every job ends up
run exactly once. More seeds: ``JFCELERY_MODEL_SEEDS=200 pytest tests/chaos/test_model.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.database import edges
from jfcelery.database.slots import Slots
from jfcelery.states import FlowState, JobState
from tests.chaos.fate import EDGES, SEEDS, Death, Fate, doomed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bench import Bench
    from tests.support.projects import ProjectFactory

#: Chances of a message to be dropped, and to be kept for a second delivery.
DROP, DOUBLE = 0.1, 0.3
#: Random events of one life.
EVENTS = 150


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
    if seed % 2:  # the parents of each job are kept apart from it
        monkeypatch.setattr(edges, "INLINE", 0)
    bench, flow = doomed(fate, make_project, tmp_path, monkeypatch)

    _live(bench, fate)
    states = bench.run_until_rest(flow)

    told = f"seed {seed}, deaths {dict(fate.deaths)}"
    assert fate.deaths, "a life without deaths shows nothing"
    assert states == dict.fromkeys(EDGES, "C"), told
    assert sorted(bench.starts()) == sorted(f"{uuid}_1 1" for uuid in EDGES), told
    _check_records(bench, flow, told)
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
