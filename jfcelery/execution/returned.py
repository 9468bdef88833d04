"""Checking the flow that a job returns, one of its jobs after the other.

jobflow looks whether all outputs that its jobs refer to are of the flow, and makes plain data of
all of them at once for that: 150 MB for 100,000 jobs.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobflow import Flow, Job


@contextmanager
def checked_one_by_one() -> Iterator[None]:
    """Let jobflow look at the jobs of a flow one by one; it refuses the same flows."""
    from jobflow.core import flow as module

    check = getattr(module, "get_flow", None)
    if check is None:  # a jobflow that we do not know looks as it does
        yield
        return

    def get_flow(flow: Any, allow_external_references: bool = False) -> Flow:
        found: Flow = check(flow, allow_external_references=True)
        if not allow_external_references and not _is_complete(found):
            check(found)  # says what is missing
        return found

    module.get_flow = get_flow
    try:
        yield
    finally:
        module.get_flow = check


def _is_complete(flow: Flow) -> bool:
    """Return whether the jobs of a flow refer to no others."""
    from jobflow.core.reference import find_and_get_references

    own = set(flow.job_uuids)
    return all(ref.uuid in own for job in _jobs(flow) for ref in find_and_get_references(job))


def _jobs(item: Flow | Job) -> Iterator[Job]:
    """Yield the jobs of a flow, those of nested flows included."""
    from jobflow import Flow

    if isinstance(item, Flow):
        for part in item.jobs:
            yield from _jobs(part)
    else:
        yield item
