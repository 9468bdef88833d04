"""Every single fault at every single effect, one life each: nothing is lost or done twice.

``python tests/chaos/explore.py`` takes some minutes, and prints what it explored. A small flow is
run in this process, one step at a time, on the real database and with real queue jobs. Between two
effects (a database write, a message, a remote command or transfer) a death is the same wherever it
comes, so a death before each of them, and at the end, is a death anywhere. Beside that each effect
fails, with and without having happened, and each message is lost, doubled, and comes again much
later.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pytest
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from jfcelery.database.slots import Slots
from jfcelery.errors import BrokerUnavailableError, ConnectionLostError, ServiceError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from jfcelery.states import FlowState, JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.poll import tick
from jfcelery.tasks.sweep import sweep
from tests.scheduler_io.fake_slurm import FakeSlurm
from tests.support.bench import Bench, Recorder, quick_worker
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.projects import ProjectFactory
from tests.support.servers import mongo_server, redis_server
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.database.documents import JobDoc
    from tests.support.bench import Message

#: What changes the world: owners, their methods, and the error of each that the code must expect.
EFFECTS: tuple[tuple[Any, tuple[str, ...], Callable[[], Exception]], ...] = (
    (
        Collection,
        (
            *("update_one", "update_many", "replace_one", "delete_one", "delete_many"),
            *("insert_one", "insert_many", "bulk_write"),
        ),
        lambda: AutoReconnect("connection closed"),
    ),
    (Recorder, ("chain", "together", "send"), lambda: BrokerUnavailableError("connection refused")),
    (
        SimulatedHost,
        ("run", "publish", "publish_all", "fetch", "fetch_all", "remove"),
        lambda: ConnectionLostError("connection reset"),
    ),
)
#: What may happen to an effect, and to a message.
EffectFault = Literal["death before", "error before", "error after"]
MessageFault = Literal["lost", "doubled", "late"]
EFFECT_FAULTS: tuple[EffectFault, ...] = ("death before", "error before", "error after")
MESSAGE_FAULTS: tuple[MessageFault, ...] = ("lost", "doubled", "late")
#: Flows, each with the worker's places: a child, and a job that competes with its parent for the
#: only place; jobs that go through bundle and harvest together, and a child; the same as an array.
FLOWS: dict[str, tuple[dict[str, list[str]], int]] = {
    "small": ({"a": [], "b": ["a"], "c": []}, 1),
    "bundle": ({"a": [], "b": [], "c": [], "d": [], "e": ["a"]}, 4),
    "array": ({"a": [], "b": [], "c": [], "d": [], "e": ["a"]}, 4),
}
#: Flows whose jobs go to Slurm, such as it is without nodes.
SLURM = {"array": {"scheduler_type": "slurm", "job_arrays": True}}
#: The task that asks a host for all its jobs.
POLL = "jfcelery.poll"
#: Rounds of the beat in which a life must come to rest, and the seconds between two.
ROUNDS, ROUND_SECONDS = 60, 30.0
#: Lives after which the program says how far it is.
PROGRESS = 50


class Death(BaseException):
    """The process is gone: nothing may catch this but the explorer."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a life, once.

    Args:
        what: What happens.
        at: To which effect, or message, counted from the life's begin.
    """

    what: EffectFault | MessageFault
    at: int


@dataclass
class Fate:
    """Counts effects and messages, and lets those go wrong that a life's faults name.

    Attributes:
        faults: What is to go wrong.
        effects: Names of the effects so far, with what caused them.
        messages: Names of the messages so far.
        met: Faults that happened.
    """

    faults: set[Fault] = field(default_factory=set)
    effects: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    met: list[Fault] = field(default_factory=list)
    cause: str = "submission"
    armed: bool = False
    _dead: bool = False

    @contextmanager
    def process(self, cause: str) -> Iterator[None]:
        """Be a process that may die, or meet an outage, in the block."""
        self.cause, self._dead = cause, False
        try:
            yield
        except (Death, ServiceError):
            pass
        finally:
            self._dead = False

    def name_of(self, fault: Fault) -> str:
        """Return what a fault happened to."""
        names = self.messages if fault.what in MESSAGE_FAULTS else self.effects
        return names[fault.at] if fault.at < len(names) else "nothing"

    def happens(self, what: EffectFault | MessageFault, at: int) -> bool:
        """Return whether a fault is to happen now."""
        fault = Fault(what, at)
        if fault not in self.faults:
            return False
        self.faults.discard(fault)
        self.met.append(fault)
        return True

    def mortal(
        self, name: str, function: Callable[..., Any], error: Callable[[], Exception]
    ) -> Callable[..., Any]:
        """Return an effect at which things go wrong."""

        @wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            if not self.armed:
                return function(*args, **options)
            if self._dead:  # what a dead process would still tidy up
                raise Death
            at = len(self.effects)
            self.effects.append(f"{self.cause}: {name}")
            if self.happens("death before", at):
                self._dead = True
                raise Death
            if self.happens("error before", at):
                raise error()
            result = function(*args, **options)
            if self.happens("error after", at):
                raise error()
            return result

        return run


class Explorer:
    """Leads lives of a small flow.

    Args:
        bench: A runner driven by hand, whose worker ``far`` has the places of the flow.
        patch: Makes effects mortal.
        flow: One of :data:`FLOWS`.
        slurm: What has the jobs of the worker, if it is Slurm.
    """

    def __init__(
        self,
        bench: Bench,
        patch: pytest.MonkeyPatch,
        flow: str,
        slurm: FakeSlurm | None = None,
    ) -> None:
        self.bench, self.edges, self.slurm = bench, FLOWS[flow][0], slurm
        self.fate = Fate()
        for owner, names, error in EFFECTS:
            for name in names:
                mortal = self._mortal(f"{owner.__name__}.{name}", getattr(owner, name), error)
                patch.setattr(owner, name, mortal)

    def _mortal(
        self, name: str, function: Callable[..., Any], error: Callable[[], Exception]
    ) -> Callable[..., Any]:
        # The fate is another one in each life.
        @wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            return self.fate.mortal(name, function, error)(*args, **options)

        return run

    def live(self, *faults: Fault) -> Fate:
        """Lead one life to its end, and check that all is as it must be.

        Raises:
            AssertionError: It is not.
        """
        self.fate = fate = Fate(set(faults))
        life = uuid4().hex[:8]
        uuids = {name: f"{life}-{name}" for name in self.edges}
        edges = {uuids[name]: [uuids[p] for p in own] for name, own in self.edges.items()}
        flow = flow_of(edges, payload=QUICK_JOB)
        fate.armed = True
        with fate.process("submission"):
            add_flow(self.bench.runtime.queue, flow, Placement(worker="far"))
        there = self._is_whole(flow.uuid)
        late: list[Message] = []
        for _ in range(ROUNDS):
            self._round(late)
            if self._at_rest(flow.uuid, there=there):
                break
        for message in late:
            self._deliver(message, [])
        fate.armed = False
        self.bench.messages.clear()
        self._check(flow.uuid, list(uuids.values()), faults, there=there)
        return fate

    def _round(self, late: list[Message]) -> None:
        bench = self.bench
        while bench.messages:
            self._deliver(bench.messages.pop(0), late)
        self._await_ends()
        bench.forward(ROUND_SECONDS)
        for task in (tick, checkout, sweep):
            with self.fate.process(task.__name__):
                task(bench.runtime)

    def _deliver(self, message: Message, late: list[Message]) -> None:
        fate, at = self.fate, len(self.fate.messages)
        name = message.names[0].removeprefix("jfcelery.")
        fate.messages.append(name)
        times = 1
        if fate.happens("lost", at):
            times = 0
        elif fate.happens("doubled", at):
            times = 2
        elif fate.happens("late", at):
            late.append(message)
        for _ in range(times):
            with fate.process(name):
                self.bench.deliver(message)

    def _await_ends(self) -> None:
        """Wait for the queue jobs that run: only their order is explored, not their speed."""
        for state in (JobState.SUBMITTED, JobState.RUNNING):
            for doc in list(self.bench.runtime.jobs.of_worker("far", [state])):
                end = Path(str(doc.run_dir)) / RunFolder.end(doc.attempt)
                wait_until(end.exists, f"the end of {doc.id}", every=0.005)

    def _is_whole(self, flow: str) -> bool:
        found = self.bench.runtime.queue.flows.find_one({"_id": flow})
        return found is not None and not found.get("inserting")

    def _at_rest(self, flow: str, *, there: bool) -> bool:
        docs = self._docs(flow)
        ended = all(doc.state is JobState.COMPLETED and not doc.release for doc in docs)
        # Polls go on for ever; they are of no job.
        pending = [message for message in self.bench.messages if message.names != [POLL]]
        if not there:  # what is left of an interrupted insertion goes after an hour
            self.bench.forward(3600)
            return not docs and not self._is_known(flow)
        return ended and not pending

    def _is_known(self, flow: str) -> bool:
        return self.bench.runtime.queue.flows.find_one({"_id": flow}) is not None

    def _docs(self, flow: str) -> list[JobDoc]:
        return list(self.bench.runtime.jobs.find({"flow": flow}))

    # -------------------------------------------------------------- judgement

    def _check(
        self, flow: str, uuids: list[str], faults: tuple[Fault, ...], *, there: bool
    ) -> None:
        """Check that all jobs ran once, or none where the submission came to nothing."""
        bench, told = self.bench, f"{faults}, at {[self.fate.name_of(one) for one in faults]}"
        docs = self._docs(flow)
        states = {doc.uuid: doc.state for doc in docs}
        assert states == (dict.fromkeys(uuids, JobState.COMPLETED) if there else {}), told
        starts = Counter(line.split("_")[0] for line in bench.starts())
        assert {uuid: starts[uuid] for uuid in uuids} == dict.fromkeys(uuids, there), told
        self._check_documents(flow, docs, told)
        self._check_queue(docs, told)
        sweep(bench.runtime)
        bench.messages.clear()
        assert Slots(bench.runtime.queue, "far").held() == [], told
        store = bench.runtime.jobstore(None)
        found = sorted(doc["uuid"] for doc in store.query({"uuid": {"$in": uuids}}))
        assert found == (sorted(uuids) if there else []), told

    def _check_documents(self, flow: str, docs: list[JobDoc], told: str) -> None:
        jobs = self.bench.runtime.jobs
        for doc in docs:
            changes = jobs.history.of(doc)
            moves = [(change.source, change.target) for change in changes]
            assert [source for source, _ in moves] == [None, *(to for _, to in moves[:-1])], told
            assert (doc.lock_id, doc.unmet, doc.release, doc.attempt) == (None, [], False, 1), told
        if docs:
            jobs.flows.refresh(flow, exact=True)
            stored = jobs.flows.get(flow)
            assert stored.state == FlowState.COMPLETED, told
            assert stored.counts == {JobState.COMPLETED: len(docs)}, told

    def _check_queue(self, docs: list[JobDoc], told: str) -> None:
        """Check that each job was accepted once, under the very id that it has."""
        if self.slurm is not None:
            ids = [row[0] for row in self.slurm.queue]
            assert sorted(ids) == sorted(str(doc.remote.process_id) for doc in docs), told
            self.slurm.set_queue()


def single_faults(without: Fate) -> list[Fault]:
    """Return every fault that a life may have once, by one that had none."""
    effects = range(len(without.effects))
    messages = range(len(without.messages))
    return [
        *(Fault(what, at) for at in effects for what in EFFECT_FAULTS),
        *(Fault(what, at) for at in messages for what in MESSAGE_FAULTS),
    ]


@contextmanager
def explorer(bench_project: Any, folder: Path, flow: str = "small") -> Iterator[Explorer]:
    """Give an explorer of a flow, by a project with :func:`workers` for it."""
    with pytest.MonkeyPatch.context() as patch:
        host = SimulatedHost("far")
        patch.setattr(Hosts, "_make_remote", lambda *_args: host)
        slurm = FakeSlurm(folder / "slurm", patch) if flow in SLURM else None
        if slurm is not None:
            slurm.submitting("run")
        bench = Bench(bench_project, folder, patch)
        yield Explorer(bench, patch, flow, slurm)
        bench.runtime.close()


def workers(folder: Path, flow: str = "small") -> dict[str, Any]:
    """Return the workers of a project in which a flow is explored."""
    options = {"type": "remote", "host": "far", "max_jobs": FLOWS[flow][1], **SLURM.get(flow, {})}
    return {"far": quick_worker(folder, **options)}


@contextmanager
def _standalone(flow: str = "small") -> Iterator[Explorer]:
    with ExitStack() as stack:
        text = stack.enter_context(tempfile.TemporaryDirectory(prefix="jfce-", dir="/tmp"))
        folder = Path(text)
        for name in ("mongo", "redis", "projects", "work"):
            (folder / name).mkdir()
        database = stack.enter_context(mongo_server(folder / "mongo"))
        broker = stack.enter_context(redis_server(folder / "redis"))
        factory = ProjectFactory(folder / "projects", database.url, broker.url)
        project = factory(workers=workers(folder, flow))
        yield stack.enter_context(explorer(project, folder, flow))


@click.command()
@click.option("--flow", type=click.Choice(list(FLOWS)), default="small", show_default=True)
@click.option("--every", default=1, show_default=True, help="Lead each so-manieth of the lives.")
@click.option("--pairs", default=0, show_default=True, help="Lives with two faults, at random.")
@click.option("--seed", default=1, show_default=True, help="Of the random pairs.")
def main(*, flow: str, every: int, pairs: int, seed: int) -> None:
    """Lead one life for every fault, and say what was explored."""
    random = Random(seed)  # noqa: S311 - repeatable, no secret
    began = time.monotonic()
    wrong: list[str] = []
    lives: Counter[str] = Counter()
    with _standalone(flow) as found:
        without = found.live()
        singles = single_faults(without)
        chosen: list[tuple[Fault, ...]] = [(fault,) for fault in singles[::every]]
        chosen += [tuple(random.sample(singles, 2)) for _ in range(pairs)]
        for number, faults in enumerate(chosen):
            if number % PROGRESS == 0:
                click.echo(f"{number} of {len(chosen)} lives, {len(wrong)} wrong", err=True)
            try:
                met = found.live(*faults).met
            except AssertionError as error:
                wrong.append(str(error).splitlines()[0])
                continue
            lives[f"{len(met)} faults met"] += 1
            lives.update(fault.what for fault in met)
    click.echo(f"{len(without.effects)} effects, of {len(set(without.effects))} kinds:")
    for name, count in sorted(Counter(without.effects).items()):
        click.echo(f"{count:5} {name}")
    click.echo(f"{len(without.messages)} messages; {len(chosen)} lives, of which:")
    for name, count in sorted(lives.items()):
        click.echo(f"{count:5} {name}")
    click.echo(f"{time.monotonic() - began:.0f} s, {len(wrong)} lives ended wrong")
    for line in wrong:
        click.echo(f"WRONG: {line}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
