"""`jfc demo` as a person runs it: real services, real Celery workers, a real calculation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jfcelery import services
from jfcelery.project import load_file
from jfcelery.tasks.runner.lifecycle import Runner
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

DEMO = [sys.executable, "-c", "from jfcelery.cli.main import main; main()", "demo"]
#: How long the whole demonstration may take on a busy machine, in seconds.
LIMIT = 270


def nothing_runs(folder: Path) -> bool:
    """Whether the project of a demonstration has no process left."""
    project = load_file(folder / "demo.yaml")
    runs = [status for status in services.status(project) if status.running]
    return not runs and not Runner(project).info().processes


@pytest.mark.slow
@pytest.mark.timeout(LIMIT + 30)
def test_demo_calculates_and_cleans_up(projects_folder: Path) -> None:
    """The demonstration finds copper's known properties and leaves no process behind."""
    folder = projects_folder / "demo"
    argv = [*DEMO, "--folder", str(folder), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["properties"]["lattice_constant"] == pytest.approx(3.59, abs=0.01)
    assert found["properties"]["bulk_modulus"] == pytest.approx(134, rel=0.02)
    assert found["jobs"] == 11
    assert nothing_runs(folder)


@pytest.mark.slow
@pytest.mark.timeout(LIMIT + 30)
def test_demo_stops_cleanly_on_ctrl_c(projects_folder: Path) -> None:
    """Ctrl-C while jobs run ends the demonstration, with all that it started."""
    folder = projects_folder / "demo"
    process = subprocess.Popen(
        [*DEMO, "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: any((folder / "jobs").rglob("jfc_status.*")), "a job to start")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, output
    assert nothing_runs(folder)


def test_demo_wants_an_empty_folder(projects_folder: Path) -> None:
    """The demonstration touches no folder in which something lies."""
    (projects_folder / "precious").touch()
    argv = [*DEMO, "--folder", str(projects_folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert [path.name for path in projects_folder.iterdir()] == ["precious"]
