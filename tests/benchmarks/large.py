"""Print what a large flow costs: ``python tests/benchmarks/large.py [--jobs 5000]``.

Nobody runs the flow: it is added to a project with embedded services, listed, shown, paused,
resumed, changed, run again and deleted by the commands that a person uses. Seconds depend on the
machine; the ratios compare with starting Python and importing jobflow in the same run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jfcelery import services, submit_flow
from jfcelery.project import load_file
from tests.benchmarks.jobs import crowd

#: The command line, as the installed script runs it.
JFC = [sys.executable, "-c", "from jfcelery.cli.main import main; main()"]
#: What is timed, in this order.
COMMANDS = (
    ("job list", ["job", "list"]),
    ("flow list", ["flow", "list"]),
    ("flow info", ["flow", "info", "1"]),
    ("job pause, all", ["job", "pause", "-y"]),
    ("job resume, all", ["job", "resume", "-y"]),
    ("job set priority, all", ["job", "set", "priority", "5", "-y"]),
    ("job set-state, all", ["job", "set-state", "FAILED", "-y"]),
    ("job rerun, all", ["job", "rerun", "-y"]),
    ("flow delete", ["flow", "delete", "-y"]),
)
FILE = """\
name: large
base_dir: {folder}/base
workers:
  here: {{type: local, scheduler_type: shell, work_dir: {folder}/jobs}}
"""


def seconds_of(command: list[str]) -> float:
    """Return how long a command takes.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


@click.command()
@click.option("--jobs", default=5000, show_default=True, help="Jobs of the flow.")
def main(jobs: int) -> None:
    """Measure, and print the figures."""
    folder = Path(tempfile.mkdtemp(prefix="jfc-large-"))
    path = folder / "large.yaml"
    path.write_text(FILE.format(folder=folder))
    os.environ["JFCELERY_PROJECTS_FOLDER"] = str(folder)
    project = load_file(path)
    services.ensure(project)
    try:
        start = seconds_of([sys.executable, "-c", "import jobflow"])
        print(f"{'a flow of ' + str(jobs) + ' jobs':<24}{'seconds':>9}{'ratio':>8}")
        flow = crowd(jobs)
        began = time.monotonic()
        submit_flow(flow, project=project)
        _show("submit_flow", time.monotonic() - began, start)
        for name, arguments in COMMANDS:
            _show(name, seconds_of([*JFC, *arguments]), start)
    finally:
        services.stop(project)
        shutil.rmtree(folder, ignore_errors=True)


def _show(name: str, seconds: float, start: float) -> None:
    print(f"{name:<24}{seconds:>9.2f}{seconds / start:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
