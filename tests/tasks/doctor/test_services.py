"""What the examination finds of database and broker."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

import pytest
import redis

from jfcelery.controller import JobController
from jfcelery.tasks.doctor import Level, database, messages
from tests.support.embedded import CACHE, embedded_project
from tests.support.servers import redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.project import Project
    from jfcelery.tasks.doctor import Finding
    from tests.support.projects import ProjectFactory

#: Rights of a user of Redis as a careful site gives them: Celery can work, and that is all.
RIGHTS = ("+@all", "-@admin", "-@dangerous")


def bad(found: Iterator[Finding]) -> list[Finding]:
    """Return the findings that ask for something."""
    return [one for one in found if one.level is not Level.OK]


@pytest.fixture(scope="module")
def own_url(session_folder: Path) -> Iterator[str]:
    """A Redis whose settings tests may change."""
    folder = session_folder / "own-redis"
    folder.mkdir()
    with redis_server(folder) as server:
        yield server.url


@pytest.fixture
def own(own_url: str) -> Iterator[redis.Redis]:
    """Its administrator; it keeps all messages, on disk, until the test says otherwise."""
    with redis.Redis.from_url(own_url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("appendonly", "yes")
        yield client


@pytest.fixture
def on_it(own: redis.Redis, own_url: str, make_project: ProjectFactory) -> Project:
    """A project on that Redis."""
    return make_project(broker={"url": own_url})


def test_a_redis_that_keeps_all_is_fine(on_it: Project) -> None:
    """Nothing is asked for, and the version is shown."""
    found = list(messages.check(on_it))
    assert bad(iter(found)) == []
    assert found[0].text.startswith("Redis ")


def test_a_redis_that_throws_messages_away_is_an_error(on_it: Project, own: redis.Redis) -> None:
    """With the line of its configuration that mends it."""
    own.config_set("maxmemory-policy", "allkeys-lru")
    (found,) = bad(messages.check(on_it))
    assert found.level is Level.ERROR
    assert "maxmemory-policy allkeys-lru" in found.text
    assert found.remedy == "Set maxmemory-policy noeviction in redis.conf."


@pytest.mark.parametrize(
    "save, words", [("", "keeps nothing on disk"), ("3600 1", "saves to disk now and then")]
)
def test_a_redis_that_forgets_is_noted(
    on_it: Project, own: redis.Redis, save: str, words: str
) -> None:
    """Without an append-only file; jobs are safe, and it says what a restart costs."""
    own.config_set("appendonly", "no")
    own.config_set("save", save)
    (found,) = bad(messages.check(on_it))
    assert found.level is Level.WARNING
    assert words in found.text
    assert found.remedy == "Set appendonly yes in redis.conf."


@pytest.mark.parametrize(
    "more, words", [("-info", "does not tell its policy"), ("+info", "now and then at most")]
)
def test_a_redis_that_does_not_tell_is_noted(
    own: redis.Redis, own_url: str, make_project: ProjectFactory, more: str, words: str
) -> None:
    """Rights that leave out INFO, or the reading of the configuration, cost that finding only."""
    own.config_set("appendonly", "no")
    all_of: Any = {"keys": ["*"], "channels": ["*"], "categories": RIGHTS, "commands": [more]}
    own.acl_setuser("careful", enabled=True, nopass=True, reset=True, **all_of)
    url = own_url.replace("redis://", "redis://careful:none@")
    (found,) = bad(messages.check(make_project(broker={"url": url})))
    assert words in found.text
    assert found.remedy


@pytest.mark.embedded
def test_the_embedded_services_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to tune what jfcelery starts by itself."""
    monkeypatch.setenv("JFCELERY_DATABASE_CACHE", CACHE)
    with embedded_project() as project:
        found = [*messages.check(project), *database.check(project)]
    assert bad(iter(found)) == []
    assert {one.text.partition(" ")[0] for one in found} >= {"embedded", "embedded,"}


@pytest.mark.embedded
def test_an_embedded_database_with_very_many_jobs_is_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is a start, and says what comes after it."""
    monkeypatch.setenv("JFCELERY_DATABASE_CACHE", CACHE)
    monkeypatch.setattr(database, "EMBEDDED_JOBS", -1)
    with embedded_project() as project:
        (found,) = bad(database.check(project))
    assert (found.subject, found.level) == ("database", Level.WARNING)
    assert "the embedded database is for fewer" in found.text
    assert found.remedy.startswith("Name a MongoDB")


def test_a_database_that_is_too_old_is_an_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its version stands against the oldest that will do."""
    monkeypatch.setattr(database, "OLDEST", (99, 0))
    (found,) = bad(database.check(project))
    assert (found.subject, found.level) == ("database", Level.ERROR)
    assert found.text.endswith("is too old")
    assert "or newer" in found.remedy


def test_a_slow_database_is_noted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step waits for it several times."""
    monkeypatch.setattr(database, "SLOW", 0.0)
    (found,) = bad(database.check(project))
    assert (found.subject, found.level) == ("database", Level.WARNING)
    assert "nearer" in found.remedy


def test_clocks_that_differ_are_noted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases hold, since they go by the database's clock; what people read does not fit."""

    class Slow(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) - timedelta(minutes=20)

    monkeypatch.setattr(database, "datetime", Slow)
    (found,) = bad(database.check(project))
    assert (found.subject, found.level) == ("clock", Level.WARNING)
    assert "differs from this machine's by 1200" in found.text
    assert "NTP" in found.remedy


def test_missing_indexes_are_noted(project: Project) -> None:
    """Of every collection, with the command that makes them."""
    queue = JobController.from_project(project).queue
    queue.jobs.drop_index("db_id_1")
    queue.flows.drop_indexes()
    (found,) = bad(database.check(project))
    assert "jobs(db_id)" in found.text
    assert "flows(" in found.text
    assert found.remedy == "jfc admin index rebuild"
