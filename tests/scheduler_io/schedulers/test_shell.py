"""Plain processes, started, found and ended on this machine."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from qtoolkit.io.shell import ShellIO

from jfcelery.errors import ConnectionLostError, ResourcesError, SchedulerDownError
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from jfcelery.scheduler_io.schedulers.base import EndReason, Output, QueueState
from jfcelery.scheduler_io.schedulers.shell import HEADER, Shell
from tests.scheduler_io.bench import Bench
from tests.scheduler_io.schedulers.workers import PlainWorker
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.scheduler_io.schedulers.base import QueueJob

SHELL = Shell(ShellIO())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A shell worker on this machine."""
    worker = PlainWorker("shell", work_dir=tmp_path / "work dir", is_local=True)
    found = Bench(SimulatedHost(), worker, settle_s=0)
    yield found
    found.clean()


def pid_of(job: QueueJob) -> int:
    """Return the process number in an id."""
    return int(job.queue_id.partition("-")[0])


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def number_in(bench: Bench, job: QueueJob, name: str) -> int:
    """Return the number that a job wrote to a file, once it is there."""
    return int(wait_until(lambda: bench.text(job, name).strip(), name))


def test_a_job_runs_and_ends(bench: Bench) -> None:
    """With its output in the folder, and exit code and reason told."""
    job = bench.run("echo hello; sleep 1; exit 3")
    assert bench.answer(job).state is QueueState.RUNNING
    answer = bench.wait(job, QueueState.ENDED)
    assert answer.end is not None
    assert (answer.end.reason, answer.end.exit_code) == (EndReason.FAILED, 3)
    assert bench.text(job, "queue.out") == "hello\n"
    assert f"queue_id={job.queue_id}" in bench.lines(job)


def test_a_submission_does_not_wait_for_the_job(bench: Bench) -> None:
    """The job holds nothing of the command that started it."""
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")  # before it, the script has pipes of its own
    left = {str(link.readlink()) for link in Path(f"/proc/{pid_of(job)}/fd").iterdir()}
    assert not any("pipe" in name or "lock" in name for name in left), left
    assert os.getsid(pid_of(job)) == pid_of(job)


def test_the_job_bears_its_name(bench: Bench) -> None:
    """So that a person finds it in the list of processes."""
    job = bench.run("sleep 1000")
    words = Path(f"/proc/{pid_of(job)}/cmdline").read_bytes().split(b"\0")
    assert words[0].decode() == job.name


def test_submitting_again_gives_the_same_id(bench: Bench) -> None:
    """One process, however often."""
    job = bench.put("echo run >>ran; sleep 1000")
    assert len({bench.submit(job).queue_id for _ in range(3)}) == 1
    wait_until(lambda: bench.text(job, "ran"), "the job to run")
    assert bench.text(job, "ran") == "run\n"


@pytest.mark.parametrize("file", ["id", "both"])
def test_a_lost_id_is_found_again(bench: Bench, file: str) -> None:
    """From the job's own status file, or by its name among the processes."""
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")
    folder = Path(str(job.folder))
    (folder / ".jfc_queue_id.1").write_text("")
    if file == "both":
        (folder / "jfc_status.1").unlink()
    assert bench.submit(job).queue_id == job.queue_id


def test_a_job_that_ended_before_it_was_asked_for_again_is_not_started_twice(
    bench: Bench,
) -> None:
    """Its status file remembers it."""
    job = bench.run("echo run >>ran")
    bench.wait(job, QueueState.ENDED)
    (Path(str(job.folder)) / ".jfc_queue_id.1").write_text("")
    assert bench.submit(job).queue_id == job.queue_id
    assert bench.text(job, "ran") == "run\n"


def test_a_link_lost_after_the_start_leaves_one_process(bench: Bench) -> None:
    """The answer is in the folder."""
    job = bench.put("echo run >>ran; sleep 1000")
    host = bench.host
    assert isinstance(host, SimulatedHost)
    host.fail("run", ConnectionLostError("cut"), when="after", matching="submit_one")
    with pytest.raises(ConnectionLostError):
        bench.submit(job)
    known = bench.submit(job)
    assert bench.answer(known).state is QueueState.RUNNING
    assert bench.text(job, "ran").splitlines() == ["run"]


def test_a_job_killed_outright_has_ended_without_a_trace(bench: Bench) -> None:
    """The list of processes is certain: no counting is needed."""
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")
    os.killpg(pid_of(job), signal.SIGKILL)
    answer = bench.wait(job, QueueState.ENDED)
    assert answer.end is not None
    assert answer.end.reason is EndReason.LOST


def test_processes_that_outlive_their_script_are_still_the_job(bench: Bench) -> None:
    """They write to the folder: it must not be rerun beside them."""
    job = bench.run("sh -c 'echo $$ >child; exec sleep 1000'")
    child = number_in(bench, job, "child")
    os.kill(pid_of(job), signal.SIGKILL)
    wait_until(lambda: not is_alive(pid_of(job)), "the script to be gone")
    answer = bench.answer(job)
    assert answer.state is QueueState.RUNNING
    assert "processes of it run on" in answer.words
    assert bench.queue.cancel([job]) == {job.queue_id: True}
    assert not is_alive(child)


def test_another_process_with_the_same_number_is_not_the_job(bench: Bench) -> None:
    """Neither seen as running nor killed."""
    job = bench.run("true")
    bench.wait(job, QueueState.ENDED)
    (Path(str(job.folder)) / "jfc_end.1").unlink()
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as other:
        later = replace(job, queue_id=f"{other.pid}-{job.queue_id.partition('-')[2]}")
        answer = bench.answer(later)
        cancelled = bench.queue.cancel([later])
        survived = other.poll() is None
        other.kill()
    assert answer.state is QueueState.ENDED
    assert cancelled == {later.queue_id: True}
    assert survived


@pytest.mark.parametrize(
    "pattern,other,state,reason",
    [
        (r"-(\w+)\.(\d+)@", r"-ffffffff.\2@", QueueState.ENDED, EndReason.NODE_FAIL),
        (r"-(\w+)\.(\d+)@.*", r"-\1.1@elsewhere", QueueState.UNKNOWN, None),
        (r"-(\w+)\.(\d+)@.*", r"-ffffffff.\2@elsewhere", QueueState.UNKNOWN, None),
    ],
)
def test_a_job_of_another_boot_or_machine_is_told_apart(
    bench: Bench, pattern: str, other: str, state: QueueState, reason: EndReason | None
) -> None:
    """This machine was started anew; or it is another login node, or another container."""
    job = bench.new()
    real = bench.run("true")
    answer = bench.answer(replace(job, queue_id=re.sub(pattern, other, real.queue_id)))
    assert answer.state is state
    assert (answer.end.reason if answer.end else None) is reason
    assert not answer.is_absent


def test_a_stopped_job_is_suspended(bench: Bench) -> None:
    """By SIGSTOP, and it goes on by SIGCONT."""
    job = bench.run("sleep 1000")
    os.killpg(pid_of(job), signal.SIGSTOP)
    bench.wait(job, QueueState.SUSPENDED)
    os.killpg(pid_of(job), signal.SIGCONT)
    bench.wait(job, QueueState.RUNNING)


def test_cancelling_ends_every_process_of_the_job(bench: Bench) -> None:
    """Children, those in groups or sessions of their own, and those that ignore TERM."""
    command = (
        "sh -c 'echo $$ >one; exec sleep 1000' & "
        "setsid sh -c 'echo $$ >two; exec sleep 1000' & "
        "setsid sh -c 'trap \"\" TERM; echo $$ >three; while :; do sleep 1; done' & "
        "wait"
    )
    job = bench.run(command)
    pids = [number_in(bench, job, name) for name in ("one", "two", "three")]
    assert all(map(is_alive, pids))
    assert bench.queue.cancel([job]) == {job.queue_id: True}
    assert not any(map(is_alive, pids))


def test_cancelling_gives_the_job_the_time_to_end(bench: Bench) -> None:
    """TERM first: the script leaves its final file."""
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")
    assert bench.queue.cancel([job]) == {job.queue_id: True}
    report = bench.queue.end_reports([job])[job.queue_id]
    assert (report.reason, report.exit_code, report.signal) == (EndReason.CANCELLED, 143, 15)


def test_cancelling_spares_other_jobs(bench: Bench) -> None:
    """One of two."""
    one, other = bench.run("sleep 1000"), bench.run("sleep 1000")
    bench.queue.cancel([one])
    assert bench.answer(other).state is QueueState.RUNNING


def test_a_poll_of_a_hundred_jobs_costs_little(bench: Bench) -> None:
    """Under 100 ms of processor time; the best of three, for a loaded machine."""
    job = bench.run("sleep 1000")
    jobs = [job, *(replace(bench.new(), queue_id=job.queue_id) for _ in range(99))]

    def cost() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        bench.queue.poll(jobs)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    assert min(cost() for _ in range(3)) < 0.1


def test_a_header_of_the_users_own_is_kept() -> None:
    """There is nothing else that a shell could be asked for."""
    assert "ulimit -c 0\n" in SHELL.script("true", {"qverbatim": "ulimit -c 0"}, "jfc-x")
    with pytest.raises(ResourcesError, match="ntasks"):
        SHELL.script("true", {"ntasks": 4}, "jfc-x")


def test_what_is_no_whole_listing_is_none() -> None:
    """A bash that could not start, or was cut off."""
    for output in (Output(1, f"{HEADER}\n"), Output(0, "")):
        with pytest.raises(SchedulerDownError):
            SHELL.parse_list(output)
