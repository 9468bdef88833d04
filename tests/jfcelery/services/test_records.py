"""The record of a server that runs: whose it is, and when it is not believed."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymongo
import pytest

from jfcelery import services
from jfcelery.errors import ServiceStartError
from jfcelery.services import binaries, service
from jfcelery.services.locks import LockFile
from jfcelery.services.processes import ProcessIdentity
from jfcelery.services.spawn import spawn
from tests.support.embedded import (
    broker,
    database,
    instances,
    kill,
    record_of,
    script,
)
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from jfcelery.project import Project


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


def test_record_says_what_runs(embedded: Project) -> None:
    """The record can be read by other programs."""
    one = broker(embedded)
    one.ensure()
    fields = json.loads(one.files.record.read_text())
    assert fields["ready"] is True
    assert fields["process"]["pid"] == instances(one)[0]
    assert Path(fields["program"]).is_file()
    assert sys.platform == "linux"
