"""What the runner does for a job that does nothing: ``python tests/benchmarks/commands.py``.

The steps run in this process, one after the other, against a real database and real processes of
jobs. Printed are the commands to the database and the processor time of this process, for a job
that goes alone and for each of some that go together; with ``--list``, each command, too.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from pymongo import monitoring

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.poll import poll_host
from tests.support.bench import Bench, quick_worker
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.projects import ProjectFactory
from tests.support.servers import mongo_server, redis_server
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


class Commands(monitoring.CommandListener):
    """Counts the commands that this process gives."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()

    def started(self, event: Any) -> None:
        """Count a command."""
        self.names[f"{event.command_name} {event.command[event.command_name]}"] += 1

    def succeeded(self, event: Any) -> None:
        """Do nothing."""

    def failed(self, event: Any) -> None:
        """Do nothing."""


class Meter:
    """Sums up commands and processor time by what was done.

    Args:
        commands: Counts the commands.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.names: dict[str, Counter[str]] = {}
        self.seconds: Counter[str] = Counter()

    def do(self, what: str, function: Callable[[], object]) -> None:
        """Do something, and note what it took."""
        before, began = self._commands.names.copy(), time.process_time()
        function()
        self.names[what] = self.names.get(what, Counter()) + (self._commands.names - before)
        self.seconds[what] += int(1e6 * (time.process_time() - began))


def run(bench: Bench, commands: Commands, names: list[str]) -> Meter:
    """Run jobs to their ends."""
    meter = Meter(commands)

    def deliver() -> None:
        while bench.messages:
            message = bench.messages.pop(0)
            name = message.names[0].removeprefix("jfcelery.")
            meter.do(name, partial(bench.deliver, message))

    flow = flow_of({name: [] for name in names}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    meter.do("checkout", lambda: checkout(bench.runtime))
    deliver()
    docs = list(bench.runtime.jobs.find({"flow": flow.uuid}))
    finals = [Path(str(doc.run_dir)) / f"jfc_end.{doc.attempt}" for doc in docs]
    wait_until(lambda: all(final.exists() for final in finals), "the jobs to end")
    meter.do("poll", lambda: poll_host(bench.runtime, "local"))
    deliver()
    states = {doc.state for doc in bench.runtime.jobs.find({"flow": flow.uuid})}
    if states != {JobState.COMPLETED}:
        raise RuntimeError(f"not all jobs completed: {states}")
    return meter


@click.command()
@click.option("--jobs", type=click.IntRange(4), default=8, show_default=True, help="Together.")
@click.option("--list", "is_listed", is_flag=True, help="List the commands.")
def main(*, jobs: int, is_listed: bool) -> None:
    """Count, and print the table."""
    commands = Commands()
    monitoring.register(commands)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="jfcq-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("mongo", "redis", "projects"):
            (folder / name).mkdir()
        mongo = stack.enter_context(mongo_server(folder / "mongo")).url
        redis = stack.enter_context(redis_server(folder / "redis")).url
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        factory = ProjectFactory(folder / "projects", mongo, redis)
        workers = {"here": quick_worker(folder, max_jobs=2 * jobs)}
        bench = Bench(factory(workers=workers, base_dir=str(folder / "base")), folder, patch)
        run(bench, commands, ["first"])  # which imports, connects and makes indexes
        for names in (["alone"], [f"one-of-many-{number}" for number in range(jobs)]):
            _show(run(bench, commands, names), len(names), is_listed=is_listed)
        bench.runtime.close()


def _show(meter: Meter, size: int, *, is_listed: bool) -> None:
    print(f"{'each of ' + str(size) if size > 1 else 'one job':<30}{'commands':>9}{'ms':>7}")
    for what, names in [*meter.names.items(), ("all", sum(meter.names.values(), Counter[str]()))]:
        spent = sum(meter.seconds.values()) if what == "all" else meter.seconds[what]
        print(f"{what:<30}{names.total() / size:>9.1f}{spent / 1000 / size:>7.1f}")
        for name, number in names.most_common() if is_listed and what != "all" else ():
            print(f"    {name:<26}{number / size:>9.1f}")


if __name__ == "__main__":
    main()
