"""Fixtures of the tests of hosts."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.hosts.this_machine import ThisMachine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def host() -> LocalHost:
    """This machine as a host."""
    return LocalHost(timeout=60)


@pytest.fixture(params=[LocalHost, ThisMachine])
def any_host(request: pytest.FixtureRequest) -> LocalHost:
    """This machine as a host, by the script for all hosts and as local workers use it."""
    made: LocalHost = request.param(timeout=60)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run folder that is not there yet."""
    return RunFolder.of(str(tmp_path / "work dir"), str(uuid.uuid4()), 1)
