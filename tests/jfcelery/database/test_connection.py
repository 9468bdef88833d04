"""The connection to the queue's database."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import errors

from jfcelery import services
from jfcelery.database import connection
from jfcelery.database.connection import CollectionNames, open_queue, translated
from jfcelery.errors import DatabaseUnavailableError, ProjectInvalidError, ServiceStartError
from jfcelery.project import Project
from tests.support.embedded import CACHE, database, embedded_project, kill
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.projects import ProjectFactory


@contextmanager
def closing() -> Iterator[None]:
    """Close at the end what was opened."""
    before = set(connection._open)
    try:
        yield
    finally:
        for key in set(connection._open) - before:
            connection._open.pop(key).close()


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close at the end what a test opened."""
    with closing():
        yield


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with an embedded database that does not run yet."""
    monkeypatch.setenv("JFCELERY_DATABASE_CACHE", CACHE)
    # A server that is told to stop waits some seconds for its clients to leave.
    with embedded_project("connection") as project, closing():
        yield project


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for a server that is known to be dead."""
    monkeypatch.setattr(connection, "SELECTION_MILLISECONDS", 500)


def external(**store: Any) -> Project:
    """Make a project with a database of one's own."""
    spec = {"type": "MongoURIStore", "database": "d", "collection_name": "jobs", **store}
    return Project.model_validate({"name": "p", "queue": {"store": spec}})


def test_one_connection_a_process(project: Project) -> None:
    """All callers of a process get the same object."""
    assert open_queue(project) is open_queue(project)


def test_documents_come_back_with_time_zones(project: Project) -> None:
    """Times are aware, in UTC, as they were written."""
    queue = open_queue(project)
    now = queue.clock.now()
    queue.jobs.insert_one({"_id": "a", "at": now})
    found = queue.jobs.find_one({"_id": "a"})
    assert found is not None
    assert found["at"] == now
    assert found["at"].utcoffset() == timedelta(0)


def test_clock_is_near_ours(project: Project) -> None:
    """The server's time, on the same machine, is ours."""
    assert abs(open_queue(project).clock.now() - datetime.now(UTC)) < timedelta(seconds=30)


def test_writes_are_safe(project: Project) -> None:
    """Every collection waits for the journal of the majority."""
    queue = open_queue(project)
    for collection in (queue.jobs, queue.flows, queue.batches, queue.auxiliary, queue.history,
                       queue.payloads, queue.edges,
                       queue.files._files, queue.files._chunks):  # fmt: skip
        assert collection.write_concern.document == {"w": "majority", "j": True}


def test_files_are_kept_in_gridfs(project: Project) -> None:
    """Large payloads go through GridFS."""
    queue = open_queue(project)
    key = queue.files.upload_from_stream("x", b"1234" * 100_000)
    assert queue.files.open_download_stream(key).read() == b"1234" * 100_000
    assert queue.database["payload_files.files"].count_documents({}) == 1


def test_names_follow_the_project_file(make_project: ProjectFactory, mongo_url: str) -> None:
    """Two queues in one database do not share any collection."""
    store = {"type": "MongoURIStore", "uri": mongo_url, "database": "jfct_names"}
    project = make_project(
        queue={
            "store": store | {"collection_name": "mine"},
            "flows_collection": "f",
            "batches_collection": "b",
            "auxiliary_collection": "a",
        }
    )
    assert CollectionNames.of(project) == CollectionNames(
        "mine", "f", "b", "a", "mine_history", "mine_payloads", "mine_payload_files", "mine_edges"
    )
    queue = open_queue(project)
    assert (queue.database.name, queue.jobs.name, queue.flows.name) == ("jfct_names", "mine", "f")


def test_names_by_default(embedded: Project) -> None:
    """They are jobflow-remote's."""
    assert CollectionNames.of(embedded) == CollectionNames()


def test_unreachable_database_is_one_line(impatient: None) -> None:
    """A database that does not answer is told in one line, without secrets."""
    project = external(uri="mongodb://user:secret@127.0.0.1:1/")
    with pytest.raises(DatabaseUnavailableError, match=r"not answer: 127\.0\.0\.1:1") as caught:
        open_queue(project)
    assert "\n" not in caught.value.message
    assert "Topology" not in caught.value.message
    assert "secret" not in str(caught.value)


def test_wrong_password_is_told(embedded: Project) -> None:
    """A login that fails is a database that cannot be used."""
    uri = services.database_endpoint(embedded).uri
    password = database(embedded).credentials().password
    with pytest.raises(DatabaseUnavailableError, match=r"(?i)authentication failed"):
        open_queue(external(uri=uri.replace(password, "wrong")))


def test_impossible_uri_is_told_without_its_text() -> None:
    """A password that was not escaped is not repeated in the error."""
    with pytest.raises(ProjectInvalidError, match=r"queue\.store") as caught:
        open_queue(external(uri="mongodb://user:sec:ret@host/"))
    assert "ret" not in caught.value.message
    assert "%40" in caught.value.remedy


def test_unknown_option_is_told() -> None:
    """What pymongo does not take is an error of the project file."""
    project = external(type="MongoStore", host="h", mongoclient_kwargs={"tls": "perhaps"})
    with pytest.raises(ProjectInvalidError, match="tls"):
        open_queue(project)


@pytest.mark.parametrize(
    "error",
    [
        errors.AutoReconnect("gone"),
        errors.ServerSelectionTimeoutError("nobody, Timeout: 5s, Topology Description: ..."),
        errors.NetworkTimeout("slow"),
        errors.NotPrimaryError("not primary"),
        errors.OperationFailure("shutting down", code=91),
        errors.InvalidOperation("Cannot use MongoClient after close"),
        errors.WTimeoutError("waiting for replication timed out", code=64),
    ],
)
def test_outages_are_translated(error: Exception) -> None:
    """Whatever says that the database is away becomes one error."""
    with pytest.raises(DatabaseUnavailableError) as caught, translated():
        raise error
    assert caught.value.transient
    assert caught.value.__cause__ is error
    assert "Topology" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        errors.DuplicateKeyError("E11000"),
        errors.OperationFailure("bad query", code=2),
        errors.BulkWriteError({"writeErrors": []}),
        errors.InvalidOperation("No operations to execute"),
        ValueError("ours"),
    ],
)
def test_errors_of_the_operation_pass(error: Exception) -> None:
    """A wrong query or a duplicate key is no outage."""
    with pytest.raises(type(error)) as caught, translated():
        raise error
    assert caught.value is error


def test_killed_database_is_restarted_by_who_needs_it(embedded: Project, impatient: None) -> None:
    """A process that finds it dead starts it, and finds all its documents."""
    queue = open_queue(embedded)
    queue.jobs.insert_one({"_id": 1})
    kill(database(embedded))
    with pytest.raises(DatabaseUnavailableError), translated():
        queue.client.admin.command("ping")

    assert open_queue(embedded) is queue
    assert queue.jobs.find_one() == {"_id": 1}


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Keep a port taken by this process, as soon as who was killed has let it go."""
    found: list[socket.socket] = []

    def bound() -> bool:
        with suppress(OSError):
            found.append(socket.create_server(("127.0.0.1", port)))
        return bool(found)

    wait_until(bound, f"port {port} to be free")
    with found[0]:
        yield


def test_moved_database_is_found_by_who_holds_the_queue(embedded: Project, impatient: None) -> None:
    """If it had to come back at another port, the same object leads there."""
    queue = open_queue(embedded)
    queue.jobs.insert_one({"_id": 1})
    port = kill(database(embedded)).address
    with taken(int(port)):
        with pytest.raises(DatabaseUnavailableError), translated():
            queue.client.admin.command("ping", socketTimeoutMS=100)
        assert open_queue(embedded) is queue
        assert queue.jobs.find_one() == {"_id": 1}
        assert queue.client.address != ("127.0.0.1", int(port))


def test_many_threads_open_one_connection(embedded: Project) -> None:
    """The first needs of all threads at once end in one object and one server."""
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(open_queue(embedded))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [open_queue(embedded)] * 8


def _count_in_a_fork(project: Project, parent: object, answers: Any) -> None:
    queue = open_queue(project)
    answers.put((os.getpid(), queue is not parent, queue.jobs.count_documents({})))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that is what is tested
def test_a_fork_has_its_own_connection(project: Project) -> None:
    """Sockets are never shared between a process and its fork."""
    queue = open_queue(project)
    queue.jobs.insert_one({"_id": 1})
    context = multiprocessing.get_context("fork")
    answers: Any = context.SimpleQueue()
    child = context.Process(target=_count_in_a_fork, args=(project, queue, answers))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert answers.get() == (child.pid, True, 1)


def test_closed_queue_can_be_opened_again(project: Project) -> None:
    """Closing ends the connection, not the use of the object."""
    queue = open_queue(project)
    queue.close()
    assert open_queue(project).jobs.count_documents({}) == 0


def test_unwritable_folder_is_told(tmp_path: Path) -> None:
    """An embedded database that cannot start says why, through whoever asked for it."""
    (tmp_path / "file").touch()
    with pytest.raises(ServiceStartError, match="cannot write to"):
        open_queue(Project(name="p", base_dir=tmp_path / "file" / "p"))
