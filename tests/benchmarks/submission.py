"""How fast jobs reach the queue of a cluster behind a slow link, beside jobflow-remote.

``python tests/benchmarks/submission.py [--jobs 500] [--theirs 40] [--arrays] [--state D] [--json]``

The cluster is a real Slurm on the testbed. The SSH link to it goes through a relay that delays each
direction by 25 ms: the round trip takes 50 ms. A job is there when the scheduler has given it a
number and the database says so (SUBMITTED). What counts is the time from the call that submits the
flow to the last of its jobs; one job goes ahead, so that all processes and connections are up.

The jobs sleep on the nodes, or wait for one, until they are cancelled: neither program has ended
jobs to care for meanwhile. Both use the same database server, one after the other.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.place import LATENCY, Place
from tests.benchmarks.submitters import Submitter, ours, theirs
from tests.support.foreign import RELEASE, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

#: What a queue job does: it sleeps, longer than the benchmark takes.
COMMAND = "sh -c 'exec sleep 3600' {}"


@dataclass(frozen=True)
class Rate:
    """How fast a program submitted.

    Args:
        program: Which one.
        jobs: How many jobs.
        seconds: How long it took until the last one was submitted.
    """

    program: str
    jobs: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Jobs per second."""
        return self.jobs / self.seconds


def measure(
    place: Place, program: str, start: AbstractContextManager[Submitter], jobs: int
) -> Rate:
    """Start a program and have it submit one job, then the jobs that count; end it.

    Raises:
        RuntimeError: Slurm does not have each job once.
    """
    place.clear()
    try:
        with start as submitter:
            submitter.until_queued(1)
            seconds = submitter.until_queued(jobs)
            queued = place.queued()
    finally:
        place.clear()
    if queued != jobs + 1:
        raise RuntimeError(f"{program}: {queued} jobs in the queue in place of {jobs + 1}")
    return Rate(program, jobs, seconds)


def rates(
    place: Place, prefix: Path, jobs: int, their_jobs: int, *, arrays: bool = False
) -> Iterator[Rate]:
    """Measure jobflow-remote, which is installed in an environment of its own, then jfcelery."""
    other = theirs(
        place.folder / "theirs", prefix, place.mongo, place.worker(execution_cmd=COMMAND)
    )
    yield measure(place, RELEASE, other, their_jobs)
    worker = place.worker(execution_cmd=COMMAND)
    own = ours(place.folder / "ours", place.mongo, place.redis, worker)
    yield measure(place, "jfcelery", own, jobs)
    if arrays:
        worker = place.worker(execution_cmd=COMMAND, job_arrays=True)
        own = ours(place.folder / "arrays", place.mongo, place.redis, worker)
        yield measure(place, "jfcelery, job arrays", own, jobs)


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=500, show_default=True, help="Our jobs.")
@click.option(
    "--theirs",
    "their_jobs",
    type=click.IntRange(1),
    default=40,
    show_default=True,
    help="Jobs for jobflow-remote.",
)
@click.option("--arrays", is_flag=True, help="Measure ours with job arrays, too.")
@click.option(
    "--state",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A testbed that is up and that nobody else uses; by default one is started.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
def main(*, jobs: int, their_jobs: int, arrays: bool, state: Path | None, as_json: bool) -> None:
    """Measure, and print the rates."""
    prefix = environment()  # by pip, with the settings of the person's home
    with Place(state) as place:
        other, own, *more = rates(place, prefix, jobs, their_jobs, arrays=arrays)
    ratio = own.per_second / other.per_second
    if as_json:
        found = [{**asdict(one), "per_second": one.per_second} for one in (own, other, *more)]
        print(json.dumps({"round_trip_ms": 2 * LATENCY, "rates": found, "ratio": ratio}, indent=2))
        return
    print(f"{'program':<24}{'jobs':>6}{'seconds':>10}{'jobs/s':>9}")
    for one in (own, other, *more):
        print(f"{one.program:<24}{one.jobs:>6}{one.seconds:>10.1f}{one.per_second:>9.2f}")
    print(f"ratio {ratio:.1f}, over a link with a round trip of {2 * LATENCY} ms")


if __name__ == "__main__":
    main()
