"""Who can connect to what a runner starts: this machine only, and nobody without a login."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pymongo
import pytest
from pymongo.errors import OperationFailure

from jfcelery.tasks.runner.layout import Layout
from tests.support.embedded import CACHE, database, record_of
from tests.support.waiting import wait_until
from tests.tasks.runner.conftest import processes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.project import Project
    from jfcelery.tasks.runner.lifecycle import Runner
    from tests.support.projects import ProjectFactory

pytestmark = pytest.mark.slow

#: State of a socket that listens, in /proc/net/tcp; see proc(5).
LISTENS = "0A"
#: 127.0.0.1 and ::1, as they stand there on a machine whose bytes are in the usual order.
LOOPBACK = ("0100007F", "00000000000000000000000001000000")


def listening(pids: Iterator[int] | list[int]) -> dict[int, str]:
    """Return the ports on which some processes listen, and the addresses."""
    inodes = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            target = str(handle.readlink()) if handle.is_symlink() else ""
            if target.startswith("socket:["):
                inodes.add(target[len("socket:[") : -1])
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and fields[9] in inodes:
                address, port = fields[1].split(":")
                found[int(port, 16)] = address
    return found


@pytest.fixture
def gui(runner: Runner) -> Iterator[int]:
    """The web page of a runner's project: the id of its process."""
    code = "from jfcelery.cli.main import main; main()"
    argv = [sys.executable, "-c", code, "-p", runner.project.name, "gui"]
    process = subprocess.Popen(argv, env=os.environ, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: listening([process.pid]), "the web page to listen")
        yield process.pid
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def runner(
    make_project: ProjectFactory,
    make_runner: Callable[[Project], Runner],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Runner:
    """A runner with everything that it can have, services included."""
    monkeypatch.setenv("JFCELERY_DATABASE_CACHE", CACHE)
    project = make_project(queue=None, broker=None, base_dir=str(tmp_path / "base"))
    runner = make_runner(project)
    runner.start(Layout(single=True, flower=True, concurrency=2))
    return runner


def test_all_that_listens_is_on_loopback_and_wants_a_login(runner: Runner, gui: int) -> None:
    """Database, Flower and web page: no other socket, none for others, none without a login."""
    served = database(runner.project)
    flower = wait_until(lambda: runner.info().flower, "Flower to tell its address")
    shown = httpx.URL(flower).port
    assert shown is not None
    ports = {"database": int(record_of(served).address), "flower": shown}

    def all_there() -> dict[int, str] | None:
        found = listening([gui, *(process.pid for process in processes_of(runner))])
        return found if set(ports.values()) <= set(found) else None

    found = wait_until(all_there, "all to listen")
    assert set(found.values()) <= set(LOOPBACK)
    (page,) = set(found) - set(ports.values())
    _refuses_strangers(ports["database"])
    for port, paths in (
        (ports["flower"], ("/", "/api/workers", "/metrics", "/healthcheck")),
        (page, ("/api/workers", "/metrics")),
    ):
        for path in paths:
            answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=30)
            assert answer.status_code == 401, (port, path)


def _refuses_strangers(port: int) -> None:
    url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    with (
        pymongo.MongoClient[dict[str, Any]](url) as client,
        pytest.raises(OperationFailure, match="authentication"),
    ):
        client["jfcelery"]["jobs"].find_one()
