"""The running system: a runner, kept as systemd would, and a second machine's Celery worker."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from jfcelery import services
from jfcelery.project import load_file
from jfcelery.services import BrokerService, DatabaseService
from jfcelery.tasks.queues import all_queues
from jfcelery.tasks.runner.folder import RunnerFolder
from jfcelery.tasks.runner.layout import Layout
from jfcelery.tasks.runner.records import SUPERVISOR, Records
from tests.chaos.flows import VARIABLE
from tests.support.tree import TREE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.chaos.plan import Event

#: Length of a lease in seconds, by the project file.
TERM = 10
#: Seconds after which systemd would start a process anew.
RESTART = 1.0
#: Clocks of the second machine: minutes fast or slow.
SKEWS = (-11, -3, 4, 15)
#: Seconds that a submission may take.
PATIENCE = 240.0


@dataclass
class Keeper:
    """Starts a process again whenever it ends.

    Args:
        start: Starts it.
    """

    start: Callable[[], subprocess.Popen[bytes]]
    lives: int = 0
    process: subprocess.Popen[bytes] | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Keep it, from now on."""
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._over.is_set():
            self.process = self.start()
            self.lives += 1
            while self.process.poll() is None and not self._over.wait(0.1):
                pass
            self._over.wait(RESTART)

    def end(self) -> None:
        """End it for good."""
        self._over.set()
        self._thread.join()
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class System:
    """The project with all its processes on this machine.

    Args:
        folder: Of everything; short, for the unix sockets.
        worker: The worker on the cluster.
        home: The home directory, with the known hosts.
    """

    def __init__(self, folder: Path, worker: Mapping[str, Any], home: Path) -> None:
        self.folder = folder
        self.effects = folder / "effects.jsonl"
        self.effects.touch()
        self.disk = folder / "disk"
        self.disk.mkdir()
        _mount(self.disk)
        path = folder / "projects" / "chaos.yaml"
        path.parent.mkdir()
        path.write_text(json.dumps(self._content(worker)))
        self.project = load_file(path)
        self.env = {
            **os.environ,
            "HOME": str(home),
            "JFCELERY_PROJECT": "chaos",
            "JFCELERY_PROJECTS_FOLDER": str(path.parent),
            "PYTHONPATH": str(TREE),
            "C_FORCE_ROOT": "1",
        }
        self.runner = Keeper(self._start_runner)
        self.second = Keeper(self._start_second)
        self._minutes = 0
        self._random = Random(0)  # noqa: S311 - no secret

    def _content(self, worker: Mapping[str, Any]) -> dict[str, Any]:
        here = {
            "type": "local",
            "scheduler_type": "shell",
            "work_dir": str(self.folder / "work"),
            "pre_run": f"export PYTHONPATH={TREE}\nexport CHAOS_EFFECTS={self.effects}",
            "max_jobs": 6,
        }
        return {
            "name": "chaos",
            "base_dir": str(self.folder / "base"),
            "tmp_dir": str(self.disk),
            "log_dir": str(self.folder / "log"),
            "workers": {"here": here, "hpca": dict(worker)},
            "runner": {
                "lock_timeout": TERM,
                "delay_checkout": 3,
                "delay_advance_status": 3,
                "delay_check_run_status": 4,
                "delta_retry": [2, 4, 8],
                "max_step_attempts": 8,
            },
            "poll": {"min_interval": 1, "max_interval": 4},
            # Slurm is killed, and may forget what has begun.
            "recovery": [{"on": ["LOST"], "attempts": 3}],
        }

    # ------------------------------------------------------------- processes

    def _start_runner(self) -> subprocess.Popen[bytes]:
        code = "from jfcelery.cli.main import main; main()"
        options = ["runner", "run", "--no-flower", "--concurrency", "8", "--drain", "5"]
        return self._start("runner", self.env, sys.executable, "-c", code, *options)

    def _start_second(self) -> subprocess.Popen[bytes]:
        queues = ",".join(all_queues(self.project))
        argv = [sys.executable, "-m", "tests.chaos.skewed", str(self._minutes)]
        argv += ["-A", "jfcelery.tasks.app:app", "worker"]
        argv += ["-P", "threads", "-c", "4", "-Q", queues, "-n", "second@%h", "-l", "info"]
        return self._start("second", self.env, *argv, "--without-gossip", "--without-mingle")

    def _start(self, log: str, env: Mapping[str, str], *argv: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{log}.log").open("ab") as file:
            return subprocess.Popen(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=self.folder
            )

    def start(self) -> None:
        """Start everything."""
        services.ensure(self.project)
        self.runner.begin()
        self.second.begin()

    def stop(self) -> None:
        """End everything."""
        self.second.end()
        self.runner.end()
        services.stop(self.project)

    def close(self) -> None:
        """Unmount what was mounted."""
        subprocess.run(["umount", "-l", str(self.disk)], check=False, capture_output=True)

    # ---------------------------------------------------------------- faults

    def workers(self) -> list[int]:
        """Return the pids of all Celery workers, the one with beat among them."""
        records = Records(RunnerFolder.of(self.project)).living()
        pids = [record.pid for record in records if record.name != SUPERVISOR]
        second = self.second.process
        return pids + ([second.pid] if second and second.poll() is None else [])

    def kill_worker(self, number: int) -> str:
        """Kill one of the Celery workers."""
        pids = self.workers()
        if not pids:
            return "no worker"
        _kill(pids[number % len(pids)])
        return str(number % len(pids))

    def kill_beat(self) -> None:
        """Kill the Celery worker that also sends the periodic tasks."""
        name = next(member.name for member in Layout(flower=False).members() if member.beat)
        for record in Records(RunnerFolder.of(self.project)).living():
            if record.name == name:
                _kill(record.pid)

    def kill_supervisor(self) -> None:
        """Kill the supervisor."""
        if record := Records(RunnerFolder.of(self.project)).supervisor():
            _kill(record.pid)

    def skew(self, number: int) -> str:
        """Give the second machine's worker another clock."""
        self._minutes = SKEWS[number % len(SKEWS)]
        if self.second.process is not None:
            _kill(self.second.process.pid)
        return f"{self._minutes:+d} minutes"

    def service(self, name: str) -> DatabaseService | BrokerService:
        """Return one of the embedded services."""
        kind = DatabaseService if name == "database" else BrokerService
        return kind(self.project.base_dir, self.project.log_dir)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to an embedded service."""
        if record := self.service(name).running():
            _kill(record.process.pid, number)

    def kill_broker_and_file(self) -> None:
        """Kill the broker, and take away what it has written."""
        broker = self.service("broker")
        self.signal("broker", signal.SIGSTOP)
        for path in broker.files.data.iterdir():
            path.rename(self.folder / f"lost-{path.name}-{os.urandom(4).hex()}")
        self.signal("broker", signal.SIGKILL)

    def flush(self) -> None:
        """Take all messages away, if the broker is there."""
        subprocess.run([sys.executable, "-c", _FLUSH], env=self.env, check=True)

    def fill(self, *, full: bool) -> None:
        """Leave no byte where downloads go, or give the space back."""
        filler = self.disk / "filler"
        if full:
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(b"0" * 4096):
                    pass
        else:
            filler.unlink(missing_ok=True)

    # ----------------------------------------------------------- submissions

    def submit(self, event: Event) -> bool:
        """Submit a flow by the command line; return whether it said that it did."""
        code = "from jfcelery.cli.main import main; main()"
        flow = str(TREE / "tests" / "chaos" / "flows.py")
        env = {**self.env, VARIABLE: f"{event.flow} {event.kind} {event.worker} {event.width}"}
        argv = [sys.executable, "-c", code, "submit", flow, "--json"]
        with (self.folder / "submissions.log").open("ab") as log:
            process = subprocess.Popen(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        try:
            return process.wait(event.killed_after or PATIENCE) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False


#: The user that jfcelery makes for itself may not say FLUSHALL.
_FLUSH = """
import redis
from jfcelery.errors import ServiceError
from jfcelery.project import load_project
from jfcelery.services.client import redis_client
try:
    client = redis_client(load_project())
    if keys := list(client.scan_iter("jfcelery:*", count=1000)):
        client.delete(*keys)
except (redis.ConnectionError, redis.TimeoutError, ServiceError):
    pass
"""


def _kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _mount(folder: Path) -> None:
    """Give a folder a small disk of its own."""
    argv = ["mount", "-t", "tmpfs", "-o", "size=24m", "chaos", str(folder)]
    subprocess.run(argv, check=True)
