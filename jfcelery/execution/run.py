"""Run a job in its run folder: ``jfc execution run``.

The steps are few and each leaves its mark in the status file, so that whatever ends the process,
what it was doing is known. The outcome is written last, and as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import platform
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from jfcelery.errors import JfceleryError, SerializationError
from jfcelery.execution.current import CURRENT_JOBDOC, PublicJobDoc
from jfcelery.execution.files import Patience, write_atomic
from jfcelery.execution.imports import import_jobflow
from jfcelery.execution.inputs import JobInput
from jfcelery.execution.returned import checked_one_by_one
from jfcelery.execution.status import Stage, StatusFile
from jfcelery.execution.streams import StandardStreams
from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from jobflow import Job, Response

    from jfcelery.execution.memory import FolderJobStore
    from jfcelery.execution.outcome import Outcome

#: Exit code if not even the outcome could be written (EX_IOERR of sysexits.h).
NO_OUTCOME = 74

_RESULTS = (RunFolder.STORE_DATA, RunFolder.OUTPUT)


def run_job(
    folder: str | Path, attempt: int | None = None, *, patience: Patience | None = None
) -> int:
    """Run the job whose input lies in a folder, and write its outcome there.

    Args:
        folder: The run folder.
        attempt: Which attempt this is; by default what the folder's marker says.
        patience: How long to wait if the disk is full.

    Returns:
        The exit code: 0 if the outcome was written, also when the job failed; else 74.
    """
    path = Path(folder).resolve()
    number = _attempt_of(path) if attempt is None else attempt
    return _Execution(path, number, patience or Patience.of(os.environ)).run()


def _attempt_of(folder: Path) -> int:
    try:
        return int(json.loads((folder / RunFolder.MARKER).read_bytes())["attempt"])
    except (OSError, ValueError, KeyError, TypeError):
        return 1


@dataclass
class _Execution:
    """One execution of one job."""

    folder: Path
    attempt: int
    patience: Patience
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    stage: Stage = Stage.PYTHON
    given: JobInput | None = None

    def __post_init__(self) -> None:
        self.streams = StandardStreams(self.folder)
        self.status = StatusFile(self.folder / RunFolder.status(self.attempt))

    def run(self) -> int:
        """Run the job and write what came of it."""
        self._enter(Stage.PYTHON, host=platform.node(), pid=os.getpid(), python=_python())
        with contextlib.suppress(ValueError, OSError, AttributeError):
            faulthandler.enable()  # a crash in compiled code then says where, on stderr
        os.chdir(self.folder)
        owner = os.getpid()
        try:
            outcome = self._outcome()
        except BaseException as error:
            if os.getpid() != owner:
                raise  # a child that the job forked; the outcome is its parent's to write
            outcome = self._failed(error)
        return self._leave(outcome) if os.getpid() == owner else 0

    def _outcome(self) -> Outcome:
        self._enter(Stage.LOAD)
        self._remove_results()  # of a run that the scheduler has started again
        import_jobflow()
        self.given = JobInput.read(self.folder / RunFolder.INPUT)
        self._enter(Stage.IMPORT, function=_function_of(self.given.job), **versions())
        job = _decoded(self.given.job)
        store = _store(self.given)
        self._enter(Stage.RUN)
        try:
            response = self._run(job, store)
        finally:
            self.streams.restore()
        self._enter(Stage.WRITE)
        outcome = self._succeeded(job, response)
        self._write_documents(store)
        return outcome

    def _run(self, job: Job, store: FolderJobStore) -> Response[Any]:
        given = self.given
        if given is not None and given.job_doc:
            CURRENT_JOBDOC.job_doc = PublicJobDoc(**given.job_doc)
        _log_to(self.streams.log_stream())
        try:
            with checked_one_by_one():
                return job.run(store=store, job_dir=self.folder)
        finally:
            CURRENT_JOBDOC.reset()

    def _succeeded(self, job: Job, response: Response[Any]) -> Outcome:
        from jfcelery.execution.outcome import Outcome
        from jfcelery.flows.entries import flow_entries

        new = {
            name: flow_entries(flow)
            for name in ("replace", "detour", "addition")
            if (flow := getattr(response, name)) is not None
        }
        return Outcome(
            uuid=job.uuid,
            index=job.index,
            stored_data=_stored_data(response.stored_data),
            stop_children=bool(response.stop_children),
            stop_jobflow=bool(response.stop_jobflow),
            job_dir=str(response.job_dir or ""),
            **new,
            **self._circumstances(),
        )

    def _failed(self, error: BaseException) -> Outcome:
        from jfcelery.execution.failure import Failure
        from jfcelery.execution.outcome import Outcome

        self.streams.restore()
        job = self.given.job if self.given is not None else {}
        report = Failure(error, self.stage, job).report(self.streams.stderr_tail())
        return Outcome(
            uuid=job.get("uuid", ""),
            index=job.get("index", 0),
            error=report,
            **self._circumstances(),
        )

    def _circumstances(self) -> dict[str, Any]:
        return {
            "attempt": self.attempt,
            "start_time": self.started,
            "end_time": datetime.now(UTC),
            "host": platform.node(),
            "python": platform.python_version(),
            "versions": versions() if "jobflow" in sys.modules else {},
        }

    def _write_documents(self, store: FolderJobStore) -> None:
        for name, documents in store.blobs().items():
            self._write_list(RunFolder.additional_store(name), documents)
        self._write_list(RunFolder.STORE_DATA, store.outputs())

    def _write_list(self, name: str, documents: list[dict[str, Any]]) -> None:
        if documents:
            self._write(name, _json_of(documents))

    def _write(self, name: str, text: str) -> None:
        write_atomic(
            self.folder / name,
            text,
            patience=self.patience,
            waiting=lambda: self.status.enter(Stage.DISK_FULL, file=name),
        )

    def _leave(self, outcome: Outcome) -> int:
        """Write the outcome; return the exit code."""
        try:
            if outcome.error is not None:
                self._remove_results()  # also to make room
            self._write(RunFolder.OUTPUT, outcome.model_dump_json())
        except (OSError, JfceleryError) as error:
            print(f"jfcelery: the job's outcome cannot be written: {error}", file=sys.stderr)  # noqa: T201
            return NO_OUTCOME
        if outcome.error is None:
            self._enter(Stage.DONE)
        else:
            trace, summary = outcome.error.traceback.rstrip(), outcome.error.summary
            # A trace ends with it, mostly.
            told = trace if summary in trace else f"{trace}\n\n{summary}"
            print(told, file=sys.stderr)  # noqa: T201
            self._enter(Stage.FAILED, error_class=outcome.error.error_class)
        return 0

    def _remove_results(self) -> None:
        additional = self.folder.glob(RunFolder.additional_store("*"))
        for path in (*additional, *map(self.folder.joinpath, _RESULTS)):
            path.unlink(missing_ok=True)

    def _enter(self, stage: Stage, **facts: object) -> None:
        self.stage = stage
        self.status.enter(stage, **facts)


def _log_to(stream: TextIO) -> None:
    """Let jobflow log to a stream, in its own format."""
    from jobflow import initialize_logger

    for handler in initialize_logger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


def _decoded(payload: dict[str, Any]) -> Job:
    from jobflow import Job

    from jfcelery.execution.failure import check_function

    job = cast("Job", Job.from_dict(payload))
    check_function(job.function, payload)
    return job


def _store(given: JobInput) -> FolderJobStore:
    from jfcelery.execution.memory import job_store

    return job_store(given.references, given.stores)


def _json_of(documents: list[dict[str, Any]]) -> str:
    from monty.json import jsanitize

    from jfcelery.execution import wire

    try:
        return wire.dumps(documents)
    except TypeError:
        # What jobflow passed on untouched, maggma's stores would write as text.
        return wire.dumps(jsanitize(documents, allow_bson=True, recursive_msonable=True))


def _stored_data(data: object) -> dict[str, Any] | None:
    from monty.json import jsanitize

    from jfcelery.execution.unserializable import describe

    if data is None:
        return None
    try:
        plain = json.loads(json.dumps(jsanitize(data, strict=True, enum_values=True)))
    except (TypeError, ValueError, AttributeError) as error:
        what = describe(data, "stored_data") or str(error)
        raise SerializationError(f"the job's stored_data cannot be stored: {what}") from error
    return plain if isinstance(plain, dict) else {"data": plain}


def _function_of(job: dict[str, Any]) -> str:
    function = job.get("function") or {}
    return f"{function.get('@module')}:{function.get('@callable')}"


def _python() -> str:
    return f"{platform.python_version()} {sys.executable}"


@cache
def versions() -> dict[str, str]:
    """Return the versions of the packages that matter, by name."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("jfcelery", "jobflow", "monty", "pydantic", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
