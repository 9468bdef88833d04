"""``jfc runner``, as a person uses it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from jfcelery import services
from jfcelery.cli.main import jfc
from jfcelery.cli.runner import COMMANDS
from jfcelery.tasks.runner.lifecycle import Runner
from jfcelery.tasks.runner.records import Record, Records
from jfcelery.tasks.runner.status import RunnerInfo, RunnerState
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory

#: Options of the smallest runner.
SMALL = ("--single", "--no-flower", "--concurrency", "2")


def call(*arguments: str, given: str | None = None) -> Result:
    """Call ``jfc``."""
    return CliRunner().invoke(jfc, arguments, input=given)


@pytest.fixture
def runner(project: Project) -> Iterator[Runner]:
    """The runner of the only project; whatever is started is ended."""
    made = Runner(project)
    yield made
    made.kill()


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str) -> None:
    """Every command explains itself."""
    result = call("runner", name, "--help")
    assert result.exit_code == 0
    assert "Usage: jfc runner" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ("start", "-t", "0"),
        ("start", "-com", "none"),
        ("start", "-log", "loud"),
        ("run", "--drain", "-1"),
        ("stop", "--timeout", "soon"),
        ("statuz",),
    ],
)
def test_wrong_options(command: tuple[str, ...]) -> None:
    """A wrong option or command is refused before anything happens."""
    assert call("runner", *command).exit_code == 2


def test_nothing_runs(make_project: ProjectFactory) -> None:
    """Without a runner all questions are answered, and nothing is started to answer them."""
    project = make_project(queue=None, broker=None)
    status = call("runner", "status")
    assert (status.exit_code, status.output) == (3, "Runner status: stopped\n")
    assert json.loads(call("runner", "status", "--json").output) == {"state": "stopped"}
    info = json.loads(call("runner", "info", "--json").output)
    assert info["processes"] == []
    assert "not running" in call("runner", "info").output
    assert "does not run" in call("runner", "stop").output
    assert "does not run" in call("runner", "kill").output
    assert call("runner", "foreground").exit_code == 1
    assert "Nothing was left" in call("runner", "reset", "-y").output
    assert not any(service.running for service in services.status(project))


def test_shutdown_of_services_without_a_runner(make_project: ProjectFactory) -> None:
    """What a command without a runner stops is named: the services that `stop` leaves running."""
    project = make_project(broker=None)
    services.ensure(project)
    stopped = call("runner", "shutdown").output
    assert stopped == f"The runner of {project.name} does not run; stopped: broker.\n"
    assert call("runner", "shutdown").output == f"The runner of {project.name} does not run.\n"
    services.ensure(project)
    result = json.loads(call("runner", "shutdown", "--all", "--json").output)
    assert result["runners"] == [{"project": project.name, "ran": False, "services": ["broker"]}]


@pytest.mark.parametrize("section", ["queue", "broker"])
def test_services_down(make_project: ProjectFactory, section: str) -> None:
    """If database or broker is down, the start says so in one line, and starts nothing."""
    store = {"type": "MongoURIStore", "uri": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"}
    down: dict[str, Any] = {
        "queue": {"store": store | {"database": "x", "collection_name": "jobs"}},
        "broker": {"url": "redis://127.0.0.1:9/0"},
    }
    project = make_project(**{section: down[section]})
    result = call("runner", "start", *SMALL)
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert len(result.output.splitlines()) <= 2
    assert Runner(project).info().processes == ()


def test_update_status(project: Project) -> None:
    """Without a runner the queues are asked right here."""
    result = call("runner", "update-status")
    assert (result.exit_code, result.output) == (0, "All queues were asked.\n")


@pytest.mark.parametrize("wanted", [True, False])
def test_a_person_logs_in_before_the_start(
    make_project: ProjectFactory, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    """With --connect-interactive; without it the start says how to."""
    otp = {"type": "remote", "scheduler_type": "slurm", "host": "otp.invalid", "work_dir": "/w"}
    make_project(workers={"otp": otp | {"interactive_login": True}, "other": otp})
    done: list[str] = []

    def log_in(_project: Project, name: str, **_options: Any) -> None:
        done.append(f"log in to {name}")

    def start(*_args: Any, **_options: Any) -> RunnerInfo:
        done.append("start")
        return RunnerInfo(RunnerState.RUNNING)

    monkeypatch.setattr("jfcelery.cli.login.log_in", log_in)
    monkeypatch.setattr(Runner, "start", start)
    result = call("runner", "start", *SMALL, *(["--connect-interactive"] if wanted else []))
    assert result.exit_code == 0, result.output
    assert done == (["log in to otp", "start"] if wanted else ["start"])
    assert ("jfc worker login otp" in result.output) is not wanted


def test_systemd(project: Project) -> None:
    """The unit that is written names this project."""
    output = call("runner", "systemd", "--system").output
    assert f'"JFCELERY_PROJECT={project.name}"' in output
    assert "multi-user.target" in output


def test_all_projects(make_project: ProjectFactory) -> None:
    """A command for all projects passes over those without a runner."""
    make_project("one")
    make_project("two")
    assert call("runner", "stop", "--all").output == ""


def follow() -> None:
    """Follow the logs of a runner for a moment."""
    command = [sys.executable, "-m", "jfcelery.cli.main", "runner", "foreground"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as follower:
        assert follower.stdout is not None
        assert any("ready" in line for line in iter(follower.stdout.readline, ""))
        follower.send_signal(signal.SIGINT)
        follower.communicate()
    assert follower.returncode == 130


@pytest.mark.slow
def test_life(runner: Runner) -> None:
    """Start, look, restart, stop: each says what it did, and the exit statuses tell it too."""
    name = runner.project.name
    started = call("runner", "start", *SMALL, "-i")
    assert (started.exit_code, started.output) == (0, "The runner works: supervisor, worker.\n")
    again = call("runner", "start", *SMALL)
    assert again.exit_code == 1
    assert "already has a runner" in again.output
    assert (call("runner", "status").exit_code, call("runner", "reset", "-y").exit_code) == (0, 1)
    info = json.loads(call("runner", "info", "--json").output)
    pids = {process["name"]: process["pid"] for process in info["processes"]}
    assert list(pids) == ["supervisor", "worker"]
    assert {service["name"] for service in info["services"]} == {"database", "broker"}
    shown = call("runner", "info", "-v").output
    assert all(str(pid) in shown for pid in pids.values())
    assert "worker.log" in shown
    assert "was told" in call("runner", "update-status").output
    follow()
    assert call("runner", "start", *SMALL, "--replace").exit_code == 0
    assert str(pids["supervisor"]) not in call("runner", "info").output
    assert "told to stop" in call("runner", "stop", "--no-wait").output
    wait_until(lambda: call("runner", "status").exit_code == 3, "the end")
    assert call("runner", "stop").output == f"The runner of {name} does not run.\n"


def test_lost_supervisor(runner: Runner) -> None:
    """Processes without their supervisor give exit status 4 and are shown; a reset ends them."""
    runner.folder.make()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as orphan:
        Records(runner.folder).write(Record.of(orphan.pid, "hosts-1"))
        assert call("runner", "status").exit_code == 4
        shown = call("runner", "info").output
        assert "supervisor lost" in shown
        assert "orphaned" in shown
        assert call("runner", "reset", given="n\n").exit_code == 1
        assert orphan.poll() is None
        assert call("runner", "reset", given="y\n").output.endswith("Done.\n")
        assert orphan.wait() == -signal.SIGTERM
    assert call("runner", "status").exit_code == 3
