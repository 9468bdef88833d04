"""A flow for the demonstration: docker compose … run --rm jfc submit /etc/jfcelery/flow.py."""

from __future__ import annotations

from jobflow import Flow, job


@job
def add(one: int, other: int) -> int:
    """Return a sum."""
    return one + other


first = add(1, 2)
flow = Flow([first, add(first.output, 3)], name="sum")
