"""What the end of a job costs does not depend on the size of its flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.commands import listen
from tests.support.completing import cost

if TYPE_CHECKING:
    import pytest

    from tests.tasks.conftest import MakeBench


def test_completing_a_job_costs_the_same_in_a_small_and_a_large_flow(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in commands to the database, within a fifth."""
    commands = listen(monkeypatch)
    bench = make_bench()
    small, large = (cost(bench, commands, size, 5).each()[0] for size in (10, 2000))
    assert abs(large - small) <= small / 5, f"{small} commands, {large} in the large flow"
