"""A database of another layout or project is refused before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery.controller.archive import archive
from jfcelery.database import edges, payloads
from jfcelery.database.batches import Batches
from jfcelery.database.connection import open_queue
from jfcelery.database.identity import owned
from jfcelery.database.indexes import INDEXES
from jfcelery.database.packed import Packed
from jfcelery.database.schema import prepare
from jfcelery.errors import SchemaVersionError
from jfcelery.states import JobState
from tests.support.queued import Queued

if TYPE_CHECKING:
    from jfcelery.database.jobs import Jobs
    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory


def test_a_new_database_gets_its_indexes(project: Project) -> None:
    """Every collection has the indexes that the steps' queries need."""
    queue = open_queue(project)
    prepare(queue)
    for attribute, keys in INDEXES.items():
        have = [list(i["key"].items()) for i in getattr(queue, attribute).list_indexes()]
        for key in keys:
            assert key in have


def test_another_layout_is_refused(project: Project) -> None:
    """The error says what to do."""
    queue = open_queue(project)
    prepare(queue)
    for schema, remedy in ((99, "Install the version"), (0, "jfc admin upgrade")):
        queue.auxiliary.update_one({"_id": "jfcelery"}, {"$set": {"schema": schema}})
        with pytest.raises(SchemaVersionError, match=remedy):
            prepare(queue)


def test_a_project_with_the_database_of_another_is_refused(make_project: ProjectFactory) -> None:
    """Both projects are named; the first goes on."""
    one = make_project("one")
    other = make_project("other", queue=one.queue and one.queue.model_dump(mode="json"))
    prepare(open_queue(one))
    with pytest.raises(SchemaVersionError, match=r"'other' belongs to project 'one'"):
        prepare(open_queue(other))
    prepare(open_queue(one))


@pytest.mark.parametrize("shared", ["jobs", "flows", "batches"])
def test_no_collection_may_be_shared(make_project: ProjectFactory, shared: str) -> None:
    """Projects in one database are told apart by their documents where no record does."""
    one = make_project("one")
    names = {"jobs": "j", "flows": "f", "batches": "b"} | {shared: shared}
    assert one.queue is not None
    queue = one.queue.model_dump(mode="json")
    queue["store"]["collection_name"] = names["jobs"]
    other = make_project(
        "other",
        queue=queue
        | {
            "flows_collection": names["flows"],
            "batches_collection": names["batches"],
            "auxiliary_collection": "a",
        },
    )
    for project in (one, other):  # both are empty when they are made
        prepare(open_queue(project))
    first = open_queue(one)
    getattr(first, shared).insert_one(owned(first, {"_id": "x"}))
    with pytest.raises(SchemaVersionError, match=rf"\.{shared} of .*'other' belongs to .*'one'"):
        prepare(open_queue(other))
    prepare(first)


def test_documents_without_a_name_belong_to_whoever_has_the_record(project: Project) -> None:
    """Older versions of jfcelery wrote none; in a new database they are somebody else's."""
    queue = open_queue(project)
    queue.jobs.insert_one({"_id": "x"})
    with pytest.raises(SchemaVersionError, match="of another program"):
        prepare(queue)
    queue.jobs.delete_one({"_id": "x"})
    prepare(queue)
    queue.jobs.insert_one({"_id": "x"})
    prepare(queue)


def test_every_document_says_whose_it_is(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs, flows, history, contents, large ones too, long errors, pilots and records."""
    queue = jobs.queue
    monkeypatch.setattr(edges, "INLINE", 0)
    flow = Queued(queue, {"a": [], "b": ["a"], "c": ["a"]})
    flow.bring("a", JobState.UPLOADED)
    jobs.update(flow.doc("a"), {"error": "x" * 1000})
    Batches(queue).insert("here")
    archive(jobs, [flow.doc("b")], why="test")
    monkeypatch.setattr(payloads, "LARGE", 1)
    payloads.payload_document(queue, "large", Packed.of({}))
    found = queue.files.find({}).to_list()
    assert [file.metadata for file in found] == [{"project": queue.project}]
    names = ("jobs", "edges", "flows", "history", "payloads", "batches", "auxiliary")
    for collection in (getattr(queue, name) for name in names):
        assert collection.count_documents({}) > 0
        assert collection.count_documents({"project": {"$ne": queue.project}}) == 0
