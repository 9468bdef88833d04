"""Running jobs in run folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.execution.inputs import JobInput
from jfcelery.execution.outcome import ErrorReport, Outcome, read_outcome
from jfcelery.flows.entries import job_payload
from jfcelery.folders import RunFolder
from tests.support.warm import WarmRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jobflow.core.job import Job

    Prepare = Callable[..., Path]


@pytest.fixture(scope="session")
def runner() -> Iterator[WarmRunner]:
    """A process that runs jobs in processes of their own."""
    with WarmRunner("tests.support.jobs") as warm:
        yield warm


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Write the input of a job into a run folder."""

    def write(job: Job, payload: dict[str, Any] | None = None, **given: Any) -> Path:
        folder = tmp_path / f"{job.uuid}_{job.index}"
        folder.mkdir()
        content = JobInput(payload or job_payload(job), **given)
        (folder / RunFolder.INPUT).write_bytes(content.to_bytes())
        return folder

    return write


@pytest.fixture
def outcome_of(runner: WarmRunner, prepare: Prepare) -> Callable[..., Outcome]:
    """Run a job, and return its outcome."""

    def run(job: Job, **given: Any) -> Outcome:
        folder = prepare(job, **given)
        assert runner.run(folder) == 0
        return read_outcome(folder / RunFolder.OUTPUT)

    return run


@pytest.fixture
def error_of(outcome_of: Callable[..., Outcome]) -> Callable[..., ErrorReport]:
    """Run a job that fails, and return the report."""

    def run(job: Job, **given: Any) -> ErrorReport:
        error = outcome_of(job, **given).error
        assert error is not None
        return error

    return run
