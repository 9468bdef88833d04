"""Fixtures of the whole suite: real servers and clusters, and projects that use them.

Servers live as long as the session; projects as long as a test. What a machine cannot run is
skipped with the reason, but in CI (where the variable ``CI`` is set) it fails.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from jfcelery.errors import ServiceStartError
from tests.support.cluster import Cluster, ClusterMissingError, cluster
from tests.support.servers import mongo_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory

#: A MongoDB server to test with in place of the embedded one.
MONGO_VARIABLE = "JFCELERY_TEST_MONGO_URI"
#: Files that a process of the tests may have open at once.
FILES = 8192
#: How many files of quick tests come between two of slow ones.
BETWEEN = 3


def missing(why: object) -> NoReturn:
    """Skip the test that needs what this machine lacks; in CI nothing may lack."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have it: {why}")
    pytest.skip(str(why))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring files with slow tests forward, with quick ones in between.

    Several processes take file after file: slow ones mostly wait, quick ones need the processor,
    and a slow one that came last would keep all but one process idle.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = [path for path in files if any(item.get_closest_marker("slow") for item in files[path])]
    quick = [path for path in files if path not in slow]
    order: list[Path] = []
    for number, path in enumerate(slow):
        order += [path, *quick[number * BETWEEN : (number + 1) * BETWEEN]]
    order += quick[len(slow) * BETWEEN :]
    items[:] = [item for path in order for item in files[path]]


@pytest.fixture(scope="session", autouse=True)
def _open_files() -> None:
    """Many systems allow a process 1024 files; some tests open many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder with a short path, as unix sockets need it; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="jfct-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def home(session_folder: Path) -> Iterator[Path]:
    """An empty home directory and no settings: what the person at the keyboard has is not used."""
    folder = session_folder / "home"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it, for its own lines
        for name in [name for name in os.environ if name.startswith("JFCELERY_")]:
            if name != MONGO_VARIABLE:
                patch.delenv(name)
        yield folder


@pytest.fixture(scope="session")
def redis_url(session_folder: Path) -> Iterator[str]:
    """The URL of a Redis server of this session."""
    folder = session_folder / "redis"
    folder.mkdir()
    try:
        with redis_server(folder) as server:
            yield server.url
    except ServiceStartError as why:
        missing(why)


@pytest.fixture(scope="session")
def mongo_url(session_folder: Path) -> Iterator[str]:
    """The URI of a MongoDB-compatible server: a given one, else one of this session."""
    if given := os.environ.get(MONGO_VARIABLE):
        yield given
        return
    folder = session_folder / "mongo"
    folder.mkdir()
    try:
        with mongo_server(folder) as server:
            yield server.url
    except ServiceStartError as why:
        missing(why)


@pytest.fixture(scope="session")
def testbed(home: Path) -> Iterator[Cluster]:
    """Real hosts with sshd, Slurm and Grid Engine; their keys are in the home's known_hosts."""
    try:
        with cluster() as found:
            shutil.copy(found.known_hosts, home / ".ssh" / "known_hosts")
            yield found
    except ClusterMissingError as why:
        missing(why)


@pytest.fixture
def projects_folder(session_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty projects folder, which the settings name."""
    folder = Path(tempfile.mkdtemp(prefix="p", dir=session_folder))
    monkeypatch.setenv("JFCELERY_PROJECTS_FOLDER", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_project(projects_folder: Path, mongo_url: str, redis_url: str) -> Iterator[ProjectFactory]:
    """A function that makes projects on the session's servers; see ProjectFactory."""
    import pymongo
    import redis

    from tests.support.projects import ProjectFactory

    factory = ProjectFactory(projects_folder, mongo_url, redis_url)
    yield factory
    factory.retire()
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        for name in factory.databases:
            client.drop_database(name)
    with redis.Redis.from_url(redis_url) as broker:
        broker.flushdb()


@pytest.fixture
def project(make_project: ProjectFactory) -> Project:
    """A project with one local shell worker, ``here``, on the session's servers."""
    return make_project()
