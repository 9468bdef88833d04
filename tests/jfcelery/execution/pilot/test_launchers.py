"""Jobs that a launcher starts on any node: each has an escort there, which leaves nothing of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jfcelery.execution.pilot.escort import STALE
from jfcelery.execution.pilot.handle import CLAIMED, KILL, LOST, WAITING
from jfcelery.execution.pilot.pilot import UNABLE
from jfcelery.execution.pilot.processes import ENTRY_VARIABLE, bearers
from jfcelery.folders import RunFolder
from tests.support.pilot_ground import HOLDS, ORDER, PILOT, Ground
from tests.support.waiting import wait_until

#: An escort that waits for as many seconds as its last argument says.
HASTY = """
import sys
from jfcelery.execution.pilot import escort
escort.HIDDEN = float(sys.argv.pop())
sys.exit(escort.main(sys.argv[1:]))
"""


def test_a_node_that_can_start_no_job_leaves_all_to_others(ground: Ground) -> None:
    """They wait on, unharmed, and the pilot says by its exit code that it was of no use."""
    for name in "abc":
        ground.add(name, "true")
    assert ground.start(launcher="no-such-launcher", max_wait=None).wait(120) == UNABLE
    assert (ground.names(WAITING), ground.names(LOST)) == (["a", "b", "c"], [])


@pytest.mark.parametrize("launcher", ["env -i", "setsid -w", "bash -c '\"$@\" </dev/null' -"])
def test_a_launcher_starts_jobs(ground: Ground, launcher: str) -> None:
    """Whatever it passes on, a job has its folder, streams and variables, and leaves nothing."""
    text = "pwd; echo $JFC_SLOT $JFC_PILOT; $JFC_RUN --help >/dev/null 2>&1; sleep 300 & exit 3"
    folder = ground.add("a", text)
    (folder / RunFolder.status(1)).touch()
    assert ground.start(launcher=launcher).wait(120) == 0
    assert (folder / RunFolder.QUEUE_OUT).read_text() == f"{folder}\n0 {PILOT}\n"
    assert not list(ground.pool.rglob("*-jfc-*"))
    assert not bearers(ENTRY_VARIABLE, f"{ORDER}-jfc-a")


@pytest.mark.parametrize("launcher", ["env -i", "setsid -w", "bash -c '\"$@\" </dev/null' -"])
def test_a_job_of_a_launcher_is_killed_alone(ground: Ground, launcher: str) -> None:
    """Its escort ends it with all that it started, or the launcher passes on the signal."""
    first, other = ground.add("a", f"trap '' TERM; {HOLDS}"), ground.add("b", HOLDS)
    process = ground.start(parallel=2, launcher=launcher)
    wait_until(lambda: (first / "begun").exists() and (other / "begun").exists(), "both")
    (ground.pool / KILL / f"{ORDER}-jfc-a").touch()
    wait_until(lambda: ground.names(LOST) == ["a"], "the job to be given back")
    assert not bearers(ENTRY_VARIABLE, f"{ORDER}-jfc-a")
    assert bearers(ENTRY_VARIABLE, f"{ORDER}-jfc-b")
    (other / RunFolder.status(1)).touch()
    (ground.folder / "go").touch()
    assert process.wait(120) == 0
    assert ground.names(LOST) == ["a"]


def test_escorts_end_the_jobs_of_a_pilot_that_is_killed(ground: Ground) -> None:
    """By themselves: on another node neither the pilot's script nor its undertaker can."""
    first = ground.add("a", HOLDS)
    process = ground.start(launcher="env -i")
    wait_until((first / "begun").exists, "the job to begin")
    assert bearers(ENTRY_VARIABLE, f"{ORDER}-jfc-a")
    undertaker = ["pkill", "-KILL", "-P", str(process.pid), "-f", "undertaker"]
    subprocess.run(undertaker, check=True)
    process.kill()
    process.wait(30)
    wait_until(
        lambda: not bearers(ENTRY_VARIABLE, f"{ORDER}-jfc-a"), "the job's processes to be gone"
    )
    assert ground.names(CLAIMED) == ["a"]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU])
def test_an_escort_hears_the_signals_that_warn_a_job(
    ground: Ground, number: signal.Signals
) -> None:
    """USR1 reaches the job, which goes on; USR2 and XCPU end it. It never outlives its escort."""
    first = ground.add("a", f"trap 'touch warned' USR1; trap 'touch told; exit' TERM; {HOLDS}")
    process = ground.start(launcher="env -i")  # the launcher becomes the escort
    wait_until((first / "begun").exists, "the job to begin")
    job = next(pid for pid in bearers(ENTRY_VARIABLE, f"{ORDER}-jfc-a") if os.getpgid(pid) == pid)
    escort = int(Path(f"/proc/{job}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(escort, number)
    if number is signal.SIGUSR1:
        wait_until((first / "warned").exists, "the job to be warned")
        assert bearers(ENTRY_VARIABLE, f"{ORDER}-jfc-a")
        (ground.folder / "go").touch()
    (first / RunFolder.status(1)).touch()
    assert process.wait(120) == 0
    assert (first / "told").exists() == (number is not signal.SIGUSR1)
    assert not bearers(ENTRY_VARIABLE, f"{ORDER}-jfc-a")


def test_a_job_that_no_launcher_can_start_waits_for_another_pilot(ground: Ground) -> None:
    """What the launcher said is told, and the pilot takes no more."""
    for name in "ab":
        ground.add(name, "true")
    launcher = "bash -c 'echo no such node >&2; exit 1'"
    assert ground.start(launcher=launcher, max_wait=None).wait(120) == UNABLE
    assert (ground.names(WAITING), ground.names(LOST)) == (["a", "b"], [])
    assert "no such node" in (ground.folder / "pilot.err").read_text()


def test_an_escort_that_is_late_begins_nothing_that_waits_for_others(ground: Ground) -> None:
    """Its node hung, the launcher failed meanwhile; another pilot may be about to begin it."""
    folder = ground.add("a", "echo x >>ran")
    code = ground.folder / "code"
    launcher = f"bash -c '(sleep 1; \"$@\"; echo $? >{code}.new; mv {code}.new {code}) & exit 1' -"
    assert ground.start(launcher=launcher, max_wait=None).wait(120) == UNABLE
    wait_until(code.exists, "the escort to end")
    assert int(code.read_text()) == STALE
    assert ground.names(WAITING) == ["a"]
    assert not (folder / "ran").exists()


def test_a_job_that_an_escort_has_begun_does_not_wait_for_others(ground: Ground) -> None:
    """Though the launcher fails, and what the job writes on its node is not seen here."""
    folder = ground.add("a", "touch begun; sleep 300")
    begun = f"until [ -e {folder}/begun ]; do sleep 0.05; done"
    assert ground.start(launcher=f"bash -c '\"$@\" & {begun}; exit 1' -").wait(120) == 0
    assert not list(ground.pool.rglob("*-jfc-*"))


@pytest.mark.parametrize("change", ["rm -r {0}", "echo jfc-anew >{0}/submit.sh"])
def test_a_job_that_is_deleted_or_run_anew_before_its_launcher_fails(
    ground: Ground, change: str
) -> None:
    """As one that was killed, whose end is seen at once: the pilot goes on with others."""
    folder, other = ground.add("a", "exit 1"), ground.add("b", "touch ran")
    told = f'case "$*" in *jfc-a*) {change.format(folder)}; exit 1; esac; exec "$@"'
    assert ground.start(launcher=f"bash -c '{told}' -").wait(120) == 0
    assert (other / "ran").exists()
    assert not list(ground.pool.rglob("*-jfc-*"))


def test_a_job_of_a_launcher_that_ended_well_is_not_run_again(ground: Ground) -> None:
    """Also where its status file, which is written on another node, is not seen yet."""
    for name in "ab":
        ground.add(name, "echo x >>ran")
    assert ground.start(launcher="env -i").wait(120) == 0
    assert [(ground.folder / name / "ran").read_text() for name in "ab"] == ["x\n", "x\n"]
    assert not list(ground.pool.rglob("*-jfc-*"))


def test_an_escort_starts_no_other_attempt(tmp_path: Path) -> None:
    """The launcher was late: the folder is another attempt's since, or seems to be what it was."""
    argv = [sys.executable, "-c", HASTY, str(tmp_path), PILOT, "1-jfc-a-1-1", "1", "0"]
    script = tmp_path / RunFolder.SCRIPT
    for number, patience, code in ((10, 0.2, STALE), (2, 0.2, STALE), (1, 0.2, 0)):
        script.write_text(f"# Queue job jfc-a-1-{number}\necho {number} >>ran\n")
        found = subprocess.run([*argv, str(patience)], stdin=subprocess.DEVNULL, check=False)
        assert found.returncode == code
    script.write_text("# Queue job jfc-a-1-2\n")
    (tmp_path / RunFolder.turn(1, PILOT)).unlink()
    with subprocess.Popen([*argv, "60"], stdin=subprocess.DEVNULL) as process:
        time.sleep(0.5)
        script.write_text("# Queue job jfc-a-1-1\necho again >>ran\n")
        assert process.wait(60) == 0
    assert (tmp_path / "ran").read_text().split() == ["1", "again"]
