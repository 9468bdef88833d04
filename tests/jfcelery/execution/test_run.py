"""Running jobs that end well, and the commands that run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.execution.outcome import Outcome, read_outcome
from jfcelery.execution.run import NO_OUTCOME, run_job
from jfcelery.execution.status import Stage, Status
from jfcelery.execution.stores import read_documents
from jfcelery.folders import RunFolder
from tests.support import faults
from tests.support.jobs import add, named, with_everything, write_file
from tests.support.warm import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.warm import WarmRunner

    Prepare = Callable[..., Path]


def status_of(folder: Path, attempt: int = 1) -> Status:
    """Return what the status file says."""
    return Status.parse((folder / RunFolder.status(attempt)).read_text())


def test_a_job_runs_in_its_folder(runner: WarmRunner, prepare: Prepare) -> None:
    """A job finds itself in its run folder, and leaves document, outcome and status there."""
    job = write_file("result.txt")
    folder = prepare(job)
    assert runner.run(folder) == 0
    outcome = read_outcome(folder / RunFolder.OUTPUT)
    assert outcome.error is None
    assert (outcome.uuid, outcome.index, outcome.attempt) == (job.uuid, 1, 1)
    assert outcome.start_time <= outcome.end_time <= datetime.now(UTC)
    assert outcome.versions["jobflow"]
    assert outcome.job_dir == str(folder)
    (document,) = read_documents(folder).outputs
    assert (document["uuid"], document["output"]) == (job.uuid, ["result.txt"])
    assert (folder / "result.txt").read_text() == "content"
    status = status_of(folder)
    stages = [Stage.PYTHON, Stage.LOAD, Stage.IMPORT, Stage.RUN, Stage.WRITE, Stage.DONE]
    assert status.stages == tuple(stages)
    assert status.facts["function"] == "tests.support.jobs:write_file"
    assert "Finished job" in (folder / RunFolder.QUEUE_OUT).read_text()
    assert not (folder / RunFolder.QUEUE_ERR).read_text()


def test_everything_of_a_response(outcome_of: Callable[..., Outcome]) -> None:
    """New jobs come as entries, stored data as plain data."""
    job = named(with_everything(1), "origin")
    outcome = outcome_of(job)
    assert outcome.replace is not None
    assert outcome.detour is not None
    assert outcome.addition is not None
    (replacing,) = outcome.replace.jobs
    assert (replacing.uuid, replacing.index, replacing.name) == (job.uuid, 2, "all: replaced")
    assert [e.name for e in outcome.detour.jobs] == ["all: detour"]
    assert [e.name for e in outcome.addition.jobs] == ["all: added"]
    assert outcome.stored_data is not None
    assert outcome.stored_data["note"] == "kept"
    assert outcome.stored_data["colour"] == "red"
    assert outcome.stored_data["point"]["x"] == 1


@pytest.mark.parametrize(
    "config, workers",
    [
        ({}, {"mine"}),
        ({"pass_manager_config": False}, {None}),
        ({"response_manager_config": {"worker": "theirs"}}, {"theirs"}),
    ],
)
def test_manager_config_is_passed_on(
    config: dict[str, Any], workers: set[str | None], outcome_of: Callable[..., Outcome]
) -> None:
    """New jobs run where the job's configuration says."""
    job = with_everything(1)
    job.update_config({"manager_config": {"worker": "mine"}, **config}, dynamic=False)
    outcome = outcome_of(job)
    flows = [outcome.replace, outcome.detour, outcome.addition]
    assert {entry.worker for flow in flows if flow is not None for entry in flow.jobs} == workers


def test_the_jobs_document_is_known(runner: WarmRunner, prepare: Prepare) -> None:
    """CURRENT_JOBDOC holds the public document of the running job."""
    job = faults.knows_its_document()
    given = {"uuid": job.uuid, "index": 1, "db_id": "42", "worker": "w", "priority": 3}
    folder = prepare(job, job_doc=given)
    runner.run(folder)
    (document,) = read_documents(folder).outputs
    assert document["output"] == given


def test_the_attempt_comes_from_the_marker(runner: WarmRunner, prepare: Prepare) -> None:
    """The status file is that of the attempt to which the folder belongs."""
    folder = prepare(add(1))
    (folder / RunFolder.MARKER).write_text(json.dumps({"attempt": 3}))
    runner.run(folder)
    assert status_of(folder, 3).last == Stage.DONE
    assert read_outcome(folder / RunFolder.OUTPUT).attempt == 3


def test_remains_of_an_interrupted_run_are_replaced(runner: WarmRunner, prepare: Prepare) -> None:
    """A queue job that the scheduler starts again begins anew."""
    folder = prepare(faults.raises())
    (folder / RunFolder.OUTPUT).write_text("half")
    (folder / RunFolder.STORE_DATA).write_text("half")
    runner.run(folder)
    assert read_outcome(folder / RunFolder.OUTPUT).error is not None
    assert not (folder / RunFolder.STORE_DATA).exists()


def test_the_store_takes_what_the_job_writes(runner: WarmRunner, prepare: Prepare) -> None:
    """A job with an exposed store may write further documents, blobs and all."""
    job = faults.writes_to_store()
    folder = prepare(job, stores=["data"])
    runner.run(folder)
    documents = read_documents(folder, ["data"])
    assert [d["uuid"] for d in documents.outputs] == ["extra", job.uuid]
    (blob,) = documents.blobs["data"]
    assert blob["data"] == [1, 2]
    assert documents.outputs[0]["output"]["big"]["blob_uuid"] == blob["blob_uuid"]


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "jfcelery.execution"],
        ["-c", "from jfcelery.cli.execution import execution; execution()", "run"],
    ],
)
def test_commands(command: list[str], prepare: Prepare) -> None:
    """Both commands run the job of the working directory, and end with 0 though it fails."""
    folder = prepare(faults.raises())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count(b"ZeroDivisionError: ") == 1
    assert status_of(folder).facts["error_class"] == "ZeroDivisionError"


def test_modules_in_the_run_folder_are_not_imported(prepare: Prepare) -> None:
    """A file in the run folder shadows no package."""
    folder = prepare(add(1))
    (folder / "numpy.py").write_text("raise RuntimeError('from the run folder')")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-m", "jfcelery.execution"], cwd=folder, env=environment, check=True
    )
    assert read_outcome(folder / RunFolder.OUTPUT).error is None


def test_cloud_libraries_are_left_out() -> None:
    """A job's start imports no boto3, paramiko or mongomock, yet maggma's stores can use them."""
    code = """
import sys
from jfcelery.execution.imports import import_jobflow
import_jobflow()
assert not {"boto3", "botocore", "paramiko", "mongomock", "mongomock_ng"} & set(sys.modules)
import maggma.stores.aws as aws, maggma.stores.ssh_tunnel as tunnel
from maggma.stores import MemoryStore, S3Store
S3Store(MemoryStore(key="fs_id"), "bucket")
import boto3, paramiko
store = MemoryStore()
store.connect()
store.update({"x": 1}, key="x")
assert store.query_one({"x": {"$gte": 1}})["x"] == 1
assert aws.boto3 is boto3 and issubclass(aws.ClientError, Exception)
assert tunnel.paramiko.PKey is paramiko.PKey
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_exit_code_without_outcome(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """If not even the outcome can be written, the exit code says so."""
    folder = prepare(add(1))
    (folder / RunFolder.OUTPUT).mkdir()  # cannot be replaced by a file
    monkeypatch.chdir(folder)
    assert run_job(folder) == NO_OUTCOME
    assert "outcome cannot be written" in capfd.readouterr().err
