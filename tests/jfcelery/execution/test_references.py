"""Collecting the outputs that a job refers to."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobflow import JobStore, OutputReference
from maggma.stores import MemoryStore

from jfcelery.errors import ReferenceMissingError
from jfcelery.execution.references import collect_for_job, pruned, references_in
from jfcelery.flows.entries import job_payload
from tests.support.jobs import describe_reference, identity, look_into_store, store_key

if TYPE_CHECKING:
    from jobflow.core.job import Job


@pytest.fixture
def store() -> JobStore:
    """An empty JobStore with an additional one."""
    made = JobStore(MemoryStore(), {"data": MemoryStore()})
    made.connect()
    return made


def put(store: JobStore, uuid: str, output: Any, index: int = 1, **more: Any) -> None:
    """Write an output document."""
    store.update({"uuid": uuid, "index": index, "output": output, **more})


def plain(reference: OutputReference) -> dict[str, Any]:
    """Return a reference as it stands in an output."""
    return dict(json.loads(json.dumps(reference.as_dict())))


def outputs(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return outputs by uuid."""
    return {document["uuid"]: document["output"] for document in documents}


def of_job(store: JobStore, job: Job) -> dict[str, Any]:
    """Return the outputs that a job is given."""
    return outputs(collect_for_job(store, job_payload(job)))


def test_the_latest_output_counts(store: JobStore) -> None:
    """Of a replaced job, the output with the highest index is taken."""
    for index in (2, 10, 1):
        put(store, "a", f"output {index}", index)
    (document,) = collect_for_job(store, job_payload(identity(OutputReference("a"))))
    assert document == {"uuid": "a", "index": 10, "output": "output 10"}


def test_references_inside_outputs_are_followed(store: JobStore) -> None:
    """What an output refers to comes along, to any depth and through circles."""
    put(store, "a", [plain(OutputReference("b"))])
    put(store, "b", {"x": plain(OutputReference("c")), "y": plain(OutputReference("a"))})
    put(store, "c", 3)
    assert of_job(store, identity(OutputReference("a"))).keys() == {"a", "b", "c"}


def test_missing_outputs(store: JobStore) -> None:
    """A missing output is an error also where another output refers to it."""
    put(store, "a", [plain(OutputReference("gone"))])
    with pytest.raises(ReferenceMissingError, match="gone"):
        of_job(store, identity(OutputReference("a")))


def test_blobs_are_loaded(store: JobStore) -> None:
    """What lies in an additional store stands in the output again, dates as dates."""
    when = datetime(2024, 1, 2)  # noqa: DTZ001
    store.update(
        {"uuid": "a", "index": 1, "output": {"big": [when], "small": 1}}, save={"data": "big"}
    )
    assert of_job(store, identity(OutputReference("a"))) == {"a": {"big": [when], "small": 1}}


def test_missing_blobs(store: JobStore) -> None:
    """A blob that is gone is named with its store."""
    store.update({"uuid": "a", "index": 1, "output": {"big": 1}}, save={"data": "big"})
    vars(store)["additional_stores"]["data"].remove_docs({})
    with pytest.raises(ReferenceMissingError, match=r"output of a .*'data'"):
        of_job(store, identity(OutputReference("a")))


def test_only_what_is_needed(store: JobStore) -> None:
    """Keys of plain dicts that a job does not refer to stay where they are, with their blobs."""
    output = {"big": [0] * 10, "energy": 1.5, "deep": {"a": 1, "b": {"@class": "X", "y": 2}}}
    store.update({"uuid": "a", "index": 1, "output": output}, save={"data": "big"})
    vars(store)["additional_stores"]["data"].remove_docs({})
    reference = OutputReference("a")
    assert of_job(store, identity(reference["energy"])) == {"a": {"energy": 1.5}}
    both = identity([reference["energy"], reference["deep"]["b"].y])
    assert of_job(store, both) == {"a": {"energy": 1.5, "deep": {"b": {"@class": "X", "y": 2}}}}


def test_references_inside_pruned_outputs(store: JobStore) -> None:
    """What is needed as a whole by one reference and in part by another is there as a whole."""
    put(store, "a", {"x": 1, "y": 2})
    inner = plain(OutputReference("a")["y"])
    put(store, "b", {"z": inner})
    job = identity([OutputReference("a")["x"], OutputReference("b")["z"]])
    assert of_job(store, job) == {
        "a": {"x": 1, "y": 2},
        "b": {"z": plain(OutputReference("a")["y"])},
    }


def test_unresolved_references_need_nothing(store: JobStore) -> None:
    """A job that gets its references as they are needs no outputs, there or not."""
    assert of_job(store, describe_reference(OutputReference("gone"))) == {}


def test_exposed_store_has_whole_documents(store: JobStore) -> None:
    """A job that looks into the store finds all fields of the documents that it refers to."""
    put(store, "a", {"x": 1, "y": 2}, name="mine", metadata={"k": "v"})
    job = look_into_store("a", OutputReference("a")["x"])
    (document,) = collect_for_job(store, job_payload(job))
    assert document["output"] == {"x": 1, "y": 2}
    assert (document["name"], document["metadata"]) == ("mine", {"k": "v"})


@pytest.mark.parametrize("on_missing", ["none", "pass"])
def test_on_missing(on_missing: str, store: JobStore) -> None:
    """A job that can do without gets what is there."""
    output = [plain(OutputReference("lost"))]
    put(store, "a", output)
    job = identity([OutputReference("a"), OutputReference("gone")])
    job.config.on_missing_references = on_missing  # type: ignore[assignment]
    assert of_job(store, job) == {"a": output}


def test_no_references(store: JobStore) -> None:
    """Most jobs at the start of a flow refer to nothing."""
    assert of_job(store, store_key(1)) == {}


def test_many_references(store: JobStore) -> None:
    """More outputs than one query asks for."""
    uuids = [f"u{number}" for number in range(450)]
    for uuid in uuids:
        put(store, uuid, uuid)
    job = identity([OutputReference(uuid) for uuid in uuids])
    assert of_job(store, job) == {uuid: uuid for uuid in uuids}


def test_attributes_of_references() -> None:
    """References are found where jobflow finds them, with the path that they take."""
    reference = OutputReference("u")["a"].b[0]
    (found,) = references_in({"x": [{"y": plain(reference)}]})
    assert (found.uuid, found.path) == ("u", ("a", "b", 0))


values = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "@class", "c"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values, st.lists(st.lists(st.sampled_from(["a", "b", "c", 0]), max_size=3), max_size=4))
def test_pruning_keeps_every_path(value: Any, paths: list[list[Any]]) -> None:
    """Whatever a path leads to is the same before and after."""

    def follow(item: Any, path: list[Any]) -> Any:
        for step in path:
            try:
                item = item[step]
            except (KeyError, IndexError, TypeError) as error:
                return type(error)
        return item

    smaller = pruned(value, [tuple(path) for path in paths])
    for path in paths:
        assert follow(smaller, path) == follow(value, path)
