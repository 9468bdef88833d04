"""The tree of a flow's jobs: each stands below its parent that is farthest from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.cli.output import escape, styled_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.tree import Tree

    from jfcelery.controller.info import JobInfo


def job_tree(jobs: Sequence[JobInfo]) -> Tree:
    """Return the tree; a job of several parents names the others in brackets."""
    from rich.tree import Tree

    root = Tree("", hide_root=True)
    nodes: dict[str, Tree] = {}
    newest: dict[str, JobInfo] = {}
    depth: dict[str, int] = {}
    for job in _in_order(jobs):
        parents = [newest[uuid] for uuid in job.parents if uuid in newest]
        parents.sort(key=lambda parent: depth[parent.db_id])
        earlier = newest.get(job.uuid)
        above = earlier or (parents[-1] if parents else None)
        label = f"{job.db_id} {escape(job.name)} {styled_state(job.state)}"
        if len(parents) > 1:
            label += f" [dim](also after {', '.join(p.db_id for p in parents[:-1])})[/]"
        place = nodes[above.db_id] if above else root
        nodes[job.db_id] = place.add(label)
        depth[job.db_id] = depth[above.db_id] + 1 if above else 0
        newest[job.uuid] = job
    return root


def _in_order(jobs: Sequence[JobInfo]) -> list[JobInfo]:
    """Return the jobs so that each comes after its parents and its earlier indexes."""
    left = sorted(jobs, key=lambda job: job.index)
    known = {job.uuid for job in jobs}
    ordered: list[JobInfo] = []
    done: set[str] = set()
    while left:
        ready = [job for job in left if known.isdisjoint(set(job.parents) - done - {job.uuid})]
        if not ready:  # a circle, which a damaged database may hold
            return ordered + left
        ordered += ready
        done |= {job.uuid for job in ready}
        left = [job for job in left if job not in ready]
    return ordered
