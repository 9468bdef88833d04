"""Jobs per minute on a cluster behind a slow link: pilots, and one queue job each.

``python tests/benchmarks/pilot.py [--jobs 300] [--alone 60] [--state DIR] [--json]``

The cluster is a real Slurm on the testbed, its SSH link has a round trip of 50 ms (see
``submission.py``). The jobs do nothing; what counts is the time from the call that submits them to
the last that is COMPLETED, with its output in the JobStore. One job goes ahead, so that processes,
connections and the pilot are up. Cluster, database and runner share the cores of one machine.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.place import LATENCY, Place
from tests.benchmarks.submitters import ours

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Jobs that the pilot runs at once.
PARALLEL = 4


@dataclass(frozen=True)
class Rate:
    """How fast jobs came to their ends.

    Args:
        way: How they ran.
        jobs: How many.
        seconds: How long it took until the last was COMPLETED.
    """

    way: str
    jobs: int
    seconds: float

    @property
    def per_minute(self) -> float:
        """Jobs per minute."""
        return 60 * self.jobs / self.seconds


def pilot_worker(place: Place) -> dict[str, Any]:
    """Return a batch worker of one pilot that lives as long as the benchmark."""
    worker = place.worker(max_jobs=1)
    folder = worker["work_dir"]
    batch = {
        "jobs_handle_dir": f"{folder}/pool",
        "work_dir": f"{folder}/pilots",
        "parallel_jobs": PARALLEL,
        "max_wait": 600,
    }
    return {**worker, "batch": batch}


def rates(place: Place, jobs: int, alone: int) -> Iterator[Rate]:
    """Measure one way after the other, each with a runner of its own."""
    ways = (
        (f"pilot with {PARALLEL} jobs at once", pilot_worker(place), jobs),
        ("one queue job each", place.worker(), alone),
    )
    for number, (way, worker, size) in enumerate(ways):
        place.clear()
        with ours(place.folder / f"ours{number}", place.mongo, place.redis, worker) as program:
            program.until_complete(1)
            yield Rate(way, size, program.until_complete(size))
    place.clear()


@click.command()
@click.option(
    "--jobs", type=click.IntRange(1), default=300, show_default=True, help="In the pilot."
)
@click.option("--alone", type=click.IntRange(1), default=60, show_default=True, help="One each.")
@click.option(
    "--state",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A testbed that is up and that nobody else uses; by default one is started.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
def main(*, jobs: int, alone: int, state: Path | None, as_json: bool) -> None:
    """Measure, and print the rates."""
    with Place(state) as place:
        found = list(rates(place, jobs, alone))
    if as_json:
        plain = [{**asdict(one), "per_minute": one.per_minute} for one in found]
        cores = len(os.sched_getaffinity(0))
        print(json.dumps({"round_trip_ms": 2 * LATENCY, "cores": cores, "rates": plain}, indent=2))
        return
    print(f"{'way':<30}{'jobs':>6}{'seconds':>10}{'jobs/min':>10}")
    for one in found:
        print(f"{one.way:<30}{one.jobs:>6}{one.seconds:>10.1f}{one.per_minute:>10.1f}")


if __name__ == "__main__":
    main()
