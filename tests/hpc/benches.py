"""Queues of real hosts."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtoolkit.io.sge import SGEIO
from qtoolkit.io.slurm import SlurmIO

from jfcelery.scheduler_io.hosts.place import Place
from jfcelery.scheduler_io.hosts.ssh import SshHost
from tests.scheduler_io.bench import Bench
from tests.scheduler_io.schedulers.workers import PlainWorker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jfcelery.scheduler_io.hosts.base import CommandResult
    from tests.support.cluster import Cluster

_HOSTS = {"slurm": ("hpca", SlurmIO), "sge": ("hpcb", SGEIO)}


class ShimmedHost(SshHost):
    """A host on which some commands are ours: a folder of them comes first on the PATH.

    Args:
        place: The host.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.folder = f"/home/hpc/shims/{uuid.uuid4().hex[:12]}"
        self.active = False

    def shim(self, name: str, text: str) -> None:
        """Put a command there; ``$REAL`` in it is the real one."""
        head = f"#!/bin/bash\nREAL=$(PATH=${{PATH#*:}} command -v {name})\n"
        self.active = False
        self.run(
            f"mkdir -p {self.folder}; cat >{self.folder}/{name}; chmod +x {self.folder}/{name}",
            stdin=(head + text).encode(),
        )
        self.active = True

    def unshim(self) -> None:
        """Give the real commands back."""
        self.active = False
        self.run(f"rm -rf {self.folder}")

    def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        stall: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> CommandResult:
        """Run a command."""
        head = f"PATH={self.folder}:$PATH\n" if self.active else ""
        return super().run(head + command, stdin=stdin, timeout=timeout, stall=stall, env=env)


@contextmanager
def cleaned_bench(cluster: Cluster, scheduler: str, **options: Any) -> Iterator[Bench]:
    """Give such a queue to a test, and end what the test left in it."""
    found = real_bench(cluster, scheduler, **options)
    yield found
    found.clean()
    found.host.close()


def real_bench(cluster: Cluster, scheduler: str, **options: Any) -> Bench:
    """Return a queue of the testbed, with a work folder of its own."""
    name, io = _HOSTS[scheduler]
    keys = cluster.connection(name)
    place = Place(
        host=keys["host"],
        port=keys["port"],
        user=keys["user"],
        connect_kwargs={"key_filename": keys["key_filename"]},
    )
    work_dir = Path(f"/home/hpc/queues/{uuid.uuid4().hex[:12]}")
    worker = PlainWorker(scheduler, io(), work_dir=work_dir, **options)
    return Bench(ShimmedHost(place), worker)
