"""The JobStore of an execution answers as a store in memory does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maggma.core import Sort
from maggma.stores import MemoryStore

from jfcelery.execution.memory import FolderStore, job_store

DOCUMENTS = [
    {"uuid": uuid, "index": index, "output": {"n": index, "list": [1, 2]}, "name": f"{uuid}{index}"}
    for uuid in "abc"
    for index in (1, 2, 3)
]


def both() -> tuple[FolderStore, MemoryStore]:
    """Return both kinds of store with the same documents, some of them added."""
    theirs = MemoryStore()
    theirs.connect()
    theirs.update([dict(doc) for doc in DOCUMENTS], key=["uuid", "index"])
    ours = FolderStore("x", [dict(doc) for doc in DOCUMENTS[:5]])
    ours.update([dict(doc) for doc in DOCUMENTS[5:]], key=["uuid", "index"])
    return ours, theirs


def plain(documents: Any) -> list[dict[str, Any]]:
    """Return documents without MongoDB's ids."""
    return [{k: v for k, v in doc.items() if k != "_id"} for doc in documents]


conditions = st.dictionaries(
    st.sampled_from(["uuid", "index"]),
    st.sampled_from(["a", "b", 1, 3, {"$in": ["a", "c"]}, {"$in": [1, 2]}, {"$gt": 1}, "z"]),
)
projections = st.none() | st.lists(
    st.sampled_from(["uuid", "index", "name", "output.n"]), min_size=1
)


@given(conditions, projections, st.sampled_from([1, -1, Sort.Descending]), st.integers(0, 2))
def test_queries(criteria: dict[str, Any], properties: Any, direction: Any, skip: int) -> None:
    """Any query has the same answer."""
    ours, theirs = both()
    order = {"uuid": Sort.Ascending, "index": direction}
    for limit in (0, 2):
        args: Any = {"sort": order, "skip": skip, "limit": limit}
        wanted = None if properties is None else list(properties)
        assert plain(ours.query(criteria, wanted, **args)) == plain(
            theirs.query(criteria, wanted, **args)
        )
    assert ours.count(criteria) == theirs.count(criteria)


@pytest.mark.parametrize(
    "criteria", [None, {}, {"name": {"$regex": "^a"}}, {"output.n": {"$gte": 2}}, {"name": "b1"}]
)
def test_queries_of_any_kind(criteria: dict[str, Any] | None) -> None:
    """What jobflow never asks, a job with an exposed store may ask."""
    ours, theirs = both()
    order: dict[str, Sort | int] = {"uuid": Sort.Ascending, "index": Sort.Ascending}
    assert plain(ours.query(criteria, sort=order)) == plain(theirs.query(criteria, sort=order))
    assert sorted(ours.distinct("uuid", criteria)) == sorted(theirs.distinct("uuid", criteria))


@pytest.mark.parametrize("asked_before", [False, True])
def test_only_what_was_added_is_told(asked_before: bool) -> None:
    """What was known before is not among the additions, unless it is replaced."""
    ours, _ = both()
    if asked_before:
        assert list(ours.query({"name": {"$regex": "^a"}}))
    ours.update({"uuid": "a", "index": 1, "output": "new"}, key=["uuid", "index"])
    ours.update({"uuid": "z", "index": 1, "output": "gone"}, key=["uuid", "index"])
    ours.remove_docs({"uuid": "z"})
    assert [(d["uuid"], d["index"]) for d in ours.added()] == [
        *((d["uuid"], d["index"]) for d in DOCUMENTS[5:]),
        ("a", 1),
    ]
    assert plain(ours.query({"uuid": "a", "index": 1}))[0]["output"] == "new"
    assert ours.count({"name": "a1"}) == 0
    assert ours.count() == 9


def test_reading_changes_nothing() -> None:
    """Loading blobs into what was read does not load them into what will be written."""
    store = job_store([], ["data"])
    store.update({"uuid": "u", "index": 1, "output": {"big": 1}}, save={"data": "big"})
    (found,) = store.query({"uuid": "u"}, load=True)
    assert found["output"]["big"] == 1
    (written,) = store.outputs()
    assert written["output"]["big"]["store"] == "data"
    assert [blob["data"] for blob in store.blobs()["data"]] == [1]
