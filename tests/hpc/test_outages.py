"""Cluster, database and Redis are away for a while from a system of real processes, each in turn.

``tests/chaos/test_outages.py`` has three hours of it, by a clock that is put forward; here the
waits of the project are short, and so is each outage.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from tests.support.bench import QUICK
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.relay import Relay, relay
from tests.support.system import System
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.cluster import Cluster
    from tests.support.lab import Lab
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(900)]

_S = JobState
#: Short terms, of leases and between two tries.
RUNNER = {
    "lock_timeout": 2,
    "delay_checkout": 1,
    "delay_advance_status": 1,
    "delta_retry": [1, 2],
    "max_step_attempts": 2,
}
#: Seconds of each half of an outage: connections are refused, then they are silent.
HALF = 5.0
#: Seconds in which all must be well again.
PATIENCE = 300.0
#: Jobs in each flow that run when the outage begins; a child waits for each.
JOBS = 3
HELD = QUICK.with_name("held.sh")


@dataclass
class Scene:
    """A system whose ways to everything can be cut.

    Args:
        jobs: The jobs, by a way that is never cut.
        ways: The ways, by what they lead to.
        home: The folder on the cluster in which jobs leave their marks.
    """

    jobs: Jobs
    ways: dict[str, Relay]
    home: Path

    def add(self, name: str) -> dict[str, str]:
        """Add a flow, and wait until its first jobs run on the cluster; return its states then."""
        (self.home / "go").unlink(missing_ok=True)
        edges: dict[str, list[str]] = {f"{name}-{n}": [] for n in range(JOBS)}
        edges |= {f"{name}-{n}-child": [f"{name}-{n}"] for n in range(JOBS)}
        flow = flow_of(edges, payload=QUICK_JOB)
        add_flow(self.jobs.queue, flow, Placement(worker="hpca"))

        def running() -> bool:
            states = self.states(name).values()
            return sum(state == _S.RUNNING for state in states) == JOBS

        wait_until(running, f"the jobs of {name} to run", deadline=PATIENCE)
        return self.states(name)

    def states(self, name: str) -> dict[str, str]:
        """Return the state of each job of a flow."""
        found = self.jobs.find({"uuid": {"$regex": f"^{name}-"}})
        return {doc.uuid: doc.state for doc in found}

    def outage(self, name: str) -> None:
        """Cut a way for a while; jobs on the cluster end meanwhile."""
        way = self.ways[name]
        assert way.order("get")["accepted"]  # it is the way that is used
        way.set(mode="refuse")
        way.order("drop")
        (self.home / "go").touch()
        time.sleep(HALF)
        way.set(mode="freeze")
        time.sleep(HALF)

    def completed(self, name: str) -> bool:
        """Return whether all of a flow is well."""
        return set(self.states(name).values()) == {_S.COMPLETED}


@pytest.fixture
def scene(
    make_project: ProjectFactory, lab: Lab, testbed: Cluster, session_folder: Path, tmp_path: Path
) -> Iterator[Scene]:
    """A Celery worker and beat, whose ways to cluster, database and Redis are relays."""
    home = testbed.bed.root("hpca") / "home/hpc"
    for script in (QUICK, HELD):
        shutil.copy(script, home / script.name)
    for mark in ("starts", "begun", "twice"):
        (home / mark).unlink(missing_ok=True)
    cluster = lab.relay()
    worker = testbed.worker(
        "hpca",
        "slurm",
        pre_run="export QUICK=/home/hpc",
        execution_cmd="/home/hpc/held.sh {}",
        port=cluster.port,
        connect_timeout=2,
        keepalive=1,
        timeout_execute=5,
        resources={"ntasks": 1},
    )
    poll = {"min_interval": 1, "max_interval": 1}
    direct = make_project(workers={"hpca": worker}, runner=RUNNER, poll=poll)
    with (
        _way(make_project.database_url, session_folder / "od") as database,
        _way(make_project.broker_url, session_folder / "ob") as broker,
    ):
        # The same project, as those see it who go through the relays.
        folder = tmp_path / "projects"
        folder.mkdir()
        text = direct.source.read_text()  # type: ignore[union-attr]
        for url, way in ((make_project.database_url, database), (make_project.broker_url, broker)):
            text = text.replace(urlsplit(url).netloc, f"127.0.0.1:{way.port}")
        (folder / f"{direct.name}.yaml").write_text(text)
        env = {"JFCELERY_PROJECTS_FOLDER": str(folder)}
        with System(direct, tmp_path, env=env) as system:
            system.start_worker()
            system.start_beat()
            queue = open_queue(direct)
            ways = {"cluster": cluster, "database": database, "broker": broker}
            try:
                yield Scene(Jobs(queue), ways, home)
            finally:
                (home / "go").touch()
                for way in ways.values():
                    way.set(mode="ok")
                queue.close()


def _way(url: str, folder: Path) -> Any:
    place = urlsplit(url)
    folder.mkdir()
    assert place.hostname is not None
    assert place.port is not None
    return relay(folder, (place.hostname, place.port))


def test_all_goes_on_after_each_outage(scene: Scene) -> None:
    """No job changes its state for an outage, and each has run once when all is over."""
    for name, way in scene.ways.items():
        before = scene.add(name)
        scene.outage(name)
        during = scene.states(name)
        if name == "broker":  # a poll that has begun may find out, and say, that jobs have ended
            assert set(during.values()) <= {_S.WAITING, _S.RUNNING, _S.RUN_FINISHED}
        else:
            assert during == before
        way.set(mode="ok")
        wait_until(lambda: scene.completed(name), f"{name} to be well", deadline=PATIENCE)  # noqa: B023
    docs = list(scene.jobs.find({}))
    assert {(doc.attempt, doc.remote.step_attempts, doc.deaths) for doc in docs} == {(1, 0, None)}
    begun = (scene.home / "begun").read_text().splitlines()
    assert sorted(begun) == sorted(f"{doc.uuid}_1 1" for doc in docs)
    assert not (scene.home / "twice").exists()
