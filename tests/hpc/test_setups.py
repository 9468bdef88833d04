"""The three usual set-ups, each in a network whose clusters can open no connection.

What each set-up is, and how to make it, stands in ``docs/setups.md``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.services.binaries import find_broker, find_database
from tests.support.cluster import PROGRAM
from tests.support.servers import running
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.cluster import Cluster

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(900)]

#: Seconds that a command may take, a flow's end included.
PATIENCE = 300
#: Ports on which database and broker of the full split listen, in the server's own network.
DATABASE_PORT, BROKER_PORT = 27117, 6479
#: A root and a number added to it; jobs of functions that every Python has.
FLOW = """\
import math, operator
from jobflow import Flow
from jobflow.core.job import Job

root = Job(math.sqrt, function_args=(16.0,), name="root")
total = Job(operator.add, function_args=(root.output, 1), name="total")
total.update_config({"manager_config": {"worker": WORKER}})
flow = Flow([root, total], output=total.output)
"""


@dataclass(frozen=True)
class Machine:
    """A machine of the testbed's network on which a person types commands.

    Args:
        cluster: The testbed.
        name: ``ws``, which has this machine's files, or a host with its own.
        folder: The projects folder, as the machine sees it.
        seen: The same folder, as the test sees it.
    """

    cluster: Cluster
    name: str
    folder: str
    seen: Path

    def argv(self, words: Sequence[str]) -> list[str]:
        """Return the command that runs another one there, in the person's environment."""
        env = {"JFCELERY_PROJECTS_FOLDER": self.folder, "JFCELERY_PROJECT": "setup"}
        state = str(self.cluster.bed.state)
        enter = [sys.executable, str(PROGRAM), "--state", state, "exec"]
        if self.name == "ws":
            return [*enter, "ws", "--", "env", *pairs(env), *words]
        env |= {"HOME": self.folder, "PATH": f"{self.cluster.prefix}/bin:/usr/bin:/bin"}
        return [*enter, "--user", "hpc", self.name, "--", "env", "-i", *pairs(env), *words]

    def jfc(self, *words: str) -> str:
        """Type a command, and return what it prints."""
        program = str(Path(sys.executable).with_name("jfc")) if self.name == "ws" else "jfc"
        done = subprocess.run(
            self.argv([program, *words]),
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd="/",
        )
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}\n{self.logs()}"
        return done.stdout

    def logs(self) -> str:
        """Return the ends of all logs below the projects folder."""
        texts = [f"{p}\n{p.read_text()[-3000:]}" for p in self.seen.rglob("*.log") if p.is_file()]
        return "\n".join(texts)

    def write(self, project: Mapping[str, Any], worker: str) -> None:
        """Write the project file, and a flow whose last job goes to a worker."""
        self.seen.mkdir(parents=True, exist_ok=True)
        (self.seen / "setup.yaml").write_text(json.dumps({"name": "setup", **project}))
        (self.seen / "flow.py").write_text(FLOW.replace("WORKER", repr(worker)))
        (self.seen / ".ssh").mkdir(mode=0o700)
        shutil.copy(self.cluster.known_hosts, self.seen / ".ssh" / "known_hosts")
        shutil.copy(self.cluster.bed.data["key"], self.seen / ".ssh" / "id_ed25519")
        if self.name != "ws":
            owner = (self.cluster.bed.root(self.name) / "home" / "hpc").stat()
            for path in (self.seen, *self.seen.rglob("*")):
                os.chown(path, owner.st_uid, owner.st_gid)

    @contextlib.contextmanager
    def runner(self) -> Iterator[None]:
        """Run Celery workers and beat here while the context lasts."""
        self.jfc("runner", "start", "--single", "--no-flower")
        try:
            yield
        finally:
            self.jfc("runner", "stop")

    def submit(self) -> None:
        """Submit the flow, wait for its end, and look at what came of it."""
        told = self.jfc("submit", f"{self.folder}/flow.py", "--wait", "--json")
        _root, total = json.loads(told)["db_ids"]
        assert json.loads(self.jfc("job", "output", total, "--json")) == 5.0


def pairs(env: Mapping[str, str]) -> list[str]:
    """Return variables as the command ``env`` takes them."""
    return [f"{key}={value}" for key, value in env.items()]


@pytest.fixture
def machine(testbed: Cluster, session_folder: Path) -> Iterator[Any]:
    """A function that gives a machine by name, with a new projects folder on it."""
    made: list[Path] = []

    def make(name: str) -> Machine:
        short = f"s{uuid.uuid4().hex[:8]}"
        if name == "ws":
            folder = seen = session_folder / short
        else:
            folder = Path("/home/hpc") / short
            seen = testbed.bed.root(name) / "home" / "hpc" / short
        made.append(seen)
        return Machine(testbed, name, str(folder), seen)

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _clusters_open_no_connection(testbed: Cluster) -> Iterator[None]:
    """The firewall has refused nothing that a cluster tried."""
    before = testbed.bed.denied()
    yield
    assert testbed.bed.denied() == before


def says(log: Path, word: str) -> bool:
    """Return whether a server has written something to its log."""
    return word in log.read_text()


def remote(machine: Machine, host: str, scheduler: str) -> dict[str, Any]:
    """Return a worker as a machine reaches it: by its own address, with a key of one's own."""
    worker = machine.cluster.worker(host, scheduler)
    address = machine.cluster.bed.data["hosts"][host]["address"]
    key = f"{machine.folder}/.ssh/id_ed25519"
    return worker | {"host": address, "port": 22, "key_filename": key}


def test_all_in_one(testbed: Cluster, machine: Any) -> None:
    """Services, Celery workers and the person are all on a cluster's login node."""
    login = machine("hpca")
    worker = {
        "type": "local",
        "scheduler_type": "slurm",
        "work_dir": f"{login.folder}/jobs",
        "resources": {"time": "0:10:00"},
    }
    login.write({"workers": {"slurm": worker}}, "slurm")
    with login.runner():
        login.submit()
    told = testbed.bed.on("hpca", "sacct", "-nXP", "-o", "WorkDir,State").stdout
    states = [row.rpartition("|")[2] for row in told.splitlines() if login.folder in row]
    assert states == ["COMPLETED"] * 2


def test_user_workstation(machine: Any) -> None:
    """Services and Celery workers on the workstation, jobs on the cluster, SSH in between."""
    workstation = machine("ws")
    workstation.write({"workers": {"hpca": remote(workstation, "hpca", "slurm")}}, "hpca")
    with workstation.runner():
        workstation.submit()


@contextlib.contextmanager
def servers(machine: Machine, folder: Path) -> Iterator[dict[str, Any]]:
    """Run a database and a broker at the machine's address; give the project's sections."""
    bed = machine.cluster.bed
    address = bed.data["hosts"][machine.name]["address"]
    there = bed.ns(machine.name, only_net=True)
    folders = [folder / name for name in ("database", "broker")]
    for place in folders:
        place.mkdir()
    database = [str(find_database()), "--host", address, "--port", str(DATABASE_PORT)]
    database += ["--storage-path", str(folders[0] / "data"), "--log-file-max", "64MB"]
    broker = [str(find_broker()), "--bind", address, "--port", str(BROKER_PORT)]
    broker += ["--dir", str(folders[1]), "--requirepass", "of-a-test", "--appendonly", "yes"]
    broker += ["--maxmemory-policy", "noeviction"]
    store = {
        "type": "MongoURIStore",
        "uri": f"mongodb://{address}:{DATABASE_PORT}/?directConnection=true",
        "database": "setup",
        "collection_name": "jobs",
    }
    with (
        running([*there, *database], folders[0]),
        running([*there, *broker], folders[1]),
    ):
        for place, word in zip(folders, ("listening on", "Ready to accept"), strict=True):
            wait_until(partial(says, place / "log", word), f"a server to say {word!r}")
        url = f"redis://:of-a-test@{address}:{BROKER_PORT}/0"
        yield {"queue": {"store": store}, "broker": {"url": url}}


def test_full_split(machine: Any, session_folder: Path) -> None:
    """A laptop submits and leaves the rest to a server; two clusters run it."""
    server, laptop = machine("gw"), machine("ws")
    workers = {
        "hpca": remote(server, "hpca", "slurm"),
        "hpcb": remote(server, "hpcb", "sge"),
    }
    folder = session_folder / "servers"
    folder.mkdir()
    with servers(server, folder) as services:
        server.write({"workers": workers, **services}, "hpcb")
        laptop.write({"workers": workers, **services}, "hpcb")
        with server.runner():
            laptop.submit()
            assert "running" in server.jfc("runner", "status")
    assert not (laptop.seen / "setup" / "services").exists()
    assert not (laptop.seen / "setup" / "daemon").exists()
