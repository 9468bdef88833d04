"""Jobs in a real Slurm queue, with accounting."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import HostError, ResourcesError, SchedulerDownError
from jfcelery.scheduler_io.queue import Submission
from jfcelery.scheduler_io.schedulers.base import EndReason, EndReport, QueueState
from tests.hpc.benches import ShimmedHost, cleaned_bench, real_bench
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.scheduler_io.bench import Bench
    from tests.support.cluster import Cluster

pytestmark = pytest.mark.hpc


@pytest.fixture
def bench(testbed: Cluster) -> Iterator[Bench]:
    """A Slurm worker."""
    with cleaned_bench(testbed, "slurm") as found:
        yield found


def host_of(bench: Bench) -> ShimmedHost:
    """Return the host, on which commands can be replaced."""
    assert isinstance(bench.host, ShimmedHost)
    return bench.host


def report_of(bench: Bench, job: QueueJob) -> EndReport:
    """Return how a job ended, once the accounting says so (its daemon is told a moment later)."""

    def probe() -> EndReport | None:
        report = bench.queue.end_reports([job]).get(job.queue_id)
        return report if report and report.words else None

    return wait_until(probe, f"the end of {job.queue_id}", every=0.5)


def queued_as(bench: Bench, job: QueueJob) -> list[str]:
    """Return the ids under which a job stands in the queue, or stood there lately."""
    return bench.host.run(f"squeue -h -t all -o %i --name {job.name}").stdout.split()


def test_a_job_runs_and_completes(bench: Bench) -> None:
    """QUEUED or RUNNING, then ENDED, with code and reason."""
    job = bench.run("sleep 3")
    assert bench.answer(job).state.is_alive
    answer = bench.wait(job, QueueState.ENDED)
    assert answer.end is not None
    assert (answer.end.reason, answer.end.exit_code) == (EndReason.COMPLETED, 0)


def test_a_failing_job_keeps_its_exit_code(bench: Bench) -> None:
    """In the final file and in the accounting."""
    job = bench.run("exit 3")
    answer = bench.wait(job, QueueState.ENDED)
    assert answer.end is not None
    assert (answer.end.reason, answer.end.exit_code) == (EndReason.FAILED, 3)
    report = report_of(bench, job)
    assert (report.reason, report.exit_code) == (EndReason.FAILED, 3)


def test_a_cancelled_job_says_by_whom(bench: Bench) -> None:
    """A person typed scancel."""
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")
    bench.host.run(f"scancel {job.queue_id}")
    answer = bench.wait(job, QueueState.ENDED)
    assert answer.end is not None
    assert answer.end.reason is EndReason.CANCELLED
    wait_until(lambda: report_of(bench, job).by == "hpc", "the accounting")
    report = report_of(bench, job)
    assert (report.reason, report.exit_code, report.signal) == (EndReason.CANCELLED, 143, 15)


def test_cancelling_is_confirmed_for_running_and_waiting_jobs(bench: Bench) -> None:
    """Both are gone when it says so, others are not touched."""
    running, waiting, other = (
        bench.run("sleep 1000"),
        bench.run("sleep 1000", resources={"qverbatim": "#SBATCH --hold"}),
        bench.run("sleep 1000"),
    )
    bench.wait_line(running, "stage=exec")
    assert bench.answer(waiting).state is QueueState.HELD
    gone = bench.queue.cancel([running, waiting], confirm_s=60)
    assert gone == {running.queue_id: True, waiting.queue_id: True}
    assert bench.answer(other).state.is_alive


def test_a_job_whose_processes_are_all_killed_has_a_report(bench: Bench) -> None:
    """No final file: the scheduler's word ends it, with the signal."""
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")
    script = f"[j]ob{int(job.queue_id):05d}/slurm_script"
    bench.host.run(f"kill -KILL -- -$(pgrep -o -f '{script}')")
    bench.wait(job, QueueState.ENDED)
    assert bench.text(job, "jfc_end.1") == ""
    report = report_of(bench, job)
    assert (report.reason, report.signal) == (EndReason.FAILED, 9)


@pytest.mark.slow
def test_a_job_that_takes_too_long_is_told_apart(bench: Bench) -> None:
    """TIMEOUT, from the listing, the accounting and slurmstepd's words in queue.err."""
    job = bench.run("sleep 1000", resources={"time": "00:01:00"})
    answer = bench.wait(job, QueueState.ENDED, deadline=200)
    assert answer.end is not None
    assert (answer.end.reason, answer.end.exit_code) == (EndReason.TIMEOUT, 143)
    assert report_of(bench, job).reason is EndReason.TIMEOUT
    found = bench.queue.scheduler.read_stderr(bench.text(job, "queue.err"))
    assert found is not None
    assert found.reason is EndReason.TIMEOUT


def test_odd_jobs_of_the_same_user_disturb_nobody(bench: Bench) -> None:
    """Blanks and bars in names, a waiting array: qtoolkit's parser raises on them."""
    odd = bench.host.run(
        "cd; sbatch -H -J 'a | b (c) [d]' -o /dev/null --wrap true;"
        "sbatch -H --array=1-3 -o /dev/null --wrap true"
    ).stdout.split()[3::4]
    job = bench.run("sleep 1000")
    try:
        assert bench.answer(job).state.is_alive
    finally:
        bench.host.run(f"scancel {' '.join(odd)}")


def test_thousands_of_jobs_are_one_command(bench: Bench) -> None:
    """Purged and unknown ids among them do not spoil the rest."""
    job = bench.run("sleep 1000")
    gone = [replace(bench.new(), queue_id=str(90_000_000 + n)) for n in range(3000)]
    answers = bench.queue.poll([*gone[:1500], job, *gone[1500:]])
    assert answers[job.queue_id].state.is_alive
    assert sum(answer.is_absent for answer in answers.values()) == 3000


@pytest.mark.parametrize(
    "death,count",
    [
        ("kill -KILL 0", 0),
        ('"$REAL" "$@" >/dev/null; kill -KILL 0', 1),
        ('"$REAL" "$@"; kill -KILL 0', 1),
        ('"$REAL" "$@" & sleep 0.05; kill -KILL 0', None),
    ],
    ids=["before", "after", "last", "during"],
)
def test_a_submission_killed_at_any_point_leaves_one_queue_job(
    bench: Bench, death: str, count: int | None
) -> None:
    """The whole command dies, as with its host: the next try finds out what became of it."""
    job = bench.put("sleep 1000")
    host_of(bench).shim("sbatch", death)
    with pytest.raises(HostError):
        bench.submit(job)
    host_of(bench).unshim()
    assert count in {None, len(queued_as(bench, job))}
    known = bench.submit(job)
    assert queued_as(bench, job) == [known.queue_id]
    bench.wait(known, QueueState.RUNNING)


def test_two_submissions_at_once_leave_one_queue_job(bench: Bench) -> None:
    """Messages may be delivered twice."""
    from concurrent.futures import ThreadPoolExecutor

    job = bench.put("sleep 1000")
    with ThreadPoolExecutor(4) as pool:
        ids = {known.queue_id for known in pool.map(lambda _: bench.submit(job), range(4))}
    assert queued_as(bench, job) == list(ids)


@pytest.mark.parametrize(
    "answer",
    [
        "exit 1",
        "exit 0",
        "echo '<html>503</html>'",
        '"$REAL" "$@" | head -c 20',
        'echo "slurm_load_jobs error: Socket timed out on send/recv operation" >&2; exit 1',
        "sleep 1000",
    ],
    ids=["fails", "empty", "garbage", "cut", "times out", "hangs"],
)
def test_no_answer_of_squeue_ends_a_job(bench: Bench, answer: str) -> None:
    """The job goes on, and is seen again with the next whole answer."""
    job = bench.run("sleep 1000")
    bench.wait(job, QueueState.RUNNING)
    host_of(bench).shim("squeue", answer)
    bench.timeout = 6
    with pytest.raises(SchedulerDownError):
        bench.answer(job)
    host_of(bench).unshim()
    bench.timeout = None
    assert bench.answer(job).state is QueueState.RUNNING


def test_a_refusal_for_the_resources_says_so(bench: Bench) -> None:
    """With Slurm's own words."""
    with pytest.raises(ResourcesError, match="nope"):
        bench.run("true", resources={"partition": "nope"})
    with pytest.raises(ResourcesError, match="Invalid feature specification"):
        bench.run("true", resources={"constraint": "nope"})


def test_many_jobs_are_submitted_in_one_round_trip(bench: Bench) -> None:
    """Each gets its id."""
    jobs = [bench.put("true") for _ in range(5)]
    results = bench.queue.submit_all([Submission(j.folder, j.name, j.attempt) for j in jobs])
    known = [replace(job, queue_id=str(result)) for job, result in zip(jobs, results, strict=True)]
    assert len(set(results)) == 5
    for job in known:
        bench.wait(job, QueueState.ENDED)


def test_a_tcsh_user_and_a_noisy_one_submit_as_well(testbed: Cluster) -> None:
    """Commands are bash's, and answers are marked."""
    from jfcelery.scheduler_io.hosts.place import Place

    for user in ("tcshuser", "noisy"):
        found = real_bench(testbed, "slurm")
        keys = testbed.connection("hpca", user=user)
        place = Place(
            host=keys["host"],
            port=keys["port"],
            user=user,
            connect_kwargs={"key_filename": keys["key_filename"]},
        )
        found.host = ShimmedHost(place)
        found.worker.work_dir = found.worker.work_dir.parents[2] / user / "queues"
        job = found.run("exit 4")
        answer = found.wait(job, QueueState.ENDED)
        assert answer.end is not None
        assert answer.end.exit_code == 4
        found.host.close()
