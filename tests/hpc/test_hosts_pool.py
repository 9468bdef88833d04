"""The hosts of a project, on real ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis

from jfcelery.project import Project
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.hosts.semaphore import Semaphores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.cluster import Cluster
    from tests.support.lab import Lab

pytestmark = pytest.mark.hpc


@pytest.fixture
def open_hosts() -> Iterator[Callable[..., Hosts]]:
    """A function that makes the hosts of a project with some workers; they are closed."""
    opened: list[Hosts] = []

    def make(workers: dict[str, Any], semaphores: Semaphores | None = None, **limits: int) -> Hosts:
        project = Project.model_validate({"name": "p", "workers": workers, "limits": limits})
        opened.append(Hosts(project, semaphores=semaphores))
        return opened[-1]

    yield make
    for hosts in opened:
        hosts.close()


def test_workers_of_a_project(testbed: Cluster, open_hosts: Callable[..., Hosts]) -> None:
    """Each worker's commands run on its own host, gateways included."""
    hosts = open_hosts({name: testbed.worker(name, "slurm") for name in ("hpca", "hpcb", "hpcx")})
    for name in ("hpca", "hpcb", "hpcx"):
        with hosts.lease(name) as host:
            assert host.run("hostname").stdout == f"{name}\n"


def test_transfer_node(testbed: Cluster, open_hosts: Callable[..., Hosts]) -> None:
    """Files go through the data-transfer node, with the worker's user and key."""
    node = testbed.connection("hpcb")
    transfer = {"host": node["host"], "port": node["port"]}
    worker = testbed.worker("hpca", "slurm", type="separated_transfer", transfer=transfer)
    hosts = open_hosts({"split": worker})
    with hosts.lease("split") as host:
        assert host.run("hostname").stdout == "hpca\n"
    with hosts.transfer("split") as host:
        assert host.run("hostname; id -un").stdout == "hpcb\nhpc\n"


def test_limit_over_all(lab: Lab, open_hosts: Callable[..., Hosts], redis_url: str) -> None:
    """Threads and processes together have no more sessions on a host than the project allows."""
    worker = {
        "type": "remote",
        "scheduler_type": "slurm",
        "work_dir": "/home/hpc/work",
        "host": "127.0.0.1",
        "port": lab.relay().port,
        "user": "hpc",
        "key_filename": lab.cluster.bed.data["key"],
    }
    count = "mkdir -p ~/c; touch ~/c/$$; ls ~/c | wc -l; sleep 0.3; rm ~/c/$$"
    with redis.Redis.from_url(redis_url) as client:
        several = [
            open_hosts({"w": worker}, Semaphores(client), sessions_per_host=3) for _ in range(2)
        ]

        def run(number: int) -> int:
            with several[number % 2].lease("w") as host:
                return int(host.run(count).stdout)

        with ThreadPoolExecutor(8) as threads:
            assert max(threads.map(run, range(16))) == 3
