"""Print what a fan costs that one job makes: ``python tests/benchmarks/fan.py [--jobs 20000]``.

One job adds all the others when it runs. Printed are seconds, for each new job too, and the peak
memory of each process: of that job run by jobflow alone, of the job itself, in a Python of its own,
and of the step that takes its result in, in this process. Then some of the new jobs are run, many
at once, by a script that does nothing: what the runner takes for each in a flow of this size. The
last column is the peak memory of the embedded database meanwhile.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import pytest
from jobflow import Flow

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jfcelery import services, submit_flow
from jfcelery.project import load_file
from jfcelery.states import JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.finalize import finalize
from jfcelery.tasks.poll import poll_host
from tests.benchmarks.jobs import spread
from tests.benchmarks.system import note_anew, peak_of
from tests.support.bench import QUICK, Bench
from tests.support.waiting import wait_until

#: Seconds that anything may take, and that each job of those that are run may take beside it.
PATIENCE, EACH = 1800.0, 0.3
FILE = """\
name: fan
base_dir: {folder}/base
workers:
  here: {{type: local, scheduler_type: shell, work_dir: {folder}/jobs, max_jobs: 64,
    execution_cmd: "bash {folder}/run.sh {{}}"}}
"""
#: Runs the first job in a Python whose time and peak memory are noted, the others without one.
RUN = """\
[ ! -e {folder}/note ] || exec {quick} "$1"
exec {python} - "$1" <<'END'
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run([sys.executable, "-m", "jfcelery.execution", sys.argv[1]], check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
open("{folder}/note", "w").write(f"{{time.monotonic() - began}} {{peak}}")
END
"""
#: Runs the job that makes the others without jfcelery.
ALONE = """\
import sys
from jobflow import JobStore
from maggma.stores import MemoryStore
from tests.benchmarks.jobs import spread
store = JobStore(MemoryStore())
store.connect()
spread(int(sys.argv[1])).run(store)
"""
#: What Linux says of this process.
OWN = Path("/proc/self/status")


def show(what: str, seconds: float, jobs: int, memory: float, database: Path | None = None) -> None:
    """Print a line of the table; the peak memory of the database starts anew."""
    line = f"{what:<34}{seconds:>9.2f}{seconds / jobs * 1000:>12.2f}{memory:>8.0f}"
    if database is not None:
        line += f"{peak_of((database / 'status').read_text()):>10.0f}"
        note_anew(database)
    print(line, flush=True)


def run_alone(jobs: int) -> None:
    """Run the job that makes the others by jobflow alone."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", ALONE, str(jobs)], check=True, stdout=subprocess.DEVNULL)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    show("that job, by jobflow alone", time.monotonic() - began, jobs, peak)


def take_in(bench: Bench, folder: Path, jobs: int, database: Path) -> None:
    """Run the job that makes the others, and take its result in; none of the others is sent."""
    checkout(bench.runtime)
    bench.drain()
    note = folder / "note"
    wait_until(note.exists, "the job to end", deadline=PATIENCE)
    seconds, memory = map(float, note.read_text().split())
    show("the job that makes them", seconds, jobs, memory, database)
    doc = next(bench.runtime.jobs.find({}))

    def ended() -> bool:
        poll_host(bench.runtime, "local")
        return bench.runtime.jobs.get(doc.uuid).state is JobState.DOWNLOADED

    wait_until(ended, "the end to be seen")
    doc = bench.runtime.jobs.get(doc.uuid)
    began = time.monotonic()
    if not finalize.run(bench.runtime, doc.uuid, doc.index, doc.epoch):
        raise RuntimeError("the job was not taken in")
    show(
        "its result is taken in", time.monotonic() - began, jobs, peak_of(OWN.read_text()), database
    )
    bench.messages.clear()


def run(bench: Bench, number: int, database: Path) -> None:
    """Run some of the new jobs to their ends, together."""
    began, deadline = time.monotonic(), time.monotonic() + PATIENCE + EACH * number
    flows, done = bench.runtime.jobs.flows, 0
    flow = next(bench.runtime.jobs.find({}, limit=1)).flow
    checkout(bench.runtime)
    while done < number and time.monotonic() < deadline:
        bench.drain()
        poll_host(bench.runtime, "local")
        done = flows.get(flow).counts.get(JobState.COMPLETED, 0) - 1
    seconds = time.monotonic() - began
    show(f"{done} of them are run", seconds, done, peak_of(OWN.read_text()), database)


@click.command()
@click.option("--jobs", default=20_000, show_default=True, help="Jobs that one job makes.")
@click.option("--run", "number", default=500, show_default=True, help="How many of them are run.")
def main(*, jobs: int, number: int) -> None:
    """Measure, and print the figures."""
    folder = Path(tempfile.mkdtemp(prefix="jfc-fan-"))
    path = folder / "fan.yaml"
    path.write_text(FILE.format(folder=folder))
    (folder / "run.sh").write_text(RUN.format(folder=folder, quick=QUICK, python=sys.executable))
    os.environ["JFCELERY_PROJECTS_FOLDER"] = str(folder)
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    project = load_file(path)
    services.ensure(project)
    (server,) = (one for one in services.status(project) if one.name == "database")
    process = Path(f"/proc/{server.pid}")
    try:
        head = f"{'a fan of ' + str(jobs) + ' jobs':<34}{'seconds':>9}{'ms each':>12}{'MB':>8}"
        print(f"{head}{'database':>10}", flush=True)
        run_alone(jobs)
        with pytest.MonkeyPatch.context() as patch:
            bench = Bench(project, folder, patch)
            submit_flow(Flow([spread(jobs)]), project=project)
            take_in(bench, folder, jobs, process)
            run(bench, number, process)
            bench.runtime.close()
    finally:
        services.stop(project)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
