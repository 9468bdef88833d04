"""Taking a job's documents into the JobStore, in memory and in a real database."""

from __future__ import annotations

import json
import uuid
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from jobflow import JobStore, run_locally
from maggma.stores import GridFSStore, MemoryStore, MongoStore

from jfcelery.errors import OutputInvalidError, OutputMissingError
from jfcelery.execution import wire
from jfcelery.execution.stores import (
    Documents,
    additional_stores,
    insert_documents,
    read_documents,
)
from jfcelery.flows.entries import flow_entries
from jfcelery.folders import RunFolder
from tests.support.comparing import contents
from tests.support.driver import Driver
from tests.support.jobs import store_key
from tests.support.shapes import make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.warm import WarmRunner

    MakeStore = Callable[[], JobStore]


@pytest.fixture(params=["memory", "database"])
def make_store(request: pytest.FixtureRequest) -> Iterator[MakeStore]:
    """A function that makes connected, empty JobStores of one kind."""
    made: list[JobStore] = []
    url = request.getfixturevalue("mongo_url") if request.param == "database" else None

    def make_one() -> JobStore:
        name = f"jfct_{uuid.uuid4().hex}"
        if url is None:
            store = JobStore(MemoryStore(), {"data": MemoryStore(), "graphs": MemoryStore()})
        else:
            data = GridFSStore(name, "blobs", uri=url)
            graphs = MongoStore(name, "graphs", uri=url)
            store = JobStore(MongoStore(name, "outputs", uri=url), {"data": data, "graphs": graphs})
        store.connect()
        made.append(store)
        return store

    yield make_one
    for store in made:
        if url is not None:
            collection: Any = store.docs_store._collection
            collection.database.client.drop_database(collection.database.name)
            vars(additional_stores(store)["data"])["_files_collection"].database.client.close()
        store.close()


@pytest.mark.parametrize(
    "name",
    [
        "additional_store_by_key",
        "additional_store_for_all",
        "additional_store_by_class",
        "two_additional_stores",
        "additional_store_and_replacement",
        "types_of_values",
        "fan_out_and_in",
    ],
)
def test_equals_what_jobflow_writes(
    name: str,
    make_store: MakeStore,
    runner: WarmRunner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Documents and blobs are those that jobflow writes to a store of the same kind."""
    monkeypatch.chdir(tmp_path)
    ours, theirs = make_store(), make_store()
    flow = make(name)
    known = {*flow.all_uuids, flow.uuid}
    Driver(ours, runner, tmp_path).run(flow_entries(flow))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_locally(flow, log=False, store=theirs)
    assert contents(ours, known) == contents(theirs, known)
    assert files_of(ours) == files_of(theirs)


def files_of(store: JobStore) -> list[tuple[int, list[str]]]:
    """Return length and names of metadata of each file in GridFS."""
    files = vars(additional_stores(store)["data"]).get("_files_collection")
    found = files.find() if files is not None else ()
    return sorted((file["length"], sorted(file["metadata"])) for file in found)


@pytest.fixture
def documents_of(runner: WarmRunner, prepare: Callable[..., Path]) -> Callable[[], Documents]:
    """Run the same job once more in a folder of its own, and read its documents."""
    numbers = iter(range(1, 100))
    job = store_key(3)

    def run() -> Documents:
        job.index = next(numbers)
        folder = prepare(job, stores=["data"])
        assert runner.run(folder) == 0
        documents = read_documents(folder, ["data"])
        for document in documents.outputs:
            document["index"] = 1
        for blob in documents.blobs["data"]:
            blob["job_index"] = 1
        return documents

    return run


def test_insertion_may_be_repeated(
    make_store: MakeStore, documents_of: Callable[[], Documents]
) -> None:
    """The same documents twice are there once, blobs too."""
    store, documents = make_store(), documents_of()
    insert_documents(store, documents)
    before = contents(store, ())
    insert_documents(store, documents)
    assert contents(store, ()) == before
    assert store.count() == 1
    assert additional_stores(store)["data"].count() == 1


def test_another_attempt_replaces_the_blobs(
    make_store: MakeStore, documents_of: Callable[[], Documents]
) -> None:
    """After a rerun, blobs of the earlier attempt are gone; those of other jobs stay."""
    store = make_store()
    first, second = documents_of(), documents_of()
    other = {"blob_uuid": "other", "data": 1, "job_uuid": "other", "job_index": 1}
    additional_stores(store)["data"].update([other], key="blob_uuid")
    first.outputs[0]["output"]["mentioned"] = {"blob_uuid": "other", "store": "data"}
    insert_documents(store, first)
    insert_documents(store, second)
    found = {blob["blob_uuid"] for blob in additional_stores(store)["data"].query()}
    assert found == {"other", *(blob["blob_uuid"] for blob in second.blobs["data"])}
    assert store.count() == 1


def test_documents_of_many_jobs_replace_only_their_own(
    make_store: MakeStore,
    documents_of: Callable[[], Documents],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One look for all that is replaced; another index of the same job stays, with its blobs."""
    store, before = make_store(), []
    for uuid_, index in (("a", 1), ("b", 2), ("a", 2)):
        documents = documents_of()
        documents.outputs[0] |= {"uuid": uuid_, "index": index}
        documents.blobs["data"][0] |= {"job_uuid": uuid_, "job_index": index}
        insert_documents(store, documents)
        before.append(documents)
    after = [{**one.outputs[0], "output": 1} for one in before[:2]]
    looks, query = [], store.docs_store.query

    def look(*arguments: Any) -> Any:
        looks.append(arguments)
        return query(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(store.docs_store, "query", look)
        insert_documents(store, Documents(after))
    assert len(looks) == 1
    kept = {blob["blob_uuid"] for blob in before[2].blobs["data"]}
    assert {blob["blob_uuid"] for blob in additional_stores(store)["data"].query()} == kept
    assert store.count() == 3


def test_an_interrupted_insertion_is_completed(
    make_store: MakeStore,
    documents_of: Callable[[], Documents],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the process dies between document and blobs, the next insertion leaves nothing over."""
    store = make_store()
    first, second = documents_of(), documents_of()
    data = additional_stores(store)["data"]
    with monkeypatch.context() as patch:
        patch.setattr(data, "update", lambda *_, **__: (_ for _ in ()).throw(ConnectionError))
        with pytest.raises(ConnectionError):
            insert_documents(store, first)
    insert_documents(store, second)
    found = {blob["blob_uuid"] for blob in data.query()}
    assert found == {blob["blob_uuid"] for blob in second.blobs["data"]}


def test_unknown_store(make_store: MakeStore) -> None:
    """Blobs for a store that the project lacks are an error that names it."""
    with pytest.raises(OutputInvalidError, match="no additional store named nowhere"):
        insert_documents(make_store(), Documents([], {"nowhere": [{"blob_uuid": "x"}]}))


def document(output: Any) -> Documents:
    """Return an output document."""
    return Documents([{"uuid": "u", "index": 1, "output": output}])


@pytest.mark.parametrize("make_store", ["database"], indirect=True)
def test_too_large_documents_are_refused(make_store: MakeStore) -> None:
    """What MongoDB cannot take is an error with a remedy."""
    store = make_store()
    with pytest.raises(OutputInvalidError, match=r"about 17 MB.*16 MB\n.*additional store"):
        insert_documents(store, document("x" * 17_000_000))
    for output in (2**70, "\ud800", {"\x00": 1}):
        with pytest.raises(OutputInvalidError, match="cannot be stored"):
            insert_documents(store, document(output))


@pytest.mark.parametrize("make_store", ["database"], indirect=True)
def test_indexes(make_store: MakeStore) -> None:
    """Outputs and blobs are found by indexes."""
    store = make_store()
    insert_documents(store, document(1))
    collection: Any = store.docs_store._collection
    keys = [index["key"] for index in collection.index_information().values()]
    assert [("uuid", 1), ("index", 1)] in keys
    files = vars(additional_stores(store)["data"])["_files_collection"]
    keys = [index["key"] for index in files.index_information().values()]
    assert [("metadata.blob_uuid", 1)] in keys


def test_dates_are_dates(make_store: MakeStore, tmp_path: Path) -> None:
    """A date in an output is a date in the database, not a text."""
    store = make_store()
    when = datetime(2024, 5, 6, 7, 8)  # noqa: DTZ001
    (tmp_path / RunFolder.STORE_DATA).write_text(wire.dumps(document(when).outputs))
    insert_documents(store, read_documents(tmp_path))
    found = store.query_one({"uuid": "u"})
    assert found is not None
    assert found["output"] == when


def test_no_class_is_imported(tmp_path: Path) -> None:
    """Documents are read as plain data, whatever class they name."""
    output = {"@module": "antigravity", "@class": "Anything", "x": 1}
    (tmp_path / RunFolder.STORE_DATA).write_text(json.dumps(document(output).outputs))
    assert read_documents(tmp_path).outputs[0]["output"] == output


def test_missing_documents(tmp_path: Path) -> None:
    """A folder without documents is an error."""
    with pytest.raises(OutputMissingError, match=r"remote_job_data\.json"):
        read_documents(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "{}", "[1]", "\xff", f'[{{"{wire.KEY}": ["unknown", 1]}}]', f'[{{"{wire.KEY}": 5}}]'],
)
def test_damaged_documents(text: str, tmp_path: Path) -> None:
    """A file that is not a list of documents is an error that names it."""
    (tmp_path / RunFolder.STORE_DATA).write_text(text, encoding="latin-1")
    with pytest.raises(OutputInvalidError, match=r"remote_job_data\.json"):
        read_documents(tmp_path)
