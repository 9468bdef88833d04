"""The slots of a pilot: which cores and GPUs each of several jobs at once may use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jfcelery.execution.pilot.plan import Plan

#: Variable that says which GPUs a process may use.
GPUS = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Slot:
    """Room for one job.

    Args:
        number: Counted from 0.
        cores: That it may use; empty: all.
        gpus: That it may use; None: whatever the pilot has.
    """

    number: int
    cores: frozenset[int] = frozenset()
    gpus: tuple[str, ...] | None = None

    def environment(self) -> dict[str, str]:
        """Return the variables that tell a job of its slot."""
        own = {"JFC_SLOT": str(self.number)}
        return own if self.gpus is None else {**own, GPUS: ",".join(self.gpus)}


def make_slots(plan: Plan, cores: Collection[int], environment: Mapping[str, str]) -> list[Slot]:
    """Return the slots of a pilot.

    There are fewer than ``parallel`` where the allocation has fewer cores or GPUs than they ask
    for together, but at least one. A launcher binds by itself what it starts.

    Args:
        plan: The pilot's plan.
        cores: That the pilot may use.
        environment: Of the pilot; its GPUs are those that CUDA_VISIBLE_DEVICES names.
    """
    number, each = plan.parallel, plan.cpus
    is_bound = plan.launcher is None and (each is not None or number > 1)
    if is_bound and each is not None:
        number = min(number, max(len(cores) // each, 1))
    gpus = _gpus(plan, environment)
    if plan.gpus and gpus is not None:
        number = min(number, max(len(gpus) // plan.gpus, 1))
    share = each or len(cores) // number
    return [
        Slot(one, _part(sorted(cores), one, share if is_bound else 0), _given(plan, gpus, one))
        for one in range(number)
    ]


def available_cores() -> frozenset[int]:
    """Return the cores that this process may use; empty where the system cannot say."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def _part(cores: list[int], number: int, each: int) -> frozenset[int]:
    part = cores[number * each : (number + 1) * each]
    return frozenset(part) if len(part) == each else frozenset()


def _gpus(plan: Plan, environment: Mapping[str, str]) -> list[str] | None:
    """Return the GPUs of the allocation, None if nothing names them."""
    if plan.gpus is None or plan.launcher is not None or GPUS not in environment:
        return None
    return [word for word in environment[GPUS].split(",") if word]


def _given(plan: Plan, gpus: list[str] | None, number: int) -> tuple[str, ...] | None:
    if plan.gpus is None or plan.launcher is not None:
        return None
    first, last = number * plan.gpus, (number + 1) * plan.gpus
    return tuple(map(str, range(first, last))) if gpus is None else tuple(gpus[first:last])
