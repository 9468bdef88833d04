"""Run folders on real hosts: full disks, missing rights, big files, hosts without SFTP."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import DiskFullError, RunFolderError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.parcels import Publication

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.scheduler_io.hosts.ssh import SshHost
    from tests.support.lab import Lab

pytestmark = pytest.mark.hpc

#: Bytes of the big file: enough to show that memory does not grow with it. By hand: more of them.
BIG = int(os.environ.get("JFCELERY_TEST_MEGABYTES", "64")) * 1024 * 1024
#: Bytes that a transfer may take, however big the file.
FLAT = 16 * 1024 * 1024


@pytest.fixture
def host(lab: Lab) -> SshHost:
    """The Slurm cluster's login node, as user hpc."""
    return lab.ssh(lab.relay().port)


def folder_in(work_dir: str) -> RunFolder:
    """Return a run folder that no other test uses."""
    return RunFolder.of(work_dir, str(uuid.uuid4()), 1)


def test_full_disk(host: SshHost) -> None:
    """A full disk is named as such, nothing half stays; all goes on once there is room."""
    work_dir = f"/home/hpc/tinyfs/{uuid.uuid4().hex}"
    folder, hog = folder_in(work_dir), f"/home/hpc/tinyfs/{uuid.uuid4().hex}"
    room = _room(host)
    assert host.run(f"head -c {room // 2} /dev/zero >{hog}").ok
    big = b"x" * (room * 3 // 4)
    with pytest.raises(DiskFullError, match="the disk or quota is full"):
        host.publish(Publication(folder, {"big": big}, attempt=1, marker={}))
    assert host.run(f"find {work_dir} -type f").stdout == ""
    host.publish(Publication(folder, {"small": b"x"}, attempt=1, marker={}))
    with pytest.raises(DiskFullError):
        host.publish(Publication(folder, {"small": big}, attempt=2, marker={}))
    assert host.read_text(folder / "small") == "x"
    host.run(f"rm {hog}")
    host.publish(Publication(folder, {"big": big}, attempt=2, marker={}))
    assert host.run(f"wc -c <{folder}/big").stdout.strip() == str(len(big))
    assert host.remove(folder)
    host.run(f"rm -r {work_dir}")


def _room(host: SshHost) -> int:
    """Return the bytes that are left on the small disk."""
    return int(host.run("df -B1 --output=avail /home/hpc/tinyfs | tail -n 1").stdout)


def test_many_small_files_on_a_full_disk(host: SshHost) -> None:
    """A disk without room for a further file is full too."""
    work_dir = f"/home/hpc/tinyfs/{uuid.uuid4().hex}"
    files = {f"file{number}": b"x" * 2000 for number in range(600)}
    with pytest.raises(DiskFullError):
        host.publish(Publication(folder_in(work_dir), files, attempt=1, marker={}))
    host.run(f"rm -r {work_dir}")


def test_missing_rights(host: SshHost) -> None:
    """A work_dir that may not be written, or made, is named with the system's own words."""
    for work_dir in ("/home/other/work", "/scratch9/work"):
        with pytest.raises(RunFolderError, match=r"no right to.*Permission denied") as caught:
            host.publish(Publication(folder_in(work_dir), {"a": b"1"}, attempt=1, marker={}))
        assert work_dir in str(caught.value)
        assert "work_dir" in caught.value.remedy


def test_work_dir_that_is_a_file(host: SshHost) -> None:
    """A work_dir that is no folder is named as such."""
    name = f"/home/hpc/{uuid.uuid4().hex}"
    host.run(f"touch {name}")
    with pytest.raises(RunFolderError, match="Not a directory"):
        host.publish(Publication(folder_in(name), {"a": b"1"}, attempt=1, marker={}))
    host.run(f"rm {name}")


def test_files_that_may_not_be_read(host: SshHost, tmp_path: Path) -> None:
    """A file that may not be read is an error, not an absent file."""
    folder = folder_in("/home/hpc/hosts")
    host.publish(Publication(folder, {"a": b"1", "b": b"2"}, attempt=1, marker={}))
    host.run(f"chmod 0 {folder}/a")
    with pytest.raises(RunFolderError, match="Permission denied"):
        host.fetch(folder, ["*"], tmp_path / "in")
    with pytest.raises(RunFolderError, match="Permission denied"):
        host.read_text(folder / "a")
    assert list(tmp_path.iterdir()) == []
    host.run(f"chmod 0 {folder}")
    with pytest.raises(RunFolderError, match="Permission denied"):
        host.read_text(folder / "b")
    with pytest.raises(RunFolderError, match="Permission denied"):
        host.fetch(folder, ["*"], tmp_path / "in")
    host.run(f"chmod 700 {folder}")
    assert host.remove(folder)


def test_folder_that_cannot_be_removed(host: SshHost) -> None:
    """A folder that resists is named with the reason, and stays in its place."""
    folder = folder_in("/home/hpc/hosts")
    host.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    host.run(f"mkdir {folder}/sub && touch {folder}/sub/x && chmod 500 {folder}/sub")
    with pytest.raises(RunFolderError, match=r"cannot remove.*Permission denied"):
        host.remove(folder)
    host.run(f"chmod 700 {folder}/sub")
    assert host.remove(folder)


def test_vanished_folder(host: SshHost, tmp_path: Path) -> None:
    """A run folder that somebody removed is named as such."""
    folder = folder_in("/home/hpc/hosts")
    with pytest.raises(RunFolderError, match="is not there"):
        host.fetch(folder, ["*"], tmp_path / "in")
    assert host.read_text(folder / "a") is None
    assert not host.remove(folder)


def test_big_file_in_flat_memory(host: SshHost, tmp_path: Path) -> None:
    """A big file goes there and comes back whole, and memory does not grow with it."""
    big = tmp_path / "big"
    block = os.urandom(1024 * 1024)
    with big.open("wb") as stream:
        for _ in range(BIG // len(block)):
            stream.write(block)
    folder = folder_in("/home/hpc/hosts")
    host.run("true")
    tracemalloc.start()
    try:
        host.publish(Publication(folder, {"big": big}, attempt=1, marker={}))
        assert host.fetch(folder, ["big"], tmp_path / "in") == ["big"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert host.remove(folder)
    assert peak < FLAT
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in (big, tmp_path / "in/big")}
    assert len(digests) == 1


def test_host_without_sftp(lab: Lab, tmp_path: Path) -> None:
    """A host that offers no SFTP is as good as any."""
    port = lab.sshd("Subsystem sftp /bin/false")
    host = lab.ssh(lab.relay(port=port).port)
    folder = folder_in("/home/hpc/hosts")
    host.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    assert host.fetch(folder, ["a"], tmp_path / "in") == ["a"]
    assert host.remove(folder)


@pytest.mark.parametrize("user", ["noisy", "tcshuser"])
@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_odd_logins(lab: Lab, tmp_path: Path, user: str, shell: str) -> None:
    """What a login prints, and which shell it is, changes no file."""
    host = lab.ssh(lab.relay().port, user=user, shell=shell)
    folder = folder_in(f"/home/{user}/work")
    content = bytes(range(256)) * 1000
    host.publish(Publication(folder, {"a b!'c": content}, attempt=1, marker={}))
    host.publish(Publication(folder, {"a b!'c": content}, attempt=2, marker={}))
    assert host.fetch(folder, ["a b*"], tmp_path / "in") == ["a b!'c"]
    assert (tmp_path / "in" / "a b!'c").read_bytes() == content
    assert host.remove(folder)


def test_few_round_trips(lab: Lab) -> None:
    """Publishing a job takes one command, whatever the number of files."""
    relay = lab.relay()
    host = lab.ssh(relay.port)
    host.run("true")
    opened: list[str] = []
    start = host._start

    def counting(script: str, *rest: object) -> object:
        opened.append(script)
        return start(script, *rest)  # type: ignore[arg-type]

    host._start = counting  # type: ignore[method-assign, assignment]
    folder = folder_in("/home/hpc/hosts")
    host.publish(Publication(folder, {f"file{i}": b"x" for i in range(20)}, attempt=1, marker={}))
    assert len(opened) == 1
    assert host.remove(folder)


def test_publishers_at_once(host: SshHost) -> None:
    """Of many that publish the same attempt at once, one whole folder remains."""
    folder = folder_in("/home/hpc/hosts")

    def publish(number: int) -> None:
        files = {f"file{i}": b"%c" % (ord("a") + number) for i in range(10)}
        host.publish(Publication(folder, files, attempt=1, marker={}))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(publish, range(12)))
    assert len(set(host.run(f"cat {folder}/file*").stdout)) == 1
    assert host.run(f"ls -A {folder} | wc -l").stdout.strip() == "11"
    assert host.run(f"ls -A {folder.path.parent}").stdout.split() == [folder.path.name]
    assert host.remove(folder)
