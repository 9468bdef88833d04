"""The set of containers: consistent in itself, and its Redis as Celery needs it.

No container engine is needed: the files are read, and Redis is started with its own
configuration and users.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
import pytest
import redis
from kombu import Connection
from ruamel.yaml import YAML

from jfcelery.cli.main import jfc
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


def test_what_is_mounted_as_secret_or_configuration_is_declared(compose: dict[str, Any]) -> None:
    """Services mount secrets and configurations that the file has, and it has no others."""
    for kind in ("secrets", "configs"):
        used = {
            entry if isinstance(entry, str) else entry["source"]
            for service in compose["services"].values()
            for entry in service.get(kind, [])
        }
        assert used == set(compose[kind])


def test_nobody_is_root_and_every_image_is_a_release(compose: dict[str, Any]) -> None:
    """Other people's images run under a user of theirs, ours under its own; no tag floats."""
    dockerfile = (HERE / "Dockerfile").read_text()
    assert re.search(r"^USER 1000$", dockerfile, re.MULTILINE)
    images = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    for service in compose["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert ("build" in service) or service["user"] not in ("root", "0")
        images.append(service["image"])
    assert [image for image in images if not re.search(r":v?\d+\.\d+\.\d+", image)] == []


def test_servers_tell_their_health(compose: dict[str, Any]) -> None:
    """All but what is for commands, and Flower, whose every page wants a login."""
    without = {name for name, found in compose["services"].items() if "healthcheck" not in found}
    assert without == {"flower", "jfc"}


@pytest.mark.parametrize("name", ["runner", "flower", "gui", "jfc"])
def test_commands_exist(compose: dict[str, Any], name: str) -> None:
    """The containers' commands are jfc's, with options that they have."""
    command: click.Command = jfc
    words = list(compose["services"][name]["command"])
    context = click.Context(jfc, info_name="jfc")
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command = found
        context = click.Context(command, parent=context)
    command.make_context(name, words, parent=context)


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
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    (tmp_path / "password").write_text(PASSWORD)
    text = (HERE / "group.yaml").read_text()
    path = tmp_path / "group.yaml"
    path.write_text(text.replace("/run/secrets/mongo_password", str(tmp_path / "password")))
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
