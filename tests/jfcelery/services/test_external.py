"""Addresses of services that somebody else runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymongo
import pytest
from celery import Celery

from jfcelery import services
from jfcelery.errors import BrokerUnavailableError, ProjectInvalidError
from jfcelery.project import Project
from jfcelery.services.external import external_database
from jfcelery.tasks.settings import celery_settings
from tests.support.encrypted import make_certificates, tls_broker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def project_of(
    store: dict[str, Any] | None = None, broker: dict[str, Any] | None = None
) -> Project:
    """Make a project with a queue or broker of one's own."""
    sections = {"queue": store and {"store": store}, "broker": broker}
    return Project.model_validate({"name": "p", **{k: v for k, v in sections.items() if v}})


STORE = {"type": "MongoStore", "database": "db", "collection_name": "jobs"}


def test_mongo_store_with_login() -> None:
    """Host, port, login and options of a MongoStore become a client's arguments."""
    found = external_database(
        project_of(
            {
                **STORE,
                "host": "example.org",
                "port": 27018,
                "username": "me",
                "password": "a/b@c",
                "auth_source": "admin",
                "mongoclient_kwargs": {"tls": True, "replicaSet": "rs0"},
            }
        )
    )
    assert found.uri == "mongodb://example.org:27018/"
    assert found.name == "db"
    assert found.options == {
        "username": "me",
        "password": "a/b@c",
        "authSource": "admin",
        "tls": True,
        "replicaSet": "rs0",
    }
    assert "a/b@c" not in repr(found)


def test_login_is_checked_by_the_own_database_by_default() -> None:
    """As in maggma, which otherwise would find another user."""
    found = external_database(project_of({**STORE, "username": "me", "password": "x"}))
    assert found.options["authSource"] == "db"


def test_mongo_store_without_login() -> None:
    """Without a user nothing of a login is passed on."""
    found = external_database(project_of(STORE))
    assert (found.uri, dict(found.options)) == ("mongodb://localhost:27017/", {})


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_ipv6_host(host: str) -> None:
    """An IPv6 address gets the brackets that a URI needs."""
    assert external_database(project_of({**STORE, "host": host})).uri == "mongodb://[::1]:27017/"


def test_uri_as_a_host() -> None:
    """Pymongo takes a URI as a host, so users of maggma have it there."""
    found = external_database(project_of({**STORE, "host": "mongodb+srv://example.org/x"}))
    assert found.uri == "mongodb+srv://example.org/x"


def test_uri_store() -> None:
    """The URI is passed on as it is."""
    uri = "mongodb://me:x@a:1,b:2/db?replicaSet=rs0"
    found = external_database(
        project_of({**STORE, "type": "MongoURIStore", "uri": uri, "database": "other"})
    )
    assert (found.uri, found.name) == (uri, "other")


def test_ssh_tunnel_is_refused() -> None:
    """A tunnel inside maggma's store cannot serve the queue: the error says what to do."""
    tunnel = {"tunnel_server_address": "h:22", "username": "me", "password": "x",
              "remote_server_address": "db:27017", "type": "SSHTunnel"}  # fmt: skip
    project = project_of({**STORE, "ssh_tunnel": tunnel})
    with pytest.raises(ProjectInvalidError, match="tunnel") as caught:
        external_database(project)
    assert "ssh -N -L" in caught.value.remedy


def test_external_database_takes_the_endpoint(mongo_url: str) -> None:
    """A client with the endpoint's address and options works."""
    found = external_database(
        project_of(
            {**STORE, "type": "MongoURIStore", "uri": mongo_url, "database": "jfct_endpoint"}
        )
    )
    with pymongo.MongoClient[dict[str, Any]](found.uri, **found.options) as client:
        assert client[found.name]["nothing"].find_one() is None


def test_key_prefix_is_passed_on() -> None:
    """The prefix of the project file is the endpoint's."""
    found = services.broker_endpoint(
        project_of(broker={"url": "redis://h:6379/1", "key_prefix": "mine:"})
    )
    assert (found.url, found.key_prefix, found.ssl) == ("redis://h:6379/1", "mine:", None)


@pytest.fixture(scope="module")
def tls_redis(session_folder: Path) -> Iterator[tuple[int, Path]]:
    """A Redis that speaks TLS only and wants a client's certificate: its port and certificates."""
    folder = session_folder / "tls"
    folder.mkdir()
    make_certificates(folder)
    with tls_broker(folder) as port:
        yield port, folder


def tls_project(port: int, tls: dict[str, Any] | None) -> Project:
    """Make a project with a broker behind TLS."""
    return project_of(
        broker={"url": f"rediss://127.0.0.1:{port}/0", **({"tls": tls} if tls else {})}
    )


def test_broker_behind_tls(tls_redis: tuple[int, Path]) -> None:
    """Certificates of the project file serve the client and Celery."""
    port, folder = tls_redis
    project = tls_project(
        port,
        {
            "ca_certs": str(folder / "ca.pem"),
            "certfile": str(folder / "client.pem"),
            "keyfile": str(folder / "client.key"),
        },
    )
    services.check_broker(project)

    app = Celery("t", set_as_current=False)
    app.config_from_object(celery_settings(services.broker_endpoint(project)))
    app.send_task("nothing", queue="q")
    with services.redis_client(project) as client:
        assert client.llen("jfcelery:q") == 1
    app.close()


def test_unknown_certificate_is_refused(tls_redis: tuple[int, Path]) -> None:
    """Without the authority's certificate the server is not believed."""
    project = tls_project(tls_redis[0], None)
    with pytest.raises(BrokerUnavailableError, match=r"(?i)certificate") as caught:
        services.check_broker(project)
    assert "broker.tls.ca_certs" in caught.value.remedy
