"""Flows of all shapes, and what must come out of them.

``CHAOS_FLOW`` holds ``NAME KIND WORKER WIDTH``; then this file is one that ``jfc submit`` takes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobflow import Flow

from tests.chaos.jobs import addition, detour, named, replace

if TYPE_CHECKING:
    from collections.abc import Callable

#: Names the flow that this module is to make.
VARIABLE = "CHAOS_FLOW"
#: Children in a fan.
WIDTH = 5


@dataclass
class Shape:
    """A flow's jobs, and the outputs that they must have.

    Attributes:
        jobs: Those that are submitted.
        expected: Output of each job, also of those made at run time, by name and index.
    """

    jobs: list[Any] = field(default_factory=list)
    expected: dict[tuple[str, int], Any] = field(default_factory=dict)

    def add(self, job: Any, output: Any, name: str = "") -> Any:
        """Add a job; return the reference to its output."""
        if name:
            job.name = name
        self.jobs.append(job)
        self.expected[job.name, 1] = output
        return job.output


def chain() -> Shape:
    """Five jobs, one after the other."""
    shape = Shape()
    value = shape.add(named("link 0", [1]), 1)
    for number in range(1, 5):
        value = shape.add(named(f"link {number}", [value], 1), number + 1)
    return shape


def fan(width: int = WIDTH) -> Shape:
    """A root, children, and one that waits for all of them."""
    shape = Shape()
    root = shape.add(named("root", [1]), 1)
    leaves = [
        shape.add(named(f"leaf {number}", [root], number, number % 5 / 4), number + 1)
        for number in range(width)
    ]
    shape.add(named("sum", leaves), width * (width + 1) // 2)
    return shape


def replaced() -> Shape:
    """A job that is replaced, and one that needs its output."""
    shape = Shape()
    value = shape.add(replace(1), None, "replaced")
    shape.add(named("after", [value]), 111)
    shape.expected[("replacement 1", 1)] = 11
    shape.expected[("replacement 2", 1)] = 111
    shape.expected[("store_inputs", 2)] = 111
    return shape


def detoured() -> Shape:
    """A job that makes a detour, and one that waits for it."""
    shape = Shape()
    value = shape.add(detour(1), 1, "detoured")
    shape.add(named("after", [value]), 1)
    shape.expected[("detour", 1)] = 1001
    return shape


def added() -> Shape:
    """A job that adds another, and a child."""
    shape = Shape()
    value = shape.add(addition(1), 1, "added to")
    shape.add(named("after", [value]), 1)
    shape.expected[("addition", 1)] = 2001
    return shape


KINDS: dict[str, Callable[[], Shape]] = {
    "chain": chain,
    "fan": fan,
    "replaced": replaced,
    "detoured": detoured,
    "added": added,
}


def shape_of(kind: str, width: int = WIDTH) -> Shape:
    """Return a flow of a kind; fans are as wide as is said."""
    return fan(width) if kind == "fan" else KINDS[kind]()


def made_here() -> Flow:
    """Return the flow that the environment names."""
    name, kind, worker, width = os.environ[VARIABLE].split()
    made = Flow(shape_of(kind, int(width)).jobs, name=name)
    made.update_config({"manager_config": {"worker": worker}}, dynamic=True)
    return made


if VARIABLE in os.environ:
    flow = made_here()
