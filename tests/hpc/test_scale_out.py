"""Machines with Celery workers come and go while jobs run: nothing else has to be done."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import FlowState, JobState
from tests.support.bench import QUICK
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.machines import Machine, Machines
from tests.support.projects import ProjectFactory
from tests.support.servers import mongo_server, redis_server
from tests.support.system import System
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.project import Project
    from tests.support.cluster import Cluster
    from tests.support.lab import Lab

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(900)]

#: How many jobs: 500 take minutes.
JOBS = int(os.environ.get("JFCELERY_SCALE_JOBS", "40"))
#: Seconds in which that must be reached.
PATIENCE = 600.0
#: Leases end soon after a machine has gone.
RUNNER = {"lock_timeout": 8, "delay_checkout": 2, "delay_advance_status": 2}


@pytest.fixture
def machines(testbed: Cluster) -> Iterator[Machines]:
    """A network of machines, of which this one is the first."""
    with Machines() as found:
        yield found


@pytest.fixture
def project(
    machines: Machines, lab: Lab, testbed: Cluster, projects_folder: Path, session_folder: Path
) -> Iterator[Project]:
    """A project whose database and broker are on this machine, its cluster behind a third."""
    home = testbed.bed.root("hpca") / "home/hpc"
    shutil.copy(QUICK, home / "quick.sh")
    (home / "starts").unlink(missing_ok=True)
    folder = session_folder / f"scale{os.getpid()}"
    for name in ("mongo", "redis"):
        (folder / name).mkdir(parents=True)
    relay = lab.relay(address=machines.address)
    worker = testbed.worker(
        "hpca", "slurm", pre_run="export QUICK=/home/hpc", execution_cmd="/home/hpc/quick.sh {}"
    )
    worker |= {"host": machines.address, "port": relay.port, "resources": {"ntasks": 1}}
    with (
        mongo_server(folder / "mongo", machines.address) as database,
        redis_server(folder / "redis", machines.address) as broker,
    ):
        factory = ProjectFactory(projects_folder, database.url, broker.url)
        poll = {"min_interval": 1, "max_interval": 2}
        made = factory(workers={"hpca": worker}, runner=RUNNER, poll=poll)
        yield made
        open_queue(made).close()


def switched_on(machine: Machine, project: Project, folder: Path) -> System:
    """Start a Celery worker and a beat on a machine."""
    (folder / machine.name).mkdir()
    system = System(project, folder / machine.name, prefix=machine.prefix)
    system.start_worker()
    system.start_beat()
    return system


def test_machines_come_and_go_while_jobs_run(
    machines: Machines, project: Project, testbed: Cluster, tmp_path: Path
) -> None:
    """A second machine joins, the first one is switched off: each job runs exactly once."""
    names = [f"job-{number}" for number in range(JOBS)]
    # Each fourth waits for the one before it.
    edges = {name: names[n - 1 : n] if n % 4 == 3 else [] for n, name in enumerate(names)}
    flow = flow_of(edges, payload=QUICK_JOB)
    jobs = Jobs(open_queue(project))

    def done(number: int) -> None:
        def enough() -> bool:
            return jobs.queue.jobs.count_documents({"state": JobState.COMPLETED.value}) >= number

        wait_until(enough, f"{number} jobs to be done", deadline=PATIENCE, every=0.2)

    first = machines.add("first")
    systems = [switched_on(first, project, tmp_path)]
    try:
        add_flow(jobs.queue, flow, Placement(worker="hpca"))
        done(JOBS // 5)
        systems.append(switched_on(machines.add("second"), project, tmp_path))
        done(JOBS // 2)
        first.switch_off()
        done(JOBS)
    except Exception as error:
        error.add_note("\n".join(system.logs() for system in systems))
        raise
    finally:
        for system in systems:
            system.stop()
    _check(jobs, flow.uuid, names, testbed)
    for system in systems:
        assert "jfcelery.finalize" in (system.folder / "worker0.log").read_text()


def _check(jobs: Jobs, flow: str, names: list[str], testbed: Cluster) -> None:
    """Check that the cluster ran each job once, and the database says so."""
    starts: Any = testbed.bed.root("hpca") / "home/hpc/starts"
    assert sorted(starts.read_text().splitlines()) == sorted(f"{name}_1 1" for name in names)
    for doc in jobs.find({"flow": flow}):
        events = [change.event for change in jobs.history.of(doc)]
        assert len(events) == len(set(events)), events
        assert doc.lock_id is None
    jobs.flows.refresh(flow, exact=True)
    assert jobs.flows.get(flow).state == FlowState.COMPLETED
