"""Slurm and Grid Engine in trouble: a testbed of our own, so that nobody else is disturbed."""

from __future__ import annotations

import os
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import (
    BackPressureError,
    ConnectionLostError,
    DiskFullError,
    HostError,
    SchedulerDownError,
    SubmissionRejectedError,
)
from jfcelery.scheduler_io.schedulers.base import EndReason, QueueState
from tests.conftest import missing
from tests.hpc.benches import ShimmedHost, cleaned_bench
from tests.support.cluster import Cluster, ClusterMissingError, own_cluster
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.scheduler_io.bench import Bench

pytestmark = [pytest.mark.hpc, pytest.mark.slow]

#: Seconds that Slurm remembers a finished job here.
MIN_JOB_AGE = 5
#: Seconds that a job which is queued again waits here, for what may be left of its first run.
REQUEUE_WAIT = 15


@pytest.fixture(scope="module")
def own(home: Path) -> Iterator[Cluster]:
    """Slurm without accounting, which soon forgets finished jobs; and Grid Engine."""
    options = ["--min-job-age", str(MIN_JOB_AGE), "--slurm-nodes", "1"]
    options += ["--slurm", f"AuthInfo=cred_expire={REQUEUE_WAIT}"]
    try:
        with own_cluster("queues", *options) as found:
            with (home / ".ssh" / "known_hosts").open("a") as stream:
                stream.write(found.known_hosts.read_text())
            yield found
    except ClusterMissingError as why:
        missing(why)


@pytest.fixture
def slurm(own: Cluster) -> Iterator[Bench]:
    """A Slurm worker."""
    with cleaned_bench(own, "slurm") as found:
        yield found


@pytest.fixture
def sge(own: Cluster) -> Iterator[Bench]:
    """A Grid Engine worker."""
    with cleaned_bench(own, "sge") as found:
        yield found


def ctl(own: Cluster, *words: str) -> None:
    """Run scontrol as its administrator."""
    own.bed.on("hpca", "scontrol", *words)


def purged(bench: Bench, job: QueueJob) -> None:
    """Wait until Slurm has forgotten a finished job."""

    def forgotten() -> bool:
        listed = bench.host.run(f"squeue -h -t all --name {job.name}").stdout
        return not listed.strip()

    wait_until(forgotten, "Slurm to forget the job", every=1, deadline=180)


# Slurm --------------------------------------------------------------------------------------


def test_a_controller_that_hangs_costs_the_timeout_and_no_job(own: Cluster, slurm: Bench) -> None:
    """Neither listing nor submission nor cancelling get an answer; afterwards all goes on."""
    running, done = slurm.run("sleep 1000"), slurm.run("sleep 3; exit 6")
    slurm.wait_line(running, "stage=exec")
    slurm.wait_line(done, "stage=exec")
    new = slurm.put("sleep 1000")
    slurm.timeout = 12
    own.bed.signal_service("hpca", "slurmctld", "STOP")
    try:
        with pytest.raises(SchedulerDownError):
            slurm.submit(new)
        slurm.wait_line(done, "stage=ended")
        answers = slurm.queue.poll([running, done])
        with pytest.raises(SchedulerDownError):
            slurm.queue.cancel([running], confirm_s=0)
    finally:
        own.bed.signal_service("hpca", "slurmctld", "CONT")
    assert answers[running.queue_id].state is QueueState.UNKNOWN
    assert not answers[running.queue_id].is_absent
    assert answers[done.queue_id].state is QueueState.ENDED
    slurm.timeout = None
    known = slurm.submit(new)
    listed = slurm.host.run(f"squeue -h -t all -o %i --name {new.name}").stdout.split()
    assert listed == [known.queue_id]


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_a_controller_that_is_down_is_the_hosts_trouble(
    own: Cluster, slurm: Bench, signal: str
) -> None:
    """Jobs go on running and are seen again when it is back."""
    job, new = slurm.run("sleep 1000"), slurm.put("true")
    slurm.wait_line(job, "stage=exec")
    _saved(own, job)
    slurm.timeout = 30
    own.bed.stop_service("hpca", "slurmctld", signal)
    try:
        with pytest.raises(SchedulerDownError, match="Unable to contact slurm controller"):
            slurm.answer(job)
        with pytest.raises(SchedulerDownError, match="Unable to contact slurm controller"):
            slurm.submit(new)
    finally:
        own.bed.start_service("hpca", "slurmctld")
    wait_until(lambda: _answers(slurm, job), "slurmctld to be back", every=1)
    assert slurm.answer(job).state is QueueState.RUNNING
    slurm.wait(slurm.submit(new), QueueState.ENDED)


def _saved(own: Cluster, job: QueueJob) -> None:
    """Wait until Slurm has saved that a job runs, as it does every few seconds.

    One that is killed before does not know it, and begins the job again.
    """
    path = own.bed.root("hpca") / "var/spool/slurmctld/job_state"
    now = time.time()
    ctl(own, "update", f"JobId={job.queue_id}", "Nice=1")
    wait_until(lambda: path.exists() and path.stat().st_mtime > now, "Slurm to save its jobs")


def _answers(bench: Bench, job: QueueJob) -> bool:
    try:
        return bool(bench.answer(job))
    except SchedulerDownError:
        return False


def test_authentication_that_is_down_is_the_hosts_trouble(own: Cluster, slurm: Bench) -> None:
    """Without munge, no command of Slurm works; jobs run on and are seen again."""
    job, new = slurm.run("sleep 1000"), slurm.put("true")
    slurm.wait_line(job, "stage=exec")
    own.bed.stop_service("hpca", "munged")
    try:
        with pytest.raises(SchedulerDownError, match="Munge encode failed"):
            slurm.answer(job)
        with pytest.raises(SchedulerDownError, match="Munge encode failed"):
            slurm.submit(new)
    finally:
        own.bed.start_service("hpca", "munged")
    wait_until(lambda: _answers(slurm, job), "Slurm to answer again", every=1)
    assert slurm.answer(job).state is QueueState.RUNNING
    slurm.wait(slurm.submit(new), QueueState.ENDED)


def test_a_closed_partition_asks_to_wait(own: Cluster, slurm: Bench) -> None:
    """And the same job is accepted once it is open."""
    job = slurm.put("true", resources={"partition": "short"})
    ctl(own, "update", "PartitionName=short", "State=DRAIN")
    try:
        with pytest.raises(BackPressureError, match="not available"):
            slurm.submit(job)
    finally:
        ctl(own, "update", "PartitionName=short", "State=UP")
    slurm.wait(slurm.submit(job), QueueState.ENDED)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("requeue", [True, False])
def test_a_node_that_goes_down(own: Cluster, slurm: Bench, requeue: bool) -> None:
    """Slurm queues the job again, and it runs again; or, if it may not, it ended for that."""
    option = "--requeue" if requeue else "--no-requeue"
    job = slurm.run("sleep 1000", resources={"qverbatim": f"#SBATCH {option}"})
    slurm.wait_line(job, "stage=exec")
    ctl(own, "update", "NodeName=hpca-n1", "State=DOWN", "Reason=test")
    try:
        if requeue:
            assert slurm.wait(job, QueueState.QUEUED).end is None
        else:
            answer = slurm.wait(job, QueueState.ENDED)
            assert answer.end is not None
            assert answer.end.reason is EndReason.NODE_FAIL
    finally:
        # It may have come back by itself (ReturnToService), and then cannot be resumed.
        own.bed.on("hpca", "scontrol", "update", "NodeName=hpca-n1", "State=RESUME", check=False)
    wait_until(lambda: _idle(own), "the node to be back", every=1)
    if requeue:
        # Slurm lets it wait for two minutes, for what may be left of the first run; to start it
        # before then may drain the node ("Duplicate jobid").
        wait_until(
            lambda: slurm.lines(job).count("stage=exec") == 2, "it to run again", deadline=400
        )
        assert slurm.answer(job).state is QueueState.RUNNING


def _idle(own: Cluster) -> bool:
    listed = own.bed.on("hpca", "sinfo", "-h", "-o", "%T", "-N")
    return set(str(listed.stdout).split()) <= {"idle", "mixed", "allocated"}


def test_a_preempted_job_that_is_queued_again_has_not_ended(own: Cluster, slurm: Bench) -> None:
    """It leaves a final file, is told to end, and waits to run again."""
    job = slurm.run("sleep 1000", resources={"partition": "spot"})
    slurm.wait_line(job, "stage=exec")
    urgent = ("sbatch", "-D", "/tmp", "-p", "urgent", "-o", "/dev/null", "--wrap", "sleep 5")
    own.bed.on("hpca", *urgent, user="other")
    slurm.wait(job, QueueState.QUEUED)
    assert "signal=15" in slurm.text(job, "jfc_end.1")
    assert slurm.answer(job).state is QueueState.QUEUED


def test_without_accounting_recent_ends_are_told_apart(own: Cluster, slurm: Bench) -> None:
    """By the listing and by scontrol, as long as Slurm remembers."""
    failed, cancelled = slurm.run("exit 5"), slurm.run("sleep 1000")
    slurm.wait_line(cancelled, "stage=exec")
    slurm.host.run(f"scancel {cancelled.queue_id}")
    for job in (failed, cancelled):
        slurm.wait(job, QueueState.ENDED)
    reports = slurm.queue.end_reports([failed, cancelled])
    assert (reports[failed.queue_id].reason, reports[failed.queue_id].exit_code) == (
        EndReason.FAILED,
        5,
    )
    assert reports[cancelled.queue_id].reason is EndReason.CANCELLED


def test_without_accounting_forgotten_jobs_are_told_by_their_folder(slurm: Bench) -> None:
    """What slurmstepd wrote into queue.err explains; a final file or absence proves."""
    job = slurm.run("sleep 1000")
    slurm.wait_line(job, "stage=exec")
    slurm.host.run(f"scancel {job.queue_id}")
    slurm.wait(job, QueueState.ENDED)
    purged(slurm, job)
    answer = slurm.answer(job)
    assert answer.state is QueueState.ENDED, "it left a final file"
    assert slurm.queue.end_reports([job])[job.queue_id].reason is EndReason.CANCELLED
    slurm.host.run(f"rm {job.folder}/jfc_end.1")
    assert slurm.answer(job).is_absent
    report = slurm.queue.end_reports([job])[job.queue_id]
    assert (report.reason, report.is_proof) == (EndReason.CANCELLED, False)


def test_a_job_that_slurm_has_forgotten_is_not_submitted_again(slurm: Bench) -> None:
    """Its status file remembers the id."""
    job = slurm.run("true")
    slurm.wait(job, QueueState.ENDED)
    purged(slurm, job)
    slurm.host.run(f": >{job.folder}/.jfc_queue_id.1")
    assert slurm.submit(replace(job, queue_id="")).queue_id == job.queue_id


# The network --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode, words", [("down", "no answer|stands still"), ("refused", "refused|reset|cannot connect")]
)
def test_a_firewall_that_closes_is_the_hosts_trouble(
    own: Cluster, slurm: Bench, mode: str, words: str
) -> None:
    """Open connections stall, new ones fail; jobs run on and are seen again."""
    job, new = slurm.run("sleep 1000"), slurm.put("true")
    slurm.wait_line(job, "stage=exec")
    slurm.timeout = 10
    own.bed.net("hpca", mode)
    if mode == "refused":  # concerns new connections only
        slurm.host.close()
    try:
        with pytest.raises(HostError, match=words):
            slurm.answer(job)
        with pytest.raises(HostError, match=words):
            slurm.submit(new)
    finally:
        own.bed.net("hpca", "up")
    slurm.timeout = None
    wait_until(lambda: _reached(slurm, job), "the host to be back", every=1)
    assert slurm.answer(job).state is QueueState.RUNNING
    slurm.wait(slurm.submit(new), QueueState.ENDED)


def _reached(bench: Bench, job: QueueJob) -> bool:
    try:
        return bool(bench.answer(job))
    except HostError:
        return False


def test_sessions_that_die_with_the_login_node_cost_no_job(own: Cluster, slurm: Bench) -> None:
    """All of them at once: the command's fate is unknown, the job runs on and is seen again."""
    job = slurm.run("sleep 1000")
    slurm.wait_line(job, "stage=exec")
    timer = threading.Timer(1, own.bed.drop_sessions, ["hpca"])
    timer.start()
    with pytest.raises(ConnectionLostError):
        slurm.host.run("sleep 30")
    timer.join()
    assert slurm.answer(job).state is QueueState.RUNNING


def test_a_slow_network_costs_time_only(own: Cluster, slurm: Bench) -> None:
    """A folder of a megabyte arrives where the network drops what is too much at once."""
    own.bed.rate("hpca", "8mbit")
    try:
        job = slurm.put("true", files={"large": os.urandom(1024 * 1024)})
    finally:
        own.bed.rate("hpca", None)
    slurm.wait(slurm.submit(job), QueueState.ENDED)


# Grid Engine --------------------------------------------------------------------------------


#: What Grid Engine says then.
_NO_QMASTER = "unable to (send message to|contact) qmaster"


def test_a_qmaster_that_is_down_is_the_hosts_trouble(own: Cluster, sge: Bench) -> None:
    """Jobs go on running and are seen again when it is back."""
    job, new = sge.run("sleep 1000"), sge.put("true")
    sge.wait_line(job, "stage=exec")
    _stop_qmaster(own)
    try:
        sge.timeout = 30
        with pytest.raises(SchedulerDownError, match=_NO_QMASTER):
            sge.answer(job)
        with pytest.raises(SchedulerDownError, match=_NO_QMASTER):
            sge.submit(new)
    finally:
        own.bed.start_service("hpcb", "sge_qmaster")
    wait_until(lambda: _answers(sge, job), "the qmaster to be back", every=1)
    assert sge.answer(job).state is QueueState.RUNNING
    sge.timeout = None
    sge.wait(sge.submit(new), QueueState.ENDED)


def _stop_qmaster(own: Cluster) -> None:
    """End the qmaster; its PID file lies elsewhere than those of other daemons."""
    path = own.bed.root("hpcb") / "var/spool/gridengine/qmaster/qmaster.pid"
    pid = path.read_text().strip()
    own.bed.on("hpcb", "kill", pid)
    gone = ("hpcb", "test", "-d", f"/proc/{pid}")
    wait_until(lambda: own.bed.on(*gone, check=False).returncode, "the qmaster to end")


def test_a_limit_of_jobs_asks_to_wait(own: Cluster, sge: Bench) -> None:
    """And the same job is accepted once there is room."""
    first, second = sge.put("sleep 1000"), sge.put("true")
    _limit(own, 1)
    try:
        first = sge.submit(first)
        with pytest.raises(BackPressureError, match="jobs are allowed per user"):
            sge.submit(second)
        assert sge.queue.cancel([first], confirm_s=60) == {first.queue_id: True}
        wait_until(lambda: _accepted(sge, second), "room for the second", every=1)
    finally:
        _limit(own, 0)


def _accepted(bench: Bench, job: QueueJob) -> bool:
    try:
        return bool(bench.submit(job).queue_id)
    except BackPressureError:
        return False


def _limit(own: Cluster, jobs: int) -> None:
    """Set how many jobs a user may have in the queue; 0: any number."""
    script = (
        "qconf -sconf >/tmp/global; "
        f"sed -i 's/^max_u_jobs .*/max_u_jobs {jobs}/' /tmp/global; "
        "qconf -Mconf /tmp/global"
    )
    own.bed.on("hpcb", "bash", "-c", script)


def test_a_refusal_whose_words_a_full_disk_takes(slurm: Bench) -> None:
    """The disk is named in their place, and no job is given up; with room the words are heard."""
    assert isinstance(slurm.host, ShimmedHost)
    place = Path(f"/home/hpc/tinyfs/{uuid.uuid4().hex}")
    tiny = replace(slurm, worker=replace(slurm.worker, work_dir=place / "work"), jobs=[])
    job = tiny.put("true")
    slurm.host.shim("sbatch", "echo 'sbatch: error: the site says no' >&2; exit 1")
    slurm.host.run(f"cat /dev/zero >{place}/hog")
    with pytest.raises(DiskFullError, match="No space left"):
        tiny.submit(job)
    slurm.host.run(f"rm {place}/hog")
    with pytest.raises(SubmissionRejectedError, match="the site says no"):
        tiny.submit(job)
    slurm.host.unshim()
    tiny.wait(tiny.submit(job), QueueState.ENDED)
    slurm.host.run(f"rm -r {place}")
