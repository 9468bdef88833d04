"""Files and folders of the embedded services that are gone, spoilt or not to be used."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymongo
import pytest

from jfcelery import services
from jfcelery.errors import ServiceStartError
from jfcelery.project import Project
from tests.support.embedded import (
    broker,
    database,
    embedded_project,
    kill,
    record_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.services import service


def test_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    """The error names the folder, the system's reason and the option to change."""
    (tmp_path / "file").touch()
    project = Project(name="p", base_dir=tmp_path / "file" / "p")
    with pytest.raises(ServiceStartError, match=r"cannot write to .*file") as caught:
        services.endpoint(project)
    assert "Not a directory" in caught.value.message
    assert "base_dir" in caught.value.remedy


def test_removed_socket_is_made_again(embedded: Project) -> None:
    """A broker whose socket somebody tidied away is restarted."""
    one = broker(embedded)
    lost = one.ensure()
    Path(lost.address).unlink()
    services.check_broker(embedded)
    assert not lost.process.alive


def test_spoilt_broker_file_is_put_aside(embedded: Project) -> None:
    """Messages are hints: a broken append-only file must not keep the broker from starting."""
    services.redis_client(embedded).set("jfcelery:x", "1")
    one = broker(embedded)
    one.stop()
    spoilt = next(path for path in one.files.data.rglob("*.incr.aof"))
    spoilt.write_bytes(b"this is not an append-only file" + spoilt.read_bytes())

    assert services.redis_client(embedded).get("jfcelery:x") is None
    assert len(list(one.files.folder.glob("data.spoilt-*"))) == 1


def test_cut_broker_file_is_read_to_its_last_whole_entry(embedded: Project) -> None:
    """A file that ends in the middle of a write, after a power cut, costs that write only."""
    client = services.redis_client(embedded)
    client.set("jfcelery:x", "1")
    client.set("jfcelery:y", "1")
    one = broker(embedded)
    kill(one)
    cut = next(path for path in one.files.data.rglob("*.incr.aof"))
    cut.write_bytes(cut.read_bytes()[:-5])

    client = services.redis_client(embedded)
    assert client.get("jfcelery:x") == b"1"
    assert client.get("jfcelery:y") is None


@pytest.mark.parametrize("which", [database, broker])
def test_lost_password_is_set_anew(
    embedded: Project, which: Callable[[Project], service.Service]
) -> None:
    """Without the file of secrets the data are still there after the next start."""
    found = services.database_endpoint(embedded)
    with pymongo.MongoClient[dict[str, Any]](found.uri) as client:
        client[found.name]["things"].insert_one({"_id": 1})
    services.redis_client(embedded).set("jfcelery:x", "1")
    one = which(embedded)
    one.stop()
    one.files.credentials.unlink()

    found = services.database_endpoint(embedded)
    with pymongo.MongoClient[dict[str, Any]](found.uri) as client:
        assert client[found.name]["things"].find_one() == {"_id": 1}
    assert services.redis_client(embedded).get("jfcelery:x") == b"1"


def test_damaged_password_file_says_what_to_do(embedded: Project) -> None:
    """A file of secrets that cannot be read is named."""
    one = broker(embedded)
    one.ensure()
    one.files.credentials.write_text("{")
    with pytest.raises(ServiceStartError, match=str(one.files.credentials)):
        services.broker_endpoint(embedded)


def test_lost_data_folder_is_set_up_again(embedded: Project) -> None:
    """Who removes the database's data gets an empty one that takes the same password."""
    one = database(embedded)
    one.ensure()
    one.stop()
    shutil.rmtree(one.files.data)
    found = services.database_endpoint(embedded)
    with pymongo.MongoClient[dict[str, Any]](found.uri) as client:
        assert client[found.name]["things"].find_one() is None


def test_long_base_dir_has_its_socket_elsewhere() -> None:
    """A unix socket's path is limited to about 100 bytes; folders are not."""
    with embedded_project("long", below="x" * 120) as project:
        services.check_broker(project)
        folder = Path(record_of(broker(project)).address).parent
        assert not folder.is_relative_to(project.base_dir)
        assert folder.stat().st_mode & 0o077 == 0
        services.stop(project)
        folder.rmdir()


def test_socket_folder_of_somebody_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in /tmp that others may enter is no place for a socket."""
    with embedded_project("trap", below="x" * 120) as project:
        one = broker(project)
        one.files.make()
        folder = one.files.socket().parent
        folder.chmod(0o777)
        monkeypatch.setenv("TMPDIR", "/tmp")
        try:
            with pytest.raises(ServiceStartError, match="only you may enter"):
                one.files.socket()
        finally:
            folder.rmdir()


def test_disk_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems of clusters know no locks: the data would be in danger there."""

    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("jfcelery.services.locks.fcntl.flock", refuse)
    with pytest.raises(ServiceStartError, match="No file locks on the disk of"):
        services.endpoint(Project(name="p", base_dir=tmp_path / "p"))


def test_foreign_configuration_of_the_database_is_ignored(
    embedded: Project, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration file or variable for another such server has no effect on ours.

    Neither has what others want of the allocators that it uses.
    """
    folder = home / ".secantus"
    folder.mkdir()
    (folder / "secantusd.toml").write_text("this is no TOML")
    monkeypatch.setenv("SECANTUS_OPLOG_ASYNC", "1")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    try:
        record = database(embedded).ensure()
    finally:
        shutil.rmtree(folder)
    environment = Path(f"/proc/{record.process.pid}/environ").read_bytes().split(b"\0")
    assert not [line for line in environment if line.startswith(b"SECANTUS")]
    allocators = {b"MALLOC_ARENA_MAX=1", b"MIMALLOC_PURGE_DELAY=0"}
    assert {line for line in environment if b"MALLOC" in line} == allocators
