"""The containers' processes, started as ``compose.yml`` says, on this machine without any engine.

Paths and ports of the containers are replaced; each is a machine with a name of its own. In place
of MongoDB is the embedded server, in place of the cluster a worker of the runners themselves.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest
from ruamel.yaml import YAML

from jfcelery.services.binaries import find_broker
from tests.conftest import missing
from tests.support.encrypted import login_database
from tests.support.servers import LOOPBACK, free_port, running
from tests.support.tree import TREE
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [pytest.mark.slow, pytest.mark.embedded, pytest.mark.timeout(600)]

HERE = TREE / "compose"
#: Where the programs of this environment are, as in an image.
PROGRAMS = Path(sys.executable).parent
#: Seconds for a process to be healthy, or to end, however slow the machine.
PATIENCE = 120


@dataclass(frozen=True)
class Layout:
    """What takes the place of the containers' file systems and ports.

    Args:
        folder: A copy of ``compose`` with its secrets, and a folder for each container.
        services: Of ``compose.yml``.
        ports: On this machine, by those of the containers.
    """

    folder: Path
    services: dict[str, Any]
    ports: dict[str, int]

    def here(self, text: str, container: str) -> str:
        """Return a text of a container as it is meant here."""
        own = self.folder / container
        places: dict[str, object] = {
            "/run/secrets": self.folder / "compose/secrets",
            "/var/lib/jfcelery": own,
            "/etc/jfcelery": own / "etc",
            "/etc/redis": self.folder / "compose",
            "/tmp/": f"{own}/",
            "0.0.0.0": LOOPBACK,  # noqa: S104 - where only an engine reaches the container
            "$$": "$",
            **self.ports,
        }
        pattern = "|".join(map(re.escape, places))
        return re.sub(pattern, lambda found: str(places[found[0]]), text)

    def words(self, given: Sequence[str], container: str) -> list[str]:
        """Return a command of a container as it is meant here."""
        return [self.here(word, container) for word in given]

    def environment(self, service: str, container: str) -> dict[str, str]:
        """Return the variables of a container."""
        own = self.services[service].get("environment", {})
        given = {name: self.here(value, container) for name, value in own.items()}
        path = f"{PROGRAMS}:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(self.folder), "C_FORCE_ROOT": "1", **given}

    def write_project(self, container: str) -> None:
        """Write what is mounted into a container of jfcelery."""
        etc = self.folder / container / "etc"
        etc.mkdir(parents=True)
        shutil.copy(HERE / "demo/flow.py", etc)
        project = YAML(typ="safe").load(self.here((HERE / "demo/demo.yaml").read_text(), container))
        project["queue"]["store"] |= {"host": LOOPBACK, "port": self.ports["27017"]}
        work = str(self.folder / "jobs")
        here = {"type": "local", "scheduler_type": "shell", "work_dir": work}
        project["workers"] = {"here": here}
        (etc / "project.yaml").write_text(json.dumps(project))

    def jfc(self, service: str, container: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container."""
        return subprocess.run(
            [str(PROGRAMS / "jfc"), *words],
            env=self.environment(service, container),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    @contextmanager
    def started(self, service: str, container: str) -> Iterator[None]:
        """Run a container of jfcelery until the context ends, as an engine does."""
        self.write_project(container)
        for secret in self.services[service]["secrets"]:
            if isinstance(secret, dict) and secret["target"].startswith("/var/lib/jfcelery"):
                source = self.folder / "compose/secrets" / secret["source"]
                shutil.copy(source, self.here(secret["target"], container))
        command = self.words(["jfc", *self.services[service]["command"]], container)
        enter = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', container]
        log = self.folder / f"{container}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [*enter, *command],
                env=self.environment(service, container),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        try:
            wait_until(lambda: self.is_healthy(service, container), container, deadline=PATIENCE)
            yield
        except Exception as error:
            error.add_note(f"{container}:\n{log.read_text()[-3000:]}")
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)

    def is_healthy(self, service: str, container: str) -> bool:
        """Whether a container's own check says so."""
        kind, *check = self.words(self.services[service]["healthcheck"]["test"], container)
        assert kind == "CMD"
        enter = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', container]
        env = self.environment(service, container)
        done = subprocess.run([*enter, *check], env=env, check=False, capture_output=True)
        return done.returncode == 0


@pytest.fixture
def layout(session_folder: Path) -> Iterator[Layout]:
    """Database and broker as the containers have them, with the secrets that the script made."""
    if os.geteuid():
        missing("a machine with a name of its own needs root")
    folder = session_folder / "layout"
    shutil.copytree(HERE, folder / "compose", ignore=shutil.ignore_patterns("secrets", "ssh"))
    subprocess.run(["sh", str(folder / "compose/secrets.sh")], check=True)
    services = YAML(typ="safe").load(HERE / "compose.yml")["services"]
    password = (folder / "compose/secrets/mongo_password").read_text()
    (folder / "mongo").mkdir()
    (folder / "redis").mkdir()
    with login_database(folder / "mongo", "jfcelery", password) as database, ExitStack() as stack:
        numbers = {port: free_port(LOOPBACK) for port in ("5555", "8470", "6379")}
        found = Layout(folder, services, {"27017": database, **numbers})
        url = folder / "compose/secrets/redis_url"
        text = url.read_text().replace("redis:6379", f"{LOOPBACK}:{numbers['6379']}")
        url.chmod(0o600)
        url.write_text(text)
        stack.enter_context(_redis(found))
        yield found


@contextmanager
def _redis(layout: Layout) -> Iterator[None]:
    """Run the broker by the container's own command."""
    *shell, script = layout.words(layout.services["redis"]["command"], "redis")
    script = script.replace("redis-server", str(find_broker())).strip()
    script = script.replace("--dir /data", f"--dir {layout.folder / 'redis'}")
    here = f" --bind {LOOPBACK} --port {layout.ports['6379']}"
    with running([*shell, script + here], layout.folder / "redis"):
        yield


def test_the_layout_runs_a_flow(layout: Layout) -> None:
    """Two runners, Flower and the web page are healthy, and the demonstration's flow completes.

    The pages let in by the secrets that the script made, and nobody without.
    """
    secrets = layout.folder / "compose/secrets"
    names = {"runner-1": "runner", "runner-2": "runner", "flower": "flower", "gui": "gui"}
    layout.write_project("jfc")
    with ExitStack() as stack:
        for container, service in names.items():
            stack.enter_context(layout.started(service, container))
        flow = str(layout.folder / "jfc/etc/flow.py")
        told = layout.jfc("jfc", "jfc", "submit", flow, "--wait", "--json")
        assert told.returncode == 0, told.stderr
        *_, last = json.loads(told.stdout)["db_ids"]
        assert json.loads(layout.jfc("jfc", "jfc", "job", "output", last, "--json").stdout) == 6
        found = json.loads(layout.jfc("jfc", "jfc", "doctor", "--json").stdout)["findings"]
        assert [one for one in found if one["level"] == "error"] == []
        assert any(one["text"].startswith("2 Celery workers answer") for one in found), found
        gui = f"http://{LOOPBACK}:{layout.ports['8470']}"
        token = (secrets / "metrics_token").read_text()
        metrics = httpx.get(f"{gui}/metrics", headers={"Authorization": f"Bearer {token}"})
        assert 'jfcelery_jobs{state="COMPLETED",worker="here"} 2.0' in metrics.text
        assert httpx.get(f"{gui}/metrics").status_code == httpx.codes.UNAUTHORIZED
        password = (secrets / "gui_password").read_text()
        entered = httpx.post(f"{gui}/login", data={"password": password})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        flower = f"http://{LOOPBACK}:{layout.ports['5555']}/healthcheck"
        user, _, word = (secrets / "flower_login").read_text().partition(":")
        assert httpx.get(flower).status_code == httpx.codes.UNAUTHORIZED
        assert httpx.get(flower, auth=(user, word)).status_code == httpx.codes.OK
