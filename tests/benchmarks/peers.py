"""All figures beside other programs, in one run: ``python tests/benchmarks/peers.py``.

jobflow-remote, FireWorks and AiiDA are installed from PyPI, each into an environment of its own.
They run on the same machine, all but AiiDA with the same database server, and are measured one
after the other, figure by figure. The table that is printed is the one of ``docs/performance.md``.
Parts can be named: ``local`` (jobs on this machine), ``large`` (a flow of thousands), ``steps``
(Celery's steps), ``link`` (a real Slurm behind a slow SSH link, which needs root and Debian's
packages).
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jfcelery import submit_flow
from jfcelery.tasks.runner.lifecycle import Runner
from tests.benchmarks import jobs, pilot, submission
from tests.benchmarks.place import Place
from tests.benchmarks.presto import RELEASE as PRESTO
from tests.benchmarks.presto import AiiDA
from tests.benchmarks.rapidfire import RELEASE as RAPIDFIRE
from tests.benchmarks.rapidfire import FireWorks
from tests.benchmarks.steps import steps_per_second
from tests.benchmarks.steps import worker as idle_worker
from tests.benchmarks.submitters import SUBMIT, Ours, ours, theirs
from tests.support.foreign import RELEASE, InstallationError, environment
from tests.support.projects import ProjectFactory
from tests.support.servers import Server, mongo_server, redis_server
from tests.support.tree import TREE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Seconds that a system is left alone before its memory is read.
REST = 5.0
#: How often a short command is timed, and how often a crowd of jobs: the median counts.
REPEATS, CROWDS = 5, 3
#: The command line, as the installed script runs it.
JFC = (sys.executable, "-c", "from jfcelery.cli.main import main; main()")


@dataclass(frozen=True)
class Sizes:
    """How many jobs each measurement has; where there are several: ours, theirs, the others'.

    Theirs take longer, so that fewer will do.
    """

    chain: tuple[int, int, int, int] = (20, 10, 20, 5)
    crowd: tuple[int, int, int, int] = (60, 30, 60, 30)
    large: int = 5000
    queued: tuple[int, int] = (200, 20)
    pilot: int = 300
    alone: tuple[int, int] = (40, 12)
    steps: int = 500


#: Enough to see that everything works.
FEW = Sizes((2, 1, 2, 2), (6, 2, 4, 3), 200, (8, 2), 8, (4, 1), 20)

PARTS = ("local", "large", "steps", "link")
OURS = "jfcelery"
THEIRS, FIREWORKS, AIIDA = (release.replace("==", " ") for release in (RELEASE, RAPIDFIRE, PRESTO))


class Program(Protocol):
    """What is measured."""

    def until_complete(self, size: int, kind: str) -> float:
        """Return the time from the submission of a flow until all of its jobs have run."""
        ...


@dataclass
class Table:
    """The figures, as they come.

    Args:
        rows: Goal and values, by figure and program.
    """

    rows: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, figure: str, goal: str, program: str, value: str) -> None:
        """Add a figure of a program."""
        self.rows.setdefault(figure, {"goal": goal})[program] = value
        print(f"{figure}: {program}: {value}", file=sys.stderr, flush=True)

    def markdown(self) -> str:
        """Return the table, with the machine and the date."""
        cores = len(os.sched_getaffinity(0))
        now = datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC")
        head = f"{cores} cores ({_processor()}), {platform.system()}, Python "
        lines = [f"{head}{platform.python_version()}; {now}; load at the end {_load()}.", ""]
        names = ["figure", "goal", OURS, THEIRS, FIREWORKS, AIIDA]
        lines += [_row(names), _row(["---"] * len(names))]
        for figure, values in self.rows.items():
            cells = [values.get(name, "–") for name in names[1:]]  # noqa: RUF001 - as in the goals
            lines.append(_row([figure, *cells]))
        return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


@dataclass(frozen=True)
class Bench:
    """Servers that all programs use, and where their files go.

    Args:
        folder: A folder with a short path.
        mongo: The database server.
        redis: The broker, which jfcelery alone uses.
        prefix: Where jobflow-remote is installed.
        sizes: How many jobs there are.
    """

    folder: Path
    mongo: Server
    redis: Server
    prefix: Path
    sizes: Sizes

    def ours(self, name: str, *, warm: bool) -> Any:
        """Start jfcelery."""
        folder = self.folder / name
        worker = {
            "type": "local",
            "scheduler_type": "shell",
            "work_dir": str(folder / "work"),
            "pre_run": f"export PYTHONPATH={TREE}",
            "warm": warm,
        }
        return ours(folder, self.mongo.url, self.redis.url, worker)

    def theirs(self) -> Any:
        """Start jobflow-remote, which looks for work once a second (by default: in 30)."""
        folder = self.folder / "theirs"
        worker = {
            "type": "local",
            "scheduler_type": "shell",
            "work_dir": str(folder / "work"),
            "pre_run": f"export PATH={self.prefix / 'bin'}:$PATH PYTHONPATH={TREE}",
            "max_jobs": 4,
        }
        return theirs(folder, self.prefix, self.mongo.url, worker)


@contextmanager
def bench(prefix: Path, sizes: Sizes) -> Iterator[Bench]:
    """Start the servers."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="jfcp-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("mongo", "redis"):
            (folder / name).mkdir()
        mongo = stack.enter_context(mongo_server(folder / "mongo"))
        redis = stack.enter_context(redis_server(folder / "redis"))
        yield Bench(folder, mongo, redis, prefix, sizes)


def seconds_of(argv: Sequence[str], variables: dict[str, str], times: int = 1) -> float:
    """Return the median time of a command."""
    found = []
    for _ in range(times):
        began = time.monotonic()
        subprocess.run(argv, env={**os.environ, **variables}, check=True, stdout=subprocess.DEVNULL)
        found.append(time.monotonic() - began)
    return median(found)


# What is measured ------------------------------------------------------------------------------


def local(table: Table, where: Bench) -> None:
    """Measure jobs on this machine."""
    chain, crowd = where.sizes.chain, where.sizes.crowd
    edge, rate = "from a job to its child, local", "independent jobs, local, jobs/min"
    for way, goals in {"warm": ("< 1 s", "≥ 600"), "cold": ("< 2.5 s", "≥ 70")}.items():
        with where.ours(way, warm=way == "warm") as program:
            if way == "warm":
                time.sleep(REST)
                _memory(table, where, program)
            program.until_complete(1, "crowd")
            seconds = program.until_complete(chain[0], "chain") / chain[0]
            table.add(f"{edge}, {way}", goals[0], OURS, f"{seconds:.2f} s")
            seconds = _median_of(program, crowd[0])
            table.add(f"{rate}, {way}", goals[1], OURS, f"{60 * crowd[0] / seconds:.0f}")
    with where.theirs() as program:
        time.sleep(REST)
        processes = [process.pid for process in program.processes]
        table.add(_MEMORY, "< 350 MB", THEIRS, f"{_megabytes([*processes, _pid(where.mongo)])} MB")
        program.until_complete(1, "crowd")
        seconds = program.until_complete(chain[1], "chain") / chain[1]
        table.add(f"{edge}, cold", "", THEIRS, f"{seconds:.2f} s")
        seconds = _median_of(program, crowd[1])
        table.add(f"{rate}, cold", "", THEIRS, f"{60 * crowd[1] / seconds:.0f}")
    for measure in (_fireworks, _aiida):
        try:
            measure(table, where, edge, rate)
        except InstallationError as error:
            print(error, file=sys.stderr)


def _fireworks(table: Table, where: Bench, edge: str, rate: str) -> None:
    chain, crowd = where.sizes.chain[2], where.sizes.crowd[2]
    rapid = FireWorks.install(where.folder / "fireworks", where.mongo.url)
    seconds = rapid.until_complete(chain, "chain") / chain
    table.add(f"{edge}, warm", "", FIREWORKS, f"{seconds:.2f} s")
    seconds = _median_of(rapid, crowd)
    table.add(f"{rate}, warm", "", FIREWORKS, f"{60 * crowd / seconds:.0f}")


def _aiida(table: Table, where: Bench, edge: str, rate: str) -> None:
    """Its jobs are shell scripts, neither warm nor cold; its daemon has a process for each core."""
    chain, crowd = where.sizes.chain[3], where.sizes.crowd[3]
    with AiiDA.running(where.folder / "aiida", len(os.sched_getaffinity(0))) as presto:
        seconds = presto.until_complete(chain, "chain") / chain
        table.add(f"{edge}, cold", "", AIIDA, f"{seconds:.2f} s")
        seconds = _median_of(presto, crowd)
        table.add(f"{rate}, cold", "", AIIDA, f"{60 * crowd / seconds:.0f}")


def _median_of(program: Program, crowd: int) -> float:
    """Return the seconds that independent jobs take; one crowd alone says little."""
    return median(program.until_complete(crowd, "crowd") for _ in range(CROWDS))


_MEMORY = "standing memory, idle, with the services"


def _memory(table: Table, where: Bench, program: Ours) -> None:
    running = [one.pid for one in Runner(program.project).info().processes]
    pids = [pid for pid in (*running, _pid(where.mongo), _pid(where.redis)) if pid]
    table.add(_MEMORY, "< 350 MB", OURS, f"{_megabytes(pids)} MB")


def _pid(server: Server) -> int:
    return server.process.pid


def _megabytes(pids: Sequence[int]) -> int:
    """Return the proportional set sizes of processes, and of their children, together."""
    from tests.benchmarks.system import memory_of

    return round(sum(memory_of("", pid).pss for pid in pids))


def large(table: Table, where: Bench) -> None:
    """Measure what people do to a flow of thousands of jobs; nobody runs it."""
    folder = where.folder / "large"
    folder.mkdir()
    size = where.sizes.large
    own = ProjectFactory(folder, where.mongo.url, where.redis.url)(base_dir=str(folder / "base"))
    flow = jobs.crowd(size)
    began = time.monotonic()
    submit_flow(flow, project=own)
    insert, goal = f"insert a flow of {size} jobs", "< 3 s"
    table.add(insert, goal, OURS, f"{time.monotonic() - began:.1f} s")
    variables = {"JFCELERY_PROJECTS_FOLDER": str(folder), "JFCELERY_PROJECT": own.name}
    _commands(table, size, OURS, JFC, variables)
    with where.theirs() as program:
        program.end()  # nobody shall run the flow
        said = program.python.run(SUBMIT, program.project, "crowd", str(size), "timed")
        table.add(insert, goal, THEIRS, f"{float(said.split()[-1]):.1f} s")
        jf = (str(where.prefix / "bin" / "jf"), "-p", program.project)
        _commands(table, size, THEIRS, jf, program.python.variables())
    try:
        rapid = FireWorks.install(folder / "fireworks", where.mongo.url)
    except InstallationError as error:
        print(error, file=sys.stderr)
        return
    table.add(insert, goal, FIREWORKS, f"{rapid.insert(size):.1f} s")


def _commands(
    table: Table, size: int, program: str, base: Sequence[str], variables: dict[str, str]
) -> None:
    """Time what a person waits for at the terminal."""
    try:
        said = f"{seconds_of([*base, 'flow', 'info', '-j', '1'], variables):.1f} s"
    except subprocess.CalledProcessError:  # it may need what the embedded database lacks
        said = "fails on this database"
    table.add(f"`flow info` of {size} jobs", "< 1 s", program, said)
    seconds = seconds_of([*base, "job", "list"], variables)
    table.add("`job list` of 100 jobs", "< 0.8 s", program, f"{seconds:.1f} s")
    seconds = seconds_of([*base, "--help"], variables, REPEATS)
    table.add("`--help`", "< 0.3 s", program, f"{seconds:.2f} s")


def steps(table: Table, where: Bench) -> None:
    """Measure Celery's steps, with their state in the database."""
    folder = where.folder / "steps"
    folder.mkdir()
    factory = ProjectFactory(folder, where.mongo.url, where.redis.url)
    for processes in (1, 2, 4):
        project = factory(base_dir=str(folder / "base"), workers=idle_worker(folder))
        rate = steps_per_second(project, folder / str(processes), processes, where.sizes.steps)
        what = f"Celery steps/s, {processes} process{'es' if processes > 1 else ''}"
        table.add(what, "≥ 100", OURS, f"{rate:.0f}")


def link(table: Table, where: Bench) -> None:
    """Measure a real Slurm behind an SSH link with a round trip of 50 ms."""
    rate = "jobs/min over SSH with 50 ms, Slurm"
    sizes = where.sizes
    with Place(None) as place:
        for one in submission.rates(place, where.prefix, *sizes.queued):
            name = OURS if one.program == "jfcelery" else THEIRS
            value = f"{one.per_second:.1f}"
            table.add("submission over that link, jobs/s", "≥ 8", name, value)
        found = list(pilot.rates(place, sizes.pilot, sizes.alone[0]))
        table.add(f"{rate}, pilot", "≥ 300", OURS, f"{found[0].per_minute:.0f}")
        table.add(f"{rate}, one queue job each", "", OURS, f"{found[1].per_minute:.0f}")
        path = f"export PATH={where.prefix}/bin:$PATH"
        worker = place.worker(pre_run=path)
        with theirs(place.folder / "alone", where.prefix, place.mongo, worker) as program:
            program.until_complete(1)
            per_minute = 60 * sizes.alone[1] / program.until_complete(sizes.alone[1])
        table.add(f"{rate}, one queue job each", "", THEIRS, f"{per_minute:.1f}")


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--few", is_flag=True, help="Few jobs each: only to see that everything works.")
def main(*, parts: tuple[str, ...], few: bool) -> None:
    """Measure, and print the table."""
    table = Table()
    wanted = parts or PARTS
    measures = {"local": local, "large": large, "steps": steps, "link": link}
    with bench(environment(), FEW if few else Sizes()) as where:
        for part in PARTS:
            if part in wanted:
                measures[part](table, where)
    print(table.markdown())


if __name__ == "__main__":
    main()
