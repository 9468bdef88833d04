"""Importing from a database with the documents of jobflow-remote, into an empty project."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow

from jfcelery.controller import JobController
from jfcelery.database.payloads import load_payload
from jfcelery.errors import (
    ConfigError,
    DatabaseUnavailableError,
    InputError,
    SchemaVersionError,
    StateError,
    UnknownNameError,
)
from jfcelery.flows.entries import flow_entries
from jfcelery.flows.storing import insert_documents
from jfcelery.migration import importing
from jfcelery.migration import source as sources
from jfcelery.migration.importing import Import
from jfcelery.migration.source import Source
from jfcelery.project import Project
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from tests.support.calling import Jfc
from tests.support.jobs import add
from tests.support.queued import Queued

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.projects import ProjectFactory

_S = JobState


@dataclass
class Old:
    """A database as jobflow-remote leaves it; ``project`` names it as its project file does."""

    project: Project
    number: int = 0
    uuids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write what every such database has."""
        import pymongo

        assert self.project.queue is not None
        target = self.project.queue.target
        assert target is not None
        self.client = pymongo.MongoClient[dict[str, Any]](**target.client_arguments)
        self.database = self.client[target.database]
        self.database["jf_auxiliary"].insert_many(
            [{"next_id": 40}, {"running_runner": None}, {"jobflow_remote_version": "1.0.1"}]
        )

    def add(self, states: dict[str, JobState], **fields: Any) -> str:
        """Add a flow: a chain of jobs of these names and states; return its uuid."""
        jobs, before = [], None
        for name in states:
            job = add(1 if before is None else before.output)
            job.name = name
            jobs.append(job)
            before = job
        entries = flow_entries(Flow([*jobs], name="-".join(states)))
        times = dict.fromkeys(("created_on", "updated_on"), datetime(2026, 1, 1))  # noqa: DTZ001
        for entry, state in zip(entries.jobs, states.values(), strict=True):
            self.number += 1
            self.uuids[entry.name] = entry.uuid
            document = {
                "uuid": entry.uuid,
                "index": 1,
                "db_id": str(self.number),
                "worker": "here",
                "state": state.value,
                "remote": {"step_attempts": 0, "process_id": None},
                "parents": entry.parents,
                "priority": 3,
                "job": entry.payload.load(),
                **times,
            }
            self.database["jobs"].insert_one(document | copy.deepcopy(fields))
        flow = {"uuid": entries.uuid, "name": entries.name, "jobs": [e.uuid for e in entries.jobs]}
        self.database["flows"].insert_one({**flow, "metadata": {"m": 1}, **times})
        return entries.uuid

    def change(self, name: str, **fields: Any) -> None:
        """Set fields of a job."""
        self.database["jobs"].update_one({"uuid": self.uuids[name]}, {"$set": fields})


@pytest.fixture
def old(make_project: ProjectFactory) -> Iterator[Old]:
    """A database of jobflow-remote, without jobs."""
    made = Old(make_project())
    yield made
    made.client.close()


@pytest.fixture
def source(old: Old) -> Iterator[Source]:
    """The same database, opened to be read."""
    opened = Source(old.project)
    yield opened
    opened.close()


def with_output(project: Project, uuid: str) -> None:
    """Put an output into the project's JobStore."""
    documents = project.get_jobstore().docs_store
    documents.connect()
    documents.update([{"uuid": uuid, "index": 1, "output": 1}], key=["uuid", "index"])
    documents.close()


def test_jobs_keep_ids_states_and_content(old: Old, source: Source, project: Project) -> None:
    """Everything is there under its number; new jobs get numbers that were never used."""
    flow = old.add({"a": _S.COMPLETED, "b": _S.READY, "c": _S.WAITING})
    old.add({"d": _S.PAUSED})
    with_output(project, old.uuids["a"])
    counts: list[int] = []
    found = Import(project, source).run(counts.append)
    assert (found.flows, found.jobs, counts) == (2, 4, [3, 4])
    controller = JobController.from_project(project)
    jobs = {job.name: job for job in controller.get_jobs_info()}
    assert {name: job.db_id for name, job in jobs.items()} == {
        "a": "1",
        "b": "2",
        "c": "3",
        "d": "4",
    }
    assert [jobs[name].state.value for name in "abcd"] == [
        "COMPLETED",
        "READY",
        "WAITING",
        "PAUSED",
    ]
    assert jobs["b"].priority == 3
    content = load_payload(controller.queue, f"{old.uuids['b']}_1")
    assert content == old.database["jobs"].find_one({"uuid": old.uuids["b"]})["job"]  # type: ignore[index]
    (info,) = controller.get_flows_info(flow_ids=flow)
    assert info.state.value == "RUNNING"
    raw = controller.queue.flows.find_one({"_id": flow})
    assert raw is not None
    assert raw["created_on"].isoformat() == "2026-01-01T00:00:00+00:00"
    assert raw["inserting"] is False
    assert Queued(controller.queue, {"x": []}).ids == {"x": "40"}


def test_an_interrupted_import_goes_on(
    old: Old, source: Source, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing runs before all is in; the second run completes what the first left."""
    for name in ("a", "b", "c"):
        old.add({name: _S.READY})
    insert, calls = insert_documents, list[int]()

    def dying(*arguments: Any) -> None:
        insert(*arguments)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(importing, "insert_documents", dying)
    with pytest.raises(KeyboardInterrupt):
        Import(project, source).run()
    controller = JobController.from_project(project)
    assert controller.queue.flows.count_documents({"inserting": True}) == 2
    assert controller.queue.flows.count_documents({"inserting": False}) == 0
    Import(project, source).run()
    assert controller.queue.flows.count_documents({"inserting": False}) == 3
    assert [job.db_id for job in controller.get_jobs_info(sort=[("db_id", 1)])] == ["1", "2", "3"]
    assert controller.queue.history.count_documents({}) == 3
    with pytest.raises(StateError, match="not empty"):
        Import(project, source).run()


def test_jobs_under_way_start_again_only_if_told_so(
    old: Old, source: Source, project: Project
) -> None:
    """They are named; with the option they are READY, and the flow is not damaged."""
    old.add({"a": _S.RUNNING, "b": _S.WAITING})
    old.add({"c": _S.UPLOADED})
    with pytest.raises(StateError, match=r"1 jobs are under way.*1 \(a, RUNNING\)"):
        Import(project, source).check()
    controller = JobController.from_project(project)
    assert controller.count_flows() == 0
    found = Import(project, source, rerun_active=True).run()
    assert [job.db_id for job in found.active] == ["1"]
    states = {job.name: job.state.value for job in controller.get_jobs_info()}
    assert states == {"a": "READY", "b": "WAITING", "c": "READY"}


def test_what_cannot_go_on_is_refused_before_any_write(
    old: Old, source: Source, project: Project
) -> None:
    """Missing outputs, workers, configurations, stores; each is named."""
    old.add({"a": _S.COMPLETED, "b": _S.READY})
    work = Import(project, source)
    with pytest.raises(InputError, match="lacks the outputs of 1 jobs"):
        work.run()
    with_output(project, old.uuids["a"])
    wrong = {"worker": "there", "exec_config": "none", "resources": {"nodez": 1}}
    right = {"worker": "here", "exec_config": None, "resources": None}
    for name in ("worker", "exec_config"):
        old.change("b", **{name: wrong[name]})
        with pytest.raises(ConfigError, match=r"Job 2 \(b\)"):
            work.run()
        old.change("b", **{name: right[name]})
    old.database["jobs"].update_one({"db_id": "2"}, {"$set": {"job.graphs": True}})
    with pytest.raises(UnknownNameError, match="graphs"):
        work.run()
    old.database["jobs"].update_one({"db_id": "2"}, {"$unset": {"job.graphs": ""}})
    assert JobController.from_project(project).queue.history.count_documents({}) == 0
    work.run()


def test_a_damaged_or_foreign_database_is_refused(
    old: Old, source: Source, project: Project
) -> None:
    """Lost jobs, jobs without a flow, numbers given twice, and what is no such database."""
    work = Import(project, source)
    flow = old.add({"a": _S.READY, "b": _S.WAITING})
    old.change("b", db_id="1")
    with pytest.raises(InputError, match="Several jobs have the number 1"):
        work.check()
    lost = old.database["jobs"].find_one_and_delete({"uuid": old.uuids["b"]})
    assert lost is not None
    with pytest.raises(InputError, match="lacks 1 of its jobs"):
        work.check()
    old.database["jobs"].insert_one(lost | {"db_id": "2"})
    old.database["jobs"].insert_one({**lost, "_id": 1, "uuid": "x", "db_id": "3"})
    with pytest.raises(InputError, match="belong to no flow"):
        work.check()
    old.database["jobs"].delete_one({"_id": 1})
    old.change("a", state="TERMINATED")
    with pytest.raises(InputError, match="not as jobflow-remote"):
        work.check()
    old.change("a", state="READY")
    work.check()
    versions = old.database["jf_auxiliary"]
    version = {"jobflow_remote_version": {"$exists": True}}
    versions.update_one(version, {"$set": {"jobflow_remote_version": "0.1.8"}})
    with pytest.raises(InputError, match=r"0\.1\.8"):
        work.check()
    versions.delete_one(version)
    with pytest.raises(InputError, match="no queue database"):
        work.check()
    assert flow


def test_whose_database_does_not_answer(
    old: Old, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is that of jobflow-remote, which a check of this project says nothing about."""
    monkeypatch.setattr(sources, "SELECTION_MILLISECONDS", 100)
    store = {
        "type": "MongoStore",
        "host": "127.0.0.1",
        "port": 9,
        "database": "x",
        "collection_name": "y",
    }
    data = old.project.model_dump(mode="json") | {"queue": {"store": store}}
    source = Source(Project.model_validate(data))
    with pytest.raises(DatabaseUnavailableError, match="The database of jobflow-remote") as caught:
        Import(project, source).check()
    source.close()
    assert "project file of jobflow-remote" in (caught.value.remedy or "")


def test_a_runner_at_work_is_noticed(old: Old, source: Source, project: Project) -> None:
    """Both would run the same jobs."""
    runner = {"running_runner": {"$exists": True}}
    old.database["jf_auxiliary"].update_one(runner, {"$set": {"running_runner": {"pid": 1}}})
    with pytest.raises(StateError, match="runner of jobflow-remote"):
        Import(project, source).check()


def test_its_own_database_is_no_target(old: Old, source: Source) -> None:
    """A copied project file leads to the old database, which is left as it is."""
    old.add({"a": _S.READY})
    before = set(old.database.list_collection_names())
    with pytest.raises(InputError, match="the very one to import from"):
        Import(old.project, source).check()
    with pytest.raises(SchemaVersionError, match="belongs to jobflow-remote"):
        JobController.from_project(old.project)
    with pytest.raises(SchemaVersionError, match="belongs to jobflow-remote"):
        submit_flow(add(1), project=old.project)
    assert set(old.database.list_collection_names()) == before
    assert old.database["jf_auxiliary"].count_documents({}) == 3


def test_the_command_asks_and_reports(old: Old, jfc: Jfc, project: Project) -> None:
    """What happens to each state is shown before and after."""
    old.add({"a": _S.REMOTE_ERROR})
    old.add({"b": _S.SUBMITTED})
    file = str(old.project.source)
    refused = jfc("admin", "import", file, "-y")
    assert refused.status == 1
    assert "--rerun-active" in refused.stderr
    asked = jfc("admin", "import", file, "--rerun-active", stdin="n\n")
    assert asked.status == 1
    assert "2 flows, 2 jobs" in asked.stderr
    assert "1 jobs start again" in asked.stderr
    done = jfc("admin", "import", file, "--rerun-active", "-y")
    assert done.status == 0
    assert [line.split() for line in done.stdout.splitlines() if "SUBMITTED" in line] == [
        ["SUBMITTED", "1", "0"]
    ]
    assert jfc("job", "retry", "1").status == 0
    states = {job.db_id: job.state for job in JobController.from_project(project).get_jobs_info()}
    assert states == {"1": _S.READY, "2": _S.READY}


@pytest.fixture
def jfc(project: Project) -> Jfc:
    """The command, on a project with an empty queue."""
    return Jfc(project.name)
