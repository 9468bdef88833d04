"""A cluster behind a slow link, with servers beside this process: where jobs are submitted."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from tests.support.cluster import own_installed_cluster
from tests.support.lab import Lab
from tests.support.servers import mongo_server, redis_server
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.cluster import Cluster

#: Milliseconds by which the link delays each direction.
LATENCY = 25
#: Seconds in which Slurm must have cancelled all jobs.
PATIENCE = 180.0


class Place:
    """A cluster behind a slow link, with servers beside this process and a home of its own.

    Args:
        state: The state folder of a testbed that is up and that nobody else uses; None for one
            that lives as long as the context.
    """

    def __init__(self, state: Path | None) -> None:
        self._state = state
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(tempfile.mkdtemp(prefix="jfcs-", dir="/tmp"))
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.cluster: Cluster = stack.enter_context(
                own_installed_cluster("submission", self._state)
            )
            if not self.cluster.bed.is_up():
                raise click.UsageError(f"no testbed is up at {self._state}")
            home = self._make_home()
            for name in ("mongo", "redis", "lab"):
                (self.folder / name).mkdir()
            self.mongo = stack.enter_context(mongo_server(self.folder / "mongo")).url
            self.redis = stack.enter_context(redis_server(self.folder / "redis")).url
            lab = stack.enter_context(Lab(self.cluster, self.folder / "lab", home))
            relay = lab.relay("hpca")
            relay.set(latency_ms=LATENCY)
            self._port = relay.port
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._cleanup.close()

    def _make_home(self) -> Path:
        home = self.folder / "home"
        (home / ".ssh").mkdir(parents=True, mode=0o700)
        shutil.copy(self.cluster.known_hosts, home / ".ssh" / "known_hosts")
        os.environ["HOME"] = str(home)
        return home

    def worker(self, **options: Any) -> dict[str, Any]:
        """Return a worker for the cluster, with a work folder of its own."""
        worker = self.cluster.worker("hpca", "slurm", **options)
        return {**worker, "host": "127.0.0.1", "port": self._port}

    def queued(self) -> int:
        """Return how many jobs stand in Slurm's queue, each task of an array."""
        listing: str = self.cluster.bed.on("hpca", "squeue", "--noheader", "--array").stdout
        return len(listing.splitlines())

    def clear(self) -> None:
        """Cancel all jobs."""
        self.cluster.bed.on("hpca", "scancel", "--user=hpc")
        wait_until(lambda: not self.queued(), "Slurm to be empty", every=1, deadline=PATIENCE)
