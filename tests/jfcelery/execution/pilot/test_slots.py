"""Slots: what each of several jobs at once may use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jfcelery.execution.pilot.plan import Plan
from jfcelery.execution.pilot.slots import make_slots


def plan(**options: Any) -> Plan:
    """Return a plan."""
    return Plan(handle_dir=Path("/pool"), pilot="jfp-1", **options)


def cores(options: dict[str, Any], available: int, **environment: str) -> list[list[int]]:
    """Return the cores of each slot."""
    slots = make_slots(plan(**options), range(available), environment)
    return [sorted(slot.cores) for slot in slots]


def test_cores_are_shared_evenly() -> None:
    """Each of several jobs gets its part; a single job, or too many of them, are not bound."""
    assert cores({"parallel": 2}, 4) == [[0, 1], [2, 3]]
    assert cores({"parallel": 1}, 4) == [[]]
    assert cores({"parallel": 3}, 2) == [[], [], []]
    assert cores({"parallel": 2}, 0) == [[], []]


def test_there_are_no_more_slots_than_the_cores_are_enough_for() -> None:
    """At least one, which is bound to what there is."""
    assert cores({"parallel": 4, "cpus": 2}, 4) == [[0, 1], [2, 3]]
    assert cores({"parallel": 4, "cpus": 8}, 4) == [[]]


def test_each_job_gets_gpus_of_its_own() -> None:
    """Those that the allocation names, or counted from 0 where nothing names them."""

    def given(environment: dict[str, str], **options: Any) -> list[str]:
        slots = make_slots(plan(**options), range(8), environment)
        return [slot.environment()["CUDA_VISIBLE_DEVICES"] for slot in slots]

    named = {"CUDA_VISIBLE_DEVICES": "3,5,GPU-7"}
    assert given(named, parallel=2, gpus=1) == ["3", "5"]
    assert given(named, parallel=2, gpus=2) == ["3,5"]
    assert given({}, parallel=2, gpus=2) == ["0,1", "2,3"]
    assert given(named, parallel=1, gpus=0) == [""]


def test_without_gpus_to_deal_out_or_with_a_launcher_the_variable_is_left_alone() -> None:
    """Whatever the pilot sees, the jobs see; srun binds by itself."""
    environment = {"CUDA_VISIBLE_DEVICES": "0,1"}
    for options in ({"parallel": 2}, {"parallel": 2, "gpus": 1, "launcher": "srun -n1"}):
        for slot in make_slots(plan(**options), range(2), environment):
            assert "CUDA_VISIBLE_DEVICES" not in slot.environment()
