"""Jobs that go to a real Slurm as one array; each is a job of its own in all that follows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import HostError, JfceleryError
from jfcelery.folders import ARRAY, RunFolder
from jfcelery.project.options import QueueLimit
from jfcelery.scheduler_io.expected import outlook
from jfcelery.scheduler_io.queue import Submission
from jfcelery.scheduler_io.schedulers.base import EndReason, EndReport, QueueState
from tests.hpc.benches import ShimmedHost, cleaned_bench
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.scheduler_io.bench import Bench
    from tests.support.cluster import Cluster

pytestmark = pytest.mark.hpc

HELD = {"qverbatim": "#SBATCH --hold"}
#: Kills the command that calls sbatch, with all its parts, the first of them first.
DEATH = """
one=$PPID all=
until [[ $(ps -o comm= -p $one) == sshd* ]]; do all="$one $all"; one=$(ps -o ppid= -p $one); done
kill -KILL $all
kill -KILL 0
"""


@pytest.fixture
def bench(testbed: Cluster) -> Iterator[Bench]:
    """A Slurm worker with arrays."""
    with cleaned_bench(testbed, "slurm", job_arrays=True) as found:
        yield found


def host_of(bench: Bench) -> ShimmedHost:
    """Return the host, on which commands can be replaced."""
    assert isinstance(bench.host, ShimmedHost)
    return bench.host


def submit(
    bench: Bench, jobs: Sequence[QueueJob], *limits: QueueLimit
) -> list[str | JfceleryError]:
    """Submit jobs together."""
    rows = [Submission(job.folder, job.name, job.attempt) for job in jobs]
    return bench.queue.submit_all(rows, limits=limits)


def run(bench: Bench, *commands: str, **resources: object) -> list[QueueJob]:
    """Put jobs that ask for the same and submit them together."""
    jobs = [bench.put(command, resources=resources) for command in commands]
    found = submit(bench, jobs)
    known = [replace(job, queue_id=str(i)) for job, i in zip(jobs, found, strict=True)]
    bench.jobs += known
    arrays = {job.queue_id.partition("_")[0] for job in known}
    assert len(arrays) == 1, found
    return known


def report_of(bench: Bench, job: QueueJob) -> EndReport:
    """Return how a job ended, once the accounting says so (its daemon is told a moment later)."""

    def probe() -> EndReport | None:
        report = bench.queue.end_reports([job]).get(job.queue_id)
        return report if report and report.words else None

    return wait_until(probe, f"the end of {job.queue_id}", every=0.5)


def states(bench: Bench, jobs: Sequence[QueueJob]) -> list[QueueState]:
    """Return where jobs are, by one look."""
    answers = bench.queue.poll(jobs)
    return [answers[job.queue_id].state for job in jobs]


def all_tasks(bench: Bench) -> list[str]:
    """Return the ids of all tasks that Slurm has of this worker's arrays."""
    folder = str(bench.worker.work_dir)
    rows = bench.host.run("squeue -h -r -t all -O JobArrayID:40,WorkDir:200").stdout
    return sorted(row.split()[0] for row in rows.splitlines() if folder in row)


def test_each_task_ends_as_its_job_does(bench: Bench) -> None:
    """Completed, failed, cancelled by hand: code, reason and streams are each job's own."""
    good, bad, victim, other = run(
        bench, "sleep 2; echo fine", "echo bad; exit 3", "sleep 1000", "sleep 1000"
    )
    bench.wait_line(victim, "stage=exec")
    bench.host.run(f"scancel {victim.queue_id}")
    for job, reason, code in (
        (good, EndReason.COMPLETED, 0),
        (bad, EndReason.FAILED, 3),
        (victim, EndReason.CANCELLED, 143),
    ):
        answer = bench.wait(job, QueueState.ENDED)
        assert answer.end is not None
        assert (answer.end.reason, answer.end.exit_code) == (reason, code)
        report = report_of(bench, job)
        assert (report.reason, report.exit_code) == (reason, code)
        assert f"queue_id={job.queue_id}" in bench.lines(job)
    wait_until(lambda: report_of(bench, victim).by == "hpc", "the accounting")
    assert bench.text(good, RunFolder.QUEUE_OUT) == "fine\n"
    assert bench.text(bad, RunFolder.QUEUE_OUT) == "bad\n"
    assert "CANCELLED AT" in bench.text(victim, RunFolder.QUEUE_ERR), "slurmstepd's own words"
    assert bench.answer(other).state is QueueState.RUNNING
    array = good.queue_id.partition("_")[0]
    told = bench.host.run(f"sacct -nXP -j {array} -o JobID,JobName").stdout.split()
    assert {row.partition("|")[0] for row in told} == {
        job.queue_id for job in (good, bad, victim, other)
    }
    assert len({row.partition("|")[2] for row in told}) == 1
    assert told[0].partition("|")[2].startswith(ARRAY)


def test_tasks_that_wait_are_seen_one_by_one(bench: Bench) -> None:
    """Slurm folds them into one row; one is cancelled, the others wait on, then all begin."""
    first, gone, *others = jobs = run(bench, *["sleep 1000"] * 4, **HELD)
    assert states(bench, jobs) == [QueueState.HELD] * 4
    assert outlook(bench.host, "slurm", others[0].queue_id).reason == "JobHeldUser"
    assert bench.queue.cancel([gone], confirm_s=60) == {gone.queue_id: True}
    assert states(bench, [first, *others]) == [QueueState.HELD] * 3
    report = report_of(bench, gone)
    assert (report.reason, report.is_proof) == (EndReason.CANCELLED, True)
    bench.host.run(f"scontrol release {first.queue_id}")
    bench.wait(first, QueueState.RUNNING)
    assert states(bench, others) == [QueueState.HELD] * 2
    assert bench.queue.cancel([first, *others], confirm_s=60) == {
        job.queue_id: True for job in (first, *others)
    }


def test_an_array_that_is_cancelled_as_a_whole_ends_each_job(bench: Bench) -> None:
    """A person typed scancel with the number of the array: waiting tasks never have a row each."""
    jobs = run(bench, *["sleep 1000"] * 3, **HELD)
    bench.host.run(f"scancel {jobs[0].queue_id.partition('_')[0]}")
    for job in jobs:
        answer = bench.wait(job, QueueState.ENDED)
        assert answer.end is not None
        assert answer.end.reason is EndReason.CANCELLED
        assert report_of(bench, job).reason is EndReason.CANCELLED


def test_a_task_that_is_queued_again_runs_again(bench: Bench) -> None:
    """With its own id and streams, as a job that went alone."""
    job, other = run(bench, "[ -e again ] || { touch again; sleep 1000; }; echo twice", "sleep 1")
    bench.wait_line(job, "stage=exec")
    wait_until(lambda: bench.host.run(f"cd {job.folder} && ls again").ok, "the first run")
    bench.host.run(f"scontrol requeue {job.queue_id}")
    answer = bench.wait(job, QueueState.ENDED, deadline=240)
    assert answer.end is not None
    assert answer.end.reason is EndReason.COMPLETED
    assert bench.text(job, RunFolder.QUEUE_OUT).endswith("twice\n")
    bench.wait(other, QueueState.ENDED)


@pytest.mark.slow
def test_a_task_that_takes_too_long_is_told_apart(bench: Bench) -> None:
    """TIMEOUT of that one only."""
    late, good = run(bench, "sleep 1000", "true", time="00:01:00")
    answer = bench.wait(late, QueueState.ENDED, deadline=200)
    assert answer.end is not None
    assert (answer.end.reason, answer.end.exit_code) == (EndReason.TIMEOUT, 143)
    assert report_of(bench, late).reason is EndReason.TIMEOUT
    assert report_of(bench, good).reason is EndReason.COMPLETED
    found = bench.queue.scheduler.read_stderr(bench.text(late, RunFolder.QUEUE_ERR))
    assert found is not None
    assert found.reason is EndReason.TIMEOUT


@pytest.mark.parametrize("alone", [False, True], ids=["together", "alone"])
@pytest.mark.parametrize(
    "before, count",
    [
        ("", 0),
        ('"$REAL" "$@" >/dev/null', 3),
        ('"$REAL" "$@"', 3),
        ('"$REAL" "$@" & sleep 0.05', None),
    ],
    ids=["before", "after", "last", "during"],
)
def test_an_array_killed_at_any_point_leaves_each_job_once(
    bench: Bench, before: str, count: int | None, *, alone: bool
) -> None:
    """The whole command dies, as with its host: the next tries find out what became of it."""
    jobs = [bench.put("sleep 1000") for _ in range(3)]
    host_of(bench).shim("sbatch", before + DEATH)
    with pytest.raises(HostError):
        submit(bench, jobs)
    host_of(bench).unshim()
    assert count in {None, len(all_tasks(bench))}
    found = [bench.submit(job).queue_id for job in jobs] if alone else submit(bench, jobs)
    known = [replace(job, queue_id=str(i)) for job, i in zip(jobs, found, strict=True)]
    bench.jobs += known
    assert all_tasks(bench) == sorted(map(str, found))
    assert len(set(found)) == 3
    for job in known:
        bench.wait(job, QueueState.RUNNING)


def test_a_job_without_an_id_is_found_and_cancelled_alone(bench: Bench) -> None:
    """The answer to the array was lost; its other jobs go on."""
    jobs = [bench.put("sleep 1000") for _ in range(3)]
    host_of(bench).shim("sbatch", '"$REAL" "$@"' + DEATH)
    with pytest.raises(HostError):
        submit(bench, jobs)
    host_of(bench).unshim()
    assert bench.queue.cancel([jobs[1]], confirm_s=60)[""]
    known = [bench.submit(job) for job in (jobs[0], jobs[2])]
    assert all(state.is_alive for state in states(bench, known))


def test_only_as_many_go_as_limits_leave_room_for(bench: Bench) -> None:
    """Each task counts, in its partition."""
    jobs = [bench.put("true", resources={**HELD, "partition": "short"}) for _ in range(4)]
    found = submit(bench, jobs, QueueLimit(max_jobs=3, partition="short"))
    accepted = [one for one in found if isinstance(one, str)]
    bench.jobs += [replace(j, queue_id=i) for j, i in zip(jobs, accepted, strict=False)]
    assert len(accepted) == len(all_tasks(bench)) == 3
    assert found[:3] == accepted


def test_unequal_jobs_are_arrays_of_their_own(bench: Bench) -> None:
    """What each asks for is what Slurm gives it."""
    hours = ["01:00:00", "02:00:00", "01:00:00", "02:00:00", "03:00:00"]
    jobs = [bench.put("sleep 1000", resources={**HELD, "time": hour}) for hour in hours]
    found = [str(one) for one in submit(bench, jobs)]
    bench.jobs += [replace(job, queue_id=i) for job, i in zip(jobs, found, strict=True)]
    assert len({one.partition("_")[0] for one in found}) == 3
    for queue_id, hour in zip(found, hours, strict=True):
        limit = bench.host.run(f"squeue -h -r -j {queue_id} -o '%i %l'").stdout.split()
        assert limit == [queue_id, hour.removeprefix("0")]
