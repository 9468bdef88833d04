"""Fixtures of the tests of queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtoolkit.io.slurm import SlurmIO

from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from tests.scheduler_io.bench import Bench
from tests.scheduler_io.fake_slurm import FakeSlurm
from tests.scheduler_io.schedulers.workers import PlainWorker
from tests.scheduler_io.scripts import MakeScript

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """Commands that answer like Slurm's."""
    return FakeSlurm(tmp_path / "slurm", monkeypatch)


@pytest.fixture
def bench(tmp_path: Path, slurm: FakeSlurm) -> Bench:
    """A Slurm worker on this machine."""
    worker = PlainWorker("slurm", SlurmIO(), work_dir=tmp_path / "work dir")
    return Bench(SimulatedHost(), worker, settle_s=0)


@pytest.fixture
def make_script(tmp_path: Path) -> Iterator[MakeScript]:
    """A function that writes a script."""
    maker = MakeScript(tmp_path)
    yield maker
    maker.end()
