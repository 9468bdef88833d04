"""Runners on real processes, of which none outlives its test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery import services
from jfcelery.services.processes import ProcessIdentity, command_line
from jfcelery.tasks.runner.folder import RunnerFolder
from jfcelery.tasks.runner.layout import Layout
from jfcelery.tasks.runner.lifecycle import Runner
from tests.support.system import ROOT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory

#: The smallest layout: one Celery worker.
SMALL = Layout(single=True, flower=False, concurrency=2)


@pytest.fixture
def folder(tmp_path: Path) -> RunnerFolder:
    """A runner's folder, made."""
    made = RunnerFolder(tmp_path / "daemon" / "machine", tmp_path / "log" / "machine")
    made.make()
    return made


@pytest.fixture
def make_runner(
    make_project: ProjectFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Project], Runner]]:
    """A function that returns a project's runner; whatever it starts is ended."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # jobs find their functions there
    made: list[Runner] = []

    def make(project: Project) -> Runner:
        made.append(Runner(project))
        return made[-1]

    yield make
    for runner in made:
        runner.kill()
        services.stop(runner.project)
        _await_end(runner)


def _await_end(runner: Runner) -> None:
    try:
        wait_until(lambda: not processes_of(runner), "all processes to end")
    finally:
        for process in processes_of(runner):
            process.end(grace=0)


@pytest.fixture
def runner(make_runner: Callable[[Project], Runner], project: Project) -> Runner:
    """The runner of a project on the session's servers."""
    return make_runner(project)


def processes_of(runner: Runner) -> list[ProcessIdentity]:
    """Return all living processes whose command line names the runner's project folder."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    base = str(runner.project.base_dir)
    return [p for pid in pids if base in command_line(pid) and (p := ProcessIdentity.of(pid))]
