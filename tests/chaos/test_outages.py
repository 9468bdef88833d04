"""Network, database or Redis away for three hours: jobs keep their states, and go on by themselves.

The hours are those of the database's clock, which the test puts forward. Jobs stand everywhere in
the pipeline when the outage begins, and some of them in the middle of a step.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.database.batches import Batches
from jfcelery.errors import ServiceError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from jfcelery.states import JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.dispatch import dispatch
from jfcelery.tasks.download import download
from jfcelery.tasks.poll import poll_host
from jfcelery.tasks.submit import submit
from jfcelery.tasks.sweep import sweep
from jfcelery.tasks.upload import upload
from tests.chaos.cuts import BrokerCut, Cut, DatabaseCut, HostCut
from tests.support.bench import Bench, quick_worker
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.database.documents import JobDoc
    from tests.support.projects import ProjectFactory

_S = JobState

#: States in which jobs are met by the outage, in the order in which they are brought there.
MET = (_S.DOWNLOADED, _S.RUN_FINISHED, _S.RUNNING, _S.SUBMITTED, _S.UPLOADED, _S.CHECKED_OUT)
#: Jobs in each of these states.
EACH = 2
#: Operations that still pass when a step meets the outage; one number for each step in turn.
PASSED = (0, 1, 2, 3, 5, 8)
#: Seconds between two rounds of the beat in three hours: first often, then seldom.
ROUNDS = [30] * 20 + [300] * 34
HELD = Path(__file__).parents[1] / "support" / "held.sh"


@dataclass
class Scene:
    """A runner with jobs everywhere in its pipeline.

    Args:
        bench: The runner.
        flow: Their flow.
        jobs: Their uuids, by the state in which they are.
    """

    bench: Bench
    flow: str
    jobs: dict[JobState, list[str]]

    def docs(self) -> list[JobDoc]:
        """Return the jobs of the flow."""
        return list(self.bench.runtime.jobs.find({"flow": self.flow}))

    def states(self) -> dict[str, JobState]:
        """Return the state of each."""
        return {doc.uuid: doc.state for doc in self.docs()}

    def round(self, seconds: float) -> None:
        """Let time pass, and everything be tried once."""
        self.bench.forward(seconds)
        for task in ("tick", "checkout", "sweep"):
            with contextlib.suppress(ServiceError):
                self.bench.recorder.send(task)
        while self.bench.messages:
            with contextlib.suppress(ServiceError):
                self.bench.deliver(self.bench.messages.pop(0))


@pytest.fixture
def scene(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """Jobs in all states of the pipeline, some with a child that waits, on a host far away."""
    host = SimulatedHost("far")
    monkeypatch.setattr(Hosts, "_make_remote", lambda *_args: host)
    far = quick_worker(tmp_path, type="remote", host="far", execution_cmd=f"{HELD} {{}}")
    near = quick_worker(tmp_path, work_dir=str(tmp_path / "near"))
    project = make_project(workers={"far": far, "near": near})
    bench = Bench(project, tmp_path, monkeypatch)
    jobs = {state: [f"{state.value}-{number}" for number in range(EACH)] for state in MET}
    edges: dict[str, list[str]] = {}
    for uuids in jobs.values():
        edges |= {uuid: [] for uuid in uuids} | {_child(uuids): [uuids[0]]}
    flow = flow_of(edges, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="far"))
    checkout(bench.runtime)
    found = Scene(bench, flow.uuid, jobs)
    _bring(found)
    yield found
    (tmp_path / "go").touch()  # jobs that still wait for it must not outlive the test
    bench.runtime.close()


def _bring(scene: Scene) -> None:
    """Bring the jobs to their states; those in the queue run until the file is there."""
    bench, go = scene.bench, scene.bench.folder / "go"
    key = bench.project.workers["far"].host_key
    go.touch()
    for state in (_S.DOWNLOADED, _S.RUN_FINISHED):
        _step(scene, state, upload, submit)
        _polled(scene, state, key, _S.RUN_FINISHED)
    _step(scene, _S.DOWNLOADED, download)
    go.unlink()
    _step(scene, _S.RUNNING, upload, submit)
    _polled(scene, _S.RUNNING, key, _S.RUNNING)
    _step(scene, _S.SUBMITTED, upload, submit)
    _step(scene, _S.UPLOADED, upload)
    bench.messages.clear()
    assert scene.states() == {
        **{uuid: state for state, uuids in scene.jobs.items() for uuid in uuids},
        **{_child(uuids): _S.WAITING for uuids in scene.jobs.values()},
    }


def _child(uuids: list[str]) -> str:
    return f"child-of-{uuids[0]}"


def _step(scene: Scene, state: JobState, *steps: Any) -> None:
    for uuid in scene.jobs[state]:
        for step in steps:
            runtime = scene.bench.runtime
            assert step.run(runtime, uuid, 1, runtime.jobs.get(uuid).epoch)


def _polled(scene: Scene, group: JobState, key: str, target: JobState) -> None:
    def there() -> bool:
        poll_host(scene.bench.runtime, key)
        states = scene.states()
        return {states[uuid] for uuid in scene.jobs[group]} == {target}

    wait_until(there, f"the jobs to be {target}")


def _strike(scene: Scene, cut: Cut) -> None:
    """Let the outage meet a step of each job somewhere in its middle."""
    bench = scene.bench
    sweep(bench.runtime)
    bench.messages.clear()
    for doc in scene.docs():
        if doc.state is not _S.WAITING:
            dispatch(bench.runtime, doc)
    key = bench.project.workers["far"].host_key
    bench.recorder.poll(key)
    waiting, passed = list(bench.messages), cycle(PASSED)
    for message in waiting:
        bench.runtime.host_records.answered(key)  # all steps began before the first one failed
        cut.begin(after=next(passed))
        with contextlib.suppress(ServiceError):
            bench.deliver(message)
        cut.end()
    bench.messages.clear()  # lost, like what the steps would have sent


@pytest.mark.parametrize("kind", [HostCut, DatabaseCut, BrokerCut])
def test_three_hours_without_it_change_no_state(
    kind: Callable[[pytest.MonkeyPatch], Cut], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All jobs stay as the outage met them, each runs once, and none needs a person afterwards."""
    bench, cut = scene.bench, kind(monkeypatch)
    _strike(scene, cut)
    before = scene.states()
    cut.begin()
    (bench.folder / "go").touch()  # jobs on the cluster end meanwhile
    for seconds in ROUNDS:
        scene.round(seconds)
    cut.end()
    assert scene.states() == before
    assert all(doc.remote.step_attempts == 0 for doc in scene.docs())

    assert set(bench.run_until_rest(scene.flow).values()) == {"C"}
    assert sorted(bench.starts()) == sorted(f"{uuid}_1 1" for uuid in before)
    assert not (bench.folder / "twice").exists()
    for doc in scene.docs():
        assert (doc.attempt, doc.deaths, doc.lock_id) == (1, None, None)
        events = [change.event for change in bench.runtime.jobs.history.of(doc)]
        assert len(events) == len(set(events)), events


def test_what_needs_no_cluster_goes_on_without_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs of another worker are done while the cluster is away."""
    cut, bench = HostCut(monkeypatch), scene.bench
    _strike(scene, cut)
    cut.begin()
    flow = flow_of({"near": []}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="near"))

    def done() -> bool:
        scene.round(20)
        return bench.runtime.jobs.get("near").state is _S.COMPLETED

    wait_until(done, "the job of this machine")
    assert not bench.runtime.host_records.get(bench.project.workers["far"].host_key).available


@pytest.fixture
def pilots(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    """A pilot far away that runs a job while another one waits in its pool, and a child of one."""
    host = SimulatedHost("far")
    monkeypatch.setattr(Hosts, "_make_remote", lambda *_args: host)
    folders = {"jobs_handle_dir": tmp_path / "pool", "work_dir": tmp_path / "pilots"}
    batch = {name: str(path) for name, path in folders.items()}
    far = quick_worker(
        tmp_path,
        type="remote",
        host="far",
        execution_cmd=f"{HELD} {{}}",
        pre_run=f"PATH={Path(sys.executable).parent}:$PATH",
        batch=batch | {"max_wait": 0.5, "sleep_time": 0.05},
        max_jobs=1,
    )
    bench = Bench(make_project(workers={"far": far}), tmp_path, monkeypatch)
    flow = flow_of({"a": [], "b": [], "c": ["a"]}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="far"))
    found = Scene(bench, flow.uuid, {})

    def begun() -> bool:
        found.round(2)
        states = sorted(found.states().values())
        return states == sorted([_S.BATCH_RUNNING, _S.BATCH_SUBMITTED, _S.WAITING])

    wait_until(begun, "the pilot to run a job", deadline=120)
    yield found
    (tmp_path / "go").touch()
    bench.runtime.close()


@pytest.mark.parametrize("ends", ["meanwhile", "later"])
@pytest.mark.parametrize("kind", [HostCut, DatabaseCut, BrokerCut])
def test_three_hours_without_it_cost_no_pilot(
    kind: Callable[[pytest.MonkeyPatch], Cut],
    ends: str,
    pilots: Scene,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What runs in it, or waits for it, stays and is taken in afterwards: nothing runs again."""
    bench, cut = pilots.bench, kind(monkeypatch)
    before = pilots.states()
    cut.begin()
    if ends == "meanwhile":
        (bench.folder / "go").touch()
        wait_until(lambda: len(bench.starts()) == 2, "both jobs to run")
    for seconds in ROUNDS:
        pilots.round(seconds)
    cut.end()
    assert pilots.states() == before
    for _ in range(5):
        pilots.round(60)
    assert not {doc.state for doc in pilots.docs()} & {_S.REMOTE_ERROR, _S.FAILED}
    (bench.folder / "go").touch()
    assert set(bench.run_until_rest(pilots.flow).values()) == {"C"}
    assert sorted(bench.starts()) == ["a_1 1", "b_1 1", "c_1 1"]
    assert not (bench.folder / "twice").exists()
    assert not [doc.why for doc in Batches(bench.runtime.queue).find({}) if "silent" in doc.why]
