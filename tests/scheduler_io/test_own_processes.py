"""Jobs that are started, and looked after, as processes of this machine without a shell between."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import RunFolderError, SubmissionRejectedError
from jfcelery.scheduler_io.hosts.this_machine import ThisMachine
from jfcelery.scheduler_io.own_processes import file_system_of
from jfcelery.scheduler_io.queue import Submission
from jfcelery.scheduler_io.schedulers.base import EndReason, QueueState
from tests.scheduler_io.bench import Bench
from tests.scheduler_io.schedulers.workers import PlainWorker
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.scheduler_io.queue import WorkerQueue
    from jfcelery.scheduler_io.schedulers.base import QueueJob


class Here(ThisMachine):
    """This machine, on which scripts are counted."""

    scripts = 0

    def _start(self, *args: object, **options: object) -> object:  # type: ignore[override]
        self.scripts += 1
        return super()._start(*args, **options)  # type: ignore[arg-type]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A shell worker of this machine, as workers of type ``local`` are."""
    found = Bench(Here(), PlainWorker("shell", work_dir=tmp_path / "a dir", is_local=True))
    yield found
    found.clean()


def scripts(bench: Bench) -> int:
    """Return how many shells the host has started."""
    assert isinstance(bench.host, Here)
    return bench.host.scripts


def pid_of(job: QueueJob) -> int:
    """Return the process number in an id."""
    return int(job.queue_id.partition("-")[0])


def by_shell(bench: Bench) -> WorkerQueue:
    """Return the same queue as it is seen through a shell."""
    queue = bench.queue
    queue._own = None
    return queue


def test_an_ordinary_job_needs_no_shell_but_its_own(bench: Bench) -> None:
    """Neither to start, nor to be seen running, nor to be seen ended."""
    job = bench.put("read line <go; exit 3")
    os.mkfifo(str(job.folder / "go"))
    job = bench.submit(job)
    assert bench.answer(job).state is QueueState.RUNNING
    Path(job.folder / "go").write_text("go\n")
    answer = bench.wait(job, QueueState.ENDED)
    assert answer.end is not None
    assert (answer.end.reason, answer.end.exit_code) == (EndReason.FAILED, 3)
    assert scripts(bench) == 0


def test_both_ways_give_the_same_id_and_see_the_same(bench: Bench) -> None:
    """So one goes on with what the other began."""
    mine, other = bench.put("sleep 1000"), bench.put("sleep 1000")
    mine = bench.submit(mine)
    queue_id = by_shell(bench).submit(other.folder, name=other.name, attempt=1)
    other = replace(other, queue_id=queue_id)
    bench.jobs.append(other)
    for job in (mine, other):
        again = by_shell(bench).submit(job.folder, name=job.name, attempt=1)
        assert again == bench.submit(job).queue_id == job.queue_id
        assert by_shell(bench).poll([job])[job.queue_id].state is QueueState.RUNNING
        assert bench.answer(job).state is QueueState.RUNNING
        assert re.sub(r"^\d+-\d+", "", job.queue_id) == re.sub(r"^\d+-\d+", "", mine.queue_id)


def test_the_process_is_what_the_shell_would_have_made(bench: Bench) -> None:
    """It leads a session, bears its name and id, belongs to nobody and holds nothing of ours."""
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")
    proc = Path(f"/proc/{pid_of(job)}")
    assert os.getsid(pid_of(job)) == pid_of(job)
    assert (proc / "cmdline").read_bytes().split(b"\0")[0].decode() == job.name
    assert f"JFC_QUEUE_ID={job.queue_id}".encode() in (proc / "environ").read_bytes().split(b"\0")
    assert int((proc / "stat").read_text().rpartition(")")[2].split()[1]) != os.getpid()
    left = {str(link.readlink()) for link in (proc / "fd").iterdir()}
    assert not any(word in name for word in ("pipe", "lock", ".jfc") for name in left), left


def test_one_process_however_many_submit_at_once(bench: Bench) -> None:
    """The lock of the folder decides; whoever has not got it finds the id, or is told to wait."""
    job = bench.put("echo run >>ran; sleep 1000")

    def submit(_: int) -> str:
        return bench.submit(job).queue_id

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(submit, range(8)))
    assert len(found) == 1
    wait_until(lambda: bench.text(job, "ran"), "the job to run")
    assert bench.text(job, "ran") == "run\n"


@pytest.mark.parametrize("lock", [".jfc_lock.1", "."])
def test_a_folder_that_another_command_has_is_waited_for(bench: Bench, lock: str) -> None:
    """Nothing starts until its lock is free, and then just once."""
    job = bench.put("echo run >>ran; sleep 1000")
    path = Path(job.folder / lock)
    path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        submission = pool.submit(bench.submit, job)
        wait_until(lambda: scripts(bench) == 1, "the shell that waits for the lock")
        assert not Path(job.folder / ".jfc_queue_id.1").exists()
        os.close(descriptor)
        job = submission.result(60)
    wait_until(lambda: bench.text(job, "ran"), "the job to run")
    assert bench.text(job, "ran") == "run\n"


def test_a_cancelled_attempt_does_not_start(bench: Bench) -> None:
    """Whoever cancels a job without an id is sure of it."""
    job = bench.put("echo run >>ran")
    assert bench.queue.cancel([job]) == {"": True}
    with pytest.raises(SubmissionRejectedError, match="cancelled"):
        bench.submit(job)
    assert not Path(job.folder / "ran").exists()


def test_a_folder_of_another_attempt_is_refused(bench: Bench) -> None:
    """As by the shell; and so is one that is not there."""
    job = bench.put("true")
    with pytest.raises(RunFolderError, match="another attempt"):
        bench.queue.submit(job.folder, name=f"{job.name}0", attempt=1)
    nowhere = bench.new()
    with pytest.raises(RunFolderError, match="gone"):
        bench.submit(nowhere)


def test_an_answer_that_was_lost_is_found(bench: Bench) -> None:
    """An empty file of the id is a submission in doubt: the processes are looked at."""
    bench.settle_s = 0
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")
    Path(job.folder / ".jfc_queue_id.1").write_text("")
    Path(job.folder / "jfc_status.1").unlink()
    assert bench.submit(job).queue_id == job.queue_id


def test_a_job_that_ended_without_a_trace_is_looked_for(bench: Bench) -> None:
    """By the shell, which finds what else bears its id: here nothing."""
    job = bench.run("sleep 1000")
    bench.wait_line(job, "stage=exec")
    os.killpg(pid_of(job), 9)
    answer = bench.wait(job, QueueState.ENDED)
    assert answer.end is not None
    assert answer.end.reason is EndReason.LOST
    assert scripts(bench) > 0


def test_a_setsid_that_cannot_fork_leaves_the_job_to_the_shell(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was started, so nothing is in doubt."""
    known = shutil.which("setsid")
    old = tmp_path / "bin" / "setsid"
    old.parent.mkdir()
    old.write_text(f'#!/bin/sh\n[ "$1" != --fork ] || exit 1\nexec {known} "$@"\n')
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    job = bench.put("sleep 1000")
    own = bench.queue._own
    assert own is not None
    assert own.submit(Submission(job.folder, job.name, 1)) is None
    assert not Path(job.folder / ".jfc_queue_id.1").exists()
    assert bench.answer(bench.submit(job)).state is QueueState.RUNNING


def test_file_systems_are_told_apart() -> None:
    """The innermost mount counts; blanks in its name are written as numbers."""
    mounts = """\
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/a\\040b tmpfs rw 0 0
"""
    kinds = {"/work": "ext4", "/home/me/work": "nfs4", "/home/a b/c": "tmpfs", "/homes": "ext4"}
    assert {path: file_system_of(PurePath(path), mounts) for path in kinds} == kinds
