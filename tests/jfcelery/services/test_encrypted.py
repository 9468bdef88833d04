"""Database and broker behind TLS and a login: who is let in, and what the others are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from jfcelery import services
from jfcelery.database import connection
from jfcelery.database.connection import open_queue
from jfcelery.errors import BrokerUnavailableError, DatabaseUnavailableError
from jfcelery.project import Project
from jfcelery.services.client import redis_client
from jfcelery.tasks.settings import celery_settings
from tests.support.encrypted import encrypted_servers, make_certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.encrypted import Servers

DATABASE, BROKER = "planted-in-the-database", "planted-in-the-broker"


@pytest.fixture(scope="module")
def servers(session_folder: Path) -> Iterator[Servers]:
    """A database and a broker that speak TLS only, and know one user each."""
    with encrypted_servers(session_folder / "encrypted", DATABASE, BROKER) as found:
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for a server that will not let us in."""
    monkeypatch.setattr(connection, "SELECTION_MILLISECONDS", 1000)


def project_of(sections: dict[str, Any], base_dir: Path) -> Project:
    """Return a project with servers of somebody else's."""
    return Project.model_validate({"name": "p", "base_dir": base_dir, **sections})


def test_with_certificate_and_login_all_can_be_used(servers: Servers, tmp_path: Path) -> None:
    """Documents of the queue, outputs of the JobStore and messages go over TLS."""
    project = project_of(servers.sections(DATABASE, BROKER), tmp_path)
    queue = open_queue(project)
    queue.jobs.insert_one({"_id": "a"})
    assert queue.jobs.find_one({"_id": "a"}) == {"_id": "a"}
    store = project.get_jobstore()
    with store:
        store.update({"uuid": "a", "index": 1, "output": 2})
        assert store.get_output("a") == 2
    services.check_broker(project)
    with redis_client(project) as client:
        client.set("jfcelery:x", "1")
        assert client.get("jfcelery:x") == b"1"
    queue.close()


@pytest.mark.parametrize(
    "spoilt, words, remedy",
    [
        ({"password": "planted-and-wrong"}, "authentication failed", "auth_source"),
        ({"mongoclient_kwargs": {"tls": True}}, "CERTIFICATE_VERIFY_FAILED", "tlsCAFile"),
        ({"mongoclient_kwargs": {"tls": True, "tlsCAFile": "ca.pem"}}, "CERTIFICATE", "tlsCAFile"),
        ({"mongoclient_kwargs": {}}, "closed", "jfc project check"),
    ],
)
def test_a_database_that_does_not_let_us_in_says_why(
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoilt: dict[str, Any],
    words: str,
    remedy: str,
) -> None:
    """A wrong password, authority or protocol is told in one line, without a secret."""
    make_certificates(tmp_path)  # of another authority
    monkeypatch.chdir(tmp_path)
    sections = servers.sections(DATABASE, BROKER)
    sections["queue"]["store"] |= spoilt
    with pytest.raises(DatabaseUnavailableError, match=words) as caught:
        open_queue(project_of(sections, tmp_path))
    assert remedy in caught.value.remedy
    assert "planted" not in str(caught.value)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "password, ca, words, remedy",
    [
        ("planted-and-wrong", None, "invalid username-password", "broker.url"),
        (BROKER, "ca.pem", "CERTIFICATE_VERIFY_FAILED", "broker.tls.ca_certs"),
    ],
)
def test_a_broker_that_does_not_let_us_in_says_why(
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    password: str,
    ca: str | None,
    words: str,
    remedy: str,
) -> None:
    """As with the database."""
    make_certificates(tmp_path)
    monkeypatch.chdir(tmp_path)
    sections = servers.sections(DATABASE, password)
    if ca is not None:
        sections["broker"]["tls"]["ca_certs"] = ca
    with pytest.raises(BrokerUnavailableError, match=words) as caught:
        services.check_broker(project_of(sections, tmp_path))
    assert remedy in caught.value.remedy
    assert "planted" not in str(caught.value)


def test_the_broker_lets_nobody_else_in(servers: Servers) -> None:
    """Neither without a login, nor its user to keys that are not jfcelery's."""
    import redis
    from redis.exceptions import NoPermissionError

    with (
        redis.Redis(unix_socket_path=str(servers.folder / "s")) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.get("jfcelery:x")
    with (
        redis.Redis(
            unix_socket_path=str(servers.folder / "s"), username="jfcelery", password=BROKER
        ) as user,
        pytest.raises(NoPermissionError),
    ):
        user.get("other")


def test_celery_checks_the_brokers_certificate(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker with a certificate of another authority gets no message."""
    make_certificates(tmp_path)
    monkeypatch.chdir(tmp_path)
    sections = servers.sections(DATABASE, BROKER)
    sections["broker"]["tls"]["ca_certs"] = "ca.pem"
    endpoint = services.broker_endpoint(project_of(sections, tmp_path))
    app = Celery("t", set_as_current=False)
    app.config_from_object(celery_settings(endpoint))
    with (
        app.connection_for_write() as connection,
        pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        connection.ensure_connection(max_retries=1, interval_start=0)
    app.close()
