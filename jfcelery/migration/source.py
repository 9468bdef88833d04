"""The queue database of jobflow-remote, opened to be read; nothing is ever written to it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from jfcelery.database.chunks import chunks
from jfcelery.database.connection import CONNECT_MILLISECONDS, SELECTION_MILLISECONDS, translated
from jfcelery.errors import InputError, StateError
from jfcelery.migration.records import LIGHT, OldFlow, OldJob
from jfcelery.services.external import external_database
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymongo import MongoClient

    from jfcelery.project import Project

#: Versions of jobflow-remote whose databases can be read.
VERSIONS = ("1.",)
#: Jobs read with one query.
BULK = 500
_reading = partial(
    translated,
    what="The database of jobflow-remote",
    remedy="Check that it runs, and that the project file of jobflow-remote names it rightly.",
)


class Source:
    """The queue database that a project file of jobflow-remote names.

    Args:
        project: The project, loaded from its file.

    Raises:
        InputError: The file names no database.
    """

    def __init__(self, project: Project) -> None:
        from pymongo import MongoClient

        queue = project.queue
        if queue is None or queue.target is None:
            raise InputError(
                f"The project file {project.source} names no queue database.",
                remedy="Give the project file that jobflow-remote used, with its 'queue' section.",
            )
        endpoint = external_database(project)
        options: dict[str, Any] = {
            "appname": "jfcelery import",
            "serverSelectionTimeoutMS": SELECTION_MILLISECONDS,
            "connectTimeoutMS": CONNECT_MILLISECONDS,
            **endpoint.options,
        }
        self.project = project
        self.target = queue.target
        self.client: MongoClient[dict[str, Any]] = MongoClient(endpoint.uri, **options)
        database = self.client[endpoint.name]
        self._jobs = database[queue.target.collection or "jobs"]
        self._flows = database[queue.flows_collection]
        self._auxiliary = database[queue.auxiliary_collection]

    def __str__(self) -> str:
        """Return server, database and collection, without login."""
        return str(self.target)

    @property
    def collections(self) -> set[str]:
        """Names of its collections."""
        return {self._jobs.name, self._flows.name, self._auxiliary.name}

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def check(self) -> None:
        """Check that it is a database of jobflow-remote 1.0, and that nobody works in it.

        Raises:
            InputError: It is none.
            StateError: A runner of jobflow-remote is at work.
        """
        version = self._auxiliary_value("jobflow_remote_version")
        if version is None:
            raise InputError(
                f"{self} is no queue database of jobflow-remote.",
                remedy="Is it the right project file? A database of a version before 0.1.5 has to "
                "be upgraded first, with jobflow-remote 1.0: jf admin upgrade",
            )
        if not str(version).startswith(VERSIONS):
            raise InputError(
                f"{self} was written by jobflow-remote {version}; versions 1.x can be read.",
                remedy="Upgrade it first, with jobflow-remote 1.0: jf admin upgrade",
            )
        if self._auxiliary_value("running_runner"):
            raise StateError(
                f"A runner of jobflow-remote works in {self}.",
                remedy="Stop it: jf runner stop. If it died: jf admin unlock-runner",
            )

    def next_id(self) -> int:
        """Return the number that the next job would get."""
        return int(self._auxiliary_value("next_id") or 1)

    def count(self) -> tuple[int, int]:
        """Return how many flows and jobs there are."""
        with _reading():
            return self._flows.count_documents({}), self._jobs.count_documents({})

    def flows(self) -> Iterator[OldFlow]:
        """Yield all flows, oldest first."""
        fields = {"uuid": 1, "name": 1, "jobs": 1, "metadata": 1, "jobstore": 1}
        fields |= {"created_on": 1, "updated_on": 1}
        with _reading():
            keys = [raw["_id"] for raw in self._flows.find({}, {"_id": 1}).sort("_id", 1)]
        for piece in chunks(keys, BULK):
            with _reading():
                found = {
                    raw["_id"]: raw for raw in self._flows.find({"_id": {"$in": piece}}, fields)
                }
            for key in piece:
                yield _flow(found[key])

    def jobs_of(self, flow: OldFlow) -> list[OldJob]:
        """Return the jobs of a flow in the order of their numbers, without their content."""
        jobs: list[OldJob] = []
        for piece in chunks(flow.jobs, BULK):
            with _reading():
                jobs += [_job(raw) for raw in self._jobs.find({"uuid": {"$in": piece}}, LIGHT)]
        return sorted(jobs, key=lambda job: (len(job.db_id), job.db_id))

    def contents(self, jobs: Sequence[OldJob]) -> dict[tuple[str, int], dict[str, Any]]:
        """Return the serialised jobflow Jobs of some jobs, by uuid and index."""
        wanted = {(job.uuid, job.index) for job in jobs}
        found: dict[tuple[str, int], dict[str, Any]] = {}
        for piece in chunks(sorted({uuid for uuid, _ in wanted}), BULK):
            fields = {"uuid": 1, "index": 1, "job": 1}
            with _reading():
                for raw in self._jobs.find({"uuid": {"$in": piece}}, fields):
                    key = (raw["uuid"], raw["index"])
                    if key in wanted:
                        found[key] = raw["job"]
        return found

    def unfinished_contents(self) -> Iterator[dict[str, Any]]:
        """Yield the serialised jobflow Jobs of all jobs that may still run."""
        query = {"state": {"$ne": JobState.COMPLETED.value}}
        with _reading():
            for raw in self._jobs.find(query, {"job": 1}):
                yield raw["job"]

    def _auxiliary_value(self, name: str) -> Any:
        with _reading():
            raw = self._auxiliary.find_one({name: {"$exists": True}})
        return None if raw is None else raw[name]


def _flow(raw: dict[str, Any]) -> OldFlow:
    try:
        return OldFlow.model_validate(raw)
    except ValidationError as error:
        raise _unreadable(f"The flow {raw.get('uuid')}", error) from None


def _job(raw: dict[str, Any]) -> OldJob:
    try:
        return OldJob.model_validate(raw)
    except ValidationError as error:
        raise _unreadable(f"The job {raw.get('db_id')} ({raw.get('uuid')})", error) from None


def _unreadable(what: str, error: ValidationError) -> InputError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return InputError(
        f"{what} is not as jobflow-remote 1.0 writes it: {where}: {first['msg']}",
        remedy="Upgrade the database first, with jobflow-remote 1.0: jf admin upgrade",
    )
