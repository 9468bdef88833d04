"""What a job costs the database depends neither on its flow nor on those that go with it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.folders import RunFolder
from jfcelery.states import JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.poll import poll_host
from tests.support.commands import listen
from tests.support.completing import cost
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.bench import Bench
    from tests.support.commands import Commands
    from tests.tasks.conftest import MakeBench


def test_completing_a_job_costs_the_same_in_a_small_and_a_large_flow(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in commands to the database, within a fifth."""
    commands = listen(monkeypatch)
    bench = make_bench()
    small, large = (cost(bench, commands, size, 5).each()[0] for size in (10, 2000))
    assert abs(large - small) <= small / 5, f"{small} commands, {large} in the large flow"


@pytest.mark.parametrize("flows", [1, 3])
def test_many_jobs_together_cost_as_many_commands_as_few(
    flows: int, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checked out, bundled, asked for and harvested: a command for all, or for each flow."""
    commands = listen(monkeypatch)
    bench = make_bench(worker={"max_jobs": 40})
    through(bench, commands, "first", 3, flows)  # what is done once is no cost of a job
    few = through(bench, commands, "few", 3, flows)
    many = through(bench, commands, "many", 9, flows)
    assert many == few


def through(
    bench: Bench, commands: Commands, name: str, number: int, flows: int
) -> dict[str, Counter[str]]:
    """Take so many jobs of some flows to their ends together; return the commands by task."""
    names = [f"{name}{one}" for one in range(number)]
    for one in range(flows):
        flow = flow_of({name: [] for name in names[one::flows]}, payload=QUICK_JOB)
        add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    found: dict[str, Counter[str]] = {}

    def counted(what: str, act: Callable[[], object]) -> None:
        commands.clear()
        act()
        found[what] = Counter(commands.names)

    def deliver(what: str) -> None:
        (message,) = (one for one in bench.messages if one.names == [f"jfcelery.{what}"])
        bench.messages.clear()
        counted(what, partial(bench.deliver, message))

    counted("checkout", partial(checkout, bench.runtime))
    deliver("bundle")
    folders = [Path(str(bench.runtime.jobs.get(name).run_dir)) for name in names]
    wait_until(lambda: all((one / RunFolder.end(1)).exists() for one in folders), "all to end")
    counted("poll", partial(poll_host, bench.runtime, "local"))
    deliver("harvest")
    assert {bench.runtime.jobs.get(name).state for name in names} == {JobState.COMPLETED}
    bench.messages.clear()
    return found
