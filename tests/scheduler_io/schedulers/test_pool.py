"""The pool of a batch worker as the queue of its jobs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from qtoolkit.io import ShellIO

from jfcelery.errors import SchedulerDownError
from jfcelery.execution.pilot.handle import CLAIMED, KILL, LOST, Handle
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.base import Output, QueueJob, QueueState
from jfcelery.scheduler_io.schedulers.pool import Pool, order_of
from tests.scheduler_io.schedulers.workers import PlainWorker

if TYPE_CHECKING:
    from pathlib import Path

NAME = "jfc-a-1-1"


@pytest.fixture
def queue(tmp_path: Path) -> WorkerQueue:
    """A pool on this machine."""
    pool = Pool(ShellIO(), tmp_path / "pool")
    worker = PlainWorker("shell", ShellIO(), work_dir=tmp_path)
    return WorkerQueue(LocalHost(), worker, settle_s=0, scheduler=pool)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run folder with a script for a pool."""
    pool = Pool(ShellIO(), tmp_path / "pool", order_of(5, 1000.5))
    found = RunFolder.of(tmp_path, "aabbccdd", 1)
    (tmp_path / "aa/bb/cc").mkdir(parents=True)
    (tmp_path / "aa/bb/cc/aabbccdd_1").mkdir()
    text = pool.script(f"# Queue job {NAME}\ntrue\n", None, NAME)
    (tmp_path / "aa/bb/cc/aabbccdd_1" / RunFolder.SCRIPT).write_text(text)
    return found


def job(queue_id: str, folder: RunFolder) -> QueueJob:
    """Return a job of the pool."""
    return QueueJob("aabbccdd", 1, 1, queue_id, NAME, folder)


def test_the_order_is_priority_then_age_then_number() -> None:
    """The names of entries sort as the jobs are to run, whatever the numbers."""
    ages = [(10**9, 5.0), (3, 1.0), (3, 2.0), (0, 0.5), (-7, 0.1), (-(10**9), 0.0)]
    wanted = [(*one, number) for one in ages for number in (9, 10, 10**9)]
    assert sorted(wanted, key=lambda one: order_of(*one)) == wanted
    assert len({len(order_of(*one)) for one in wanted}) == 1


def test_the_limit_of_a_job_stands_behind_its_order(
    queue: WorkerQueue, folder: RunFolder, tmp_path: Path
) -> None:
    """It changes no order, and the entry is one like the others."""
    orders = [order_of(3, 1.0, limit=60), order_of(3, 2.0), order_of(0, 0.5, limit=9_999_999)]
    assert sorted(f"{order}-{NAME}" for order in orders) == [f"{one}-{NAME}" for one in orders]
    pool = Pool(ShellIO(), tmp_path / "pool", orders[0])
    text = pool.script(f"# Queue job {NAME}\ntrue\n", None, NAME)
    (tmp_path / str(folder / RunFolder.SCRIPT)).write_text(text)
    entry = queue.submit(folder, name=NAME, attempt=1)
    assert entry == f"{orders[0]}-{NAME}"
    assert queue.poll([job(entry, folder)])[entry].state is QueueState.QUEUED
    assert queue.cancel([job(entry, folder)]) == {entry: True}


def test_a_job_is_put_into_the_pool_once(
    queue: WorkerQueue, folder: RunFolder, tmp_path: Path
) -> None:
    """Again it is found: by the noted id, and in the pool where the id was not noted."""
    entry = queue.submit(folder, name=NAME, attempt=1)
    assert entry == f"{order_of(5, 1000.5)}-{NAME}"
    assert queue.submit(folder, name=NAME, attempt=1) == entry
    path = tmp_path / str(folder / RunFolder.queue_id(1))
    path.write_text("")  # the step died before it was noted
    assert queue.submit(folder, name=NAME, attempt=1) == entry
    assert [one.name for one in (tmp_path / "pool/pool").iterdir()] == [entry]


def test_an_entry_comes_into_the_pool_whole_or_not_at_all(
    folder: RunFolder, tmp_path: Path
) -> None:
    """Nothing can be written, as on a full disk: pilots find no empty entry."""
    pool = Pool(ShellIO(), tmp_path / "pool")
    start = f"cd {folder} && a=1 name={NAME}\n{pool.submit_command(RunFolder.SCRIPT)}\n"
    for limit, count in (("ulimit -f 0; trap '' XFSZ", 0), ("true", 1)):
        argv = ["/bin/bash", "-c", f"{start}{limit}; submit"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == bool(count), done.stderr
        assert len(list((tmp_path / "pool/pool").iterdir())) == count


def test_a_script_from_before_there_was_a_pool_is_put_into_it(
    queue: WorkerQueue, folder: RunFolder, tmp_path: Path
) -> None:
    """It names no order: then it is one of priority 0, and as good as any."""
    path = tmp_path / str(folder / RunFolder.SCRIPT)
    path.write_text(f"#!/bin/bash\n# Queue job {NAME}\ntrue\n")
    entry = queue.submit(folder, name=NAME, attempt=1)
    assert entry == f"{order_of(0, 0)}-{NAME}"
    assert queue.poll([job(entry, folder)])[entry].state is QueueState.QUEUED


@pytest.mark.parametrize("given", ["", "echo warm"])
def test_a_script_for_a_pool_runs_without_one(tmp_path: Path, given: str) -> None:
    """Its worker lost its pool since: the job runs cold."""
    (tmp_path / "jfc").write_text('#!/bin/bash\necho "cold $*"\n')
    (tmp_path / "jfc").chmod(0o755)
    text = Pool(ShellIO(), tmp_path).script("$JFC_RUN /folder\n", None, NAME)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | ({"JFC_RUN": given} if given else {})
    argv = ["/bin/bash", "-c", text]
    said = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == (given.split()[1:] or ["cold", "execution", "run"]) + ["/folder"]


def test_a_poll_follows_an_entry_through_the_pool(
    queue: WorkerQueue, folder: RunFolder, tmp_path: Path
) -> None:
    """It waits, is claimed, is given back; buried pilots give back what they had."""
    entry = queue.submit(folder, name=NAME, attempt=1)

    def state() -> QueueState:
        return queue.poll([job(entry, folder)])[entry].state

    assert state() is QueueState.QUEUED
    pilot = Handle(tmp_path / "pool", "jfp-1")
    pilot.open()
    claimed = pilot.claim(entry)
    assert claimed is not None
    assert str(claimed.folder) == str(folder)
    assert state() is QueueState.RUNNING
    pool = queue.scheduler
    assert isinstance(pool, Pool)
    for _ in range(2):  # a poll may die in between: it is safe to repeat
        assert queue.host.run(pool.bury_command(("jfp-1",))).ok
    assert state() is QueueState.RETURNED
    assert not list((tmp_path / "pool" / CLAIMED).iterdir())


@pytest.mark.parametrize("has_begun", [False, True])
@pytest.mark.parametrize("is_buried", [False, True])
def test_what_was_given_back_counts_as_begun_only_if_it_was(
    queue: WorkerQueue, folder: RunFolder, tmp_path: Path, is_buried: bool, has_begun: bool
) -> None:
    """The claim that keeps it from beginning is no beginning: it is not parked for its pilots."""
    entry = queue.submit(folder, name=NAME, attempt=1)
    pilot = Handle(tmp_path / "pool", "jfp-1")
    pilot.open()
    assert pilot.claim(entry)
    claim = tmp_path / str(folder / RunFolder.claim(1))
    if has_begun:
        claim.symlink_to(entry)
    if is_buried:
        assert isinstance(queue.scheduler, Pool)
        queue.host.run(queue.scheduler.bury_command(("jfp-1",)))
    else:
        pilot.give_back(entry)
    answer = queue.poll([job(entry, folder)])[entry]
    assert (answer.state, answer.started) == (QueueState.RETURNED, has_begun)
    assert claim.is_symlink()


def test_an_entry_that_waits_again_is_not_missed(
    queue: WorkerQueue, folder: RunFolder, tmp_path: Path
) -> None:
    """A pilot that could not begin it puts it back just when the first folder has been read."""
    entry = queue.submit(folder, name=NAME, attempt=1)
    pilot = Handle(tmp_path / "pool", "jfp-1")
    pilot.open()
    pilot.claim(entry)
    pool = queue.scheduler
    assert isinstance(pool, Pool)
    back = f'mv "$dir/claimed/jfp-1/{entry}" "$dir/pool/"'
    command = pool.list_command().replace("  pilots=", f"  {back}\n  pilots=", 1)
    result = queue.host.run(f"{command}\nlist")
    row = pool.parse_list(Output(0, result.stdout)).rows[entry]
    assert row.state is QueueState.QUEUED


def test_a_job_that_waits_is_taken_away_and_one_that_runs_is_asked_for(
    queue: WorkerQueue, folder: RunFolder, tmp_path: Path
) -> None:
    """The pilot's answer is what confirms it."""
    entry = queue.submit(folder, name=NAME, attempt=1)
    assert queue.cancel([job(entry, folder)]) == {entry: True}
    assert (tmp_path / "pool" / LOST / entry).exists()
    (tmp_path / "pool" / LOST / entry).rename(tmp_path / "pool/pool" / entry)
    pilot = Handle(tmp_path / "pool", "jfp-1")
    pilot.open()
    pilot.claim(entry)
    assert queue.cancel([job(entry, folder)], confirm_s=0) == {entry: False}
    assert pilot.wishes() == {entry}
    pilot.give_back(entry)
    assert queue.cancel([job(entry, folder)], confirm_s=0) == {entry: True}
    assert not (tmp_path / "pool" / KILL / entry).exists()


def test_a_job_that_is_claimed_unseen_is_killed_by_its_pilot(
    queue: WorkerQueue, folder: RunFolder, tmp_path: Path
) -> None:
    """Over NFS an entry may be in no folder for a while: whoever claimed it finds the wish."""
    entry = queue.submit(folder, name=NAME, attempt=1)
    (tmp_path / "pool/pool" / entry).rename(tmp_path / "hidden")
    assert queue.cancel([job(entry, folder)]) == {entry: True}
    pilot = Handle(tmp_path / "pool", "jfp-1")
    pilot.open()
    (tmp_path / "hidden").rename(tmp_path / "pool/claimed/jfp-1" / entry)
    assert pilot.is_unwanted(entry)
    pilot.give_back(entry)
    assert not pilot.is_unwanted(entry)


@pytest.mark.parametrize("hidden", ["", "pool", "claimed", "lost"])
def test_a_pool_that_cannot_be_seen_is_not_empty(
    queue: WorkerQueue, folder: RunFolder, tmp_path: Path, hidden: str
) -> None:
    """Its disk is not mounted just now: that ends no job, and all is well thereafter."""
    entry = queue.submit(folder, name=NAME, attempt=1)
    path = tmp_path / "pool" / hidden
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(SchedulerDownError, match=r"cannot be listed.*No such file"):
        queue.poll([job(entry, folder)])
    (tmp_path / "elsewhere").rename(path)
    assert queue.poll([job(entry, folder)])[entry].state is QueueState.QUEUED


def test_the_first_submission_may_die_before_there_is_a_pool(
    queue: WorkerQueue, folder: RunFolder, tmp_path: Path
) -> None:
    """The next finds that there is none, and makes it."""
    (tmp_path / str(folder / RunFolder.queue_id(1))).write_text("")
    entry = queue.submit(folder, name=NAME, attempt=1)
    assert queue.poll([job(entry, folder)])[entry].state is QueueState.QUEUED


def test_a_listing_that_is_cut_off_proves_nothing(tmp_path: Path) -> None:
    """Without its last line an entry that it lacks may well be there."""
    pool = Pool(ShellIO(), tmp_path)
    with pytest.raises(SchedulerDownError):
        pool.parse_list(Output(0, "POOL\n1-jfc-a-1-1|waiting|\n"))
    listing = pool.parse_list(Output(0, "POOL\nnoise\n1-jfc-a-1-1|claimed|jfp-7\nPOOL ENDS\n"))
    assert listing.rows["1-jfc-a-1-1"].words == "in pilot jfp-7"
