"""A pilot as a real process: it runs what it finds, keeps its limits, and gives back the rest."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import time
from typing import Any

import pytest

from jfcelery.execution.pilot.clock import FRESH
from jfcelery.execution.pilot.handle import CLAIMED, KILL, LOST, PILOTS, WAITING
from jfcelery.execution.pilot.pilot import BURIED, UNABLE
from jfcelery.execution.pilot.processes import PILOT_VARIABLE, bearers
from jfcelery.folders import RunFolder
from tests.support.pilot_ground import HOLDS, ORDER, PILOT, Ground
from tests.support.waiting import wait_until

#: Runs a pilot that gives up a pool which cannot be read after a second.
IMPATIENT = """
import sys
from jfcelery.execution.pilot import pilot
pilot.PATIENCE = 1.0
sys.exit(pilot.run_pilot(sys.argv[1]))
"""
#: Runs a pilot that tells at every look that it lives.
TALKATIVE = IMPATIENT.replace("PATIENCE = 1.0", "BEAT = 0.0")
#: Runs a pilot that takes jobs up to the end of its time.
RECKLESS = IMPATIENT.replace("pilot.PATIENCE = 1.0", "pilot.TimeLeft.is_up = False")


def test_a_pilot_runs_all_that_waits_and_ends(ground: Ground) -> None:
    """In the job's own folder and with its streams; what a job leaves running is ended."""
    folders = [ground.add(name, "pwd; echo $JFC_QUEUE_ID >&2; sleep 300 &") for name in "abc"]
    assert ground.start(parallel=2).wait(120) == 0
    for folder in folders:
        assert (folder / RunFolder.QUEUE_OUT).read_text() == f"{folder}\n"
        assert (folder / RunFolder.QUEUE_ERR).read_text() == f"{ORDER}-jfc-{folder.name}\n"
    assert not list(ground.pool.rglob(f"{ORDER}-jfc-*"))
    assert not bearers(PILOT_VARIABLE, PILOT)


def test_a_pilot_waits_anew_after_each_job(ground: Ground) -> None:
    """However long that took, another may come for as long as a pilot waits."""
    first = ground.add("a", "touch begun; until [ -e ../go ]; do sleep 0.05; done")
    process = ground.start(max_wait=5)
    wait_until((first / "begun").exists, "the first job to begin")
    time.sleep(5.5)
    (ground.folder / "go").touch()
    wait_until(lambda: not list(ground.pool.rglob(f"{ORDER}-jfc-a")), "the first job to end")
    ground.add("b", "true")
    assert process.wait(120) == 0
    assert not list(ground.pool.rglob(f"{ORDER}-jfc-*"))


def test_a_pilot_tells_again_and_again_that_it_lives(ground: Ground) -> None:
    """Also while nothing changes: who hears nothing of a pilot for long takes it for dead."""
    first = ground.add("a", HOLDS)
    ground.program = ["-c", TALKATIVE]
    process = ground.start()
    wait_until((first / "begun").exists, "the job to begin")
    said = ground.pool / PILOTS / PILOT
    wait_until(lambda: "running=1\n" in said.read_text(), "the pilot to say so")
    for _ in range(2):
        before = said.stat().st_mtime_ns
        wait_until(lambda: said.stat().st_mtime_ns > before, "the pilot to say it again")  # noqa: B023
    (ground.folder / "go").touch()
    assert process.wait(120) == 0


def test_a_pilot_runs_no_more_jobs_than_it_may(ground: Ground) -> None:
    """The rest stays for others."""
    for name in "abc":
        ground.add(name, "true")
    assert ground.start(max_jobs=2).wait(120) == 0
    assert ground.names(WAITING) == ["c"]


def test_a_pilot_runs_the_jobs_by_priority(ground: Ground) -> None:
    """In the order of the entries' names, whenever they came."""
    for name, order in (("c", "3"), ("a", "1"), ("b", "2")):
        ground.add(name, f"echo {name} >>../ran", order)
    assert ground.start().wait(120) == 0
    assert (ground.folder / "ran").read_text().split() == ["a", "b", "c"]


def test_a_pilot_takes_no_more_jobs_after_its_time(ground: Ground) -> None:
    """It ends those that it has, and itself, though it would wait for ever."""
    first = ground.add("a", HOLDS)
    process = ground.start(max_time=3, max_wait=None)
    wait_until((first / "begun").exists, "the first job to begin")
    said = ground.pool / PILOTS / PILOT
    wait_until(lambda: "state=draining" in said.read_text(), "the pilot to drain")
    ground.add("b", "true")
    (ground.folder / "go").touch()
    assert process.wait(120) == 0
    assert (ground.names(WAITING), ground.names(LOST)) == (["b"], [])


def test_a_pilot_starts_no_job_that_cannot_end(ground: Ground) -> None:
    """One that asks for all of a pilot's time is begun at once, or else left to the next pilot."""
    (ground.folder / RunFolder.status(1)).write_text(
        f"stage=started\nhost=here\ntime={time.time():.0f}\n"
    )
    first = ground.add("a", HOLDS, "1.60")
    process = ground.start(walltime=60, max_wait=None)
    wait_until((first / "begun").exists, "the first job to begin")
    time.sleep(60 * FRESH)
    ground.add("b", "true", "2.60")
    (ground.folder / "go").touch()
    assert process.wait(120) == 0
    assert (ground.names(WAITING), ground.names(LOST)) == (["b"], [])


def test_a_pilot_starts_none_if_the_longest_so_far_took_longer_than_is_left(
    ground: Ground,
) -> None:
    """Jobs that do not say how long they take may take as long as others did."""
    first = ground.add("a", HOLDS)
    ground.program = ["-c", RECKLESS]
    process = ground.start(walltime=10, max_wait=None)
    wait_until((first / "begun").exists, "the first job to begin")
    time.sleep(5.5)
    ground.add("b", "true")
    (ground.folder / "go").touch()
    assert process.wait(120) == 0
    assert (ground.names(WAITING), ground.names(LOST)) == (["b"], [])


def test_a_job_that_cannot_end_here_keeps_a_pilot_from_no_other(ground: Ground) -> None:
    """It is passed over as long as the pilot has jobs; an idle pilot leaves it to the next."""
    first = ground.add("a", HOLDS)
    second = ground.add("b", "touch ran", "2")
    ground.add("c", "true", "3.3600")
    process = ground.start(walltime=300, parallel=2, max_wait=None)
    wait_until((first / "begun").exists, "the first job to begin")
    wait_until((second / "ran").exists, "the second job to run")
    wait_until(lambda: ground.names(CLAIMED) == ["a"], "the second job to end")
    late = ground.add("d", "touch ran", "4")
    wait_until((late / "ran").exists, "the job that came late to run")
    said = ground.pool / PILOTS / PILOT
    wait_until(lambda: "passes_over=3600\n" in said.read_text(), "the pilot to say so")
    (ground.folder / "go").touch()
    assert process.wait(120) == 0
    assert (ground.names(WAITING), ground.names(LOST)) == (["c"], [])


def test_a_pilot_that_is_too_short_for_all_that_waits_says_so(ground: Ground) -> None:
    """By its exit code, too, so that others do not follow one after the other."""
    ground.add("a", "true", "1.3600")
    assert ground.start(walltime=300, max_wait=None).wait(120) == UNABLE
    assert ground.names(WAITING) == ["a"]
    assert "too short" in (ground.folder / "pilot.err").read_text()


@pytest.mark.parametrize("options", [{"walltime": 20}, {"max_time": 0}])
def test_a_pilot_whose_time_is_up_at_once_says_so(ground: Ground, options: dict[str, Any]) -> None:
    """By its exit code, too, so that others do not follow one after the other."""
    ground.add("a", "true")
    assert ground.start(max_wait=None, **options).wait(120) == UNABLE
    assert ground.names(WAITING) == ["a"]
    assert "its time is up" in (ground.folder / "pilot.err").read_text()


def test_a_draining_pilot_ends_what_it_has_and_takes_no_more(ground: Ground) -> None:
    """By the signal that comes before the time limit, or by a file."""
    first = ground.add("a", HOLDS)
    process = ground.start(max_wait=None)
    wait_until((first / "begun").exists, "the first job to begin")
    process.send_signal(signal.SIGUSR1)
    ground.add("b", "true")
    (ground.folder / "go").touch()
    assert process.wait(120) == 0
    assert (ground.names(WAITING), ground.names(LOST)) == (["b"], [])
    (ground.pool / KILL / PILOT).touch()
    assert ground.start(max_wait=None).wait(120) == 0
    assert ground.names(WAITING) == ["b"]


def test_a_pilot_that_must_end_gives_its_jobs_back(ground: Ground) -> None:
    """SIGTERM: the jobs are ended with all that they started, then their entries are returned.

    By its exit code the scheduler ended it, which may have preempted it, to begin it anew.
    """
    first = ground.add("a", HOLDS)
    process = ground.start(max_wait=None)
    wait_until((first / "begun").exists, "the job to begin")
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 128 + signal.SIGTERM
    assert ground.names(LOST) == ["a"]
    assert not bearers(PILOT_VARIABLE, PILOT)


def test_one_job_is_killed_alone(ground: Ground) -> None:
    """By a file that bears its name; a job that heeds no signal is killed."""
    stubborn = ground.add("a", f"trap '' TERM; {HOLDS}")
    other = ground.add("b", HOLDS)
    process = ground.start(parallel=2)
    wait_until(lambda: (stubborn / "begun").exists() and (other / "begun").exists(), "both")
    (ground.pool / KILL / f"{ORDER}-jfc-a").touch()
    wait_until(lambda: ground.names(LOST) == ["a"], "the job to be given back")
    assert ground.names(CLAIMED) == ["b"]
    (ground.folder / "go").touch()
    assert process.wait(120) == 0
    assert ground.names(LOST) == ["a"]


def test_nothing_of_a_killed_pilot_lives_on(ground: Ground) -> None:
    """SIGKILL of the pilot alone ends its jobs, too, which have sessions of their own."""
    first = ground.add("a", HOLDS)
    process = ground.start()
    wait_until((first / "begun").exists, "the job to begin")
    process.kill()
    process.wait(30)
    wait_until(lambda: not bearers(PILOT_VARIABLE, PILOT), "the job's processes to be gone")
    assert ground.names(CLAIMED) == ["a"]  # until the runner knows that the pilot is dead


def test_a_pilot_that_counts_as_dead_ends_its_jobs(ground: Ground) -> None:
    """Its folder was taken away while it stood still: its jobs are others' now."""
    first = ground.add("a", HOLDS)
    process = ground.start()
    wait_until((first / "begun").exists, "the job to begin")
    process.send_signal(signal.SIGSTOP)
    (ground.pool / CLAIMED / PILOT).rename(ground.pool / CLAIMED / f".{PILOT}")
    process.send_signal(signal.SIGCONT)
    ground.add("b", "true")  # which it tries to claim
    process.send_signal(signal.SIGUSR1)
    assert process.wait(120) == BURIED
    assert not bearers(PILOT_VARIABLE, PILOT)
    assert ground.names(WAITING) == ["b"]


def test_a_folder_of_another_attempt_is_not_run(ground: Ground) -> None:
    """The entry is older than the folder: it is given back."""
    folder = ground.add("a", "touch ran")
    (folder / RunFolder.SCRIPT).write_text("# jfc-other\ntouch ran\n")
    assert ground.start().wait(120) == 0
    assert ground.names(LOST) == ["a"]
    assert not (folder / "ran").exists()


def test_a_job_without_a_folder_holds_up_no_other(ground: Ground) -> None:
    """It is given back, to be uploaded again, where other folders are to be seen."""
    shutil.rmtree(ground.add("a", "true"))
    other = ground.add("b", "touch ran")
    assert ground.start().wait(120) == 0
    assert ground.names(LOST) == ["a"]
    assert (other / "ran").exists()


def test_a_pilot_outlives_an_error_of_the_file_system(ground: Ground) -> None:
    """Its job goes on, and it takes the next once the pool can be read again."""
    first = ground.add("a", HOLDS)
    process = ground.start(max_wait=None, max_jobs=2)
    wait_until((first / "begun").exists, "the job to begin")
    (ground.pool / KILL).rmdir()
    (ground.pool / KILL).touch()  # no folder
    said = ground.folder / "pilot.err"
    wait_until(lambda: "trouble with the pool" in said.read_text(), "the pilot to see it")
    (ground.pool / KILL).unlink()
    (ground.pool / KILL).mkdir()
    ground.add("b", "true")
    (ground.folder / "go").touch()
    assert process.wait(120) == 0
    assert not list(ground.pool.rglob(f"{ORDER}-jfc-*"))


@pytest.mark.parametrize("launcher", [None, "setsid -w"])
def test_a_pilot_that_ends_by_an_error_ends_its_jobs_first(
    ground: Ground, launcher: str | None
) -> None:
    """It tells them, and waits, as their entries are given back then; also on another node."""
    text = "trap 'touch told; exit' TERM; touch begun; until [ -e ../go ]; do sleep 0.1; done"
    hidden = "exec env -u JFC_PILOT -u JFC_QUEUE_ID bash -c"  # as those of another node are
    first = ground.add("a", f"{hidden} {shlex.quote(text)}")
    ground.program = ["-c", IMPATIENT]
    process = ground.start(launcher=launcher, max_wait=None)
    wait_until((first / "begun").exists, "the job to begin")
    (ground.pool / KILL).rmdir()
    (ground.pool / KILL).touch()  # no folder
    assert process.wait(120) == 1
    assert "NotADirectoryError" in (ground.folder / "pilot.err").read_text()
    assert (first / "told").exists()
    assert ground.names(CLAIMED) == ["a"]


def test_jobs_in_parallel_are_bound_to_cores_of_their_own(ground: Ground) -> None:
    """Each sees its slot, and the cores of it."""
    folders = [ground.add(name, "echo $JFC_SLOT; taskset -cp $$; sleep 1") for name in "ab"]
    assert ground.start(parallel=2).wait(120) == 0
    texts = [(folder / RunFolder.QUEUE_OUT).read_text().splitlines() for folder in folders]
    assert {lines[0] for lines in texts} == {"0", "1"}
    if len(os.sched_getaffinity(0)) > 1:
        assert texts[0][1].rpartition(":")[2] != texts[1][1].rpartition(":")[2]


def test_jobs_in_parallel_see_a_gpu_of_their_own(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one of those that the pilot was given."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-7")
    folders = [ground.add(name, "echo $CUDA_VISIBLE_DEVICES; sleep 1") for name in "ab"]
    assert ground.start(parallel=2, gpus=1).wait(120) == 0
    texts = {(folder / RunFolder.QUEUE_OUT).read_text() for folder in folders}
    assert texts == {"3\n", "GPU-7\n"}
