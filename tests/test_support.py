"""The tests' own servers and clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymongo
import pytest
import redis

if TYPE_CHECKING:
    from tests.support.cluster import Cluster


def test_redis_answers(redis_url: str) -> None:
    """The session's Redis server answers at its URL."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()


def test_database_answers(mongo_url: str) -> None:
    """The session's database server answers at its URI."""
    with pymongo.MongoClient[dict[str, object]](mongo_url) as client:
        assert client.admin.command("ping")["ok"] == 1


@pytest.mark.hpc
@pytest.mark.parametrize("host", ["hpca", "hpcb", "hpcx"])
def test_hosts_run_the_installed_package(testbed: Cluster, host: str) -> None:
    """Every host of the testbed runs the very jfcelery that is tested, as an ordinary user."""
    code = "import jfcelery.errors as e; print(e.__file__)"
    done = testbed.bed.on(host, testbed.prefix / "bin" / "python", "-c", code, user="hpc")
    assert done.stdout.startswith(str(testbed.prefix))
