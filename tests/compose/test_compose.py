"""The set of containers: consistent in itself, and its Redis as Celery needs it.

No container engine is needed: the files are read, and Redis is started with its own
configuration and users.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import redis
from kombu import Connection
from ruamel.yaml import YAML

from jfcelery.project import load_file
from jfcelery.services import BrokerEndpoint
from jfcelery.services.binaries import find_broker
from jfcelery.tasks.settings import celery_settings
from tests.support.servers import running
from tests.support.tree import LAYERS, TREE
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

HERE = TREE / "compose"
PASSWORD = "of a test"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The content of compose.yml, its anchors resolved."""
    content: dict[str, Any] = YAML(typ="safe").load(HERE / "compose.yml")
    return content


def test_services_depend_on_what_exists(compose: dict[str, Any]) -> None:
    """What a service waits for is a service, and one that tells its health."""
    services = compose["services"]
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy"
            assert "healthcheck" in services[name]


def test_mounted_files_exist(compose: dict[str, Any]) -> None:
    """Each mount is a declared volume, a file of the folder, or the folder of keys."""
    sources = {
        mount.split(":")[0]
        for service in compose["services"].values()
        for mount in service.get("volumes", [])
    }
    files = {source for source in sources if source.startswith(".")} - {"./ssh"}
    assert sources - files - {"./ssh"} == set(compose["volumes"])
    assert [name for name in files if not (HERE / name).is_file()] == []


def test_secrets_are_demanded(compose: dict[str, Any]) -> None:
    """Every secret comes from the environment file, and nothing starts without it."""
    text = (HERE / "compose.yml").read_text()
    named = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    assert named == set(re.findall(r"\$\{(\w+):\?", text))
    given = re.findall(r"^(\w+)=(.*)$", (HERE / "example.env").read_text(), re.MULTILINE)
    assert dict(given) == dict.fromkeys(named, "")


def test_nothing_listens_to_the_world(compose: dict[str, Any]) -> None:
    """Published ports are on the loopback interface."""
    ports = [port for s in compose["services"].values() for port in s.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_image_gets_the_whole_package() -> None:
    """The image is built from every folder of the package."""
    copied = re.findall(r"^COPY (\S+) \1$", (HERE / "Dockerfile").read_text(), re.MULTILINE)
    assert set(copied) == set(LAYERS)


def test_project_names_these_services(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The containers' project is valid, and uses MongoDB and Redis of this set."""
    monkeypatch.setenv("MONGO_PASSWORD", PASSWORD)
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    path = tmp_path / "group.yaml"
    path.write_text((HERE / "group.yaml").read_text())
    project = load_file(path)
    assert project.name == compose["services"]["runner"]["environment"]["JFCELERY_PROJECT"]
    assert not project.uses_embedded_database
    assert not project.uses_embedded_broker


def test_redis_serves_celery_with_these_rights(session_folder: Path) -> None:
    """With the folder's configuration and users, messages go through Redis; nobody else may."""
    folder = session_folder / "compose-redis"
    folder.mkdir()
    users = (HERE / "users.acl").read_text()
    secret = hashlib.sha256(PASSWORD.encode()).hexdigest()
    (folder / "users.acl").write_text(users.replace("PASSWORD_SHA256", secret))
    address = folder / "s"
    argv = [str(find_broker()), str(HERE / "redis.conf"), "--dir", str(folder), "--port", "0"]
    argv += ["--unixsocket", str(address), "--aclfile", str(folder / "users.acl")]
    with running(argv, folder):
        wait_until(address.exists, "Redis to listen")
        url = f"redis+socket://jfcelery:{quote(PASSWORD)}@{quote(str(address))}?virtual_host=0"
        options = celery_settings(BrokerEndpoint(url))["broker_transport_options"]
        with Connection(url, transport_options=options) as connection:
            queue = connection.SimpleQueue("test")
            queue.put({"id": 1}, serializer="json")
            assert queue.get(timeout=30).payload == {"id": 1}
            queue.close()
        with (
            redis.Redis(unix_socket_path=str(address)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
