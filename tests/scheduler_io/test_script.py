"""The submission script: run for real, by bash, on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from qtoolkit.core.data_objects import QResources
from qtoolkit.io.pbs import PBSIO
from qtoolkit.io.sge import SGEIO
from qtoolkit.io.shell import ShellIO
from qtoolkit.io.slurm import SlurmIO

from jfcelery.errors import ResourcesError
from jfcelery.folders import RunFolder
from jfcelery.project import ExecutionConfig
from jfcelery.scheduler_io.schedulers.proof import key_values
from jfcelery.scheduler_io.script import DUPLICATE, build_script, export_line, fill_in, is_simple
from tests.scheduler_io.schedulers.workers import PlainWorker
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qtoolkit.io.base import BaseSchedulerIO

FOLDER = RunFolder(PurePosixPath("/work/a b/u_1"))


@dataclass
class Script:
    """A script in its folder, and the process that runs it."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, queue_id: str = "7", *, leader: bool = True) -> subprocess.Popen[bytes]:
        """Start it, as the leader of a process group like a scheduler does."""
        with (
            (self.folder / "queue.out").open("ab") as out,
            (self.folder / "queue.err").open("ab") as err,
        ):
            self.process = subprocess.Popen(
                ["bash", str(self.folder / "submit.sh")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd="/",
                env={**os.environ, "JFC_QUEUE_ID": queue_id},
                start_new_session=leader,
            )
        return self.process

    def run(self, queue_id: str = "7") -> int:
        """Run it to its end."""
        return self.start(queue_id).wait(60)

    def text(self, name: str) -> str:
        """Return a file of the folder, empty if there is none."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    @property
    def lines(self) -> list[str]:
        """The lines of the status file, without times."""
        text = self.text("jfc_status.1").splitlines()
        return [line for line in text if not line.startswith("time=")]

    @property
    def end(self) -> dict[str, str]:
        """The fields of the final file."""
        return key_values(self.text("jfc_end.1"))

    def wait_for(self, line: str) -> None:
        """Wait until the status file has a line."""
        wait_until(lambda: line in self.lines, line)


class Maker:
    """Makes scripts in a folder, and ends what they left running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[Script] = []

    def __call__(
        self, command: str | None, exec_config: ExecutionConfig | None = None, **options: Any
    ) -> Script:
        """Write a script."""
        worker = PlainWorker("shell", work_dir=self.folder, **options)
        folder = self.folder / "run folder"
        folder.mkdir()
        text = build_script(
            worker,
            exec_config,
            None,
            folder=RunFolder(PurePosixPath(folder)),
            name="jfc-u-1-1",
            attempt=1,
            command=command,
        )
        (folder / "submit.sh").write_text(text)
        self.made.append(Script(folder))
        return self.made[-1]

    def end(self) -> None:
        """End what still runs."""
        for script in self.made:
            if script.process and script.process.poll() is None:
                os.killpg(script.process.pid, signal.SIGKILL)
                script.process.wait(10)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Maker]:
    """A function that writes a script."""
    maker = Maker(tmp_path)
    yield maker
    maker.end()


# What it does -------------------------------------------------------------------------------


def test_it_tells_each_stage_and_leaves_a_final_file(make: Maker) -> None:
    """From its first line on, with host and id, to the end."""
    config = ExecutionConfig(export={"A": "1"}, pre_run="B=2", post_run='echo "post $A$B"')
    script = make('echo "run $A$B$C"', config, pre_run="C=3", post_run="echo worker")
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


def test_the_stages_come_in_their_order(make: Maker) -> None:
    """Worker's pre_run, modules, export, pre_run, command, worker's post_run, post_run."""
    config = ExecutionConfig(
        modules=["one", "two"], export={"X": "$Y"}, pre_run="echo pre $X", post_run="echo post"
    )
    script = make("echo run", config, pre_run='Y=y; module() { echo "$@"; }', post_run="echo w")
    script.run()
    assert script.text("queue.out").splitlines() == [
        "load one",
        "load two",
        "pre y",
        "run",
        "w",
        "post",
    ]


def test_it_runs_in_its_folder(make: Maker) -> None:
    """Wherever the scheduler starts it, and with a blank in the path."""
    script = make("pwd")
    script.run()
    assert script.text("queue.out").strip() == str(script.folder)


@pytest.mark.parametrize("code", [0, 3, 255])
def test_it_keeps_the_commands_exit_code(make: Maker, code: int) -> None:
    """Also past a post_run that does well, or fails."""
    script = make(f"exit_with() {{ return {code}; }}; exit_with", post_run="false")
    assert script.run() == code
    assert script.end["exit_code"] == str(code)
    assert "failed=post_run:1" in script.lines


def test_a_failing_pre_run_is_told_and_does_not_stop_the_job(make: Maker) -> None:
    """Stopping at the first failure is the user's choice."""
    script = make("echo run", pre_run="true\nfalse")
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
    make: Maker, pre_run: str, code: str
) -> None:
    """It may exit, be strict, set traps, replace or kill its shell."""
    script = make("echo run", pre_run=pre_run)
    assert script.run() == int(code)
    assert (script.end["exit_code"], script.end["stage"]) == (code, "pre_run")
    assert "run" not in script.text("queue.out").split()


@pytest.mark.parametrize("pre_run", ["if true; then", "echo 'open", "cat <<EOF\nopen"])
def test_a_pre_run_that_bash_cannot_read_fails_with_bashs_own_words(
    make: Maker, pre_run: str
) -> None:
    """A final file, an exit code and a message all the same."""
    script = make("echo run", pre_run=pre_run)
    assert script.run() != 0
    assert script.end["exit_code"] != "0"
    assert script.text("queue.err")


def test_a_command_that_is_not_there_is_told(make: Maker) -> None:
    """Exit code 127, from the shell."""
    script = make("no-such-command --at all")
    assert script.run() == 127
    assert script.end["exit_code"] == "127"
    assert "no-such-command" in script.text("queue.err")


def test_a_command_of_several_parts_is_run_by_bash(make: Maker) -> None:
    """Pipes, lists, functions and variables work."""
    script = make("f() { echo in; }; f | tr a-z A-Z && A=1 bash -c 'echo $A'")
    assert script.run() == 0
    assert script.text("queue.out") == "IN\n1\n"


def test_a_command_may_be_a_shell_function(make: Maker) -> None:
    """As conda and module are."""
    script = make("conda run python", pre_run='conda() { echo "conda $*"; return 4; }')
    assert script.run() == 4
    assert script.text("queue.out") == "conda run python\n"


def test_a_folder_that_is_gone_has_its_own_exit_code(make: Maker, tmp_path: Path) -> None:
    """There is nowhere to write to."""
    script = make("true")
    moved = tmp_path / "submit.sh"
    (script.folder / "submit.sh").rename(moved)
    script.folder.rmdir()
    done = subprocess.run(["bash", str(moved)], check=False, capture_output=True)
    assert done.returncode == 71


# Twice --------------------------------------------------------------------------------------


def test_a_second_queue_job_does_nothing(make: Maker) -> None:
    """Should a job have been submitted twice after all, it runs once."""
    script = make("echo run")
    assert script.run("7") == 0
    before = script.text("jfc_end.1")
    assert script.run("8") == DUPLICATE
    assert script.text("queue.out") == "run\n"
    assert script.text("jfc_end.1") == before
    assert "queue job 7 has begun this job already" in script.text("queue.err")


def test_a_queue_job_that_is_started_anew_runs_again(make: Maker) -> None:
    """As Slurm does after a node failure, with the same id; the old final file goes first."""
    script = make("test -e jfc_end.1; echo end=$?")
    assert script.run("7") == 0
    assert script.run("7") == 0
    assert script.text("queue.out") == "end=1\nend=1\n"
    assert script.lines.count("stage=started") == 2


# Signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU])
def test_a_signal_to_all_is_written_down(make: Maker, number: signal.Signals) -> None:
    """As schedulers send it when the time is over, or somebody cancels."""
    script = make("sleep 1000")
    process = script.start()
    script.wait_for("stage=exec")
    os.killpg(process.pid, number)
    assert process.wait(60) == 128 + number
    assert script.end["exit_code"] == str(128 + number)
    assert script.end["signal"] == str(int(number))
    assert script.end["stage"] == "exec"


def test_a_signal_to_the_script_alone_is_passed_on(make: Maker) -> None:
    """As ``scancel --batch`` does."""
    script = make("sleep 1000")
    process = script.start()
    script.wait_for("stage=exec")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(60) == 143
    assert script.end["signal"] == "15"


_GRACEFUL = """\
import signal, sys, time, pathlib
def save(*_):
    time.sleep(1)
    pathlib.Path("saved").write_text("yes")
    sys.exit(9)
signal.signal(signal.SIGTERM, save)
pathlib.Path("ready").touch()
time.sleep(1000)
"""


def test_a_command_may_save_its_work_when_told_to_end(make: Maker) -> None:
    """The script waits for it, keeps its exit code, and runs post_run."""
    script = make("python3 job.py", post_run="cp saved kept")
    (script.folder / "job.py").write_text(_GRACEFUL)
    process = script.start()
    wait_until((script.folder / "ready").exists, "the job to be ready")
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) == 9
    assert script.text("kept") == "yes"
    assert (script.end["exit_code"], script.end["signal"]) == ("9", "15")


def test_a_signal_in_pre_run_keeps_the_command_from_starting(make: Maker) -> None:
    """The job is over before it began."""
    script = make("echo run", pre_run="touch here; sleep 1000; true")
    process = script.start()
    wait_until((script.folder / "here").exists, "pre_run")
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) == 143
    assert (script.end["signal"], script.end["stage"]) == ("15", "pre_run")
    assert script.text("queue.out") == ""


def test_a_signal_ends_a_command_of_several_parts_too(make: Maker) -> None:
    """Each part that is under way gets it."""
    script = make("sleep 1000; sleep 1000; echo run")
    process = script.start()
    script.wait_for("stage=exec")
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)
    assert script.end["signal"] == "15"
    assert script.end["exit_code"] != ""


def test_a_script_that_leads_no_group_spares_its_caller(make: Maker) -> None:
    """Run by hand from another program, it must not signal that."""
    script = make("sleep 2")
    process = script.start(leader=False)
    script.wait_for("stage=exec")
    os.kill(process.pid, signal.SIGTERM)
    process.wait(60)
    assert script.end["signal"] == "15"


@pytest.mark.slow
def test_no_moment_is_wrong_for_a_signal(make: Maker) -> None:
    """Between two commands, while forking, at the very end: it ends with code and final file."""
    script = make("sleep 1000", pre_run="true", post_run="true")
    for attempt in range(40):
        for path in script.folder.glob("*jfc_*"):
            path.unlink()
        process = script.start(str(attempt))
        script.wait_for("stage=started" if attempt % 2 else "stage=exec")
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(60) == 143
        assert script.end["exit_code"] == "143"


# What it is made of -------------------------------------------------------------------------


def slurm_script(resources: Mapping[str, Any] | QResources | None, **options: Any) -> str:
    """Return a script for Slurm."""
    worker = PlainWorker("slurm", SlurmIO(), **options)
    return build_script(worker, None, resources, folder=FOLDER, name="jfc-u-1-2", attempt=2)


def test_the_header_is_qtoolkits() -> None:
    """With jfcelery's own name and file names, whatever the resources say."""
    script = slurm_script({"ntasks": 4, "job_name": "mine", "qverbatim": "#SBATCH --comment=x"})
    assert script.startswith(
        "#!/bin/bash\n"
        "#SBATCH --job-name=jfc-u-1-2\n"
        "#SBATCH --ntasks=4\n"
        "#SBATCH --output=queue.out\n"
        "#SBATCH --error=queue.err\n"
        "#SBATCH --comment=x\n"
    )


def test_a_qresources_is_converted_by_qtoolkit() -> None:
    """As the scheduler understands it."""
    script = slurm_script(QResources(nodes=2, processes_per_node=8, time_limit=3600))
    assert "#SBATCH --nodes=2\n" in script
    assert "#SBATCH --ntasks-per-node=8\n" in script
    assert "#SBATCH --time=0-1:0:0\n" in script


@pytest.mark.parametrize(
    "name, io, asked",
    [
        ("slurm", SlurmIO(), QResources.scattered(3, time_limit=3600, queue_name="q")),
        ("slurm", SlurmIO(), QResources()),
        ("pbs", PBSIO(), QResources(nodes=2, processes_per_node=8)),
        ("sge", SGEIO(), QResources(processes=4, scheduler_kwargs={"model": "smp 4"})),
        ("shell", ShellIO(), QResources()),
    ],
)
def test_a_serialised_qresources_gives_the_script_of_the_object(
    name: str, io: BaseSchedulerIO, asked: QResources
) -> None:
    """The queue keeps the serialised form."""

    def script(resources: Mapping[str, Any] | QResources) -> str:
        worker = PlainWorker(name, io)
        return build_script(worker, None, resources, folder=FOLDER, name="x", attempt=1)

    assert script(asked.as_dict()) == script(asked)


def test_a_job_without_resources_has_those_of_its_worker() -> None:
    """And one with some has its own only."""
    worker = PlainWorker("slurm", SlurmIO(), resources={"partition": "short"})

    def script(resources: dict[str, Any] | None) -> str:
        return build_script(worker, None, resources, folder=FOLDER, name="x", attempt=1)

    assert "#SBATCH --partition=short\n" in script(None)
    assert "partition" not in script({"ntasks": 1})


@pytest.mark.parametrize(
    "resources,words",
    [
        ({"ntask": 4}, "'ntasks' instead of 'ntask'"),
        ({"array": "1-3"}, "several times"),
        (QResources(processes=1, njobs=3), "several times"),
        (QResources(processes=1, rerunnable=True), "rerunnable"),
    ],
)
def test_resources_that_make_no_sense_are_named(
    resources: Mapping[str, Any] | QResources, words: str
) -> None:
    """With what would."""
    with pytest.raises(ResourcesError, match=words):
        slurm_script(resources)


def test_the_command_is_the_workers_or_the_default() -> None:
    """``{}`` is the run folder, quoted."""
    assert "(_jfc_run jfc execution run '/work/a b/u_1')\n" in slurm_script(None)
    script = slurm_script(None, execution_cmd="srun -n 1 jfc execution run {}")
    assert "(_jfc_run srun -n 1 jfc execution run '/work/a b/u_1')\n" in script


@pytest.mark.parametrize(
    "command,line",
    [
        ("run {}", "run '/work/a b/u_1'"),
        ("echo ${{A}}; run {}", "echo ${A}; run '/work/a b/u_1'"),
        ("echo ${A}; run {}", "echo ${A}; run '/work/a b/u_1'"),
        ("awk '{print $1}'; run {}", "awk '{print $1}'; run '/work/a b/u_1'"),
    ],
)
def test_bashs_own_braces_survive(command: str, line: str) -> None:
    """Doubled, as jobflow-remote needs them, or as they are."""
    assert fill_in(command, FOLDER) == line


@pytest.mark.parametrize(
    "value,line",
    [
        ("1", "export A=1"),
        (4, "export A=4"),
        ("$HOME/bin:$PATH", "export A=$HOME/bin:$PATH"),
        ("a b", 'export A="a b"'),
        ("'a b'", "export A='a b'"),
        ("x;y", 'export A="x;y"'),
        ("~/data", "export A=~/data"),
    ],
)
def test_values_are_exported_as_the_shell_reads_them(value: object, line: str) -> None:
    """Variables expand; blanks do not break the line."""
    assert export_line("A", value) == line


def test_a_simple_command_is_one_program_with_arguments() -> None:
    """Anything else is left to bash."""
    assert is_simple("jfc execution run '/work/a b'")
    for command in ("a; b", "a | b", "A=1 b", "a && b", "a\nb", "(a)", "a > b", ""):
        assert not is_simple(command)


def test_a_local_job_finds_this_installation_last(make: Maker) -> None:
    """What pre_run activates goes first."""
    script = make("bash -c 'echo $PATH'", is_local=True, pre_run="PATH=/mine:$PATH")
    script.run()
    path = script.text("queue.out").strip().split(":")
    assert path[0] == "/mine"
    assert (Path(path[-1]) / "python").exists()
