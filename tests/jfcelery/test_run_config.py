"""``set_run_config``: where and how jobs run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jobflow import CURRENT_JOB, Flow, JobStore
from maggma.stores import MemoryStore
from qtoolkit.core.data_objects import QResources

from jfcelery.flows.entries import flow_entries
from jfcelery.project import ExecutionConfig
from jfcelery.run_config import set_run_config
from tests.support.jobs import AddMaker, add, identity, named, use_maker

if TYPE_CHECKING:
    from jfcelery.flows.entry import JobEntry


def entries_of(flow: Flow) -> dict[str, JobEntry]:
    """Return a flow's entries by the names of its jobs."""
    return {entry.name: entry for entry in flow_entries(flow).jobs}


def two_jobs() -> Flow:
    """Return a flow of an ``add`` and an ``identity``."""
    first = add(1)
    return Flow([first, identity(first.output)])


def test_sets_all_options() -> None:
    """What is given arrives in the entry of every job, and the flow itself is returned."""
    flow = two_jobs()
    changed = set_run_config(
        flow, exec_config="tools", resources={"nodes": 2}, priority=5, worker="cluster"
    )
    assert changed is flow
    for entry in entries_of(flow).values():
        assert (entry.worker, entry.exec_config) == ("cluster", "tools")
        assert (entry.resources, entry.priority) == ({"nodes": 2}, 5)


def test_filters() -> None:
    """Only jobs of that name or function are changed."""
    flow = two_jobs()
    set_run_config(flow, name_filter="iden", worker="one")
    set_run_config(flow, function_filter=add, worker="two")
    entries = entries_of(flow)
    assert entries["identity"].worker == "one"
    assert entries["add"].worker == "two"


def test_adds_to_earlier_settings() -> None:
    """A second call leaves alone what it does not mention."""
    flow = two_jobs()
    set_run_config(flow, worker="one", priority=1)
    set_run_config(flow, priority=2)
    assert {(e.worker, e.priority) for e in entries_of(flow).values()} == {("one", 2)}


def test_overwrite() -> None:
    """With overwrite, only the last call counts."""
    flow = two_jobs()
    set_run_config(flow, worker="one", priority=1)
    set_run_config(flow, priority=2, overwrite=True)
    assert {(e.worker, e.priority) for e in entries_of(flow).values()} == {(None, 2)}


def test_nothing_given() -> None:
    """Without any option nothing changes."""
    flow = two_jobs()
    set_run_config(flow)
    assert not any(vars(job)["config_updates"] for job in flow.jobs)


def test_priority_alone() -> None:
    """A priority of zero is a priority."""
    flow = set_run_config(two_jobs(), priority=0)
    assert {entry.priority for entry in entries_of(flow).values()} == {0}


def test_objects_become_plain() -> None:
    """Execution configurations and resources are plain data in the entries."""
    config = ExecutionConfig(modules=["gcc"], export={"A": "1"})
    flow = set_run_config(
        two_jobs(), exec_config=config, resources=QResources(processes=4, time_limit=60)
    )
    entry = entries_of(flow)["add"]
    assert entry.exec_config == {"modules": ["gcc"], "export": {"A": "1"}}
    assert entry.resources is not None
    assert entry.resources["@class"] == "QResources"
    resources: Any = QResources.from_dict(entry.resources)
    assert (resources.processes, resources.time_limit) == (4, 60)


@pytest.mark.parametrize("dynamic", [True, False])
def test_dynamic_jobs(dynamic: bool) -> None:
    """Jobs that a job makes get the same, unless told otherwise."""
    job = named(use_maker(AddMaker(), 1), "first")
    job.config.pass_manager_config = False
    set_run_config(job, worker="one", dynamic=dynamic)
    store = JobStore(MemoryStore())
    store.connect()
    response = job.run(store)
    CURRENT_JOB.reset()
    made: Any = response.replace
    (entry,) = flow_entries(made).jobs
    assert entry.worker == ("one" if dynamic else None)
