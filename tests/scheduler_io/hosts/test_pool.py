"""Which host a worker gets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import UnknownNameError
from jfcelery.scheduler_io.hosts import pool
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.hosts.multiplexed import MultiplexedHost
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.hosts.ssh import SshHost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project

COMMON = {"scheduler_type": "slurm", "work_dir": "/scratch"}
REMOTE = {**COMMON, "type": "remote", "host": "cluster", "user": "me"}
WORKERS = {
    "here": {**COMMON, "type": "local", "scheduler_type": "shell"},
    "also_here": {**COMMON, "type": "local", "scheduler_type": "shell", "work_dir": "/other"},
    "there": REMOTE,
    "also_there": {**REMOTE, "work_dir": "/other", "resources": {"nodes": 1}},
    "elsewhere": {**REMOTE, "user": "you"},
    "patient": {**REMOTE, "timeout_execute": 600},
    "otp": {**REMOTE, "interactive_login": True},
    "split": {**REMOTE, "type": "separated_transfer", "transfer": {"host": "dtn"}},
    "split_otp": {
        **REMOTE,
        "type": "separated_transfer",
        "transfer": {"host": "dtn"},
        "interactive_login": True,
    },
}


class Counting:
    """Semaphores that note what they are asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    @contextmanager
    def place(self, host: str, limit: int) -> Iterator[None]:
        """Note it."""
        self.asked.append((host, limit))
        yield


@pytest.fixture
def project() -> Project:
    """A project with workers of every kind; nothing is opened."""
    from jfcelery.project import Project

    limits = {"sessions_per_connection": 7, "sessions_per_host": 20}
    return Project.model_validate({"name": "p", "workers": WORKERS, "limits": limits})


@pytest.fixture
def hosts(project: Project) -> Hosts:
    """The hosts of that project."""
    return Hosts(project)


def lent(hosts: Hosts, name: str, *, transfer: bool = False) -> Any:
    """Return the host that a worker gets."""
    with hosts.transfer(name) if transfer else hosts.lease(name) as host:
        return host


def test_kinds(hosts: Hosts) -> None:
    """Each kind of worker gets its kind of host."""
    assert isinstance(lent(hosts, "here"), LocalHost)
    assert isinstance(lent(hosts, "there"), SshHost)
    assert isinstance(lent(hosts, "otp"), MultiplexedHost)
    with pytest.raises(UnknownNameError):
        lent(hosts, "nowhere")


def test_shared_connections(hosts: Hosts) -> None:
    """Workers with the same connection and options share it, others do not."""
    assert lent(hosts, "there") is lent(hosts, "also_there")
    assert lent(hosts, "here") is lent(hosts, "also_here")
    others = {lent(hosts, name) for name in ("there", "elsewhere", "patient", "otp", "here")}
    assert len(others) == 5


def test_transfer_node(hosts: Hosts) -> None:
    """Files go through the data-transfer node, if there is one."""
    assert lent(hosts, "split").name == "me@cluster"
    assert lent(hosts, "split", transfer=True).name == "me@dtn"
    assert lent(hosts, "there", transfer=True) is lent(hosts, "there")
    assert lent(hosts, "here", transfer=True) is lent(hosts, "here")


def test_interactive(hosts: Hosts) -> None:
    """A person logs in to each host of a worker that asks for it."""
    assert hosts.interactive("there") == []
    assert hosts.interactive("here") == []
    assert [host.name for host in hosts.interactive("otp")] == ["me@cluster"]
    assert [host.name for host in hosts.interactive("split_otp")] == ["me@cluster", "me@dtn"]


def test_options(hosts: Hosts) -> None:
    """A worker's options reach its host."""
    assert lent(hosts, "patient").timeout == 600
    assert lent(hosts, "there").timeout == 60


def test_limits(project: Project) -> None:
    """Sessions are counted for each host, local ones not; one connection holds fewer."""
    counting = Counting()
    hosts = Hosts(project, semaphores=counting)  # type: ignore[arg-type]
    for name in ("here", "there", "otp"):
        lent(hosts, name)
    lent(hosts, "split", transfer=True)
    assert counting.asked == [("me@cluster", 20), ("me@cluster", 7), ("me@dtn", 20)]


def test_threads(hosts: Hosts) -> None:
    """Threads that ask at once get the same host."""
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: lent(hosts, "there"), range(40)))) == 1


def test_fork(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked process opens connections of its own."""
    before = lent(hosts, "there")
    monkeypatch.setattr(pool, "os", SimpleNamespace(getpid=lambda: 1))
    assert lent(hosts, "there") is not before


def test_close(hosts: Hosts) -> None:
    """Closing is no end: the next lease opens again."""
    assert lent(hosts, "here").run("true").ok
    hosts.close()
    hosts.close()
    assert lent(hosts, "here").run("true").ok
