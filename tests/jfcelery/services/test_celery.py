"""Celery works through the embedded broker, with the rights that its user has."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from kombu.transport import redis

from jfcelery import services
from jfcelery.tasks import transport
from jfcelery.tasks.settings import celery_settings
from tests.support.embedded import broker, embedded_project, kill
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project

_WORKER = """
import os, sys
from pathlib import Path
from celery import Celery
from jfcelery import services
from jfcelery.project import Project
from jfcelery.tasks import transport
from jfcelery.tasks.settings import celery_settings

transport.use()
app = Celery("t", set_as_current=False)
project = Project(name="celery", base_dir=Path(sys.argv[1]))
app.config_from_object(celery_settings(services.broker_endpoint(project)))

@app.task(name="touch")
def touch(path):
    Path(path).touch()

@app.task(name="grow", bind=True, max_retries=3)
def grow(self, path):
    with open(path, "a") as file:
        file.write("x")
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)

app.worker_main(["worker", "--loglevel=INFO", "--concurrency=2", "--hostname=w@localhost",
                 "--queues=jfc.unrouted,second"])
"""


@contextmanager
def worker(project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """Run a real Celery worker in a process of its own."""
    project.log_dir.mkdir(parents=True, exist_ok=True)
    with (project.log_dir / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(project.base_dir)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait()


@pytest.fixture(scope="module")
def celery_project() -> Iterator[Project]:
    """A project with a Celery worker on its embedded broker."""
    with embedded_project("celery") as project:
        services.broker_endpoint(project)
        with worker(project):
            yield project


@pytest.fixture
def app(celery_project: Project) -> Iterator[Celery]:
    """The sending side, once the worker answers."""
    app = Celery("t", set_as_current=False)
    app.config_from_object(celery_settings(services.broker_endpoint(celery_project)))
    wait_until(lambda: app.control.ping(timeout=1), "the Celery worker to answer")
    yield app
    app.close()


def test_tasks_arrive(app: Celery, tmp_path: Path) -> None:
    """A task that is sent is run, on each queue and at each priority."""
    for number, queue in enumerate(("jfc.unrouted", "second", "second")):
        target = tmp_path / str(number)
        app.send_task("touch", (str(target),), queue=queue, priority=number * 3)
        wait_until(target.exists, "the task to be run")


class _Touch:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_nothing_but_json_is_read(app: Celery, celery_project: Project, tmp_path: Path) -> None:
    """A message that would run code when it is read is refused unread; the next one is run."""
    evil, good = tmp_path / "evil", tmp_path / "good"
    app.send_task("touch", (_Touch(evil),), queue="second", serializer="pickle")
    app.send_task("touch", (str(good),), queue="second")
    wait_until(good.exists, "the task to be run")
    assert "ContentDisallowed" in (celery_project.log_dir / "worker.log").read_text()
    assert not evil.exists()


def test_delayed_and_retried_tasks_arrive(app: Celery, tmp_path: Path) -> None:
    """Countdowns and retries, which use other commands of Redis, work."""
    target = tmp_path / "grown"
    app.send_task("grow", (str(target),), countdown=0.2)
    wait_until(lambda: target.exists() and target.read_text() == "xxx", "two retries")


def test_a_channel_keeps_its_client_of_redis(
    celery_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made anew only with the pool of connections, as after an outage."""
    monkeypatch.setattr(redis.Transport, "Channel", transport.Channel)
    app = Celery("kept", set_as_current=False)
    app.config_from_object(celery_settings(services.broker_endpoint(celery_project)))
    with app.connection_for_write() as connection:
        channel: Any = connection.channel()
        with channel.conn_or_acquire() as one, channel.conn_or_acquire() as other:
            assert one is other
        channel._disconnect_pools()
        with channel.conn_or_acquire() as new:
            assert new is not one
            assert new.ping()
            assert new.connection_pool is channel.pool


def test_worker_can_be_inspected_and_told(app: Celery) -> None:
    """Remote control, which goes through channels, works."""
    here = ["w@localhost"]
    inspect = app.control.inspect(here, timeout=30, limit=1)
    assert [len(queues) for queues in (inspect.active_queues() or {}).values()] == [2]
    assert inspect.stats()
    answers = app.control.add_consumer("third", destination=here, reply=True, timeout=30)
    assert [next(iter(answer.values()))["ok"] for answer in answers or []]


def test_events_arrive(app: Celery, tmp_path: Path) -> None:
    """Events, which Flower lives on, can be received."""
    seen: list[str] = []

    def note(event: dict[str, str]) -> None:
        if not seen:  # a heartbeat: only now does the receiver listen for sure
            app.send_task("touch", (str(tmp_path / "x"),))
        seen.append(event["type"])
        receiver.should_stop = "task-succeeded" in seen  # others may come with it

    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": note})
        receiver.capture(limit=None, timeout=60, wakeup=True)
    assert "task-succeeded" in seen


def test_flower_sees_the_length_of_queues(app: Celery, celery_project: Project) -> None:
    """Flower, which sends the password without a user's name, is let in as well."""
    from flower.utils.broker import Broker

    for _ in range(3):
        app.send_task("nothing", queue="idle")
    options = dict(app.conf.broker_transport_options)
    found = Broker(app.conf.broker_url, broker_options=options)
    assert asyncio.run(found.queues(["idle"])) == [{"name": "idle", "messages": 3}]


def test_all_keys_have_the_prefix(app: Celery, celery_project: Project, tmp_path: Path) -> None:
    """Whatever Celery writes is under the prefix; else the rights would not allow it."""
    app.send_task("touch", (str(tmp_path / "x"),))
    with services.redis_client(celery_project) as client:
        keys = list(client.scan_iter())
    assert keys
    assert all(key.startswith(b"jfcelery:") for key in keys)


def test_worker_survives_the_death_of_the_broker(
    app: Celery, celery_project: Project, tmp_path: Path
) -> None:
    """After a kill -9 and a restart at the same socket, worker and sender go on."""
    before = services.broker_endpoint(celery_project)
    kill(broker(celery_project))
    assert services.broker_endpoint(celery_project) == before

    target = tmp_path / "x"
    app.send_task("touch", (str(target),))
    wait_until(target.exists, "the task to be run")
    log = (celery_project.log_dir / "worker.log").read_text()
    assert "NOPERM" not in log
    assert "Unrecoverable" not in log
