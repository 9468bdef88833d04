"""Random sequences of what people and steps do: whatever the order, nothing gets lost or stuck.

Steps do not die here on the way, nor do people interrupt them; that is for
``tests/chaos/test_model.py``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jfcelery.controller.bulk import Manner
from jfcelery.controller.delete import Extent
from jfcelery.controller.filters import JobFilter
from jfcelery.controller.queries import find_jobs
from jfcelery.database import edges
from jfcelery.database.edges import APART, with_parents
from jfcelery.database.flows import Flows, flow_state
from jfcelery.database.history import History
from jfcelery.errors import JobNotFoundError
from jfcelery.execution.outcome import Outcome
from jfcelery.flows.finish import add_new_jobs, halt
from jfcelery.flows.insert import generator_token
from jfcelery.flows.release import done, release_children, settle
from jfcelery.states import ACTIVE_STATES, FlowState, JobState, transition
from jfcelery.tasks.pool import requeue
from jfcelery.tasks.recovery import recovered
from jfcelery.tasks.step import Commit, Work
from tests.support.entries import flow_of
from tests.support.queued import WAY, Queued

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from jfcelery.database.documents import JobDoc

_S = JobState
_NOW = Manner(wait=0)

SHAPES: dict[str, dict[str, list[str]]] = {
    "chain": {"a": [], "b": ["a"], "c": ["b"]},
    "diamond": {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]},
    "loose": {"a": [], "b": [], "c": ["a", "b"]},
}
#: What a person does to a job.
USER = ("pause", "resume", "stop", "retry", "rerun", "force", "priority", "delete", "set")
#: What a step does to a job.
STEPS = ("advance", "finish", "fail", "raise", "pool", "requeue", "recover")
#: What the job itself has asked for when its last step does its work.
ANSWERS = ("detour", "replace", "addition", "stop_children", "stop_jobflow")
#: What becomes of a job in a pool of pilots, by its state.
POOL = {_S.BATCH_SUBMITTED: ("run", _S.BATCH_RUNNING), _S.BATCH_RUNNING: ("end", _S.RUN_FINISHED)}


class World:
    """One flow, what is done to it, and what must always hold.

    Args:
        controller: The controller.
        shape: Name of a shape.
        tolerant: Whether its jobs tolerate missing parents.
    """

    def __init__(self, controller: JobController, shape: str, *, tolerant: bool) -> None:
        self.controller = controller
        self.jobs = controller.actions.jobs
        self.on_missing = "none" if tolerant else "error"
        self.flow = Queued(controller.queue, SHAPES[shape], on_missing=self.on_missing)
        #: As much of the steps' runtime as pool and recovery use.
        self.runtime: Any = SimpleNamespace(
            project=controller.actions.project, jobs=self.jobs, queue=controller.queue
        )
        #: Keys and short ids of all jobs that were ever seen.
        self.seen: dict[str, str] = {}

    def all(self) -> list[JobDoc]:
        """Return all jobs of the flow."""
        selected = JobFilter(flow_ids=(self.flow.flow,))
        return find_jobs(self.controller.queue, selected, sort=[("db_id", 1)])

    def do(self, action: str, number: int) -> None:
        """Do something to one of the jobs, if it can be done."""
        docs = self.all()
        if not docs:
            return
        doc = docs[number % len(docs)]
        if action in USER:
            self._user(action, doc, number // len(docs))
        else:
            self._step(action, doc)

    def _user(self, action: str, doc: JobDoc, number: int) -> None:
        selected = JobFilter(job_ids=((doc.uuid, doc.index),))
        actions = self.controller.actions
        if action == "force":
            actions.rerun(selected, _NOW, force=True)
        elif action == "set":
            actions.set_state(list(JobState)[number % len(JobState)], selected, _NOW)
        elif action == "delete":
            actions.delete(selected, _NOW, Extent(processes=bool(number % 2)))
            self._settle()  # as the sweep does
        elif action == "priority":
            self.controller.set_job_run_properties(
                priority=1, raise_on_error=False, job_ids=(doc.uuid, doc.index)
            )
        else:
            getattr(actions, action)(selected, _NOW)

    def _step(self, action: str, doc: JobDoc) -> None:
        if doc.state is not _S.READY and doc.state not in ACTIVE_STATES:
            return
        if action == "advance":
            self._advance(doc)
        elif action == "fail" and doc.state in ACTIVE_STATES:
            self.jobs.transition(doc, "fail", _S.REMOTE_ERROR, by="step")
        elif action == "pool":
            self._enter_pool(doc)
        elif action == "requeue":
            doc = self._enter_pool(doc)
            if doc.state in POOL:
                has_begun = doc.state is _S.BATCH_RUNNING
                requeue(self.runtime, doc, "its pilot ended", has_begun=has_begun)
        elif action == "recover":
            self._recover(doc)
        elif action in {"finish", "raise", *ANSWERS}:
            while doc.state is not _S.DOWNLOADED:
                doc = self._advance(doc)
            self._finalize(action, doc)

    def _advance(self, doc: JobDoc) -> JobDoc:
        """Let the next step of a job do its work; the last one is finalize's."""
        if doc.state is _S.DOWNLOADED:
            return doc
        states = [_S.READY, *(state for _, state in WAY)]
        event, target = POOL.get(doc.state) or WAY[states.index(doc.state)]
        fields: dict[str, Any] = {}
        if event == "checkout":
            fields = {"attempt": doc.attempt + 1, "epoch": doc.epoch + 1}
        elif event == "upload":
            fields = {"run_dir": f"/nowhere/{doc.id}"}
        return self.jobs.transition(doc, event, target, by="step", fields=fields)

    def _enter_pool(self, doc: JobDoc) -> JobDoc:
        """Put a job that has not been submitted yet into a pool."""
        while doc.state in {_S.READY, _S.CHECKED_OUT}:
            doc = self._advance(doc)
        if doc.state is _S.UPLOADED:
            doc = self.jobs.transition(doc, "submit", _S.BATCH_SUBMITTED, by="step")
        return doc

    def _recover(self, doc: JobDoc) -> None:
        """Let the node fail under a job: a new attempt by the built-in rule, or its error."""
        while doc.state not in {_S.RUN_FINISHED, _S.DOWNLOADED}:
            doc = self._advance(doc)
        doc = self.jobs.update(doc, {"remote.end": {"reason": "NODE_FAIL"}})
        found = recovered(Work(self.runtime, doc), "OutputMissingError", "the node failed")
        if not isinstance(found, Commit):
            found = Commit("fail", _S.REMOTE_ERROR, found.why)
        self.jobs.transition(
            doc, found.event, found.target, by="step", why=found.why, fields=found.fields
        )

    def _finalize(self, action: str, doc: JobDoc) -> None:
        """Do what the last step does, in its order."""
        outcome = self._outcome(action, doc)
        halt(self.jobs, doc, outcome)
        if not outcome.stop_jobflow:
            add_new_jobs(self.jobs, doc, outcome)
        state = _S.FAILED if action == "raise" else _S.COMPLETED
        fields = {"release": True}
        changed = self.jobs.transition(doc, "finalize", state, by="step", fields=fields)
        release_children(self.jobs, changed)
        self._settle()

    def _settle(self) -> None:
        query = {"flow": self.flow.flow, "state": _S.WAITING.value}
        settle(self.jobs, self.jobs.find(query))

    def _outcome(self, action: str, doc: JobDoc) -> Outcome:
        """Return what a job has returned; new jobs have new uuids, as a function makes them."""
        now = self.jobs.now()
        found = Outcome(attempt=doc.attempt, start_time=now, end_time=now)
        first, last = str(uuid4()), str(uuid4())
        made: Any = True
        if action == "replace":
            last = doc.uuid
        if action in {"replace", "detour", "addition"}:
            made = flow_of({first: [], last: [first]}, on_missing=self.on_missing)
            indexes = {first: 1, last: doc.index + 1 if action == "replace" else 1}
            jobs = [replace(job, index=indexes[job.uuid]) for job in made.jobs]
            made = made.model_copy(update={"jobs": jobs})
        return found.model_copy(update={action: made} if action in ANSWERS else {})

    def check(self) -> None:
        """Check everything that must hold at any time."""
        docs = self.all()
        for doc in docs:
            self._check_history(doc)
            assert (doc.state is _S.WAITING) <= bool(doc.unmet), f"{doc.job.name} waits for nothing"
            assert (doc.state is _S.READY) <= (not doc.unmet), f"{doc.job.name} starts too early"
            assert (APART in doc.unmet) <= self.jobs.edges.is_open(doc.id)
            assert (APART in doc.unmet) <= bool(doc.apart)
            for token in self._tokens(doc):
                self._check_unmet(doc, token)
        self._check_lost(docs)
        if not docs:
            assert self.controller.count_flows(flow_ids=self.flow.flow) == 0
            return
        counts = Counter(doc.state for doc in docs)
        flow = Flows(self.controller.queue).get(self.flow.flow)
        assert {s: n for s, n in flow.counts.items() if n} == counts
        assert flow.state is flow_state(counts, leaves_completed=self._leaves_completed(docs))

    def _check_lost(self, docs: list[JobDoc]) -> None:
        """Check that a job is gone only if somebody took it out."""
        there = {doc.id for doc in docs}
        self.seen |= {doc.id: doc.db_id for doc in docs}
        for key, db_id in self.seen.items():
            if key not in there:
                uuid, _, index = key.rpartition("_")
                query = {"uuid": uuid, "index": int(index)}
                changes = list(self.controller.queue.history.find(query, sort=[("number", -1)]))
                assert changes[0]["event"] == "archive", f"{db_id} is lost"

    def _check_history(self, doc: JobDoc) -> None:
        before: JobState | None = None
        attempts: list[int] = []
        for change in History(self.controller.queue).of(doc):
            if change.event == "archive":
                before = None  # what follows belongs to a new job of the same uuid and index
                continue
            if change.event == "checkout":
                attempts.append(change.attempt)
            if change.source is not None:
                assert change.source is before
                transition(change.event, change.source, change.target)
            before = change.target
        assert before is doc.state
        assert attempts == sorted(set(attempts)), f"{doc.job.name} starts twice as one attempt"

    def _tokens(self, doc: JobDoc) -> list[str]:
        apart = self.jobs.edges.open(doc.id) if APART in doc.unmet else []
        own = [token for token in doc.unmet if token != APART]
        return own + [edge.parent for edge in apart]

    def _check_unmet(self, doc: JobDoc, token: str) -> None:
        if token.startswith("@"):
            uuid, _, index = token[1:].rpartition("_")
            assert self.jobs.get(uuid, int(index)).state is not _S.COMPLETED
            return
        try:
            parent = self.jobs.get(token)
        except JobNotFoundError:
            pytest.fail(f"{doc.job.name} waits for a job that is gone")
        assert not done(self.jobs, parent)

    def _leaves_completed(self, docs: list[JobDoc]) -> bool:
        parents = {u for doc in with_parents(self.jobs.queue, docs) for u in doc.parents}
        if any(doc.state in (_S.WAITING, _S.READY) or doc.state in ACTIVE_STATES for doc in docs):
            return False
        return all(doc.state is _S.COMPLETED for doc in docs if doc.uuid not in parents)

    def finish(self) -> None:
        """Let everything go on and end: nothing may be stuck, nothing lost."""
        actions = self.controller.actions
        whole = JobFilter(flow_ids=(self.flow.flow,))
        if not self.all():
            return
        for _ in range(100):
            docs = self.all()
            if all(doc.state is _S.COMPLETED for doc in docs):
                break
            for verb in (actions.resume, actions.retry, actions.rerun):
                verb(whole, _NOW)
            if self.controller.count_jobs(flow_ids=self.flow.flow, states=_S.FAILED):
                # Jobs that tolerated its failure have started, so that it takes force.
                failed = JobFilter(flow_ids=(self.flow.flow,), states=(_S.FAILED,))
                actions.rerun(failed, _NOW, force=True)
            for doc in self.all():
                self._step("finish", self.jobs.get(doc.uuid, doc.index))
            self._settle()
        states = {f"{doc.db_id} {doc.job.name}": doc.state for doc in self.all()}
        assert set(states.values()) == {_S.COMPLETED}, states
        assert Flows(self.controller.queue).get(self.flow.flow).state is FlowState.COMPLETED


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    shape=st.sampled_from(sorted(SHAPES)),
    tolerant=st.booleans(),
    inline=st.sampled_from([0, 1, edges.INLINE]),
    sequence=st.lists(
        st.tuples(st.sampled_from(USER + 2 * (STEPS + ANSWERS)), st.integers(0, 255)), max_size=14
    ),
)
@example(
    shape="chain", tolerant=False, inline=0, sequence=[("stop_children", 0), ("delete", 1)]
)  # a job that is held waits for one that is deleted
@example(shape="chain", tolerant=False, inline=8, sequence=[("stop_children", 0), ("delete", 1)])
def test_no_sequence_loses_a_job_or_leaves_a_flow_stuck(
    controller: JobController,
    shape: str,
    tolerant: bool,
    inline: int,
    sequence: list[tuple[str, int]],
) -> None:
    """After any sequence all invariants hold, and the flow can be brought to its end.

    They hold wherever the parents of a job are kept.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edges, "INLINE", inline)
        world = World(controller, shape, tolerant=tolerant)
        for action, number in sequence:
            world.do(action, number)
            world.check()
        world.finish()


def test_tokens_of_reruns_are_of_the_form_that_release_knows(controller: JobController) -> None:
    """The token by which a rerun holds a job is never met by anything else."""
    world = World(controller, "chain", tolerant=False)
    doc = world.all()[0]
    held = world.jobs.transition(
        world.jobs.transition(doc, "pause", _S.PAUSED, by="test"),
        "resume",
        _S.WAITING,
        by="test",
        fields={"unmet": [generator_token(doc.id)]},
    )
    assert settle(world.jobs, [held]) == 0
    assert world.jobs.get(doc.uuid).state is _S.WAITING
