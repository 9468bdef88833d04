"""Secrets of a project stay where they are: in the project file's references, and in the memory.

Passwords stand wherever a project may have one, all go over encrypted connections, jobs succeed
and fail on real hosts; then everything is searched that anybody else may see.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import stat
import subprocess
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow
from jobflow.core.job import Job

from jfcelery import services
from jfcelery.controller import JobController
from jfcelery.database.connection import open_queue
from jfcelery.database.hosts import HostRecords
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from jfcelery.tasks.runner.flower import FlowerAccess
from jfcelery.tasks.runner.layout import Layout
from jfcelery.tasks.runner.lifecycle import Runner
from tests.support.calling import Jfc
from tests.support.encrypted import encrypted_servers
from tests.support.faults import exits_at_once, raises
from tests.support.jobs import identity
from tests.support.tree import TREE
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project
    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(600)]

DATABASE, BROKER = "planted-in-the-database", "planted-in-the-broker"
WRONG, PASSPHRASE = "planted-as-a-wrong-password", "planted-as-a-passphrase"
NOTIFIED = "planted-in-a-notification"
#: Who may look at everything in Redis, for the test.
WATCHER = "planted-for-nobody"
#: What of jfc shows something and takes no argument.
LISTINGS = (
    "job list",
    "job report",
    "flow list",
    "flow report",
    "batch list",
    "project list",
    "project worker list",
    "project exec_config list",
    "project check -e",
    "worker list",
    "runner status",
    "runner info",
    "plugin list",
    "doctor",
)
#: What shows something about a job.
OF_A_JOB = ("job info -v", "job why", "job history", "job logs", "job queue-out", "job output")


class Watch:
    """Notes all command lines of this machine and all commands that Redis gets, while it lasts.

    Args:
        path: Unix socket of the broker.
    """

    def __init__(self, path: Path) -> None:
        self.lines: set[str] = set()
        self.commands = b""
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._processes),
            threading.Thread(target=self._messages, args=(path,)),
        ]
        for thread in self._threads:
            thread.start()

    def _processes(self) -> None:
        while not self._over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                self.lines.add(line)

    def _messages(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.settimeout(0.5)
            client.sendall(f"AUTH watcher {WATCHER}\r\nMONITOR\r\n".encode())
            while not self._over.is_set():
                with contextlib.suppress(TimeoutError):
                    self.commands += client.recv(65536)

    def end(self) -> None:
        """Note no more."""
        self._over.set()
        for thread in self._threads:
            thread.join()


@dataclass
class Scene:
    """A project full of secrets, after jobs went well and went wrong.

    Args:
        project: The project.
        secrets: What must not be seen.
        watch: What processes and Redis showed meanwhile.
        folder: Files of the project on this machine.
        far: Files on the cluster.
    """

    project: Project
    secrets: dict[str, str]
    watch: Watch
    folder: Path
    far: Path
    seen: dict[str, str] = field(default_factory=dict)

    def jfc(self, *arguments: str) -> None:
        """Keep all that a command says, with traces where it fails."""
        answer = Jfc(self.project.name)("-fe", *arguments)
        self.seen[f"jfc {' '.join(arguments)}"] = answer.stdout + answer.stderr

    def leaks(self) -> list[str]:
        """Return where a secret was seen, and which."""
        return [
            f"{what} in {where}"
            for where, text in self.seen.items()
            for what, secret in self.secrets.items()
            if secret in text
        ]


@pytest.fixture
def scene(
    testbed: Cluster,
    make_project: ProjectFactory,
    session_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    """A project full of secrets, whose jobs went well and went wrong."""
    bed = testbed.bed.data
    secrets = {"database": DATABASE, "broker": BROKER, "wrong": WRONG, "passphrase": PASSPHRASE}
    secrets |= {"notification": NOTIFIED, "ssh": bed["password"]}
    for name, value in secrets.items():
        monkeypatch.setenv(f"PLANTED_{name.upper()}", value)
    monkeypatch.setenv("PYTHONPATH", str(TREE))
    folder = session_folder / f"secrets{os.getpid()}"
    with ExitStack() as stack:
        watcher = f"user watcher on >{WATCHER} ~* &* +@all"
        servers = stack.enter_context(encrypted_servers(folder, DATABASE, BROKER, watcher))
        (tmp_path / "password").write_text(f"{DATABASE}\n")
        sections = servers.sections("${PLANTED_DATABASE}", "${PLANTED_BROKER}")
        sections["jobstore"]["docs_store"]["password"] = f"file:{tmp_path / 'password'}"
        project = make_project(
            **sections,
            workers=_workers(testbed, tmp_path),
            notifications=[{"urls": ["json://me:${PLANTED_NOTIFICATION}@127.0.0.1:1/"]}],
            base_dir=str(tmp_path / "base"),
        )
        watch = Watch(folder / "s")
        stack.callback(watch.end)
        runner = Runner(project)
        stack.callback(services.stop, project)
        stack.callback(runner.kill)
        runner.start(Layout(concurrency=4))
        _run(project)
        secrets["flower"] = FlowerAccess.of(runner.folder.flower).password
        far = testbed.bed.root("hpca") / project.workers["far"].work_dir.relative_to("/")
        yield Scene(project, secrets, watch, tmp_path, far)


def _workers(testbed: Cluster, tmp_path: Path) -> dict[str, Any]:
    """Return one here, one behind a password, and two that let nobody in."""
    bed = testbed.bed.data
    locked = tmp_path / "locked"
    locked.write_bytes(Path(bed["key"]).read_bytes())
    locked.chmod(0o600)
    argv = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "another one", "-f", str(locked)]
    subprocess.run(argv, check=True, capture_output=True)
    door = bed["hosts"]["hpca"]["ssh_password"]
    far = testbed.worker("hpca", "slurm") | {"port": door["port"], "key_filename": None}
    far["connect_kwargs"] = {"look_for_keys": False, "allow_agent": False}
    far = {key: value for key, value in far.items() if value is not None}
    return {
        "here": {
            "type": "local",
            "scheduler_type": "shell",
            "work_dir": str(tmp_path / "work"),
        },
        "far": far | {"password": "${PLANTED_SSH}"},
        "refused": far | {"user": "other", "password": "${PLANTED_WRONG}"},
        "locked": far
        | {
            "user": "noisy",
            "port": bed["hosts"]["hpca"]["ssh"]["port"],
            "key_filename": str(locked),
            "passphrase": "${PLANTED_PASSPHRASE}",
        },
    }


def _run(project: Project) -> None:
    """Have jobs go well, and go wrong in every way that shows something."""
    there = Job(math.sqrt, function_args=(4.0,))  # the cluster has no module of ours
    there.update_config({"manager_config": {"worker": "far"}})
    jobs: list[Any] = [identity(1), raises(0), exits_at_once(), there]
    for worker in ("refused", "locked"):
        jobs.append(identity(2))
        jobs[-1].update_config({"manager_config": {"worker": worker}})
    flow = Flow(jobs)
    submit_flow(flow, worker="here", project=project)
    controller = JobController.from_project(project)
    ends = [JobState.COMPLETED, JobState.FAILED, JobState.REMOTE_ERROR, JobState.COMPLETED]
    records = HostRecords(open_queue(project))

    def over() -> bool:
        found = {doc.uuid: doc.state for doc in controller.get_jobs_info(flow_ids=[flow.uuid])}
        states = [found[job.uuid] for job in jobs[:4]]
        hosts = [project.workers[name].host_key for name in ("refused", "locked")]
        refused = {records.get(host).error_class for host in hosts}
        return states == ends and refused == {"AuthenticationError"}

    wait_until(over, "jobs to end, and hosts to refuse us", deadline=240, every=0.5)


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")


def test_secrets_stay_where_they_are(scene: Scene) -> None:
    """None is in logs, ps, messages, the database, run folders, or in what jfc says.

    Files of the runner that hold one are their owner's alone.
    """
    _ask(scene)
    _search(scene)
    assert scene.leaks() == []
    # It was looked for where there was something to be seen.
    assert any("celery" in line for line in scene.watch.lines)
    assert "jfcelery.upload" in scene.seen["Redis"]
    assert {"control-1.log", "hosts-1.log", "flower.log"} <= {Path(n).name for n in scene.seen}

    files = [path for path in Path(str(scene.project.base_dir)).rglob("*") if path.is_file()]
    holders = [p for p in files if any(secret in _text(p) for secret in scene.secrets.values())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in holders} == {0o600}


def _ask(scene: Scene) -> None:
    """Have jfc show all that it can."""
    for listing in LISTINGS:
        scene.jfc(*listing.split(), *([] if listing == "doctor" else ["--json"]))
    for number in (3, 5):
        for command in OF_A_JOB:
            scene.jfc(*command.split(), str(number), "--json")
    scene.jfc("flow", "info", "1", "-j", "--json")
    for worker in ("far", "refused", "locked"):
        scene.jfc("worker", "test", worker, "--json")
    scene.jfc("doctor", "--json")


def _search(scene: Scene) -> None:
    """Read what processes, messages, database and files show."""
    scene.watch.end()
    scene.seen["ps"] = "\n".join(scene.watch.lines)
    scene.seen["Redis"] = scene.watch.commands.decode(errors="replace")
    database = open_queue(scene.project).database
    for name in database.list_collection_names():
        scene.seen[f"collection {name}"] = repr(list(database[name].find({})))
    logs = Path(str(scene.project.log_dir)).rglob("*.log")
    folders = [*(scene.folder / "work").rglob("*"), *scene.far.rglob("*")]
    for path in [*logs, *(path for path in folders if path.is_file())]:
        scene.seen[str(path)] = _text(path)
