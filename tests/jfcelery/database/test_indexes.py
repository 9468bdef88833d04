"""Indexes are built where there is room for them, and none is lost where there is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jfcelery import services
from jfcelery.controller.admin import create_index
from jfcelery.database import connection, room
from jfcelery.database.connection import open_queue
from jfcelery.database.indexes import INDEXES, NUMBER, create_indexes, rebuild_indexes
from jfcelery.database.schema import prepare
from jfcelery.errors import StateError
from tests.support.embedded import database, embedded_project
from tests.support.queued import Queued

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project whose embedded database has a cache of 4 MB."""
    monkeypatch.setenv("JFCELERY_DATABASE_CACHE", "4M")
    with embedded_project("indexes") as project:
        yield project
        for key in [key for key in connection._open if key[1] == project.name]:
            connection._open.pop(key).close()


@pytest.fixture
def filled(embedded: Project) -> QueueDatabase:
    """Its queue, with some jobs and an index of a person's own."""
    queue = open_queue(embedded)
    prepare(queue)
    Queued(queue, {f"j{number}": [] for number in range(20)})
    create_index(queue, ["job.metadata.formula"])
    return queue


def names(queue: QueueDatabase) -> dict[str, set[str]]:
    """Return the names of all indexes by collection."""
    return {attribute: set(getattr(queue, attribute).index_information()) for attribute in INDEXES}


def no_room(patch: pytest.MonkeyPatch) -> None:
    """Have a cache of 4 MB be too small for twenty jobs."""
    patch.setattr(room, "PER_MEGABYTE", 1)


def test_the_cache_is_that_of_the_running_server(
    filled: QueueDatabase, monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    """Not what the settings say by now; a database of one's own has none that we know."""
    monkeypatch.setenv("JFCELERY_DATABASE_CACHE", "2G")
    assert filled.service is not None
    assert filled.service.cache() == 4
    assert open_queue(project).service is None


def test_without_room_nothing_is_dropped(
    filled: QueueDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither ours nor a person's own; the error names the cache that it takes."""
    before = names(filled)
    no_room(monkeypatch)
    with pytest.raises(StateError, match="20 documents of 'jobs'") as caught:
        rebuild_indexes(filled)
    # Each job may have several entries where a field is a list.
    assert "JFCELERY_DATABASE_CACHE=80M" in caught.value.remedy
    with pytest.raises(StateError, match="20 documents of 'jobs'") as caught:
        create_index(filled, ["priority"])
    assert "JFCELERY_DATABASE_CACHE=20M" in caught.value.remedy
    assert names(filled) == before


def test_missing_indexes_need_room_and_those_that_are_there_none(
    filled: QueueDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing is created as soon as there is room."""
    before = names(filled)
    no_room(monkeypatch)
    assert len(create_indexes(filled)) == NUMBER
    filled.jobs.drop_index("db_id_1")
    with pytest.raises(StateError, match="needs a cache of 20M; it has 4M"):
        create_indexes(filled)
    monkeypatch.undo()
    create_indexes(filled)
    assert names(filled) == before


def test_a_rebuild_leaves_our_indexes_alone(filled: QueueDatabase) -> None:
    """In number and form; one of a person's own is dropped, and it tells how far it is."""
    wanted = names(filled)
    wanted["jobs"].remove("job.metadata.formula_1")
    seen: list[int] = []
    assert len(rebuild_indexes(filled, seen.append)) == NUMBER
    assert seen == list(range(1, NUMBER + 1))
    assert names(filled) == wanted


@pytest.mark.parametrize("number", [1, 7, NUMBER])
def test_an_interrupted_rebuild_leaves_all_indexes(filled: QueueDatabase, number: int) -> None:
    """One is dropped when the one before is there again."""
    wanted = names(filled)
    wanted["jobs"].remove("job.metadata.formula_1")

    def interrupt(done: int) -> None:
        if done == number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild_indexes(filled, interrupt)
    assert names(filled) == wanted


def test_a_server_that_does_not_get_done_is_ended(
    embedded: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so; the server starts anew with all documents, and without the index."""
    monkeypatch.setenv("JFCELERY_DATABASE_CACHE", "8M")
    monkeypatch.setattr(connection, "SOCKET_MILLISECONDS", 10_000)
    monkeypatch.setattr(room, "PER_MEGABYTE", 100_000)
    queue = open_queue(embedded)
    prepare(queue)
    queue.batches.drop_indexes()
    for piece in range(200):  # an insertion is a transaction, too
        queue.batches.insert_many(
            [{"_id": f"{piece}-{number}", "text": "x" * 40} for number in range(100)]
        )
    before = database(embedded).running()
    with pytest.raises(StateError, match="did not index 'batches' in time"):
        room.build_indexes(queue, queue.batches, ["text"])
    assert before is not None
    assert not before.process.alive
    queue = open_queue(embedded)
    assert queue.batches.count_documents({}) == 20_000
    assert set(queue.batches.index_information()) == {"_id_"}
    assert services.status(embedded)[1].running
