"""How throughput grows with Celery workers, each a process, for a cluster behind a slow link.

``python tests/benchmarks/scale_out.py [--jobs 200] [--workers 1 --workers 2] [--state DIR]``

The cluster is a real Slurm on the testbed, behind a link whose round trip takes 50 ms. The jobs do
nothing and start no Python: what is measured is all that jfcelery does for a job, from the call
that adds the flow to the last job's output in the JobStore. What Slurm can do on the same cores is
measured as well: as many scripts that do nothing, submitted one by one on the cluster itself.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.database.schema import prepare
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from tests.benchmarks.place import LATENCY, Place
from tests.support.bench import QUICK
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.projects import ProjectFactory
from tests.support.system import System
from tests.support.waiting import wait_until

#: Seconds after which a flow counts as stuck.
LIMIT = 1800.0
#: Home of the cluster's user.
HOME = "/home/hpc"


@dataclass(frozen=True)
class Throughput:
    """How fast a number of workers was.

    Args:
        workers: Celery workers.
        jobs: Jobs that they completed.
        seconds: How long it took.
    """

    workers: int
    jobs: int
    seconds: float

    @property
    def per_minute(self) -> float:
        """Jobs a minute."""
        return self.jobs / self.seconds * 60


def measure(place: Place, factory: ProjectFactory, workers: int, jobs: int) -> Throughput:
    """Run a flow with a number of Celery workers.

    Raises:
        TimeoutError: It does not come to its end.
    """
    commands = {"pre_run": f"export QUICK={HOME}", "execution_cmd": f"{HOME}/quick.sh {{}}"}
    project = factory(workers={"hpca": place.worker() | commands | {"resources": {"ntasks": 1}}})
    queue = open_queue(project)
    prepare(queue)
    folder = place.folder / f"with-{workers}"
    folder.mkdir()

    def complete(flow: str, number: int) -> None:
        def done() -> bool:
            query = {"flow": flow, "state": JobState.COMPLETED.value}
            return queue.jobs.count_documents(query) >= number

        wait_until(done, f"{number} jobs", deadline=LIMIT, every=0.1)

    with System(project, folder, env={"HOME": os.environ["HOME"]}) as system:
        for _ in range(workers):
            system.start_worker(concurrency=16)
        system.start_beat()
        placement = Placement(worker="hpca")
        ahead = flow_of({f"ahead-{workers}-{n}": [] for n in range(4 * workers)}, payload=QUICK_JOB)
        add_flow(queue, ahead, placement)
        complete(ahead.uuid, 4 * workers)  # all processes and connections are up
        flow = flow_of({f"job-{workers}-{n}": [] for n in range(jobs)}, payload=QUICK_JOB)
        began = time.monotonic()
        add_flow(queue, flow, placement)
        complete(flow.uuid, jobs)
        seconds = time.monotonic() - began
    assert {doc.attempt for doc in Jobs(queue).find({"flow": flow.uuid})} == {1}
    queue.close()
    return Throughput(workers, jobs, seconds)


def slurm_alone(place: Place, jobs: int) -> float:
    """Return the seconds in which Slurm runs scripts that do nothing, without jfcelery."""
    one = "sbatch --quiet --ntasks=1 --output=/dev/null --wrap true >/dev/null"
    command = f"for n in $(seq {jobs}); do {one} || exit; done"
    began = time.monotonic()
    place.cluster.bed.on("hpca", "bash", "-c", command, user="hpc", timeout=LIMIT)
    wait_until(lambda: not place.queued(), "Slurm to be empty", deadline=LIMIT, every=0.2)
    return time.monotonic() - began


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=200, show_default=True, help="Jobs.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    multiple=True,
    default=(1, 2, 4),
    show_default=True,
    help="Celery workers; may be repeated.",
)
@click.option(
    "--state",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A testbed that is up and that nobody else uses; by default one is started.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
def main(*, jobs: int, workers: tuple[int, ...], state: Path | None, as_json: bool) -> None:
    """Measure, and print the throughput."""
    with Place(state) as place:
        shutil.copy(QUICK, place.cluster.bed.root("hpca") / HOME.lstrip("/") / "quick.sh")
        (place.folder / "projects").mkdir()
        factory = ProjectFactory(place.folder / "projects", place.mongo, place.redis)
        found = [measure(place, factory, number, jobs) for number in workers]
        floor = slurm_alone(place, jobs)
    if as_json:
        rows = [{**asdict(one), "per_minute": one.per_minute} for one in found]
        told = {"round_trip_ms": 2 * LATENCY, "throughput": rows, "slurm_alone_seconds": floor}
        print(json.dumps(told, indent=2))
        return
    print(f"{'Celery workers':<16}{'jobs':>6}{'seconds':>10}{'jobs/min':>10}")
    for one in found:
        print(f"{one.workers:<16}{one.jobs:>6}{one.seconds:>10.1f}{one.per_minute:>10.0f}")
    print(f"{'Slurm alone':<16}{jobs:>6}{floor:>10.1f}{jobs / floor * 60:>10.0f}")
    print(f"over a link with a round trip of {2 * LATENCY} ms, on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
