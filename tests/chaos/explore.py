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
from dataclasses import replace
from functools import wraps
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pytest

from jfcelery.database.documents import job_key
from jfcelery.database.slots import Slots
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from jfcelery.states import FlowState, JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.poll import tick
from jfcelery.tasks.sweep import sweep
from tests.chaos.lives import EFFECTS, Fate, Fault, single_faults
from tests.scheduler_io.fake_slurm import FakeSlurm
from tests.support.bench import Bench, quick_worker
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.projects import ProjectFactory
from tests.support.servers import mongo_server, redis_server
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.database.documents import JobDoc
    from tests.support.bench import Message

#: Flows, each with the worker's places: a child, and a job that competes with its parent for the
#: only place; jobs that go through bundle and harvest together, and a child; the same as an array;
#: jobs that make others, and their children.
FLOWS: dict[str, tuple[dict[str, list[str]], int]] = {
    "small": ({"a": [], "b": ["a"], "c": []}, 1),
    "bundle": ({"a": [], "b": [], "c": [], "d": [], "e": ["a"]}, 4),
    "array": ({"a": [], "b": [], "c": [], "d": [], "e": ["a"]}, 4),
    "dynamic": ({"a": [], "b": ["a"], "c": [], "d": ["c"]}, 2),
}
#: Jobs that others make when they end, by what they are to these.
MADE: dict[str, dict[str, dict[str, list[str]]]] = {
    "dynamic": {"a": {"replace": ["a"], "addition": ["x"]}, "c": {"detour": ["y"]}}
}
#: Flows whose jobs go to Slurm, such as it is without nodes.
SLURM = {"array": {"scheduler_type": "slurm", "job_arrays": True}}
#: The task that asks a host for all its jobs.
POLL = "jfcelery.poll"
#: Rounds of the beat in which a life must come to rest, and the seconds between two.
ROUNDS, ROUND_SECONDS = 60, 30.0
#: Lives after which the program says how far it is.
PROGRESS = 50


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
        self.made = MADE.get(flow, {})
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
        keys = [f"{uuid}_1" for uuid in uuids.values()] + self._prepare(life)
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
        self._check(flow.uuid, keys, faults, there=there)
        return fate

    def _prepare(self, life: str) -> list[str]:
        """Say which jobs the jobs of a life make; return the keys of these."""
        folder, keys = self.bench.folder / "more", list[str]()
        folder.mkdir(exist_ok=True)
        for maker, kinds in self.made.items():
            parts = []
            for kind, names in kinds.items():
                index = 2 if kind == "replace" else 1
                made = flow_of({f"{life}-{name}": [] for name in names}, payload=QUICK_JOB)
                jobs = [replace(job, index=index) for job in made.jobs]
                made = made.model_copy(update={"jobs": jobs})
                parts.append(f'"{kind}": {made.model_dump_json()}')
                keys += [f"{job.uuid}_{job.index}" for job in jobs]
            (folder / f"{life}-{maker}_1").write_text(", ".join(parts))
        return keys

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

    def _check(self, flow: str, keys: list[str], faults: tuple[Fault, ...], *, there: bool) -> None:
        """Check that all jobs ran once, or none where the submission came to nothing."""
        bench, told = self.bench, f"{faults}, at {[self.fate.name_of(one) for one in faults]}"
        docs = self._docs(flow)
        states = {doc.id: doc.state for doc in docs}
        assert states == (dict.fromkeys(keys, JobState.COMPLETED) if there else {}), told
        starts = Counter(line.split()[0] for line in bench.starts())
        assert {key: starts[key] for key in keys} == dict.fromkeys(keys, there), told
        self._check_documents(flow, docs, told)
        self._check_queue(docs, told)
        sweep(bench.runtime)
        bench.messages.clear()
        assert Slots(bench.runtime.queue, "far").held() == [], told
        store = bench.runtime.jobstore(None)
        query = {"uuid": {"$in": [key.rpartition("_")[0] for key in keys]}}
        found = sorted(job_key(doc["uuid"], doc["index"]) for doc in store.query(query))
        assert found == (sorted(keys) if there else []), told

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
