"""Starting, finding and stopping the embedded services."""

from __future__ import annotations

import os
import signal
import stat
from typing import TYPE_CHECKING, Any

import pymongo
import pytest
import redis
from pymongo.errors import OperationFailure
from redis.exceptions import NoPermissionError

from jfcelery import services
from jfcelery.errors import BrokerUnavailableError
from jfcelery.project import Project
from jfcelery.services.client import client_of
from tests.support.commands import Commands
from tests.support.embedded import broker, database, embedded_project, instances, record_of, script
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

#: Processes that ask for the services at once.
CROWD = 20


def project_of(**sections: Any) -> Project:
    """Make a project of some sections."""
    return Project.model_validate({"name": "external", **sections})


def mode(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_asked_twice_the_same_instances_answer(standing: Project) -> None:
    """The second call finds what the first one started."""
    first = services.endpoint(standing)
    pids = [one.pid for one in services.status(standing)]

    assert services.endpoint(standing) == first
    assert [one.pid for one in services.status(standing)] == pids
    assert all(pids)


def test_database_refuses_strangers(standing: Project) -> None:
    """Without the generated password nothing can be read."""
    services.ensure(standing)
    port = record_of(database(standing)).address
    with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}/") as client:
        with pytest.raises(OperationFailure, match="authentication"):
            client["jfcelery"]["jobs"].find_one()
        with pytest.raises(OperationFailure, match="authentication"):
            client["admin"].command("createUser", "me", pwd="me", roles=["root"])


def test_database_takes_writes_of_the_generated_user(standing: Project) -> None:
    """The URI of the endpoint is all that a client needs."""
    found = services.database_endpoint(standing)
    with pymongo.MongoClient[dict[str, Any]](found.uri, **found.options) as client:
        client[found.name]["things"].insert_one({"_id": 1, "a": 2})
        assert client[found.name]["things"].find_one() == {"_id": 1, "a": 2}


def test_no_driver_numbers_its_writes(standing: Project) -> None:
    """As it would by default: the server would have to remember what it did, which costs it."""
    found, commands = services.database_endpoint(standing), Commands()
    options = {**found.options, "event_listeners": [commands]}
    with pymongo.MongoClient[dict[str, Any]](found.uri, **options) as client:
        client[found.name]["written"].insert_one({"_id": 1})
    assert "documents" in commands.fields()
    assert "txnNumber" not in commands.fields()


def test_broker_refuses_strangers(standing: Project) -> None:
    """Who gets at the socket still needs the password."""
    services.ensure(standing)
    address = record_of(broker(standing)).address
    with redis.Redis(unix_socket_path=address) as client, pytest.raises(redis.RedisError):
        client.get("jfcelery:x")


def test_broker_user_keeps_to_its_keys(standing: Project) -> None:
    """The user may do everything with its own keys, and nothing to others or to the server."""
    with services.redis_client(standing) as client:
        client.set("jfcelery:x", "1")
        assert client.get("jfcelery:x") == b"1"
        for command in (("SET", "other", "1"), ("FLUSHALL",), ("CONFIG", "GET", "*")):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command)


def test_everything_is_closed_to_others(standing: Project) -> None:
    """Folders, secrets and sockets are for their owner only, and no secret is in an argument."""
    found = services.endpoint(standing)
    for service in (database(standing), broker(standing)):
        assert mode(service.files.folder) == 0o700
        assert mode(service.files.credentials) == 0o600
        pid = record_of(service).process.pid
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as arguments:  # noqa: PTH123 - no file
            assert service.credentials().password not in arguments.read()
    assert mode(broker(standing).files.folder / "users.acl") == 0o600
    assert "@" not in repr(found), "a secret in the repr"


def test_logs_go_to_the_log_folder(standing: Project) -> None:
    """Both servers write into the project's own log folder."""
    services.ensure(standing)
    assert {path.name for path in standing.log_dir.iterdir()} >= {"broker.log", "database.log"}


def test_check_broker_is_silent_when_it_answers(standing: Project) -> None:
    """Nothing is raised for a broker that answers."""
    services.check_broker(standing)


def test_status_starts_nothing(embedded: Project) -> None:
    """Asking for the state has no effect, not even a folder."""
    found = services.status(embedded)

    assert [(one.name, one.embedded, one.running) for one in found] == [
        ("broker", True, False),
        ("database", True, False),
    ]
    assert not embedded.base_dir.exists()
    assert services.stop(embedded) == []
    assert services.stop_if_unused(embedded) == []
    assert not services.in_use(embedded)


def test_a_crowd_gets_one_instance(embedded: Project) -> None:
    """However many processes ask at once, each service is started once."""
    crowd = script(
        embedded,
        f"""
        import multiprocessing, pymongo, redis
        context = multiprocessing.get_context("fork")
        barrier = context.Barrier({CROWD})

        def ask(number):
            barrier.wait()
            return services.endpoint(project).database.uri

        with context.Pool({CROWD}) as pool:
            print(*pool.map(ask, range({CROWD}), chunksize=1))
        """,
    )
    answers = crowd.communicate()[0].split()

    assert answers == [services.endpoint(embedded).database.uri] * CROWD
    assert len(instances(database(embedded))) == 1
    assert len(instances(broker(embedded))) == 1
    # Each program was started once: the database a second time, without a user yet.
    assert database(embedded).files.log.read_text().count("listening on") == 2
    assert broker(embedded).files.log.read_text().count("ready to accept") == 1


def test_services_outlive_whoever_started_them(embedded: Project) -> None:
    """A Ctrl-C in the terminal of the first user ends that user's process only."""
    starter = script(
        embedded,
        """
        services.ensure(project)
        print("started", flush=True)
        time.sleep(600)
        """,
        start_new_session=True,
    )
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "started\n"
        pids = [
            record_of(service).process.pid for service in (database(embedded), broker(embedded))
        ]
        os.killpg(starter.pid, signal.SIGINT)
        starter.wait()

    assert all(os.getsid(pid) != starter.pid for pid in pids)
    services.check_broker(embedded)
    assert [one.pid for one in services.status(embedded)] == pids[::-1]


def test_projects_side_by_side_do_not_meet(embedded: Project) -> None:
    """Each project has servers, passwords and data of its own."""
    with embedded_project("other") as other:
        one, two = services.endpoint(embedded), services.endpoint(other)
        assert one.database.uri != two.database.uri
        assert one.broker_url != two.broker_url
        services.redis_client(embedded).set("jfcelery:x", "1")
        assert services.redis_client(other).get("jfcelery:x") is None

        assert services.stop(other) == ["broker", "database"]
        services.check_broker(embedded)


def test_stopped_and_started_it_is_where_it_was(embedded: Project) -> None:
    """Data, password and address survive a stop."""
    before = services.endpoint(embedded)
    services.redis_client(embedded).set("jfcelery:x", "1")
    with pymongo.MongoClient[dict[str, Any]](before.database.uri) as client:
        client["jfcelery"]["things"].insert_one({"_id": 1})

    assert services.stop(embedded) == ["broker", "database"]
    assert instances(database(embedded)) == instances(broker(embedded)) == []
    assert services.endpoint(embedded) == before

    assert services.redis_client(embedded).get("jfcelery:x") == b"1"
    with pymongo.MongoClient[dict[str, Any]](before.database.uri) as client:
        assert client["jfcelery"]["things"].find_one() == {"_id": 1}


def test_used_services_are_not_stopped(embedded: Project) -> None:
    """As long as another process uses them, ``stop_if_unused`` leaves them alone."""
    services.ensure(embedded)
    assert not services.in_use(embedded), "one's own use does not count"
    user = script(embedded, "services.ensure(project); print('in', flush=True); time.sleep(600)")
    with user:
        assert user.stdout is not None
        assert user.stdout.readline() == "in\n"
        assert services.in_use(embedded)
        assert services.stop_if_unused(embedded) == []
        services.check_broker(embedded)
        user.kill()

    wait_until(lambda: not services.in_use(embedded), "the kernel to release the lock")
    assert services.stop_if_unused(embedded) == ["broker", "database"]


def test_external_services_are_never_started(tmp_path: Path, mongo_url: str) -> None:
    """Only addresses are told of what somebody else runs, and without secrets in the status."""
    store = {"type": "MongoURIStore", "uri": mongo_url, "database": "d", "collection_name": "jobs"}
    project = project_of(
        base_dir=tmp_path / "p",
        queue={"store": store},
        broker={"url": "redis://user:secret@localhost:1/0"},
    )
    services.ensure(project)

    assert services.database_endpoint(project).uri == mongo_url
    assert [(one.embedded, one.running) for one in services.status(project)] == [
        (False, None),
        (False, None),
    ]
    assert "secret" not in str(services.status(project))
    assert services.stop(project) == []
    assert not project.base_dir.exists()


def test_missing_broker_is_one_line(tmp_path: Path) -> None:
    """A broker that cannot be reached is named in one line, its password is not."""
    project = project_of(base_dir=tmp_path, broker={"url": "redis://user:secret@127.0.0.1:1/0"})
    with pytest.raises(BrokerUnavailableError, match="does not answer") as caught:
        services.check_broker(project)
    assert "\n" not in caught.value.message
    assert "secret" not in str(caught.value)


def test_client_of_a_url_with_escapes(standing: Project) -> None:
    """The URL that Celery gets also makes a working client."""
    with client_of(services.broker_endpoint(standing)) as client:
        assert client.ping()
