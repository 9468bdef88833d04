"""Files by SFTP: nodes that offer nothing else, hosts where it is off, and its own troubles."""

from __future__ import annotations

import os
import threading
import tracemalloc
import uuid
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import (
    BackPressureError,
    ConnectionFailedError,
    ConnectionLostError,
    DiskFullError,
    HostTimeoutError,
    LoginNeededError,
    NotOfferedError,
    RunFolderError,
)
from jfcelery.project import Project
from jfcelery.scheduler_io.hosts.parcels import Publication, Retrieval
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.hosts.sftp import SftpHost
from jfcelery.scheduler_io.probe import probe_worker
from tests.hpc.test_hosts_files import FLAT, folder_in
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.scheduler_io.hosts.base import Host
    from tests.support.lab import Lab

pytestmark = pytest.mark.hpc

#: Bytes of the big file, twice what memory may be taken; by hand: more of them.
BIG = int(os.environ.get("JFCELERY_TEST_MEGABYTES", "32")) * 1024 * 1024
#: An SSH server as data-transfer nodes have it: no shell, no command, SFTP only.
ONLY_SFTP = ("Subsystem sftp internal-sftp", "ForceCommand internal-sftp")
NO_SFTP = ("Subsystem sftp /bin/false",)


@pytest.fixture
def work_dir(lab: Lab) -> str:
    """A work_dir that is not there yet."""
    return f"/home/hpc/sftp/{uuid.uuid4().hex[:12]}/work"


@pytest.fixture
def hosts_of(lab: Lab, work_dir: str) -> Iterator[Callable[..., Hosts]]:
    """A function that makes the hosts of a project with one worker, ``w``."""
    opened: list[Hosts] = []

    def make(**options: Any) -> Hosts:
        worker = lab.cluster.worker("hpca", "slurm", work_dir=work_dir, timeout_execute=20)
        project = Project.model_validate({"name": "p", "workers": {"w": worker | options}})
        opened.append(Hosts(project))
        return opened[-1]

    yield make
    for hosts in opened:
        hosts.close()


@pytest.fixture
def by_node(lab: Lab, hosts_of: Callable[..., Hosts]) -> Callable[..., Hosts]:
    """A function that makes the hosts of a worker with a data-transfer node."""

    def make(*options: str, file_transfer: str = "auto") -> Hosts:
        node = lab.relay(port=lab.sshd(*options))
        return hosts_of(
            type="separated_transfer",
            transfer={"host": "127.0.0.1", "port": node.port},
            file_transfer=file_transfer,
        )

    return make


@pytest.fixture
def by_sftp(lab: Lab, work_dir: str) -> Callable[..., SftpHost]:
    """A function that makes a host whose files go by SFTP behind a port, commands past it."""

    def make(port: int, **options: Any) -> SftpHost:
        commands = lab.cluster.connection("hpca")["port"]
        host = lab.ssh(commands)
        return _sftp(lab.ssh(port, **options), host, work_dir)

    return make


def _sftp(door: Any, commands: Host, spool: str) -> SftpHost:
    return SftpHost(door, commands=lambda: nullcontext(commands), spool=PurePosixPath(spool))


def there_and_back(host: Host, work_dir: str, tmp_path: Path) -> None:
    """Bring files there and back, one folder and many at once, and remove them."""
    content = bytes(range(256)) * 1000
    one = folder_in(work_dir)
    host.publish(Publication(one, {"a b!'c": content}, attempt=1, marker={}))
    host.publish(Publication(one, {"a b!'c": content, "d": b"2"}, attempt=2, marker={}))
    assert sorted(host.fetch(one, ["a b*", "d", "none"], tmp_path / "one")) == ["a b!'c", "d"]
    assert (tmp_path / "one" / "a b!'c").read_bytes() == content
    assert host.read_text(one / "d") == "2"
    many = [Publication(folder_in(work_dir), {"n": b"%d" % n}, 1, {}) for n in range(5)]
    assert host.publish_all(many, work_dir=one.path.parents[3]) == [None] * 5
    wanted = [Retrieval(each.folder, ["n"], tmp_path / f"many{n}") for n, each in enumerate(many)]
    assert host.fetch_all(wanted, work_dir=one.path.parents[3]) == [True] * 5
    assert [(tmp_path / f"many{n}" / "n").read_text() for n in range(5)] == list("01234")
    with pytest.raises(RunFolderError, match="is not there"):
        host.fetch(folder_in(work_dir), ["*"], tmp_path / "missing")
    left = host.run(f"ls -A {work_dir} | grep jfc").stdout
    assert left == ""
    assert all(host.remove(each) for each in (one, *(each.folder for each in many)))
    host.check()


def test_node_that_runs_no_commands(
    by_node: Callable[..., Hosts], work_dir: str, tmp_path: Path
) -> None:
    """Where a data-transfer node offers SFTP only, files go by it; commands run where jobs do."""
    with by_node(*ONLY_SFTP).transfer("w") as host:
        there_and_back(host, work_dir, tmp_path)
        assert host.way == "SFTP"


def test_the_first_thing_asked_of_such_a_node_may_be_a_download(
    by_node: Callable[..., Hosts], work_dir: str, tmp_path: Path
) -> None:
    """It is found out at once that it runs no commands, not by a timeout."""
    folder = folder_in(work_dir)
    hosts = by_node(*ONLY_SFTP)
    with hosts.transfer("w") as host:
        host.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    hosts.close()
    with hosts.transfer("w") as host:
        assert host.way == "tar over SSH"
        assert host.fetch(folder, ["a"], tmp_path / "in") == ["a"]
        assert host.way == "SFTP"


@pytest.mark.parametrize("options", [(), NO_SFTP])
def test_wanted_sftp(
    by_node: Callable[..., Hosts], work_dir: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """``file_transfer: sftp`` takes SFTP where there is one, and tar where it is off."""
    with by_node(*options, file_transfer="sftp").transfer("w") as host:
        there_and_back(host, work_dir, tmp_path)
        assert host.way == ("tar over SSH" if options else "SFTP")


def test_a_node_that_offers_nothing(by_node: Callable[..., Hosts], work_dir: str) -> None:
    """Where neither is offered, that is said of both."""
    options = ("Subsystem sftp /bin/false", "ForceCommand /bin/false")
    both = r"did not run the command.*SFTP is off"
    with (
        by_node(*options).transfer("w") as host,
        pytest.raises(ConnectionFailedError, match=both),
    ):
        host.publish(Publication(folder_in(work_dir), {"a": b"1"}, attempt=1, marker={}))


def test_a_login_that_prints(hosts_of: Callable[..., Hosts], tmp_path: Path) -> None:
    """What a .bashrc prints breaks SFTP, and tar takes over."""
    work_dir = f"/home/noisy/{uuid.uuid4().hex}"
    hosts = hosts_of(user="noisy", work_dir=work_dir, file_transfer="sftp")
    with hosts.transfer("w") as host:
        there_and_back(host, work_dir, tmp_path)
        assert host.way == "tar over SSH"


def test_behind_a_master(lab: Lab, work_dir: str, tmp_path: Path) -> None:
    """Through the connection that a person opened SFTP goes too; without one, log in."""
    relay = lab.relay(port=lab.sshd("Subsystem sftp internal-sftp"))
    door = lab.multiplexed(relay.port)
    host = _sftp(door, door, work_dir)
    with pytest.raises(LoginNeededError, match="nobody is logged in"):
        host.publish(Publication(folder_in(work_dir), {"a": b"1"}, attempt=1, marker={}))
    door.login()
    there_and_back(host, work_dir, tmp_path)


def test_a_master_without_sftp(lab: Lab, work_dir: str) -> None:
    """That SFTP is off is told from a login that is missing."""
    door = lab.multiplexed(lab.relay(port=lab.sshd(*NO_SFTP)).port)
    door.login()
    with pytest.raises(NotOfferedError, match="SFTP is off"):
        _sftp(door, door, work_dir).publish(
            Publication(folder_in(work_dir), {"a": b"1"}, attempt=1, marker={})
        )


def test_worker_test_tells_the_way(by_node: Callable[..., Hosts], work_dir: str) -> None:
    """``jfc worker test`` brings files through the node, and says how they went."""
    project = by_node(*ONLY_SFTP)._project
    found = {finding.what: finding for finding in probe_worker(project, "w")}
    assert found["transfer"].ok
    assert found["transfer"].detail.endswith("files go as SFTP")


def test_full_disk_and_missing_rights(lab: Lab) -> None:
    """What SFTP calls a failure is named by the system's own words."""
    port = lab.cluster.connection("hpca")["port"]
    spool = f"/home/hpc/tinyfs/{uuid.uuid4().hex}"
    host = _sftp(lab.ssh(port), lab.ssh(port), spool)
    with pytest.raises(DiskFullError, match="the disk or quota is full"):
        host.publish(Publication(folder_in(spool), {"big": b"x" * 3_000_000}, attempt=1, marker={}))
    assert host.run(f"find {spool} -type f").stdout == ""
    host.publish(Publication(folder_in(spool), {"small": b"x"}, attempt=1, marker={}))
    host.run(f"rm -r {spool}")
    for spool in ("/home/other/work", "/scratch9/work"):
        host = _sftp(lab.ssh(port), lab.ssh(port), spool)
        with pytest.raises(RunFolderError, match="no right to"):
            host.publish(Publication(folder_in(spool), {"a": b"1"}, attempt=1, marker={}))


def test_big_file_in_flat_memory(
    lab: Lab, by_sftp: Callable[..., SftpHost], work_dir: str, tmp_path: Path
) -> None:
    """A big file goes there and comes back whole, and memory does not grow with it."""
    big = tmp_path / "big"
    block = os.urandom(1024 * 1024)
    with big.open("wb") as stream:
        for _ in range(BIG // len(block)):
            stream.write(block)
    host = by_sftp(lab.relay().port)
    folder = folder_in(work_dir)
    host.check()
    tracemalloc.start()
    try:
        host.publish(Publication(folder, {"big": big}, attempt=1, marker={}))
        assert host.fetch(folder, ["big"], tmp_path / "in") == ["big"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert host.remove(folder)
    assert peak < FLAT
    with big.open("rb") as sent, (tmp_path / "in" / "big").open("rb") as came:
        while block := sent.read(1024 * 1024):
            assert came.read(1024 * 1024) == block
        assert came.read() == b""


def test_link_cut_in_the_middle(
    lab: Lab, by_sftp: Callable[..., SftpHost], work_dir: str, tmp_path: Path
) -> None:
    """A reset leaves no half folder there or here, and the next try succeeds.

    What came of the archive goes with an upload of the day after, not one that is under way.
    """
    relay = lab.relay()
    host = by_sftp(relay.port)
    folder = folder_in(work_dir)
    big = {"big": os.urandom(5_000_000)}
    relay.set(cut_after=2_000_000, cut_times=1)
    with pytest.raises(ConnectionLostError):
        host.publish(Publication(folder, big, attempt=1, marker={}))
    assert host.run(f"test -e {folder}").exit_code == 1
    (left,) = archives_in(work_dir, host)
    host.run(f"cp {left} {left}.new; touch -d '2 days ago' {left}")
    host.publish(Publication(folder, big, attempt=1, marker={}))
    assert archives_in(work_dir, host) == [f"{left}.new"]
    host._door.close()  # type: ignore[attr-defined]
    wait_until(lambda: not relay.order("get")["open"], "the connection to be closed")
    relay.set(cut_after=2_000_000, cut_times=1)
    with pytest.raises(ConnectionLostError):
        host.fetch(folder, ["big"], tmp_path / "in")
    assert list(tmp_path.iterdir()) == []
    assert host.fetch(folder, ["big"], tmp_path / "in") == ["big"]
    assert (tmp_path / "in" / "big").read_bytes() == big["big"]


def test_an_archive_that_no_command_reads_is_removed(
    lab: Lab, by_sftp: Callable[..., SftpHost], work_dir: str
) -> None:
    """The node for files is there, the login node is not: what each try brought is taken away."""
    host = by_sftp(lab.relay(port=lab.sshd(*ONLY_SFTP)).port)
    commands = lab.ssh(lab.cluster.connection("hpca")["port"])
    commands.run(f"mkdir -p {work_dir}")

    @contextmanager
    def nobody() -> Iterator[Host]:
        raise BackPressureError("all sessions are in use")
        yield commands

    away = SftpHost(host._door, commands=nobody, spool=PurePosixPath(work_dir))
    with pytest.raises(BackPressureError):
        away.publish(Publication(folder_in(work_dir), {"a": b"1"}, attempt=1, marker={}))
    assert archives_in(work_dir, commands) == []


def archives_in(work_dir: str, host: Host) -> list[str]:
    """Return the archives of transfers in a work_dir."""
    return host.run(f"find {work_dir} -maxdepth 1 -name '.jfc_archive-*'").stdout.split()


@pytest.mark.parametrize("way", ["up", "down"])
def test_link_that_freezes(lab: Lab, work_dir: str, tmp_path: Path, way: str) -> None:
    """A link that stands still ends with a timeout, and leaves nothing half."""
    relay = lab.relay()
    door = lab.ssh(relay.port, timeout=2)
    host = _sftp(door, lab.ssh(lab.cluster.connection("hpca")["port"]), work_dir)
    folder = folder_in(work_dir)
    content = {"big": b"x" * 12_000_000}
    carry: Callable[[], object] = partial(
        host.publish, Publication(folder, content, attempt=1, marker={})
    )
    if way == "down":
        carry()
        carry = partial(host.fetch, folder, ["big"], tmp_path / "in")
    host.check()
    relay.set(rate_kbps=2000)
    timer = threading.Timer(0.5, lambda: relay.set(mode="freeze"))
    timer.start()
    with pytest.raises(HostTimeoutError):
        carry()
    timer.join()
    relay.order("reset")
    host.timeout = door.timeout = 60  # a machine under load may take its time
    assert list(tmp_path.iterdir()) == []
    assert host.run(f"test -e {folder}").ok is (way == "down")
    host.publish(Publication(folder, {"big": b"y"}, attempt=2, marker={}))
    assert host.fetch(folder, ["big"], tmp_path / "in") == ["big"]


def test_an_archive_that_arrives_late(
    by_sftp: Callable[..., SftpHost], lab: Lab, work_dir: str
) -> None:
    """On a network file system another machine may see an archive a while later."""
    host = by_sftp(lab.relay().port)
    put = host._put

    def hidden(archive: Any, contents: Any) -> int:
        size = put(archive, contents)
        host.run(f"mv {archive} {archive}.x; (sleep 1; mv {archive}.x {archive}) >/dev/null 2>&1 &")
        return size

    host._put = hidden  # type: ignore[method-assign]
    folder = folder_in(work_dir)
    host.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    assert host.read_text(folder / "a") == "1"
