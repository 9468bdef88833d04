"""The submission script, run by a real bash: its stages, its end, whatever is in between."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.project import ExecutionConfig
from jfcelery.scheduler_io.script import DUPLICATE

if TYPE_CHECKING:
    from tests.scheduler_io.scripts import MakeScript


def test_it_tells_each_stage_and_leaves_a_final_file(make_script: MakeScript) -> None:
    """From its first line on, with host and id, to the end."""
    config = ExecutionConfig(export={"A": "1"}, pre_run="B=2", post_run='echo "post $A$B"')
    script = make_script('echo "run $A$B$C"', config, pre_run="C=3", post_run="echo worker")
    assert script.run() == 0
    host = os.uname().nodename
    stages = ["pre_run", "export", "pre_run", "exec", "post_run", "post_run"]
    assert script.lines == [
        "stage=started",
        f"host={host}",
        "queue_id=7",
        *(f"stage={stage}" for stage in stages),
        "left=0",
        "stage=ended",
        "exit_code=0",
    ]
    assert script.text("queue.out") == "run 123\nworker\npost 12\n"
    assert {k: script.end[k] for k in ("exit_code", "stage", "queue_id", "host")} == {
        "exit_code": "0",
        "stage": "post_run",
        "queue_id": "7",
        "host": host,
    }
    assert "signal" not in script.end


def test_it_begins_nothing_in_the_folder_of_another_attempt(make_script: MakeScript) -> None:
    """A queue job that was given up may be remembered by its scheduler after all."""
    script = make_script("echo run")
    (script.folder / ".jfc_claim.1").symlink_to("jfcelery:over")
    assert script.run() == DUPLICATE
    assert "begun, or given up, already (jfcelery:over)" in script.text("queue.err")
    assert script.lines == []
    assert script.text("queue.out") == ""


@pytest.mark.parametrize("code, runs", [(0, 1), (3, 2)])
def test_what_ended_well_is_not_begun_again(make_script: MakeScript, code: int, runs: int) -> None:
    """By a controller that forgot that it has; a failed job may be, as some sites' rules want."""
    script = make_script(f"echo run; exit {code}")
    assert [script.run(), script.run()] == [code, code]
    assert script.text("queue.out") == "run\n" * runs
    assert script.end["exit_code"] == str(code)
    assert ("ended well already" in script.text("queue.err")) is (runs == 1)


def test_the_stages_come_in_their_order(make_script: MakeScript) -> None:
    """Worker's pre_run, modules, export, pre_run, command, worker's post_run, post_run."""
    config = ExecutionConfig(
        modules=["one", "two"], export={"X": "$Y"}, pre_run="echo pre $X", post_run="echo post"
    )
    script = make_script(
        "echo run", config, pre_run='Y=y; module() { echo "$@"; }', post_run="echo w"
    )
    script.run()
    assert script.text("queue.out").splitlines() == [
        "load one",
        "load two",
        "pre y",
        "run",
        "w",
        "post",
    ]


def test_it_runs_in_its_folder(make_script: MakeScript) -> None:
    """Wherever the scheduler starts it, and with a blank in the path."""
    script = make_script("pwd")
    script.run()
    assert script.text("queue.out").strip() == str(script.folder)


@pytest.mark.parametrize("code", [0, 3, 255])
def test_it_keeps_the_commands_exit_code(make_script: MakeScript, code: int) -> None:
    """Also past a post_run that does well, or fails."""
    script = make_script(f"exit_with() {{ return {code}; }}; exit_with", post_run="false")
    assert script.run() == code
    assert script.end["exit_code"] == str(code)
    assert "failed=post_run:1" in script.lines


def test_a_failing_pre_run_is_told_and_does_not_stop_the_job(make_script: MakeScript) -> None:
    """Stopping at the first failure is the user's choice."""
    script = make_script("echo run", pre_run="true\nfalse")
    assert script.run() == 0
    assert "failed=pre_run:1" in script.lines
    assert script.text("queue.out") == "run\n"


@pytest.mark.parametrize(
    "pre_run,code",
    [
        ("exit 5", "5"),
        ("set -e\nfalse\necho on", "1"),
        ("set -u\necho $NOT_SET\necho on", "1"),
        ("trap 'echo mine' EXIT\nexit 6", "6"),
        ("exec false", "1"),
        ("kill -KILL $BASHPID", "137"),
    ],
)
def test_whatever_a_pre_run_does_the_end_is_written_down(
    make_script: MakeScript, pre_run: str, code: str
) -> None:
    """It may exit, be strict, set traps, replace or kill its shell."""
    script = make_script("echo run", pre_run=pre_run)
    assert script.run() == int(code)
    assert (script.end["exit_code"], script.end["stage"]) == (code, "pre_run")
    assert "run" not in script.text("queue.out").split()


@pytest.mark.parametrize("pre_run", ["if true; then", "echo 'open", "cat <<EOF\nopen"])
def test_a_pre_run_that_bash_cannot_read_fails_with_bashs_own_words(
    make_script: MakeScript, pre_run: str
) -> None:
    """A final file, an exit code and a message all the same."""
    script = make_script("echo run", pre_run=pre_run)
    assert script.run() != 0
    assert script.end["exit_code"] != "0"
    assert script.text("queue.err")


def test_a_command_that_is_not_there_is_told(make_script: MakeScript) -> None:
    """Exit code 127, from the shell."""
    script = make_script("no-such-command --at all")
    assert script.run() == 127
    assert script.end["exit_code"] == "127"
    assert "no-such-command" in script.text("queue.err")


def test_a_command_of_several_parts_is_run_by_bash(make_script: MakeScript) -> None:
    """Pipes, lists, functions and variables work."""
    script = make_script("f() { echo in; }; f | tr a-z A-Z && A=1 bash -c 'echo $A'")
    assert script.run() == 0
    assert script.text("queue.out") == "IN\n1\n"


def test_a_command_may_be_a_shell_function(make_script: MakeScript) -> None:
    """As conda and module are."""
    script = make_script("conda run python", pre_run='conda() { echo "conda $*"; return 4; }')
    assert script.run() == 4
    assert script.text("queue.out") == "conda run python\n"


def test_a_folder_that_is_gone_has_its_own_exit_code(
    make_script: MakeScript, tmp_path: Path
) -> None:
    """There is nowhere to write to."""
    script = make_script("true")
    moved = tmp_path / "submit.sh"
    (script.folder / "submit.sh").rename(moved)
    script.folder.rmdir()
    done = subprocess.run(["bash", str(moved)], check=False, capture_output=True)
    assert done.returncode == 71


# Twice --------------------------------------------------------------------------------------


def test_a_second_queue_job_does_nothing(make_script: MakeScript) -> None:
    """Should a job have been submitted twice after all, it runs once."""
    script = make_script("echo run")
    assert script.run("7") == 0
    before = script.text("jfc_end.1")
    assert script.run("8") == DUPLICATE
    assert script.text("queue.out") == "run\n"
    assert script.text("jfc_end.1") == before
    assert "begun, or given up, already (7)" in script.text("queue.err")


def test_a_queue_job_that_is_started_anew_runs_again(make_script: MakeScript) -> None:
    """As Slurm does after a node failure, with the same id; the old final file goes first."""
    script = make_script("test -e jfc_end.1; echo end=$?; exit 3")
    assert script.run("7") == 3
    assert script.run("7") == 3
    assert script.text("queue.out") == "end=1\nend=1\n"
    assert script.lines.count("stage=started") == 2


def test_a_local_job_finds_this_installation_last(make_script: MakeScript) -> None:
    """What pre_run activates goes first."""
    script = make_script("bash -c 'echo $PATH'", is_local=True, pre_run="PATH=/mine:$PATH")
    script.run()
    path = script.text("queue.out").strip().split(":")
    assert path[0] == "/mine"
    assert (Path(path[-1]) / "python").exists()
