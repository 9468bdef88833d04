"""Limits of a real Slurm, on a testbed of our own with accounting that enforces them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import BackPressureError, ResourcesError
from jfcelery.project.options import QueueLimit
from jfcelery.scheduler_io.queue import Submission
from jfcelery.scheduler_io.schedulers.base import QueueState
from tests.conftest import missing
from tests.hpc.benches import cleaned_bench
from tests.support.cluster import Cluster, ClusterMissingError, own_cluster
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.scheduler_io.bench import Bench

pytestmark = [pytest.mark.hpc, pytest.mark.slow]


@pytest.fixture(scope="module")
def own(home: Path) -> Iterator[Cluster]:
    """Slurm with accounting that enforces limits."""
    try:
        with own_cluster("limits", "--with", "slurm", "--accounting") as found:
            with (home / ".ssh" / "known_hosts").open("a") as stream:
                stream.write(found.known_hosts.read_text())
            _enforce(found)
            yield found
    except ClusterMissingError as why:
        missing(why)


@pytest.fixture
def bench(own: Cluster) -> Iterator[Bench]:
    """A Slurm worker."""
    with cleaned_bench(own, "slurm") as found:
        yield found


def _enforce(own: Cluster) -> None:
    """Make Slurm obey its accounting, in which the user has an account."""
    bed = own.bed
    line = "AccountingStorageEnforce=limits,qos"
    bed.on("hpca", "bash", "-c", f"echo {line} >>/etc/slurm/slurm.conf")
    for words in ("add account lab", "add user hpc account=lab"):
        bed.on("hpca", "sacctmgr", "-i", *words.split())
    bed.stop_service("hpca", "slurmctld")
    bed.start_service("hpca", "slurmctld")
    wait_until(lambda: bed.on("hpca", "scontrol", "ping", check=False).returncode == 0, "slurmctld")


def _modify(own: Cluster, *words: str) -> None:
    own.bed.on("hpca", "sacctmgr", "-i", "modify", *words)


def _accepted(bench: Bench, job: QueueJob) -> QueueJob | None:
    try:
        return bench.submit(job)
    except BackPressureError:
        return None


@pytest.mark.parametrize(
    "who,key,words",
    [
        (("user", "hpc"), "MaxSubmitJobs", "AssocMaxSubmitJobLimit"),
        (("qos", "normal"), "MaxSubmitJobsPerUser", "QOSMaxSubmitJobPerUserLimit"),
    ],
)
def test_a_limit_of_the_site_asks_to_wait(
    own: Cluster, bench: Bench, who: tuple[str, str], key: str, words: str
) -> None:
    """And the same job is accepted once another has ended."""
    first, second = bench.put("sleep 1000"), bench.put("true")
    _modify(own, *who, "set", f"{key}=1")
    try:
        known = wait_until(lambda: _accepted(bench, first), "the first job")
        with pytest.raises(BackPressureError, match=words):
            bench.submit(second)
        bench.queue.cancel([known], confirm_s=60)
        accepted = wait_until(lambda: _accepted(bench, second), "room for the second", every=1)
    finally:
        _modify(own, *who, "set", f"{key}=-1")
    bench.wait(accepted, QueueState.ENDED)


def test_a_limit_of_the_site_that_an_array_exceeds_takes_what_fits(
    own: Cluster, bench: Bench
) -> None:
    """The array is refused as a whole; alone, as many of its jobs are accepted as have room."""
    bench.worker.job_arrays = True
    first, *others = jobs = [bench.put("sleep 1000") for _ in range(4)]
    rows = [Submission(job.folder, job.name, job.attempt) for job in others]
    _modify(own, "user", "hpc", "set", "MaxSubmitJobs=3")
    try:
        wait_until(lambda: _accepted(bench, first), "the first job")
        refused = bench.queue.submit_all(rows)
        assert all(isinstance(one, BackPressureError) for one in refused), refused
        found = bench.queue.submit_all(rows)
    finally:
        _modify(own, "user", "hpc", "set", "MaxSubmitJobs=-1")
    known = [
        replace(job, queue_id=one)
        for job, one in zip(others, found, strict=True)
        if isinstance(one, str)
    ]
    bench.jobs += known
    assert len(known) == 2
    assert isinstance(found[2], BackPressureError)
    names = bench.host.run("squeue -h -r -o %j").stdout.split()
    assert sorted(set(names) & {job.name for job in jobs}) == sorted(
        job.name for job in (first, *known)
    )


def test_what_no_waiting_helps_is_the_jobs_own_fault(own: Cluster, bench: Bench) -> None:
    """It asks for more time than any job may have."""
    _modify(own, "qos", "normal", "set", "MaxWall=00:02:00", "flags=DenyOnLimit")
    try:
        with pytest.raises(ResourcesError, match="QOSMaxWallDurationPerJobLimit"):
            bench.run("true", resources={"time": "01:00:00"})
    finally:
        _modify(own, "qos", "normal", "set", "MaxWall=-1", "flags=-DenyOnLimit")


def test_limits_of_the_project_count_jobs_started_by_hand(bench: Bench) -> None:
    """Whose, and in which partition."""
    by_hand = bench.host.run(
        "cd; sbatch -H -p short --array=1-3 -o /dev/null --wrap true"
    ).stdout.split()[-1]
    job = bench.put("true")

    def submit(limit: QueueLimit) -> str:
        return bench.queue.submit(job.folder, name=job.name, attempt=job.attempt, limits=[limit])

    try:
        with pytest.raises(BackPressureError, match="hpc has 3 jobs in short"):
            submit(QueueLimit(max_jobs=3, partition="short"))
        with pytest.raises(BackPressureError, match="hpc has 3 jobs"):
            submit(QueueLimit(max_jobs=3, user="hpc"))
        assert submit(QueueLimit(max_jobs=1, partition="debug"))
    finally:
        bench.host.run(f"scancel {by_hand}")
