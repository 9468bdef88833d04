"""Jobs of a batch worker on a bench, whose pilots are real processes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from jfcelery.database.batches import Batches
from jfcelery.flows.insert import Placement, add_flow
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.database.batches import BatchDoc
    from jfcelery.database.documents import JobDoc
    from tests.support.bench import Bench

#: Runs a job that waits for a file; see there.
HELD = Path(__file__).with_name("held.sh")
#: Seconds in which real processes must have done what a test waits for.
PATIENCE = 120.0


class MakeBatchBench(Protocol):
    """Makes a bench whose worker is a batch worker; options of the worker and of its batch."""

    def __call__(self, *, worker: dict[str, Any] | None = None, **batch: Any) -> Bench:
        """Make one."""
        ...


def add(bench: Bench, *names: str) -> str:
    """Add a flow of independent jobs, and return its uuid."""
    flow = flow_of({name: [] for name in names}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    return flow.uuid


def pilots(bench: Bench) -> list[BatchDoc]:
    """Return all pilots of a bench, the oldest first."""
    return list(Batches(bench.runtime.queue).find({}, sort=[("created_on", 1)]))


def pids(bench: Bench) -> list[int]:
    """Return the processes of the pilots that have said which they are."""
    folder = bench.folder / "pool" / "pilots"
    texts = [path.read_text() for path in folder.glob("jfp-*")]
    return [int(text.partition("pid=")[2].split()[0]) for text in texts]


def go_on_until(bench: Bench, holds: Callable[[], object], what: str) -> None:
    """Beat and deliver until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}: {pilots(bench)}"
        bench.drain()
        time.sleep(0.05)
        bench.beat(2)


def lines(bench: Bench, name: str) -> list[str]:
    """Return the lines that jobs have left in a file."""
    path = bench.folder / name
    return path.read_text().splitlines() if path.exists() else []


def job(bench: Bench, name: str) -> JobDoc:
    """Return a job."""
    return bench.runtime.jobs.get(name, 1)


def docs(bench: Bench) -> list[JobDoc]:
    """Return all jobs."""
    return list(bench.runtime.jobs.find({}))


def held(batch_bench: MakeBatchBench, **batch: Any) -> Bench:
    """Return a bench whose jobs wait for a file."""
    return batch_bench(worker={"execution_cmd": f"{HELD} {{}}"}, **batch)
