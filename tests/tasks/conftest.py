"""Fixtures of the tests of the runner's tasks."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from tests.support.bench import REMOTE, Bench, alive, quick_worker
from tests.support.pooled import pids

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.pooled import MakeBatchBench
    from tests.support.projects import ProjectFactory


class MakeBench(Protocol):
    """Makes a bench; options of the worker, and sections of the project file."""

    def __call__(self, *, worker: dict[str, Any] | None = None, **sections: Any) -> Bench:
        """Make one."""
        ...


@pytest.fixture
def make_bench(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeBench]:
    """A function that makes the runner of a new project, driven by hand."""
    made = []

    def make(*, worker: dict[str, Any] | None = None, **sections: Any) -> Bench:
        workers = {"here": quick_worker(tmp_path, **(worker or {}))}
        made.append(Bench(make_project(workers=workers, **sections), tmp_path, monkeypatch))
        return made[-1]

    yield make
    for bench in made:
        bench.runtime.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """The runner of a project with one local worker whose jobs take no time."""
    return make_bench()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> SimulatedHost:
    """The host of every worker: this machine, with faults as scripted."""
    found = SimulatedHost("far")
    monkeypatch.setattr(Hosts, "_make", lambda *_args: found)
    return found


@pytest.fixture
def far_bench(make_bench: MakeBench, host: SimulatedHost) -> Bench:
    """The runner of a project with one remote worker, which is on ``host``."""
    del host
    return make_bench(worker=REMOTE)


@pytest.fixture
def batch_bench(make_bench: MakeBench, tmp_path: Path) -> Iterator[MakeBatchBench]:
    """A function that makes a bench with a batch worker; its pilots end with the test."""
    made: list[Bench] = []

    def make(*, worker: dict[str, Any] | None = None, **batch: Any) -> Bench:
        section = {
            "jobs_handle_dir": str(tmp_path / "pool"),
            "work_dir": str(tmp_path / "pilots"),
            "max_wait": 0.5,
            "sleep_time": 0.05,
            **batch,
        }
        made.append(make_bench(worker={"batch": section, **(worker or {})}))
        return made[-1]

    yield make
    (tmp_path / "go").touch()
    for bench in made:
        for pid in pids(bench):
            if alive(pid):
                os.kill(pid, signal.SIGTERM)
