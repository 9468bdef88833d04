"""Every shape of flow, through the whole running system, leaves what ``run_locally`` leaves."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from jfcelery.wait import wait_for
from tests.support.comparing import contents
from tests.support.projects import ProjectFactory
from tests.support.shapes import SHAPES, STORES, external_document, make
from tests.support.system import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.project import Project

#: Seconds for all flows together: some 150 jobs, each with its own Python.
PATIENCE = 900

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class Ended:
    """All flows of the catalogue, run in one project."""

    project: Project
    flows: dict[str, Flow]


@pytest.fixture(scope="module")
def ended(
    session_folder: Path, mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ended]:
    """Submit every flow of the catalogue, and wait until all is at rest."""
    folder = session_folder / "shapes"
    folder.mkdir()
    factory = ProjectFactory(folder, mongo_url, redis_url)
    store = {"type": "MongoURIStore", "uri": mongo_url, "database": f"jfct_{folder.name}_out"}
    kinds = {"docs_store": {**store, "collection_name": "outputs"}}
    additional = {
        name: {
            "type": "GridFSURIStore",
            "uri": mongo_url,
            "database": store["database"],
            "collection_name": f"{name}_blobs",
        }
        for name in STORES
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        worker = {"type": "local", "scheduler_type": "shell", "work_dir": str(folder / "work")}
        workers = {"here": worker, "local": worker}  # a shape asks for its worker by this name
        project = factory(workers=workers, jobstore={**kinds, "additional_stores": additional})
        outputs = project.get_jobstore()
        outputs.connect()
        outputs.update(external_document())
        flows = {name: make(name) for name in SHAPES}
        with running(project, tmp_path_factory.mktemp("system")) as system:
            for flow in flows.values():
                submit_flow(flow, project=project, allow_external_references=True)
            try:
                wait_for(
                    [f.uuid for f in flows.values()], PATIENCE, progress=False, project=project
                )
            except Exception as error:
                error.add_note(system.logs())
                raise
    yield Ended(project, flows)
    import pymongo

    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        for database in (*factory.databases, str(store["database"])):
            client.drop_database(database)


@pytest.mark.parametrize("name", SHAPES)
def test_equals_run_locally(
    name: str, ended: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents and blobs of a flow are those of run_locally; the right jobs failed."""
    monkeypatch.chdir(tmp_path)
    flow = ended.flows[name]
    # run_locally consumes a flow, so it gets the same one, from its serialised form
    theirs = _memory_store()
    if SHAPES[name].external:
        theirs.update(external_document())
    known = {*flow.all_uuids, flow.uuid}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = _part_of(ended.project.get_jobstore(), flow, external=SHAPES[name].external)
        run_locally(flow, log=False, store=theirs, allow_external_references=True)
    assert contents(ours, known) == contents(theirs, known)


@pytest.mark.parametrize("name", SHAPES)
def test_ends_as_it_should(name: str, ended: Ended) -> None:
    """The jobs that are to fail are FAILED, and no job is in an error of the system."""
    jobs = Jobs(open_queue(ended.project))
    docs = list(jobs.find({"flow": ended.flows[name].uuid}))
    assert {d.job.name for d in docs if d.state == JobState.FAILED} == SHAPES[name].failing
    assert not [d.remote.error for d in docs if d.state == JobState.REMOTE_ERROR]
    for doc in docs:
        changes = jobs.history.of(doc)
        assert [c.number for c in changes] == sorted({c.number for c in changes})
        for before, after in itertools.pairwise(changes):
            assert before.target == after.source


def _memory_store() -> JobStore:
    store = JobStore(MemoryStore(), additional_stores={name: MemoryStore() for name in STORES})
    store.connect()
    return store


def _part_of(store: Any, flow: Flow, *, external: bool) -> Any:
    """Return a copy of what a flow left in a store."""
    store.connect()
    copy: Any = _memory_store()
    documents = list(store.docs_store.query({"hosts": flow.uuid}))
    if external:
        documents.append(external_document())
    copy.docs_store.update(documents, key=["uuid", "index"])
    uuids = [document["uuid"] for document in documents]
    for name in STORES:
        blobs = list(store.additional_stores[name].query({"job_uuid": {"$in": uuids}}))
        if blobs:
            copy.additional_stores[name].update(blobs, key="blob_uuid")
    return copy
