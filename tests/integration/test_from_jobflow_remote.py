"""A queue that jobflow-remote began is finished here."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore
from monty.json import MontyDecoder

from jfcelery.controller import JobController
from jfcelery.states import FlowState, JobState
from jfcelery.wait import wait_for
from tests.conftest import missing
from tests.support.calling import Answer, Jfc
from tests.support.comparing import contents
from tests.support.foreign import InstallationError, environment, make_queue, write_project
from tests.support.projects import ProjectFactory
from tests.support.system import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

#: Seconds for the flows to end.
PATIENCE = 600
_S = JobState


@dataclass(frozen=True)
class Finished:
    """A database of jobflow-remote, imported and finished."""

    project: Project
    answer: Answer
    made: dict[str, Any]
    before: dict[str, list[dict[str, Any]]]
    after: dict[str, list[dict[str, Any]]]

    def flow(self, name: str) -> Flow:
        """Return a flow as it was submitted."""
        flow: Flow = MontyDecoder().process_decoded(self.made["flows"][name])
        return flow

    def states(self, name: str) -> dict[str, str]:
        """Return the states of a flow's jobs by number."""
        with_jobs = JobController.from_project(self.project)
        jobs = with_jobs.get_jobs_info(flow_ids=self.made["uuids"][name])
        return {job.db_id: job.state.value for job in jobs}


def _everything(url: str, database: str) -> dict[str, list[dict[str, Any]]]:
    """Return all documents of the queue's collections."""
    import pymongo

    with pymongo.MongoClient[dict[str, Any]](url) as client:
        names = ("jobs", "flows", "jf_auxiliary", "batches")
        return {name: list(client[database][name].find({}).sort("_id", 1)) for name in names}


@pytest.fixture(scope="module")
def finished(
    session_folder: Path, mongo_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Finished]:
    """Let jobflow-remote begin, import its queue with the command, and run it to its end."""
    import pymongo

    try:
        prefix = environment()
    except InstallationError as why:
        missing(why)
    folder = session_folder / "foreign"
    folder.mkdir()
    old = write_project(folder, "oldqueue", mongo_url, prefix)
    made = make_queue(old, prefix)
    ours = folder / "ours"
    ours.mkdir()
    factory = ProjectFactory(ours, mongo_url, redis_url)
    content = json.loads(old.read_text())
    workers = {"here": {k: v for k, v in content["workers"]["here"].items() if k != "pre_run"}}
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setenv("JFCELERY_PROJECTS_FOLDER", str(ours))
        project = factory(workers=workers, jobstore=content["jobstore"])
        before = _everything(mongo_url, "jfct_oldqueue")
        answer = Jfc(project.name)("admin", "import", str(old), "-y", "--json")
        assert answer.status == 0, answer.stderr
        ids = [made["uuids"][name] for name in ("diamond", "replaced", "dynamic")]
        with running(project, tmp_path_factory.mktemp("system")):
            wait_for(ids, PATIENCE, progress=False, project=project)
            # what failed with jobflow-remote is run again, in the folder that it left
            assert Jfc(project.name)("job", "rerun", made["ids"]["failed"][0]).status == 0
            wait_for([made["uuids"]["failed"]], PATIENCE, progress=False, project=project)
            Jfc(project.name)("job", "resume", made["ids"]["held"][0])
            wait_for([made["uuids"]["held"]], PATIENCE, progress=False, project=project)
        after = _everything(mongo_url, "jfct_oldqueue")
    yield Finished(project, answer, made, before, after)
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        for database in (*factory.databases, "jfct_oldqueue"):
            client.drop_database(database)


def test_its_states_are_taken_over(finished: Finished) -> None:
    """The command says what it imported; jobs keep their numbers."""
    data = finished.answer.data
    assert data["flows"] == 5
    assert data["before"] == data["after"]
    assert data["before"]["COMPLETED"] == 3
    assert data["before"]["FAILED"] == 1
    numbers = {number for ids in finished.made["ids"].values() for number in ids}
    known = {job["db_id"] for job in finished.before["jobs"]}
    controller = JobController.from_project(finished.project)
    here = {job.db_id for job in controller.get_jobs_info()}
    assert numbers < known <= here


@pytest.mark.parametrize("name", ["diamond", "replaced", "dynamic", "held"])
def test_its_flows_end_as_run_locally_ends_them(
    name: str, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs of jobflow-remote's part and of ours together are those of run_locally."""
    monkeypatch.chdir(tmp_path)
    assert set(finished.states(name).values()) == {"COMPLETED"}
    controller = JobController.from_project(finished.project)
    (flow_info,) = controller.get_flows_info(flow_ids=finished.made["uuids"][name])
    assert flow_info.state == FlowState.COMPLETED
    flow = finished.flow(name)
    known = {*flow.all_uuids, flow.uuid}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = JobStore(MemoryStore())
        theirs.connect()
        run_locally(flow, log=False, store=theirs)
        ours = JobStore(MemoryStore())
        ours.connect()
        jobs = controller.get_jobs_info(flow_ids=finished.made["uuids"][name])
        documents = finished.project.get_jobstore().docs_store
        documents.connect()
        made = list(documents.query({"uuid": {"$in": [job.uuid for job in jobs]}}))
        documents.close()
        for document in made:
            document["metadata"].pop("db_id", None)  # which jobflow-remote adds
        ours.docs_store.update(made, key=["uuid", "index"])
    assert contents(ours, known) == contents(theirs, known)


def test_its_failed_job_runs_again_beside_what_it_left(finished: Finished) -> None:
    """The old run folder stays, moved aside."""
    number = finished.made["ids"]["failed"][0]
    controller = JobController.from_project(finished.project)
    job = controller.get_job_info(db_id=number)
    assert job is not None
    assert job.run_dir is not None
    assert job.state == _S.FAILED
    (old,) = [doc for doc in finished.before["jobs"] if doc["db_id"] == number]
    assert job.run_dir == old["run_dir"]
    assert Path(f"{job.run_dir}.attempt0", "jfremote_in.json").exists()
    assert Path(job.run_dir, ".jfcelery.json").exists()


def test_its_database_is_only_read(finished: Finished) -> None:
    """Import and running leave every document there as it was."""
    assert finished.after == finished.before
