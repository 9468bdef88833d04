"""Where the processor time of a warm job goes: ``python tests/benchmarks/cpu.py [--jobs 60]``.

Independent jobs that do nothing run on this machine, in the system that ``run.py`` measures.
Printed is the processor time that each kind of process uses for each job, with all its children. It
can be compared even if the machine is busy with other things, where jobs a minute cannot. What the
system uses when nothing is to be done is taken off.

With ``--profile FOLDER``, py-spy (to be installed beside) looks at the Celery workers meanwhile,
and leaves a flame graph of each there; the figures are larger then.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jfcelery import services
from jfcelery.execution.warm.place import warm_folder
from jfcelery.tasks.runner.lifecycle import Runner
from tests.benchmarks.jobs import chain, crowd
from tests.benchmarks.system import System, running_system
from tests.support.launching import pids_of

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What ``prctl`` is asked for: orphans below this process become its children (see prctl(2)).
_SUBREAPER = 36
#: Seconds that the last processes of jobs have to end before they are counted.
REST = 3.0
#: Seconds for which the system is left alone, to see what it uses when nothing is to be done.
IDLE = 10.0
#: How often jobflow is imported for comparison, before the jobs and after them.
REPEATS = 3
_TICK = os.sysconf("SC_CLK_TCK")

#: Processor seconds by what used them.
Seconds = Counter[str]


def reap_orphans(child: int, ledger: Path) -> int:
    """Write down what each orphan below this process used, until a child ends; return its code."""
    while True:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        if found is None:
            continue
        name = Path(f"/proc/{found.si_pid}/comm").read_text().strip()
        _, status, used = os.wait4(found.si_pid, 0)
        if found.si_pid == child:
            return os.waitstatus_to_exitcode(status)
        with ledger.open("a") as file:
            file.write(f"{name} {used.ru_utime + used.ru_stime}\n")


def seconds_of(pid: int) -> tuple[float, float]:
    """Return the processor seconds of a process, and of those children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, children = fields[11:13], fields[13:15]
    return sum(map(int, own)) / _TICK, sum(map(int, children)) / _TICK


def spent(system: System, ledger: Path) -> Seconds:
    """Return what everything has used so far."""
    found: Seconds = Counter()
    for one in Runner(system.project).info().processes:
        kind = one.name.rstrip("0123456789_").rpartition(":")[2]
        own, children = seconds_of(one.pid)
        found[kind] += own  # type: ignore[assignment]
        found["shells that submit and list"] += children  # type: ignore[assignment]
    for service in services.status(system.project):
        if service.pid:
            found[service.name] += sum(seconds_of(service.pid))  # type: ignore[assignment]
    for pid in pids_of("jfcelery.execution.warm.server", str(warm_folder(system.project))):
        own, children = seconds_of(pid)
        found["server of warm jobs"] += own  # type: ignore[assignment]
        found["jobs forked from it"] += children  # type: ignore[assignment]
    for line in ledger.read_text().splitlines():
        name, seconds = line.split()
        kind = "scripts of jobs, with their clients" if name == "bash" else "other orphans"
        found[kind] += float(seconds)  # type: ignore[assignment]
    found["submit and wait"] += time.process_time()  # type: ignore[assignment]
    return found


def importing() -> float:
    """Return the processor seconds of starting Python and importing jobflow."""
    before = os.times()
    for _ in range(REPEATS):
        subprocess.run([sys.executable, "-c", "import jobflow"], check=True)
    after = os.times()
    used = after.children_user + after.children_system
    return (used - before.children_user - before.children_system) / REPEATS


@contextmanager
def profiled(system: System, folder: Path | None) -> Iterator[None]:
    """Have py-spy look at what the Celery workers do meanwhile, as far as it is Python."""
    watchers = []
    for one in Runner(system.project).info().processes if folder else ():
        if "celery" in Path(f"/proc/{one.pid}/cmdline").read_text():
            path = f"{folder}/{one.name.replace(':', '-')}.svg"
            how = ["--gil", "--rate", "200", "--output", path, "--pid", str(one.pid)]
            watchers.append(subprocess.Popen(["py-spy", "record", *how]))
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)
            watcher.wait()


def measure(
    ledger: Path, jobs: int, max_jobs: int | None, profile: Path | None
) -> tuple[Seconds, float]:
    """Run jobs; return the seconds of each kind of process, and those on the clock."""
    with running_system(warm=True, max_jobs=max_jobs) as system:
        system.run(crowd(2))  # which starts what serves the others
        system.run(chain(2))
        time.sleep(REST)
        idle = spent(system, ledger)
        time.sleep(IDLE)
        before, began = spent(system, ledger), time.monotonic()
        idle = {kind: (one - idle[kind]) / IDLE for kind, one in before.items()}  # type: ignore[assignment]
        with profiled(system, profile):
            seconds = system.run(crowd(jobs))
        time.sleep(REST)
        after, elapsed = spent(system, ledger), time.monotonic() - began
        after.subtract(before)
        for kind, rate in idle.items():
            after[kind] -= rate * elapsed  # type: ignore[assignment]
        return after, seconds


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=60, show_default=True, help="Jobs.")
@click.option("--max-jobs", type=click.IntRange(1), help="At once; by default as many as cores.")
@click.option("--profile", type=click.Path(path_type=Path), help="Folder for flame graphs.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
def main(*, jobs: int, max_jobs: int | None, profile: Path | None, as_json: bool) -> None:
    """Measure, and print the table."""
    with tempfile.NamedTemporaryFile(prefix="jfc-cpu-") as file:
        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
        child = os.fork()
        if child:  # whose end removes the file
            os._exit(reap_orphans(child, Path(file.name)))
        if profile is not None:
            profile.mkdir(parents=True, exist_ok=True)
        start = importing()
        found, seconds = measure(Path(file.name), jobs, max_jobs, profile)
        start = (start + importing()) / 2
    each = {kind: 1000 * one / jobs for kind, one in found.most_common()}
    if as_json:
        facts = {"jobs": jobs, "seconds": seconds, "import_ms": 1000 * start}
        print(json.dumps({**facts, "ms_of_each": each}, indent=2))
    else:
        _show({**each, "all": sum(each.values())}, 1000 * start)
        print(f"{jobs} jobs in {seconds:.1f} s: {60 * jobs / seconds:.0f} jobs/min")
    sys.stdout.flush()


def _show(each: dict[str, float], start: float) -> None:
    print(f"{'process':<40}{'ms of each job':>16}{'/ importing jobflow':>21}")
    for kind, one in each.items():
        print(f"{kind:<40}{one:>16.1f}{one / start:>21.3f}")


if __name__ == "__main__":
    main()
