"""Runners on real processes: started, stopped, killed, found again."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from jobflow import Flow

from jfcelery import services
from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.errors import RunnerError, RunnerRunningError
from jfcelery.project import load_file
from jfcelery.services.processes import start_token
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from jfcelery.tasks.queues import host_queue
from jfcelery.tasks.runner.layout import Layout
from jfcelery.tasks.runner.lifecycle import Runner
from jfcelery.tasks.runner.records import SUPERVISOR, Records
from jfcelery.tasks.runner.status import RunnerState
from jfcelery.wait import wait_for
from tests.support.jobs import identity
from tests.support.launching import pids_of
from tests.support.waiting import DEADLINE, wait_until
from tests.tasks.runner.conftest import SMALL, processes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jfcelery.project import Project
    from jfcelery.tasks.runner.status import ProcessInfo
    from tests.support.projects import ProjectFactory

    RunnerFactory = Callable[[Project], Runner]

pytestmark = pytest.mark.slow


def process(runner: Runner, name: str) -> ProcessInfo:
    """Return one process of a runner."""
    return next(p for p in runner.info().processes if p.name == name)


def await_state(runner: Runner, state: RunnerState) -> None:
    """Wait until a runner is in a state."""
    wait_until(lambda: runner.info().state is state, f"the runner to be {state.value}")


def kill(runner: Runner, name: str) -> int:
    """Kill a process with SIGKILL, wait for its end, and return its id."""
    pid = process(runner, name).pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: start_token(pid) is None, "its end")
    return pid


def run_flow(project: Project) -> None:
    """Run a flow of two jobs, and see that both are COMPLETED."""
    first = identity(1)
    flow = Flow([first, identity(first.output)])
    submit_flow(flow, project=project.name)
    counts = wait_for(flow.uuid, project=project, timeout=DEADLINE, progress=False)
    assert counts == {JobState.COMPLETED: 2}


def test_start_and_stop(runner: Runner) -> None:
    """The processes of the default layout run a flow to its end; afterwards none is left.

    What could be used to talk to the supervisor is its owner's alone.
    """
    info = runner.start(Layout(flower=False))
    assert info.state is RunnerState.RUNNING
    assert {p.name for p in info.processes} == {SUPERVISOR, "control-1", "hosts-1"}
    assert all(p.ready and p.memory and p.since for p in info.processes)
    assert all(p.log.exists() for p in info.processes)
    for path in (runner.folder.configuration, runner.folder.socket):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    run_flow(runner.project)
    assert runner.stop()
    assert runner.info().state is RunnerState.STOPPED
    assert processes_of(runner) == []
    assert Records(runner.folder).all() == []
    assert not runner.stop()


def test_many_starts_at_once(runner: Runner) -> None:
    """However many start a runner at the same moment, one of them does."""
    outcomes: list[str] = []

    def start() -> None:
        try:
            Runner(runner.project).start(SMALL)
        except RunnerRunningError:
            outcomes.append("refused")
        else:
            outcomes.append("started")

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", "refused", "refused", "started"]
    assert runner.info().state is RunnerState.RUNNING
    assert len(processes_of(runner)) == 2


def test_killed_worker(runner: Runner) -> None:
    """A Celery worker that is killed is started again and works; nothing is said to be wrong."""
    runner.start(SMALL)
    killed = kill(runner, "worker")
    wait_until(lambda: process(runner, "worker").pid not in {0, killed}, "a new process")
    assert process(runner, "worker").words == ""  # while it starts
    await_state(runner, RunnerState.RUNNING)
    assert "[queues]" not in process(runner, "worker").log.read_text()  # Celery's banner


def test_killed_supervisor(runner: Runner) -> None:
    """A killed supervisor is noticed; the next start ends what it left; no reset while it lives."""
    runner.start(SMALL)
    with pytest.raises(RunnerRunningError):
        runner.reset()
    orphan = process(runner, "worker").pid
    kill(runner, SUPERVISOR)
    await_state(runner, RunnerState.LOST)
    assert [(p.name, p.pid) for p in runner.info().processes] == [("worker", orphan)]
    runner.start(SMALL)
    assert runner.info().state is RunnerState.RUNNING
    assert process(runner, "worker").pid != orphan
    assert len(processes_of(runner)) == 2


def test_killed_while_starting(runner: Runner) -> None:
    """Processes whose supervisor dies before they are on record end by themselves.

    Those that are on record can be ended and forgotten without a start.
    """
    runner.start(SMALL, wait=0)
    wait_until(lambda: len(processes_of(runner)) >= 2, "the first process")
    kill(runner, SUPERVISOR)
    wait_until(
        lambda: len(processes_of(runner)) == len(Records(runner.folder).living()),
        "all that is left to be on record",
    )
    runner.reset()
    assert processes_of(runner) == []
    assert runner.info().state is RunnerState.STOPPED
    assert not runner.reset()


def test_silent_supervisor(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that hangs is told from one that runs, and can be killed.

    While it lives a second runner is refused.
    """
    monkeypatch.setattr("jfcelery.tasks.runner.status.TIMEOUT", 1.0)
    runner.start(SMALL)
    os.kill(process(runner, SUPERVISOR).pid, signal.SIGSTOP)
    assert runner.info().state is RunnerState.SILENT
    with pytest.raises(RunnerRunningError, match=r"already has a runner(.|\n)*restart"):
        Runner(runner.project).start(SMALL)
    assert runner.kill()
    assert processes_of(runner) == []


def test_restart(runner: Runner) -> None:
    """A restart keeps the layout of the last start."""
    runner.start(SMALL)
    before = process(runner, SUPERVISOR).pid
    info = runner.restart()
    assert [p.name for p in info.processes] == [SUPERVISOR, "worker"]
    assert info.processes[0].pid != before


def test_without_a_file(project: Project) -> None:
    """A project that lies in no file cannot be run, and the error says so."""
    unsaved = type(project)(name="unsaved", base_dir=project.base_dir)
    with pytest.raises(RunnerError, match="without a file"):
        Runner(unsaved).start(SMALL)


def test_what_fails_is_told(runner: Runner) -> None:
    """If a process cannot work, the start says which one and why, and the system goes on trying."""
    source = runner.project.source
    assert source is not None
    text = source.read_text()
    source.write_text(text.replace('"redis://', '"nonsense://'))
    with pytest.raises(RunnerError, match=r"worker is failing: .*not the address of a Redis"):
        runner.start(SMALL)
    source.write_text(text)
    await_state(runner, RunnerState.RUNNING)


def test_changed_project(runner: Runner) -> None:
    """A worker added to the project file is served without anybody's restart."""
    runner.start(SMALL)
    source = runner.project.source
    assert source is not None
    text = source.read_text()
    source.write_text("name: [")
    source.write_text(
        text.replace(
            '"workers": {',
            '"workers": {"there": {"type": "remote", "scheduler_type": "shell", '
            '"host": "there.invalid", "user": "me", "work_dir": "/tmp/x"}, ',
        )
    )
    changed = load_file(source)
    queue = host_queue(changed, changed.workers["there"].host_key)
    log = runner.folder.log("worker")
    wait_until(lambda: queue in log.read_text(), "the queue of the new host")
    await_state(runner, RunnerState.RUNNING)


@dataclass
class Foreground:
    """A runner in the foreground.

    Args:
        process: The process that a terminal or a container runs.
    """

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, project: Project) -> Foreground:
        """Start a small runner as a terminal or a container does."""
        command = [sys.executable, "-m", "jfcelery.cli.main", "-p", project.name]
        return cls(
            subprocess.Popen(
                [*command, "runner", "run", "--single", "--no-flower"],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal; return exit status and output."""
        self.process.send_signal(number)
        output, _ = self.process.communicate()
        return self.process.returncode, output


def test_foreground(runner: Runner) -> None:
    """In the foreground all logs are on stdout, and a signal ends all, warm servers too."""
    foreground = Foreground.start(runner.project)
    try:
        await_state(runner, RunnerState.RUNNING)
        assert runner.info().foreground
        assert process(runner, SUPERVISOR).pid == foreground.process.pid
        run_flow(runner.project)
        assert pids_of("jfcelery.execution.warm.server", str(runner.project.base_dir))
    finally:
        status, output = foreground.end(signal.SIGTERM)
    assert status == 0
    assert "worker@" in output
    assert processes_of(runner) == []


def test_embedded_services(make_runner: RunnerFactory, make_project: ProjectFactory) -> None:
    """The embedded services end with the runner, but not while somebody else uses them."""
    runner = make_runner(make_project(queue=None, broker=None))
    code = (
        "import sys; from jfcelery.project import load_file; from jfcelery import services; "
        "services.ensure(load_file(sys.argv[1])); print('uses', flush=True); input()"
    )
    runner.start(SMALL)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(runner.project.source)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"uses"
        runner.stop()
        assert all(service.running for service in services.status(runner.project))
        other.kill()
    assert not runner.stop()
    assert not any(service.running for service in services.status(runner.project))


def test_embedded_services_come_back(
    make_runner: RunnerFactory, make_project: ProjectFactory
) -> None:
    """A service that is killed below a running system is started again by it; work goes on."""
    runner = make_runner(make_project(queue=None, broker=None))
    runner.start(SMALL)
    before = {s.name: s.pid for s in services.status(runner.project)}
    for pid in before.values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def all_back() -> bool:
        now = {s.name: s.pid for s in services.status(runner.project)}
        return all(now[name] not in {None, pid} for name, pid in before.items())

    wait_until(all_back, "both services")
    await_state(runner, RunnerState.RUNNING)
    run_flow(runner.project)


@dataclass
class SlowSubmission:
    """A worker on this machine whose ``sbatch`` waits until it is let go.

    Args:
        folder: Where it lies.
        project: The project with that worker.
    """

    folder: Path
    project: Project

    def begin(self) -> None:
        """Submit a job, and wait until its submission has begun."""
        submit_flow(identity(1), project=self.project.name)
        wait_until((self.folder / "begun").exists, "the submission to begin")

    def let_go(self) -> None:
        """Let the submission end."""
        (self.folder / "go").touch()


@pytest.fixture
def slow(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SlowSubmission:
    """A worker with a slow ``sbatch``."""
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(
        f"#!/bin/sh\ntouch {tmp_path}/begun\n"
        f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done\necho Submitted batch job 17\n"
    )
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sbatch.parent}:{os.environ['PATH']}")
    worker = {
        "type": "local",
        "scheduler_type": "slurm",
        "work_dir": str(tmp_path / "work"),
        "timeout_execute": 600,
    }
    return SlowSubmission(tmp_path, make_project(workers={"here": worker}))


def test_stop_waits_for_running_steps(slow: SlowSubmission, make_runner: RunnerFactory) -> None:
    """A stop lets the running step end; what it did is in the database."""
    runner = make_runner(slow.project)
    runner.start(SMALL)
    slow.begin()
    stopping = threading.Thread(target=runner.stop, kwargs={"timeout": 300})
    stopping.start()
    await_state(runner, RunnerState.STOPPING)
    with pytest.raises(RunnerRunningError, match="still ending"):
        Runner(slow.project).start(SMALL)
    assert process(runner, "worker").state == "stopping"
    slow.let_go()
    stopping.join()
    (doc,) = Jobs(open_queue(slow.project)).find({})
    assert (doc.state, doc.remote.process_id) == (JobState.SUBMITTED, "17")


def test_stop_loses_patience(slow: SlowSubmission, make_runner: RunnerFactory) -> None:
    """A step that does not end in time is killed with its process; no process is left."""
    runner = make_runner(slow.project)
    runner.start(SMALL)
    slow.begin()
    assert runner.stop(timeout=0.5)
    assert runner.info().state is RunnerState.STOPPED
    assert processes_of(runner) == []
    slow.let_go()


def test_second_signal(slow: SlowSubmission, make_runner: RunnerFactory) -> None:
    """In the foreground a second signal ends the running steps too."""
    runner = make_runner(slow.project)
    foreground = Foreground.start(slow.project)
    try:
        await_state(runner, RunnerState.RUNNING)
        slow.begin()
        foreground.process.send_signal(signal.SIGINT)
        await_state(runner, RunnerState.STOPPING)
    finally:
        status, _ = foreground.end(signal.SIGINT)
    assert status == 0
    assert processes_of(runner) == []
    slow.let_go()
