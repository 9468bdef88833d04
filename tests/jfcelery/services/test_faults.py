"""What can go wrong with the embedded services, and what they make of it."""

from __future__ import annotations

import os
import signal
import socket
import threading
from itertools import count
from typing import TYPE_CHECKING

import pytest
import redis
from pymongo.errors import PyMongoError

from jfcelery import services
from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.errors import DatabaseUnavailableError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.services import service
from jfcelery.states import JobState
from tests.support.embedded import (
    broker,
    database,
    kill,
)
from tests.support.entries import flow_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.project import Project

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


def test_taken_port_is_left_to_its_owner(embedded: Project) -> None:
    """If somebody has taken the database's port meanwhile, it comes up at another."""
    one = database(embedded)
    port = one.ensure().address
    one.stop()
    with socket.create_server(("127.0.0.1", int(port))):
        assert one.ensure().address != port
        assert services.database_endpoint(embedded).uri.count(port) == 0
