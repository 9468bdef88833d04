"""Print how fast and how large jfcelery is: ``python tests/benchmarks/run.py [--json]``.

Seconds depend on the machine; the ratios compare with what was measured in the same run.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.jobs import chain, crowd
from tests.benchmarks.system import Memory, System, running_system

#: Seconds that the system is left alone before its memory is read.
REST = 5.0
#: How often a short command is timed; the median counts.
REPEATS, CROWDS = 7, 3


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Args:
        name: What was measured.
        value: The result.
        unit: Its unit.
        ratio: What it is relative to something else that was measured in this run.
        note: To what the ratio relates.
    """

    name: str
    value: float
    unit: str
    ratio: float | None = None
    note: str = ""


def seconds_of(*argv: str) -> float:
    """Return the median time of a command."""
    times = []
    for _ in range(REPEATS):
        began = time.monotonic()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - began)
    return statistics.median(times)


def command_line() -> list[Figure]:
    """Time what a person waits for at the terminal."""
    bare = seconds_of(sys.executable, "-c", "pass")
    code = "from jfcelery.cli.main import main; main()"
    shown = seconds_of(sys.executable, "-c", code, "--help")
    return [Figure("jfc --help", shown, "s", shown / bare, "Python itself")]


def pipeline(system: System, length: int, size: int, *, how: str) -> list[Figure]:
    """Time a chain of jobs, and many independent ones, all of which start warm or cold."""
    start = seconds_of(sys.executable, "-c", "import jobflow")
    system.run(chain(1))  # which starts what serves the others
    edge = system.run(chain(length)) / length
    each = statistics.median(system.run(crowd(size)) for _ in range(CROWDS)) / size
    cores = len(os.sched_getaffinity(0))
    return [
        Figure(f"import jobflow ({how} jobs next)", start, "s"),
        Figure(f"edge in a chain of {length}, {how}", edge, "s", edge / start, "importing jobflow"),
        Figure(
            f"rate of {size} independent jobs, {how}",
            60 / each,
            "jobs/min",
            each * cores / start,
            "core-seconds per job / importing jobflow",
        ),
    ]


def standing(memory: list[Memory]) -> list[Figure]:
    """Sum up the memory of the idle system."""
    rss, pss = sum(one.rss for one in memory), sum(one.pss for one in memory)
    return [
        Figure("idle system, RSS", rss, "MB"),
        Figure("idle system, PSS", pss, "MB", pss / rss, "RSS"),
    ]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of tables.")
@click.option("--chain", "length", default=20, show_default=True, help="Jobs in the chain.")
@click.option("--jobs", "size", default=60, show_default=True, help="Independent jobs.")
def main(*, as_json: bool, length: int, size: int) -> None:
    """Measure, and print the figures."""
    with running_system(warm=True) as system:
        time.sleep(REST)
        memory = system.memory()
        figures = [*command_line(), *standing(memory)]
        figures += pipeline(system, length, size, how="warm")
        servers = [one.pss for one in system.servers()]
        figures.append(Figure("server of warm jobs, PSS", sum(servers), "MB"))
    with running_system(warm=False) as system:
        figures += pipeline(system, length, size, how="cold")
    if as_json:
        print(json.dumps({"figures": _plain(figures), "memory": _plain(memory)}, indent=2))
    else:
        _show(figures, memory)


def _plain(items: list[Figure] | list[Memory]) -> list[dict[str, object]]:
    return [asdict(item) for item in items]


def _show(figures: list[Figure], memory: list[Memory]) -> None:
    print(f"{'figure':<38}{'value':>9} {'unit':<10}{'ratio':>7}  to")
    for one in figures:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        print(f"{one.name:<38}{one.value:>9.2f} {one.unit:<10}{ratio:>7}  {one.note}")
    print(f"\n{'process of the idle system':<34}{'RSS/MB':>9}{'PSS/MB':>9}")
    for process in memory:
        print(f"{process.name:<34}{process.rss:>9.1f}{process.pss:>9.1f}")


if __name__ == "__main__":
    main()
