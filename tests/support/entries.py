"""Flows taken apart, without running anything: what the tests of the queue insert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jfcelery.flows.entries import FlowEntries
from jfcelery.flows.entry import JobEntry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What a job without inputs has of jobflow's Job: enough to send and start it.
QUICK_JOB: dict[str, Any] = {
    "config": {"resolve_references": False, "expose_store": False},
    "function_args": [],
    "function_kwargs": {},
}


def entry(uuid: str, parents: Sequence[str] = (), **fields: Any) -> JobEntry:
    """Return the entry of a job that does nothing."""
    content: dict[str, Any] = {
        "uuid": uuid,
        "index": 1,
        "name": f"job {uuid}",
        "function": "builtins:print",
        "parents": list(parents),
        "references": list(parents),
        "resolve": True,
        "metadata": {},
        "hosts": [],
        "on_missing": "error",
        "worker": None,
        "exec_config": None,
        "resources": None,
        "priority": None,
        "stores": [],
        "payload": {"uuid": uuid},
    }
    return JobEntry(**content | fields)


def flow_of(edges: Mapping[str, Sequence[str]], **fields: Any) -> FlowEntries:
    """Return a flow from its jobs' uuids and their parents."""
    jobs = [entry(uuid, parents, **fields) for uuid, parents in edges.items()]
    parents = {parent for job in jobs for parent in job.parents}
    return FlowEntries(
        uuid=str(uuid4()),
        name="flow",
        metadata={},
        jobs=jobs,
        leaves=[job.uuid for job in jobs if job.uuid not in parents],
    )
