"""Jobs in a real Grid Engine queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtoolkit.core.data_objects import QResources

from jfcelery.errors import HostError, ResourcesError, SchedulerDownError
from jfcelery.scheduler_io.schedulers.base import EndReason, EndReport, QueueState
from tests.hpc.benches import ShimmedHost, cleaned_bench
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.scheduler_io.bench import Bench
    from tests.support.cluster import Cluster

pytestmark = pytest.mark.hpc


@pytest.fixture
def bench(testbed: Cluster) -> Iterator[Bench]:
    """A Grid Engine worker."""
    with cleaned_bench(testbed, "sge") as found:
        yield found


def host_of(bench: Bench) -> ShimmedHost:
    """Return the host, on which commands can be replaced."""
    assert isinstance(bench.host, ShimmedHost)
    return bench.host


def report_of(bench: Bench, job: QueueJob) -> EndReport:
    """Return how a job ended, once the accounting file says so."""

    def probe() -> EndReport | None:
        report = bench.queue.end_reports([job]).get(job.queue_id)
        return report if report and "failed" in report.words else None

    return wait_until(probe, f"the end of {job.queue_id}", every=0.5)


def test_a_failing_job_keeps_its_exit_code(bench: Bench) -> None:
    """In the final file and in the accounting."""
    job = bench.run("sleep 1; exit 3")
    assert bench.answer(job).state.is_alive
    answer = bench.wait(job, QueueState.ENDED)
    assert answer.end is not None
    assert (answer.end.reason, answer.end.exit_code) == (EndReason.FAILED, 3)
    assert report_of(bench, job) == EndReport(EndReason.FAILED, 3, None, "failed 0, exit_status 3")


def test_a_running_job_that_is_cancelled_is_gone(bench: Bench) -> None:
    """Qdel of a running job makes qtoolkit's parser raise; here it is confirmed by the listing."""
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")
    assert bench.queue.cancel([job], confirm_s=60) == {job.queue_id: True}
    assert bench.answer(job).is_absent
    report = report_of(bench, job)
    assert (report.reason, report.signal) == (EndReason.CANCELLED, 9)


def test_a_waiting_job_is_held_and_cancelled(bench: Bench) -> None:
    """It never ran, and the accounting has nothing of it."""
    job = bench.run("true", resources={"qverbatim": "#$ -h"})
    assert bench.answer(job).state is QueueState.HELD
    assert bench.queue.cancel([job], confirm_s=60) == {job.queue_id: True}
    assert bench.queue.end_reports([job]) == {}


def test_a_job_that_takes_too_long_is_told_apart(bench: Bench) -> None:
    """The hard limit kills it, the soft one sends a signal before."""
    hard = bench.run("sleep 1000", resources={"walltime": "00:00:02"})
    soft = bench.run("sleep 1000", resources={"soft_walltime": "00:00:02"})
    assert report_of(bench, hard).reason is EndReason.TIMEOUT
    answer = bench.wait(soft, QueueState.ENDED)
    assert answer.end is not None
    assert answer.end.signal == 10
    assert report_of(bench, soft).reason is EndReason.TIMEOUT


def test_qresources_ask_for_a_parallel_environment(bench: Bench) -> None:
    """By the name that the site gave it."""
    resources = QResources(processes=2, time_limit=600, scheduler_kwargs={"model": "smp 2"})
    job = bench.run("echo $NSLOTS", resources=resources)
    bench.wait(job, QueueState.ENDED)
    assert bench.text(job, "queue.out") == "2\n"


@pytest.mark.parametrize(
    "resources", [{"queue": "nope.q"}, {"model": "nope 2"}, {"select": "nope=1"}]
)
def test_a_refusal_for_the_resources_says_so(bench: Bench, resources: dict[str, str]) -> None:
    """With Grid Engine's own words."""
    with pytest.raises(ResourcesError, match="nope"):
        bench.run("true", resources=resources)


def test_odd_jobs_of_the_same_user_disturb_nobody(bench: Bench) -> None:
    """Special characters in names, which this version writes into its XML wrongly."""
    odd = bench.host.run("cd; echo true | qsub -h -N 'a<b(c)' -o /dev/null -j y").stdout
    job = bench.run("sleep 1000")
    try:
        assert bench.answer(job).state.is_alive
    finally:
        bench.host.run(f"qdel {odd.split()[2]}")


@pytest.mark.parametrize(
    "death",
    ["kill -KILL 0", '"$REAL" "$@" >/dev/null; kill -KILL 0', '"$REAL" "$@"; kill -KILL 0'],
    ids=["before", "after", "last"],
)
def test_a_submission_killed_at_any_point_leaves_one_queue_job(bench: Bench, death: str) -> None:
    """The next try finds out what became of it."""
    job = bench.put("sleep 1000")
    host_of(bench).shim("qsub", death)
    with pytest.raises(HostError):
        bench.submit(job)
    host_of(bench).unshim()
    known = bench.submit(job)
    listed = bench.host.run("qstat -xml").stdout
    assert listed.count(job.name) == 1
    assert f"<JB_job_number>{known.queue_id}</JB_job_number>" in listed


@pytest.mark.parametrize(
    "answer",
    ["exit 1", "exit 0", "echo garbage", '"$REAL" "$@" | head -c 300', "sleep 1000"],
    ids=["fails", "empty", "garbage", "cut", "hangs"],
)
def test_no_answer_of_qstat_ends_a_job(bench: Bench, answer: str) -> None:
    """The job goes on, and is seen again with the next whole answer."""
    job = bench.run("sleep 1000")
    host_of(bench).shim("qstat", answer)
    bench.timeout = 6
    with pytest.raises(SchedulerDownError):
        bench.answer(job)
    host_of(bench).unshim()
    bench.timeout = None
    assert bench.answer(job).state.is_alive
