"""The queue's database: one connection per process and project, found again when it moves."""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jfcelery.database.clock import Clock, ticks
from jfcelery.errors import DatabaseUnavailableError, ProjectInvalidError
from jfcelery.project.masking import Redactor, secrets_in
from jfcelery.services.database import DatabaseService
from jfcelery.services.manage import database_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from gridfs import GridFSBucket
    from pymongo import MongoClient
    from pymongo.collection import Collection
    from pymongo.database import Database

    from jfcelery.errors import ServiceError
    from jfcelery.project import Project
    from jfcelery.services.endpoints import DatabaseEndpoint

#: Milliseconds in which a server must be found.
SELECTION_MILLISECONDS = 5000
#: Milliseconds in which one operation must be answered.
SOCKET_MILLISECONDS = 60_000
#: Milliseconds in which a connection must be made.
CONNECT_MILLISECONDS = 5000
#: Seconds for which a database that was there is taken to be there, while nothing fails.
LOOK_SECONDS = 1.0


class _Failures:
    """How often the connection to a database broke in this process."""

    count = 0


@contextmanager
def translated(
    raised: type[ServiceError] = DatabaseUnavailableError,
    what: str = "The queue's database",
    remedy: str = "Check that it runs and can be reached: 'jfc project check'.",
) -> Iterator[None]:
    """Turn pymongo's errors of connection into one of ours.

    Errors of the operation itself (a duplicate key, a wrong query) pass unchanged.

    Args:
        raised: The error.
        what: Whose database it is.
        remedy: What to do if it is not there.

    Raises:
        ServiceError: The database cannot be reached, or refuses us.
    """
    from pymongo import errors

    try:
        yield
    except errors.PyMongoError as error:
        if not _is_outage(error):
            raise
        _Failures.count += 1
        remedy = _remedy(error) or remedy
        raise raised(f"{what} does not answer: {_line(error)}", remedy=remedy) from error


#: The server's error code for a login that it refuses.
AUTHENTICATION_FAILED = 18


def _remedy(error: Exception) -> str:
    if getattr(error, "code", None) == AUTHENTICATION_FAILED:
        return "Check username, password and auth_source of the store in the project file."
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "Name the file of its certificate's authority: tlsCAFile in mongoclient_kwargs."
    return ""


#: The server's error codes that say that it, or the login, is at fault, not the operation.
#: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
OUTAGE_CODES = frozenset({13, 18, 64, 91, 189, 10107, 11600, 11602, 13435, 13436})


def _is_outage(error: Exception) -> bool:
    from pymongo import errors

    if isinstance(error, errors.InvalidOperation):  # another thread found a new address
        return "after close" in str(error)
    if isinstance(error, errors.OperationFailure):
        return error.code in OUTAGE_CODES
    return isinstance(error, errors.ConnectionFailure | errors.ConfigurationError)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    # What follows is a dump of the driver's view of the world.
    return re.split(r" \(configured timeouts|, Timeout:|, full error:", text)[0] or repr(error)


@dataclass(frozen=True)
class CollectionNames:
    """Names of the queue's collections."""

    jobs: str = "jobs"
    flows: str = "flows"
    batches: str = "batches"
    auxiliary: str = "jf_auxiliary"
    history: str = "history"
    payloads: str = "payloads"
    files: str = "payload_files"
    edges: str = "edges"

    @classmethod
    def of(cls, project: Project) -> CollectionNames:
        """Return the names that a project's ``queue`` section asks for."""
        queue = project.queue
        if queue is None:
            return cls()
        jobs = (queue.target and queue.target.collection) or cls.jobs
        # Two queues may share a database; what jobflow-remote does not name follows the jobs.
        prefix = "" if jobs == cls.jobs else f"{jobs}_"
        return cls(
            jobs,
            queue.flows_collection,
            queue.batches_collection,
            queue.auxiliary_collection,
            *(f"{prefix}{name}" for name in (cls.history, cls.payloads, cls.files, cls.edges)),
        )


class QueueDatabase:
    """The queue's collections.

    Keep this object rather than its collections: when the embedded database comes back at
    another port, they are replaced in it.
    """

    client: MongoClient[dict[str, Any]]
    database: Database[dict[str, Any]]
    jobs: Collection[dict[str, Any]]
    flows: Collection[dict[str, Any]]
    batches: Collection[dict[str, Any]]
    auxiliary: Collection[dict[str, Any]]
    history: Collection[dict[str, Any]]
    payloads: Collection[dict[str, Any]]
    files: GridFSBucket
    edges: Collection[dict[str, Any]]

    def __init__(self, project: Project) -> None:
        self._project = project
        #: Name of the project, which every document carries.
        self.project = project.name
        self._names = CollectionNames.of(project)
        self._guard = threading.RLock()
        self._endpoint: DatabaseEndpoint | None = None
        self._seen_failures = -1
        self._look_again = 0.0
        self.clock = Clock(self._server_time)

    @cached_property
    def redact(self) -> Redactor:
        """Takes the project's secrets out of texts: an exception may hold one."""
        return Redactor(secrets_in(self._project.model_dump(mode="python")))

    @property
    def service(self) -> DatabaseService | None:
        """Its server, if that is embedded."""
        if not self._project.uses_embedded_database:
            return None
        return DatabaseService(self._project.base_dir, self._project.log_dir)

    def _server_time(self) -> datetime:
        said: datetime = self.client["admin"].command("hello")["localTime"]
        return said

    def check(self) -> None:
        """Make sure that the database can be reached; cheap as long as nothing has failed.

        Raises:
            DatabaseUnavailableError: It cannot be reached.
            ServiceStartError: It is embedded and cannot be started.
        """
        if self._seen_failures == _Failures.count and ticks() < self._look_again:
            return
        with self._guard:
            failures = _Failures.count
            moved = self._bind(database_endpoint(self._project))
            if moved or failures != self._seen_failures:
                self._ping()
                self._seen_failures = failures
            self._look_again = ticks() + LOOK_SECONDS

    def _ping(self) -> None:
        try:
            self._ask()
        except DatabaseUnavailableError:
            if not self._project.uses_embedded_database:
                raise
            self._bind(database_endpoint(self._project, probe=True))
            self._ask()

    def _ask(self) -> None:
        with translated():
            self.database.command("ping")

    def _bind(self, endpoint: DatabaseEndpoint) -> bool:
        """Connect to an endpoint; return False if it is the one we are connected to."""
        if endpoint == self._endpoint:
            return False
        from gridfs import GridFSBucket
        from pymongo import WriteConcern

        old = None if self._endpoint is None else self.client
        self.client = _client(endpoint)
        safe = WriteConcern(w="majority", j=True)
        self.database = self.client.get_database(endpoint.name, write_concern=safe)
        names = self._names
        self.jobs = self.database[names.jobs]
        self.flows = self.database[names.flows]
        self.batches = self.database[names.batches]
        self.auxiliary = self.database[names.auxiliary]
        self.history = self.database[names.history]
        self.payloads = self.database[names.payloads]
        self.edges = self.database[names.edges]
        self.files = GridFSBucket(self.database, bucket_name=names.files)
        self._endpoint = endpoint
        if old is not None:
            old.close()
        return True

    def close(self) -> None:
        """Close the connection; the next :func:`open_queue` makes a new one."""
        with self._guard:
            if self._endpoint is not None:
                self.client.close()
                self._endpoint = None
                self._seen_failures = -1


def _client(endpoint: DatabaseEndpoint) -> MongoClient[dict[str, Any]]:
    from pymongo import MongoClient
    from pymongo.errors import ConfigurationError, InvalidURI

    options: dict[str, Any] = {
        "appname": "jfcelery",
        "serverSelectionTimeoutMS": SELECTION_MILLISECONDS,
        "connectTimeoutMS": CONNECT_MILLISECONDS,
        "socketTimeoutMS": SOCKET_MILLISECONDS,
        **endpoint.options,
        "tz_aware": True,
    }
    try:
        return MongoClient(endpoint.uri, **options)
    except (ConfigurationError, ValueError, TypeError) as error:
        # Its text may hold a part of the password.
        text = "" if isinstance(error, InvalidURI) else f": {_line(error)}"
        raise ProjectInvalidError(
            f"queue.store: no address or options for a MongoDB client{text}",
            remedy="In a URI, write '@', ':', '/' and '%' of a password as %40, %3A, %2F, %25.",
        ) from None


#: Open databases of this process, by pid (a fork must not share sockets), name, folder, section.
_open: dict[tuple[int, str, str, str], QueueDatabase] = {}


def open_queue(project: Project) -> QueueDatabase:
    """Return the queue's database, connected; start it if it is embedded and does not run.

    The same object is returned to all threads of a process. After a failure it is looked at
    anew: an embedded database is restarted if it died, and found if it moved.

    Raises:
        DatabaseUnavailableError: It cannot be reached.
        ServiceStartError: It is embedded and cannot be started.
    """
    key = (os.getpid(), project.name, str(project.base_dir), repr(project.queue))
    queue = _open.get(key) or _open.setdefault(key, QueueDatabase(project))
    queue.check()
    return queue
