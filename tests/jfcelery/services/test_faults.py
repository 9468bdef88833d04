"""What can go wrong with the embedded services, and what they make of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import threading
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymongo
import pytest
import redis
from pymongo.errors import PyMongoError

from jfcelery import services
from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.errors import DatabaseUnavailableError, ServiceStartError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.project import Project
from jfcelery.services import binaries, service
from jfcelery.services.locks import LockFile
from jfcelery.services.processes import ProcessIdentity
from jfcelery.services.spawn import spawn
from jfcelery.states import JobState
from tests.support.embedded import (
    broker,
    database,
    embedded_project,
    instances,
    kill,
    record_of,
    script,
)
from tests.support.entries import flow_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

#: Writes that must have been acknowledged before the server is killed.
WRITES = 60
#: Jobs whose states are changed: more than can be before the server is dead.
JOBS = 1000


class Writers:
    """Threads that write until they fail, and note what was acknowledged.

    Args:
        write: Writes one number; raises when the server is gone.
    """

    def __init__(self, write: Callable[[int], object], *, threads: int = 3) -> None:
        self.acknowledged: list[int] = []
        self._write = write
        self._numbers = count()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while True:
            number = next(self._numbers)
            try:
                self._write(number)
            except (PyMongoError, redis.RedisError, DatabaseUnavailableError):
                return
            self.acknowledged.append(number)

    def wait_for(self, writes: int) -> None:
        """Wait until so many writes are acknowledged."""
        wait_until(lambda: len(self.acknowledged) >= writes, "acknowledged writes")

    def join(self) -> set[int]:
        """Wait until all have failed; return what was acknowledged."""
        for thread in self._threads:
            thread.join()
        return set(self.acknowledged)


def test_killed_database_loses_nothing_acknowledged(embedded: Project) -> None:
    """A kill -9 amid changes of state leaves each acknowledged one, with its history."""
    queue = open_queue(embedded)
    jobs = Jobs(queue)
    flow = flow_of({f"job-{number}": [] for number in range(JOBS)})
    add_flow(queue, flow, Placement(worker="here"))
    docs = list(jobs.find({}))

    def check_out(number: int) -> None:
        fields = {"epoch": 1, "attempt": 1}
        jobs.transition(docs[number], "checkout", JobState.CHECKED_OUT, by="test", fields=fields)

    writers = Writers(check_out)
    writers.wait_for(WRITES)
    kill(database(embedded))
    acknowledged = writers.join()
    queue.close()
    jobs = Jobs(open_queue(embedded))
    for number in acknowledged:
        doc = jobs.get(docs[number].uuid)
        assert doc.state is JobState.CHECKED_OUT
        assert [change.event for change in jobs.history.of(doc)] == ["insert", "checkout"]
    jobs.queue.close()


def test_killed_broker_loses_nothing_acknowledged(embedded: Project) -> None:
    """A kill -9 under load leaves every acknowledged message in the append-only file."""
    client = services.redis_client(embedded)
    writers = Writers(lambda number: client.rpush("jfcelery:things", number))
    writers.wait_for(WRITES)
    kill(broker(embedded))
    acknowledged = writers.join()

    client = services.redis_client(embedded)
    assert acknowledged <= {int(thing) for thing in client.lrange("jfcelery:things", 0, -1)}


def test_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    """The error names the folder, the system's reason and the option to change."""
    (tmp_path / "file").touch()
    project = Project(name="p", base_dir=tmp_path / "file" / "p")
    with pytest.raises(ServiceStartError, match=r"cannot write to .*file") as caught:
        services.endpoint(project)
    assert "Not a directory" in caught.value.message
    assert "base_dir" in caught.value.remedy


def test_missing_program_names_the_extra(
    embedded: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the servers' programs the error says what to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(binaries, "DATABASE_PROGRAMS", ("no-such-program",))
    monkeypatch.setattr(binaries, "BROKER_PACKAGES", ())
    for start in (services.database_endpoint, services.broker_endpoint):
        with pytest.raises(ServiceStartError, match="installed") as caught:
            start(embedded)
        assert "\n" not in caught.value.message
        assert "pip install 'jfcelery[embedded]'" in caught.value.remedy


def test_old_redis_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that knows no users is not taken, and named if there is nothing else."""
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=00000000:0 malloc=jemalloc'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "BROKER_PACKAGES", ())
    with pytest.raises(ServiceStartError, match=f"{old} is too old"):
        binaries.find_broker()


def test_packaged_broker_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PATH has no server, the one inside a pip package is taken."""
    found = binaries.find_broker()
    program = tmp_path / "some_package" / "bin" / "valkey-server"
    program.parent.mkdir(parents=True)
    (tmp_path / "some_package" / "__init__.py").touch()
    program.write_text(f'#!/bin/sh\nexec {found} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/nowhere")
    monkeypatch.syspath_prepend(str(tmp_path))
    packages = (("no_such_package", "bin/x"), ("some_package", "bin/valkey-server"))
    monkeypatch.setattr(binaries, "BROKER_PACKAGES", packages)
    assert binaries.find_broker() == program


def test_server_that_ends_at_once_is_quoted(
    embedded: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server said last is in the error, and where its log is."""
    broken = tmp_path / "secantusd-rs"
    broken.write_text("#!/bin/sh\necho 'error: no space left on device'; echo bye\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(binaries, "_site_folders", list)
    monkeypatch.setattr(binaries, "_database_candidates", lambda: iter([broken]))
    with pytest.raises(ServiceStartError, match="no space left on device") as caught:
        services.database_endpoint(embedded)
    assert "\n" not in caught.value.message
    assert caught.value.remedy.startswith("Free some space")
    assert str(embedded.log_dir / "database.log") in caught.value.remedy


@pytest.mark.parametrize(
    "change", [{"started": "1"}, {"machine": "an earlier boot"}], ids=["reused pid", "rebooted"]
)
def test_record_of_another_process_is_not_believed(
    embedded: Project, change: dict[str, Any]
) -> None:
    """A process that has the recorded pid, but started at another time or boot, is no server."""
    one = broker(embedded)
    one.ensure()
    dead = kill(one)
    ours = ProcessIdentity.of(os.getpid())
    assert ours is not None
    replace(dead, process=replace(ours, **change)).write(one.files.record)
    one.files.pid.write_text(f"{os.getpid()}\n")

    services.check_broker(embedded)
    assert len(instances(one)) == 1


def test_stop_leaves_the_owner_of_a_reused_pid_alone(embedded: Project) -> None:
    """Whoever has the recorded pid now is not ended."""
    one = broker(embedded)
    one.ensure()
    dead = kill(one)
    replace(dead, process=replace(dead.process, pid=os.getpid())).write(one.files.record)
    one.files.pid.write_text(f"{os.getpid()}\n")
    assert services.stop(embedded) == []


def test_damaged_record_counts_as_none(embedded: Project) -> None:
    """A record that cannot be read is written anew."""
    one = broker(embedded)
    one.ensure()
    kill(one)
    one.files.record.write_text("{")
    services.check_broker(embedded)


def test_server_on_another_machine_is_named(embedded: Project) -> None:
    """A lock held elsewhere, as over NFS, means a server there: it is named, none is started."""
    one = broker(embedded)
    one.ensure()
    record = kill(one)
    elsewhere = replace(record, host="login7", process=replace(record.process, machine="other"))
    elsewhere.write(one.files.record)
    held = LockFile(one.files.alive_lock)
    assert held.acquire(timeout=30)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service, "LEFTOVER_SECONDS", 0.0)
            with pytest.raises(ServiceStartError, match="already run on login7"):
                one.ensure()
    finally:
        held.close()
    assert instances(one) == []


def test_starter_killed_too_early_leaves_no_second_server(embedded: Project) -> None:
    """A server that no record tells of, as its starter was killed, gives way to a new one."""
    one = broker(embedded)
    one.ensure()
    kill(one)
    one.files.record.unlink()
    lock = LockFile(one.files.alive_lock)
    assert lock.acquire(timeout=30)
    command = one._command(binaries.find_broker(), str(one.files.socket()))
    orphan = spawn(command, pid_file=one.files.pid, log=one.files.log, lock=lock)
    lock.close()

    services.check_broker(embedded)
    assert instances(one) == [record_of(one).process.pid] != [orphan]


def test_starter_killed_while_it_sets_up_the_database(embedded: Project) -> None:
    """The next one ends the open server that was left, and sets up anew."""
    one = database(embedded)
    one.files.make()
    with script(embedded, "services.endpoint(project)") as starter:
        wait_until(lambda: "listening" in one.files.log.read_text(), "the open server")
        starter.kill()

    found = services.database_endpoint(embedded, probe=True)
    assert len(instances(one)) == 1
    with pymongo.MongoClient[dict[str, Any]](found.uri) as client:
        assert len(client["admin"].command("usersInfo")["users"]) == 1


@pytest.mark.parametrize("which", [database, broker])
def test_server_that_hangs_is_restarted(
    embedded: Project,
    which: Callable[[Project], service.Service],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A probe that is left unanswered for long ends in a restart."""
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(service, "GRACE_SECONDS", 0.1)
    one = which(embedded)
    hung = one.ensure()
    os.kill(hung.process.pid, signal.SIGSTOP)

    assert one.ensure() == hung, "without a probe nobody notices"
    assert one.ensure(probe=True).process.pid != hung.process.pid
    assert not hung.process.alive


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


def test_taken_port_is_left_to_its_owner(embedded: Project) -> None:
    """If somebody has taken the database's port meanwhile, it comes up at another."""
    one = database(embedded)
    port = one.ensure().address
    one.stop()
    with socket.create_server(("127.0.0.1", int(port))):
        assert one.ensure().address != port
        assert services.database_endpoint(embedded).uri.count(port) == 0


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
    """A configuration file or variable for another such server has no effect on ours."""
    folder = home / ".secantus"
    folder.mkdir()
    (folder / "secantusd.toml").write_text("this is no TOML")
    monkeypatch.setenv("SECANTUS_OPLOG_ASYNC", "1")
    try:
        record = database(embedded).ensure()
    finally:
        shutil.rmtree(folder)
    environment = Path(f"/proc/{record.process.pid}/environ").read_bytes()
    assert b"SECANTUS" not in environment


def test_record_says_what_runs(embedded: Project) -> None:
    """The record can be read by other programs."""
    one = broker(embedded)
    one.ensure()
    fields = json.loads(one.files.record.read_text())
    assert fields["ready"] is True
    assert fields["process"]["pid"] == instances(one)[0]
    assert Path(fields["program"]).is_file()
    assert sys.platform == "linux"
