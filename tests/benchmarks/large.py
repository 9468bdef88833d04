"""Print what a large flow costs: ``python tests/benchmarks/large.py [--jobs 5000] [--part read]``.

Nobody runs the flow: it is added to a project with embedded services, listed, shown, paused,
resumed, changed, run again and deleted by the commands that a person uses; what is reported are
jobs that all ended just before. Seconds depend on the machine; the ratios compare with starting
Python and importing jobflow in the same run. Memory is the peak of the process, for submit_flow
with the flow itself; in the last column that of the embedded database meanwhile. Then a few jobs
of a small flow and of one of this size, in which one job makes way for all but one, which waits for
all of those, are taken through their steps in turn, once the database has come to rest: what each
costs, the seconds being a median.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jfcelery import services, submit_flow
from jfcelery.database.connection import open_queue
from jfcelery.project import load_file
from tests.benchmarks.jobs import crowd
from tests.benchmarks.system import note_anew, peak_of
from tests.support.bench import QUICK, Bench
from tests.support.commands import listen
from tests.support.completing import Cost, complete, insert

if TYPE_CHECKING:
    from jfcelery.project import Project

#: The command line, as the installed script runs it; at its end it notes its peak memory. What the
#: system says of children that ended counts what they had of their parent's.
JFC = [
    sys.executable,
    "-c",
    (
        "import sys; from jfcelery.cli.main import main; note = sys.argv.pop()\ntry: main()\n"
        "finally: open(note, 'w').write(open('/proc/self/status').read())"
    ),
]
#: What is timed, by part, in this order.
COMMANDS = {
    "read": (
        ("job list", ["job", "list"]),
        ("flow list", ["flow", "list"]),
        ("flow info", ["flow", "info", "1"]),
    ),
    "change": (
        ("job pause, all", ["job", "pause", "-y"]),
        ("job resume, all", ["job", "resume", "-y"]),
        ("job set priority, all", ["job", "set", "priority", "5", "-y"]),
        ("job set-state, all", ["job", "set-state", "FAILED", "-y"]),
        ("job rerun, all", ["job", "rerun", "-y"]),
    ),
    "report": (
        ("all to FAILED", ["job", "set-state", "FAILED", "-y"]),
        ("job report", ["job", "report"]),
        ("flow report", ["flow", "report"]),
    ),
    "delete": (("flow delete", ["flow", "delete", "-y"]),),
}
#: What can be measured once the flow is submitted.
PARTS = (*COMMANDS, "steps")
FILE = """\
name: large
base_dir: {folder}/base
workers:
  here: {{type: local, scheduler_type: shell, work_dir: {folder}/jobs, execution_cmd: "{quick}"}}
"""


#: Jobs of the small flow, and how many jobs of each are taken through their steps.
SMALL, SAMPLE = 10, 7
#: The database rests when it uses so much of a core at most for so many seconds; how long it may
#: take until then.
BUSY, REST, PATIENCE = 0.02, 5.0, 300.0


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
@click.option(
    "--part", "parts", type=click.Choice(PARTS), multiple=True, help="Only this; may be repeated."
)
def main(jobs: int, parts: tuple[str, ...]) -> None:
    """Measure, and print the figures."""
    folder = Path(tempfile.mkdtemp(prefix="jfc-large-"))
    path = folder / "large.yaml"
    path.write_text(FILE.format(folder=folder, quick=f"{QUICK} {{}}"))
    os.environ["JFCELERY_PROJECTS_FOLDER"] = str(folder)
    project = load_file(path)
    services.ensure(project)
    (server,) = (one for one in services.status(project) if one.name == "database")
    process = Path(f"/proc/{server.pid}")
    try:
        start = seconds_of([sys.executable, "-c", "import jobflow"])
        head = f"{'a flow of ' + str(jobs) + ' jobs':<24}{'seconds':>9}{'ratio':>8}{'MB':>8}"
        print(f"{head}{'database':>10}")
        flow = crowd(jobs)
        began = time.monotonic()
        submit_flow(flow, project=project)
        seconds = time.monotonic() - began
        _show("submit_flow", seconds, start, [Path("/proc/self/status"), process / "status"])
        note = folder / "status"
        for part in parts or PARTS:
            for name, arguments in COMMANDS.get(part, ()):
                note_anew(process)
                seconds = seconds_of([*JFC, *arguments, str(note)])
                _show(name, seconds, start, [note, process / "status"])
        if "steps" in (parts or PARTS):
            _show_steps(project, folder, jobs, process)
    finally:
        services.stop(project)
        shutil.rmtree(folder, ignore_errors=True)


def _show(name: str, seconds: float, start: float, notes: list[Path]) -> None:
    own, database = (peak_of(note.read_text()) for note in notes)
    figures = f"{seconds:>9.2f}{seconds / start:>8.2f}{own:>8.0f}{database:>10.0f}"
    print(f"{name:<24}{figures}", flush=True)


def _await_rest(process: Path) -> None:
    """Wait until a server has written out what it was given, and does nothing; say if it does not.

    It may be at that for minutes: it also prunes its own log of all writes.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        os.sync()
        before = _processor(process)
        time.sleep(REST)
        if _processor(process) - before <= REST * BUSY:
            return
    print("the database has not come to rest", flush=True)


def _processor(process: Path) -> float:
    """Return the processor seconds of a process."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _show_steps(project: Project, folder: Path, jobs: int, process: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        open_queue(project).close()  # so that what it is asked is heard from now on
        commands = listen(patch)
        bench = Bench(project, folder, patch)
        names = {size: insert(bench, commands, size) for size in (jobs, SMALL)}
        costs = {size: Cost() for size in names}
        _await_rest(process)
        for place in range(SAMPLE):
            for size in names:
                complete(bench, commands, names[size][place], costs[size])
        for size, found in costs.items():
            number, seconds = found.each()
            words = f"each job of {size}"
            print(f"{words:<24}{seconds:>9.3f} s{number:>8.1f} database commands", flush=True)
        bench.runtime.close()


if __name__ == "__main__":
    main()
