"""A Slurm that is killed forgets jobs and gives their ids again: whose is an id, and whose end?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import SchedulerDownError
from jfcelery.scheduler_io.schedulers.base import EndReason, EndReport, QueueState
from tests.hpc.benches import ShimmedHost, cleaned_bench
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.scheduler_io.bench import Bench
    from tests.support.cluster import Cluster

pytestmark = pytest.mark.hpc

#: What has an id now: its name and options; and what had it before: its task, and its array's name.
OTHER = "name, options, task, array"
OTHERS = [
    ("jfc-v-1-1", "", "", ""),
    ("jfc-array-1-other", "--array=0-2", "", ""),
    ("jfc-array-1-other", "--array=0-2", "_1", "jfc-array-1-mine"),
    ("jfc-v-1-1", "", "_1", "jfc-array-1-mine"),
]
#: Submits somebody's job, or array, and prints its id.
SUBMIT = "sbatch --parsable -D /tmp -o /dev/null {options} --job-name={name} --wrap={command!r}"


@pytest.fixture
def bench(testbed: Cluster) -> Iterator[Bench]:
    """A Slurm worker."""
    with cleaned_bench(testbed, "slurm") as found:
        yield found


@pytest.fixture
def others(bench: Bench) -> Iterator[list[str]]:
    """The ids of queue jobs that are not the bench's; they are ended."""
    ids: list[str] = []
    yield ids
    bench.host.run("scancel " + " ".join(ids))


def add(
    bench: Bench,
    others: list[str],
    name: str = "jfc-array-1-other",
    options: str = "--array=0-2",
    command: str = "sleep 1000",
) -> str:
    """Submit another job, by default an array, and return its id."""
    line = SUBMIT.format(name=name, options=options, command=command)
    others.append(bench.host.run(line).stdout.strip())
    return others[-1]


def forgotten(bench: Bench, queue_id: str, *, array: str = "") -> QueueJob:
    """Return a job of ours that had an id, or was that task of an array, and never began."""
    job = replace(bench.put("true"), queue_id=queue_id)
    if array:
        mark = f"{array} {queue_id.partition('_')[2]}"
        bench.host.run(f"echo {mark} >{job.folder}/.jfc_array.1")
    return job


def report_of(bench: Bench, job: QueueJob) -> EndReport:
    """Return what is said of a job, once its end, or another's, has come to the accounting."""
    return wait_until(
        lambda: bench.queue.end_reports([job]).get(job.queue_id), "a report", every=0.5
    )


def states(bench: Bench, queue_id: str) -> set[str]:
    """Return the states of a job, or of an array's tasks, as the queue has them."""
    return set(bench.host.run(f"squeue -h -r -t all -o %T -j {queue_id}").stdout.split())


# What is said -----------------------------------------------------------------------------------


def test_what_slurm_knows_no_more_was_forgotten_if_it_has_not_begun(bench: Bench) -> None:
    """Neither the controller nor the accounting has it; a claim alone says that it has begun."""
    job = forgotten(bench, "99999999")
    report = bench.queue.end_reports([job])[job.queue_id]
    assert (report.reason, report.is_proof) == (EndReason.FORGOTTEN, False)
    bench.host.run(f"ln -s {job.queue_id} {job.folder}/.jfc_claim.1")
    assert bench.queue.end_reports([job]) == {}


@pytest.mark.parametrize("command", ["true", "sleep 1000"])
@pytest.mark.parametrize(
    OTHER, [*OTHERS, ("jfc-array-1-other", "--array=0-2", "_7", "jfc-array-1-mine")]
)
def test_an_id_that_is_anothers_now_says_nothing_of_a_job(
    bench: Bench,
    others: list[str],
    name: str,
    options: str,
    task: str,
    array: str,
    command: str,
) -> None:
    """Whether the other one is a job or an array, runs or has ended: ours was forgotten."""
    other = add(bench, others, name, options, command)
    job = forgotten(bench, other + task, array=array)
    if command == "true":
        wait_until(lambda: states(bench, other) == {"COMPLETED"}, "the other to end", every=0.5)
    assert bench.answer(job).is_absent
    assert report_of(bench, job).reason is EndReason.FORGOTTEN


def test_another_array_that_was_cancelled_is_not_ours(bench: Bench, others: list[str]) -> None:
    """Its tasks are one row, as they had not begun."""
    other = add(bench, others, options="--array=0-2 --hold")
    bench.host.run(f"scancel {other}")
    job = forgotten(bench, f"{other}_1", array="jfc-array-1-mine")
    assert report_of(bench, job).reason is EndReason.FORGOTTEN


def test_a_job_with_a_new_name_was_cancelled_by_a_person(bench: Bench) -> None:
    """The accounting has it under a name that we have not given, which is no other job's."""
    job = bench.run("sleep 1000", resources={"qverbatim": "#SBATCH --hold"})
    bench.host.run(f"scontrol update JobId={job.queue_id} JobName=mine")
    bench.host.run(f"scancel {job.queue_id}")
    assert report_of(bench, job).reason is EndReason.CANCELLED


# What is cancelled ------------------------------------------------------------------------------


@pytest.mark.parametrize(OTHER, [*OTHERS, ("somebody", "", "", "")])
def test_what_has_the_id_now_is_not_cancelled(
    bench: Bench, others: list[str], name: str, options: str, task: str, array: str
) -> None:
    """Job or array, ours or not; ours, which is forgotten, is gone if no other looks like it."""
    other = add(bench, others, name, options)
    job = forgotten(bench, other + task, array=array)
    gone = bench.queue.cancel([job], confirm_s=0)
    assert gone == {job.queue_id: bool(task) or name != "somebody"}
    assert states(bench, other) <= {"RUNNING", "PENDING"}


@pytest.mark.parametrize("first", [0, 1])
def test_two_jobs_of_one_id_are_each_cancelled_by_themselves(bench: Bench, first: int) -> None:
    """The one that is forgotten, and the one that runs under its id."""
    running = bench.run("sleep 1000")
    bench.wait_line(running, "stage=exec")
    jobs = [running, forgotten(bench, running.queue_id)]
    assert bench.queue.cancel([jobs[first], jobs[1 - first]]) == {running.queue_id: True}
    assert bench.answer(running).state is QueueState.ENDED


def test_a_job_with_a_new_name_is_cancelled(bench: Bench) -> None:
    """By a person, or by the resources, before it begins or thereafter."""
    running = bench.run("sleep 1000", resources={"qverbatim": "#SBATCH --job-name=mine"})
    bench.wait_line(running, "stage=exec")
    held = bench.run("sleep 1000", resources={"qverbatim": "#SBATCH --hold"})
    bench.host.run(f"scontrol update JobId={held.queue_id} JobName=mine")
    bench.queue.cancel([running, held])
    ids = f"{running.queue_id},{held.queue_id}"
    wait_until(lambda: states(bench, ids) <= {"CANCELLED"}, "the end of both")


def test_what_runs_is_cancelled_although_the_queue_cannot_be_listed(bench: Bench) -> None:
    """On a controller that is overloaded."""
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")
    host = bench.host
    assert isinstance(host, ShimmedHost)
    host.shim("squeue", "echo 'slurm_load_jobs error: Socket timed out' >&2; exit 1\n")
    with pytest.raises(SchedulerDownError):
        bench.queue.cancel([job], confirm_s=0)
    host.unshim()
    wait_until(lambda: bench.answer(job).state is QueueState.ENDED, "its end", every=0.5)


def test_a_job_that_stands_in_the_queue_again_is_cancelled(bench: Bench) -> None:
    """It has ended, with its final file, before a site's rule, or a person, has it run again."""
    job = bench.run("exit 3")
    bench.wait(job, QueueState.ENDED)
    again = f"scontrol requeuehold {job.queue_id}"
    wait_until(lambda: bench.host.run(again).ok, "Slurm to take it again", every=0.5)
    wait_until(lambda: states(bench, job.queue_id) == {"PENDING"}, "it to wait", every=0.5)
    bench.queue.cancel([job])
    wait_until(lambda: states(bench, job.queue_id) <= {"CANCELLED"}, "the end", every=0.5)


def test_what_is_cancelled_before_it_begins_never_does(bench: Bench) -> None:
    """Should Slurm forget the cancellation, or remember the job: its claim is taken."""
    job = forgotten(bench, "99999999")
    assert bench.queue.cancel([job]) == {job.queue_id: True}
    done = bench.host.run(f"cd / && bash {job.folder}/submit.sh 99999999")
    assert "given up" in done.stderr
    assert not bench.host.run(f"test -e {job.folder}/jfc_status.1").ok
