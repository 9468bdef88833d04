"""The queue jobs of pilots: what they are told, and when one of them counts as dead."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.database.batches import Batches
from jfcelery.execution.pilot.plan import Plan
from jfcelery.project.options import HIDDEN_TIME
from jfcelery.project.worker import LocalWorker
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.base import ABSENT, Answer, EndReason, EndReport, QueueState
from jfcelery.states import BatchState, JobState
from jfcelery.tasks import pilot_queue
from jfcelery.tasks.pilot_queue import PilotQueue
from jfcelery.tasks.pilots import tend
from jfcelery.tasks.pool import is_entry
from tests.support.pooled import MakeBatchBench, add, go_on_until, held, job, lines, pilots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.support.bench import Bench
    from tests.tasks.conftest import MakeBench

SLOTS = {"cpus": 2, "gpus": 1, "launcher": "srun -n1"}


@pytest.mark.parametrize("whose", ["worker", "project"])
def test_a_pilot_is_told_what_the_project_file_says(
    make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """Each option of `batch`, the slots of the worker or else the project's, time and modules."""
    monkeypatch.setattr(pilot_queue, "warned", lambda _: None)  # a shell has no limits to ask for
    batch = {
        "jobs_handle_dir": "/pool",
        "work_dir": str(tmp_path),
        "max_jobs_per_batch": 7,
        "max_wait": 8,
        "max_time": 900,
        "parallel_jobs": 3,
        "sleep_time": 0.25,
    }
    own: dict[str, Any] = {"preload": ["wave"], "resources": {"walltime": "01:00:00"}}
    slots = {"slots": SLOTS} if whose == "worker" else {}
    others = {"gpus": 5} if slots else SLOTS
    bench = make_bench(worker={**own, **slots, "pre_run": "exit 0", "batch": batch}, slots=others)
    doc = Batches(bench.runtime.queue).insert("here")
    fields = PilotQueue(bench.runtime, "here").submit(doc)
    assert Plan.read(Path(fields["run_dir"])) == Plan(
        handle_dir=Path("/pool"),
        pilot=doc.name,
        max_jobs=7,
        max_wait=8,
        max_time=900,
        walltime=3600,
        parallel=3,
        sleep=0.25,
        preload=("wave",),
        cpus=2,
        gpus=1,
        launcher="srun -n1",
    )


@pytest.mark.parametrize(
    "reason, failed",
    [
        (EndReason.COMPLETED, False),
        (EndReason.CANCELLED, False),
        (EndReason.PREEMPTED, False),
        (EndReason.FAILED, True),
        (EndReason.NODE_FAIL, True),
    ],
)
def test_who_ends_a_pilot_before_it_has_a_job_does_not_hold_back_the_next(
    batch_bench: MakeBatchBench, monkeypatch: pytest.MonkeyPatch, reason: EndReason, failed: bool
) -> None:
    """A person, or the cluster for more urgent jobs: only what is wrong with it itself would."""
    bench = batch_bench()
    batches = Batches(bench.runtime.queue)
    doc = batches.update(batches.insert("here"), {"process_id": "17"})
    answer = Answer(QueueState.ENDED, end=EndReport(reason, words="told"))
    monkeypatch.setattr(WorkerQueue, "poll", lambda _self, _jobs: {"17": answer})
    tend(bench.runtime, "here")
    (ended,) = pilots(bench)
    assert (ended.batch_uid, ended.state) == (doc.batch_uid, BatchState.FINISHED)
    assert ended.failed == failed


def running(batch_bench: MakeBatchBench) -> Bench:
    """Return a bench with a pilot that runs a job and says so."""
    bench = held(batch_bench, max_wait=None)
    add(bench, "a")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 1, "the job to begin")
    go_on_until(bench, lambda: job(bench, "a").state is JobState.BATCH_RUNNING, "that to be seen")
    go_on_until(bench, lambda: pilots(bench)[0].heard_on, "the pilot to be heard of")
    return bench


def test_a_suspended_pilot_is_left_alone(batch_bench: MakeBatchBench) -> None:
    """However long nothing is heard of it: it goes on once it is resumed, with its job."""
    bench = running(batch_bench)
    (doc,) = pilots(bench)
    group = int(str(doc.process_id).partition("-")[0])
    os.killpg(group, signal.SIGSTOP)
    try:
        go_on_until(bench, lambda: pilots(bench)[0].queue_state != doc.queue_state, "the stop")
        long = timedelta(hours=1)
        said = bench.folder / "pool" / "pilots" / doc.name
        before = said.stat().st_mtime - long.total_seconds()
        os.utime(said, (before, before))
        now = bench.runtime.queue.clock.now()
        silent = {"heard_on": now - long, "silent_since": now - long}
        Batches(bench.runtime.queue).update(pilots(bench)[0], silent)
        assert tend(bench.runtime, "here")
        assert pilots(bench)[0].state is BatchState.RUNNING
    finally:
        os.killpg(group, signal.SIGCONT)
    (bench.folder / "go").touch()
    assert bench.run_until_rest(job(bench, "a").flow) == {"a": "C"}
    assert lines(bench, "begun") == ["a_1 1"]


def test_a_pilot_that_listings_lack_is_dead_only_after_a_while(
    batch_bench: MakeBatchBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many of them in a row, and for a time: Slurm may not show for a moment what it has."""
    bench = running(batch_bench)
    poll = WorkerQueue.poll

    def lacking(queue: WorkerQueue, jobs: Sequence[QueueJob]) -> dict[str, Answer]:
        absent = Answer(QueueState.UNKNOWN, words=ABSENT)
        found: dict[str, Any] = poll(queue, jobs)
        return {one: answer if is_entry(one) else absent for one, answer in found.items()}

    with monkeypatch.context() as patch:
        patch.setattr(WorkerQueue, "poll", lacking)
        for _ in range(bench.project.poll.absent_polls):
            assert tend(bench.runtime, "here")
    assert tend(bench.runtime, "here")
    assert pilots(bench)[0].absent == 0
    monkeypatch.setattr(WorkerQueue, "poll", lacking)
    assert tend(bench.runtime, "here")
    bench.forward(HIDDEN_TIME.total_seconds() + 1)
    for _ in range(bench.project.poll.absent_polls - 1):
        assert pilots(bench)[0].state is BatchState.RUNNING
        tend(bench.runtime, "here")
    assert pilots(bench)[0].state is BatchState.FINISHED
    assert "many listings in a row lack it" in pilots(bench)[0].why


@pytest.mark.parametrize(
    "scheduler,given,wanted",
    [
        ("slurm", "", "#SBATCH --signal=B:USR1@90"),
        ("slurm", "#SBATCH --exclusive\n", "#SBATCH --exclusive\n#SBATCH --signal=B:USR1@90"),
        ("slurm", "#SBATCH --signal=B:USR1@300", "#SBATCH --signal=B:USR1@300"),
        ("sge", "", "#$ -notify"),
        ("sge", "#$ -notify", "#$ -notify"),
        ("pbs", "", None),
    ],
)
def test_a_pilot_is_warned_before_its_end(scheduler: str, given: str, wanted: str | None) -> None:
    """By the signal of its scheduler, unless its worker's resources ask for one already."""
    resources = {"nodes": 1, "qverbatim": given} if given else {"nodes": 1}
    worker = LocalWorker(scheduler_type=scheduler, work_dir=Path("/w"), resources=resources)
    assert pilot_queue.warned(worker) == {"nodes": 1, **({"qverbatim": wanted} if wanted else {})}
