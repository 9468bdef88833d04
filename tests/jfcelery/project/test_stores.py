"""Stores of the project file: what maggma takes, what is built, where outputs go by default."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import UnknownNameError
from jfcelery.project import MongoTarget
from jfcelery.project.mongo import mongo_target
from jfcelery.project.stores import _KNOWN, build_store, default_jobstore_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory

    Load = Callable[..., Project]


def built(spec: dict[str, Any]) -> Any:
    """Build a store; maggma's base class does not name what all of these have."""
    return build_store(spec)


URI = "mongodb://bob:secret@One.example:27018,two.example/db%31?authSource=admin"


@pytest.mark.parametrize("name", _KNOWN)
def test_the_table_of_stores_agrees_with_maggma(name: str) -> None:
    """What is taken for known without asking maggma is really taken by maggma, and suffices."""
    accepted, needed = _KNOWN[name]
    values: dict[str, Any] = dict.fromkeys(accepted, "x") | {"port": 1}
    values |= {"mongoclient_kwargs": {}, "last_updated_type": "isoformat", "uri": "mongodb://h/d"}

    for keys in (accepted, needed):
        assert built({"type": name} | {key: values[key] for key in keys}) is not None


def test_known_stores_do_not_need_maggma(load: Load) -> None:
    """The quick way and the thorough way accept the same."""
    from maggma.stores import GridFSStore, MongoStore

    queue = MongoStore("d", "jobs", host="h", safe_update=True).as_dict()
    docs = MongoStore("d", "outputs", default_sort={"a": 1}).as_dict()
    blobs = GridFSStore("d", "blobs", compression=True).as_dict()

    project = load(
        queue={"store": queue},
        jobstore={"docs_store": docs, "additional_stores": {"data": blobs}, "load": True},
    )

    assert project.queue is not None
    assert str(project.queue.target) == "h:27017/d/jobs"
    jobstore: Any = project.get_jobstore()
    assert jobstore.docs_store.default_sort == {"a": 1}
    assert jobstore.additional_stores["data"].compression
    assert jobstore.load is True


def test_a_serialised_jobstore_is_taken(load: Load) -> None:
    """What ``JobStore.as_dict`` gives comes back as that JobStore."""
    from jobflow.core.store import JobStore
    from maggma.stores import MemoryStore

    spec = JobStore(MemoryStore("docs"), {"data": MemoryStore("blobs")}).as_dict()
    jobstore: Any = load(jobstore=spec, optional_jobstores={"other": spec}).get_jobstore("other")

    assert jobstore.docs_store.collection_name == "docs"
    assert list(jobstore.additional_stores) == ["data"]


def test_optional_jobstores_are_chosen_by_name(load: Load) -> None:
    """An unknown name says what there is."""
    spec = {"docs_store": {"type": "MemoryStore", "collection_name": "here"}}
    project = load(optional_jobstores={"other": spec})

    jobstore: Any = project.get_jobstore("other")
    assert jobstore.docs_store.collection_name == "here"
    with pytest.raises(UnknownNameError, match=r"has no jobstore 'othr'\nDid you mean 'other'?"):
        project.get_jobstore("othr")


@pytest.mark.parametrize(
    "store, text, arguments",
    [
        (
            {"type": "MongoStore", "database": "d", "collection_name": "c"},
            "localhost:27017/d/c",
            {"host": "localhost", "port": 27017},
        ),
        (
            {"type": "MongoStore", "database": "d", "collection_name": "c", "host": "H",
             "username": "u", "password": "p", "mongoclient_kwargs": {"tls": True}},
            "h:27017/d/c",
            {"host": "H", "port": 27017, "username": "u", "password": "p", "authSource": "d",
             "tls": True},
        ),
        (
            {"type": "MongoURIStore", "uri": URI, "collection_name": "c"},
            "one.example:27018,two.example:27017/db1/c",
            {"host": URI},
        ),
        (
            {"type": "MongoURIStore", "uri": "mongodb+srv://h.example/d", "collection_name": "c"},
            "h.example/d/c",
            {"host": "mongodb+srv://h.example/d"},
        ),
    ],
)  # fmt: skip
def test_where_a_store_lies_is_read_from_its_spec(
    store: dict[str, Any], text: str, arguments: dict[str, Any]
) -> None:
    """Server, database and collection as maggma would find them, and pymongo's arguments."""
    target = mongo_target(store)
    made = built(store)

    assert str(target) == text
    assert target.client_arguments == arguments
    assert (made.database, made.collection_name) == (target.database, target.collection)


def test_a_store_class_of_ones_own_can_hold_the_queue(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A serialised subclass of MongoStore is made by maggma; the object says where it lies."""
    (tmp_path / "jfct_stores.py").write_text(
        "from maggma.stores import MongoStore\n\n\n"
        "class OwnStore(MongoStore):\n"
        "    def __init__(self, place):\n"
        "        super().__init__('d', 'jobs', host=place, username='u', password='secret')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    store = {"@module": "jfct_stores", "@class": "OwnStore", "place": "h"}

    project = load(queue={"store": store})

    assert project.queue is not None
    assert project.queue.target is not None
    assert str(project.queue.target) == "h:27017/d/jobs"
    assert project.queue.target.client_arguments["password"] == "secret"
    assert project.queue.target.client_arguments["authSource"] == "d"


def test_the_default_jobstore_logs_in_as_the_queue_does() -> None:
    """Documents and blobs go to the queue's database, with its login and options."""
    target = MongoTarget("d", "jobs", "h", 1, username="u", password="p", auth_source="admin",
                         client_kwargs={"tls": True})  # fmt: skip
    spec = default_jobstore_spec(target)
    stores = [built(spec["docs_store"]), built(spec["additional_stores"]["data"])]

    assert [store.collection_name for store in stores] == ["outputs", "outputs_blobs"]
    for store in stores:
        assert (store.database, store.host, store.port) == ("d", "h", 1)
        assert (store.username, store.password, store.auth_source) == ("u", "p", "admin")
        assert store.mongoclient_kwargs == {"tls": True}


def keep_and_fetch(project: Project) -> tuple[Any, Any]:
    """Run a job that keeps its output in an additional store; return the output and its blob."""
    from jobflow.core.flow import Flow
    from jobflow.core.job import job
    from jobflow.managers.local import run_locally

    @job(data="large")
    def make(large: list[int]) -> dict[str, Any]:
        return {"small": 1, "large": large}

    store = project.get_jobstore()
    flow = Flow([make([1, 2, 3])])
    run_locally(flow, store=store, ensure_success=True, log=False)
    name = flow.job_uuids[0]
    fetched = store.get_output(name, load=True)
    plain = store.get_output(name, load=False)
    store.close()
    return fetched, plain


def test_outputs_go_to_the_queues_database_by_default(project: Project) -> None:
    """A project without a jobstore keeps documents and, in GridFS, large data beside its queue."""
    fetched, plain = keep_and_fetch(project)

    assert fetched == {"small": 1, "large": [1, 2, 3]}
    assert set(plain["large"]) >= {"@class", "blob_uuid"}


def test_outputs_go_to_the_embedded_database_by_default(make_project: ProjectFactory) -> None:
    """Without a queue either, all of it is in the embedded database."""
    from jfcelery.services import stop

    project = make_project(f"e{uuid.uuid4().hex[:6]}", queue=None, broker=None)
    try:
        fetched, _ = keep_and_fetch(project)
    finally:
        stop(project)

    assert fetched == {"small": 1, "large": [1, 2, 3]}
