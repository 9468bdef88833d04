"""Faults of one's own on the testbed's hosts: relays and SSH servers that no other test uses."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jfcelery.scheduler_io.hosts.multiplexed import MultiplexedHost
from jfcelery.scheduler_io.hosts.place import Place
from jfcelery.scheduler_io.hosts.ssh import SshHost
from tests.support.relay import Relay, relay
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from tests.support.cluster import Cluster

#: Ports of SSH servers of our own, on the hosts.
FIRST_PORT = 2300


class Lab:
    """Relays and SSH servers of one test, on the testbed's hosts.

    Args:
        cluster: The testbed.
        folder: A folder with a short path.
        home: The home directory of the tests, whose known_hosts is completed.
    """

    def __init__(self, cluster: Cluster, folder: Path, home: Path) -> None:
        self.cluster, self._folder, self._home = cluster, folder, home
        self._cleanup = contextlib.ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def relay(self, host: str = "hpca", port: int = 22, *, address: str = "127.0.0.1") -> Relay:
        """Start a relay to a port of a host, on an address of this machine."""
        folder = self._folder / f"r{self._count}"
        self._count += 1
        folder.mkdir()
        bed = self.cluster.bed
        target = (bed.data["hosts"][host]["address"], port)
        network = f"/proc/{bed.pid('host:ws')}/ns/net"
        found = self._cleanup.enter_context(relay(folder, target, address=address, network=network))
        self.know(found.port, host, address)
        return found

    def know(self, port: int, host: str, address: str = "127.0.0.1") -> None:
        """Write a host's key into known_hosts, under a port of this machine."""
        key = (Path(self.cluster.bed.data["state"]) / "keys" / f"host_{host}.pub").read_text()
        with (self._home / ".ssh" / "known_hosts").open("a") as stream:
            stream.write(f"[{address}]:{port} {' '.join(key.split()[:2])}\n")

    def sshd(self, *options: str, host: str = "hpca") -> int:
        """Start an SSH server with options of its own on a host; return its port there."""
        bed = self.cluster.bed
        port = FIRST_PORT + os.getpid() % 4000 * 10 + self._count
        self._count += 1
        name = f"lab_{port}"
        text = (bed.root(host) / "etc/ssh/sshd_config.22").read_text()
        own = ("Port", "PidFile", *(option.split()[0] for option in options))
        kept = [line for line in text.splitlines() if not line.startswith(own)]
        head = [*options, f"Port {port}", f"PidFile /run/{name}.pid"]
        (bed.root(host) / "etc/ssh" / name).write_text("\n".join([*head, *kept]) + "\n")
        pid_file = bed.root(host) / "run" / f"{name}.pid"
        bed.on(host, "/usr/sbin/sshd", "-f", f"/etc/ssh/{name}", "-E", f"/var/log/{name}.log")
        wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), "sshd to start")
        self._cleanup.callback(self._end_sshd, host, name, pid_file.read_text().strip())
        return port

    def _end_sshd(self, host: str, name: str, pid: str) -> None:
        bed = self.cluster.bed
        bed.on(host, "kill", pid, check=False)
        (bed.root(host) / "etc/ssh" / name).unlink()

    def place(self, port: int, **options: Any) -> Place:
        """Return the place behind a port of this machine, with the testbed's key."""
        given: dict[str, Any] = {"user": "hpc", "connect_timeout": 3.0, "keepalive": 5} | options
        given.setdefault("connect_kwargs", {"key_filename": self.cluster.bed.data["key"]})
        return Place("127.0.0.1", port=port, **given)

    def ssh(self, port: int, *, user: str = "hpc", **options: Any) -> SshHost:
        """Return a host behind a port of this machine; it is closed at the end."""
        host = SshHost(self.place(port, user=user), **options)
        self._cleanup.callback(host.close)
        return host

    def multiplexed(self, port: int, **options: Any) -> MultiplexedHost:
        """Return a host behind a master that is ended at the end."""
        host = MultiplexedHost(self.place(port, keepalive=1), worker="otp", **options)
        self._cleanup.callback(host.logout)
        return host


@contextlib.contextmanager
def lab_of(cluster: Cluster, folder: Path, home: Path) -> Iterator[Lab]:
    """Give a lab that ends all it started."""
    known = home / ".ssh" / "known_hosts"
    before = known.read_text()
    try:
        with Lab(cluster, folder, home) as lab:
            yield lab
    finally:
        known.write_text(before)
        shutil.rmtree(folder, ignore_errors=True)
