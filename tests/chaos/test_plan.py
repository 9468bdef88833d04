"""Plans of the chaos suite."""

from __future__ import annotations

from collections import Counter

from tests.chaos.plan import FAULTS, plan


def test_a_seed_determines_all() -> None:
    """The plan of a seed is always the same, that of another seed is another."""
    assert plan(1, 50, 60, 1) == plan(1, 50, 60, 1)
    assert plan(1, 50, 60, 1) != plan(2, 50, 60, 1)


def test_each_kind_comes_before_any_comes_twice() -> None:
    """However short a plan is, it throws as many kinds of faults as it has faults."""
    events = [event for event in plan(3, 10, 60, 1) if event.what != "submit"]
    assert {event.what for event in events[: len(FAULTS)]} == set(FAULTS)
    few = Counter(event.what for event in plan(3, 10, 10, 1) if event.what != "submit")
    assert (len(few), sum(few.values())) == (10, 10)


def test_where_flows_run_can_be_chosen() -> None:
    """The share of flows that need no cluster is what the caller says."""
    for local, worker in ((0.0, "hpca"), (1.0, "here")):
        submissions = [event for event in plan(1, 50, 60, 1, local=local) if event.what == "submit"]
        assert {event.worker for event in submissions} == {worker}
