"""Taking flows apart."""

from __future__ import annotations

import json
import time
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st
from jobflow import Flow, JobOrder, OnMissing, OutputReference

from jfcelery.errors import InputError, SerializationError
from jfcelery.execution import wire
from jfcelery.flows.entries import FlowEntries, flow_entries
from tests.support.jobs import AddMaker, Point, add, identity, named, store_key, store_two, total
from tests.support.shapes import SHAPES, make

if TYPE_CHECKING:
    from jobflow.core.job import Job

    from jfcelery.flows.entry import JobEntry


def by_name(entries: FlowEntries) -> dict[str, JobEntry]:
    """Return entries by the names of their jobs."""
    return {entry.name: entry for entry in entries.jobs}


def store_key_as(store: str) -> Job:
    """Return a job that keeps data in a store of any name."""
    made = add(1)
    made._kwargs = {store: "key"}
    return made


def names_of_parents(entries: FlowEntries) -> dict[str, set[str]]:
    """Return, for each job's name, the names of its parents."""
    names = {entry.uuid: entry.name for entry in entries.jobs}
    return {e.name: {names.get(parent, parent) for parent in e.parents} for e in entries.jobs}


def chain(length: int, prefix: str = "job") -> list[Job]:
    """Return jobs of which each needs the one before."""
    jobs = [named(add(0), f"{prefix} 0")]
    for number in range(1, length):
        jobs.append(named(add(jobs[-1].output), f"{prefix} {number}"))
    return jobs


@pytest.mark.parametrize("name", SHAPES)
def test_edges_are_those_of_jobflow(name: str) -> None:
    """Parents and leaves are what jobflow's own graph says, external references included."""
    flow = make(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = flow.graph
    entries = flow_entries(flow)
    assert {(p, e.uuid) for e in entries.jobs for p in e.parents} == set(graph.edges)
    assert set(entries.leaves) == {node for node, degree in graph.out_degree() if degree == 0}
    assert {e.uuid for e in entries.jobs} == set(flow.job_uuids)


@pytest.mark.parametrize("name", SHAPES)
def test_payloads_are_plain_json(name: str) -> None:
    """Any JSON writer can store entries, and they come back the same."""
    entries = flow_entries(make(name))
    text = entries.model_dump_json()
    assert FlowEntries.model_validate_json(text) == entries
    assert json.loads(json.dumps(entries.model_dump(mode="json"))) == entries.model_dump()


def test_what_an_entry_says() -> None:
    """An entry tells what the queue must know of a job."""
    job = AddMaker(name="maker", number=3).make(OutputReference("outside"))
    job.metadata = {"when": datetime(2024, 1, 2), "tag": ["x"]}  # noqa: DTZ001
    wanted = {"worker": "w", "priority": 3, "resources": {"nodes": 1}}
    job.update_config({"on_missing_references": OnMissing.NONE, "manager_config": wanted})
    flow = Flow([job], name="named", metadata={"a": Point(1, 2)})
    entries = flow_entries(flow)
    (entry,) = entries.jobs
    assert (entry.uuid, entry.index, entry.name) == (job.uuid, 1, "maker")
    assert entry.function == "tests.support.jobs:AddMaker.make"
    assert (entry.parents, entry.references) == (["outside"], ["outside"])
    assert wire.loads(json.dumps(entry.metadata)) == job.metadata
    assert entry.hosts == [flow.uuid]
    assert entry.on_missing == "none"
    assert (entry.worker, entry.priority, entry.resources) == ("w", 3, {"nodes": 1})
    assert entry.exec_config is None
    assert (entries.uuid, entries.name) == (flow.uuid, "named")
    assert entries.metadata["a"]["@class"] == "Point"


def test_additional_stores_are_named() -> None:
    """An entry names the additional stores of its job, whatever they are called."""
    entries = by_name(flow_entries(Flow([store_key(1), store_two(), add(1)])))
    assert entries["store_key"].stores == ["data"]
    assert entries["store_two"].stores == ["data", "graphs"]
    assert entries["add"].stores == []


def test_linear_order_joins_ends_to_beginnings() -> None:
    """In a linear flow, what begins a part waits for all that ends the part before it."""
    left, right = named(add(1), "left"), named(add(2), "right")
    joined = chain(2, "inner")
    flow = Flow(
        [Flow([left, right]), Flow([*joined]), named(add(3), "last")], order=JobOrder.LINEAR
    )
    assert names_of_parents(flow_entries(flow)) == {
        "left": set(),
        "right": set(),
        "inner 0": {"left", "right"},
        "inner 1": {"inner 0"},
        "last": {"inner 1"},
    }


def test_linear_order_with_references_to_earlier_parts() -> None:
    """A nested flow of a linear flow may refer to what came before it."""
    first = named(add(1), "first")
    second = named(add(first.output), "second")
    flow = Flow([first, Flow([second])], order=JobOrder.LINEAR)
    assert names_of_parents(flow_entries(flow))["second"] == {"first"}


def test_linear_order_passes_empty_parts() -> None:
    """An empty nested flow does not break the order."""
    flow = Flow([named(add(1), "a"), Flow([]), named(add(2), "b")], order=JobOrder.LINEAR)
    assert names_of_parents(flow_entries(flow)) == {"a": set(), "b": {"a"}}


def test_circles_are_refused() -> None:
    """Jobs that wait for each other are an error of the input."""
    first = add(1)
    second = add(first.output)
    first.function_args = (second.output,)
    with pytest.raises(InputError, match="wait for each other"):
        flow_entries(Flow([first, second]))


def test_linear_order_against_references_is_refused() -> None:
    """An order that contradicts the references is a circle."""
    first = add(1)
    second = add(first.output)
    with pytest.raises(InputError, match="wait for each other"):
        flow_entries(Flow([second, first], order=JobOrder.LINEAR))


def test_unserialisable_arguments_are_named() -> None:
    """The error says which job, which argument and which type."""
    job = named(identity(1), "mine")
    job.function_kwargs = {"deep": [{"file": object()}]}
    with pytest.raises(SerializationError, match=r"'mine'.*deep.*\[0\]\['file'\].*object"):
        flow_entries(Flow([job]))


@pytest.mark.parametrize("uuid", ["a\ntouch b", "../up", "a b", "$(x)", "..", "", "é", "a" * 300])
def test_uuids_that_cannot_be_part_of_a_path_are_refused(uuid: str) -> None:
    """They become part of paths and of scripts; the error names the job."""
    job = named(add(1), "mine")
    flow = Flow([job])
    job.uuid = uuid
    with pytest.raises(InputError, match=r"job 'mine' cannot be queued: uuid: .*is not usable"):
        flow_entries(flow)


def test_stores_whose_names_cannot_be_part_of_a_path_are_refused() -> None:
    """A store's documents are in a file of its name."""
    with pytest.raises(InputError, match=r"stores\.0: '\.\./up' is not usable"):
        flow_entries(Flow([store_key_as("../up")]))


def test_arguments_keep_their_types() -> None:
    """What JSON does not know comes back as what it was."""
    value = {"t": datetime(2024, 1, 2, 3), "id": ObjectId(), "b": b"\xff"}  # noqa: DTZ001
    (entry,) = flow_entries(Flow([identity(value)])).jobs
    stored = json.dumps(entry.payload.load())
    assert wire.loads(stored)["function_args"] == [value]


def test_references_in_makers_are_no_parents() -> None:
    """As in jobflow, only arguments make parents."""
    maker: Any = AddMaker(number=1)
    maker.number = OutputReference("elsewhere")
    (entry,) = flow_entries(Flow([maker.make(1)])).jobs
    assert entry.parents == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=12))
def test_any_graph(shape: list[list[int]]) -> None:
    """For any graph of references, the edges are those of the references."""
    jobs: list[Job] = []
    expected = {}
    for number, wanted in enumerate(shape):
        parents = [jobs[w % number] for w in wanted] if number else []
        jobs.append(named(total([parent.output for parent in parents]), f"n{number}"))
        expected[f"n{number}"] = {parent.name for parent in parents}
    assert names_of_parents(flow_entries(Flow([*jobs]))) == expected


def test_five_thousand_jobs() -> None:
    """The cost grows with the number of jobs, not with its square."""

    def cost(length: int) -> float:
        flow = Flow([*chain(length)])
        start = time.process_time()
        entries = flow_entries(flow)
        assert len(entries.jobs) == length
        return time.process_time() - start

    cost(10)
    small, large = cost(500), cost(5000)
    assert large < 40 * max(small, 0.02)
