"""The limit on sessions over all processes, on a real Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jfcelery.errors import BackPressureError
from jfcelery.scheduler_io.hosts import semaphore
from jfcelery.scheduler_io.hosts.semaphore import PersonsSemaphores, Semaphores
from jfcelery.services import status
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.projects import ProjectFactory

#: Takes a place, says so, and waits to be killed.
HOLDER = """
import sys, redis
from jfcelery.scheduler_io.hosts import semaphore
semaphore.TTL, semaphore.RENEWAL = 1.0, 0.2
with semaphore.Semaphores(redis.Redis.from_url(sys.argv[1])).place(sys.argv[2], 1):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def semaphores(redis_url: str) -> Iterator[Semaphores]:
    """Semaphores that do not wait."""
    with redis.Redis.from_url(redis_url) as client:
        held = Semaphores(client, patience=0)
        yield held
        held.close()


@pytest.fixture
def host() -> str:
    """A host that no other test uses."""
    return uuid.uuid4().hex


def full(semaphores: Semaphores, host: str, limit: int) -> bool:
    """Whether no place can be had."""
    try:
        with semaphores.place(host, limit):
            return False
    except BackPressureError:
        return True


def test_limit(semaphores: Semaphores, host: str) -> None:
    """No more than the limit hold a place, and each gives it back; hosts are apart."""
    with semaphores.place(host, 2), semaphores.place(host, 2):
        assert full(semaphores, host, 2)
        assert not full(semaphores, host, 3)
        assert not full(semaphores, host + "x", 1)
    with pytest.raises(ZeroDivisionError), semaphores.place(host, 1):
        raise ZeroDivisionError
    assert not full(semaphores, host, 1)


def test_waiting(redis_url: str, host: str) -> None:
    """Who finds no place waits for one; never are there more than the limit."""
    inside, most, lock = [0], [0], threading.Lock()
    with redis.Redis.from_url(redis_url) as client:
        semaphores = Semaphores(client)

        def work(_: int) -> None:
            with semaphores.place(host, 3):
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                threading.Event().wait(0.02)
                with lock:
                    inside[0] -= 1

        with ThreadPoolExecutor(10) as pool:
            list(pool.map(work, range(40)))
        semaphores.close()
    assert most[0] == 3


def test_holder_that_is_killed(
    semaphores: Semaphores, redis_url: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder keeps its place as long as it lives, and loses it when it is killed."""
    monkeypatch.setattr(semaphore, "TTL", 1.0)
    argv = [sys.executable, "-c", HOLDER, redis_url, host]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=os.environ.copy()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        for _ in range(8):  # longer than a place lives without renewal
            assert full(semaphores, host, 1)
            threading.Event().wait(0.25)
        process.kill()
    wait_until(lambda: not full(semaphores, host, 1), "the dead holder's place to expire")


def test_redis_that_does_not_answer(host: str) -> None:
    """Without Redis nothing is limited, and nothing stops."""
    client = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    semaphores = Semaphores(client, patience=0)
    with semaphores.place(host, 1), semaphores.place(host, 1):
        pass
    semaphores.close()


def test_a_persons_sessions_count_with_the_others(make_project: ProjectFactory, host: str) -> None:
    """A command of a person takes its place among those of the Celery workers."""
    project = make_project()
    workers, person = Semaphores.of(project), PersonsSemaphores(project)
    workers._patience = 0
    with person.place(host, 1):
        assert full(workers, host, 1)
    assert not full(workers, host, 1)
    person.close()
    workers.close()


def test_a_persons_command_starts_no_broker(make_project: ProjectFactory, host: str) -> None:
    """Where nothing runs there is nothing to count."""
    project = make_project(queue=None, broker=None)
    assert project.uses_embedded_broker
    person = PersonsSemaphores(project)
    with person.place(host, 1):
        assert not any(one.running for one in status(project))
    person.close()
