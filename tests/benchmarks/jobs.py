"""Jobs that do nothing, so that only what surrounds them is measured."""

from __future__ import annotations

from typing import Any

from jobflow import Flow, Response, job
from jobflow.core.job import Job


@job
def increment(number: int) -> int:
    """Return the next number."""
    return number + 1


@job
def spread(size: int) -> Response[None]:
    """Add jobs that have nothing to do with each other."""
    return Response(addition=crowd(size))


def chain(length: int) -> Flow:
    """Return a flow in which every job waits for the one before."""
    jobs: list[Flow | Job] = []
    number: Any = 0
    for _ in range(length):
        made = increment(number)
        jobs.append(made)
        number = made.output
    return Flow(jobs, name=f"chain of {length}")


def crowd(size: int) -> Flow:
    """Return a flow of jobs that have nothing to do with each other."""
    return Flow([increment(number) for number in range(size)], name=f"crowd of {size}")


def plain_crowd(size: int) -> Flow:
    """Return independent jobs that need nothing but Python where they run."""
    return Flow([Job(abs, function_args=(-number,)) for number in range(size)])
