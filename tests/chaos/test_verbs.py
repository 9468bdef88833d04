"""What people do to jobs in the middle of the steps, and between them, with processes that die.

The world is that of ``fate.py``. Chance lets a person act between two messages, where the
person's process may die as well, and at any write or command of a step, between what the step has
read and what it writes. More seeds: ``JFCELERY_MODEL_SEEDS=200 pytest tests/chaos/test_verbs.py``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.controller import JobController
from jfcelery.controller.bulk import Manner
from jfcelery.controller.delete import Extent
from jfcelery.controller.filters import JobFilter
from jfcelery.controller.reasons import reasons
from jfcelery.database.flows import flow_state
from jfcelery.database.history import History
from jfcelery.database.slots import Slots
from jfcelery.errors import JobNotFoundError
from jfcelery.states import POOL_STATES, FlowState, JobState, transition
from tests.chaos.fate import SEEDS, Death, Fate, doomed

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.database.documents import JobDoc
    from tests.support.bench import Bench
    from tests.support.projects import ProjectFactory

_S = JobState

#: Chance of a person's act at each place where a step can be interrupted, and between messages.
WITHIN, BETWEEN = 0.03, 0.15
#: Random events of one life.
EVENTS = 120
#: What a person does, the usual things more often.
VERBS = 3 * ("pause", "resume", "stop", "retry", "rerun") + 2 * ("force", "set") + ("delete",)
#: States that a person sets; a worker without pilots has no use for the others.
SETTABLE = tuple(state for state in _S if state not in POOL_STATES)
#: Rounds in which a person brings everything to its end.
ROUNDS = 30


class People:
    """Acts on the jobs of one flow.

    Args:
        bench: The runner.
        flow: The flow.
        fate: Decides who does what.
    """

    def __init__(self, bench: Bench, flow: str, fate: Fate) -> None:
        self.controller = JobController.from_project(bench.project)
        self.actions = self.controller.actions
        self.flow = flow
        self.fate = fate
        self.acts: Counter[str] = Counter()
        self.seen: dict[str, str] = {}

    def all(self) -> list[JobDoc]:
        """Return all jobs of the flow, and remember them."""
        docs = list(self.actions.jobs.find({"flow": self.flow}))
        self.seen |= {doc.id: doc.db_id for doc in docs}
        return docs

    def act(self) -> None:
        """Do something to a job, or to all."""
        chance, docs = self.fate.random, self.all()
        if not docs:
            return
        verb, doc = chance.choice(VERBS), chance.choice(docs)
        one = JobFilter(job_ids=((doc.uuid, doc.index),))
        selected = JobFilter(flow_ids=(self.flow,)) if chance.random() < 0.2 else one
        manner = Manner(wait=0, break_lock=chance.random() < 0.3)
        self.acts[verb] += 1
        if verb == "force":
            self.actions.rerun(selected, manner, force=True)
        elif verb == "set":
            self.actions.set_state(chance.choice(SETTABLE), one, manner)
        elif verb == "delete":
            self.actions.delete(one, manner, Extent(files=True, processes=chance.random() < 0.7))
        else:
            getattr(self.actions, verb)(selected, manner)

    def bring_to_an_end(self, bench: Bench) -> None:
        """Let everything go on until it is COMPLETED, as a person would."""
        whole, manner = JobFilter(flow_ids=(self.flow,)), Manner(wait=0)
        for _ in range(ROUNDS):
            states = {doc.state for doc in self.all()}
            if states <= {_S.COMPLETED}:
                return
            bench.run_until_rest(self.flow)
            bench.beat(200)  # long enough for the sweep to find what waits in vain
            for verb in (self.actions.resume, self.actions.retry, self.actions.rerun):
                verb(whole, manner)
            # also what a person has set to REMOTE_ERROR though jobs that depend on it are done
            bad = (_S.FAILED, _S.REMOTE_ERROR)
            stuck = [(doc.uuid, doc.index) for doc in self.all() if doc.state in bad]
            if stuck:
                self.actions.rerun(JobFilter(job_ids=tuple(stuck)), manner, force=True)


class Interrupting(Fate):
    """Lets people act where processes may die."""

    people: People | None = None

    def maybe(self, where: str) -> None:
        """Let a person act, or the process die, by chance."""
        if self.armed and self.people and self.random.random() < WITHIN:
            self.armed = False  # whoever interrupts is not interrupted
            try:
                self.people.act()
            finally:
                self.armed = True
        super().maybe(where)


def _live(bench: Bench, people: People, fate: Fate) -> None:
    for _ in range(EVENTS):
        fate.armed = True
        try:
            chance = fate.random.random()
            if chance < BETWEEN:
                people.act()
            elif bench.messages and chance < 0.85:
                message = bench.messages[fate.random.randrange(len(bench.messages))]
                if fate.random.random() > 0.3:  # else it comes twice
                    bench.messages.remove(message)
                bench.deliver(message)
            else:
                bench.beat(fate.random.choice([1, 20, 200]))
        except Death:
            pass
        finally:
            fate.armed = False
        del bench.messages[100:]
        people.all()


@pytest.mark.parametrize("seed", range((SEEDS + 1) // 2))  # each takes twice as long
def test_people_and_steps_get_along(
    seed: int, make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No job is lost, stuck or started twice as one attempt, and the flow fits its jobs."""
    fate = Interrupting(seed)
    for module in ("bulk", "delete"):
        monkeypatch.setattr(f"jfcelery.controller.{module}.INTERVAL", 0.01)
    bench, flow = doomed(fate, make_project, tmp_path, monkeypatch)
    people = fate.people = People(bench, flow, fate)

    _live(bench, people, fate)
    fate.people = None
    people.bring_to_an_end(bench)

    told = f"seed {seed}, deaths {dict(fate.deaths)}, acts {dict(people.acts)}"
    assert people.acts, told
    _check(bench, people, told)
    bench.runtime.close()


def _check(bench: Bench, people: People, told: str) -> None:
    queue, jobs, docs = bench.runtime.queue, bench.runtime.jobs, people.all()
    left = [doc for doc in docs if doc.state is not _S.COMPLETED]
    why = {doc.db_id: reasons(bench.project, queue, doc) for doc in left}
    assert not why, f"{told}: {why}"
    for doc in docs:
        _check_history(queue, doc, told)
        assert doc.lock_id is None, told
        assert (doc.release, doc.cancel) == (False, []), told
    _check_lost(bench, people, told)
    twice = [start for start, number in Counter(bench.starts()).items() if number > 1]
    assert not twice, told
    bench.beat(200)
    assert Slots(queue, "here").held() == [], told
    if docs:
        stored = jobs.flows.get(people.flow)
        assert stored.state is FlowState.COMPLETED is flow_state(stored.counts), told
        assert stored.counts[_S.COMPLETED] == len(docs), told
    else:
        assert people.controller.count_flows(flow_ids=people.flow) == 0, told


def _check_history(queue: Any, doc: JobDoc, told: str) -> None:
    before: JobState | None = None
    for change in History(queue).of(doc):
        if change.source is not None:
            assert change.source is before, told
            transition(change.event, change.source, change.target)
        before = change.target
    assert before is doc.state, told


def _check_lost(bench: Bench, people: People, told: str) -> None:
    """Check that a job is gone only if somebody deleted it, and said so in its history."""
    for key, db_id in people.seen.items():
        uuid, _, index = key.rpartition("_")
        try:
            bench.runtime.jobs.get(uuid, int(index))
        except JobNotFoundError:
            query = {"uuid": uuid, "index": int(index), "event": "archive"}
            assert bench.runtime.queue.history.find_one(query), f"{db_id} is lost: {told}"
