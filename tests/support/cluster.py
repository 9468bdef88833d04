"""The testbed of real clusters, as tests see it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.installation import installation, masked_paths
from tests.support.tree import TREE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

#: The testbed's own code, which imports nothing of ours.
PROGRAM = TREE / "tests" / "testbed" / "testbed.py"
#: Names the state folder of a testbed that is up already.
STATE_VARIABLE = "HPC_TESTBED_STATE"
#: How long the testbed may take to start, in seconds.
START_TIMEOUT = 240.0


class ClusterMissingError(RuntimeError):
    """Raised when this machine cannot run the testbed."""


@dataclass(frozen=True)
class Cluster:
    """Real hosts with sshd, Slurm and Grid Engine.

    Args:
        bed: The testbed's own object: ``bed.relay(…)``, ``bed.stop_service(…)``, ``bed.on(…)``.
        prefix: Where jfcelery is installed on every host.
    """

    bed: Any
    prefix: Path

    @property
    def known_hosts(self) -> Path:
        """The file with the hosts' keys."""
        return Path(self.bed.data["known_hosts"])

    @property
    def ssh_config(self) -> Path:
        """An OpenSSH configuration that reaches every host by its name."""
        return Path(self.bed.data["ssh_config"])

    def one_time_password(self) -> str:
        """Return what a login with one-time passwords wants now."""
        return str(_module().totp())

    def connection(self, host: str, *, user: str = "hpc") -> dict[str, Any]:
        """Return the connection keys of a remote worker on a host (with its gateway, if any)."""
        place = self.bed.data["hosts"][host]["ssh"]
        keys: dict[str, Any] = {"host": place["host"], "port": place["port"], "user": user}
        keys["key_filename"] = self.bed.data["key"]
        if "gateway" in place:
            keys["gateway"] = self.connection(place["gateway"])
        return keys

    def worker(self, host: str, scheduler: str, **options: Any) -> dict[str, Any]:
        """Return a remote worker of a project file, with a work folder of its own."""
        keys = {
            "type": "remote",
            "scheduler_type": scheduler,
            "work_dir": f"/home/hpc/work/{uuid.uuid4().hex[:12]}",
            "pre_run": f"export PATH={self.prefix}/bin:$PATH",
        }
        return keys | self.connection(host) | options


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Give the testbed named in ``HPC_TESTBED_STATE``, else one that lives as long as the context.

    Raises:
        ClusterMissingError: If this machine cannot run one.
    """
    module = _module()
    prefix = installation()
    with _state(module) as state:
        bed = module.Testbed(state)
        _check_installation(bed, prefix)
        yield Cluster(bed, prefix)


@contextlib.contextmanager
def own_cluster(name: str, *options: str) -> Iterator[Cluster]:
    """Give a testbed for faults, which lives as long as the context and has no jfcelery installed.

    Args:
        name: Part of its state folder's name.
        options: Of the testbed's ``up``.

    Raises:
        ClusterMissingError: If this machine cannot run one.
    """
    module = _module()
    _check_machine(module)
    state = Path(f"/var/tmp/jfcelery-{name}-{os.getpid()}")
    try:
        _testbed(state, "up", *options)
        yield Cluster(module.Testbed(state), Path("/usr"))
    finally:
        _testbed(state, "down", "--purge")


@contextlib.contextmanager
def own_installed_cluster(name: str, state: Path | None = None) -> Iterator[Cluster]:
    """Give a testbed for faults in which jobs can run, with accounting.

    Args:
        name: Part of its state folder's name.
        state: One that is up already and that nobody else uses.

    Raises:
        ClusterMissingError: If this machine cannot run one.
    """
    module = _module()
    _check_machine(module)
    prefix = installation()
    if state is not None:
        yield Cluster(module.Testbed(state), prefix)
        return
    with own_cluster(name, "--accounting", *_shares()) as found:
        _check_installation(found.bed, prefix)
        yield Cluster(found.bed, prefix)


def _module() -> ModuleType:
    """Import the testbed's code, which belongs to no package."""
    if "testbed" in sys.modules:
        return sys.modules["testbed"]
    spec = importlib.util.spec_from_file_location("testbed", PROGRAM)
    if spec is None or spec.loader is None:
        raise ClusterMissingError(f"no testbed at {PROGRAM}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["testbed"] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _state(module: ModuleType) -> Iterator[Path]:
    """Give the state folder of a testbed that is up."""
    named = os.environ.get(STATE_VARIABLE)
    if named and module.Testbed(named).is_up():
        yield Path(named)
        return
    _check_machine(module)
    state = Path(f"/var/tmp/jfcelery-testbed-{os.getpid()}")
    try:
        _testbed(state, "up", "--accounting", *_shares())
        yield state
    finally:
        _testbed(state, "down", "--purge")


def _shares() -> list[str]:
    """Return the options that let the hosts see the running Python."""
    return [word for path in masked_paths() for word in ("--share", str(path))]


def _testbed(state: Path, command: str, *options: str) -> None:
    """Run a command of the testbed."""
    argv = [sys.executable, str(PROGRAM), "--state", str(state), command, *options]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=START_TIMEOUT)
    if done.returncode:
        raise RuntimeError(f"testbed {command}: {done.stderr[-2000:]}")


def _check_machine(module: ModuleType) -> None:
    """Raise unless the testbed can be started without installing anything."""
    if os.geteuid():
        raise ClusterMissingError("the testbed needs root")
    if not shutil.which("dpkg-query"):
        raise ClusterMissingError("the testbed needs Debian")
    wanted = [name for names in module.PACKAGES.values() for name in names]
    if missing := module.missing_packages(wanted):
        raise ClusterMissingError(f"the testbed needs Debian packages: {' '.join(missing)}")


def _check_installation(bed: Any, prefix: Path) -> None:
    """Raise unless a host can import the installed jfcelery and its dependencies."""
    for host in ("hpca", "hpcb"):
        probe = [str(prefix / "bin" / "python"), "-c", "import jfcelery, jobflow"]
        done = bed.on(host, *probe, user="hpc", check=False)
        if done.returncode:
            paths = " ".join(f"--share {path}" for path in masked_paths())
            raise RuntimeError(f"{host} cannot use {prefix}; up needs {paths}: {done.stdout}")
